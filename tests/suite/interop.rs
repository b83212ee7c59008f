//! Other readers of C2PA manifests are of one mind with us, on outputs and on what is done to them.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::common::Lab;
use crate::tampered::with_pixels;

/// The bytes of `file`, with one bit of them flipped.
fn flipped(lab: &Lab, file: &str, at: impl Fn(&[u8]) -> usize) -> Vec<u8> {
    let mut bytes = fs::read(lab.path(file)).expect("there");
    let at = at(&bytes);
    bytes[at] ^= 1;
    bytes
}

#[test]
fn three_readers_agree_on_outputs_copies_and_forgeries_and_what_is_signed_keeps_its_schema() {
    let lab = Lab::new();
    lab.specimen("ref.png", 1);
    for (out, seed) in
        [("out.png", 1), ("other.png", 20), ("out.jpg", 40), ("out.webp", 60), ("out.tiff", 80)]
    {
        lab.variation("ref.png", out, seed);
    }
    let elsewhere = Lab::new();
    elsewhere.specimen("ref.png", 9);
    elsewhere.variation("ref.png", "out.png", 1);
    fs::copy(elsewhere.path("out.png"), lab.path("stranger.png")).expect("copied");
    for (recipe, copy) in [("strip", "a.png"), ("jpeg80", "b.jpg"), ("crop", "c.png"), ("flip", "d.png")] {
        lab.python("attack.py", &[recipe, "out.png", copy]).expect(0);
    }
    lab.run(["verify", "a.png", "--restore", "restored.png"]).expect(0);
    lab.run(["verify", "b.jpg", "--restore", "restored.jpg"]).expect(0);
    lab.python("attack.py", &["pixel", "out.png", "e.png"]).expect(0);
    let forgeries = [
        ("pixel.png", with_pixels(&lab.path("out.png"), &lab.path("e.png"))),
        ("swapped.png", with_pixels(&lab.path("out.png"), &lab.path("other.png"))),
        ("scan.jpg", flipped(&lab, "out.jpg", |bytes| bytes.len() - 60)),
        (
            "fact.png",
            flipped(&lab, "out.png", |bytes| {
                bytes.windows(16).position(|w| w == b"denoise_strength").expect("a fact") + 18
            }),
        ),
    ];
    for (file, bytes) in &forgeries {
        fs::write(lab.path(file), bytes).expect("writable");
    }
    let expected = [
        ("out.png", "trusted"),
        ("out.jpg", "trusted"),
        ("out.webp", "trusted"),
        ("out.tiff", "trusted"),
        ("restored.png", "trusted"),
        ("restored.jpg", "trusted"),
        ("stranger.png", "valid"),
        ("a.png", "absent"),
        ("b.jpg", "absent"),
        ("c.png", "absent"),
        ("d.png", "absent"),
        ("ref.png", "absent"),
        ("pixel.png", "invalid"),
        ("swapped.png", "invalid"),
        ("scan.jpg", "invalid"),
        ("fact.png", "invalid"),
    ];
    let files = expected.iter().map(|(file, _)| *file);
    let report = lab.run(["verify", "--json"].into_iter().chain(files)).stdout;
    fs::write(lab.path("ours.json"), report).expect("writable");
    let anchors = lab.run(["keys", "export-trust"]).expect(0).stdout;
    fs::write(lab.path("anchors.pem"), anchors).expect("writable");
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/derivation.schema.json");
    let schema = schema.to_str().expect("a path of this repository");
    let ended = lab
        .python("agree.py", &["--anchor", "anchors.pem", "--schema", schema, "--ours", "ours.json"])
        .expect(0);
    let lines: Vec<Value> =
        ended.stdout.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    let found: Vec<(&str, &str)> = lines
        .iter()
        .map(|line| (line["file"].as_str().expect("a path"), line["encypher-c2pa"].as_str().expect("a word")))
        .collect();
    assert_eq!(found, expected);
    let held: Vec<&str> =
        lines.iter().filter(|l| l["schema"].is_array()).filter_map(|l| l["file"].as_str()).collect();
    let signed = ["out.png", "out.jpg", "out.webp", "out.tiff"];
    let forged = ["stranger.png", "pixel.png", "swapped.png", "scan.jpg", "fact.png"];
    assert_eq!(held, [&signed[..], &forged].concat(), "derivations that were held against the schema");
}
