//! Interleaved pictures of one or three channels, and one more on coarse levels: what every part of the engine works on.

use std::ops::Range;

use crate::raster::filter::mirror;
use crate::raster::{Kernel, Plane, resize};

/// `height × width × channels` values, row by row from the top, channels interleaved.
#[derive(Clone, Debug, Default)]
pub struct Image {
    pub width: usize,
    pub height: usize,
    pub channels: usize,
    pub data: Vec<f32>,
}

impl Image {
    pub fn from_planes(planes: &[Plane]) -> Self {
        let (width, height, channels) = (planes[0].width(), planes[0].height(), planes.len());
        let mut data = vec![0.0; width * height * channels];
        for (c, plane) in planes.iter().enumerate() {
            for (pixel, v) in data.chunks_exact_mut(channels).zip(plane.data()) {
                pixel[c] = *v;
            }
        }
        Image { width, height, channels, data }
    }

    pub fn plane(&self, channel: usize) -> Plane {
        let data = self.data.iter().skip(channel).step_by(self.channels).copied().collect();
        Plane::new(self.width, self.height, data)
    }

    pub fn planes(&self) -> Vec<Plane> {
        (0..self.channels).map(|c| self.plane(c)).collect()
    }

    /// Adds a channel, the last.
    pub fn push(&mut self, plane: &Plane) {
        let mut planes = self.planes();
        planes.push(plane.clone());
        *self = Image::from_planes(&planes);
    }

    /// Leaves the leading `channels` alone.
    pub fn truncate(&mut self, channels: usize) {
        if channels < self.channels {
            *self = Image::from_planes(&self.planes()[..channels]);
        }
    }

    pub fn pixels(&self) -> usize {
        self.width * self.height
    }

    /// `f` of every channel.
    pub fn map_planes(&self, f: impl Fn(&Plane) -> Plane) -> Image {
        Image::from_planes(&self.planes().iter().map(f).collect::<Vec<_>>())
    }

    /// The picture at another size: area means when it shrinks, cubic when it grows.
    pub fn resized(&self, width: usize, height: usize) -> Image {
        self.map_planes(|plane| resized(plane, width, height))
    }

    /// The picture with a mirrored border of `left` pixels on two sides and `right` on the others.
    pub fn padded(&self, left: usize, right: usize) -> Image {
        self.padded_rows(0..self.height, left, right)
    }

    /// The same of some `rows` alone, with as many above and below them.
    pub fn padded_rows(&self, rows: Range<usize>, left: usize, right: usize) -> Image {
        let (width, height) = (self.width + left + right, rows.len() + left + right);
        let mut data = Vec::with_capacity(width * height * self.channels);
        for y in 0..height {
            let sy = mirror((rows.start + y) as isize - left as isize, self.height);
            for x in 0..width {
                let sx = mirror(x as isize - left as isize, self.width);
                let at = (sy * self.width + sx) * self.channels;
                data.extend_from_slice(&self.data[at..at + self.channels]);
            }
        }
        Image { width, height, channels: self.channels, data }
    }
}

/// Area means when `plane` shrinks, cubic when it grows.
pub fn resized(plane: &Plane, width: usize, height: usize) -> Plane {
    let grows = width > plane.width() || height > plane.height();
    let kernel = if grows { Kernel::Cubic } else { Kernel::Area };
    resize(plane, width, height, kernel)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padded_rows_are_rows_of_the_padded_picture() {
        let data = (0..7 * 5 * 2).map(|i| i as f32).collect();
        let image = Image { width: 7, height: 5, channels: 2, data };
        let whole = image.padded(3, 4);
        for rows in [0..5, 0..2, 2..4, 4..5] {
            let some = image.padded_rows(rows.clone(), 3, 4);
            let row = whole.width * 2;
            assert_eq!((some.width, some.height), (whole.width, rows.len() + 7));
            assert_eq!(some.data, whole.data[rows.start * row..(rows.end + 7) * row], "{rows:?}");
        }
    }
}
