//! The engine as a whole.

use super::*;
use std::sync::Arc;

use super::super::Canvas;
use super::super::watch::{self, Watch};
use crate::progress::Silent;
use crate::quantity::{Seed, Strength};
use crate::random::Stream;
use crate::raster::filter::gaussian;
use crate::raster::{Channels, Depth, Kernel, Plane, Samples, resize};

const WIDTH: usize = 60;
const HEIGHT: usize = 60;

/// Coloured discs on a grainy ground.
fn discs() -> Raster {
    Raster::from_planes(&disc_planes([0.55, 0.35, 0.75], [0.85, 0.80, 0.60]), Depth::Eight)
}

fn disc_planes<const C: usize>(disc: [f32; C], ground: [f32; C]) -> Vec<Plane> {
    let stream = Stream::new(11, "discs");
    let centres: Vec<(f64, f64)> = (0..14)
        .map(|i| {
            (stream.range(3 * i, 5.0, WIDTH as f64 * 0.6), stream.range(3 * i + 1, 5.0, HEIGHT as f64 - 5.0))
        })
        .collect();
    (0..C)
        .map(|c| {
            Plane::from_fn(WIDTH, HEIGHT, |x, y| {
                let distance =
                    |(cx, cy): &(f64, f64)| ((x as f64 - cx).powi(2) + (y as f64 - cy).powi(2)).sqrt();
                let nearest = centres.iter().map(distance).fold(f64::INFINITY, f64::min);
                let share = (6.0 - nearest).clamp(0.0, 1.0) as f32;
                let grain = 0.03 * stream.child(1).normal((y * WIDTH + x) as u64) as f32;
                ground[c] + (disc[c] - ground[c]) * share + grain
            })
        })
        .collect()
}

fn draft(reference: &Raster, strength: f64, seed: u64) -> Draft {
    let strength = Strength::new(strength).expect("within 0..=1");
    let request = Request::new(strength, Seed(seed));
    PatchEngine.generate(reference, &request, &mut Silent).expect("large enough, not cancelled")
}

/// Correlation of the blurred lumas.
fn likeness(a: &Raster, b: &Raster) -> f64 {
    let [a, b] = [a, b].map(|r| gaussian(&r.luma(), 2.4, 3.0));
    a.correlation(&b)
}

#[test]
fn strength_zero_is_the_reference_itself() {
    let reference = discs();
    let draft = draft(&reference, 0.0, 1);
    assert_eq!(draft.raster, reference);
    assert_eq!(
        (draft.record.steps, draft.record.noise_level, draft.record.largest_copy),
        (0, 0.0, Some(1.0))
    );
}

#[test]
fn the_same_seed_gives_the_same_bytes_on_one_two_and_eight_threads() {
    let reference = discs();
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads start");
        pool.install(|| draft(&reference, 0.8, 5))
    };
    let first = on(1);
    for threads in [2, 8] {
        let again = on(threads);
        assert_eq!(again.raster, first.raster, "{threads} threads");
        assert_eq!(again.record, first.record, "{threads} threads");
    }
}

#[test]
fn another_seed_gives_another_picture() {
    let reference = discs();
    let [a, b] = [1, 2].map(|seed| draft(&reference, 0.9, seed).raster);
    assert!(likeness(&a, &b) < 0.9, "{}", likeness(&a, &b));
}

#[test]
fn stronger_drafts_are_farther_from_the_reference() {
    let reference = discs();
    let mean = |strength: f64| {
        (1..=2).map(|seed| likeness(&reference, &draft(&reference, strength, seed).raster)).sum::<f64>() / 2.0
    };
    let (gentle, middle, full) = (mean(0.2), mean(0.6), mean(1.0));
    assert!(
        gentle > 0.6 && gentle + 0.05 > middle && middle + 0.05 > full && full < gentle - 0.2,
        "{gentle:.2} {middle:.2} {full:.2}"
    );
}

#[test]
fn grey_stays_grey_and_sixteen_bits_stay_sixteen() {
    let planes = disc_planes([0.3], [0.7]);
    let deep = Raster::from_planes(&planes, Depth::Sixteen);
    let drawn = draft(&deep, 0.6, 3).raster;
    assert_eq!((drawn.channels(), drawn.depth()), (Channels::Grey, Depth::Sixteen));
    let Samples::Sixteen(samples) = drawn.samples() else { panic!("16 bits") };
    assert!(samples.iter().any(|s| s % 257 != 0), "all 16 bits are in use");
}

#[test]
fn a_neutral_picture_comes_back_neutral() {
    let plane = disc_planes([0.3], [0.7]).remove(0);
    let neutral = Raster::from_planes(&[plane.clone(), plane.clone(), plane], Depth::Eight);
    let drawn = draft(&neutral, 0.6, 3).raster;
    assert_eq!(drawn.channels(), Channels::Rgb);
    assert!(drawn.is_neutral(0.0));
}

#[test]
fn alpha_comes_from_the_reference() {
    let opaque = discs();
    let alpha = Samples::Eight((0..WIDTH * HEIGHT).map(|i| (i % 256) as u8).collect());
    let (width, height) = (opaque.width(), opaque.height());
    let clear = Raster::new(width, height, Channels::Rgb, opaque.samples().clone(), Some(alpha.clone()));
    assert_eq!(draft(&clear, 0.5, 1).raster.alpha(), Some(&alpha));
}

#[test]
fn another_size_shows_the_scene_at_that_size() {
    let reference = discs();
    let drawn = |width, height, stretch| {
        let canvas = Some(Canvas { width, height, stretch });
        let strength = Strength::new(0.3).expect("within 0..=1");
        let request = Request { canvas, ..Request::new(strength, Seed(1)) };
        PatchEngine.generate(&reference, &request, &mut Silent).expect("large enough").raster
    };
    for (width, height, stretch) in [(120, 120, false), (90, 40, false), (90, 40, true), (40, 40, false)] {
        let drawn = drawn(width, height, stretch);
        assert_eq!((drawn.width(), drawn.height()), (width, height));
    }
    let large = drawn(120, 120, false);
    let small: Vec<Plane> = large.planes().iter().map(|p| resize(p, 60, 60, Kernel::Area)).collect();
    let again = Raster::from_planes(&small, Depth::Eight);
    assert!(likeness(&again, &draft(&reference, 0.3, 1).raster) > 0.99, "magnified, not drawn anew");
}

#[test]
fn a_scene_is_stretched_on_request_only() {
    let reference = discs();
    let drawn = |stretch| {
        let canvas = Some(Canvas { width: 100, height: 40, stretch });
        let strength = Strength::new(0.1).expect("within 0..=1");
        let request = Request { canvas, ..Request::new(strength, Seed(1)) };
        PatchEngine.generate(&reference, &request, &mut Silent).expect("large enough").raster
    };
    let flat: Vec<Plane> = reference.planes().iter().map(|p| resize(p, 100, 40, Kernel::Lanczos)).collect();
    let wanted = Raster::from_planes(&flat, Depth::Eight);
    let (stretched, not) = (likeness(&wanted, &drawn(true)), likeness(&wanted, &drawn(false)));
    assert!(stretched > 0.7 && stretched > not + 0.2, "{stretched} {not}");
}

#[test]
fn what_a_mask_keeps_is_kept_to_the_bit() {
    let planes = disc_planes([0.55, 0.35, 0.75], [0.85, 0.80, 0.60]);
    for depth in [Depth::Eight, Depth::Sixteen] {
        let reference = Raster::from_planes(&planes, depth);
        let mask = Plane::from_fn(WIDTH, HEIGHT, |x, _| if x < WIDTH / 2 { 1.0 } else { 0.0 });
        let request = Request { mask: Some(Arc::new(mask)), ..Request::new(Strength::ONE, Seed(1)) };
        let draft = PatchEngine.generate(&reference, &request, &mut Silent).expect("large enough");
        let share = draft.record.varied_share.expect("masked");
        assert!((0.47..=0.5).contains(&share) && draft.record.largest_copy >= Some(0.5), "{share}");
        let (mut kept, mut varied) = (0, 0);
        for i in 0..reference.samples().len() {
            let same = reference.samples().unit(i) == draft.raster.samples().unit(i);
            match (i / 3) % WIDTH < WIDTH / 2 {
                true => varied += usize::from(!same),
                false => kept += usize::from(same),
            }
        }
        assert_eq!(kept, 3 * HEIGHT * WIDTH / 2);
        assert!(varied > 3 * HEIGHT * WIDTH / 3, "{varied}");
    }
}

#[test]
fn a_bar_is_left_out_where_the_picture_is_varied_and_stays_where_it_is_kept() {
    let bar = |x: usize, y: usize| (8..24).contains(&x) && (50..53).contains(&y);
    let [plane] = &disc_planes([0.35], [0.7])[..] else { panic!("one plane") };
    let plane = Plane::from_fn(WIDTH, HEIGHT, |x, y| if bar(x, y) { 0.0 } else { plane.at(x, y) });
    let reference = Raster::from_planes(&[plane], Depth::Eight);
    for bar_is_varied in [true, false] {
        let mask = Plane::from_fn(WIDTH, HEIGHT, |x, _| f32::from(u8::from((x < 30) == bar_is_varied)));
        let request = Request { mask: Some(Arc::new(mask)), ..Request::new(Strength::ONE, Seed(1)) };
        let draft = PatchEngine.generate(&reference, &request, &mut Silent).expect("large enough");
        let luma = draft.raster.luma();
        let black =
            (0..WIDTH * HEIGHT).filter(|i| bar(i % WIDTH, i / WIDTH) && luma.data()[*i] < 0.02).count();
        if bar_is_varied {
            assert!(
                matches!(&draft.record.findings[..], [Finding::Annotation { areas }] if areas.len() == 1)
            );
            assert!(black < 10, "{black}");
        } else {
            assert!(draft.record.findings.is_empty());
            assert_eq!(black, 48);
        }
    }
}

#[test]
fn a_mask_of_another_size_is_refused() {
    let request =
        Request { mask: Some(Arc::new(Plane::filled(61, 60, 1.0))), ..Request::new(Strength::ONE, Seed(1)) };
    let refused = PatchEngine.generate(&discs(), &request, &mut Silent);
    assert!(matches!(refused, Err(GenerateError::Mask { width: 61, expected_width: 60, .. })));
}

#[test]
fn a_flat_picture_stays_flat() {
    let flat = Raster::from_planes(&[Plane::filled(40, 36, 0.5)], Depth::Eight);
    let drawn = draft(&flat, 1.0, 1).raster;
    assert!(drawn.planes()[0].data().iter().all(|v| (v - 0.5).abs() < 0.01));
}

#[test]
fn odd_shapes_can_be_drawn() {
    for (width, height) in [(32, 32), (33, 400), (300, 35)] {
        let grain = Plane::from_fn(width, height, |x, y| ((x * 7 + y * 13) % 29) as f32 / 29.0);
        let drawn = draft(&Raster::from_planes(&[grain], Depth::Eight), 0.9, 1).raster;
        assert_eq!((drawn.width() as usize, drawn.height() as usize), (width, height));
    }
}

#[test]
fn a_tiny_picture_is_refused() {
    let tiny = Raster::from_planes(&[Plane::filled(100, 31, 0.5)], Depth::Eight);
    let request = Request::new(Strength::ONE, Seed(1));
    let refused = PatchEngine.generate(&tiny, &request, &mut Silent);
    assert!(matches!(refused, Err(GenerateError::TooSmall { width: 100, height: 31, limit: 32, .. })));
}

#[test]
fn what_was_planned_is_done_whatever_is_drawn() {
    let square = discs();
    let tiled = |plane: &Plane| Plane::from_fn(10 * WIDTH, HEIGHT, |x, y| plane.at(x % WIDTH, y));
    let strip = Raster::from_planes(&square.planes().iter().map(tiled).collect::<Vec<_>>(), Depth::Eight);
    let larger = Some(Canvas { width: 180, height: 180, stretch: false });
    let grain = Plane::from_fn(140, 136, |x, y| ((x / 9 + y / 7) % 5) as f32 / 5.0);
    let wide = Raster::from_planes(&[grain], Depth::Eight);
    let pyramid = Pyramid::new(140, 136);
    let schedule = Schedule::new(Strength::new(0.5).expect("within 0..=1"), &pyramid);
    assert!(supply::begins_with_many(&schedule, &pyramid, false), "it has many copies");
    let copying = |many| supply::work(&Schedule { many, ..schedule }, &pyramid);
    assert!(copying(true) > copying(false));
    // A single draft, no noise to be found, a magnified picture, a strip too long to be drawn exactly, and many copies.
    let cases = [
        (&square, 0.3, None),
        (&square, 0.1, None),
        (&square, 0.5, larger),
        (&strip, 0.9, None),
        (&wide, 0.5, None),
    ];
    for (reference, strength, canvas) in cases {
        let strength = Strength::new(strength).expect("within 0..=1");
        // Turned copies whatever the pattern, since only such a picture has many.
        let orientation = Orientation::Any;
        let request = Request { canvas, orientation, ..Request::new(strength, Seed(1)) };
        let mut watch = Watch::new(u32::MAX);
        PatchEngine.generate(reference, &request, &mut watch).expect("large enough, not cancelled");
        let [(_, total, done)] = &watch.stages[..] else { panic!("one stage") };
        assert_eq!(total, done, "{canvas:?} at {strength:?}");
    }
}

#[test]
fn every_stage_does_what_it_announced_and_can_be_stopped() {
    let reference = discs();
    let request = Request::new(Strength::ONE, Seed(1));
    let run = |watch: &mut Watch| PatchEngine.generate(&reference, &request, watch);
    watch::hold(run, |reports| vec![1, 5, reports - 1]);
}
