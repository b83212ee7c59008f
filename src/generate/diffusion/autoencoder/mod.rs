//! Picture to latents and back.

mod frame;
mod network;
mod tiles;

use candle_core::Tensor;

use crate::raster::Raster;

use super::Processor;
use super::latents::is_finite;
use super::ops::Compute;
use super::ops::layers::{Conv, Vars};
pub use frame::Frame;
use network::{Decoder, Encoder};
use tiles::{DECODE, ENCODE, Tiles};

/// Pixels to a latent's side.
pub const SCALE: usize = 8;

/// Convolutions of one pixel between the networks and the latents, which some autoencoders have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quant {
    pub behind_encoder: bool,
    pub before_decoder: bool,
}

/// The two networks (`AutoencoderKL`).
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Channels of each size of picture, from the full one on; each is half the one before.
    pub channels: Vec<usize>,
    /// Residual blocks of each size on the way down; the way up has one more.
    pub residuals: usize,
    pub latents: usize,
    /// What latents are multiplied by once `shift` is taken from them.
    pub scale: f64,
    pub shift: f64,
}

impl Config {
    /// Bytes that coding the framed picture takes at most beside the weights: what lies between the last layers of a
    /// tile, the kernels' own room, and the picture itself a few times.
    pub fn bytes(&self, frame: &Frame, processor: &Processor) -> u64 {
        const KERNELS: u64 = 64 << 20;
        const PICTURES: u64 = 8 * 3;
        let pixels = |[rows, columns]: [usize; 2]| (rows * columns * SCALE * SCALE) as u64;
        let whole = frame.latents();
        let [first, second] = [0, 1].map(|i| self.channels.get(i).copied().unwrap_or_default() as u64);
        // The first residual block of the full size: what comes in, what is made of it, and what goes on.
        let between = (2 * second + first).max(second + 3 * first);
        // candle lays out the nine pixels about each before it multiplies.
        let about = if processor.has_tensors() { 9 * second.max(first) } else { 0 };
        let numbers = pixels(Tiles::over(whole).size()).saturating_mul(between + about);
        let numbers = numbers.saturating_add(pixels(whole).saturating_mul(PICTURES));
        numbers.saturating_mul(size_of::<f32>() as u64).saturating_add(KERNELS)
    }
}

/// Pictures to latents and back. Latents are the mean of what the encoder makes of a picture, the first half of its
/// channels; nothing is drawn by chance. Pictures of more than 768 × 768 pixels are coded in tiles that overlap by 128
/// pixels and more: norms then see a tile instead of the whole picture, as in diffusers' tiled coding, and attention
/// looks no farther, so that its parts may differ a little in tone from what they would be as a whole.
pub struct Autoencoder {
    encoder: Encoder,
    behind_encoder: Option<Conv>,
    before_decoder: Option<Conv>,
    decoder: Decoder,
    latent_channels: usize,
    scale: f64,
    shift: f64,
    compute: Compute,
}

impl Autoencoder {
    pub fn new(config: &Config, quant: Quant, vb: Vars) -> candle_core::Result<Autoencoder> {
        let pixel = |there: bool, channels: usize, name: &str| {
            there.then(|| Conv::pixel(channels, channels, vb.pp(name))).transpose()
        };
        Ok(Autoencoder {
            behind_encoder: pixel(quant.behind_encoder, 2 * config.latents, "quant_conv")?,
            before_decoder: pixel(quant.before_decoder, config.latents, "post_quant_conv")?,
            encoder: Encoder::new(config, vb.pp("encoder"))?,
            decoder: Decoder::new(config, vb.pp("decoder"))?,
            latent_channels: config.latents,
            scale: config.scale,
            shift: config.shift,
            compute: vb.compute().clone(),
        })
    }

    /// Latents of the framed picture, (1, channels, height/8, width/8). Alpha is not looked at.
    pub fn encode(&self, picture: &Raster, frame: &Frame) -> candle_core::Result<Tensor> {
        let encode = |x: &Tensor| {
            let x = self.encoder.forward(&self.compute.taken(x)?)?;
            self.compute.given(through(self.behind_encoder.as_ref(), x)?)
        };
        let moments = Tiles::over(frame.latents()).each(&frame.tensor(picture)?, ENCODE, encode)?;
        let mean = moments.narrow(1, 0, self.latent_channels)?.contiguous()?;
        debug_assert_eq!(mean.dims()[2..], frame.latents());
        (mean - self.shift)? * self.scale
    }

    /// The picture of `latents`, in the size, channels, depth and alpha of `like`; a neutral picture stays neutral.
    pub fn decode(&self, latents: &Tensor, frame: &Frame, like: &Raster) -> candle_core::Result<Raster> {
        let latents = ((latents / self.scale)? + self.shift)?;
        let decode = |x: &Tensor| {
            let x = through(self.before_decoder.as_ref(), self.compute.taken(x)?)?;
            self.compute.given(self.decoder.forward(&x)?)
        };
        let decoded = Tiles::over(frame.latents()).each(&latents, DECODE, decode)?;
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

fn through(conv: Option<&Conv>, x: Tensor) -> candle_core::Result<Tensor> {
    conv.map_or(Ok(x.clone()), |conv| conv.forward(&x))
}

#[cfg(test)]
mod tests;
