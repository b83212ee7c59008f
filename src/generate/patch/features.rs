//! Patches as short vectors: principal components, as floats or as 16-bit integers for the search.

use std::borrow::Cow;

use rayon::prelude::*;

use crate::random::Stream;
use crate::raster::filter::mirror;
use crate::simd::{self, Kernel};

use super::image::Image;
use super::pca::principal_axes;

/// Largest length of a quantised vector: differences then fit 16 bits, and their squares' sum 32.
const LONGEST: f32 = 8191.0;

/// Rows that are described at once: a mirrored border is made for so many alone.
const BAND: usize = 16;
/// Pixels that share every load of an axis.
const TOGETHER: usize = 4;

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
        Basis::of_rows(&patches(image, patch, samples, stream), patch, patch * patch * image.channels)
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
        let mut sums = self.offset.map(|o| -o);
        for (value, axis) in patch.iter().zip(&self.axes) {
            sums.iter_mut().zip(axis).for_each(|(sum, a)| *sum += value * a);
        }
        sums
    }

    /// Components of `samples` patches of `image` at random places.
    pub fn sample(&self, image: &Image, samples: usize, stream: Stream) -> Vec<[f32; N]> {
        self.components_of(&patches(image, self.patch, samples, stream))
    }

    /// Components of whole patches, one after another.
    fn components_of(&self, rows: &[f32]) -> Vec<[f32; N]> {
        rows.par_chunks_exact(self.axes.len()).map(|patch| self.components(patch)).collect()
    }

    fn project_into<T: Send>(&self, image: &Image, out: &mut [T], f: impl Fn([f32; N]) -> T + Sync) {
        let (width, reach) = (image.width, self.patch / 2);
        out.par_chunks_mut(BAND * width).enumerate().for_each(|(band, out)| {
            let first = band * BAND;
            // Spare columns: the last pixels of a row may be fewer than are worked on together.
            let rows = first..first + out.len() / width;
            let padded = &image.padded_rows(rows, reach, reach + TOGETHER - 1);
            for (y, row) in out.chunks_exact_mut(width).enumerate() {
                simd::run(Row { basis: self, padded, y, row, f: &f });
            }
        });
    }
}

/// `samples` patches of `image` at random places, or all of them if there are no more, one after another in
/// random order.
fn patches(image: &Image, patch: usize, samples: usize, stream: Stream) -> Vec<f32> {
    let reach = (patch / 2) as isize;
    let mut rows = Vec::with_capacity(samples.min(image.pixels()) * patch * patch * image.channels);
    let mut push = |i: usize| {
        let (y, x) = ((i / image.width) as isize, (i % image.width) as isize);
        for sy in (y - reach..=y + reach).map(|y| mirror(y, image.height)) {
            for sx in (x - reach..=x + reach).map(|x| mirror(x, image.width)) {
                let at = (sy * image.width + sx) * image.channels;
                rows.extend_from_slice(&image.data[at..at + image.channels]);
            }
        }
    };
    if samples >= image.pixels() {
        stream.permutation(image.pixels()).into_iter().for_each(&mut push);
    } else {
        let n = image.pixels() as u64;
        (0..samples).for_each(|i| push(stream.below(i as u64, n) as usize));
    }
    rows
}

/// The patches around one row of pixels.
struct Row<'a, const N: usize, T, F> {
    basis: &'a Basis<N>,
    padded: &'a Image,
    y: usize,
    row: &'a mut [T],
    f: &'a F,
}

impl<const N: usize, T, F: Fn([f32; N]) -> T> Kernel for Row<'_, N, T, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Row { basis, padded, y, row, f } = self;
        let channels = padded.channels;
        let span = basis.patch * channels;
        for (i, together) in row.chunks_mut(TOGETHER).enumerate() {
            let mut sums = [basis.offset.map(|o| -o); TOGETHER];
            for j in 0..basis.patch {
                let at = ((y + j) * padded.width + TOGETHER * i) * channels;
                let patches = std::array::from_fn(|p| {
                    let at = at + p * channels;
                    &padded.data[at..at + span]
                });
                add_products(&mut sums, patches, &basis.axes[j * span..(j + 1) * span]);
            }
            for (out, sums) in together.iter_mut().zip(sums) {
                *out = f(sums);
            }
        }
    }
}

/// Adds to the sums of four patches the products of a stretch of each with the axes.
#[inline(always)]
fn add_products<const N: usize>(
    sums: &mut [[f32; N]; TOGETHER],
    patches: [&[f32]; TOGETHER],
    axes: &[[f32; N]],
) {
    // Each sum by its name: as an array of arrays they would not stay in registers.
    let [mut a, mut b, mut c, mut d] = *sums;
    let [s, t, u, v] = patches;
    for ((((s, t), u), v), axis) in s.iter().zip(t).zip(u).zip(v).zip(axes) {
        for k in 0..N {
            a[k] += s * axis[k];
            b[k] += t * axis[k];
            c[k] += u * axis[k];
            d[k] += v * axis[k];
        }
    }
    *sums = [a, b, c, d];
}

/// How the patches of one set of pictures are described: their axes, and the scale to integers.
pub struct Dictionary<const N: usize> {
    pub basis: Basis<N>,
    pub quantiser: Quantiser,
    /// Mean squared length of a patch's vector, in the units of distances.
    pub energy: f32,
}

impl<const N: usize> Dictionary<N> {
    /// Learnt from `samples` patches of `image`, and the vectors of these.
    pub fn of(image: &Image, patch: usize, samples: usize, stream: Stream) -> (Self, Vec<[f32; N]>) {
        let rows = patches(image, patch, samples, stream);
        let basis = Basis::<N>::of_rows(&rows, patch, patch * patch * image.channels);
        let own = basis.components_of(&rows);
        let quantiser = Quantiser::of(&own);
        let squares: f64 = own.iter().map(|v| f64::from(squared_length(v))).sum();
        let energy = quantiser.squared((squares / own.len() as f64) as f32);
        (Dictionary { basis, quantiser, energy }, own)
    }

    /// Features of all patches of each of `images`.
    pub fn describe_all<'b>(&self, images: impl Iterator<Item = Cow<'b, Image>>) -> Vec<Vec<Feature<N>>> {
        images.map(|image| self.described(&image)).collect()
    }

    /// Features of all patches of `image`.
    pub fn described(&self, image: &Image) -> Vec<Feature<N>> {
        let mut out = vec![Feature([0; N]); image.pixels()];
        self.basis.project_into(image, &mut out, |v| self.quantiser.quantise(v));
        out
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
        // Adding 1.5·2²³ and taking it away rounds to a whole number, several at once on any machine.
        Feature(vector.map(|x| ((x * scale + 12_582_912.0) - 12_582_912.0) as i16))
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
    let squares = |x: &[i16], y: &[i16]| {
        let mut sum = 0;
        for (x, y) in x.iter().zip(y) {
            let d = i32::from(x.wrapping_sub(*y));
            sum += d * d;
        }
        sum
    };
    // One wide vector first: most candidates need no more.
    let first = squares(&a.0[..16], &b.0[..16]);
    if N == 16 || first >= limit { first } else { first + squares(&a.0[16..], &b.0[16..]) }
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
