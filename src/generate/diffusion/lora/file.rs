//! A LoRA's file: its layers, each with its matrices and its scale.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::super::safetensors::{self, Stored};
use super::super::types::Type;
use super::super::weights::Weights;
use super::super::{ModelError, layout};
use super::error::LoraError;
use super::keys::{Key, Network, Role, shown};
use super::settings::Settings;

/// Larger ones than anybody trains; a layer's matrices may be smaller than it.
const LARGEST_RANK: usize = 4096;

/// What there is for one layer.
pub struct Pair {
    pub network: Network,
    /// As the program calls it that wrote the file.
    pub layer: String,
    pub down: String,
    pub up: String,
    pub mid: Option<String>,
    pub rank: usize,
    /// Sides of the layer that it is for.
    pub shape: Vec<usize>,
    /// Alpha over rank.
    pub scale: f64,
}

pub struct File {
    pub weights: Arc<Weights>,
    pub pairs: Vec<Pair>,
}

/// Names of a layer's tensors, by their roles.
#[derive(Default)]
struct Names {
    down: Option<String>,
    up: Option<String>,
    mid: Option<String>,
    alpha: Option<String>,
}

/// Reads the names and shapes of all tensors, and their scales.
pub fn open(path: &Path) -> Result<File, ModelError> {
    if path.exists() && layout::found(path).is_none() {
        let source = std::io::Error::other("not a file");
        return Err(ModelError::Read { file: path.to_owned(), source });
    }
    let (_, stored) = safetensors::open(path)?;
    let mut layers: BTreeMap<(Network, String), Names> = BTreeMap::new();
    for (name, stored) in &stored {
        let file = || path.to_owned();
        let key = Key::parse(name).map_err(|found| LoraError::Kind { file: file(), found })?;
        if Type::named(&stored.dtype).is_none() {
            let (tensor, found) = (name.clone(), stored.dtype.clone());
            return Err(ModelError::Type { file: file(), tensor, found: shown(&found) });
        }
        let names = layers.entry((key.network, key.layer)).or_default();
        let place = match key.role {
            Role::Down => &mut names.down,
            Role::Up => &mut names.up,
            Role::Mid => &mut names.mid,
            Role::Alpha => &mut names.alpha,
        };
        if place.replace(name.clone()).is_some() {
            return Err(LoraError::Twice { file: file(), key: name.clone() }.into());
        }
    }
    if layers.is_empty() {
        return Err(LoraError::Kind { file: path.to_owned(), found: "no tensors".to_owned() }.into());
    }
    let settings = Settings::read(path)?;
    let weights = Arc::new(Weights::open(&[path.to_owned()])?);
    let pair = |((network, layer), names)| pair(&weights, &stored, &settings, network, layer, names);
    let pairs: Vec<Pair> = layers.into_iter().map(pair).collect::<Result<_, _>>()?;
    // The first is some, but where nothing was trained.
    for pair in &pairs {
        if weights.tensor(&pair.up, None, true)?.abs()?.sum_all()?.to_scalar::<f32>()? != 0.0 {
            return Ok(File { weights, pairs });
        }
    }
    let found = "nothing but zeros, which change nothing".to_owned();
    Err(LoraError::Kind { file: path.to_owned(), found }.into())
}

fn pair(
    weights: &Weights,
    stored: &BTreeMap<String, Stored>,
    settings: &Settings,
    network: Network,
    layer: String,
    names: Names,
) -> Result<Pair, ModelError> {
    let file = || weights.path.clone();
    let half = |lacking| LoraError::Half { file: file(), layer: layer.clone(), lacking };
    let down = names.down.ok_or_else(|| half("lora_down (or lora_A)"))?;
    let up = names.up.ok_or_else(|| half("lora_up (or lora_B)"))?;
    let sides = |name: &str| stored.get(name).map(|stored| stored.shape.clone()).unwrap_or_default();
    let (lower, upper) = (sides(&down), sides(&up));
    let rank = lower.first().copied().unwrap_or_default();
    if !(1..=LARGEST_RANK).contains(&rank) {
        return Err(LoraError::Rank { file: file(), layer, most: LARGEST_RANK, found: rank }.into());
    }
    let middle = names.mid.as_deref().map(sides);
    let Some(shape) = joined(&lower, middle.as_deref(), &upper) else {
        let down = middle.unwrap_or(lower);
        return Err(LoraError::Pair { file: file(), layer, down, up: upper }.into());
    };
    let alpha = match &names.alpha {
        Some(name) => Some(number(weights, stored, name, &layer)?),
        None => None,
    };
    let scale = match alpha {
        Some(alpha) => alpha / rank as f64,
        None => settings.scale(network, &layer, rank)?,
    };
    if !scale.is_finite() || scale == 0.0 {
        return Err(LoraError::Alpha { file: file(), layer, found: scale.to_string() }.into());
    }
    Ok(Pair { network, layer, down, up, mid: names.mid, rank, shape, scale })
}

/// Sides of `up·down`, or of `up·mid·down`, as the layer has them that it is for; `None` where they do not go together.
fn joined(down: &[usize], mid: Option<&[usize]>, up: &[usize]) -> Option<Vec<usize>> {
    let inside = match (mid, down) {
        (None, [_, inside @ ..]) if !inside.is_empty() => inside.to_vec(),
        (Some(&[rank, within, height, width]), &[first, inputs, ..])
            if rank == first && within == first && plain(down).len() == 2 =>
        {
            vec![inputs, height, width]
        }
        _ => return None,
    };
    match plain(up) {
        [rows, rank] if *rows > 0 && *rank == down[0] => Some([&[*rows], &inside[..]].concat()),
        _ => None,
    }
}

/// Those of a matrix where a convolution is of one pixel.
pub fn plain(shape: &[usize]) -> &[usize] {
    match shape {
        [_, _, rest @ ..] if rest.iter().all(|side| *side == 1) => &shape[..2],
        _ => shape,
    }
}

fn number(
    weights: &Weights,
    stored: &BTreeMap<String, Stored>,
    name: &str,
    layer: &str,
) -> Result<f64, ModelError> {
    let shape = stored.get(name).map(|stored| stored.shape.as_slice()).unwrap_or_default();
    let refused =
        |found: String| LoraError::Alpha { file: weights.path.clone(), layer: layer.to_owned(), found };
    if shape.iter().any(|side| *side != 1) {
        return Err(refused(format!("numbers of shape {shape:?}")).into());
    }
    let alpha = weights.tensor(name, None, true)?.flatten_all()?.to_vec1::<f32>()?;
    match alpha[..] {
        [alpha] if alpha.is_finite() => Ok(f64::from(alpha)),
        [alpha] => Err(refused(alpha.to_string()).into()),
        _ => Err(refused("nothing".to_owned()).into()),
    }
}
