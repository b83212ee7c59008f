//! The part of a picture that is to stay: everything where the mask is black.

use crate::random::Stream;
use crate::raster::filter::gaussian;
use crate::raster::{Plane, Raster, Samples};

use super::super::Area;
use super::image::{Image, resized};
use super::schedule::noised;

/// Standard deviation in pixels of the transition, which lies inside the varied area.
const EDGE: f32 = 1.5;

/// Where a mask counts as white.
const WHITE: f32 = 0.5;

/// The reference and where the picture is varied, at one size.
pub struct Keep {
    reference: Image,
    /// 1 where the picture is varied, 0 where it stays.
    varied: Plane,
}

impl Keep {
    pub fn new(reference: Image, mask: &Plane) -> Self {
        Keep { reference, varied: mask.map(|v| f32::from(u8::from(v >= WHITE))) }
    }

    /// The same at another size.
    pub fn at(&self, width: usize, height: usize) -> Keep {
        Keep {
            reference: self.reference.resized(width, height),
            varied: resized(&self.varied, width, height).map(|v| v.clamp(0.0, 1.0)),
        }
    }

    /// `drawn` where the mask is white, `reference` sample by sample where it is black; just inside the
    /// border one goes over into the other. And the share of the picture that is not the reference alone.
    pub fn join(&self, drawn: &Raster, reference: &Raster) -> (Raster, f64) {
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
        let joined = Raster::new(width, height, reference.channels(), samples, reference.alpha().cloned());
        let varied = share.data().iter().filter(|a| **a > 0.0).count();
        (joined, varied as f64 / share.data().len() as f64)
    }

    /// Whether any of `area`, in pixels of this size, is varied.
    pub fn varies(&self, area: &Area) -> bool {
        let rows = area.top..area.top + area.height;
        rows.into_iter()
            .any(|y| self.varied.row(y)[area.left..area.left + area.width].iter().any(|v| *v > 0.0))
    }

    /// Puts back what stays.
    pub fn restore(&self, image: &mut Image) {
        blend(image, &self.reference, &self.varied);
    }

    /// The same under noise of standard deviation `sigma`.
    pub fn restore_noisy(&self, image: &mut Image, sigma: f64, stream: Stream) {
        blend(image, &noised(self.reference.clone(), sigma, stream), &self.varied);
    }
}

fn blend(image: &mut Image, reference: &Image, varied: &Plane) {
    // A channel that the reference lacks stays as it was drawn.
    let own = reference.data.chunks_exact(reference.channels);
    let pixels = image.data.chunks_exact_mut(image.channels).zip(own);
    for ((pixel, own), share) in pixels.zip(varied.data()) {
        for (v, r) in pixel.iter_mut().zip(own) {
            *v = r + share * (*v - r);
        }
    }
}
