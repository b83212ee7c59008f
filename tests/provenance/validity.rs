//! Certificates out of their time: the SDK signs with none of them, so their signatures are put together here.

use std::io::Cursor;

use c2pa::{Builder, BuilderIntent, Context, DigitalSourceType, Signer, SigningAlg};
use rcgen::{KeyPair, SigningKey};
use serde_json::json;
use time::Duration;
use vidimus::manifest::State;
use vidimus::raster::{Format, Limits};
use vidimus::verify::{Confidence, Verdict, verify};

use crate::certified::certified;
use crate::support::*;

/// Room for one certificate and its signature.
const ROOM: usize = 2048;

/// Signs whatever its clock says: it makes the whole COSE_Sign1 (RFC 9052) itself.
struct Timeless {
    key: KeyPair,
    leaf: Vec<u8>,
}

impl Signer for Timeless {
    fn sign(&self, claim: &[u8]) -> c2pa::Result<Vec<u8>> {
        // {1 (alg): -8 (EdDSA), 33 (x5chain): leaf}
        let protected = [&[0xa2, 0x01, 0x27, 0x18, 33][..], &bytes(&self.leaf)].concat();
        // ["Signature1", protected, external aad, payload]
        let signed =
            [&[0x84, 0x6a][..], b"Signature1", &bytes(&protected), &bytes(&[]), &bytes(claim)].concat();
        let signature = SigningKey::sign(&self.key, &signed).expect("it signs");
        let with_pad = |pad: usize| {
            let header = [&[0xa1, 0x63][..], b"pad", &bytes(&vec![0; pad])].concat();
            [&[0xd2, 0x84][..], &bytes(&protected), &header, &[0xf6], &bytes(&signature)].concat()
        };
        // The padding fills the room to the byte; 256 and more take three bytes of length.
        Ok(with_pad(256 + ROOM - with_pad(256).len()))
    }

    fn alg(&self) -> SigningAlg {
        SigningAlg::Ed25519
    }

    fn certs(&self) -> c2pa::Result<Vec<Vec<u8>>> {
        Ok(vec![self.leaf.clone()])
    }

    fn reserve_size(&self) -> usize {
        ROOM
    }

    fn direct_cose_handling(&self) -> bool {
        true
    }
}

/// A CBOR byte string (RFC 8949).
fn bytes(data: &[u8]) -> Vec<u8> {
    let head = match data.len() {
        n @ 0..24 => vec![0x40 | n as u8],
        n @ 24..256 => vec![0x58, n as u8],
        n @ 256..65536 => [&[0x59][..], &(n as u16).to_be_bytes()].concat(),
        n => [&[0x5a][..], &(n as u32).to_be_bytes()].concat(),
    };
    [head, data.to_vec()].concat()
}

/// A picture signed as generated under a leaf that is valid from `from` to `to` days from now, and its root.
fn signed_within(from: i64, to: i64) -> (Vec<u8>, String) {
    let made = certified(|leaf| {
        leaf.not_before = today() + Duration::days(from);
        leaf.not_after = today() + Duration::days(to);
    });
    let signer = Timeless { key: made.key, leaf: made.leaf.der().to_vec() };
    let context = Context::new().into_shared();
    let definition = json!({ "claim_generator_info": [{ "name": "tests", "version": "1" }] });
    let mut builder = Builder::from_shared_context(&context).with_definition(definition).expect("it is one");
    builder.set_intent(BuilderIntent::Create(DigitalSourceType::TrainedAlgorithmicMedia));
    let mut out = Cursor::new(Vec::new());
    builder
        .sign(&signer, "image/png", &mut Cursor::new(picture(Format::Png, 0)), &mut out)
        .expect("it signs");
    (out.into_inner(), made.root)
}

#[test]
fn a_signature_in_its_time_is_trusted() {
    let (file, anchor) = signed_within(-1, 30);
    let reading = read(&file, Format::Png, std::slice::from_ref(&anchor));
    assert_eq!(reading.state, State::Trusted, "{:?}", reading.failures);
}

#[test]
fn a_signature_before_or_after_the_time_of_its_certificate_is_not_trusted_and_takes_nothing_back() {
    for (from, to) in [(10, 30), (-30, -10)] {
        let (file, anchor) = signed_within(from, to);
        let anchors = [anchor];
        let reading = read(&file, Format::Png, &anchors);
        assert_eq!(reading.state, State::Invalid, "{from}..{to}: {:?}", reading.failures);
        let report = verify(&file, None, &anchors, &Limits::default()).expect("a verdict");
        assert_eq!(report.verdict, Verdict::AiDerived, "{from}..{to}: {:?}", report.reasons);
        assert_eq!(report.confidence, Confidence::Medium, "{from}..{to}: {:?}", report.reasons);
        let said = report.reasons.join("\n");
        assert!(said.contains("whose certificate is out of its time"), "{from}..{to}: {said}");
    }
}
