//! Where a mark hides: strength by local activity.

use rayon::prelude::*;

use super::frontend::CUT;
use crate::raster::Plane;
use crate::raster::filter::gaussian;

const EXPONENT: f32 = 0.4;
/// Grey levels of activity below which the mark is not weakened further.
const FLOOR: f32 = 4.0;

/// Relative amplitude of the mark for each pixel of `luma` (0..=255): higher in texture, lower in flat zones,
/// at isolated edges (the least activity around counts) and at black and white.
pub(super) fn mask(luma: &Plane, scale: f64) -> Plane {
    let blur = |plane: &Plane, sigma: f64| gaussian(plane, (sigma * scale) as f32, CUT);
    let detail = luma.zip(&blur(luma, 4.0), |y, s| y - s);
    let activity = blur(&detail.map(|d| d * d), 2.0).map(|v| v.max(0.0).sqrt());
    let radius = ((7.0 * scale) as usize | 1) / 2;
    let activity = blur(&local_minimum(&activity, radius), 3.0);
    let strength = activity.map(|e| (e + FLOOR).powf(EXPONENT));
    let norm = rms(&strength).max(f64::MIN_POSITIVE) as f32;
    strength.zip(luma, |m, y| {
        (m / norm).clamp(0.4, 2.5) * ((255.0 - y) / 4.0).clamp(0.3, 1.0) * (y / 4.0).clamp(0.3, 1.0)
    })
}

/// Root mean square.
pub(super) fn rms(plane: &Plane) -> f64 {
    let sum: f64 = plane.data().iter().map(|v| f64::from(*v).powi(2)).sum();
    (sum / plane.data().len().max(1) as f64).sqrt()
}

/// The least value within `radius` pixels across and down.
fn local_minimum(plane: &Plane, radius: usize) -> Plane {
    let (width, height) = (plane.width(), plane.height());
    let mut rows = vec![0.0f32; width * height];
    rows.par_chunks_mut(width.max(1)).enumerate().for_each(|(y, out)| {
        let row = plane.row(y);
        out.copy_from_slice(row);
        for shift in 1..=radius.min(width - 1) {
            for (o, v) in out[shift..].iter_mut().zip(row) {
                *o = o.min(*v);
            }
            for (o, v) in out.iter_mut().zip(&row[shift..]) {
                *o = o.min(*v);
            }
        }
    });
    let mut data = vec![0.0f32; width * height];
    data.par_chunks_mut(width.max(1)).enumerate().for_each(|(y, out)| {
        out.fill(f32::INFINITY);
        for other in y.saturating_sub(radius)..=(y + radius).min(height - 1) {
            for (o, v) in out.iter_mut().zip(&rows[other * width..(other + 1) * width]) {
                *o = o.min(*v);
            }
        }
    });
    Plane::new(width, height, data)
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
        let least = local_minimum(&plane, 2);
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
