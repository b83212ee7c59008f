//! Other readers of C2PA manifests are of one mind with us, on outputs and on what is done to them.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::common::Lab;
use crate::tampered::with_pixels;

/// The bytes of `file`, with one bit of them flipped: the first from `at` on that leaves a picture to be read. Some bits of
/// one that is compressed without loss leave none.
fn flipped(lab: &Lab, file: &str, at: impl Fn(&[u8]) -> usize) -> Vec<u8> {
    let bytes = fs::read(lab.path(file)).expect("there");
    let flip = |at: usize| {
        let mut bytes = bytes.clone();
        bytes[at] ^= 1;
        bytes
    };
    let from = at(&bytes);
    let found = (from..bytes.len()).map(flip).find(|bytes| image::load_from_memory(bytes).is_ok());
    found.expect("a bit that can be flipped")
}

/// Outputs in every format, adopted and restored ones among them; what other programs made of them; and forgeries: each
/// with what all readers are to say of it.
fn pictures(lab: &Lab) -> Vec<(&'static str, &'static str)> {
    lab.specimen("ref.png", 1);
    for (out, seed) in
        [("out.png", 1), ("other.png", 20), ("out.jpg", 40), ("out.webp", 60), ("out.tiff", 80)]
    {
        lab.variation("ref.png", out, seed);
    }
    let lossy = ["--quality", "85", "--out", "lossy.webp"];
    let drawn = ["vary", "ref.png", "--strength", "0.9", "--seed", "60", "--attempts", "20"];
    lab.run([&drawn[..], &lossy].concat()).expect(0);
    let told = ["--disclose-prompt", "--training-mining", "not-allowed", "--reference-thumbnail", "--label"];
    lab.run([&drawn[..], &["--prompt", "virions", "--out", "told.png"], &told].concat()).expect(0);
    lab.variation("out.png", "again.png", 1);
    lab.specimen("made.png", 77);
    let adopt =
        ["adopt", "made.png", "--reference", "ref.png", "--tool", "midjourney", "--out", "adopted.png"];
    lab.run([&adopt[..], &["--policy", "without-strength"]].concat()).expect(0);
    let elsewhere = Lab::new();
    elsewhere.specimen("ref.png", 9);
    elsewhere.variation("ref.png", "out.png", 1);
    fs::copy(elsewhere.path("out.png"), lab.path("stranger.png")).expect("copied");

    for (recipe, copy) in [
        ("strip", "strip.png"),
        ("jpeg80", "jpeg80.jpg"),
        ("crop", "crop.png"),
        ("flip", "flip.png"),
        ("patch", "patch.png"),
        ("rotate", "rotate.png"),
        ("resize", "resize.png"),
        ("worn", "worn.png"),
    ] {
        lab.python("attack.py", &[recipe, "out.png", copy]).expect(0);
    }
    for (recipe, copy) in [("splice", "splice.png"), ("inlay", "inlay.png")] {
        lab.python("attack.py", &[recipe, "out.png", copy, "other.png"]).expect(0);
    }
    lab.run(["verify", "strip.png", "--restore", "restored.png"]).expect(0);
    lab.run(["verify", "jpeg80.jpg", "--restore", "restored.jpg"]).expect(0);

    lab.python("attack.py", &["pixel", "out.png", "edited.png"]).expect(0);
    let near_the_end = |bytes: &[u8]| bytes.len() - 60;
    let in_the_middle = |bytes: &[u8]| bytes.len() / 2;
    let in_a_fact =
        |bytes: &[u8]| bytes.windows(16).position(|w| w == b"denoise_strength").expect("a fact") + 18;
    for (file, bytes) in [
        ("pixel.png", with_pixels(&lab.path("out.png"), &lab.path("edited.png"))),
        ("swapped.png", with_pixels(&lab.path("out.png"), &lab.path("other.png"))),
        ("spliced.png", with_pixels(&lab.path("out.png"), &lab.path("splice.png"))),
        ("scan.jpg", flipped(lab, "out.jpg", near_the_end)),
        ("scan.webp", flipped(lab, "out.webp", in_the_middle)),
        ("scan.tiff", flipped(lab, "out.tiff", in_the_middle)),
        ("fact.png", flipped(lab, "out.png", in_a_fact)),
        ("fact.jpg", flipped(lab, "out.jpg", in_a_fact)),
    ] {
        fs::write(lab.path(file), bytes).expect("writable");
    }
    vec![
        ("out.png", "trusted"),
        ("out.jpg", "trusted"),
        ("out.webp", "trusted"),
        ("lossy.webp", "trusted"),
        ("out.tiff", "trusted"),
        ("told.png", "trusted"),
        ("again.png", "trusted"),
        ("adopted.png", "trusted"),
        ("restored.png", "trusted"),
        ("restored.jpg", "trusted"),
        ("stranger.png", "valid"),
        ("strip.png", "absent"),
        ("jpeg80.jpg", "absent"),
        ("crop.png", "absent"),
        ("flip.png", "absent"),
        ("patch.png", "absent"),
        ("rotate.png", "absent"),
        ("resize.png", "absent"),
        ("worn.png", "absent"),
        ("splice.png", "absent"),
        ("inlay.png", "absent"),
        ("ref.png", "absent"),
        ("pixel.png", "invalid"),
        ("swapped.png", "invalid"),
        ("spliced.png", "invalid"),
        ("scan.jpg", "invalid"),
        ("scan.webp", "invalid"),
        ("scan.tiff", "invalid"),
        ("fact.png", "invalid"),
        ("fact.jpg", "invalid"),
    ]
}

/// Of these, the ones that state a derivation.
const STATED: [&str; 16] = [
    "out.png",
    "out.jpg",
    "out.webp",
    "lossy.webp",
    "out.tiff",
    "told.png",
    "again.png",
    "stranger.png",
    "pixel.png",
    "swapped.png",
    "spliced.png",
    "scan.jpg",
    "scan.webp",
    "scan.tiff",
    "fact.png",
    "fact.jpg",
];

/// With `C2PATOOL=/path/to/c2patool` in the environment, that is one of the readers.
#[test]
fn other_readers_agree_on_outputs_copies_and_forgeries_and_what_is_signed_keeps_schema_and_rules() {
    let lab = Lab::new();
    let expected = pictures(&lab);
    let files = expected.iter().map(|(file, _)| *file);
    let report = lab.run(["verify", "--json"].into_iter().chain(files)).stdout;
    fs::write(lab.path("ours.json"), report).expect("writable");
    let anchors = lab.run(["keys", "export-trust"]).expect(0).stdout;
    fs::write(lab.path("anchors.pem"), anchors).expect("writable");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let of_root = |path| root.join(path).into_os_string().into_string().expect("a path of this repository");
    let [schema, typescript, table] =
        ["docs/derivation.schema.json", "target/npm", "target/interop.md"].map(of_root);
    assert!(
        Path::new(&typescript).join("node_modules").exists(),
        "c2pa-ts is missing: 'make test' installs it"
    );
    let tool = std::env::var("C2PATOOL");
    let mut args = vec!["--anchor", "anchors.pem", "--schema", &schema, "--ours", "ours.json"];
    args.extend(["--c2pa-ts", &typescript, "--table", &table]);
    args.extend(tool.as_deref().map_or(Vec::new(), |tool| vec!["--c2patool", tool]));
    let ended = lab.python("agree.py", &args).expect(0);
    let lines: Vec<Value> =
        ended.stdout.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    let found: Vec<(&str, &str)> = lines
        .iter()
        .map(|line| (line["file"].as_str().expect("a path"), line["vidimus"].as_str().expect("a word")))
        .collect();
    assert_eq!(found, expected);
    let readers = if tool.is_ok() { 4 } else { 3 };
    // Beside what readers say, a line has file, vidimus, schema and ok.
    assert!(lines.iter().all(|line| line.as_object().expect("an object").len() == 4 + readers), "{lines:?}");
    let held = lines.iter().filter(|line| line["schema"].is_array());
    let held: Vec<&str> = held.filter_map(|line| line["file"].as_str()).collect();
    assert_eq!(held, STATED, "derivations that were held against the schema");

    let trusted = expected.iter().filter(|(_, state)| *state == "trusted").map(|(file, _)| *file);
    let held = ["--anchor", "anchors.pem"].into_iter().chain(trusted).collect::<Vec<_>>();
    lab.python("conformance.py", &held).expect(0);
}
