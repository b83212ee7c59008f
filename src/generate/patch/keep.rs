//! The part of a picture that is to stay: everything where the mask is black.

use crate::random::Stream;
use crate::raster::filter::gaussian;
use crate::raster::{Plane, Raster, Samples};

use super::image::{Image, resized};
use super::schedule::noised;

/// Standard deviation in pixels of the transition, which lies inside the varied area.
const EDGE: f32 = 1.5;

/// Where a mask counts as white.
const WHITE: f32 = 0.5;

/// Share of the picture that `mask` lets vary.
pub fn varied_share(mask: &Plane) -> f64 {
    let white = mask.data().iter().filter(|v| **v >= WHITE).count();
    white as f64 / mask.data().len().max(1) as f64
}

/// What stays, at full size.
pub struct Keep {
    reference: Image,
    /// 1 where the picture is varied, 0 where it stays.
    varied: Plane,
}

/// The same on one level.
pub struct Kept {
    reference: Image,
    varied: Plane,
}

impl Keep {
    pub fn new(reference: Image, mask: &Plane) -> Self {
        Keep { reference, varied: mask.map(|v| f32::from(u8::from(v >= WHITE))) }
    }

    pub fn at(&self, width: usize, height: usize) -> Kept {
        Kept {
            reference: self.reference.resized(width, height),
            varied: resized(&self.varied, width, height).map(|v| v.clamp(0.0, 1.0)),
        }
    }

    /// `drawn` where the mask is white, `reference` sample by sample where it is black; just inside the
    /// border one goes over into the other.
    pub fn join(&self, drawn: &Raster, reference: &Raster) -> Raster {
        let soft = gaussian(&self.varied, EDGE, 3.0);
        let share = self.varied.zip(&soft, |v, s| v * (2.0 * s - 1.0).clamp(0.0, 1.0));
        let channels = reference.channels().count();
        let mix = |i: usize| {
            let a = share.data()[i / channels];
            a * drawn.samples().unit(i) + (1.0 - a) * reference.samples().unit(i)
        };
        // A share of nothing gives back the very sample.
        let samples = Samples::from_unit((0..reference.samples().len()).map(mix), reference.depth());
        let (width, height) = (reference.width(), reference.height());
        Raster::new(width, height, reference.channels(), samples, reference.alpha().cloned())
    }
}

impl Kept {
    /// Puts back what stays.
    pub fn restore(&self, image: &mut Image) {
        blend(image, &self.reference, &self.varied);
    }

    /// The same under noise of standard deviation `sigma`.
    pub fn restore_noisy(&self, image: &mut Image, sigma: f64, stream: Stream) {
        blend(image, &noised(&self.reference, sigma, stream), &self.varied);
    }
}

fn blend(image: &mut Image, reference: &Image, varied: &Plane) {
    let channels = image.channels;
    let pixels = image.data.chunks_exact_mut(channels).zip(reference.data.chunks_exact(channels));
    for ((pixel, own), share) in pixels.zip(varied.data()) {
        for (v, r) in pixel.iter_mut().zip(own) {
            *v = r + share * (*v - r);
        }
    }
}
