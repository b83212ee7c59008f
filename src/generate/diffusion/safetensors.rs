//! The header of a safetensors file: which tensors it holds, and where.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use serde::Deserialize;

use super::ModelError;
use super::types::Type;

/// Limit of the format's reference implementation, in bytes.
const LONGEST_HEADER: u64 = 100_000_000;

/// Characters of a tensor's name that are shown where its entry is damaged.
const SHOWN: usize = 120;

/// A tensor as a file stores it.
#[derive(Deserialize)]
pub struct Stored {
    pub dtype: String,
    pub shape: Vec<usize>,
    /// Range of bytes; from the end of the header in the file, from the start of the file in here.
    pub data_offsets: (u64, u64),
}

/// Opens the file and holds its header against its length.
pub fn open(path: &Path) -> Result<(File, BTreeMap<String, Stored>), ModelError> {
    let Header { file, found, data, mut entries } = header(path)?;
    let damaged = |cause: String| ModelError::Header { file: path.to_owned(), cause };
    entries.remove(METADATA);

    let mut tensors = BTreeMap::new();
    let mut end_of_all = data;
    for (name, value) in entries {
        // In one line, whatever it is.
        let shown: String = name.escape_debug().take(SHOWN).collect();
        let mut stored: Stored =
            serde_json::from_value(value).map_err(|e| damaged(format!("tensor {shown}: {e}")))?;
        let (from, to) = stored.data_offsets;
        let (Some(start), Some(end)) = (data.checked_add(from), data.checked_add(to)) else {
            return Err(damaged(format!("tensor {shown} ends beyond any file")));
        };
        // Types that are not read, too, have a bit to a number at least.
        let numbers = stored.shape.iter().try_fold(1u64, |n, side| n.checked_mul(*side as u64));
        if numbers.is_none_or(|n| n / 8 > to.saturating_sub(from)) {
            return Err(damaged(format!("tensor {shown} has an impossible shape {:?}", stored.shape)));
        }
        if from > to || bytes_of(&stored).is_some_and(|bytes| bytes != Some(to - from)) {
            return Err(damaged(format!("tensor {shown}: shape and bytes disagree")));
        }
        stored.data_offsets = (start, end);
        end_of_all = end_of_all.max(end);
        tensors.insert(name, stored);
    }
    if end_of_all > found {
        return Err(truncated(path, end_of_all, found));
    }
    Ok((file, tensors))
}

/// What a file says of itself beside its tensors.
pub fn metadata(path: &Path) -> Result<BTreeMap<String, String>, ModelError> {
    let damaged = |e: serde_json::Error| ModelError::Header {
        file: path.to_owned(),
        cause: format!("{METADATA}: {e}"),
    };
    let said = header(path)?.entries.remove(METADATA);
    said.map_or_else(|| Ok(BTreeMap::new()), |said| serde_json::from_value(said).map_err(damaged))
}

/// The entry of a header that is no tensor.
const METADATA: &str = "__metadata__";

/// A header as it stands there.
struct Header {
    file: File,
    /// Bytes of the file.
    found: u64,
    /// Where the header ends.
    data: u64,
    entries: HashMap<String, serde_json::Value>,
}

fn truncated(path: &Path, expected: u64, found: u64) -> ModelError {
    ModelError::Truncated { file: path.to_owned(), expected, found }
}

fn header(path: &Path) -> Result<Header, ModelError> {
    let read_failed = |source| ModelError::Read { file: path.to_owned(), source };
    let damaged = |cause: String| ModelError::Header { file: path.to_owned(), cause };
    let mut file = File::open(path).map_err(read_failed)?;
    let found = file.metadata().map_err(read_failed)?.len();

    let mut start = [0; 8];
    match file.read_exact(&mut start) {
        Err(e) if e.kind() == ErrorKind::UnexpectedEof => return Err(truncated(path, 8, found)),
        other => other.map_err(read_failed)?,
    }
    if let Some(format) = foreign(&start) {
        return Err(ModelError::NotSafetensors { file: path.to_owned(), found: format });
    }
    let length = u64::from_le_bytes(start);
    if length > LONGEST_HEADER {
        let found = "something else (its first 8 bytes are no header length)";
        return Err(ModelError::NotSafetensors { file: path.to_owned(), found });
    }
    let data = 8 + length;
    if data > found {
        return Err(truncated(path, data, found));
    }
    let mut header = vec![0; length as usize];
    file.read_exact(&mut header).map_err(read_failed)?;
    let entries = serde_json::from_slice(&header).map_err(|e| damaged(e.to_string()))?;
    Ok(Header { file, found, data, entries })
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
        [b'v', b'e', b'r', b's', b'i', b'o', b'n', b' '] => Some("a Git LFS pointer"),
        _ => None,
    }
}

/// Bytes that type and shape ask for: outer `None` for a type that is not read, inner for too many.
fn bytes_of(stored: &Stored) -> Option<Option<u64>> {
    Some(Type::named(&stored.dtype)?.bytes(&stored.shape))
}
