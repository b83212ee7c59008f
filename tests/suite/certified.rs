//! Throw-away certificates: a leaf by a root that nobody has.
#![allow(dead_code)] // Each test binary uses its own part.

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_ED25519,
};
use time::{Duration, OffsetDateTime};

pub struct Certified {
    pub key: KeyPair,
    pub leaf: Certificate,
    /// PEM.
    pub root: String,
}

/// A leaf, changed by `change`; it is valid for 30 days.
pub fn certified(change: impl FnOnce(&mut CertificateParams)) -> Certified {
    let (root_key, key) = (pair(), pair());
    let mut root = params("root", 1000);
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    root.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let anchor = root.self_signed(&root_key).expect("it is signed").pem();
    let mut leaf = params("leaf", 30);
    leaf.is_ca = IsCa::ExplicitNoCa;
    leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::EmailProtection];
    leaf.use_authority_key_identifier_extension = true;
    change(&mut leaf);
    let leaf = leaf.signed_by(&key, &Issuer::new(root, root_key)).expect("it is signed");
    Certified { key, leaf, root: anchor }
}

/// A subject's common name and organisation.
pub fn name(common_name: &str, organisation: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name.push(DnType::OrganizationName, organisation);
    name
}

fn pair() -> KeyPair {
    KeyPair::generate_for(&PKCS_ED25519).expect("a key")
}

fn params(common_name: &str, days: i64) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::<String>::new()).expect("parameters");
    params.distinguished_name = name(common_name, "tests");
    params.not_before = OffsetDateTime::now_utc() - Duration::days(1);
    params.not_after = OffsetDateTime::now_utc() + Duration::days(days);
    params
}
