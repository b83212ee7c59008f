//! Signing: a statement, a reference and pixels become a file with a manifest.

use std::fmt;
use std::io::Cursor;
use std::sync::{Arc, Mutex};

use c2pa::{Builder, Context, Signer, SigningAlg};
use serde::{Deserialize, Serialize};

use super::reading::Reading;
use super::stamp::{self, TimeStamps};
use super::statement::Statement;
use super::{LIMIT_BYTES, State, build, context, read};

/// How a key signs, as C2PA names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Algorithm {
    /// Ed25519 (RFC 8032): 64 bytes.
    Ed25519,
    /// ECDSA on P-256 with SHA-256: r and s, 64 bytes.
    Es256,
    /// ECDSA on P-384 with SHA-384: r and s, 96 bytes.
    Es384,
    /// RSASSA-PSS with SHA-256 and a salt of 32 bytes: as long as the modulus.
    Ps256,
}

impl Algorithm {
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Ed25519 => "ed25519",
            Algorithm::Es256 => "es256",
            Algorithm::Es384 => "es384",
            Algorithm::Ps256 => "ps256",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl From<Algorithm> for SigningAlg {
    fn from(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Ed25519 => SigningAlg::Ed25519,
            Algorithm::Es256 => SigningAlg::Es256,
            Algorithm::Es384 => SigningAlg::Es384,
            Algorithm::Ps256 => SigningAlg::Ps256,
        }
    }
}

/// Signs a message, or says why it could not.
pub type Sign<'a> = dyn Fn(&[u8]) -> Result<Vec<u8>, String> + Send + Sync + 'a;

/// Who signs: a certificate chain and the function that holds its key.
pub struct Credential<'a> {
    /// Leaf first, without the root.
    pub chain_pem: &'a str,
    pub algorithm: Algorithm,
    /// Gives a signature of `algorithm`.
    pub sign: &'a Sign<'a>,
    /// Roots (PEM) against which marks on the reference are judged.
    pub anchors: &'a [String],
    /// `None` where no time stamp is asked for.
    pub time_stamps: Option<TimeStamps<'a>>,
}

/// The reference as it came, with whatever manifest it carries.
pub struct ReferenceAsset<'a> {
    pub bytes: &'a [u8],
    /// Such as `image/png`.
    pub mime: &'a str,
    /// For people; a file name can be private, so say nothing that should not be published.
    pub title: &'a str,
    /// Its manifest store, where that is not in `bytes`.
    pub store: Option<&'a [u8]>,
}

/// Where a manifest goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Into the file.
    Within,
    /// Into a file of its own; the picture's stays as it is, byte for byte.
    Beside,
}

/// A signed file.
#[derive(Clone, Debug, PartialEq)]
pub struct SignedAsset {
    /// The whole file.
    pub bytes: Vec<u8>,
    /// The manifest's name: the identity of this credential. (The file's digest is none: padding in the
    /// signature is not authenticated.)
    pub label: String,
    /// The manifest store alone, by which a stripped file recovers its credentials.
    pub store: Vec<u8>,
    /// Why there is no time stamp in it, where one was asked for.
    pub unstamped: Option<String>,
    /// What it says, read back.
    pub reading: Reading,
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
    #[error("the signer gave no signature: {reason}")]
    Signer { reason: String },
    #[error("the time-stamp authority gave no time stamp: {reason}")]
    TimeStamp { reason: String },
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
    sign_at(Place::Within, bytes, mime, statement, reference, credential)
}

/// The same with the manifest at `place`.
pub fn sign_at(
    place: Place,
    bytes: &[u8],
    mime: &str,
    statement: &Statement,
    reference: &ReferenceAsset<'_>,
    credential: &Credential<'_>,
) -> Result<SignedAsset, SignError> {
    sign_all(place, bytes, mime, statement, reference, None, credential)
}

/// The same of a picture that was made elsewhere: `opened` is the file as it was brought, and its manifest, where it has
/// one, goes along.
pub fn sign_adopted(
    place: Place,
    bytes: &[u8],
    mime: &str,
    statement: &Statement,
    reference: &ReferenceAsset<'_>,
    opened: &ReferenceAsset<'_>,
    credential: &Credential<'_>,
) -> Result<SignedAsset, SignError> {
    sign_all(place, bytes, mime, statement, reference, Some(opened), credential)
}

fn sign_all(
    place: Place,
    bytes: &[u8],
    mime: &str,
    statement: &Statement,
    reference: &ReferenceAsset<'_>,
    opened: Option<&ReferenceAsset<'_>>,
    credential: &Credential<'_>,
) -> Result<SignedAsset, SignError> {
    for brought in [Some(reference), opened].into_iter().flatten() {
        bounded(brought.bytes)?;
    }
    signed(place, bytes, mime, credential, |context| build::build(context, statement, reference, opened))
}

/// Signs what `build` says about `bytes`, and checks the result.
pub(super) fn signed(
    place: Place,
    bytes: &[u8],
    mime: &str,
    credential: &Credential<'_>,
    build: impl FnOnce(&Arc<Context>) -> Result<Builder, SignError>,
) -> Result<SignedAsset, SignError> {
    bounded(bytes)?;
    let pen = Pen::new(credential)?;
    let context = context(credential.anchors).map_err(sdk("prepare the C2PA library"))?.into_shared();
    // What is taken in comes from anywhere.
    let written = read::guarded(|| finish(&mut build(&context)?, place, bytes, mime, &pen));
    read_back(written.map_err(|reason| SignError::Panic { reason })??, mime, credential)
}

fn bounded(bytes: &[u8]) -> Result<(), SignError> {
    let (bytes, limit) = (bytes.len(), LIMIT_BYTES);
    if bytes > limit { Err(SignError::TooLarge { bytes, limit }) } else { Ok(()) }
}

/// A signed file and its manifest store, not read back yet.
struct Written {
    place: Place,
    bytes: Vec<u8>,
    store: Vec<u8>,
    unstamped: Option<String>,
}

fn finish(
    builder: &mut Builder,
    place: Place,
    bytes: &[u8],
    mime: &str,
    pen: &Pen<'_>,
) -> Result<Written, SignError> {
    builder.set_no_embed(place == Place::Beside);
    let mut out = Cursor::new(Vec::new());
    let store =
        builder.sign(pen, mime, &mut Cursor::new(bytes), &mut out).map_err(|e| refusal(e, mime, pen))?;
    let out = out.into_inner();
    if place == Place::Beside && out != bytes {
        return Err(SignError::ReadBack {
            reason: "the file changed, though its manifest lies beside it".into(),
        });
    }
    Ok(Written { place, bytes: out, store, unstamped: told(&pen.unstamped) })
}

/// What was written, if it holds.
fn read_back(written: Written, mime: &str, credential: &Credential<'_>) -> Result<SignedAsset, SignError> {
    let Written { place, bytes, store, unstamped } = written;
    let unread = |reason: String| SignError::ReadBack { reason };
    let reading = match place {
        Place::Within => read::read(&bytes, mime, credential.anchors),
        Place::Beside => read::read_detached(&store, &bytes, mime, credential.anchors).map(Some),
    };
    let reading = reading.map_err(|e| unread(e.to_string()))?;
    let reading = reading.ok_or_else(|| unread("no manifest is in it".into()))?;
    match reading.state {
        State::Invalid => Err(unread(reading.failure_codes().join(", "))),
        _ => Ok(SignedAsset { bytes, label: reading.label.clone(), store, unstamped, reading }),
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
    if let Some(reason) = told(&pen.unsigned) {
        return SignError::Signer { reason };
    }
    if let Some(reason) = told(&pen.unstamped) {
        return SignError::TimeStamp { reason };
    }
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

/// What was noted, if anything was.
fn told(note: &Mutex<Option<String>>) -> Option<String> {
    // A panic on the way leaves a note as good as any.
    note.lock().map_or_else(|poisoned| poisoned.into_inner().clone(), |note| note.clone())
}

fn tell(note: &Mutex<Option<String>>, reason: String) {
    *note.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(reason);
}

/// The credential as the SDK wants it, with room for the signature cut to what it needs.
struct Pen<'a> {
    sign: &'a Sign<'a>,
    algorithm: Algorithm,
    time_stamps: Option<&'a TimeStamps<'a>>,
    /// DER, leaf first.
    chain: Vec<Vec<u8>>,
    /// Why the key gave no signature: the SDK's errors have no room for it.
    unsigned: Mutex<Option<String>>,
    /// Why there is no time stamp.
    unstamped: Mutex<Option<String>>,
}

impl<'a> Pen<'a> {
    fn new(credential: &'a Credential<'a>) -> Result<Self, SignError> {
        let chain = read::certificates(credential.chain_pem)
            .map_err(|e| SignError::Chain { reason: one_line(&e) })?;
        if chain.is_empty() {
            return Err(SignError::Chain { reason: "expected a CERTIFICATE block, found none".into() });
        }
        Ok(Pen {
            sign: credential.sign,
            algorithm: credential.algorithm,
            time_stamps: credential.time_stamps.as_ref(),
            chain,
            unsigned: Mutex::new(None),
            unstamped: Mutex::new(None),
        })
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
        (self.sign)(data).map_err(|reason| {
            tell(&self.unsigned, reason);
            c2pa::Error::CoseSignature
        })
    }

    fn alg(&self) -> SigningAlg {
        self.algorithm.into()
    }

    fn certs(&self) -> c2pa::Result<Vec<Vec<u8>>> {
        Ok(self.chain.clone())
    }

    /// Chain, COSE headers, the signature (256 bytes of RSA with 2048 bits, 512 with 4096) and a time stamp. The
    /// SDK's own reserve is 10 KB of zeros.
    fn reserve_size(&self) -> usize {
        let signature = if self.algorithm == Algorithm::Ps256 { 1536 } else { 1024 };
        let stamp = if self.time_stamps.is_some() { stamp::ROOM } else { 0 };
        signature + stamp + self.chain.iter().map(Vec::len).sum::<usize>()
    }

    fn send_timestamp_request(&self, message: &[u8]) -> Option<c2pa::Result<Vec<u8>>> {
        let asked = self.time_stamps?;
        match asked.stamp(message) {
            Ok(answer) => Some(Ok(answer)),
            Err(reason) => {
                tell(&self.unstamped, reason);
                asked.required.then_some(Err(c2pa::Error::CoseTimeStampGeneration))
            }
        }
    }
}
