mod certificates;

use std::fs;

use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use tempfile::TempDir;
use time::Duration;
use time::macros::datetime;

use super::*;

const NOW: OffsetDateTime = datetime!(2026-11-24 12:00 UTC);

fn entropy(n: u8) -> Entropy {
    Entropy { root: [n; 32], signing: [n + 1; 32], watermark: [n + 2; 32] }
}

fn made() -> TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    Keys::create(dir.path(), NOW, &entropy(1)).expect("keys are made");
    dir
}

/// What `load` says about the keys in `dir`.
fn complaint(dir: &TempDir) -> KeyError {
    Keys::load(dir.path(), NOW).expect_err("it is refused")
}

fn write_private(dir: &TempDir, name: &str, text: &str) {
    files::write(&dir.path().join(name), text, files::Access::Private, files::Existing::Replace)
        .expect("it is written");
}

#[test]
fn made_keys_load_and_sign() {
    let dir = made();
    let keys = Keys::load(dir.path(), NOW).expect("they load");
    let key = ed25519_dalek::VerifyingKey::from_bytes(&keys.verifying_key()).expect("a key");
    let signature = ed25519_dalek::Signature::from_bytes(&keys.sign(b"message"));
    key.verify_strict(b"message", &signature).expect("it verifies");
    assert_eq!(keys.watermark_key(), [3; 32]);
    assert_eq!(keys.anchors().len(), 1);
    let signer = keys.signer();
    assert!(signer.common_name.starts_with("vidimus local signer "));
    assert_eq!(signer.organisation, "vidimus (self-issued)");
    assert_eq!(signer.not_after - signer.not_before, Duration::days(3650));
    assert!(!signer.serial.is_empty());
}

#[test]
fn the_same_entropy_and_time_make_the_same_keys() {
    let (a, b) = (made(), made());
    for name in ["signing.key", "chain.pem", "watermark.key"] {
        let read = |dir: &TempDir| fs::read(dir.path().join(name)).expect("it is there");
        assert_eq!(read(&a), read(&b), "{name}");
    }
}

#[test]
fn the_roots_private_key_is_nowhere() {
    let dir = made();
    let mut files = vec![dir.path().to_path_buf()];
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(fs::read_dir(&path).expect("it lists").map(|e| e.expect("an entry").path()));
        } else {
            let text = fs::read_to_string(&path).expect("it reads");
            assert_eq!(text.contains("PRIVATE KEY"), path.ends_with("signing.key"), "{}", path.display());
        }
    }
    let chain = fs::read_to_string(dir.path().join("chain.pem")).expect("it reads");
    assert_eq!(chain.matches("BEGIN CERTIFICATE").count(), 1, "the root is left out");
}

#[cfg(unix)]
#[test]
fn private_files_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let dir = made();
    let mode =
        |name: &str| fs::metadata(dir.path().join(name)).expect("it is there").permissions().mode() & 0o777;
    assert_eq!((mode("signing.key"), mode("watermark.key"), mode("chain.pem")), (0o600, 0o600, 0o644));
    for name in ["signing.key", "watermark.key"] {
        let path = dir.path().join(name);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("it changes");
        let found = complaint(&dir);
        assert!(matches!(found, KeyError::Exposed { mode: 0o640, .. }), "{found}");
        assert!(found.to_string().ends_with("expected mode 0600, found 0640"), "{found}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("it changes");
    }
}

#[test]
fn keys_are_never_made_over_keys() {
    let dir = made();
    let before = fs::read(dir.path().join("signing.key")).expect("it reads");
    let again = Keys::create(dir.path(), NOW, &entropy(50));
    assert!(matches!(again, Err(KeyError::Exists { .. })), "{again:?}");
    assert_eq!(fs::read(dir.path().join("signing.key")).expect("it reads"), before);
    assert_eq!(Keys::load_public(dir.path()).expect("it loads").anchors.len(), 1);
}

#[test]
fn a_failed_creation_leaves_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    // A directory where the chain belongs: writing it fails after anchor and watermark key are written.
    fs::create_dir_all(dir.path().join("chain.pem/x")).expect("a directory");
    let failed = Keys::create(dir.path(), NOW, &entropy(1));
    assert!(matches!(failed, Err(KeyError::Io { .. })), "{failed:?}");
    assert!(!dir.path().join("signing.key").exists());
    assert!(!dir.path().join("watermark.key").exists());
    assert_eq!(fs::read_dir(dir.path().join("trust")).expect("it lists").count(), 0);
}

#[test]
fn a_watermark_key_that_is_there_is_kept() {
    let dir = tempfile::tempdir().expect("a directory");
    write_private(&dir, "watermark.key", &"ab".repeat(32));
    let keys = Keys::create(dir.path(), NOW, &entropy(1)).expect("keys are made");
    assert_eq!(keys.watermark_key(), [0xab; 32]);
}

#[test]
fn a_missing_file_is_named() {
    for name in ["signing.key", "chain.pem", "watermark.key"] {
        let dir = made();
        fs::remove_file(dir.path().join(name)).expect("it is removed");
        let found = complaint(&dir);
        assert!(matches!(&found, KeyError::Missing { path, .. } if path.ends_with(name)), "{found}");
    }
}

#[test]
fn a_key_that_is_no_pem_is_named() {
    let dir = made();
    for text in ["", "rubbish", "-----BEGIN PRIVATE KEY-----\n!!\n-----END PRIVATE KEY-----\n"] {
        write_private(&dir, "signing.key", text);
        let found = complaint(&dir);
        assert!(matches!(found, KeyError::NotPem { .. }), "{found}");
    }
}

#[test]
fn a_key_that_is_no_pkcs8_is_named_by_its_type() {
    let dir = made();
    let body = "MC4CAQAwBQYDK2VwBCIEIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    for label in ["EC PRIVATE KEY", "CERTIFICATE"] {
        write_private(
            &dir,
            "signing.key",
            &format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n"),
        );
        let found = complaint(&dir);
        assert!(matches!(&found, KeyError::NotPkcs8 { found, .. } if found == label), "{found}");
    }
    write_private(&dir, "signing.key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    assert!(matches!(complaint(&dir), KeyError::NotPkcs8 { .. }));
}

#[test]
fn a_key_of_another_algorithm_is_named() {
    let dir = made();
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
    write_private(&dir, "signing.key", &key.serialize_pem());
    let found = complaint(&dir);
    assert!(found.to_string().ends_with("which is for another key (ed25519)"), "{found}");
}

#[test]
fn a_key_of_another_certificate_is_named() {
    let (dir, other) = (made(), tempfile::tempdir().expect("a directory"));
    Keys::create(other.path(), NOW, &entropy(60)).expect("keys are made");
    fs::copy(other.path().join("signing.key"), dir.path().join("signing.key")).expect("it is copied");
    let found = complaint(&dir);
    assert!(matches!(found, KeyError::Mismatch { .. }), "{found}");
}

#[test]
fn a_chain_that_is_no_chain_is_named() {
    let dir = made();
    for text in ["", "rubbish"] {
        fs::write(dir.path().join("chain.pem"), text).expect("it is written");
        assert!(matches!(complaint(&dir), KeyError::NotPem { expected: "CERTIFICATE", .. }));
    }
    let text = "-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n";
    fs::write(dir.path().join("chain.pem"), text).expect("it is written");
    assert!(matches!(complaint(&dir), KeyError::NotACertificate { position: 1, .. }));
}

#[test]
fn a_certificate_outside_its_time_is_refused_with_both_times() {
    let dir = made();
    let late = Keys::load(dir.path(), NOW + Duration::days(3651)).expect_err("it has expired");
    assert!(matches!(late, KeyError::Expired { .. }), "{late}");
    assert!(
        late.to_string().contains("expired on 2036-11-21T11:00:00Z; now is 2036-11-22T12:00:00Z"),
        "{late}"
    );
    let early = Keys::load(dir.path(), NOW - Duration::days(1)).expect_err("it is not valid yet");
    assert!(matches!(early, KeyError::NotYetValid { .. }), "{early}");
    // The anchors are still there to verify with.
    assert_eq!(Keys::load_public(dir.path()).expect("it loads").anchors.len(), 1);
}

#[test]
fn a_damaged_watermark_key_is_named() {
    let dir = made();
    for (text, found) in [("", 0), ("abc", 3), (&*"g".repeat(64), 64), (&*"a".repeat(65), 65)] {
        write_private(&dir, "watermark.key", text);
        let named = complaint(&dir);
        assert!(matches!(named, KeyError::WatermarkKey { found: n, .. } if n == found), "{named}");
    }
}

#[test]
fn verifying_needs_no_keys_at_all() {
    let dir = tempfile::tempdir().expect("a directory");
    let none = Keys::load_public(&dir.path().join("nowhere")).expect("it loads");
    assert_eq!(none, PublicKeys::default());
    assert_eq!(none.bundle(), "");
    let dir = made();
    fs::remove_file(dir.path().join("signing.key")).expect("it is removed");
    assert_eq!(Keys::load_public(dir.path()).expect("it loads").anchors.len(), 1);
}

#[test]
fn an_anchor_that_is_no_certificate_is_named() {
    let dir = made();
    fs::write(dir.path().join("trust/zz.pem"), "rubbish").expect("it is written");
    let named = Keys::load_public(dir.path()).expect_err("it is refused");
    assert!(matches!(&named, KeyError::NotPem { path, .. } if path.ends_with("trust/zz.pem")), "{named}");
}

#[test]
fn rotation_keeps_anchors_watermark_key_and_the_old_chain() {
    let dir = made();
    let before = Keys::load(dir.path(), NOW).expect("they load");
    let later = NOW + Duration::days(4000);
    let after = Keys::rotate(dir.path(), later, &entropy(70)).expect("expired keys can be rotated");
    assert_ne!(before.verifying_key(), after.verifying_key());
    assert_eq!(before.watermark_key(), after.watermark_key());
    assert_eq!(after.anchors().len(), 2);
    assert!(before.anchors().iter().all(|anchor| after.anchors().contains(anchor)));
    let retired = dir.path().join("retired").join(before.signer().fingerprint.to_string());
    let names: Vec<_> =
        fs::read_dir(&retired).expect("it lists").map(|entry| entry.expect("an entry").file_name()).collect();
    assert_eq!(names, ["chain.pem"], "the private key is gone");
    assert_eq!(fs::read_to_string(retired.join("chain.pem")).expect("it reads"), before.chain_pem());
    assert_eq!(Keys::export_trust(dir.path()).expect("it exports").matches("BEGIN CERTIFICATE").count(), 2);
}

#[test]
fn a_failed_rotation_leaves_the_old_keys() {
    let dir = made();
    let before = Keys::load(dir.path(), NOW).expect("they load");
    write_private(&dir, "watermark.key", "damaged");
    assert!(Keys::rotate(dir.path(), NOW, &entropy(70)).is_err());
    write_private(&dir, "watermark.key", &"ab".repeat(32));
    let after = Keys::load(dir.path(), NOW).expect("they load");
    assert_eq!(before.signer(), after.signer());
    assert_eq!(after.anchors().len(), 1);
    let retired = dir.path().join("retired").join(before.signer().fingerprint.to_string());
    assert!(!retired.join("chain.pem").exists(), "the chain in use is not retired");
}

#[test]
fn debug_output_holds_no_secret() {
    let dir = made();
    let text = format!("{:?}", Keys::load(dir.path(), NOW).expect("they load"));
    assert!(!text.contains("2, 2, 2") && !text.contains("3, 3, 3"), "{text}");
}

#[test]
fn two_that_make_keys_at_once_make_one_pair() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path();
    let made = std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..4).map(|n| scope.spawn(move || Keys::create(path, NOW, &entropy(n * 10)).is_ok())).collect();
        threads.into_iter().map(|t| t.join().expect("it ends")).filter(|ok| *ok).count()
    });
    assert_eq!(made, 1);
    assert_eq!(Keys::load(path, NOW).expect("they load").anchors().len(), 1);
}

/// A private key under a passphrase, as we write it and as openssl does.
mod protected {
    use std::process::Command;

    use super::*;

    fn passphrase(text: &str) -> Passphrase {
        Passphrase::new(text.to_owned()).expect("not empty")
    }

    fn opened(dir: &TempDir, text: &str) -> Result<Keys, KeyError> {
        Keys::read(dir.path(), Vec::new(), NOW, &|| Ok(passphrase(text)))
    }

    #[test]
    fn a_protected_key_opens_with_its_passphrase_alone() {
        let dir = made();
        let plain = Keys::load(dir.path(), NOW).expect("good keys");
        protect(dir.path(), &passphrase("a long walk"), &[5; 32]).expect("it is protected");
        let text = fs::read_to_string(dir.path().join("signing.key")).expect("there");
        assert!(text.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"), "{text}");
        let keys = opened(&dir, "a long walk").expect("the right one");
        assert_eq!(keys.verifying_key(), plain.verifying_key());
        let wrong = opened(&dir, "a short walk").expect_err("the wrong one").to_string();
        assert!(wrong.ends_with("signing.key: the passphrase does not open it"), "{wrong}");
        let none = Keys::load(dir.path(), NOW).expect_err("none").to_string();
        assert!(none.ends_with("protected by a passphrase: none was given"), "{none}");
        for line in [wrong, none, format!("{:?}", passphrase("a long walk"))] {
            assert!(!line.contains("walk"), "{line}");
        }
        let twice = protect(dir.path(), &passphrase("another"), &[6; 32]).expect_err("twice").to_string();
        assert!(twice.ends_with("it is protected by a passphrase already"), "{twice}");
        assert!(unprotect(dir.path(), &passphrase("a short walk")).is_err());
        unprotect(dir.path(), &passphrase("a long walk")).expect("it opens");
        assert_eq!(Keys::load(dir.path(), NOW).expect("good").verifying_key(), plain.verifying_key());
        assert!(unprotect(dir.path(), &passphrase("x")).is_err(), "there is none");
        assert!(Passphrase::new(String::new()).is_err());
    }

    #[test]
    fn openssl_opens_what_we_protect_and_we_what_it_does() {
        let dir = made();
        let key = dir.path().join("signing.key");
        let plain = fs::read_to_string(&key).expect("there");
        let openssl = |args: &[&str]| {
            let output = Command::new("openssl").args(args).arg(&key).output().expect("openssl is there");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).expect("PEM")
        };
        protect(dir.path(), &passphrase("geheim"), &[5; 32]).expect("it is protected");
        assert_eq!(openssl(&["pkey", "-passin", "pass:geheim", "-in"]), plain);
        for cipher in [["-v2", "aes-256-cbc"], ["-v2", "aes-128-cbc"], ["-scrypt", "-scrypt"]] {
            write_private(&dir, "signing.key", &plain);
            let hide = ["pkcs8", "-topk8", "-passout", "pass:geheim"];
            let hidden = openssl(&[&hide[..], &cipher, &["-in"]].concat());
            write_private(&dir, "signing.key", &hidden);
            opened(&dir, "geheim").expect("it opens");
            assert!(matches!(opened(&dir, "gehelm"), Err(KeyError::WrongPassphrase { .. })), "{cipher:?}");
        }
        for damaged in [
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\n",
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----\n",
        ] {
            write_private(&dir, "signing.key", damaged);
            assert!(matches!(opened(&dir, "geheim"), Err(KeyError::NotPkcs8 { .. })));
        }
    }
}
