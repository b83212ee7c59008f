//! The header of a GGUF file: which tensors it holds, and where.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use super::ModelError;
use super::safetensors::Stored;
use super::types::Type;

/// What such a file begins with.
pub const MAGIC: [u8; 4] = *b"GGUF";

/// Far more than a vocabulary and the names of all tensors take, in bytes.
const LONGEST_HEADER: u64 = 100_000_000;
/// Where tensors begin is a multiple of this, unless the file says otherwise; and of what, at most.
const ALIGNMENT: u64 = 32;
const MOST_ALIGNMENT: u64 = 1 << 16;
/// Arrays in arrays, at most; no model has any.
const DEEPEST: u32 = 4;
const MOST_DIMENSIONS: u32 = 4;

/// Opens the file and holds its header against its length.
pub fn open(path: &Path) -> Result<(File, BTreeMap<String, Stored>), ModelError> {
    let read_failed = |source| ModelError::Read { file: path.to_owned(), source };
    let file = File::open(path).map_err(read_failed)?;
    let end = file.metadata().map_err(read_failed)?.len();
    let mut header = Header { file: BufReader::new(file), path: path.to_owned(), at: 0, end };

    if header.bytes()? != MAGIC {
        return Err(header.damaged("it does not begin with GGUF"));
    }
    match header.u32()? {
        2 | 3 => (),
        other if matches!(other.swap_bytes(), 1..=3) => {
            return Err(header.damaged("big-endian files are not read"));
        }
        other => return Err(header.damaged(format!("version {other} is not read, 2 and 3 are"))),
    }
    let (tensors, settings) = (header.u64()?, header.u64()?);
    let mut alignment = ALIGNMENT;
    for _ in 0..settings {
        let (name, kind) = (header.string()?, header.u32()?);
        if name == "general.alignment" && kind == U32 {
            alignment = u64::from(header.u32()?);
        } else {
            header.skip_value(kind, 0)?;
        }
    }
    if !alignment.is_power_of_two() || alignment > MOST_ALIGNMENT {
        return Err(header.damaged(format!("tensors at multiples of {alignment} bytes")));
    }
    // No count of the file is trusted with memory: each tensor is read before there is room for the next.
    let mut stored = BTreeMap::new();
    for _ in 0..tensors {
        let (name, tensor) = header.tensor()?;
        if stored.contains_key(&name) {
            return Err(header.damaged(format!("tensor {name} is there twice")));
        }
        stored.insert(name, tensor);
    }
    let data = header.at.next_multiple_of(alignment);
    for (name, tensor) in &mut stored {
        header.place(name, tensor, data, alignment)?;
    }
    Ok((header.file.into_inner(), stored))
}

const U32: u32 = 4;
const STRING: u32 = 8;
const ARRAY: u32 = 9;

/// Bytes of the types of settings whose length is their own.
fn size_of_setting(kind: u32) -> Option<u64> {
    match kind {
        0 | 1 | 7 => Some(1),
        2 | 3 => Some(2),
        4..=6 => Some(4),
        10..=12 => Some(8),
        _ => None,
    }
}

/// A header that is being read.
struct Header {
    file: BufReader<File>,
    path: PathBuf,
    at: u64,
    /// Length of the file.
    end: u64,
}

impl Header {
    fn damaged(&self, cause: impl Into<String>) -> ModelError {
        ModelError::Header { file: self.path.clone(), cause: cause.into() }
    }

    fn truncated(&self, expected: u64) -> ModelError {
        ModelError::Truncated { file: self.path.clone(), expected, found: self.end }
    }

    /// Moves on by `count` bytes that must be there.
    fn advance(&mut self, count: u64) -> Result<(), ModelError> {
        let next = self.at.saturating_add(count);
        if next > self.end {
            return Err(self.truncated(next));
        }
        if next > LONGEST_HEADER {
            return Err(self.damaged(format!("longer than {LONGEST_HEADER} bytes")));
        }
        self.at = next;
        Ok(())
    }

    fn read(&mut self, to: &mut [u8]) -> Result<(), ModelError> {
        let failed = |source| ModelError::Read { file: self.path.clone(), source };
        self.file.read_exact(to).map_err(failed)
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], ModelError> {
        self.advance(N as u64)?;
        let mut bytes = [0; N];
        self.read(&mut bytes)?;
        Ok(bytes)
    }

    fn u32(&mut self) -> Result<u32, ModelError> {
        Ok(u32::from_le_bytes(self.bytes()?))
    }

    fn u64(&mut self) -> Result<u64, ModelError> {
        Ok(u64::from_le_bytes(self.bytes()?))
    }

    fn skip(&mut self, count: u64) -> Result<(), ModelError> {
        self.advance(count)?;
        // It is within the longest header.
        let failed = |source| ModelError::Read { file: self.path.clone(), source };
        self.file.seek_relative(count as i64).map_err(failed)
    }

    fn string(&mut self) -> Result<String, ModelError> {
        let length = self.u64()?;
        self.advance(length)?;
        let mut bytes = vec![0; length as usize];
        self.read(&mut bytes)?;
        String::from_utf8(bytes).map_err(|_| self.damaged("a name that is no text"))
    }

    fn skip_value(&mut self, kind: u32, depth: u32) -> Result<(), ModelError> {
        if let Some(size) = size_of_setting(kind) {
            return self.skip(size);
        }
        match kind {
            STRING => {
                let length = self.u64()?;
                self.skip(length)
            }
            ARRAY if depth < DEEPEST => {
                let (kind, count) = (self.u32()?, self.u64()?);
                if let Some(size) = size_of_setting(kind) {
                    return self.skip(count.saturating_mul(size));
                }
                // Each of them has a length at least, so that the file ends soon where the count is wrong.
                (0..count).try_for_each(|_| self.skip_value(kind, depth + 1))
            }
            _ => Err(self.damaged(format!("a setting of type {kind}"))),
        }
    }

    /// A tensor as the header has it, with the offset of its data alone.
    fn tensor(&mut self) -> Result<(String, Stored), ModelError> {
        let name = self.string()?;
        let dimensions = self.u32()?;
        if !(1..=MOST_DIMENSIONS).contains(&dimensions) {
            return Err(self.damaged(format!("tensor {name} has {dimensions} dimensions")));
        }
        let mut shape = Vec::new();
        for _ in 0..dimensions {
            let side = self.u64()?;
            match usize::try_from(side) {
                Ok(side) if side > 0 => shape.push(side),
                _ => return Err(self.damaged(format!("tensor {name} has a side of {side}"))),
            }
        }
        // The innermost comes first in the file.
        shape.reverse();
        let (kind, offset) = (self.u32()?, self.u64()?);
        Ok((name, Stored { dtype: named(kind), shape, data_offsets: (offset, offset) }))
    }

    /// Finds the bytes of a tensor in the file.
    fn place(&self, name: &str, tensor: &mut Stored, data: u64, alignment: u64) -> Result<(), ModelError> {
        let (offset, _) = tensor.data_offsets;
        if offset % alignment != 0 {
            return Err(self.damaged(format!("tensor {name} is not at a multiple of {alignment} bytes")));
        }
        let bytes = match Type::named(&tensor.dtype) {
            Some(kind) => kind.bytes(&tensor.shape),
            // A number of what is not read, too, has a bit.
            None => tensor.shape.iter().try_fold(1u64, |n, side| n.checked_mul(*side as u64)).map(|n| n / 8),
        };
        let Some(bytes) = bytes else {
            return Err(self.damaged(format!("tensor {name} has an impossible shape {:?}", tensor.shape)));
        };
        let start = data.saturating_add(offset);
        let end = start.saturating_add(bytes);
        if end > self.end {
            return Err(self.truncated(end));
        }
        tensor.data_offsets = (start, end);
        Ok(())
    }
}

/// Type names by their number.
fn named(kind: u32) -> String {
    let name = match kind {
        0 => "F32",
        1 => "F16",
        2 => "Q4_0",
        3 => "Q4_1",
        6 => "Q5_0",
        7 => "Q5_1",
        8 => "Q8_0",
        9 => "Q8_1",
        10 => "Q2_K",
        11 => "Q3_K",
        12 => "Q4_K",
        13 => "Q5_K",
        14 => "Q6_K",
        15 => "Q8_K",
        16 => "IQ2_XXS",
        17 => "IQ2_XS",
        18 => "IQ3_XXS",
        19 => "IQ1_S",
        20 => "IQ4_NL",
        21 => "IQ3_S",
        22 => "IQ2_S",
        23 => "IQ4_XS",
        28 => "F64",
        29 => "IQ1_M",
        30 => "BF16",
        34 => "TQ1_0",
        35 => "TQ2_0",
        39 => "MXFP4",
        40 => "NVFP4",
        _ => return format!("GGUF's type {kind}"),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests;
