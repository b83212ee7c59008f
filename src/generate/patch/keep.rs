//! The part of a picture that is to stay: everything where the mask is black.

use crate::random::Stream;
use crate::raster::{Plane, Raster};

use super::super::{Area, masked};
use super::image::{Image, resized};
use super::schedule::noised;

/// The reference and where the picture is varied, at one size.
pub struct Keep {
    reference: Image,
    /// 1 where the picture is varied, 0 where it stays.
    varied: Plane,
}

impl Keep {
    /// `varied` is 1 where the picture is varied, and 0 elsewhere.
    pub fn new(reference: Image, varied: Plane) -> Self {
        Keep { reference, varied }
    }

    /// The same at another size.
    pub fn at(&self, width: usize, height: usize) -> Keep {
        Keep {
            reference: self.reference.resized(width, height),
            varied: resized(&self.varied, width, height).map(|v| v.clamp(0.0, 1.0)),
        }
    }

    /// `drawn` where the picture is varied, `reference` elsewhere, and the share that is not the reference alone.
    pub fn join(&self, drawn: &Raster, reference: &Raster) -> (Raster, f64) {
        masked::join(&self.varied, drawn, reference)
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
