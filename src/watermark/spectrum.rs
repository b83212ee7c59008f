//! Spectra at the frequencies of the lattice: of the host on the way in, of any picture on the way out.

use std::f64::consts::{PI, TAU};

use rayon::prelude::*;

use super::geometry::Geometry;
use super::key::{Line, REACH, TILE};
use crate::fourier::{Complex32, RealFft2, Spectrum, fast_size};
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

/// Taps a side of the Kaiser–Bessel kernel.
const TAPS: usize = 6;
/// Steps of the kernel's table per grid point.
const STEPS: usize = 512;
/// The kernel's shape for six taps and twofold oversampling (Beatty, Nishimura and Pauly 2005):
/// π √((6 / 2)² (2 − 0.5)² − 0.8).
const BETA: f64 = 13.855_100_3;

/// The whitened spectrum of a picture, readable at any frequency (non-uniform FFT of type 2).
pub(super) struct Reader {
    width: usize,
    height: usize,
    spectrum: Spectrum,
    taps: Vec<[f32; TAPS]>,
}

impl Reader {
    /// Of a windowed picture; the origin is the pixel (width / 2, height / 2).
    pub fn new(picture: &Plane) -> Self {
        let (w, h) = (picture.width(), picture.height());
        let (width, height) = (fast_size(2 * w), fast_size(2 * h));
        let (across, down) = (deconvolution(w, width), deconvolution(h, height));
        let mut padded = vec![0.0f32; width * height];
        for (y, d) in down.iter().enumerate() {
            let row = &mut padded[(y + height - h / 2) % height * width..][..width];
            for (x, (v, a)) in picture.row(y).iter().zip(&across).enumerate() {
                row[(x + width - w / 2) % width] = v * a * d;
            }
        }
        let mut spectrum = RealFft2::new(width, height).forward(&padded);
        drop(padded);
        whiten(spectrum.data_mut(), width, height, [w, h].map(|n| (2 * n / 64 | 1).max(17) / 2));
        Reader { width, height, spectrum, taps: kernel_table() }
    }

    /// The spectrum at `f` in cycles per pixel (x, y); zero beyond ±0.5.
    pub fn at(&self, [fx, fy]: [f64; 2]) -> Complex32 {
        if fx < 0.0 {
            return self.at([-fx, -fy]).conj();
        }
        if fx > 0.5 || fy.abs() > 0.5 {
            return Complex32::default();
        }
        let (x, across) = self.taps_at(fx * self.width as f64);
        let (y, down) = self.taps_at(fy * self.height as f64);
        let rows = (0..TAPS).map(|i| (y + i as isize).rem_euclid(self.height as isize) as usize);
        let (columns, data) = (self.spectrum.columns(), self.spectrum.data());
        let mut sum = Complex32::default();
        if x >= 0 && x as usize + TAPS <= columns {
            for (row, d) in rows.zip(down) {
                let line = &data[row * columns + x as usize..][..TAPS];
                let inner: Complex32 = line.iter().zip(across).map(|(v, a)| v * a).sum();
                sum += inner * d;
            }
        } else {
            for (row, d) in rows.zip(down) {
                for (i, a) in across.iter().enumerate() {
                    sum += self.mirrored(x + i as isize, row) * (a * d);
                }
            }
        }
        sum
    }

    /// The first of the six grid points around `t` and the kernel's values there.
    #[inline]
    fn taps_at(&self, t: f64) -> (isize, &[f32; TAPS]) {
        let base = t.floor();
        let step = ((t - base) * STEPS as f64).round() as usize;
        (base as isize - (TAPS as isize / 2 - 1), &self.taps[step])
    }

    /// A coefficient beyond the half that is kept: the spectrum of a real picture is Hermitian.
    fn mirrored(&self, x: isize, row: usize) -> Complex32 {
        let flipped = (self.height - row) % self.height;
        if x < 0 {
            self.spectrum.at(x.unsigned_abs(), flipped).conj()
        } else if x as usize >= self.spectrum.columns() {
            self.spectrum.at(self.width - x as usize, flipped).conj()
        } else {
            self.spectrum.at(x as usize, row)
        }
    }
}

/// Kernel values for each fraction of a grid step, 0..=1.
fn kernel_table() -> Vec<[f32; TAPS]> {
    let half = TAPS as f64 / 2.0;
    let kernel = |t: f64| {
        let inside = 1.0 - (t / half).powi(2);
        if inside <= 0.0 { 0.0 } else { bessel_i0(BETA * inside.sqrt()) / bessel_i0(BETA) }
    };
    (0..=STEPS)
        .map(|step| {
            let u = step as f64 / STEPS as f64;
            std::array::from_fn(|i| kernel(u + half - 1.0 - i as f64) as f32)
        })
        .collect()
}

/// 1 / Fourier transform of the kernel, for the pixels of a side of `n` in a transform of `padded`.
fn deconvolution(n: usize, padded: usize) -> Vec<f32> {
    (0..n)
        .map(|i| {
            let j = i as f64 - (n / 2) as f64;
            let b = (BETA.powi(2) - (TAPS as f64 * PI * j / padded as f64).powi(2)).max(1e-12).sqrt();
            (bessel_i0(BETA) * b / (TAPS as f64 * b.sinh())) as f32
        })
        .collect()
}

/// Modified Bessel function of the first kind and order 0, by its power series.
fn bessel_i0(x: f64) -> f64 {
    let quarter = x * x / 4.0;
    let (mut term, mut sum) = (1.0, 1.0);
    for k in 1..60 {
        term *= quarter / f64::from(k * k);
        sum += term;
    }
    sum
}

/// Divides by the root of the mean power in a box of ± `radius` = (x, y) coefficients.
fn whiten(data: &mut [Complex32], width: usize, height: usize, radius: [usize; 2]) {
    let columns = width / 2 + 1;
    // Down the columns, around the end; then along the rows, mirrored at both ends.
    let mut down = vec![0.0f32; columns * height];
    let mut sums: Vec<f64> = vec![0.0; columns];
    let row_of = |y: usize, data: &[Complex32], sums: &mut [f64], sign: f64| {
        let row = &data[y % height * columns..][..columns];
        for (s, v) in sums.iter_mut().zip(row) {
            *s += sign * f64::from(v.norm_sqr());
        }
    };
    let reach = radius[1].min((height - 1) / 2);
    for y in 0..=2 * reach {
        row_of(height + y - reach, data, &mut sums, 1.0);
    }
    for y in 0..height {
        for (d, s) in down[y * columns..][..columns].iter_mut().zip(&sums) {
            *d = *s as f32;
        }
        row_of(height + y - reach, data, &mut sums, -1.0);
        row_of(y + reach + 1, data, &mut sums, 1.0);
    }
    let reach = radius[0].min(columns - 2);
    let count = ((2 * radius[1] + 1) * (2 * reach + 1)) as f32;
    data.par_chunks_mut(columns).enumerate().for_each(|(y, out)| {
        let (row, flipped) = (&down[y * columns..][..columns], &down[(height - y) % height * columns..]);
        let at = |x: isize| -> f64 {
            f64::from(if x < 0 {
                flipped[x.unsigned_abs()]
            } else if x as usize >= columns {
                flipped[width - x as usize]
            } else {
                row[x as usize]
            })
        };
        let reach = reach as isize;
        let mut sum: f64 = (-reach..=reach).map(at).sum();
        for (x, o) in out.iter_mut().enumerate() {
            *o /= (sum as f32 / count).max(1e-30).sqrt();
            let x = x as isize;
            sum += at(x + reach + 1) - at(x - reach);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Stream;

    fn noise(width: usize, height: usize) -> Plane {
        let stream = Stream::new(1, "spectrum");
        Plane::from_fn(width, height, |x, y| stream.normal((y * width + x) as u64) as f32)
    }

    /// The defining sum.
    fn direct(picture: &Plane, [fx, fy]: [f64; 2]) -> [f64; 2] {
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
    fn the_reader_agrees_with_the_defining_sum_up_to_the_whitening() {
        let picture = noise(64, 51);
        let reader = Reader::new(&picture);
        for f in [[0.11, 0.07], [-0.2, 0.31], [0.004, -0.3], [0.33, 0.001], [0.497, 0.2]] {
            let [re, im] = direct(&picture, f);
            let v = reader.at(f);
            // The whitening varies slowly: the phase and the rough size stay.
            let (norm, dot) = (re.hypot(im), re * f64::from(v.re) + im * f64::from(v.im));
            assert!(dot / (norm * f64::from(v.norm())) > 0.99, "{f:?}");
        }
        assert_eq!(reader.at([0.3, -0.6]), Complex32::default());
        let (a, b) = (reader.at([0.1, 0.2]), reader.at([-0.1, -0.2]));
        assert_eq!(a, b.conj());
    }
}
