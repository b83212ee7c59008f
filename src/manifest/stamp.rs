//! Time stamps (RFC 3161): the question, and whether the answer is one to it.

use std::io::{Cursor, Read};

use c2pa::Context;
use c2pa::crypto::cose::CertificateTrustPolicy;
use c2pa::crypto::time_stamp::{
    TimeStampError, default_rfc3161_message, default_rfc3161_request, verify_time_stamp,
};
use c2pa::http::http::{Request, Response};
use c2pa::http::{HttpResolverError, SyncHttpResolver};
use c2pa::status_tracker::StatusTracker;
use time::{Duration, OffsetDateTime};

/// Bytes of a signature's room that are kept for a time stamp; authorities with long chains need some 7,000.
pub(super) const ROOM: usize = 10 << 10;
/// An authority's clock and ours may differ by this much.
const CLOCKS_APART: Duration = Duration::minutes(10);

/// Takes a question (DER, `TimeStampReq`) to an authority: its answer (`TimeStampResp`), or why there is none.
type Ask<'a> = dyn Fn(&[u8]) -> Result<Vec<u8>, String> + Send + Sync + 'a;

/// Where time stamps come from.
pub struct TimeStamps<'a> {
    /// The way to the authority.
    pub ask: &'a Ask<'a>,
    /// Whether nothing is signed without one.
    pub required: bool,
    /// What this machine's clock says.
    pub now: OffsetDateTime,
}

impl TimeStamps<'_> {
    /// A time stamp over `message`: to our question, of this data, signed by its authority, and of now. Whether
    /// anybody trusts the authority is for the reader to find out.
    pub(super) fn stamp(&self, message: &[u8]) -> Result<Vec<u8>, String> {
        let question = default_rfc3161_message(message).map_err(|e| e.to_string())?;
        let answer = (self.ask)(&question)?;
        if answer.len() > ROOM - 512 {
            return Err(format!("its answer has {} bytes: at most {} fit", answer.len(), ROOM - 512));
        }
        // The SDK holds nonce, digest and signature against the question that it believes to send.
        let context = Context::new().with_resolver(Played(answer.clone()));
        default_rfc3161_request("http://authority.invalid/", None, &question, message, &context)
            .map_err(|error| fault(&error, &answer, message))?;
        let stated = verify_time_stamp(&answer, message, &anybody(), &mut StatusTracker::default(), false)
            .map_err(|error| fault(&error, &answer, message))?;
        let stated = OffsetDateTime::UNIX_EPOCH + stated.gen_time.as_der_time().to_unix_duration();
        if (stated - self.now).abs() > CLOCKS_APART {
            let clock = |at: OffsetDateTime| format!("{} {}:{:02}", at.date(), at.hour(), at.minute());
            return Err(format!(
                "it says that it is {} UTC, and this machine's clock says {}: one of the two is wrong",
                clock(stated),
                clock(self.now)
            ));
        }
        Ok(answer)
    }
}

fn anybody() -> CertificateTrustPolicy {
    CertificateTrustPolicy::passthrough()
}

/// What is wrong with an answer.
fn fault(error: &TimeStampError, answer: &[u8], message: &[u8]) -> String {
    match error {
        TimeStampError::NonceMismatch => return "its answer is to another question (nonce)".into(),
        TimeStampError::DecodeError(_) if is_rejection(answer) => {
            return "it refuses to give a time stamp".into();
        }
        TimeStampError::DecodeError(_) => return "its answer is no time stamp".into(),
        _ => {}
    }
    // The SDK's log says more than its error.
    let mut log = StatusTracker::default();
    let _ = verify_time_stamp(answer, message, &anybody(), &mut log, false);
    let told = log.logged_items().last().map(|item| item.description.to_string());
    format!("its answer does not hold: {}", told.unwrap_or_else(|| error.to_string()))
}

/// Whether an answer begins with a status that grants nothing: SEQUENCE { SEQUENCE { INTEGER 2 or more …
fn is_rejection(answer: &[u8]) -> bool {
    let inside = |der: &[u8]| -> Option<Vec<u8>> {
        let (0x30, length) = (*der.first()?, usize::from(*der.get(1)?)) else { return None };
        let header = if length < 0x80 { 2 } else { 2 + (length & 0x7f) };
        Some(der.get(header..)?.to_vec())
    };
    let status = inside(answer).and_then(|status| inside(&status));
    status.is_some_and(|status| matches!(status.as_slice(), [2, 1, granted, ..] if *granted > 1))
}

/// An answer that came by another way than the SDK's.
struct Played(Vec<u8>);

impl SyncHttpResolver for Played {
    fn http_resolve(&self, _: Request<Vec<u8>>) -> Result<Response<Box<dyn Read>>, HttpResolverError> {
        let body: Box<dyn Read> = Box::new(Cursor::new(self.0.clone()));
        let response = Response::builder().header("content-type", "application/timestamp-reply");
        response.body(body).map_err(HttpResolverError::Http)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(ask: &Ask<'_>) -> String {
        let now = OffsetDateTime::UNIX_EPOCH;
        TimeStamps { ask, required: true, now }.stamp(b"message").expect_err("no authority is there")
    }

    #[test]
    fn what_is_no_time_stamp_is_told_as_such_and_never_panics() {
        assert_eq!(answered(&|_| Err("nobody home".into())), "nobody home");
        assert!(answered(&|_| Ok(vec![0; ROOM])).contains("at most 9728 fit"));
        assert_eq!(answered(&|_| Ok(Vec::new())), "its answer is no time stamp");
        assert_eq!(answered(&|_| Ok(b"<html>not here</html>".to_vec())), "its answer is no time stamp");
        assert_eq!(answered(&|question| Ok(question.to_vec())), "its answer is no time stamp");
        // SEQUENCE { PKIStatusInfo { INTEGER 2 } }: rejection.
        assert_eq!(answered(&|_| Ok(vec![0x30, 5, 0x30, 3, 2, 1, 2])), "it refuses to give a time stamp");
    }
}
