//! What the JSON files of a diffusers folder say that no tensor shows.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::ModelError;

/// `model_index.json`, as far as every pipeline has it.
#[derive(Deserialize)]
pub struct Index {
    #[serde(rename = "_class_name")]
    pub class: String,
}

/// The index of a folder in diffusers' layout.
pub fn index(dir: &Path) -> PathBuf {
    dir.join("model_index.json")
}

pub fn parse<T: DeserializeOwned>(file: &Path) -> Result<T, ModelError> {
    let text = std::fs::read(file).map_err(|source| ModelError::Read { file: file.to_owned(), source })?;
    parsed(file, &text)
}

/// The same of a file's text.
pub fn parsed<T: DeserializeOwned>(file: &Path, text: &[u8]) -> Result<T, ModelError> {
    serde_json::from_slice(text)
        .map_err(|e| ModelError::Config { file: file.to_owned(), cause: e.to_string() })
}
