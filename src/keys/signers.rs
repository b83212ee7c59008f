//! Keys that ever signed here: by them the log is judged, expired and retired ones included.

use std::fs;
use std::path::{Path, PathBuf};

use ed25519_dalek::{Signature, VerifyingKey};

use crate::digest::Digest;

use super::{KeyError, Keys, Paths, check, files, public_key, watermark_key};

/// What a chain is called under `retired/`, and that of a signer elsewhere.
pub(super) const CHAIN: &str = "chain.pem";
pub(super) const ELSEWHERE: &str = "signer.pem";

/// The public keys of the certificate in use and of every retired one, and those of `log/`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SignerKeys {
    keys: Vec<[u8; 32]>,
}

impl SignerKeys {
    /// Reads the certificates of `dir`; a directory without any gives no keys. Validity in time is not
    /// asked for: what was signed in time stays signed.
    pub fn load(dir: &Path) -> Result<Self, KeyError> {
        let paths = Paths::of(dir);
        let mut keys = Vec::new();
        for path in chains(&paths, &[CHAIN])? {
            let text = files::read(&path, "certificate chain")?;
            keys.extend(check::leaf_key(&path, &text)?);
        }
        for path in files::pem_files(&paths.logged)? {
            keys.push(public_key(&path)?);
        }
        Ok(SignerKeys { keys })
    }

    pub(super) fn contains(&self, key: &[u8; 32]) -> bool {
        self.keys.contains(key)
    }

    /// Whether `signature` is that of `message` by `key`, and `key` is one of these.
    pub fn verify(&self, key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
        self.contains(key) && holds(key, message, signature)
    }
}

/// Whether `signature` is that of `message` by `key` (RFC 8032), whosever that is. Strict: no key of small order, for
/// which anything would be signed.
pub fn holds(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    VerifyingKey::from_bytes(key)
        .is_ok_and(|key| key.verify_strict(message, &Signature::from_bytes(signature)).is_ok())
}

impl Keys {
    /// Whether `dir` has any part of a key set: then it is to be loaded, and whatever is missing is an error.
    pub fn are_at(dir: &Path) -> bool {
        let paths = Paths::of(dir);
        [paths.signing, paths.chain, paths.watermark].iter().any(|path| path.exists())
    }

    /// The watermark key of `dir`, if it is there and may be read; verifiers can do without it.
    pub fn watermark_key_at(dir: &Path) -> Option<[u8; 32]> {
        let path = Paths::of(dir).watermark;
        let text = files::read_private(&path, "watermark key").ok()?;
        watermark_key(&path, &text).ok()
    }
}

/// Fingerprints of all certificates that ever signed in `dir`, those of signers elsewhere among them.
pub(super) fn leaves(dir: &Path) -> Result<Vec<Digest>, KeyError> {
    let mut found = Vec::new();
    for path in chains(&Paths::of(dir), &[CHAIN, ELSEWHERE])? {
        let text = files::read(&path, "certificate chain")?;
        found.extend(check::certificates(&path, &text)?.first().map(Digest::of));
    }
    Ok(found)
}

/// The chain in use, and the retired ones of these names.
fn chains(paths: &Paths, names: &[&str]) -> Result<Vec<PathBuf>, KeyError> {
    let mut found: Vec<PathBuf> = vec![paths.chain.clone()];
    if let Ok(entries) = fs::read_dir(&paths.retired) {
        let places = entries.flatten().map(|entry| entry.path());
        found.extend(places.flat_map(|place| names.iter().map(move |name| place.join(name))));
    }
    found.retain(|path| path.is_file());
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Entropy;
    use time::macros::datetime;

    fn entropy(n: u8) -> Entropy {
        Entropy { root: [n; 32], signing: [n + 1; 32], watermark: [n + 2; 32] }
    }

    #[test]
    fn signatures_of_retired_keys_still_hold_and_those_of_strangers_never_do() {
        let (ours, theirs) =
            (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
        let now = datetime!(2026-06-01 12:00 UTC);
        let old = Keys::create(ours.path(), now, &entropy(1)).expect("fresh");
        let stranger = Keys::create(theirs.path(), now, &entropy(9)).expect("fresh");
        let signature = old.sign(b"entry");
        Keys::rotate(ours.path(), now, &entropy(4)).expect("rotates");

        let signers = SignerKeys::load(ours.path()).expect("readable");
        assert!(signers.verify(&old.verifying_key(), b"entry", &signature));
        assert!(!signers.verify(&old.verifying_key(), b"other", &signature));
        assert!(!signers.verify(&stranger.verifying_key(), b"entry", &stranger.sign(b"entry")));
    }

    #[test]
    fn a_directory_without_keys_has_none_and_a_partial_one_counts_as_keys() {
        let dir = tempfile::tempdir().expect("a directory");
        assert!(!Keys::are_at(dir.path()));
        assert!(Keys::watermark_key_at(dir.path()).is_none());
        assert_eq!(SignerKeys::load(dir.path()).expect("none"), SignerKeys::default());
        Keys::create(dir.path(), datetime!(2026-06-01 12:00 UTC), &entropy(1)).expect("fresh");
        assert!(Keys::watermark_key_at(dir.path()).is_some());
        fs::remove_file(dir.path().join("signing.key")).expect("there");
        assert!(Keys::are_at(dir.path()));
    }
}
