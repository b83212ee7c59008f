//! Tampered files, each made by a recipe at test time, and what `verify` says of each.

use std::fs;
use std::path::Path;

use serde_json::Value;
use vidimus::keys::{Entropy, Keys};
use vidimus::manifest::{self, ReferenceAsset, Software, Statement};
use vidimus::quantity::Strength;
use vidimus::raster::Raster;
use vidimus::watermark::{self, Key, Keyring, Kind, Message, Payload, Quality, Search};

use crate::common::Lab;
use crate::desk::{decode, png, specimen_of};
use crate::prepared::{prepared, released_twice};

/// A laboratory with `out.png` and `other.png`, both released from `ref.png`.
fn lab() -> Lab {
    released_twice("320x208")
}

/// The same with pictures that carry the whole payload: the short level names no picture.
pub fn large_lab() -> Lab {
    lab_of("512x512")
}

/// The same with pictures of `size`, which has to be enough for the whole payload.
pub fn lab_of(size: &str) -> Lab {
    prepared(&format!("long {size}"), || {
        let lab = released_twice(size);
        for out in ["out.png", "other.png"] {
            let report = lab.verify(out);
            assert_eq!(report["watermark"]["level"], "long", "{report:#}");
        }
        lab
    })
}

/// The chunks of a PNG: kind and the whole chunk.
pub fn chunks(bytes: &[u8]) -> Vec<([u8; 4], Vec<u8>)> {
    let mut out = Vec::new();
    let mut at = 8;
    while at + 12 <= bytes.len() {
        let length = u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes")) as usize;
        let kind = bytes[at + 4..at + 8].try_into().expect("four bytes");
        out.push((kind, bytes[at..at + 12 + length].to_vec()));
        at += 12 + length;
    }
    out
}

/// The file `body` with the pixels of the file `pixels`: everything else, the manifest too, is `body`'s.
pub fn with_pixels(body: &Path, pixels: &Path) -> Vec<u8> {
    let (body, pixels) = (fs::read(body).expect("there"), fs::read(pixels).expect("there"));
    let data: Vec<u8> = chunks(&pixels)
        .into_iter()
        .filter(|(kind, _)| kind == b"IDAT")
        .flat_map(|(_, chunk)| chunk)
        .collect();
    let mut out = body[..8].to_vec();
    let mut placed = false;
    for (kind, chunk) in chunks(&body) {
        if &kind != b"IDAT" {
            out.extend(chunk);
        } else if !placed {
            out.extend(&data);
            placed = true;
        }
    }
    out
}

/// The message in the pixels of `file`.
pub fn message(lab: &Lab, file: &str) -> Message {
    let keys = Keyring { public: &Key::public(), owner: None };
    watermark::detect(&decode(&lab.path(file)), keys, Search::Fast).expect("it is marked").message
}

/// The key of the laboratory's own tag.
pub fn owner(lab: &Lab) -> Key {
    Key::new(Keys::watermark_key_at(&lab.path("keys")).expect("it has one"))
}

/// Marks `picture` and writes it to `file`; with an `owner`, as only that one could.
pub fn forge(lab: &Lab, picture: &Raster, message: &Message, owner: Option<&Key>, file: &str) {
    let keys = Keyring { public: &Key::public(), owner };
    let forged = watermark::embed(picture, message, keys, Quality::Fixed(42.0)).expect("it can be marked");
    fs::write(lab.path(file), png(&forged.raster)).expect("writable");
}

pub fn reasons(report: &Value) -> String {
    report["reasons"]
        .as_array()
        .expect("reasons")
        .iter()
        .filter_map(Value::as_str)
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn pixel_one_edited_pixel_is_a_contradiction() {
    let lab = lab();
    lab.python("attack.py", &["pixel", "out.png", "edited.png"]).expect(0);
    fs::write(lab.path("pixel.png"), with_pixels(&lab.path("out.png"), &lab.path("edited.png")))
        .expect("writable");
    let report = lab.run(["verify", "pixel.png", "--json"]).expect(1).json();
    assert_eq!(report["verdict"], "contradiction", "{report:#}");
    assert_eq!(report["manifest"]["state"], "invalid");
    assert!(reasons(&report).contains("made for other pixels"), "{report:#}");
    assert!(reasons(&report).contains("the file was changed after signing"), "{report:#}");
}

#[test]
fn transplant_the_manifest_of_another_output_is_a_contradiction() {
    let lab = large_lab();
    fs::write(lab.path("swap.png"), with_pixels(&lab.path("out.png"), &lab.path("other.png")))
        .expect("writable");
    let report = lab.run(["verify", "swap.png", "--json"]).expect(1).json();
    assert_eq!(report["verdict"], "contradiction");
    assert!(reasons(&report).contains("it belongs to another picture"), "{report:#}");
}

#[test]
fn transplant_a_manifest_on_an_unrelated_picture_is_a_contradiction() {
    let lab = lab();
    lab.specimen("real.png", 77);
    fs::write(lab.path("swap.png"), with_pixels(&lab.path("out.png"), &lab.path("real.png")))
        .expect("writable");
    let report = lab.run(["verify", "swap.png", "--json"]).expect(1).json();
    assert_eq!(report["verdict"], "contradiction");
    assert_eq!(report["watermark"]["found"], false);
}

#[test]
fn strip_patch_crop_flip_and_recompress_are_recognised_by_the_mark() {
    let lab = lab();
    for (recipe, file) in
        [("strip", "a.png"), ("jpeg80", "b.jpg"), ("patch", "c.png"), ("crop", "d.png"), ("flip", "e.png")]
    {
        lab.python("attack.py", &[recipe, "out.png", file]).expect(0);
        let report = lab.run(["verify", file, "--json"]).expect(0).json();
        assert_eq!(report["verdict"], "ai-derived", "{recipe}: {report:#}");
        let matched = if recipe == "strip" { "exact" } else { "watermark" };
        assert_eq!(report["catalog"]["match"], matched, "{recipe}: {report:#}");
        assert_eq!(report["manifest"]["recovered"], true, "{recipe}: {report:#}");
    }
}

#[test]
fn copied_mark_on_a_real_picture_is_a_contradiction() {
    let lab = lab();
    lab.specimen("real.png", 78);
    // The tag comes along with what is copied.
    let real = decode(&lab.path("real.png"));
    forge(&lab, &real, &message(&lab, "out.png"), Some(&owner(&lab)), "forged.png");
    let report = lab.run(["verify", "forged.png", "--json"]).expect(1).json();
    assert_eq!(report["verdict"], "contradiction", "{report:#}");
    assert!(reasons(&report).contains("a copied mark"), "{report:#}");
}

#[test]
fn copied_mark_on_the_reference_itself_is_a_contradiction() {
    // The output keeps its reference's arrangement: it is the nearest thing to a false accusation.
    let lab = Lab::new();
    lab.run(["specimen", "--out", "ref.png", "--size", "320x208", "--seed", "3", "--colour"]).expect(0);
    lab.run(["vary", "ref.png", "--strength", "0.7", "--attempts", "40", "--seed", "1", "--out", "out.png"])
        .expect(0);
    let real = decode(&lab.path("ref.png"));
    forge(&lab, &real, &message(&lab, "out.png"), Some(&owner(&lab)), "accused.png");
    let report = lab.run(["verify", "accused.png", "--json"]).expect(1).json();
    assert_eq!(report["verdict"], "contradiction", "{report:#}");
    let lineage = lab.run(["lineage", "accused.png"]).expect(1).stdout;
    assert!(lineage.contains("contradicts itself"), "{lineage}");
}

#[test]
fn mark_whose_recorded_picture_is_lost_is_not_confirmed_by_the_record() {
    let lab = lab();
    lab.python("attack.py", &["jpeg80", "out.png", "copy.jpg"]).expect(0);
    let sha256 = lab.verify("out.png")["sha256"].as_str().expect("a digest").to_owned();
    fs::remove_file(lab.path("catalog/objects").join(&sha256[..2]).join(&sha256[2..])).expect("in the store");
    let report = lab.run(["verify", "copy.jpg", "--json"]).expect(0).json();
    assert_eq!(report["confidence"], "medium", "{report:#}");
    assert!(reasons(&report).contains("could not be compared"), "{report:#}");
}

#[test]
fn unsigned_claim_alone_is_ai_derived_with_low_confidence_and_no_yes() {
    let lab = Lab::new();
    lab.specimen("plain.png", 1);
    let label = vidimus::metadata::Label::new("someone, trusted here", "an engine", "1");
    let plain = fs::read(lab.path("plain.png")).expect("there");
    let claimed =
        vidimus::metadata::write(&plain, vidimus::raster::Format::Png, &label).expect("it takes XMP");
    fs::write(lab.path("claimed.png"), claimed).expect("writable");
    let report = lab.run(["verify", "claimed.png", "--json"]).expect(1).json();
    assert_eq!(report["verdict"], "ai-derived");
    assert_eq!(report["confidence"], "low");
    assert!(!reasons(&report).contains("by someone, trusted here"), "{report:#}");
}

#[test]
fn forged_mark_with_a_known_id_and_another_strength_is_a_contradiction() {
    let lab = large_lab();
    let Message::Long(mark) = message(&lab, "out.png") else { panic!("it carries the whole payload") };
    let payload = Payload::from_message(mark).expect("ours");
    let source = lab.verify("out.png")["manifest"]["source_sha256"]
        .as_str()
        .expect("a digest")
        .parse()
        .expect("a digest");
    let strength = Strength::new(0.45);
    let other = Payload::new(Kind::Generated, strength, &source, payload.nonce()).expect("in range");
    lab.specimen("base.png", 79);
    let other = Message::Long(other.to_message());
    forge(&lab, &decode(&lab.path("base.png")), &other, Some(&owner(&lab)), "forged.png");
    let report = lab.run(["verify", "forged.png", "--json"]).expect(1).json();
    assert_eq!(report["verdict"], "contradiction", "{report:#}");
    assert!(reasons(&report).contains("at another strength: a forged mark"), "{report:#}");
}

#[test]
fn made_up_mark_without_the_workspace_key_is_told_apart() {
    let lab = lab();
    let source = lab.verify("out.png")["manifest"]["source_sha256"]
        .as_str()
        .expect("a digest")
        .parse()
        .expect("a digest");
    let invented = Payload::new(Kind::Generated, Strength::new(0.9), &source, 12345).expect("in range");
    let base = specimen_of((512, 512), 80);
    forge(&lab, &base, &Message::Long(invented.to_message()), None, "made-up.png");
    let report = lab.verify("made-up.png");
    // Anyone can write a public mark: it says AI, with no record behind it.
    assert_eq!(report["verdict"], "ai-derived");
    assert_eq!(report["confidence"], "medium");
    assert_eq!(report["watermark"]["authentic"], false);
    assert_eq!(report["catalog"]["match"], Value::Null);
}

#[test]
fn rekey_the_same_statement_under_another_key_is_not_trusted() {
    let lab = lab();
    let original = fs::read(lab.path("out.png")).expect("there");
    let reading = manifest::read(&original, "image/png", &[]).expect("readable").expect("it has one");
    let thief = tempfile::tempdir().expect("a directory");
    let now = time::OffsetDateTime::now_utc();
    let entropy = Entropy { root: [1; 32], signing: [2; 32], watermark: [3; 32] };
    let keys = Keys::create(thief.path(), now, &entropy).expect("fresh");
    let statement = Statement {
        annotations: manifest::Annotations::default(),
        title: "variation".into(),
        claim_generator: Software { name: "vidimus".into(), version: "0.1.0".into() },
        created: now,
        image_code: None,
        derivation: reading.facts().expect("ours").clone(),
    };
    let reference = fs::read(lab.path("ref.png")).expect("there");
    let stripped = png(&decode(&lab.path("out.png")));
    let credential = keys.credential(None);
    let ingredient = ReferenceAsset { bytes: &reference, mime: "image/png", title: "reference", store: None };
    let signed =
        manifest::sign(&stripped, "image/png", &statement, &ingredient, &credential).expect("it signs");
    fs::write(lab.path("rekeyed.png"), signed.bytes).expect("writable");

    let report = lab.run(["verify", "rekeyed.png", "--json"]).expect(0).json();
    assert_eq!(report["manifest"]["state"], "valid", "{report:#}");
    assert!(reasons(&report).contains("whom nobody here vouches for"), "{report:#}");
    assert_eq!(report["catalog"]["match"], "exact");
}

#[test]
fn the_catalog_edited_behind_our_back_is_found_by_audit() {
    let edits = [
        ("a dropped trigger", "DROP TRIGGER release_gate", "schema"),
        (
            "a number",
            "DROP TRIGGER measurement_update; UPDATE measurement SET detail = 0, copied = 0, composition = 1",
            "log",
        ),
        (
            "a log entry",
            "DROP TRIGGER event_update; UPDATE event SET body = json_set(body, '$.strength', 0.1)",
            "log",
        ),
        ("a removed entry", "DROP TRIGGER event_delete; DELETE FROM event WHERE seq = 1", "log"),
        (
            "another file",
            "DROP TRIGGER asset_update; UPDATE asset SET sha256 = zeroblob(32) WHERE id = (SELECT max(output) FROM release)",
            "release",
        ),
    ];
    for (what, sql, area) in edits {
        let lab = lab();
        let before = lab
            .sqlite3("SELECT group_concat(sql, ';' || char(10)) FROM sqlite_schema WHERE type = 'trigger'")
            .stdout;
        lab.sqlite3(sql).expect(0);
        if what != "a dropped trigger" {
            // The careful forger puts the trigger back.
            let name = sql.split([' ', ';']).nth(2).expect("a trigger");
            let trigger = before
                .split("END;")
                .map(|t| format!("{t}END;"))
                .find(|t| t.contains(&format!("TRIGGER {name} ")));
            lab.sqlite3(trigger.expect("it was there").trim_start_matches([';', '\n'])).expect(0);
        }
        let audit = lab.run(["audit", "--json"]).expect(1).json();
        let areas: Vec<&str> = audit["findings"]
            .as_array()
            .expect("findings")
            .iter()
            .filter_map(|f| f["area"].as_str())
            .collect();
        assert!(areas.contains(&area), "{what}: {audit:#}");
    }
}

#[test]
fn an_object_changed_or_lost_in_the_store_is_found_by_audit() {
    let lab = lab();
    let sha256 = lab.verify("out.png")["sha256"].as_str().expect("a digest").to_owned();
    let object = lab.path("catalog/objects").join(&sha256[..2]).join(&sha256[2..]);
    let mut bytes = fs::read(&object).expect("in the store");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&object, bytes).expect("writable");
    let audit = lab.run(["audit"]).expect(1).stdout;
    assert!(audit.contains("was changed in the store"), "{audit}");
    fs::remove_file(&object).expect("ours");
    let audit = lab.run(["audit"]).expect(1).stdout;
    assert!(audit.contains("is gone from the store"), "{audit}");
}
