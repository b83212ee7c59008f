//! A FLUX.1 model of a few hundred thousand random weights, for tests.

use std::collections::HashMap;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use candle_nn::{VarBuilder, VarMap};
use tempfile::TempDir;
use tokenizers::models::unigram::Unigram;
use tokenizers::pre_tokenizers::metaspace::Metaspace;
use tokenizers::{AddedToken, Tokenizer};

use super::super::ops::{Precision, Vars};
use super::super::{autoencoder, clip};
use crate::random::Stream;

pub const LETTERS: &str = "abcdefghijklmnopqrstuvwxyz";
pub const LATENT_CHANNELS: usize = 4;

/// A whole model folder in the flat layout; dev has a guidance embedding, schnell has none.
pub fn folder(dev: bool) -> TempDir {
    let dir = tempfile::tempdir().expect("a directory for the tests");
    let name = if dev { "flux1-dev.safetensors" } else { "flux1-schnell.safetensors" };
    let at = |name: &str| dir.path().join(name);
    save(&at(name), |vb| flux(dev, &vb));
    save_autoencoder(&at("ae.safetensors"), &vae());
    save(&at("clip_l.safetensors"), |vb| clip::Clip::new(&clip(), vb.pp("text_model")).map(drop));
    save(&at("t5xxl_fp16.safetensors"), |vb| t5(&vb));
    std::fs::create_dir(at("clip")).expect("a new folder");
    std::fs::create_dir(at("t5")).expect("a new folder");
    let (vocab, merges) = clip_words();
    std::fs::write(at("clip/vocab.json"), vocab).expect("a new file");
    std::fs::write(at("clip/merges.txt"), merges).expect("a new file");
    t5_words().save(at("t5/tokenizer.json"), false).expect("a new file");
    dir
}

/// A Redux model for it, as people have it who have its weights alone.
pub fn redux() -> TempDir {
    let dir = tempfile::tempdir().expect("a directory for the tests");
    save(&dir.path().join("flux1-redux-dev.safetensors"), |vb| {
        linear(&vb, "redux_up", 72, 3 * CONTEXT, true)?;
        linear(&vb, "redux_down", 3 * CONTEXT, CONTEXT, true)
    });
    save(&dir.path().join("siglip.safetensors"), |vb| super::redux::tiny(vb.pp("vision_model")));
    dir
}

/// Writes seeded weights under the names and in the shapes that `build` asks for.
pub fn save(path: &Path, build: impl FnOnce(Vars) -> candle_core::Result<()>) {
    let map = VarMap::new();
    let vb = VarBuilder::from_varmap(&map, DType::F32, &Device::Cpu);
    build(Vars::of(vb, Precision::F32)).expect("a sound configuration");
    let tensors: HashMap<String, Tensor> = map
        .data()
        .lock()
        .expect("one thread")
        .iter()
        .map(|(name, var)| (name.clone(), weight(name, var.dims())))
        .collect();
    candle_core::safetensors::save(&tensors, path).expect("a new file");
}

fn weight(name: &str, shape: &[usize]) -> Tensor {
    let stream = Stream::new(1, name);
    let inputs: usize = shape[1..].iter().product();
    let (mean, spread) = match name {
        _ if name.ends_with("bias") => (0.0, 0.02),
        _ if shape.len() == 1 => (1.0, 0.02),
        _ => (0.0, 1.0 / (inputs as f64).sqrt()),
    };
    let data: Vec<f32> = (0..shape.iter().product::<usize>() as u64)
        .map(|i| (mean + spread * stream.normal(i)) as f32)
        .collect();
    Tensor::from_vec(data, shape, &Device::Cpu).expect("as many numbers as the shape holds")
}

/// Width and heads of the transformer, of its text and of the pooled text; and what its inner width is made of.
pub const WIDTH: usize = 64;
pub const HEADS: usize = 2;
const CONTEXT: usize = 32;
const POOLED: usize = 64;
pub const INNER: usize = 4 * WIDTH;

/// Black Forest Labs' transformer of two double and two single blocks.
fn flux(dev: bool, vb: &Vars) -> candle_core::Result<()> {
    linear(vb, "img_in", 4 * LATENT_CHANNELS, WIDTH, true)?;
    linear(vb, "txt_in", CONTEXT, WIDTH, true)?;
    let told =
        [("time_in", 256), ("vector_in", POOLED)].into_iter().chain(dev.then_some(("guidance_in", 256)));
    for (name, inputs) in told {
        linear(vb, &format!("{name}.in_layer"), inputs, WIDTH, true)?;
        linear(vb, &format!("{name}.out_layer"), WIDTH, WIDTH, true)?;
    }
    let norms = |vb: &Vars, name: &str| {
        vb.get(WIDTH / HEADS, &format!("{name}.query_norm.scale"))?;
        vb.get(WIDTH / HEADS, &format!("{name}.key_norm.scale")).map(drop)
    };
    for i in 0..2 {
        let vb = vb.pp("double_blocks").pp(i);
        for branch in ["img", "txt"] {
            let at = |name: &str| format!("{branch}_{name}");
            linear(&vb, &at("mod.lin"), WIDTH, 6 * WIDTH, true)?;
            linear(&vb, &at("attn.qkv"), WIDTH, 3 * WIDTH, true)?;
            norms(&vb, &at("attn.norm"))?;
            linear(&vb, &at("attn.proj"), WIDTH, WIDTH, true)?;
            linear(&vb, &at("mlp.0"), WIDTH, INNER, true)?;
            linear(&vb, &at("mlp.2"), INNER, WIDTH, true)?;
        }
    }
    for i in 0..2 {
        let vb = vb.pp("single_blocks").pp(i);
        linear(&vb, "modulation.lin", WIDTH, 3 * WIDTH, true)?;
        linear(&vb, "linear1", WIDTH, 3 * WIDTH + INNER, true)?;
        norms(&vb, "norm")?;
        linear(&vb, "linear2", WIDTH + INNER, WIDTH, true)?;
    }
    linear(vb, "final_layer.linear", WIDTH, 4 * LATENT_CHANNELS, true)?;
    linear(vb, "final_layer.adaLN_modulation.1", WIDTH, 2 * WIDTH, true)
}

fn linear(vb: &Vars, name: &str, inputs: usize, outputs: usize, biased: bool) -> candle_core::Result<()> {
    vb.get((outputs, inputs), &format!("{name}.weight"))?;
    if biased { vb.get(outputs, &format!("{name}.bias")).map(drop) } else { Ok(()) }
}

pub fn vae() -> autoencoder::Config {
    autoencoder::Config {
        channels: vec![32, 32, 64, 64],
        residuals: 1,
        latents: LATENT_CHANNELS,
        scale: 0.3611,
        shift: 0.1159,
    }
}

/// Writes the weights of an autoencoder.
pub fn save_autoencoder(path: &Path, config: &autoencoder::Config) {
    save(path, |vb| autoencoder::Autoencoder::new(config, autoencoder::Quant::default(), vb).map(drop));
}

fn clip() -> clip::Shape {
    clip::Shape {
        vocabulary: 60,
        positions: 12,
        width: POOLED,
        inner: 128,
        layers: 2,
        heads: 1,
        activation: clip::Activation::QuickGelu,
        epsilon: 1e-5,
        end: clip::End::Last,
        projection: None,
    }
}

/// Hugging Face's encoder of two blocks.
fn t5(vb: &Vars) -> candle_core::Result<()> {
    const ALL_HEADS: usize = 4 * 8;
    vb.get((64, CONTEXT), "shared.weight")?;
    vb.get(CONTEXT, "encoder.final_layer_norm.weight")?;
    for i in 0..2 {
        let vb = vb.pp("encoder.block").pp(i).pp("layer");
        if i == 0 {
            vb.get((32, 4), "0.SelfAttention.relative_attention_bias.weight")?;
        }
        vb.get(CONTEXT, "0.layer_norm.weight")?;
        for name in ["q", "k", "v"] {
            linear(&vb, &format!("0.SelfAttention.{name}"), CONTEXT, ALL_HEADS, false)?;
        }
        linear(&vb, "0.SelfAttention.o", ALL_HEADS, CONTEXT, false)?;
        vb.get(CONTEXT, "1.layer_norm.weight")?;
        linear(&vb, "1.DenseReluDense.wi_0", CONTEXT, 48, false)?;
        linear(&vb, "1.DenseReluDense.wi_1", CONTEXT, 48, false)?;
        linear(&vb, "1.DenseReluDense.wo", 48, CONTEXT, false)?;
    }
    Ok(())
}

/// `vocab.json` and `merges.txt` that know "virion" as one word and everything else letter by letter.
fn clip_words() -> (String, String) {
    let merges = ["v i", "vi r", "vir i", "viri o", "virio n</w>"];
    let letters = LETTERS.chars().flat_map(|c| [c.to_string(), format!("{c}</w>")]);
    let merged = merges.map(|pair| pair.replace(' ', ""));
    let special = ["<|startoftext|>", "<|endoftext|>"].map(str::to_owned);
    let vocab: HashMap<String, usize> =
        letters.chain(merged).chain(special).enumerate().map(|(i, t)| (t, i)).collect();
    let vocab = serde_json::to_string(&vocab).expect("a map of numbers");
    (vocab, format!("#version: 0.2\n{}\n", merges.join("\n")))
}

fn t5_words() -> Tokenizer {
    let frame = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", -9.0), ("▁", -3.0), ("▁virion", -1.0)];
    let letters = LETTERS.chars().map(|c| (c.to_string(), -5.0));
    let vocab = frame.map(|(t, p)| (t.to_owned(), p)).into_iter().chain(letters).collect();
    let mut words = Tokenizer::new(Unigram::from(vocab, Some(2), false).expect("an unknown token"));
    words.with_pre_tokenizer(Some(Metaspace::default()));
    words
        .add_special_tokens(["<pad>", "</s>", "<unk>"].map(|t| AddedToken::from(t, true)))
        .expect("tokens of the vocabulary");
    words
}
