//! The text encoders of a checkpoint under Hugging Face's names.

use std::path::Path;

use serde_json::{Value, json};

use super::super::super::ModelError;
use super::super::super::error::shown;
use super::super::super::names::{blocks, numbered, replaced};
use super::super::super::weights::{Entry, Piece, Tensors};

/// Width of an attention head in every CLIP that is known; no tensor shows it.
const HEAD: usize = 64;
const TEXT_MODEL: &str = "text_model.";
const LAYERS: &str = "text_model.encoder.layers.";

/// An encoder that has Hugging Face's names below `start`; newer versions of it leave the leading `text_model` out.
pub(super) fn clip(all: &Tensors, start: &str) -> Tensors {
    let known = [TEXT_MODEL, "embeddings.", "encoder.", "final_layer_norm."];
    let mut tensors = Tensors::new();
    for (name, entry) in below(all, start) {
        // Numbers of the places, which are not read.
        if name.ends_with("position_ids") || !known.iter().any(|known| name.starts_with(known)) {
            continue;
        }
        let lead = if name.starts_with(TEXT_MODEL) { "" } else { TEXT_MODEL };
        tensors.insert(format!("{lead}{name}"), entry.clone());
    }
    tensors
}

/// One that has open_clip's: queries, keys and values are one matrix there, and the projection stands the other way.
pub(super) fn open_clip(path: &Path, all: &Tensors, start: &str) -> Result<Tensors, ModelError> {
    let mut tensors = Tensors::new();
    for (name, entry) in below(all, start) {
        if name == "text_projection" {
            let mut entry = entry.clone();
            entry.shape.reverse();
            entry.turned = true;
            tensors.insert("text_projection.weight".to_owned(), entry);
            continue;
        }
        let to = replaced(name, &OPEN_CLIP);
        if to == name {
            continue;
        }
        match to.split_once(".in_proj_") {
            None => drop(tensors.insert(to, entry.clone())),
            Some((layer, kind)) => {
                for (part, piece) in
                    ["q_proj", "k_proj", "v_proj"].into_iter().zip(thirds(path, name, entry)?)
                {
                    tensors.insert(format!("{layer}.{part}.{kind}"), piece);
                }
            }
        }
    }
    Ok(tensors)
}

/// Parts of names; what none of them is in is no part of the encoder.
const OPEN_CLIP: [(&str, &str); 10] = [
    ("token_embedding.", "text_model.embeddings.token_embedding."),
    ("positional_embedding", "text_model.embeddings.position_embedding.weight"),
    ("ln_final.", "text_model.final_layer_norm."),
    ("transformer.resblocks.", LAYERS),
    (".ln_1.", ".layer_norm1."),
    (".ln_2.", ".layer_norm2."),
    (".attn.in_proj_", ".self_attn.in_proj_"),
    (".attn.out_proj.", ".self_attn.out_proj."),
    (".mlp.c_fc.", ".mlp.fc1."),
    (".mlp.c_proj.", ".mlp.fc2."),
];

/// Three tensors of as many rows each.
fn thirds(path: &Path, name: &str, entry: &Entry) -> Result<[Entry; 3], ModelError> {
    let ([Piece { file, start, end }], [rows, rest @ ..]) = (&entry.pieces[..], &entry.shape[..]) else {
        return Err(uneven(path, name));
    };
    let bytes = end - start;
    if rows % 3 != 0 || bytes % 3 != 0 {
        return Err(uneven(path, name));
    }
    let (third, shape) = (bytes / 3, [&[rows / 3], rest].concat());
    Ok([0, 1, 2].map(|i| {
        let start = start + i * third;
        let pieces = vec![Piece { file: *file, start, end: start + third }];
        Entry { dtype: entry.dtype.clone(), shape: shape.clone(), pieces, turned: false }
    }))
}

fn uneven(path: &Path, name: &str) -> ModelError {
    let cause = format!("tensor {}: expected queries, keys and values in equal parts", shown(name));
    ModelError::Header { file: path.to_owned(), cause }
}

/// Layers of Stable Diffusion 2: it reads the last but one of 24, and files from diffusers lack the last.
const READ: usize = 23;

/// Takes out what Stable Diffusion 2 does not read: the last layer, and the projection of the text as a whole.
pub(super) fn read_by_second(mut tensors: Tensors) -> Tensors {
    let is_read = |name: &String| numbered(name, LAYERS).is_none_or(|(layer, _)| layer < READ);
    tensors.retain(|name, _| is_read(name) && name != "text_projection.weight");
    tensors
}

/// What a `config.json` says of it: sizes as its tensors show them.
pub(super) fn settings(path: &Path, tensors: &Tensors, activation: &str) -> Result<Value, ModelError> {
    let missing = |tensor: String| ModelError::NoTensor { file: path.to_owned(), tensor };
    let size = |name: &str, dimension: usize| {
        let name = format!("{TEXT_MODEL}{name}.weight");
        let size = tensors.get(&name).and_then(|entry| entry.shape.get(dimension).copied());
        size.ok_or_else(|| missing(name))
    };
    let width = size("embeddings.token_embedding", 1)?;
    let projected = tensors.get("text_projection.weight").and_then(|entry| entry.shape.first().copied());
    Ok(json!({
        "vocab_size": size("embeddings.token_embedding", 0)?,
        "hidden_size": width,
        "max_position_embeddings": size("embeddings.position_embedding", 0)?,
        "intermediate_size": size("encoder.layers.0.mlp.fc1", 0)?,
        "num_hidden_layers": blocks(tensors, LAYERS),
        "num_attention_heads": width / HEAD,
        "hidden_act": activation,
        // The end token is the one of the largest number.
        "eos_token_id": 2,
        "projection_dim": projected,
    }))
}

/// The tensors below `start`, by the rest of their names.
pub(super) fn under(all: &Tensors, start: &str) -> Tensors {
    below(all, start).map(|(name, entry)| (name.to_owned(), entry.clone())).collect()
}

fn below<'a>(all: &'a Tensors, start: &str) -> impl Iterator<Item = (&'a str, &'a Entry)> {
    let start = start.to_owned();
    all.range(start.clone()..).map_while(move |(name, entry)| Some((name.strip_prefix(&start)?, entry)))
}
