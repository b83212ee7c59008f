//! A time stamp outlives the certificate of whoever signed.

use std::time::Duration as Wait;

use rcgen::SigningKey;
use time::{Duration, OffsetDateTime};
use vidimus::authority::{Authority as Asked, Url};
use vidimus::manifest::{self, Algorithm, Credential, ReferenceAsset, SignError, State, TimeStamps};
use vidimus::raster::Format;

use crate::authority::{Authority, Manner};
use crate::certified::{Certified, certified};
use crate::support::*;

/// A signer whose certificate ends in `seconds`.
fn brief(seconds: i64) -> Certified {
    certified(|leaf| leaf.not_after = OffsetDateTime::now_utc() + Duration::seconds(seconds))
}

/// `picture` signed by `signer`, with a time stamp of `authority` if there is one, on a clock that is `ahead`.
fn sign(signer: &Certified, authority: Option<&Authority>, ahead: Duration) -> Result<Vec<u8>, SignError> {
    let pen = |message: &[u8]| Ok(signer.key.sign(message).expect("it signs"));
    let asked = authority
        .map(|authority| Asked::new(Url::parse(&authority.url).expect("sound"), Wait::from_secs(10)));
    let ask = |question: &[u8]| {
        asked.as_ref().expect("there is one").ask(question).map_err(|error| error.to_string())
    };
    let credential = Credential {
        chain_pem: &signer.leaf.pem(),
        algorithm: Algorithm::Ed25519,
        sign: &pen,
        anchors: std::slice::from_ref(&signer.root),
        time_stamps: authority.map(|_| TimeStamps {
            ask: &ask,
            required: true,
            now: OffsetDateTime::now_utc() + ahead,
        }),
    };
    let bytes = picture(Format::Png, 0);
    let reference = ReferenceAsset { bytes: &bytes, mime: "image/png", title: "reference", store: None };
    manifest::sign(&bytes, "image/png", &statement(&bytes), &reference, &credential)
        .map(|signed| signed.bytes)
}

#[test]
fn what_was_stamped_in_time_holds_after_its_certificate_ended() {
    let authority = Authority::new(Manner::Honest);
    let signer = brief(4);
    let stamped = sign(&signer, Some(&authority), Duration::ZERO).expect("it signs");
    let plain = sign(&signer, None, Duration::ZERO).expect("it signs");
    let root = signer.root.clone();
    let both = [root.clone(), authority.root_pem()];
    assert_eq!(read(&stamped, Format::Png, &both).state, State::Trusted);
    assert_eq!(read(&plain, Format::Png, &both).state, State::Trusted);

    std::thread::sleep(Wait::from_secs(6));
    let held = read(&stamped, Format::Png, &both);
    assert_eq!(held.state, State::Trusted, "{:?}", held.failures);
    let stamp = held.time_stamp.expect("there is one");
    assert!(stamp.trusted && stamp.fault.is_none(), "{stamp:?}");
    assert_eq!(stamp.authority.as_deref(), Some("Throw-away TSA"));
    let ended = read(&plain, Format::Png, &both);
    assert_eq!(ended.state, State::Invalid);
    assert_eq!(ended.time_stamp, None);
    // An authority that nobody vouches for could say anything.
    let unknown = read(&stamped, Format::Png, std::slice::from_ref(&root));
    assert_eq!(unknown.state, State::Invalid);
    let stamp = unknown.time_stamp.expect("there is one");
    assert_eq!((stamp.trusted, stamp.fault.as_deref()), (false, Some("timeStamp.untrusted")));
    // And who vouches for times vouches for no signer.
    assert_eq!(read(&stamped, Format::Png, &both[1..]).state, State::Valid);
}

#[test]
fn an_authority_whose_clock_is_another_is_not_believed() {
    let authority = Authority::new(Manner::Honest);
    let signer = brief(3600);
    for ahead in [Duration::hours(1), -Duration::hours(1)] {
        match sign(&signer, Some(&authority), ahead) {
            Err(SignError::TimeStamp { reason }) => {
                assert!(reason.contains("one of the two is wrong"), "{reason}");
            }
            other => panic!("{:?}", other.map(|bytes| bytes.len())),
        }
    }
    sign(&signer, Some(&authority), Duration::minutes(9)).expect("near enough");
}
