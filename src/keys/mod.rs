//! The keys of a workspace: who signs, who is trusted, whose watermark it is.
//!
//! ```text
//! keys/signing.key          Ed25519, PKCS#8 PEM, mode 0600
//! keys/chain.pem            the leaf certificate and its intermediates, without the root
//! keys/watermark.key        32 bytes as 64 hexadecimal digits, mode 0600
//! keys/trust/*.pem          anchors: every root this workspace trusts, old ones too
//! keys/retired/*/chain.pem  chains that signed earlier outputs
//! keys/policy-signers/*.pem public keys of those who may sign policies here
//! ```
//! The only door of ed25519-dalek, rcgen and x509-parser.

mod check;
mod error;
mod files;
mod issue;
mod personal;
mod renew;
mod signers;

use std::fmt;
use std::path::{Path, PathBuf};

use ed25519_dalek::{Signer as _, SigningKey};
use serde::{Serialize, Serializer};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

pub use error::{Fault, KeyError};
pub use personal::{Approving, Detached, PersonalKey, PolicySigners, public_key, signature_path};
pub use signers::SignerKeys;

use crate::digest::Digest;

/// Random bytes for new keys, from the operating system; each part is used once.
pub struct Entropy {
    /// Seed of the root's key, forgotten after its one signature.
    pub root: [u8; 32],
    /// Seed of the signing key.
    pub signing: [u8; 32],
    /// The watermark key itself; not used where one is already there.
    pub watermark: [u8; 32],
}

/// Who signs, as the leaf certificate says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Signer {
    pub common_name: String,
    pub organisation: String,
    /// Hexadecimal digits, as in the certificate.
    pub serial: String,
    /// SHA-256 of the leaf's DER.
    pub fingerprint: Digest,
    #[serde(serialize_with = "as_rfc3339")]
    pub not_before: OffsetDateTime,
    #[serde(serialize_with = "as_rfc3339")]
    pub not_after: OffsetDateTime,
    /// As C2PA names it.
    pub algorithm: &'static str,
}

/// The checked keys of a workspace.
pub struct Keys {
    signing: SigningKey,
    chain_pem: String,
    watermark: [u8; 32],
    signer: Signer,
    anchors: Vec<String>,
}

/// What verification needs: nothing secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublicKeys {
    /// One PEM text per file of `trust/`, by file name.
    pub anchors: Vec<String>,
}

impl Keys {
    /// Makes a root, a leaf certificate valid for ten years and a watermark key, and writes them to `dir`.
    ///
    /// The root's private key is never written. On failure nothing new stays behind.
    ///
    /// # Errors
    /// `Exists` if there is a signing key already; `Io`; `WatermarkKey` or `Exposed` for a watermark key
    /// that is there and cannot be used.
    pub fn create(dir: &Path, now: OffsetDateTime, entropy: &Entropy) -> Result<Keys, KeyError> {
        renew::create(dir, now, entropy)?;
        Keys::load(dir, now)
    }

    /// Replaces key and certificate by new ones; anchors stay, the old chain goes to `retired/`.
    ///
    /// It does not read the old private key: keys that expired or were damaged can be rotated.
    /// The watermark key stays, for it recognises earlier outputs.
    pub fn rotate(dir: &Path, now: OffsetDateTime, entropy: &Entropy) -> Result<Keys, KeyError> {
        renew::rotate(dir, now, entropy)?;
        Keys::load(dir, now)
    }

    /// Brings a chain and its Ed25519 key from elsewhere; keys that are there are retired as by `rotate`.
    ///
    /// A root at the end of the chain goes to `trust/` and is left out of `chain.pem`.
    /// `watermark` becomes the watermark key where there is none.
    pub fn import(
        dir: &Path,
        chain_pem: &str,
        key_pem: &str,
        now: OffsetDateTime,
        watermark: &[u8; 32],
    ) -> Result<Keys, KeyError> {
        renew::import(dir, chain_pem, key_pem, now, watermark)?;
        Keys::load(dir, now)
    }

    /// Reads and checks everything: files, modes, formats, that key and certificate belong together, and
    /// that the leaf keeps the C2PA certificate profile and is valid at `now`.
    pub fn load(dir: &Path, now: OffsetDateTime) -> Result<Keys, KeyError> {
        let paths = Paths::of(dir);
        let key_pem = files::read_private(&paths.signing, "signing key")?;
        let chain_pem = files::read(&paths.chain, "certificate chain")?;
        let watermark_text = files::read_private(&paths.watermark, "watermark key")?;
        let signing = check::private_key(&paths.signing, &key_pem)?;
        let chain = check::chain(&paths.chain, &chain_pem, now)?;
        matches(&paths.signing, &signing, &chain.public_key)?;
        let watermark = watermark_key(&paths.watermark, &watermark_text)?;
        let PublicKeys { anchors } = Keys::load_public(dir)?;
        Ok(Keys { signing, chain_pem, watermark, signer: chain.signer, anchors })
    }

    /// The anchors alone; a missing directory has none.
    pub fn load_public(dir: &Path) -> Result<PublicKeys, KeyError> {
        let anchors = files::pem_files(&dir.join("trust"))?
            .iter()
            .map(|path| {
                let text = files::read(path, "trust anchor")?;
                check::certificates(path, &text)?;
                Ok(text)
            })
            .collect::<Result<_, KeyError>>()?;
        Ok(PublicKeys { anchors })
    }

    /// All anchors in one PEM text, for other verifiers.
    pub fn export_trust(dir: &Path) -> Result<String, KeyError> {
        Ok(Keys::load_public(dir)?.bundle())
    }

    /// The certificate chain, leaf first, without the root.
    pub fn chain_pem(&self) -> &str {
        &self.chain_pem
    }

    /// The Ed25519 signature (RFC 8032) of `message`.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.signing.sign(message).to_bytes()
    }

    pub fn verifying_key(&self) -> [u8; 32] {
        self.signing.verifying_key().to_bytes()
    }

    pub fn watermark_key(&self) -> [u8; 32] {
        self.watermark
    }

    /// One PEM text per file of `trust/`.
    pub fn anchors(&self) -> &[String] {
        &self.anchors
    }

    pub fn signer(&self) -> &Signer {
        &self.signer
    }
}

impl PublicKeys {
    /// All anchors in one PEM text.
    pub fn bundle(&self) -> String {
        self.anchors.iter().map(|pem| format!("{}\n", pem.trim_end())).collect()
    }
}

impl fmt::Debug for Keys {
    /// Without the secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("signer", &self.signer).finish_non_exhaustive()
    }
}

/// Where things lie under a key directory.
struct Paths {
    signing: PathBuf,
    chain: PathBuf,
    watermark: PathBuf,
    trust: PathBuf,
    retired: PathBuf,
}

impl Paths {
    fn of(dir: &Path) -> Self {
        Paths {
            signing: dir.join("signing.key"),
            chain: dir.join("chain.pem"),
            watermark: dir.join("watermark.key"),
            trust: dir.join("trust"),
            retired: dir.join("retired"),
        }
    }
}

fn matches(path: &Path, key: &SigningKey, certificate: &[u8; 32]) -> Result<(), KeyError> {
    let key = key.verifying_key().to_bytes();
    if &key == certificate {
        return Ok(());
    }
    let short = |bytes: &[u8; 32]| Digest::from_bytes(*bytes).short(16);
    Err(KeyError::Mismatch { path: path.to_owned(), key: short(&key), certificate: short(certificate) })
}

fn watermark_key(path: &Path, text: &str) -> Result<[u8; 32], KeyError> {
    let text = text.trim();
    text.parse::<Digest>()
        .map(|key| *key.as_bytes())
        .map_err(|_| KeyError::WatermarkKey { path: path.to_owned(), found: text.chars().count() })
}

fn rfc3339(time: OffsetDateTime) -> String {
    // Years beyond 9999 have no RFC 3339 form; seconds since 1970 say the same.
    time.format(&Rfc3339).unwrap_or_else(|_| time.unix_timestamp().to_string())
}

fn as_rfc3339<S: Serializer>(time: &OffsetDateTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&rfc3339(*time))
}

#[cfg(test)]
mod tests;
