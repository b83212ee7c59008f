//! The bytes themselves, by their digest: `catalog/objects/ab/cdef…`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::digest::Digest;
use crate::disk;

/// A content-addressed store in a directory.
#[derive(Clone, Debug)]
pub struct Objects {
    dir: PathBuf,
}

#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    #[error("object {digest} is not in the store")]
    Missing { digest: Digest },
    #[error("object {digest} has other content than its name says")]
    Corrupt { digest: Digest },
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
}

impl Objects {
    pub fn at(dir: PathBuf) -> Self {
        Objects { dir }
    }

    /// Stores `bytes`, synced to disk before it returns. What is there with the right content stays; what is
    /// there with other content is replaced.
    pub fn put(&self, bytes: &[u8]) -> Result<Digest, ObjectError> {
        let digest = Digest::of(bytes);
        if self.get(&digest).is_err() {
            let path = self.path(&digest);
            disk::write(&path, bytes, true).map_err(|source| ObjectError::Io { path, source })?;
        }
        Ok(digest)
    }

    /// The bytes of `digest`, checked against it.
    pub fn get(&self, digest: &Digest) -> Result<Vec<u8>, ObjectError> {
        let path = self.path(digest);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(ObjectError::Missing { digest: *digest });
            }
            Err(source) => return Err(ObjectError::Io { path, source }),
        };
        if Digest::of(&bytes) == *digest { Ok(bytes) } else { Err(ObjectError::Corrupt { digest: *digest }) }
    }

    /// Takes away what no row names yet.
    pub fn remove(&self, digest: &Digest) -> Result<(), ObjectError> {
        let path = self.path(digest);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(ObjectError::Io { path, source: error })
            }
            _ => Ok(()),
        }
    }

    /// Where the bytes of `digest` are or would be.
    pub fn path(&self, digest: &Digest) -> PathBuf {
        let name = digest.to_string();
        self.dir.join(&name[..2]).join(&name[2..])
    }
}

/// Keeps what was computed from an object, under the object's digest. It can be computed again: what is damaged counts
/// as not there.
#[derive(Clone, Debug)]
pub struct Derived(Objects);

impl Derived {
    pub fn at(dir: PathBuf) -> Self {
        Derived(Objects::at(dir))
    }

    pub fn put(&self, of: &Digest, bytes: &[u8]) -> Result<(), ObjectError> {
        let path = self.0.path(of);
        let sealed = [bytes, Digest::of(bytes).as_bytes()].concat();
        disk::write(&path, &sealed, true).map_err(|source| ObjectError::Io { path, source })
    }

    pub fn get(&self, of: &Digest) -> Option<Vec<u8>> {
        let mut sealed = fs::read(self.0.path(of)).ok()?;
        let digest = sealed.split_off(sealed.len().checked_sub(32)?);
        (Digest::of(&sealed).as_bytes() == digest.as_slice()).then_some(sealed)
    }
}

/// Keeps a refused draft for the eyes of the owner alone (mode 0600); the path it went to.
pub fn quarantine(dir: &Path, name: &str, bytes: &[u8]) -> Result<PathBuf, ObjectError> {
    let path = dir.join(name);
    match disk::write_with_mode(&path, bytes, false, 0o600) {
        Ok(()) => Ok(path),
        Err(source) => Err(ObjectError::Io { path, source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, Objects) {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let objects = Objects::at(dir.path().join("objects"));
        (dir, objects)
    }

    #[test]
    fn what_was_put_comes_back_and_twice_is_once() {
        let (_dir, objects) = store();
        let digest = objects.put(b"abc").expect("writable");
        assert_eq!(objects.put(b"abc").expect("writable"), digest);
        assert_eq!(objects.get(&digest).expect("there"), b"abc");
        let other = objects.put(b"other").expect("writable");
        for _ in 0..2 {
            objects.remove(&other).expect("writable");
            assert!(matches!(objects.get(&other), Err(ObjectError::Missing { .. })));
        }
        assert!(matches!(objects.get(&Digest::of("x")), Err(ObjectError::Missing { .. })));
    }

    #[test]
    fn changed_content_is_noticed_and_mended_by_the_next_put() {
        let (_dir, objects) = store();
        let digest = objects.put(b"abc").expect("writable");
        fs::write(objects.path(&digest), b"abd").expect("writable");
        assert!(matches!(objects.get(&digest), Err(ObjectError::Corrupt { .. })));
        objects.put(b"abc").expect("writable");
        assert_eq!(objects.get(&digest).expect("mended"), b"abc");
    }

    #[test]
    fn what_is_derived_is_whole_or_not_there() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (derived, of) = (Derived::at(dir.path().join("derived")), Digest::of("object"));
        assert_eq!(derived.get(&of), None);
        for bytes in [&b"some bytes"[..], b""] {
            derived.put(&of, bytes).expect("writable");
            assert_eq!(derived.get(&of).as_deref(), Some(bytes));
        }
        for damaged in [&b"short"[..], &[0; 40]] {
            fs::write(derived.0.path(&of), damaged).expect("writable");
            assert_eq!(derived.get(&of), None);
        }
    }

    #[test]
    fn many_threads_may_put_the_same_bytes() {
        let (_dir, objects) = store();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| objects.put(&[7; 100_000]).expect("writable"));
            }
        });
        assert_eq!(objects.get(&Digest::of([7; 100_000])).expect("there").len(), 100_000);
    }

    #[test]
    fn a_quarantined_draft_is_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let (dir, _) = store();
        let path = quarantine(&dir.path().join("quarantine"), "a.png", b"x").expect("writable");
        assert_eq!(fs::metadata(path).expect("there").permissions().mode() & 0o777, 0o600);
    }
}
