//! A matrix that stays as its file stores it.

use std::ops::Range;

use candle_core::{Device, Tensor};
use rayon::prelude::*;

use super::super::types::Type;
use super::kernels::{Rights, Strides, Term, dot};
use super::numbers::{Numbers, is_placeholder};
use super::{eights, widen};

/// Numbers that are widened at a time; and what they take.
const PANEL: usize = 4 << 20;
pub const PANEL_BYTES: u64 = (PANEL * size_of::<f32>()) as u64;
/// Numbers that one thread widens at a time.
const STRIP: usize = 64 << 10;
/// Numbers of a row that are widened on their way to a panel; whole blocks of every type.
const PIECE: usize = 512;

/// Rows of numbers, which f32 is made of a few at a time and only while they are looked at.
pub struct Matrix {
    rows: usize,
    columns: usize,
    data: Data,
}

enum Data {
    Wide(Tensor),
    /// Rows of whole blocks of a type other than f32.
    Stored {
        kind: Type,
        bytes: Vec<u8>,
    },
}

impl Matrix {
    /// Of f32 with two dimensions.
    pub fn wide(numbers: Tensor) -> candle_core::Result<Matrix> {
        let (rows, columns) = numbers.dims2()?;
        Ok(Matrix { rows, columns, data: Data::Wide(numbers) })
    }

    /// Of the `bytes` of a file, as many as a type asks for in this shape.
    pub fn stored(kind: Type, [rows, columns]: [usize; 2], bytes: Vec<u8>) -> candle_core::Result<Matrix> {
        if kind.bytes(&[rows, columns]) != Some(bytes.len() as u64) {
            candle_core::bail!("{} bytes for {rows} rows of {columns} numbers", bytes.len());
        }
        Ok(Matrix { rows, columns, data: Data::Stored { kind, bytes } })
    }

    pub fn rows(&self) -> usize {
        self.rows
    }

    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The bytes of a file, and their type; `None` for f32.
    pub fn stored_as(&self) -> Option<(Type, &[u8])> {
        match &self.data {
            Data::Wide(_) => None,
            Data::Stored { kind, bytes } => Some((*kind, bytes)),
        }
    }

    /// Ranges that make up `rows` together, each small enough to be widened at a time.
    pub fn panels(&self, rows: Range<usize>) -> impl Iterator<Item = Range<usize>> + use<> {
        let most = match self.data {
            Data::Wide(_) => self.rows,
            Data::Stored { .. } => PANEL / self.columns.max(1),
        };
        let (most, end) = (most.max(1), rows.end);
        rows.step_by(most).map(move |start| start..end.min(start + most))
    }

    /// These rows in f32.
    pub fn widened(&self, rows: Range<usize>) -> candle_core::Result<Tensor> {
        let (start, count) = (rows.start, rows.len());
        let (kind, bytes) = match &self.data {
            Data::Wide(numbers) => return numbers.narrow(0, start, count),
            Data::Stored { kind, bytes } => (*kind, bytes),
        };
        let row = bytes.len() / self.rows.max(1);
        let Some(bytes) = bytes.get(start * row..(start + count) * row) else {
            candle_core::bail!("rows {start} to {} of {}", start + count, self.rows);
        };
        let mut numbers = vec![0.0; count * self.columns];
        let strip = (STRIP / self.columns.max(1)).max(1);
        numbers
            .par_chunks_mut((strip * self.columns).max(1))
            .zip(bytes.par_chunks((strip * row).max(1)))
            .for_each(|(numbers, bytes)| widen(kind, bytes, numbers));
        Tensor::from_vec(numbers, (count, self.columns), &Device::Cpu)
    }

    /// Whether it takes no more room than now when all of it is laid out for products; what only stands for a matrix
    /// has nothing to be laid out.
    pub fn fits<T: Term>(&self) -> bool {
        match &self.data {
            Data::Wide(numbers) => !is_placeholder(numbers),
            Data::Stored { kind, .. } => {
                let (numbers, bytes) = kind.block();
                bytes * T::NUMBERS >= numbers * size_of::<T>()
            }
        }
    }

    /// These rows, laid out for products; to `room`, if that is of use.
    pub fn widened_to_panels<T: Term>(
        &self,
        rows: Range<usize>,
        room: Vec<T>,
    ) -> candle_core::Result<Rights<T>> {
        let (kind, bytes) = match &self.data {
            Data::Wide(numbers) => {
                let numbers = numbers.narrow(0, rows.start, rows.len())?.contiguous()?;
                let strides = Strides { row: self.columns, term: 1 };
                return Ok(Rights::of(&Numbers::of(&numbers)?, rows.len(), self.columns, strides, 1.0));
            }
            Data::Stored { kind, bytes } => (*kind, bytes),
        };
        let row = bytes.len() / self.rows.max(1);
        let Some(bytes) = bytes.get(rows.start * row..rows.end * row) else {
            candle_core::bail!("rows {rows:?} of {}", self.rows);
        };
        // As `stored` has seen, each row is of whole blocks.
        if kind == Type::Q8_0 {
            return Ok(eights::to_panels(bytes, rows.len(), row / eights::BLOCK, room));
        }
        let length = |numbers: usize| kind.bytes(&[numbers]).map_or(row, |bytes| bytes as usize).min(row);
        let (columns, terms) = (self.columns, self.columns.div_ceil(T::NUMBERS));
        Ok(Rights::filled_in(room, rows.len(), terms, |first, count, to| {
            let width = to.len() / terms.max(1);
            let mut wide = vec![0.0; count * PIECE];
            for start in (0..columns).step_by(PIECE) {
                let piece = PIECE.min(columns - start);
                let within = length(start)..length(start + piece);
                for (i, wide) in wide.chunks_exact_mut(piece).enumerate().take(count) {
                    widen(kind, &bytes[(first + i) * row..][within.clone()], wide);
                }
                let strides = Strides { row: piece, term: 1 };
                T::pack(&wide, count, piece, strides, 1.0, &mut to[start / T::NUMBERS * width..], width);
            }
        }))
    }

    /// Adds the product of each of these rows with `x` to its number in `to`; in f32, of a matrix that is stored.
    pub fn add_to(&self, rows: Range<usize>, x: &[f32], to: &mut [f32]) -> candle_core::Result<()> {
        let (row, length) = (self.columns, rows.len());
        let (kind, bytes) = match &self.data {
            Data::Stored { kind, bytes } if x.len() == row && to.len() == length => (*kind, bytes),
            _ => candle_core::bail!("{} numbers and {} for {length} rows of {row}", x.len(), to.len()),
        };
        let stored = bytes.len() / self.rows.max(1);
        let Some(bytes) = bytes.get(rows.start * stored..rows.end * stored) else {
            candle_core::bail!("rows {rows:?} of {}", self.rows);
        };
        let piece = kind.bytes(&[PIECE]).map_or(stored, |bytes| bytes as usize).max(1);
        to.par_iter_mut().zip(bytes.par_chunks_exact(stored.max(1))).with_min_len(16).for_each(
            |(to, bytes)| {
                let mut wide = [0.0; PIECE];
                for (bytes, x) in bytes.chunks(piece).zip(x.chunks(PIECE)) {
                    widen(kind, bytes, &mut wide[..x.len()]);
                    *to += dot(&wide[..x.len()], x);
                }
            },
        );
        Ok(())
    }

    /// One row in f32 for each of `ids`, in their order.
    pub fn lookup(&self, ids: &[u32]) -> candle_core::Result<Tensor> {
        let row = |id: &u32| match *id as usize {
            id if id < self.rows => self.widened(id..id + 1),
            id => candle_core::bail!("row {id} of {}", self.rows),
        };
        Tensor::cat(&ids.iter().map(row).collect::<candle_core::Result<Vec<_>>>()?, 0)
    }
}
