//! What the hub says of a model: its commit, its licence, and its files with their lengths and digests.

use std::fmt;

use serde::Deserialize;
use serde_json::Value;

use super::{HubError, Id, Licence};

/// A model at one commit.
#[derive(Clone, Debug)]
pub struct Repository {
    pub id: Id,
    pub commit: String,
    pub licence: Option<Licence>,
    pub files: Vec<File>,
}

/// A file of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its path, with slashes; leads nowhere else.
    pub name: String,
    pub bytes: u64,
    pub digest: Stated,
}

/// What the hub says that a file's content is: also its name in the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stated {
    /// SHA-256 of a large file.
    Sha256(String),
    /// SHA-1 that git knows another file by.
    Git(String),
}

impl fmt::Display for Stated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Stated::Sha256(digest) | Stated::Git(digest)) = self;
        f.write_str(digest)
    }
}

#[derive(Deserialize)]
struct Info {
    sha: String,
    #[serde(default)]
    siblings: Vec<Sibling>,
    #[serde(rename = "cardData", default)]
    card: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sibling {
    rfilename: String,
    size: Option<u64>,
    blob_id: Option<String>,
    lfs: Option<Lfs>,
}

#[derive(Deserialize)]
struct Lfs {
    sha256: String,
    size: u64,
}

impl Repository {
    pub(super) fn read(id: &Id, text: &[u8]) -> Result<Repository, HubError> {
        let odd = |cause: String| HubError::Answer { id: id.clone(), cause };
        let info: Info = serde_json::from_slice(text).map_err(|error| odd(error.to_string()))?;
        if !is_hex(&info.sha, GIT) {
            return Err(odd(format!("a commit {:?}", info.sha)));
        }
        let file = |sibling: Sibling| {
            let name = sibling.rfilename;
            if !is_plain(&name) {
                return Err(HubError::Name { id: id.clone(), name });
            }
            let (bytes, digest) = match (sibling.lfs, sibling.size, sibling.blob_id) {
                (Some(lfs), ..) if is_hex(&lfs.sha256, SHA256) => (lfs.size, Stated::Sha256(lfs.sha256)),
                (None, Some(bytes), Some(blob)) if is_hex(&blob, GIT) => (bytes, Stated::Git(blob)),
                _ => return Err(odd(format!("neither length nor digest of {name}"))),
            };
            Ok(File { name, bytes, digest })
        };
        let files = info.siblings.into_iter().map(file).collect::<Result<_, _>>()?;
        Ok(Repository { id: id.clone(), commit: info.sha, licence: Licence::of_card(&info.card), files })
    }

    pub fn file(&self, name: &str) -> Option<&File> {
        self.files.iter().find(|file| file.name == name)
    }
}

/// Digits of a digest of either kind.
const GIT: usize = 40;
const SHA256: usize = 64;

/// Lower case, so that one content has one name.
pub(super) fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// Whether a path stays below where it begins, on every system.
fn is_plain(path: &str) -> bool {
    let plain = |part: &str| {
        !matches!(part, "" | "." | "..") && !part.chars().any(|c| c.is_control() || matches!(c, '\\' | ':'))
    };
    path.split('/').all(plain)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(sibling: Value) -> Result<Repository, HubError> {
        let info = json!({ "sha": "a".repeat(40), "siblings": [sibling] });
        Repository::read(&Id::parse("a/b").expect("an id"), info.to_string().as_bytes())
    }

    #[test]
    fn files_come_with_length_and_digest() {
        let (git, lfs) = ("1".repeat(40), "2".repeat(64));
        let small = read(json!({ "rfilename": "vae/config.json", "size": 3, "blobId": git })).expect("sound");
        assert_eq!(small.files[0].digest, Stated::Git(git.clone()));
        let large = json!({ "rfilename": "a.safetensors", "size": 9, "blobId": git,
                            "lfs": { "sha256": lfs, "size": 9, "pointerSize": 134 } });
        assert_eq!(read(large).expect("sound").files[0].digest, Stated::Sha256(lfs));
    }

    #[test]
    fn names_and_digests_that_lead_elsewhere_are_refused() {
        let git = "1".repeat(40);
        for name in ["../x", "a/../../x", "/etc/passwd", "a//b", "C:x", "a\\..\\x", "a\n", ".", ""] {
            let refused = read(json!({ "rfilename": name, "size": 3, "blobId": git })).expect_err(name);
            assert!(matches!(refused, HubError::Name { .. }), "{refused}");
        }
        for blob in ["../../x", "", &"G".repeat(40), &"1".repeat(41)] {
            let refused = read(json!({ "rfilename": "x", "size": 3, "blobId": blob })).expect_err(blob);
            assert!(matches!(refused, HubError::Answer { .. }), "{refused}");
        }
        let id = Id::parse("a/b").expect("an id");
        for text in [&b"<html>"[..], br#"{"sha": "../../x"}"#, b"[]", b""] {
            assert!(matches!(Repository::read(&id, text), Err(HubError::Answer { .. })));
        }
    }
}
