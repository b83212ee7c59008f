//! Where people have a Redux model, and what its files say of it.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::super::super::ModelError;
use super::super::super::config::{hold, parse, small};
use super::super::super::layout::{self, Found, State, Stored, found};
use super::super::super::weights::Weights;
use super::siglip::{PATCHES, POSITIONS, PREFIX, Shape};

/// The files of a whole model.
pub struct Files {
    pub embedder: Vec<PathBuf>,
    pub vision: Vec<PathBuf>,
    pub settings: Settings,
}

/// What is said of SigLIP and of its pictures beside the weights; neither has to be there.
pub struct Settings {
    vision: Option<PathBuf>,
    pictures: Option<PathBuf>,
}

impl Settings {
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        [&self.vision, &self.pictures].into_iter().flatten().map(PathBuf::as_path)
    }
}

/// Width of a head of the SigLIP that Redux was trained with; no tensor shows it.
const HEAD: usize = 72;
const EPSILON: f64 = 1e-6;

/// What a file is to the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// From what is seen to tokens.
    Embedder,
    /// What sees: SigLIP.
    ImageEncoder,
}

impl Role {
    const ALL: [Role; 2] = [Role::Embedder, Role::ImageEncoder];

    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Role::Embedder => "Redux embedder",
            Role::ImageEncoder => "SigLIP image encoder",
        }
    }

    /// Names that a search looks for, for people.
    fn expected(self) -> &'static str {
        match self {
            Role::Embedder => {
                "image_embedder/diffusion_pytorch_model.safetensors, or flux1-redux-*.safetensors, or that under \
                 style_models/"
            }
            Role::ImageEncoder => {
                "image_encoder/model.safetensors, or sigclip_vision* or siglip*.safetensors, or that under \
                 clip_vision/"
            }
        }
    }

    /// Where diffusers has it; otherwise folders that others have it in, and starts of the file's name.
    fn places(self) -> (&'static str, &'static str, [&'static str; 2], &'static [&'static str]) {
        match self {
            Role::Embedder => {
                ("image_embedder", "diffusion_pytorch_model", ["", "style_models"], &[EMBEDDER])
            }
            Role::ImageEncoder => {
                ("image_encoder", "model", ["", "clip_vision"], &["sigclip_vision", "siglip"])
            }
        }
    }
}

/// How a file of an embedder begins, which is no transformer's.
pub const EMBEDDER: &str = "flux1-redux";

/// One part of a model's folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Part {
    pub role: Role,
    pub state: State,
}

/// What is there and what is missing in `dir`: the embedder, and then SigLIP.
pub fn inventory(dir: &Path) -> [Part; 2] {
    Role::ALL.map(|role| Part { role, state: state(dir, role) })
}

/// Whether both parts are in `dir`.
pub fn is_there(dir: &Path) -> bool {
    locate(dir).is_ok()
}

pub fn locate(dir: &Path) -> Result<Files, ModelError> {
    let files = |role: Role| state(dir, role).files(dir, role.name());
    let (embedder, vision) = (files(Role::Embedder)?, files(Role::ImageEncoder)?);
    let file = |name: &str| found(&dir.join(name)).map(|file| file.path);
    let beside = vision.first().and_then(|file| file.parent()).map(|folder| folder.join("config.json"));
    // Another model's, where all files lie in one folder.
    let own = beside.filter(|file| file.is_file() && file.parent() != Some(dir));
    let settings = Settings { vision: own, pictures: file("feature_extractor/preprocessor_config.json") };
    Ok(Files { embedder, vision, settings })
}

fn state(dir: &Path, role: Role) -> State {
    let (folder, stem, folders, starts) = role.places();
    match layout::weights(&dir.join(folder), stem) {
        Stored::Whole(files) => State::Found(files),
        Stored::Pickle(file) => State::Unreadable { file, format: layout::PICKLE },
        Stored::Nothing => match one(dir, &folders, starts) {
            Some(file) => State::Found(vec![file]),
            None => State::Missing { expected: role.expected() },
        },
    }
}

/// The first file in one of `folders` whose name begins so.
fn one(dir: &Path, folders: &[&str], starts: &[&str]) -> Option<Found> {
    let entries = folders.iter().filter_map(|folder| std::fs::read_dir(dir.join(folder)).ok());
    let named = entries.flat_map(|entries| entries.filter_map(Result::ok)).filter_map(|entry| {
        let name = entry.file_name().to_str()?.to_lowercase();
        let is_ours = name.ends_with(".safetensors") && starts.iter().any(|start| name.starts_with(start));
        is_ours.then(|| found(&entry.path()))?
    });
    named.min_by(|a, b| a.path.cmp(&b.path))
}

#[derive(Deserialize)]
struct Vision {
    #[serde(default = "heads")]
    num_attention_heads: usize,
    #[serde(default = "epsilon")]
    layer_norm_eps: f64,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

/// Those of SigLIP's class, for settings that are not written down.
fn heads() -> usize {
    12
}

fn epsilon() -> f64 {
    EPSILON
}

/// The vision tower, by its tensors and by what is said beside them.
pub fn shape(vision: &Weights, settings: &Settings) -> Result<Shape, ModelError> {
    let prefixed = vision.has(&format!("{PREFIX}.{PATCHES}.weight"));
    let at = |name: &str| if prefixed { format!("{PREFIX}.{name}") } else { name.to_owned() };
    let refused = |expected, found| ModelError::Family { file: vision.path.clone(), expected, found };
    let shape_of = |name: &str| vision.shape(&at(name)).map(<[usize]>::to_vec);
    let (width, patch) = match shape_of(&format!("{PATCHES}.weight")) {
        Ok(shape) => match shape[..] {
            [width, 3, patch, other] if patch == other && patch > 0 && width > 0 => (width, patch),
            _ => return Err(refused("square patches of three colours", format!("{shape:?}"))),
        },
        Err(_) => {
            let found = "no embeddings.patch_embedding.weight".to_owned();
            return Err(refused("a SigLIP vision tower", found));
        }
    };
    let positions = shape_of(POSITIONS)?.first().copied().unwrap_or_default();
    let patches = positions.isqrt();
    if patches == 0 || patches * patches != positions || patches.saturating_mul(patch) > LARGEST_SIDE {
        return Err(refused("patches that make up a square", format!("{positions} positions")));
    }
    let inner = shape_of("encoder.layers.0.mlp.fc1.weight")?.first().copied().unwrap_or_default();
    let layers = vision.count(&at("encoder.layers."));
    let (heads, epsilon) = match &settings.vision {
        Some(file) => said(file, patches * patch)?,
        None => (width / HEAD, EPSILON),
    };
    if heads == 0 || !width.is_multiple_of(heads) {
        let found = format!("{heads} heads in a width of {width}");
        return Err(refused("heads that make up the width", found));
    }
    let shape = Shape { patches, patch, width, inner, layers, heads, epsilon };
    match &settings.pictures {
        Some(file) => pictures(file, shape.side()).map(|()| shape),
        None => Ok(shape),
    }
}

/// Pixels to a side of the pictures that are looked at, at most.
const LARGEST_SIDE: usize = 4096;

/// Heads and epsilon, by the settings of a tower or of a whole SigLIP.
fn said(file: &Path, side: usize) -> Result<(usize, f64), ModelError> {
    let mut all: Map<String, Value> = parse(file)?;
    let own = match all.remove("vision_config") {
        Some(Value::Object(own)) => own,
        _ => all,
    };
    let failed = |e: serde_json::Error| ModelError::Config { file: file.to_owned(), cause: e.to_string() };
    let vision: Vision = serde_json::from_value(Value::Object(own)).map_err(failed)?;
    let held =
        [("hidden_act", json!("gelu_pytorch_tanh")), ("image_size", json!(side)), ("num_channels", json!(3))];
    hold(file, &vision.rest, &held, "a SigLIP vision tower as its tensors show it")?;
    Ok((vision.num_attention_heads, small(file, "layer_norm_eps", vision.layer_norm_eps)?))
}

/// Refuses pictures that are made ready otherwise than here.
fn pictures(file: &Path, side: usize) -> Result<(), ModelError> {
    let settings: Map<String, Value> = parse(file)?;
    let half = json!([0.5, 0.5, 0.5]);
    let held = [
        ("image_mean", half.clone()),
        ("image_std", half),
        ("size", json!({ "height": side, "width": side })),
        ("resample", json!(3)),
        ("do_resize", json!(true)),
        ("do_rescale", json!(true)),
        ("do_normalize", json!(true)),
    ];
    hold(file, &settings, &held, "pictures as SigLIP was trained with them")
}

/// Width of the tokens that the embedder makes of what `vision` sees.
pub fn width(embedder: &Weights, vision: &Weights, shape: &Shape) -> Result<usize, ModelError> {
    let (file, expected) =
        (|| embedder.path.clone(), "a Redux embedder (redux_up.weight, redux_down.weight)");
    let shapes = [embedder.shape("redux_up.weight"), embedder.shape("redux_down.weight")];
    let (seen, to) = match shapes {
        [Ok([within, seen]), Ok([to, also])] if *within == *also && *within == inner(*to) => (*seen, *to),
        [Ok(up), Ok(down)] => {
            return Err(ModelError::Family { file: file(), expected, found: format!("{up:?} and {down:?}") });
        }
        _ => return Err(ModelError::Family { file: file(), expected, found: "other tensors".to_owned() }),
    };
    if seen != shape.width {
        let (other, what) = (vision.path.clone(), "width of what is seen");
        return Err(ModelError::Misfit { file: file(), what, expected: shape.width, other, found: seen });
    }
    Ok(to)
}

/// Width inside of the embedder.
pub fn inner(to: usize) -> usize {
    to.saturating_mul(3)
}

/// Which tensors are read of a file that may hold a whole SigLIP.
pub fn is_read(name: &str) -> bool {
    !name.starts_with("text_model.") && !name.contains("head.")
}
