//! Luma of a picture, whole or reduced, row by row.

use rayon::prelude::*;

use super::resize::Taps;
use super::{Channels, Kernel, Plane, Raster, Samples};

/// Parts of R′, G′ and B′ in Y′ (ITU-R BT.601).
const PARTS: [f32; 3] = [0.299, 0.587, 0.114];

impl Raster {
    /// Luma Y′ = 0.299 R′ + 0.587 G′ + 0.114 B′ of the coded values, in 0..=1. Alpha is not looked at.
    pub fn luma(&self) -> Plane {
        let (width, height) = (self.width as usize, self.height as usize);
        let rows = Rows::of(self);
        let mut data = vec![0.0f32; width * height];
        data.par_chunks_mut(width.max(1)).enumerate().for_each(|(y, out)| rows.read(y, out));
        Plane::new(width, height, data)
    }

    /// The luma at `width` × `height`, each pixel the mean of the area it covers; both at least 1.
    ///
    /// The values of [`resize`](fn@super::resize) but for rounding, without a luma plane of the whole picture.
    /// The result is the same for any number of threads.
    pub fn luma_reduced(&self, width: usize, height: usize) -> Plane {
        let full = [self.width, self.height].map(|n| n as usize);
        if full == [width, height] {
            return self.luma();
        }
        let rows = Rows::of(self);
        let [across, down] =
            [(full[0], width), (full[1], height)].map(|(n, to)| Taps::new(n, to, Kernel::Area));
        let mut data = vec![0.0f32; width * height];
        data.par_chunks_mut(width).enumerate().for_each_init(
            || (vec![0.0f32; full[0]], vec![0.0f32; full[0]]),
            |(row, sum), (y, out)| {
                sum.fill(0.0);
                for (i, weight) in down.of(y) {
                    rows.read(i, row);
                    for (s, v) in sum.iter_mut().zip(&*row) {
                        *s += weight * v;
                    }
                }
                for (x, o) in out.iter_mut().enumerate() {
                    *o = across.of(x).map(|(i, weight)| sum[i] * weight).sum();
                }
            },
        );
        Plane::new(width, height, data)
    }
}

/// Reads rows of luma off a picture.
struct Rows<'a> {
    raster: &'a Raster,
    /// What each 8-bit sample of R, G and B adds.
    parts: [[f32; 256]; 3],
}

impl<'a> Rows<'a> {
    fn of(raster: &'a Raster) -> Self {
        let parts = PARTS.map(|part| std::array::from_fn(|v| part * (v as f32 / 255.0)));
        Rows { raster, parts }
    }

    /// Row y, of the picture's width, into `out`.
    fn read(&self, y: usize, out: &mut [f32]) {
        let count = self.raster.channels.count();
        let range = y * out.len() * count..(y + 1) * out.len() * count;
        match (&self.raster.samples, self.raster.channels) {
            (Samples::Eight(v), Channels::Grey) => whole(&v[range], 255.0, out),
            (Samples::Sixteen(v), Channels::Grey) => whole(&v[range], 65535.0, out),
            (Samples::Eight(v), Channels::Rgb) => {
                let [red, green, blue] = &self.parts;
                for (o, [r, g, b]) in out.iter_mut().zip(v[range].as_chunks().0) {
                    *o = red[usize::from(*r)] + green[usize::from(*g)] + blue[usize::from(*b)];
                }
            }
            (Samples::Sixteen(v), Channels::Rgb) => {
                for (o, pixel) in out.iter_mut().zip(v[range].as_chunks::<3>().0) {
                    let [r, g, b] = pixel.map(|s| f32::from(s) / 65535.0);
                    *o = PARTS[0] * r + PARTS[1] * g + PARTS[2] * b;
                }
            }
        }
    }
}

fn whole<T: Copy + Into<f32>>(samples: &[T], peak: f32, out: &mut [f32]) {
    for (o, v) in out.iter_mut().zip(samples) {
        *o = (*v).into() / peak;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raster::resize;

    fn pictures(width: u32, height: u32) -> Vec<Raster> {
        let mut pictures = Vec::new();
        for channels in [Channels::Grey, Channels::Rgb] {
            let n = (width * height) as usize * channels.count();
            let values: Vec<u16> = (0..n).map(|i| (i * 40503 % 65521) as u16).collect();
            let eight = values.iter().map(|v| (v >> 8) as u8).collect();
            for samples in [Samples::Eight(eight), Samples::Sixteen(values)] {
                pictures.push(Raster::new(width, height, channels, samples, None));
            }
        }
        pictures
    }

    #[test]
    fn luma_is_the_weighted_mean_of_the_channels() {
        for picture in pictures(7, 5) {
            let planes = picture.planes();
            let expected = match &planes[..] {
                [r, g, b] => r.zip(g, |r, g| 0.299 * r + 0.587 * g).zip(b, |v, b| v + 0.114 * b),
                _ => planes[0].clone(),
            };
            assert_eq!(picture.luma(), expected);
        }
    }

    #[test]
    fn reduced_luma_is_that_of_resizing() {
        for picture in pictures(37, 29) {
            for (width, height) in [(37, 29), (36, 14), (11, 29), (5, 3), (1, 1)] {
                let (reduced, resized) = (
                    picture.luma_reduced(width, height),
                    resize(&picture.luma(), width, height, Kernel::Area),
                );
                for (a, b) in reduced.data().iter().zip(resized.data()) {
                    assert!((a - b).abs() < 1e-5);
                }
            }
        }
    }
}
