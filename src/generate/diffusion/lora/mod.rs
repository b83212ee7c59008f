//! LoRAs: small changes of a model that somebody trained, from files with the names that people have them under.
//!
//! Each is a pair of matrices for a layer, whose product is added to the layer's own: `W + weight·(alpha/rank)·up·down`.
//! Several add up. [`Weights`] is the one door to a network's tensors, and has the changes with it; that a layer is
//! changed which no network reads, or which the model does not have, is an error.

mod bfl;
mod change;
mod error;
mod file;
mod keys;
mod layers;
mod ldm;
mod settings;

use std::path::PathBuf;
use std::sync::Arc;

use crate::digest::{Digest, Hasher};

use super::super::AppliedLora;
use super::weights::Weights;
use super::{ModelError, digest};
pub use change::{Change, Changes};
pub use error::LoraError;
use file::{File, Pair, plain};
use keys::Network;
pub use layers::Naming;
use layers::{Layer, Layers, Part, Rows};

/// A LoRA that was asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Lora {
    pub file: PathBuf,
    /// How much of it is added: 1 is all; less than nothing leads away from what it was trained to.
    pub weight: f64,
}

/// Adds `loras` to the `networks` of a model: the main one, and text encoders in their order. Nothing of them is read
/// but names, shapes, scales, and for their digests. `model` is what people call it.
///
/// # Errors
/// When a file is damaged or no LoRA, or has a part that the model has no place for.
pub fn add(
    loras: &[Lora],
    model: &'static str,
    networks: &mut [(&mut Arc<Weights>, Naming)],
) -> Result<Vec<AppliedLora>, ModelError> {
    let mut targets: Vec<Target> = networks
        .iter()
        .map(|(weights, naming)| {
            let (layers, weights) = (Layers::of(weights, *naming), Arc::clone(weights));
            Target { weights, layers, changes: Changes::default() }
        })
        .collect();
    let mut applied = Vec::new();
    for Lora { file: path, weight } in loras {
        let file = file::open(path)?;
        for pair in &file.pairs {
            let i = match pair.network {
                Network::Main => 0,
                Network::FirstText => 1,
                Network::SecondText => 2,
            };
            let missing = || LoraError::NoLayer { file: path.clone(), layer: pair.layer.clone(), model };
            targets.get_mut(i).ok_or_else(missing)?.add(model, &file, pair, *weight)?;
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        applied.push(AppliedLora { name, sha256: digest::of_file(path)?, weight: *weight });
    }
    for ((weights, _), target) in networks.iter_mut().zip(targets) {
        **weights = Arc::new(target.weights.changed(target.changes));
    }
    Ok(applied)
}

/// A network that LoRAs are added to.
struct Target {
    weights: Arc<Weights>,
    layers: Layers,
    changes: Changes,
}

impl Target {
    fn add(&mut self, model: &'static str, lora: &File, pair: &Pair, weight: f64) -> Result<(), ModelError> {
        let (file, layer) = (|| lora.weights.path.clone(), || pair.layer.clone());
        let missing = || LoraError::NoLayer { file: file(), layer: layer(), model };
        let Layer { tensor, part } = self.layers.find(&pair.layer).ok_or_else(missing)?;
        let rows = placed(pair, *part, self.weights.shape(tensor)?).map_err(|expected| {
            let found = pair.shape.clone();
            LoraError::Shape { file: file(), layer: layer(), model, expected, found }
        })?;
        for (rows, at) in rows {
            let change = Change {
                file: Arc::clone(&lora.weights),
                layer: layer(),
                down: pair.down.clone(),
                up: pair.up.clone(),
                mid: pair.mid.clone(),
                rank: pair.rank,
                scale: weight * pair.scale,
                rows,
                at,
            };
            self.changes.add(tensor, change);
        }
        Ok(())
    }
}

/// Where the rows of a pair go in a tensor of this shape; the shape that it should have had if they do not fit.
fn placed(pair: &Pair, part: Part, shape: &[usize]) -> Result<Rows, Vec<usize>> {
    let columns = shape.get(1).copied().unwrap_or_default();
    let (count, rows) = part.of(shape[0], columns).ok_or(shape)?;
    let expected = [&[count], &shape[1..]].concat();
    if plain(&pair.shape) == plain(&expected) { Ok(rows) } else { Err(expected) }
}

/// Digest of a model with what was added to it, so that no record takes it for the model alone.
pub fn identity(model: Digest, applied: &[AppliedLora]) -> Digest {
    if applied.is_empty() {
        return model;
    }
    let mut hasher = Hasher::new();
    hasher.update(format!("vidimus model with loras 1\n{model}\n"));
    for AppliedLora { sha256, weight, .. } in applied {
        hasher.update(format!("{sha256} {weight}\n"));
    }
    hasher.finish()
}

#[cfg(test)]
mod tests;
