//! Copies that lost their manifest, and what `verify --restore` gives back to them.

use std::fs;

use serde_json::Value;
use vidimus::digest::Digest;
use vidimus::iscc::{self, ImageCode};
use vidimus::manifest;

use crate::common::Lab;
use crate::desk::decode;
use crate::prepared::released;
use crate::tampered::{chunks, forge, message, owner, reasons};

/// A laboratory with `out.png`, released from `ref.png`, with the whole payload.
fn lab() -> Lab {
    released("512x512")
}

/// `out.png` after a recipe of `attack.py`, restored.
fn restored(lab: &Lab, recipe: &str, copy: &str, out: &str) -> Value {
    lab.python("attack.py", &[recipe, "out.png", copy]).expect(0);
    let ended = lab.run(["verify", copy, "--restore", out, "--json"]).expect(0);
    assert!(ended.stderr.contains("a changed copy with its recovered manifest"), "{}", ended.stderr);
    let written = &ended.json()["restored"];
    let bytes = fs::read(lab.path(out)).expect("written");
    assert_eq!(written["output"], out, "{written:#}");
    assert_eq!(written["sha256"], Digest::of(&bytes).to_string(), "{written:#}");
    assert_eq!(written["content_differs"], true, "{written:#}");
    lab.run(["verify", out, "--json"]).expect(0).json()
}

#[test]
fn a_changed_copy_gets_its_manifest_back_and_says_that_it_is_one() {
    let lab = lab();
    let label = lab.verify("out.png")["manifest"]["label"].clone();
    for (recipe, copy, out, found_by, bindings) in [
        ("strip", "a.png", "ra.png", "pixels", true),
        ("jpeg80", "b.jpg", "rb.jpg", "watermark", true),
        ("resize", "c.png", "rc.png", "watermark", true),
        ("crop", "d.png", "rd.png", "watermark", false),
    ] {
        let report = restored(&lab, recipe, copy, out);
        assert_eq!(report["verdict"], "ai-derived", "{recipe}: {report:#}");
        assert_eq!(report["confidence"], "high", "{recipe}: {report:#}");
        let manifest = &report["manifest"];
        assert_eq!(manifest["state"], "trusted", "{recipe}: {manifest:#}");
        assert_eq!(manifest["recovered"], false, "it is in the file now");
        assert_ne!(manifest["label"], label, "{recipe}");
        let recovery = &manifest["recovery"];
        assert_eq!(recovery["manifest"], label, "{recipe}");
        assert_eq!(recovery["found_by"], found_by, "{recipe}");
        assert_eq!(recovery["softBindingsMatched"], bindings, "{recipe}: {recovery:#}");
        let algorithms = recovery["softBindingAlgorithmsMatched"].as_array().expect("a list");
        assert!(algorithms.contains(&"org.vidimus.watermark.1".into()), "{recipe}: {recovery:#}");
        assert_eq!(algorithms.contains(&iscc::ALGORITHM.into()), bindings, "{recipe}: {recovery:#}");
        let parent = &manifest["ingredients"][0];
        assert_eq!((&parent["relationship"], &parent["label"]), (&"parentOf".into(), &label), "{recipe}");
        let codes: Vec<&str> = parent["failures"]
            .as_array()
            .expect("a list")
            .iter()
            .filter_map(|f| f["code"].as_str())
            .collect();
        assert_eq!(codes, ["assertion.dataHash.mismatch"], "{recipe}: for ever not what was signed");
        let said = reasons(&report);
        assert!(said.contains("its content is not what was signed"), "{said}");
        assert!(!said.contains("original"), "{said}");
        assert_eq!(decode(&lab.path(copy)), decode(&lab.path(out)), "{recipe}: the pixels stay");
    }
    // Another reader of C2PA takes them for what they are.
    let anchors = lab.run(["keys", "export-trust"]).expect(0).stdout;
    fs::write(lab.path("anchors.pem"), anchors).expect("writable");
    let ended = lab.python("verify_manifests.py", &["--anchor", "anchors.pem", "rb.jpg"]);
    let line: Value = serde_json::from_str(ended.stdout.trim()).expect("a line of JSON");
    assert_eq!(
        (&line["state"], &line["failures"]),
        (&"Trusted".into(), &Value::Array(Vec::new())),
        "{line:#}"
    );
}

#[test]
fn a_copy_that_lost_nothing_but_the_manifest_gets_the_very_one_back_that_holds() {
    let lab = lab();
    let signed = fs::read(lab.path("out.png")).expect("there");
    let mut bare = signed[..8].to_vec();
    bare.extend(chunks(&signed).into_iter().filter(|(kind, _)| kind != b"caBX").flat_map(|(_, chunk)| chunk));
    assert!(bare.len() < signed.len(), "it carried a manifest");
    fs::write(lab.path("bare.png"), bare).expect("writable");
    let ended = lab.run(["verify", "bare.png", "--restore", "back.png"]).expect(0);
    assert!(
        ended.stderr.contains(": a copy of what was signed with its recovered manifest"),
        "{}",
        ended.stderr
    );
    let report = lab.verify("back.png");
    let parent = &report["manifest"]["ingredients"][0];
    assert_eq!(parent["state"], "trusted", "{parent:#}");
    assert!(reasons(&report).contains("its pixels are as they were signed"), "{report:#}");
    // What is signed says so, too.
    let says = |file: &str, text: &str| {
        let bytes = fs::read(lab.path(file)).expect("there");
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    };
    assert!(says("back.png", "found again by the copy's pixels; this content is what was signed"));
    assert!(says("back.png", "recovered by pixels; this content is what was signed"));
    assert!(
        !says("back.png", "differ") && !says("back.png", "soft binding") && !says("back.png", "changed copy")
    );
    restored(&lab, "strip", "same.png", "same-back.png");
    assert!(says("same-back.png", "; these bytes differ from what was signed, the pixels do not"));
    restored(&lab, "resize", "small.png", "small-back.png");
    assert!(says("small-back.png", "by the copy's watermark; this content differs from what was signed"));
}

#[test]
fn a_copy_without_its_watermark_is_restored_by_its_looks() {
    let lab = lab();
    let report = restored(&lab, "worn", "worn.png", "back.png");
    assert_eq!(report["watermark"]["found"], false, "{report:#}");
    assert_eq!(report["manifest"]["recovery"]["found_by"], "looks", "{report:#}");
    assert_eq!(report["verdict"], "ai-derived", "{report:#}");
}

#[test]
fn restoring_writes_one_file_and_nothing_else_anywhere() {
    let lab = lab();
    lab.python("attack.py", &["jpeg80", "out.png", "copy.jpg"]).expect(0);
    let state = |lab: &Lab| -> Vec<_> {
        let files = lab.files("").into_iter().filter(|path| !path.ends_with("back.jpg"));
        files.map(|path| (path.clone(), fs::read(lab.path(&path)).expect("readable"))).collect()
    };
    let before = state(&lab);
    lab.run(["verify", "copy.jpg", "--restore", "back.jpg"]).expect(0);
    assert!(lab.path("back.jpg").exists());
    assert!(state(&lab) == before, "invariant 6: the catalog is only read");
    let ended = lab.run(["verify", "copy.jpg", "--restore", "back.jpg"]).expect(2);
    assert!(ended.stderr.contains("back.jpg: already exists; use --force"), "{}", ended.stderr);
    lab.run(["verify", "copy.jpg", "--restore", "back.jpg", "--force"]).expect(0);
}

#[test]
fn what_lost_nothing_is_unknown_or_contradicts_itself_is_not_restored() {
    let lab = lab();
    lab.run(["specimen", "--out", "stranger.png", "--size", "512x512", "--seed", "90"]).expect(0);
    let accused = decode(&lab.path("stranger.png"));
    forge(&lab, &accused, &message(&lab, "out.png"), Some(&owner(&lab)), "forged.png");
    for (file, out, expected) in [
        ("out.png", "x.png", "out.png: not restored: it carries a manifest already"),
        ("stranger.png", "x.png", "stranger.png: not restored: no manifest is on record for it"),
        ("forged.png", "x.png", "forged.png: not restored: the evidence contradicts itself"),
        ("out.png", "out.png", "would overwrite its own source"),
    ] {
        let ended = lab.run(["verify", file, "--restore", out]).expect(2);
        assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
        assert!(ended.stderr.contains(expected), "{}", ended.stderr);
    }
    lab.python("attack.py", &["strip", "out.png", "stripped.png"]).expect(0);
    let ended = lab.run(["verify", "stripped.png", "--restore", "x.jpg"]).expect(2);
    assert!(ended.stderr.contains("the picture is a PNG and stays one"), "{}", ended.stderr);
    assert!(!lab.path("x.jpg").exists() && !lab.path("x.png").exists());
}

#[test]
fn image_codes_are_those_of_the_reference_software_and_stand_in_the_manifest() {
    let lab = lab();
    lab.run(["specimen", "--out", "colour.png", "--size", "333x217", "--seed", "5", "--colour"]).expect(0);
    lab.python("attack.py", &["jpeg80", "out.png", "b.jpg"]).expect(0);
    lab.python("attack.py", &["crop", "colour.png", "cropped.png"]).expect(0);
    lab.run(["specimen", "--out", "small.png", "--size", "64x64", "--seed", "2"]).expect(0);
    let files = ["out.png", "colour.png", "cropped.png", "small.png", "ref.png"];
    let expected = lab.python("iscc.py", &files).expect(0).stdout;
    for (file, expected) in files.iter().zip(expected.lines()) {
        let found = ImageCode::of(&decode(&lab.path(file)));
        assert_eq!(hex::encode(found.as_bytes()), expected, "{file}");
    }
    assert_eq!(expected.lines().count(), files.len());

    let signed = fs::read(lab.path("out.png")).expect("there");
    let reading = manifest::read(&signed, "image/png", &[]).expect("it reads").expect("it has one");
    let [binding] = reading.soft_bindings.as_slice() else { panic!("{:?}", reading.soft_bindings) };
    assert_eq!(binding.algorithm, "io.iscc.v0");
    let code = binding.image_code.expect("a code of ours");
    assert_eq!(hex::encode(code.as_bytes()), expected.lines().next().expect("a line"));
    // On the wire it is bytes: CBOR's 58 22 is a string of 34 of them.
    let unit = [&[0x58, 0x22][..], &code.unit()].concat();
    assert!(signed.windows(unit.len()).any(|w| w == unit));
    // A copy keeps nearly all of it, another picture half.
    assert!(ImageCode::of(&decode(&lab.path("b.jpg"))).hamming(&code) <= 8);
    assert!(ImageCode::of(&decode(&lab.path("colour.png"))).hamming(&code) > iscc::NEAR);
}

#[test]
fn what_the_policy_would_refuse_is_not_signed_by_restoring_it() {
    let lab = lab();
    // A third of the reference put back into it.
    lab.python("attack.py", &["inlay", "out.png", "mixed.png", "ref.png"]).expect(0);
    let ended = lab.run(["verify", "mixed.png", "--restore", "back.png"]).expect(2);
    let refused = "not restored: what its release was judged by refuses this copy: too close: deviation 0.";
    assert!(ended.stderr.contains(refused), "{}", ended.stderr);
    assert!(!lab.path("back.png").exists());
    // A label that a crop may have taken off.
    let args =
        ["vary", "ref.png", "--strength", "0.95", "--label", "--out", "labelled.png", "--attempts", "12"];
    lab.run(args).expect(0);
    lab.python("attack.py", &["crop", "labelled.png", "cropped.png"]).expect(0);
    let ended = lab.run(["verify", "cropped.png", "--restore", "back.png"]).expect(2);
    assert!(ended.stderr.contains("a visible label"), "{}", ended.stderr);
    // Its own pixels still have it.
    lab.python("attack.py", &["strip", "labelled.png", "stripped.png"]).expect(0);
    lab.run(["verify", "stripped.png", "--restore", "back.png"]).expect(0);
}

#[test]
fn what_cannot_be_held_against_its_reference_is_not_signed() {
    let lab = lab();
    lab.python("attack.py", &["jpeg80", "out.png", "copy.jpg"]).expect(0);
    lab.python("attack.py", &["strip", "out.png", "same.png"]).expect(0);
    let digest = Digest::of(fs::read(lab.path("ref.png")).expect("there")).to_string();
    let object = lab.path(format!("catalog/objects/{}/{}", &digest[..2], &digest[2..]));
    for damage in [true, false] {
        if damage { fs::write(&object, "no picture") } else { fs::remove_file(&object) }
            .expect("it is there");
        let ended = lab.run(["verify", "copy.jpg", "--restore", "back.jpg"]).expect(2);
        assert!(ended.stderr.contains("cannot be read from the store"), "{}", ended.stderr);
        assert!(!lab.path("back.jpg").exists());
    }
    // The released pixels were judged once and for all.
    lab.run(["verify", "same.png", "--restore", "back.png"]).expect(0);
}
