//! Files of a part of a model in diffusers' layout: whole, or in shards that an index names.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::ModelError;

/// A file on disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Found {
    pub path: PathBuf,
    pub bytes: u64,
}

impl Found {
    /// The file, if it is one.
    pub fn at(path: &Path) -> Option<Found> {
        let metadata = std::fs::metadata(path).ok()?;
        metadata.is_file().then(|| Found { path: path.to_owned(), bytes: metadata.len() })
    }
}

/// The file, if it is one.
pub fn found(path: &Path) -> Option<Found> {
    Found::at(path)
}

/// Whether a part is there, by the names of files and of shards in an index. No weights are opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// The files of the part.
    Found(Vec<Found>),
    /// Several files could be the part.
    Several(Vec<Found>),
    /// A file of the right name in a format that is not read.
    Unreadable {
        file: Found,
        format: &'static str,
    },
    Missing {
        expected: &'static str,
    },
}

impl State {
    /// The files of the part that people call `part`, which is looked for in `dir`.
    ///
    /// # Errors
    /// When it is not there, or not as it must be.
    pub fn files(self, dir: &Path, part: &'static str) -> Result<Vec<PathBuf>, ModelError> {
        let dir = || dir.to_owned();
        match self {
            State::Found(found) => Ok(found.into_iter().map(|file| file.path).collect()),
            State::Several(found) => {
                let names: Vec<String> = found.iter().map(|file| file.path.display().to_string()).collect();
                Err(ModelError::Several { dir: dir(), part, found: names.join(", ") })
            }
            State::Unreadable { file, format } => {
                Err(ModelError::NotSafetensors { file: file.path, found: format })
            }
            State::Missing { expected } => Err(ModelError::Missing { dir: dir(), part, expected }),
        }
    }
}

/// Why a pickle is no model.
pub const PICKLE: &str = "a pickle, which can run code and is never loaded";

/// Variants of a part's files, the exact one first.
pub const VARIANTS: [&str; 4] = ["", ".fp32", ".bf16", ".fp16"];

/// Bytes of an index, at most: that of a model of a thousand blocks has a megabyte.
const LARGEST_INDEX: u64 = 64 << 20;

/// Which shard holds which tensor.
#[derive(Deserialize)]
struct Shards {
    weight_map: BTreeMap<String, String>,
}

/// What the folder of a part has.
pub enum Stored {
    Whole(Vec<Found>),
    Pickle(Found),
    Nothing,
}

/// One file, or the shards that an index names, of the most exact variant that is there whole.
pub fn weights(folder: &Path, stem: &str) -> Stored {
    let whole = VARIANTS.iter().find_map(|variant| {
        let one = found(&folder.join(format!("{stem}{variant}.safetensors"))).map(|file| vec![file]);
        one.or_else(|| shards(folder, &format!("{stem}.safetensors.index{variant}.json")))
    });
    let pickle = || ["bin", "pt", "ckpt"].iter().find_map(|end| found(&folder.join(format!("{stem}.{end}"))));
    match whole {
        Some(files) => Stored::Whole(files),
        None => pickle().map_or(Stored::Nothing, Stored::Pickle),
    }
}

/// The shards that the index of this name lists, if all of them are there.
fn shards(folder: &Path, index: &str) -> Option<Vec<Found>> {
    shard_names(&folder.join(index))?.iter().map(|name| found(&folder.join(name))).collect()
}

/// What an index lists, each in its own folder; `None` for what is no such index.
pub fn shard_names(index: &Path) -> Option<BTreeSet<String>> {
    let index = found(index).filter(|index| index.bytes <= LARGEST_INDEX)?;
    let text = std::fs::read(index.path).ok()?;
    let Shards { weight_map } = serde_json::from_slice(&text).ok()?;
    let names: BTreeSet<String> = weight_map.into_values().collect();
    // A name may not lead out of the folder.
    let plain = |name: &String| Path::new(name).file_name().is_some_and(|only| only == name.as_str());
    (!names.is_empty() && names.iter().all(plain)).then_some(names)
}
