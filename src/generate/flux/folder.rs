//! Where a model's files are in diffusers' layout: one folder for each part, each with its `config.json`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;

use super::configs::{self, Configs};
use super::parts::{Found, Role, State, found, tokenizer};

/// Variants of a part's files, the exact one first.
const VARIANTS: [&str; 4] = ["", ".fp32", ".bf16", ".fp16"];

/// Bytes of an index, at most: that of a model of a thousand blocks has a megabyte.
const LARGEST_INDEX: u64 = 64 << 20;

/// Which shard holds which tensor.
#[derive(Deserialize)]
struct Shards {
    weight_map: BTreeMap<String, String>,
}

/// Whether `dir` has this layout.
pub(super) fn is(dir: &Path) -> bool {
    configs::index(dir).is_file()
}

/// Whether a folder that is to be chosen from is worth looking into: any but one of another pipeline.
pub fn is_ours(dir: &Path) -> bool {
    !is(dir) || Configs::is_ours(dir)
}

pub(super) fn state(dir: &Path, role: Role) -> State {
    const DIFFUSERS: &str = "diffusion_pytorch_model";
    match role {
        Role::Transformer => weights(&dir.join("transformer"), DIFFUSERS, role),
        Role::Autoencoder => weights(&dir.join("vae"), DIFFUSERS, role),
        Role::Clip => weights(&dir.join("text_encoder"), "model", role),
        Role::T5 => weights(&dir.join("text_encoder_2"), "model", role),
        Role::ClipTokenizer => tokenizer(dir, &["tokenizer"], true, role),
        Role::T5Tokenizer => tokenizer(dir, &["tokenizer_2"], false, role),
    }
}

/// What the folder of a part should hold, for people.
pub(super) fn expected(role: Role) -> &'static str {
    match role {
        Role::Transformer => "transformer/diffusion_pytorch_model.safetensors, or its shards and their index",
        Role::Autoencoder => "vae/diffusion_pytorch_model.safetensors",
        Role::Clip => "text_encoder/model.safetensors",
        Role::T5 => "text_encoder_2/model.safetensors, or its shards and their index",
        Role::ClipTokenizer => "tokenizer/tokenizer.json, or tokenizer/vocab.json and tokenizer/merges.txt",
        Role::T5Tokenizer => "tokenizer_2/tokenizer.json",
    }
}

/// One file, or the shards that an index names, of the most exact variant that is there whole.
fn weights(folder: &Path, stem: &str, role: Role) -> State {
    let whole = VARIANTS.iter().find_map(|variant| {
        let one = found(&folder.join(format!("{stem}{variant}.safetensors"))).map(|file| vec![file]);
        one.or_else(|| shards(folder, &format!("{stem}.safetensors.index{variant}.json")))
    });
    if let Some(files) = whole {
        return State::Found(files);
    }
    let pickle = ["bin", "pt", "ckpt"].iter().find_map(|end| found(&folder.join(format!("{stem}.{end}"))));
    match pickle {
        Some(file) => State::Unreadable { file, format: "a pickle, which can run code and is never loaded" },
        None => State::Missing { expected: expected(role) },
    }
}

/// The shards that the index of this name lists, if all of them are there.
fn shards(folder: &Path, index: &str) -> Option<Vec<Found>> {
    let index = found(&folder.join(index)).filter(|index| index.bytes <= LARGEST_INDEX)?;
    let text = std::fs::read(index.path).ok()?;
    let Shards { weight_map } = serde_json::from_slice(&text).ok()?;
    let names: BTreeSet<String> = weight_map.into_values().collect();
    // A name may not lead out of the folder.
    let plain = |name: &String| Path::new(name).file_name().is_some_and(|only| only == name.as_str());
    if names.is_empty() || !names.iter().all(plain) {
        return None;
    }
    names.iter().map(|name| found(&folder.join(name))).collect()
}
