//! Certificates that reach the signer without the checks of `keys`: each fault is named at signing.

use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, SigningKey};
use time::Duration;
use vidimus::manifest::{self, Algorithm, Credential, ReferenceAsset, SignError, State};
use vidimus::raster::Format;

use crate::certified::certified;
use crate::support::*;

/// What signing with a leaf changed by `change` says.
fn sign_as(change: impl FnOnce(&mut CertificateParams)) -> Result<State, SignError> {
    let made = certified(change);
    let pen = |message: &[u8]| Ok(made.key.sign(message).expect("it signs"));
    let credential = Credential {
        chain_pem: &made.leaf.pem(),
        algorithm: Algorithm::Ed25519,
        sign: &pen,
        anchors: &[made.root],
        time_stamps: None,
    };
    let bytes = picture(Format::Png, 0);
    let reference = ReferenceAsset { bytes: &bytes, mime: "image/png", title: "reference", store: None };
    let signed = manifest::sign(&bytes, "image/png", &statement(&bytes), &reference, &credential)?;
    Ok(read(&signed.bytes, Format::Png, credential.anchors).state)
}

fn fault(change: impl FnOnce(&mut CertificateParams)) -> String {
    match sign_as(change) {
        Err(SignError::Certificate { fault }) => fault,
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_accepted_purpose_is_trusted_under_its_root() {
    let state = sign_as(|_| ());
    assert!(matches!(state, Ok(State::Trusted)), "{state:?}");
    for oid in [vec![1, 3, 6, 1, 5, 5, 7, 3, 36], vec![1, 3, 6, 1, 4, 1, 62558, 2, 1]] {
        let state = sign_as(|leaf| leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::Other(oid)]);
        assert!(matches!(state, Ok(State::Trusted)), "{state:?}");
    }
}

#[test]
fn a_missing_extension_is_named_at_signing() {
    assert_eq!(fault(|leaf| leaf.key_usages.clear()), "it has no keyUsage");
    assert_eq!(fault(|leaf| leaf.extended_key_usages.clear()), "it has no extendedKeyUsage");
    let no_authority = fault(|leaf| leaf.use_authority_key_identifier_extension = false);
    assert_eq!(no_authority, "it has no authorityKeyIdentifier");
}

#[test]
fn a_subject_without_an_organisation_is_named_at_signing() {
    let nobody = fault(|leaf| {
        leaf.distinguished_name.remove(DnType::OrganizationName);
    });
    assert_eq!(nobody, "its subject has no organizationName (O)");
}

#[test]
fn a_wrong_purpose_gets_told_what_was_expected() {
    let server = fault(|leaf| leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]);
    assert!(server.contains("expected CA:FALSE") && server.contains("emailProtection"), "{server}");
    let authority = fault(|leaf| leaf.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
    assert!(authority.contains("CA:FALSE"), "{authority}");
}

#[test]
fn a_certificate_outside_its_time_is_named_at_signing() {
    let expired = fault(|leaf| leaf.not_after = today() - Duration::hours(1));
    let early = fault(|leaf| leaf.not_before = today() + Duration::hours(1));
    assert_eq!(expired, "it has expired or is not valid yet");
    assert_eq!(early, expired);
}
