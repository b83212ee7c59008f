//! Certificates from elsewhere, good and bad.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ED25519,
};
use tempfile::TempDir;
use time::Duration;

use super::super::{Entropy, Fault, KeyError, Keys, SignerKeys};
use crate::manifest::{Algorithm, is_signed};

use super::{NOW, complaint, made, write_private};

/// A leaf by a good root, changed by `change`; chain and key as PEM.
fn leaf(change: impl FnOnce(&mut CertificateParams)) -> (String, String) {
    leaf_for(&KeyPair::generate_for(&PKCS_ED25519).expect("a key"), change)
}

fn leaf_for(key: &KeyPair, change: impl FnOnce(&mut CertificateParams)) -> (String, String) {
    let (root, root_key) = root();
    let mut leaf = params("leaf");
    leaf.is_ca = IsCa::ExplicitNoCa;
    leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::EmailProtection];
    leaf.use_authority_key_identifier_extension = true;
    change(&mut leaf);
    let certificate = leaf.signed_by(key, &Issuer::new(root, root_key)).expect("it is signed");
    (certificate.pem(), key.serialize_pem())
}

fn root() -> (CertificateParams, KeyPair) {
    let mut root = params("root");
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    root.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    (root, KeyPair::generate_for(&PKCS_ED25519).expect("a key"))
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::<String>::new()).expect("parameters");
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.distinguished_name.push(DnType::OrganizationName, "tests");
    params.not_before = NOW - Duration::days(1);
    params.not_after = NOW + Duration::days(30);
    params
}

fn entropy() -> Entropy {
    Entropy { root: [7; 32], signing: [8; 32], watermark: [9; 32] }
}

fn import(chain: &str, key: &str) -> Result<(TempDir, Keys), KeyError> {
    let dir = tempfile::tempdir().expect("a directory");
    let keys = Keys::import(dir.path(), chain, key, NOW, &entropy())?;
    Ok((dir, keys))
}

fn fault(change: impl FnOnce(&mut CertificateParams)) -> Fault {
    let (chain, key) = leaf(change);
    match import(&chain, &key) {
        Err(KeyError::Profile { fault, .. }) => fault,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_fault_of_a_certificate_has_its_name() {
    assert_eq!(fault(|leaf| leaf.key_usages.clear()), Fault::NoKeyUsage);
    assert_eq!(fault(|leaf| leaf.extended_key_usages.clear()), Fault::NoExtendedKeyUsage);
    assert_eq!(
        fault(|leaf| leaf.use_authority_key_identifier_extension = false),
        Fault::NoAuthorityKeyIdentifier
    );
    let authority = fault(|leaf| leaf.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
    assert_eq!(authority, Fault::CertificateAuthority);
    let nobody = fault(|leaf| {
        leaf.distinguished_name.remove(DnType::OrganizationName);
    });
    assert_eq!(nobody, Fault::NoOrganisation { subject: "CN=leaf".into() });
    let usage = fault(|leaf| leaf.key_usages = vec![KeyUsagePurpose::KeyEncipherment]);
    assert!(matches!(usage, Fault::KeyUsage { .. }), "{usage}");
    for purpose in [ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::Any] {
        let named = fault(|leaf| leaf.extended_key_usages = vec![purpose]);
        assert!(matches!(named, Fault::ExtendedKeyUsage { .. }), "{named}");
    }
    let critical = fault(|leaf| {
        let mut extension = rcgen::CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![5, 0]);
        extension.set_criticality(true);
        leaf.custom_extensions.push(extension);
    });
    assert_eq!(critical, Fault::CriticalExtension { oid: "1.2.3.4".into() });
}

#[test]
fn keys_of_other_algorithms_sign_and_belong_to_their_certificate() {
    for (algorithm, curve) in
        [(Algorithm::Es256, &PKCS_ECDSA_P256_SHA256), (Algorithm::Es384, &rcgen::PKCS_ECDSA_P384_SHA384)]
    {
        let key = KeyPair::generate_for(curve).expect("a key");
        let (chain, pem) = leaf_for(&key, |_| ());
        let (dir, keys) = import(&chain, &pem).expect("it imports");
        assert_eq!(keys.signer().algorithm, algorithm.name());
        let credential = keys.credential(None);
        assert_eq!(credential.algorithm, algorithm);
        let signature = (credential.sign)(b"message").expect("it signs");
        let spki = rcgen::PublicKeyData::subject_public_key_info(&key);
        assert!(is_signed(algorithm, &spki, b"message", &signature));
        assert!(!is_signed(algorithm, &spki, b"other", &signature));
        // The log is signed by a key of its own, whose public half is kept.
        let signed = keys.sign(b"entry");
        let signers = SignerKeys::load(dir.path()).expect("readable");
        assert!(signers.verify(&keys.verifying_key(), b"entry", &signed));
        let mode = std::os::unix::fs::PermissionsExt::mode(
            &std::fs::metadata(dir.path().join("log.key")).expect("there").permissions(),
        );
        assert_eq!(mode & 0o777, 0o600);
        // What is rotated signs the log itself; what was logged before still counts.
        Keys::rotate(dir.path(), NOW, &entropy()).expect("it rotates");
        let signers = SignerKeys::load(dir.path()).expect("readable");
        assert!(signers.verify(&keys.verifying_key(), b"entry", &signed));

        for stranger in [curve, &PKCS_ED25519] {
            let other = KeyPair::generate_for(stranger).expect("a key").serialize_pem();
            let refused = import(&chain, &other).expect_err("another key").to_string();
            let words = format!("does not belong to the certificate, which is for another key ({algorithm})");
            assert!(refused.ends_with(&words), "{refused}");
        }
    }
    let (chain, _) = leaf(|_| ());
    let curve = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key").serialize_pem();
    assert!(matches!(import(&chain, &curve), Err(KeyError::OtherKey { .. })));
}

#[test]
fn a_self_signed_certificate_is_refused() {
    let key = KeyPair::generate_for(&PKCS_ED25519).expect("a key");
    let mut leaf = params("alone");
    leaf.is_ca = IsCa::ExplicitNoCa;
    leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    let chain = leaf.self_signed(&key).expect("it is signed").pem();
    let refused = import(&chain, &key.serialize_pem());
    assert!(matches!(refused, Err(KeyError::Profile { fault: Fault::SelfSigned { .. }, .. })), "{refused:?}");
}

#[test]
fn every_complaint_is_one_line() {
    let dir = made();
    write_private(&dir, "signing.key", "a\nb\n");
    assert_eq!(complaint(&dir).to_string().lines().count(), 1);
    let (chain, key) = leaf(|leaf| leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]);
    let refused = import(&chain, &key).expect_err("it is refused").to_string();
    assert_eq!(refused.lines().count(), 1);
    assert!(refused.contains("extendedKeyUsage is serverAuth; expected emailProtection"), "{refused}");
}

#[test]
fn an_imported_chain_leaves_its_root_to_the_anchors() {
    let (root, root_key) = root();
    let root_pem = root.self_signed(&root_key).expect("it is signed").pem();
    let key = KeyPair::generate_for(&PKCS_ED25519).expect("a key");
    let mut leaf = params("imported");
    leaf.is_ca = IsCa::ExplicitNoCa;
    leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::EmailProtection];
    leaf.use_authority_key_identifier_extension = true;
    let leaf_pem = leaf.signed_by(&key, &Issuer::new(root, root_key)).expect("it is signed").pem();
    let (_dir, keys) = import(&format!("{leaf_pem}{root_pem}"), &key.serialize_pem()).expect("it imports");
    assert_eq!(keys.chain_pem().matches("BEGIN CERTIFICATE").count(), 1);
    assert_eq!(keys.anchors().len(), 1);
    assert_eq!(keys.signer().common_name, "imported");
    assert_eq!(keys.watermark_key(), [9; 32]);
}

#[test]
fn a_chain_out_of_order_is_named() {
    let (leaf_pem, key) = leaf(|_| ());
    let (mut other, other_key) = root();
    other.distinguished_name.push(DnType::CommonName, "stranger");
    let stranger = other.self_signed(&other_key).expect("it is signed").pem();
    let refused = import(&format!("{leaf_pem}{stranger}"), &key);
    assert!(
        matches!(refused, Err(KeyError::Profile { fault: Fault::Order { position: 2, .. }, .. })),
        "{refused:?}"
    );
}
