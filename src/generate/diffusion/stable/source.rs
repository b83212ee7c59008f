//! A model's parts, opened and checked: of a folder, or of one file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::digest::Digest;

use super::super::weights::Weights;
use super::super::{ModelError, config, digest, names};
use super::configs::Configs;
use super::scheduler::PredictionType;
use super::text::Encoder;
use super::{Hints, checkpoint, parts};

/// Whose every file is there, and whose headers were read.
pub(super) struct Source {
    pub configs: Configs,
    pub unet: Arc<Weights>,
    pub autoencoder: Arc<Weights>,
    pub encoders: Vec<Encoder>,
    /// What the network predicts, where no settings of the model's own say it.
    pub prediction: Option<PredictionType>,
    /// What is hashed, behind a label.
    label: &'static str,
    files: Vec<PathBuf>,
}

impl Source {
    pub fn open(place: &Path, hints: &Hints) -> Result<Source, ModelError> {
        if place.is_file() { Source::file(place, hints) } else { Source::folder(place, hints.prediction) }
    }

    fn folder(dir: &Path, prediction: Option<PredictionType>) -> Result<Source, ModelError> {
        if !config::index(dir).is_file() {
            let part = "model";
            let expected =
                "model_index.json, as in a folder that diffusers writes, or one file of safetensors";
            return Err(ModelError::Missing { dir: dir.to_owned(), part, expected });
        }
        let mut configs = Configs::read(dir)?;
        if let Some(prediction) = prediction {
            configs.scheduler = configs.scheduler.predicting(prediction);
        }
        let parts = parts::locate(dir, configs.is_xl)?;
        let encoders =
            parts.text.iter().zip(&configs.text).map(|(files, shape)| Encoder::open(files, shape.clone()));
        Ok(Source {
            unet: Arc::new(Weights::open(&parts.unet)?),
            autoencoder: Arc::new(Weights::open(&parts.autoencoder)?.renamed(names::autoencoder)?),
            encoders: encoders.collect::<Result<_, _>>()?,
            configs,
            prediction,
            label: "vidimus stable-diffusion model 1",
            files: parts.files(),
        })
    }

    fn file(file: &Path, hints: &Hints) -> Result<Source, ModelError> {
        let checkpoint::Opened { configs, unet, autoencoder, text, prediction, .. } =
            checkpoint::open(file, hints)?;
        let mut files = vec![file.to_owned()];
        let mut encoders = Vec::new();
        for (checkpoint::Text { weights, pad }, shape) in text.into_iter().zip(&configs.text) {
            let found = checkpoint::tokenizer(file, &hints.tokenizers, pad, shape.vocabulary)?;
            // All encoders have the same words.
            files.truncate(1);
            files.extend(found.files);
            encoders.push(Encoder::new(weights, found.words, &found.specials, shape.clone(), file)?);
        }
        let label = "vidimus stable-diffusion checkpoint 1";
        let [unet, autoencoder] = [unet, autoencoder].map(Arc::new);
        let prediction = Some(prediction);
        Ok(Source { configs, unet, autoencoder, encoders, prediction, label, files })
    }

    /// Of the model: the SHA-256 of each file in a fixed order, hashed again. Names and folders do not matter.
    pub fn digest(&self) -> Result<Digest, ModelError> {
        digest::of(self.label, &self.files.iter().collect::<Vec<_>>())
    }
}
