//! Authorities that do not answer as they should, on this machine.

use std::io::{Read, Write};
use std::net::TcpListener;

use super::*;

/// An authority that reads the question and does `answer`.
fn with(timeout: u64, answer: impl FnOnce(&mut TcpStream) + Send + 'static) -> Result<Vec<u8>, String> {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}/tsr", listener.local_addr().expect("bound"));
    let served = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("somebody asks");
        let mut seen = [0; 4096];
        let read = stream.read(&mut seen).expect("it asks something");
        answer(&mut stream);
        seen[..read].to_vec()
    });
    let authority = Authority::new(Url::parse(&url).expect("sound"), Duration::from_secs(timeout));
    let answered = authority.ask(b"question").map_err(|error| error.to_string().replace(&url, "URL"));
    let seen = served.join().expect("it served");
    assert!(seen.starts_with(b"POST /tsr HTTP/1.1\r\n"), "{}", String::from_utf8_lossy(&seen));
    answered
}

fn says(text: &str) -> Result<Vec<u8>, String> {
    let text = text.to_owned();
    with(5, move |stream| stream.write_all(text.as_bytes()).expect("it listens"))
}

const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/timestamp-reply\r\n";

#[test]
fn an_answer_comes_back() {
    assert_eq!(says(&format!("{HEAD}Content-Length: 6\r\n\r\nanswer")), Ok(b"answer".to_vec()));
}

#[test]
fn every_way_not_to_answer_has_its_line() {
    let refused = |text: &str| says(text).expect_err("no answer");
    assert_eq!(refused("HTTP/1.1 503 Busy\r\n\r\n"), "URL answered 503: expected 200");
    assert_eq!(
        refused("HTTP/1.1 302 Found\r\nLocation: http://x/\r\n\r\n"),
        "URL answered 302: expected 200"
    );
    assert_eq!(
        refused("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<p>hello</p>"),
        "URL answered with \"text/html\": expected application/timestamp-reply"
    );
    assert_eq!(refused("220 mail.example ESMTP\r\n\r\n"), "URL gave no answer of HTTP");
    assert_eq!(
        refused(&format!("{HEAD}Content-Length: 6\r\n\r\nans")),
        "URL broke off: unexpected end of file"
    );
    assert_eq!(refused(""), "URL broke off: unexpected end of file");
}

#[test]
fn an_endless_answer_ends_at_the_limit() {
    for head in [HEAD, "HTTP/1.1 200 OK\r\nX: "] {
        let told = with(5, move |stream| {
            stream.write_all(head.as_bytes()).expect("it listens");
            // Until the other side hangs up.
            while stream.write_all(&[b'x'; 4096]).is_ok() {}
        });
        assert_eq!(told, Err("URL gave an answer of over 65536 bytes".into()));
    }
}

#[test]
fn whoever_sends_nothing_or_a_byte_now_and_then_is_not_waited_for() {
    let silent = with(1, |stream| {
        let mut rest = [0; 1];
        let _ = stream.read(&mut rest);
    });
    assert_eq!(silent, Err("URL gave no answer within 1 s".into()));
    let dripping = with(1, |stream| {
        let _ = HEAD.bytes().try_for_each(|byte| {
            thread::sleep(Duration::from_millis(50));
            stream.write_all(&[byte])
        });
    });
    assert_eq!(dripping, Err("URL gave no answer within 1 s".into()));
}

#[test]
fn nobody_home_is_told_with_the_address() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}/", listener.local_addr().expect("bound"));
    drop(listener);
    let ask = |url: &str| {
        let authority = Authority::new(Url::parse(url).expect("sound"), Duration::from_secs(5));
        authority.ask(b"question").expect_err("nobody").to_string()
    };
    assert_eq!(ask(&url), format!("{url} cannot be reached: connection refused"));
    let unknown = ask("http://tsa.invalid/");
    assert!(unknown.starts_with("http://tsa.invalid/ "), "{unknown}");
}
