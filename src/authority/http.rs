//! As much of HTTP/1.1 (RFC 9112) as a question takes: one POST, one answer, no redirects.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use super::AuthorityError;

const REPLY: &str = "application/timestamp-reply";

/// Where a question goes: `http://HOST[:PORT][/PATH]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// As it was written.
    text: String,
    /// Without the brackets of an IPv6 address.
    host: String,
    port: u16,
    /// Begins with a slash.
    path: String,
}

impl Url {
    /// # Errors
    /// What was expected instead.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const EXPECTED: &str = "expected http://HOST[:PORT]/PATH";
        if text.starts_with("https://") {
            return Err(
                "expected http://, without TLS: time stamps are signed, and authorities answer there, too",
            );
        }
        let rest = text.strip_prefix("http://").ok_or(EXPECTED)?;
        if !rest.bytes().all(|byte| byte.is_ascii_graphic()) || rest.contains(['@', '#', '\\', '"', '<', '>'])
        {
            return Err("expected http://HOST[:PORT]/PATH in ASCII, without a password");
        }
        let at = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(at);
        let (host, port) = match authority.strip_prefix('[') {
            Some(address) => {
                let (host, port) = address.split_once(']').ok_or(EXPECTED)?;
                (host, port.strip_prefix(':'))
            }
            None => authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port))),
        };
        let port = port.map_or(Ok(80), |port| port.parse().map_err(|_| EXPECTED))?;
        if host.is_empty() || (host.contains(':') && !authority.starts_with('[')) {
            return Err(EXPECTED);
        }
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok(Url { text: text.to_owned(), host: host.to_owned(), port, path })
    }

    /// What is sent.
    pub(super) fn request(&self, question: &[u8]) -> Vec<u8> {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let head = format!(
            "POST {} HTTP/1.1\r\nHost: {host}:{}\r\nContent-Type: application/timestamp-query\r\nAccept: {REPLY}\r\n\
             User-Agent: vidimus/{}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            self.path,
            self.port,
            env!("CARGO_PKG_VERSION"),
            question.len()
        );
        [head.as_bytes(), question].concat()
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The body of the answer to `request`; `opened` is given the connection once there is one.
pub(super) fn exchange(
    url: &Url,
    request: &[u8],
    timeout: Duration,
    limit: u64,
    opened: impl FnOnce(&TcpStream),
) -> Result<Vec<u8>, AuthorityError> {
    let broke_off = |source: io::Error| match source.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            AuthorityError::Slow { url: url.to_string(), timeout }
        }
        _ => AuthorityError::BrokeOff { url: url.to_string(), source },
    };
    let mut stream = connect(url, timeout).map_err(|source| match source.kind() {
        io::ErrorKind::TimedOut => AuthorityError::Slow { url: url.to_string(), timeout },
        _ => AuthorityError::Unreachable { url: url.to_string(), source },
    })?;
    opened(&stream);
    stream.set_read_timeout(Some(timeout)).map_err(broke_off)?;
    stream.set_write_timeout(Some(timeout)).map_err(broke_off)?;
    stream.write_all(request).map_err(broke_off)?;
    let mut reader = BufReader::new(stream.take(limit + 1));
    let answered = answer(&mut reader);
    if reader.get_ref().limit() == 0 {
        return Err(AuthorityError::Large { url: url.to_string(), limit });
    }
    match answered.map_err(broke_off)? {
        Answer::Body(body) => Ok(body),
        Answer::NotHttp => Err(AuthorityError::NotHttp { url: url.to_string() }),
        Answer::Status(status) => Err(AuthorityError::Status { url: url.to_string(), status }),
        Answer::Type(found) => Err(AuthorityError::Type { url: url.to_string(), found }),
    }
}

fn connect(url: &Url, timeout: Duration) -> io::Result<TcpStream> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in (url.host.as_str(), url.port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, timeout) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// What came back.
#[derive(Debug, PartialEq)]
enum Answer {
    Body(Vec<u8>),
    NotHttp,
    Status(u16),
    /// What it says to be.
    Type(String),
}

/// How a body ends.
enum Framing {
    Length(usize),
    Chunked,
    Close,
}

fn answer(reader: &mut impl BufRead) -> io::Result<Answer> {
    let status = line(reader)?;
    let mut words = status.split(' ');
    let version = words.next().unwrap_or_default();
    let status = words.next().and_then(|status| status.parse().ok());
    let (true, Some(status)) = (version.starts_with("HTTP/1."), status) else { return Ok(Answer::NotHttp) };
    let (mut framing, mut kind) = (Framing::Close, String::new());
    loop {
        let header = line(reader)?;
        if header.is_empty() {
            break;
        }
        let Some((name, value)) = header.split_once(':') else { return Ok(Answer::NotHttp) };
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "content-type" => {
                kind = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
            }
            "content-length" if !matches!(framing, Framing::Chunked) => {
                let Ok(length) = value.parse() else { return Ok(Answer::NotHttp) };
                framing = Framing::Length(length);
            }
            "transfer-encoding" => {
                if !value.eq_ignore_ascii_case("chunked") {
                    return Ok(Answer::NotHttp);
                }
                framing = Framing::Chunked;
            }
            _ => {}
        }
    }
    if status != 200 {
        return Ok(Answer::Status(status));
    }
    if kind != REPLY {
        return Ok(Answer::Type(kind.chars().take(80).collect()));
    }
    let mut body = Vec::new();
    match framing {
        Framing::Close => drop(reader.read_to_end(&mut body)?),
        Framing::Length(length) => exactly(reader, length, &mut body)?,
        Framing::Chunked => loop {
            let size = line(reader)?;
            let size = size.split(';').next().unwrap_or_default().trim();
            let Ok(size) = usize::from_str_radix(size, 16) else { return Ok(Answer::NotHttp) };
            if size == 0 {
                break;
            }
            exactly(reader, size, &mut body)?;
            if !line(reader)?.is_empty() {
                return Ok(Answer::NotHttp);
            }
        },
    }
    Ok(Answer::Body(body))
}

/// A line without its end. What is not ASCII was never meant to be read here.
fn line(reader: &mut impl BufRead) -> io::Result<String> {
    let mut bytes = Vec::new();
    reader.read_until(b'\n', &mut bytes)?;
    if bytes.pop() != Some(b'\n') {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    if bytes.last() == Some(&b'\r') {
        bytes.pop();
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Appends `length` bytes, and takes no more room than there are.
fn exactly(reader: &mut impl BufRead, length: usize, body: &mut Vec<u8>) -> io::Result<()> {
    let read = reader.take(length as u64).read_to_end(body)?;
    if read == length { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(text: &str) -> io::Result<Answer> {
        answer(&mut text.as_bytes())
    }

    fn of_type(rest: &str) -> io::Result<Answer> {
        answered(&format!("HTTP/1.1 200 OK\r\nContent-Type: Application/Timestamp-Reply; x=y\r\n{rest}"))
    }

    #[test]
    fn every_way_to_end_a_body_is_understood() {
        let body = |text: &str| Answer::Body(text.as_bytes().to_vec());
        assert_eq!(of_type("\r\nall of it").expect("it ends"), body("all of it"));
        assert_eq!(of_type("Content-Length: 3\r\n\r\nall of it").expect("it ends"), body("all"));
        let chunks = "Transfer-Encoding: chunked\r\n\r\n3\r\nall\r\nA;n=1\r\n of it now\r\n0\r\n\r\n";
        assert_eq!(of_type(chunks).expect("it ends"), body("all of it now"));
    }

    #[test]
    fn what_is_cut_short_or_no_answer_is_told() {
        assert!(of_type("Content-Length: 30\r\n\r\nall of it").is_err());
        assert!(of_type("Content-Length: 18446744073709551615\r\n\r\nx").is_err());
        assert!(of_type("Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nx").is_err());
        assert!(answered("HTTP/1.1 200 OK\r\nContent-Type").is_err());
        assert!(answered("").is_err());
        for text in [
            "SSH-2.0-OpenSSH\r\n\r\n",
            "HTTP/2 200\r\n\r\n",
            "HTTP/1.1 two\r\n\r\n",
            "HTTP/1.1 200\r\nno header\r\n\r\n",
        ] {
            assert_eq!(answered(text).expect(text), Answer::NotHttp);
        }
        assert_eq!(of_type("Transfer-Encoding: gzip\r\n\r\n").expect("it ends"), Answer::NotHttp);
        assert_eq!(of_type("Transfer-Encoding: chunked\r\n\r\nx\r\n").expect("it ends"), Answer::NotHttp);
        assert_eq!(answered("HTTP/1.0 404 Not Found\r\n\r\n").expect("it ends"), Answer::Status(404));
        let page = answered("HTTP/1.1 200 OK\r\ncontent-type: text/html\r\n\r\n<p>").expect("it ends");
        assert_eq!(page, Answer::Type("text/html".into()));
    }

    #[test]
    fn addresses_are_taken_apart() {
        let parts = |text: &str| Url::parse(text).map(|url| (url.host, url.port, url.path));
        assert_eq!(parts("http://tsa.example"), Ok(("tsa.example".into(), 80, "/".into())));
        assert_eq!(parts("http://tsa.example:318/a/b?c"), Ok(("tsa.example".into(), 318, "/a/b?c".into())));
        assert_eq!(parts("http://[::1]:8080/tsr"), Ok(("::1".into(), 8080, "/tsr".into())));
        assert_eq!(parts("http://a?b"), Ok(("a".into(), 80, "/?b".into())));
        for text in [
            "",
            "tsa.example",
            "ftp://a",
            "http://",
            "http://:80/",
            "http://a:b/",
            "http://a:99999/",
            "http://[::1",
        ] {
            assert!(parts(text).is_err_and(|words| words.starts_with("expected http://HOST")), "{text}");
        }
        assert!(parts("https://a/").is_err_and(|words| words.contains("without TLS")));
        for text in ["http://user:secret@a/", "http://a/\r\nX: y", "http://a/ b", "http://ä/"] {
            assert!(parts(text).is_err_and(|words| words.contains("without a password")), "{text}");
        }
    }

    #[test]
    fn a_request_says_where_it_goes_and_how_long_it_is() {
        let request = Url::parse("http://[::1]:8080/tsr").expect("sound").request(b"question");
        let text = String::from_utf8(request).expect("ASCII");
        assert!(text.starts_with("POST /tsr HTTP/1.1\r\nHost: [::1]:8080\r\n"), "{text}");
        assert!(text.ends_with("Content-Length: 8\r\nConnection: close\r\n\r\nquestion"), "{text}");
    }
}
