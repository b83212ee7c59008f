//! What a manifest says beside the facts, in every format that carries one.

use std::collections::BTreeMap;

use vidimus::manifest::{
    self, Annotations, Metadata, Permissions, ReferenceAsset, SignedAsset, State, Statement, TrainingMining,
};
use vidimus::raster::Format;

use crate::support::{CARRIERS, keys, picture, read, statement};

fn annotations() -> Annotations {
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    Annotations {
        metadata: Some(Metadata {
            context: BTreeMap::from([pair("dcterms", "http://purl.org/dc/terms/")]),
            properties: BTreeMap::from([pair("dcterms:source", "nih:sha-256;00")]),
        }),
        training_mining: Some(TrainingMining::NotAllowed),
        reference_thumbnail: Some(picture(Format::Jpeg, 5)),
    }
}

fn signed(
    format: Format,
    reference: &ReferenceAsset<'_>,
    annotations: Annotations,
) -> (SignedAsset, Vec<String>) {
    let dir = tempfile::tempdir().expect("a directory");
    let keys = keys(dir.path());
    let statement = Statement { annotations, ..statement(reference.bytes) };
    let credential = keys.credential(None);
    let signed = manifest::sign(&picture(format, 0), format.mime(), &statement, reference, &credential);
    (signed.expect("it signs"), keys.anchors().to_vec())
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[test]
fn annotations_come_back_as_they_were_stated_in_every_format() {
    let reference = picture(Format::Png, 9);
    let reference = ReferenceAsset { bytes: &reference, mime: "image/png", title: "reference", store: None };
    let thumbnail = picture(Format::Jpeg, 5);
    for format in CARRIERS {
        let (signed, anchors) = signed(format, &reference, annotations());
        let reading = read(&signed.bytes, format, &anchors);
        assert_eq!(reading.state, State::Trusted, "{format:?}: {:?}", reading.failures);
        assert_eq!(reading.metadata, annotations().metadata, "{format:?}");
        let permissions = annotations().training_mining.as_ref().map(Permissions::from);
        assert_eq!(reading.training_mining, permissions, "{format:?}");
        assert!(contains(&signed.store, &thumbnail), "{format:?}: the reference's small picture is in it");
    }
}

#[test]
fn nothing_is_said_where_nothing_was_asked_for() {
    let reference = picture(Format::Png, 9);
    let reference = ReferenceAsset { bytes: &reference, mime: "image/png", title: "reference", store: None };
    let (signed, anchors) = signed(Format::Png, &reference, Annotations::default());
    let reading = read(&signed.bytes, Format::Png, &anchors);
    assert_eq!((reading.metadata, reading.training_mining), (None, None));
    for absent in [&b"cawg."[..], b"c2pa.thumbnail"] {
        assert!(!contains(&signed.store, absent), "{}", String::from_utf8_lossy(absent));
    }
}

#[test]
fn a_reference_with_a_manifest_beside_it_can_be_shown_too() {
    let plain = picture(Format::Png, 9);
    let source = ReferenceAsset { bytes: &plain, mime: "image/png", title: "source", store: None };
    let (first, _) = signed(Format::Png, &source, Annotations::default());
    // The store fits the file that it was made for, so that file is brought, without it.
    let bare = picture(Format::Png, 0);
    let reference =
        ReferenceAsset { bytes: &bare, mime: "image/png", title: "reference", store: Some(&first.store) };
    let (signed, anchors) = signed(Format::Png, &reference, annotations());
    let reading = read(&signed.bytes, Format::Png, &anchors);
    assert_eq!(reading.state, State::Trusted, "{:?}", reading.failures);
    assert_eq!(reading.ingredients[0].label.as_ref(), Some(&first.label));
    assert!(contains(&signed.store, &picture(Format::Jpeg, 5)));
}
