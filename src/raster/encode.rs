//! Pixels to bytes: with `decode`, the door of the crates that know picture formats.

use std::io::Cursor;

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::codecs::tiff::TiffEncoder;
use image::codecs::webp::WebPEncoder;
use image::{ExtendedColorType, ImageEncoder};
use jpeg_encoder::{ColorType, SamplingFactor};

use super::{Channels, Encoding, Format, Raster, Samples, Subsampling};

/// The encoder failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot encode {width}×{height} pixels as {format}: {fault}")]
pub struct EncodeError {
    pub width: u32,
    pub height: u32,
    pub format: &'static str,
    pub fault: String,
}

/// `raster` as a file of `format`. `quality` (1..=100) is JPEG's alone; its colour is as fine as its brightness.
pub fn encode(raster: &Raster, format: Format, quality: u8) -> Result<Vec<u8>, EncodeError> {
    encode_as(
        raster,
        match Encoding::from(format) {
            Encoding::Jpeg { subsampling, .. } => Encoding::Jpeg { quality, subsampling },
            other => other,
        },
    )
}

/// `raster` as a file.
///
/// PNG and TIFF keep 16 bits; JPEG and WebP narrow to 8. JPEG, which has no alpha, shows it over white.
pub fn encode_as(raster: &Raster, encoding: Encoding) -> Result<Vec<u8>, EncodeError> {
    let written = match encoding {
        Encoding::Png => written_by(raster, |out, bytes, width, height, colour| {
            PngEncoder::new_with_quality(out, CompressionType::Default, FilterType::Adaptive)
                .write_image(bytes, width, height, colour)
        }),
        Encoding::Tiff => {
            // Its encoder takes grey with alpha in no depth.
            let grey_alpha = raster.alpha().is_some() && raster.channels() == Channels::Grey;
            let widened = grey_alpha.then(|| to_rgb(raster));
            written_by(widened.as_ref().unwrap_or(raster), |out, bytes, width, height, colour| {
                TiffEncoder::new(out).write_image(bytes, width, height, colour)
            })
        }
        Encoding::WebP { quality: None } => {
            written_by(&raster.to_eight(), |out, bytes, width, height, colour| {
                WebPEncoder::new_lossless(out).write_image(bytes, width, height, colour)
            })
        }
        Encoding::WebP { quality: Some(quality) } => lossy_webp(&to_rgb(&raster.to_eight()), quality),
        Encoding::Jpeg { quality, subsampling } => {
            jpeg(&raster.clone().flatten().to_eight(), quality, subsampling)
        }
    };
    written.map_err(|fault| EncodeError {
        width: raster.width(),
        height: raster.height(),
        format: encoding.format().name(),
        fault,
    })
}

/// What an encoder of `image` writes.
fn written_by(
    raster: &Raster,
    write: impl FnOnce(&mut Cursor<Vec<u8>>, &[u8], u32, u32, ExtendedColorType) -> image::ImageResult<()>,
) -> Result<Vec<u8>, String> {
    let (bytes, colour) = interleave(raster);
    let mut out = Cursor::new(Vec::new());
    write(&mut out, &bytes, raster.width(), raster.height(), colour).map_err(|e| e.to_string())?;
    Ok(out.into_inner())
}

/// Eight bits, opaque.
fn jpeg(raster: &Raster, quality: u8, subsampling: Subsampling) -> Result<Vec<u8>, String> {
    let side = |side: u32| u16::try_from(side).map_err(|_| "a side of at most 65535 fits".to_owned());
    let (width, height) = (side(raster.width())?, side(raster.height())?);
    let (bytes, colour) = match raster.channels() {
        Channels::Grey => (interleave(raster).0, ColorType::Luma),
        Channels::Rgb => (interleave(raster).0, ColorType::Rgb),
    };
    let mut out = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut out, quality.clamp(1, 100));
    encoder.set_sampling_factor(match subsampling {
        Subsampling::S444 => SamplingFactor::R_4_4_4,
        Subsampling::S422 => SamplingFactor::R_4_2_2,
        Subsampling::S420 => SamplingFactor::R_4_2_0,
    });
    encoder.encode(&bytes, width, height, colour).map_err(|e| e.to_string())?;
    Ok(out)
}

/// Eight bits, in colour.
fn lossy_webp(raster: &Raster, quality: u8) -> Result<Vec<u8>, String> {
    /// What the format's header has room for.
    const LONGEST: u32 = 16_383;
    let (width, height) = (raster.width(), raster.height());
    if width.max(height) > LONGEST {
        return Err(format!("a side of at most {LONGEST} fits"));
    }
    let (bytes, _) = interleave(raster);
    let encoder = match raster.alpha() {
        None => webp::Encoder::from_rgb(&bytes, width, height),
        Some(_) => webp::Encoder::from_rgba(&bytes, width, height),
    };
    let written = encoder.encode_simple(false, f32::from(quality.clamp(1, 100)));
    Ok(written.map_err(|e| format!("{e:?}"))?.to_vec())
}

/// Samples with alpha woven in, as native-endian bytes.
fn interleave(raster: &Raster) -> (Vec<u8>, ExtendedColorType) {
    use ExtendedColorType::*;
    let grey = raster.channels() == Channels::Grey;
    match (raster.samples(), raster.alpha()) {
        (Samples::Eight(v), None) => (v.clone(), if grey { L8 } else { Rgb8 }),
        (Samples::Sixteen(v), None) => {
            (v.iter().flat_map(|s| s.to_ne_bytes()).collect(), if grey { L16 } else { Rgb16 })
        }
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
    if raster.channels() == Channels::Rgb {
        return raster.clone();
    }
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
    fn every_lossy_encoding_is_close_to_a_smooth_picture_and_closer_at_higher_quality() {
        let sample = |i: usize| 128.0 + 90.0 * ((i / 3 % 64 + i / 192) as f32 / 5.0 + (i % 3) as f32).sin();
        let samples = Samples::Eight((0..64 * 48 * 3).map(|i| sample(i) as u8).collect());
        let picture = Raster::new(64, 48, Channels::Rgb, samples, None);
        let error = |encoding: Encoding| {
            let bytes = encode_as(&picture, encoding).expect("it encodes");
            let back = decode(&bytes, &Limits::default()).expect("it decodes").raster;
            let planes = picture.planes();
            let pairs =
                planes.iter().zip(back.planes()).flat_map(|(a, b)| a.zip(&b, |a, b| a - b).into_data());
            (pairs.map(|d| f64::from(d * d)).sum::<f64>() / 9216.0).sqrt()
        };
        use Subsampling::{S420, S422, S444};
        let jpeg = |quality, subsampling| error(Encoding::Jpeg { quality, subsampling });
        let webp = |quality| error(Encoding::WebP { quality });
        assert!(jpeg(95, S444) < 0.02 && jpeg(95, S444) < jpeg(30, S444));
        // Colour that changes within a few pixels is what subsampling loses.
        assert!(jpeg(95, S444) < jpeg(95, S422) && jpeg(95, S422) < jpeg(95, S420));
        assert!(webp(None) == 0.0 && webp(Some(95)) < 0.1 && webp(Some(95)) < webp(Some(10)));
    }

    #[test]
    fn lossy_webp_takes_every_kind_of_picture_and_keeps_alpha() {
        for picture in pictures() {
            let bytes = encode_as(&picture, Encoding::WebP { quality: Some(90) }).expect("it encodes");
            let back = decode(&bytes, &Limits::default()).expect("it decodes").raster;
            assert_eq!((back.width(), back.height()), (11, 9));
            assert_eq!(back.alpha().is_some(), picture.alpha().is_some());
        }
    }

    #[test]
    fn what_is_too_long_for_a_format_is_an_error() {
        let long = |n: u32| Raster::new(n, 1, Channels::Grey, Samples::Eight(vec![0; n as usize]), None);
        let refused = encode(&long(65536), Format::Jpeg, 90).expect_err("too long").to_string();
        assert_eq!(refused, "cannot encode 65536×1 pixels as jpeg: a side of at most 65535 fits");
        let refused = encode_as(&long(16384), Encoding::WebP { quality: Some(90) });
        let refused = refused.expect_err("too long").to_string();
        assert_eq!(refused, "cannot encode 16384×1 pixels as webp: a side of at most 16383 fits");
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
