//! The keys of a workspace: who signs, who is trusted, whose watermark it is.
//!
//! ```text
//! keys/signing.key          Ed25519, P-256, P-384 or RSA, PKCS#8 PEM, mode 0600; with a passphrase or without
//! keys/log.key              Ed25519, as above: signs the log where the signing key is another kind, or elsewhere
//! keys/log/*.pem            public keys that signed the log that way
//! keys/chain.pem            the leaf certificate and its intermediates, without the root
//! keys/watermark.key        32 bytes as 64 hexadecimal digits, mode 0600
//! keys/trust/*.pem          anchors: every root this workspace trusts, old ones too
//! keys/revoked              certificates of ours that are trusted no longer, each line signed
//! keys/retired/*/chain.pem  chains that signed earlier outputs
//! keys/retired/*/signer.pem the same of signers elsewhere, from their first signature on
//! keys/policy-signers/*.pem public keys of those who may sign policies here
//! ```
//! The only door of ed25519-dalek, pkcs8, rcgen and x509-parser.

mod check;
mod command;
mod error;
mod files;
mod issue;
mod personal;
mod renew;
mod revoke;
mod secret;
mod signers;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ed25519_dalek::{Signer as _, SigningKey};
use serde::{Serialize, Serializer};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

pub use error::{Fault, KeyError};
pub use personal::{Approving, Detached, PersonalKey, PolicySigners, public_key, signature_path};
pub use secret::{Passphrase, protect, unprotect};
pub use signers::{SignerKeys, holds};

use crate::digest::Digest;
use crate::manifest::{Algorithm, Credential, RawPen, Revocation, Sign, TimeStamps, is_signed, purpose};
use crate::settings::{self, Settings};
use crate::workspace::Workspace;
use check::{Chain, PrivateKey};
use command::SignerCommand;

/// Gives the passphrase of a key that is protected by one, or says why there is none.
pub type Secret<'a> = dyn Fn() -> Result<Passphrase, String> + 'a;

/// Random bytes for new keys, from the operating system; each part is used once.
pub struct Entropy {
    /// Seed of the root's key, forgotten after its one signature.
    pub root: [u8; 32],
    /// Seed of the signing key, or of the log's where the signing key comes from elsewhere.
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
    /// Signs the log; the signing key itself where that is an Ed25519 key in a file.
    log: SigningKey,
    /// Signs manifests.
    sign: Arc<Sign<'static>>,
    algorithm: Algorithm,
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

    /// Brings a chain and its key from elsewhere; keys that are there are retired as by `rotate`.
    ///
    /// A root at the end of the chain goes to `trust/` and is left out of `chain.pem`.
    /// `entropy` gives the watermark key where there is none, and the key of the log for keys that are not Ed25519.
    pub fn import(
        dir: &Path,
        chain_pem: &str,
        key_pem: &str,
        now: OffsetDateTime,
        entropy: &Entropy,
    ) -> Result<Keys, KeyError> {
        renew::import(dir, chain_pem, key_pem, now, entropy)?;
        Keys::load(dir, now)
    }

    /// Makes what a workspace with a signer elsewhere needs beside: watermark key, key of the log, and a copy of the
    /// signer's chain, by which it can be revoked when another has taken its place.
    pub fn furnish(dir: &Path, signer: &settings::Signer, entropy: &Entropy) -> Result<(), KeyError> {
        renew::furnish(dir, &signer.chain, entropy)
    }

    /// The keys of `workspace`, its signer where `vidimus.toml` says, the signing key opened with `secret` if need be.
    ///
    /// Everything is read and checked: files, modes, formats, that key and certificate belong together, and that the
    /// leaf keeps the C2PA certificate profile and is valid at `now`.
    pub fn open(workspace: &Workspace, now: OffsetDateTime, secret: &Secret<'_>) -> Result<Keys, KeyError> {
        match Settings::load(workspace)?.signer {
            Some(signer) => Keys::elsewhere(workspace, &signer, now),
            None => Keys::read(&workspace.keys(), Keys::trusted(workspace)?.anchors, now, secret),
        }
    }

    /// The same, for a directory whose signing key is a file without a passphrase.
    fn load(dir: &Path, now: OffsetDateTime) -> Result<Keys, KeyError> {
        Keys::read(dir, Keys::load_public(dir)?.anchors, now, &|| Err("none was given".to_owned()))
    }

    fn read(
        dir: &Path,
        anchors: Vec<String>,
        now: OffsetDateTime,
        secret: &Secret<'_>,
    ) -> Result<Keys, KeyError> {
        let paths = Paths::of(dir);
        let key_pem = files::read_private(&paths.signing, "signing key")?;
        let chain_pem = files::read(&paths.chain, "certificate chain")?;
        let watermark_text = files::read_private(&paths.watermark, "watermark key")?;
        let key_pem = secret::opened(&paths.signing, key_pem, secret)?;
        let key = check::signing_key(&paths.signing, &key_pem)?;
        let chain = check::chain(&paths.chain, &chain_pem, now)?;
        let watermark = watermark_key(&paths.watermark, &watermark_text)?;
        refuse_revoked(&paths.chain, &chain, &anchors)?;
        let sign = pen(&paths.signing, &key, &chain, &chain_pem)?;
        let log = match key {
            PrivateKey::Ed25519(key) => key,
            PrivateKey::Other(_) => log_key(&paths)?,
        };
        let Chain { signer, algorithm, .. } = chain;
        Ok(Keys { log, sign, algorithm, chain_pem, watermark, signer, anchors })
    }

    fn elsewhere(
        workspace: &Workspace,
        signer: &settings::Signer,
        now: OffsetDateTime,
    ) -> Result<Keys, KeyError> {
        let paths = Paths::of(&workspace.keys());
        let chain_pem = files::read(&signer.chain, "certificate chain")?;
        let chain = check::chain(&signer.chain, &chain_pem, now)?;
        if let Some(expected) = signer.algorithm.filter(|expected| *expected != chain.algorithm) {
            let (path, found) = (signer.chain.clone(), chain.algorithm);
            return Err(KeyError::OtherAlgorithm { path, found, expected });
        }
        let watermark_text = files::read_private(&paths.watermark, "watermark key")?;
        let watermark = watermark_key(&paths.watermark, &watermark_text)?;
        let PublicKeys { anchors } = Keys::trusted(workspace)?;
        refuse_revoked(&signer.chain, &chain, &anchors)?;
        let log = log_key(&paths)?;
        let Chain { signer: described, algorithm, public_key, .. } = chain;
        let command = SignerCommand {
            words: signer.command.clone(),
            place: workspace.root().to_owned(),
            timeout: signer.timeout,
            algorithm,
            public_key,
        };
        let sign: Arc<Sign<'static>> = Arc::new(move |message: &[u8]| command.sign(message));
        Ok(Keys { log, sign, algorithm, chain_pem, watermark, signer: described, anchors })
    }

    /// The anchors alone; a missing directory has none.
    pub fn load_public(dir: &Path) -> Result<PublicKeys, KeyError> {
        let anchors = files::pem_files(&dir.join("trust"))?
            .iter()
            .map(|path| {
                let text = files::read(path, "trust anchor")?;
                check::certificates(path, &text)?;
                // Whoever may put a root here may revoke, too.
                revoke::check(path, &text, |_| true)?;
                Ok(text)
            })
            .collect::<Result<Vec<String>, KeyError>>()?;
        let revoked = revoke::own(dir)?;
        let anchors = anchors.into_iter().chain((!revoked.is_empty()).then_some(revoked)).collect();
        Ok(PublicKeys { anchors })
    }

    /// What `workspace` trusts: its anchors and revocations, and what `[trust]` of its vidimus.toml adds.
    pub fn trusted(workspace: &Workspace) -> Result<PublicKeys, KeyError> {
        let mut keys = Keys::load_public(&workspace.keys())?;
        let trust = Settings::load(workspace)?.trust;
        if let Some(path) = &trust.c2pa_list {
            keys.anchors.push(Keys::bundle_at(path)?);
        }
        keys.anchors.extend(trust.purposes.iter().map(|oid| purpose(oid)));
        Ok(keys)
    }

    /// A trust list in a file: roots as PEM, as C2PA publishes them and `export_trust` writes them.
    pub fn bundle_at(path: &Path) -> Result<String, KeyError> {
        let text = files::read(path, "trust list")?;
        check::certificates(path, &text)?;
        revoke::check(path, &text, |_| true)?;
        // What certificates may be made out for is said at home.
        let kept = text.lines().filter(|line| !line.trim_start().starts_with("purpose"));
        Ok(kept.flat_map(|line| [line, "\n"]).collect())
    }

    /// When the certificate in use ends, if there is one that can be read.
    pub fn end_of(workspace: &Workspace) -> Option<OffsetDateTime> {
        let signer = Settings::load(workspace).ok()?.signer;
        let path = signer.map_or_else(|| Paths::of(&workspace.keys()).chain, |signer| signer.chain);
        check::leaf_end(&path, &files::read(&path, "certificate chain").ok()?)
    }

    /// All anchors in one PEM text, for other verifiers, with the certificates that are trusted no longer.
    pub fn export_trust(dir: &Path) -> Result<String, KeyError> {
        Ok(Keys::load_public(dir)?.bundle())
    }

    /// The certificate chain, leaf first, without the root.
    pub fn chain_pem(&self) -> &str {
        &self.chain_pem
    }

    /// Who signs manifests, with what and how.
    pub fn credential<'a>(&'a self, time_stamps: Option<TimeStamps<'a>>) -> Credential<'a> {
        Credential {
            chain_pem: &self.chain_pem,
            algorithm: self.algorithm,
            sign: &*self.sign,
            anchors: &self.anchors,
            time_stamps,
        }
    }

    /// The Ed25519 signature (RFC 8032) of `message` by which the log is signed.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.log.sign(message).to_bytes()
    }

    /// The key of [`sign`](Self::sign).
    pub fn verifying_key(&self) -> [u8; 32] {
        self.log.verifying_key().to_bytes()
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
    revoked: PathBuf,
    log: PathBuf,
    logged: PathBuf,
    chain: PathBuf,
    watermark: PathBuf,
    trust: PathBuf,
    retired: PathBuf,
}

impl Paths {
    fn of(dir: &Path) -> Self {
        Paths {
            signing: dir.join("signing.key"),
            revoked: dir.join("revoked"),
            log: dir.join("log.key"),
            logged: dir.join("log"),
            chain: dir.join("chain.pem"),
            watermark: dir.join("watermark.key"),
            trust: dir.join("trust"),
            retired: dir.join("retired"),
        }
    }
}

/// What signs with `key`, which is that of the leaf of `chain`.
fn pen(
    path: &Path,
    key: &PrivateKey,
    chain: &Chain,
    chain_pem: &str,
) -> Result<Arc<Sign<'static>>, KeyError> {
    const PROBE: &[u8] = b"org.vidimus.probe.1";
    let other = || KeyError::OtherKey { path: path.to_owned(), algorithm: chain.algorithm };
    match (key, chain.ed25519) {
        (PrivateKey::Ed25519(key), Some(public)) => {
            matches(path, key, &public)?;
            let key = key.clone();
            Ok(Arc::new(move |message: &[u8]| Ok(key.sign(message).to_bytes().to_vec())))
        }
        (PrivateKey::Ed25519(_), None) | (PrivateKey::Other(_), Some(_)) => Err(other()),
        (PrivateKey::Other(pem), None) => {
            let unusable = |reason| KeyError::Unusable { path: path.to_owned(), reason };
            let pen = RawPen::open(chain.algorithm, chain_pem, pem).map_err(unusable)?;
            let signature = pen.sign(PROBE).map_err(unusable)?;
            if !is_signed(chain.algorithm, &chain.public_key, PROBE, &signature) {
                return Err(other());
            }
            Ok(Arc::new(move |message: &[u8]| pen.sign(message)))
        }
    }
}

/// A certificate that was revoked signs nothing more.
fn refuse_revoked(path: &Path, chain: &Chain, anchors: &[String]) -> Result<(), KeyError> {
    let mut revoked = anchors.iter().flat_map(|text| text.lines()).filter_map(Revocation::read);
    match revoked.find(|(one, _)| one.certificate == chain.signer.fingerprint) {
        Some((one, _)) => {
            Err(KeyError::Revoked { path: path.to_owned(), at: rfc3339(one.at), reason: one.reason.name() })
        }
        None => Ok(()),
    }
}

fn log_key(paths: &Paths) -> Result<SigningKey, KeyError> {
    check::private_key(&paths.log, &files::read_private(&paths.log, "key of the log")?)
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
