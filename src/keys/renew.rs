//! Making, replacing and bringing keys, so that a failure on the way leaves what was there.

use std::fs;
use std::path::{Path, PathBuf};

use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::EncodePublicKey as _;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use time::OffsetDateTime;

use super::check::PrivateKey;
use super::files::{self, Access, Existing, Lock};
use super::signers::{CHAIN, ELSEWHERE};
use super::{Entropy, KeyError, Paths, check, issue, pen, watermark_key};
use crate::digest::Digest;

pub(super) fn create(dir: &Path, now: OffsetDateTime, entropy: &Entropy) -> Result<(), KeyError> {
    let paths = Paths::of(dir);
    let issued = issue::issue(entropy, now)?;
    let _lock = Lock::take(dir)?;
    if paths.signing.exists() {
        return Err(KeyError::Exists { path: paths.signing });
    }
    let mut undo = Undo::default();
    undo.write(&anchor_path(&paths, &issued.root_fingerprint), &issued.root_pem)?;
    install(&paths, &mut undo, &issued.leaf_pem, &issued.key_pem, &entropy.watermark)?;
    undo.keep();
    Ok(())
}

pub(super) fn rotate(dir: &Path, now: OffsetDateTime, entropy: &Entropy) -> Result<(), KeyError> {
    let paths = Paths::of(dir);
    let issued = issue::issue(entropy, now)?;
    let _lock = Lock::take(dir)?;
    let mut undo = Undo::default();
    undo.write(&anchor_path(&paths, &issued.root_fingerprint), &issued.root_pem)?;
    retire(&paths, &mut undo)?;
    install(&paths, &mut undo, &issued.leaf_pem, &issued.key_pem, &entropy.watermark)?;
    undo.keep();
    Ok(())
}

pub(super) fn import(
    dir: &Path,
    chain_pem: &str,
    key_pem: &str,
    now: OffsetDateTime,
    entropy: &Entropy,
) -> Result<(), KeyError> {
    let paths = Paths::of(dir);
    // Everything is checked before anything is written.
    let key = check::signing_key(&paths.signing, key_pem)?;
    let chain = check::chain(&paths.chain, chain_pem, now)?;
    drop(pen(&paths.signing, &key, &chain, chain_pem)?);

    let mut certificates = chain.certificates;
    let root = match certificates.last() {
        Some(last) if certificates.len() > 1 && check::is_self_issued(last) => certificates.pop(),
        _ => None,
    };
    let _lock = Lock::take(dir)?;
    let mut undo = Undo::default();
    if let Some(root) = root {
        let path = paths.trust.join(format!("imported-{}.pem", Digest::of(&root).short(12)));
        undo.write(&path, &check::certificate_pem(&root)?)?;
    }
    retire(&paths, &mut undo)?;
    let chain_pem: String =
        certificates.iter().map(|der| check::certificate_pem(der)).collect::<Result<_, _>>()?;
    let key_pem = match &key {
        PrivateKey::Ed25519(key) => check::private_key_pem(key)?,
        PrivateKey::Other(pem) => {
            log(&paths, &mut undo, entropy)?;
            pem.clone()
        }
    };
    install(&paths, &mut undo, &chain_pem, &key_pem, &entropy.watermark)?;
    undo.keep();
    Ok(())
}

pub(super) fn furnish(dir: &Path, chain: &Path, entropy: &Entropy) -> Result<(), KeyError> {
    let paths = Paths::of(dir);
    let _lock = Lock::take(dir)?;
    let mut undo = Undo::default();
    keep(&paths, &mut undo, chain)?;
    log(&paths, &mut undo, entropy)?;
    watermark(&paths, &mut undo, &entropy.watermark)?;
    undo.keep();
    Ok(())
}

/// Makes the key of the log unless there is one. Its public half stays for good: by it the log is judged.
fn log(paths: &Paths, undo: &mut Undo, entropy: &Entropy) -> Result<(), KeyError> {
    let (key, made) = if paths.log.exists() {
        (super::log_key(paths)?, false)
    } else {
        (SigningKey::from_bytes(&entropy.signing), true)
    };
    let public = key.verifying_key();
    let name = format!("{}.pem", Digest::of(public.as_bytes()).short(12));
    let pem = public.to_public_key_pem(LineEnding::LF).map_err(|_| KeyError::Encode)?;
    undo.write(&paths.logged.join(name), &pem)?;
    if made {
        unseen(paths, undo)?;
        undo.made(&paths.log);
        files::write(&paths.log, &check::private_key_pem(&key)?, Access::Private, Existing::Refuse)?;
    }
    Ok(())
}

/// Copies the chain that is there to `retired/`, so that it stays known who signed earlier outputs.
fn retire(paths: &Paths, undo: &mut Undo) -> Result<(), KeyError> {
    if !paths.chain.exists() {
        return Ok(());
    }
    let chain = files::read(&paths.chain, "certificate chain")?;
    // A chain too damaged to be parsed is kept all the same, under the digest of its text.
    let fingerprint = match check::certificates(&paths.chain, &chain) {
        Ok(certificates) => Digest::of(&certificates[0]),
        Err(_) => Digest::of(&chain),
    };
    undo.write(&paths.retired.join(fingerprint.to_string()).join(CHAIN), &chain)
}

/// The same of the chain of a signer elsewhere, as soon as it signs: nobody tells when another takes its place. It goes
/// by another name, for its key never signs the log. One that cannot be read is for whoever opens the keys to name.
fn keep(paths: &Paths, undo: &mut Undo, elsewhere: &Path) -> Result<(), KeyError> {
    let Ok(chain) = files::read(elsewhere, "certificate chain") else { return Ok(()) };
    let Ok(certificates) = check::certificates(elsewhere, &chain) else { return Ok(()) };
    let path = paths.retired.join(Digest::of(&certificates[0]).to_string()).join(ELSEWHERE);
    if path.exists() { Ok(()) } else { undo.write(&path, &chain) }
}

/// Writes chain, watermark key (unless there is one) and, last of all, the signing key.
fn install(
    paths: &Paths,
    undo: &mut Undo,
    chain_pem: &str,
    key_pem: &str,
    secret: &[u8; 32],
) -> Result<(), KeyError> {
    watermark(paths, undo, secret)?;
    undo.write(&paths.chain, chain_pem)?;
    files::write(&paths.signing, key_pem, Access::Private, Existing::Replace)
}

/// Hides the key of the log from version control, in workspaces from before there was one.
fn unseen(paths: &Paths, undo: &mut Undo) -> Result<(), KeyError> {
    let path = paths.log.with_file_name(".gitignore");
    match files::read(&path, "file") {
        Ok(text) if !text.lines().any(|line| line.trim() == "log.key") => {
            undo.write(&path, &format!("{}\nlog.key\n", text.trim_end()))
        }
        Ok(_) | Err(KeyError::Missing { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Writes the watermark key unless there is one.
fn watermark(paths: &Paths, undo: &mut Undo, secret: &[u8; 32]) -> Result<(), KeyError> {
    if paths.watermark.exists() {
        // Earlier outputs carry it: it is never replaced.
        let text = files::read_private(&paths.watermark, "watermark key")?;
        watermark_key(&paths.watermark, &text)?;
    } else {
        let text = format!("{}\n", Digest::from_bytes(*secret));
        undo.made(&paths.watermark);
        files::write(&paths.watermark, &text, Access::Private, Existing::Refuse)?;
    }
    Ok(())
}

fn anchor_path(paths: &Paths, fingerprint: &Digest) -> PathBuf {
    paths.trust.join(format!("local-{}.pem", fingerprint.short(12)))
}

/// Puts back what was there, unless told to `keep` the new state.
#[derive(Default)]
struct Undo(Vec<(PathBuf, Option<String>)>);

impl Undo {
    /// Writes a public file and remembers what was there before.
    fn write(&mut self, path: &Path, text: &str) -> Result<(), KeyError> {
        let before = match files::read(path, "file") {
            Ok(text) => Some(text),
            Err(KeyError::Missing { .. }) => None,
            Err(e) => return Err(e),
        };
        self.0.push((path.to_owned(), before));
        files::write(path, text, Access::Public, Existing::Replace)
    }

    fn made(&mut self, path: &Path) {
        self.0.push((path.to_owned(), None));
    }

    fn keep(mut self) {
        self.0.clear();
    }
}

impl Drop for Undo {
    fn drop(&mut self) {
        for (path, before) in self.0.drain(..).rev() {
            // The error that brought us here is the one to report; a second one adds nothing.
            let _ = match before {
                Some(text) => files::write(&path, &text, Access::Public, Existing::Replace).is_ok(),
                None => fs::remove_file(&path).is_ok(),
            };
        }
    }
}
