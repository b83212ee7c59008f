//! Picture to latents and back.

use candle_core::{Device, Module, Tensor};
use candle_nn::{Conv2d, VarBuilder, conv2d};
use candle_transformers::models::flux::autoencoder::{Config, Decoder, Encoder};

use crate::raster::{Plane, Raster};

use super::latents::is_finite;

/// Pixels to a latent's side.
pub const SCALE: usize = 8;

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

    /// Bytes that the autoencoder's attention, which sees every pair of latents at once, takes at most: scores, their
    /// exponentials and what is divided.
    pub fn attention_bytes(&self) -> u64 {
        let latents = (self.framed_width / SCALE) as u64 * (self.framed_height / SCALE) as u64;
        latents.saturating_mul(latents).saturating_mul(3 * size_of::<f32>() as u64)
    }

    /// Height and width in pixels.
    pub fn sides(&self) -> [usize; 2] {
        [self.framed_height, self.framed_width]
    }

    /// The picture's colours (grey counts for all three) as (1, 3, height, width) in −1..=1.
    fn tensor(&self, picture: &Raster) -> candle_core::Result<Tensor> {
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
    fn planes(&self, tensor: &Tensor) -> candle_core::Result<Vec<Plane>> {
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

/// Convolutions of one pixel between the networks and the latents, which some autoencoders have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quant {
    pub behind_encoder: bool,
    pub before_decoder: bool,
}

/// candle's `AutoEncoder` always samples its posterior with noise that cannot be seeded; this one holds the
/// same two networks and takes the mean, which is the first half of the encoder's channels.
pub struct Autoencoder {
    encoder: Encoder,
    behind_encoder: Option<Conv2d>,
    before_decoder: Option<Conv2d>,
    decoder: Decoder,
    latent_channels: usize,
    scale: f64,
    shift: f64,
}

impl Autoencoder {
    pub fn new(config: &Config, quant: Quant, vb: VarBuilder) -> candle_core::Result<Autoencoder> {
        let pixel = |there: bool, channels: usize, name: &str| {
            there.then(|| conv2d(channels, channels, 1, Default::default(), vb.pp(name))).transpose()
        };
        Ok(Autoencoder {
            behind_encoder: pixel(quant.behind_encoder, 2 * config.z_channels, "quant_conv")?,
            before_decoder: pixel(quant.before_decoder, config.z_channels, "post_quant_conv")?,
            encoder: Encoder::new(config, vb.pp("encoder"))?,
            decoder: Decoder::new(config, vb.pp("decoder"))?,
            latent_channels: config.z_channels,
            scale: config.scale_factor,
            shift: config.shift_factor,
        })
    }

    /// Latents of the framed picture, (1, channels, height/8, width/8). Alpha is not looked at.
    pub fn encode(&self, picture: &Raster, frame: &Frame) -> candle_core::Result<Tensor> {
        let moments = through(self.behind_encoder.as_ref(), self.encoder.forward(&frame.tensor(picture)?)?)?;
        let mean = moments.narrow(1, 0, self.latent_channels)?.contiguous()?;
        debug_assert_eq!(mean.dims()[2..], [frame.framed_height / SCALE, frame.framed_width / SCALE]);
        (mean - self.shift)? * self.scale
    }

    /// The picture of `latents`, in the size, channels, depth and alpha of `like`; a neutral picture stays neutral.
    pub fn decode(&self, latents: &Tensor, frame: &Frame, like: &Raster) -> candle_core::Result<Raster> {
        let latents = ((latents / self.scale)? + self.shift)?;
        let decoded = self.decoder.forward(&through(self.before_decoder.as_ref(), latents)?)?;
        if !is_finite(&decoded)? {
            candle_core::bail!("the decoder lost its numbers: its picture is not finite");
        }
        let mut planes = frame.planes(&decoded)?;
        if like.is_neutral(0.0) {
            let [r, g, b] = [&planes[0], &planes[1], &planes[2]];
            let luma = r.zip(g, |r, g| 0.299 * r + 0.587 * g).zip(b, |rg, b| rg + 0.114 * b);
            planes = vec![luma; like.channels().count()];
        }
        let drawn = Raster::from_planes(&planes, like.depth());
        Ok(Raster::new(
            drawn.width(),
            drawn.height(),
            drawn.channels(),
            drawn.samples().clone(),
            like.alpha().cloned(),
        ))
    }
}

fn through(conv: Option<&Conv2d>, x: Tensor) -> candle_core::Result<Tensor> {
    conv.map_or(Ok(x.clone()), |conv| conv.forward(&x))
}
