//! A workspace: a directory with `policies/`, `keys/` and `catalog/`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What a workspace consists of.
const FOLDERS: [&str; 3] = ["policies", "keys", "catalog"];

/// What version control must not see: private keys, and data that grows.
const IGNORED: [(&str, &str); 2] = [
    ("keys/.gitignore", ".lock\nsigning.key\nlog.key\nwatermark.key\n"),
    ("catalog/.gitignore", "catalog.db*\nobjects/\nquarantine/\n"),
];

/// The place of a workspace. Folders may come and go behind our back; whoever opens a file finds out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workspace {
    root: PathBuf,
}

#[derive(Debug, thiserror::Error)]
pub enum WorkspaceError {
    #[error("{}: not a workspace: {missing}/ is missing", path.display())]
    NotOne { path: PathBuf, missing: &'static str },
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
}

impl Workspace {
    /// Whether `dir` has the three folders.
    pub fn is_at(dir: &Path) -> bool {
        FOLDERS.iter().all(|folder| dir.join(folder).is_dir())
    }

    /// The workspace at `dir`.
    pub fn open(dir: &Path) -> Result<Self, WorkspaceError> {
        match FOLDERS.into_iter().find(|folder| !dir.join(folder).is_dir()) {
            Some(missing) => Err(WorkspaceError::NotOne { path: dir.to_owned(), missing }),
            None => Ok(Workspace { root: dir.to_owned() }),
        }
    }

    /// The workspace at `start` or in the nearest folder above it.
    pub fn find(start: &Path) -> Option<Self> {
        let root = start.ancestors().find(|dir| Workspace::is_at(dir))?;
        Some(Workspace { root: root.to_owned() })
    }

    /// Makes what is missing of a workspace at `dir`; nothing that is there is changed.
    pub fn create(dir: &Path) -> Result<Self, WorkspaceError> {
        let io = |path: &Path| {
            let path = path.to_owned();
            |source| WorkspaceError::Io { path, source }
        };
        for folder in FOLDERS {
            let path = dir.join(folder);
            fs::create_dir_all(&path).map_err(io(&path))?;
        }
        for (name, text) in IGNORED {
            let path = dir.join(name);
            if !path.exists() {
                fs::write(&path, text).map_err(io(&path))?;
            }
        }
        Ok(Workspace { root: dir.to_owned() })
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn policies(&self) -> PathBuf {
        self.root.join("policies")
    }

    pub fn keys(&self) -> PathBuf {
        self.root.join("keys")
    }

    pub fn catalog(&self) -> PathBuf {
        self.root.join("catalog")
    }

    pub fn database(&self) -> PathBuf {
        self.catalog().join("catalog.db")
    }

    pub fn objects(&self) -> PathBuf {
        self.catalog().join("objects")
    }

    /// What is computed from objects once, and again where it is gone.
    pub fn derived(&self) -> PathBuf {
        self.catalog().join("derived")
    }

    pub fn quarantine(&self) -> PathBuf {
        self.catalog().join("quarantine")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workspace_is_found_from_below_and_nothing_in_it_is_overwritten() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        assert!(Workspace::find(dir.path()).is_none());
        fs::create_dir(dir.path().join("keys")).expect("writable");
        fs::write(dir.path().join("keys/.gitignore"), "mine").expect("writable");
        Workspace::create(dir.path()).expect("writable");
        assert_eq!(fs::read_to_string(dir.path().join("keys/.gitignore")).expect("there"), "mine");
        let below = dir.path().join("catalog/objects/ab");
        fs::create_dir_all(&below).expect("writable");
        assert_eq!(Workspace::find(&below).expect("above").root(), dir.path());
    }

    #[test]
    fn what_is_no_workspace_says_what_is_missing() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        fs::create_dir(dir.path().join("policies")).expect("writable");
        let error = Workspace::open(dir.path()).expect_err("two folders are missing");
        assert!(error.to_string().ends_with("not a workspace: keys/ is missing"), "{error}");
    }
}
