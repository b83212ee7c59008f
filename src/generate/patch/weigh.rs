//! Softmax weights of all patches of the bank for the patches of a noisy picture.

use super::dense::exp;
use super::exact::{Bank, DEPTH, Keys};

/// Queries that are worked on together.
pub const BLOCK: usize = 16;
/// Logarithms of weights this far below the largest are nothing.
const NEGLIGIBLE: f32 = -14.0;

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

impl Weigher<'_> {
    /// Posterior means of the queries from pixel `first` on, in components.
    pub fn weigh(&self, block: &[[f32; DEPTH]], first: usize) -> Weighed {
        let depth = self.keys.depth;
        let mut rows = vec![0.0f32; BLOCK * depth];
        for (row, query) in rows.chunks_exact_mut(depth).zip(block) {
            row.copy_from_slice(&query[..depth]);
        }
        let (n, stride) = (self.bank.len(), self.keys.columns.stride());
        let mut scores = vec![0.0f32; BLOCK * stride];
        self.keys.columns.multiply(&rows, &mut scores);
        let mut done = Weighed { means: Vec::new(), used: vec![0.0f32; n] };
        let mut kept = Vec::with_capacity(256);
        for (i, scores) in scores.chunks_exact_mut(stride).take(block.len()).enumerate() {
            let scores = &mut scores[..n];
            self.charge(scores, first + i);
            let largest = largest(scores);
            let mut total = 0.0f32;
            kept.clear();
            for (j, score) in scores.iter().enumerate() {
                if *score - largest > NEGLIGIBLE {
                    let weight = exp(*score - largest);
                    total += weight;
                    kept.push((j, weight));
                }
            }
            let mut sum = [0.0f32; DEPTH];
            for (j, weight) in &kept {
                let weight = weight / total;
                done.used[*j] += weight;
                for (s, v) in sum.iter_mut().zip(&self.bank.values[*j]) {
                    *s += weight * v;
                }
            }
            done.means.push(sum);
        }
        done
    }

    /// From dot products to logarithms of weights for the query at `pixel`.
    fn charge(&self, scores: &mut [f32], pixel: usize) {
        let (y, x, n) = (pixel / self.width, pixel % self.width, scores.len());
        let near_y = &self.bank.near_y[y * n..(y + 1) * n];
        let near_x = &self.bank.near_x[x * n..(x + 1) * n];
        for ((score, fixed), (ny, nx)) in scores.iter_mut().zip(self.fixed).zip(near_y.iter().zip(near_x)) {
            *score = *score * self.precision - fixed - self.own * ny * nx;
        }
    }
}

/// Result of one block of queries.
pub struct Weighed {
    pub means: Vec<[f32; DEPTH]>,
    pub used: Vec<f32>,
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
