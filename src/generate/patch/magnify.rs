//! A larger picture with the detail that the reference's own texture suggests.
//!
//! Patches of a magnified picture look like patches of the reference that lost its finest band (Glasner et
//! al. 2009): the band that those lost is added, and what the smaller picture said stays true.

use std::borrow::Cow;

use rayon::prelude::*;

use crate::random::Stream;
use crate::raster::filter::gaussian;

use super::features::{Dictionary, Feature};
use super::field::Field;
use super::image::Image;
use super::matcher::{OUTSIDE, edge};
use super::search::{Bias, Costs, Search};
use super::sources::Sources;
use super::vote::vote;

const PATCH: usize = 5;
const SAMPLES: usize = 4000;
const PASSES: usize = 6;
/// Standard deviation in pixels of what is taken away before patches are compared: only local contrast counts.
const LOCAL: f32 = 3.0;
/// Standard deviation in pixels of the voting kernel.
const KERNEL: f64 = 0.8;
/// Times that the picture is corrected to shrink to what it was.
const CORRECTIONS: usize = 3;
/// Most in one step.
const STEP: f64 = 2.0;

/// Steps in which a picture of `from` becomes one of `to`: the sizes after each.
pub fn sizes(from: (usize, usize), to: (usize, usize)) -> Vec<(usize, usize)> {
    let ratio = |from: usize, to: usize| to as f64 / from as f64;
    let most = ratio(from.0, to.0).max(ratio(from.1, to.1)).max(1.0);
    // A little over is no reason for another step.
    let steps = (most.ln() / STEP.ln() - 0.05).ceil().max(1.0) as i32;
    let side = |from: usize, to: usize, i: i32| {
        (from as f64 * ratio(from, to).powf(f64::from(i) / f64::from(steps))).round() as usize
    };
    (1..=steps).map(|i| (side(from.0, to.0, i), side(from.1, to.1, i))).collect()
}

/// The reference's patches without their finest band, and that band.
pub struct Magnifier<'a> {
    dictionary: Dictionary<i16, 16>,
    keys: Vec<Vec<Feature<i16, 16>>>,
    bands: Vec<Image>,
    bias: Bias<'a>,
    /// Width and height of a copy.
    size: (usize, usize),
}

impl<'a> Magnifier<'a> {
    /// For steps that make a picture `ratio` times as large along either side.
    pub fn new(sources: &'a Sources, ratio: f64, stream: Stream) -> Self {
        let images = sources.images();
        let blurred: Vec<Image> = images.par_iter().map(|image| without_band(image, ratio)).collect();
        let bands = images.par_iter().zip(&blurred).map(|(a, b)| difference(a, b)).collect();
        let shown: Vec<Image> = blurred.par_iter().map(local).collect();
        let (dictionary, _) = Dictionary::of(&shown[0], PATCH, SAMPLES, stream);
        let outside = OUTSIDE * dictionary.energy;
        Magnifier {
            keys: dictionary.describe_all(shown.iter().map(Cow::Borrowed)),
            dictionary,
            bands,
            bias: Bias { sources, outside, usage: None },
            size: (sources.width, sources.height),
        }
    }

    /// `image` at `size`, larger along one side at least.
    pub fn magnify(&self, image: &Image, size: (usize, usize), stream: Stream) -> Image {
        let (width, height) = size;
        let mut larger = image.resized(width, height);
        let query = self.dictionary.described(&local(&larger));
        let copies = self.bands.len();
        let mut field = Field::random(size, copies, self.size, stream.child(0));
        let costs = Costs {
            bias: &self.bias,
            own_place: 0,
            upright: 0,
            own_radius: 0,
            edge: edge(PATCH),
            bend: None,
            barred: &[],
            barred_cost: 0,
            barred_radius: 0,
        };
        let (sources, quantiser) = (&self.keys, &self.dictionary.quantiser);
        let (size, stream) = (self.size, stream.child(1));
        Search { query: &query, sources, quantiser, size, costs, stream }.run(&mut field, PASSES);
        drop(query);
        let band = vote(&self.bands.iter().collect::<Vec<_>>(), &field, PATCH, KERNEL);
        add(&mut larger, &band);
        for _ in 0..CORRECTIONS {
            let missing = difference(image, &larger.resized(image.width, image.height));
            add(&mut larger, &missing.resized(width, height));
        }
        larger
    }
}

fn add(image: &mut Image, band: &Image) {
    image.data.iter_mut().zip(&band.data).for_each(|(v, b)| *v += b);
}

/// `image` as it is after it was made smaller by `ratio` and larger again.
fn without_band(image: &Image, ratio: f64) -> Image {
    let side = |n: usize| ((n as f64 / ratio).round() as usize).max(8);
    image.resized(side(image.width), side(image.height)).resized(image.width, image.height)
}

fn difference(a: &Image, b: &Image) -> Image {
    let data = a.data.iter().zip(&b.data).map(|(x, y)| x - y).collect();
    Image { data, ..*a }
}

/// Local contrast.
fn local(image: &Image) -> Image {
    image.map_planes(|plane| plane.zip(&gaussian(plane, LOCAL, 3.0), |v, mean| v - mean))
}

#[cfg(test)]
mod tests {
    use super::super::corpus;
    use super::*;
    use crate::raster::Plane;

    #[test]
    fn steps_double_at_most_and_end_at_the_size() {
        assert_eq!(sizes((100, 80), (200, 160)), [(200, 160)]);
        assert_eq!(sizes((100, 80), (300, 240)).len(), 2);
        assert_eq!(sizes((100, 80), (400, 320)), [(200, 160), (400, 320)]);
        assert_eq!(sizes((100, 80), (100, 82)), [(100, 82)]);
        assert_eq!(sizes((100, 80), (201, 160)), [(201, 160)]);
    }

    #[test]
    fn a_magnified_picture_is_sharper_than_its_enlargement_and_shrinks_to_the_same() {
        let stripes = Plane::from_fn(96, 96, |x, y| {
            let (x, y) = (x as f32 - 48.0, y as f32 - 48.0);
            if (x.hypot(y) / 5.0).sin() > 0.0 { 1.0 } else { -1.0 }
        });
        let reference = Image::from_planes(&[stripes]);
        let copies: Vec<_> = (0..4).map(|k| corpus::copy(&reference, (96, 96), k, 0.5, false, 1)).collect();
        let sources = Sources::new(&copies, 96, 96);
        let stream = Stream::new(1, "test");
        let magnified =
            Magnifier::new(&sources, 2.0, stream.child(0)).magnify(&reference, (192, 192), stream.child(1));
        let plain = reference.resized(192, 192);
        let steepness = |image: &Image| {
            let plane = image.plane(0);
            (0..191 * 192).map(|i| (plane.data()[i + 1] - plane.data()[i]).powi(2)).sum::<f32>()
        };
        assert!(steepness(&magnified) > 1.1 * steepness(&plain));
        let again = magnified.resized(96, 96);
        let error = difference(&again, &reference).plane(0).std();
        assert!(error < 0.1, "{error}");
    }
}
