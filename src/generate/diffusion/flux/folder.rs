//! Where a model's files are in diffusers' layout: one folder for each part, each with its `config.json`.

use std::path::Path;

use super::super::layout::{self, PICKLE, State, Stored};
use super::super::{ModelError, config};
use super::configs::Configs;
use super::parts::{Role, tokenizer};

/// The folders of a model's parts.
pub const PARTS: &[&str] =
    &["transformer", "vae", "text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2", "scheduler"];

/// Whether the settings of a folder are those of a model that this engine draws with, before its weights are there.
///
/// # Errors
/// With the first that is not.
pub fn check(dir: &Path) -> Result<(), ModelError> {
    Configs::read(dir).map(drop)
}

/// Whether `dir` has this layout.
pub(super) fn is(dir: &Path) -> bool {
    config::index(dir).is_file()
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

fn weights(folder: &Path, stem: &str, role: Role) -> State {
    match layout::weights(folder, stem) {
        Stored::Whole(files) => State::Found(files),
        Stored::Pickle(file) => State::Unreadable { file, format: PICKLE },
        Stored::Nothing => State::Missing { expected: expected(role) },
    }
}
