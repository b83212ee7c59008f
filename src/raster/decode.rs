//! Bytes to pixels, under limits: with `encode`, the door of the `image` crate.

use std::io::Cursor;

use image::{ColorType, DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader};

use super::{Channels, Format, Raster, Samples, colour};

/// What a file may cost. A file over a limit is refused before its pixels are allocated.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of the file.
    pub bytes: u64,
    /// Width × height.
    pub pixels: u64,
    /// Least width and least height, in pixels.
    pub min_side: u32,
    /// Memory that the decoder may take, in bytes.
    pub memory: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { bytes: 512 << 20, pixels: 100_000_000, min_side: 8, memory: 2 << 30 }
    }
}

/// A decoded picture and what was learnt on the way.
#[derive(Clone, Debug)]
pub struct Decoded {
    /// Upright sRGB or grey pixels.
    pub raster: Raster,
    /// `None` for formats that are read and never written (BMP, GIF).
    pub format: Option<Format>,
    /// Name of the format, for people.
    pub format_name: &'static str,
    /// Media type of the file.
    pub mime: &'static str,
    /// Whether an embedded ICC profile was applied.
    pub colour_managed: bool,
}

/// Why bytes are not a picture we can use.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    #[error("the file is empty")]
    Empty,
    #[error(
        "not a picture that can be read: it begins with {start:?}; expected PNG, JPEG, WebP, TIFF, BMP or GIF"
    )]
    UnknownFormat { start: String },
    #[error("{bytes} bytes are over the limit of {limit}")]
    TooManyBytes { bytes: u64, limit: u64 },
    #[error("{width}×{height} pixels are over the limit of {limit}")]
    TooManyPixels { width: u32, height: u32, limit: u64 },
    #[error("{width}×{height} pixels are too small: at least {limit} on the short side")]
    TooSmall { width: u32, height: u32, limit: u32 },
    #[error("damaged or truncated {format}: {source}")]
    Damaged { format: &'static str, source: ImageError },
    #[error("{format} with samples of type {colour} is not supported: expected 8- or 16-bit grey or RGB")]
    Colour { format: &'static str, colour: String },
}

/// The picture in `bytes`: first frame, upright after EXIF, as sRGB after the embedded ICC profile.
///
/// The format is told from the content, never from a name. Grey stays grey, 16 bits stay 16 bits;
/// floating-point samples are clipped to 0..=1 and kept with 16 bits.
pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Decoded, DecodeError> {
    if bytes.is_empty() {
        return Err(DecodeError::Empty);
    }
    if bytes.len() as u64 > limits.bytes {
        return Err(DecodeError::TooManyBytes { bytes: bytes.len() as u64, limit: limits.bytes });
    }
    let kind = image::guess_format(bytes).map_err(|_| unknown(bytes))?;
    let (format, format_name, mime) = supported(kind).ok_or_else(|| unknown(bytes))?;
    let damaged = |source| DecodeError::Damaged { format: format_name, source };

    let mut reader = ImageReader::with_format(Cursor::new(bytes), kind);
    let mut caps = image::Limits::default();
    caps.max_alloc = Some(limits.memory);
    reader.limits(caps);
    let mut decoder = reader.into_decoder().map_err(damaged)?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > limits.pixels {
        return Err(DecodeError::TooManyPixels { width, height, limit: limits.pixels });
    }
    if width.min(height) < limits.min_side {
        return Err(DecodeError::TooSmall { width, height, limit: limits.min_side });
    }
    let orientation = decoder.orientation().map_err(damaged)?;
    let icc = decoder.icc_profile().map_err(damaged)?;
    let mut picture = DynamicImage::from_decoder(decoder).map_err(damaged)?;
    picture.apply_orientation(orientation);

    let mut raster = split(picture, format_name)?;
    let managed = icc.and_then(|icc| colour::to_srgb(&raster.samples, raster.channels, &icc));
    let colour_managed = managed.is_some();
    if let Some(samples) = managed {
        raster.samples = samples;
    }
    Ok(Decoded { raster, format, format_name, mime, colour_managed })
}

fn unknown(bytes: &[u8]) -> DecodeError {
    let start = String::from_utf8_lossy(&bytes[..bytes.len().min(8)]).into_owned();
    DecodeError::UnknownFormat { start }
}

fn supported(kind: ImageFormat) -> Option<(Option<Format>, &'static str, &'static str)> {
    Some(match kind {
        ImageFormat::Png => (Some(Format::Png), "PNG", Format::Png.mime()),
        ImageFormat::Jpeg => (Some(Format::Jpeg), "JPEG", Format::Jpeg.mime()),
        ImageFormat::WebP => (Some(Format::WebP), "WebP", Format::WebP.mime()),
        ImageFormat::Tiff => (Some(Format::Tiff), "TIFF", Format::Tiff.mime()),
        ImageFormat::Bmp => (None, "BMP", "image/bmp"),
        ImageFormat::Gif => (None, "GIF", "image/gif"),
        _ => return None,
    })
}

/// Colour samples and alpha apart.
fn split(picture: DynamicImage, format: &'static str) -> Result<Raster, DecodeError> {
    let (width, height) = (picture.width(), picture.height());
    let channels = if picture.color().has_color() { Channels::Rgb } else { Channels::Grey };
    let has_alpha = picture.color().has_alpha();
    let (samples, alpha) = match (&picture.color(), channels) {
        (ColorType::L8 | ColorType::La8, Channels::Grey) => {
            eight(picture.into_luma_alpha8().into_raw(), 1, has_alpha)
        }
        (ColorType::Rgb8 | ColorType::Rgba8, Channels::Rgb) => {
            eight(picture.into_rgba8().into_raw(), 3, has_alpha)
        }
        (ColorType::L16 | ColorType::La16, Channels::Grey) => {
            sixteen(picture.into_luma_alpha16().into_raw(), 1, has_alpha)
        }
        (ColorType::Rgb16 | ColorType::Rgba16 | ColorType::Rgb32F | ColorType::Rgba32F, Channels::Rgb) => {
            sixteen(picture.into_rgba16().into_raw(), 3, has_alpha)
        }
        (other, _) => return Err(DecodeError::Colour { format, colour: format!("{other:?}") }),
    };
    Ok(Raster::new(width, height, channels, samples, alpha))
}

fn eight(raw: Vec<u8>, colours: usize, has_alpha: bool) -> (Samples, Option<Samples>) {
    let (samples, alpha) = apart(raw, colours);
    (Samples::Eight(samples), has_alpha.then_some(Samples::Eight(alpha)))
}

fn sixteen(raw: Vec<u16>, colours: usize, has_alpha: bool) -> (Samples, Option<Samples>) {
    let (samples, alpha) = apart(raw, colours);
    (Samples::Sixteen(samples), has_alpha.then_some(Samples::Sixteen(alpha)))
}

fn apart<T: Copy>(raw: Vec<T>, colours: usize) -> (Vec<T>, Vec<T>) {
    let pixels = raw.len() / (colours + 1);
    let mut samples = Vec::with_capacity(pixels * colours);
    let mut alpha = Vec::with_capacity(pixels);
    for pixel in raw.chunks_exact(colours + 1) {
        samples.extend_from_slice(&pixel[..colours]);
        alpha.push(pixel[colours]);
    }
    (samples, alpha)
}
