//! Both layers and both levels of the watermark, and what `verify` says of copies and forgeries of each.

use std::fs;

use vidimus::quantity::Strength;
use vidimus::raster::{Plane, Raster};
use vidimus::release::{Outcome, Released};
use vidimus::watermark::{Key, Kind, Level, Message, Payload};

use crate::common::Lab;
use crate::desk::{Drawing, decode, journey, png, specimen_of};
use crate::tampered::{forge, message, owner, reasons};

const LARGE: (u32, u32) = (512, 512);
/// Here the whole payload often does not hold.
const SMALL: (u32, u32) = (200, 200);

fn release(lab: &Lab, size: (u32, u32), out: &str, seed: u64) -> Box<Released> {
    let reference = specimen_of(size, 1);
    let ended =
        journey(&lab.path(""), &reference, Drawing::OtherField, "default", lab.path(out), seed, &|_| {});
    match ended {
        Ok(Outcome::Released(released)) => released,
        other => panic!("it is released: {other:?}"),
    }
}

/// A laboratory with `out.png`, large enough for both layers, and the picture that was marked.
fn large() -> (Lab, Raster) {
    let lab = Lab::new();
    let released = release(&lab, LARGE, "out.png", 1);
    assert_eq!(released.level, Level::Long);
    (lab, specimen_of(LARGE, 1001))
}

/// A laboratory with `out.png`, whose pixels carry the short level.
fn short() -> (Lab, Box<Released>) {
    for seed in 1..=20 {
        let lab = Lab::new();
        let released = release(&lab, SMALL, "out.png", seed);
        if released.level == Level::Short {
            return (lab, released);
        }
    }
    panic!("twenty small pictures carry the long level");
}

#[test]
fn a_genuine_copy_is_told_to_be_made_with_the_workspace_key() {
    let (lab, _) = large();
    lab.python("attack.py", &["jpeg80", "out.png", "copy.jpg"]).expect(0);
    for file in ["out.png", "copy.jpg"] {
        let report = lab.run(["verify", file, "--json"]).expect(0).json();
        assert_eq!(report["watermark"]["authentic"], true, "{report:#}");
        assert!(report["watermark"]["tag"]["log10_false_positive"].as_f64().expect("a number") < -6.0);
        assert!(reasons(&report).contains("made with this workspace's key"), "{report:#}");
    }
    // Elsewhere the public layer says the same, and whose it is cannot be told.
    let elsewhere = Lab::new();
    elsewhere.run(["init"]).expect(0);
    fs::copy(lab.path("copy.jpg"), elsewhere.path("copy.jpg")).expect("copied");
    let found = elsewhere.run(["detect", "copy.jpg", "--json"]).expect(0).json();
    assert_eq!(found["payload"]["id"], lab.verify("out.png")["watermark"]["payload"]["id"]);
    assert_eq!(found["authentic"], false, "{found:#}");
}

#[test]
fn a_mark_forged_without_the_key_is_a_contradiction_even_on_its_own_picture() {
    let (lab, draft) = large();
    let mark = message(&lab, "out.png");
    forge(&lab, &draft, &mark, None, "own.png");
    forge(&lab, &specimen_of(LARGE, 5), &mark, None, "other.png");
    // Another workspace's tag is no better than none.
    forge(&lab, &draft, &mark, Some(&Key::new([7; 32])), "tagged.png");
    for file in ["own.png", "other.png", "tagged.png"] {
        let report = lab.run(["verify", file, "--json"]).expect(1).json();
        assert_eq!(report["verdict"], "contradiction", "{file}: {report:#}");
        assert_eq!(report["watermark"]["authentic"], false, "{file}: {report:#}");
        let reason = "but it was not made with this workspace's key: a forged mark";
        assert!(reasons(&report).contains(reason), "{file}: {report:#}");
    }
}

#[test]
fn a_mark_copied_with_its_tag_onto_another_picture_is_a_contradiction() {
    let (lab, draft) = large();
    // What a thief can do without any key: the difference that the marks make, on another picture.
    let (marked, plain, other) =
        (decode(&lab.path("out.png")).luma(), draft.luma(), specimen_of(LARGE, 5).luma());
    let mut thief = Plane::from_fn(512, 512, |x, y| other.at(x, y) + marked.at(x, y) - plain.at(x, y));
    thief.data_mut().iter_mut().for_each(|v| *v = v.clamp(0.0, 1.0));
    let thief = Raster::from_planes(&[thief], draft.depth());
    fs::write(lab.path("copied.png"), png(&thief)).expect("writable");
    let report = lab.run(["verify", "copied.png", "--json"]).expect(1).json();
    assert_eq!(report["verdict"], "contradiction", "{report:#}");
    assert_eq!(report["watermark"]["authentic"], true, "the tag is the workspace's own: {report:#}");
    assert!(reasons(&report).contains("which is another picture: a copied mark"), "{report:#}");
}

#[test]
fn a_turned_and_a_resized_copy_are_recognised_and_their_geometry_is_told() {
    let (lab, _) = large();
    for (recipe, file, degrees, scale, words) in [
        ("rotate", "turned.png", -7.0, 1.0, "since then turned by 7.0° anticlockwise"),
        ("resize", "small.png", 0.0, 0.7, "since then scaled to 0.70"),
    ] {
        lab.python("attack.py", &[recipe, "out.png", file]).expect(0);
        let report = lab.run(["verify", file, "--json"]).expect(0).json();
        assert_eq!(report["catalog"]["match"], "watermark", "{recipe}: {report:#}");
        assert!(reasons(&report).contains(words), "{recipe}: {report:#}");
        let found = lab.run(["detect", file, "--json"]).expect(0).json();
        for told in [&report["watermark"], &found] {
            let near =
                |name: &str, value: f64, by: f64| (told[name].as_f64().expect(name) - value).abs() < by;
            assert!(near("rotation_degrees", degrees, 0.1), "{recipe}: {told:#}");
            assert!(near("scale", scale, 0.005), "{recipe}: {told:#}");
            assert_eq!(told["mirrored"], false);
        }
        // The pixel grid is gone, so the quick search does not find it.
        lab.run(["detect", file, "--fast"]).expect(1);
    }
}

#[test]
fn a_release_at_the_short_level_is_verified_audited_and_recognised() {
    let (lab, released) = short();
    let report = lab.run(["verify", "out.png", "--json"]).expect(0).json();
    assert_eq!((&report["confidence"], &report["catalog"]["match"]), (&"high".into(), &"exact".into()));
    let mark = &report["watermark"];
    assert_eq!((&mark["level"], &mark["payload"]["id"]), (&"short".into(), &serde_json::Value::Null));
    assert!(reasons(&report).contains("(short level), as the manifest says"), "{report:#}");
    assert!(
        released.payload_id.starts_with(mark["payload"]["source_sha256_prefix"].as_str().expect("digits"))
    );
    assert_eq!(lab.run(["audit", "--json"]).expect(0).json()["clean"], true);

    // Stripped and recompressed: the brief and the looks find the record.
    lab.python("attack.py", &["jpeg80", "out.png", "copy.jpg"]).expect(0);
    let copy = lab.run(["verify", "copy.jpg", "--json"]).expect(0).json();
    assert_eq!(copy["catalog"]["match"], "watermark", "{copy:#}");
    assert_eq!(copy["catalog"]["asset"], released.asset_id.as_str());
    assert_eq!(copy["manifest"]["recovered"], true);

    // As a reference it joins the lineage of what it is a copy of.
    lab.run(["vary", "copy.jpg", "--strength", "0.1"]).expect(1);
    let copies = lab.sqlite3("SELECT copy_of FROM asset WHERE copy_of IS NOT NULL").expect(0).stdout;
    assert_eq!(copies.trim(), released.asset_id);
}

#[test]
fn marks_that_are_like_a_short_one_on_record_are_told_apart() {
    let (lab, released) = short();
    let strength = Strength::new(0.9);
    let source = lab.verify("out.png")["manifest"]["source_sha256"].as_str().expect("a digest").to_owned();
    let nonce = u32::from_str_radix(&released.payload_id[12..], 16).expect("five digits");
    let payload =
        Payload::new(Kind::Generated, strength, &source.parse().expect("a digest"), nonce).expect("20 bits");
    assert_eq!(payload.id(), released.payload_id);
    let picture = specimen_of(LARGE, 5);
    let verify = |file| lab.verify(file);

    // Its whole payload was never in any pixels.
    forge(&lab, &picture, &payload.message(Level::Long), Some(&owner(&lab)), "whole.png");
    let report = verify("whole.png");
    assert_eq!(report["verdict"], "contradiction", "{report:#}");
    assert!(reasons(&report).contains("which carries a mark of another level: a forged mark"), "{report:#}");

    // The same brief under the same key, on another picture: a copy.
    let brief = payload.message(Level::Short);
    assert_eq!(brief, message(&lab, "out.png"));
    forge(&lab, &picture, &brief, Some(&owner(&lab)), "copied.png");
    let report = verify("copied.png");
    assert_eq!(report["verdict"], "contradiction", "{report:#}");
    assert!(reasons(&report).contains("a copied mark"), "{report:#}");

    // Under another key it is what another workspace made of the same source.
    forge(&lab, &picture, &brief, Some(&Key::new([7; 32])), "elsewhere.png");
    let report = verify("elsewhere.png");
    assert_eq!(report["verdict"], "ai-derived", "{report:#}");
    assert_eq!(report["catalog"]["match"], serde_json::Value::Null, "{report:#}");

    // At another strength it is no mark of ours either.
    let other = Payload::new(Kind::Generated, Some(Strength::ONE), &source.parse().expect("a digest"), nonce);
    let other = other.expect("20 bits").message(Level::Short);
    assert!(matches!(other, Message::Short(_)) && other != brief);
    forge(&lab, &picture, &other, Some(&owner(&lab)), "stronger.png");
    let report = verify("stronger.png");
    assert_eq!(report["catalog"]["match"], serde_json::Value::Null, "{report:#}");
}
