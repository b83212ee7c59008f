//! How much detail lies around every pixel of a coarse level that the level itself is too small to show: there a
//! channel of its own (texture energy, Laws 1980).
//!
//! What is smaller than a coarse pixel is but a grey shade there. Without this channel the layout knows nothing of
//! small particles, and they are lost.

use crate::raster::Plane;
use crate::raster::filter::gaussian;

use super::corpus::Copy;
use super::image::resized;
use super::pyramid::{Pyramid, factor};
use super::sources::Sources;

/// Levels that have the channel, from the coarsest on; level 0 never has it.
const LEVELS: usize = 4;
/// Deviation of the channel, where that of the luminance is 1.
const WEIGHT: f32 = 1.5;
/// Detail between these two blurs counts, and is gathered under the third: standard deviations in pixels of the
/// coarsest level.
const FINE: f64 = 0.2;
const COARSE: f64 = 1.0;
const GATHER: f64 = 0.5;

/// Level where the detail can still be seen.
pub fn finest(pyramid: &Pyramid) -> usize {
    pyramid.coarsest().saturating_sub(LEVELS)
}

/// The channel of every copy of the corpus, at a size where the detail can still be seen.
pub struct Energy(Vec<Plane>);

/// Detail around every pixel of `copy`.
pub fn detail(copy: &Copy, pyramid: &Pyramid) -> Plane {
    let level = finest(pyramid);
    let (width, height) = pyramid.size(level);
    let scale = factor(pyramid.coarsest() - level);
    let blur = |plane: &Plane, deviation: f64| gaussian(plane, (deviation * scale) as f32, 3.0);
    let luminance = resized(&copy.image.plane(0), width, height);
    let detail = blur(&luminance, FINE).zip(&blur(&luminance, COARSE), |fine, coarse| (fine - coarse).abs());
    blur(&detail, GATHER)
}

impl Energy {
    /// Of the [`detail`] of all copies, the upright one first.
    pub fn new(details: Vec<Plane>) -> Self {
        let (mean, deviation) = (details[0].mean() as f32, details[0].std() as f32);
        // A picture without detail has a channel without contrast.
        let gain = if deviation > 1e-4 { WEIGHT / deviation } else { 0.0 };
        Energy(details.into_iter().map(|plane| plane.map(|v| (v - mean) * gain)).collect())
    }

    /// Whether `level` has the channel.
    pub fn is_on(level: usize, pyramid: &Pyramid) -> bool {
        level > 0 && level + LEVELS > pyramid.coarsest()
    }

    /// Adds the channel to every copy.
    pub fn add_to(&self, sources: &mut Sources) {
        for (copy, energy) in sources.copies.iter_mut().zip(&self.0) {
            copy.image.push(&resized(energy, sources.width, sources.height));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::corpus;
    use super::super::image::Image;
    use super::*;

    /// Of one mean on both sides: plain on the left, dotted on the right.
    fn dotted() -> Image {
        let dots = |x: usize, y: usize| if (x / 2 + y / 2).is_multiple_of(2) { 1.0 } else { -1.0 };
        Image::from_planes(&[Plane::from_fn(200, 160, |x, y| if x < 100 { 0.0 } else { dots(x, y) })])
    }

    #[test]
    fn dots_too_small_to_see_are_energy_on_the_coarsest_level() {
        let pyramid = Pyramid::new(200, 160);
        let corpus = vec![corpus::copy(&dotted(), (200, 160), 0, 0.0, false, 1)];
        let (width, height) = pyramid.size(pyramid.coarsest());
        let mut sources = Sources::new(&corpus, width, height);
        Energy::new(vec![detail(&corpus[0], &pyramid)]).add_to(&mut sources);
        let image = &sources.copies[0].image;
        assert_eq!(image.channels, 2);
        let (luminance, energy) = (image.plane(0), image.plane(1));
        let (left, right) = (width / 4, 3 * width / 4);
        let middle = height / 2;
        assert!((luminance.at(left, middle) - luminance.at(right, middle)).abs() < 0.1);
        assert!(energy.at(right, middle) - energy.at(left, middle) > 1.5);
    }

    #[test]
    fn the_finest_level_never_has_the_channel_and_the_coarsest_of_several_does() {
        let levels = |width, height| {
            let pyramid = Pyramid::new(width, height);
            (0..=pyramid.coarsest()).filter(|l| Energy::is_on(*l, &pyramid)).collect::<Vec<_>>()
        };
        assert_eq!(levels(320, 201), [2, 3, 4, 5]);
        assert_eq!(levels(60, 60), [1, 2]);
        assert!(levels(30, 30).is_empty());
    }
}
