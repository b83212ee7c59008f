//! Tonal back-projection: the lowest band of the picture stays what the layout made it.
//!
//! Without it, patches of slightly different ground leave rectangular seams. Higher bands stay free:
//! tying them, too, was tried and locks the layout's errors in.

use crate::raster::Plane;
use crate::raster::filter::gaussian;

use super::image::{Image, resized};

/// Share of the difference that is put back.
const GAIN: f32 = 0.7;
/// Standard deviation of the band's blur for a short side of 26 pixels.
const BLUR: f32 = 1.5 / 26.0;
/// Differences beyond this, and this many times the median one, do not count more: a bright thing that has come to lie
/// a little elsewhere would leave a dark shade on one side and a bright one on the other.
const TONE: f32 = 0.5;
const MEDIANS: f32 = 10.0;

/// Draws the lowest band of `image` towards that of `wanted`, which is smaller.
pub fn restore(image: &mut Image, wanted: &Image) {
    let sigma = BLUR * wanted.height.min(wanted.width) as f32;
    let small = image.resized(wanted.width, wanted.height);
    let channels = image.channels;
    for c in 0..channels {
        let missing = wanted.plane(c).zip(&small.plane(c), |w, s| w - s);
        let bound = TONE + MEDIANS * median_size(&missing);
        let missing = missing.map(|v| v.clamp(-bound, bound));
        let missing = resized(&gaussian(&missing, sigma, 3.0), image.width, image.height);
        for (v, m) in image.data.iter_mut().skip(c).step_by(channels).zip(missing.data()) {
            *v += GAIN * m;
        }
    }
}

fn median_size(plane: &Plane) -> f32 {
    let mut sizes: Vec<f32> = plane.data().iter().map(|v| v.abs()).collect();
    let middle = sizes.len() / 2;
    *sizes.select_nth_unstable_by(middle, f32::total_cmp).1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tone_moves_towards_the_wanted_one_and_detail_stays() {
        let checks = Plane::from_fn(80, 60, |x, y| if (x + y) % 2 == 0 { 0.3 } else { -0.3 });
        let mut image = Image::from_planes(&[checks]);
        let wanted = Image::from_planes(&[Plane::filled(40, 30, 1.0)]);
        restore(&mut image, &wanted);
        let plane = image.plane(0);
        assert!((plane.mean() - 0.7).abs() < 1e-3 && (plane.std() - 0.3).abs() < 1e-3);
    }

    #[test]
    fn a_bright_thing_that_moved_leaves_little_of_a_shade() {
        let disc = |at: f32| {
            let inside = move |x, y| (x as f32 - at).hypot(y as f32 - 30.0) < 10.0;
            Plane::from_fn(80, 60, move |x, y| if inside(x, y) { 5.0 } else { 0.0 })
        };
        let mut image = Image::from_planes(&[disc(42.0)]);
        restore(&mut image, &Image::from_planes(&[disc(39.0)]));
        let ground = image.plane(0).zip(&disc(42.0), |v, thing| if thing > 0.0 { 0.0 } else { v.abs() });
        let most = ground.data().iter().copied().fold(0.0, f32::max);
        assert!(most < 0.15, "{most}");
    }
}
