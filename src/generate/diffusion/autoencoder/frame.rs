//! A picture as the networks see it.

use candle_core::{Device, Tensor};

use crate::raster::{Plane, Raster};

use super::SCALE;

/// A picture in its frame of whole squares: the picture stands at the top left, and its last column
/// and row are repeated to the right and below. Nothing is stretched.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    width: usize,
    height: usize,
    framed_width: usize,
    framed_height: usize,
}

impl Frame {
    /// Of squares whose side is `square` pixels, one or more whole latents.
    pub fn around(width: usize, height: usize, square: usize) -> Frame {
        let [framed_width, framed_height] = [width, height].map(|side| side.next_multiple_of(square));
        Frame { width, height, framed_width, framed_height }
    }

    /// Rows and columns of latents.
    pub fn latents(&self) -> [usize; 2] {
        [self.framed_height / SCALE, self.framed_width / SCALE]
    }

    /// Height and width in pixels.
    pub fn sides(&self) -> [usize; 2] {
        [self.framed_height, self.framed_width]
    }

    /// The picture's colours (grey counts for all three) as (1, 3, height, width) in −1..=1.
    pub(super) fn tensor(&self, picture: &Raster) -> candle_core::Result<Tensor> {
        let planes = picture.planes();
        let mut data = Vec::with_capacity(3 * self.framed_width * self.framed_height);
        for plane in planes.iter().cycle().take(3) {
            for y in 0..self.framed_height {
                let row = plane.row(y.min(self.height - 1));
                data.extend((0..self.framed_width).map(|x| 2.0 * row[x.min(self.width - 1)] - 1.0));
            }
        }
        Tensor::from_vec(data, (1, 3, self.framed_height, self.framed_width), &Device::Cpu)
    }

    /// 1 for latents whose pixels are varied, all or some of them, (1, 1, height/8, width/8); what frames the picture
    /// goes with its last column and row.
    pub fn latents_of(&self, varied: &Plane) -> candle_core::Result<Tensor> {
        let (width, height) = (self.framed_width / SCALE, self.framed_height / SCALE);
        let mut data = vec![0.0f32; width * height];
        for y in 0..self.framed_height {
            let row = varied.row(y.min(self.height - 1));
            for x in 0..self.framed_width {
                let latent = &mut data[y / SCALE * width + x / SCALE];
                *latent = latent.max(row[x.min(self.width - 1)]);
            }
        }
        Tensor::from_vec(data, (1, 1, height, width), &Device::Cpu)
    }

    /// The inverse: planes in 0..=1, without the frame.
    pub(super) fn planes(&self, tensor: &Tensor) -> candle_core::Result<Vec<Plane>> {
        let data = tensor.flatten_all()?.to_vec1::<f32>()?;
        let size = self.framed_width * self.framed_height;
        let plane = |c: usize| {
            Plane::from_fn(self.width, self.height, |x, y| {
                (0.5 + 0.5 * data[c * size + y * self.framed_width + x]).clamp(0.0, 1.0)
            })
        };
        Ok((0..3).map(plane).collect())
    }
}
