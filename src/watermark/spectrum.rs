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
        if scale == 1.0 {
            // Every wave repeats after two tiles: the picture can be laid in folds first.
            return Self::of_periods(&in_folds(picture, 2 * TILE as usize), [TILE; 2]);
        }
        Self::of_periods(picture, [TILE * scale; 2])
    }

    /// The same for tiles of `periods` pixels across and down.
    pub fn of_periods(picture: &Plane, periods: [f64; 2]) -> Self {
        let across = Phasors::new(picture.width() / 2 + 1, 0, LANES, 0.5 / periods[0]);
        let down = Phasors::new(picture.height(), picture.height() / 2, HALF, 0.5 / periods[1]);
        let rows: Vec<[[f32; LANES]; 2]> = (0..picture.height())
            .into_par_iter()
            .map(|y| {
                let (even, odd) = unfolded(picture.row(y));
                [weighted_sum(&even, &across.cos), weighted_sum(&odd, &across.sin)]
            })
            .collect();
        let mut values = vec![Complex32::default(); SIDE * HALF];
        values.par_chunks_mut(SIDE).enumerate().for_each(|(j, out)| {
            // A row holds C − iS: Σ (C − iS) (cos − i sin), and for the mirrored frequency Σ (C + iS) (…).
            let (mut cc, mut cs) = ([0.0f32; LANES], [0.0f32; LANES]);
            let (mut sc, mut ss) = ([0.0f32; LANES], [0.0f32; LANES]);
            for ([even, odd], (cos, sin)) in rows.iter().zip(down.iter()) {
                let (cos, sin) = (cos[j], sin[j]);
                for i in 0..LANES {
                    cc[i] += even[i] * cos;
                    cs[i] += even[i] * sin;
                    sc[i] += odd[i] * cos;
                    ss[i] += odd[i] * sin;
                }
            }
            for i in 0..HALF {
                out[HALF - 1 + i] = Complex32::new(cc[i] - ss[i], -cs[i] - sc[i]);
                out[HALF - 1 - i] = Complex32::new(cc[i] + ss[i], sc[i] - cs[i]);
            }
        });
        HalfLattice { values }
    }

    /// With the origin `by` = (x, y) tiles further right and down in the picture.
    pub fn with_origin_moved(mut self, by: [f64; 2]) -> Self {
        let half_turns = |x: i32, y: i32| 0.5 * (f64::from(x) * by[0] + f64::from(y) * by[1]);
        let points = (0..HALF as i32).flat_map(|y| (-HALF_REACH..=HALF_REACH).map(move |x| (x, y)));
        for (v, (x, y)) in self.values.iter_mut().zip(points) {
            let (s, c) = (TAU * half_turns(x, y)).sin_cos();
            *v *= Complex32::new(c as f32, s as f32);
        }
        self
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
    pub fn at(&self, x: i32, y: i32) -> Complex32 {
        let index = |x: i32, y: i32| y as usize * SIDE + (x + HALF_REACH) as usize;
        if y < 0 { self.values[index(-x, -y)].conj() } else { self.values[index(x, y)] }
    }

    /// The lattice turned and mirrored by `m`: what was at m·k is at k.
    pub fn turned(&self, m: [[i32; 2]; 2]) -> Self {
        let values = (0..HALF as i32)
            .flat_map(|y| (-HALF_REACH..=HALF_REACH).map(move |x| (x, y)))
            .map(|(x, y)| self.at(m[0][0] * x + m[0][1] * y, m[1][0] * x + m[1][1] * y))
            .collect();
        HalfLattice { values }
    }

    pub fn line(&self, line: Line) -> Complex32 {
        self.at(2 * line.x, 2 * line.y)
    }

    /// Mean power at the four half-lattice points on the edges beside a line: the noise there. Between the
    /// lines across a corner there may be a tag.
    pub fn beside(&self, line: Line) -> f32 {
        let points = [(1, 0), (-1, 0), (0, 1), (0, -1)];
        points.iter().map(|(x, y)| self.at(2 * line.x + x, 2 * line.y + y).norm_sqr()).sum::<f32>() / 4.0
    }

    /// The coefficient at a point of a tag, in half lattice units, and the noise about it.
    pub fn tag(&self, point: Line) -> (Complex32, f32) {
        let edges = (-3..=3).flat_map(|y: i32| (-3..=3).map(move |x: i32| (x, y)));
        let (mut sum, mut count) = (0.0, 0.0);
        for (x, y) in edges.filter(|(x, y)| (x + y).rem_euclid(2) == 1) {
            sum += self.at(point.x + x, point.y + y).norm_sqr();
            count += 1.0;
        }
        (self.at(point.x, point.y), sum / count)
    }

    /// Mean power of the 9 × 9 half-lattice points about one of them.
    pub fn around(&self, point: Line) -> f32 {
        let all = (-4..=4).flat_map(|y| (-4..=4).map(move |x| (x, y)));
        all.map(|(x, y)| self.at(point.x + x, point.y + y).norm_sqr()).sum::<f32>() / 81.0
    }
}

/// `picture` summed over all its pieces of `side` × `side`; its origin comes to lie on that of the result.
fn in_folds(picture: &Plane, side: usize) -> Plane {
    let start = |n: usize| (side / 2 + side - (n / 2) % side) % side;
    let (left, top) = (start(picture.width()), start(picture.height()));
    let mut sums = vec![0.0f32; side * side];
    sums.par_chunks_mut(side).enumerate().for_each(|(row, out)| {
        for y in ((row + side - top) % side..picture.height()).step_by(side) {
            let (first, rest) = picture.row(y).split_at((side - left).min(picture.width()));
            for (o, v) in out[left..].iter_mut().zip(first) {
                *o += v;
            }
            for piece in rest.chunks(side) {
                for (o, v) in out.iter_mut().zip(piece) {
                    *o += v;
                }
            }
        }
    });
    Plane::new(side, side, sums)
}

/// v(c + i) ± v(c − i) for i = 0..=n / 2 around c = n / 2: what meets cosines and sines.
fn unfolded(row: &[f32]) -> (Vec<f32>, Vec<f32>) {
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
            let (s1, c1) = (TAU * step * (i as f64 - origin as f64)).sin_cos();
            // By turning further each time: exact to 10⁻¹⁴ and much faster than a sine for each.
            let (mut c, mut s) = (1.0, 0.0);
            for _ in 0..count {
                cos.push(c as f32);
                sin.push(s as f32);
                (c, s) = (c * c1 - s * s1, c * s1 + s * c1);
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

    #[test]
    fn a_picture_in_folds_has_the_same_sums() {
        for (width, height) in [(300, 260), (123, 122), (100, 90)] {
            let picture = noise(width, height);
            let (whole, folded) =
                (HalfLattice::of_periods(&picture, [TILE; 2]), HalfLattice::of_picture(&picture, 1.0));
            for (a, b) in whole.values.iter().zip(&folded.values) {
                assert!((a - b).norm() < 2e-2, "{a} {b}");
            }
        }
    }

    #[test]
    fn moving_the_origin_is_a_phase_ramp() {
        let picture = noise(60, 52);
        let periods = [30.0, 26.0];
        let moved = HalfLattice::of_periods(&picture, periods).with_origin_moved([0.5 / 30.0, -0.25 / 26.0]);
        for (x, y) in [(3i32, 7i32), (-11, 4)] {
            let f = [f64::from(x) * 0.5 / periods[0], f64::from(y) * 0.5 / periods[1]];
            let [re, im] = direct(&picture, f);
            // The picture's origin lies half a pixel left of and a quarter below the new one.
            let (s, c) = (TAU * (f[0] * 0.5 - f[1] * 0.25)).sin_cos();
            let v = moved.at(x, y);
            assert!((f64::from(v.re) - (re * c - im * s)).abs() < 1e-2);
            assert!((f64::from(v.im) - (re * s + im * c)).abs() < 1e-2);
        }
    }
}
