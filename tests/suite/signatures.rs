//! Signed policies, from the command line, with keys that openssl made.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::common::Lab;

pub fn openssl(lab: &Lab, args: &[&str]) {
    let output =
        Command::new("openssl").args(args).current_dir(lab.path("")).output().expect("openssl is there");
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A workspace with a specimen, where alice is pinned, whose key is in `alice.key`, and bob's is in `bob.key`.
fn lab() -> Lab {
    let lab = Lab::new();
    lab.specimen("ref.png", 1);
    lab.run(["init", "."]).expect(0);
    for name in ["alice", "bob"] {
        let (private, public) = (format!("{name}.key"), format!("{name}.pub"));
        openssl(&lab, &["genpkey", "-algorithm", "ed25519", "-out", &private]);
        openssl(&lab, &["pkey", "-in", &private, "-pubout", "-out", &public]);
        closed(&lab.path(&private));
    }
    let pinned = lab.run(["policy", "pin", "alice", "--key", "alice.pub"]).expect(0);
    assert!(
        pinned
            .stdout
            .contains("nothing is released until these are signed: default, strict, without-strength"),
        "{}",
        pinned.stdout
    );
    lab
}

#[cfg(unix)]
pub fn closed(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("ours");
}

#[cfg(not(unix))]
pub fn closed(_: &Path) {}

fn sign(lab: &Lab, name: &str, key: &str, code: i32) -> crate::common::Ended {
    lab.run(["policy", "sign", name, "--key", key]).expect(code)
}

/// The one line that a release is refused with.
fn refused(lab: &Lab) -> String {
    let ended = lab.run(["vary", "ref.png", "--strength", "0.9", "--out", "no.png"]).expect(2);
    assert!(!lab.path("no.png").exists());
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    ended.stderr
}

#[test]
fn nothing_is_released_under_a_policy_that_is_unsigned_edited_or_signed_by_somebody_else() {
    let lab = lab();
    assert!(refused(&lab).contains("default.toml: not signed: expected a signature by alice"));
    let stranger = sign(&lab, "default", "bob.key", 2);
    assert!(stranger.stderr.contains("which is not pinned here: expected alice"), "{}", stranger.stderr);
    sign(&lab, "default", "alice.key", 0);
    // Another policy may be one that applies.
    let other = refused(&lab);
    assert!(
        other.contains("strict.toml: not signed") && other.contains("it may be one that applies"),
        "{other}"
    );
    sign(&lab, "strict", "alice.key", 0);
    sign(&lab, "without-strength", "alice.key", 0);
    lab.variation("ref.png", "out.png", 1);

    let path = lab.path("policies/default.toml");
    let text = fs::read_to_string(&path).expect("there");
    fs::write(&path, text.replace("min         = 0.50", "min         = 0.40")).expect("writable");
    assert!(refused(&lab).contains("default.toml: edited since alice signed it"));
    let listed = lab.run(["policy", "list"]).expect(2);
    assert!(listed.stdout.contains("edited since alice signed it"), "{}", listed.stdout);
    // What shipped does not come back by taking the signed file away.
    fs::remove_file(&path).expect("there");
    assert!(refused(&lab).contains("no policy \"default\": this workspace has strict, without-strength"));
    fs::write(&path, &text).expect("writable");
    lab.variation("ref.png", "again.png", 20);
    lab.run(["audit"]).expect(0);
}

#[test]
fn the_signature_is_one_that_openssl_holds_for_good() {
    let lab = lab();
    sign(&lab, "default", "alice.key", 0);
    let line = fs::read_to_string(lab.path("policies/default.toml.sig")).expect("there");
    let signature = line.split_whitespace().nth(2).expect("three words");
    fs::write(lab.path("signature"), hex::decode(signature).expect("hexadecimal")).expect("writable");
    let text = fs::read(lab.path("policies/default.toml")).expect("there");
    fs::write(lab.path("message"), [b"org.vidimus.policy.1\n".as_slice(), &text].concat()).expect("writable");
    let args = [
        "pkeyutl",
        "-verify",
        "-pubin",
        "-inkey",
        "alice.pub",
        "-rawin",
        "-in",
        "message",
        "-sigfile",
        "signature",
    ];
    openssl(&lab, &args);
}

#[test]
fn a_policy_whose_examples_do_not_hold_is_not_signed_and_the_workspace_key_can_be_a_signer() {
    let lab = lab();
    lab.run(["policy", "pin", "here"]).expect(0);
    lab.run(["policy", "sign", "default"]).expect(0);
    let path = lab.path("policies/strict.toml");
    let text = fs::read_to_string(&path).expect("there");
    fs::write(&path, text.replace("composition = 0.20", "composition = 0.80")).expect("writable");
    let ended = lab.run(["policy", "sign", "strict"]).expect(2);
    assert!(
        ended.stderr.contains("does not hold: expected refused, found cleared; it is not signed"),
        "{}",
        ended.stderr
    );
    assert!(!lab.path("policies/strict.toml.sig").exists());
    for (args, words) in [
        (vec!["policy", "pin", "alice"], "alice.pem"),
        (vec!["policy", "pin", "../x"], "cannot name a signer"),
        (vec!["policy", "pin", "carol", "--key", "alice.key"], "expected an Ed25519 public key as PEM"),
        (vec!["policy", "sign", "default", "--key", "alice.pub"], "others can read this private file"),
        (vec!["policy", "sign", "none"], "no policy \"none\""),
    ] {
        let ended = lab.run(&args).expect(2);
        assert!(ended.stderr.contains(words), "{args:?}: {}", ended.stderr);
        assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    }
}
