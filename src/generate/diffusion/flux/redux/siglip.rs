//! SigLIP's vision tower: a picture to what is seen of each of its patches.

use candle_core::{Device, Tensor};

use super::super::super::ops::layers::{LayerNorm, Linear, Vars};
use super::super::super::ops::{Activation, Compute};
use super::super::super::tower::{self, Layer};

/// The network; positions make up a square.
#[derive(Clone, Debug, PartialEq)]
pub struct Shape {
    /// Patches to a side of the picture, and pixels to a side of a patch.
    pub patches: usize,
    pub patch: usize,
    pub width: usize,
    pub inner: usize,
    pub layers: usize,
    pub heads: usize,
    pub epsilon: f64,
}

impl Shape {
    /// Pixels to a side of the picture.
    pub fn side(&self) -> usize {
        self.patches * self.patch
    }
}

pub struct Siglip {
    patches: Linear,
    /// (1, patches², width).
    positions: Tensor,
    layers: Vec<Layer>,
    norm: LayerNorm,
    shape: Shape,
    compute: Compute,
}

impl Siglip {
    /// From tensors with Hugging Face's names; newer versions of it leave the leading `vision_model` out.
    pub fn new(shape: &Shape, vb: Vars) -> candle_core::Result<Siglip> {
        let Shape { patches, patch, width, inner, layers, heads, epsilon } = *shape;
        let vb = if vb.contains_tensor(&format!("{PREFIX}.{PATCHES}.weight")) { vb.pp(PREFIX) } else { vb };
        let layer =
            tower::Shape { width, inner, heads, activation: Activation::GeluTanh, epsilon, causal: false };
        let positions = vb.get((patches * patches, width), POSITIONS)?.unsqueeze(0)?;
        Ok(Siglip {
            patches: Linear::of_patches(3, patch, width, vb.pp(PATCHES))?,
            positions,
            layers: (0..layers)
                .map(|i| Layer::new(layer, vb.pp("encoder.layers").pp(i)))
                .collect::<Result<_, _>>()?,
            norm: LayerNorm::new(width, epsilon, vb.pp("post_layernorm"))?,
            shape: shape.clone(),
            compute: vb.compute().clone(),
        })
    }

    /// The last states, (1, patches², width), of a picture's colours in −1..=1, one after another, row by row.
    pub fn read(&self, picture: &[f32]) -> candle_core::Result<Tensor> {
        let Shape { patches, patch, .. } = self.shape;
        let side = self.shape.side();
        if picture.len() != 3 * side * side {
            candle_core::bail!("{} numbers of a picture of {side}×{side}", picture.len());
        }
        let mut numbers = Vec::with_capacity(picture.len());
        for (row, column) in (0..patches).flat_map(|row| (0..patches).map(move |column| (row, column))) {
            for (colour, y) in (0..3).flat_map(|colour| (0..patch).map(move |y| (colour, y))) {
                let first = (colour * side + row * patch + y) * side + column * patch;
                numbers.extend_from_slice(&picture[first..first + patch]);
            }
        }
        let x = Tensor::from_vec(numbers, (1, patches * patches, 3 * patch * patch), &Device::Cpu)?;
        let mut states = (self.patches.forward(&self.compute.taken(&x)?)? + &self.positions)?;
        for layer in &self.layers {
            states = layer.forward(&states)?;
        }
        self.norm.forward(&states)
    }
}

/// Where tensors may lie, and names of those that shapes are read from.
pub const PREFIX: &str = "vision_model";
pub const PATCHES: &str = "embeddings.patch_embedding";
pub const POSITIONS: &str = "embeddings.position_embedding.weight";
