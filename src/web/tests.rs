//! The server as a whole, over real connections: here what it does with these.

mod answers;
mod jobs;
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
use crate::keys::{Entropy, Keys};
use crate::raster::{Format, encode};
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
