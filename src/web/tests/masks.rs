//! Variations of a part.

use super::*;
use crate::raster::{Channels, Raster, Samples};
use crate::release::Outcome;

/// White but for a corner of `kept` × `kept` pixels.
fn mask(width: u32, height: u32, kept: u32) -> Vec<u8> {
    let level = |i: u32| if i % width < kept && i / width < kept { 0 } else { 255 };
    let samples = Samples::Eight((0..width * height).map(level).collect());
    encode(&Raster::new(width, height, Channels::Grey, samples, None), Format::Png, 90).expect("it encodes")
}

/// Sends the form with a mask; its status, where the job is, and what was said.
fn order(served: &Served, fields: &[(&str, &str)], mask: &[u8]) -> (u16, String, String) {
    let files = [("reference", "ref.png", &picture(1)[..]), ("mask", "mask.png", mask)];
    let (kind, body) = form(fields, &files);
    let (status, head, body) = served.send(&format!("POST /make HTTP/1.1\r\nContent-Type: {kind}"), &body);
    let place = head.lines().find_map(|line| line.strip_prefix("location: ")).unwrap_or_default();
    (status, place.to_owned(), text(&body))
}

#[test]
fn a_mask_varies_what_is_white_and_what_stays_is_told() {
    let served = Served::new();
    let (status, place, said) = order(&served, &[("strength", "0.9")], &mask(256, 208, 24));
    assert_eq!(status, 303, "{said}");
    assert_eq!(served.wait(&place), "done");
    let made = served.site.jobs.find(place.trim_start_matches("/jobs/")).expect("known").view().made;
    let Outcome::Released(done) = &made[0].outcome else { panic!("it keeps a hundredth") };
    let share = done.origin.record().and_then(|record| record.varied_share).expect("in part");
    assert!((0.97..0.995).contains(&share), "{share}");
    let file = served.get(&format!("/pictures/{}/file", done.asset_id)).2;
    let report: serde_json::Value = serde_json::from_slice(&served.verify(&file).2).expect("JSON");
    let kind = report["manifest"]["digital_source_type"].as_str().expect("stated");
    assert!(kind.ends_with("compositeWithTrainedAlgorithmicMedia"), "{kind}");
    assert!(text(&served.get(&place).2).contains("% of the picture; the rest is"), "the page says so");
}

#[test]
fn a_mask_that_keeps_too_much_is_refused_and_a_wrong_one_is_not_taken() {
    let served = Served::new();
    let (status, place, _) = order(&served, &[("strength", "0.9"), ("seed", "1")], &mask(256, 208, 150));
    assert_eq!((status, served.wait(&place)), (303, "done"));
    assert!(text(&served.get(&place).2).contains("Too close: "));
    // A field that was left empty.
    let (status, place, said) = order(&served, &[("strength", "0.2"), ("seed", "1")], b"");
    assert_eq!(status, 303, "{said}");
    assert_eq!(served.wait(&place), "done");
    for (fields, sent, status, reason) in [
        (&[][..], mask(208, 256, 20), 400, "the mask has 208×256 pixels: expected the reference's 256×208"),
        (&[], b"<html>".to_vec(), 422, "the mask: not a picture that can be read"),
        (
            &[("width", "300"), ("height", "300")],
            mask(256, 208, 20),
            400,
            "a mask and another size cannot go together",
        ),
    ] {
        let (found, _, said) = order(&served, fields, &sent);
        assert!(found == status && said.contains(reason), "{found} {said}");
    }
}
