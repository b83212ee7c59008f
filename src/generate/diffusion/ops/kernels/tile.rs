//! Matrix products of packed panels: the one loop in which nearly all time goes by.

use std::ops::Range;

use rayon::prelude::*;

use super::pack::{Lefts, Rights};
use super::pairs::Term;
use super::vector::{Kernel, Vector, run};

/// Terms of a sum that are taken at a time, so that their panels stay in the nearest caches. Part of what is computed:
/// sums are put together in this order on every machine.
pub const DEPTH: usize = 256;
/// Panels of each side that one task multiplies.
const GROUP: usize = 8;

/// Where products are added to: row `i` begins at `i` strides.
#[derive(Clone, Copy)]
pub struct Out {
    to: *mut f32,
    stride: usize,
}

// SAFETY: tasks write to different elements; whoever shares one out says so.
unsafe impl Send for Out {}
// SAFETY: the same.
unsafe impl Sync for Out {}

impl Out {
    /// `rows` rows of `columns` numbers, of which the first stands at `at`.
    pub fn within(numbers: &mut [f32], at: usize, stride: usize, rows: usize, columns: usize) -> Out {
        assert!(rows == 0 || columns == 0 || at + (rows - 1) * stride + columns <= numbers.len());
        assert!(columns <= stride || rows <= 1);
        let at = at.min(numbers.len());
        Out { to: numbers[at..].as_mut_ptr(), stride }
    }

    /// So many numbers of a row.
    ///
    /// # Safety
    /// They must be within it, and nobody else's.
    pub unsafe fn row<'a>(self, row: usize, column: usize, count: usize) -> &'a mut [f32] {
        // SAFETY: the caller's.
        unsafe { std::slice::from_raw_parts_mut(self.at(row, column), count) }
    }

    /// From this row and column on.
    ///
    /// # Safety
    /// They must be within it.
    #[inline(always)]
    unsafe fn at(self, row: usize, column: usize) -> *mut f32 {
        // SAFETY: the caller's.
        unsafe { self.to.add(row * self.stride + column) }
    }
}

/// What a product is added to.
#[derive(Clone, Copy)]
pub enum Onto<'a> {
    Nothing,
    /// The numbers that are there.
    There,
    /// One number for each column.
    Columns(&'a [f32]),
}

impl Onto<'_> {
    /// Makes `numbers`, rows of so many, what is added to.
    pub fn begin(self, numbers: &mut [f32], columns: usize) {
        match self {
            Onto::Nothing => numbers.fill(0.0),
            Onto::There => {}
            Onto::Columns(bias) => {
                numbers.chunks_exact_mut(columns.max(1)).for_each(|row| row.copy_from_slice(bias));
            }
        }
    }
}

/// Puts `left`·`right` to `out`, from `at` on, on all threads, with what it is added to. Rows of `out` lie `stride`
/// apart.
pub fn product<T: Term>(
    left: &Lefts<T>,
    right: &Rights<T>,
    out: &mut [f32],
    at: usize,
    stride: usize,
    onto: Onto,
) {
    product_of_some(left, right, 0..right.columns(), out, at, stride, onto);
}

/// The same of some columns of `right`, from the beginning of a panel on.
pub fn product_of_some<T: Term>(
    left: &Lefts<T>,
    right: &Rights<T>,
    columns: Range<usize>,
    out: &mut [f32],
    at: usize,
    stride: usize,
    onto: Onto,
) {
    let width = right.width();
    assert!(
        left.depth() == right.depth()
            && columns.start.is_multiple_of(width)
            && columns.end <= right.columns()
    );
    if let Onto::Columns(bias) = onto {
        assert_eq!(bias.len(), columns.len());
    }
    let out = Out::within(out, at, stride, left.rows(), columns.len());
    let (first, panels) = (columns.start / width, columns.len().div_ceil(width));
    let (across, down) = (panels.div_ceil(GROUP), left.panels().div_ceil(GROUP));
    let group = |i: usize, panels: usize| i * GROUP..panels.min((i + 1) * GROUP);
    (0..across * down).into_par_iter().for_each(|task| {
        let (lefts, rights) = (group(task % down, left.panels()), group(task / down, panels));
        run(Group { left, right, lefts, rights, first, columns: columns.len(), out, onto });
    });
}

/// The panels of one task, which no other writes to.
struct Group<'a, T> {
    left: &'a Lefts<T>,
    right: &'a Rights<T>,
    lefts: Range<usize>,
    /// Panels, counted from the first one that is wanted.
    rights: Range<usize>,
    first: usize,
    columns: usize,
    out: Out,
    onto: Onto<'a>,
}

impl<T: Term> Kernel for Group<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        let depth = self.left.depth();
        for start in (0..depth).step_by(DEPTH) {
            let terms = DEPTH.min(depth - start);
            for j in self.rights.clone() {
                for i in self.lefts.clone() {
                    let (left, height) = self.left.panel(i);
                    let (row, column) = (i * V::ROWS, j * 2 * V::LEN);
                    let columns = (self.columns - column).min(2 * V::LEN);
                    let (add, bias) = match self.onto {
                        _ if start > 0 => (true, &[][..]),
                        Onto::Nothing => (false, &[][..]),
                        Onto::There => (true, &[][..]),
                        Onto::Columns(bias) => (false, &bias[column..column + columns]),
                    };
                    let rows = (self.left.rows() - row).min(height);
                    let tile = Tile { terms, height, rows, columns, add, bias };
                    let right = &self.right.panel(self.first + j)[start * 2 * V::LEN..];
                    // SAFETY: this row and column are those of a tile within `out`, and of no other task.
                    unsafe {
                        let to = self.out.at(row, column);
                        multiply::<V, T>(&tile, &left[start * height..], right, to, self.out.stride);
                    }
                }
            }
        }
    }
}

/// A tile of a product: so many terms, rows that were packed, rows and columns that are wanted.
pub struct Tile<'a> {
    pub terms: usize,
    /// Rows of the packed panel, a multiple of a third of [`Vector::ROWS`].
    pub height: usize,
    pub rows: usize,
    pub columns: usize,
    /// Whether it is added to what is there.
    pub add: bool,
    /// What is added to each column, if anything is.
    pub bias: &'a [f32],
}

/// One tile: `left` has `height` terms for each step of the sums, `right` two vectors.
///
/// # Safety
/// `rows` rows of `columns` numbers must be there from `to` on, `stride` apart, for nobody else to touch.
#[inline(always)]
pub unsafe fn multiply<V: Vector, T: Term>(
    tile: &Tile,
    left: &[T],
    right: &[T],
    to: *mut f32,
    stride: usize,
) {
    // SAFETY: the caller's.
    unsafe {
        match tile.height {
            12 => of_height::<V, T, 12>(tile, left, right, to, stride),
            8 => of_height::<V, T, 8>(tile, left, right, to, stride),
            6 => of_height::<V, T, 6>(tile, left, right, to, stride),
            4 => of_height::<V, T, 4>(tile, left, right, to, stride),
            _ => of_height::<V, T, 2>(tile, left, right, to, stride),
        }
    }
}

// Sums stay in registers only if nothing takes their address, as an iterator at the end would.
#[allow(clippy::needless_range_loop)]
#[inline(always)]
unsafe fn of_height<V: Vector, T: Term, const H: usize>(
    tile: &Tile,
    left: &[T],
    right: &[T],
    to: *mut f32,
    stride: usize,
) {
    assert!(left.len() >= tile.terms * H && right.len() >= tile.terms * 2 * V::LEN);
    let (mut a, mut b) = (left.as_ptr(), right.as_ptr());
    let mut sums = [[V::all(0.0); 2]; H];
    for _ in 0..tile.terms {
        // SAFETY: each step has `H` terms on the left, and two vectors on the right: see above.
        unsafe {
            let columns = [T::load::<V>(b), T::load::<V>(b.add(V::LEN))];
            for (i, sums) in sums.iter_mut().enumerate() {
                let x = (*a.add(i)).all::<V>();
                sums[0] = T::multiply(x, columns[0], sums[0]);
                sums[1] = T::multiply(x, columns[1], sums[1]);
            }
            (a, b) = (a.add(H), b.add(2 * V::LEN));
        }
    }
    if !tile.bias.is_empty() {
        let mut bias = [0.0f32; 32];
        bias[..tile.columns].copy_from_slice(tile.bias);
        for half in 0..2 {
            let bias = V::of(&bias[half * V::LEN..]);
            for i in 0..H {
                sums[i][half] = sums[i][half].add(bias);
            }
        }
    }
    let whole = tile.rows == H && tile.columns == 2 * V::LEN;
    if whole && tile.add {
        for i in 0..H {
            for half in 0..2 {
                // SAFETY: all rows and columns of the tile are there.
                unsafe {
                    let to = to.add(i * stride + half * V::LEN);
                    sums[i][half].add(V::load(to)).store(to);
                }
            }
        }
    } else if whole {
        for i in 0..H {
            for half in 0..2 {
                // SAFETY: all rows and columns of the tile are there.
                unsafe { sums[i][half].store(to.add(i * stride + half * V::LEN)) };
            }
        }
    } else {
        let mut all = [0.0f32; 12 * 32];
        for i in 0..H {
            for half in 0..2 {
                sums[i][half].put(&mut all[(2 * i + half) * V::LEN..][..V::LEN]);
            }
        }
        for (i, row) in all.chunks_exact(2 * V::LEN).enumerate().take(tile.rows) {
            for (j, sum) in row.iter().enumerate().take(tile.columns) {
                // SAFETY: these rows and columns are there.
                unsafe {
                    let to = to.add(i * stride + j);
                    *to = if tile.add { *to + sum } else { *sum };
                }
            }
        }
    }
}
