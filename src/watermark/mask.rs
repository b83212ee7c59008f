//! Where a mark hides: strength by local activity.

use rayon::prelude::*;

use super::frontend::{CUT, sum};
use crate::raster::Plane;
use crate::raster::filter::gaussian_of;

const EXPONENT: f32 = 0.4;
/// Grey levels of activity below which the mark is not weakened further.
const FLOOR: f32 = 4.0;

/// Relative amplitude of the mark for each pixel of `luma` (0..=255): higher in texture, lower in flat zones,
/// at isolated edges (the least activity around counts) and at black and white.
pub(super) fn mask(luma: &Plane, scale: f64) -> Plane {
    let sigma = |pixels: f64| (pixels * scale) as f32;
    let keep = |v: f32| v;
    let detail = gaussian_of(luma, sigma(4.0), CUT, keep, |y, smooth| {
        for (s, v) in smooth.iter_mut().zip(luma.row(y)) {
            *s = v - *s;
        }
    });
    let activity = gaussian_of(
        &detail,
        sigma(2.0),
        CUT,
        |d| d * d,
        |_, power| {
            for v in power {
                *v = v.max(0.0).sqrt();
            }
        },
    );
    drop(detail);
    let activity = local_minimum(activity, ((7.0 * scale) as usize | 1) / 2);
    let table = Strengths::new();
    let mut strength = gaussian_of(&activity, sigma(3.0), CUT, keep, |_, row| {
        for v in row {
            *v = table.of(*v);
        }
    });
    let gain = 1.0 / rms(&strength).max(f64::MIN_POSITIVE) as f32;
    let width = luma.width().max(1);
    strength.data_mut().par_chunks_mut(width).zip(luma.data().par_chunks(width)).for_each(|(row, luma)| {
        for (m, y) in row.iter_mut().zip(luma) {
            let headroom = ((255.0 - y) / 4.0).clamp(0.3, 1.0) * (y / 4.0).clamp(0.3, 1.0);
            *m = (*m * gain).clamp(0.4, 2.5) * headroom;
        }
    });
    strength
}

/// (activity + floor) ^ exponent by linear interpolation: a power for every pixel would take longer than all else.
struct Strengths(Vec<f32>);

impl Strengths {
    const STEPS_PER_LEVEL: f32 = 8.0;

    fn new() -> Self {
        let steps = 255 * Self::STEPS_PER_LEVEL as usize + 2;
        Strengths((0..steps).map(|i| (i as f32 / Self::STEPS_PER_LEVEL + FLOOR).powf(EXPONENT)).collect())
    }

    /// Of an activity in 0..=255.
    #[inline]
    fn of(&self, activity: f32) -> f32 {
        let place = activity.clamp(0.0, 255.0) * Self::STEPS_PER_LEVEL;
        let step = place as usize;
        let (low, high) = (self.0[step], self.0[step + 1]);
        low + (high - low) * (place - step as f32)
    }
}

/// Root mean square.
pub(super) fn rms(plane: &Plane) -> f64 {
    let rows = plane.data().par_chunks(plane.width().max(1));
    let sums: Vec<f64> = rows.map(|row| sum(row, |v| v * v)).collect();
    (sums.iter().sum::<f64>() / plane.data().len().max(1) as f64).sqrt()
}

/// The least value within `radius` pixels across and down.
fn local_minimum(mut plane: Plane, radius: usize) -> Plane {
    let (width, height) = (plane.width(), plane.height());
    let window = 2 * radius + 1;
    let padding = width + 2 * radius;
    plane.data_mut().par_chunks_mut(width.max(1)).for_each_init(
        || (vec![f32::INFINITY; padding], vec![f32::INFINITY; padding]),
        |(seen, next), row| {
            seen.fill(f32::INFINITY);
            seen[radius..radius + width].copy_from_slice(row);
            // Minima of 1, 2, 4, … values; the last two of them cover the window.
            let mut span = 1;
            while 2 * span <= window {
                least(&mut next[..padding - span], seen, &seen[span..]);
                std::mem::swap(seen, next);
                span *= 2;
            }
            least(row, seen, &seen[window - span..]);
        },
    );
    let rows = plane;
    let mut data = vec![0.0f32; width * height];
    data.par_chunks_mut(width.max(1)).enumerate().for_each(|(y, out)| {
        out.copy_from_slice(rows.row(y));
        for other in y.saturating_sub(radius)..=(y + radius).min(height - 1) {
            for (o, v) in out.iter_mut().zip(rows.row(other)) {
                *o = lesser(*o, *v);
            }
        }
    });
    Plane::new(width, height, data)
}

fn least(out: &mut [f32], a: &[f32], b: &[f32]) {
    for ((o, a), b) in out.iter_mut().zip(a).zip(b) {
        *o = lesser(*a, *b);
    }
}

/// `f32::min` would ask for NaN, at the price of two more instructions.
#[inline]
fn lesser(a: f32, b: f32) -> f32 {
    if b < a { b } else { a }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texture_bears_more_than_a_flat_zone_and_white_bears_least() {
        let plane = Plane::from_fn(120, 40, |x, y| match x / 40 {
            0 => 128.0,
            1 => 128.0 + 50.0 * (((x * 13 + y * 29) % 17) as f32 / 17.0 - 0.5),
            _ => 255.0,
        });
        let m = mask(&plane, 1.0);
        assert!(m.at(60, 20) > 1.2 * m.at(15, 20));
        assert!(m.at(110, 20) < 0.5 * m.at(15, 20));
    }

    #[test]
    fn the_local_minimum_is_that_of_the_square() {
        let plane = Plane::from_fn(9, 7, |x, y| ((x * 5 + y * 11) % 13) as f32);
        let least = local_minimum(plane.clone(), 2);
        for (x, y) in [(0usize, 0usize), (4, 3), (8, 6)] {
            let mut expected = f32::INFINITY;
            for v in y.saturating_sub(2)..=(y + 2).min(6) {
                for u in x.saturating_sub(2)..=(x + 2).min(8) {
                    expected = expected.min(plane.at(u, v));
                }
            }
            assert_eq!(least.at(x, y), expected);
        }
    }
}
