//! The microscope: contrast transfer, illumination, and the noise and blur of the detector.

use rayon::prelude::*;

use super::chance::{Dice, mix};
use crate::fourier::{RealFft2, fast_size};
use crate::random::Stream;
use crate::raster::{Kernel, Plane, filter, resize};

/// Wavelength of 80 kV electrons in nanometres.
const WAVELENGTH: f32 = 0.004_176;
/// Spherical aberration in nanometres (2 mm).
const SPHERICAL: f32 = 2.0e6;
/// Half angle of illumination in radians, of a thermionic gun.
const CONVERGENCE: f32 = 0.4e-3;
/// Share of contrast that is due to absorption: high, for heavy metal.
const AMPLITUDE: f32 = 0.5;
/// Standard deviation of the phase of amorphous carbon, as absorbance in a square nanometre.
const CARBON: f32 = 0.07;
/// Electrons counted where nothing absorbs, per pixel of the finished picture.
const DOSE: f32 = 1500.0;

/// One exposure. What a session at the microscope varies is drawn from the stream.
pub struct Exposure {
    /// Underfocus in nanometres.
    defocus: f32,
    /// Brightness falls off from a point beside the middle.
    centre: [f32; 2],
    fall: f32,
    slope: [f32; 2],
    noise: Stream,
}

impl Exposure {
    pub fn new(stream: Stream) -> Self {
        let dice = &mut Dice::new(stream);
        Exposure {
            defocus: dice.range(700.0, 1300.0),
            centre: [dice.range(0.3, 0.7), dice.range(0.3, 0.7)],
            fall: dice.range(0.05, 0.2),
            slope: [dice.range(-0.12, 0.12), dice.range(-0.12, 0.12)],
            noise: dice.stream(),
        }
    }

    /// Electrons behind a specimen of this absorbance (`pixel` nanometres apart), on `width` × `height`
    /// detector pixels; 1 where nothing absorbs.
    pub fn expose(&self, absorbance: &Plane, pixel: f32, width: usize, height: usize) -> Plane {
        let seen = self.transfer(absorbance, pixel).map(|a| (-a).exp());
        let mut image = filter::gaussian(&resize(&seen, width, height, Kernel::Lanczos), 0.4, 4.0);
        image.data_mut().par_chunks_mut(width).enumerate().for_each(|(y, row)| {
            for (x, value) in row.iter_mut().enumerate() {
                let light = self.light(x as f32 / width as f32, y as f32 / height as f32);
                // Shot noise, normal at this dose; the second term is the detector's own.
                let sigma = (*value * light / DOSE).max(0.0).sqrt() + 0.004;
                *value = *value * light + sigma * self.noise.normal((y * width + x) as u64) as f32;
            }
        });
        filter::gaussian(&image, 0.38, 4.0)
    }

    fn light(&self, x: f32, y: f32) -> f32 {
        let (dx, dy) = (x - self.centre[0], y - self.centre[1]);
        1.0 - self.fall * (dx * dx + dy * dy) * 2.0 + self.slope[0] * dx + self.slope[1] * dy
    }

    /// The absorbance as defocus and aberration pass it on, with the phase grain of the carbon film.
    fn transfer(&self, absorbance: &Plane, pixel: f32) -> Plane {
        let (width, height) = (absorbance.width(), absorbance.height());
        // The border is mirrored outwards, so that the transform's wrap-around stays outside the picture.
        let margin = ((30.0 / pixel) as usize).clamp(8, 64);
        let (wide, high) = (fast_size(width + 2 * margin), fast_size(height + 2 * margin));
        let carbon = self.noise.child(1);
        let mut padded = vec![0.0; wide * high];
        padded.par_chunks_mut(wide).enumerate().for_each(|(y, row)| {
            let from = absorbance.row(filter::mirror(y as isize - margin as isize, height));
            for (x, value) in row.iter_mut().enumerate() {
                let grain = carbon.normal((y * wide + x) as u64) as f32 * CARBON / pixel;
                *value = from[filter::mirror(x as isize - margin as isize, width)] + grain;
            }
        });
        let plan = RealFft2::new(wide, high);
        let mut spectrum = plan.forward(&padded);
        let columns = spectrum.columns();
        spectrum.data_mut().par_chunks_mut(columns).enumerate().for_each(|(y, row)| {
            let fy = y.min(high - y) as f32 / (high as f32 * pixel);
            for (x, value) in row.iter_mut().enumerate() {
                let fx = x as f32 / (wide as f32 * pixel);
                *value *= self.contrast(fx * fx + fy * fy);
            }
        });
        let back = plan.inverse(spectrum);
        let scale = 1.0 / (wide * high) as f32;
        Plane::from_fn(width, height, |x, y| back[(y + margin) * wide + x + margin] * scale)
    }

    /// Contrast transfer at a squared spatial frequency in 1/nm², 1 at frequency 0.
    ///
    /// Amplitude and phase part with the envelope of partial spatial coherence (Wade and Frank 1977).
    fn contrast(&self, squared: f32) -> f32 {
        use std::f32::consts::PI;
        let phase =
            PI * WAVELENGTH * squared * (self.defocus - 0.5 * SPHERICAL * WAVELENGTH.powi(2) * squared);
        let slope = squared.sqrt() * (self.defocus - SPHERICAL * WAVELENGTH.powi(2) * squared);
        let envelope = (-(PI * CONVERGENCE * slope).powi(2)).exp();
        let ratio = (1.0 - AMPLITUDE * AMPLITUDE).sqrt() / AMPLITUDE;
        envelope * (phase.cos() + ratio * phase.sin())
    }
}

/// The print: electrons to grey values in 0..=1, stretched so that few pixels clip.
pub fn print(image: &Plane) -> Plane {
    let mut sorted: Vec<f32> = image.data().to_vec();
    let at = |sorted: &mut [f32], share: f32| {
        let k = ((sorted.len() - 1) as f32 * share) as usize;
        *sorted.select_nth_unstable_by(k, f32::total_cmp).1
    };
    let (black, white) = (at(&mut sorted, 0.004), at(&mut sorted, 0.996));
    let range = (white - black).max(1e-6);
    image.map(|v| mix(0.03, 0.97, (v - black) / range).clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contrast_starts_at_one_oscillates_and_dies_away() {
        let exposure = Exposure { defocus: 1000.0, ..Exposure::new(Stream::new(1, "optics")) };
        let curve: Vec<f32> = (0..400).map(|i| exposure.contrast((i as f32 / 200.0).powi(2))).collect();
        assert!((curve[0] - 1.0).abs() < 1e-6);
        assert!(curve.windows(2).filter(|pair| pair[0] * pair[1] < 0.0).count() >= 2);
        assert!(curve[0..60].iter().any(|c| *c > 1.2) && curve[399].abs() < 0.05);
    }

    #[test]
    fn an_even_specimen_keeps_its_mean_through_the_transfer() {
        let exposure = Exposure::new(Stream::new(1, "optics"));
        let out = exposure.transfer(&Plane::filled(90, 61, 0.7), 1.5);
        assert!((out.mean() - 0.7).abs() < 0.01);
    }
}
