//! Certificates of ours that are trusted no longer: `keys/revoked`, a line each, signed by a key of this workspace.

use std::collections::BTreeSet;
use std::path::Path;

use super::files::{self, Access, Existing, Lock};
use super::signers::{SignerKeys, leaves};
use super::{KeyError, Keys, Paths, holds};
use crate::digest::Digest;
use crate::manifest::Revocation;

/// What is signed, before the line: nothing else that these keys sign begins like it.
const REVOCATION: &str = "org.vidimus.revocation.1\n";

impl Keys {
    /// Revokes a certificate that signed here, in the name of the key that signs the log.
    ///
    /// # Errors
    /// When the certificate is none of `dir`, or revoked already.
    pub fn revoke(&self, dir: &Path, revocation: &Revocation) -> Result<(), KeyError> {
        let path = Paths::of(dir).revoked;
        let _lock = Lock::take(dir)?;
        if !self.certificates(dir)?.contains(&revocation.certificate) {
            let certificate = revocation.certificate.short(16);
            return Err(KeyError::NotOurs { path: dir.to_owned(), certificate });
        }
        let mut text = own(dir)?;
        if text
            .lines()
            .filter_map(Revocation::read)
            .any(|(known, _)| known.certificate == revocation.certificate)
        {
            return Err(KeyError::RevokedBefore { path });
        }
        let line = revocation.to_string();
        let signature = self.sign(format!("{REVOCATION}{line}").as_bytes());
        text.push_str(&format!("{line} {} {}\n", hex::encode(self.verifying_key()), hex::encode(signature)));
        files::write(&path, &text, Access::Public, Existing::Replace)
    }

    /// The certificate that signs or ever signed in `dir` and whose fingerprint begins with `text`.
    pub fn certificate_of(&self, dir: &Path, text: &str) -> Result<Digest, KeyError> {
        let mut found = self.certificates(dir)?.into_iter().filter(|leaf| leaf.to_string().starts_with(text));
        match (found.next(), found.next()) {
            (Some(one), None) if text.len() >= 8 => Ok(one),
            _ => Err(KeyError::NotOurs { path: dir.to_owned(), certificate: text.to_owned() }),
        }
    }

    fn certificates(&self, dir: &Path) -> Result<BTreeSet<Digest>, KeyError> {
        Ok(leaves(dir)?.into_iter().chain([self.signer.fingerprint]).collect())
    }
}

/// The list of `dir`, each line of it by a key of this workspace; empty where there is none.
pub(super) fn own(dir: &Path) -> Result<String, KeyError> {
    let path = Paths::of(dir).revoked;
    let text = match files::read(&path, "revocation list") {
        Ok(text) => text,
        Err(KeyError::Missing { .. }) => return Ok(String::new()),
        Err(error) => return Err(error),
    };
    let signers = SignerKeys::load(dir)?;
    check(&path, &text, |key| signers.contains(key))?;
    Ok(text)
}

/// Holds every line of `text` that revokes something against its signature, and its key against `counts`.
pub(super) fn check(path: &Path, text: &str, counts: impl Fn(&[u8; 32]) -> bool) -> Result<(), KeyError> {
    for (number, line) in (1..).zip(text.lines()) {
        if Revocation::is_meant(line) && !is_signed(line, &counts) {
            return Err(KeyError::Revocation { path: path.to_owned(), line: number });
        }
    }
    Ok(())
}

fn is_signed(line: &str, counts: &impl Fn(&[u8; 32]) -> bool) -> bool {
    let Some((revocation, rest)) = Revocation::read(line) else { return false };
    let [key, signature] = rest[..] else { return false };
    let bytes = |text: &str| hex::decode(text).ok();
    let key: Option<[u8; 32]> = bytes(key).and_then(|key| key.try_into().ok());
    let signature: Option<[u8; 64]> = bytes(signature).and_then(|signature| signature.try_into().ok());
    let (Some(key), Some(signature)) = (key, signature) else { return false };
    let message = format!("{REVOCATION}{revocation}");
    counts(&key) && holds(&key, message.as_bytes(), &signature)
}
