//! Signing: a statement, a reference and pixels become a file with a manifest.

use std::io::Cursor;

use c2pa::{Builder, Signer, SigningAlg};

use super::statement::Statement;
use super::{LIMIT_BYTES, State, build, context, read};

/// Who signs: an Ed25519 certificate chain and the function that holds its key.
pub struct Credential<'a> {
    /// Leaf first, without the root.
    pub chain_pem: &'a str,
    /// Gives the 64 bytes of an Ed25519 signature (RFC 8032).
    pub sign: &'a (dyn Fn(&[u8]) -> Vec<u8> + Send + Sync),
    /// Roots (PEM) against which marks on the reference are judged.
    pub anchors: &'a [String],
}

/// The reference as it came, with whatever manifest it carries.
pub struct ReferenceAsset<'a> {
    pub bytes: &'a [u8],
    /// Such as `image/png`.
    pub mime: &'a str,
    /// For people; a file name can be private, so say nothing that should not be published.
    pub title: &'a str,
}

/// A signed file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedAsset {
    /// The whole file.
    pub bytes: Vec<u8>,
    /// The manifest's name: the identity of this credential. (The file's digest is none: padding in the
    /// signature is not authenticated.)
    pub label: String,
    /// The manifest store alone, by which a stripped file recovers its credentials.
    pub store: Vec<u8>,
}

/// Why nothing was signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    #[error("the statement cannot be signed: {reason}")]
    Statement { reason: String },
    #[error("{bytes} bytes are over the limit of {limit}")]
    TooLarge { bytes: usize, limit: usize },
    #[error("{mime} cannot carry a C2PA manifest")]
    Format { mime: String },
    #[error("the certificate chain is not PEM: {reason}")]
    Chain { reason: String },
    #[error("the signing certificate is refused: {fault}")]
    Certificate { fault: String },
    #[error("the signature is not one of the signing certificate's key")]
    Signature,
    #[error("cannot {action}: {reason}")]
    Sdk { action: &'static str, reason: String },
    #[error("the C2PA library failed on this input: {reason}")]
    Panic { reason: String },
    #[error("the signed file does not read back: {reason}")]
    ReadBack { reason: String },
}

/// Puts a manifest with `statement` into `bytes` (a file of type `mime`) and checks the result.
///
/// The certificate's validity is judged by the SDK at its own clock. Labels and salts are random, so two
/// signatures over the same picture differ in bytes.
///
/// # Errors
/// Before anything is written: whatever is wrong with the statement, the certificate, the key or the file.
pub fn sign(
    bytes: &[u8],
    mime: &str,
    statement: &Statement,
    reference: &ReferenceAsset<'_>,
    credential: &Credential<'_>,
) -> Result<SignedAsset, SignError> {
    for size in [bytes.len(), reference.bytes.len()] {
        if size > LIMIT_BYTES {
            return Err(SignError::TooLarge { bytes: size, limit: LIMIT_BYTES });
        }
    }
    let pen = Pen::new(credential)?;
    let context = context(credential.anchors).map_err(sdk("prepare the C2PA library"))?.into_shared();
    // The reference comes from anywhere.
    let signed = read::guarded(|| {
        let mut builder = build::build(&context, statement, reference)?;
        finish(&mut builder, bytes, mime, &pen)
    });
    read_back(signed.map_err(|reason| SignError::Panic { reason })??, mime, credential)
}

/// A signed file and its manifest store, not read back yet.
pub(super) struct Written {
    bytes: Vec<u8>,
    store: Vec<u8>,
}

/// Signs what `builder` says about `bytes`.
pub(super) fn finish(
    builder: &mut Builder,
    bytes: &[u8],
    mime: &str,
    pen: &Pen<'_>,
) -> Result<Written, SignError> {
    let mut out = Cursor::new(Vec::new());
    let store =
        builder.sign(pen, mime, &mut Cursor::new(bytes), &mut out).map_err(|e| refusal(e, mime, pen))?;
    Ok(Written { bytes: out.into_inner(), store })
}

/// What was written, if it holds.
pub(super) fn read_back(
    written: Written,
    mime: &str,
    credential: &Credential<'_>,
) -> Result<SignedAsset, SignError> {
    let Written { bytes, store } = written;
    let back = read::read(&bytes, mime, credential.anchors)
        .map_err(|e| SignError::ReadBack { reason: e.to_string() })?
        .ok_or_else(|| SignError::ReadBack { reason: "no manifest is in it".into() })?;
    match back.state {
        State::Invalid => Err(SignError::ReadBack { reason: back.failure_codes().join(", ") }),
        _ => Ok(SignedAsset { bytes, label: back.label, store }),
    }
}

pub(super) fn sdk(action: &'static str) -> impl FnOnce(c2pa::Error) -> SignError {
    move |e| SignError::Sdk { action, reason: one_line(&e) }
}

pub(super) fn one_line(e: &c2pa::Error) -> String {
    e.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The SDK's error as a line that names what is wrong.
fn refusal(e: c2pa::Error, mime: &str, pen: &Pen<'_>) -> SignError {
    let reason = one_line(&e);
    if matches!(e, c2pa::Error::UnsupportedType) {
        return SignError::Format { mime: mime.to_owned() };
    }
    // The SDK declares its variants unstable and its texts are all that tells these apart.
    if reason.contains("signature does not match") {
        return SignError::Signature;
    }
    match pen.fault(&reason) {
        Some(fault) => SignError::Certificate { fault },
        None => SignError::Sdk { action: "sign", reason },
    }
}

/// The credential as the SDK wants it, with room for the signature cut to what Ed25519 needs.
pub(super) struct Pen<'a> {
    sign: &'a (dyn Fn(&[u8]) -> Vec<u8> + Send + Sync),
    /// DER, leaf first.
    chain: Vec<Vec<u8>>,
}

impl<'a> Pen<'a> {
    pub(super) fn new(credential: &Credential<'a>) -> Result<Self, SignError> {
        let chain = read::certificates(credential.chain_pem)
            .map_err(|e| SignError::Chain { reason: one_line(&e) })?;
        if chain.is_empty() {
            return Err(SignError::Chain { reason: "expected a CERTIFICATE block, found none".into() });
        }
        Ok(Pen { sign: credential.sign, chain })
    }

    /// What the SDK means: it says "the certificate is invalid" for most faults.
    fn fault(&self, reason: &str) -> Option<String> {
        if reason.contains("not valid at time of signing") {
            return Some("it has expired or is not valid yet".into());
        }
        if reason.contains("self-signed") {
            return Some("it is self-signed; expected a leaf signed by another certificate".into());
        }
        // The SDK reads the organisation and reports its absence as the absence of the whole chain.
        if reason.contains("could not find signing certificate chain") {
            return Some("its subject has no organizationName (O)".into());
        }
        if !reason.contains("certificate") {
            return None;
        }
        let leaf = self.chain.first()?;
        // Object identifiers as they stand in DER: tag 6, length 3, 2.5.29.x.
        let extensions = [(0x0f, "keyUsage"), (0x25, "extendedKeyUsage"), (0x23, "authorityKeyIdentifier")];
        let missing: Vec<&str> = extensions
            .iter()
            .filter(|(id, _)| !leaf.windows(5).any(|w| w == [0x06, 0x03, 0x55, 0x1d, *id]))
            .map(|(_, name)| *name)
            .collect();
        Some(if missing.is_empty() {
            format!(
                "{reason}; expected CA:FALSE, keyUsage digitalSignature and extendedKeyUsage emailProtection, \
                 documentSigning or c2pa-kp-claimSigning"
            )
        } else {
            format!("it has no {}", missing.join(" and no "))
        })
    }
}

impl Signer for Pen<'_> {
    fn sign(&self, data: &[u8]) -> c2pa::Result<Vec<u8>> {
        Ok((self.sign)(data))
    }

    fn alg(&self) -> SigningAlg {
        SigningAlg::Ed25519
    }

    fn certs(&self) -> c2pa::Result<Vec<Vec<u8>>> {
        Ok(self.chain.clone())
    }

    /// Chain, 64 bytes of signature and COSE headers. The SDK's own reserve is 10 KB of zeros.
    fn reserve_size(&self) -> usize {
        1024 + self.chain.iter().map(Vec::len).sum::<usize>()
    }
}
