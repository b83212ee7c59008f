//! Finds a mark in a picture.

use super::decode::Decoder;
use super::geometry::Pose;
use super::key::Keyring;
use super::message::Message;
use super::scene::Scene;
use super::search::{Lock, find};
use super::spectrum::HalfLattice;
use super::tag::{Tag, TagReading};
use crate::raster::Raster;

/// How far the search goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Search {
    /// Pictures that kept their pixel grid: recompressed, filtered, recoloured, cropped, painted over, flipped,
    /// turned by quarters.
    Fast,
    /// Any rotation, scales from a third to three, a changed aspect, mild warps as well.
    Full,
}

/// Which part of the search found the mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Grid,
    Turned,
    Stretched,
    Bent,
}

impl Stage {
    pub fn name(self) -> &'static str {
        match self {
            Stage::Grid => "grid",
            Stage::Turned => "turned",
            Stage::Stretched => "stretched",
            Stage::Bent => "bent",
        }
    }
}

/// A mark that its MAC confirms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Detection {
    pub message: Message,
    pub pose: Pose,
    pub stage: Stage,
    /// Logarithm (base 10) of the probability that a picture without a mark under this key gets as far: one
    /// chance in 2⁴⁰ for each MAC comparison made at the long level, in 2³² at the short; at most 10⁻⁷.
    pub log10_false_positive: f64,
    /// Agreement of the pilots, in standard deviations of pilots of random phase. For information only.
    pub pilot_score: f64,
    /// How the owner's tag fared, if an owner's key was at hand.
    pub tag: Option<TagReading>,
}

/// A mark and where it lies.
pub struct Sighting {
    pub detection: Detection,
    pub(super) scene: Scene,
    pub(super) lock: Lock,
}

/// The mark in `raster`, or `None`. Pictures under 64 pixels are not looked at.
pub fn detect(raster: &Raster, keys: Keyring<'_>, search: Search) -> Option<Detection> {
    locate(raster, keys, search).map(|sighting| sighting.detection)
}

/// The same with all that [`Sighting::explain`] needs.
pub fn locate(raster: &Raster, keys: Keyring<'_>, search: Search) -> Option<Sighting> {
    let scene = Scene::new(raster);
    let mut decoder = Decoder::new(keys.public);
    let lock = find(&scene, &mut decoder, search)?;
    let view = scene.view(lock.level)?;
    let checks = decoder.checks();
    let mut pose = lock.geometry.pose(lock.translation.shift);
    // Back to pixels of the given picture.
    pose.scale /= (view.factor[0] * view.factor[1]).sqrt();
    pose.shift = [0, 1].map(|i| pose.shift[i] / view.factor[i] + view.origin[i]);
    let chance = f64::from(checks[0]) * 2f64.powi(-40) + f64::from(checks[1]) * 2f64.powi(-32);
    let detection = Detection {
        message: lock.message,
        pose,
        stage: lock.stage,
        log10_false_positive: chance.log10(),
        pilot_score: lock.translation.score,
        tag: keys.owner.map(|owner| {
            let lattice = HalfLattice::read(view.reader(), &lock.geometry);
            let seen = decoder.observe(&lattice, &lock.geometry);
            Tag::new(owner, &lock.message).read(
                &lattice,
                lock.translation.shift,
                decoder.carrier_energy(&seen),
            )
        }),
    };
    Some(Sighting { detection, scene, lock })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Stream;
    use crate::raster::{Channels, Depth, Plane, Samples};
    use crate::watermark::sample::picture;
    use crate::watermark::{Key, Quality, embed};

    const MESSAGE: Message = Message::Long([0x2C, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    const PUBLIC: Key = Key::new([7; 32]);
    const OWNER: Key = Key::new([8; 32]);
    const KEYS: Keyring<'static> = Keyring { public: &PUBLIC, owner: Some(&OWNER) };

    fn marked(width: usize, height: usize, channels: usize, depth: Depth) -> Raster {
        let original = picture(width, height, channels, depth);
        embed(&original, &MESSAGE, KEYS, Quality::Fixed(42.0)).expect("large enough").raster
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
        let detection = detect(raster, KEYS, Search::Fast)?;
        assert_eq!(detection.message, MESSAGE);
        assert!(detection.log10_false_positive < -7.0);
        Some(detection.pose)
    }

    /// A picture of the same size through `from`, a map of places about the middle.
    fn warped(source: &Raster, width: usize, height: usize, from: impl Fn(f32, f32) -> [f32; 2]) -> Raster {
        let plane = &source.planes()[0];
        let [cx, cy] = [plane.width(), plane.height()].map(|n| (n / 2) as f32);
        let warped = Plane::from_fn(width, height, |x, y| {
            let [u, v] = from(x as f32 - (width / 2) as f32, y as f32 - (height / 2) as f32);
            plane.bilinear(cx + u, cy + v)
        });
        Raster::from_planes(&[warped], Depth::Eight)
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
        let marked = embed(&original, &MESSAGE, KEYS, Quality::Fixed(42.0)).expect("large enough").raster;
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
        let other = Keyring { public: &Key::new([4; 32]), owner: None };
        assert_eq!(detect(&marked(320, 256, 1, Depth::Eight), other, Search::Full), None);
    }

    #[test]
    fn pictures_without_a_mark_have_none() {
        for (width, height) in [(320, 201), (95, 300), (96, 96), (100, 400), (1, 1)] {
            assert_eq!(detect(&picture(width, height, 1, Depth::Eight), KEYS, Search::Full), None);
        }
        let flat = Raster::new(300, 200, Channels::Grey, Samples::Eight(vec![77; 60_000]), None);
        assert_eq!(detect(&flat, KEYS, Search::Full), None);
    }

    #[test]
    fn rotation_scale_and_mirroring_are_found_and_told() {
        let whole = marked(420, 400, 1, Depth::Eight);
        for (degrees, scale, mirrored) in [(7.0f32, 1.0f32, false), (-31.0, 1.2, false), (12.0, 0.8, true)] {
            let (s, c) = degrees.to_radians().sin_cos();
            let flip = if mirrored { -1.0 } else { 1.0 };
            let turned =
                warped(&whole, 420, 400, |x, y| [flip * (c * x + s * y) / scale, (c * y - s * x) / scale]);
            let found = detect(&turned, KEYS, Search::Full).expect("turned");
            assert_eq!((found.message, found.stage), (MESSAGE, Stage::Turned));
            let pose = found.pose;
            assert!((pose.rotation_degrees - f64::from(degrees)).abs() < 0.2, "{pose:?}");
            assert!((pose.scale / f64::from(scale) - 1.0).abs() < 5e-3, "{pose:?}");
            assert_eq!(pose.mirrored, mirrored);
            assert_eq!(detect(&turned, KEYS, Search::Fast), None);
        }
    }

    #[test]
    fn a_changed_aspect_is_survived() {
        let whole = marked(440, 400, 1, Depth::Eight);
        let found = detect(&warped(&whole, 396, 440, |x, y| [x / 0.9, y / 1.1]), KEYS, Search::Full);
        assert_eq!(found.map(|d| d.message), Some(MESSAGE));
    }

    #[test]
    fn a_turned_picture_whose_aspect_was_changed_then_is_survived() {
        let whole = marked(480, 460, 1, Depth::Eight);
        let (s, c) = 20f32.to_radians().sin_cos();
        let turned = warped(&whole, 430, 500, |x, y| {
            let (x, y) = (x / 0.92, y / 1.08);
            [c * x + s * y, c * y - s * x]
        });
        let found = detect(&turned, KEYS, Search::Full).expect("found by the last stage");
        assert_eq!((found.message, found.stage), (MESSAGE, Stage::Stretched));
    }

    #[test]
    fn a_bent_picture_is_survived() {
        let whole = marked(512, 460, 1, Depth::Eight);
        let bent = warped(&whole, 512, 460, |x, y| {
            [x + 9.0 * (x / 95.0).sin() * (y / 110.0).cos(), y + 9.0 * (y / 85.0).sin() * (x / 120.0).cos()]
        });
        assert_eq!(detect(&bent, KEYS, Search::Full).map(|d| d.message), Some(MESSAGE));
        assert_eq!(detect(&bent, KEYS, Search::Fast), None);
    }

    #[test]
    fn the_short_level_is_read_and_told() {
        let message = Message::Short([9, 8, 7, 6]);
        let original = picture(220, 200, 1, Depth::Eight);
        let marked = embed(&original, &message, KEYS, Quality::Fixed(42.0)).expect("large enough");
        assert_eq!(detect(&marked.raster, KEYS, Search::Fast).map(|d| d.message), Some(message));
    }

    #[test]
    fn only_the_owner_sees_the_tag_and_a_forger_makes_none() {
        let authentic = |raster: &Raster, keys| {
            let found = detect(raster, keys, Search::Full).expect("marked");
            found.tag.map(|tag| tag.authentic())
        };
        let whole = marked(420, 400, 1, Depth::Eight);
        assert_eq!(authentic(&whole, KEYS), Some(Some(true)));
        let cropped = moved(&whole, 300, 290, |x, y| (x + 61, y + 50));
        assert_eq!(authentic(&cropped, KEYS), Some(Some(true)));
        let stranger = Key::new([9; 32]);
        assert_eq!(authentic(&whole, Keyring { owner: Some(&stranger), ..KEYS }), Some(Some(false)));
        assert_eq!(authentic(&whole, Keyring { owner: None, ..KEYS }), None);
        let original = picture(420, 400, 1, Depth::Eight);
        for owner in [None, Some(&stranger)] {
            let keys = Keyring { owner, ..KEYS };
            let forged = embed(&original, &MESSAGE, keys, Quality::Fixed(42.0)).expect("large enough");
            assert_eq!(authentic(&forged.raster, KEYS), Some(Some(false)));
        }
    }

    #[test]
    fn other_variants_are_used_for_other_pictures() {
        let variant = |width| {
            let scene = Scene::new(&marked(width, 256, 1, Depth::Eight));
            let lock = find(&scene, &mut Decoder::new(&PUBLIC), Search::Fast).expect("marked");
            lock.translation.variant
        };
        let used: std::collections::BTreeSet<usize> = (0..8).map(|i| variant(256 + 16 * i)).collect();
        assert!(used.len() > 1, "{used:?}");
    }
}
