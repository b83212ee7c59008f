//! What a manifest says survives, and what is done to a file shows.

use proptest::prelude::*;
use rayon::prelude::*;
use time::Duration;
use vidimus::digest::Digest;
use vidimus::keys::Keys;
use vidimus::manifest::{self, Agreement, Algorithm, Credential, Place, ReferenceAsset, SignError, State};
use vidimus::metadata::{self, Label};
use vidimus::raster::Format;

use crate::support::*;

#[test]
fn a_signed_file_is_trusted_with_its_anchor_and_valid_without() {
    let dir = tempfile::tempdir().expect("a directory");
    let keys = keys(dir.path());
    for format in CARRIERS {
        let signed = signed(&keys, format);
        let trusted = read(&signed.bytes, format, keys.anchors());
        assert_eq!(trusted.state, State::Trusted, "{format:?} {:?}", trusted.failures);
        assert_eq!(trusted.label, signed.label);
        assert!(trusted.failures.is_empty(), "{:?}", trusted.failures);
        let unknown = read(&signed.bytes, format, &[]);
        assert_eq!(unknown.state, State::Valid, "{format:?}");
        assert_eq!(unknown.failure_codes(), ["signingCredential.untrusted"]);
        assert_eq!(unknown.derivation, trusted.derivation);
    }
}

#[test]
fn the_facts_come_back_as_they_were_stated() {
    let dir = tempfile::tempdir().expect("a directory");
    let keys = keys(dir.path());
    for format in CARRIERS {
        let signed = signed(&keys, format);
        let reading = read(&signed.bytes, format, keys.anchors());
        let stated = statement(&picture(format, 9));
        assert_eq!(reading.created.as_ref(), Some(&stated.derivation), "{format:?}");
        assert_eq!(reading.derivation.as_ref(), Some(&stated.derivation), "{format:?}");
        assert_eq!(reading.agreement, Agreement::Agree);
        assert_eq!(reading.title.as_deref(), Some("variation"));
        assert_eq!(reading.claim_generator.as_deref(), Some("vidimus 0.1.0"));
        let source_type = reading.digital_source_type.unwrap_or_default();
        assert!(source_type.ends_with("/trainedAlgorithmicMedia"), "{source_type}");
        let signer = reading.signer.expect("it is signed");
        assert_eq!(signer.common_name.as_deref(), Some(keys.signer().common_name.as_str()));
        assert_eq!(signer.issuer.as_deref(), Some("vidimus (self-issued)"));
        assert_eq!(signer.alg.as_deref(), Some("ed25519"));
        assert_eq!(signer.fingerprint, Some(keys.signer().fingerprint));
        assert_eq!(signer.time, None);
    }
}

#[test]
fn a_prompt_is_in_the_file_only_when_asked_for() {
    let dir = tempfile::tempdir().expect("a directory");
    let keys = keys(dir.path());
    let holds = |bytes: &[u8]| bytes.windows(6).any(|w| w == b"virion");
    let plain = signed(&keys, Format::Png);
    assert!(!holds(&plain.bytes));
    let mut asked = statement(&picture(Format::Png, 9));
    asked.derivation.prompt = Some("electron microscope image of a virion".into());
    let credential = keys.credential(None);
    let bytes = picture(Format::Png, 9);
    let reference = ReferenceAsset { bytes: &bytes, mime: "image/png", title: "reference", store: None };
    let told = manifest::sign(&picture(Format::Png, 0), "image/png", &asked, &reference, &credential)
        .expect("it signs");
    assert!(holds(&told.bytes));
}

#[test]
fn one_flipped_bit_outside_the_manifest_is_invalid() {
    let dir = tempfile::tempdir().expect("a directory");
    let keys = keys(dir.path());
    for format in [Format::Png, Format::Jpeg, Format::WebP] {
        let signed = signed(&keys, format);
        let mut bytes = signed.bytes;
        // PNG and JPEG carry the manifest in front, WebP at the end: this is picture data in each.
        let at = if format == Format::WebP { 80 } else { bytes.len() - 40 };
        bytes[at] ^= 1;
        match manifest::read(&bytes, format.mime(), keys.anchors()) {
            Ok(Some(reading)) => {
                assert_eq!(reading.state, State::Invalid, "{format:?}");
                assert!(reading.content_differs(), "{format:?} {:?}", reading.failures);
            }
            other => panic!("{format:?}: {other:?}"),
        }
    }
}

#[test]
fn a_manifest_beside_its_file_leaves_it_as_it_is_and_holds_for_it_alone() {
    let dir = tempfile::tempdir().expect("a directory");
    let keys = keys(dir.path());
    let credential = keys.credential(None);
    for format in CARRIERS {
        let (mime, bytes, source) = (format.mime(), picture(format, 0), picture(format, 9));
        let plain = ReferenceAsset { bytes: &source, mime, title: "reference", store: None };
        let sign = |bytes: &[u8], reference: &ReferenceAsset<'_>| {
            let said = statement(reference.bytes);
            manifest::sign_at(Place::Beside, bytes, mime, &said, reference, &credential).expect("it signs")
        };
        let first = sign(&bytes, &plain);
        assert_eq!(first.bytes, bytes, "{format:?}");
        assert_eq!(manifest::read(&bytes, mime, keys.anchors()).expect("it reads"), None);
        let detached = |store: &[u8], bytes: &[u8]| {
            manifest::read_detached(store, bytes, mime, keys.anchors()).expect("it reads")
        };
        let reading = detached(&first.store, &bytes);
        assert_eq!((reading.state, &reading.label), (State::Trusted, &first.label), "{format:?}");
        let mut changed = bytes.clone();
        let middle = changed.len() / 2;
        changed[middle] ^= 1;
        let reading = detached(&first.store, &changed);
        assert!(reading.state == State::Invalid && reading.content_differs(), "{format:?}");

        // As an ingredient it is judged as one in its file is.
        let kept = ReferenceAsset { bytes: &bytes, store: Some(&first.store), ..plain };
        let second = sign(&picture(format, 5), &kept);
        let ingredient = &second.reading.ingredients[0];
        assert_eq!((ingredient.label.as_ref(), ingredient.state), (Some(&first.label), Some(State::Trusted)));
        assert_eq!(ingredient.facts(), Some(&statement(&source).derivation));
        let copied = ReferenceAsset { bytes: &changed, store: Some(&first.store), ..plain };
        let third = sign(&picture(format, 5), &copied);
        assert_eq!(third.reading.ingredients[0].state, Some(State::Invalid), "it is another file's");
    }
}

#[test]
fn a_manifest_moved_to_other_pixels_is_invalid() {
    let dir = tempfile::tempdir().expect("a directory");
    let keys = keys(dir.path());
    let signed = signed(&keys, Format::Png);
    let other = picture(Format::Png, 3);
    let moved = [&other[..33], png_chunk(&signed.bytes, b"caBX"), &other[33..]].concat();
    let reading = read(&moved, Format::Png, keys.anchors());
    assert_eq!(reading.state, State::Invalid);
    assert!(reading.content_differs(), "{:?}", reading.failures);
}

#[test]
fn a_reference_with_a_manifest_brings_it_along() {
    let dir = tempfile::tempdir().expect("a directory");
    let keys = keys(dir.path());
    for format in CARRIERS {
        let first = signed(&keys, format);
        let second = sign_with(&keys, &picture(format, 5), format, &first.bytes).expect("it signs");
        let reading = read(&second.bytes, format, keys.anchors());
        assert_eq!(reading.state, State::Trusted, "{format:?} {:?}", reading.failures);
        let [ingredient] = reading.ingredients.as_slice() else { panic!("{:?}", reading.ingredients) };
        assert_eq!(ingredient.label.as_ref(), Some(&first.label));
        assert_eq!(ingredient.state, Some(State::Trusted));
        assert_eq!(ingredient.relationship, "inputTo");
        assert_eq!(ingredient.title.as_deref(), Some("reference"));
        assert_eq!(ingredient.facts(), Some(&statement(&picture(format, 9)).derivation));
        assert_eq!(ingredient.agreement, Agreement::Agree);
        assert_eq!(ingredient.ingredients.len(), 1, "the reference's own reference");
    }
}

#[test]
fn a_plain_reference_is_an_ingredient_without_a_manifest() {
    let dir = tempfile::tempdir().expect("a directory");
    let keys = keys(dir.path());
    let reading = read(&signed(&keys, Format::Png).bytes, Format::Png, keys.anchors());
    let [ingredient] = reading.ingredients.as_slice() else { panic!("{:?}", reading.ingredients) };
    assert_eq!((&ingredient.label, ingredient.state), (&None, None));
}

#[test]
fn a_tampered_reference_is_seen_although_the_output_is_trusted() {
    let dir = tempfile::tempdir().expect("a directory");
    let keys = keys(dir.path());
    let mut reference = signed(&keys, Format::Png).bytes;
    let at = reference.len() - 40;
    reference[at] ^= 1;
    let output = sign_with(&keys, &picture(Format::Png, 5), Format::Png, &reference).expect("it signs");
    let reading = read(&output.bytes, Format::Png, keys.anchors());
    assert_eq!(reading.state, State::Trusted, "this is the SDK's verdict; ours is on the ingredient");
    let [ingredient] = reading.ingredients.as_slice() else { panic!("{:?}", reading.ingredients) };
    assert_eq!(ingredient.state, Some(State::Invalid));
    assert!(ingredient.failures.iter().any(|f| f.code == "assertion.dataHash.mismatch"));
}

#[test]
fn a_reference_of_a_type_that_carries_no_manifest_can_still_be_an_ingredient() {
    let dir = tempfile::tempdir().expect("a directory");
    let keys = keys(dir.path());
    let credential = keys.credential(None);
    let reference =
        ReferenceAsset { bytes: b"BM not quite", mime: "image/bmp", title: "reference", store: None };
    let stated = statement(reference.bytes);
    let output = manifest::sign(&picture(Format::Png, 0), "image/png", &stated, &reference, &credential)
        .expect("it signs");
    assert_eq!(read(&output.bytes, Format::Png, keys.anchors()).ingredients.len(), 1);
}

#[test]
fn a_recovered_manifest_says_that_the_content_differs_and_still_tells_the_facts() {
    let dir = tempfile::tempdir().expect("a directory");
    let keys = keys(dir.path());
    for format in CARRIERS {
        let plain = picture(format, 0);
        let signed = signed(&keys, format);
        assert!(manifest::read(&plain, format.mime(), &[]).expect("it reads").is_none());
        let stored = manifest::read_detached(&signed.store, &plain, format.mime(), keys.anchors())
            .expect("the store reads");
        assert_eq!(stored.state, State::Invalid, "{format:?}");
        assert!(stored.content_differs(), "{format:?} {:?}", stored.failures);
        assert_eq!(stored.label, signed.label);
        assert_eq!(stored.facts(), Some(&statement(&picture(format, 9)).derivation));
        let whole = manifest::read_detached(&signed.store, &signed.bytes, format.mime(), keys.anchors())
            .expect("the store reads");
        assert_eq!(whole.state, State::Trusted, "{format:?} {:?}", whole.failures);
    }
}

#[test]
fn a_truncated_signed_file_is_never_trusted_and_never_a_panic() {
    let dir = tempfile::tempdir().expect("a directory");
    let keys = keys(dir.path());
    for format in CARRIERS {
        let bytes = signed(&keys, format).bytes;
        for cut in (0..bytes.len()).step_by(131) {
            match manifest::read(&bytes[..cut], format.mime(), keys.anchors()) {
                Ok(Some(reading)) => assert_eq!(reading.state, State::Invalid, "{format:?} at {cut}"),
                Ok(None) => {}
                Err(e) => assert!(!matches!(e, manifest::ReadError::Panic { .. }), "{format:?} {cut} {e}"),
            }
        }
    }
}

#[test]
fn outputs_of_rotated_keys_stay_trusted() {
    let dir = tempfile::tempdir().expect("a directory");
    let before = keys(dir.path());
    let old = signed(&before, Format::Png);
    let after = Keys::rotate(dir.path(), today(), &entropy(7)).expect("they rotate");
    let new = signed(&after, Format::Png);
    assert_ne!(before.signer().fingerprint, after.signer().fingerprint);
    for asset in [old, new] {
        assert_eq!(read(&asset.bytes, Format::Png, after.anchors()).state, State::Trusted);
    }
}

#[test]
fn an_expired_certificate_signs_nothing_and_is_named() {
    let dir = tempfile::tempdir().expect("a directory");
    let then = today() - Duration::days(4000);
    let keys = Keys::create(dir.path(), then, &entropy(1)).expect("keys are made");
    let refused = sign_with(&keys, &picture(Format::Png, 0), Format::Png, &picture(Format::Png, 9));
    match refused {
        Err(SignError::Certificate { fault }) => assert!(fault.contains("expired"), "{fault}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_key_that_is_not_the_certificates_signs_nothing() {
    let (dir, other) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("another"));
    let keys = keys(dir.path());
    let stranger = Keys::create(other.path(), today(), &entropy(40)).expect("keys are made");
    let credential = Credential { chain_pem: keys.chain_pem(), ..stranger.credential(None) };
    let bytes = picture(Format::Png, 9);
    let reference = ReferenceAsset { bytes: &bytes, mime: "image/png", title: "reference", store: None };
    let refused =
        manifest::sign(&picture(Format::Png, 0), "image/png", &statement(&bytes), &reference, &credential);
    assert!(matches!(refused, Err(SignError::Signature)), "{refused:?}");
}

#[test]
fn a_chain_that_is_no_chain_is_named() {
    let dir = tempfile::tempdir().expect("a directory");
    let keys = keys(dir.path());
    let pen = |message: &[u8]| Ok(keys.sign(message).to_vec());
    let bytes = picture(Format::Png, 9);
    let reference = ReferenceAsset { bytes: &bytes, mime: "image/png", title: "reference", store: None };
    for (chain_pem, root) in [("", false), ("rubbish", false), (keys.anchors()[0].as_str(), true)] {
        let credential = Credential {
            chain_pem,
            algorithm: Algorithm::Ed25519,
            sign: &pen,
            anchors: &[],
            time_stamps: None,
        };
        let refused = manifest::sign(&bytes, "image/png", &statement(&bytes), &reference, &credential);
        match refused {
            Err(SignError::Chain { .. }) if !root => {}
            Err(SignError::Certificate { fault }) if root => {
                assert!(fault.contains("self-signed"), "{fault}")
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn what_is_no_number_is_not_signed() {
    let dir = tempfile::tempdir().expect("a directory");
    let keys = keys(dir.path());
    let credential = keys.credential(None);
    let bytes = picture(Format::Png, 9);
    let reference = ReferenceAsset { bytes: &bytes, mime: "image/png", title: "reference", store: None };
    let mut stated = statement(&bytes);
    stated.derivation.deviation.deviation = f64::NAN;
    let refused = manifest::sign(&bytes, "image/png", &stated, &reference, &credential);
    assert!(matches!(refused, Err(SignError::Statement { .. })), "{refused:?}");
}

#[test]
fn a_signature_costs_few_bytes() {
    let dir = tempfile::tempdir().expect("a directory");
    let keys = keys(dir.path());
    let signed = signed(&keys, Format::Png);
    assert!(signed.store.len() < 10_000, "{} bytes", signed.store.len());
}

#[test]
fn metadata_written_before_signing_is_covered_by_the_signature() {
    let dir = tempfile::tempdir().expect("a directory");
    let keys = keys(dir.path());
    for format in [Format::Png, Format::Jpeg, Format::WebP] {
        let source = Some(Digest::of("source"));
        let label = Label { source, ..Label::new("vidimus 0.1.0", "patch", "1") };
        let labelled = metadata::write(&picture(format, 0), format, &label).expect("it is labelled");
        let signed = sign_with(&keys, &labelled, format, &picture(format, 9)).expect("it signs");
        assert_eq!(read(&signed.bytes, format, keys.anchors()).state, State::Trusted, "{format:?}");
        let claims = metadata::read(&signed.bytes);
        assert!(claims.iter().any(|c| c.ai && c.source == "xmp"), "{format:?} {claims:?}");
        let at = signed.bytes.windows(12).position(|w| w == b"vidimus 0.1.").expect("the label is there");
        let mut changed = signed.bytes;
        changed[at] ^= 0x20;
        let reading = read(&changed, format, keys.anchors());
        assert_eq!(reading.state, State::Invalid, "{format:?}");
    }
}

#[test]
fn a_bit_flipped_anywhere_never_changes_what_is_believed() {
    let dir = tempfile::tempdir().expect("a directory");
    let keys = keys(dir.path());
    let signed = signed(&keys, Format::Png);
    let facts = statement(&picture(Format::Png, 9)).derivation;
    proptest!(ProptestConfig::with_cases(200), |(at in 0..signed.bytes.len(), bit in 0u32..8)| {
        let mut bytes = signed.bytes.clone();
        bytes[at] ^= 1 << bit;
        match manifest::read(&bytes, "image/png", keys.anchors()) {
            // Padding in the signature is not authenticated, so some flips change nothing that is said.
            Ok(Some(reading)) if reading.state != State::Invalid => {
                prop_assert_eq!(reading.facts(), Some(&facts));
                prop_assert_eq!(reading.agreement, Agreement::Agree);
            }
            Err(manifest::ReadError::Panic { reason }) => prop_assert!(false, "{reason}"),
            _ => {}
        }
    });
}

#[test]
fn a_bit_flipped_anywhere_in_the_picture_is_never_trusted() {
    let dir = tempfile::tempdir().expect("a directory");
    let keys = keys(dir.path());
    for format in [Format::Png, Format::Jpeg] {
        let signed = signed(&keys, format).bytes;
        // The manifest of a PNG is a chunk, that of a JPEG a run of APP11 segments: the rest is the picture.
        let store = match format {
            Format::Png => {
                let at = signed.windows(4).position(|w| w == b"caBX").expect("a manifest") - 4;
                at..at + png_chunk(&signed, b"caBX").len()
            }
            _ => app11(&signed),
        };
        let picture: Vec<usize> = (0..signed.len()).filter(|at| !store.contains(at)).collect();
        assert!(picture.len() > 200, "{format:?}: {}", picture.len());
        picture.par_iter().for_each(|at| {
            for bit in 0..8 {
                let mut bytes = signed.clone();
                bytes[*at] ^= 1 << bit;
                match manifest::read(&bytes, format.mime(), keys.anchors()) {
                    Ok(Some(reading)) => {
                        assert_eq!(reading.state, State::Invalid, "{format:?}: bit {bit} of byte {at}")
                    }
                    Err(manifest::ReadError::Panic { reason }) => panic!("{format:?}, byte {at}: {reason}"),
                    Ok(None) | Err(_) => {}
                }
            }
        });
    }
}

/// Where the APP11 segments of a JPEG lie; they follow one another.
fn app11(jpeg: &[u8]) -> std::ops::Range<usize> {
    let start = jpeg.windows(2).position(|w| w == [0xff, 0xeb]).expect("a segment");
    let mut end = start;
    while jpeg[end..].starts_with(&[0xff, 0xeb]) {
        end += 2 + usize::from(u16::from_be_bytes([jpeg[end + 2], jpeg[end + 3]]));
    }
    start..end
}
