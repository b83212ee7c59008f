//! From a place where the lattice may lie to where it does, on the full spectrum.

use super::coarse::{Candidate, FURTHEST, Weighted, distinct};
use super::geometry::Geometry;
use super::nufft::Reader;

/// Power of one line that counts half: a strong line of the picture is no proof.
const CAP: f32 = 60.0;

pub(super) struct Refiner<'a> {
    reader: &'a Reader,
    lines: &'a Weighted,
    /// The change of the matrix that moves the furthest pilot by one resolution cell.
    cell: f64,
}

impl<'a> Refiner<'a> {
    /// `side` is the longer side of the picture behind `reader`, in pixels.
    pub fn new(reader: &'a Reader, lines: &'a Weighted, side: usize) -> Self {
        Refiner { reader, lines, cell: 1.0 / (side as f64 * FURTHEST) }
    }

    /// The `most` places where all lines together are strongest, best first.
    ///
    /// All lines, as places a lattice step off saturate the pilots where a mark is strong.
    pub fn refine(&self, candidates: Vec<Candidate>, most: usize) -> Vec<Candidate> {
        let mut sorted: Vec<Candidate> = candidates.into_iter().map(|c| self.climb(c, 0.3, 2)).collect();
        sorted.sort_by(|a, b| b.score.total_cmp(&a.score));
        distinct(sorted, 0.2 * self.cell, most).into_iter().map(|c| self.climb(c, 0.1, 2)).collect()
    }

    /// Small steps uphill, from `start` resolution cells on, in `rounds` of halved steps.
    fn climb(&self, from: Candidate, start: f64, rounds: usize) -> Candidate {
        from.uphill(start * self.cell, rounds, |geometry| self.strength(geometry))
    }

    fn strength(&self, geometry: &Geometry) -> f64 {
        let strength = |(k, weight): &([f32; 2], f32)| {
            let power = self.reader.at(geometry.frequency(f64::from(k[0]), f64::from(k[1]))).norm_sqr();
            weight * power / (1.0 + power / CAP)
        };
        f64::from(self.lines.lines.iter().map(strength).sum::<f32>())
    }
}
