//! Pixels to bytes.

use std::io::Cursor;
use std::str::FromStr;

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::codecs::tiff::TiffEncoder;
use image::codecs::webp::WebPEncoder;
use image::{ExtendedColorType, ImageEncoder, ImageError};

use super::{Channels, Raster, Samples};

/// A format that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Png,
    Jpeg,
    /// Lossless.
    WebP,
    Tiff,
}

impl Format {
    pub const ALL: [Format; 4] = [Format::Png, Format::Jpeg, Format::WebP, Format::Tiff];

    /// Lower-case name, as on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Format::Png => "png",
            Format::Jpeg => "jpeg",
            Format::WebP => "webp",
            Format::Tiff => "tiff",
        }
    }

    /// Usual file name extension.
    pub fn extension(self) -> &'static str {
        match self {
            Format::Jpeg => "jpg",
            other => other.name(),
        }
    }

    pub fn mime(self) -> &'static str {
        match self {
            Format::Png => "image/png",
            Format::Jpeg => "image/jpeg",
            Format::WebP => "image/webp",
            Format::Tiff => "image/tiff",
        }
    }

    /// Whether decoding gives back the same pixels.
    pub fn is_lossless(self) -> bool {
        self != Format::Jpeg
    }
}

/// The text names no format that is written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown picture format {found:?}: expected png, jpeg, webp or tiff")]
pub struct ParseFormatError {
    pub found: String,
}

impl FromStr for Format {
    type Err = ParseFormatError;

    /// Reads a name or a file name extension, in any case.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.to_ascii_lowercase().as_str() {
            "png" => Ok(Format::Png),
            "jpeg" | "jpg" => Ok(Format::Jpeg),
            "webp" => Ok(Format::WebP),
            "tiff" | "tif" => Ok(Format::Tiff),
            _ => Err(ParseFormatError { found: text.to_owned() }),
        }
    }
}

/// The encoder failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot encode {width}×{height} pixels as {format}: {source}")]
pub struct EncodeError {
    pub width: u32,
    pub height: u32,
    pub format: &'static str,
    pub source: ImageError,
}

/// `raster` as a file of `format`. `quality` (1..=100) is JPEG's alone.
///
/// PNG and TIFF keep 16 bits; JPEG and WebP narrow to 8. JPEG, which has no alpha, shows it over white.
pub fn encode(raster: &Raster, format: Format, quality: u8) -> Result<Vec<u8>, EncodeError> {
    let narrowed;
    let raster = match format {
        Format::Jpeg => {
            narrowed = raster.clone().flatten().to_eight();
            &narrowed
        }
        Format::WebP => {
            narrowed = raster.to_eight();
            &narrowed
        }
        Format::Png | Format::Tiff => raster,
    };
    let (bytes, colour) = interleave(raster, format);
    let mut out = Cursor::new(Vec::new());
    let (width, height) = (raster.width(), raster.height());
    let done = match format {
        Format::Png => PngEncoder::new_with_quality(&mut out, CompressionType::Default, FilterType::Adaptive)
            .write_image(&bytes, width, height, colour),
        Format::Jpeg => JpegEncoder::new_with_quality(&mut out, quality.clamp(1, 100))
            .write_image(&bytes, width, height, colour),
        Format::WebP => WebPEncoder::new_lossless(&mut out).write_image(&bytes, width, height, colour),
        Format::Tiff => TiffEncoder::new(&mut out).write_image(&bytes, width, height, colour),
    };
    done.map_err(|source| EncodeError { width, height, format: format.name(), source })?;
    Ok(out.into_inner())
}

/// Samples with alpha woven in, as native-endian bytes.
fn interleave(raster: &Raster, format: Format) -> (Vec<u8>, ExtendedColorType) {
    use ExtendedColorType::*;
    let grey = raster.channels() == Channels::Grey;
    match (raster.samples(), raster.alpha()) {
        (Samples::Eight(v), None) => (v.clone(), if grey { L8 } else { Rgb8 }),
        (Samples::Sixteen(v), None) => {
            (v.iter().flat_map(|s| s.to_ne_bytes()).collect(), if grey { L16 } else { Rgb16 })
        }
        // TIFF's encoder takes grey with alpha in no depth.
        (_, Some(_)) if grey && format == Format::Tiff => interleave(&to_rgb(raster), format),
        (Samples::Eight(v), Some(Samples::Eight(a))) => {
            (weave(v, a, raster.channels().count()), if grey { La8 } else { Rgba8 })
        }
        (Samples::Sixteen(v), Some(Samples::Sixteen(a))) => {
            let woven = weave(v, a, raster.channels().count());
            (woven.iter().flat_map(|s| s.to_ne_bytes()).collect(), if grey { La16 } else { Rgba16 })
        }
        _ => unreachable!("a raster's alpha has the depth of its samples"),
    }
}

fn weave<T: Copy>(samples: &[T], alpha: &[T], colours: usize) -> Vec<T> {
    samples
        .chunks_exact(colours)
        .zip(alpha)
        .flat_map(|(pixel, a)| pixel.iter().copied().chain([*a]))
        .collect()
}

fn to_rgb(raster: &Raster) -> Raster {
    let triple = match raster.samples() {
        Samples::Eight(v) => Samples::Eight(v.iter().flat_map(|s| [*s; 3]).collect()),
        Samples::Sixteen(v) => Samples::Sixteen(v.iter().flat_map(|s| [*s; 3]).collect()),
    };
    Raster::new(raster.width(), raster.height(), Channels::Rgb, triple, raster.alpha().cloned())
}

#[cfg(test)]
mod tests {
    use super::super::{Limits, decode};
    use super::*;

    fn pictures() -> Vec<Raster> {
        let (w, h) = (11u32, 9u32);
        let n = (w * h) as usize;
        let eight = |k: usize| Samples::Eight((0..n * k).map(|i| (i * 37 % 251) as u8).collect());
        let sixteen = |k: usize| Samples::Sixteen((0..n * k).map(|i| (i * 7919 % 65521) as u16).collect());
        let mut all = Vec::new();
        for (channels, k) in [(Channels::Grey, 1), (Channels::Rgb, 3)] {
            all.push(Raster::new(w, h, channels, eight(k), None));
            all.push(Raster::new(w, h, channels, eight(k), Some(eight(1))));
            all.push(Raster::new(w, h, channels, sixteen(k), None));
            all.push(Raster::new(w, h, channels, sixteen(k), Some(sixteen(1))));
        }
        all
    }

    #[test]
    fn png_gives_back_every_kind_of_picture() {
        for picture in pictures() {
            let bytes = encode(&picture, Format::Png, 90).expect("it encodes");
            assert_eq!(decode(&bytes, &Limits::default()).expect("it decodes").raster, picture);
        }
    }

    #[test]
    fn lossless_formats_give_back_what_they_can_hold() {
        for picture in pictures() {
            for format in [Format::WebP, Format::Tiff] {
                let bytes = encode(&picture, format, 90).expect("it encodes");
                let back = decode(&bytes, &Limits::default()).expect("it decodes").raster;
                let expected = if format == Format::WebP { picture.to_eight() } else { picture.clone() };
                for (a, b) in expected.planes().iter().zip(back.planes()) {
                    assert_eq!(a.data(), b.data(), "{format:?}");
                }
                assert_eq!(back.alpha(), expected.alpha(), "{format:?}");
            }
        }
    }

    #[test]
    fn jpeg_is_close_and_opaque() {
        for picture in pictures() {
            let bytes = encode(&picture, Format::Jpeg, 95).expect("it encodes");
            let back = decode(&bytes, &Limits::default()).expect("it decodes").raster;
            assert_eq!(back.channels(), picture.channels());
            assert!(back.alpha().is_none());
        }
    }
}
