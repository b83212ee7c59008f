//! Colour axes of one reference: principal components of its RGB values.

use crate::raster::{Channels, Plane, Raster};

use super::image::Image;
use super::pca::symmetric_eigen;

/// Channels that differ less than this (of 1) everywhere hold a grey picture.
const NEUTRAL: f32 = 0.02;

/// A picture's own colour space: decorrelated axes, the first of unit variance, chroma raised a little
/// so that small coloured particles on a grey ground keep their weight in patch distances.
pub struct Colour {
    mean: Vec<f64>,
    /// `axes[c]` is the c-th principal direction in RGB.
    axes: Vec<Vec<f64>>,
    scale: Vec<f64>,
    /// Channels of the picture that comes back.
    channels: Channels,
}

impl Colour {
    /// The colour space of `reference`, and the reference in it. Neutral RGB becomes one channel.
    pub fn of(reference: &Raster) -> (Colour, Image) {
        let planes = if reference.is_neutral(NEUTRAL) { vec![reference.luma()] } else { reference.planes() };
        let mean: Vec<f64> = planes.iter().map(Plane::mean).collect();
        let (axes, deviations) = principal_axes(&planes, &mean);
        let first = deviations[0];
        let scale = deviations
            .iter()
            .map(|d| {
                // A nearly empty axis holds compression noise: do not raise it.
                let noise = *d < 0.02 * first + 0.001;
                let raise = if noise { 1.0 } else { (first / d).sqrt().min(3.0) };
                raise / first
            })
            .collect();
        let colour = Colour { mean, axes, scale, channels: reference.channels() };
        let image = colour.forward(&planes);
        (colour, image)
    }

    fn forward(&self, planes: &[Plane]) -> Image {
        let n = planes.len();
        let turned: Vec<Plane> = (0..n)
            .map(|c| {
                let weights: Vec<f32> = (0..n).map(|i| (self.axes[c][i] * self.scale[c]) as f32).collect();
                let offset: f64 = (0..n).map(|i| self.mean[i] * self.axes[c][i] * self.scale[c]).sum();
                Plane::from_fn(planes[0].width(), planes[0].height(), |x, y| {
                    (0..n).map(|i| planes[i].at(x, y) * weights[i]).sum::<f32>() - offset as f32
                })
            })
            .collect();
        Image::from_planes(&turned)
    }

    /// Back to planes of coded values (one for grey, three for RGB), nominally in 0..=1. Further channels are left out.
    pub fn inverse(&self, image: &Image) -> Vec<Plane> {
        let n = self.mean.len();
        let planes: Vec<Plane> = (0..n)
            .map(|i| {
                let weights: Vec<f32> = (0..n).map(|c| (self.axes[c][i] / self.scale[c]) as f32).collect();
                let data = image
                    .data
                    .chunks_exact(image.channels)
                    .map(|z| z.iter().zip(&weights).map(|(v, w)| v * w).sum::<f32>() + self.mean[i] as f32)
                    .collect();
                Plane::new(image.width, image.height, data)
            })
            .collect();
        match (n, self.channels) {
            (1, Channels::Rgb) => vec![planes[0].clone(), planes[0].clone(), planes[0].clone()],
            _ => planes,
        }
    }
}

/// Principal directions by falling variance, each with a positive sum, and the deviations along them.
fn principal_axes(planes: &[Plane], mean: &[f64]) -> (Vec<Vec<f64>>, Vec<f64>) {
    let n = planes.len();
    let count = planes[0].data().len() as f64;
    let mut covariance = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..=i {
            let sum: f64 = planes[i]
                .data()
                .iter()
                .zip(planes[j].data())
                .map(|(a, b)| (f64::from(*a) - mean[i]) * (f64::from(*b) - mean[j]))
                .sum();
            covariance[i * n + j] = sum / count;
            covariance[j * n + i] = sum / count;
        }
    }
    let (values, mut axes) = symmetric_eigen(covariance, n);
    for axis in &mut axes {
        if axis.iter().sum::<f64>() < 0.0 {
            axis.iter_mut().for_each(|v| *v = -*v);
        }
    }
    (axes, values.iter().map(|v| v.max(0.0).sqrt().max(1e-4)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raster::{Depth, Samples};

    #[test]
    fn there_and_back_is_the_same_picture() {
        let samples = Samples::Eight((0..12 * 9 * 3).map(|i| (i * 71 % 256) as u8).collect());
        let picture = Raster::new(12, 9, Channels::Rgb, samples, None);
        let (colour, image) = Colour::of(&picture);
        assert_eq!(Raster::from_planes(&colour.inverse(&image), Depth::Eight), picture);
    }

    #[test]
    fn the_first_axis_has_unit_variance_and_no_mean() {
        let samples = Samples::Eight((0..12 * 9 * 3).map(|i| (i * 71 % 256) as u8).collect());
        let (_, image) = Colour::of(&Raster::new(12, 9, Channels::Rgb, samples, None));
        let first = image.plane(0);
        assert!(first.mean().abs() < 1e-4 && (first.std() - 1.0).abs() < 1e-3);
    }

    #[test]
    fn neutral_rgb_is_one_channel_inside_and_three_outside() {
        let samples = Samples::Eight((0..12u8 * 9).flat_map(|i| [i, i, i]).collect());
        let (colour, image) = Colour::of(&Raster::new(12, 9, Channels::Rgb, samples, None));
        assert_eq!((image.channels, colour.inverse(&image).len()), (1, 3));
    }
}
