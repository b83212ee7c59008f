//! A FLUX.1 model of a few hundred thousand random weights, for tests.

use std::collections::HashMap;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use candle_nn::{Activation, VarBuilder, VarMap};
use candle_transformers::models::clip::text_model::{
    Activation as ClipActivation, ClipTextConfig, ClipTextTransformer,
};
use candle_transformers::models::flux::{autoencoder, model};
use candle_transformers::models::t5;
use tempfile::TempDir;
use tokenizers::models::unigram::Unigram;
use tokenizers::pre_tokenizers::metaspace::Metaspace;
use tokenizers::{AddedToken, Tokenizer};

use crate::random::Stream;

pub const LETTERS: &str = "abcdefghijklmnopqrstuvwxyz";
pub const LATENT_CHANNELS: usize = 4;

/// A whole model folder in the flat layout; dev has a guidance embedding, schnell has none.
pub fn folder(dev: bool) -> TempDir {
    let dir = tempfile::tempdir().expect("a directory for the tests");
    let name = if dev { "flux1-dev.safetensors" } else { "flux1-schnell.safetensors" };
    let at = |name: &str| dir.path().join(name);
    save(&at(name), |vb| model::Flux::new(&flux(dev), vb).map(drop));
    save(&at("ae.safetensors"), |vb| autoencoder::AutoEncoder::new(&vae(), vb).map(drop));
    save(&at("clip_l.safetensors"), |vb| ClipTextTransformer::new(vb.pp("text_model"), &clip()).map(drop));
    save(&at("t5xxl_fp16.safetensors"), |vb| t5::T5EncoderModel::load(vb, &t5()).map(drop));
    std::fs::create_dir(at("clip")).expect("a new folder");
    std::fs::create_dir(at("t5")).expect("a new folder");
    let (vocab, merges) = clip_words();
    std::fs::write(at("clip/vocab.json"), vocab).expect("a new file");
    std::fs::write(at("clip/merges.txt"), merges).expect("a new file");
    t5_words().save(at("t5/tokenizer.json"), false).expect("a new file");
    dir
}

/// Writes seeded weights under the names and in the shapes that `build` asks for.
pub fn save(path: &Path, build: impl FnOnce(VarBuilder) -> candle_core::Result<()>) {
    let map = VarMap::new();
    build(VarBuilder::from_varmap(&map, DType::F32, &Device::Cpu)).expect("a sound configuration");
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

pub fn flux(dev: bool) -> model::Config {
    model::Config {
        in_channels: 4 * LATENT_CHANNELS,
        vec_in_dim: 64,
        context_in_dim: 32,
        hidden_size: 64,
        mlp_ratio: 4.0,
        num_heads: 2,
        depth: 2,
        depth_single_blocks: 2,
        axes_dim: vec![4, 14, 14],
        theta: 10_000,
        qkv_bias: true,
        guidance_embed: dev,
    }
}

pub fn vae() -> autoencoder::Config {
    autoencoder::Config {
        resolution: 256,
        in_channels: 3,
        ch: 32,
        out_ch: 3,
        ch_mult: vec![1, 1, 2, 2],
        num_res_blocks: 1,
        z_channels: LATENT_CHANNELS,
        scale_factor: 0.3611,
        shift_factor: 0.1159,
    }
}

fn clip() -> ClipTextConfig {
    ClipTextConfig {
        vocab_size: 60,
        embed_dim: 64,
        activation: ClipActivation::QuickGelu,
        intermediate_size: 128,
        max_position_embeddings: 12,
        pad_with: None,
        num_hidden_layers: 2,
        num_attention_heads: 1,
        projection_dim: 64,
    }
}

fn t5() -> t5::Config {
    t5::Config {
        vocab_size: 64,
        d_model: 32,
        d_kv: 8,
        d_ff: 48,
        num_layers: 2,
        num_heads: 4,
        feed_forward_proj: t5::ActivationWithOptionalGating { gated: true, activation: Activation::NewGelu },
        ..t5::Config::default()
    }
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
