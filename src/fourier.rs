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
        self.forward_of(|y, row| {
            row.copy_from_slice(&values[y * self.width..][..self.width]);
            true
        })
    }

    /// Of a plane given row by row: `fill` writes row y whole, or says `false` for a row of zeros, which
    /// then costs nothing.
    pub fn forward_of(&self, fill: impl Fn(usize, &mut [f32]) -> bool + Sync) -> Spectrum {
        let columns = self.width / 2 + 1;
        let mut data = vec![Complex32::default(); columns * self.height];
        let filled: Vec<bool> = data
            .par_chunks_mut(columns)
            .enumerate()
            .map_init(
                || (self.forward_rows.make_scratch_vec(), self.forward_rows.make_input_vec()),
                |(scratch, input), (y, out)| {
                    let filled = fill(y, input);
                    if filled {
                        self.forward_rows
                            .process_with_scratch(input, out, scratch)
                            .expect("the buffers have the plan's sizes");
                    }
                    filled
                },
            )
            .collect();
        self.transform_columns(&mut data, columns, &filled, &*self.forward_columns);
        Spectrum { columns, height: self.height, data }
    }

    /// # Panics
    /// If the spectrum is not of the plan's size.
    pub fn inverse(&self, spectrum: Spectrum) -> Vec<f32> {
        self.inverse_of(spectrum, |_| true)
    }

    /// The rows of [`RealFft2::inverse`] that are `wanted`; the others are zero, and cost less.
    ///
    /// # Panics
    /// If the spectrum is not of the plan's size.
    pub fn inverse_of(&self, mut spectrum: Spectrum, wanted: impl Fn(usize) -> bool + Sync) -> Vec<f32> {
        let columns = self.width / 2 + 1;
        assert_eq!(
            (spectrum.columns, spectrum.height),
            (columns, self.height),
            "a spectrum of the plan's size"
        );
        let filled = vec![true; self.height];
        self.transform_columns(&mut spectrum.data, columns, &filled, &*self.inverse_columns);
        let mut values = vec![0.0; self.width * self.height];
        let rows = values.par_chunks_mut(self.width).zip(spectrum.data.par_chunks_mut(columns)).enumerate();
        rows.for_each_init(
            || self.inverse_rows.make_scratch_vec(),
            |scratch, (y, (out, row))| {
                if !wanted(y) {
                    return;
                }
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

    /// Some columns at a time are turned into rows, transformed there and turned back. Rows that are not
    /// `filled` are zero.
    fn transform_columns(&self, data: &mut [Complex32], columns: usize, filled: &[bool], fft: &dyn Fft<f32>) {
        let height = self.height;
        // Not a power of two: values of one row must not all compete for the same set of the cache.
        let stride = height.next_multiple_of(8) + 8;
        let group = (GROUP / stride).clamp(1, columns);
        let mut turned = vec![Complex32::default(); stride * group];
        for first in (0..columns).step_by(group) {
            let count = group.min(columns - first);
            let source = &*data;
            turned[..stride * count].par_chunks_mut(stride * BLOCK).enumerate().for_each_init(
                || vec![Complex32::default(); fft.get_inplace_scratch_len()],
                |scratch, (block, turned)| {
                    let first = first + block * BLOCK;
                    for (y, filled) in filled.iter().enumerate() {
                        let lines = turned[y..].iter_mut().step_by(stride);
                        if *filled {
                            lines.zip(&source[y * columns + first..]).for_each(|(t, v)| *t = *v);
                        } else {
                            lines.for_each(|t| *t = Complex32::default());
                        }
                    }
                    for column in turned.chunks_exact_mut(stride) {
                        fft.process_with_scratch(&mut column[..height], scratch);
                    }
                },
            );
            data.par_chunks_mut(columns).enumerate().for_each(|(y, row)| {
                let lines = turned[y..].iter().step_by(stride);
                row[first..first + count].iter_mut().zip(lines).for_each(|(v, t)| *v = *t);
            });
        }
    }
}

/// Coefficients that are turned at a time: they stay in the cache.
const GROUP: usize = 1 << 17;
/// Columns that one task turns: a cache line of coefficients in each row.
const BLOCK: usize = 8;

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
    fn rows_can_be_computed_without_the_others() {
        let (w, h) = (16, 12);
        let values: Vec<f32> = (0..w * h).map(|i| (i * 7919 % 101) as f32).collect();
        let plan = RealFft2::new(w, h);
        let spectrum = plan.forward(&values);
        let (some, all) = (plan.inverse_of(spectrum.clone(), |y| y % 5 == 2), plan.inverse(spectrum));
        for (y, (some, all)) in some.chunks(w).zip(all.chunks(w)).enumerate() {
            assert!(some == if y % 5 == 2 { all } else { &[0.0; 16] }, "row {y}");
        }
    }

    #[test]
    fn rows_of_zeros_can_be_left_out() {
        let (w, h) = (12, 50);
        let value = |x: usize, y: usize| if y % 3 == 1 { ((x * 31 + y * 17) % 23) as f32 } else { 0.0 };
        let whole: Vec<f32> = (0..w * h).map(|i| value(i % w, i / w)).collect();
        let plan = RealFft2::new(w, h);
        let sparse = plan.forward_of(|y, row| {
            row.iter_mut().enumerate().for_each(|(x, v)| *v = value(x, y));
            y % 3 == 1
        });
        assert_eq!(sparse.data(), plan.forward(&whole).data());
    }

    #[test]
    fn fast_sizes_have_small_factors() {
        assert_eq!([1, 7, 11, 121, 641].map(fast_size), [1, 8, 12, 125, 648]);
    }
}
