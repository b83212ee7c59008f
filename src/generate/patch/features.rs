//! Patches as short vectors: principal components, as floats or as 16-bit integers for the search.

use rayon::prelude::*;

use crate::random::Stream;

use super::image::Image;
use super::pca::principal_axes;

/// Largest length of a quantised vector: differences then fit 16 bits, and their squares' sum 32.
const LONGEST: f32 = 8191.0;

/// Principal axes of the patches of one level, `N` of them (zero where a patch has fewer dimensions).
pub struct Basis<const N: usize> {
    pub patch: usize,
    pub mean: Vec<f32>,
    /// One row of `N` for every value of a patch.
    pub axes: Vec<[f32; N]>,
    /// What the mean patch projects to.
    offset: [f32; N],
}

impl<const N: usize> Basis<N> {
    /// Axes of `samples` patches of `image` at random places.
    pub fn of(image: &Image, patch: usize, samples: usize, stream: Stream) -> Self {
        let dim = patch * patch * image.channels;
        let padded = image.padded(patch / 2, patch / 2);
        let mut rows = Vec::with_capacity(samples.min(image.pixels()) * dim);
        let mut push = |i: usize| {
            let (y, x) = (i / image.width, i % image.width);
            for j in 0..patch {
                let at = ((y + j) * padded.width + x) * padded.channels;
                rows.extend_from_slice(&padded.data[at..at + patch * padded.channels]);
            }
        };
        if samples >= image.pixels() {
            (0..image.pixels()).for_each(&mut push);
        } else {
            let n = image.pixels() as u64;
            (0..samples).for_each(|i| push(stream.below(i as u64, n) as usize));
        }
        Basis::of_rows(&rows, patch, dim)
    }

    /// Axes of whole patches of `dim` values, one after another.
    pub fn of_rows(rows: &[f32], patch: usize, dim: usize) -> Self {
        let (mean, found) = principal_axes(rows, dim, N);
        let mut axes = vec![[0.0; N]; dim];
        for (c, axis) in found.iter().enumerate() {
            for (row, v) in axes.iter_mut().zip(axis) {
                row[c] = *v;
            }
        }
        let mut offset = [0.0; N];
        for (m, row) in mean.iter().zip(&axes) {
            for (o, a) in offset.iter_mut().zip(row) {
                *o += m * a;
            }
        }
        Basis { patch, mean, axes, offset }
    }

    /// The patch around every pixel of `image`, mirrored at the border.
    pub fn project(&self, image: &Image) -> Vec<[f32; N]> {
        let mut out = vec![[0.0; N]; image.pixels()];
        self.project_into(image, &mut out, |v| v);
        out
    }

    /// Components of one whole patch.
    pub fn components(&self, patch: &[f32]) -> [f32; N] {
        let mut sums = [self.offset.map(|o| -o); 2];
        add_products(&mut sums, patch, patch, &self.axes);
        sums[0]
    }

    /// The same, quantised, into `out`.
    pub fn describe(&self, image: &Image, quantiser: Quantiser, out: &mut [Feature<N>]) {
        self.project_into(image, out, |v| quantiser.quantise(v));
    }

    fn project_into<T: Send>(&self, image: &Image, out: &mut [T], f: impl Fn([f32; N]) -> T + Sync) {
        let (width, channels) = (image.width, image.channels);
        // Two pixels at a time share every load of an axis; a spare column serves odd widths.
        let padded = image.padded(self.patch / 2, self.patch / 2 + 1);
        let span = self.patch * channels;
        out.par_chunks_mut(width).enumerate().for_each(|(y, row)| {
            for (i, pair) in row.chunks_mut(2).enumerate() {
                let mut sums = [self.offset.map(|o| -o); 2];
                for j in 0..self.patch {
                    let at = ((y + j) * padded.width + 2 * i) * channels;
                    let left = &padded.data[at..at + span];
                    let right = &padded.data[at + channels..at + channels + span];
                    add_products(&mut sums, left, right, &self.axes[j * span..(j + 1) * span]);
                }
                for (out, sums) in pair.iter_mut().zip(sums) {
                    *out = f(sums);
                }
            }
        });
    }
}

/// Adds to both sums the products of a stretch of two patches with the axes.
#[inline(always)]
fn add_products<const N: usize>(sums: &mut [[f32; N]; 2], left: &[f32], right: &[f32], axes: &[[f32; N]]) {
    let [mut a, mut b] = *sums;
    for ((u, v), axis) in left.iter().zip(right).zip(axes) {
        for k in 0..N {
            a[k] += u * axis[k];
            b[k] += v * axis[k];
        }
    }
    *sums = [a, b];
}

/// How the patches of one set of pictures are described: their axes, and the scale to integers.
pub struct Dictionary<const N: usize> {
    pub basis: Basis<N>,
    pub quantiser: Quantiser,
    /// Mean squared length of a patch's vector, in the units of distances.
    pub energy: f32,
}

impl<const N: usize> Dictionary<N> {
    /// Learnt from `samples` patches of `image`, and the vectors of all of them.
    pub fn of(image: &Image, patch: usize, samples: usize, stream: Stream) -> (Self, Vec<[f32; N]>) {
        let basis = Basis::<N>::of(image, patch, samples, stream);
        let own = basis.project(image);
        let quantiser = Quantiser::of(&own);
        let squares: f64 = own.iter().map(|v| f64::from(squared_length(v))).sum();
        let energy = quantiser.squared((squares / own.len() as f64) as f32);
        (Dictionary { basis, quantiser, energy }, own)
    }

    /// Features of all patches of `images`, which have one size, one image after another.
    pub fn describe(&self, images: &[Image]) -> Vec<Feature<N>> {
        let pixels = images[0].pixels();
        let mut all = vec![Feature([0; N]); images.len() * pixels];
        for (image, out) in images.iter().zip(all.chunks_exact_mut(pixels)) {
            self.basis.describe(image, self.quantiser, out);
        }
        all
    }
}

/// A quantised patch vector, aligned so that it does not straddle more cache lines than it must.
#[derive(Clone, Copy, Debug)]
#[repr(align(16))]
pub struct Feature<const N: usize>(pub [i16; N]);

/// Scale from floats to integers for one level; squared distances are exact integers after it.
#[derive(Clone, Copy, Debug)]
pub struct Quantiser {
    scale: f32,
}

impl Quantiser {
    /// A scale that vectors a quarter longer than the longest of `sample` just fill.
    pub fn of<const N: usize>(sample: &[[f32; N]]) -> Self {
        let longest = sample.iter().map(squared_length).fold(0.0, f32::max).sqrt();
        Quantiser { scale: LONGEST / (1.25 * longest).max(1e-6) }
    }

    /// A vector that is longer than the scale allows is shortened.
    #[inline(always)]
    pub fn quantise<const N: usize>(self, vector: [f32; N]) -> Feature<N> {
        let length = squared_length(&vector).sqrt() * self.scale;
        let scale = if length > LONGEST { self.scale * LONGEST / length } else { self.scale };
        Feature(vector.map(|x| (x * scale).round() as i16))
    }

    /// A squared length of floats in the integers' units.
    pub fn squared(self, value: f32) -> f32 {
        value * self.scale * self.scale
    }
}

fn squared_length<const N: usize>(vector: &[f32; N]) -> f32 {
    vector.iter().map(|x| x * x).sum()
}

/// Squared distance; once it is at least `limit` the rest may be left out.
#[inline(always)]
pub fn distance<const N: usize>(a: &Feature<N>, b: &Feature<N>, limit: i32) -> i32 {
    let mut sum = 0;
    for (x, y) in a.0.chunks_exact(8).zip(b.0.chunks_exact(8)) {
        for i in 0..8 {
            let d = i32::from(x[i].wrapping_sub(y[i]));
            sum += d * d;
        }
        if sum >= limit {
            break;
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raster::Plane;

    #[test]
    fn a_projection_is_the_dot_product_of_the_centred_patch() {
        let stream = Stream::new(3, "test");
        let planes = [0u64, 1]
            .map(|c| Plane::from_fn(21, 17, |x, y| stream.child(c).uniform((y * 21 + x) as u64) as f32));
        let image = Image::from_planes(&planes);
        let basis = Basis::<16>::of(&image, 5, 10_000, stream);
        let all = basis.project(&image);
        let (x, y) = (20, 9);
        let mut expected = [0.0f32; 16];
        let padded = image.padded(2, 2);
        for j in 0..5 {
            for i in 0..10 {
                let value = padded.data[((y + j) * padded.width + x) * 2 + i] - basis.mean[j * 10 + i];
                (0..16).for_each(|k| expected[k] += value * basis.axes[j * 10 + i][k]);
            }
        }
        for (a, b) in all[y * 21 + x].iter().zip(expected) {
            assert!((a - b).abs() < 1e-4);
        }
    }

    #[test]
    fn integer_distances_follow_the_real_ones() {
        let stream = Stream::new(4, "test");
        let vector = |i: u64| std::array::from_fn::<f32, 24, _>(|k| stream.normal(24 * i + k as u64) as f32);
        let all: Vec<[f32; 24]> = (0..50).map(vector).collect();
        let quantiser = Quantiser::of(&all);
        let whole: Vec<Feature<24>> = all.iter().map(|v| quantiser.quantise(*v)).collect();
        for (a, p) in all.iter().zip(&whole) {
            for (b, q) in all.iter().zip(&whole) {
                let real: f32 = a.iter().zip(b).map(|(x, y)| (x - y).powi(2)).sum();
                let error = (distance(p, q, i32::MAX) as f32 - quantiser.squared(real)).abs();
                assert!(error <= 0.002 * quantiser.squared(real) + 200.0);
            }
        }
    }
}
