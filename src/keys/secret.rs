//! A signing key under a passphrase: PKCS#8 with PBES2 (RFC 8018: PBKDF2 with HMAC-SHA-256, AES-256-CBC), as openssl
//! reads and writes it.

use std::fmt;
use std::path::Path;

use pkcs8::der::pem::LineEnding;
use pkcs8::der::{Document, SecretDocument};
use pkcs8::pkcs5::pbes2::Parameters;
use pkcs8::{EncryptedPrivateKeyInfo, PrivateKeyInfo};

use super::files::{self, Access, Existing, Lock};
use super::{KeyError, Keys, Paths, Secret, check};

const PROTECTED: &str = "ENCRYPTED PRIVATE KEY";
/// Rounds of PBKDF2, as OWASP asks for since 2023: a fifth of a second here, and for everyone who guesses.
const ROUNDS: u32 = 600_000;

/// What opens a private key. It is shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Passphrase(String);

impl Passphrase {
    /// # Errors
    /// For one that is empty.
    pub fn new(text: String) -> Result<Self, String> {
        if text.is_empty() { Err("the passphrase is empty".to_owned()) } else { Ok(Passphrase(text)) }
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(…)")
    }
}

/// Puts the signing key of `dir` under a passphrase; `random` is salt and initialisation vector.
pub fn protect(dir: &Path, passphrase: &Passphrase, random: &[u8; 32]) -> Result<(), KeyError> {
    let path = Paths::of(dir).signing;
    let _lock = Lock::take(dir)?;
    let text = files::read_private(&path, "signing key")?;
    if is_protected(&text) {
        return Err(KeyError::Protection { path, found: "it is protected by a passphrase already" });
    }
    // What cannot be read is better not hidden.
    drop(check::signing_key(&path, &text)?);
    let (salt, vector) = random.split_at(16);
    let vector = vector.first_chunk::<16>().ok_or(KeyError::Encode)?;
    let parameters =
        Parameters::pbkdf2_sha256_aes256cbc(ROUNDS, salt, vector).map_err(|_| KeyError::Encode)?;
    let (_, key) = SecretDocument::from_pem(&text).map_err(|_| KeyError::Encode)?;
    let key = PrivateKeyInfo::try_from(key.as_bytes()).map_err(|_| KeyError::Encode)?;
    let hidden =
        key.encrypt_with_params(parameters, passphrase.0.as_bytes()).map_err(|_| KeyError::Encode)?;
    let pem = hidden.to_pem(PROTECTED, LineEnding::LF).map_err(|_| KeyError::Encode)?;
    files::write(&path, &pem, Access::Private, Existing::Replace)
}

/// Takes the passphrase of the signing key of `dir` away.
pub fn unprotect(dir: &Path, passphrase: &Passphrase) -> Result<(), KeyError> {
    let path = Paths::of(dir).signing;
    let _lock = Lock::take(dir)?;
    let text = files::read_private(&path, "signing key")?;
    if !is_protected(&text) {
        return Err(KeyError::Protection { path, found: "it is not protected by a passphrase" });
    }
    let pem = opened(&path, text, &|| Ok(passphrase.clone()))?;
    files::write(&path, &pem, Access::Private, Existing::Replace)
}

/// The private key in `text` without its passphrase, which is asked for only where there is one.
pub(super) fn opened(path: &Path, text: String, secret: &Secret<'_>) -> Result<String, KeyError> {
    if !is_protected(&text) {
        return Ok(text);
    }
    let damaged = || KeyError::NotPkcs8 { path: path.to_owned(), found: "a damaged encrypted one".into() };
    let (_, document) = Document::from_pem(&text).map_err(|_| damaged())?;
    let hidden = EncryptedPrivateKeyInfo::try_from(document.as_bytes()).map_err(|_| damaged())?;
    let passphrase = secret().map_err(|reason| KeyError::Protected { path: path.to_owned(), reason })?;
    let key = hidden
        .decrypt(passphrase.0.as_bytes())
        .map_err(|_| KeyError::WrongPassphrase { path: path.to_owned() })?;
    let pem = key.to_pem("PRIVATE KEY", LineEnding::LF).map_err(|_| KeyError::Encode)?;
    Ok(pem.to_string())
}

impl Keys {
    /// Whether the signing key of `dir` takes a passphrase.
    pub fn is_locked(dir: &Path) -> bool {
        files::read(&Paths::of(dir).signing, "signing key").is_ok_and(|text| is_protected(&text))
    }
}

fn is_protected(text: &str) -> bool {
    text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----")
}
