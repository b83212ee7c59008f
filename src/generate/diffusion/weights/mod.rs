//! Tensors of safetensors and GGUF files, read one at a time when a model asks for them.
//!
//! candle's own readers either map the file (unsafe) or hold all of it beside the converted copy; this
//! one needs the memory of the weights, in f32 or as they are stored, and of one stored tensor.

mod backend;
mod entry;

pub use entry::{Entry, Piece, Tensors};

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{DType, Device, Tensor};

use super::gguf;
use super::lora::{Change, Changes, LoraError};
use super::ops::{LowRank, Matrix, Precision, widen};
use super::safetensors::{self, Stored};
use super::types::Type;
use super::{ModelError, Processor};

/// The open files of one network: one, or the shards of a large one.
pub struct Weights {
    /// The first of them, for messages.
    pub path: PathBuf,
    /// Shared by the networks of one file.
    files: Arc<Vec<(PathBuf, Mutex<File>)>>,
    tensors: Tensors,
    /// What LoRAs add to tensors. Whatever is read of a tensor has it.
    changes: Changes,
}

impl Weights {
    /// Reads the headers of `paths`, at least one, and holds them against the files' lengths.
    pub fn open(paths: &[PathBuf]) -> Result<Weights, ModelError> {
        let mut files = Vec::new();
        let mut tensors = Tensors::new();
        for (index, path) in paths.iter().enumerate() {
            let (file, stored) = header(path)?;
            files.push((path.clone(), Mutex::new(file)));
            // Scaled fp8 files have an empty tensor as a sign of what they are.
            for (name, stored) in stored.into_iter().filter(|(_, stored)| !stored.shape.contains(&0)) {
                let (start, end) = stored.data_offsets;
                let pieces = vec![Piece { file: index, start, end }];
                let entry = Entry { dtype: stored.dtype, shape: stored.shape, pieces, turned: false };
                if tensors.insert(name.clone(), entry).is_some() {
                    return Err(ModelError::Twice { file: path.clone(), tensor: name });
                }
            }
        }
        let path = paths.first().cloned().unwrap_or_default();
        // Scaled fp8 files keep a factor beside each weight; without it the weight is wrong.
        let scaled = |name: &String| {
            let stem = ["scale_weight", "weight_scale"].iter().find_map(|scale| name.strip_suffix(scale))?;
            Some(format!("{stem}weight"))
        };
        let scaled: Vec<String> = tensors.keys().filter_map(scaled).collect();
        for name in scaled {
            if let Some(entry) = tensors.get_mut(&name) {
                entry.dtype.insert_str(0, "scaled ");
            }
        }
        Ok(Weights { path, files: Arc::new(files), tensors, changes: Changes::default() })
    }

    /// The same tensors with what is added to them, by the names that are asked for: renaming comes before.
    pub fn changed(&self, changes: Changes) -> Weights {
        let (path, files, tensors) = (self.path.clone(), Arc::clone(&self.files), self.tensors.clone());
        let changes = self.changes.and(changes);
        Weights { path, files, tensors, changes }
    }

    /// Refuses changes of tensors that nobody has asked for by now.
    pub fn all_changes_asked(&self) -> Result<(), ModelError> {
        self.changes.all_asked()
    }

    /// The same tensors under other names: `rename` takes what is there and gives what is to be there.
    pub fn renamed(
        mut self,
        rename: impl FnOnce(&Path, Tensors) -> Result<Tensors, ModelError>,
    ) -> Result<Weights, ModelError> {
        self.tensors = rename(&self.path, std::mem::take(&mut self.tensors))?;
        Ok(self)
    }

    /// One network of several in the same files, of these tensors.
    pub fn part(&self, tensors: Tensors) -> Weights {
        let (path, changes) = (self.path.clone(), self.changes.and(Changes::default()));
        Weights { path, files: Arc::clone(&self.files), tensors, changes }
    }

    pub fn tensors(&self) -> &Tensors {
        &self.tensors
    }

    /// The tensors under `prefix` alone, without it, if there are any: all-in-one checkpoints have one.
    pub fn without_prefix(mut self, prefix: &str) -> Weights {
        if self.tensors.keys().any(|name| name.starts_with(prefix)) {
            self.tensors = std::mem::take(&mut self.tensors)
                .into_iter()
                .filter_map(|(name, entry)| Some((name.strip_prefix(prefix)?.to_owned(), entry)))
                .collect();
        }
        self
    }

    /// Bytes of all tensors together that can be read, in f32.
    pub fn wide_bytes(&self) -> u64 {
        self.sum(|_, shape| Some(Type::F32.bytes(shape).unwrap_or(u64::MAX)))
    }

    /// Bytes that all tensors together take at most once they are read for layers that compute so: in bfloat16 all but
    /// vectors take two bytes a number, and the one that is being read takes four.
    pub fn bytes_in(&self, precision: Precision) -> u64 {
        let of = |shape: &[usize]| Type::F32.bytes(shape).unwrap_or(u64::MAX);
        match precision {
            Precision::F32 => self.wide_bytes(),
            Precision::Bf16 => {
                let largest = self.tensors.values().map(|entry| of(&entry.shape)).max().unwrap_or_default();
                let kept = |shape: &[usize]| if shape.len() > 1 { of(shape) / 2 } else { of(shape) };
                self.sum(|_, shape| Some(kept(shape))).saturating_add(largest)
            }
        }
    }

    /// Bytes in f32 of those tensors that `is_read`, with matrices as they are stored.
    pub fn bytes(&self, is_read: impl Fn(&str) -> bool) -> u64 {
        let of = |name: &str, entry: &Entry| {
            let (kind, shape) = (Type::named(&entry.dtype)?, entry.shape.as_slice());
            if is_widened(kind, shape) {
                return Some(Type::F32.bytes(shape).unwrap_or(u64::MAX));
            }
            let beside = self.changes.bytes(name, shape[1]);
            Some(kind.bytes(shape).unwrap_or(u64::MAX).saturating_add(beside))
        };
        let read = self.tensors.iter().filter(|(name, _)| is_read(name));
        read.filter_map(|(name, entry)| of(name, entry)).fold(0, u64::saturating_add)
    }

    /// Bytes of those tensors that `is_read` in the memory of a device: matrices of blocks as they are stored, all else
    /// in this precision.
    pub fn bytes_held(&self, precision: Precision, is_read: impl Fn(&str) -> bool) -> u64 {
        let size = precision.dtype().size_in_bytes() as u64;
        let of = |name: &str, entry: &Entry| {
            let (kind, shape) = (Type::named(&entry.dtype)?, entry.shape.as_slice());
            let numbers = shape.iter().map(|side| *side as u64).fold(size, u64::saturating_mul);
            let is_blocks = kind.block().0 > 1 && shape.len() == 2;
            let bytes = if is_blocks { kind.bytes(shape).unwrap_or(u64::MAX) } else { numbers };
            let beside = if is_blocks { self.changes.bytes(name, shape[1]) } else { 0 };
            Some(bytes.saturating_add(beside))
        };
        let read = self.tensors.iter().filter(|(name, _)| is_read(name));
        read.filter_map(|(name, entry)| of(name, entry)).fold(0, u64::saturating_add)
    }

    /// Bytes that the largest of those tensors takes besides, while it is widened.
    pub fn largest_widened(&self, is_read: impl Fn(&str) -> bool) -> u64 {
        let of = |entry: &Entry| {
            let kind = Type::named(&entry.dtype).filter(|kind| is_widened(*kind, &entry.shape))?;
            kind.bytes(&entry.shape)
        };
        let read = self.tensors.iter().filter(|(name, _)| is_read(name));
        read.filter_map(|(_, entry)| of(entry)).max().unwrap_or_default()
    }

    /// What a network of these weights is computed with unless something else is asked for: bfloat16 where the processor
    /// has instructions for it, and most of the numbers in matrices and filters are stored in 16 bits or fewer, so that
    /// little is lost.
    pub fn precision(&self, processor: &Processor) -> Precision {
        let count = |fine: bool| {
            self.sum(|kind, shape| {
                let is_fine = matches!(kind, Type::F32 | Type::F64);
                let counts = shape.len() > 1 && is_fine == fine;
                counts.then(|| shape.iter().map(|side| *side as u64).fold(1, u64::saturating_mul))
            })
        };
        if processor.is_bf16_fast() && count(false) > count(true) { Precision::Bf16 } else { Precision::F32 }
    }

    /// Bytes that its largest tensor takes in f32.
    pub fn widest(&self) -> u64 {
        let of = |entry: &Entry| Type::F32.bytes(&entry.shape);
        self.tensors.values().filter_map(of).max().unwrap_or_default()
    }

    /// Bytes that its largest tensor takes as it is stored.
    pub fn largest(&self) -> u64 {
        let of = |entry: &Entry| Type::named(&entry.dtype)?.bytes(&entry.shape);
        self.tensors.values().filter_map(of).max().unwrap_or_default()
    }

    fn sum(&self, bytes: impl Fn(Type, &[usize]) -> Option<u64>) -> u64 {
        let of = |entry: &Entry| bytes(Type::named(&entry.dtype)?, &entry.shape);
        self.tensors.values().filter_map(of).fold(0, u64::saturating_add)
    }

    pub fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    pub fn shape(&self, name: &str) -> Result<&[usize], ModelError> {
        match self.tensors.get(name) {
            Some(entry) => Ok(&entry.shape),
            None => Err(ModelError::NoTensor { file: self.path.clone(), tensor: name.to_owned() }),
        }
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// One more than the largest number that stands between `before` and a dot in the names, at most 1000;
    /// a gap shows as a missing tensor later.
    pub fn count(&self, before: &str) -> usize {
        self.tensors
            .range(before.to_owned()..)
            .map_while(|(name, _)| name.strip_prefix(before))
            .filter_map(|rest| rest.split_once('.')?.0.parse::<usize>().ok())
            .filter(|number| *number < 1000)
            .max()
            .map_or(0, |number| number + 1)
    }

    /// A tensor in f32; zeros of no size in its shape, unless it is to be read.
    pub fn tensor(&self, name: &str, shape: Option<&[usize]>, read: bool) -> Result<Tensor, ModelError> {
        let (entry, kind) = self.entry(name, shape)?;
        let changes = self.changes.of(name);
        if !read {
            return Ok(Tensor::zeros((), DType::F32, &Device::Cpu)?.broadcast_as(entry.shape.as_slice())?);
        }
        let mut numbers = self.wide(entry, kind)?;
        for change in changes {
            change.read()?.merge(&mut numbers)?;
        }
        Ok(Tensor::from_vec(numbers, entry.shape.as_slice(), &Device::Cpu)?)
    }

    /// The numbers of a tensor in f32, row by row.
    fn wide(&self, entry: &Entry, kind: Type) -> Result<Vec<f32>, ModelError> {
        let mut numbers = vec![0.0; entry.shape.iter().product()];
        widen(kind, &self.read(entry)?, &mut numbers);
        match entry.shape[..] {
            [rows, columns] if entry.turned => {
                let stored = |i: usize| numbers[i % columns * rows + i / columns];
                Ok((0..numbers.len()).map(stored).collect())
            }
            _ => Ok(numbers),
        }
    }

    /// A matrix as it is stored; the same, unless it is to be read. A LoRA cannot be in it, but in f32.
    pub fn matrix(&self, name: &str, shape: [usize; 2], read: bool) -> Result<Matrix, ModelError> {
        let (entry, kind) = self.entry(name, Some(&shape))?;
        match self.changes.of(name) {
            [change, ..] if !entry.turned && !is_widened(kind, &shape) => {
                let (file, layer) = (change.file.path.clone(), change.layer.clone());
                Err(LoraError::LookedUp { file, layer }.into())
            }
            _ => Ok(self.changed_matrix(name, shape, read)?.0),
        }
    }

    /// A matrix as it is stored, and what is to be added to its products; the same, unless it is to be read.
    pub fn changed_matrix(
        &self,
        name: &str,
        shape: [usize; 2],
        read: bool,
    ) -> Result<(Matrix, Vec<LowRank>), ModelError> {
        Ok(match self.entry(name, Some(&shape))? {
            (entry, kind) if read && !entry.turned && !is_widened(kind, &shape) => {
                let changes = self.changes.of(name).iter().map(Change::read).collect::<Result<_, _>>()?;
                (Matrix::stored(kind, shape, self.read(entry)?)?, changes)
            }
            _ => (Matrix::wide(self.tensor(name, Some(&shape), read)?)?, Vec::new()),
        })
    }

    fn entry(&self, name: &str, expected: Option<&[usize]>) -> Result<(&Entry, Type), ModelError> {
        let (file, tensor) = (|| self.path.clone(), || name.to_owned());
        let Some(entry) = self.tensors.get(name) else {
            return Err(ModelError::NoTensor { file: file(), tensor: tensor() });
        };
        if let Some(expected) = expected
            && expected != entry.shape
        {
            let (expected, found) = (expected.to_vec(), entry.shape.clone());
            return Err(ModelError::Shape { file: file(), tensor: tensor(), expected, found });
        }
        let Some(kind) = Type::named(&entry.dtype) else {
            return Err(ModelError::Type { file: file(), tensor: tensor(), found: entry.dtype.clone() });
        };
        // Headers were held against their files, but rows that were cut or put together may not be whole blocks.
        let bytes: u64 = entry.pieces.iter().map(|piece| piece.end - piece.start).sum();
        if kind.bytes(&entry.shape) != Some(bytes) {
            let cause = format!("tensor {name}: shape and bytes disagree");
            return Err(ModelError::Header { file: file(), cause });
        }
        Ok((entry, kind))
    }

    fn read(&self, entry: &Entry) -> Result<Vec<u8>, ModelError> {
        let length = |piece: &Piece| (piece.end - piece.start) as usize;
        let mut bytes = vec![0; entry.pieces.iter().map(length).sum()];
        let mut rest = bytes.as_mut_slice();
        for piece in &entry.pieces {
            let (path, file) = &self.files[piece.file];
            let (now, later) = rest.split_at_mut(length(piece));
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            file.seek(SeekFrom::Start(piece.start))
                .and_then(|_| file.read_exact(now))
                .map_err(|source| ModelError::Read { file: path.clone(), source })?;
            rest = later;
        }
        Ok(bytes)
    }
}

/// Whether a tensor is held in f32 where matrices stay as they are stored.
fn is_widened(kind: Type, shape: &[usize]) -> bool {
    matches!(kind, Type::F32 | Type::F64) || shape.len() != 2
}

/// Opens a file of either format, which it shows by its first bytes.
fn header(path: &Path) -> Result<(File, BTreeMap<String, Stored>), ModelError> {
    let mut start = [0; 4];
    let began = File::open(path).and_then(|mut file| file.read_exact(&mut start));
    match began {
        Ok(()) if start == gguf::MAGIC => gguf::open(path),
        // Broken, but meant to be one.
        _ if path.extension().is_some_and(|end| end.eq_ignore_ascii_case("gguf")) => gguf::open(path),
        // What is shorter, or cannot be read, is found out there.
        _ => safetensors::open(path),
    }
}

#[cfg(test)]
mod tests {
    use super::super::speed;
    use super::*;

    /// By hand: a matrix of 64 × 96 numbers and 8 of a vector.
    #[test]
    fn what_is_stored_in_16_bits_is_computed_so_where_that_is_fast() {
        let dir = tempfile::tempdir().expect("a directory for the tests");
        let path = dir.path().join("weights.safetensors");
        let shapes = [("matrix".to_owned(), vec![64, 96]), ("vector".to_owned(), vec![8])];
        for (kind, name, is_half) in
            [(Type::F32, "F32", false), (Type::Bf16, "BF16", true), (Type::Q8_0, "Q8_0", true)]
        {
            speed::file(&path, &shapes, kind, name).expect("it writes");
            let weights = Weights::open(std::slice::from_ref(&path)).expect("a sound file");
            let fast = is_half && Precision::is_bf16_fast();
            assert_eq!(
                weights.precision(&Processor::default()),
                if fast { Precision::Bf16 } else { Precision::F32 },
                "{name}"
            );
            let on_gpu = weights.precision(&Processor::of_tensors());
            assert_eq!(on_gpu, if is_half { Precision::Bf16 } else { Precision::F32 }, "{name}");
            let held = if kind == Type::Q8_0 { 64 * 96 / 32 * 34 } else { 2 * 64 * 96 };
            assert_eq!(weights.bytes_held(Precision::Bf16, |_| true), held + 2 * 8);
            assert_eq!(weights.bytes_held(Precision::Bf16, |name| name == "vector"), 2 * 8);
            assert_eq!(weights.bytes_in(Precision::F32), 4 * (64 * 96 + 8));
            assert_eq!(weights.bytes_in(Precision::Bf16), 2 * 64 * 96 + 4 * 8 + 4 * 64 * 96);
        }
    }
}
