//! Measures that people know, reported for familiarity and never decisive.

use crate::raster::filter::gaussian;
use crate::raster::{Kernel, Plane, resize};

/// PSNR in dB between two lumas in 0..=1, `reference` resized to the size of `output`; at most 100.
pub fn psnr(output: &Plane, reference: &Plane) -> f64 {
    let reference = resize(reference, output.width(), output.height(), Kernel::Area);
    let error = output.zip(&reference, |a, b| (a - b) * (a - b)).mean();
    if error <= 1e-10 { 100.0 } else { -10.0 * error.log10() }
}

/// Mean structural similarity of two lumas in 0..=1 (Wang et al. 2004: Gaussian window of σ = 1.5 pixels,
/// K₁ = 0.01, K₂ = 0.03), `reference` resized to the size of `output`.
pub fn ssim(output: &Plane, reference: &Plane) -> f64 {
    const C1: f32 = 0.01 * 0.01;
    const C2: f32 = 0.03 * 0.03;
    let reference = resize(reference, output.width(), output.height(), Kernel::Area);
    let window = |p: &Plane| gaussian(p, 1.5, 3.5);
    let (ma, mb) = (window(output), window(&reference));
    let aa = window(&output.zip(output, |a, b| a * b));
    let bb = window(&reference.zip(&reference, |a, b| a * b));
    let ab = window(&output.zip(&reference, |a, b| a * b));
    let n = ma.data().len();
    let sum: f64 = (0..n)
        .map(|i| {
            let (ma, mb) = (ma.data()[i], mb.data()[i]);
            let (va, vb, cov) = (aa.data()[i] - ma * ma, bb.data()[i] - mb * mb, ab.data()[i] - ma * mb);
            let value = (2.0 * ma * mb + C1) * (2.0 * cov + C2)
                / ((ma * ma + mb * mb + C1) * (va.max(0.0) + vb.max(0.0) + C2));
            f64::from(value)
        })
        .sum();
    sum / n as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp() -> Plane {
        Plane::from_fn(40, 30, |x, y| ((x * 7 + y * 13) % 50) as f32 / 50.0)
    }

    #[test]
    fn a_picture_is_wholly_similar_to_itself() {
        assert!((ssim(&ramp(), &ramp()) - 1.0).abs() < 1e-6);
        assert_eq!(psnr(&ramp(), &ramp()), 100.0);
    }

    #[test]
    fn a_tenth_of_brightness_is_twenty_decibels() {
        assert!((psnr(&ramp().map(|v| v + 0.1), &ramp()) - 20.0).abs() < 1e-3);
    }

    #[test]
    fn an_inverted_picture_is_dissimilar() {
        assert!(ssim(&ramp().map(|v| 1.0 - v), &ramp()) < 0.0);
    }
}
