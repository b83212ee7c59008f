//! Sizes, patch widths and blurred twins of the levels of the pyramid. Level 0 is the picture itself.

use crate::raster::Plane;

use super::exact::MOST_PIXELS;
use super::image::{Image, resized};

/// Step between levels.
pub const RATIO: f64 = 1.5;
/// Short side of the coarsest level, in pixels, at least.
const COARSE: f64 = 26.0;
/// No side of a level is shorter.
const LEAST: usize = 13;
/// Share of a picture's variance that its coarsest level shows where it holds large things. Of small ones that are
/// packed less is left there: their outlines are gone, and what is drawn of their grey shades runs together.
const LARGE: f64 = 0.64;
/// No picture of fewer levels loses one: its coarsest patches would be narrow.
const WIDEST: usize = 4;

/// Sizes of all levels, finest first.
#[derive(Clone, Debug)]
pub struct Pyramid {
    sizes: Vec<(usize, usize)>,
    /// With small things, as far as the reference is known.
    packed: bool,
}

impl Pyramid {
    pub fn new(width: usize, height: usize) -> Self {
        let short = width.min(height) as f64;
        let coarsest = ((short / COARSE).ln() / RATIO.ln() + 1e-6).floor().max(0.0) as usize;
        let side = |n: usize, level: usize| ((n as f64 / factor(level)).round() as usize).max(LEAST);
        let sizes = (0..=coarsest).map(|l| (side(width, l), side(height, l))).collect();
        Pyramid { sizes, packed: false }
    }

    /// For a picture of this size that is drawn of `reference`: a level less where that is packed with small things.
    pub fn of(width: usize, height: usize, reference: &Image) -> Self {
        let mut pyramid = Pyramid::new(width, height);
        let coarsest = pyramid.coarsest();
        pyramid.packed = shown(reference, factor(coarsest)) < LARGE;
        if pyramid.packed && coarsest > WIDEST && pyramid.pixels(coarsest - 1) <= MOST_PIXELS {
            pyramid.sizes.pop();
        }
        pyramid
    }

    /// Whether it is of a picture that is packed with small things.
    pub fn is_packed(&self) -> bool {
        self.packed
    }

    /// Index of the coarsest level.
    pub fn coarsest(&self) -> usize {
        self.sizes.len() - 1
    }

    /// (width, height) of `level`.
    pub fn size(&self, level: usize) -> (usize, usize) {
        self.sizes[level]
    }

    pub fn pixels(&self, level: usize) -> usize {
        self.sizes[level].0 * self.sizes[level].1
    }

    /// `image` of `level` as the next coarser level would show it; as it is on the coarsest.
    pub fn blurred(&self, image: &Image, level: usize) -> Image {
        match self.sizes.get(level + 1) {
            Some(&(width, height)) => image.resized(width, height).resized(image.width, image.height),
            None => image.clone(),
        }
    }
}

/// Share of the variance of `image` that is left when it is `factor` times smaller; all of none.
fn shown(image: &Image, factor: f64) -> f64 {
    let side = |n: usize| ((n as f64 / factor).round() as usize).max(1);
    let variance = |plane: &Plane| plane.std().powi(2);
    let (mut whole, mut left) = (0.0, 0.0);
    for plane in image.planes() {
        whole += variance(&plane);
        left += variance(&resized(&plane, side(image.width), side(image.height)));
    }
    if whole > 1e-9 { left / whole } else { 1.0 }
}

/// How many pixels of level 0 one pixel of `level` is wide.
pub fn factor(level: usize) -> f64 {
    RATIO.powi(level as i32)
}

/// Width of a patch: wide where things get their outlines, narrow where only texture is left.
pub fn patch_width(level: usize) -> usize {
    match level {
        0 | 1 => 7,
        _ => 11,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_coarsest_level_is_small_and_no_smaller_than_the_limit() {
        for (width, height) in [(320, 201), (96, 80), (33, 40), (512, 512), (2000, 60)] {
            let pyramid = Pyramid::new(width, height);
            let (w, h) = pyramid.size(pyramid.coarsest());
            assert_eq!(pyramid.size(0), (width, height));
            assert!((26..40).contains(&w.min(h)), "{width}×{height}: {w}×{h}");
        }
    }

    #[test]
    fn a_picture_packed_with_small_things_has_a_level_less() {
        let discs = |cell: usize| {
            let inside = move |n: usize| (n % cell) as f32 - cell as f32 / 2.0;
            let near = move |x, y| inside(x).hypot(inside(y)) < 0.4 * cell as f32;
            Image::from_planes(&[Plane::from_fn(320, 208, move |x, y| if near(x, y) { 1.0 } else { 0.0 })])
        };
        let whole = Pyramid::new(320, 208).coarsest();
        let [large, small] = [64, 11].map(|size| Pyramid::of(320, 208, &discs(size)));
        assert!(large.coarsest() == whole && !large.is_packed());
        assert!(small.coarsest() == whole - 1 && small.is_packed());
        // Neither does a small picture, nor a flat one.
        assert_eq!(Pyramid::of(96, 80, &discs(11)).coarsest(), Pyramid::new(96, 80).coarsest());
        let flat = Image::from_planes(&[Plane::filled(320, 208, 0.5)]);
        assert_eq!(Pyramid::of(320, 208, &flat).coarsest(), whole);
    }
}
