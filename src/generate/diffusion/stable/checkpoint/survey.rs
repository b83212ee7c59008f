//! What a file is, before it is opened to draw with it.

use std::path::{Path, PathBuf};

use super::super::super::{ModelError, Processor, safetensors};
use super::super::parts;
use super::super::scheduler::PredictionType;
use super::family::{Family, Other};
use super::{Hints, Opened, open, tokenizer};

/// A checkpoint, looked at.
pub struct Survey {
    pub family: Family,
    /// The files of its tokenizer.
    ///
    /// # Errors
    /// When there is none that fits.
    pub tokenizer: Result<Vec<PathBuf>, ModelError>,
    /// Bytes that its weights take in memory at one time, in f32.
    pub memory: u64,
    pub prediction: PredictionType,
    /// Whether somebody says what its network predicts; else it is what diffusers takes the family for.
    pub is_said: bool,
    /// The licence that the file names.
    pub licence: Option<String>,
}

/// Looks at `file`; no weights are read.
///
/// # Errors
/// When it is no whole checkpoint.
pub fn survey(file: &Path, hints: &Hints) -> Result<Survey, ModelError> {
    let Opened { family, configs, unet, autoencoder, text, prediction, is_said, licence } =
        open(file, hints)?;
    let mut words = text.iter().zip(&configs.text).map(|(text, shape)| {
        tokenizer(file, &hints.tokenizers, text.pad, shape.vocabulary).map(|found| found.files)
    });
    // All encoders have the same words.
    let tokenizer = words.next_back().unwrap_or_else(|| Ok(Vec::new()));
    let wide: Vec<u64> = text.iter().map(|text| text.weights.wide_bytes()).collect();
    let memory = parts::most([&unet, &autoencoder], unet.precision(&Processor::default()), &wide);
    Ok(Survey { family, tokenizer, memory, prediction, is_said, licence })
}

/// Whether a file that was found claims to be a checkpoint of a family, whole or not.
pub fn claims(file: &Path) -> bool {
    let Ok(tensors) = safetensors::claimed(file) else { return false };
    let shapes = tensors.iter().map(|(name, stored)| (name.as_str(), stored.shape.as_slice())).collect();
    !matches!(Family::of(&shapes), Err(Other::Else(_)))
}
