//! Time stamps from an authority that vidimus.toml names.

use std::fs;

use serde_json::Value;

use crate::authority::{Authority, Manner};
use crate::common::{Lab, seed};

/// A workspace whose time stamps come from `authority`, and a seed with which its specimen is released.
fn lab(authority: &Authority, more: &str) -> (Lab, String) {
    let lab = Lab::new();
    lab.specimen("ref.png", 1);
    let made = lab.variation("ref.png", "plain.png", 1);
    assert_eq!(made["time_stamp"], Value::Null);
    settle(&lab, authority, more);
    (lab, seed(&made))
}

fn settle(lab: &Lab, authority: &Authority, more: &str) {
    fs::write(lab.path("vidimus.toml"), authority.settings(more)).expect("writable");
}

/// A policy "dated" that releases nothing without a time stamp.
fn dated(lab: &Lab) {
    let text = fs::read_to_string(lab.path("policies/default.toml")).expect("there");
    let text =
        text.replace("\"default\"", "\"dated\"").replace("[violation]", "time-stamp = true\n[violation]");
    fs::write(lab.path("policies/dated.toml"), text).expect("writable");
}

#[test]
fn an_output_says_when_it_was_signed_and_by_whose_clock() {
    let authority = Authority::new(Manner::Honest);
    let (lab, seed) = lab(&authority, "");
    let unknown = lab.vary(&seed, "unknown.png", &[]).expect(0).stdout;
    assert!(unknown.contains("by \"Throw-away TSA\", whom nobody here vouches for"), "{unknown}");
    assert_eq!(authority.asked(), 1, "each signature asks once");

    fs::copy(authority.root(), lab.path("keys/trust/tsa.pem")).expect("writable");
    let made = lab.vary(&seed, "out.png", &["--json"]).expect(0).json();
    let stamp = &made["time_stamp"];
    assert_eq!((&stamp["authority"], &stamp["trusted"]), (&"Throw-away TSA".into(), &true.into()));
    let verified = lab.verify("out.png");
    assert_eq!(verified["manifest"]["time_stamp"], *stamp);
    assert_eq!(verified["manifest"]["state"], "trusted");
    let page = lab.run(["verify", "out.png"]).expect(0).stdout;
    let time = stamp["time"].as_str().expect("a time");
    assert!(page.contains(&format!("time-stamped {time} by \"Throw-away TSA\", trusted here")), "{page}");
    // What was stamped before its authority was trusted is trusted since.
    assert_eq!(lab.verify("unknown.png")["manifest"]["time_stamp"]["trusted"], true);
    assert_eq!(lab.verify("plain.png")["manifest"]["time_stamp"], Value::Null);
    // A manifest that is given back is signed again, and says when.
    lab.python("attack.py", &["jpeg80", "out.png", "copy.jpg"]).expect(0);
    lab.run(["verify", "copy.jpg", "--restore", "back.jpg"]).expect(0);
    assert_eq!(lab.verify("back.jpg")["manifest"]["time_stamp"]["trusted"], true);
    let rows = lab.sqlite3("SELECT authority, trusted FROM time_stamp ORDER BY output").stdout;
    assert_eq!(rows, "Throw-away TSA|0\nThrow-away TSA|1\n");
    lab.run(["audit"]).expect(0);
}

#[test]
fn without_a_sound_answer_nothing_is_released_or_what_is_says_so() {
    let (lab, seed) = lab(&Authority::new(Manner::Garbage), "on-failure = \"unstamped\"");
    let made = lab.vary(&seed, "yes.png", &[]).expect(0).stdout;
    assert!(made.contains("no time stamp: its answer is no time stamp"), "{made}");
    assert_eq!(lab.verify("yes.png")["manifest"]["time_stamp"], Value::Null);
    lab.run(["audit"]).expect(0);
    lab.python("attack.py", &["jpeg80", "yes.png", "copy.jpg"]).expect(0);
    let restored = lab.run(["verify", "copy.jpg", "--restore", "back.jpg"]).expect(0).stderr;
    assert!(restored.contains("; no time stamp: its answer is no time stamp"), "{restored}");
    for (manner, words) in [
        (Manner::OtherData, "its answer does not hold: timestamp message digest did not match"),
        (Manner::OtherQuestion, "its answer is to another question (nonce)"),
        (Manner::Refusing, "it refuses to give a time stamp"),
        (Manner::Garbage, "its answer is no time stamp"),
        (Manner::Silent, "gave no answer within 1 s"),
        (Manner::Huge, "gave an answer of over 65536 bytes"),
    ] {
        let authority = Authority::new(manner);
        settle(&lab, &authority, "timeout-s = 1");
        let refused = lab.vary(&seed, "no.png", &[]).expect(2);
        assert!(refused.stderr.contains(words), "{manner:?}: {}", refused.stderr);
        assert_eq!(refused.stderr.lines().count(), 1, "{}", refused.stderr);
        assert!(!lab.path("no.png").exists());
    }
    let refused = lab.run(["verify", "copy.jpg", "--restore", "none.jpg"]).expect(2).stderr;
    assert!(refused.contains("gave an answer of over 65536 bytes"), "{refused}");
    assert!(!lab.path("none.jpg").exists());
}

#[test]
fn a_policy_can_ask_for_a_time_stamp_that_is_trusted_here() {
    let lying = Authority::new(Manner::Garbage);
    let (lab, seed) = lab(&lying, "on-failure = \"unstamped\"");
    dated(&lab);
    let with = ["--policy", "dated"];
    // What the file lets pass, the policy does not.
    let failed = lab.vary(&seed, "no.png", &with).expect(2).stderr;
    assert!(failed.contains("the time-stamp authority gave no time stamp"), "{failed}");

    fs::remove_file(lab.path("vidimus.toml")).expect("there");
    let refused = lab.vary(&seed, "no.png", &with).expect(1).stdout;
    assert!(refused.contains("a time stamp is required, and no authority for it is named"), "{refused}");
    assert!(refused.contains("(policy dated, marks.time-stamp)"), "{refused}");

    let honest = Authority::new(Manner::Honest);
    settle(&lab, &honest, "");
    let unknown = lab.vary(&seed, "no.png", &with).expect(2).stderr;
    assert!(unknown.contains("\"Throw-away TSA\", whom nobody here vouches for"), "{unknown}");
    assert!(!lab.path("no.png").exists());

    fs::copy(honest.root(), lab.path("keys/trust/tsa.pem")).expect("writable");
    lab.vary(&seed, "out.png", &with).expect(0);
    lab.run(["audit"]).expect(0);
}

#[test]
fn a_slip_in_vidimus_toml_is_told_before_anything_is_drawn() {
    let lab = Lab::new();
    lab.specimen("ref.png", 1);
    lab.run(["init", "."]).expect(0);
    fs::write(lab.path("vidimus.toml"), "[timestamp]\nurl = \"https://tsa.example/\"").expect("writable");
    let refused = lab.vary("1", "no.png", &[]).expect(2).stderr;
    assert!(
        refused.contains("vidimus.toml: timestamp.url \"https://tsa.example/\" cannot be used"),
        "{refused}"
    );
    assert_eq!(refused.lines().count(), 1, "{refused}");
}
