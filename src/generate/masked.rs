//! Varying a part of a picture: what the mask says, and the seam.

use crate::raster::filter::gaussian;
use crate::raster::{self, DecodeError, Limits, Plane, Raster, Samples};

use super::GenerateError;

/// Standard deviation in pixels of the transition, which lies inside the varied area.
const EDGE: f32 = 1.5;
/// Where a mask counts as white.
const WHITE: f32 = 0.5;

/// Where to vary: the brightness of the picture in `bytes`, 0..=1.
///
/// # Errors
/// When it is no picture that can be read under `limits`.
pub fn mask(bytes: &[u8], limits: &Limits) -> Result<Plane, DecodeError> {
    Ok(raster::decode(bytes, limits)?.raster.flatten().luma())
}

/// 1 where `mask` lets `reference` vary, 0 where it stays.
///
/// # Errors
/// When the mask has another size.
pub fn varied(mask: &Plane, reference: &Raster) -> Result<Plane, GenerateError> {
    let (width, height) = (mask.width(), mask.height());
    let (expected_width, expected_height) = (reference.width(), reference.height());
    if (width, height) != (expected_width as usize, expected_height as usize) {
        return Err(GenerateError::Mask { width, height, expected_width, expected_height });
    }
    Ok(mask.map(|v| f32::from(u8::from(v >= WHITE))))
}

/// `drawn` where the picture is `varied`, `reference` sample by sample where it is not; just inside the
/// border one goes over into the other. And the share of the picture that is not the reference alone.
pub fn join(varied: &Plane, drawn: &Raster, reference: &Raster) -> (Raster, f64) {
    let soft = gaussian(varied, EDGE, 3.0);
    let share = varied.zip(&soft, |v, s| v * (2.0 * s - 1.0).clamp(0.0, 1.0));
    let channels = reference.channels().count();
    let mix = |i: usize| {
        let a = share.data()[i / channels];
        a * drawn.samples().unit(i) + (1.0 - a) * reference.samples().unit(i)
    };
    // A share of nothing gives back the very sample.
    let samples = Samples::from_unit((0..reference.samples().len()).map(mix), reference.depth());
    let (width, height) = (reference.width(), reference.height());
    let joined = Raster::new(width, height, reference.channels(), samples, reference.alpha().cloned());
    let count = share.data().iter().filter(|a| **a > 0.0).count();
    (joined, count as f64 / share.data().len() as f64)
}
