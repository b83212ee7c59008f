//! The network that tells noise from picture (`UNet2DConditionModel`).

mod blocks;
mod embedding;
mod transformer;

use candle_core::Tensor;

use super::super::ops::Compute;
use super::super::ops::layers::{Conv, Groups, Vars};
use blocks::{Down, Mid, Up};
use embedding::Embedding;

/// The network, as its `config.json` has it.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct Shape {
    /// Channels of the latents, in and out.
    pub latents: usize,
    /// From the full size to the smallest: each has half the size of the one before.
    pub levels: Vec<Level>,
    /// Whether there is a block between the way down and the way up.
    pub middle: bool,
    pub groups: usize,
    pub epsilon: f64,
    /// Width of the text.
    pub context: usize,
    /// Whether what leads into a transformer and out of it is a matrix, not a convolution of one pixel.
    pub linear_projection: bool,
    /// Whether the cosines of an embedded number stand before its sines.
    pub cosines_first: bool,
    pub frequency_shift: f64,
    pub added: Option<Added>,
}

/// One size of picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Level {
    pub channels: usize,
    /// Residual blocks on the way down; the way up has one more.
    pub residuals: usize,
    pub heads: usize,
    /// Blocks of each transformer.
    pub transformer: usize,
    /// Whether transformers follow the residual blocks, on the way down and on the way up.
    pub attends: [bool; 2],
}

/// What Stable Diffusion XL is told beside time and text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Added {
    /// Numbers that each size is embedded in.
    pub numbers: usize,
    /// Width of the pooled text and of all embedded sizes together.
    pub width: usize,
}

/// What the network is told of a prompt.
#[derive(Clone)]
pub struct Condition {
    /// (1, tokens, width of the text).
    pub context: Tensor,
    /// Of a network with [`Added`].
    pub added: Option<Sizes>,
}

/// A prompt as a whole, and the sizes of the picture that is drawn.
#[derive(Clone)]
pub struct Sizes {
    /// (1, width of the pooled text).
    pub pooled: Tensor,
    /// Height and width of the original, the corner that was cut out, height and width of the picture.
    pub numbers: [f64; 6],
}

pub struct Unet {
    time: Embedding,
    enter: Conv,
    down: Vec<Down>,
    middle: Option<Mid>,
    up: Vec<Up>,
    norm: Groups,
    leave: Conv,
    compute: Compute,
}

impl Unet {
    pub fn new(shape: &Shape, vb: Vars) -> candle_core::Result<Unet> {
        let first = shape.levels.first().map_or(0, |level| level.channels);
        let count = shape.levels.len();
        let channels = |i: usize| shape.levels[i].channels;
        let down = |i: usize| {
            let inputs = if i == 0 { first } else { channels(i - 1) };
            Down::new(shape, i, inputs, vb.pp("down_blocks").pp(i))
        };
        // The way up begins at the smallest size.
        let up = |turn: usize| {
            let i = count - 1 - turn;
            let below = channels((i + 1).min(count - 1));
            let beside = channels(i.saturating_sub(1));
            Up::new(shape, i, below, beside, vb.pp("up_blocks").pp(turn))
        };
        Ok(Unet {
            time: Embedding::new(shape, first, vb.clone())?,
            enter: Conv::new(shape.latents, first, vb.pp("conv_in"))?,
            down: (0..count).map(down).collect::<Result<_, _>>()?,
            middle: if shape.middle { Some(Mid::new(shape, vb.pp("mid_block"))?) } else { None },
            up: (0..count).map(up).collect::<Result<_, _>>()?,
            norm: Groups::new(shape.groups, first, shape.epsilon, vb.pp("conv_norm_out"))?,
            leave: Conv::new(first, shape.latents, vb.pp("conv_out"))?,
            compute: vb.compute().clone(),
        })
    }

    /// What is made of `latents`, (1, channels, height, width), at `timestep`.
    pub fn forward(
        &self,
        latents: &Tensor,
        timestep: f64,
        condition: &Condition,
    ) -> candle_core::Result<Tensor> {
        let time = self.time.forward(timestep, condition)?;
        let context = &self.compute.taken(&condition.context)?;
        let mut x = self.enter.forward(&self.compute.taken(latents)?)?;
        let mut left = vec![x.clone()];
        for down in &self.down {
            x = down.forward(x, &time, context, &mut left)?;
        }
        if let Some(middle) = &self.middle {
            x = middle.forward(&x, &time, context)?;
        }
        for up in &self.up {
            x = up.forward(x, &time, context, &mut left)?;
        }
        self.compute.given(self.leave.forward(&self.norm.activated(&x)?)?)
    }
}
