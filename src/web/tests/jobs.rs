//! Variations: orders, how they are followed, and what becomes of them.

use super::*;
use crate::html::percent;
use crate::release::Outcome;

#[test]
fn a_variation_is_made_followed_kept_and_sent_as_ours_alone() {
    let served = Served::new();
    let (status, place) =
        served.order(&[("strength", "0.9"), ("subject", "adenovirus virions"), ("seed", "")]);
    assert_eq!(status, 303);
    let (status, head, body) = served.get(&format!("{place}/events"));
    assert!(status == 200 && head.contains("content-type: text/event-stream"), "{head}");
    let events = text(&body);
    assert!(events.contains("\"phase\":\"running\"") && events.contains("\"phase\":\"done\""), "{events}");
    assert_eq!(served.wait(&place), "done");
    let page = text(&served.get(&place).2);
    assert!(page.contains("Released") && page.contains("at least 0.50 required"), "{page}");
    let asset = page
        .split("/pictures/")
        .nth(1)
        .and_then(|rest| rest.split('/').next())
        .expect("a picture")
        .to_owned();
    let (status, head, file) = served.get(&format!("/pictures/{asset}/file"));
    assert!(status == 200 && head.contains("content-type: image/png"));
    assert!(head.contains("content-disposition: attachment; filename=\"variation-"));
    let report: serde_json::Value = serde_json::from_slice(&served.verify(&file).2).expect("JSON");
    assert_eq!((&report["verdict"], &report["manifest"]["state"]), (&"ai-derived".into(), &"trusted".into()));
    // The reference was said to be HTML. It is a picture that is drawn anew, and no file of ours.
    for path in
        [format!("{place}/reference"), format!("/pictures/{asset}/small"), format!("/pictures/{asset}/large")]
    {
        let (status, head, body) = served.get(&path);
        assert!(status == 200 && head.contains("content-type: image/jpeg"), "{path}");
        assert_eq!(&body[..3], [0xff, 0xd8, 0xff]);
    }
    let grid = text(&served.get("/catalog?words=ADENOVIRUS&outcome=released").2);
    assert!(grid.contains(&format!("/catalog/{asset}")));
    assert!(!text(&served.get("/catalog?words=nothing+like+it").2).contains(&asset));
    let page = text(&served.get(&format!("/catalog/{asset}")).2);
    assert!(page.contains("Event log") && page.contains("Lineage") && page.contains("org.vidimus.watermark"));
    let reference = page.split("/pictures/").map(|part| part.split('/').next().unwrap_or_default());
    let reference = reference.skip(1).find(|id| *id != asset).expect("its reference").to_owned();
    assert_eq!(
        served.get(&format!("/pictures/{reference}/file")).0,
        404,
        "what came from elsewhere stays here"
    );
    // The other validators' way.
    let made = served.site.jobs.find(place.trim_start_matches("/jobs/")).expect("known").view().made;
    let Outcome::Released(done) = &made[0].outcome else { panic!("released") };
    let base64 = |bytes: &[u8]| {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(bytes)
    };
    let value = base64(done.payload_id.as_bytes());
    let alg = done.level.algorithm();
    let found = served.get(&format!("/matches/byBinding?alg={alg}&value={}", percent(&value)));
    let found: serde_json::Value = serde_json::from_slice(&found.2).expect("JSON");
    assert_eq!(found["matches"][0]["manifestId"], report["manifest"]["label"], "{found}");
    let body = format!("{{\"alg\":\"{alg}\",\"value\":\"{value}\"}}");
    let posted =
        served.send("POST /matches/byBinding HTTP/1.1\r\nContent-Type: application/json", body.as_bytes());
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&posted.2).expect("JSON"), found);
    let picture = crate::raster::decode(&file, &crate::raster::Limits::default()).expect("a picture").raster;
    let stripped = encode(&picture, Format::Jpeg, 85).expect("a file");
    let by_content = served.send("POST /matches/byContent HTTP/1.1\r\nContent-Type: image/jpeg", &stripped);
    let by_content: serde_json::Value = serde_json::from_slice(&by_content.2).expect("JSON");
    assert_eq!(by_content["matches"][0]["manifestId"], report["manifest"]["label"], "{by_content}");
    // By its looks alone.
    let value = base64(&crate::iscc::ImageCode::of(&picture).unit());
    let looks = served.get(&format!("/matches/byBinding?alg=io.iscc.v0&value={}", percent(&value)));
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&looks.2).expect("JSON"), found);
    let looks = served.send("POST /matches/byContent?alg=io.iscc.v0 HTTP/1.1", &stripped);
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&looks.2).expect("JSON"), found);
    let known = served.get("/services/supportedAlgorithms");
    let known: serde_json::Value = serde_json::from_slice(&known.2).expect("JSON");
    assert_eq!(known["fingerprints"], serde_json::json!([{ "alg": "io.iscc.v0" }]));
    let label = report["manifest"]["label"].as_str().expect("a label");
    let (status, head, store) = served.get(&format!("/manifests/{label}"));
    assert!(status == 200 && head.contains("content-type: application/c2pa"));
    assert!(file.windows(store.len()).any(|part| part == store), "the store that the file carries");
    let (status, _, alone) = served.get(&format!("/manifests/{label}?returnActiveManifest=true"));
    assert!(status == 200 && alone.len() <= store.len() && &alone[4..8] == b"jumb");
    assert_eq!(served.get("/manifests/urn:c2pa:none").0, 404);
    for query in [
        "alg=com.example.1&value=eA==",
        "alg=org.vidimus.watermark.1&value=!",
        "alg=org.vidimus.watermark.1&value=eA==",
        "alg=io.iscc.v0&value=eA==",
    ] {
        assert_eq!(served.get(&format!("/matches/byBinding?{query}")).0, 400, "{query}");
    }
}

#[test]
fn a_refusal_explains_itself_and_offers_another_strength() {
    let served = Served::new();
    let (status, place) = served.order(&[("strength", "0.2"), ("seed", "1")]);
    assert_eq!((status, served.wait(&place)), (303, "done"));
    let page = text(&served.get(&place).2);
    assert!(page.contains("Refused by the policy") && page.contains("Too close: "), "{page}");
    assert!(page.contains("value=\"auto\"") && !page.contains("/file\""));
    let run =
        page.split("/runs/").nth(1).and_then(|rest| rest.split('"').next()).expect("its entry").to_owned();
    assert!(text(&served.get(&format!("/runs/{run}")).2).contains("refusal"), "it is logged");
    assert!(text(&served.get("/catalog?outcome=refused").2).contains(&run));
    let again = format!("POST {place}/again HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded");
    let (status, head, _) = served.send(&again, b"strength=auto");
    assert!(status == 303 && !head.contains(&format!("location: {place}\r")), "{head}");
}

#[test]
fn a_job_is_cancelled_and_leaves_nothing() {
    let served = Served::new();
    let (_, place) = served.order(&[("strength", "0.9"), ("count", "8")]);
    let (_, waiting) = served.order(&[("strength", "0.9")]);
    assert_eq!(served.send(&format!("POST {waiting}/cancel HTTP/1.1"), b"").0, 303);
    assert_eq!(served.wait(&waiting), "cancelled");
    served.send(&format!("POST {place}/cancel HTTP/1.1"), b"");
    assert_eq!(served.wait(&place), "cancelled");
    assert!(text(&served.get(&place).2).contains("Cancelled"));
}

#[test]
fn jobs_have_an_end_and_the_line_a_length() {
    let served = Served::with(|_| {}, |bounds| (bounds.job, bounds.queued) = (Duration::from_millis(30), 1));
    let places: Vec<(u16, String)> =
        (0..4).map(|_| served.order(&[("strength", "0.9"), ("count", "8")])).collect();
    assert!(places.iter().any(|(status, _)| *status == 503), "{places:?}");
    let first = &places[0].1;
    assert_eq!(served.wait(first), "failed");
    assert!(text(&served.get(first).2).contains("it took longer than"));
}

#[test]
fn wrong_orders_are_told_what_was_expected() {
    let served = Served::new();
    for (fields, said) in [
        (&[("strength", "7")][..], "not a strength"),
        (&[("engine", "dall-e")], "cannot run here"),
        (&[("policy", "none")], "no policy"),
        (&[("count", "1000")], "expected a number from 1 to 8"),
    ] {
        let (kind, body) = form(fields, &[("reference", "ref.png", &picture(1))]);
        let (status, _, body) = served.send(&format!("POST /make HTTP/1.1\r\nContent-Type: {kind}"), &body);
        assert!(status == 400 && text(&body).contains(said), "{fields:?}: {}", text(&body));
    }
    let (kind, body) = form(&[], &[("reference", "ref.png", b"<html>")]);
    assert_eq!(served.send(&format!("POST /make HTTP/1.1\r\nContent-Type: {kind}"), &body).0, 422);
}
