//! CLIP's text encoder: tokens to what a network is told of a prompt.

use candle_core::{IndexOp, Tensor};

use super::ops::layers::{LayerNorm, Linear, Vars};
use super::ops::{self, Compute};
use super::tower::{self, Layer};

/// The network, as its `config.json` has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Shape {
    pub vocabulary: usize,
    pub positions: usize,
    pub width: usize,
    pub inner: usize,
    pub layers: usize,
    pub heads: usize,
    pub activation: Activation,
    pub epsilon: f64,
    pub end: End,
    /// Width of the projected text, where there is a projection.
    pub projection: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// x · sigmoid(1.702 x).
    QuickGelu,
    /// By the error function.
    Gelu,
}

/// Which token's state stands for the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The first of this number, or the first of all where there is none.
    Token(u32),
    /// The first of the largest number, as models say it that were made before the number was written down.
    Largest,
    /// The last, of texts that are not filled up.
    Last,
}

pub struct Clip {
    tokens: Tensor,
    positions: Tensor,
    layers: Vec<Layer>,
    norm: LayerNorm,
    projection: Option<Linear>,
    end: End,
    compute: Compute,
}

impl Shape {
    fn layer(&self) -> tower::Shape {
        let Shape { width, inner, heads, epsilon, .. } = *self;
        let activation = match self.activation {
            Activation::QuickGelu => ops::Activation::QuickGelu,
            Activation::Gelu => ops::Activation::GeluErf,
        };
        tower::Shape { width, inner, heads, activation, epsilon, causal: true }
    }
}

/// What is read of a text.
pub struct Read {
    /// The last layer's states under the final norm, (1, tokens, width).
    pub last: Tensor,
    /// The states of the layer before it, without a norm.
    pub penultimate: Tensor,
    /// The final state of the end token, projected where there is a projection, (1, width).
    pub pooled: Tensor,
}

impl Clip {
    /// From tensors with Hugging Face's names; newer versions of it leave the leading `text_model` out.
    pub fn new(shape: &Shape, vb: Vars) -> candle_core::Result<Clip> {
        let Shape { vocabulary, positions, width, epsilon, .. } = *shape;
        let projection = shape
            .projection
            .map(|projected| Linear::without_bias(width, projected, vb.pp("text_projection")))
            .transpose()?;
        let prefixed = vb.contains_tensor("text_model.embeddings.token_embedding.weight");
        let vb = if prefixed { vb.pp("text_model") } else { vb };
        let embeddings = vb.pp("embeddings");
        let layers = vb.pp("encoder.layers");
        Ok(Clip {
            tokens: embeddings.get((vocabulary, width), "token_embedding.weight")?,
            positions: embeddings.get((positions, width), "position_embedding.weight")?,
            layers: (0..shape.layers)
                .map(|i| Layer::new(shape.layer(), layers.pp(i)))
                .collect::<Result<_, _>>()?,
            norm: LayerNorm::new(width, epsilon, vb.pp("final_layer_norm"))?,
            projection,
            end: shape.end,
            compute: vb.compute().clone(),
        })
    }

    /// Of one text's tokens: all below the vocabulary's size, and no more of them than there are positions.
    pub fn read(&self, ids: &[u32]) -> candle_core::Result<Read> {
        let tokens = self.tokens.index_select(&Tensor::new(ids, self.tokens.device())?, 0)?;
        let mut states = (tokens + self.positions.narrow(0, 0, ids.len())?)?.unsqueeze(0)?;
        let mut penultimate = states.clone();
        for layer in &self.layers {
            penultimate = states;
            states = layer.forward(&penultimate)?;
        }
        let last = self.norm.forward(&states)?;
        let pooled = last.i((.., self.end.place(ids)))?.contiguous()?;
        let pooled = match &self.projection {
            Some(projection) => projection.forward(&pooled)?,
            None => pooled,
        };
        let given = |x| self.compute.given(x);
        Ok(Read { last: given(last)?, penultimate: given(penultimate)?, pooled: given(pooled)? })
    }
}

impl End {
    fn place(self, ids: &[u32]) -> usize {
        let sought = match self {
            End::Token(id) => Some(id),
            End::Largest => ids.iter().max().copied(),
            End::Last => return ids.len().saturating_sub(1),
        };
        ids.iter().position(|id| Some(*id) == sought).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_stands_at_its_first_end_token() {
        assert_eq!(End::Token(9).place(&[1, 5, 9, 9]), 2);
        assert_eq!(End::Largest.place(&[1, 5, 9, 9, 0]), 2);
        assert_eq!(End::Last.place(&[1, 5, 9, 9]), 3);
        assert_eq!(End::Token(9).place(&[1, 5, 7]), 0, "as an argmax over nothing");
    }
}
