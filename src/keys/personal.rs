//! Keys of people: what signs a policy, and whose signatures count.
//!
//! ```text
//! keys/policy-signers/NAME.pem   an Ed25519 public key (SPKI); with one of them here, every policy has to be signed
//! policies/NAME.toml.sig         one line: ed25519 PUBLIC-KEY SIGNATURE, in hexadecimal digits
//! ```

use std::fmt;
use std::path::{Path, PathBuf};

use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePublicKey as _, EncodePublicKey as _};
use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};

use super::files::{self, Access, Existing};
use super::{KeyError, Keys, check, holds};
use crate::digest::Digest;

/// What is signed of a policy, before its text: nothing else that these keys sign begins like it.
const POLICY: &[u8] = b"org.vidimus.policy.1\n";

/// What is signed when a draft is approved, before its facts.
const OVERRIDE: &str = "org.vidimus.override.1";

/// What somebody approves: this draft, under these policies, as close as it is, for this reason.
#[derive(Clone, Copy, Debug)]
pub struct Approving<'a> {
    /// The run that was refused, and with it reference, request and purpose: a yes to one is none to another.
    pub run: &'a str,
    /// Of the draft's pixels.
    pub draft: &'a Digest,
    /// Every policy that judged, in the order of their digests.
    pub policies: &'a [Digest],
    /// In units of 0.0001.
    pub deviation: i64,
    pub reason: &'a str,
}

impl Approving<'_> {
    fn message(&self) -> Vec<u8> {
        let policies: Vec<String> = self.policies.iter().map(ToString::to_string).collect();
        let Approving { run, draft, deviation, reason, .. } = self;
        format!("{OVERRIDE}\n{run}\n{draft}\n{}\n{deviation}\n{reason}", policies.join(",")).into_bytes()
    }

    /// Whether `signature` is that of `key` on exactly this.
    pub fn is_signed(&self, key: &[u8; 32], signature: &[u8; 64]) -> bool {
        Detached { key: *key, signature: *signature }.holds(&self.message())
    }
}

/// A private key of somebody: a file of its own, or that of the workspace.
pub struct PersonalKey(SigningKey);

/// A signature that stands beside what it is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Detached {
    pub key: [u8; 32],
    pub signature: [u8; 64],
}

/// Whose signatures on policies count here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicySigners {
    keys: Vec<(String, [u8; 32])>,
}

impl PersonalKey {
    /// The Ed25519 key in a PKCS#8 file that only its owner may read.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let text = files::read_private(path, "private key")?;
        Ok(PersonalKey(check::private_key(path, &text)?))
    }

    #[cfg(test)]
    pub fn of_number(number: u8) -> Self {
        PersonalKey(SigningKey::from_bytes(&[number; 32]))
    }

    /// The key that signs a workspace's log.
    pub fn of(keys: &Keys) -> Self {
        PersonalKey(keys.log.clone())
    }

    pub fn public(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }

    pub fn sign_policy(&self, text: &str) -> Detached {
        self.sign(&[POLICY, text.as_bytes()].concat())
    }

    pub fn approve(&self, what: &Approving<'_>) -> Detached {
        self.sign(&what.message())
    }

    fn sign(&self, message: &[u8]) -> Detached {
        Detached { key: self.public(), signature: self.0.sign(message).to_bytes() }
    }
}

impl fmt::Display for Detached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "ed25519 {} {}", hex::encode(self.key), hex::encode(self.signature))
    }
}

impl Detached {
    fn parse(text: &str) -> Option<Self> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let ["ed25519", key, signature] = words[..] else { return None };
        Some(Detached {
            key: hex::decode(key).ok()?.try_into().ok()?,
            signature: hex::decode(signature).ok()?.try_into().ok()?,
        })
    }

    fn holds(&self, message: &[u8]) -> bool {
        holds(&self.key, message, &self.signature)
    }
}

impl PolicySigners {
    /// Those that are pinned in the key directory `dir`.
    pub fn load(dir: &Path) -> Result<Self, KeyError> {
        let keys = files::pem_files(&pins(dir))?
            .into_iter()
            .map(|path| {
                let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                Ok((name, public_key(&path)?))
            })
            .collect::<Result<_, KeyError>>()?;
        Ok(PolicySigners { keys })
    }

    /// Whether policies have to be signed.
    pub fn is_pinned(&self) -> bool {
        !self.keys.is_empty()
    }

    /// Names of those that are pinned.
    pub fn names(&self) -> String {
        self.keys.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// The name that a key is pinned under.
    pub fn name_of(&self, key: &[u8; 32]) -> Option<&str> {
        self.keys.iter().find(|(_, known)| known == key).map(|(name, _)| name.as_str())
    }

    /// Whether a signature of `key` on the policy at `path` would count.
    ///
    /// # Errors
    /// When others are pinned.
    pub fn admits(&self, path: &Path, key: &[u8; 32]) -> Result<(), KeyError> {
        if !self.is_pinned() || self.name_of(key).is_some() {
            return Ok(());
        }
        Err(KeyError::OtherSigner { path: path.to_owned(), found: short(key), expected: self.names() })
    }

    /// Who signed the policy at `path`; `None` where nobody is pinned, and nobody is asked.
    ///
    /// # Errors
    /// When it is not signed, was edited since, or is signed by somebody else.
    pub fn check(&self, path: &Path, text: &str) -> Result<Option<&str>, KeyError> {
        if !self.is_pinned() {
            return Ok(None);
        }
        let beside = signature_path(path);
        let (path, expected) = (path.to_owned(), self.names());
        let signed = match files::read(&beside, "signature") {
            Ok(signed) => signed,
            Err(KeyError::Missing { .. }) => return Err(KeyError::Unsigned { path, expected }),
            Err(error) => return Err(error),
        };
        let Some(detached) = Detached::parse(&signed) else {
            return Err(KeyError::NoSignature { path: beside });
        };
        let Some(name) = self.name_of(&detached.key) else {
            let found = short(&detached.key);
            return Err(KeyError::OtherSigner { path, found, expected });
        };
        if !detached.holds(&[POLICY, text.as_bytes()].concat()) {
            return Err(KeyError::Edited { path, signer: name.to_owned() });
        }
        Ok(Some(name))
    }

    /// Pins the public key `key` as `name`; the file that holds it.
    ///
    /// # Errors
    /// When the name is taken.
    pub fn pin(dir: &Path, name: &str, key: &[u8; 32]) -> Result<PathBuf, KeyError> {
        let path = pins(dir).join(format!("{name}.pem"));
        let key = VerifyingKey::from_bytes(key).map_err(|_| KeyError::DamagedKey { path: path.clone() })?;
        let pem = key.to_public_key_pem(LineEnding::LF).map_err(|_| KeyError::Encode)?;
        files::write(&path, &pem, Access::Public, Existing::Refuse)?;
        Ok(path)
    }
}

/// The Ed25519 public key in a PEM file (SPKI, as `openssl pkey -pubout` writes it).
pub fn public_key(path: &Path) -> Result<[u8; 32], KeyError> {
    let text = files::read(path, "public key")?;
    match VerifyingKey::from_public_key_pem(text.trim()) {
        Ok(key) => Ok(key.to_bytes()),
        Err(_) => Err(KeyError::NoPublicKey { path: path.to_owned() }),
    }
}

/// Where the signature of a policy stands.
pub fn signature_path(policy: &Path) -> PathBuf {
    let mut name = policy.as_os_str().to_owned();
    name.push(".sig");
    name.into()
}

fn pins(dir: &Path) -> PathBuf {
    dir.join("policy-signers")
}

/// A key for people to tell from another.
fn short(key: &[u8; 32]) -> String {
    Digest::from_bytes(*key).short(16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn key(number: u8) -> PersonalKey {
        PersonalKey(SigningKey::from_bytes(&[number; 32]))
    }

    /// A directory where `key(1)` is pinned as alice, and a policy that she signed.
    fn desk() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().expect("a directory");
        PolicySigners::pin(dir.path(), "alice", &key(1).public()).expect("writable");
        let path = dir.path().join("default.toml");
        fs::write(&path, "text").expect("writable");
        fs::write(signature_path(&path), key(1).sign_policy("text").to_string()).expect("writable");
        (dir, path)
    }

    #[test]
    fn what_a_pinned_key_signed_counts_and_nothing_else() {
        let (dir, path) = desk();
        let signers = PolicySigners::load(dir.path()).expect("readable");
        let said = |text: &str| signers.check(&path, text).map_err(|error| error.to_string());
        assert_eq!(said("text"), Ok(Some("alice")));
        let edited = said("text ").expect_err("one more space");
        assert!(
            edited.ends_with("default.toml: edited since alice signed it: expected the text that was signed"),
            "{edited}"
        );
        fs::write(signature_path(&path), key(2).sign_policy("text").to_string()).expect("writable");
        let other = said("text").expect_err("a stranger");
        assert!(other.contains("which is not pinned here: expected alice"), "{other}");
        // Another key's name on it does not make it that key's.
        let forged = Detached { key: key(1).public(), ..key(2).sign_policy("text") };
        fs::write(signature_path(&path), forged.to_string()).expect("writable");
        assert!(said("text").expect_err("forged").contains("edited since alice"));
        for text in ["", "ed25519", "ed25519 00 00", "rsa 00 00", "ed25519 zz zz", "\0\u{ff}"] {
            fs::write(signature_path(&path), text).expect("writable");
            assert!(
                said("text").expect_err(text).ends_with("expected one line: ed25519 PUBLIC-KEY SIGNATURE")
            );
        }
        fs::remove_file(signature_path(&path)).expect("there");
        assert!(said("text").expect_err("unsigned").contains("not signed: expected a signature by alice"));
    }

    #[test]
    fn an_approval_is_of_one_run_one_draft_one_policy_one_figure_and_one_reason() {
        let (draft, other) = (Digest::of("draft"), Digest::of("other"));
        let policies = [Digest::of("policy")];
        let what =
            Approving { run: "1", draft: &draft, policies: &policies, deviation: 4500, reason: "a reason" };
        let Detached { key: public, signature } = key(1).approve(&what);
        assert!(what.is_signed(&public, &signature));
        for changed in [
            Approving { run: "2", ..what },
            Approving { draft: &other, ..what },
            Approving { policies: &[], ..what },
            Approving { deviation: 4501, ..what },
            Approving { reason: "a reason ", ..what },
        ] {
            assert!(!changed.is_signed(&public, &signature));
        }
        assert!(!what.is_signed(&key(2).public(), &signature));
    }

    #[test]
    fn what_is_signed_as_a_policy_is_signed_as_nothing_else() {
        let detached = key(1).sign_policy("text");
        assert!(!detached.holds(b"text") && detached.holds(b"org.vidimus.policy.1\ntext"));
        assert_eq!(Detached::parse(&detached.to_string()), Some(detached));
    }

    #[test]
    fn where_nobody_is_pinned_nobody_is_asked() {
        let dir = tempfile::tempdir().expect("a directory");
        let signers = PolicySigners::load(dir.path()).expect("none");
        assert_eq!(signers.check(&dir.path().join("default.toml"), "text").expect("nobody asks"), None);
    }

    #[test]
    fn a_pin_that_is_no_key_is_an_error_and_a_name_is_taken_once() {
        let (dir, _) = desk();
        assert!(PolicySigners::pin(dir.path(), "alice", &key(2).public()).is_err());
        fs::write(dir.path().join("policy-signers/bob.pem"), "no key").expect("writable");
        let error = PolicySigners::load(dir.path()).expect_err("no key").to_string();
        assert!(
            error.ends_with("bob.pem: expected an Ed25519 public key as PEM (-----BEGIN PUBLIC KEY-----)"),
            "{error}"
        );
    }
}
