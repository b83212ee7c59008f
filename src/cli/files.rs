//! Files of the user: read under a limit, written whole or not at all.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::error::Failure;
use crate::disk;
use crate::manifest;
use crate::quantity::{Seed, Strength};
use crate::raster::{Format, Limits};

/// `NAME-s070-SEED.png`: what a variation of `reference` is called in a folder, with its engine where there are several.
pub fn variation(
    reference: &Path,
    engine: Option<&str>,
    strength: Strength,
    seed: Seed,
    format: Format,
) -> OsString {
    let mut name = reference.file_stem().unwrap_or_default().to_owned();
    if let Some(engine) = engine {
        name.push(format!("-{engine}"));
    }
    // Thousandths only where somebody asked for them.
    let hundredths = strength.value() * 100.0;
    let whole = (hundredths - hundredths.round()).abs() < 1e-6;
    let strength = if whole { format!("{hundredths:03.0}") } else { format!("{:04.0}", hundredths * 10.0) };
    name.push(format!("-s{strength}-{seed}.{}", format.extension()));
    name
}

/// The whole file, or one line about why not.
pub fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let place = path.display();
    let limit = Limits::default().bytes;
    let file = File::open(path).map_err(|error| Failure::at(place, explain(&error)))?;
    let meta = file.metadata().map_err(|error| Failure::at(path.display(), explain(&error)))?;
    if meta.is_dir() {
        return Err(Failure::at(path.display(), "is a directory; name a picture file"));
    }
    if meta.len() > limit {
        return Err(Failure::at(
            path.display(),
            format_args!("{} bytes are over the limit of {limit}", meta.len()),
        ));
    }
    let mut bytes = Vec::new();
    // One byte over the limit is enough to know of a file that grew, or of a device that never ends.
    file.take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::at(path.display(), explain(&error)))?;
    if bytes.len() as u64 > limit {
        return Err(Failure::at(path.display(), format_args!("more than the limit of {limit} bytes")));
    }
    Ok(bytes)
}

/// The manifest that lies beside the picture at `path` as C2PA has it, and where, if there is one.
pub fn beside(path: &Path) -> Result<Option<(PathBuf, Vec<u8>)>, Failure> {
    let beside = manifest::sidecar(path);
    if beside == path || !beside.is_file() {
        return Ok(None);
    }
    let store = read(&beside)?;
    Ok(Some((beside, store)))
}

/// Writes `bytes` to `path`, whole or not at all. An existing file stays unless `force`.
pub fn write(path: &Path, bytes: &[u8], force: bool) -> Result<(), Failure> {
    disk::write(path, bytes, force).map_err(|error| unwritable(path, &error))
}

/// Whether [`write()`] could do so, known before the work is done.
pub fn writable(path: &Path, force: bool) -> Result<(), Failure> {
    // A link counts as a file, wherever it leads.
    let free = if !force && path.symlink_metadata().is_ok() {
        Err(io::ErrorKind::AlreadyExists.into())
    } else {
        disk::probe(path)
    };
    free.map_err(|error| unwritable(path, &error))
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    let failure = Failure::at(path.display(), explain(error));
    if error.kind() == io::ErrorKind::AlreadyExists {
        failure.advise("use --force to overwrite it")
    } else {
        failure
    }
}

/// The system's reason without its number.
pub fn explain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file".into(),
        io::ErrorKind::PermissionDenied => "permission denied".into(),
        io::ErrorKind::AlreadyExists => "already exists".into(),
        io::ErrorKind::IsADirectory => "is a directory; name a picture file".into(),
        _ => {
            let text = error.to_string();
            text.split(" (os error").next().unwrap_or(&text).to_lowercase()
        }
    }
}
