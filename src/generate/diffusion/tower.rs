//! Layers of transformers as CLIP and SigLIP have them, with Hugging Face's names.

use candle_core::Tensor;

use super::ops::layers::{LayerNorm, Linear, Vars, attention};
use super::ops::{Activation, Compute, activated};

/// What all layers of a tower are.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub width: usize,
    pub inner: usize,
    pub heads: usize,
    pub activation: Activation,
    pub epsilon: f64,
    /// Whether a token sees only those up to its own place.
    pub causal: bool,
}

pub struct Layer {
    norms: [LayerNorm; 2],
    /// Queries, keys, values and what is made of them.
    attention: [Linear; 4],
    expand: Linear,
    contract: Linear,
    shape: Shape,
    compute: Compute,
}

impl Layer {
    pub fn new(shape: Shape, vb: Vars) -> candle_core::Result<Layer> {
        let Shape { width, inner, epsilon, .. } = shape;
        let square = |name: &str| Linear::new(width, width, vb.pp("self_attn").pp(name));
        Ok(Layer {
            norms: [
                LayerNorm::new(width, epsilon, vb.pp("layer_norm1"))?,
                LayerNorm::new(width, epsilon, vb.pp("layer_norm2"))?,
            ],
            attention: [square("q_proj")?, square("k_proj")?, square("v_proj")?, square("out_proj")?],
            expand: Linear::new(width, inner, vb.pp("mlp.fc1"))?,
            contract: Linear::new(inner, width, vb.pp("mlp.fc2"))?,
            shape,
            compute: vb.compute().clone(),
        })
    }

    /// (1, tokens, width).
    pub fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        let Shape { heads, activation, causal, .. } = self.shape;
        let [queries, keys, values, out] = &self.attention;
        let normal = self.norms[0].forward(x)?;
        let [queries, keys, values] = [queries, keys, values].map(|linear| linear.forward(&normal));
        let seen = attention([&queries?, &keys?, &values?], heads, causal, &self.compute)?;
        let x = out.beside(&seen, x)?;
        let inner = self.expand.forward(&self.norms[1].forward(&x)?)?;
        self.contract.beside(&activated(&self.compute, &inner, activation)?, &x)
    }
}
