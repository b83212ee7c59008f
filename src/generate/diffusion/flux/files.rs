//! The weights of a model, opened: their headers are read, their data are not.

use std::path::Path;
use std::sync::Arc;

use super::super::ops::PANEL_BYTES;
use super::super::weights::Weights;
use super::super::{ModelError, names};
use super::diffusers;
use super::parts::{Parts, locate};

/// The four networks, with the names of tensors that this engine asks for.
pub(super) struct Files {
    pub transformer: Arc<Weights>,
    pub autoencoder: Arc<Weights>,
    pub clip: Arc<Weights>,
    pub t5: Arc<Weights>,
}

impl Files {
    pub fn open(parts: &Parts) -> Result<Files, ModelError> {
        let mut transformer = Weights::open(&parts.transformer)?.without_prefix("model.diffusion_model.");
        let mut autoencoder = Weights::open(&parts.autoencoder)?;
        if !parts.configs.is_empty() {
            transformer = transformer.renamed(diffusers::transformer)?;
            autoencoder = autoencoder.renamed(names::autoencoder)?;
        }
        let clip = Weights::open(&parts.clip)?;
        let t5 = Weights::open(&parts.t5)?.renamed(names::t5)?;
        let [transformer, autoencoder, clip, t5] = [transformer, autoencoder, clip, t5].map(Arc::new);
        Ok(Files { transformer, autoencoder, clip, t5 })
    }

    /// Bytes that weights take at most at one time, with those that are widened for a moment: text encoders are gone
    /// when the transformer comes.
    pub fn memory(&self) -> u64 {
        let drawing = self.transformer.bytes().saturating_add(self.autoencoder.wide_bytes());
        self.t5.bytes().max(drawing).saturating_add(PANEL_BYTES)
    }
}

/// Bytes of memory that the weights of the model in `dir` take at most at one time. Only headers are read.
///
/// # Errors
/// When a part is missing, ambiguous or damaged.
pub fn memory(dir: &Path) -> Result<u64, ModelError> {
    Ok(Files::open(&locate(dir)?)?.memory())
}
