//! What embedder and detector look at: the locally normalised picture.

use rayon::prelude::*;

use crate::raster::Plane;
use crate::raster::filter::gaussian_of;

/// The picture's short side over which the tile grows with it.
const CANONICAL_SIDE: f64 = 1024.0;
/// Standard deviation of the high-pass's Gaussian, in pixels × scale. This and the next were chosen by the
/// share of messages recovered from attacked pictures of 200–320 pixels; larger ones hardly mind.
pub(super) const HIGH_PASS_SIGMA: f64 = 1.6;
/// The same of the local variance.
const DEVIATION_SIGMA: f64 = 1.6;
/// Grey levels of activity below which a zone counts as flat.
const FLAT: f32 = 2.0;
/// Limit of the normalised values, in local standard deviations.
const CLIP: f32 = 1.8;
/// Part of the width and the height over which the window falls off, at each end.
const TAPER: f64 = 0.06;

/// Gaussians are cut off at this many standard deviations.
pub(super) const CUT: f32 = 3.0;

/// Size of the tile over 61 pixels in a picture marked at this size.
pub(super) fn embed_scale(width: usize, height: usize) -> f64 {
    (width.min(height) as f64 / CANONICAL_SIDE).max(1.0)
}

/// The normalised picture.
pub(super) struct Front {
    /// Zero-mean, high-passed, divided by the local variance: a matched filter for a mark of even strength.
    pub values: Plane,
    /// 1 / (local standard deviation + 2).
    pub weight: Plane,
}

impl Front {
    /// From a luma plane in grey levels, 0..=255.
    pub fn of(luma: &Plane, scale: f64) -> Self {
        let sigmas = [HIGH_PASS_SIGMA, DEVIATION_SIGMA].map(|sigma| (sigma * scale) as f32);
        let detail = gaussian_of(
            luma,
            sigmas[0],
            CUT,
            |v| v,
            |y, smooth| {
                for (s, v) in smooth.iter_mut().zip(luma.row(y)) {
                    *s = v - *s;
                }
            },
        );
        let weight = gaussian_of(
            &detail,
            sigmas[1],
            CUT,
            |d| d * d,
            |_, variance| {
                for v in variance {
                    *v = 1.0 / (v.max(0.0).sqrt() + FLAT);
                }
            },
        );
        let mut values = detail;
        let width = values.width().max(1);
        let sums = values.data_mut().par_chunks_mut(width).zip(weight.data().par_chunks(width)).map(
            |(row, weight)| {
                for (d, w) in row.iter_mut().zip(weight) {
                    *d = (*d * w).clamp(-CLIP, CLIP) * w;
                }
                sum(row, |v| v)
            },
        );
        let sum: f64 = sums.collect::<Vec<_>>().iter().sum();
        let mean = (sum / values.data().len().max(1) as f64) as f32;
        values.data_mut().par_chunks_mut(width).for_each(|row| {
            for v in row {
                *v -= mean;
            }
        });
        Front { values, weight }
    }

    /// What arrives, under the window, of a mark of the amplitudes of `mask`; and the power of white noise
    /// of one grey level. Both are weighted twice: divided by the deviation, then weighted by it.
    pub fn response(&self, mask: &Plane) -> (f64, f64) {
        let (across, down) = (tukey(mask.width(), TAPER), tukey(mask.height(), TAPER));
        let width = across.len().max(1);
        let rows = mask.data().par_chunks(width).zip(self.weight.data().par_chunks(width)).zip(&down);
        let sums: Vec<(f64, f64)> = rows
            .map_init(
                || (vec![0.0f32; width], vec![0.0f32; width]),
                |(arriving, power), ((mask, weight), down)| {
                    for (i, (m, w)) in mask.iter().zip(weight).enumerate() {
                        let square = w * w;
                        arriving[i] = m * square * across[i] * down;
                        power[i] = square * square;
                    }
                    (sum(arriving, |v| v), sum(power, |v| v))
                },
            )
            .collect();
        sums.iter().fold((0.0, 0.0), |(a, b), (arriving, power)| (a + arriving, b + power))
    }

    /// The values under the window, ready for a transform.
    pub fn windowed(&self) -> Plane {
        windowed(&self.values)
    }
}

/// Σ `f` of the values: in double precision, eight sums side by side.
pub(super) fn sum(values: &[f32], f: impl Fn(f64) -> f64) -> f64 {
    let (blocks, rest) = values.as_chunks::<8>();
    let mut sums = [0.0f64; 8];
    for block in blocks {
        for (s, v) in sums.iter_mut().zip(block) {
            *s += f(f64::from(*v));
        }
    }
    for v in rest {
        sums[0] += f(f64::from(*v));
    }
    sums.iter().sum()
}

/// `plane` times the window.
pub(super) fn windowed(plane: &Plane) -> Plane {
    let (across, down) = (tukey(plane.width(), TAPER), tukey(plane.height(), TAPER));
    let mut out = plane.clone();
    let width = across.len().max(1);
    out.data_mut().par_chunks_mut(width).zip(&down).for_each(|(row, d)| {
        for (v, a) in row.iter_mut().zip(&across) {
            *v *= a * d;
        }
    });
    out
}

/// Window of `n` values that falls off as a cosine over a part `taper` at each end (Tukey).
pub(super) fn tukey(n: usize, taper: f64) -> Vec<f32> {
    let edge = taper * n as f64;
    (0..n)
        .map(|i| {
            let near = (i.min(n - 1 - i)) as f64 + 0.5;
            if near >= edge {
                return 1.0;
            }
            (0.5 * (1.0 - (std::f64::consts::PI * near / edge).cos())) as f32
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brightness_and_most_of_contrast_are_normalised_away() {
        let plane = Plane::from_fn(64, 48, |x, y| 120.0 + 60.0 * ((x * 7 + y * y * 3) % 23) as f32 / 23.0);
        let front = Front::of(&plane, 1.0).values;
        let brighter = Front::of(&plane.map(|v| v + 30.0), 1.0).values;
        for (a, b) in front.data().iter().zip(brighter.data()) {
            assert!((a - b).abs() < 1e-4);
        }
        assert!(front.mean().abs() < 1e-6);
    }

    #[test]
    fn the_window_is_one_inside_and_falls_to_zero_at_the_ends() {
        let window = tukey(100, TAPER);
        assert_eq!((window[6], window[93]), (1.0, 1.0));
        assert!(window[0] < 0.02 && window[99] == window[0]);
    }

    #[test]
    fn the_tile_grows_only_beyond_the_canonical_side() {
        assert_eq!(embed_scale(320, 201), 1.0);
        assert_eq!(embed_scale(4096, 2048), 2.0);
    }
}
