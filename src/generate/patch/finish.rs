//! The last touch: brightness and contrast as in the reference, within bounds.
//!
//! Matching whole histograms was tried and rejected: where the mix of contents changes, it tints.

use super::image::Image;

/// Mean and deviation of a picture's luminance axis.
#[derive(Clone, Copy, Debug)]
pub struct Tones {
    mean: f64,
    deviation: f64,
}

impl Tones {
    pub fn of(image: &Image) -> Self {
        let luminance = image.plane(0);
        Tones { mean: luminance.mean(), deviation: luminance.std() }
    }

    /// Brings those of `image` towards these: contrast by at most 10 %, brightness by at most a tenth of the
    /// reference's deviation.
    pub fn finish(self, image: &mut Image) {
        let drawn = Tones::of(image);
        let mean = drawn.mean as f32;
        let gain = (self.deviation / (drawn.deviation + 1e-6)).clamp(0.9, 1.1) as f32;
        let shift = (self.mean as f32 - mean).clamp(-0.1, 0.1);
        let channels = image.channels;
        for v in image.data.iter_mut().step_by(channels) {
            *v = (*v - mean) * gain + mean + shift;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raster::Plane;

    #[test]
    fn small_differences_vanish_and_large_ones_are_bounded() {
        let reference =
            Image::from_planes(&[Plane::from_fn(40, 40, |x, _| if x % 2 == 0 { 1.0 } else { -1.0 })]);
        let mut near = reference.map_planes(|p| p.map(|v| v * 0.95 + 0.05));
        Tones::of(&reference).finish(&mut near);
        assert!(near.data.iter().zip(&reference.data).all(|(a, b)| (a - b).abs() < 1e-3));
        let mut far = reference.map_planes(|p| p.map(|v| v + 3.0));
        Tones::of(&reference).finish(&mut far);
        assert!((far.plane(0).mean() - 2.9).abs() < 1e-3);
    }
}
