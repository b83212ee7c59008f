//! Digest of a model of many files.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::digest::{Digest, Hasher};

use super::ModelError;

/// The SHA-256 of each file in this order, hashed again behind `label`.
pub fn of(label: &str, files: &[&PathBuf]) -> Result<Digest, ModelError> {
    let digests = files.par_iter().map(|path| of_file(path)).collect::<Result<Vec<_>, _>>()?;
    let mut hasher = Hasher::new();
    hasher.update(format!("{label}\n"));
    for digest in digests {
        hasher.update(format!("{digest}\n"));
    }
    Ok(hasher.finish())
}

/// The SHA-256 of one file.
pub fn of_file(path: &Path) -> Result<Digest, ModelError> {
    let failed = |source| ModelError::Read { file: path.to_owned(), source };
    let mut file = File::open(path).map_err(failed)?;
    let mut hasher = Hasher::new();
    let mut block = vec![0; 1 << 20];
    loop {
        match file.read(&mut block).map_err(failed)? {
            0 => return Ok(hasher.finish()),
            n => hasher.update(&block[..n]),
        };
    }
}
