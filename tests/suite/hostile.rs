//! Hostile input: one clear line, exit 2, nothing written, no panic.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;

use crate::chunk::chunk;
use crate::common::Lab;
use crate::prepared::released;

/// A PNG that promises `width`×`height` grey pixels and holds almost nothing.
fn promise(width: u32, height: u32) -> Vec<u8> {
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut header = width.to_be_bytes().to_vec();
    header.extend(height.to_be_bytes());
    header.extend([8, 0, 0, 0, 0]);
    png.extend(chunk(b"IHDR", &header));
    // An empty zlib stream.
    png.extend(chunk(b"IDAT", &[0x78, 0x9c, 0x03, 0, 0, 0, 0, 1]));
    png.extend(chunk(b"IEND", &[]));
    png
}

/// Both commands that read pictures refuse `name` with one line that contains `expected`.
pub fn refused(lab: &Lab, name: &str, expected: &str) {
    refused_by(lab, name, [expected; 2]);
}

fn refused_by(lab: &Lab, name: &str, expected: [&str; 2]) {
    let commands = [vec!["verify", name], vec!["vary", name, "--workspace", "w"]];
    for (args, expected) in commands.into_iter().zip(expected) {
        let ended = lab.run(&args).expect(2);
        let errors: Vec<&str> = ended.stderr.lines().filter(|line| !line.starts_with("made ")).collect();
        assert_eq!(errors.len(), 1, "{args:?}: {}", ended.stderr);
        assert!(errors[0].starts_with("error: "), "{args:?}: {}", errors[0]);
        assert!(errors[0].contains(expected), "{args:?}: {}", errors[0]);
        assert!(!ended.stderr.contains("panicked"), "{args:?}: {}", ended.stderr);
    }
    assert!(!lab.path("variations").exists(), "{name} left an output");
}

#[test]
fn hostile_files_are_refused_in_one_line() {
    let lab = Lab::new();
    let good = fs::read(lab.specimen("good.png", 1)).expect("just drawn");
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("empty.png", vec![], "the file is empty"),
        ("text.png", b"this is not a picture".to_vec(), "not a picture that can be read"),
        ("truncated.png", good[..good.len() / 2].to_vec(), "damaged or truncated PNG"),
        ("header.png", good[..30].to_vec(), "damaged or truncated PNG"),
        ("zero.png", promise(0, 0), "PNG"),
        ("one.png", promise(1, 1), "1×1 pixels are too small"),
        ("thin.png", promise(65535, 1), "65535×1 pixels are too small"),
        ("bomb.png", promise(60_000, 60_000), "60000×60000 pixels are over the limit"),
        ("hollow.png", promise(300, 300), "damaged or truncated PNG"),
        ("svg.png", b"<svg xmlns='http://www.w3.org/2000/svg'/>".to_vec(), "not a picture that can be read"),
    ];
    for (name, bytes, expected) in cases {
        fs::write(lab.path(name), bytes).expect("writable");
        refused(&lab, name, expected);
    }
}

#[test]
fn places_that_are_no_files_are_refused_in_one_line() {
    let lab = Lab::new();
    fs::create_dir(lab.path("folder.png")).expect("a folder");
    refused_by(&lab, "folder.png", ["folder.png: no picture is in it", "is a directory"]);
    refused(&lab, "nowhere.png", "no such file");
    refused(&lab, "new\nline.png", "new line.png: no such file");
}

#[test]
fn an_unreadable_file_is_refused_in_one_line() {
    let lab = Lab::new();
    let path = lab.specimen("locked.png", 1);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).expect("ours");
    if fs::read(&path).is_ok() {
        // The superuser reads everything; a file that vanished under us stands in.
        fs::remove_file(&path).expect("ours");
        refused(&lab, "locked.png", "no such file");
    } else {
        refused(&lab, "locked.png", "permission denied");
    }
}

#[test]
fn the_content_decides_and_not_the_name() {
    let lab = Lab::new();
    let png = lab.specimen("picture.png", 1);
    fs::rename(png, lab.path("picture.jpg")).expect("same folder");
    let ended = lab.run(["verify", "picture.jpg"]).expect(1);
    assert!(ended.stdout.contains("no evidence found"), "{}", ended.stdout);
}

#[test]
fn a_path_that_is_not_unicode_works() {
    let lab = Lab::new();
    let odd = std::ffi::OsStr::from_bytes(b"virion-\xff.png");
    fs::rename(lab.specimen("v.png", 1), lab.path(odd)).expect("same folder");
    let args = [
        std::ffi::OsStr::new("vary"),
        odd,
        "--strength".as_ref(),
        "0.8".as_ref(),
        "--attempts".as_ref(),
        "12".as_ref(),
        "--seed".as_ref(),
        "3".as_ref(),
    ];
    lab.run(args).expect(0);
    assert_eq!(fs::read_dir(lab.path("variations")).expect("made").count(), 1);
}

#[test]
fn with_several_files_the_worst_outcome_wins_and_every_file_is_answered() {
    let lab = Lab::new();
    lab.specimen("plain.png", 1);
    let ended = lab.run(["verify", "plain.png", "nowhere.png", "plain.png", "--json"]).expect(2);
    let answers = ended.json();
    let answers = answers.as_array().expect("an array for several");
    assert_eq!(answers.len(), 3);
    assert_eq!(answers[0]["verdict"], "no-evidence");
    assert!(answers[1]["error"].as_str().expect("a line").contains("no such file"));
    assert_eq!(answers[2]["verdict"], "no-evidence");
}

#[test]
fn an_output_never_overwrites_its_reference_nor_another_file() {
    let lab = Lab::new();
    let reference = lab.specimen("ref.png", 1);
    let before = fs::read(&reference).expect("just drawn");
    for force in [&["--force"][..], &[]] {
        let mut args = vec!["vary", "ref.png", "--strength", "0.8", "--out", "ref.png"];
        args.extend(force);
        let ended = lab.run(&args).expect(2);
        assert!(ended.stderr.contains("would overwrite its own reference"), "{}", ended.stderr);
    }
    fs::write(lab.path("other.png"), b"mine").expect("writable");
    let ended = lab.run(["vary", "ref.png", "--strength", "0.8", "--out", "other.png"]).expect(2);
    assert!(ended.stderr.contains("other.png: already exists; use --force"), "{}", ended.stderr);
    assert_eq!(fs::read(lab.path("other.png")).expect("still there"), b"mine");
    assert_eq!(fs::read(&reference).expect("still there"), before);
}

#[test]
fn an_output_that_cannot_be_written_is_noticed_before_anything_is_recorded() {
    let lab = Lab::new();
    lab.specimen("ref.png", 1);
    lab.run(["init"]).expect(0);
    std::os::unix::fs::symlink("nowhere/at-all.png", lab.path("dangling.png")).expect("a link");
    fs::write(lab.path("file"), b"no folder").expect("writable");
    for (out, expected) in [
        ("dangling.png", "already exists"),
        ("file/out.png", "cannot be written there"),
        ("out.gif", "unknown picture format \"gif\""),
    ] {
        let ended = lab.run(["vary", "ref.png", "--strength", "0.9", "--out", out]).expect(2);
        assert!(ended.stderr.contains(expected), "{out}: {}", ended.stderr);
    }
    assert_eq!(lab.sqlite3("SELECT count(*) FROM event").expect(0).stdout.trim(), "0");
}

#[test]
fn an_emptied_environment_variable_names_no_workspace_and_usage_errors_have_their_document() {
    let lab = Lab::new();
    let output = lab.command(["policy", "list"]).env("VIDIMUS_WORKSPACE", "").output().expect("it starts");
    crate::common::ended(output).expect(0);
    let document = lab.run(["verify", "--json"]).expect(2).json();
    assert!(document["error"].as_str().expect("a line").contains("required arguments"), "{document}");
}

#[test]
fn what_was_released_is_told_even_if_another_reference_fails() {
    let lab = Lab::new();
    lab.specimen("good.png", 1);
    fs::write(lab.path("bad.png"), b"not a picture").expect("writable");
    let args = [
        "vary",
        "good.png",
        "bad.png",
        "--strength",
        "0.9",
        "--seed",
        "1",
        "--attempts",
        "12",
        "--json",
        "--out",
        "out",
    ];
    let answers = lab.run(args).expect(2).json();
    assert_eq!(answers[0]["outcome"], "released");
    assert!(answers[1]["error"].as_str().expect("a line").contains("not a picture"));
}

#[test]
fn verify_goes_on_without_a_catalog_or_an_anchor_that_cannot_be_read() {
    let lab = released("320x208");
    fs::write(lab.path("catalog/catalog.db"), b"no database at all, but long enough to look at")
        .expect("ours");
    fs::write(lab.path("keys/trust/broken.pem"), b"no certificate").expect("ours");
    let ended = lab.run(["verify", "out.png"]).expect(0);
    assert!(ended.stdout.contains("AI-derived, medium confidence"), "{}", ended.stdout);
    assert!(ended.stderr.contains("the catalog could not be asked"), "{}", ended.stderr);
    assert!(ended.stderr.contains("no signer is trusted"), "{}", ended.stderr);
}
