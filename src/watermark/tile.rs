//! The mark itself, row by row: waves on the lattice, strong or weak as the mask says.

use std::f64::consts::TAU;

use rayon::prelude::*;

use super::key::{Line, REACH, TILE};
use super::spectrum::Phasors;
use crate::fourier::Complex32;
use crate::raster::Plane;

/// Vertical frequencies, 0..=40 in half lattice units.
const WAVES: usize = 2 * REACH as usize + 1;
/// Pixels summed side by side.
const LANES: usize = 16;

/// t(x) = 2 Re Σ c exp(2πi k·x / (2 · 61 · scale)), k in half lattice units, origin at the pixel (width / 2, height / 2).
pub(super) struct Tile {
    width: usize,
    origin: usize,
    step: f64,
    /// For every block of pixels and each vertical frequency the sum over the horizontal ones: real parts,
    /// then imaginary parts.
    waves: Vec<[[f32; LANES]; 2]>,
    /// One whole period of rows, if it is a whole number of them: from the origin down.
    period: Vec<f32>,
}

impl Tile {
    pub fn new(lines: &[(Line, Complex32)], width: usize, height: usize, scale: f64) -> Self {
        let step = 0.5 / (TILE * scale);
        let across = Phasors::new(width, width / 2, WAVES, step);
        let across: Vec<(&[f32], &[f32])> = across.iter().collect();
        let mut waves = vec![[[0.0f32; LANES]; 2]; width.div_ceil(LANES) * WAVES];
        waves.par_chunks_mut(WAVES).zip(across.par_chunks(LANES)).for_each(|(waves, turns)| {
            for (i, (cos, sin)) in turns.iter().enumerate() {
                for (k, c) in lines {
                    let x = k.x.unsigned_abs() as usize;
                    let turn = Complex32::new(cos[x], if k.x < 0 { -sin[x] } else { sin[x] });
                    let wave = 2.0 * c * turn;
                    let [re, im] = &mut waves[k.y as usize];
                    re[i] += wave.re;
                    im[i] += wave.im;
                }
            }
        });
        let mut tile = Tile { width, origin: height / 2, step, waves, period: Vec::new() };
        let rows = 2.0 * TILE * scale;
        if rows.fract() == 0.0 {
            let mut period = vec![0.0f32; rows as usize * width];
            period.par_chunks_mut(width).enumerate().for_each(|(y, row)| tile.sum(y as f64, row));
            tile.period = period;
        }
        tile
    }

    /// Row y of the picture.
    pub fn read(&self, y: usize, out: &mut [f32]) {
        if self.period.is_empty() {
            return self.sum(y as f64 - self.origin as f64, out);
        }
        let rows = self.period.len() / self.width;
        let row = (y + rows - self.origin % rows) % rows;
        out.copy_from_slice(&self.period[row * self.width..][..self.width]);
    }

    /// The row `below` pixels below the origin.
    fn sum(&self, below: f64, out: &mut [f32]) {
        let turns: [[f32; 2]; WAVES] = std::array::from_fn(|k| {
            let (s, c) = (TAU * self.step * below * k as f64).sin_cos();
            [c as f32, s as f32]
        });
        for (out, waves) in out.chunks_mut(LANES).zip(self.waves.chunks_exact(WAVES)) {
            let mut sums = [0.0f32; LANES];
            for ([re, im], [c, s]) in waves.iter().zip(&turns) {
                for i in 0..LANES {
                    sums[i] += re[i] * c - im[i] * s;
                }
            }
            out.copy_from_slice(&sums[..out.len()]);
        }
    }
}

/// A tile under a mask, which may be of a reduced size.
pub(super) struct Mark<'a> {
    tile: Tile,
    mask: &'a Plane,
    width: usize,
    height: usize,
    /// For every pixel across: where it lies between which two of the mask's.
    across: Vec<(usize, f32)>,
}

impl<'a> Mark<'a> {
    pub fn new(tile: Tile, mask: &'a Plane, width: usize, height: usize) -> Self {
        let across = (0..width).map(|x| between(x, width, mask.width())).collect();
        Mark { tile, mask, width, height, across }
    }

    pub fn width(&self) -> usize {
        self.width
    }

    pub fn height(&self) -> usize {
        self.height
    }

    /// Row y of the picture.
    pub fn read(&self, y: usize, out: &mut [f32]) {
        self.tile.read(y, out);
        let (above, part) = between(y, self.height, self.mask.height());
        if self.mask.width() == self.width {
            for (o, m) in out.iter_mut().zip(self.mask.row(above)) {
                *o *= m;
            }
            return;
        }
        let rows = [above, (above + 1).min(self.mask.height() - 1)].map(|y| self.mask.row(y));
        let lerp = |a: f32, b: f32, part: f32| a + (b - a) * part;
        let line: Vec<f32> = rows[0].iter().zip(rows[1]).map(|(a, b)| lerp(*a, *b, part)).collect();
        for (o, (left, part)) in out.iter_mut().zip(&self.across) {
            let right = (left + 1).min(line.len() - 1);
            *o *= lerp(line[*left], line[right], *part);
        }
    }
}

/// Pixel `i` of `n` as seen by a row of `reduced` pixels: the pixel before it and the part of the way to
/// the next. Pixel centres are at half integers.
fn between(i: usize, n: usize, reduced: usize) -> (usize, f32) {
    let place = (i as f64 + 0.5) * reduced as f64 / n as f64 - 0.5;
    let place = place.clamp(0.0, (reduced - 1) as f64);
    (place as usize, place.fract() as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines() -> Vec<(Line, Complex32)> {
        [(3, 0), (-7, 2), (40, 1), (0, 40), (-11, 13)]
            .iter()
            .enumerate()
            .map(|(i, (x, y))| (Line { x: *x, y: *y }, Complex32::from_polar(0.3, i as f32)))
            .collect()
    }

    #[test]
    fn the_tile_is_the_defining_sum_with_and_without_a_whole_period() {
        let (width, height) = (150, 131);
        for scale in [1.0, 1.37, 2.0] {
            let tile = Tile::new(&lines(), width, height, scale);
            assert_eq!(tile.period.is_empty(), scale == 1.37);
            let mut row = vec![0.0; width];
            for y in [0, 65, 64, 130] {
                tile.read(y, &mut row);
                for x in [0, 15, 75, 149] {
                    let (dx, dy) = (x as f64 - 75.0, y as f64 - 65.0);
                    let expected: f64 = lines()
                        .iter()
                        .map(|(k, c)| {
                            let turns = (f64::from(k.x) * dx + f64::from(k.y) * dy) / (2.0 * TILE * scale);
                            let (s, cos) = (TAU * turns).sin_cos();
                            2.0 * (f64::from(c.re) * cos - f64::from(c.im) * s)
                        })
                        .sum();
                    assert!((f64::from(row[x]) - expected).abs() < 1e-4, "{scale} at {x},{y}");
                }
            }
        }
    }

    #[test]
    fn a_reduced_mask_is_laid_over_the_whole_picture() {
        let (width, height) = (150, 131);
        // A ramp stays the same ramp at any size, but for the half pixels at the ends.
        let ramp = |w: usize, h: usize| {
            Plane::from_fn(w, h, |x, y| 1.0 + (x as f32 + 0.5) / w as f32 + 2.0 * (y as f32 + 0.5) / h as f32)
        };
        let (whole, reduced) = (ramp(width, height), ramp(60, 50));
        let mark = |mask| Mark::new(Tile::new(&lines(), width, height, 1.0), mask, width, height);
        let (mut a, mut b) = (vec![0.0; width], vec![0.0; width]);
        for y in [5, 70, 120] {
            mark(&whole).read(y, &mut a);
            mark(&reduced).read(y, &mut b);
            assert!(a[5..145].iter().zip(&b[5..145]).all(|(a, b)| (a - b).abs() < 1e-4));
        }
    }
}
