//! Patches as short vectors: principal components, as floats or as integers for the search.

use std::borrow::Cow;
use std::marker::PhantomData;

use rayon::prelude::*;

use crate::random::Stream;
use crate::raster::filter::mirror;
use crate::simd::{self, Kernel};

use super::image::Image;
use super::pca::principal_axes;

/// Largest length of a quantised vector: differences then fit 16 bits, and their squares' sum 32.
const LONGEST: f32 = 8191.0;
/// By how much vectors, and their components, may exceed those of the sample that the scale was learnt from.
const SPARE: f32 = 1.25;

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
pub struct Dictionary<T, const N: usize> {
    pub basis: Basis<N>,
    pub quantiser: Quantiser<T, N>,
    /// Mean squared length of a patch's vector, in the units of distances.
    pub energy: f32,
}

impl<T: Component, const N: usize> Dictionary<T, N> {
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
    pub fn describe_all<'b>(&self, images: impl Iterator<Item = Cow<'b, Image>>) -> Vec<Vec<Feature<T, N>>> {
        images.map(|image| self.described(&image)).collect()
    }

    /// Features of all patches of `image`.
    pub fn described(&self, image: &Image) -> Vec<Feature<T, N>> {
        let mut out = vec![Feature([T::default(); N]); image.pixels()];
        self.basis.project_into(image, &mut out, |v| self.quantiser.quantise(v));
        out
    }
}

/// An integer that a component is kept in.
pub trait Component: Copy + Default + Send + Sync {
    const MOST: f32;

    /// Of the lowest bits of a whole number.
    fn of(bits: u32) -> Self;

    /// Squared difference where one step of the component is `step` units.
    fn squared_difference(self, other: Self, step: i16) -> i32;
}

/// Any vector as it is: `step` is 1.
impl Component for i16 {
    const MOST: f32 = LONGEST;

    #[inline(always)]
    fn of(bits: u32) -> Self {
        bits as i16
    }

    #[inline(always)]
    fn squared_difference(self, other: Self, _step: i16) -> i32 {
        let d = i32::from(self.wrapping_sub(other));
        d * d
    }
}

/// Half the memory. Later components are smaller than the first, and have finer steps.
impl Component for i8 {
    const MOST: f32 = 127.0;

    #[inline(always)]
    fn of(bits: u32) -> Self {
        bits as i8
    }

    #[inline(always)]
    fn squared_difference(self, other: Self, step: i16) -> i32 {
        let d = i32::from((i16::from(self) - i16::from(other)).wrapping_mul(step));
        d * d
    }
}

/// A quantised patch vector, aligned so that it does not straddle more cache lines than it must.
#[derive(Clone, Copy, Debug)]
#[repr(align(16))]
pub struct Feature<T, const N: usize>(pub [T; N]);

/// Scale from floats to integers for one level; squared distances are exact integers after it.
#[derive(Clone, Copy, Debug)]
pub struct Quantiser<T, const N: usize> {
    scale: f32,
    /// Units to one step of a component: powers of two.
    pub steps: [i16; N],
    /// Steps to a unit.
    shares: [f32; N],
    kept_in: PhantomData<T>,
}

impl<T: Component, const N: usize> Quantiser<T, N> {
    /// A scale that vectors a quarter longer than the longest of `sample` just fill.
    pub fn of(sample: &[[f32; N]]) -> Self {
        let longest = sample.iter().map(squared_length).fold(0.0, f32::max).sqrt();
        let scale = LONGEST / (SPARE * longest).max(1e-6);
        let most = |k: usize| sample.iter().map(|v| v[k].abs()).fold(0.0, f32::max) * SPARE * scale;
        let steps = std::array::from_fn(|k| {
            let mut step = 1;
            while f32::from(step) * T::MOST < most(k).min(LONGEST) {
                step *= 2;
            }
            step
        });
        Quantiser { scale, steps, shares: steps.map(|step| 1.0 / f32::from(step)), kept_in: PhantomData }
    }

    /// A vector, or a component, that is longer than the scale allows is shortened.
    #[inline(always)]
    pub fn quantise(&self, vector: [f32; N]) -> Feature<T, N> {
        let length = squared_length(&vector).sqrt() * self.scale;
        let scale = if length > LONGEST { self.scale * LONGEST / length } else { self.scale };
        let mut whole = [T::default(); N];
        for ((whole, x), share) in whole.iter_mut().zip(vector).zip(self.shares) {
            let steps = (x * scale * share).clamp(-T::MOST, T::MOST);
            // Adding 1.5·2²³ leaves a whole number in the lowest bits, several at once on any machine.
            *whole = T::of((steps + 12_582_912.0).to_bits());
        }
        Feature(whole)
    }

    /// A squared length of floats in the integers' units.
    pub fn squared(&self, value: f32) -> f32 {
        value * self.scale * self.scale
    }

    /// Squared distance; once it is at least `limit` the rest may be left out.
    #[inline(always)]
    pub fn distance(&self, a: &Feature<T, N>, b: &Feature<T, N>, limit: i32) -> i32 {
        let squares = |from: usize, to: usize| {
            let mut sum = 0;
            for ((x, y), step) in a.0[from..to].iter().zip(&b.0[from..to]).zip(&self.steps[from..to]) {
                sum += x.squared_difference(*y, *step);
            }
            sum
        };
        // One wide vector first: most candidates need no more.
        let first = squares(0, 16);
        if N == 16 || first >= limit { first } else { first + squares(16, N) }
    }
}

fn squared_length<const N: usize>(vector: &[f32; N]) -> f32 {
    vector.iter().map(|x| x * x).sum()
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

    /// Vectors whose components fall off, as principal components do.
    fn falling<const N: usize>() -> Vec<[f32; N]> {
        let stream = Stream::new(4, "test");
        let vector = |i: u64| {
            std::array::from_fn(|k| stream.normal(N as u64 * i + k as u64) as f32 * 0.8f32.powi(k as i32))
        };
        (0..50).map(vector).collect()
    }

    /// Largest error of a distance, as a share of it and the mean one together.
    fn error<T: Component, const N: usize>(all: &[[f32; N]]) -> f32 {
        let quantiser = Quantiser::<T, N>::of(all);
        let whole: Vec<Feature<T, N>> = all.iter().map(|v| quantiser.quantise(*v)).collect();
        let pairs = || (0..all.len()).flat_map(|i| (0..all.len()).map(move |j| (i, j)));
        let real = |i: usize, j: usize| {
            let squares = all[i].iter().zip(&all[j]).map(|(x, y)| (x - y).powi(2));
            quantiser.squared(squares.sum())
        };
        let mean = pairs().map(|(i, j)| real(i, j)).sum::<f32>() / pairs().count() as f32;
        let error = |(i, j): (usize, usize)| {
            let found = quantiser.distance(&whole[i], &whole[j], i32::MAX) as f32;
            (found - real(i, j)).abs() / (real(i, j) + mean)
        };
        pairs().map(error).fold(0.0, f32::max)
    }

    #[test]
    fn integer_distances_follow_the_real_ones() {
        let sixteen = error::<i16, 24>(&falling());
        assert!(sixteen < 0.001, "{sixteen}");
        let eight = error::<i8, 16>(&falling());
        assert!(eight < 0.03, "{eight}");
    }

    #[test]
    fn what_exceeds_the_sample_is_shortened_and_never_wraps() {
        let all = falling::<16>();
        let quantiser = Quantiser::<i8, 16>::of(&all);
        for sign in [1.0, -1.0] {
            let far = quantiser.quantise(all[0].map(|v| sign * 1000.0 * v.abs()));
            assert!(far.0.iter().all(|v| f32::from(*v) * sign >= 0.0), "{far:?}");
            assert!(quantiser.distance(&far, &quantiser.quantise([0.0; 16]), i32::MAX) > 0);
        }
    }
}
