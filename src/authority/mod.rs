//! A time-stamp authority (RFC 3161) on the network, over HTTP: question there, answer back. Whether the answer is worth
//! anything, `manifest` says: it is signed, so that nothing is gained by an encrypted way to it.

mod http;

use std::fmt;
use std::io;
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

pub use http::Url;

/// Most bytes of an answer, headers included: a time stamp has some 7,000 at most.
const LIMIT: u64 = 64 << 10;

/// Where an authority is, and how long it may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    url: Url,
    timeout: Duration,
}

/// The authority gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    #[error("{url} cannot be reached: {}", reason(source))]
    Unreachable { url: String, source: io::Error },
    #[error("{url} gave no answer within {} s", timeout.as_secs())]
    Slow { url: String, timeout: Duration },
    #[error("{url} broke off: {}", reason(source))]
    BrokeOff { url: String, source: io::Error },
    #[error("{url} gave an answer of over {limit} bytes")]
    Large { url: String, limit: u64 },
    #[error("{url} gave no answer of HTTP")]
    NotHttp { url: String },
    #[error("{url} answered {status}: expected 200")]
    Status { url: String, status: u16 },
    #[error("{url} answered with {found:?}: expected application/timestamp-reply")]
    Type { url: String, found: String },
}

impl Authority {
    pub fn new(url: Url, timeout: Duration) -> Self {
        Authority { url, timeout }
    }

    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// The answer to `question` (DER, `TimeStampReq`).
    ///
    /// # Errors
    /// Where there is none within the time limit, that is not over 64 KiB, and that says to be a time stamp.
    pub fn ask(&self, question: &[u8]) -> Result<Vec<u8>, AuthorityError> {
        let (send, receive) = mpsc::channel();
        let (url, request, timeout) = (self.url.clone(), self.url.request(question), self.timeout);
        // In a thread of its own: looking up a name has no time limit, and a limit for each byte is none for all.
        thread::spawn(move || {
            let opened = send.clone();
            let ended = http::exchange(&url, &request, timeout, LIMIT, |stream| {
                // Whoever waits no longer hangs up.
                let _ = stream.try_clone().map(|stream| opened.send(Heard::Opened(stream)));
            });
            let _ = send.send(Heard::Ended(ended));
        });
        self.wait(&receive)
    }

    fn wait(&self, receive: &mpsc::Receiver<Heard>) -> Result<Vec<u8>, AuthorityError> {
        let slow = || AuthorityError::Slow { url: self.url.to_string(), timeout: self.timeout };
        let first = receive.recv_timeout(self.timeout).map_err(|_| slow())?;
        let stream = match first {
            Heard::Ended(ended) => return ended,
            Heard::Opened(stream) => stream,
        };
        match receive.recv_timeout(self.timeout) {
            Ok(Heard::Ended(ended)) => ended,
            _ => {
                let _ = stream.shutdown(Shutdown::Both);
                Err(slow())
            }
        }
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.url.fmt(f)
    }
}

/// What the thread tells.
enum Heard {
    Opened(TcpStream),
    Ended(Result<Vec<u8>, AuthorityError>),
}

/// The system's reason, without its number where it has a name.
fn reason(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(_) => error.kind().to_string(),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests;
