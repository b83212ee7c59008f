//! The corpus on one level of the pyramid.

use super::corpus::Copy;
use super::image::Image;

/// All copies at one size, their pixels numbered copy by copy, row by row.
pub struct Sources {
    pub width: usize,
    pub height: usize,
    pub images: Vec<Image>,
    /// Place of every pixel in the reference: shares of its height and width.
    pub origins: Vec<(f32, f32)>,
    /// How much of every pixel lies outside the reference, 0..=1.
    pub outside: Vec<f32>,
}

impl Sources {
    pub fn new(corpus: &[Copy], width: usize, height: usize) -> Self {
        let mut sources = Sources {
            width,
            height,
            images: Vec::with_capacity(corpus.len()),
            origins: Vec::with_capacity(corpus.len() * width * height),
            outside: Vec::with_capacity(corpus.len() * width * height),
        };
        for copy in corpus {
            let copy = copy.resized(width, height);
            sources
                .origins
                .extend(copy.origin_y.data().iter().copied().zip(copy.origin_x.data().iter().copied()));
            sources.outside.extend_from_slice(copy.outside.data());
            sources.images.push(copy.image);
        }
        sources
    }

    /// Pixels of one copy.
    pub fn pixels(&self) -> usize {
        self.width * self.height
    }

    pub fn channels(&self) -> usize {
        self.images[0].channels
    }
}
