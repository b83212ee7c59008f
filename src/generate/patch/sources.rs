//! The corpus on one level of the pyramid.

use super::corpus::Copy;
use super::image::Image;

/// All copies at one size, their pixels numbered copy by copy, row by row.
pub struct Sources {
    pub width: usize,
    pub height: usize,
    pub copies: Vec<Copy>,
}

impl Sources {
    /// Of all of `corpus` at `width` × `height`.
    pub fn new(corpus: &[Copy], width: usize, height: usize) -> Self {
        Sources { width, height, copies: corpus.iter().map(|copy| copy.resized(width, height)).collect() }
    }

    /// Of copies at `width` × `height` that are yet to come.
    pub fn empty(width: usize, height: usize) -> Self {
        Sources { width, height, copies: Vec::new() }
    }

    /// Of a corpus as it is.
    pub fn own(copies: Vec<Copy>) -> Self {
        Sources { width: copies[0].image.width, height: copies[0].image.height, copies }
    }

    /// Pixels of one copy.
    pub fn pixels(&self) -> usize {
        self.width * self.height
    }

    /// Pixels of all copies.
    pub fn all(&self) -> usize {
        self.copies.len() * self.pixels()
    }

    pub fn channels(&self) -> usize {
        self.copies[0].image.channels
    }

    pub fn images(&self) -> Vec<&Image> {
        self.copies.iter().map(|copy| &copy.image).collect()
    }

    /// Place of pixel `at` in the reference: shares of its height and width.
    pub fn origin(&self, at: usize) -> (f32, f32) {
        self.copies[at / self.pixels()].origin(at % self.pixels())
    }

    /// How much of pixel `at` lies outside the reference, 0..=1.
    pub fn outside(&self, at: usize) -> f32 {
        self.copies[at / self.pixels()].outside(at % self.pixels())
    }
}
