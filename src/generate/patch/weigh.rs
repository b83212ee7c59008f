//! Softmax weights of all patches of the bank for the patches of a noisy picture, and their means.

use crate::simd::{self, Kernel};

use super::dense::exp;
use super::exact::{Bank, DEPTH, Keys};

/// Queries that are worked on together.
pub const BLOCK: usize = 16;
/// Logarithms of weights this far below the largest are nothing.
const NEGLIGIBLE: f32 = -14.0;
/// A patch in so many has a weight: then means are quicker over all of them.
const DENSE: usize = 8;
/// Patches whose components stay in the near cache while all queries of a block add them up.
const NEAR: usize = 256;
/// Queries, and components, that are added up at once.
const TALL: usize = 4;
const WIDE: usize = 16;

/// One step's weights.
pub struct Weigher<'a> {
    pub bank: &'a Bank,
    pub keys: &'a Keys,
    /// 1/σ².
    pub precision: f32,
    /// What every patch costs whoever asks.
    pub fixed: &'a [f32],
    pub own: f32,
    /// Pixels to a row of queries.
    pub width: usize,
}

/// Result of one block of queries.
pub struct Weighed {
    /// Posterior means in components; those that the keys leave out are 0.
    pub means: Vec<[f32; DEPTH]>,
    /// Sum of the weights of every patch.
    pub used: Vec<f32>,
}

impl Weigher<'_> {
    /// Posterior means of those of the `queries`, one for every pixel, that are at `pixels`.
    pub fn weigh(&self, queries: &[[f32; DEPTH]], pixels: &[usize]) -> Weighed {
        simd::run(Work { weigher: self, queries, pixels })
    }

    /// From dot products to logarithms of weights for the query at `pixel`.
    #[inline(always)]
    fn charge(&self, scores: &mut [f32], pixel: usize) {
        let (y, x, n) = (pixel / self.width, pixel % self.width, scores.len());
        let near_y = &self.bank.near_y[y * n..(y + 1) * n];
        let near_x = &self.bank.near_x[x * n..(x + 1) * n];
        for ((score, fixed), (ny, nx)) in scores.iter_mut().zip(self.fixed).zip(near_y.iter().zip(near_x)) {
            *score = *score * self.precision - fixed - self.own * ny * nx;
        }
    }
}

struct Work<'a, 'b> {
    weigher: &'a Weigher<'b>,
    queries: &'a [[f32; DEPTH]],
    /// At most a block of them.
    pixels: &'a [usize],
}

impl Kernel for Work<'_, '_> {
    type Output = Weighed;

    #[inline(always)]
    fn run(self) -> Weighed {
        let Work { weigher, queries, pixels } = self;
        let Weigher { bank, keys, .. } = weigher;
        let (n, stride) = (bank.len(), keys.columns.stride());
        let mut rows = vec![0.0f32; BLOCK * keys.depth];
        for (row, pixel) in rows.chunks_exact_mut(keys.depth).zip(pixels) {
            row.copy_from_slice(&queries[*pixel][..keys.depth]);
        }
        let mut weights = vec![0.0f32; BLOCK * stride];
        keys.columns.multiply(&rows, &mut weights);
        let mut used = vec![0.0f32; n];
        let mut count = 0;
        for (i, row) in weights.chunks_exact_mut(stride).enumerate() {
            let (row, padding) = row.split_at_mut(n);
            padding.fill(0.0);
            let Some(pixel) = pixels.get(i) else {
                row.fill(0.0);
                continue;
            };
            weigher.charge(row, *pixel);
            count += softmax(row);
            used.iter_mut().zip(row).for_each(|(u, w)| *u += *w);
        }
        let mut means = vec![[0.0f32; DEPTH]; BLOCK];
        if count * DENSE > n * pixels.len() {
            add_all(&weights, stride, &bank.values, keys.depth, &mut means);
        } else {
            for (weights, mean) in weights.chunks_exact(stride).zip(&mut means) {
                add_few(weights, &bank.values, mean);
            }
        }
        means.truncate(pixels.len());
        Weighed { means, used }
    }
}

/// From logarithms to weights that add up to 1; how many are not 0.
#[inline(always)]
fn softmax(row: &mut [f32]) -> usize {
    let largest = largest(row);
    // Masked, not branched on: so eight go at once.
    for w in row.iter_mut() {
        let log = *w - largest;
        let kept = u32::from(log > NEGLIGIBLE).wrapping_neg();
        *w = f32::from_bits(exp(log).to_bits() & kept);
    }
    let mut lanes = [0.0f32; 8];
    let chunks = row.chunks_exact(8);
    let tail: f32 = chunks.remainder().iter().sum();
    for chunk in chunks {
        for (lane, w) in lanes.iter_mut().zip(chunk) {
            *lane += *w;
        }
    }
    let scale = 1.0 / (lanes.iter().sum::<f32>() + tail);
    let mut count = 0u32;
    for w in row.iter_mut() {
        count += u32::from(*w > 0.0);
        *w *= scale;
    }
    count as usize
}

#[inline(always)]
fn largest(values: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; 8];
    let chunks = values.chunks_exact(8);
    let tail = chunks.remainder().iter().copied().fold(f32::NEG_INFINITY, f32::max);
    for chunk in chunks {
        for (lane, v) in lanes.iter_mut().zip(chunk) {
            *lane = if *v > *lane { *v } else { *lane };
        }
    }
    lanes.into_iter().fold(tail, f32::max)
}

/// Adds the leading `depth` components of all patches to the means of a block.
#[inline(always)]
fn add_all(
    weights: &[f32],
    stride: usize,
    values: &[[f32; DEPTH]],
    depth: usize,
    means: &mut [[f32; DEPTH]],
) {
    for (near, values) in values.chunks(NEAR).enumerate() {
        let from = near * NEAR;
        for (rows, means) in weights.chunks_exact(TALL * stride).zip(means.chunks_exact_mut(TALL)) {
            let row = |q: usize| &rows[q * stride + from..q * stride + from + values.len()];
            let rows = [row(0), row(1), row(2), row(3)];
            for d in (0..depth).step_by(WIDE) {
                let mut sums = [[0.0f32; WIDE]; TALL];
                for (j, value) in values.iter().enumerate() {
                    let value = &value[d..d + WIDE];
                    for (sums, row) in sums.iter_mut().zip(&rows) {
                        let weight = row[j];
                        for (s, v) in sums.iter_mut().zip(value) {
                            *s += weight * v;
                        }
                    }
                }
                for (mean, sums) in means.iter_mut().zip(&sums) {
                    mean[d..d + WIDE].iter_mut().zip(sums).for_each(|(m, s)| *m += s);
                }
            }
        }
    }
}

/// Adds those patches to a mean that have a weight.
#[inline(always)]
fn add_few(weights: &[f32], values: &[[f32; DEPTH]], mean: &mut [f32; DEPTH]) {
    for (weight, value) in weights.iter().zip(values) {
        if *weight > 0.0 {
            mean.iter_mut().zip(value).for_each(|(m, v)| *m += weight * v);
        }
    }
}
