//! Folders of pictures: all verified, answered in order, summed up.

use std::fs;

use serde_json::Value;

use crate::common::Lab;
use crate::prepared::prepared;

/// A laboratory with a folder `in` of two outputs, two pictures without evidence, a damaged one and a text.
fn lab() -> Lab {
    prepared("folder", made)
}

fn made() -> Lab {
    let lab = Lab::new();
    lab.specimen("ref.png", 1);
    fs::create_dir_all(lab.path("in/deep")).expect("a folder");
    lab.variation("ref.png", "in/b.png", 1);
    lab.variation("ref.png", "in/deep/e.png", 20);
    fs::copy(lab.specimen("plain.png", 77), lab.path("in/a.png")).expect("copied");
    fs::copy(lab.path("plain.png"), lab.path("in/deep/d.jpg")).expect("copied");
    let whole = fs::read(lab.path("in/b.png")).expect("there");
    fs::write(lab.path("in/c.png"), &whole[..whole.len() / 2]).expect("writable");
    fs::write(lab.path("in/notes.txt"), "no picture").expect("writable");
    fs::write(lab.path("in/.hidden.png"), "no picture").expect("writable");
    lab
}

#[test]
fn a_folder_is_answered_file_by_file_in_order_and_the_worst_wins() {
    let lab = lab();
    let ended = lab.run(["verify", "in", "plain.png", "--json"]).expect(2);
    let answers = ended.json();
    let told: Vec<(&str, &str)> = answers
        .as_array()
        .expect("an array for a folder")
        .iter()
        .map(|a| (a["file"].as_str().expect("a path"), a["verdict"].as_str().unwrap_or("error")))
        .collect();
    assert_eq!(
        told,
        [
            ("in/a.png", "no-evidence"),
            ("in/b.png", "ai-derived"),
            ("in/c.png", "error"),
            ("in/deep/d.jpg", "no-evidence"),
            ("in/deep/e.png", "ai-derived"),
            ("plain.png", "no-evidence"),
        ]
    );
    assert!(ended.stderr.contains("in/c.png: damaged or truncated PNG"), "{}", ended.stderr);
    assert!(!ended.stderr.contains('%'), "a bar is for terminals: {}", ended.stderr);
    // One picture in a folder is still one of several.
    fs::create_dir(lab.path("one")).expect("a folder");
    fs::copy(lab.path("in/b.png"), lab.path("one/b.png")).expect("copied");
    let alone = lab.run(["verify", "one", "--json"]).expect(0).json();
    assert_eq!(alone.as_array().map(Vec::len), Some(1), "{alone:#}");
    // A file that was named has to be a picture.
    let named = lab.run(["verify", "in/notes.txt", "--json"]).expect(2).json();
    assert!(named["error"].as_str().expect("a line").contains("not a picture"), "{named}");
}

#[test]
fn a_folder_is_a_table_and_a_sum() {
    let lab = lab();
    let ended = lab.run(["verify", "in"]).expect(2);
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert_eq!(lines.len(), 7, "{}", ended.stdout);
    assert!(lines[0].starts_with("verdict") && lines[0].ends_with("file"), "{}", ended.stdout);
    assert!(lines[1].starts_with("no evidence") && lines[1].ends_with("in/a.png"), "{}", ended.stdout);
    let row: Vec<&str> = lines[2].split_whitespace().collect();
    assert_eq!(row, ["AI-derived,", "high", "trusted", "ours", "exact", "in/b.png"], "{}", ended.stdout);
    assert!(lines[3].starts_with("not read"), "{}", ended.stdout);
    let sum = "5 files: 2 AI-derived, 2 without evidence, 1 not read; 1 other file is no picture";
    assert_eq!(lines[6], sum);
    // Said at length on request, and of a few files anyway.
    let pages = lab.run(["verify", "in", "-v"]).expect(2).stdout;
    assert!(pages.contains("in/b.png: AI-derived, high confidence") && pages.ends_with(&format!("{sum}\n")));
    let few = lab.run(["verify", "in/a.png", "in/b.png"]).expect(1).stdout;
    assert!(few.contains("in/a.png: no evidence found"), "{few}");
    assert!(few.ends_with("2 files: 1 AI-derived, 1 without evidence\n"), "{few}");
}

#[test]
fn a_folder_without_pictures_or_to_be_restored_is_a_clear_error() {
    let lab = lab();
    fs::create_dir(lab.path("empty")).expect("a folder");
    fs::write(lab.path("empty/notes.txt"), "no picture").expect("writable");
    let ended = lab.run(["verify", "empty", "--json"]).expect(2);
    assert!(ended.stderr.contains("empty: no picture is in it"), "{}", ended.stderr);
    assert!(matches!(ended.json(), Value::Object(_)));
    let ended = lab.run(["verify", "in", "--restore", "out.png"]).expect(2);
    assert!(ended.stderr.contains("a folder cannot be restored"), "{}", ended.stderr);
}

#[test]
fn a_folder_that_is_a_workspace_is_verified_without_its_own_files() {
    let lab = lab();
    let answers = lab.run(["verify", ".", "--json"]).expect(2).json();
    let told = answers.as_array().expect("an array");
    assert!(told.iter().all(|a| !a["file"].as_str().expect("a path").contains("catalog")), "{answers:#}");
    assert_eq!(told.len(), 7, "{answers:#}");
}
