//! Prompt to text embeddings: CLIP's pooled vector and T5's sequence.

use candle_core::Tensor;

use super::super::ModelError;
use super::super::clip::Clip;
use super::super::t5;
use super::super::words::Words;

/// What the transformer is told of the prompt.
#[derive(Clone)]
pub struct Text {
    /// (1, width of CLIP).
    pub pooled: Tensor,
    /// (tokens, width of T5).
    pub context: Tensor,
    /// How much the tokens of a picture count that stand behind those of the prompt; `None` without any.
    pub image_weight: Option<f64>,
}

impl Text {
    /// With the tokens of a picture, (tokens, width of T5), behind its own.
    pub fn beside(self, tokens: &Tensor, weight: f64) -> candle_core::Result<Text> {
        let context = Tensor::cat(&[self.context, (tokens * weight)?], 0)?;
        Ok(Text { context, image_weight: Some(weight), ..self })
    }
}

/// CLIP's final state at the end token, (1, width), of `length` tokens at most.
pub(super) fn pooled(model: &Clip, words: &Words, prompt: &str, length: usize) -> Result<Tensor, ModelError> {
    Ok(model.read(&words.ids(prompt, length)?)?.pooled)
}

/// T5's states of the prompt padded to `length` tokens; FLUX was trained to see the padding, so there is no mask.
pub(super) fn context(
    model: &t5::Encoder,
    words: &Words,
    prompt: &str,
    length: usize,
) -> Result<Tensor, ModelError> {
    let mut ids = words.ids(prompt, length)?;
    ids.resize(length.max(1), words.pad);
    Ok(model.forward(&ids)?)
}
