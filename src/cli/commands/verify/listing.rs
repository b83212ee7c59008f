//! Which files are meant: those that were named, and those below a folder that was.

use std::fs;
use std::path::{Path, PathBuf};

use crate::cli::error::Failure;
use crate::cli::files;
use crate::workspace::Workspace;

pub struct Listing {
    pub files: Vec<Listed>,
    /// Whether a folder was named: then there are several answers, however many there are.
    pub folders: bool,
}

pub struct Listed {
    pub path: PathBuf,
    /// Below a folder there may be files that are no pictures.
    pub named: bool,
}

impl Listing {
    /// In the order of `names`, folders in the order of their files' paths. Hidden files, links to folders, and the
    /// keys and the catalog of a workspace are passed over.
    pub fn of(names: &[PathBuf]) -> Result<Self, Failure> {
        let mut listing = Listing { files: Vec::new(), folders: false };
        for name in names {
            if name.is_dir() {
                listing.folders = true;
                walk(name, &mut listing.files)?;
            } else {
                listing.files.push(Listed { path: name.clone(), named: true });
            }
        }
        Ok(listing)
    }
}

fn walk(folder: &Path, found: &mut Vec<Listed>) -> Result<(), Failure> {
    let unreadable = |error: &std::io::Error| Failure::at(folder.display(), files::explain(error));
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(|error| unreadable(&error))? {
        let entry = entry.map_err(|error| unreadable(&error))?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            paths.push((entry.path(), is_folder));
        }
    }
    paths.sort();
    let own = Workspace::is_at(folder);
    for (path, is_folder) in paths {
        if is_folder && own && (path.ends_with("keys") || path.ends_with("catalog")) {
            continue;
        }
        if is_folder {
            walk(&path, found)?;
        } else if path.is_file() {
            found.push(Listed { path, named: false });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_its_files_in_order_without_what_is_hidden_or_a_workspaces_own() {
        let dir = tempfile::tempdir().expect("a directory");
        for file in
            ["b.png", "a/z.png", "a/.hidden.png", "keys/k.pem", "catalog/objects/o", "policies/p.toml"]
        {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().expect("a folder")).expect("writable");
            fs::write(path, "x").expect("writable");
        }
        let listing = Listing::of(&[PathBuf::from("named"), dir.path().to_owned()]).expect("readable");
        let shown: Vec<_> = listing
            .files
            .iter()
            .map(|l| l.path.strip_prefix(dir.path()).unwrap_or(&l.path).to_owned())
            .collect();
        assert_eq!(shown, ["named", "a/z.png", "b.png", "policies/p.toml"].map(PathBuf::from));
        assert!(listing.folders && listing.files[0].named && !listing.files[1].named);
    }
}
