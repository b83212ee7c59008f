//! The picture at the size at which a mark is fitted to it.

use super::frontend::{Front, embed_scale};
use super::key::TILE;
use super::spectrum::HalfLattice;
use crate::raster::{Plane, Raster};

/// Tiles of more than this times 61 pixels are looked at in a reduced picture: of a huge picture no plane of
/// its full size is ever made.
const MAX_SCALE: f64 = 2.0;

/// The picture's luma, of tiles at most twice the least size.
pub(super) struct Sketch {
    /// In grey levels, 0..=255.
    pub luma: Plane,
    /// Size of its tiles over 61 pixels.
    pub scale: f64,
    /// Its tiles in pixels (x, y).
    periods: [f64; 2],
    /// Where the origin of the given picture, its pixel (width / 2, height / 2), lies from that of this one,
    /// in tiles (x, y).
    origin: [f64; 2],
}

impl Sketch {
    pub fn of(raster: &Raster) -> Self {
        let given = [raster.width(), raster.height()].map(|n| n as usize);
        let scale = embed_scale(given[0], given[1]);
        let shrink = (MAX_SCALE / scale).min(1.0);
        let size = given.map(|n| (n as f64 * shrink).round() as usize);
        let mut luma = raster.luma_reduced(size[0], size[1]);
        luma.data_mut().iter_mut().for_each(|v| *v *= 255.0);
        let factor = [0, 1].map(|i| size[i] as f64 / given[i] as f64);
        let periods = factor.map(|factor| TILE * scale * factor);
        let origin = [0, 1].map(|i| {
            let centre = ((given[i] / 2) as f64 + 0.5) * factor[i] - 0.5;
            (centre - (size[i] / 2) as f64) / periods[i]
        });
        Sketch { luma, scale: scale * shrink, periods, origin }
    }

    /// The spectrum of its front end, at the lattice of the given picture.
    pub fn spectrum(&self, front: &Front) -> HalfLattice {
        let picture = front.windowed();
        if self.periods == [TILE * self.scale; 2] && self.origin == [0.0; 2] {
            return HalfLattice::of_picture(&picture, self.scale);
        }
        HalfLattice::of_periods(&picture, self.periods).with_origin_moved(self.origin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raster::{Channels, Samples};
    use crate::watermark::key::Line;

    #[test]
    fn a_wave_of_the_full_picture_keeps_its_phase() {
        let (width, height) = (2501usize, 2304usize);
        let period = TILE * 2304.0 / 1024.0;
        let (k, phase) = (Line { x: 7, y: 12 }, 0.7);
        let level = |x: usize, y: usize| {
            let turns = (7.0 * (x as f64 - 1250.0) + 12.0 * (y as f64 - 1152.0)) / period;
            (128.0 + 20.0 * (std::f64::consts::TAU * turns + phase).cos()).round() as u8
        };
        let samples = (0..width * height).map(|i| level(i % width, i / width)).collect();
        let raster = Raster::new(width as u32, height as u32, Channels::Grey, Samples::Eight(samples), None);
        let sketch = Sketch::of(&raster);
        assert_eq!((sketch.luma.width(), sketch.luma.height(), sketch.scale), (2223, 2048, 2.0));
        let seen = sketch.spectrum(&Front::of(&sketch.luma, sketch.scale)).line(k);
        assert!((seen.arg() - phase as f32).abs() < 0.01, "{}", seen.arg());
    }
}
