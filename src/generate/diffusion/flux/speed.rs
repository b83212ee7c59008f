//! Blocks of FLUX.1-dev with weights of chance, for measuring: a transformer that has no others.

use std::path::Path;
use std::sync::Arc;

use super::super::ModelError;
use super::super::ops::{Place, Precision};
use super::super::speed::{Run, file, run, tensor};
use super::super::types::Type;
use super::super::weights::Weights;
use super::rope::Rope;
use super::shapes::flux_transformer;
use super::transformer::{Config, Transformer};

const TEXTS: usize = 512;
/// Packed latents of a picture of 512 × 512 pixels.
const SIDE: usize = 32;

/// So many double and single blocks, with matrices that are stored in this type.
pub fn block(
    dir: &Path,
    kind: Type,
    [double, single]: [usize; 2],
    precision: Precision,
) -> Result<Run, ModelError> {
    let config = Config {
        channels: 64,
        pooled: 768,
        context: 4096,
        width: 3072,
        inner: 12288,
        heads: 24,
        double_blocks: double,
        single_blocks: single,
        axes: [16, 56, 56],
        biased: true,
        guided: true,
    };
    let path = dir.join("weights.safetensors");
    let dtype = match kind {
        Type::Bf16 => "BF16",
        Type::Q8_0 => "Q8_0",
        _ => "F32",
    };
    file(&path, &shapes(&config), kind, dtype)?;
    call(&config, &Arc::new(Weights::open(&[path])?), TEXTS, precision)
}

/// One call of the transformer in `file`, with so many tokens of text.
pub fn stored(file: &Path, texts: usize, precision: Precision) -> Result<Run, ModelError> {
    let weights = Arc::new(Weights::open(&[file.to_owned()])?);
    call(&flux_transformer(&weights)?, &weights, texts, precision)
}

fn call(
    config: &Config,
    weights: &Arc<Weights>,
    texts: usize,
    precision: Precision,
) -> Result<Run, ModelError> {
    let model = Transformer::new(config, &Place::of(weights, precision))?;
    let (image, text) = (tensor(&[SIDE * SIDE, config.channels])?, tensor(&[texts, config.context])?);
    let (pooled, rope) = (tensor(&[1, config.pooled])?, Rope::new(config.axes, texts, [SIDE, SIDE])?);
    run(move || model.velocity(&image, (&text, &pooled), &rope, 0.5, 3.5))
}

fn shapes(config: &Config) -> Vec<(String, Vec<usize>)> {
    let Config { channels, pooled, context, width, inner, heads, .. } = *config;
    let mut all = Vec::new();
    let mut linear = |name: String, inputs: usize, outputs: usize| {
        all.push((format!("{name}.weight"), vec![outputs, inputs]));
        all.push((format!("{name}.bias"), vec![outputs]));
    };
    linear("img_in".into(), channels, width);
    linear("txt_in".into(), context, width);
    for (name, inputs) in [("time_in", 256), ("vector_in", pooled), ("guidance_in", 256)] {
        linear(format!("{name}.in_layer"), inputs, width);
        linear(format!("{name}.out_layer"), width, width);
    }
    linear("final_layer.adaLN_modulation.1".into(), width, 2 * width);
    linear("final_layer.linear".into(), width, channels);
    let branches =
        (0..config.double_blocks).flat_map(|i| ["img", "txt"].map(|b| format!("double_blocks.{i}.{b}_")));
    let branches: Vec<String> = branches.collect();
    for at in &branches {
        linear(format!("{at}mod.lin"), width, 6 * width);
        linear(format!("{at}attn.qkv"), width, 3 * width);
        linear(format!("{at}attn.proj"), width, width);
        linear(format!("{at}mlp.0"), width, inner);
        linear(format!("{at}mlp.2"), inner, width);
    }
    for i in 0..config.single_blocks {
        linear(format!("single_blocks.{i}.modulation.lin"), width, 3 * width);
        linear(format!("single_blocks.{i}.linear1"), width, 3 * width + inner);
        linear(format!("single_blocks.{i}.linear2"), width + inner, width);
    }
    let singles = (0..config.single_blocks).map(|i| format!("single_blocks.{i}.norm."));
    let norms = branches.iter().map(|at| format!("{at}attn.norm.")).chain(singles);
    let norms: Vec<String> =
        norms.flat_map(|at| ["query", "key"].map(|of| format!("{at}{of}_norm.scale"))).collect();
    all.extend(norms.into_iter().map(|name| (name, vec![width / heads])));
    all
}
