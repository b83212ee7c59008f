//! The beginning of a file: kept as it grows, so that it can be resumed, and hashed with every byte.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use sha1::{Digest as _, Sha1};

use super::repository::{File, Stated};
use crate::digest::Hasher;
use crate::disk;

pub struct Part<'a> {
    pub length: u64,
    /// Whether some of it is from another time.
    pub is_resumed: bool,
    whole: &'a File,
    path: PathBuf,
    file: fs::File,
    sum: Sum,
}

impl Part<'_> {
    /// What is there of `whole` at `path`, read once for its digest.
    pub fn open(path: PathBuf, whole: &File) -> io::Result<Part<'_>> {
        fs::create_dir_all(disk::folder(&path))?;
        let mut file = fs::OpenOptions::new().read(true).append(true).create(true).open(&path)?;
        let mut part =
            Part { length: 0, is_resumed: false, whole, path, sum: Sum::of(whole), file: file.try_clone()? };
        if file.metadata()?.len() > whole.bytes {
            part.restart()?;
        }
        let mut block = vec![0; 1 << 20];
        loop {
            match file.read(&mut block)? {
                0 => break,
                n => {
                    part.sum.update(&block[..n]);
                    part.length += n as u64;
                }
            }
        }
        part.is_resumed = part.length > 0;
        Ok(part)
    }

    pub fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.sum.update(bytes);
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Forgets all of it.
    pub fn restart(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        (self.length, self.is_resumed, self.sum) = (0, false, Sum::of(self.whole));
        Ok(())
    }

    /// The digest of what is there, in the hub's kind.
    pub fn digest(&self) -> String {
        self.sum.clone().finish()
    }

    /// Gives it its own name, durably.
    pub fn keep(self, to: &Path) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.path, to)?;
        disk::sync(disk::folder(to))
    }

    /// Takes it away: it is wrong.
    pub fn discard(self) -> io::Result<()> {
        fs::remove_file(self.path)
    }
}

/// A digest in the making.
#[derive(Clone)]
enum Sum {
    Sha256(Hasher),
    Git(Sha1),
}

impl Sum {
    fn of(file: &File) -> Sum {
        match file.digest {
            Stated::Sha256(_) => Sum::Sha256(Hasher::new()),
            // git hashes a header before the content.
            Stated::Git(_) => Sum::Git(Sha1::new_with_prefix(format!("blob {}\0", file.bytes))),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Sum::Sha256(hasher) => {
                hasher.update(bytes);
            }
            Sum::Git(hasher) => hasher.update(bytes),
        }
    }

    fn finish(self) -> String {
        match self {
            Sum::Sha256(hasher) => hasher.finish().to_string(),
            Sum::Git(hasher) => hex::encode(hasher.finalize()),
        }
    }
}
