//! TIFF beyond 16 bits: floating-point, signed and wide samples, as detectors and image analysis write them, and
//! pages beyond the first.

use std::io::Cursor;

use image::metadata::Orientation;
use tiff::decoder::{Decoder, DecodingResult};
use tiff::tags::{SampleFormat, Tag};
use tiff::{ColorType, TiffError};

use super::measured::Measured;
use super::{Channels, DecodeError, Limits, Remark, decode};

const NAME: &str = "TIFF";
/// Pages that are counted.
const PAGES: u64 = 256;

type Reader<'a> = Decoder<Cursor<&'a [u8]>>;

/// The first page's values and how the page lies, if they are other than unsigned ones of at most 16 bits.
pub(super) fn measured(
    bytes: &[u8],
    limits: &Limits,
) -> Result<Option<(Measured, Orientation)>, DecodeError> {
    let mut file = open(bytes, limits)?;
    let colour = file.colortype().map_err(damaged)?;
    let formats = file.find_tag_unsigned_vec::<u16>(Tag::SampleFormat).map_err(damaged)?;
    let plain = formats.unwrap_or_default().iter().all(|format| *format == SampleFormat::Uint.to_u16());
    if plain && colour.bit_depth() <= 16 {
        return Ok(None);
    }
    let channels = match colour {
        ColorType::Gray(_) => Channels::Grey,
        ColorType::RGB(_) => Channels::Rgb,
        other => {
            let found = format!("samples of type {other:?}");
            return Err(DecodeError::Values { format: NAME, found, expected: "one value a pixel, or three" });
        }
    };
    let (width, height) = file.dimensions().map_err(damaged)?;
    decode::check_size(width, height, limits)?;
    let orientation = file.find_tag_unsigned::<u8>(Tag::Orientation).map_err(damaged)?;
    let orientation = orientation.and_then(Orientation::from_exif).unwrap_or(Orientation::NoTransforms);
    let values = floats(file.read_image().map_err(damaged)?);
    let expected = width as usize * height as usize * channels.count();
    if values.len() != expected {
        let fault = format!("{} values, expected {expected} in one plane", values.len());
        return Err(DecodeError::Damaged { format: NAME, fault });
    }
    Ok(Some((Measured { width, height, channels, values }, orientation)))
}

/// That there are further pages, if there are.
pub(super) fn pages(bytes: &[u8], limits: &Limits) -> Option<Remark> {
    let mut file = open(bytes, limits).ok()?;
    let mut pages = 1;
    while file.more_images() && pages < PAGES {
        // A directory that cannot be read is no page.
        file.next_image().ok()?;
        pages += 1;
    }
    let of = (!file.more_images()).then_some(pages);
    (pages > 1).then_some(Remark::First { what: "page", of })
}

fn open<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Reader<'a>, DecodeError> {
    let memory = usize::try_from(limits.memory / 2).unwrap_or(usize::MAX);
    let mut caps = tiff::decoder::Limits::default();
    caps.decoding_buffer_size = memory;
    caps.intermediate_buffer_size = memory;
    Ok(Decoder::new(Cursor::new(bytes)).map_err(damaged)?.with_limits(caps))
}

/// As 32-bit floats, which is more than anybody sees.
fn floats(values: DecodingResult) -> Vec<f32> {
    match values {
        DecodingResult::F32(v) => v,
        DecodingResult::F64(v) => v.into_iter().map(|v| v as f32).collect(),
        DecodingResult::F16(v) => v.into_iter().map(f32::from).collect(),
        DecodingResult::U8(v) => v.into_iter().map(f32::from).collect(),
        DecodingResult::U16(v) => v.into_iter().map(f32::from).collect(),
        DecodingResult::U32(v) => v.into_iter().map(|v| v as f32).collect(),
        DecodingResult::U64(v) => v.into_iter().map(|v| v as f32).collect(),
        DecodingResult::I8(v) => v.into_iter().map(f32::from).collect(),
        DecodingResult::I16(v) => v.into_iter().map(f32::from).collect(),
        DecodingResult::I32(v) => v.into_iter().map(|v| v as f32).collect(),
        DecodingResult::I64(v) => v.into_iter().map(|v| v as f32).collect(),
    }
}

fn damaged(error: TiffError) -> DecodeError {
    DecodeError::Damaged { format: NAME, fault: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::super::{Samples, decode};
    use super::*;
    use tiff::encoder::{TiffEncoder, colortype};

    fn limits() -> Limits {
        Limits::default()
    }

    /// One page for each of `pages`, 16 × 9.
    fn tiff<C: colortype::ColorType>(pages: &[Vec<C::Inner>], orientation: u16) -> Vec<u8>
    where
        [C::Inner]: tiff::encoder::TiffValue,
    {
        let mut out = Cursor::new(Vec::new());
        let mut encoder = TiffEncoder::new(&mut out).expect("it begins");
        for page in pages {
            let mut image = encoder.new_image::<C>(16, 9).expect("a page");
            image.encoder().write_tag(Tag::Orientation, orientation).expect("a tag");
            image.write_data(page).expect("its values");
        }
        out.into_inner()
    }

    fn ramp<T>(of: impl Fn(usize) -> T) -> Vec<T> {
        (0..16 * 9).map(of).collect()
    }

    fn grey(bytes: &[u8]) -> (Vec<u16>, Vec<Remark>) {
        let decoded = decode(bytes, &limits()).unwrap_or_else(|e| panic!("{e}"));
        let Samples::Sixteen(samples) = decoded.raster.samples() else { panic!("sixteen bits") };
        (samples.clone(), decoded.remarks)
    }

    #[test]
    fn every_kind_of_measured_value_is_shown_on_the_same_scale() {
        let expected: Vec<u16> = ramp(|v| (v as f64 * 65535.0 / 143.0).round() as u16);
        let kinds = [
            tiff::<colortype::Gray32Float>(&[ramp(|v| v as f32 / 10.0 - 3.0)], 1),
            tiff::<colortype::Gray64Float>(&[ramp(|v| v as f64 * 1e3)], 1),
            tiff::<colortype::Gray32>(&[ramp(|v| v as u32 * 65536)], 1),
            tiff::<colortype::GrayI16>(&[ramp(|v| v as i16 - 70)], 1),
            tiff::<colortype::GrayI8>(&[ramp(|v| (v as i16 - 72) as i8)], 1),
        ];
        for (i, file) in kinds.iter().enumerate() {
            let (samples, remarks) = grey(file);
            assert!(samples.iter().zip(&expected).all(|(a, b)| a.abs_diff(*b) <= 1), "{i}: {samples:?}");
            assert!(matches!(remarks[..], [Remark::Scaled { .. }]), "{i}: {remarks:?}");
        }
        let (_, remarks) = grey(&kinds[1]);
        assert_eq!(remarks, [Remark::Scaled { black: 0.0, white: 143e3 }]);
    }

    #[test]
    fn colours_share_one_scale() {
        let values: Vec<f32> =
            (0..16 * 9 * 3).map(|i| if i % 3 == 0 { 2.0 } else { (i % 2) as f32 }).collect();
        let (samples, _) = grey(&tiff::<colortype::RGB32Float>(&[values], 1));
        assert_eq!(samples[..6], [65535, 32768, 0, 65535, 0, 32768]);
    }

    #[test]
    fn plain_samples_are_taken_as_they_are() {
        let (samples, remarks) = grey(&tiff::<colortype::Gray16>(&[ramp(|v| v as u16 * 9)], 1));
        assert_eq!((samples[2], remarks), (18, Vec::new()));
    }

    #[test]
    fn of_several_pages_the_first_is_taken_and_that_is_said() {
        let pages: Vec<Vec<f32>> = (0..3).map(|page| ramp(|v| (v * (1 - page % 2)) as f32)).collect();
        let (samples, remarks) = grey(&tiff::<colortype::Gray32Float>(&pages, 1));
        assert_eq!(samples[143], 65535);
        assert_eq!(remarks[0], Remark::First { what: "page", of: Some(3) });
        let pages: Vec<Vec<u16>> = (0..2).map(|_| ramp(|v| v as u16)).collect();
        let (_, remarks) = grey(&tiff::<colortype::Gray16>(&pages, 1));
        assert_eq!(remarks, [Remark::First { what: "page", of: Some(2) }]);
    }

    #[test]
    fn a_page_that_lies_on_its_side_is_set_upright() {
        for file in [
            tiff::<colortype::Gray32Float>(&[ramp(|v| v as f32)], 6),
            tiff::<colortype::Gray16>(&[ramp(|v| v as u16)], 6),
        ] {
            let decoded = decode(&file, &limits()).expect("it decodes");
            assert_eq!((decoded.raster.width(), decoded.raster.height()), (9, 16));
        }
    }

    #[test]
    fn damage_is_an_error_and_never_a_panic() {
        let page = || ramp(|v| v as f32);
        let whole = tiff::<colortype::Gray32Float>(&[page(), page()], 1);
        let read = |bytes: &[u8], what: &str| match decode(bytes, &limits()) {
            // Where the second page alone is hurt, the first is whole.
            Ok(decoded) => assert!(decoded.raster.width() * decoded.raster.height() > 0, "{what}"),
            Err(error) => assert_eq!(error.to_string().lines().count(), 1, "{what}: {error}"),
        };
        for length in 1..whole.len() {
            read(&whole[..length], &format!("cut off at {length}"));
        }
        let one = tiff::<colortype::Gray32Float>(&[page()], 1);
        for length in 0..one.len() {
            assert!(decode(&one[..length], &limits()).is_err(), "{length} of {}", one.len());
        }
        for at in 0..whole.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut lying = whole.clone();
                lying[at] = value;
                read(&lying, &format!("{value} at {at}"));
            }
        }
    }
}
