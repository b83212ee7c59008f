//! A local root that signs one leaf and is then forgotten.

use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyUsagePurpose, PKCS_ED25519, PublicKeyData, SignatureAlgorithm,
};
use time::{Duration, OffsetDateTime};

use super::{Entropy, KeyError, check};
use crate::digest::Digest;

/// Life of root and leaf. Without a trusted time-stamp an output reads as invalid once its leaf has expired,
/// so the leaf must outlive what it marks; the 366 days of the C2PA conformance programme suppose a
/// time-stamp. Rotating more often is free: old outputs keep the life of their own leaf.
const LIFE: Duration = Duration::days(3650);
/// A verifier's clock may be a little behind.
const CLOCK_SKEW: Duration = Duration::hours(1);
/// id-kp-c2pa-claimSigning.
const CLAIM_SIGNING: [u64; 9] = [1, 3, 6, 1, 4, 1, 62558, 2, 1];
const ORGANISATION: &str = "vidimus (self-issued)";

/// What `issue` leaves: the root's private key is not among it.
pub(super) struct Issued {
    pub root_pem: String,
    pub root_fingerprint: Digest,
    pub leaf_pem: String,
    pub key_pem: String,
}

/// A root and a leaf, both Ed25519; the same entropy and time give the same bytes.
pub(super) fn issue(entropy: &Entropy, now: OffsetDateTime) -> Result<Issued, KeyError> {
    let source = |source| KeyError::Issue { source };
    let root_key = Pen::from_seed(&entropy.root);
    let leaf_key = Pen::from_seed(&entropy.signing);

    let mut root = params("vidimus local root", &root_key, now).map_err(source)?;
    root.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    root.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let root_certificate = root.self_signed(&root_key).map_err(source)?;

    let mut leaf = params("vidimus local signer", &leaf_key, now).map_err(source)?;
    leaf.is_ca = IsCa::ExplicitNoCa;
    leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    leaf.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::EmailProtection,
        ExtendedKeyUsagePurpose::Other(CLAIM_SIGNING.to_vec()),
    ];
    // Without it the SDK refuses the certificate, and says only that it is invalid.
    leaf.use_authority_key_identifier_extension = true;
    let leaf_certificate = leaf.signed_by(&leaf_key, &Issuer::new(root, root_key)).map_err(source)?;

    Ok(Issued {
        root_fingerprint: Digest::of(root_certificate.der()),
        root_pem: root_certificate.pem(),
        leaf_pem: leaf_certificate.pem(),
        key_pem: check::private_key_pem(&leaf_key.key)?,
    })
}

fn params(name: &str, key: &Pen, now: OffsetDateTime) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(Vec::<String>::new())?;
    params.distinguished_name = DistinguishedName::new();
    // Names differ between rotations, so that a verifier's search by issuer name finds one root.
    let name = format!("{name} {}", Digest::of(key.public).short(8));
    params.distinguished_name.push(DnType::CommonName, name);
    params.distinguished_name.push(DnType::OrganizationName, ORGANISATION);
    params.not_before = now - CLOCK_SKEW;
    params.not_after = params.not_before + LIFE;
    Ok(params)
}

/// An Ed25519 key in the form that rcgen signs with; its seed comes from the caller.
struct Pen {
    key: SigningKey,
    public: [u8; 32],
}

impl Pen {
    fn from_seed(seed: &[u8; 32]) -> Self {
        let key = SigningKey::from_bytes(seed);
        let public = VerifyingKey::from(&key).to_bytes();
        Pen { key, public }
    }
}

impl PublicKeyData for Pen {
    fn der_bytes(&self) -> &[u8] {
        &self.public
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ED25519
    }
}

impl rcgen::SigningKey for Pen {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        Ok(self.key.sign(message).to_bytes().to_vec())
    }
}
