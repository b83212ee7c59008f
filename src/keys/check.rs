//! Reading a private key and a certificate chain, with a name for everything that can be wrong.
//!
//! The C2PA SDK answers most faults of a certificate with "the certificate is invalid", at signing time;
//! here each has its own line, before anything is generated.

use std::path::Path;

use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::spki::der::pem::{LineEnding, encode_string};
use ed25519_dalek::pkcs8::{EncodePrivateKey, KeypairBytes, PrivateKeyInfo};
use time::OffsetDateTime;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{ExtendedKeyUsage, KeyUsage, ParsedExtension};
use x509_parser::pem::Pem;
use x509_parser::prelude::FromDer;

use super::{Fault, KeyError, Signer, rfc3339};
use crate::digest::Digest;
use crate::manifest::Algorithm;

const ED25519: &str = "1.3.101.112";
const DOCUMENT_SIGNING: &str = "1.3.6.1.5.5.7.3.36";
const CLAIM_SIGNING: &str = "1.3.6.1.4.1.62558.2.1";

/// A leaf certificate that passed, and its chain.
pub(super) struct Chain {
    pub signer: Signer,
    pub algorithm: Algorithm,
    /// Of the leaf: DER, SubjectPublicKeyInfo.
    pub public_key: Vec<u8>,
    /// The same, of an Ed25519 key.
    pub ed25519: Option<[u8; 32]>,
    /// DER, leaf first.
    pub certificates: Vec<Vec<u8>>,
}

/// A private key that signs manifests.
pub(super) enum PrivateKey {
    Ed25519(SigningKey),
    /// As PEM; the SDK understands the others.
    Other(String),
}

/// The private key in `text`, of whatever algorithm.
pub(super) fn signing_key(path: &Path, text: &str) -> Result<PrivateKey, KeyError> {
    match private_key(path, text) {
        Ok(key) => Ok(PrivateKey::Ed25519(key)),
        Err(KeyError::NotEd25519 { .. }) => Ok(PrivateKey::Other(text.to_owned())),
        Err(error) => Err(error),
    }
}

/// The Ed25519 private key in `text`.
pub(super) fn private_key(path: &Path, text: &str) -> Result<SigningKey, KeyError> {
    let path = || path.to_owned();
    let block = blocks(text).into_iter().next();
    let block = block.ok_or_else(|| KeyError::NotPem { path: path(), expected: "PRIVATE KEY" })?;
    if block.label != "PRIVATE KEY" {
        return Err(KeyError::NotPkcs8 { path: path(), found: block.label });
    }
    let info = PrivateKeyInfo::try_from(block.contents.as_slice())
        .map_err(|_| KeyError::NotPkcs8 { path: path(), found: "a block that is no PKCS#8".into() })?;
    let found = info.algorithm.oid.to_string();
    if found != ED25519 {
        return Err(KeyError::NotEd25519 { path: path(), found });
    }
    let pair = KeypairBytes::try_from(info).map_err(|_| KeyError::DamagedKey { path: path() })?;
    let key = SigningKey::from_bytes(&pair.secret_key);
    match pair.public_key {
        Some(public) if public.to_bytes() != key.verifying_key().to_bytes() => {
            Err(KeyError::DamagedKey { path: path() })
        }
        _ => Ok(key),
    }
}

/// The chain in `text`, whose leaf must keep the C2PA certificate profile and be valid at `now`.
pub(super) fn chain(path: &Path, text: &str, now: OffsetDateTime) -> Result<Chain, KeyError> {
    let certificates = certificates(path, text)?;
    let parsed = certificates
        .iter()
        .enumerate()
        .map(|(i, der)| parse(path, i + 1, der))
        .collect::<Result<Vec<_>, _>>()?;
    let fault = |fault| KeyError::Profile { path: path.to_owned(), fault };
    let leaf = parsed.first().ok_or_else(|| not_pem(path))?;
    profile(leaf).map_err(fault)?;
    for (i, pair) in parsed.windows(2).enumerate() {
        if pair[0].issuer() != pair[1].subject() {
            let (expected, found) = (pair[0].issuer().to_string(), pair[1].subject().to_string());
            return Err(fault(Fault::Order { position: i + 2, expected, found }));
        }
    }
    let algorithm = algorithm(leaf).map_err(fault)?;
    let public_key = leaf.public_key().raw.to_vec();
    let ed25519 = public_key_of(leaf).ok();
    let signer = describe(path, &certificates[0], leaf, algorithm)?;
    if now > signer.not_after {
        let (not_after, now) = (rfc3339(signer.not_after), rfc3339(now));
        return Err(KeyError::Expired { path: path.to_owned(), not_after, now });
    }
    if now < signer.not_before {
        let (not_before, now) = (rfc3339(signer.not_before), rfc3339(now));
        return Err(KeyError::NotYetValid { path: path.to_owned(), not_before, now });
    }
    Ok(Chain { signer, algorithm, public_key, ed25519, certificates })
}

/// The certificates in `text` as DER; at least one.
pub(super) fn certificates(path: &Path, text: &str) -> Result<Vec<Vec<u8>>, KeyError> {
    let blocks: Vec<_> = blocks(text).into_iter().filter(|b| b.label == "CERTIFICATE").collect();
    if blocks.is_empty() {
        return Err(not_pem(path));
    }
    for (i, block) in blocks.iter().enumerate() {
        parse(path, i + 1, &block.contents)?;
    }
    Ok(blocks.into_iter().map(|b| b.contents).collect())
}

/// A private key as PKCS#8 version 1, without the public key: every reader of RFC 8410 takes it.
pub(super) fn private_key_pem(key: &SigningKey) -> Result<String, KeyError> {
    let pair = KeypairBytes { secret_key: key.to_bytes(), public_key: None };
    let pem = pair.to_pkcs8_pem(LineEnding::LF).map_err(|_| KeyError::Encode)?;
    Ok(pem.to_string())
}

/// A certificate as PEM (RFC 7468).
pub(super) fn certificate_pem(der: &[u8]) -> Result<String, KeyError> {
    encode_string("CERTIFICATE", LineEnding::LF, der).map_err(|_| KeyError::Encode)
}

/// Whether the certificate names itself as its issuer: a root.
pub(super) fn is_self_issued(der: &[u8]) -> bool {
    X509Certificate::from_der(der).is_ok_and(|(_, c)| c.issuer() == c.subject())
}

/// The rules of the profile, each with its name.
fn profile(leaf: &X509Certificate<'_>) -> Result<(), Fault> {
    if leaf.version().0 != 2 {
        return Err(Fault::Version { found: leaf.version().0 + 1 });
    }
    if leaf.issuer() == leaf.subject() {
        return Err(Fault::SelfSigned { subject: leaf.subject().to_string() });
    }
    if leaf.is_ca() {
        return Err(Fault::CertificateAuthority);
    }
    if leaf.issuer_uid.is_some() || leaf.subject_uid.is_some() {
        return Err(Fault::UniqueIds);
    }
    if leaf.subject().iter_organization().next().is_none() {
        return Err(Fault::NoOrganisation { subject: leaf.subject().to_string() });
    }
    let mut usage = Err(Fault::NoKeyUsage);
    let mut purpose = Err(Fault::NoExtendedKeyUsage);
    let mut authority = Err(Fault::NoAuthorityKeyIdentifier);
    for extension in leaf.extensions() {
        match extension.parsed_extension() {
            ParsedExtension::KeyUsage(found) => usage = key_usage(found),
            ParsedExtension::ExtendedKeyUsage(found) => purpose = extended_key_usage(found),
            ParsedExtension::AuthorityKeyIdentifier(_) => authority = Ok(()),
            ParsedExtension::UnsupportedExtension { .. } | ParsedExtension::Unparsed
                if extension.critical =>
            {
                return Err(Fault::CriticalExtension { oid: extension.oid.to_id_string() });
            }
            _ => {}
        }
    }
    usage.and(purpose).and(authority)
}

fn key_usage(found: &KeyUsage) -> Result<(), Fault> {
    if found.digital_signature() && !found.key_cert_sign() {
        return Ok(());
    }
    Err(Fault::KeyUsage { found: found.to_string() })
}

fn extended_key_usage(found: &ExtendedKeyUsage<'_>) -> Result<(), Fault> {
    let others: Vec<String> = found.other.iter().map(|oid| oid.to_id_string()).collect();
    let wanted =
        found.email_protection || others.iter().any(|oid| oid == DOCUMENT_SIGNING || oid == CLAIM_SIGNING);
    if wanted && !found.any && !found.time_stamping && !found.ocsp_signing {
        return Ok(());
    }
    let named = [
        (found.any, "anyExtendedKeyUsage"),
        (found.server_auth, "serverAuth"),
        (found.client_auth, "clientAuth"),
        (found.code_signing, "codeSigning"),
        (found.email_protection, "emailProtection"),
        (found.time_stamping, "timeStamping"),
        (found.ocsp_signing, "OCSPSigning"),
    ];
    let named = named.iter().filter(|(set, _)| *set).map(|(_, name)| (*name).to_owned());
    Err(Fault::ExtendedKeyUsage { found: named.chain(others).collect::<Vec<_>>().join(", ") })
}

/// The Ed25519 public key of the leaf in `text`, whatever else may be wrong with its chain; none for another key.
pub(super) fn leaf_key(path: &Path, text: &str) -> Result<Option<[u8; 32]>, KeyError> {
    let certificates = certificates(path, text)?;
    let leaf = parse(path, 1, certificates.first().ok_or_else(|| not_pem(path))?)?;
    Ok(public_key_of(&leaf).ok())
}

/// When the leaf in `text` ends.
pub(super) fn leaf_end(path: &Path, text: &str) -> Option<OffsetDateTime> {
    let certificates = certificates(path, text).ok()?;
    let leaf = parse(path, 1, certificates.first()?).ok()?;
    OffsetDateTime::from_unix_timestamp(leaf.validity().not_after.timestamp()).ok()
}

/// What the key of a certificate signs with.
fn algorithm(leaf: &X509Certificate<'_>) -> Result<Algorithm, Fault> {
    const RSA: [&str; 2] = ["1.2.840.113549.1.1.1", "1.2.840.113549.1.1.10"];
    let info = leaf.public_key();
    let oid = info.algorithm.algorithm.to_id_string();
    if oid == "1.2.840.10045.2.1" {
        let curve = info.algorithm.parameters.as_ref().and_then(|any| any.as_oid().ok());
        let curve = curve.map(|oid| oid.to_id_string()).unwrap_or_default();
        return match curve.as_str() {
            "1.2.840.10045.3.1.7" => Ok(Algorithm::Es256),
            "1.3.132.0.34" => Ok(Algorithm::Es384),
            _ => Err(Fault::Algorithm { found: format!("{oid} on curve {curve}") }),
        };
    }
    if RSA.contains(&oid.as_str()) {
        return match info.parsed().map(|key| key.key_size()) {
            Ok(bits) if bits >= 2048 => Ok(Algorithm::Ps256),
            Ok(found) => Err(Fault::Weak { found }),
            Err(_) => Err(Fault::Algorithm { found: oid }),
        };
    }
    public_key_of(leaf).map(|_| Algorithm::Ed25519)
}

fn public_key_of(leaf: &X509Certificate<'_>) -> Result<[u8; 32], Fault> {
    let found = leaf.public_key().algorithm.algorithm.to_id_string();
    let bytes: Option<[u8; 32]> = leaf.public_key().subject_public_key.data.as_ref().try_into().ok();
    match bytes {
        Some(bytes) if found == ED25519 => Ok(bytes),
        _ => Err(Fault::Algorithm { found }),
    }
}

fn describe(
    path: &Path,
    der: &[u8],
    leaf: &X509Certificate<'_>,
    algorithm: Algorithm,
) -> Result<Signer, KeyError> {
    let first = |mut names: Vec<&str>| names.drain(..).next().unwrap_or_default().to_owned();
    let date = |t: x509_parser::time::ASN1Time| {
        OffsetDateTime::from_unix_timestamp(t.timestamp()).map_err(|e| KeyError::NotACertificate {
            path: path.to_owned(),
            position: 1,
            reason: e.to_string(),
        })
    };
    let subject = leaf.subject();
    Ok(Signer {
        common_name: first(subject.iter_common_name().filter_map(|n| n.as_str().ok()).collect()),
        organisation: first(subject.iter_organization().filter_map(|n| n.as_str().ok()).collect()),
        serial: leaf.raw_serial().iter().map(|byte| format!("{byte:02x}")).collect(),
        fingerprint: Digest::of(der),
        not_before: date(leaf.validity().not_before)?,
        not_after: date(leaf.validity().not_after)?,
        algorithm: algorithm.name(),
    })
}

fn blocks(text: &str) -> Vec<Pem> {
    Pem::iter_from_buffer(text.as_bytes()).map_while(Result::ok).collect()
}

fn parse<'a>(path: &Path, position: usize, der: &'a [u8]) -> Result<X509Certificate<'a>, KeyError> {
    let fault = |reason: String| KeyError::NotACertificate { path: path.to_owned(), position, reason };
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        Ok((rest, _)) => Err(fault(format!("{} bytes follow it", rest.len()))),
        Err(e) => Err(fault(e.to_string())),
    }
}

fn not_pem(path: &Path) -> KeyError {
    KeyError::NotPem { path: path.to_owned(), expected: "CERTIFICATE" }
}
