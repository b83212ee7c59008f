//! Prompts to what the network is told of them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::Tensor;

use super::super::clip::{Clip, Read, Shape};
use super::super::ops::Precision;
use super::super::special::Specials;
use super::super::weights::Weights;
use super::super::words::Words;
use super::super::{ModelError, Processor};
use super::parts;

/// A text encoder with its tokenizer.
pub(super) struct Encoder {
    pub weights: Arc<Weights>,
    words: Words,
    pub shape: Shape,
    /// Tokens that every text is cut or filled up to.
    pub length: usize,
    /// Where it was found, for messages.
    pub place: PathBuf,
}

/// A prompt as it was read.
#[derive(Clone)]
pub struct Text {
    /// (1, tokens, width).
    pub context: Tensor,
    /// The prompt as a whole, by the last encoder, (1, width).
    pub pooled: Tensor,
}

impl Text {
    /// What some models are told where nothing is said.
    pub fn nothing(&self) -> candle_core::Result<Text> {
        Ok(Text { context: self.context.zeros_like()?, pooled: self.pooled.zeros_like()? })
    }
}

impl Encoder {
    /// Opens the files and checks them; no weights are read.
    pub fn open(files: &parts::Text, shape: Shape) -> Result<Encoder, ModelError> {
        let weights = Weights::open(&files.weights)?;
        let specials = Specials::read(&files.folder)?;
        let words = Words::clip(&files.words, &specials, shape.vocabulary)?;
        Encoder::new(weights, words, &specials, shape, &files.folder)
    }

    /// Checks the weights, and reads none.
    pub fn new(
        weights: Weights,
        words: Words,
        specials: &Specials,
        shape: Shape,
        place: &Path,
    ) -> Result<Encoder, ModelError> {
        let weights = Arc::new(weights);
        weights.check(|vb| Clip::new(&shape, vb))?;
        let length = specials.longest.unwrap_or(shape.positions).min(shape.positions);
        Ok(Encoder { weights, words, shape, length, place: place.to_owned() })
    }

    pub fn wide_bytes(&self) -> u64 {
        self.weights.wide_bytes()
    }

    /// Tokens of `text`. What is longer is cut, as diffusers does it.
    pub fn ids(&self, text: &str) -> Result<Vec<u32>, ModelError> {
        let mut ids = self.words.ids(text, self.length)?;
        ids.resize(self.length, self.words.pad);
        Ok(ids)
    }

    fn read(&self, processor: &Processor, texts: &[&str]) -> Result<Vec<Read>, ModelError> {
        let ids = texts.iter().map(|text| self.ids(text)).collect::<Result<Vec<_>, _>>()?;
        let clip = self.weights.load(processor.with(Precision::F32), |vb| Clip::new(&self.shape, vb))?;
        ids.iter().map(|ids| Ok(clip.read(ids)?)).collect()
    }
}

/// What `encoders` read of `texts`: one is an earlier model's and its last states count, two are an XL's, which takes
/// the states before them. `done` is called after each.
pub(super) fn read<E>(
    encoders: &[Encoder],
    processor: &Processor,
    texts: &[&str],
    failed: impl Fn(ModelError) -> E,
    mut done: impl FnMut() -> Result<(), E>,
) -> Result<Vec<Text>, E> {
    let mut all: Vec<Text> = Vec::with_capacity(texts.len());
    for encoder in encoders {
        let found = encoder.read(processor, texts).map_err(&failed)?;
        for (i, Read { last, penultimate, pooled }) in found.into_iter().enumerate() {
            match all.get_mut(i) {
                None => {
                    let context = if encoders.len() > 1 { penultimate } else { last };
                    all.push(Text { context, pooled });
                }
                Some(text) => {
                    let beside = Tensor::cat(&[&text.context, &penultimate], 2);
                    *text = Text { context: beside.map_err(|e| failed(e.into()))?, pooled };
                }
            }
        }
        done()?;
    }
    Ok(all)
}
