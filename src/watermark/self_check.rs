//! Whether a mark will hold: it is read from copies such as the world makes.

use std::fmt;

use super::detect::{Search, detect};
use super::key::Keyring;
use super::message::Message;
use crate::raster::{self, Format, Kernel, Limits, Raster, resize};

/// Qualities of the JPEG copies.
const JPEG_QUALITY: u8 = 50;
const FAIR_QUALITY: u8 = 80;
/// Part of each side that is left of the cropped copy, and size of the smaller copy.
const LEFT: f64 = 0.6;

/// A copy of a marked picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Copy {
    /// The picture itself.
    Itself,
    /// A JPEG of quality 80.
    FairJpeg,
    /// A JPEG of quality 50.
    Jpeg,
    /// The middle, 60 % of each side.
    Cropped,
    /// Made smaller, to 60 %.
    Smaller,
}

impl fmt::Display for Copy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Copy::Itself => "the output itself",
            Copy::FairJpeg => "a JPEG copy of quality 80",
            Copy::Jpeg => "a JPEG copy of quality 50",
            Copy::Cropped => "a copy cropped to 60 %",
            Copy::Smaller => "a copy made smaller, to 60 %",
        })
    }
}

/// Whether `message` can be read from `marked` and from its copies; else from which copy it cannot.
pub fn survives(marked: &Raster, message: &Message, keys: Keyring<'_>) -> Result<(), Copy> {
    let reads = |raster: &Raster, search| {
        detect(raster, Keyring { owner: None, ..keys }, search).is_some_and(|found| found.message == *message)
    };
    if !reads(marked, Search::Fast) {
        return Err(Copy::Itself);
    }
    let eight = marked.to_eight();
    let reads_jpeg = |quality| {
        let bytes = raster::encode(&eight, Format::Jpeg, quality).ok();
        let copy = bytes.and_then(|bytes| raster::decode(&bytes, &Limits::default()).ok());
        copy.is_some_and(|copy| reads(&copy.raster, Search::Fast))
    };
    if !reads_jpeg(JPEG_QUALITY) {
        return Err(if reads_jpeg(FAIR_QUALITY) { Copy::Jpeg } else { Copy::FairJpeg });
    }
    let planes = marked.planes();
    let [width, height] = [marked.width(), marked.height()].map(|n| (f64::from(n) * LEFT).round() as usize);
    let [left, top] = [marked.width() as usize - width, marked.height() as usize - height].map(|n| n / 2);
    let cropped =
        planes.iter().map(|plane| raster::Plane::from_fn(width, height, |x, y| plane.at(left + x, top + y)));
    // The tiles of a large picture are larger than a crop of its size would have them.
    if !reads(&Raster::from_planes(&cropped.collect::<Vec<_>>(), marked.depth()), Search::Full) {
        return Err(Copy::Cropped);
    }
    let smaller: Vec<_> = planes.iter().map(|plane| resize(plane, width, height, Kernel::Lanczos)).collect();
    if !reads(&Raster::from_planes(&smaller, marked.depth()), Search::Full) {
        return Err(Copy::Smaller);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Stream;
    use crate::raster::{Channels, Depth, Samples};
    use crate::watermark::sample::picture;
    use crate::watermark::{Key, Quality, embed};

    #[test]
    fn a_good_mark_survives_and_another_message_is_missed_in_the_picture_itself() {
        let (key, message) = (Key::new([7; 32]), Message::Long([3; 10]));
        let keys = Keyring { public: &key, owner: None };
        let original = picture(512, 460, 1, Depth::Eight);
        let marked = embed(&original, &message, keys, Quality::Fixed(40.0)).expect("large enough").raster;
        assert_eq!(survives(&marked, &message, keys), Ok(()));
        assert_eq!(survives(&marked, &Message::Long([4; 10]), keys), Err(Copy::Itself));
    }

    #[test]
    fn a_large_picture_is_read_from_its_crop_too() {
        let (key, message) = (Key::new([7; 32]), Message::Long([3; 10]));
        let keys = Keyring { public: &key, owner: None };
        let original = picture(1200, 1100, 1, Depth::Eight);
        let marked = embed(&original, &message, keys, Quality::Fixed(42.0)).expect("large enough").raster;
        assert_eq!(survives(&marked, &message, keys), Ok(()));
    }

    #[test]
    fn as_the_mark_weakens_copies_fail_before_the_picture_itself() {
        let (key, message) = (Key::new([7; 32]), Message::Long([3; 10]));
        let keys = Keyring { public: &key, owner: None };
        let noise = Stream::new(3, "loud");
        let values = (0..220 * 220).map(|i| 0.5 + 0.08 * noise.normal(i) as f32);
        let original = Raster::new(220, 220, Channels::Grey, Samples::from_unit(values, Depth::Eight), None);
        let fate = |psnr_db| {
            let marked =
                embed(&original, &message, keys, Quality::Fixed(psnr_db)).expect("large enough").raster;
            survives(&marked, &message, keys)
        };
        let fates: Vec<_> = (0..9).map(|i| fate(34.0 + 2.0 * f64::from(i))).collect();
        let first = fates.iter().find_map(|fate| fate.err()).expect("at 50 dB nothing is left");
        assert_eq!(fates[0], Ok(()), "{fates:?}");
        assert!(first > Copy::Itself, "{fates:?}");
    }
}
