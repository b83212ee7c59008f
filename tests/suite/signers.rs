//! Signers that are no file of ours: another program, keys of other algorithms, keys under a passphrase.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::common::{Lab, seed};
use crate::signatures::openssl;

const EXTENSIONS: &str = "\
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = emailProtection
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
";

/// A CA (`ca.pem`) and a signer of it, `NAME.pem` and `NAME.key`, with a key that `genpkey` makes with these options.
fn certified(lab: &Lab, name: &str, options: &[&str]) {
    if !lab.path("ca.pem").exists() {
        let root =
            ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "99", "-subj", "/O=tests/CN=Test CA"];
        openssl(lab, &[&root[..], &["-keyout", "ca.key", "-out", "ca.pem"]].concat());
        fs::write(lab.path("ext.cnf"), EXTENSIONS).expect("writable");
    }
    let (key, csr, pem) = (format!("{name}.key"), format!("{name}.csr"), format!("{name}.pem"));
    openssl(lab, &[&["genpkey", "-out", &key][..], options].concat());
    let subject = format!("/O=tests/CN={name}");
    openssl(lab, &["req", "-new", "-key", &key, "-subj", &subject, "-out", &csr]);
    let sign =
        ["x509", "-req", "-in", &csr, "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "90"];
    openssl(lab, &[&sign[..], &["-extfile", "ext.cnf", "-out", &pem]].concat());
}

const ALGORITHMS: [(&str, &[&str]); 3] = [
    ("es256", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]),
    ("es384", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"]),
    ("ps256", &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]),
];

/// A released output of a lab with a specimen, verified.
fn released(lab: &Lab, out: &str) -> Value {
    lab.variation("ref.png", out, 1);
    lab.verify(out)
}

#[test]
fn keys_of_a_ca_sign_whatever_their_algorithm() {
    let lab = Lab::new();
    lab.specimen("ref.png", 1);
    lab.run(["init", "."]).expect(0);
    for (name, options) in ALGORITHMS {
        certified(&lab, name, options);
        let (key, pem) = (format!("{name}.key"), format!("{name}.pem"));
        let shown = lab.run(["keys", "import", "--cert", &pem, "--key", &key]).expect(0).stdout;
        assert!(shown.contains(&format!("{name} (tests), {name}")), "{shown}");
        fs::copy(lab.path("ca.pem"), lab.path("keys/trust/ca.pem")).expect("writable");
        let verified = released(&lab, &format!("{name}.png"));
        let manifest = &verified["manifest"];
        assert_eq!(
            (&manifest["state"], &manifest["alg"]),
            (&"trusted".into(), &Value::from(name)),
            "{manifest}"
        );
        assert_eq!(manifest["signer"]["common_name"], name);
    }
    lab.run(["audit"]).expect(0);
}

/// A script that signs as the words of `body` say, with the key of `NAME`; DIGEST goes to stdin, and so on.
fn script(lab: &Lab, body: &str) {
    fs::write(lab.path("sign"), format!("#!/bin/sh\n{body}\n")).expect("writable");
    fs::set_permissions(lab.path("sign"), fs::Permissions::from_mode(0o755)).expect("ours");
}

fn settle(lab: &Lab, name: &str, more: &str) {
    let text = format!("[signer]\ncommand = [\"./sign\"]\nchain = \"{name}.pem\"\n{more}\n");
    fs::write(lab.path("vidimus.toml"), text).expect("writable");
}

const DGST: &str = "openssl dgst -sha256 -sign es256.key";

#[test]
fn another_program_signs_and_its_signature_is_held_against_the_certificate() {
    let lab = Lab::new();
    lab.specimen("ref.png", 1);
    certified(&lab, "es256", ALGORITHMS[0].1);
    certified(&lab, "stranger", ALGORITHMS[0].1);
    settle(&lab, "es256", "algorithm = \"es256\"\ntimeout-s = 2");
    script(&lab, DGST);
    lab.run(["init", "."]).expect(0);
    assert!(!lab.path("keys/signing.key").exists(), "no key of ours");
    fs::create_dir_all(lab.path("keys/trust")).expect("writable");
    fs::copy(lab.path("ca.pem"), lab.path("keys/trust/ca.pem")).expect("writable");
    let made = lab.variation("ref.png", "out.png", 1);
    let verified = lab.verify("out.png");
    assert_eq!(verified["manifest"]["state"], "trusted");
    assert_eq!(verified["manifest"]["signer"]["common_name"], "es256");
    lab.run(["audit"]).expect(0);
    lab.run(["keys", "rotate"]).expect(2);

    let seed = seed(&made);
    for (body, words) in [
        ("exit 3", "failed (exit status: 3): expected exit status 0"),
        ("echo PIN 1234 >&2; exit 1", "failed (exit status: 1)"),
        ("echo hello", "gave 6 bytes that are no es256 signature under the certificate"),
        ("openssl dgst -sha256 -sign stranger.key", "that are no es256 signature under the certificate"),
        ("head -c 100000 /dev/zero", "gave over 4096 bytes"),
        ("cat > /dev/null; exec sleep 60", "gave no signature within 2 s"),
        ("exec 1>&-; exec sleep 60", "gave no signature within 2 s"),
    ] {
        script(&lab, body);
        let refused = lab.vary(&seed, "no.png", &[]).expect(2).stderr;
        assert!(refused.contains("the signer \"./sign\"") && refused.contains(words), "{body}: {refused}");
        assert_eq!(refused.lines().count(), 1, "{refused}");
        assert!(!refused.contains("1234") && !lab.path("no.png").exists());
    }
    fs::remove_file(lab.path("sign")).expect("there");
    let refused = lab.vary(&seed, "no.png", &[]).expect(2).stderr;
    assert!(refused.contains("cannot be run"), "{refused}");
    settle(&lab, "es256", "algorithm = \"es384\"");
    let refused = lab.vary(&seed, "no.png", &[]).expect(2).stderr;
    assert!(refused.contains("the certificate is for es256 signatures: expected es384"), "{refused}");
}

#[test]
fn the_certificate_of_another_program_can_be_revoked_in_use_and_when_another_took_its_place() {
    let lab = Lab::new();
    lab.specimen("ref.png", 1);
    certified(&lab, "es256", ALGORITHMS[0].1);
    certified(&lab, "next", ALGORITHMS[0].1);
    settle(&lab, "es256", "");
    script(&lab, DGST);
    lab.run(["init", "."]).expect(0);
    fs::create_dir_all(lab.path("keys/trust")).expect("writable");
    fs::copy(lab.path("ca.pem"), lab.path("keys/trust/ca.pem")).expect("writable");
    let first = released(&lab, "first.png")["manifest"]["signer"]["fingerprint"].clone();
    settle(&lab, "next", "");
    script(&lab, "openssl dgst -sha256 -sign next.key");
    released(&lab, "second.png");
    let why = |file: &str| lab.verify(file)["manifest"]["trust"]["why"].clone();
    assert_eq!((why("first.png"), why("second.png")), ("anchored".into(), "anchored".into()));
    let first = first.as_str().expect("a digest");
    lab.run(["keys", "revoke", &first[..12], "--reason", "superseded"]).expect(0);
    assert_eq!((why("first.png"), why("second.png")), ("revoked".into(), "anchored".into()));
    lab.run(["keys", "revoke", "--reason", "superseded"]).expect(0);
    assert_eq!(why("second.png"), "revoked");
    let refused = lab.vary("9", "no.png", &[]).expect(2).stderr;
    assert!(refused.contains("next.pem: the certificate was revoked on "), "{refused}");
}

#[test]
fn a_key_under_a_passphrase_signs_with_it_and_it_stays_secret() {
    let lab = Lab::new();
    lab.specimen("ref.png", 1);
    lab.run(["init", "."]).expect(0);
    fs::write(lab.path("words"), "four words of mine\n").expect("writable");
    let with = ["--passphrase-file", "words"];
    lab.run([&["keys", "protect"][..], &with].concat()).expect(0);
    let key = fs::read_to_string(lab.path("keys/signing.key")).expect("there");
    assert!(key.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"), "{key}");
    let mode = fs::metadata(lab.path("keys/signing.key")).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let locked = lab.vary("1", "no.png", &[]).expect(2).stderr;
    assert!(locked.contains("protected by a passphrase: none was given; give it in a file"), "{locked}");
    fs::write(lab.path("other"), "another\n").expect("writable");
    let wrong = lab.run(["keys", "show", "--passphrase-file", "other"]).expect(2).stderr;
    assert!(wrong.contains("the passphrase does not open it") && !wrong.contains("another"), "{wrong}");
    let missing = lab.run(["keys", "show", "--passphrase-file", "nowhere"]).expect(2).stderr;
    assert!(missing.contains("nowhere cannot be read: entity not found"), "{missing}");
    lab.run([&["keys", "show"][..], &with].concat()).expect(0);
    let mut shown = lab.command(["keys", "show"]);
    let shown = shown.env("VIDIMUS_PASSPHRASE", "four words of mine").output().expect("it starts");
    assert!(shown.status.success());
    // Whatever else signs asks for it, too.
    let locked = lab.run(["catalog", "export", "no.tar"]).expect(2).stderr;
    assert!(locked.contains("protected by a passphrase") && !lab.path("no.tar").exists(), "{locked}");
    lab.run([&["catalog", "export", "all.tar"][..], &with].concat()).expect(0);
    // A new key would stand there in the open.
    let rotated = lab.run(["keys", "rotate"]).expect(2).stderr;
    assert!(rotated.contains("run 'vidimus keys unprotect' first"), "{rotated}");
    // What only verifies needs no key.
    lab.run(["verify", "ref.png"]).expect(1);
    lab.run([&["keys", "unprotect"][..], &with].concat()).expect(0);
    lab.run(["keys", "show"]).expect(0);
}
