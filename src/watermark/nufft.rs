//! The spectrum of a picture at any frequency: a non-uniform Fourier transform of type 2
//! (Fessler and Sutton 2003), by one padded transform and six taps a side.

use std::f64::consts::PI;

use rayon::prelude::*;

use crate::fourier::{Complex32, RealFft2, Spectrum, fast_size};
use crate::raster::Plane;

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
        let mut spectrum = RealFft2::new(width, height).forward_of(|row, out| {
            // The origin comes first; rows above it come last.
            let Some((y, d)) = down.iter().enumerate().nth((row + h / 2) % height) else { return false };
            out.fill(0.0);
            for (x, (v, a)) in picture.row(y).iter().zip(&across).enumerate() {
                out[(x + width - w / 2) % width] = v * a * d;
            }
            true
        });
        whiten(spectrum.data_mut(), width, height, [w, h].map(|n| (n / 64).max(8)));
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
        // At most half a transform and a kernel away: no division is needed.
        let height = self.height as isize;
        let rows = (0..TAPS).map(|i| {
            let row = y + i as isize;
            (if row < 0 { row + height } else { row }) as usize
        });
        let (columns, data) = (self.spectrum.columns(), self.spectrum.data());
        let mut sum = Complex32::default();
        if x >= 0 && x as usize + TAPS <= columns {
            // Down first, all columns side by side.
            let (mut re, mut im) = ([0.0f32; TAPS], [0.0f32; TAPS]);
            for (row, d) in rows.zip(down) {
                let line = &data[row * columns + x as usize..][..TAPS];
                for i in 0..TAPS {
                    re[i] += d * line[i].re;
                    im[i] += d * line[i].im;
                }
            }
            for i in 0..TAPS {
                sum += Complex32::new(re[i], im[i]) * across[i];
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
        // Rounded by way of integers: a call of the C library costs more than the six taps.
        let base = t as i32 - i32::from(t < 0.0);
        let step = ((t - f64::from(base)) * STEPS as f64 + 0.5) as u32;
        (base as isize - (TAPS as isize / 2 - 1), &self.taps[step as usize])
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

/// Divides by the root of the mean power in a box of ± (`across`, `down`) coefficients,
/// less than half the transform each.
fn whiten(data: &mut [Complex32], width: usize, height: usize, [across, down]: [usize; 2]) {
    let columns = width / 2 + 1;
    // Running sums down the columns, around the end.
    let mut sums = vec![0.0f64; columns];
    let add = |sums: &mut [f64], y: usize, sign: f64| {
        for (s, v) in sums.iter_mut().zip(&data[y % height * columns..][..columns]) {
            *s += sign * f64::from(v.norm_sqr());
        }
    };
    for y in 0..=2 * down {
        add(&mut sums, height + y - down, 1.0);
    }
    let mut power = Vec::with_capacity(columns * height);
    for y in 0..height {
        power.extend(sums.iter().map(|s| *s as f32));
        add(&mut sums, height + y - down, -1.0);
        add(&mut sums, y + down + 1, 1.0);
    }
    // Then along the rows, mirrored through the origin beyond both ends.
    let count = ((2 * across + 1) * (2 * down + 1)) as f64;
    data.par_chunks_mut(columns).enumerate().for_each(|(y, out)| {
        let (row, flipped) = (&power[y * columns..][..columns], &power[(height - y) % height * columns..]);
        let at = |x: isize| {
            f64::from(match x.unsigned_abs() {
                left if x < 0 => flipped[left],
                right if right >= columns => flipped[width - right],
                inside => row[inside],
            })
        };
        let across = across as isize;
        let mut sum: f64 = (-across..=across).map(at).sum();
        for (x, o) in out.iter_mut().enumerate() {
            *o /= (sum / count).max(1e-30).sqrt() as f32;
            sum += at(x as isize + across + 1) - at(x as isize - across);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watermark::spectrum::tests::{direct, noise};

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
