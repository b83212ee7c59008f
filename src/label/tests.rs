//! Labels on pictures of all kinds.

use super::*;
use crate::digest::Digest;
use crate::quantity::{Seed, Strength};
use crate::random::Stream;
use crate::raster::{Channels, Depth, Format, Limits, Plane, decode, encode};

/// Pictures that are hard to write on.
fn pictures(width: usize, height: usize) -> Vec<(&'static str, Raster)> {
    let stream = Stream::new(Seed(1).0, "label");
    let plane = |value: &dyn Fn(usize, usize) -> f32| {
        Raster::from_planes(&[Plane::from_fn(width, height, value)], Depth::Eight)
    };
    let noise = |x: usize, y: usize| stream.uniform((y * width + x) as u64) as f32;
    let colour = Raster::from_planes(
        &[
            Plane::from_fn(width, height, |x, _| x as f32 / width as f32),
            Plane::from_fn(width, height, |_, y| y as f32 / height as f32),
            Plane::from_fn(width, height, noise),
        ],
        Depth::Sixteen,
    );
    vec![
        ("black", plane(&|_, _| 0.0)),
        ("white", plane(&|_, _| 1.0)),
        ("grey", plane(&|_, _| 0.5)),
        ("as dark as the ground of a badge", plane(&|_, _| 0.08)),
        ("noise", plane(&noise)),
        ("stripes", plane(&|x, _| (x / 2 % 2) as f32)),
        ("colour", colour),
    ]
}

fn caption() -> Vec<String> {
    Language::En.caption(false, &Digest::of("x"), Strength::new(0.7).expect("in range"))
}

#[test]
fn words_can_be_read_on_every_picture_at_every_size_and_after_jpeg() {
    for (width, height) in [(200, 200), (700, 500)] {
        for (name, picture) in pictures(width, height) {
            for wording in [Wording::Plain, Wording::Generated] {
                for position in Position::ALL {
                    let badge = Badge { wording, position, ..Badge::default() };
                    let labelled = draw(&picture, Some(&badge), Some(&caption()));
                    let drawn = labelled.contrast(&labelled.raster);
                    assert!(drawn >= 15.0, "{name} {width} {position}: {drawn:.1}");
                    let jpeg = encode(&labelled.raster.to_eight(), Format::Jpeg, 60).expect("it encodes");
                    let copy = decode(&jpeg, &Limits::default()).expect("it decodes").raster;
                    let read = labelled.contrast(&copy);
                    assert!(read >= CONTRAST, "{name} {width} {position}: {read:.1} after JPEG");
                }
            }
        }
    }
}

#[test]
fn what_is_not_there_cannot_be_read() {
    for (name, picture) in pictures(300, 300) {
        let badge = draw(&picture, Some(&Badge::default()), None);
        assert!(badge.contrast(&picture) < CONTRAST, "{name}");
        let both = draw(&picture, Some(&Badge::default()), Some(&caption()));
        let wiped = |plane: &Plane| {
            Plane::from_fn(300, plane.height(), |x, y| if y < 300 { plane.at(x, y) } else { 1.0 })
        };
        let wiped: Vec<Plane> = both.raster.planes().iter().map(wiped).collect();
        let wiped = Raster::from_planes(&wiped, picture.depth());
        assert!(both.contrast(&wiped) < CONTRAST, "{name}: a strip without words");
    }
}

#[test]
fn nothing_but_the_box_of_the_badge_is_changed_and_it_can_be_uncovered() {
    for (name, picture) in pictures(320, 240) {
        let labelled = draw(&picture, Some(&Badge::default()), Some(&caption()));
        assert_ne!(labelled.raster.digest(), picture.digest());
        assert_eq!(labelled.uncovered(&labelled.raster, &picture), picture, "{name}");
        let other = draw(&picture, Some(&Badge { wording: Wording::Generated, ..Badge::default() }), None);
        assert_eq!(other.uncovered(&other.raster, &picture), picture, "{name}");
    }
    let clear = Raster::new(
        200,
        200,
        Channels::Grey,
        Samples::Eight(vec![0; 40_000]),
        Some(Samples::Eight(vec![0; 40_000])),
    );
    let labelled = draw(&clear, Some(&Badge::default()), None);
    assert!(labelled.raster.alpha().is_none() && labelled.contrast(&labelled.raster) >= 10.0);
}
