//! The coarsest level: diffusion with the closed-form posterior over all patches of the corpus
//! (Kamb & Ganguli 2024, the equivariant local score machine), balanced so that all patches are used
//! about equally and none stays at its own place.

use rayon::prelude::*;

use crate::random::Stream;
use crate::simd::{self, Kernel};

use super::dense::{Panels, exp};
use super::features::Basis;
use super::image::Image;
use super::sources::Sources;
use super::weigh::{BLOCK, Weighed, Weigher};

/// Principal components of a patch.
pub const DEPTH: usize = 64;
/// Noise from which so many components are compared: it drowns the others.
const TIERS: [(f64, usize); 3] = [(2.5, 16), (1.0, 32), (0.0, DEPTH)];
/// Noise above which every second patch is asked, as on a chessboard: each pixel still has some fifty that cover it.
const SPARSE_NOISE: f64 = 1.0;
/// Patches that the components are learnt from.
const SAMPLES: usize = 2500;
/// Patches in the bank, at most, unless the in-place copy alone has more.
pub const BANK: usize = 3500;
/// Pixels from the edge of a turned copy within which its patches are left out: much of them is mirrored. More would leave
/// out so much of the reference's border that its middle is drawn too often.
const EDGE: usize = 2;
/// A level with more pixels is not drawn exactly: the bank could not hold its in-place copy.
pub const MOST_PIXELS: usize = 6000;
/// Least use of a patch, in fair shares, that one update of the duals answers to, and the largest dual. Smaller
/// answers lose rare large things to the plain ground, of which there are more patches.
const LEAST_USE: f32 = 0.001;
const MOST_DUAL: f32 = 15.0;
/// Reach of the leave-one-out cost, as a share of the short side.
const OWN_REACH: f64 = 0.06;

/// All patches of the coarsest level.
pub struct Bank {
    basis: Basis<DEPTH>,
    /// From components to the values of a patch.
    values_of: Panels,
    pub values: Vec<[f32; DEPTH]>,
    /// One for each of the [`TIERS`].
    tiers: [Keys; TIERS.len()],
    mean_norm: f32,
    /// For every row (column) of the level the Gaussian nearness of every patch's origin, one after another.
    pub near_y: Vec<f32>,
    pub near_x: Vec<f32>,
}

/// The patches as a query is compared with them.
pub struct Keys {
    pub depth: usize,
    /// The leading components of every patch, as columns.
    pub columns: Panels,
    half_norms: Vec<f32>,
}

impl Keys {
    fn new(values: &[[f32; DEPTH]], depth: usize) -> Self {
        let half_norms = values.iter().map(|v| 0.5 * v[..depth].iter().map(|x| x * x).sum::<f32>()).collect();
        Keys { depth, columns: Panels::new(depth, values.len(), |k, j| values[j][k]), half_norms }
    }
}

/// How one step weighs the patches.
#[derive(Clone, Copy, Debug)]
pub struct Posterior {
    /// Standard deviation of the noise in the picture.
    pub sigma: f64,
    /// Cost of a patch at its own place, in mean squared patch lengths.
    pub own_place: f64,
    /// Weight of the balancing duals.
    pub balance: f64,
}

impl Bank {
    pub fn new(sources: &Sources, patch: usize, stream: Stream) -> Self {
        let (width, height) = (sources.width, sources.height);
        let chosen = choose(sources, stream);
        let padded: Vec<Image> =
            sources.copies.iter().map(|copy| copy.image.padded(patch / 2, patch / 2)).collect();
        let patch_at = |i: usize, out: &mut Vec<f32>| {
            let (image, at) = (&padded[i / sources.pixels()], i % sources.pixels());
            let (y, x) = (at / sources.width, at % sources.width);
            for j in 0..patch {
                let start = ((y + j) * image.width + x) * image.channels;
                out.extend_from_slice(&image.data[start..start + patch * image.channels]);
            }
        };
        let mut sample = Vec::new();
        chosen.iter().step_by(chosen.len().div_ceil(SAMPLES)).for_each(|i| patch_at(*i, &mut sample));
        let dim = patch * patch * sources.channels();
        let basis = Basis::<DEPTH>::of_rows(&sample, patch, dim);
        drop(sample);
        let components = |i: &usize| {
            let mut patch = Vec::with_capacity(dim);
            patch_at(*i, &mut patch);
            basis.components(&patch)
        };
        let values: Vec<[f32; DEPTH]> = chosen.par_iter().map(components).collect();
        let tiers = TIERS.map(|(_, depth)| Keys::new(&values, depth));
        let mean_norm =
            2.0 * tiers[TIERS.len() - 1].half_norms.iter().sum::<f32>() / values.len().max(1) as f32;
        let reach = OWN_REACH * width.min(height) as f64;
        let near = |n: usize, origin: &dyn Fn(usize) -> f32| {
            let mut table = Vec::with_capacity(n * chosen.len());
            for line in 0..n {
                table.extend(chosen.iter().map(|i| {
                    let d = line as f64 + 0.5 - f64::from(origin(*i)) * n as f64;
                    exp((-d * d / (2.0 * reach * reach)) as f32)
                }));
            }
            table
        };
        let near_y = near(height, &|i| sources.origin(i).0);
        let near_x = near(width, &|i| sources.origin(i).1);
        let values_of = Panels::new(DEPTH, dim, |k, j| basis.axes[j][k]);
        Bank { basis, values_of, values, tiers, mean_norm, near_y, near_x }
    }

    /// Number of patches.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Posterior mean of the clean picture given the noisy one. `duals`, the log costs of
    /// every patch for its use so far, are updated once (Sinkhorn); they begin at 0.
    pub fn denoise(&self, noisy: &Image, posterior: Posterior, duals: &mut [f32]) -> Image {
        let asked = Asked::of(noisy, if posterior.sigma > SPARSE_NOISE { 2 } else { 1 });
        let queries = self.basis.project(noisy);
        let tier = TIERS.iter().position(|(noise, _)| posterior.sigma > *noise);
        let keys = &self.tiers[tier.unwrap_or(TIERS.len() - 1)];
        let precision = (1.0 / (posterior.sigma * posterior.sigma)) as f32;
        let balance = posterior.balance as f32;
        let fixed: Vec<f32> =
            keys.half_norms.iter().zip(&*duals).map(|(n, d)| n * precision + balance * d).collect();
        let weigher = Weigher {
            bank: self,
            keys,
            precision,
            fixed: &fixed,
            own: (0.5 * posterior.own_place) as f32 * self.mean_norm * precision,
            width: noisy.width,
        };
        let blocks: Vec<Weighed> =
            asked.pixels.par_chunks(BLOCK).map(|pixels| weigher.weigh(&queries, pixels)).collect();
        if balance > 0.0 {
            let mut used = vec![0.0f32; self.len()];
            for block in &blocks {
                used.iter_mut().zip(&block.used).for_each(|(u, p)| *u += p);
            }
            let fair = asked.pixels.len() as f32 / self.len() as f32;
            for (dual, used) in duals.iter_mut().zip(&used) {
                *dual = (*dual + (used / fair).max(LEAST_USE).ln()).clamp(-MOST_DUAL, MOST_DUAL);
            }
        }
        let means: Vec<[f32; DEPTH]> = blocks.into_iter().flat_map(|b| b.means).collect();
        self.overlap(&means, &asked, noisy)
    }

    /// The picture that overlapping patches agree on, each weighing by a Gaussian of a third of its width.
    fn overlap(&self, means: &[[f32; DEPTH]], asked: &Asked, like: &Image) -> Image {
        let patch = self.basis.patch;
        let reach = (patch / 2) as i32;
        let deviation = patch as f64 / 3.0;
        let line = (-reach..=reach).map(|d| (-f64::from(d * d) / (2.0 * deviation * deviation)).exp() as f32);
        let line: Vec<f32> = line.collect();
        let stride = self.values_of.stride();
        let mut patches = vec![0.0f32; means.len().next_multiple_of(BLOCK) * stride];
        let blocks = patches.par_chunks_mut(BLOCK * stride).zip(means.par_chunks(BLOCK));
        blocks.for_each(|(out, means)| simd::run(Unfold { values_of: &self.values_of, means, out }));
        let mut data = vec![0.0f32; like.data.len()];
        data.par_chunks_mut(like.width * like.channels).enumerate().for_each(|(y, row)| {
            let overlap = Overlap {
                mean: &self.basis.mean,
                patches: &patches,
                stride,
                asked,
                like,
                line: &line,
                y: y as i32,
                row,
            };
            simd::run(overlap);
        });
        Image { data, ..*like }
    }
}

/// The pixels whose patches are asked: all, or every second one, shifted from row to row.
struct Asked {
    pixels: Vec<usize>,
    /// Where each row begins in `pixels`.
    rows: Vec<usize>,
    every: usize,
}

impl Asked {
    fn of(image: &Image, every: usize) -> Self {
        let (mut pixels, mut rows) = (Vec::new(), Vec::new());
        for y in 0..image.height {
            rows.push(pixels.len());
            pixels.extend((y % every..image.width).step_by(every).map(|x| y * image.width + x));
        }
        Asked { pixels, rows, every }
    }

    /// Where the patch around the pixel is in `pixels`, if it is asked.
    #[inline(always)]
    fn index(&self, y: usize, x: usize) -> Option<usize> {
        (x + y).is_multiple_of(self.every).then(|| self.rows[y] + x / self.every)
    }
}

/// From components to the values of a block of patches, less those of the mean patch.
struct Unfold<'a> {
    values_of: &'a Panels,
    means: &'a [[f32; DEPTH]],
    out: &'a mut [f32],
}

impl Kernel for Unfold<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let mut rows = [0.0f32; BLOCK * DEPTH];
        for (row, mean) in rows.chunks_exact_mut(DEPTH).zip(self.means) {
            row.copy_from_slice(mean);
        }
        self.values_of.multiply(&rows, self.out);
    }
}

/// One row of a picture from the patches that cover it.
struct Overlap<'a> {
    /// The mean patch.
    mean: &'a [f32],
    /// The patches that were asked, `stride` values from one to the next.
    patches: &'a [f32],
    stride: usize,
    asked: &'a Asked,
    like: &'a Image,
    /// Weights along one side of a patch.
    line: &'a [f32],
    y: i32,
    row: &'a mut [f32],
}

impl Kernel for Overlap<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Overlap { mean, patches, stride, asked, like, line, y, row } = self;
        let (width, height, channels) = (like.width, like.height, like.channels);
        let reach = (line.len() / 2) as i32;
        for (x, out) in row.chunks_exact_mut(channels).enumerate() {
            let mut total = 0.0f32;
            for (j, down) in line.iter().enumerate() {
                for (i, across) in line.iter().enumerate() {
                    let (qy, qx) = (y + reach - j as i32, x as i32 + reach - i as i32);
                    if qy as u32 >= height as u32 || qx as u32 >= width as u32 {
                        continue;
                    }
                    let Some(index) = asked.index(qy as usize, qx as usize) else { continue };
                    let weight = down * across;
                    let tap = (j * line.len() + i) * channels;
                    let patch = &patches[index * stride + tap..];
                    for ((o, v), m) in out.iter_mut().zip(patch).zip(&mean[tap..]) {
                        *o += weight * (v + m);
                    }
                    total += weight;
                }
            }
            out.iter_mut().for_each(|o| *o /= total);
        }
    }
}

/// Indices (copy by copy) of the patches in the bank: the whole in-place copy, then others at random that are [`EDGE`]
/// pixels from the edge of their copy at least.
fn choose(sources: &Sources, stream: Stream) -> Vec<usize> {
    let pixels = sources.pixels();
    let usable = |i: &usize| sources.outside(*i) < 0.02;
    let mut chosen: Vec<usize> = (0..pixels).filter(usable).collect();
    let inner = |i: &usize| {
        let (y, x) = (i % pixels / sources.width, i % sources.width);
        let within = |at: usize, of: usize| (EDGE..of.saturating_sub(EDGE)).contains(&at);
        within(y, sources.height) && within(x, sources.width)
    };
    let others: Vec<usize> = (pixels..sources.all()).filter(usable).filter(inner).collect();
    let room = BANK.saturating_sub(chosen.len());
    chosen.extend(stream.permutation(others.len()).into_iter().take(room).map(|i| others[i]));
    if chosen.is_empty() {
        chosen.extend(0..pixels);
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::super::corpus::Copy;
    use super::super::schedule::noised;
    use super::*;
    use crate::raster::Plane;

    /// A striped and dotted level, its own only copy.
    fn sources() -> Sources {
        let (width, height) = (36, 28);
        let dots = Plane::from_fn(width, height, |x, y| {
            let (x, y) = (x as f32, y as f32);
            (x * 0.7).sin() + (y * 0.9 + x * 0.1).cos()
        });
        let origin = |n: usize, of: usize| n as f32 / of as f32;
        let y = Plane::from_fn(width, height, |_, y| origin(y, height));
        let x = Plane::from_fn(width, height, |x, _| origin(x, width));
        let copy = Copy::new(Image::from_planes(&[dots]), &y, &x, &Plane::filled(width, height, 0.0));
        Sources::own(vec![copy])
    }

    fn error(a: &Image, b: &Image) -> f64 {
        let squares: f64 = a.data.iter().zip(&b.data).map(|(x, y)| f64::from(x - y).powi(2)).sum();
        (squares / a.data.len() as f64).sqrt()
    }

    const FREE: Posterior = Posterior { sigma: 0.3, own_place: 0.0, balance: 0.0 };

    #[test]
    fn the_posterior_takes_away_noise() {
        let sources = sources();
        let bank = Bank::new(&sources, 7, Stream::new(1, "bank"));
        let clean = &sources.copies[0].image;
        let noisy = noised(clean.clone(), 0.3, Stream::new(2, "noise"));
        let denoised = bank.denoise(&noisy, FREE, &mut vec![0.0; bank.len()]);
        assert!(error(&denoised, clean) < 0.25 * error(&noisy, clean));
    }

    #[test]
    fn the_patches_that_are_asked_are_found_where_they_were_put() {
        let image = Image { width: 7, height: 5, channels: 1, data: vec![0.0; 35] };
        for (every, count) in [(1, 35), (2, 18)] {
            let asked = Asked::of(&image, every);
            assert_eq!(asked.pixels.len(), count);
            for (y, x) in (0..5).flat_map(|y| (0..7).map(move |x| (y, x))) {
                let place = asked.pixels.iter().position(|pixel| *pixel == y * 7 + x);
                assert_eq!(asked.index(y, x), place, "{every}: {y}, {x}");
            }
        }
    }

    #[test]
    fn the_bank_has_the_whole_in_place_copy_and_no_edge_of_another() {
        let one = sources();
        let two = Sources::own(vec![one.copies[0].clone(), one.copies[0].clone()]);
        let chosen = choose(&two, Stream::new(1, "bank"));
        let (width, height, pixels) = (two.width, two.height, two.pixels());
        assert!(chosen[..pixels].iter().enumerate().all(|(i, at)| i == *at));
        assert_eq!(chosen.len() - pixels, (width - 2 * EDGE) * (height - 2 * EDGE));
        for at in chosen[pixels..].iter().map(|i| i - pixels) {
            let (y, x) = (at / width, at % width);
            assert!((EDGE..height - EDGE).contains(&y) && (EDGE..width - EDGE).contains(&x), "{y}, {x}");
        }
    }

    #[test]
    fn leaving_a_place_out_sends_patches_elsewhere() {
        let sources = sources();
        let bank = Bank::new(&sources, 7, Stream::new(1, "bank"));
        let clean = &sources.copies[0].image;
        let distance = |own_place: f64| {
            let posterior = Posterior { own_place, ..FREE };
            error(&bank.denoise(clean, posterior, &mut vec![0.0; bank.len()]), clean)
        };
        assert!(distance(0.0) < 0.02 && distance(2.0) > 3.0 * distance(0.0));
    }
}
