//! What can be wrong with a key directory: one line each, facts in the fields.

use std::io;
use std::path::PathBuf;

use crate::manifest::Algorithm;
use crate::settings::SettingsError;

/// Why keys could not be made, read or changed.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("{path}: expected a {what}, found no such file")]
    Missing { path: PathBuf, what: &'static str },
    #[error("{path}: a signing key is already there")]
    Exists { path: PathBuf },
    #[error("{path}: cannot {action}: {source}")]
    Io { path: PathBuf, action: &'static str, source: io::Error },
    #[error("{path}: others can read this private file: expected mode 0600, found {mode:04o}")]
    Exposed { path: PathBuf, mode: u32 },
    #[error("{path}: not PEM: expected \"-----BEGIN {expected}-----\"")]
    NotPem { path: PathBuf, expected: &'static str },
    #[error("{path}: expected a PEM block of type PRIVATE KEY (PKCS#8, unencrypted), found {found}")]
    NotPkcs8 { path: PathBuf, found: String },
    #[error("{path}: expected an Ed25519 key (1.3.101.112), found algorithm {found}")]
    NotEd25519 { path: PathBuf, found: String },
    #[error("{path}: the PKCS#8 block holds no readable Ed25519 key")]
    DamagedKey { path: PathBuf },
    #[error("{path}: {reason}")]
    Unusable { path: PathBuf, reason: String },
    #[error("{path}: does not belong to the certificate, which is for another key ({algorithm})")]
    OtherKey { path: PathBuf, algorithm: Algorithm },
    #[error("{path}: the certificate is for {found} signatures: expected {expected}, as vidimus.toml says")]
    OtherAlgorithm { path: PathBuf, found: Algorithm, expected: Algorithm },
    #[error("{path}: protected by a passphrase: {reason}")]
    Protected { path: PathBuf, reason: String },
    #[error("{path}: the passphrase does not open it")]
    WrongPassphrase { path: PathBuf },
    #[error("{path}: {found}")]
    Protection { path: PathBuf, found: &'static str },
    #[error(
        "{path}: no certificate {certificate} ever signed here: expected the fingerprint of one, or 8 digits of it"
    )]
    NotOurs { path: PathBuf, certificate: String },
    #[error("{path}: that certificate is revoked already")]
    RevokedBefore { path: PathBuf },
    #[error("{path}: line {line} is no revocation by a key that counts here")]
    Revocation { path: PathBuf, line: usize },
    #[error("{path}: the certificate was revoked on {at} ({reason}) and signs nothing more")]
    Revoked { path: PathBuf, at: String, reason: &'static str },
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error("{path}: certificate {position} in the file cannot be parsed: {reason}")]
    NotACertificate { path: PathBuf, position: usize, reason: String },
    #[error(
        "{path}: does not belong to the certificate: the key is {key}, the certificate is for {certificate}"
    )]
    Mismatch { path: PathBuf, key: String, certificate: String },
    #[error("{path}: the certificate expired on {not_after}; now is {now}")]
    Expired { path: PathBuf, not_after: String, now: String },
    #[error("{path}: the certificate is valid from {not_before} only; now is {now}")]
    NotYetValid { path: PathBuf, not_before: String, now: String },
    #[error("{path}: the certificate is refused by the C2PA certificate profile: {fault}")]
    Profile { path: PathBuf, fault: Fault },
    #[error("{path}: expected 64 hexadecimal digits (32 bytes), found {found} characters")]
    WatermarkKey { path: PathBuf, found: usize },
    #[error(
        "{path}: not signed: expected a signature by {expected} in a file of that name with .sig; 'vidimus policy sign' makes it"
    )]
    Unsigned { path: PathBuf, expected: String },
    #[error("{path}: edited since {signer} signed it: expected the text that was signed")]
    Edited { path: PathBuf, signer: String },
    #[error("{path}: signed by {found}, which is not pinned here: expected {expected}")]
    OtherSigner { path: PathBuf, found: String, expected: String },
    #[error("{path}: not a signature: expected one line: ed25519 PUBLIC-KEY SIGNATURE")]
    NoSignature { path: PathBuf },
    #[error("{path}: expected an Ed25519 public key as PEM (-----BEGIN PUBLIC KEY-----)")]
    NoPublicKey { path: PathBuf },
    #[error("cannot issue a certificate: {source}")]
    Issue { source: rcgen::Error },
    #[error("cannot write a key or certificate as PEM")]
    Encode,
}

/// A rule of the certificate profile (C2PA 2.2, section 14.5.1) that a leaf certificate breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("expected X.509 version 3, found version {found}")]
    Version { found: u32 },
    #[error(
        "self-signed: subject and issuer are both {subject:?}; expected a leaf signed by another certificate"
    )]
    SelfSigned { subject: String },
    #[error("basicConstraints says CA:TRUE; expected an end-entity certificate (CA:FALSE)")]
    CertificateAuthority,
    #[error("the subject {subject:?} has no organizationName (O), which the C2PA SDK reads as the issuer")]
    NoOrganisation { subject: String },
    #[error("the keyUsage extension is missing; expected digitalSignature")]
    NoKeyUsage,
    #[error("keyUsage is {found}; expected digitalSignature without keyCertSign")]
    KeyUsage { found: String },
    #[error(
        "the extendedKeyUsage extension is missing; expected emailProtection, documentSigning or c2pa-kp-claimSigning"
    )]
    NoExtendedKeyUsage,
    #[error(
        "extendedKeyUsage is {found}; expected emailProtection, documentSigning or c2pa-kp-claimSigning, and never anyExtendedKeyUsage, timeStamping or OCSPSigning"
    )]
    ExtendedKeyUsage { found: String },
    #[error("the authorityKeyIdentifier extension is missing")]
    NoAuthorityKeyIdentifier,
    #[error("expected a certificate for a key of Ed25519, P-256, P-384 or RSA, found algorithm {found}")]
    Algorithm { found: String },
    #[error("expected RSA with 2048 bits or more, found {found}")]
    Weak { found: usize },
    #[error("issuerUniqueID or subjectUniqueID is present; expected neither")]
    UniqueIds,
    #[error("critical extension {oid} is not understood")]
    CriticalExtension { oid: String },
    #[error("certificate {position} does not follow: it is {found:?}, expected the issuer {expected:?}")]
    Order { position: usize, expected: String, found: String },
}
