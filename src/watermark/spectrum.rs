//! The spectrum of a picture at the points of the lattice and halfway between them.

use std::f64::consts::TAU;

use rayon::prelude::*;

use super::geometry::Geometry;
use super::key::{Line, REACH, TILE};
use super::nufft::Reader;
use crate::fourier::Complex32;
use crate::raster::Plane;

/// Furthest point of the half-lattice: four points beyond the last line.
const HALF_REACH: i32 = 2 * REACH + 4;
const SIDE: usize = 2 * HALF_REACH as usize + 1;
const HALF: usize = HALF_REACH as usize + 1;
/// As many, rounded up to whole vectors.
const LANES: usize = HALF.next_multiple_of(16);

/// The spectrum of a real picture at half-integer lattice points.
pub(super) struct HalfLattice {
    /// Rows y = 0..=44 of x = −44..=44, in half lattice units.
    values: Vec<Complex32>,
}

impl HalfLattice {
    /// Exact sums over a windowed picture: Σ v(x) exp(−2πi f·x), f = j / (2 · 61 · scale), with the
    /// origin at the pixel (width / 2, height / 2).
    pub fn of_picture(picture: &Plane, scale: f64) -> Self {
        let step = 0.5 / (TILE * scale);
        let across = Phasors::new(picture.width() / 2 + 1, 0, LANES, step);
        let down = Phasors::new(picture.height(), picture.height() / 2, HALF, step);
        let mut rows = vec![Complex32::default(); HALF * picture.height()];
        rows.par_chunks_mut(HALF).enumerate().for_each(|(y, out)| {
            let (even, odd) = folded(picture.row(y));
            let (re, im) = (weighted_sum(&even, &across.cos), weighted_sum(&odd, &across.sin));
            for ((o, re), im) in out.iter_mut().zip(re).zip(im) {
                *o = Complex32::new(re, -im);
            }
        });
        let mut values = vec![Complex32::default(); SIDE * HALF];
        values.par_chunks_mut(SIDE).enumerate().for_each(|(j, out)| {
            for (row, (cos, sin)) in rows.chunks_exact(HALF).zip(down.iter()) {
                let turn = Complex32::new(cos[j], -sin[j]);
                for (i, v) in row.iter().enumerate() {
                    out[HALF - 1 + i] += v * turn;
                    if i > 0 {
                        out[HALF - 1 - i] += v.conj() * turn;
                    }
                }
            }
        });
        HalfLattice { values }
    }

    /// Through `reader`, with the lattice lying as `geometry` says.
    pub fn read(reader: &Reader, geometry: &Geometry) -> Self {
        let values = (0..HALF as i32)
            .flat_map(|y| (-HALF_REACH..=HALF_REACH).map(move |x| (x, y)))
            .map(|(x, y)| reader.at(geometry.frequency(0.5 * f64::from(x), 0.5 * f64::from(y))))
            .collect();
        HalfLattice { values }
    }

    /// At (x, y) in half lattice units, both within −44..=44.
    fn at(&self, x: i32, y: i32) -> Complex32 {
        let index = |x: i32, y: i32| y as usize * SIDE + (x + HALF_REACH) as usize;
        if y < 0 { self.values[index(-x, -y)].conj() } else { self.values[index(x, y)] }
    }

    pub fn line(&self, line: Line) -> Complex32 {
        self.at(2 * line.x, 2 * line.y)
    }

    /// Mean power at the eight half-lattice points around a line: the noise beside it.
    pub fn beside(&self, line: Line) -> f32 {
        self.mean_power(line, 1, |x, y| (x, y) != (0, 0))
    }

    /// Mean power of the 9 × 9 half-lattice points about a line.
    pub fn around(&self, line: Line) -> f32 {
        self.mean_power(line, 4, |_, _| true)
    }

    fn mean_power(&self, line: Line, radius: i32, keep: impl Fn(i32, i32) -> bool) -> f32 {
        let (mut sum, mut count) = (0.0, 0.0);
        for dy in -radius..=radius {
            for dx in -radius..=radius {
                if keep(dx, dy) {
                    sum += self.at(2 * line.x + dx, 2 * line.y + dy).norm_sqr();
                    count += 1.0;
                }
            }
        }
        sum / count
    }
}

/// v(c + i) ± v(c − i) for i = 0..=n / 2 around c = n / 2: what meets cosines and sines.
fn folded(row: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let centre = row.len() / 2;
    (0..=centre)
        .map(|i| {
            let (right, left) = (row.get(centre + i).copied().unwrap_or(0.0), row[centre - i]);
            if i == 0 { (left, 0.0) } else { (right + left, right - left) }
        })
        .unzip()
}

/// Σ values · table, for each of the table's 48 columns.
fn weighted_sum(values: &[f32], table: &[f32]) -> [f32; LANES] {
    let mut sum = [0.0f32; LANES];
    for (v, row) in values.iter().zip(table.as_chunks::<LANES>().0) {
        for (s, t) in sum.iter_mut().zip(row) {
            *s += v * t;
        }
    }
    sum
}

/// cos and sin of 2π · step · j · (i − origin) for i = 0..n and j = 0..count.
pub(super) struct Phasors {
    count: usize,
    cos: Vec<f32>,
    sin: Vec<f32>,
}

impl Phasors {
    pub fn new(n: usize, origin: usize, count: usize, step: f64) -> Self {
        let (mut cos, mut sin) = (Vec::with_capacity(n * count), Vec::with_capacity(n * count));
        for i in 0..n {
            let turns = step * (i as f64 - origin as f64);
            for j in 0..count {
                let (s, c) = (TAU * turns * j as f64).sin_cos();
                cos.push(c as f32);
                sin.push(s as f32);
            }
        }
        Phasors { count, cos, sin }
    }

    /// For each i the `count` cosines and sines.
    pub fn iter(&self) -> impl Iterator<Item = (&[f32], &[f32])> {
        self.cos.chunks_exact(self.count).zip(self.sin.chunks_exact(self.count))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::random::Stream;

    pub fn noise(width: usize, height: usize) -> Plane {
        let stream = Stream::new(1, "spectrum");
        Plane::from_fn(width, height, |x, y| stream.normal((y * width + x) as u64) as f32)
    }

    /// The defining sum.
    pub fn direct(picture: &Plane, [fx, fy]: [f64; 2]) -> [f64; 2] {
        let (w, h) = (picture.width(), picture.height());
        let mut sum = [0.0, 0.0];
        for y in 0..h {
            for x in 0..w {
                let (dx, dy) = (x as f64 - (w / 2) as f64, y as f64 - (h / 2) as f64);
                let (s, c) = (-TAU * (fx * dx + fy * dy)).sin_cos();
                sum[0] += f64::from(picture.at(x, y)) * c;
                sum[1] += f64::from(picture.at(x, y)) * s;
            }
        }
        sum
    }

    #[test]
    fn the_half_lattice_holds_the_defining_sums() {
        let picture = noise(50, 41);
        let lattice = HalfLattice::of_picture(&picture, 1.25);
        for (x, y) in [(0, 0), (5, 3), (-44, 44), (17, -9), (-3, 0)] {
            let f = [x, y].map(|j| f64::from(j) * 0.5 / (TILE * 1.25));
            let [re, im] = direct(&picture, f);
            let v = lattice.at(x, y);
            assert!((f64::from(v.re) - re).abs() < 1e-2 && (f64::from(v.im) - im).abs() < 1e-2);
        }
    }
}
