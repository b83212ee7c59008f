//! Two people release a draft below the limit, from the command line to the manifest.

use std::fs;

use crate::common::Lab;
use crate::signatures::{closed, openssl};

const REASON: &str = "shown to the whole board in May";

/// A workspace whose default policy asks for more than any draft has, and names two who may override it.
fn lab() -> Lab {
    let lab = Lab::new();
    lab.specimen("ref.png", 1);
    lab.run(["init", "."]).expect(0);
    let mut keys = Vec::new();
    for name in ["alice", "bob", "carol"] {
        let (private, der) = (format!("{name}.key"), format!("{name}.der"));
        openssl(&lab, &["genpkey", "-algorithm", "ed25519", "-out", &private]);
        openssl(&lab, &["pkey", "-in", &private, "-pubout", "-outform", "DER", "-out", &der]);
        closed(&lab.path(&private));
        let der = fs::read(lab.path(&der)).expect("there");
        keys.push(hex::encode(&der[der.len() - 32..]));
    }
    let path = lab.path("policies/default.toml");
    let text = fs::read_to_string(&path).expect("there");
    let (head, _) = text.split_once("[[test]]").expect("it has examples");
    let action = format!("action = \"override\"\napprovers = [\"{}\", \"{}\"]", keys[0], keys[1]);
    let text =
        head.replace("min         = 0.50", "min         = 0.99").replace("action = \"refuse\"", &action);
    fs::write(&path, text).expect("writable");
    lab
}

fn approve(lab: &Lab, run: &str, who: &str, reason: &str) -> crate::common::Ended {
    lab.run(["policy", "approve", run, "--reason", reason, "--key", &format!("{who}.key")])
}

#[test]
fn two_approvers_release_a_draft_and_everything_says_so() {
    let lab = lab();
    let how = ["vary", "ref.png", "--strength", "0.9", "--seed", "7", "--out", "out.png"];
    let refused = lab.run([&how[..], &["--json"]].concat()).expect(1).json();
    let run = refused["run"].as_str().expect("it is logged").to_owned();
    assert!(fs::exists(lab.path(refused["quarantine"].as_str().expect("it is kept"))).expect("readable"));
    let told = lab.run([&how[..7], &["there.png"]].concat()).expect(1).stdout;
    assert!(told.contains("Or        two approvers may release it: each 'vidimus policy approve"), "{told}");

    let over = [&how[..], &["--override", &run]].concat();
    let words = lab.run(&over).expect(1).stdout;
    assert!(words.contains("(policy default, deviation.min)"), "nobody approved: {words}");
    for (who, reason, code, words) in [
        ("carol", REASON, 2, "the key is not among the policy's approvers; your key is "),
        ("alice", "because", 2, "a reason of at least 20 characters is needed"),
        ("alice", REASON, 0, "one more has to"),
        ("alice", REASON, 2, "approval is append-only"),
    ] {
        let ended = approve(&lab, &run, who, reason).expect(code);
        assert!([ended.stdout, ended.stderr].concat().contains(words), "{who}: {words}");
    }
    lab.run(&over).expect(1);
    assert!(!lab.path("out.png").exists(), "one is not two");
    approve(&lab, &run, "bob", REASON).expect(0);

    // Another draft was approved by nobody.
    let other =
        ["vary", "ref.png", "--strength", "0.9", "--seed", "8", "--out", "out.png", "--override", &run];
    let ended = lab.run(other).expect(2);
    assert!(ended.stderr.contains("this is another draft than that of run"), "{}", ended.stderr);

    let released = lab.run(&over).expect(0).stdout;
    assert!(released.contains("released below the limit by override: too close: deviation"), "{released}");
    let bytes = fs::read(lab.path("out.png")).expect("released");
    assert!(String::from_utf8_lossy(&bytes).contains("released below the limit by override"), "the manifest");
    let verdict = lab.verify("out.png");
    assert_eq!(verdict["verdict"], "ai-derived", "{verdict:#}");
    let lineage = lab.run(["lineage", "out.png"]).expect(0).stdout;
    assert!(lineage.contains("released below the limit by override"), "{lineage}");
    let audit = lab.run(["audit"]);
    assert_eq!(audit.code, 0, "{}", audit.stdout);
    let again =
        ["vary", "ref.png", "--strength", "0.9", "--seed", "7", "--out", "more.png", "--override", &run];
    let kept = lab.files("catalog/objects").len();
    let ended = lab.run(again).expect(2);
    assert!(ended.stderr.contains("each draft leaves once"), "{}", ended.stderr);
    assert_eq!(lab.files("catalog/objects").len(), kept, "nothing that is marked lies about");
    let ended = approve(&lab, "none", "alice", REASON).expect(2);
    assert!(ended.stderr.contains("has no draft that was refused"), "{}", ended.stderr);
}

#[test]
fn a_picture_that_was_made_elsewhere_is_released_by_two_approvers_too() {
    let lab = lab();
    lab.specimen("made.png", 77);
    let adopt = ["adopt", "made.png", "--reference", "ref.png", "--tool", "other", "--strength", "0.9"];
    let how = [&adopt[..], &["--out", "out.png"]].concat();
    let refused = lab.run([&how[..], &["--json"]].concat()).expect(1).json();
    let run = refused["run"].as_str().expect("it is logged").to_owned();
    let over = [&how[..], &["--override", &run]].concat();
    lab.run(&over).expect(1);
    approve(&lab, &run, "alice", REASON).expect(0);
    approve(&lab, &run, "bob", REASON).expect(0);

    let released = lab.run(&over).expect(0).stdout;
    assert!(released.contains("released below the limit by override: too close: deviation"), "{released}");
    let verdict = lab.verify("out.png");
    assert_eq!(verdict["manifest"]["witnessed"], false, "{verdict:#}");
    lab.run(["audit"]).expect(0);
    let again = [&adopt[..], &["--out", "more.png", "--override", &run]].concat();
    assert_ne!(lab.run(again).code, 0, "each draft leaves once");
    assert!(!lab.path("more.png").exists());
}

#[test]
fn an_approval_of_a_picture_beside_one_reference_counts_for_no_other() {
    let lab = lab();
    lab.specimen("made.png", 77);
    lab.specimen("second.png", 5);
    let adopt = |reference: &'static str| {
        [
            "adopt",
            "made.png",
            "--reference",
            reference,
            "--tool",
            "other",
            "--strength",
            "0.9",
            "--out",
            "out.png",
        ]
    };
    let refused = lab.run([&adopt("ref.png")[..], &["--json"]].concat()).expect(1).json();
    let run = refused["run"].as_str().expect("it is logged").to_owned();
    approve(&lab, &run, "alice", REASON).expect(0);
    approve(&lab, &run, "bob", REASON).expect(0);
    let ended = lab.run([&adopt("second.png")[..], &["--override", &run]].concat());
    assert_ne!(ended.code, 0, "{}", ended.stdout);
    assert!(!lab.path("out.png").exists());
}
