mod files;

use tempfile::TempDir;

use super::super::super::watch::{self, Watch};
use super::super::super::{Canvas, Orientation};
use super::super::autoencoder::Frame;
use super::super::trial::{self, Album, request};
use super::schedule::Shift;
use super::*;
use crate::progress::Silent;

use crate::raster::{Channels, Depth, Plane, Samples};

fn opened(dir: &TempDir) -> FluxEngine {
    let mut engine = FluxEngine::open(dir.path(), None).expect("a whole model");
    engine.options.text_tokens = 12;
    // Whatever their weights are stored in.
    engine.options.precision = Precision::F32;
    engine
}

/// A grey disc on a ramp, 40×56: neither side is a multiple of 16.
fn disc() -> Raster {
    trial::disc(40, 56)
}

fn draft(engine: &FluxEngine, strength: f64, seed: u64) -> Draft {
    engine.generate(&disc(), &request(strength, seed), &mut Silent).expect("large enough, not cancelled")
}

fn distance(a: &Raster, b: &Raster) -> f64 {
    let (a, b) = (a.luma(), b.luma());
    a.zip(&b, |a, b| (a - b).abs()).mean()
}

#[test]
fn a_grey_picture_of_odd_size_comes_back_in_its_size_and_grey() {
    let engine = opened(&tiny::folder(true));
    let drawn = draft(&engine, 0.6, 1);
    let raster = &drawn.raster;
    assert_eq!((raster.width(), raster.height(), raster.channels()), (40, 56, Channels::Grey));
    assert!(raster.planes()[0].std() > 0.01, "it is no flat picture");
    let record = drawn.record;
    assert_eq!((record.steps, record.prompt_used, record.engine.name), (17, true, "flux"));
    assert_eq!(record.engine.model_digest, Some(engine.digest));
    let shift = Schedule::new(
        engine.options.steps,
        request(0.6, 1).strength,
        Meaning::Diffusers,
        Shift::DEV,
        3 * 4,
        false,
    );
    assert_eq!(record.noise_level, shift.noise_level());
}

#[test]
fn the_families_are_told_apart_by_their_tensors() {
    let [dev, schnell] = [true, false].map(|dev| opened(&tiny::folder(dev)));
    assert_eq!((dev.options.steps.get(), schnell.options.steps.get()), (28, 4));
    let drawn = draft(&schnell, 0.5, 1).record;
    assert_eq!((drawn.steps, drawn.noise_level), (2, 0.5));
    let found = &dev.shapes.flux;
    assert_eq!((found.double_blocks, found.heads, found.axes), (2, tiny::HEADS, [4, 14, 14]));
    assert_eq!((found.width, found.inner), (tiny::WIDTH, tiny::INNER));
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
    let dir = tiny::folder(false);
    let (first, again) = (draft(&opened(&dir), 0.8, 5), draft(&opened(&dir), 0.8, 5));
    assert_eq!(first.raster, again.raster);
    assert_eq!(first.record, again.record);
    assert_ne!(draft(&opened(&dir), 0.8, 6).raster, first.raster);
}

#[test]
fn another_prompt_and_another_guidance_give_another_picture() {
    let mut engine = opened(&tiny::folder(true));
    let first = draft(&engine, 0.9, 1).raster;
    let asked = Request { prompt: Some("a helix".to_owned()), ..request(0.9, 1) };
    let other = engine.generate(&disc(), &asked, &mut Silent).expect("large enough").raster;
    assert_ne!(other, first);
    engine.options.guidance = 9.0;
    assert_ne!(draft(&engine, 0.9, 1).raster, first);
}

#[test]
fn strength_zero_is_the_reference_itself() {
    let drawn = draft(&opened(&tiny::folder(false)), 0.0, 1);
    assert_eq!(drawn.raster, disc());
    assert_eq!((drawn.record.steps, drawn.record.noise_level, drawn.record.prompt_used), (0, 0.0, false));
}

#[test]
fn stronger_drafts_are_farther_from_what_the_autoencoder_makes_of_the_reference() {
    let engine = opened(&tiny::folder(false));
    let frame = Frame::around(40, 56, SQUARE);
    let autoencoder = engine
        .autoencoder
        .load(Precision::F32, |vb| Autoencoder::new(&engine.shapes.autoencoder, Quant::default(), vb))
        .expect("a whole one");
    let latents = autoencoder.encode(&disc(), &frame).expect("a picture");
    let plain = autoencoder.decode(&latents, &frame, &disc()).expect("latents");
    let mut options = engine.options;
    options.steps = NonZeroU32::new(20).expect("positive");
    let engine = FluxEngine { options, ..engine };
    let [gentle, middle, full] = [0.1, 0.5, 1.0].map(|s| distance(&plain, &draft(&engine, s, 3).raster));
    assert!(gentle < middle && middle < full, "{gentle:.4} {middle:.4} {full:.4}");
}

#[test]
fn colour_depth_and_alpha_are_those_of_the_reference() {
    let engine = opened(&tiny::folder(false));
    let plane = disc().planes().remove(0);
    let planes = [plane.clone(), plane.map(|v| 1.0 - v), plane];
    let colour = Raster::from_planes(&planes, Depth::Sixteen);
    let alpha = Samples::Sixteen((0..40 * 56).collect());
    let colour = Raster::new(40, 56, Channels::Rgb, colour.samples().clone(), Some(alpha.clone()));
    let drawn = engine.generate(&colour, &request(0.5, 1), &mut Silent).expect("large enough").raster;
    assert_eq!((drawn.channels(), drawn.depth()), (Channels::Rgb, Depth::Sixteen));
    assert_eq!(drawn.alpha(), Some(&alpha));
    assert!(!drawn.is_neutral(0.01));
}

#[test]
fn a_tiny_picture_is_refused() {
    let engine = opened(&tiny::folder(false));
    let tiny = Raster::from_planes(&[Plane::filled(100, 15, 0.5)], Depth::Eight);
    let refused = engine.generate(&tiny, &request(0.5, 1), &mut Silent);
    assert!(matches!(refused, Err(GenerateError::TooSmall { height: 15, limit: 16, .. })));
}

#[test]
fn a_mask_keeps_the_rest_to_the_bit() {
    let engine = opened(&tiny::folder(true));
    let reference = disc();
    let masked = |mask: Plane, strength: f64| {
        let asked = Request { mask: Some(Arc::new(mask)), ..request(strength, 1) };
        engine.generate(&reference, &asked, &mut Silent)
    };
    let left = |x: usize| x < 21;
    let drawn = masked(Plane::from_fn(40, 56, |x, _| if left(x) { 1.0 } else { 0.0 }), 0.8)
        .expect("a size that fits");
    let changed = |x: usize, y: usize| drawn.raster.planes()[0].at(x, y) != reference.planes()[0].at(x, y);
    let count = |inside: bool| {
        let all = (0..56).flat_map(|y| (0..40).map(move |x| (x, y)));
        all.filter(|(x, y)| left(*x) == inside && changed(*x, *y)).count()
    };
    assert_eq!(count(false), 0);
    assert!(count(true) > 700, "{}", count(true));
    let share = drawn.record.varied_share.expect("a share");
    assert!((0.4..=21.0 / 40.0).contains(&share), "{share}");

    // All white is no mask, all black no variation.
    let whole = masked(Plane::filled(40, 56, 1.0), 0.8).expect("a size that fits").raster;
    assert!(whole.samples() == draft(&engine, 0.8, 1).raster.samples());
    let none = masked(Plane::filled(40, 56, 0.0), 0.8).expect("a size that fits");
    assert!(none.raster.samples() == reference.samples() && none.record.varied_share == Some(0.0));
    assert_eq!(
        masked(Plane::filled(40, 56, 1.0), 0.0).expect("a size that fits").record.varied_share,
        Some(0.0)
    );
    let refused = masked(Plane::filled(40, 55, 1.0), 0.8);
    assert!(matches!(refused, Err(GenerateError::Mask { height: 55, expected_height: 56, .. })));
}

#[test]
fn nothing_is_turned_as_upright_asks_and_any_does_not() {
    let engine = opened(&tiny::folder(false));
    let laid = |orientation| {
        let asked = Request { orientation, ..request(0.5, 1) };
        engine.generate(&disc(), &asked, &mut Silent)
    };
    let upright = laid(Orientation::Upright).expect("it turns nothing").raster;
    assert!(upright == draft(&engine, 0.5, 1).raster);
    assert!(matches!(laid(Orientation::Any), Err(GenerateError::Unsupported { .. })));
}

#[test]
fn further_seeds_read_nothing_anew_and_draw_the_same() {
    let dir = tiny::folder(true);
    let engine = opened(&dir);
    let names = |asked: &Request| {
        let mut watch = Watch::new(u32::MAX);
        engine.generate(&disc(), asked, &mut watch).expect("it draws");
        watch.stages.into_iter().map(|(name, ..)| name).collect::<Vec<_>>()
    };
    let first = names(&request(0.2, 1));
    for stage in
        ["reading the prompt", "loading the autoencoder", "encoding the reference", "loading the model"]
    {
        assert_eq!(first.iter().filter(|name| *name == stage).count(), 1, "{first:?}");
    }
    assert_eq!(names(&request(0.2, 2)), ["drawing the picture", "decoding the picture"]);
    assert!(draft(&engine, 0.2, 2).raster == draft(&opened(&dir), 0.2, 2).raster);
    let other = names(&Request { prompt: Some("a helix".to_owned()), ..request(0.2, 1) });
    assert!(
        other.contains(&"reading the prompt".to_owned())
            && !other.contains(&"encoding the reference".to_owned())
    );
}

#[test]
fn a_picture_larger_than_those_of_the_training_is_drawn_in_windows() {
    let engine = opened(&tiny::folder(false));
    let strip = trial::disc(800, 32);
    let canvas = Some(Canvas { width: 1600, height: 64, stretch: false });
    let run = |watch: &mut Watch| engine.generate(&strip, &Request { canvas, ..request(0.5, 1) }, watch);
    let mut watch = Watch::new(u32::MAX);
    let Draft { raster, record } = run(&mut watch).expect("it draws");
    assert_eq!((raster.width(), raster.height(), record.windows, record.steps), (1600, 64, Some(2), 2));
    assert!(watch.stages.contains(&("drawing the picture".to_owned(), 4, 4)), "{:?}", watch.stages);
    // Noise levels are those of a window.
    let engine = opened(&tiny::folder(true));
    let asked = Request { canvas, ..request(0.02, 1) };
    let record = engine.generate(&strip, &asked, &mut Silent).expect("it draws").record;
    let schedule =
        Schedule::new(engine.options.steps, asked.strength, Meaning::Diffusers, Shift::DEV, 64 * 4, false);
    assert_eq!(record.noise_level, schedule.noise_level());
}

#[test]
fn a_schedule_without_end_is_refused_beyond_a_reference() {
    let mut engine = opened(&tiny::folder(false));
    engine.options.meaning = Meaning::ComfyUi;
    let canvas = Some(Canvas { width: 64, height: 48, stretch: false });
    let run = |strength: f64| {
        let asked = Request { canvas, ..request(strength, 1) };
        engine.generate(&disc(), &asked, &mut Silent)
    };
    assert_eq!(run(0.5).expect("8 steps").record.steps, 8);
    assert!(matches!(run(1e-300), Err(GenerateError::Unsupported { .. })));
}

#[test]
fn a_picture_is_seen_on_its_way_in_its_own_colours() {
    let engine = opened(&tiny::folder(true));
    let mut album = Album::default();
    engine.generate(&disc(), &request(0.6, 1), &mut album).expect("it draws");
    assert_eq!(album.0.len(), 8, "of 17 steps");
    for seen in &album.0 {
        assert_eq!((seen.width(), seen.height(), seen.channels()), (5, 7, Channels::Grey));
    }
}

#[test]
fn of_two_requests_at_once_one_waits_so_that_one_transformer_is_in_memory() {
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Counts those who have begun and have not come to the last step.
    struct Inside<'a> {
        inside: &'a AtomicUsize,
        most: &'a AtomicUsize,
        stage: String,
    }
    impl Progress for Inside<'_> {
        fn stage(&mut self, name: &str, _: u64) {
            if self.stage.is_empty() {
                let now = self.inside.fetch_add(1, Ordering::SeqCst) + 1;
                self.most.fetch_max(now, Ordering::SeqCst);
                // Long enough for another to come in, if any can.
                std::thread::sleep(std::time::Duration::from_millis(100));
            }
            name.clone_into(&mut self.stage);
        }
        fn advance(&mut self, _: u64) {
            if self.stage == "decoding the picture" {
                self.inside.fetch_sub(1, Ordering::SeqCst);
            }
        }
    }
    let engine = opened(&tiny::folder(false));
    let (inside, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for prompt in ["a virion", "a helix"] {
            let (engine, inside, most) = (&engine, &inside, &most);
            scope.spawn(move || {
                let asked = Request { prompt: Some(prompt.to_owned()), ..request(0.5, 1) };
                let mut progress = Inside { inside, most, stage: String::new() };
                engine.generate(&disc(), &asked, &mut progress).expect("large enough, not cancelled");
            });
        }
    });
    assert_eq!((inside.into_inner(), most.into_inner()), (0, 1));
}

#[test]
fn every_stage_does_what_it_announced_and_can_be_stopped_between_steps() {
    let dir = tiny::folder(false);
    let run = |watch: &mut Watch| opened(&dir).generate(&disc(), &request(1.0, 1), watch);
    let stages = watch::hold(run, |reports| (1..=reports).collect());
    assert!(stages.iter().any(|(name, total, _)| name == "drawing the picture" && *total == 4));
}
