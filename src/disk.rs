//! Files that are there whole or not at all.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// Writes `bytes` to `path` through a temporary file beside it: written, synced, renamed, and the folder
/// synced. Missing folders are made. Without `overwrite` an existing file stays and the error is
/// [`io::ErrorKind::AlreadyExists`].
pub fn write(path: &Path, bytes: &[u8], overwrite: bool) -> io::Result<()> {
    let folder = folder(path);
    fs::create_dir_all(folder)?;
    let mut file = tempfile::Builder::new().prefix(".vidimus-").permissions(mode()).tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    if overwrite { file.persist(path) } else { file.persist_noclobber(path) }.map_err(|error| error.error)?;
    File::open(folder)?.sync_all()
}

/// The folder that holds `path`.
pub fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Pictures are to be shown: readable by all that the umask allows, unlike other temporary files.
fn mode() -> fs::Permissions {
    use std::os::unix::fs::PermissionsExt;
    fs::Permissions::from_mode(0o666)
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
}
