//! Files that are there whole or not at all.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

/// Writes `bytes` to `path` for everyone that the umask lets read it; see [`write_with_mode`].
pub fn write(path: &Path, bytes: &[u8], overwrite: bool) -> io::Result<()> {
    write_with_mode(path, bytes, overwrite, 0o666)
}

/// Writes `bytes` to `path` through a temporary file beside it: written, synced, renamed, and the folder
/// synced. Missing folders are made. The file has `mode`, less the umask, from its first moment.
///
/// # Errors
/// Without `overwrite`, [`io::ErrorKind::AlreadyExists`] for a file that is there; it stays.
pub fn write_with_mode(path: &Path, bytes: &[u8], overwrite: bool, mode: u32) -> io::Result<()> {
    let folder = folder(path);
    fs::create_dir_all(folder)?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(".vidimus-");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(mode));
    #[cfg(not(unix))]
    let _ = mode; // Other systems keep no such mode.
    let mut file = builder.tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    if overwrite { file.persist(path) } else { file.persist_noclobber(path) }.map_err(|error| error.error)?;
    sync(folder)
}

/// Bytes that may still be written to where `path` is or will be, as far as the system tells.
#[cfg(all(unix, feature = "diffusion"))]
pub fn free(path: &Path) -> Option<u64> {
    let there = path.ancestors().find(|path| path.exists()).unwrap_or(Path::new("."));
    let disk = rustix::fs::statvfs(there).ok()?;
    disk.f_bavail.checked_mul(disk.f_frsize)
}

#[cfg(all(not(unix), feature = "diffusion"))]
pub fn free(_: &Path) -> Option<u64> {
    None
}

/// Makes a rename durable (POSIX: the directory holds the name).
#[cfg(unix)]
pub fn sync(folder: &Path) -> io::Result<()> {
    fs::File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
pub fn sync(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Finds out whether a file at `path` could be written: makes missing folders, and leaves nothing else.
pub fn probe(path: &Path) -> io::Result<()> {
    let folder = folder(path);
    fs::create_dir_all(folder)?;
    if path.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    tempfile::Builder::new().prefix(".vidimus-").tempfile_in(folder).map(drop)
}

/// The folder that holds `path`.
pub fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_existing_file_stays_unless_told_otherwise() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("new/folder/a.txt");
        write(&path, b"one", false).expect("nothing is in the way");
        let error = write(&path, b"two", false).expect_err("the file is there");
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).expect("still there"), b"one");
        write(&path, b"two", true).expect("told to overwrite");
        assert_eq!(fs::read(&path).expect("still there"), b"two");
        let left = fs::read_dir(path.parent().expect("a folder")).expect("readable").count();
        assert_eq!(left, 1, "no temporary file is left behind");
    }

    #[test]
    #[cfg(unix)]
    fn a_private_file_is_private_from_its_first_moment() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("key");
        write_with_mode(&path, b"secret", false, 0o600).expect("nothing is in the way");
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
    }
}
