//! Matrices laid out as the tiles of a product read them.

use rayon::prelude::*;

use super::pairs::Term;
use super::vector::tile;

/// Numbers (row, term) of a matrix that lie this far apart.
#[derive(Clone, Copy)]
pub struct Strides {
    pub row: usize,
    pub term: usize,
}

/// The left side of a product: panels of as many rows as a tile has, those of a term one behind another. The last panel
/// has as many thirds of a tile as it needs, filled up with zeros.
pub struct Lefts<T = f32> {
    rows: usize,
    depth: usize,
    height: usize,
    terms: Vec<T>,
}

impl<T: Term> Lefts<T> {
    /// Rows of `depth` numbers.
    pub fn of(from: &[f32], rows: usize, depth: usize, strides: Strides) -> Lefts<T> {
        Lefts::filled(rows, depth.div_ceil(T::NUMBERS), |first, height, to| {
            let count = (rows - first).min(height);
            T::pack(&from[first * strides.row..], count, depth, strides, 1.0, to, height);
        })
    }

    /// Rows of parts beside one another, of which each has rows of so many numbers: whole terms, but for the last one.
    pub fn of_parts(parts: &[(&[f32], usize)], rows: usize) -> Lefts<T> {
        let terms = |columns: usize| columns.div_ceil(T::NUMBERS);
        Lefts::filled(rows, parts.iter().map(|(_, columns)| terms(*columns)).sum(), |first, height, to| {
            let (count, mut at) = ((rows - first).min(height), 0);
            for (from, columns) in parts {
                let (from, strides) = (&from[first * columns..], Strides { row: *columns, term: 1 });
                T::pack(from, count, *columns, strides, 1.0, &mut to[at * height..], height);
                at += terms(*columns);
            }
        })
    }

    /// As many rows, of which `fill` packs each panel: it is told the first one and the panel's height, and finds zeros.
    pub fn filled(rows: usize, depth: usize, fill: impl Fn(usize, usize, &mut [T]) + Sync) -> Lefts<T> {
        let [height, _] = tile();
        let mut terms = vec![T::default(); rows.next_multiple_of(height / 3) * depth];
        let panel = (height * depth).max(1);
        let each = |(i, to): (usize, &mut [T])| fill(i * height, to.len() / depth.max(1), to);
        terms.par_chunks_mut(panel).enumerate().for_each(each);
        Lefts { rows, depth, height, terms }
    }

    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Terms of a row.
    pub fn depth(&self) -> usize {
        self.depth
    }

    pub fn panels(&self) -> usize {
        self.rows.div_ceil(self.height)
    }

    /// The terms of a panel, and its height.
    pub fn panel(&self, i: usize) -> (&[T], usize) {
        let start = i * self.height * self.depth;
        let terms = &self.terms[start..self.terms.len().min(start + self.height * self.depth)];
        (terms, (self.rows.next_multiple_of(self.height / 3) - i * self.height).min(self.height))
    }
}

/// The right side: panels of as many columns as a tile has, the last filled up with zeros.
pub struct Rights<T = f32> {
    columns: usize,
    depth: usize,
    width: usize,
    terms: Vec<T>,
}

impl<T: Term> Rights<T> {
    /// A matrix of `depth` numbers to a column, whose columns lie `strides.row` apart, with all numbers times `scale`.
    pub fn of(from: &[f32], columns: usize, depth: usize, strides: Strides, scale: f32) -> Rights<T> {
        let terms = depth.div_ceil(T::NUMBERS);
        Rights::filled(columns, terms, |first, count, to| {
            let width = to.len() / terms.max(1);
            T::pack(&from[first * strides.row..], count, depth, strides, scale, to, width);
        })
    }

    /// As many columns, of which `fill` packs each panel: it is told the first one and how many there are, and finds
    /// zeros.
    pub fn filled(columns: usize, depth: usize, fill: impl Fn(usize, usize, &mut [T]) + Sync) -> Rights<T> {
        Rights::filled_in(Vec::new(), columns, depth, fill)
    }

    /// The same in the room of what was there before: each page of new memory costs a fault.
    pub fn filled_in(
        room: Vec<T>,
        columns: usize,
        depth: usize,
        fill: impl Fn(usize, usize, &mut [T]) + Sync,
    ) -> Rights<T> {
        let [_, width] = tile();
        let count = columns.next_multiple_of(width) * depth;
        let mut terms = room;
        if terms.capacity() < count {
            terms = vec![T::default(); count];
        } else {
            terms.clear();
            terms.resize(count, T::default());
        }
        let fill = |(i, to): (usize, &mut [T])| fill(i * width, width.min(columns - i * width), to);
        terms.par_chunks_mut((width * depth).max(1)).enumerate().for_each(fill);
        Rights { columns, depth, width, terms }
    }

    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Columns of a panel.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Terms of a column.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// For what is laid out next.
    pub fn into_room(self) -> Vec<T> {
        self.terms
    }

    pub fn panel(&self, i: usize) -> &[T] {
        &self.terms[i * self.width * self.depth..][..self.width * self.depth]
    }
}

/// Packs `count` rows of numbers of `from` into a panel of `width` of them.
pub fn pack(
    from: &[f32],
    count: usize,
    depth: usize,
    strides: Strides,
    scale: f32,
    to: &mut [f32],
    width: usize,
) {
    if strides.row == 1 {
        for (k, to) in to.chunks_exact_mut(width.max(1)).enumerate().take(depth) {
            for (to, from) in to.iter_mut().zip(&from[k * strides.term..][..count]) {
                *to = from * scale;
            }
        }
        return;
    }
    let mut row = 0;
    while row < count {
        let four = count - row >= 4 && strides.term == 1;
        if four {
            let rows: [&[f32]; 4] = std::array::from_fn(|i| &from[(row + i) * strides.row..][..depth]);
            turned_by(rows, |x| x * scale, &mut to[row..], width);
            row += 4;
        } else {
            for k in 0..depth {
                to[k * width + row] = from[row * strides.row + k * strides.term] * scale;
            }
            row += 1;
        }
    }
}

/// Four rows to four columns, which lie `width` apart.
#[inline(always)]
pub fn turned<T: Copy>(rows: [&[T]; 4], to: &mut [T], width: usize) {
    turned_by(rows, |x| x, to, width);
}

#[inline(always)]
fn turned_by<T: Copy>(rows: [&[T]; 4], by: impl Fn(T) -> T, to: &mut [T], width: usize) {
    let depth = rows[0].len();
    let blocks = rows.map(|row| row.as_chunks::<4>().0);
    for k in 0..depth / 4 {
        let [a, b, c, d] = [blocks[0][k], blocks[1][k], blocks[2][k], blocks[3][k]];
        for i in 0..4 {
            let to = &mut to[(4 * k + i) * width..][..4];
            to.copy_from_slice(&[by(a[i]), by(b[i]), by(c[i]), by(d[i])]);
        }
    }
    for k in depth / 4 * 4..depth {
        for (i, row) in rows.iter().enumerate() {
            to[k * width + i] = by(row[k]);
        }
    }
}
