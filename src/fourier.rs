//! Two-dimensional Fourier transforms of real planes: the door of `realfft` and `rustfft`.

use std::sync::Arc;

use rayon::prelude::*;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};
use rustfft::{Fft, FftPlanner};

pub use rustfft::num_complex::Complex32;

/// Plan for planes of one size. Unnormalised: `inverse(forward(x))` is `x · width · height`.
#[derive(Clone)]
pub struct RealFft2 {
    width: usize,
    height: usize,
    forward_rows: Arc<dyn RealToComplex<f32>>,
    inverse_rows: Arc<dyn ComplexToReal<f32>>,
    forward_columns: Arc<dyn Fft<f32>>,
    inverse_columns: Arc<dyn Fft<f32>>,
}

/// The half spectrum of a real plane: `height` rows of `width / 2 + 1` coefficients.
/// Row y holds the vertical frequency y (y − height above the middle), column x the horizontal frequency x.
#[derive(Clone, Debug)]
pub struct Spectrum {
    columns: usize,
    height: usize,
    data: Vec<Complex32>,
}

impl Spectrum {
    pub fn columns(&self) -> usize {
        self.columns
    }

    pub fn height(&self) -> usize {
        self.height
    }

    pub fn data(&self) -> &[Complex32] {
        &self.data
    }

    pub fn data_mut(&mut self) -> &mut [Complex32] {
        &mut self.data
    }

    #[inline]
    pub fn at(&self, x: usize, y: usize) -> Complex32 {
        self.data[y * self.columns + x]
    }
}

impl RealFft2 {
    pub fn new(width: usize, height: usize) -> Self {
        let mut real = RealFftPlanner::new();
        let mut complex = FftPlanner::new();
        RealFft2 {
            width,
            height,
            forward_rows: real.plan_fft_forward(width),
            inverse_rows: real.plan_fft_inverse(width),
            forward_columns: complex.plan_fft_forward(height),
            inverse_columns: complex.plan_fft_inverse(height),
        }
    }

    /// # Panics
    /// If `values` does not hold `width × height` values.
    pub fn forward(&self, values: &[f32]) -> Spectrum {
        assert_eq!(values.len(), self.width * self.height, "values of the plan's size");
        let columns = self.width / 2 + 1;
        let mut data = vec![Complex32::default(); columns * self.height];
        data.par_chunks_mut(columns).zip(values.par_chunks(self.width)).for_each_init(
            || (self.forward_rows.make_scratch_vec(), self.forward_rows.make_input_vec()),
            |(scratch, input), (out, row)| {
                input.copy_from_slice(row);
                self.forward_rows
                    .process_with_scratch(input, out, scratch)
                    .expect("the buffers have the plan's sizes");
            },
        );
        self.transform_columns(&mut data, columns, &*self.forward_columns);
        Spectrum { columns, height: self.height, data }
    }

    /// # Panics
    /// If the spectrum is not of the plan's size.
    pub fn inverse(&self, mut spectrum: Spectrum) -> Vec<f32> {
        let columns = self.width / 2 + 1;
        assert_eq!(
            (spectrum.columns, spectrum.height),
            (columns, self.height),
            "a spectrum of the plan's size"
        );
        self.transform_columns(&mut spectrum.data, columns, &*self.inverse_columns);
        let mut values = vec![0.0; self.width * self.height];
        values.par_chunks_mut(self.width).zip(spectrum.data.par_chunks_mut(columns)).for_each_init(
            || self.inverse_rows.make_scratch_vec(),
            |scratch, (out, row)| {
                // A real row has real ends; what rounding left there would be refused.
                row[0].im = 0.0;
                if self.width.is_multiple_of(2) {
                    row[columns - 1].im = 0.0;
                }
                self.inverse_rows
                    .process_with_scratch(row, out, scratch)
                    .expect("the buffers have the plan's sizes");
            },
        );
        values
    }

    fn transform_columns(&self, data: &mut [Complex32], columns: usize, fft: &dyn Fft<f32>) {
        let mut turned = transpose(data, columns, self.height);
        turned.par_chunks_mut(self.height).for_each_init(
            || vec![Complex32::default(); fft.get_inplace_scratch_len()],
            |scratch, column| fft.process_with_scratch(column, scratch),
        );
        data.copy_from_slice(&transpose(&turned, self.height, columns));
    }
}

/// Turns `rows` rows of `columns` values over; in square blocks, to be kind to the cache.
fn transpose(data: &[Complex32], columns: usize, rows: usize) -> Vec<Complex32> {
    const BLOCK: usize = 16;
    let mut out = vec![Complex32::default(); data.len()];
    for y0 in (0..rows).step_by(BLOCK) {
        for x0 in (0..columns).step_by(BLOCK) {
            for x in x0..(x0 + BLOCK).min(columns) {
                for y in y0..(y0 + BLOCK).min(rows) {
                    out[x * rows + y] = data[y * columns + x];
                }
            }
        }
    }
    out
}

/// The least size ≥ `n` without a prime factor above 5: such transforms are fast.
pub fn fast_size(n: usize) -> usize {
    (n.max(1)..)
        .find(|candidate| {
            let mut rest = *candidate;
            for p in [2, 3, 5] {
                while rest % p == 0 {
                    rest /= p;
                }
            }
            rest == 1
        })
        .expect("there is always a larger power of two")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wave_stands_in_one_coefficient() {
        for (w, h) in [(16, 8), (15, 9), (12, 25)] {
            let (kx, ky) = (3usize, 2usize);
            let wave: Vec<f32> = (0..w * h)
                .map(|i| {
                    let phase = (kx * (i % w)) as f32 / w as f32 + (ky * (i / w)) as f32 / h as f32;
                    (std::f32::consts::TAU * phase).cos()
                })
                .collect();
            let spectrum = RealFft2::new(w, h).forward(&wave);
            for y in 0..h {
                for x in 0..spectrum.columns() {
                    let expected = if (x, y) == (kx, ky) { (w * h) as f32 / 2.0 } else { 0.0 };
                    assert!((spectrum.at(x, y).norm() - expected).abs() < 1e-3, "{w}×{h} at {x},{y}");
                }
            }
        }
    }

    #[test]
    fn there_and_back_is_the_same_plane() {
        for (w, h) in [(16, 8), (15, 9), (7, 1)] {
            let values: Vec<f32> = (0..w * h).map(|i| (i * 7919 % 101) as f32).collect();
            let plan = RealFft2::new(w, h);
            let back = plan.inverse(plan.forward(&values));
            for (a, b) in values.iter().zip(&back) {
                assert!((a - b / (w * h) as f32).abs() < 1e-3);
            }
        }
    }

    #[test]
    fn fast_sizes_have_small_factors() {
        assert_eq!([1, 7, 11, 121, 641].map(fast_size), [1, 8, 12, 125, 648]);
    }
}
