//! Sizes, patch widths and blurred twins of the levels of the pyramid. Level 0 is the picture itself.

use super::image::Image;

/// Step between levels.
pub const RATIO: f64 = 1.5;
/// Short side of the coarsest level, in pixels, at least.
const COARSE: f64 = 26.0;
/// No side of a level is shorter.
const LEAST: usize = 13;

/// Sizes of all levels, finest first.
#[derive(Clone, Debug)]
pub struct Pyramid {
    sizes: Vec<(usize, usize)>,
}

impl Pyramid {
    pub fn new(width: usize, height: usize) -> Self {
        let short = width.min(height) as f64;
        let coarsest = ((short / COARSE).ln() / RATIO.ln() + 1e-6).floor().max(0.0) as usize;
        let side = |n: usize, level: usize| ((n as f64 / factor(level)).round() as usize).max(LEAST);
        Pyramid { sizes: (0..=coarsest).map(|l| (side(width, l), side(height, l))).collect() }
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

/// How many pixels of level 0 one pixel of `level` is wide.
pub fn factor(level: usize) -> f64 {
    RATIO.powi(level as i32)
}

/// Width of a patch: wide where the layout is decided, narrow where only texture is left.
pub fn patch_width(level: usize) -> usize {
    match level {
        0 | 1 => 7,
        2 | 3 => 9,
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
}
