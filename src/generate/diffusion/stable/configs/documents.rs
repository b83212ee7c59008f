//! Where a model's settings stand: in the files of a folder, or in what a checkpoint shows of itself.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::super::super::ModelError;
use super::super::super::config::parse;

/// The settings of a model, by the names that diffusers gives their files.
pub(in super::super) enum Documents<'a> {
    Folder(&'a Path),
    /// Of one file.
    Shown(&'a Path, BTreeMap<&'static str, Value>),
}

/// Those of one part.
pub(in super::super) struct Document {
    file: PathBuf,
    /// Where they are not what the file says.
    shown: Option<Value>,
}

impl Documents<'_> {
    pub fn get(&self, name: &str) -> Document {
        match self {
            Documents::Folder(dir) => Document::of(&dir.join(name)),
            Documents::Shown(file, all) => {
                let shown = all.get(name).cloned().unwrap_or_default();
                Document { file: file.to_path_buf(), shown: Some(shown) }
            }
        }
    }
}

impl Document {
    pub fn of(file: &Path) -> Document {
        Document { file: file.to_owned(), shown: None }
    }

    /// For messages, too.
    pub fn file(&self) -> &Path {
        &self.file
    }

    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, ModelError> {
        match &self.shown {
            None => parse(&self.file),
            Some(value) => serde_json::from_value(value.clone())
                .map_err(|e| ModelError::Config { file: self.file.clone(), cause: e.to_string() }),
        }
    }

    /// The settings where they are not in the file.
    pub fn shown(&self) -> Option<&Value> {
        self.shown.as_ref()
    }
}
