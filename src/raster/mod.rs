//! Pixels: decoding, encoding, planes and the filters that several stages share.

mod colour;
pub mod connected;
mod decode;
mod deep;
mod encode;
pub mod filter;
mod foreign;
mod format;
#[cfg(test)]
mod inputs;
mod luma;
mod measured;
mod mrc;
mod plane;
mod remark;
mod resize;
mod tint;

pub use decode::{DecodeError, Decoded, Limits, decode};
pub use encode::{EncodeError, encode, encode_as};
pub use format::{ChoiceError, Encoding, Format, ParseFormatError, ParseSubsamplingError, Subsampling};
pub use plane::Plane;
pub use remark::Remark;
pub use resize::{Kernel, resize};
pub use tint::tinted;

use crate::digest::{Digest, Hasher};

/// Colour channels of a picture; alpha is apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channels {
    Grey,
    Rgb,
}

impl Channels {
    pub fn count(self) -> usize {
        match self {
            Channels::Grey => 1,
            Channels::Rgb => 3,
        }
    }
}

/// Bits of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    Eight,
    Sixteen,
}

impl Depth {
    /// The largest sample.
    pub fn max(self) -> f32 {
        match self {
            Depth::Eight => 255.0,
            Depth::Sixteen => 65535.0,
        }
    }
}

/// Samples, row by row from the top, channels interleaved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Samples {
    Eight(Vec<u8>),
    Sixteen(Vec<u16>),
}

impl Samples {
    pub fn len(&self) -> usize {
        match self {
            Samples::Eight(v) => v.len(),
            Samples::Sixteen(v) => v.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn depth(&self) -> Depth {
        match self {
            Samples::Eight(_) => Depth::Eight,
            Samples::Sixteen(_) => Depth::Sixteen,
        }
    }

    /// Sample `i` in 0..=1.
    #[inline]
    pub fn unit(&self, i: usize) -> f32 {
        match self {
            Samples::Eight(v) => f32::from(v[i]) / 255.0,
            Samples::Sixteen(v) => f32::from(v[i]) / 65535.0,
        }
    }

    /// Values in 0..=1, clipped and rounded to the nearest sample.
    pub fn from_unit(values: impl Iterator<Item = f32>, depth: Depth) -> Self {
        let quantise = move |v: f32| (v.clamp(0.0, 1.0) * depth.max()).round();
        match depth {
            Depth::Eight => Samples::Eight(values.map(|v| quantise(v) as u8).collect()),
            Depth::Sixteen => Samples::Sixteen(values.map(|v| quantise(v) as u16).collect()),
        }
    }

    fn hash_into(&self, hasher: &mut Hasher) {
        match self {
            Samples::Eight(v) => {
                hasher.update(v);
            }
            Samples::Sixteen(v) => {
                for block in v.chunks(4096) {
                    let bytes: Vec<u8> = block.iter().flat_map(|s| s.to_be_bytes()).collect();
                    hasher.update(bytes);
                }
            }
        }
    }
}

/// A picture in sRGB or grey, 8 or 16 bits, upright, with an optional alpha channel of the same depth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raster {
    width: u32,
    height: u32,
    channels: Channels,
    samples: Samples,
    alpha: Option<Samples>,
}

impl Raster {
    /// # Panics
    /// If a length or a depth disagrees with the others: a fault of the caller, never of a file.
    pub fn new(
        width: u32,
        height: u32,
        channels: Channels,
        samples: Samples,
        alpha: Option<Samples>,
    ) -> Self {
        let pixels = width as usize * height as usize;
        assert_eq!(samples.len(), pixels * channels.count(), "samples of {width}×{height}");
        if let Some(alpha) = &alpha {
            assert_eq!(alpha.len(), pixels, "alpha of {width}×{height}");
            assert_eq!(alpha.depth(), samples.depth(), "depth of alpha");
        }
        Raster { width, height, channels, samples, alpha }
    }

    /// One plane (grey) or three (R, G, B) with values in 0..=1; clipped and rounded.
    ///
    /// # Panics
    /// If there are not one or three planes of one size.
    pub fn from_planes(planes: &[Plane], depth: Depth) -> Self {
        let channels = match planes.len() {
            1 => Channels::Grey,
            3 => Channels::Rgb,
            n => panic!("one or three planes make a picture, not {n}"),
        };
        let (width, height) = (planes[0].width(), planes[0].height());
        assert!(planes.iter().all(|p| (p.width(), p.height()) == (width, height)), "planes of one size");
        let values = (0..width * height).flat_map(|i| planes.iter().map(move |p| p.data()[i]));
        Raster::new(width as u32, height as u32, channels, Samples::from_unit(values, depth), None)
    }

    pub fn width(&self) -> u32 {
        self.width
    }

    pub fn height(&self) -> u32 {
        self.height
    }

    pub fn channels(&self) -> Channels {
        self.channels
    }

    pub fn depth(&self) -> Depth {
        self.samples.depth()
    }

    pub fn samples(&self) -> &Samples {
        &self.samples
    }

    pub fn alpha(&self) -> Option<&Samples> {
        self.alpha.as_ref()
    }

    /// Digest of the pixels alone (size, channels, depth, samples, alpha): the same for a PNG and a TIFF of one picture.
    pub fn digest(&self) -> Digest {
        let mut hasher = Hasher::new();
        hasher.update(format!(
            "vidimus pixels 1\n{}x{} {:?} {:?} {}\n",
            self.width,
            self.height,
            self.channels,
            self.depth(),
            if self.alpha.is_some() { "alpha" } else { "opaque" },
        ));
        self.samples.hash_into(&mut hasher);
        if let Some(alpha) = &self.alpha {
            alpha.hash_into(&mut hasher);
        }
        hasher.finish()
    }

    /// The colour channels as planes with values in 0..=1.
    pub fn planes(&self) -> Vec<Plane> {
        let n = self.width as usize * self.height as usize;
        let count = self.channels.count();
        (0..count)
            .map(|c| {
                let data = (0..n).map(|i| self.samples.unit(i * count + c)).collect();
                Plane::new(self.width as usize, self.height as usize, data)
            })
            .collect()
    }

    /// The picture without alpha, made smaller where its long side has more than `side` pixels.
    pub fn within(&self, side: u32) -> Raster {
        let long = self.width.max(self.height);
        if long <= side {
            return Raster { alpha: None, ..self.clone() };
        }
        let scaled = |n: u32| (u64::from(n) * u64::from(side)).div_ceil(u64::from(long)).max(1) as usize;
        let (width, height) = (scaled(self.width), scaled(self.height));
        let small = |plane: &Plane| resize(plane, width, height, Kernel::Area);
        Raster::from_planes(&self.planes().iter().map(small).collect::<Vec<_>>(), self.depth())
    }

    /// The picture over a white ground, without alpha.
    pub fn flatten(self) -> Raster {
        let Some(alpha) = self.alpha else { return self };
        let count = self.channels.count();
        let values = (0..self.samples.len()).map(|i| {
            let a = alpha.unit(i / count);
            1.0 + (self.samples.unit(i) - 1.0) * a
        });
        let samples = Samples::from_unit(values, self.samples.depth());
        Raster::new(self.width, self.height, self.channels, samples, None)
    }

    /// The same picture with 8-bit samples.
    pub fn to_eight(&self) -> Raster {
        let narrow = |samples: &Samples| match samples {
            Samples::Eight(v) => Samples::Eight(v.clone()),
            Samples::Sixteen(v) => {
                Samples::Eight(v.iter().map(|s| ((u32::from(*s) + 128) / 257) as u8).collect())
            }
        };
        Raster { samples: narrow(&self.samples), alpha: self.alpha.as_ref().map(narrow), ..*self }
    }

    /// Whether no pixel's channels differ by more than `tolerance` (0..=1): a grey picture stored as RGB.
    pub fn is_neutral(&self, tolerance: f32) -> bool {
        match self.channels {
            Channels::Grey => true,
            Channels::Rgb => (0..self.samples.len() / 3).all(|i| {
                let [r, g, b] = [0, 1, 2].map(|c| self.samples.unit(3 * i + c));
                r.max(g).max(b) - r.min(g).min(b) <= tolerance
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_pixels(alpha: Option<Samples>) -> Raster {
        Raster::new(2, 1, Channels::Rgb, Samples::Eight(vec![255, 0, 0, 0, 0, 0]), alpha)
    }

    #[test]
    fn the_pixel_digest_sees_size_depth_channels_and_alpha() {
        let base = two_pixels(None);
        let tall = Raster::new(1, 2, Channels::Rgb, base.samples().clone(), None);
        let clear = two_pixels(Some(Samples::Eight(vec![255, 255])));
        let deep = Raster::new(2, 1, Channels::Rgb, Samples::Sixteen(vec![65535, 0, 0, 0, 0, 0]), None);
        let digests = [&base, &tall, &clear, &deep].map(Raster::digest);
        for (i, a) in digests.iter().enumerate() {
            assert!(digests[..i].iter().all(|b| a != b));
        }
    }

    #[test]
    fn transparent_pixels_flatten_to_white() {
        let flat = two_pixels(Some(Samples::Eight(vec![255, 0]))).flatten();
        assert_eq!(flat.samples(), &Samples::Eight(vec![255, 0, 0, 255, 255, 255]));
        assert!(flat.alpha().is_none());
    }

    #[test]
    fn planes_and_back_is_the_same_picture() {
        let picture =
            Raster::new(3, 1, Channels::Rgb, Samples::Eight((0..9).map(|i| i * 28).collect()), None);
        assert_eq!(Raster::from_planes(&picture.planes(), Depth::Eight), picture);
        let deep = Raster::new(2, 2, Channels::Grey, Samples::Sixteen(vec![0, 1, 65534, 65535]), None);
        assert_eq!(Raster::from_planes(&deep.planes(), Depth::Sixteen), deep);
    }

    #[test]
    fn what_is_made_small_keeps_its_shape_and_what_is_small_stays() {
        let large = Raster::from_planes(&[Plane::filled(240, 210, 0.25)], Depth::Eight);
        let made = large.within(120);
        assert_eq!((made.width(), made.height()), (120, 105));
        assert_eq!(large.within(240), large);
        let flat = Raster::from_planes(&[Plane::filled(500, 2, 0.25)], Depth::Eight);
        assert_eq!(flat.within(50).height(), 1);
    }

    #[test]
    fn sixteen_bits_narrow_to_the_nearest_eight() {
        let deep = Raster::new(4, 1, Channels::Grey, Samples::Sixteen(vec![0, 128, 129, 65535]), None);
        assert_eq!(deep.to_eight().samples(), &Samples::Eight(vec![0, 0, 1, 255]));
    }
}
