//! Whom we trust, apart from who signed: revoked certificates, trust lists.

use std::fs;

use serde_json::Value;

use crate::authority::{Authority, Manner};
use crate::common::Lab;

/// A lab with an output that was time-stamped and one that was not, and the fingerprint of the signer.
fn lab(authority: &Authority) -> (Lab, String) {
    let lab = Lab::new();
    lab.specimen("ref.png", 1);
    let plain = lab.variation("ref.png", "plain.png", 1);
    fs::write(lab.path("vidimus.toml"), authority.settings("")).expect("writable");
    fs::copy(authority.root(), lab.path("keys/trust/tsa.pem")).expect("writable");
    lab.variation("ref.png", "stamped.png", 1);
    let signer = plain["manifest"]["signer"]["fingerprint"].as_str().expect("it is signed").to_owned();
    (lab, signer)
}

fn trust(lab: &Lab, file: &str) -> (Value, Value) {
    let verified = lab.verify(file);
    (verified["manifest"]["state"].clone(), verified["manifest"]["trust"]["why"].clone())
}

#[test]
fn a_revoked_certificate_signs_nothing_and_is_believed_only_for_what_was_stamped_before() {
    let authority = Authority::new(Manner::Honest);
    let (lab, signer) = lab(&authority);
    assert_eq!(trust(&lab, "plain.png"), ("trusted".into(), "anchored".into()));
    lab.run(["keys", "revoke", "--reason", "superseded"]).expect(0);
    assert_eq!(trust(&lab, "plain.png"), ("valid".into(), "revoked".into()));
    assert_eq!(trust(&lab, "stamped.png"), ("trusted".into(), "anchored".into()));
    let page = lab.run(["verify", "plain.png"]).stdout;
    assert!(page.contains("whose certificate was revoked on ") && page.contains("(superseded)"), "{page}");

    let refused = lab.run(["vary", "ref.png", "--seed", "1", "--out", "no.png"]).expect(2).stderr;
    assert!(refused.contains("(superseded) and signs nothing more"), "{refused}");
    lab.run(["keys", "rotate"]).expect(0);
    lab.variation("ref.png", "new.png", 1);
    assert_eq!(trust(&lab, "new.png"), ("trusted".into(), "anchored".into()));
    let again = lab.run(["keys", "revoke", &signer[..12]]).expect(2).stderr;
    assert!(again.contains("that certificate is revoked already"), "{again}");
    let none = lab.run(["keys", "revoke", "0000000000"]).expect(2).stderr;
    assert!(none.contains("no certificate 0000000000 ever signed here"), "{none}");
    lab.run(["audit"]).expect(0);

    // Others learn of it with the anchors.
    let bundle = lab.run(["keys", "export-trust"]).expect(0).stdout;
    let other = Lab::new();
    other.specimen("ref.png", 2);
    fs::copy(lab.path("plain.png"), other.path("plain.png")).expect("writable");
    fs::write(other.path("bundle.pem"), &bundle).expect("writable");
    let told = other.run(["verify", "plain.png", "--trust", "bundle.pem", "--json"]).json();
    assert_eq!(told["manifest"]["trust"]["why"], "revoked");
    let unaware: String =
        bundle.lines().filter(|line| !line.starts_with("revoked")).map(|l| format!("{l}\n")).collect();
    fs::write(other.path("bundle.pem"), unaware).expect("writable");
    let told = other.run(["verify", "plain.png", "--trust", "bundle.pem", "--json"]).json();
    assert_eq!(told["manifest"]["trust"]["why"], "anchored");

    // A list that was edited is told of, and trusts nobody.
    let list = fs::read_to_string(lab.path("keys/revoked")).expect("there");
    fs::write(lab.path("keys/revoked"), list.replace("superseded", "unspecified")).expect("writable");
    let edited = lab.run(["verify", "plain.png"]);
    assert!(
        edited.stderr.contains("revoked: line 1 is no revocation by a key that counts here"),
        "{}",
        edited.stderr
    );
    assert_eq!(trust(&lab, "new.png").1, "unknown");
}

#[test]
fn of_a_compromised_key_nothing_is_believed_whenever_it_was() {
    let authority = Authority::new(Manner::Honest);
    let (lab, signer) = lab(&authority);
    // Whoever lost the key rotates first.
    lab.run(["keys", "rotate"]).expect(0);
    lab.run(["keys", "revoke", &signer, "--reason", "key-compromise"]).expect(0);
    for file in ["plain.png", "stamped.png"] {
        assert_eq!(trust(&lab, file), ("valid".into(), "revoked".into()), "{file}");
    }
    let slip = lab.run(["keys", "revoke", "--reason", "stolen"]).expect(2).stderr;
    assert!(slip.contains("expected unspecified, key-compromise"), "{slip}");
}

#[test]
fn a_trust_list_is_trusted_beside_our_own_roots() {
    let lab = Lab::new();
    lab.specimen("ref.png", 1);
    lab.variation("ref.png", "out.png", 1);
    let bundle = lab.run(["keys", "export-trust"]).expect(0).stdout;
    let other = Lab::new();
    other.run(["init", "."]).expect(0);
    fs::copy(lab.path("out.png"), other.path("out.png")).expect("writable");
    fs::write(other.path("list.pem"), bundle).expect("writable");
    assert_eq!(trust(&other, "out.png"), ("valid".into(), "unknown".into()));
    let signer = other.verify("out.png")["manifest"]["signer"]["common_name"].clone();
    assert!(
        signer.as_str().is_some_and(|name| name.starts_with("vidimus local signer")),
        "who it is, all the same"
    );
    let given = other.run(["verify", "out.png", "--trust", "list.pem", "--json"]).json();
    assert_eq!(given["manifest"]["trust"]["why"], "anchored");
    fs::write(other.path("vidimus.toml"), "[trust]\nc2pa-list = \"list.pem\"\n").expect("writable");
    assert_eq!(trust(&other, "out.png"), ("trusted".into(), "anchored".into()));
    fs::write(other.path("list.pem"), "no list").expect("writable");
    let missing = other.run(["verify", "out.png"]);
    assert!(missing.stderr.contains("list.pem: not PEM"), "{}", missing.stderr);
    let given = other.run(["verify", "out.png", "--trust", "nowhere.pem"]).expect(2).stderr;
    assert!(given.contains("nowhere.pem: expected a trust list, found no such file"), "{given}");
}
