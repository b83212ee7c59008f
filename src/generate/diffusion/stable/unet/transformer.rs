//! Transformers over the pixels of a level, which look at one another and at the text (`Transformer2DModel`).

use candle_core::Tensor;

use super::super::super::ops::layers::{Groups, LayerNorm, Linear, Vars, attention};
use super::super::super::ops::{Activation, Compute, gated};
use super::{Level, Shape};

/// Its own, whatever the network's.
const GROUPS_EPSILON: f64 = 1e-6;
const LAYER_EPSILON: f64 = 1e-5;

pub(super) struct Transformer {
    norm: Groups,
    enter: Linear,
    blocks: Vec<Block>,
    leave: Linear,
}

impl Transformer {
    pub fn new(shape: &Shape, level: &Level, vb: Vars) -> candle_core::Result<Transformer> {
        let width = level.channels;
        let projection = |name: &str| match shape.linear_projection {
            true => Linear::new(width, width, vb.pp(name)),
            false => Linear::of_pixels(width, width, vb.pp(name)),
        };
        let block =
            |i: usize| Block::new(width, shape.context, level.heads, vb.pp("transformer_blocks").pp(i));
        Ok(Transformer {
            norm: Groups::new(shape.groups, width, GROUPS_EPSILON, vb.pp("norm"))?,
            enter: projection("proj_in")?,
            blocks: (0..level.transformer).map(block).collect::<Result<_, _>>()?,
            leave: projection("proj_out")?,
        })
    }

    pub fn forward(&self, x: &Tensor, context: &Tensor) -> candle_core::Result<Tensor> {
        let (batch, channels, height, width) = x.dims4()?;
        let tokens = self.norm.forward(x)?.flatten_from(2)?.transpose(1, 2)?.contiguous()?;
        let mut states = self.enter.forward(&tokens)?;
        for block in &self.blocks {
            states = block.forward(&states, context)?;
        }
        let made = self.leave.forward(&states)?.transpose(1, 2)?.contiguous()?;
        made.reshape((batch, channels, height, width))? + x
    }
}

struct Block {
    norms: [LayerNorm; 3],
    itself: Attention,
    text: Attention,
    /// To twice the inner width: what is passed on, and how much of it.
    gated: Linear,
    contract: Linear,
}

impl Block {
    fn new(width: usize, context: usize, heads: usize, vb: Vars) -> candle_core::Result<Block> {
        let norm = |name: &str| LayerNorm::new(width, LAYER_EPSILON, vb.pp(name));
        let inner = 4 * width;
        Ok(Block {
            norms: [norm("norm1")?, norm("norm2")?, norm("norm3")?],
            itself: Attention::new(width, width, heads, vb.pp("attn1"))?,
            text: Attention::new(width, context, heads, vb.pp("attn2"))?,
            gated: Linear::new(width, 2 * inner, vb.pp("ff.net.0.proj"))?,
            contract: Linear::new(inner, width, vb.pp("ff.net.2"))?,
        })
    }

    fn forward(&self, x: &Tensor, context: &Tensor) -> candle_core::Result<Tensor> {
        let [first, second, third] = &self.norms;
        let normal = first.forward(x)?;
        let x = self.itself.forward(&normal, &normal, x)?;
        let x = self.text.forward(&second.forward(&x)?, context, &x)?;
        let both = self.gated.forward(&third.forward(&x)?)?;
        self.contract.beside(&gated(self.gated.compute(), &both, Activation::GeluErf)?, &x)
    }
}

struct Attention {
    queries: Linear,
    keys: Linear,
    values: Linear,
    out: Linear,
    heads: usize,
    compute: Compute,
}

impl Attention {
    fn new(width: usize, seen: usize, heads: usize, vb: Vars) -> candle_core::Result<Attention> {
        Ok(Attention {
            queries: Linear::without_bias(width, width, vb.pp("to_q"))?,
            keys: Linear::without_bias(seen, width, vb.pp("to_k"))?,
            values: Linear::without_bias(seen, width, vb.pp("to_v"))?,
            out: Linear::new(width, width, vb.pp("to_out.0"))?,
            heads,
            compute: vb.compute().clone(),
        })
    }

    /// Added to `beside`.
    fn forward(&self, x: &Tensor, seen: &Tensor, beside: &Tensor) -> candle_core::Result<Tensor> {
        let queries = self.queries.forward(x)?;
        let (keys, values) = (self.keys.forward(seen)?, self.values.forward(seen)?);
        let found = attention([&queries, &keys, &values], self.heads, false, &self.compute)?;
        self.out.beside(&found, beside)
    }
}
