//! Numbers of 16 bits, two to a word: those of f32 without the last 16 bits of their mantissa (bfloat16).
//!
//! Products of them are exact in f32, so that sums alone are rounded: once for each, the upper numbers' first. That is
//! what the instruction of x86 does (`vdpbf16ps`), but for numbers below 10⁻³⁸, which it takes for zeros; so all machines
//! sum the same bits.

use std::borrow::Cow;

use rayon::prelude::*;

use super::pack::{Strides, pack, turned};
use super::vector::{Kernel, Pairs, Vector, run};

/// Two numbers: the first in the lower half.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(transparent)]
pub struct Pair(u32);

impl Pair {
    /// Rounded to the nearest, and to even ones between two. What is no number stays none.
    #[inline(always)]
    pub fn of(first: f32, second: f32) -> Pair {
        Pair(rounded(first) >> 16 | rounded(second) & 0xffff_0000)
    }

    #[inline(always)]
    pub fn bits(self) -> i32 {
        self.0.cast_signed()
    }

    /// The two in f32.
    #[inline(always)]
    pub fn wide(self) -> [f32; 2] {
        [f32::from_bits(self.0 << 16), f32::from_bits(self.0 & 0xffff_0000)]
    }
}

/// The bits of a number, of which the upper half is to be kept.
#[inline(always)]
fn rounded(x: f32) -> u32 {
    let bits = x.to_bits();
    let up = bits.wrapping_add(0x7fff + (bits >> 16 & 1));
    if x.is_nan() { bits | 0x0040_0000 } else { up }
}

/// What a step of a sum multiplies, for each row and column of a tile.
pub trait Term: Copy + Default + Send + Sync + 'static {
    /// Numbers that it is made of.
    const NUMBERS: usize;

    /// As many of them as a vector has.
    type Vector<V: Vector>: Copy;

    /// # Safety
    /// As many terms as a vector has must be there to be read.
    unsafe fn load<V: Vector>(from: *const Self) -> Self::Vector<V>;

    fn all<V: Vector>(self) -> Self::Vector<V>;

    /// `sums` and the products of `a` and `b`.
    fn multiply<V: Vector>(a: Self::Vector<V>, b: Self::Vector<V>, sums: V) -> V;

    /// Of a number, and of one more if it is made of two.
    fn of(first: f32, second: f32) -> Self;

    /// Packs `count` rows of `depth` numbers, times `scale`, into a panel of `width` of them. The last term is filled
    /// up with a zero.
    fn pack(
        from: &[f32],
        count: usize,
        depth: usize,
        strides: Strides,
        scale: f32,
        to: &mut [Self],
        width: usize,
    );

    /// Puts two rows of numbers to a panel of `width` of them, as one row of terms or as two.
    fn two_rows(lower: &[f32], upper: &[f32], to: &mut [Self], width: usize);

    /// Planes of so many numbers by terms: those of two planes side by side, where a term is made of two.
    fn planes(numbers: &[f32], plane: usize) -> Cow<'_, [Self]>;

    /// Numbers of the first terms of `from`, of which there must be as many as a vector has: their first ones, or the
    /// second.
    fn wide<V: Vector>(from: &[Self], number: usize) -> V;

    /// Rows of two vectors by terms, which are put to `room` if they are not there yet.
    fn of_rows<'a, V: Vector>(rows: &'a [f32], room: &'a mut [Self]) -> &'a [Self];
}

impl Term for f32 {
    const NUMBERS: usize = 1;

    type Vector<V: Vector> = V;

    #[inline(always)]
    unsafe fn load<V: Vector>(from: *const f32) -> V {
        // SAFETY: the caller's.
        unsafe { V::load(from) }
    }

    #[inline(always)]
    fn all<V: Vector>(self) -> V {
        V::all(self)
    }

    #[inline(always)]
    fn multiply<V: Vector>(a: V, b: V, sums: V) -> V {
        a.fma(b, sums)
    }

    #[inline(always)]
    fn of(first: f32, _: f32) -> f32 {
        first
    }

    fn pack(
        from: &[f32],
        count: usize,
        depth: usize,
        strides: Strides,
        scale: f32,
        to: &mut [f32],
        width: usize,
    ) {
        pack(from, count, depth, strides, scale, to, width);
    }

    #[inline(always)]
    fn two_rows(lower: &[f32], upper: &[f32], to: &mut [f32], width: usize) {
        to[..lower.len()].copy_from_slice(lower);
        to[width..][..upper.len()].copy_from_slice(upper);
    }

    fn planes(numbers: &[f32], _: usize) -> Cow<'_, [f32]> {
        Cow::Borrowed(numbers)
    }

    #[inline(always)]
    fn wide<V: Vector>(from: &[f32], _: usize) -> V {
        V::of(from)
    }

    #[inline(always)]
    fn of_rows<'a, V: Vector>(rows: &'a [f32], _: &'a mut [f32]) -> &'a [f32] {
        rows
    }
}

impl Term for Pair {
    const NUMBERS: usize = 2;

    type Vector<V: Vector> = V::Pairs;

    #[inline(always)]
    unsafe fn load<V: Vector>(from: *const Pair) -> V::Pairs {
        // SAFETY: the caller's.
        unsafe { V::load_pairs(from) }
    }

    #[inline(always)]
    fn all<V: Vector>(self) -> V::Pairs {
        V::all_pairs(self)
    }

    #[inline(always)]
    fn multiply<V: Vector>(a: V::Pairs, b: V::Pairs, sums: V) -> V {
        V::fma_pairs(a, b, sums)
    }

    #[inline(always)]
    fn of(first: f32, second: f32) -> Pair {
        Pair::of(first, second)
    }

    fn pack(
        from: &[f32],
        count: usize,
        depth: usize,
        strides: Strides,
        scale: f32,
        to: &mut [Pair],
        width: usize,
    ) {
        run(Pack { from, count, depth, strides, scale, to, width });
    }

    #[inline(always)]
    fn two_rows(lower: &[f32], upper: &[f32], to: &mut [Pair], _: usize) {
        to.iter_mut().zip(lower).zip(upper).for_each(|((to, lower), upper)| *to = Pair::of(*lower, *upper));
    }

    fn planes(numbers: &[f32], plane: usize) -> Cow<'_, [Pair]> {
        let mut made = vec![Pair::default(); numbers.len().div_ceil((2 * plane).max(1)) * plane];
        let both = made.par_chunks_mut(plane.max(1)).zip(numbers.par_chunks((2 * plane).max(1)));
        both.for_each(|(to, two)| {
            let (lower, upper) = two.split_at(plane);
            run(Planes { lower, upper, to });
        });
        Cow::Owned(made)
    }

    #[inline(always)]
    fn wide<V: Vector>(from: &[Pair], number: usize) -> V {
        assert!(from.len() >= V::LEN);
        // SAFETY: as many pairs are there.
        let [first, second] = V::halves(unsafe { V::load_pairs(from.as_ptr()) });
        if number == 0 { first } else { second }
    }

    #[inline(always)]
    fn of_rows<'a, V: Vector>(rows: &'a [f32], room: &'a mut [Pair]) -> &'a [Pair] {
        let columns = 2 * V::LEN;
        let count = rows.len() / columns;
        let zeros = [0.0f32; 32];
        for (two, to) in rows.chunks(2 * columns).zip(room.chunks_exact_mut(columns)) {
            let (lower, upper) = two.split_at(columns);
            let upper = if upper.is_empty() { &zeros } else { upper };
            for at in [0, V::LEN] {
                V::of(&lower[at..]).paired(V::of(&upper[at..])).put(&mut to[at..]);
            }
        }
        &room[..count.div_ceil(2) * columns]
    }
}

/// Puts two planes, or one, side by side.
struct Planes<'a> {
    lower: &'a [f32],
    upper: &'a [f32],
    to: &'a mut [Pair],
}

impl Kernel for Planes<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        if self.upper.is_empty() {
            self.to.iter_mut().zip(self.lower).for_each(|(to, x)| *to = Pair::of(*x, 0.0));
            return;
        }
        let whole = self.to.len() / V::LEN * V::LEN;
        for at in (0..whole).step_by(V::LEN) {
            V::of(&self.lower[at..]).paired(V::of(&self.upper[at..])).put(&mut self.to[at..]);
        }
        for at in whole..self.to.len() {
            self.to[at] = Pair::of(self.lower[at], self.upper[at]);
        }
    }
}

/// Packs a panel.
struct Pack<'a> {
    from: &'a [f32],
    count: usize,
    depth: usize,
    strides: Strides,
    scale: f32,
    to: &'a mut [Pair],
    width: usize,
}

impl Kernel for Pack<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        let Pack { from, count, depth, strides: Strides { row, term }, scale, to, width } = self;
        let at = |i: usize, k: usize| if k < depth { from[i * row + k * term] * scale } else { 0.0 };
        if row == 1 {
            for (k, to) in to.chunks_exact_mut(width.max(1)).enumerate().take(depth / 2) {
                let (lower, upper) = (&from[2 * k * term..][..count], &from[(2 * k + 1) * term..][..count]);
                for ((to, lower), upper) in to.iter_mut().zip(lower).zip(upper) {
                    *to = Pair::of(lower * scale, upper * scale);
                }
            }
        } else if term == 1 {
            let terms = depth / 2;
            let mut rows = vec![Pair::default(); 4 * terms];
            for first in (0..count).step_by(4) {
                let some = 4.min(count - first);
                for (i, to) in rows.chunks_exact_mut(terms.max(1)).enumerate().take(some) {
                    let from = from[(first + i) * row..][..depth].as_chunks::<2>().0;
                    for (to, [lower, upper]) in to.iter_mut().zip(from) {
                        *to = Pair::of(lower * scale, upper * scale);
                    }
                }
                if some == 4 {
                    turned(std::array::from_fn(|i| &rows[i * terms..][..terms]), &mut to[first..], width);
                } else {
                    for (i, row) in rows.chunks_exact(terms.max(1)).enumerate().take(some) {
                        row.iter().enumerate().for_each(|(k, pair)| to[k * width + first + i] = *pair);
                    }
                }
            }
        } else {
            for (k, to) in to.chunks_exact_mut(width.max(1)).enumerate().take(depth / 2) {
                for (i, to) in to.iter_mut().enumerate().take(count) {
                    *to = Pair::of(at(i, 2 * k), at(i, 2 * k + 1));
                }
            }
        }
        if !depth.is_multiple_of(2) {
            for (i, to) in to[depth / 2 * width..].iter_mut().enumerate().take(count) {
                *to = Pair::of(at(i, depth - 1), 0.0);
            }
        }
    }
}
