//! Which files make a model, in diffusers' layout: one folder for each part.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::super::layout::{self, Found, PICKLE, State, Stored, found};
use super::super::ops::Precision;
use super::super::special::Specials;
use super::super::weights::Weights;
use super::super::{ModelError, Processor};
use super::configs::{self, Configs};

/// What a file is to the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    Unet,
    Autoencoder,
    Clip,
    ClipTokenizer,
    /// Of an XL, as what follows.
    SecondClip,
    SecondTokenizer,
}

impl Role {
    const ALL: [Role; 6] = [
        Role::Unet,
        Role::Autoencoder,
        Role::Clip,
        Role::ClipTokenizer,
        Role::SecondClip,
        Role::SecondTokenizer,
    ];

    fn of(is_xl: bool) -> &'static [Role] {
        if is_xl { &Role::ALL } else { &Role::ALL[..4] }
    }

    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Role::Unet => "UNet",
            Role::Autoencoder => "autoencoder",
            Role::Clip => "CLIP text encoder",
            Role::ClipTokenizer => "CLIP tokenizer",
            Role::SecondClip => "second CLIP text encoder",
            Role::SecondTokenizer => "second CLIP tokenizer",
        }
    }

    /// What its folder should hold, for people.
    pub fn expected(self) -> &'static str {
        match self {
            Role::Unet => "unet/diffusion_pytorch_model.safetensors, or its shards and their index",
            Role::Autoencoder => "vae/diffusion_pytorch_model.safetensors",
            Role::Clip => "text_encoder/model.safetensors",
            Role::ClipTokenizer => {
                "tokenizer/tokenizer.json, or tokenizer/vocab.json and tokenizer/merges.txt"
            }
            Role::SecondClip => "text_encoder_2/model.safetensors, or its shards and their index",
            Role::SecondTokenizer => {
                "tokenizer_2/tokenizer.json, or tokenizer_2/vocab.json and tokenizer_2/merges.txt"
            }
        }
    }
}

/// One part of a model folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Part {
    pub role: Role,
    pub state: State,
}

/// What is there and what is missing in `dir`: the six parts of an XL, or four.
pub fn inventory(dir: &Path) -> Vec<Part> {
    let is_xl = configs::is_xl(dir).unwrap_or(false);
    Role::of(is_xl).iter().map(|role| Part { role: *role, state: state(dir, *role) }).collect()
}

/// Those of its configurations that are no files.
pub fn unconfigured(dir: &Path) -> Vec<PathBuf> {
    let files = Configs::files(dir, configs::is_xl(dir).unwrap_or(false));
    files.into_iter().filter(|file| !file.is_file()).collect()
}

/// Bytes that the weights of a folder take in the machine's memory at one time, in the precision that they are computed with unless
/// another is asked for; `None` where they are not all there.
pub fn memory(dir: &Path) -> Option<u64> {
    let parts = locate(dir, configs::is_xl(dir)?).ok()?;
    let open = |files: &Vec<PathBuf>| Weights::open(files).ok();
    let (unet, autoencoder) = (open(&parts.unet)?, open(&parts.autoencoder)?);
    let text = parts.text.iter().map(|text| Some(open(&text.weights)?.wide_bytes()));
    Some(most(
        [&unet, &autoencoder],
        unet.precision(&Processor::default()),
        &text.collect::<Option<Vec<u64>>>()?,
    ))
}

/// The most bytes of weights that are held at one time: text encoders, which take these bytes, are read one after another
/// and then let go.
pub(super) fn most([unet, autoencoder]: [&Weights; 2], precision: Precision, text: &[u64]) -> u64 {
    let text = text.iter().copied().max().unwrap_or_default();
    text.max(unet.bytes_in(precision).saturating_add(autoencoder.bytes_in(precision)))
}

/// The files of a whole model.
pub(super) struct Parts {
    pub unet: Vec<PathBuf>,
    pub autoencoder: Vec<PathBuf>,
    pub text: Vec<Text>,
    /// Those that say what no tensor shows.
    configs: Vec<PathBuf>,
}

/// The files of a text encoder.
pub(super) struct Text {
    pub weights: Vec<PathBuf>,
    pub words: Vec<PathBuf>,
    pub specials: Vec<PathBuf>,
    /// Where the tokenizer is.
    pub folder: PathBuf,
}

pub(super) fn locate(dir: &Path, is_xl: bool) -> Result<Parts, ModelError> {
    let files = |role: Role| state(dir, role).files(dir, role.name());
    let text = |(weights, words, folder): (Role, Role, &str)| {
        let folder = dir.join(folder);
        let specials = Specials::files(&folder);
        Ok(Text { weights: files(weights)?, words: files(words)?, specials, folder })
    };
    let encoders = [
        (Role::Clip, Role::ClipTokenizer, TOKENIZERS[0]),
        (Role::SecondClip, Role::SecondTokenizer, TOKENIZERS[1]),
    ];
    Ok(Parts {
        unet: files(Role::Unet)?,
        autoencoder: files(Role::Autoencoder)?,
        text: encoders
            .into_iter()
            .take(1 + usize::from(is_xl))
            .map(text)
            .collect::<Result<_, ModelError>>()?,
        configs: Configs::files(dir, is_xl),
    })
}

const TOKENIZERS: [&str; 2] = ["tokenizer", "tokenizer_2"];

impl Parts {
    /// Its files, in a fixed order.
    pub fn files(&self) -> Vec<PathBuf> {
        let text = self.text.iter().flat_map(|text| [&text.weights, &text.words, &text.specials]);
        let files = [&self.unet, &self.autoencoder].into_iter().chain(text).chain([&self.configs]);
        files.flatten().cloned().collect()
    }
}

fn state(dir: &Path, role: Role) -> State {
    const DIFFUSERS: &str = "diffusion_pytorch_model";
    match role {
        Role::Unet => weights(&dir.join("unet"), DIFFUSERS, role),
        Role::Autoencoder => weights(&dir.join("vae"), DIFFUSERS, role),
        Role::Clip => weights(&dir.join("text_encoder"), "model", role),
        Role::SecondClip => weights(&dir.join("text_encoder_2"), "model", role),
        Role::ClipTokenizer => tokenizer(&dir.join(TOKENIZERS[0]), role),
        Role::SecondTokenizer => tokenizer(&dir.join(TOKENIZERS[1]), role),
    }
}

fn weights(folder: &Path, stem: &str, role: Role) -> State {
    match layout::weights(folder, stem) {
        Stored::Whole(files) => State::Found(files),
        Stored::Pickle(file) => State::Unreadable { file, format: PICKLE },
        Stored::Nothing => State::Missing { expected: role.expected() },
    }
}

fn tokenizer(folder: &Path, role: Role) -> State {
    words(folder).map_or(State::Missing { expected: role.expected() }, State::Found)
}

/// The files of the tokenizer in a folder.
pub(super) fn words(folder: &Path) -> Option<Vec<Found>> {
    let sets: [&[&str]; 2] = [&["tokenizer.json"], &["vocab.json", "merges.txt"]];
    let whole =
        |set: &[&str]| set.iter().map(|name| found(&folder.join(name))).collect::<Option<Vec<Found>>>();
    sets.into_iter().find_map(whole)
}
