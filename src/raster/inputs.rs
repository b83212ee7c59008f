//! Tests of what is read: pictures as other programs write them, and files that lie.

use std::io::Cursor;

use image::codecs::{gif::GifEncoder, jpeg::JpegEncoder, png::PngEncoder, webp::WebPEncoder};
use image::{DynamicImage, ExtendedColorType, Frame, ImageEncoder, ImageFormat};

use super::{DecodeError, Limits, Remark, decode};

#[path = "../../tests/suite/chunk.rs"]
mod chunk;

const WIDTH: u32 = 24;
const HEIGHT: u32 = 16;

fn picture() -> DynamicImage {
    DynamicImage::ImageRgb8(image::RgbImage::from_fn(WIDTH, HEIGHT, |x, y| {
        image::Rgb([(x * 10) as u8, (y * 15) as u8, ((x * y) % 251) as u8])
    }))
}

fn file(format: ImageFormat) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    picture().write_to(&mut out, format).expect("it encodes");
    out.into_inner()
}

const ALL: [ImageFormat; 6] = [
    ImageFormat::Png,
    ImageFormat::Jpeg,
    ImageFormat::WebP,
    ImageFormat::Tiff,
    ImageFormat::Bmp,
    ImageFormat::Gif,
];

fn read(bytes: &[u8]) -> Result<(u32, u32), DecodeError> {
    decode(bytes, &Limits::default()).map(|decoded| (decoded.raster.width(), decoded.raster.height()))
}

#[test]
fn every_format_is_read_and_has_nothing_to_remark() {
    for format in ALL {
        let decoded = decode(&file(format), &Limits::default()).expect("it decodes");
        assert_eq!((decoded.raster.width(), decoded.raster.height()), (WIDTH, HEIGHT), "{format:?}");
        assert_eq!(decoded.remarks, [], "{format:?}");
    }
}

#[test]
fn orientation_from_exif_is_applied() {
    // A quarter turn clockwise: tag 274, one short, 6.
    let exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0".to_vec();
    fn written(mut encoder: impl ImageEncoder, exif: Vec<u8>) {
        encoder.set_exif_metadata(exif).expect("it takes EXIF");
        let pixels = picture().into_rgb8().into_raw();
        encoder.write_image(&pixels, WIDTH, HEIGHT, ExtendedColorType::Rgb8).expect("it encodes");
    }
    let mut files = [Vec::new(), Vec::new(), Vec::new()];
    written(PngEncoder::new(&mut files[0]), exif.clone());
    written(JpegEncoder::new(&mut files[1]), exif.clone());
    written(WebPEncoder::new_lossless(&mut files[2]), exif);
    for file in &files {
        assert_eq!(read(file).expect("it decodes"), (HEIGHT, WIDTH), "{:?}", &file[..4]);
    }
}

#[test]
fn of_an_animation_the_first_frame_is_taken_and_that_is_said() {
    let mut bytes = Vec::new();
    let frame = Frame::new(picture().into_rgba8());
    GifEncoder::new(&mut bytes).encode_frames([frame.clone(), frame]).expect("it encodes");
    let decoded = decode(&bytes, &Limits::default()).expect("it decodes");
    assert_eq!(decoded.remarks, [Remark::First { what: "frame", of: None }]);
}

/// Width and height where each format has them.
fn stretched(format: ImageFormat) -> Vec<u8> {
    let mut bytes = file(format);
    let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
    match format {
        ImageFormat::Png => {
            put(16, &60_000u32.to_be_bytes());
            put(20, &60_000u32.to_be_bytes());
            let header = chunk::chunk(b"IHDR", &bytes[16..29]);
            bytes[8..33].copy_from_slice(&header);
        }
        ImageFormat::Bmp => {
            put(18, &60_000u32.to_le_bytes());
            put(22, &60_000u32.to_le_bytes());
        }
        ImageFormat::Gif => put(6, &[0xff; 4]),
        ImageFormat::Jpeg => {
            let at = bytes.windows(2).position(|w| w == [0xff, 0xc0]).expect("a frame header");
            bytes[at + 5..at + 9].copy_from_slice(&[0xff; 4]);
        }
        // 14 bits each, less one.
        ImageFormat::WebP => put(21, &0x0fff_bffeu32.to_le_bytes()),
        _ => {
            let directory = u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]) as usize;
            for entry in [0, 1] {
                let at = directory + 2 + 12 * entry;
                assert_eq!(u16::from_le_bytes([bytes[at], bytes[at + 1]]), 256 + entry as u16);
                bytes[at + 8..at + 10].copy_from_slice(&60_000u16.to_le_bytes());
            }
        }
    }
    bytes
}

#[test]
fn a_header_that_promises_giant_pictures_is_refused_before_anything_is_allocated() {
    for format in ALL {
        let refused = read(&stretched(format)).expect_err("too large");
        // A TIFF's strips are held against its size first.
        let torn = format == ImageFormat::Tiff && matches!(refused, DecodeError::Damaged { .. });
        assert!(torn || matches!(refused, DecodeError::TooManyPixels { .. }), "{format:?}: {refused}");
    }
}

#[test]
fn a_header_that_promises_more_than_the_memory_allowed_is_refused() {
    // Within the limit of pixels, and far beyond what the decoder may take.
    let limits = Limits { pixels: u64::MAX, memory: 1 << 20, ..Limits::default() };
    for format in ALL {
        let refused = decode(&stretched(format), &limits).expect_err("too large");
        assert!(matches!(refused, DecodeError::Damaged { .. }), "{format:?}: {refused}");
    }
}

#[test]
fn whatever_is_cut_off_or_overwritten_is_one_line_and_never_a_panic() {
    for format in ALL {
        let whole = file(format);
        let one_line = |bytes: &[u8], what: &str| {
            if let Err(error) = read(bytes) {
                let text = error.to_string();
                assert!(!text.contains('\n') && !text.is_empty(), "{format:?} {what}: {text:?}");
            }
        };
        for length in 0..whole.len().min(400) {
            one_line(&whole[..length], "cut off");
        }
        assert!(read(&whole[..whole.len() / 3]).is_err(), "{format:?}: a third of a file is no picture");
        for at in 0..whole.len().min(300) {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut lying = whole.clone();
                lying[at] = value;
                one_line(&lying, "overwritten");
            }
        }
    }
}
