//! What pictures are read from and written to: each format carries its marks, and what it is made of travels on.

use std::fs;

use serde_json::Value;

use crate::common::Lab;
use crate::hostile::refused;

/// A released variation of `reference` at `out`, with further options.
fn vary(lab: &Lab, reference: &str, out: &str, options: &[&str]) -> Value {
    let args =
        ["vary", reference, "--strength", "0.9", "--seed", "1", "--attempts", "12", "--out", out, "--json"];
    lab.run([&args[..], options].concat()).expect(0).json()
}

fn claims_ai(report: &Value) -> bool {
    let claims = report["claims"].as_array().expect("a list");
    claims.iter().any(|claim| claim["source"] == "xmp" && claim["ai"] == true)
}

#[test]
fn every_format_carries_manifest_watermark_and_label_whatever_it_loses() {
    let lab = Lab::new();
    lab.specimen("ref.png", 1);
    for (out, options, begins) in [
        ("a.png", &["--lossless"][..], &b"\x89PNG"[..]),
        ("a.jpg", &["--quality", "80", "--subsampling", "420"], b"\xff\xd8"),
        ("b.jpg", &["--subsampling", "4:2:2"], b"\xff\xd8"),
        ("a.webp", &[], b"RIFF"),
        ("b.webp", &["--quality", "85"], b"RIFF"),
        ("a.tiff", &[], b"II*\0"),
    ] {
        let made = vary(&lab, "ref.png", out, options);
        let bytes = fs::read(lab.path(out)).expect("released");
        assert!(bytes.starts_with(begins), "{out}");
        let report = lab.verify(out);
        assert_eq!(
            (&report["verdict"], &report["confidence"]),
            (&"ai-derived".into(), &"high".into()),
            "{out} {report}"
        );
        assert_eq!(
            (&report["manifest"]["state"], &report["manifest"]["file"]),
            (&"trusted".into(), &Value::Null)
        );
        assert_eq!(report["watermark"]["found"], true, "{out}");
        assert!(claims_ai(&report), "{out} {}", report["claims"]);
        assert_eq!(made["sidecar"], Value::Null);
    }
    // A lossy file is the smaller one: the option does what it says.
    let size = |name: &str| fs::metadata(lab.path(name)).expect("there").len();
    assert!(size("a.jpg") < size("b.jpg") && size("b.webp") < size("a.webp"));
    lab.run(["audit"]).expect(0);
}

#[test]
fn a_sidecar_counts_like_a_manifest_in_the_file() {
    let lab = Lab::new();
    lab.specimen("ref.png", 1);
    let made = vary(&lab, "ref.png", "out.jpg", &["--sidecar"]);
    assert_eq!(made["sidecar"], "out.c2pa");
    let picture = fs::read(lab.path("out.jpg")).expect("released");
    assert!(!picture.windows(4).any(|four| four == b"jumb"), "the manifest is not in it");

    let report = lab.verify("out.jpg");
    assert_eq!(
        (&report["verdict"], &report["confidence"]),
        (&"ai-derived".into(), &"high".into()),
        "{report}"
    );
    assert_eq!(
        (&report["manifest"]["state"], &report["manifest"]["file"]),
        (&"trusted".into(), &"out.c2pa".into())
    );
    assert!(report["reasons"][0].as_str().expect("a line").contains("read from \"out.c2pa\""), "{report}");
    lab.run(["audit"]).expect(0);

    // Named, it may lie anywhere.
    fs::create_dir(lab.path("away")).expect("a folder");
    fs::rename(lab.path("out.c2pa"), lab.path("away/its.c2pa")).expect("same disk");
    assert_eq!(lab.verify("out.jpg")["manifest"]["state"], "recovered", "the catalog has it still");
    let named = lab.run(["verify", "out.jpg", "--manifest", "away/its.c2pa", "--json"]).expect(0).json();
    assert_eq!(
        (&named["manifest"]["state"], &named["manifest"]["file"]),
        (&"trusted".into(), &"away/its.c2pa".into())
    );
    let both = lab.run(["verify", "out.jpg", "out.jpg", "--manifest", "away/its.c2pa"]).expect(2);
    assert!(both.stderr.contains("belongs to one picture"), "{}", both.stderr);

    // It belongs to these bytes.
    fs::rename(lab.path("away/its.c2pa"), lab.path("other.c2pa")).expect("same disk");
    lab.variation("ref.png", "other.png", 40);
    let embedded = lab.verify("other.png");
    assert_eq!(embedded["manifest"]["file"], Value::Null, "what is in the file comes first");
    let wrong = lab.run(["verify", "other.png", "--manifest", "other.c2pa", "--json"]).expect(1).json();
    assert_eq!(wrong["verdict"], "contradiction");
    fs::write(lab.path("out.c2pa"), b"rubbish").expect("writable");
    assert_eq!(lab.run(["verify", "out.jpg", "--json"]).expect(1).json()["verdict"], "contradiction");
}

#[test]
fn a_sidecar_that_is_there_is_not_overwritten() {
    let lab = Lab::new();
    lab.specimen("ref.png", 1);
    fs::write(lab.path("out.c2pa"), b"mine").expect("writable");
    let args = ["vary", "ref.png", "--strength", "0.9", "--out", "out.png", "--sidecar"];
    let refused = lab.run(args).expect(2);
    assert!(refused.stderr.contains("out.c2pa: already exists; use --force"), "{}", refused.stderr);
    assert!(!lab.path("out.png").exists());
    assert_eq!(fs::read(lab.path("out.c2pa")).expect("still there"), b"mine");
}

#[test]
fn a_choice_that_the_format_does_not_have_is_refused_before_anything_is_drawn() {
    let lab = Lab::new();
    lab.specimen("ref.png", 1);
    for (options, expected) in [
        (&["--format", "png", "--quality", "90"][..], "png has no quality to choose"),
        (&["--format", "tiff", "--subsampling", "420"], "tiff has no chroma subsampling to choose"),
        (&["--format", "jpeg", "--lossless"], "jpeg always loses something"),
        (&["--format", "webp", "--lossless", "--quality", "90"], "what is lossless has no quality"),
        (&["--format", "jpeg", "--quality", "0"], "invalid value '0'"),
        (&["--format", "jpeg", "--subsampling", "411"], "expected 444, 422 or 420"),
    ] {
        let refused = lab.run([&["vary", "ref.png"], options].concat()).expect(2);
        assert!(refused.stderr.contains(expected), "{options:?}: {}", refused.stderr);
    }
    assert!(!lab.path("catalog").exists());
}

/// Invariant 9, for each format that can carry a manifest, and for one that lies beside its file.
#[test]
fn the_manifest_of_a_reference_travels_on_whatever_its_format() {
    let lab = Lab::new();
    lab.specimen("ref.png", 1);
    for (first, options) in [
        ("first.png", &[][..]),
        ("first.jpg", &["--quality", "90"]),
        ("first.webp", &[]),
        ("lossy.webp", &["--quality", "90"]),
        ("first.tiff", &[]),
        ("beside.png", &["--sidecar"]),
        ("aside.tiff", &["--sidecar"]),
    ] {
        let one = vary(&lab, "ref.png", first, options);
        let again = format!("again-{first}");
        vary(&lab, first, &again, &[]);
        let ingredient = &lab.verify(&again)["manifest"]["ingredients"][0];
        assert_eq!(ingredient["label"], one["manifest"]["label"], "{first}: {ingredient}");
        assert_eq!(
            (&ingredient["relationship"], &ingredient["state"]),
            (&"inputTo".into(), &"trusted".into())
        );
    }
    lab.run(["audit"]).expect(0);
}

#[test]
fn the_sidecar_of_another_file_is_not_taken_for_the_references_own() {
    let lab = Lab::new();
    lab.specimen("ref.png", 1);
    vary(&lab, "ref.png", "one.png", &["--sidecar"]);
    lab.specimen("two.png", 2);
    fs::rename(lab.path("one.c2pa"), lab.path("two.c2pa")).expect("same folder");
    let args =
        ["vary", "two.png", "--strength", "0.9", "--seed", "1", "--attempts", "12", "--out", "out.png"];
    let made = lab.run(args).expect(0);
    assert!(made.stderr.contains("two.c2pa belongs to another file: left out"), "{}", made.stderr);
    assert_eq!(lab.verify("out.png")["manifest"]["ingredients"][0]["label"], Value::Null);
}

/// A specimen as an MRC of electron counts, with a few sections and one hot pixel.
fn write_mrc(lab: &Lab, name: &str) {
    use vidimus::raster::{Limits, decode};
    let png = fs::read(lab.specimen("specimen.png", 3)).expect("just drawn");
    let raster = decode(&png, &Limits::default()).expect("a picture").raster;
    let plane = raster.planes().remove(0);
    let mut mrc = vec![0u8; 1024];
    for (at, value) in [(0, plane.width() as i32), (4, plane.height() as i32), (8, 2), (12, 2)] {
        mrc[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }
    mrc[208..214].copy_from_slice(b"MAP DD");
    for section in 0..2 {
        for y in (0..plane.height()).rev() {
            for (x, value) in plane.row(y).iter().enumerate() {
                let hot = (x, y, section) == (7, 7, 0);
                let count = if hot { 1e9 } else { 30.0 + 12.0 * value };
                mrc.extend(count.to_le_bytes());
            }
        }
    }
    fs::write(lab.path(name), mrc).expect("writable");
}

#[test]
fn a_micrograph_of_measured_values_is_varied_and_what_was_shown_of_it_is_said() {
    let lab = Lab::new();
    write_mrc(&lab, "virions.mrc");
    let args = ["vary", "virions.mrc", "--strength", "0.9", "--seed", "1", "--attempts", "12"];
    let told = lab.run([&args[..], &["--out", "a.png"]].concat()).expect(0);
    assert!(told.stdout.contains("note: the first of 2 sections was taken"), "{}", told.stdout);
    assert!(told.stdout.contains("note: measured values, shown from 3"), "{}", told.stdout);
    let document = lab.run([&args[..], &["--out", "b.png", "--json"]].concat()).expect(0).json();
    let remarks = &document["reference"]["remarks"];
    assert_eq!(remarks[0], serde_json::json!({ "remark": "first", "what": "section", "of": 2 }));
    let white = remarks[1]["white"].as_f64().expect("a number");
    assert!((30.0..43.0).contains(&white), "the hot pixel does not set the scale: {remarks}");
    // The reference itself can be asked about, and its title is in no manifest.
    let report = lab.run(["verify", "virions.mrc"]).expect(1);
    assert!(report.stdout.contains("note: the first of 2 sections"), "{}", report.stdout);
    assert_eq!(lab.verify("a.png")["confidence"], "high");
    lab.run(["audit"]).expect(0);
}

#[test]
fn what_is_not_read_is_called_by_its_name_with_what_to_do() {
    let lab = Lab::new();
    for (name, begins, expected) in [
        (
            "phone.heic",
            &b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"[..],
            "HEIC is not read here: save the picture as PNG",
        ),
        ("web.avif", b"\0\0\0\x1cftypavif\0\0\0\0", "AVIF is not read here"),
        (
            "tem.dm3",
            b"\0\0\0\x03\0\x12\x34\x56\0\0\0\x01",
            "DM3 is not read here: save the picture as MRC or TIFF",
        ),
    ] {
        fs::write(lab.path(name), begins).expect("writable");
        refused(&lab, name, expected);
    }
}

#[test]
fn no_manifest_of_another_picture_is_written_over() {
    let lab = Lab::new();
    lab.specimen("ref.png", 1);
    fs::write(lab.path("other.c2pa"), b"of other.png").expect("a file");
    let args = ["vary", "ref.png", "--strength", "0.9", "--out", "other.jpg", "--sidecar", "--force"];
    let ended = lab.run(args).expect(2);
    assert!(ended.stderr.contains("other.c2pa: is the manifest of another picture"), "{}", ended.stderr);
    assert_eq!(fs::read(lab.path("other.c2pa")).expect("there"), b"of other.png");
}
