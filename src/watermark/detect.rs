//! Finds a mark in a picture.

use super::decode::{Decoder, Effort, Observation, Translation};
use super::frontend::{Front, embed_scale};
use super::geometry::{Geometry, Pose};
use super::key::{Key, MAC_BITS, TILE};
use super::nufft::Reader;
use crate::raster::{Kernel, Plane, Raster, resize};

/// Pictures of more pixels are made smaller first.
const MAX_PIXELS: usize = 2048 * 2048;
/// Pictures with a shorter side hold too little of the mark.
const MIN_SIDE: usize = 96;

/// A mark that its MAC confirms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Detection {
    pub message: [u8; 10],
    pub pose: Pose,
    /// Logarithm (base 10) of the probability that a picture without a mark under this key gets as far:
    /// `mac_checks` · 2⁻⁴⁰, at most 10⁻⁹.
    pub log10_false_positive: f64,
    /// Agreement of the pilots, in standard deviations of pilots of random phase. For information only.
    pub pilot_score: f64,
    /// MAC comparisons made.
    pub mac_checks: u32,
}

/// The mark under `key` in `raster`, or `None`.
///
/// Found are marks in pictures that kept their pixel grid: recompressed, filtered, recoloured, cropped,
/// painted over, flipped, turned by quarters. Of pictures marked with a short side over 1024 pixels, whose
/// tiles are larger, crops are not found. Pictures under 96 pixels are not looked at.
pub fn detect(raster: &Raster, key: &Key) -> Option<Detection> {
    let (width, height) = (raster.width() as usize, raster.height() as usize);
    let picture = Picture::new(raster.luma().map(|v| v * 255.0))?;
    let mut decoder = Decoder::new(key);
    let natural = embed_scale(width, height);
    let scales = if natural == 1.0 { vec![1.0] } else { vec![natural, 1.0] };
    let lock = scales.into_iter().find_map(|scale| on_the_grid(&picture, scale, &mut decoder))?;

    let checks = decoder.checks();
    let mut pose = lock.geometry.pose(lock.translation.shift);
    // Back to pixels of the given picture.
    pose.scale /= (picture.factor[0] * picture.factor[1]).sqrt();
    pose.shift = [0, 1].map(|i| pose.shift[i] / picture.factor[i] + picture.origin[i]);
    Some(Detection {
        message: lock.message,
        pose,
        log10_false_positive: (f64::from(checks) / 2f64.powi(MAC_BITS as i32)).log10(),
        pilot_score: lock.translation.score,
        mac_checks: checks,
    })
}

/// A confirmed geometry and translation.
struct Lock {
    message: [u8; 10],
    geometry: Geometry,
    translation: Translation,
}

/// What is searched.
struct Picture {
    reader: Reader,
    /// Size over the given size (x, y).
    factor: [f64; 2],
    /// Where this picture's origin, the pixel (width / 2, height / 2), lies from that of the given picture,
    /// in given pixels (x, y).
    origin: [f64; 2],
}

impl Picture {
    /// `None` if too little would be left at the size that is searched.
    fn new(luma: Plane) -> Option<Self> {
        let given = [luma.width(), luma.height()];
        let shrink = (MAX_PIXELS as f64 / (given[0] * given[1]) as f64).sqrt().min(1.0);
        let size = given.map(|n| (n as f64 * shrink).round() as usize);
        if size[0].min(size[1]) < MIN_SIDE {
            return None;
        }
        let luma = resize(&luma, size[0], size[1], Kernel::Area);
        let factor = [0, 1].map(|i| size[i] as f64 / given[i] as f64);
        let origin = [0, 1].map(|i| {
            let centre = ((size[i] / 2) as f64 + 0.5) / factor[i] - 0.5;
            centre - (given[i] / 2) as f64
        });
        let front = Front::of(&luma, embed_scale(size[0], size[1]));
        Some(Picture { reader: Reader::new(&front.windowed()), factor, origin })
    }
}

/// Looks for tiles of 61 · `scale` given pixels, flipped or turned by quarters.
fn on_the_grid(picture: &Picture, scale: f64, decoder: &mut Decoder) -> Option<Lock> {
    let period = picture.factor.map(|factor| TILE * scale * factor);
    let mut candidates: Vec<(Geometry, Observation, Translation)> = Vec::new();
    for (i, geometry) in Geometry::on_the_grid(period).into_iter().enumerate() {
        let seen = decoder.observe(&picture.reader, &geometry);
        if i == 0 {
            // Upright and uncropped needs no pilots, so that their erasure alone does not help.
            let shift = picture.origin.map(|offset| offset / scale);
            if let Some(message) = decoder.attempt(&seen, shift, Effort::Thorough) {
                let translation = Translation { shift, score: decoder.score(&seen, shift) };
                return Some(Lock { message, geometry, translation });
            }
        }
        let turned = seen.half_turned();
        for (geometry, seen) in [(geometry, seen), (geometry.half_turned(), turned)] {
            for translation in decoder.translations(&seen) {
                candidates.push((geometry, seen.clone(), translation));
            }
        }
    }
    candidates.sort_by(|a, b| b.2.score.total_cmp(&a.2.score));
    candidates.into_iter().enumerate().find_map(|(rank, (geometry, seen, translation))| {
        let effort = if rank == 0 { Effort::Thorough } else { Effort::Usual };
        let message = decoder.attempt(&seen, translation.shift, effort)?;
        Some(Lock { message, geometry, translation })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Stream;
    use crate::raster::{Channels, Depth, Samples};
    use crate::watermark::embed;
    use crate::watermark::sample::picture;

    const MESSAGE: [u8; 10] = [0x2C, 1, 2, 3, 4, 5, 6, 7, 8, 9];

    fn marked(width: usize, height: usize, channels: usize, depth: Depth) -> Raster {
        let original = picture(width, height, channels, depth);
        embed(&original, MESSAGE, &Key::public(), 42.0).expect("large enough").raster
    }

    /// A grey 8-bit picture of the same samples at other places: (x, y) → (x, y) of the source.
    fn moved(
        source: &Raster,
        width: usize,
        height: usize,
        from: impl Fn(usize, usize) -> (usize, usize),
    ) -> Raster {
        let plane = &source.planes()[0];
        let moved = Plane::from_fn(width, height, |x, y| {
            let (u, v) = from(x, y);
            plane.at(u, v)
        });
        Raster::from_planes(&[moved], Depth::Eight)
    }

    fn changed(source: &Raster, change: impl Fn(usize, f32) -> f32) -> Raster {
        let values = (0..source.samples().len()).map(|i| change(i, source.samples().unit(i)));
        let samples = Samples::from_unit(values, source.depth());
        Raster::new(source.width(), source.height(), source.channels(), samples, None)
    }

    fn found(raster: &Raster) -> Option<Pose> {
        let detection = detect(raster, &Key::public())?;
        assert_eq!(detection.message, MESSAGE);
        assert!(detection.log10_false_positive < -9.0);
        Some(detection.pose)
    }

    #[test]
    fn a_mark_is_read_back_from_grey_and_rgb_in_8_and_16_bits() {
        for channels in [1, 3] {
            for depth in [Depth::Eight, Depth::Sixteen] {
                let pose = found(&marked(320, 256, channels, depth)).expect("not attacked");
                assert_eq!((pose.rotation_degrees, pose.mirrored, pose.scale), (0.0, false, 1.0));
                assert_eq!(pose.shift, [0.0, 0.0]);
            }
        }
    }

    #[test]
    fn a_mark_is_read_at_the_least_size() {
        assert!(found(&marked(200, 200, 1, Depth::Eight)).is_some());
    }

    #[test]
    fn a_mark_on_a_picture_over_the_detectors_limit_is_read_in_place() {
        let stream = Stream::new(2, "large");
        let level = |x: usize, y: usize| {
            let soft = 40.0 * ((x as f32 / 97.0).sin() + (y as f32 / 71.0).cos());
            (128.0 + soft) as u8 + stream.below((y * 2161 + x) as u64, 8) as u8
        };
        let samples = (0..2161 * 2050).map(|i| level(i % 2161, i / 2161)).collect();
        let original = Raster::new(2161, 2050, Channels::Grey, Samples::Eight(samples), None);
        let marked = embed(&original, MESSAGE, &Key::public(), 42.0).expect("large enough").raster;
        let pose = found(&marked).expect("not attacked");
        assert!((pose.scale - 2050.0 / 1024.0).abs() < 1e-9);
        assert!(pose.shift.iter().all(|v| v.abs() < 1e-6), "{pose:?}");
    }

    #[test]
    fn a_mark_on_a_long_strip_is_read() {
        assert!(found(&marked(2600, 200, 1, Depth::Eight)).is_some());
    }

    #[test]
    fn a_crop_is_survived_and_its_place_told() {
        let whole = marked(420, 400, 1, Depth::Eight);
        let cropped = moved(&whole, 300, 280, |x, y| (x + 37, y + 51));
        let pose = found(&cropped).expect("a crop of 72 %");
        // The origin (210, 200) is at (173, 149) now, 23 right of and 9 below the new (150, 140).
        assert!((pose.shift[0] - 23.0).abs() < 0.2 && (pose.shift[1] - 9.0).abs() < 0.2, "{pose:?}");
    }

    #[test]
    fn flips_and_turns_are_survived_and_told() {
        let whole = marked(320, 280, 1, Depth::Eight);
        let (w, h) = (320, 280);
        let told = |raster: Raster| found(&raster).map(|p| (p.mirrored, p.rotation_degrees.round() as i32));
        assert_eq!(told(moved(&whole, w, h, |x, y| (w - 1 - x, y))), Some((true, 0)));
        assert_eq!(told(moved(&whole, w, h, |x, y| (x, h - 1 - y))), Some((true, 180)));
        assert_eq!(told(moved(&whole, w, h, |x, y| (w - 1 - x, h - 1 - y))), Some((false, 180)));
        // A quarter clockwise: the left column becomes the top row.
        assert_eq!(told(moved(&whole, h, w, |x, y| (y, h - 1 - x))), Some((false, 90)));
        assert_eq!(told(moved(&whole, h, w, |x, y| (w - 1 - y, x))), Some((false, -90)));
        assert_eq!(told(moved(&whole, h, w, |x, y| (y, x))).map(|(mirrored, _)| mirrored), Some(true));
    }

    #[test]
    fn noise_coarser_levels_and_contrast_are_survived() {
        let whole = marked(320, 256, 3, Depth::Eight);
        let noise = Stream::new(5, "attack");
        assert!(found(&changed(&whole, |i, v| v + 3.0 / 255.0 * noise.normal(i as u64) as f32)).is_some());
        assert!(found(&changed(&whole, |_, v| (v * 42.0).round() / 42.0)).is_some());
        assert!(found(&changed(&whole, |_, v| 0.5 + 0.7 * (v - 0.5))).is_some());
        assert!(found(&changed(&whole, |_, v| v.powf(1.4))).is_some());
        assert!(found(&changed(&whole, |_, v| 1.2 * v)).is_some());
    }

    #[test]
    fn another_key_finds_nothing() {
        assert_eq!(detect(&marked(320, 256, 1, Depth::Eight), &Key::new([4; 32])), None);
    }

    #[test]
    fn pictures_without_a_mark_have_none() {
        for (width, height) in [(320, 201), (95, 300), (96, 96), (100, 400), (1, 1)] {
            assert_eq!(detect(&picture(width, height, 1, Depth::Eight), &Key::public()), None);
        }
        let flat = Raster::new(300, 200, Channels::Grey, Samples::Eight(vec![77; 60_000]), None);
        assert_eq!(detect(&flat, &Key::public()), None);
    }
}
