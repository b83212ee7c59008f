//! Linear filters with mirrored borders (the edge pixel is not repeated: …2 1 | 0 1 2…).

use rayon::prelude::*;

use super::Plane;
use crate::simd;

/// Index of the mirrored sample for `i`, which may lie outside `0..n`.
#[inline]
pub fn mirror(i: isize, n: usize) -> usize {
    let n = n as isize;
    if n == 1 {
        return 0;
    }
    let period = 2 * (n - 1);
    let j = i.rem_euclid(period);
    (if j < n { j } else { period - j }) as usize
}

/// Gaussian blur of standard deviation `sigma` pixels, cut off at `reach` × sigma (3 or 4 are usual).
///
/// The result is the same for any number of threads.
pub fn gaussian(plane: &Plane, sigma: f32, reach: f32) -> Plane {
    gaussian_of(plane, sigma, reach, |v| v, |_, _| ())
}

/// Gaussian blur of `before` of each value; `after` then has every row (its number, its values) to change.
/// Saves the passes over memory that `map` and `zip` would take.
pub fn gaussian_of(
    plane: &Plane,
    sigma: f32,
    reach: f32,
    before: impl Fn(f32) -> f32 + Sync,
    after: impl Fn(usize, &mut [f32]) + Sync,
) -> Plane {
    let half = if sigma > 0.0 { half_kernel(sigma, (reach * sigma).ceil() as usize) } else { vec![1.0] };
    convolve(plane, &half, before, after)
}

/// Normalised half kernel: weight of the centre, then of each distance up to `radius`.
fn half_kernel(sigma: f32, radius: usize) -> Vec<f32> {
    let weights: Vec<f64> =
        (0..=radius).map(|i| (-0.5 * (i as f64 / f64::from(sigma)).powi(2)).exp()).collect();
    let total = 2.0 * weights.iter().sum::<f64>() - weights[0];
    weights.iter().map(|w| (w / total) as f32).collect()
}

/// Rows filtered together: few enough that what the rows' pass leaves is still in the cache for the columns'.
const BAND: usize = 64;

/// Values filtered side by side, and how many of a vector; and values that the fastest cache holds.
const TILE: usize = 32;
const LANES: usize = 8;
const CACHED: usize = 6144;

/// Convolution with a symmetric kernel along rows, then along columns.
fn convolve(
    plane: &Plane,
    half: &[f32],
    before: impl Fn(f32) -> f32 + Sync,
    after: impl Fn(usize, &mut [f32]) + Sync,
) -> Plane {
    let (width, height) = (plane.width(), plane.height());
    let radius = half.len() - 1;
    // At least twice what a band shares with its neighbours, and all much the same.
    let bands = (height / BAND.max(4 * radius)).max(1);
    let band = height.div_ceil(bands);
    // Not a power of two: values of one column must not all compete for the same set of the cache.
    let stride = width.next_multiple_of(16) + 16;
    let mut data = vec![0.0f32; width * height];
    data.par_chunks_mut((width * band).max(1)).enumerate().for_each_init(
        || (vec![0.0f32; width + 2 * radius], vec![0.0f32; stride * (band.min(height) + 2 * radius)]),
        |(padded, lines), (index, out)| {
            let top = index * band;
            let count = out.len() / width + 2 * radius;
            // Rows beyond the border are filtered once, as those that they mirror.
            let (above, below) = (radius.saturating_sub(top), (height + radius - top).min(count));
            for (line, y) in lines.chunks_exact_mut(stride).zip(0..count).skip(above).take(below - above) {
                let row = plane.row(top + y - radius);
                for (p, v) in padded[radius..].iter_mut().zip(row) {
                    *p = before(*v);
                }
                for i in 1..=radius {
                    padded[radius - i] = padded[radius + mirror(-(i as isize), width)];
                    let beyond = width - 1 + i;
                    padded[radius + beyond] = padded[radius + mirror(beyond as isize, width)];
                }
                weigh(half, padded, radius, 1, &mut line[..width]);
            }
            for k in (0..above).chain(below..count) {
                let mirrored = mirror((top + k) as isize - radius as isize, height) + radius - top;
                lines.copy_within(mirrored * stride..mirrored * stride + width, k * stride);
            }
            // What all taps of some columns see must stay in the cache as well.
            let together = if (2 * radius + 1) * stride > CACHED { TILE } else { width };
            for left in (0..width).step_by(together) {
                let columns = left..(left + together).min(width);
                for (y, row) in out.chunks_exact_mut(width).enumerate() {
                    weigh(half, lines, (y + radius) * stride + left, stride, &mut row[columns.clone()]);
                }
            }
            out.chunks_exact_mut(width).enumerate().for_each(|(y, row)| after(top + y, row));
        },
    );
    Plane::new(width, height, data)
}

/// The kernel's sums for the values from `at` on, its taps `step` apart.
fn weigh(half: &[f32], values: &[f32], at: usize, step: usize, out: &mut [f32]) {
    simd::run(Weigh { half, values, at, step, out });
}

struct Weigh<'a> {
    half: &'a [f32],
    values: &'a [f32],
    at: usize,
    step: usize,
    out: &'a mut [f32],
}

impl simd::Kernel for Weigh<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Weigh { half, values, at, step, out } = self;
        let wide = out.len() / TILE * TILE;
        let narrow = out.len() / LANES * LANES;
        weigh_tiles::<TILE>(half, values, at, step, &mut out[..wide]);
        weigh_tiles::<LANES>(half, values, at + wide, step, &mut out[wide..narrow]);
        weigh_tiles::<1>(half, values, at + narrow, step, &mut out[narrow..]);
    }
}

/// `N` values at a time, whose sums the registers hold over all taps.
#[inline(always)]
fn weigh_tiles<const N: usize>(half: &[f32], values: &[f32], at: usize, step: usize, out: &mut [f32]) {
    for (out, at) in out.chunks_exact_mut(N).zip((at..).step_by(N)) {
        let from = |at: usize| &values[at..at + N];
        let middle = from(at);
        let mut sums: [f32; N] = std::array::from_fn(|i| half[0] * middle[i]);
        for (weight, away) in half[1..].iter().zip((step..).step_by(step)) {
            let (low, high) = (from(at - away), from(at + away));
            for (i, sum) in sums.iter_mut().enumerate() {
                *sum += weight * (low[i] + high[i]);
            }
        }
        out.copy_from_slice(&sums);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirrored_indices_do_not_repeat_the_edge() {
        let seen: Vec<usize> = (-4..8).map(|i| mirror(i, 4)).collect();
        assert_eq!(seen, [2, 3, 2, 1, 0, 1, 2, 3, 2, 1, 0, 1]);
        assert_eq!(mirror(-9, 1), 0);
    }

    #[test]
    fn a_blurred_constant_is_the_constant() {
        let flat = gaussian(&Plane::filled(9, 5, 0.25), 2.0, 4.0);
        assert!(flat.data().iter().all(|v| (v - 0.25).abs() < 1e-6));
    }

    #[test]
    fn a_blurred_point_has_the_variance_of_the_kernel() {
        let mut point = Plane::filled(41, 41, 0.0);
        point.data_mut()[20 * 41 + 20] = 1.0;
        let blurred = gaussian(&point, 3.0, 4.0);
        let variance: f32 = (0..41)
            .flat_map(|y| (0..41).map(move |x| (x, y)))
            .map(|(x, y)| blurred.at(x, y) * (x as f32 - 20.0).powi(2))
            .sum();
        assert!((variance - 9.0).abs() < 0.05, "{variance}");
    }

    #[test]
    fn every_value_is_the_sum_over_the_mirrored_plane_whatever_the_bands() {
        for (width, height, sigma) in [(37, 150, 1.6), (3, 2, 2.0), (20, 90, 9.0)] {
            let plane = Plane::from_fn(width, height, |x, y| ((x * 31 + y * 17) % 23) as f32);
            let blurred = gaussian(&plane, sigma, 3.0);
            let half = half_kernel(sigma, (3.0 * sigma).ceil() as usize);
            let reach = half.len() as isize - 1;
            for (x, y) in [(0, 0), (width - 1, height / 2), (width / 2, height - 1), (1, 64.min(height - 1))]
            {
                let mut sum = 0.0;
                for dy in -reach..=reach {
                    for dx in -reach..=reach {
                        let (u, v) = (mirror(x as isize + dx, width), mirror(y as isize + dy, height));
                        sum += half[dx.unsigned_abs()] * half[dy.unsigned_abs()] * plane.at(u, v);
                    }
                }
                assert!((blurred.at(x, y) - sum).abs() < 1e-3, "{width}×{height} at {x},{y}");
            }
        }
    }
}
