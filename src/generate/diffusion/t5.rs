//! The encoder of T5 1.1, over weights that stay as they are stored; tensors have Hugging Face's names.

use candle_core::{Device, Module, Tensor};

use super::ModelError;
use super::ops::{Activation, Compute, Linear, Matrix, Place, Scores, attention, rms_norm};

/// What the encoder is.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    pub vocabulary: usize,
    pub width: usize,
    /// Width of a head.
    pub head: usize,
    pub heads: usize,
    /// Width inside of the feed-forward networks.
    pub inner: usize,
    pub blocks: usize,
    /// Distances of tokens that are told apart, in both directions together, and the distance beyond which none are.
    pub buckets: usize,
    pub distance: usize,
    pub epsilon: f64,
}

pub struct Encoder {
    words: Matrix,
    /// (buckets, heads): what a distance adds to the scores, the same in every block.
    bias: Tensor,
    blocks: Vec<Block>,
    norm: Tensor,
    config: Config,
    compute: Compute,
}

impl Encoder {
    /// `words` is the name of the words' matrix, which is stored under one of two.
    pub fn new(config: &Config, words: &str, place: &Place) -> Result<Encoder, ModelError> {
        let encoder = place.at("encoder");
        let bias = encoder.at("block.0.layer.0.SelfAttention.relative_attention_bias");
        let blocks =
            (0..config.blocks).map(|i| Block::new(config, &encoder.at(format_args!("block.{i}.layer"))));
        Ok(Encoder {
            words: place.matrix(words, [config.vocabulary, config.width])?,
            bias: bias.table("weight", [config.buckets, config.heads])?,
            blocks: blocks.collect::<Result<_, _>>()?,
            norm: encoder.vector("final_layer_norm.weight", config.width)?,
            config: config.clone(),
            compute: place.compute().clone(),
        })
    }

    /// States of these tokens, (tokens, width).
    pub fn forward(&self, ids: &[u32]) -> candle_core::Result<Tensor> {
        let bias = self.compute.taken(&self.bias(ids.len())?)?;
        let mut states = self.compute.taken(&self.words.lookup(ids)?)?;
        for block in &self.blocks {
            states = block.forward(&states, &bias, &self.config)?;
        }
        self.compute.given(rms_norm(&self.compute, &states, &self.norm, self.config.epsilon)?)
    }

    /// (heads, keys, queries).
    fn bias(&self, tokens: usize) -> candle_core::Result<Tensor> {
        let Config { buckets, distance, .. } = self.config;
        let pairs = (0..tokens).flat_map(|key| (0..tokens).map(move |i| bucket(i, key, buckets, distance)));
        let pairs = Tensor::from_vec(pairs.collect::<Vec<u32>>(), tokens * tokens, &Device::Cpu)?;
        self.bias.t()?.contiguous()?.index_select(&pairs, 1)?.reshape((self.config.heads, tokens, tokens))
    }
}

/// Which distance token `j` has from token `i`: near ones have a bucket each, far ones share those of a logarithm.
fn bucket(i: usize, j: usize, buckets: usize, distance: usize) -> u32 {
    let half = buckets / 2;
    let (far, exact) = (i.abs_diff(j), half / 2);
    let within = if far < exact {
        far
    } else {
        // In f32, since that rounds some distances down which have a bucket's very border.
        let share = (far as f32 / exact as f32).ln() / (distance as f64 / exact as f64).ln() as f32;
        exact.saturating_add((share * (half - exact) as f32) as usize).min(half.saturating_sub(1))
    };
    (if j > i { half + within } else { within }) as u32
}

struct Block {
    norm: Tensor,
    q: Linear,
    k: Linear,
    v: Linear,
    o: Linear,
    second_norm: Tensor,
    gate: Linear,
    inner: Linear,
    outer: Linear,
    compute: Compute,
}

impl Block {
    fn new(config: &Config, place: &Place) -> Result<Block, ModelError> {
        let Config { width, head, heads, inner, .. } = *config;
        let linear = |name: &str, inputs, outputs| place.at(name).linear(inputs, outputs, false);
        let all = heads * head;
        Ok(Block {
            norm: place.vector("0.layer_norm.weight", width)?,
            q: linear("0.SelfAttention.q", width, all)?,
            k: linear("0.SelfAttention.k", width, all)?,
            v: linear("0.SelfAttention.v", width, all)?,
            o: linear("0.SelfAttention.o", all, width)?,
            second_norm: place.vector("1.layer_norm.weight", width)?,
            gate: linear("1.DenseReluDense.wi_0", width, inner)?,
            inner: linear("1.DenseReluDense.wi_1", width, inner)?,
            outer: linear("1.DenseReluDense.wo", inner, width)?,
            compute: place.compute().clone(),
        })
    }

    fn forward(&self, x: &Tensor, bias: &Tensor, config: &Config) -> candle_core::Result<Tensor> {
        let normed = rms_norm(&self.compute, x, &self.norm, config.epsilon)?;
        let [q, k, v] = [&self.q, &self.k, &self.v].map(|linear| linear.forward(&normed));
        // The scores of T5 are not scaled.
        let scores = Scores::With(bias);
        let attended = attention([&q?, &k?, &v?], config.heads, 1.0, scores, &self.compute)?;
        let x = self.o.beside(&attended, x)?;
        let normed = rms_norm(&self.compute, &x, &self.second_norm, config.epsilon)?;
        let gate = self.gate.activated(&normed, 0..config.inner, Activation::GeluTanh)?;
        self.outer.beside(&(gate * self.inner.forward(&normed)?)?, &x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `T5Attention._relative_position_bucket` of transformers has it for 32 buckets up to 128.
    #[test]
    fn near_distances_have_buckets_of_their_own_and_far_ones_share() {
        let of = |i, j| bucket(i, j, 32, 128);
        assert_eq!([of(5, 5), of(7, 5), of(12, 5), of(5, 7)], [0, 2, 7, 18]);
        assert_eq!([of(8, 0), of(11, 0), of(12, 0), of(16, 0), of(0, 16)], [8, 8, 9, 10, 26]);
        assert_eq!([of(127, 0), of(128, 0), of(500, 0), of(0, 500)], [15, 15, 15, 31]);
    }

    #[test]
    fn no_number_of_buckets_is_too_small() {
        for buckets in 0..4 {
            assert!(bucket(3, 900, buckets, 128) <= 3);
        }
    }
}
