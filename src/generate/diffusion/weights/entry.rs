//! What is in the files.

use std::collections::BTreeMap;

/// What there is, by name.
pub type Tensors = BTreeMap<String, Entry>;

/// A tensor, and where its bytes lie.
#[derive(Clone)]
pub struct Entry {
    pub dtype: String,
    pub shape: Vec<usize>,
    /// One after another along the first dimension.
    pub pieces: Vec<Piece>,
    /// Whether it is a matrix that is stored with rows and columns changed.
    pub turned: bool,
}

/// A range of bytes in one of the files.
#[derive(Clone, Copy)]
pub struct Piece {
    pub file: usize,
    pub start: u64,
    pub end: u64,
}

#[cfg(test)]
impl Entry {
    /// Of f32 at the start of the first file.
    pub fn of(shape: &[usize]) -> Entry {
        let end = 4 * shape.iter().product::<usize>() as u64;
        Entry {
            dtype: "F32".into(),
            shape: shape.to_vec(),
            pieces: vec![Piece { file: 0, start: 0, end }],
            turned: false,
        }
    }
}
