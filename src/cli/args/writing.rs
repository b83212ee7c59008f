//! How a picture is written: the arguments that all commands which release one share.

use clap::Args;

use crate::raster::{ChoiceError, Encoding, Format, Subsampling};

#[derive(Args, Debug, Clone, Copy, Default)]
pub struct Writing {
    /// Format of the output: png, jpeg, webp or tiff [default: by --out, else png]
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<Format>,
    /// Quality of JPEG [default: 95], or of WebP that may lose something, 1 to 100
    #[arg(long, value_name = "Q", value_parser = clap::value_parser!(u8).range(1..=100))]
    pub quality: Option<u8>,
    /// How finely JPEG keeps colour beside brightness: 444 as finely, 422 half across, 420 half across and down
    /// [default: 444]
    #[arg(long, value_name = "RATIO")]
    pub subsampling: Option<Subsampling>,
    /// Lose nothing, as PNG and TIFF never do and WebP does unless --quality is given
    #[arg(long)]
    pub lossless: bool,
    /// Write the manifest beside the picture, as NAME.c2pa, and not into it
    #[arg(long)]
    pub sidecar: bool,
}

impl Writing {
    /// `format` with what was asked for.
    pub fn encoding(&self, format: Format) -> Result<Encoding, ChoiceError> {
        Encoding::choose(format, self.quality, self.subsampling, self.lossless)
    }
}
