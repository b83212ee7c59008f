//! The transformer of FLUX.1, over weights that stay as they are stored; tensors have BFL's names.

use candle_core::{Device, Module, Tensor};

use super::super::ModelError;
use super::super::ops::{Activation, Compute, Linear, Place, attention_of_all, layer_norm, turned};
use super::rope::Rope;

const EPSILON: f64 = 1e-6;
/// Numbers that a point in time is told in.
const TIME_WIDTH: usize = 256;

/// What the transformer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Channels of a packed latent.
    pub channels: usize,
    /// Width of the pooled text.
    pub pooled: usize,
    /// Width of the text.
    pub context: usize,
    pub width: usize,
    /// Width inside of the feed-forward networks.
    pub inner: usize,
    pub heads: usize,
    pub double_blocks: usize,
    pub single_blocks: usize,
    /// Numbers of a head that tell each of the three coordinates.
    pub axes: [usize; 3],
    /// Whether query, key and value of double blocks have biases.
    pub biased: bool,
    /// Whether guidance is embedded.
    pub guided: bool,
}

pub struct Transformer {
    image_in: Linear,
    text_in: Linear,
    time_in: Embedder,
    pooled_in: Embedder,
    guidance_in: Option<Embedder>,
    double_blocks: Vec<DoubleBlock>,
    single_blocks: Vec<SingleBlock>,
    last: LastLayer,
    compute: Compute,
}

impl Transformer {
    pub fn new(config: &Config, place: &Place) -> Result<Transformer, ModelError> {
        let Config { channels, width, guided, .. } = *config;
        let embedder = |name: &str, inputs| Embedder::new(inputs, width, &place.at(name));
        let (double, single) = (place.at("double_blocks"), place.at("single_blocks"));
        Ok(Transformer {
            image_in: place.at("img_in").linear(channels, width, true)?,
            text_in: place.at("txt_in").linear(config.context, width, true)?,
            time_in: embedder("time_in", TIME_WIDTH)?,
            pooled_in: embedder("vector_in", config.pooled)?,
            guidance_in: guided.then(|| embedder("guidance_in", TIME_WIDTH)).transpose()?,
            double_blocks: (0..config.double_blocks)
                .map(|i| DoubleBlock::new(config, &double.at(i)))
                .collect::<Result<_, _>>()?,
            single_blocks: (0..config.single_blocks)
                .map(|i| SingleBlock::new(config, &single.at(i)))
                .collect::<Result<_, _>>()?,
            last: LastLayer::new(config, &place.at("final_layer"))?,
            compute: place.compute().clone(),
        })
    }

    /// The velocity at `time` (1 is noise) of the packed latents `image`, (tokens, channels); the text is (tokens, width),
    /// its pooled vector (1, width). `rope` holds the positions of text and image, in this order.
    pub fn velocity(
        &self,
        image: &Tensor,
        (text, pooled): (&Tensor, &Tensor),
        rope: &Rope,
        time: f64,
        guidance: f64,
    ) -> candle_core::Result<Tensor> {
        let taken = |x: &Tensor| self.compute.taken(x);
        let time = self.time_in.forward(&taken(&embedded(time)?)?)?;
        let mut told = (time + self.pooled_in.forward(&taken(pooled)?)?)?;
        if let Some(embedder) = &self.guidance_in {
            told = (told + embedder.forward(&taken(&embedded(guidance)?)?)?)?;
        }
        let told = told.silu()?;
        let rope = &rope.on(told.device())?;
        let (mut image, mut text) =
            (self.image_in.forward(&taken(image)?)?, self.text_in.forward(&taken(text)?)?);
        for block in &self.double_blocks {
            (image, text) = block.forward(&image, &text, &told, rope)?;
        }
        let mut all = Tensor::cat(&[&text, &image], 0)?;
        let texts = text.dim(0)?;
        drop((image, text));
        for block in &self.single_blocks {
            all = block.forward(&all, &told, rope)?;
        }
        self.compute.given(self.last.forward(&all.narrow(0, texts, all.dim(0)? - texts)?, &told)?)
    }
}

/// A point in time, or a guidance, as cosines and sines of a thousandfold of it, (1, [`TIME_WIDTH`]). In f32 as
/// diffusers has it, which the weights were trained with.
fn embedded(value: f64) -> candle_core::Result<Tensor> {
    const HALF: usize = TIME_WIDTH / 2;
    let value = value as f32 * 1000.0;
    let angle = |i: usize| value * (-(1e4f32.ln()) * i as f32 / HALF as f32).exp();
    let numbers: Vec<f32> =
        (0..HALF).map(|i| angle(i).cos()).chain((0..HALF).map(|i| angle(i).sin())).collect();
    Tensor::from_vec(numbers, (1, TIME_WIDTH), &Device::Cpu)
}

struct Embedder {
    inner: Linear,
    outer: Linear,
}

impl Embedder {
    fn new(inputs: usize, width: usize, place: &Place) -> Result<Embedder, ModelError> {
        let inner = place.at("in_layer").linear(inputs, width, true)?;
        Ok(Embedder { inner, outer: place.at("out_layer").linear(width, width, true)? })
    }

    fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        self.outer.forward(&self.inner.forward(x)?.silu()?)
    }
}

/// What time, guidance and pooled text do to one branch of a block: each (1, width).
struct Modulation {
    shift: Tensor,
    scale: Tensor,
    gate: Tensor,
    compute: Compute,
}

impl Modulation {
    /// `N` of them that one matrix makes of what is told.
    fn of<const N: usize>(matrix: &Linear, told: &Tensor) -> candle_core::Result<[Modulation; N]> {
        let all = matrix.forward(told)?;
        let width = all.dim(1)? / (3 * N);
        let part = |i: usize| all.narrow(1, i * width, width);
        let one = |i: usize| {
            let (shift, scale, gate) = (part(3 * i)?, part(3 * i + 1)?, part(3 * i + 2)?);
            Ok(Modulation { shift, scale, gate, compute: matrix.compute().clone() })
        };
        let made = (0..N).map(one).collect::<candle_core::Result<Vec<_>>>()?;
        made.try_into().map_err(|_| candle_core::Error::Msg("another number of modulations".to_owned()))
    }

    fn norm(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        modulated_norm(&self.compute, x, &self.shift, &self.scale)
    }

    fn add(&self, x: &Tensor, change: &Tensor) -> candle_core::Result<Tensor> {
        x + change.broadcast_mul(&self.gate)?
    }
}

/// Rows of mean 0 and variance 1, scaled and shifted.
fn modulated_norm(
    compute: &Compute,
    x: &Tensor,
    shift: &Tensor,
    scale: &Tensor,
) -> candle_core::Result<Tensor> {
    layer_norm(compute, x, [&(scale + 1.0)?, shift], EPSILON)
}

/// The norms of queries and keys, and how they attend.
struct Norms {
    query: Tensor,
    key: Tensor,
    compute: Compute,
}

impl Norms {
    fn new(config: &Config, place: &Place) -> Result<Norms, ModelError> {
        let scale = |name: &str| place.vector(&format!("{name}_norm.scale"), config.width / config.heads);
        Ok(Norms { query: scale("query")?, key: scale("key")?, compute: place.compute().clone() })
    }

    /// Queries, keys and values of tokens that stand at these places of the rope, (tokens, 3·width), as they attend: the
    /// first outputs of `linear`.
    fn turned(&self, linear: &Linear, x: &Tensor, rope: &Rope, first: usize) -> candle_core::Result<Tensor> {
        let here = |table: &Tensor| table.narrow(0, first, x.dim(0)?);
        let (scales, columns) = ([&self.query, &self.key], 3 * x.dim(1)?);
        turned(linear, x, columns, scales, EPSILON, [&here(&rope.cos)?, &here(&rope.sin)?])
    }

    /// Attention of all tokens to all: (tokens, width).
    fn attended(&self, all: &Tensor) -> candle_core::Result<Tensor> {
        let head = self.query.dim(0)?;
        attention_of_all(all, all.dim(1)? / (3 * head), 1.0 / (head as f64).sqrt(), &self.compute)
    }
}

/// One of the two branches of a double block.
struct Branch {
    modulation: Linear,
    qkv: Linear,
    norms: Norms,
    projection: Linear,
    inner: Linear,
    inner_width: usize,
    outer: Linear,
}

impl Branch {
    fn new(config: &Config, place: &Place, name: &str) -> Result<Branch, ModelError> {
        let Config { width, inner, .. } = *config;
        let at = |part: &str| place.at(format_args!("{name}_{part}"));
        Ok(Branch {
            modulation: at("mod.lin").linear(width, 6 * width, true)?,
            qkv: at("attn.qkv").linear(width, 3 * width, config.biased)?,
            norms: Norms::new(config, &at("attn.norm"))?,
            projection: at("attn.proj").linear(width, width, true)?,
            inner: at("mlp.0").linear(width, inner, true)?,
            inner_width: inner,
            outer: at("mlp.2").linear(inner, width, true)?,
        })
    }

    fn after(&self, x: &Tensor, attended: &Tensor, by: &[Modulation; 2]) -> candle_core::Result<Tensor> {
        let x = by[0].add(x, &self.projection.forward(attended)?)?;
        let inner = self.inner.activated(&by[1].norm(&x)?, 0..self.inner_width, Activation::GeluTanh)?;
        by[1].add(&x, &self.outer.forward(&inner)?)
    }
}

/// Image and text have their own weights and attend to each other.
struct DoubleBlock {
    image: Branch,
    text: Branch,
}

impl DoubleBlock {
    fn new(config: &Config, place: &Place) -> Result<DoubleBlock, ModelError> {
        Ok(DoubleBlock {
            image: Branch::new(config, place, "img")?,
            text: Branch::new(config, place, "txt")?,
        })
    }

    fn forward(
        &self,
        image: &Tensor,
        text: &Tensor,
        told: &Tensor,
        rope: &Rope,
    ) -> candle_core::Result<(Tensor, Tensor)> {
        let for_image = Modulation::of::<2>(&self.image.modulation, told)?;
        let for_text = Modulation::of::<2>(&self.text.modulation, told)?;
        let (texts, images) = (text.dim(0)?, image.dim(0)?);
        let turned = |branch: &Branch, x: &Tensor, by: &Modulation, first: usize| {
            branch.norms.turned(&branch.qkv, &by.norm(x)?, rope, first)
        };
        let of_text = turned(&self.text, text, &for_text[0], 0)?;
        let of_image = turned(&self.image, image, &for_image[0], texts)?;
        let attended = self.image.norms.attended(&Tensor::cat(&[of_text, of_image], 0)?)?;
        let of_image = attended.narrow(0, texts, images)?;
        let of_text = attended.narrow(0, 0, texts)?;
        Ok((self.image.after(image, &of_image, &for_image)?, self.text.after(text, &of_text, &for_text)?))
    }
}

/// Image and text as one; attention beside the feed-forward network.
struct SingleBlock {
    modulation: Linear,
    /// To queries, keys, values and the inside of the feed-forward network.
    inner: Linear,
    norms: Norms,
    outer: Linear,
    width: usize,
    inner_width: usize,
}

impl SingleBlock {
    fn new(config: &Config, place: &Place) -> Result<SingleBlock, ModelError> {
        let Config { width, inner, .. } = *config;
        Ok(SingleBlock {
            modulation: place.at("modulation.lin").linear(width, 3 * width, true)?,
            inner: place.at("linear1").linear(width, 3 * width + inner, true)?,
            norms: Norms::new(config, &place.at("norm"))?,
            outer: place.at("linear2").linear(width + inner, width, true)?,
            width,
            inner_width: inner,
        })
    }

    fn forward(&self, x: &Tensor, told: &Tensor, rope: &Rope) -> candle_core::Result<Tensor> {
        let [by] = Modulation::of::<1>(&self.modulation, told)?;
        let normed = by.norm(x)?;
        let apart = 3 * self.width;
        let attended = self.norms.attended(&self.norms.turned(&self.inner, &normed, rope, 0)?)?;
        let within = apart..apart + self.inner_width;
        let inner = self.inner.activated(&normed, within, Activation::GeluTanh)?;
        by.add(x, &self.outer.of_both(&attended, &inner)?)
    }
}

struct LastLayer {
    modulation: Linear,
    linear: Linear,
}

impl LastLayer {
    fn new(config: &Config, place: &Place) -> Result<LastLayer, ModelError> {
        let Config { width, channels, .. } = *config;
        Ok(LastLayer {
            modulation: place.at("adaLN_modulation.1").linear(width, 2 * width, true)?,
            linear: place.at("linear").linear(width, channels, true)?,
        })
    }

    fn forward(&self, x: &Tensor, told: &Tensor) -> candle_core::Result<Tensor> {
        let by = self.modulation.forward(told)?;
        let width = by.dim(1)? / 2;
        let (shift, scale) = (by.narrow(1, 0, width)?, by.narrow(1, width, width)?);
        self.linear.forward(&modulated_norm(self.linear.compute(), x, &shift, &scale)?)
    }
}
