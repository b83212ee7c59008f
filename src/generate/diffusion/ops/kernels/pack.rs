//! Matrices laid out as the tiles of a product read them.

use rayon::prelude::*;

use super::vector::tile;

/// Numbers (row, term) of a matrix that lie this far apart.
#[derive(Clone, Copy)]
pub struct Strides {
    pub row: usize,
    pub term: usize,
}

/// The left side of a product: panels of as many rows as a tile has, a term's numbers one behind another. The last panel
/// has as many thirds of a tile as it needs, filled up with zeros.
pub struct Lefts {
    rows: usize,
    depth: usize,
    height: usize,
    numbers: Vec<f32>,
}

impl Lefts {
    pub fn of(from: &[f32], rows: usize, depth: usize, strides: Strides) -> Lefts {
        Lefts::filled(rows, depth, |first, height, to| {
            pack(&from[first * strides.row..], (rows - first).min(height), depth, strides, 1.0, to, height);
        })
    }

    /// As many rows, of which `fill` packs each panel: it is told the first one and the panel's height, and finds zeros.
    pub fn filled(rows: usize, depth: usize, fill: impl Fn(usize, usize, &mut [f32]) + Sync) -> Lefts {
        let [height, _] = tile();
        let mut numbers = vec![0.0; rows.next_multiple_of(height / 3) * depth];
        let panel = (height * depth).max(1);
        let each = |(i, to): (usize, &mut [f32])| fill(i * height, to.len() / depth.max(1), to);
        numbers.par_chunks_mut(panel).enumerate().for_each(each);
        Lefts { rows, depth, height, numbers }
    }

    pub fn rows(&self) -> usize {
        self.rows
    }

    pub fn depth(&self) -> usize {
        self.depth
    }

    pub fn panels(&self) -> usize {
        self.rows.div_ceil(self.height)
    }

    /// The numbers of a panel, and its height.
    pub fn panel(&self, i: usize) -> (&[f32], usize) {
        let start = i * self.height * self.depth;
        let numbers = &self.numbers[start..self.numbers.len().min(start + self.height * self.depth)];
        (numbers, (self.rows.next_multiple_of(self.height / 3) - i * self.height).min(self.height))
    }
}

/// The right side: panels of as many columns as a tile has, the last filled up with zeros.
pub struct Rights {
    columns: usize,
    depth: usize,
    width: usize,
    numbers: Vec<f32>,
}

impl Rights {
    /// A matrix whose columns lie `strides.row` apart, with all numbers times `scale`.
    pub fn of(from: &[f32], columns: usize, depth: usize, strides: Strides, scale: f32) -> Rights {
        Rights::filled(columns, depth, |first, count, to| {
            pack(&from[first * strides.row..], count, depth, strides, scale, to, to.len() / depth.max(1));
        })
    }

    /// As many columns, of which `fill` packs each panel: it is told the first one and how many there are, and finds
    /// zeros.
    pub fn filled(columns: usize, depth: usize, fill: impl Fn(usize, usize, &mut [f32]) + Sync) -> Rights {
        let [_, width] = tile();
        let mut numbers = vec![0.0; columns.next_multiple_of(width) * depth];
        let fill = |(i, to): (usize, &mut [f32])| fill(i * width, width.min(columns - i * width), to);
        numbers.par_chunks_mut((width * depth).max(1)).enumerate().for_each(fill);
        Rights { columns, depth, width, numbers }
    }

    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Columns of a panel.
    pub fn width(&self) -> usize {
        self.width
    }

    pub fn depth(&self) -> usize {
        self.depth
    }

    pub fn panel(&self, i: usize) -> &[f32] {
        &self.numbers[i * self.width * self.depth..][..self.width * self.depth]
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
            turned(rows, scale, &mut to[row..], width);
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
fn turned(rows: [&[f32]; 4], scale: f32, to: &mut [f32], width: usize) {
    let depth = rows[0].len();
    let blocks = rows.map(|row| row.as_chunks::<4>().0);
    for k in 0..depth / 4 {
        let [a, b, c, d] = [blocks[0][k], blocks[1][k], blocks[2][k], blocks[3][k]];
        for i in 0..4 {
            let to = &mut to[(4 * k + i) * width..][..4];
            to.copy_from_slice(&[a[i] * scale, b[i] * scale, c[i] * scale, d[i] * scale]);
        }
    }
    for k in depth / 4 * 4..depth {
        for (i, row) in rows.iter().enumerate() {
            to[k * width + i] = row[k] * scale;
        }
    }
}
