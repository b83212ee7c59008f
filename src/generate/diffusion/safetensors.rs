//! The header of a safetensors file: which tensors it holds, and where.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::ModelError;
use super::error::{first_line, shown};
use super::types::Type;

/// Limit of the format's reference implementation, in bytes.
const LONGEST_HEADER: u64 = 100_000_000;

/// A tensor as a file stores it.
#[derive(Deserialize)]
pub struct Stored {
    pub dtype: String,
    pub shape: Vec<usize>,
    /// Range of bytes; from the end of the header in the file, from the start of the file in here.
    pub data_offsets: (u64, u64),
}

/// What a header says beside its tensors.
#[derive(Default)]
pub struct Remarks {
    /// What whoever wrote the file noted.
    pub metadata: BTreeMap<String, String>,
    /// Names of tensors without a number in them, which stand for what the file is.
    pub signs: BTreeSet<String>,
}

/// Opens the file and holds its header against its length.
pub fn open(path: &Path) -> Result<(File, BTreeMap<String, Stored>), ModelError> {
    let Opened { file, data, found, header } = read_header(path)?;
    let damaged = |cause: String| ModelError::Header { file: path.to_owned(), cause };
    let Header { tensors, .. } = parsed(path, &header)?;
    drop(header);
    let mut placed = BTreeMap::new();
    let mut end_of_all = data;
    for (name, mut stored) in tensors {
        let (from, to) = stored.data_offsets;
        let (Some(start), Some(end)) = (data.checked_add(from), data.checked_add(to)) else {
            return Err(damaged(format!("tensor {} ends beyond any file", shown(&name))));
        };
        // Types that are not read, too, have a bit to a number at least.
        let numbers = stored.shape.iter().try_fold(1u64, |n, side| n.checked_mul(*side as u64));
        if numbers.is_none_or(|n| n / 8 > to.saturating_sub(from)) {
            let shape: String = format!("{:?}", stored.shape).chars().take(LONGEST_SHAPE).collect();
            return Err(damaged(format!("tensor {} has an impossible shape {shape}", shown(&name))));
        }
        if from > to || bytes_of(&stored).is_some_and(|bytes| bytes != Some(to - from)) {
            return Err(damaged(format!("tensor {}: shape and bytes disagree", shown(&name))));
        }
        stored.data_offsets = (start, end);
        end_of_all = end_of_all.max(end);
        placed.insert(name, stored);
    }
    if end_of_all > found {
        return Err(ModelError::Truncated { file: path.to_owned(), expected: end_of_all, found });
    }
    match overlapping(&placed) {
        Some((one, other)) => Err(damaged(format!("tensors {} and {} overlap", shown(one), shown(other)))),
        None => Ok((file, placed)),
    }
}

/// What the header says beside its tensors.
pub fn remarks(path: &Path) -> Result<Remarks, ModelError> {
    let header = parsed(path, &read_header(path)?.header)?;
    let signs = header.tensors.into_iter().filter(|(_, stored)| stored.shape.contains(&0));
    Ok(Remarks { metadata: header.metadata, signs: signs.map(|(name, _)| name).collect() })
}

/// The tensors that the header claims, whatever the file holds of them.
pub fn claimed(path: &Path) -> Result<BTreeMap<String, Stored>, ModelError> {
    Ok(parsed(path, &read_header(path)?.header)?.tensors.into_iter().collect())
}

/// A file whose header is read and is not yet looked into.
struct Opened {
    file: File,
    /// Where the tensors begin.
    data: u64,
    /// Bytes of the file.
    found: u64,
    header: Vec<u8>,
}

fn read_header(path: &Path) -> Result<Opened, ModelError> {
    let read_failed = |source| ModelError::Read { file: path.to_owned(), source };
    let mut file = File::open(path).map_err(read_failed)?;
    let found = file.metadata().map_err(read_failed)?.len();
    let truncated = |expected| ModelError::Truncated { file: path.to_owned(), expected, found };
    let mut start = [0; 8];
    match file.read_exact(&mut start) {
        Err(e) if e.kind() == ErrorKind::UnexpectedEof => return Err(truncated(8)),
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
        return Err(truncated(data));
    }
    let mut header = vec![0; length as usize];
    file.read_exact(&mut header).map_err(read_failed)?;
    Ok(Opened { file, data, found, header })
}

fn parsed(path: &Path, header: &[u8]) -> Result<Header, ModelError> {
    serde_json::from_slice(header)
        .map_err(|e| ModelError::Header { file: path.to_owned(), cause: first_line(&e.to_string()) })
}

/// A header as it is written, read entry by entry: as a tree of values one of many tensors would take ten times its
/// size.
struct Header {
    tensors: HashMap<String, Stored>,
    metadata: BTreeMap<String, String>,
}

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Header;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object of tensors")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
                let mut header = Header { tensors: HashMap::new(), metadata: BTreeMap::new() };
                while let Some(name) = map.next_key::<String>()? {
                    if name == METADATA {
                        let noted = map.next_value::<Option<BTreeMap<String, String>>>();
                        let noted = noted.map_err(|e| A::Error::custom(format!("{METADATA}: {e}")))?;
                        header.metadata = noted.unwrap_or_default();
                        continue;
                    }
                    let stored = map.next_value::<Stored>();
                    let stored =
                        stored.map_err(|e| A::Error::custom(format!("tensor {}: {e}", shown(&name))))?;
                    if header.tensors.len() >= MOST_TENSORS {
                        return Err(A::Error::custom(format!("more than {MOST_TENSORS} tensors")));
                    }
                    if let Some((name, _)) = header.tensors.get_key_value(&name) {
                        return Err(A::Error::custom(format!("tensor {} is there twice", shown(name))));
                    }
                    header.tensors.insert(name, stored);
                }
                Ok(header)
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

/// Characters of a shape that are shown.
const LONGEST_SHAPE: usize = 80;
const METADATA: &str = "__metadata__";
/// A model of all that is known has some thousands.
const MOST_TENSORS: usize = 100_000;

/// Two tensors that share bytes.
fn overlapping(tensors: &BTreeMap<String, Stored>) -> Option<(&str, &str)> {
    let with_bytes = tensors.iter().filter(|(_, stored)| stored.data_offsets.0 < stored.data_offsets.1);
    let mut ranges: Vec<(u64, u64, &str)> = with_bytes
        .map(|(name, stored)| (stored.data_offsets.0, stored.data_offsets.1, name.as_str()))
        .collect();
    ranges.sort_unstable();
    let two = ranges.windows(2).find(|two| two[1].0 < two[0].1)?;
    Some((two[0].2, two[1].2))
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
