//! The baseline: plain GPNN (Granot et al. 2022, *Drop the GAN*), nearest patches by PatchMatch (Barnes et al. 2009).
//! One bank, no posterior, no balance, no limit on copies.

use vidimus::random::Stream;
use vidimus::raster::{Kernel, Plane, Raster, resize};

const PATCH: usize = 7;
const RATIO: f64 = 4.0 / 3.0;
/// Short side of the coarsest level, and the noise there, as in the paper.
const COARSEST: f64 = 21.0;
const NOISE: f64 = 0.75;
/// Searches and votes on the coarsest level and on each of the others.
const STEPS: [usize; 2] = [10, 4];
/// PatchMatch passes of one search, and random candidates per pixel and pass.
const PASSES: usize = 4;
const CANDIDATES: usize = 6;

/// Interleaved channels, as in the engine.
#[derive(Clone)]
struct Picture {
    width: usize,
    height: usize,
    channels: usize,
    data: Vec<f32>,
}

impl Picture {
    fn of(planes: &[Plane]) -> Self {
        let (width, height, channels) = (planes[0].width(), planes[0].height(), planes.len());
        let data =
            (0..width * height).flat_map(|i| planes.iter().map(move |plane| plane.data()[i])).collect();
        Picture { width, height, channels, data }
    }

    fn planes(&self) -> Vec<Plane> {
        let channel = |c: usize| self.data.iter().skip(c).step_by(self.channels).copied().collect();
        (0..self.channels).map(|c| Plane::new(self.width, self.height, channel(c))).collect()
    }

    fn resized(&self, (width, height): (usize, usize)) -> Self {
        let kernel = if width > self.width { Kernel::Cubic } else { Kernel::Area };
        Picture::of(&self.planes().iter().map(|p| resize(p, width, height, kernel)).collect::<Vec<_>>())
    }

    fn row(&self, x: usize, y: usize) -> &[f32] {
        &self.data[(y * self.width + x) * self.channels..][..PATCH * self.channels]
    }
}

/// A picture of `reference`'s size.
pub fn draw(reference: &Raster, seed: u64) -> Raster {
    let full = Picture::of(&reference.planes());
    let stream = Stream::new(seed, "gpnn");
    let short = full.width.min(full.height) as f64;
    let coarsest = ((short / COARSEST).ln() / RATIO.ln()).floor().max(0.0) as i32;
    let size = |level: i32| {
        let side = |n: usize| ((n as f64 / RATIO.powi(level)).round() as usize).max(2 * PATCH);
        (side(full.width), side(full.height))
    };
    let mut drawn = full.resized(size(coarsest));
    let deviation = drawn.planes()[0].std();
    for (i, v) in drawn.data.iter_mut().enumerate() {
        *v += (NOISE * deviation * stream.normal(i as u64)) as f32;
    }
    for level in (0..=coarsest).rev() {
        let values = if level == 0 { full.clone() } else { full.resized(size(level)) };
        let stream = stream.child(level as u64);
        let mut field: Vec<(usize, usize)> = Vec::new();
        for step in 0..STEPS[usize::from(level < coarsest)] {
            // First after magnifying, blurred patches are compared with blurred ones.
            let keys = match step {
                0 if level < coarsest => values.resized(size(level + 1)).resized(size(level)),
                _ => values.clone(),
            };
            search(&drawn, &keys, &mut field, stream.child(step as u64));
            drawn = vote(&values, &field);
        }
        if level > 0 {
            drawn = drawn.resized(size(level - 1));
        }
    }
    Raster::from_planes(&drawn.planes(), reference.depth())
}

fn patches(picture: &Picture) -> (usize, usize) {
    (picture.width - PATCH + 1, picture.height - PATCH + 1)
}

/// The nearest patch of `keys` for every patch of `queries`, from `field` on if it has any.
fn search(queries: &Picture, keys: &Picture, field: &mut Vec<(usize, usize)>, stream: Stream) {
    let (across, down) = patches(queries);
    let (wide, high) = patches(keys);
    let draw = |i: u64| {
        stream.below(2 * i, wide as u64) as usize + wide * stream.below(2 * i + 1, high as u64) as usize
    };
    let mut index = 0u64;
    let mut random = || {
        index += 1;
        let at = draw(index);
        (at % wide, at / wide)
    };
    if field.is_empty() {
        *field = (0..across * down).map(|_| random()).collect();
    }
    let distance = |at: usize, (kx, ky): (usize, usize), most: f32| {
        let (x, y) = (at % across, at / across);
        let mut sum = 0.0;
        for j in 0..PATCH {
            let pairs = queries.row(x, y + j).iter().zip(keys.row(kx, ky + j));
            sum += pairs.map(|(a, b)| (a - b).powi(2)).sum::<f32>();
            if sum >= most {
                return f32::MAX;
            }
        }
        sum
    };
    let mut costs: Vec<f32> = (0..field.len()).map(|at| distance(at, field[at], f32::MAX)).collect();
    for pass in 0..PASSES {
        for n in 0..field.len() {
            let forward = pass % 2 == 0;
            let at = if forward { n } else { field.len() - 1 - n };
            let (x, y) = (at % across, at / across);
            let mut better = |candidate: (usize, usize), field: &mut [(usize, usize)]| {
                let cost = distance(at, candidate, costs[at]);
                if cost < costs[at] {
                    (costs[at], field[at]) = (cost, candidate);
                }
            };
            for candidate in (0..CANDIDATES).map(|_| random()) {
                better(candidate, field);
            }
            let neighbours = if forward {
                [(x > 0).then(|| (at - 1, 1, 0)), (y > 0).then(|| (at - across, 0, 1))]
            } else {
                [(x + 1 < across).then(|| (at + 1, -1, 0)), (y + 1 < down).then(|| (at + across, 0, -1))]
            };
            for (other, dx, dy) in neighbours.into_iter().flatten() {
                let (kx, ky) = (field[other].0 as isize + dx, field[other].1 as isize + dy);
                if (0..wide as isize).contains(&kx) && (0..high as isize).contains(&ky) {
                    better((kx as usize, ky as usize), field);
                }
            }
        }
    }
}

/// Every pixel as the mean of what the patches that cover it say.
fn vote(values: &Picture, field: &[(usize, usize)]) -> Picture {
    let mut sums = Picture { data: vec![0.0; values.data.len()], ..values.clone() };
    let mut counts = vec![0.0f32; values.width * values.height];
    let across = patches(values).0;
    let length = PATCH * values.channels;
    for (at, (kx, ky)) in field.iter().enumerate() {
        let (x, y) = (at % across, at / across);
        for j in 0..PATCH {
            let start = (y + j) * values.width + x;
            let into = &mut sums.data[start * values.channels..][..length];
            into.iter_mut().zip(values.row(*kx, ky + j)).for_each(|(s, v)| *s += v);
            counts[start..start + PATCH].iter_mut().for_each(|c| *c += 1.0);
        }
    }
    for (pixel, count) in sums.data.chunks_exact_mut(values.channels).zip(counts) {
        pixel.iter_mut().for_each(|v| *v /= count);
    }
    sums
}
