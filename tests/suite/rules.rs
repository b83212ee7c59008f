//! Several policies, what a reference was said to be, and what becomes of it, from the command line.

use crate::common::Lab;

/// A laboratory with a specimen and the example policies.
fn lab() -> Lab {
    let lab = Lab::new();
    lab.specimen("ref.png", 1);
    lab.run(["init", "."]).expect(0);
    for name in ["clinical.toml", "micrograph.toml"] {
        let from = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("policies/examples").join(name);
        std::fs::copy(from, lab.path("policies").join(name)).expect("writable");
    }
    lab
}

fn vary<'a>(out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["vary", "ref.png", "--strength", "0.9", "--out", out, "--seed", "1", "--attempts", "12"], more]
        .concat()
}

#[test]
fn without_a_class_the_policies_of_every_class_judge_and_say_whose_rule_it_was() {
    let lab = lab();
    let ended = lab.run(vary("a.png", &[])).expect(1);
    assert!(
        ended.stdout.contains(
            "no purpose was stated: expected outreach or teaching (policy clinical, purpose.allowed)"
        ),
        "{}",
        ended.stdout
    );
    let ended = lab.run(vary("a.png", &["--class", "photo", "--json"])).expect(0);
    assert_eq!(ended.json()["policy"]["others"], serde_json::json!([]));
    let ended = lab.run(vary("b.png", &["--class", "xray"])).expect(2);
    assert!(
        ended.stderr.contains("expected micrograph, clinical, photo or figure, found \"xray\""),
        "{}",
        ended.stderr
    );
}

#[test]
fn what_a_picture_was_once_said_to_be_it_stays_and_so_does_what_comes_of_it() {
    let lab = lab();
    let dry = ["--class", "clinical", "--purpose", "sale"];
    lab.run(vary("a.png", &dry)).expect(1);
    // Another class, another day.
    let ended = lab.run(vary("a.png", &["--class", "photo", "--purpose", "sale"])).expect(1);
    assert!(ended.stdout.contains("(policy clinical, purpose.allowed)"), "{}", ended.stdout);
    let explained = lab.run(["policy", "explain", "ref.png", "--json"]).expect(0).json();
    assert_eq!(explained["subject"]["classes"], serde_json::json!(["clinical", "photo"]));
    assert_eq!(explained["policy"]["others"][0]["why"], "class clinical");
    let rule = |name: &str| {
        let rules = explained["rules"].as_array().expect("a list").clone();
        rules.into_iter().find(|one| one["rule"] == name).expect("a rule")["policy"].clone()
    };
    assert_eq!((rule("deviation.min"), rule("strength.max")), ("clinical".into(), "default".into()));
    let text = lab.run(["policy", "explain", "ref.png"]).expect(0).stdout;
    assert!(text.contains("deviation.min          at least 0.65          clinical"), "{text}");
    let ended = lab.run(["policy", "check", "ref.png", "ref.png", "--json"]).expect(1).json();
    assert_eq!(ended["policy"]["others"][0]["name"], "clinical");
    assert!(
        ended["reasons"][0].as_str().expect("text").ends_with("(policy clinical, deviation.min)"),
        "{ended}"
    );
    lab.run(["audit"]).expect(0);
}

#[test]
fn generations_are_counted_and_the_schema_holds_the_same_rules() {
    let lab = lab();
    let said = ["--class", "micrograph", "--purpose", "teaching"];
    lab.run(vary("one.png", &said)).expect(0);
    let micrograph = lab.path("policies/micrograph.toml");
    let text = std::fs::read_to_string(&micrograph).expect("there");
    std::fs::write(&micrograph, text.replace("max = 3", "max = 1")).expect("writable");
    let again = ["vary", "one.png", "--strength", "0.9", "--out", "two.png", "--purpose", "teaching"];
    let ended = lab.run(again).expect(1);
    assert!(
        ended.stdout.contains(
            "generation 2 is too far from an original: at most 1 allowed (policy micrograph, generation.max)"
        ),
        "{}",
        ended.stdout
    );
    // The policy that decided before is another one, and stays.
    let texts = lab.sqlite3("SELECT count(*) FROM policy WHERE name = 'micrograph'").expect(0);
    assert_eq!(texts.stdout.trim(), "2");
    lab.run(["audit"]).expect(0);
}

#[test]
fn a_file_that_cannot_be_read_releases_nothing_and_an_expired_policy_neither() {
    let lab = lab();
    let other = lab.path("policies/other.toml");
    std::fs::write(&other, "schema = 2\nname = \"other\"\nvisible-label = true\n").expect("writable");
    let ended = lab.run(vary("a.png", &["--class", "photo"])).expect(2);
    assert!(ended.stderr.contains("other.toml: line 3: unknown field `visible-label`"), "{}", ended.stderr);
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    std::fs::remove_file(&other).expect("there");
    let default = lab.path("policies/default.toml");
    let text = std::fs::read_to_string(&default).expect("there");
    std::fs::write(&default, text.replace("[strength]", "expires = 2024-02-29\n[strength]"))
        .expect("writable");
    let ended = lab.run(vary("a.png", &["--class", "photo"])).expect(1);
    assert!(
        ended.stdout.contains("the policy expired: its last day was 2024-02-29 (policy default, expires)"),
        "{}",
        ended.stdout
    );
    assert!(!lab.path("a.png").exists());
}

#[test]
fn examples_in_policies_are_tried_and_tell_what_was_found_instead() {
    let lab = lab();
    let ended = lab.run(["policy", "test"]).expect(0);
    assert!(
        ended.stdout.contains("clinical: a variation of a variation is refused: as expected"),
        "{}",
        ended.stdout
    );
    let path = lab.path("policies/clinical.toml");
    let text = std::fs::read_to_string(&path).expect("there");
    let more = "\n[[test]]\nname = \"a copy\"\nreference = \"../ref.png\"\nimage = \"../ref.png\"\nexpect = \"cleared\"\n";
    std::fs::write(&path, text + more).expect("writable");
    let ended = lab.run(["policy", "test", "clinical"]).expect(1);
    assert!(
        ended.stdout.contains("clinical: a copy: expected cleared, found refused: too close"),
        "{}",
        ended.stdout
    );
    let ended = lab.run(["policy", "test", "none"]).expect(2);
    assert!(ended.stderr.contains("no policy \"none\""), "{}", ended.stderr);
}
