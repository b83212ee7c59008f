//! The server as a whole, over real connections.

mod looks;
mod masks;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use time::OffsetDateTime;

use super::*;
use crate::generate::patch::PatchEngine;
use crate::host::Host;
use crate::html::percent;
use crate::keys::{Entropy, Keys};
use crate::raster::{Format, encode};
use crate::release::Outcome;
use crate::specimen::{Colour, Kind, Specimen};
use crate::workspace::Workspace;

/// A real clock, and randomness that is none.
struct Machine(Instant, std::sync::atomic::AtomicU64);

impl Host for Machine {
    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::now_utc()
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    fn random(&self, bytes: &mut [u8]) {
        for byte in bytes {
            *byte = (self.1.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8;
        }
    }
}

/// A server on a free port, in a workspace of its own.
struct Served {
    address: SocketAddr,
    site: Arc<Site>,
    stop: Arc<AtomicBool>,
    running: Option<JoinHandle<Result<(), ServeError>>>,
    home: tempfile::TempDir,
}

impl Served {
    fn with(settings: impl FnOnce(&mut Settings), bounds: impl FnOnce(&mut Bounds)) -> Self {
        let home = tempfile::tempdir().expect("a directory for the tests");
        let workspace = Workspace::create(home.path()).expect("writable");
        crate::policies::install(&workspace.policies()).expect("writable");
        let entropy = Entropy { root: [1; 32], signing: [2; 32], watermark: [3; 32] };
        Keys::create(&workspace.keys(), OffsetDateTime::now_utc(), &entropy).expect("keys");
        crate::catalog::Catalog::open(&workspace.database()).expect("a catalog");
        let mut asked = Settings {
            bind: "127.0.0.1:0".parse().expect("an address"),
            token: None,
            verify_only: false,
            hosts: Vec::new(),
            secret: [9; 64],
        };
        settings(&mut asked);
        let mut limits = Bounds::new(asked.verify_only, 2);
        bounds(&mut limits);
        let offers = vec![Offer { name: "patch".into(), reads_prompt: false }];
        let engines = Engines { offers, open: Box::new(|_| Ok(Box::new(PatchEngine))) };
        let host = Arc::new(Machine(Instant::now(), 1.into()));
        let opened = Opened { workspace: Some(workspace), host, engines, bounds: limits, secret: None };
        let server = Server::bind(Door::new(asked).expect("safe"), opened).expect("a free port");
        let (address, site) = (server.address(), Arc::clone(&server.site));
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&stop);
        let running = std::thread::spawn(move || server.run(move || asked.load(Ordering::Relaxed)));
        Served { address, site, stop, running: Some(running), home }
    }

    fn new() -> Self {
        Served::with(|_| {}, |_| {})
    }

    /// Sends `head` (its first line and headers, without Host and length) and `body`; status, headers and body.
    fn send(&self, head: &str, body: &[u8]) -> (u16, String, Vec<u8>) {
        self.raw(&format!("{head}\r\nHost: {}", self.address), body)
    }

    fn raw(&self, head: &str, body: &[u8]) -> (u16, String, Vec<u8>) {
        let mut stream = TcpStream::connect(self.address).expect("it listens");
        let length = if body.is_empty() && head.starts_with("GET") {
            String::new()
        } else {
            format!("Content-Length: {}\r\n", body.len())
        };
        // The server may answer, and close, before it has read all of it.
        let _ = stream.write_all(format!("{head}\r\n{length}Connection: close\r\n\r\n").as_bytes());
        let _ = stream.write_all(body);
        answer_of(stream)
    }

    fn get(&self, path: &str) -> (u16, String, Vec<u8>) {
        self.send(&format!("GET {path} HTTP/1.1"), b"")
    }

    fn verify(&self, body: &[u8]) -> (u16, String, Vec<u8>) {
        self.send("POST /api/verify HTTP/1.1\r\nContent-Type: application/octet-stream", body)
    }

    /// Sends the form of a variation; where its job is.
    fn order(&self, fields: &[(&str, &str)]) -> (u16, String) {
        let (kind, body) = form(fields, &[("reference", "ref.png", &picture(1))]);
        let (status, head, _) = self.send(&format!("POST /make HTTP/1.1\r\nContent-Type: {kind}"), &body);
        let place = head.lines().find_map(|line| line.strip_prefix("location: ")).unwrap_or_default();
        (status, place.to_owned())
    }

    /// Waits until the job at `place` is over; its phase.
    fn wait(&self, place: &str) -> &'static str {
        let id = place.trim_start_matches("/jobs/");
        let began = Instant::now();
        loop {
            let phase = self.site.jobs.find(id).expect("known").view().phase;
            if phase.is_over() {
                return phase.name();
            }
            assert!(began.elapsed() < Duration::from_secs(300), "the job does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn end(&mut self) -> Result<(), ServeError> {
        self.stop.store(true, Ordering::Relaxed);
        self.running.take().expect("it runs").join().expect("it does not panic")
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(running) = self.running.take() {
            let _ = running.join();
        }
    }
}

fn answer_of(mut stream: TcpStream) -> (u16, String, Vec<u8>) {
    let mut all = Vec::new();
    let mut piece = [0; 8192];
    // A connection that is reset after the answer has given it all the same.
    while let Ok(read) = stream.read(&mut piece) {
        if read == 0 {
            break;
        }
        all.extend_from_slice(&piece[..read]);
    }
    let end =
        all.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or_else(|| panic!("no answer: {all:?}"));
    let head = String::from_utf8_lossy(&all[..end]).to_lowercase();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, head, all[end + 4..].to_vec())
}

fn form(fields: &[(&str, &str)], files: &[(&str, &str, &[u8])]) -> (String, Vec<u8>) {
    let mut body = Vec::new();
    for (name, value) in fields {
        let part = format!("--edge\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        body.extend_from_slice(part.as_bytes());
    }
    for (name, called, bytes) in files {
        let part = format!(
            "--edge\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{called}\"\r\n\
             Content-Type: text/html\r\n\r\n"
        );
        body.extend_from_slice(part.as_bytes());
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--edge--\r\n");
    ("multipart/form-data; boundary=edge".to_owned(), body)
}

fn picture(seed: u64) -> Vec<u8> {
    let seed = crate::quantity::Seed(seed);
    let specimen = Specimen { kind: Kind::Adenovirus, width: 256, height: 208, seed, colour: Colour::Grey };
    encode(&specimen.render().expect("a specimen"), Format::Png, 90).expect("it encodes")
}

fn text(body: &[u8]) -> String {
    String::from_utf8_lossy(body).into_owned()
}

#[test]
fn a_picture_is_verified_for_programs_and_for_people_without_scripts() {
    let served = Served::new();
    let (status, head, body) = served.verify(&picture(1));
    assert_eq!(status, 200, "{}", text(&body));
    assert!(head.contains("content-type: application/json"));
    let document: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!((&document["schema"], &document["verdict"]), (&1.into(), &"no-evidence".into()));
    let (kind, body) = form(&[], &[("picture", "<b>one.png", &picture(1))]);
    let (status, head, body) = served.send(&format!("POST /verify HTTP/1.1\r\nContent-Type: {kind}"), &body);
    let page = text(&body);
    assert_eq!((status, head.contains("content-type: text/html; charset=utf-8")), (200, true));
    assert!(
        page.contains("No evidence that this picture is AI-derived.") && page.contains("<!DOCTYPE html>")
    );
    assert!(page.contains("&lt;b&gt;one.png") && !page.contains("<b>one"), "names are words, not markup");
    let (status, _, body) = served.verify(b"no picture");
    assert_eq!(status, 422);
    assert!(text(&body).contains("not a picture that can be read"));
    assert_eq!(served.verify(b"").0, 400);
}

#[test]
fn pages_of_other_sites_learn_and_change_nothing() {
    let served = Served::new();
    let host = served.address;
    // DNS rebinding: the name is another's.
    for name in ["evil.example", "localhost.evil.example:80", "10.1.2.3"] {
        let (status, _, body) = served.raw(&format!("GET /catalog HTTP/1.1\r\nHost: {name}"), b"");
        assert_eq!(status, 421, "{name}: {}", text(&body));
    }
    let (status, ..) =
        served.raw(&format!("GET /catalog HTTP/1.1\r\nHost: {host}\r\nHost: evil.example"), b"");
    assert!(status == 400 || status == 421, "two names");
    let (status, ..) = served.raw(&format!("GET http://evil.example/catalog HTTP/1.1\r\nHost: {host}"), b"");
    assert!(status == 400 || status == 421, "the line says another name");
    assert_eq!(served.raw("GET /verify HTTP/1.1\r\nHost: localhost", b"").0, 200);
    // Cross-site requests.
    for header in [
        "Origin: http://evil.example",
        "Origin: null",
        "Sec-Fetch-Site: cross-site",
        "Sec-Fetch-Site: same-site",
    ] {
        for path in ["/api/verify", "/make", "/jobs/x/cancel", "/jobs/x/again", "/login"] {
            let (status, ..) = served.send(&format!("POST {path} HTTP/1.1\r\n{header}"), b"x");
            assert_eq!(status, 403, "{path} with {header}");
        }
    }
    let own = format!("POST /api/verify HTTP/1.1\r\nOrigin: http://{host}\r\nSec-Fetch-Site: same-origin");
    assert_eq!(served.send(&own, &picture(1)).0, 200);
    let port = format!("POST /api/verify HTTP/1.1\r\nOrigin: http://{}:1", host.ip());
    assert_eq!(served.send(&port, &picture(1)).0, 403, "another port is another site");
}

#[test]
fn every_answer_forbids_what_pages_do_not_need() {
    let served = Served::new();
    for path in ["/verify", "/make", "/catalog", "/static/style.css", "/nowhere", "/pictures/x/small"] {
        let (_, head, _) = served.get(path);
        for header in [
            "content-security-policy: default-src 'none'; script-src 'self'; style-src 'self';",
            "x-content-type-options: nosniff",
            "x-frame-options: deny",
            "referrer-policy: same-origin",
            "cross-origin-resource-policy: same-origin",
            "cross-origin-opener-policy: same-origin",
        ] {
            assert!(head.contains(header), "{path}: {header}: {head}");
        }
        assert!(!head.contains("unsafe-inline") && !head.contains("unsafe-eval"));
    }
    for path in ["/verify", "/make", "/catalog"] {
        let page = text(&served.get(path).2);
        assert!(
            !page.contains("style=\"") && !page.contains("<style") && !page.contains(" onclick="),
            "{path}"
        );
        let scripts = page.matches("<script").count();
        assert_eq!(page.matches("src=\"/static/").count(), scripts, "no script stands in the page: {path}");
        assert!(!page.contains("http://") && !page.contains("https://"), "{path} names no other host");
    }
}

#[test]
fn strangers_may_verify_and_resolve_and_nothing_else() {
    let token = "sixteen letters or more";
    let served = Served::with(|settings| settings.token = Some(token.into()), |_| {});
    let owned = [
        "/make",
        "/catalog",
        "/runs/x",
        "/catalog/x",
        "/jobs/x",
        "/jobs/x/events",
        "/pictures/x/file",
        "/make/limits?policy=default",
    ];
    for path in owned {
        assert_eq!(served.get(path).0, 401, "{path}");
        let (status, head, _) = served.send(&format!("GET {path} HTTP/1.1\r\nAccept: text/html"), b"");
        assert!(status == 303 && head.contains("location: /login"), "{path}");
        for wrong in
            ["Authorization: Bearer sixteen letters or mor", "Authorization: Bearer ", "Cookie: vidimus=00"]
        {
            assert_eq!(
                served.send(&format!("GET {path} HTTP/1.1\r\n{wrong}"), b"").0,
                401,
                "{path} with {wrong}"
            );
        }
    }
    assert_eq!(served.send("POST /make HTTP/1.1", b"x").0, 401);
    assert_eq!(served.get("/verify").0, 200);
    assert_eq!(served.verify(&picture(1)).0, 200);
    let bearer = format!("GET /catalog HTTP/1.1\r\nAuthorization: Bearer {token}");
    assert_eq!(served.send(&bearer, b"").0, 200);
    let login = "POST /login HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded";
    assert_eq!(served.send(login, b"token=wrong").0, 401);
    let (status, head, _) = served.send(login, b"token=sixteen+letters+or+more");
    let cookie = head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).expect("a cookie");
    assert!(status == 303 && cookie.contains("httponly") && cookie.contains("samesite=strict"), "{cookie}");
    let cookie = cookie.split(';').next().expect("its value");
    assert!(!cookie.contains("sixteen"), "the token itself is not kept");
    assert_eq!(served.send(&format!("GET /catalog HTTP/1.1\r\nCookie: a=b; {cookie}"), b"").0, 200);
    for _ in 0..12 {
        served.send(login, b"token=wrong");
    }
    assert_eq!(served.send(login, b"token=sixteen+letters+or+more").0, 429, "guessing is slow");
    assert_eq!(served.send(&bearer, b"").0, 429, "and as slow by the other way in");
    assert_eq!(served.send(&format!("GET /catalog HTTP/1.1\r\nCookie: {cookie}"), b"").0, 200);
}

#[test]
fn a_token_is_not_found_by_trying_and_who_has_it_is_not_slowed() {
    let token = "sixteen letters or more";
    let served = Served::with(|settings| settings.token = Some(token.into()), |_| {});
    let shown = |token: &str| {
        let head = format!("GET /catalog HTTP/1.1\r\nAuthorization: Bearer {token}");
        served.send(&head, b"").0
    };
    for _ in 0..12 {
        assert_eq!(shown(token), 200);
    }
    let wrong: Vec<u16> = (0..20).map(|n| shown(&format!("sixteen letters or {n}"))).collect();
    assert_eq!(wrong[..10], [401; 10]);
    assert!(wrong[10..].contains(&429), "{wrong:?}");
}

#[test]
fn a_public_server_has_verification_and_resolution_alone_and_so_much_for_each_address() {
    let served = Served::with(
        |settings| settings.verify_only = true,
        |bounds| (bounds.burst, bounds.period) = (3, Duration::from_secs(600)),
    );
    for path in ["/make", "/catalog", "/login", "/jobs/x", "/pictures/x/small", "/runs/x"] {
        assert_eq!(served.get(path).0, 404, "{path}");
    }
    assert_eq!(served.get("/verify").0, 200);
    let small = picture(1);
    for _ in 0..3 {
        assert_eq!(served.verify(&small).0, 200);
    }
    let (status, head, _) = served.verify(&small);
    assert!(status == 429 && head.contains("retry-after: "), "{head}");
    assert_eq!(
        served.send("POST /matches/byContent HTTP/1.1", &small).0,
        429,
        "the same work by another name"
    );
    for path in ["/matches/byBinding?alg=x&value=eA==", "/manifests/urn:c2pa:none"] {
        assert_eq!(served.get(path).0, 429, "{path}");
    }
    let binding = "POST /matches/byBinding HTTP/1.1\r\nContent-Type: application/json";
    assert_eq!(served.send(binding, br#"{"alg":"x","value":"eA=="}"#).0, 429);
}

#[test]
fn what_is_too_large_is_refused_before_it_is_read() {
    let served = Served::with(|_| {}, |bounds| bounds.upload.bytes = 100_000);
    // Nothing of the body is sent: the length alone is enough.
    for path in ["/api/verify", "/verify", "/make", "/matches/byContent"] {
        let mut stream = TcpStream::connect(served.address).expect("it listens");
        let head =
            format!("POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Length: 90000000\r\n\r\n", served.address);
        stream.write_all(head.as_bytes()).expect("sent");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("set");
        let mut start = [0; 12];
        stream.read_exact(&mut start).expect("an answer");
        assert_eq!(&start, b"HTTP/1.1 413", "{path}");
    }
    // Without a length it is read up to the limit.
    let mut body = Vec::new();
    for _ in 0..20 {
        body.extend_from_slice(b"2710\r\n");
        body.extend_from_slice(&[b'x'; 10_000]);
        body.extend_from_slice(b"\r\n");
    }
    let head = format!(
        "POST /api/verify HTTP/1.1\r\nHost: {}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n",
        served.address
    );
    let mut stream = TcpStream::connect(served.address).expect("it listens");
    let _ = stream.write_all(&[head.as_bytes(), &body].concat());
    assert_eq!(answer_of(stream).0, 413);
    let (kind, body) = form(&[], &[("picture", "large.png", &vec![7; 150_000])]);
    let (status, ..) = served.send(&format!("POST /verify HTTP/1.1\r\nContent-Type: {kind}"), &body);
    assert_eq!(status, 413);
}

#[test]
fn a_picture_that_would_fill_the_memory_is_not_decoded() {
    let served = Served::with(|_| {}, |bounds| bounds.upload.pixels = 10_000);
    let (status, _, body) = served.verify(&picture(1));
    assert_eq!(status, 422);
    assert!(text(&body).contains("256×208 pixels are over the limit of 10000"), "{}", text(&body));
}

#[test]
fn no_name_leads_out_of_the_catalog() {
    let served = Served::new();
    std::fs::write(served.home.path().join("secret.css"), "secret").expect("writable");
    for path in [
        "/static/../secret.css",
        "/static/..%2fsecret.css",
        "/static/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "/pictures/..%2f..%2fkeys%2fsigning.key/file",
        "/pictures/..%2f..%2fkeys%2fsigning.key/small",
        "/catalog/..%2fkeys",
        "/runs/..%2f..",
        "/jobs/..%2f../reference",
        "/manifests/..%2f..%2fkeys%2fsigning.key",
        "/make/limits?policy=../keys/signing",
    ] {
        let (status, _, body) = served.get(path);
        assert!(status == 404 || status == 400, "{path}: {status}");
        assert!(!text(&body).contains("secret") && !text(&body).contains("PRIVATE"));
    }
}

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

#[test]
fn who_closes_the_page_is_followed_no_longer() {
    let served = Served::with(|_| {}, |bounds| bounds.streams = 1);
    let (_, place) = served.order(&[("strength", "0.9"), ("count", "8")]);
    let open = || {
        let mut stream = TcpStream::connect(served.address).expect("it listens");
        let head = format!("GET {place}/events HTTP/1.1\r\nHost: {}\r\n\r\n", served.address);
        stream.write_all(head.as_bytes()).expect("sent");
        let mut start = [0; 12];
        stream.read_exact(&mut start).expect("an answer");
        (stream, start)
    };
    let (stream, start) = open();
    assert_eq!(&start, b"HTTP/1.1 200");
    assert_eq!(&open().1, b"HTTP/1.1 503", "so many, and no more");
    drop(stream);
    let began = Instant::now();
    while served.site.jobs.free_streams() == 0 {
        assert!(began.elapsed() < Duration::from_secs(30), "its place is not given back");
        std::thread::sleep(Duration::from_millis(20));
    }
    served.send(&format!("POST {place}/cancel HTTP/1.1"), b"");
}

#[test]
fn the_server_ends_with_jobs_at_work_and_the_catalog_stays_sound() {
    let mut served = Served::new();
    let (_, place) = served.order(&[("strength", "0.9"), ("count", "8")]);
    let mut stream = TcpStream::connect(served.address).expect("it listens");
    let head = format!("GET {place}/events HTTP/1.1\r\nHost: {}\r\n\r\n", served.address);
    stream.write_all(head.as_bytes()).expect("sent");
    // Until it is at work.
    let id = place.trim_start_matches("/jobs/").to_owned();
    while served.site.jobs.find(&id).expect("known").view().total == 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    let began = Instant::now();
    served.end().expect("it ends well");
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    let mut rest = String::new();
    let _ = stream.read_to_string(&mut rest);
    assert!(rest.contains("data:"), "followers were told, and let go");
    assert_eq!(served.site.jobs.find(&id).expect("known").view().phase.name(), "cancelled");
    assert!(TcpStream::connect(served.address).is_err(), "nobody listens");
    let workspace = Workspace::open(served.home.path()).expect("there");
    let catalog = crate::catalog::Catalog::open(&workspace.database()).expect("sound");
    assert!(catalog.check(&|_, _, _| true).expect("it can be read").is_empty());
}
