//! Which files make a model, under the names that users of ComfyUI have them.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::digest::Digest;

use super::super::layout::State;
use super::super::layout::{Found, PICKLE, found};
use super::super::special::Specials;
use super::super::{ModelError, digest};
use super::configs::Configs;
use super::folder;
use super::redux::EMBEDDER;

/// What a file is to the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    Transformer,
    Autoencoder,
    Clip,
    T5,
    ClipTokenizer,
    T5Tokenizer,
}

impl Role {
    pub const ALL: [Role; 6] =
        [Role::Transformer, Role::Autoencoder, Role::Clip, Role::T5, Role::ClipTokenizer, Role::T5Tokenizer];

    /// Names that a search looks for, for people.
    pub fn expected(self) -> &'static str {
        match self {
            Role::Transformer => {
                "flux1-*.safetensors or flux1-*.gguf, or under unet/, diffusion_models/ or checkpoints/"
            }
            Role::Autoencoder => "ae.safetensors, or under vae/",
            Role::Clip => "clip_l*.safetensors, or under clip/ or text_encoders/",
            Role::T5 => "t5xxl*.safetensors or t5-*.gguf, or under clip/ or text_encoders/",
            Role::ClipTokenizer => "clip/tokenizer.json, or clip/vocab.json and clip/merges.txt",
            Role::T5Tokenizer => "t5/tokenizer.json",
        }
    }

    /// Starts of the file's name and the folders to look into; `None` for tokenizers.
    fn pattern(self) -> Option<Pattern> {
        const TEXT: &[&str] = &["", "clip", "text_encoders"];
        match self {
            Role::Transformer => Some((&["flux1-"], &["", "unet", "diffusion_models"])),
            Role::Autoencoder => Some((&["ae."], &["", "vae"])),
            Role::Clip => Some((&["clip_l"], TEXT)),
            Role::T5 => Some((&["t5xxl", "t5-"], TEXT)),
            Role::ClipTokenizer | Role::T5Tokenizer => None,
        }
    }

    /// Whether the part is large enough that people have it as GGUF.
    fn may_be_gguf(self) -> bool {
        matches!(self, Role::Transformer | Role::T5)
    }
}

impl Role {
    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Role::Transformer => "transformer",
            Role::Autoencoder => "autoencoder",
            Role::Clip => "CLIP text encoder",
            Role::T5 => "T5 text encoder",
            Role::ClipTokenizer => "CLIP tokenizer",
            Role::T5Tokenizer => "T5 tokenizer",
        }
    }
}

/// One part of a model folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Part {
    pub role: Role,
    pub state: State,
}

/// What is there and what is missing in `dir`, in the order of [`Role::ALL`].
pub fn inventory(dir: &Path) -> Vec<Part> {
    Role::ALL.into_iter().map(|role| Part { role, state: state(dir, role) }).collect()
}

/// The files of a whole model.
pub(super) struct Parts {
    pub transformer: Vec<PathBuf>,
    pub autoencoder: Vec<PathBuf>,
    pub clip: Vec<PathBuf>,
    pub t5: Vec<PathBuf>,
    pub clip_words: Vec<PathBuf>,
    /// What is said of CLIP's tokens beside its words.
    pub clip_specials: Vec<PathBuf>,
    pub t5_words: Vec<PathBuf>,
    /// Those that say what no tensor shows.
    pub configs: Vec<PathBuf>,
}

pub(super) fn locate(dir: &Path) -> Result<Parts, ModelError> {
    let files = |role: Role| state(dir, role).files(dir, role.name());
    let mut parts = Parts {
        transformer: files(Role::Transformer)?,
        autoencoder: files(Role::Autoencoder)?,
        clip: files(Role::Clip)?,
        t5: files(Role::T5)?,
        clip_words: files(Role::ClipTokenizer)?,
        clip_specials: Vec::new(),
        t5_words: files(Role::T5Tokenizer)?,
        configs: if folder::is(dir) { Configs::files(dir).to_vec() } else { Vec::new() },
    };
    let beside = parts.clip_words.first().and_then(|file| file.parent());
    parts.clip_specials = beside.map(Specials::files).unwrap_or_default();
    Ok(parts)
}

/// Digest of the model: the SHA-256 of each file in a fixed order, hashed again. Names and folders do
/// not matter.
pub(super) fn digest(parts: &Parts) -> Result<Digest, ModelError> {
    let Parts { transformer, autoencoder, clip, t5, clip_words, clip_specials, t5_words, configs } = parts;
    let files = [transformer, autoencoder, clip, t5, clip_words, clip_specials, t5_words, configs];
    let files: Vec<&PathBuf> = files.into_iter().flatten().collect();
    digest::of("vidimus flux model 1", &files)
}

fn state(dir: &Path, role: Role) -> State {
    if folder::is(dir) {
        return folder::state(dir, role);
    }
    match role {
        Role::ClipTokenizer => tokenizer(dir, &["clip", "tokenizer"], true, role),
        Role::T5Tokenizer => tokenizer(dir, &["t5", "tokenizer_2"], false, role),
        _ => match weights(dir, role, role.pattern()) {
            // Some have it in one file with what else makes a model, of which it alone is read.
            State::Missing { .. } if role == Role::Transformer => {
                weights(dir, role, role.pattern().map(|(starts, _)| (starts, ALL_IN_ONE)))
            }
            state => state,
        },
    }
}

/// Where such files are.
const ALL_IN_ONE: &[&str] = &["checkpoints"];

/// Starts of a file's name, and folders to look into.
type Pattern = (&'static [&'static str], &'static [&'static str]);

fn weights(dir: &Path, role: Role, pattern: Option<Pattern>) -> State {
    let missing = State::Missing { expected: role.expected() };
    let Some((starts, folders)) = pattern else { return missing };
    let mut named: Vec<(Found, Format)> = folders
        .iter()
        .filter_map(|folder| std::fs::read_dir(dir.join(folder)).ok())
        .flat_map(|entries| entries.filter_map(Result::ok))
        .filter_map(|entry| {
            let name = entry.file_name().to_str()?.to_lowercase();
            let is_named = starts.iter().any(|start| name.starts_with(start)) && !name.starts_with(EMBEDDER);
            let format = is_named.then(|| format_of(&name, role))??;
            Some((found(&entry.path())?, format))
        })
        .collect();
    named.sort_by(|a, b| a.0.path.cmp(&b.0.path));
    let readable: Vec<Found> =
        named.iter().filter(|(_, format)| *format == Format::Read).map(|(file, _)| file.clone()).collect();
    match (readable.len(), named.into_iter().next()) {
        (0, Some((file, Format::Other(format)))) => State::Unreadable { file, format },
        (0, _) => missing,
        (1, _) => State::Found(readable),
        _ => State::Several(readable),
    }
}

#[derive(PartialEq)]
enum Format {
    Read,
    Other(&'static str),
}

/// The format that a name promises; `None` for what is no model.
fn format_of(name: &str, role: Role) -> Option<Format> {
    match name.rsplit_once('.')?.1 {
        "safetensors" | "sft" => Some(Format::Read),
        "ckpt" | "pt" | "pth" | "bin" => Some(Format::Other(PICKLE)),
        "gguf" if role.may_be_gguf() => Some(Format::Read),
        "gguf" => Some(Format::Other("GGUF")),
        _ => None,
    }
}

pub(super) fn tokenizer(dir: &Path, folders: &[&str], merges: bool, role: Role) -> State {
    let sets: &[&[&str]] =
        if merges { &[&["tokenizer.json"], &["vocab.json", "merges.txt"]] } else { &[&["tokenizer.json"]] };
    folders
        .iter()
        .flat_map(|folder| sets.iter().map(move |set| (folder, set)))
        .find_map(|(folder, set)| {
            set.iter().map(|name| found(&dir.join(folder).join(name))).collect::<Option<Vec<_>>>()
        })
        .map_or_else(
            || State::Missing {
                expected: if folder::is(dir) { folder::expected(role) } else { role.expected() },
            },
            State::Found,
        )
}
