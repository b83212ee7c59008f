//! What LoRAs add to a network's tensors.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use candle_core::Tensor;

use super::super::ModelError;
use super::super::ops::LowRank;
use super::super::weights::Weights;
use super::error::LoraError;

/// What one LoRA adds to some rows of one tensor. It is read when the tensor is.
#[derive(Clone)]
pub struct Change {
    pub file: Arc<Weights>,
    /// As the file calls the layer, for messages.
    pub layer: String,
    /// Names of the tensors in the file.
    pub down: String,
    pub up: String,
    pub mid: Option<String>,
    pub rank: usize,
    /// What their product is multiplied by.
    pub scale: f64,
    /// The rows of `up` that count here, and where they go.
    pub rows: Range<usize>,
    pub at: usize,
}

impl Change {
    pub fn read(&self) -> Result<LowRank, ModelError> {
        let mut down = self.finite(&self.down)?.flatten_from(1)?;
        if let Some(mid) = &self.mid {
            down = through(&self.finite(mid)?, &down)?;
        }
        let up = self.finite(&self.up)?.flatten_from(1)?;
        let up = (up.narrow(0, self.rows.start, self.rows.len())? * self.scale)?;
        Ok(LowRank::new(down, up, self.at)?)
    }

    fn finite(&self, name: &str) -> Result<Tensor, ModelError> {
        let tensor = self.file.tensor(name, None, true)?;
        if !tensor.sum_all()?.to_scalar::<f32>()?.is_finite() {
            let (file, key) = (self.file.path.clone(), name.to_owned());
            return Err(LoraError::NotFinite { file, key }.into());
        }
        Ok(tensor)
    }
}

/// (rank, inputs × height × width) of a convolution over all pixels behind one over each.
fn through(mid: &Tensor, down: &Tensor) -> candle_core::Result<Tensor> {
    let (rank, within, height, width) = mid.dims4()?;
    let inputs = down.dim(1)?;
    let mid = mid.permute((0, 2, 3, 1))?.contiguous()?.reshape((rank * height * width, within))?;
    let all = mid.matmul(down)?.reshape((rank, height * width, inputs))?;
    all.transpose(1, 2)?.contiguous()?.flatten_from(1)
}

/// All changes of a network's tensors, by the tensors' names; and which of these the network has asked for.
#[derive(Default)]
pub struct Changes {
    by_tensor: BTreeMap<String, Vec<Change>>,
    asked: Mutex<BTreeSet<String>>,
}

impl Changes {
    pub fn add(&mut self, tensor: &str, change: Change) {
        self.by_tensor.entry(tensor.to_owned()).or_default().push(change);
    }

    /// These and `more`; nothing has been asked for.
    pub fn and(&self, more: Changes) -> Changes {
        let mut by_tensor = self.by_tensor.clone();
        for (tensor, changes) in more.by_tensor {
            by_tensor.entry(tensor).or_default().extend(changes);
        }
        Changes { by_tensor, asked: Mutex::default() }
    }

    /// Those of a tensor that is asked for, in the order that they were added.
    pub fn of(&self, tensor: &str) -> &[Change] {
        let Some(changes) = self.by_tensor.get(tensor) else { return &[] };
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).insert(tensor.to_owned());
        changes
    }

    /// Bytes that the changes of a matrix of so many columns take beside it.
    pub fn bytes(&self, tensor: &str, columns: usize) -> u64 {
        let of = |change: &Change| {
            let numbers = change.rank.saturating_mul(columns.saturating_add(change.rows.len()));
            (numbers as u64).saturating_mul(size_of::<f32>() as u64)
        };
        self.by_tensor.get(tensor).map_or(0, |changes| changes.iter().map(of).fold(0, u64::saturating_add))
    }

    /// Refuses changes of what no network has asked for: they would have no effect.
    pub fn all_asked(&self) -> Result<(), ModelError> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let unread = self.by_tensor.iter().filter(|(tensor, _)| !asked.contains(*tensor));
        match unread.flat_map(|(_, changes)| changes).next() {
            None => Ok(()),
            Some(change) => {
                let (file, layer) = (change.file.path.clone(), change.layer.clone());
                Err(LoraError::Unread { file, layer }.into())
            }
        }
    }
}
