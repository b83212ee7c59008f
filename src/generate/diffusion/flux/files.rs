//! The weights of a model, opened: their headers are read, their data are not.

use std::path::Path;
use std::sync::Arc;

use super::super::ops::{PANEL_BYTES, Precision};
use super::super::weights::Weights;
use super::super::{ModelError, Processor, names};
use super::diffusers;
use super::parts::{Parts, locate};
use super::shapes::T5_WORDS;

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
        let all = |_: &str| true;
        let read = self.t5_reads();
        let widened = self.transformer.largest_widened(all).max(self.autoencoder.largest());
        let drawing = self.transformer.bytes(all).saturating_add(self.autoencoder.wide_bytes());
        let reading = self.t5.bytes(&read).saturating_add(self.t5.largest_widened(&read));
        reading.max(drawing.saturating_add(widened)).saturating_add(PANEL_BYTES)
    }

    /// The same in the memory of a device of candle's, with one matrix that is widened in f32 and in this precision.
    fn memory_held(&self, precision: Precision) -> u64 {
        let all = |_: &str| true;
        let held = |weights: &Weights| weights.bytes_held(precision, all);
        let widest = |weights: &Weights| 2 * weights.widest();
        let drawing = held(&self.transformer).saturating_add(held(&self.autoencoder));
        let reading = self.t5.bytes_held(precision, self.t5_reads()).saturating_add(widest(&self.t5));
        reading.max(drawing.saturating_add(widest(&self.transformer)))
    }

    /// That of them which a model on `processor` takes.
    pub fn memory_on(&self, processor: &Processor, precision: Precision) -> u64 {
        if processor.has_tensors() { self.memory_held(precision) } else { self.memory() }
    }

    /// Which tensors are read of T5: files of a whole one have a decoder, too, and the words' matrix under two names.
    fn t5_reads(&self) -> impl Fn(&str) -> bool + use<> {
        let twice = self.t5.has(T5_WORDS[0]);
        move |name| name == T5_WORDS[0] || name.starts_with("encoder.") && !(twice && name == T5_WORDS[1])
    }
}

/// Bytes of the machine's memory that the weights of the model in `dir` take at most at one time. Only headers are read.
///
/// # Errors
/// When a part is missing, ambiguous or damaged.
pub fn memory(dir: &Path) -> Result<u64, ModelError> {
    Ok(Files::open(&locate(dir)?)?.memory())
}
