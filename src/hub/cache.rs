//! The cache as the hub's own programs keep it: contents by their digests, and for each commit links to them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::repository::{File, Repository, is_hex};
use super::{HubError, Id};
use crate::disk;

/// A folder of models; it need not be there.
#[derive(Clone, Debug)]
pub struct Cache {
    root: PathBuf,
}

impl Cache {
    pub fn new(root: PathBuf) -> Cache {
        Cache { root }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder with what is there of a model: of the commit that its revision is known to be.
    pub fn snapshot(&self, id: &Id) -> Option<PathBuf> {
        let revision = id.revision();
        let noted = || fs::read_to_string(self.reference(id)).ok();
        let commit = if is_hex(revision, 40) { revision.to_owned() } else { noted()?.trim().to_owned() };
        let folder = is_hex(&commit, 40).then(|| self.folder(id, &commit))?;
        folder.is_dir().then_some(folder)
    }

    /// The folder of a commit.
    pub(super) fn folder(&self, id: &Id, commit: &str) -> PathBuf {
        self.repository(id).join("snapshots").join(commit)
    }

    /// Where a file's content is once it is whole.
    pub(super) fn blob(&self, id: &Id, file: &File) -> PathBuf {
        self.repository(id).join("blobs").join(file.digest.to_string())
    }

    /// Where it grows until then.
    pub(super) fn part(&self, id: &Id, file: &File) -> PathBuf {
        self.repository(id).join("blobs").join(format!("{}.incomplete", file.digest))
    }

    /// What a program holds while it fetches it: the hub's own programs do, too.
    pub(super) fn lock(&self, id: &Id, file: &File) -> PathBuf {
        self.root.join(".locks").join(id.folder()).join(format!("{}.lock", file.digest))
    }

    /// Whether the content is there; what is whole was checked when it became so.
    pub(super) fn is_whole(&self, id: &Id, file: &File) -> bool {
        fs::metadata(self.blob(id, file)).is_ok_and(|found| found.is_file() && found.len() == file.bytes)
    }

    /// Bytes that are there, whole or not.
    pub(super) fn has(&self, id: &Id, file: &File) -> u64 {
        if self.is_whole(id, file) {
            return file.bytes;
        }
        fs::metadata(self.part(id, file)).map_or(0, |part| part.len().min(file.bytes))
    }

    /// Gives the content its name in the folder of the commit.
    pub(super) fn link(&self, repository: &Repository, file: &File) -> Result<(), HubError> {
        let path = self.folder(&repository.id, &repository.commit).join(&file.name);
        let up = "../".repeat(2 + file.name.matches('/').count());
        let to = PathBuf::from(format!("{up}blobs/{}", file.digest));
        let made = fs::create_dir_all(disk::folder(&path))
            .and_then(|()| linked(&path, &to, &self.blob(&repository.id, file)));
        made.map_err(|source| HubError::Disk { path, source })
    }

    /// Notes which commit the revision is.
    pub(super) fn settle(&self, repository: &Repository) -> Result<(), HubError> {
        if is_hex(repository.id.revision(), 40) {
            return Ok(());
        }
        let path = self.reference(&repository.id);
        disk::write(&path, repository.commit.as_bytes(), true)
            .map_err(|source| HubError::Disk { path, source })
    }

    fn repository(&self, id: &Id) -> PathBuf {
        self.root.join(id.folder())
    }

    fn reference(&self, id: &Id) -> PathBuf {
        self.repository(id).join("refs").join(id.revision())
    }
}

/// Puts a link at `path`, whatever is there.
#[cfg(unix)]
fn linked(path: &Path, to: &Path, _: &Path) -> io::Result<()> {
    if fs::read_link(path).is_ok_and(|found| found == to) {
        return Ok(());
    }
    let folder = tempfile::Builder::new().prefix(".vidimus-").tempdir_in(disk::folder(path))?;
    let new = folder.path().join("link");
    std::os::unix::fs::symlink(to, &new)?;
    fs::rename(new, path)
}

/// Links of names need a right there that users rarely have; the same content under two names needs none.
#[cfg(not(unix))]
fn linked(path: &Path, _: &Path, blob: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => fs::hard_link(blob, path),
    }
}
