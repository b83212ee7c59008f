//! Rotations and scales of the lattice: in logarithmic polar coordinates of frequency both are a shift (Casasent and
//! Psaltis 1976), so that all of them are tried by adding 32 rows.

use std::f64::consts::PI;

use super::coarse::{Candidate, Coarse, FURTHEST, LEAST, NEAREST, Octave, Weighted};
use super::geometry::Geometry;
use crate::simd::{self, Kernel};

/// A change of aspect by e^±(2 · `log`), before or after the rotation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Stretch {
    None,
    /// Of the marked picture, which was turned then.
    Before(f64),
    /// Of the turned picture.
    After(f64),
}

impl Stretch {
    /// Factors along x and y on frequencies of the lattice.
    fn of_lattice(self) -> [f64; 2] {
        match self {
            Stretch::Before(log) => [log.exp(), (-log).exp()],
            _ => [1.0, 1.0],
        }
    }

    pub fn of_picture(self) -> [f64; 2] {
        match self {
            Stretch::After(log) => [log.exp(), (-log).exp()],
            _ => [1.0, 1.0],
        }
    }
}

/// The power by direction and logarithm of frequency.
pub(super) struct LogPolar {
    octave: Octave,
    pub stretch: [f64; 2],
    /// Rows, one for each hypothesis, over half a turn.
    directions: usize,
    /// Step between hypotheses of period, natural logarithm.
    step: f64,
    periods: usize,
    /// Even and odd half-steps of frequency apart, so that one row of hypotheses is contiguous.
    columns: usize,
    halves: [Vec<f32>; 2],
}

impl LogPolar {
    pub fn new(coarse: &Coarse, octave: Octave, stretch: [f64; 2], spacing: f64) -> Self {
        let bins = FURTHEST * coarse.block as f64 / octave.low;
        let directions = (PI * bins / spacing).ceil() as usize;
        let step = spacing / bins;
        let periods = ((octave.high / octave.low).ln() / step).ceil() as usize + 1;
        // From the nearest pilot at the longest period to the furthest at the shortest, with room for a stretch.
        let low = (0.85 * NEAREST / (octave.low * (step * (periods - 1) as f64).exp())).ln();
        let high = (1.18 * FURTHEST / octave.low).ln();
        let columns = ((high - low) / step).ceil() as usize + 2;
        let radius = |half: usize| ((low + 0.5 * step * half as f64).exp() * coarse.size as f64) as f32;
        let radii: Vec<[f32; 2]> = (0..columns).map(|i| [radius(2 * i), radius(2 * i + 1)]).collect();
        let mut halves = [vec![0.0f32; directions * columns], vec![0.0f32; directions * columns]];
        let [even, odd] = &mut halves;
        let rows = even.chunks_exact_mut(columns).zip(odd.chunks_exact_mut(columns));
        for (direction, (even, odd)) in rows.enumerate() {
            let (s, c) = (PI * direction as f64 / directions as f64).sin_cos();
            let (x, y) = ((stretch[0] * c) as f32, (stretch[1] * s) as f32);
            for ((even, odd), [a, b]) in even.iter_mut().zip(odd).zip(&radii) {
                *even = coarse.at(x * a, y * a);
                *odd = coarse.at(x * b, y * b);
            }
        }
        LogPolar { octave, stretch, directions, step, periods, columns, halves }
    }

    /// Scores of all rotations and periods; for each rotation the better ones are pushed.
    pub fn scan(&self, lines: &Weighted, flip: f64, stretch: Stretch, found: &mut Vec<Candidate>) {
        let [sx, sy] = stretch.of_lattice();
        let last = self.octave.low * (self.step * (self.periods - 1) as f64).exp();
        let low = (0.85 * NEAREST / last).ln();
        // Columns fall with the period: the last period is the first column.
        let places: Vec<(usize, usize, f32)> = lines
            .lines
            .iter()
            .map(|(k, weight)| {
                let (x, y) = (flip * sx * f64::from(k[0]), sy * f64::from(k[1]));
                let direction = y.atan2(x).rem_euclid(PI) / PI * self.directions as f64;
                let radius = ((x.hypot(y) / last).ln() - low) / (0.5 * self.step);
                (direction.round() as usize, radius.round().max(0.0) as usize, *weight)
            })
            .collect();
        simd::run(Scan {
            table: self,
            places: &places,
            see: |turn, sums: &[f32]| {
                let angle = PI * turn as f64 / self.directions as f64;
                let (s, c) = angle.sin_cos();
                for (i, sum) in sums.iter().enumerate() {
                    let score = f64::from(sum * lines.norm);
                    if score < LEAST {
                        continue;
                    }
                    let period = last * (-self.step * i as f64).exp();
                    let [tx, ty] = self.stretch;
                    let m = [
                        [tx * c * flip * sx / period, -tx * s * sy / period],
                        [ty * s * flip * sx / period, ty * c * sy / period],
                    ];
                    found.push(Candidate { geometry: Geometry(m), score });
                }
            },
        });
    }
}

/// Sums over the lines, for each rotation those of all periods.
struct Scan<'a, F> {
    table: &'a LogPolar,
    /// Row, half-step of the column and weight of each line.
    places: &'a [(usize, usize, f32)],
    see: F,
}

impl<F: FnMut(usize, &[f32])> Kernel for Scan<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run(mut self) {
        let table = self.table;
        let mut sums = vec![0.0f32; table.periods];
        for turn in 0..table.directions {
            sums.fill(0.0);
            for (direction, radius, weight) in self.places {
                let row = (turn + direction) % table.directions * table.columns;
                let powers = &table.halves[radius % 2][row + radius / 2..][..table.periods];
                for (s, v) in sums.iter_mut().zip(powers) {
                    *s += weight * v;
                }
            }
            (self.see)(turn, &sums);
        }
    }
}
