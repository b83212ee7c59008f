//! Prompt to text embeddings: CLIP's pooled vector and T5's sequence.

use candle_core::{Device, IndexOp, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::clip::text_model::ClipTextTransformer;

use super::super::ModelError;
use super::super::t5;
use super::super::words::Words;
use super::shapes::Shapes;

/// What the transformer is told of the prompt.
#[derive(Clone)]
pub struct Text {
    /// (1, width of CLIP).
    pub pooled: Tensor,
    /// (tokens, width of T5).
    pub context: Tensor,
}

pub(super) fn clip_model(shapes: &Shapes, vb: VarBuilder) -> candle_core::Result<ClipTextTransformer> {
    let vb = if shapes.clip_prefix.is_empty() { vb } else { vb.pp(shapes.clip_prefix) };
    ClipTextTransformer::new(vb, &shapes.clip)
}

/// CLIP's final state at the end token, (1, width), of `length` tokens at most.
pub(super) fn pooled(
    model: &ClipTextTransformer,
    words: &Words,
    prompt: &str,
    length: usize,
) -> Result<Tensor, ModelError> {
    let ids = words.ids(prompt, length)?;
    let ids = Tensor::new(ids, &Device::Cpu)?.unsqueeze(0)?;
    let states = model.forward_with_mask(&ids, usize::MAX)?;
    Ok(states.i((.., states.dim(1)? - 1))?.contiguous()?)
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
