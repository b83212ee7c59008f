//! Tensors of a safetensors file, read one at a time when a model asks for them.
//!
//! candle's own readers either map the file (unsafe) or hold all of it beside the converted copy; this
//! one needs the memory of the f32 weights and of one stored tensor.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{DType, Device, Shape, Tensor};
use candle_nn::var_builder::{SimpleBackend, VarBuilder};
use serde::Deserialize;

use super::FluxError;
use super::error::first_line;

/// Limit of the format's reference implementation, in bytes.
const LONGEST_HEADER: u64 = 100_000_000;

/// One open safetensors file.
pub(super) struct Weights {
    pub path: PathBuf,
    file: Mutex<File>,
    tensors: BTreeMap<String, Entry>,
}

#[derive(Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<usize>,
    /// Range of bytes; from the end of the header in the file, from the start of the file in here.
    data_offsets: (u64, u64),
}

impl Weights {
    /// Reads the header and holds it against the file's length.
    pub fn open(path: &Path) -> Result<Weights, FluxError> {
        let read_failed = |source| FluxError::Read { file: path.to_owned(), source };
        let damaged = |cause: String| FluxError::Header { file: path.to_owned(), cause };
        let mut file = File::open(path).map_err(read_failed)?;
        let found = file.metadata().map_err(read_failed)?.len();
        let truncated = |expected| FluxError::Truncated { file: path.to_owned(), expected, found };

        let mut start = [0; 8];
        match file.read_exact(&mut start) {
            Err(e) if e.kind() == ErrorKind::UnexpectedEof => return Err(truncated(8)),
            other => other.map_err(read_failed)?,
        }
        if let Some(format) = foreign(&start) {
            return Err(FluxError::NotSafetensors { file: path.to_owned(), found: format });
        }
        let length = u64::from_le_bytes(start);
        if length > LONGEST_HEADER {
            let found = "something else (its first 8 bytes are no header length)";
            return Err(FluxError::NotSafetensors { file: path.to_owned(), found });
        }
        let data = 8 + length;
        if data > found {
            return Err(truncated(data));
        }
        let mut header = vec![0; length as usize];
        file.read_exact(&mut header).map_err(read_failed)?;
        let mut header: HashMap<String, serde_json::Value> =
            serde_json::from_slice(&header).map_err(|e| damaged(e.to_string()))?;
        header.remove("__metadata__");

        let mut tensors = BTreeMap::new();
        let mut end_of_all = data;
        for (name, value) in header {
            let mut entry: Entry =
                serde_json::from_value(value).map_err(|e| damaged(format!("tensor {name}: {e}")))?;
            let (from, to) = entry.data_offsets;
            let (Some(start), Some(end)) = (data.checked_add(from), data.checked_add(to)) else {
                return Err(damaged(format!("tensor {name} ends beyond any file")));
            };
            if from > to || bytes_of(&entry).is_some_and(|bytes| bytes != Some(to - from)) {
                return Err(damaged(format!("tensor {name}: shape and bytes disagree")));
            }
            entry.data_offsets = (start, end);
            end_of_all = end_of_all.max(end);
            tensors.insert(name, entry);
        }
        if end_of_all > found {
            return Err(truncated(end_of_all));
        }
        Ok(Weights { path: path.to_owned(), file: Mutex::new(file), tensors })
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

    pub fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    pub fn shape(&self, name: &str) -> Result<&[usize], FluxError> {
        match self.tensors.get(name) {
            Some(entry) => Ok(&entry.shape),
            None => Err(FluxError::NoTensor { file: self.path.clone(), tensor: name.to_owned() }),
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

    /// Whether `build` finds every tensor it asks for, in the shape it asks for. Reads no weights.
    pub fn check<T>(
        self: &Arc<Self>,
        build: impl FnOnce(VarBuilder<'static>) -> candle_core::Result<T>,
    ) -> Result<(), FluxError> {
        self.build(false, build).map(drop)
    }

    /// What `build` makes of the weights, in f32.
    pub fn load<T>(
        self: &Arc<Self>,
        build: impl FnOnce(VarBuilder<'static>) -> candle_core::Result<T>,
    ) -> Result<T, FluxError> {
        self.build(true, build)
    }

    fn build<T>(
        self: &Arc<Self>,
        read: bool,
        build: impl FnOnce(VarBuilder<'static>) -> candle_core::Result<T>,
    ) -> Result<T, FluxError> {
        let fault = Arc::new(Mutex::new(None));
        let source = Source { weights: Arc::clone(self), read, fault: Arc::clone(&fault) };
        let vb = VarBuilder::from_backend(Box::new(source), DType::F32, Device::Cpu);
        build(vb).map_err(|error| {
            fault.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_else(|| FluxError::Build {
                file: self.path.clone(),
                cause: first_line(&error.to_string()),
            })
        })
    }

    fn entry(&self, name: &str, expected: Option<&[usize]>) -> Result<(&Entry, DType), FluxError> {
        let found = self.shape(name)?;
        if let Some(expected) = expected
            && expected != found
        {
            return Err(FluxError::Shape {
                file: self.path.clone(),
                tensor: name.to_owned(),
                expected: expected.to_vec(),
                found: found.to_vec(),
            });
        }
        let entry = &self.tensors[name];
        // Scaled fp8 files keep a factor beside each weight; without it the weight is wrong.
        let scaled = name.strip_suffix("weight").is_some_and(|stem| {
            ["scale_weight", "weight_scale"].iter().any(|scale| self.has(&format!("{stem}{scale}")))
        });
        match dtype(&entry.dtype) {
            Some(dtype) if !scaled => Ok((entry, dtype)),
            _ => Err(FluxError::Type {
                file: self.path.clone(),
                tensor: name.to_owned(),
                found: if scaled { format!("scaled {}", entry.dtype) } else { entry.dtype.clone() },
            }),
        }
    }

    fn read(&self, entry: &Entry, dtype: DType) -> Result<Tensor, FluxError> {
        let (start, end) = entry.data_offsets;
        let mut bytes = vec![0; (end - start) as usize];
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(start))
            .and_then(|_| file.read_exact(&mut bytes))
            .map_err(|source| FluxError::Read { file: self.path.clone(), source })?;
        drop(file);
        Ok(Tensor::from_raw_buffer(&bytes, dtype, &entry.shape, &Device::Cpu)?.to_dtype(DType::F32)?)
    }
}

/// A file as candle's models see it. candle's errors are text, so the fault is kept apart.
struct Source {
    weights: Arc<Weights>,
    read: bool,
    fault: Arc<Mutex<Option<FluxError>>>,
}

impl Source {
    fn tensor(&self, name: &str, shape: Option<&[usize]>) -> candle_core::Result<Tensor> {
        let made = self.weights.entry(name, shape).and_then(|(entry, dtype)| match self.read {
            true => self.weights.read(entry, dtype),
            false => Ok(Tensor::zeros((), DType::F32, &Device::Cpu)?.broadcast_as(entry.shape.as_slice())?),
        });
        made.map_err(|fault| {
            let message = fault.to_string();
            *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(fault);
            candle_core::Error::Msg(message)
        })
    }
}

impl SimpleBackend for Source {
    fn get(
        &self,
        shape: Shape,
        name: &str,
        _: candle_nn::Init,
        dtype: DType,
        device: &Device,
    ) -> candle_core::Result<Tensor> {
        self.tensor(name, Some(shape.dims()))?.to_dtype(dtype)?.to_device(device)
    }

    fn get_unchecked(&self, name: &str, dtype: DType, device: &Device) -> candle_core::Result<Tensor> {
        self.tensor(name, None)?.to_dtype(dtype)?.to_device(device)
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.weights.has(name)
    }
}

/// What a file is that does not begin as safetensors do.
fn foreign(start: &[u8; 8]) -> Option<&'static str> {
    match start {
        [b'P', b'K', 3, 4, ..] => {
            Some("a zip archive, as of a pickle, which can run code and is never loaded")
        }
        // A header's length has zeros here.
        [0x80, 2..=5, _, rest @ ..] if *rest != [0; 5] => {
            Some("a pickle, which can run code and is never loaded")
        }
        [b'G', b'G', b'U', b'F', ..] => Some("GGUF"),
        [b'v', b'e', b'r', b's', b'i', b'o', b'n', b' '] => Some("a Git LFS pointer"),
        _ => None,
    }
}

fn dtype(name: &str) -> Option<DType> {
    match name {
        "F64" => Some(DType::F64),
        "F32" => Some(DType::F32),
        "F16" => Some(DType::F16),
        "BF16" => Some(DType::BF16),
        "F8_E4M3" => Some(DType::F8E4M3),
        _ => None,
    }
}

/// Bytes that type and shape ask for: outer `None` for a type that is not read, inner for too many.
fn bytes_of(entry: &Entry) -> Option<Option<u64>> {
    let size = dtype(&entry.dtype)?.size_in_bytes() as u64;
    Some(entry.shape.iter().try_fold(size, |bytes, side| bytes.checked_mul(*side as u64)))
}
