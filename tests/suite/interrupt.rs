//! Ctrl-C: what is at hand ends well.
#![cfg(unix)]

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::common::{Ended, Lab, ended};

/// How the program ends of `signals` Ctrl-Cs, one right after the other, once a picture is in the folder `until`.
fn interrupted(lab: &Lab, args: &[&str], until: &str, signals: usize) -> Ended {
    let mut command = lab.command(args);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
    let began = Instant::now();
    let is_picture = |file: &PathBuf| file.extension().is_some_and(|end| end == "png");
    while !lab.files(until).iter().any(is_picture) {
        assert!(began.elapsed() < Duration::from_secs(300), "nothing came to {until}");
        std::thread::sleep(Duration::from_millis(5));
    }
    (0..signals).for_each(|_| press(&child));
    ended(child.wait_with_output().expect("it ends"))
}

fn press(child: &Child) {
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(sent.expect("kill is there").success());
}

/// Nothing but whole pictures is left, and the catalog knows each of them.
fn is_sound(lab: &Lab, pictures: usize) {
    let left = lab.files("out");
    assert!(left.iter().all(|file| file.extension().is_some_and(|e| e == "png")), "{left:?}");
    assert_eq!(left.len(), pictures, "{left:?}");
    let audit = lab.run(["audit", "--json"]).expect(0).json();
    assert_eq!(audit["findings"].as_array().map(Vec::len), Some(0), "{audit}");
    for file in left {
        lab.run(["verify".as_ref(), file.as_os_str()]).expect(0);
    }
}

const MANY: [&str; 12] = [
    "vary",
    "ref.png",
    "--strength",
    "0.9",
    "--attempts",
    "12",
    "--count",
    "60",
    "--out",
    "out",
    "--preview",
    "way",
];

#[test]
fn an_early_interrupt_leaves_nothing_half_made() {
    let lab = Lab::new();
    lab.specimen("ref.png", 9);
    // The first glimpse: the picture is on its way.
    let ended = interrupted(&lab, &MANY, "way", 1).expect(130);
    assert!(ended.stderr.contains("interrupted: 0 of 60 variations were made"), "{}", ended.stderr);
    assert!(ended.stderr.lines().filter(|line| line.contains("interrupted")).count() == 1);
    assert!(lab.files("way").is_empty(), "what was seen on the way is taken away");
    is_sound(&lab, 0);
}

#[test]
fn a_late_interrupt_keeps_what_was_made() {
    let lab = Lab::new();
    lab.specimen("ref.png", 9);
    let args = [&MANY[..], &["--json"]].concat();
    let ended = interrupted(&lab, &args, "out", 1).expect(130);
    let made = match ended.json() {
        serde_json::Value::Array(made) => made,
        one => vec![one],
    };
    let released = made.iter().filter(|one| one["outcome"] == "released").count();
    assert!((1..60).contains(&released), "{}", ended.stderr);
    assert!(ended.stderr.contains(&format!("interrupted: {released} of 60")), "{}", ended.stderr);
    is_sound(&lab, released);
}

#[test]
fn a_second_interrupt_ends_at_once_and_the_catalog_stays_sound() {
    let lab = Lab::new();
    lab.specimen("ref.png", 9);
    interrupted(&lab, &MANY, "way", 2).expect(130);
    lab.run(["audit"]).expect(0);
    assert!(lab.files("out").is_empty());
}
