use std::sync::Arc;

use tempfile::TempDir;

use super::super::super::watch::{self, Watch};
use super::super::super::{Canvas, Orientation};
use super::super::trial::{self, request};
use super::*;
use crate::progress::Silent;

use crate::raster::{Channels, Depth, Plane};

fn opened(dir: &TempDir) -> StableEngine {
    let mut engine = StableEngine::open(dir.path(), None, None).expect("a whole model");
    engine.options.steps = NonZeroU32::new(6).expect("not zero");
    engine
}

/// A grey disc on a ramp, 44×61: neither side is a multiple of 8, and latents of 6×8 are halved to 3×4.
fn disc() -> Raster {
    trial::disc(44, 61)
}

fn draft(engine: &StableEngine, request: &Request) -> Draft {
    engine.generate(&disc(), request, &mut Silent).expect("large enough, not cancelled")
}

#[test]
fn a_grey_picture_of_odd_size_comes_back_in_its_size_and_grey() {
    for is_xl in [false, true] {
        let engine = opened(&tiny::folder(is_xl));
        let Draft { raster, record } = draft(&engine, &request(0.5, 1));
        assert_eq!((raster.width(), raster.height(), raster.channels()), (44, 61, Channels::Grey));
        assert!(raster.planes()[0].std() > 0.01, "it is no flat picture");
        assert_eq!((record.steps, record.prompt_used, record.engine.name), (3, true, NAME));
        assert_eq!(record.engine.model_digest, Some(engine.digest));
        assert_eq!(record.guidance, Some(if is_xl { 5.0 } else { 7.5 }));
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
    let dir = tiny::folder(false);
    let first = draft(&opened(&dir), &request(0.8, 5));
    let again = draft(&opened(&dir), &request(0.8, 5));
    assert_eq!(first.raster, again.raster);
    assert_eq!(first.record, again.record);
    assert_ne!(draft(&opened(&dir), &request(0.8, 6)).raster, first.raster);
}

#[test]
fn prompts_guidance_and_sampler_change_the_picture() {
    let mut engine = opened(&tiny::folder(true));
    let first = draft(&engine, &request(0.9, 1)).raster;
    let asked = Request { prompt: Some("a helix".to_owned()), ..request(0.9, 1) };
    assert_ne!(draft(&engine, &asked).raster, first);
    engine.options.negative_prompt = Some("blur".to_owned());
    let led = draft(&engine, &request(0.9, 1));
    assert_ne!(led.raster, first);
    assert_eq!(led.record.negative_prompt.as_deref(), Some("blur"));
    engine.options.negative_prompt = Some(String::new());
    assert_ne!(draft(&engine, &request(0.9, 1)).raster, first, "an empty text is not nothing to an XL");
    engine.options.negative_prompt = None;
    engine.options.method = Some(Method::EulerAncestral);
    let ancestral = draft(&engine, &request(0.9, 1));
    assert_ne!(ancestral.raster, first);
    assert_eq!(ancestral.record.sampler, Some("euler-ancestral"));
    engine.options.method = None;
    engine.options.guidance = 1.0;
    assert_ne!(draft(&engine, &request(0.9, 1)).raster, first);
    engine.options.guidance = 5.0;
    assert_eq!(draft(&engine, &request(0.9, 1)).raster, first, "all as it was");
}

#[test]
fn strength_zero_is_the_reference_itself() {
    let drawn = draft(&opened(&tiny::folder(false)), &request(0.0, 1));
    assert_eq!(drawn.raster, disc());
    assert_eq!((drawn.record.steps, drawn.record.noise_level, drawn.record.prompt_used), (0, 0.0, false));
}

#[test]
fn what_a_mask_keeps_is_the_references_own() {
    let engine = opened(&tiny::folder(false));
    let mask = Plane::from_fn(44, 61, |x, _| if x >= 22 { 1.0 } else { 0.0 });
    let asked = Request { mask: Some(Arc::new(mask)), ..request(0.8, 1) };
    let Draft { raster, record } = draft(&engine, &asked);
    let (drawn, own) = (&raster.planes()[0], &disc().planes()[0]);
    assert!((0..61).all(|y| drawn.row(y)[..16] == own.row(y)[..16]));
    assert!((0..61).any(|y| drawn.row(y)[30..] != own.row(y)[30..]));
    assert!(
        record.varied_share.is_some_and(|share| (0.4..0.7).contains(&share)),
        "{:?}",
        record.varied_share
    );
}

#[test]
fn what_the_engine_cannot_do_is_refused() {
    let engine = opened(&tiny::folder(false));
    let plain = request(0.5, 1);
    let canvas = Some(Canvas { width: 80, height: 56, stretch: false });
    for asked in
        [Request { canvas, ..plain.clone() }, Request { orientation: Orientation::Upright, ..plain.clone() }]
    {
        let refused = engine.generate(&disc(), &asked, &mut Silent);
        assert!(matches!(refused, Err(GenerateError::Unsupported { .. })), "{asked:?}");
    }
    let narrow = Raster::from_planes(&[Plane::from_fn(7, 40, |_, _| 0.5)], Depth::Eight);
    let refused = engine.generate(&narrow, &plain, &mut Silent);
    assert!(matches!(refused, Err(GenerateError::TooSmall { limit: 8, .. })));
}

#[test]
fn every_stage_does_what_it_announced_and_can_be_stopped_between_steps() {
    let dir = tiny::folder(true);
    let run = |watch: &mut Watch| opened(&dir).generate(&disc(), &request(1.0, 1), watch);
    let stages = watch::hold(run, |reports| (1..=reports).collect());
    assert!(stages.iter().any(|(name, total, _)| name == "drawing the picture" && *total == 6));
}
