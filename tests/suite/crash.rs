//! A process may die between any two steps of a release: the catalog stays whole, and no file leaves unlabelled.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;

use vidimus::release::{Outcome, Step};

use crate::common::Lab;
use crate::desk::{Drawing, journey, specimen};

const SIGABRT: i32 = 6;
const DIE_AT: &str = "VIDIMUS_TEST_DIE_AT";
const DIR: &str = "VIDIMUS_TEST_DIR";

/// Run by the test below as a process of its own: releases, and dies without a word after the given step.
#[test]
fn a_process_that_dies_where_it_is_told() {
    let (Ok(step), Ok(dir)) = (std::env::var(DIE_AT), std::env::var(DIR)) else { return };
    let dir = Path::new(&dir);
    let die = |reached: Step| {
        if format!("{reached:?}") == step {
            std::process::abort();
        }
    };
    let _ = journey(dir, &specimen(1), Drawing::OtherField, "default", dir.join("dying.png"), 2, &die);
}

#[test]
fn a_crash_between_any_two_steps_leaves_a_clean_workspace_and_no_unlabelled_output() {
    for step in Step::ALL {
        let lab = Lab::new();
        let first = journey(
            &lab.path(""),
            &specimen(1),
            Drawing::OtherField,
            "default",
            lab.path("first.png"),
            1,
            &|_| {},
        );
        assert!(matches!(first, Ok(Outcome::Released(_))), "{first:?}");

        let status = Command::new(std::env::current_exe().expect("this test"))
            .args(["crash::a_process_that_dies_where_it_is_told", "--exact"])
            .env(DIE_AT, format!("{step:?}"))
            .env(DIR, lab.path(""))
            .output()
            .expect("it starts")
            .status;
        assert_eq!(status.signal(), Some(SIGABRT), "{step:?}: the process was to die there and nowhere else");

        let recorded = matches!(step, Step::Recorded | Step::Published);
        let audit = lab.run(["audit", "--json"]).expect(0).json();
        assert_eq!(audit["clean"], true, "{step:?}: {audit:#}");
        assert_eq!(audit["checked"]["releases"], if recorded { 2 } else { 1 }, "{step:?}");

        let output = lab.path("dying.png");
        assert_eq!(output.exists(), step == Step::Published, "{step:?}");
        if output.exists() {
            assert_eq!(lab.verify("dying.png")["confidence"], "high");
            fs::remove_file(&output).expect("ours");
        }
        let left =
            lab.files("").into_iter().filter(|p| p.parent() == Some(Path::new(""))).collect::<Vec<_>>();
        assert_eq!(left, [Path::new("first.png")], "{step:?}: nothing half-written is left");

        // And the next one goes through, from the same reference and seed if nothing was recorded.
        let next = journey(&lab.path(""), &specimen(1), Drawing::OtherField, "default", output, 3, &|_| {});
        assert!(matches!(next, Ok(Outcome::Released(_))), "{step:?}: {next:?}");
    }
}

#[test]
fn two_processes_releasing_at_once_lose_nothing() {
    let lab = Lab::new();
    lab.specimen("ref.png", 1);
    lab.run(["init"]).expect(0);
    let start = |out: &str, seed: &str| {
        let args =
            ["vary", "ref.png", "--strength", "0.9", "--count", "3", "--seed", seed, "--out", out, "--json"];
        lab.command(args).stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn()
    };
    let children = [start("a", "100").expect("it starts"), start("b", "200").expect("it starts")];
    let mut released = 0;
    let mut refused = 0;
    for child in children {
        let ended = crate::common::ended(child.wait_with_output().expect("it ends"));
        assert!(ended.code < 2, "{}", ended.stderr);
        for answer in ended.json().as_array().expect("three answers") {
            match answer["outcome"].as_str() {
                Some("released") => released += 1,
                Some("refused") => refused += 1,
                other => panic!("neither released nor refused: {other:?}"),
            }
        }
    }
    assert_eq!(released + refused, 6);
    assert!(released > 0, "some get through");
    let audit = lab.run(["audit", "--json"]).expect(0).json();
    assert_eq!(audit["checked"]["releases"], released);
    assert_eq!(audit["checked"]["events"], 6);
    assert_eq!(lab.files("a").len() + lab.files("b").len(), released);
}
