//! The coarsest level: diffusion with the closed-form posterior over all patches of the corpus
//! (Kamb & Ganguli 2024, the equivariant local score machine), balanced so that all patches are used
//! about equally and none stays at its own place.

use rayon::prelude::*;

use crate::random::Stream;

use super::dense::{Panels, exp};
use super::features::Basis;
use super::image::Image;
use super::sources::Sources;

/// Principal components of a patch.
const DEPTH: usize = 64;
/// Patches in the bank, at most, unless the in-place copy alone has more.
const BANK: usize = 5000;
/// A level with more pixels is not drawn exactly: the bank could not hold its in-place copy.
pub const MOST_PIXELS: usize = 6000;
/// Queries that are worked on together.
const BLOCK: usize = 16;
/// Logarithms of weights this far below the largest are nothing.
const NEGLIGIBLE: f32 = -14.0;
/// Reach of the leave-one-out cost, as a share of the short side.
const OWN_REACH: f64 = 0.06;

/// All patches of the coarsest level.
pub struct Bank {
    basis: Basis<DEPTH>,
    /// Components of every patch, as columns.
    columns: Panels,
    values: Vec<[f32; DEPTH]>,
    half_norms: Vec<f32>,
    mean_norm: f32,
    /// For every row (column) of the level the Gaussian nearness of every patch's origin, one after another.
    near_y: Vec<f32>,
    near_x: Vec<f32>,
}

/// How one step weighs the patches.
#[derive(Clone, Copy, Debug)]
pub struct Posterior {
    /// Standard deviation of the noise in the picture.
    pub sigma: f64,
    /// Cost of a patch at its own place, in mean squared patch lengths.
    pub own_place: f64,
    /// Weight of the balancing duals.
    pub balance: f64,
}

impl Bank {
    pub fn new(sources: &Sources, patch: usize, stream: Stream) -> Self {
        let (width, height) = (sources.width, sources.height);
        let chosen = choose(sources, stream);
        let rows = patches(sources, patch, &chosen);
        let dim = patch * patch * sources.channels();
        let basis = Basis::<DEPTH>::of_rows(&rows, patch, dim);
        let values: Vec<[f32; DEPTH]> = rows.par_chunks_exact(dim).map(|row| basis.components(row)).collect();
        let half_norms: Vec<f32> =
            values.iter().map(|v| 0.5 * v.iter().map(|x| x * x).sum::<f32>()).collect();
        let mean_norm = 2.0 * half_norms.iter().sum::<f32>() / half_norms.len().max(1) as f32;
        let columns = Panels::new(DEPTH, values.len(), |k, j| values[j][k]);
        let reach = OWN_REACH * width.min(height) as f64;
        let near = |n: usize, origin: &dyn Fn(usize) -> f32| {
            let mut table = Vec::with_capacity(n * chosen.len());
            for line in 0..n {
                table.extend(chosen.iter().map(|i| {
                    let d = line as f64 + 0.5 - f64::from(origin(*i)) * n as f64;
                    exp((-d * d / (2.0 * reach * reach)) as f32)
                }));
            }
            table
        };
        let near_y = near(height, &|i| sources.origins[i].0);
        let near_x = near(width, &|i| sources.origins[i].1);
        Bank { basis, columns, values, half_norms, mean_norm, near_y, near_x }
    }

    /// Number of patches.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Posterior mean of the clean picture given the noisy one. `duals` (one for every patch) are
    /// updated once, so that overused patches cost more the next time (damped Sinkhorn).
    pub fn denoise(&self, noisy: &Image, posterior: Posterior, duals: &mut [f32]) -> Image {
        let queries = self.basis.project(noisy);
        let precision = (1.0 / (posterior.sigma * posterior.sigma)) as f32;
        let balance = posterior.balance as f32;
        let own = (0.5 * posterior.own_place) as f32 * self.mean_norm * precision;
        let fixed: Vec<f32> =
            self.half_norms.iter().zip(&*duals).map(|(n, d)| n * precision + balance * d).collect();
        let blocks: Vec<(Vec<[f32; DEPTH]>, Vec<f32>)> = queries
            .par_chunks(BLOCK)
            .enumerate()
            .map(|(i, block)| self.weigh(block, i * BLOCK, noisy.width, precision, &fixed, own))
            .collect();
        if balance > 0.0 {
            let mut used = vec![0.0f32; self.len()];
            for (_, part) in &blocks {
                used.iter_mut().zip(part).for_each(|(u, p)| *u += p);
            }
            let fair = queries.len() as f32 / self.len() as f32;
            for (dual, used) in duals.iter_mut().zip(&used) {
                *dual = (*dual + 0.5 * (used / fair).max(0.01).ln()).clamp(-6.0, 6.0);
            }
        }
        let means: Vec<[f32; DEPTH]> = blocks.into_iter().flat_map(|b| b.0).collect();
        self.overlap(&means, noisy)
    }

    /// Posterior means of some queries in components, and how much each patch was used for them.
    fn weigh(
        &self,
        block: &[[f32; DEPTH]],
        first: usize,
        width: usize,
        precision: f32,
        fixed: &[f32],
        own: f32,
    ) -> (Vec<[f32; DEPTH]>, Vec<f32>) {
        let mut rows = [0.0f32; BLOCK * DEPTH];
        rows.chunks_exact_mut(DEPTH).zip(block).for_each(|(row, query)| row.copy_from_slice(query));
        let stride = self.columns.stride();
        let mut scores = vec![0.0f32; BLOCK * stride];
        self.columns.multiply(&rows, &mut scores);
        let (mut means, mut used) = (Vec::with_capacity(block.len()), vec![0.0f32; self.len()]);
        let n = self.len();
        for (i, scores) in scores.chunks_exact_mut(stride).take(block.len()).enumerate() {
            let (y, x) = ((first + i) / width, (first + i) % width);
            let (near_y, near_x) = (&self.near_y[y * n..(y + 1) * n], &self.near_x[x * n..(x + 1) * n]);
            let scores = &mut scores[..n];
            for ((score, fixed), (ny, nx)) in scores.iter_mut().zip(fixed).zip(near_y.iter().zip(near_x)) {
                *score = *score * precision - fixed - own * ny * nx;
            }
            let largest = largest(scores);
            let (mut sum, mut total) = ([0.0f32; DEPTH], 0.0f32);
            let mut kept = Vec::with_capacity(256);
            for (j, score) in scores.iter().enumerate() {
                if *score - largest > NEGLIGIBLE {
                    let weight = exp(*score - largest);
                    total += weight;
                    kept.push((j, weight));
                }
            }
            let scale = 1.0 / total;
            for (j, weight) in kept {
                let weight = weight * scale;
                used[j] += weight;
                for (s, v) in sum.iter_mut().zip(&self.values[j]) {
                    *s += weight * v;
                }
            }
            means.push(sum);
        }
        (means, used)
    }

    /// The picture that overlapping patches agree on, each weighing by a Gaussian of a third of its width.
    fn overlap(&self, means: &[[f32; DEPTH]], like: &Image) -> Image {
        let (width, height, channels) = (like.width, like.height, like.channels);
        let patch = self.basis.patch;
        let reach = (patch / 2) as i32;
        let deviation = patch as f64 / 3.0;
        let line = |d: i32| (-f64::from(d * d) / (2.0 * deviation * deviation)).exp();
        let mut data = vec![0.0f32; like.data.len()];
        data.par_chunks_mut(width * channels).enumerate().for_each(|(y, row)| {
            for (x, out) in row.chunks_exact_mut(channels).enumerate() {
                let mut total = 0.0f32;
                for (dy, dx) in (-reach..=reach).flat_map(|dy| (-reach..=reach).map(move |dx| (dy, dx))) {
                    let (qy, qx) = (y as i32 - dy, x as i32 - dx);
                    if qy as u32 >= height as u32 || qx as u32 >= width as u32 {
                        continue;
                    }
                    let weight = (line(dy) * line(dx)) as f32;
                    let mean = &means[qy as usize * width + qx as usize];
                    let tap = ((dy + reach) as usize * patch + (dx + reach) as usize) * channels;
                    for (c, o) in out.iter_mut().enumerate() {
                        *o += weight * (self.basis.mean[tap + c] + dot(mean, &self.basis.axes[tap + c]));
                    }
                    total += weight;
                }
                out.iter_mut().for_each(|o| *o /= total);
            }
        });
        Image { data, ..*like }
    }
}

/// Indices (copy by copy) of the patches in the bank: the whole in-place copy, then others at random.
fn choose(sources: &Sources, stream: Stream) -> Vec<usize> {
    let pixels = sources.pixels();
    let usable = |i: &usize| sources.outside[*i] < 0.02;
    let mut chosen: Vec<usize> = (0..pixels).filter(usable).collect();
    let others: Vec<usize> = (pixels..sources.outside.len()).filter(usable).collect();
    let room = BANK.saturating_sub(chosen.len());
    chosen.extend(stream.permutation(others.len()).into_iter().take(room).map(|i| others[i]));
    if chosen.is_empty() {
        chosen.extend(0..pixels);
    }
    chosen
}

/// The patches around the chosen pixels, whole, one after another.
fn patches(sources: &Sources, patch: usize, chosen: &[usize]) -> Vec<f32> {
    let padded: Vec<Image> = sources.images.iter().map(|image| image.padded(patch / 2, patch / 2)).collect();
    let span = patch * sources.channels();
    let mut rows = Vec::with_capacity(chosen.len() * patch * span);
    for i in chosen {
        let (image, at) = (&padded[i / sources.pixels()], i % sources.pixels());
        let (y, x) = (at / sources.width, at % sources.width);
        for j in 0..patch {
            let start = ((y + j) * image.width + x) * image.channels;
            rows.extend_from_slice(&image.data[start..start + span]);
        }
    }
    rows
}

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

fn dot(a: &[f32; DEPTH], b: &[f32; DEPTH]) -> f32 {
    let mut lanes = [0.0f32; 8];
    for (x, y) in a.chunks_exact(8).zip(b.chunks_exact(8)) {
        for i in 0..8 {
            lanes[i] += x[i] * y[i];
        }
    }
    lanes.iter().sum()
}
