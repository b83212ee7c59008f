//! `--strength auto`: the least that the policy clears.

use std::fs;

use crate::common::Lab;
use serde_json::Value;

fn number(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}

#[test]
fn the_least_strength_that_clears_is_found_and_drawn_once() {
    let lab = Lab::new();
    lab.specimen("ref.png", 1);
    let ended = lab.run(["vary", "ref.png", "--strength", "auto", "--seed", "5", "--json"]).expect(0);
    let found = ended.json();
    let tried = found["sought"]["tried"].as_array().expect("drafts");
    assert!((4..=6).contains(&tried.len()), "{found:#}");
    // Each was told as it came.
    assert_eq!(
        ended.stderr.matches("strength 0.").count() + ended.stderr.matches("strength 1.").count(),
        tried.len()
    );
    let (strength, margin) = (number(&found["strength"]), number(&found["sought"]["margin"]));
    for one in tried {
        let (at, clears) = (number(&one["strength"]), one["clears"] == true);
        assert_eq!(clears, number(&one["deviation"]) >= 0.5 + margin, "{one}");
        assert_eq!(clears, at >= strength, "all that were tried below are too close: {found:#}");
    }
    // The same draft as for whoever asks for that strength.
    let text = strength.to_string();
    let again = lab.run(["vary", "ref.png", "--strength", &text, "--seed", "5", "--dry-run", "--json"]);
    let again = again.expect(0).json();
    assert_eq!(again["deviation"], found["deviation"]);
    assert!(again["sought"].is_null());
    let name = format!("variations/ref-s{:03.0}-5.png", 100.0 * strength);
    assert_eq!(lab.files("variations"), [std::path::PathBuf::from(name)]);
}

#[test]
fn where_nothing_clears_the_policy_refuses_once_and_the_curve_is_shown() {
    let lab = Lab::new();
    lab.specimen("ref.png", 2);
    lab.run(["init"]).expect(0);
    let policy = fs::read_to_string(lab.path("policies/default.toml")).expect("shipped");
    let policy =
        policy.replace("\"default\"", "\"hard\"").replace("min         = 0.50", "min         = 1.00");
    fs::write(lab.path("policies/hard.toml"), policy).expect("a new policy");
    let ended =
        lab.run(["vary", "ref.png", "--policy", "hard", "--strength", "auto", "--seed", "1"]).expect(1);
    assert!(ended.stdout.starts_with("Refused   too close: deviation"), "{}", ended.stdout);
    assert!(ended.stdout.contains("none of these strengths clears with 0.03 to spare: "), "{}", ended.stdout);
    assert!(ended.stdout.contains("another --seed"), "{}", ended.stdout);
    // Drafts on the way are no refusals.
    assert_eq!(lab.sqlite3("SELECT count(*) FROM decision").stdout.trim(), "1");
    assert!(lab.files("variations").is_empty());
}

#[test]
fn what_cannot_go_with_it_is_said_before_anything_is_drawn() {
    let lab = Lab::new();
    lab.specimen("ref.png", 3);
    let said = lab.run(["vary", "ref.png", "--strength", "auto", "--preview", "way"]).expect(2).stderr;
    assert!(said.contains("--preview shows one draft on its way"), "{said}");
    fs::write(lab.path("out.png"), "mine").expect("a new file");
    let said = lab.run(["vary", "ref.png", "--strength", "auto", "--out", "out.png"]).expect(2).stderr;
    assert!(said.contains("out.png") && !said.contains("differs by"), "{said}");
    let said = lab.run(["vary", "ref.png", "--strength", "some"]).expect(2).stderr;
    assert!(said.contains("found \"some\", or auto"), "{said}");
}
