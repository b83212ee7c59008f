//! Files that appear whole or not at all.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::KeyError;
use crate::disk;

/// Who may read a file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Mode 0600.
    Private,
    /// Mode 0644.
    Public,
}

/// What to do with a file that is already there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Existing {
    Refuse,
    Replace,
}

pub(super) fn io(path: &Path, action: &'static str) -> impl FnOnce(std::io::Error) -> KeyError {
    let path = path.to_owned();
    move |source| KeyError::Io { path, action, source }
}

/// Holds the directory against a second process that makes keys; released on drop, and by a crash.
pub(super) struct Lock(#[expect(dead_code, reason = "held for its lock alone")] File);

impl Lock {
    pub(super) fn take(dir: &Path) -> Result<Self, KeyError> {
        fs::create_dir_all(dir).map_err(io(dir, "create the directory"))?;
        let path = dir.join(".lock");
        let file = File::options().create(true).append(true).open(&path).map_err(io(&path, "open"))?;
        file.lock().map_err(io(&path, "lock"))?;
        Ok(Lock(file))
    }
}

/// Writes `text` whole or not at all.
pub(super) fn write(path: &Path, text: &str, access: Access, existing: Existing) -> Result<(), KeyError> {
    let mode = match access {
        Access::Private => 0o600,
        Access::Public => 0o644,
    };
    disk::write_with_mode(path, text.as_bytes(), existing == Existing::Replace, mode)
        .map_err(io(path, "write"))
}

pub(super) fn read(path: &Path, what: &'static str) -> Result<String, KeyError> {
    match fs::read(path) {
        // What is not UTF-8 is not PEM either, and is reported as such by whoever parses it.
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            Err(KeyError::Missing { path: path.to_owned(), what })
        }
        Err(e) => Err(io(path, "read")(e)),
    }
}

/// `read`, for a file that only its owner may read.
pub(super) fn read_private(path: &Path, what: &'static str) -> Result<String, KeyError> {
    let text = read(path, what)?;
    let mode = mode(path)?;
    if mode & 0o077 != 0 {
        return Err(KeyError::Exposed { path: path.to_owned(), mode });
    }
    Ok(text)
}

/// The `*.pem` files of a directory, by name; a missing directory has none.
pub(super) fn pem_files(dir: &Path) -> Result<Vec<PathBuf>, KeyError> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(io(dir, "list")(e)),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(io(dir, "list"))?.path();
        if path.extension().is_some_and(|e| e == "pem") && path.is_file() {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

#[cfg(unix)]
fn mode(path: &Path) -> Result<u32, KeyError> {
    use std::os::unix::fs::PermissionsExt;
    let metadata = fs::metadata(path).map_err(io(path, "read the mode of"))?;
    Ok(metadata.permissions().mode() & 0o7777)
}

/// Other systems keep no such mode: access there is what the directory's owner has set.
#[cfg(not(unix))]
fn mode(_: &Path) -> Result<u32, KeyError> {
    Ok(0o600)
}
