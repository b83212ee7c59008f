//! Bytes to pixels, under limits: with `encode`, the door of the crates that know picture formats.

use std::io::Cursor;

use image::codecs::{gif::GifDecoder, png::PngDecoder, webp::WebPDecoder};
use image::metadata::Orientation;
use image::{AnimationDecoder, ColorType, DynamicImage, ImageDecoder, ImageFormat, ImageReader};

use super::measured::Measured;
use super::{Channels, Format, Raster, Remark, Samples, colour, deep, foreign, mrc};

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
    /// `None` for formats that are read and never written (BMP, GIF, MRC).
    pub format: Option<Format>,
    /// Name of the format, for people.
    pub format_name: &'static str,
    /// Media type of the file.
    pub mime: &'static str,
    /// Whether an embedded ICC profile was applied.
    pub colour_managed: bool,
    /// What was chosen on the way, such as one page of several.
    pub remarks: Vec<Remark>,
}

/// Why bytes are not a picture we can use.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    #[error("the file is empty")]
    Empty,
    #[error(
        "not a picture that can be read: it begins with {start:?}; expected PNG, JPEG, WebP, TIFF, BMP, GIF or MRC"
    )]
    UnknownFormat { start: String },
    #[error("{format} is not read here: save the picture as {instead} first")]
    NotRead { format: &'static str, instead: &'static str },
    #[error("{bytes} bytes are over the limit of {limit}")]
    TooManyBytes { bytes: u64, limit: u64 },
    #[error("{width}×{height} pixels are over the limit of {limit}")]
    TooManyPixels { width: u32, height: u32, limit: u64 },
    #[error("{width}×{height} pixels are too small: at least {limit} on the short side")]
    TooSmall { width: u32, height: u32, limit: u32 },
    #[error("damaged or truncated {format}: {fault}")]
    Damaged { format: &'static str, fault: String },
    #[error("{format} with {found} is not supported: expected {expected}")]
    Values { format: &'static str, found: String, expected: &'static str },
    #[error("this {format} holds not one number to show")]
    NoNumber { format: &'static str },
    #[error("{format} with samples of type {colour} is not supported: expected 8- or 16-bit grey or RGB")]
    Colour { format: &'static str, colour: String },
}

/// The picture in `bytes`: first frame, upright after EXIF, as sRGB after the embedded ICC profile.
///
/// The format is told from the content, never from a name. Grey stays grey, 16 bits stay 16 bits; measured values
/// (floating-point, signed or wider samples, and all of MRC) are scaled to 16 bits, and the remarks say how.
pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Decoded, DecodeError> {
    if bytes.is_empty() {
        return Err(DecodeError::Empty);
    }
    if bytes.len() as u64 > limits.bytes {
        return Err(DecodeError::TooManyBytes { bytes: bytes.len() as u64, limit: limits.bytes });
    }
    let known = image::guess_format(bytes).ok().and_then(|kind| Some((kind, supported(kind)?)));
    let Some((kind, (format, format_name, mime))) = known else {
        return if mrc::is_mrc(bytes) { micrograph(bytes, limits) } else { Err(unknown(bytes)) };
    };
    let damaged = |error: image::ImageError| {
        // Some decoders' words end with a line.
        let fault = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        DecodeError::Damaged { format: format_name, fault }
    };
    if kind == ImageFormat::Tiff
        && let Some((measured, orientation)) = deep::measured(bytes, limits)?
    {
        let remarks = deep::pages(bytes, limits).into_iter().collect();
        return shown(measured, orientation, format, format_name, mime, remarks);
    }

    let mut reader = ImageReader::with_format(Cursor::new(bytes), kind);
    reader.limits(caps(limits));
    let mut decoder = reader.into_decoder().map_err(damaged)?;
    let (width, height) = decoder.dimensions();
    check_size(width, height, limits)?;
    // The decoder heeds the limit for its own needs, not for what it decodes into.
    if decoder.total_bytes() > limits.memory {
        let fault = format!("{width}×{height} pixels would take {} bytes", decoder.total_bytes());
        return Err(DecodeError::Damaged { format: format_name, fault });
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
    let remarks = first_of(kind, bytes, limits).into_iter().collect();
    Ok(Decoded { raster, format, format_name, mime, colour_managed, remarks })
}

/// Whether a picture of this size is read at all.
pub(super) fn check_size(width: u32, height: u32, limits: &Limits) -> Result<(), DecodeError> {
    if u64::from(width) * u64::from(height) > limits.pixels {
        return Err(DecodeError::TooManyPixels { width, height, limit: limits.pixels });
    }
    if width.min(height) < limits.min_side {
        return Err(DecodeError::TooSmall { width, height, limit: limits.min_side });
    }
    Ok(())
}

fn caps(limits: &Limits) -> image::Limits {
    let mut caps = image::Limits::default();
    caps.max_alloc = Some(limits.memory);
    caps
}

fn micrograph(bytes: &[u8], limits: &Limits) -> Result<Decoded, DecodeError> {
    let (measured, first) = mrc::read(bytes, limits)?;
    let remarks = first.into_iter().collect();
    // No media type is registered.
    shown(measured, Orientation::NoTransforms, None, "MRC", "application/octet-stream", remarks)
}

/// Measured values as a picture.
fn shown(
    measured: Measured,
    orientation: Orientation,
    format: Option<Format>,
    format_name: &'static str,
    mime: &'static str,
    mut remarks: Vec<Remark>,
) -> Result<Decoded, DecodeError> {
    let (mut picture, scaled) = measured.shown().ok_or(DecodeError::NoNumber { format: format_name })?;
    picture.apply_orientation(orientation);
    remarks.push(scaled);
    let raster = split(picture, format_name)?;
    Ok(Decoded { raster, format, format_name, mime, colour_managed: false, remarks })
}

/// That the file holds further pictures, if it does.
fn first_of(kind: ImageFormat, bytes: &[u8], limits: &Limits) -> Option<Remark> {
    let frames = match kind {
        ImageFormat::Tiff => return deep::pages(bytes, limits),
        ImageFormat::Gif => {
            let mut decoder = GifDecoder::new(Cursor::new(bytes)).ok()?;
            decoder.set_limits(caps(limits)).ok()?;
            decoder.into_frames().take(2).flatten().count() > 1
        }
        ImageFormat::WebP => WebPDecoder::new(Cursor::new(bytes)).ok()?.has_animation(),
        ImageFormat::Png => PngDecoder::new(Cursor::new(bytes)).ok()?.is_apng().ok()?,
        _ => false,
    };
    frames.then_some(Remark::First { what: "frame", of: None })
}

fn unknown(bytes: &[u8]) -> DecodeError {
    if let Some((format, instead)) = foreign::recognise(bytes) {
        return DecodeError::NotRead { format, instead };
    }
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
