//! Attention that holds the scores of a few queries and keys at a time.

use rayon::prelude::*;

use super::pack::{Lefts, Rights, Strides};
use super::pairs::Term;
use super::tile::{Out, Tile, multiply};
use super::vector::{Kernel, Vector, run, tile};

/// Keys whose scores are looked at before their values are added up; whole panels on every machine, and whole terms.
const KEYS: usize = 240;

/// Where the numbers of heads and tokens are: so far apart, and the numbers of one token in one head side by side.
#[derive(Clone, Copy)]
pub struct Tokens<'a> {
    pub numbers: &'a [f32],
    pub count: usize,
    pub head: usize,
    pub token: usize,
}

impl<'a> Tokens<'a> {
    fn of_head(&self, head: usize) -> &'a [f32] {
        &self.numbers[head * self.head..]
    }
}

/// What is added to the scores.
#[derive(Clone, Copy)]
pub enum Bias<'a> {
    Nothing,
    /// −∞ for the keys that come after a query.
    Causal,
    /// These: (heads, keys, queries).
    Scores(&'a [f32]),
}

/// What all heads of `width` numbers find, (queries, heads × width): softmax(scale·q·kᵀ + bias)·v. Both products are
/// those of terms of type `T`; what is between them is in f32.
pub fn attention<T: Term>(
    [q, k, v]: [Tokens; 3],
    [heads, width]: [usize; 2],
    scale: f32,
    bias: Bias,
) -> Vec<f32> {
    let mut made = vec![0.0; q.count * heads * width];
    if k.count == 0 || made.is_empty() {
        return made;
    }
    let out = Out::within(&mut made, 0, heads * width, q.count, heads * width);
    let [_, columns] = tile();
    let groups = q.count.div_ceil(columns);
    let by_row = |tokens: Tokens| Strides { row: tokens.token, term: 1 };
    // A few heads at a time, so that what is packed is small, and as many as keep all threads busy.
    let together = (rayon::current_num_threads() * 4).div_ceil(groups).clamp(1, heads);
    for first in (0..heads).step_by(together) {
        let packed: Vec<_> = (first..heads.min(first + together))
            .into_par_iter()
            .map(|head| Packed::<T> {
                head,
                queries: Rights::of(q.of_head(head), q.count, width, by_row(q), scale),
                keys: Lefts::of(k.of_head(head), k.count, width, by_row(k)),
                values: Lefts::of(v.of_head(head), width, v.count, Strides { row: 1, term: v.token }),
            })
            .collect();
        (0..packed.len() * groups).into_par_iter().for_each(|task| {
            let (packed, group) = (&packed[task / groups], task % groups);
            run(Queries { packed, group, bias, out });
        });
    }
    made
}

struct Packed<T> {
    head: usize,
    queries: Rights<T>,
    keys: Lefts<T>,
    values: Lefts<T>,
}

/// The queries of one panel in one head, whose columns of `out` no other task writes to.
struct Queries<'a, T> {
    packed: &'a Packed<T>,
    group: usize,
    bias: Bias<'a>,
    out: Out,
}

impl<T: Term> Kernel for Queries<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        let (columns, width) = (2 * V::LEN, self.packed.values.rows());
        let mut scores = [0.0f32; KEYS * 32];
        let mut room = vec![T::default(); if T::NUMBERS > 1 { KEYS / T::NUMBERS * columns } else { 0 }];
        let mut sums = vec![0.0f32; width * columns];
        let mut largest = [V::all(f32::MIN); 2];
        let mut weight = [V::all(0.0); 2];
        let all = self.packed.keys.rows();
        for start in (0..all).step_by(KEYS) {
            let count = KEYS.min(all - start);
            self.score::<V>(start, count, &mut scores);
            let scores = &mut scores[..count * columns];
            for half in 0..2 {
                let at = half * V::LEN;
                let before = largest[half];
                for row in scores.chunks_exact(columns) {
                    largest[half] = largest[half].max(V::of(&row[at..]));
                }
                let kept = before.sub(largest[half]).exp();
                let mut sum = weight[half].mul(kept);
                for row in scores.chunks_exact_mut(columns) {
                    let share = V::of(&row[at..]).sub(largest[half]).exp();
                    share.put(&mut row[at..]);
                    sum = sum.add(share);
                }
                weight[half] = sum;
                if start > 0 {
                    for row in sums.chunks_exact_mut(columns) {
                        V::of(&row[at..]).mul(kept).put(&mut row[at..]);
                    }
                }
            }
            self.add::<V>(start, T::of_rows::<V>(scores, &mut room), &mut sums);
        }
        self.put::<V>(&sums, weight);
    }
}

impl<T: Term> Queries<'_, T> {
    /// Scores of `count` keys from `start` on, a row for each.
    #[inline(always)]
    fn score<V: Vector>(&self, start: usize, count: usize, scores: &mut [f32]) {
        let (columns, first) = (2 * V::LEN, self.group * 2 * V::LEN);
        let Packed { head, queries, keys, .. } = self.packed;
        let here = columns.min(queries.columns() - first);
        if let Bias::Scores(bias) = self.bias {
            let of_head = &bias[head * keys.rows() * queries.columns()..];
            for (i, row) in scores.chunks_exact_mut(columns).enumerate().take(count) {
                let bias = &of_head[(start + i) * queries.columns() + first..][..here];
                row[..here].copy_from_slice(bias);
                row[here..].fill(0.0);
            }
        }
        for panel in start / V::ROWS..(start + count).div_ceil(V::ROWS) {
            let (left, height) = keys.panel(panel);
            let row = panel * V::ROWS - start;
            let add = matches!(self.bias, Bias::Scores(_));
            let rows = height.min(count - row);
            let tile = Tile { terms: keys.depth(), height, rows, columns, add, bias: &[] };
            // SAFETY: there is room for `count` rows, and this thread alone has it.
            unsafe {
                let to = scores[row * columns..(row + rows) * columns].as_mut_ptr();
                multiply::<V, T>(&tile, left, queries.panel(self.group), to, columns);
            }
        }
        if let Bias::Causal = self.bias {
            for (i, row) in scores.chunks_exact_mut(columns).enumerate().take(count) {
                let before = (start + i).saturating_sub(first).min(columns);
                row[..before].fill(f32::NEG_INFINITY);
            }
        }
    }

    /// Adds the values of the keys from `start` on by their shares.
    #[inline(always)]
    fn add<V: Vector>(&self, start: usize, shares: &[T], sums: &mut [f32]) {
        let columns = 2 * V::LEN;
        let (first, terms) = (start / T::NUMBERS, shares.len() / columns);
        let values = &self.packed.values;
        for panel in 0..values.panels() {
            let (left, height) = values.panel(panel);
            let rows = height.min(values.rows() - panel * V::ROWS);
            let tile = Tile { terms, height, rows, columns, add: start > 0, bias: &[] };
            let row = panel * V::ROWS;
            // SAFETY: the sums have as many rows as there are values, and this thread alone has them.
            unsafe {
                let to = sums[row * columns..(row + rows) * columns].as_mut_ptr();
                multiply::<V, T>(&tile, &left[first * height..], shares, to, columns);
            }
        }
    }

    /// Divides by the weights, and puts each query's numbers to its row.
    #[inline(always)]
    fn put<V: Vector>(&self, sums: &[f32], weight: [V; 2]) {
        let (columns, first) = (2 * V::LEN, self.group * 2 * V::LEN);
        let Packed { head, queries, values, .. } = self.packed;
        let mut shares = [0.0f32; 32];
        for half in 0..2 {
            V::all(1.0).div(weight[half]).put(&mut shares[half * V::LEN..]);
        }
        for j in 0..columns.min(queries.columns() - first) {
            // SAFETY: the query's row is there, and the columns of this head are this task's.
            let to = unsafe { self.out.row(first + j, head * values.rows(), values.rows()) };
            for (to, row) in to.iter_mut().zip(sums.chunks_exact(columns)) {
                *to = row[j] * shares[j];
            }
        }
    }
}
