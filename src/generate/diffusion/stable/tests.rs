use std::sync::Arc;

use tempfile::TempDir;

use super::super::super::watch::{self, Watch};
use super::super::super::{Canvas, Orientation};
use super::super::img2img::Varied;
use super::super::latents::noise;
use super::super::trial::{self, Album, Steps, request};
use super::*;
use crate::generate::Finding;
use crate::progress::Silent;
use crate::quantity::Strength;

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
    let asked = Request { orientation: Orientation::Any, ..request(0.5, 1) };
    let refused = engine.generate(&disc(), &asked, &mut Silent);
    assert!(matches!(refused, Err(GenerateError::Unsupported { .. })));
    let narrow = Raster::from_planes(&[Plane::from_fn(7, 40, |_, _| 0.5)], Depth::Eight);
    let refused = engine.generate(&narrow, &request(0.5, 1), &mut Silent);
    assert!(matches!(refused, Err(GenerateError::TooSmall { limit: 8, .. })));
    let canvas = Some(Canvas { width: 88, height: 122, stretch: false });
    let mask = Some(Arc::new(Plane::filled(44, 61, 1.0)));
    let refused = engine.generate(&disc(), &Request { canvas, mask, ..request(0.5, 1) }, &mut Silent);
    assert!(matches!(refused, Err(GenerateError::MaskedCanvas)));
}

fn sized(engine: &StableEngine, width: u32, height: u32, strength: f64) -> Draft {
    let canvas = Some(Canvas { width, height, stretch: false });
    let asked = Request { canvas, ..request(strength, 1) };
    engine.generate(&disc(), &asked, &mut Silent).expect("a size that fits")
}

/// What is drawn in the steps of `plan`, and what was seen on the way; without a `reference` of noise alone.
fn followed(
    engine: &StableEngine,
    plan: &Plan,
    windows: &Windows,
    varied: &Varied,
    reference: Option<&Tensor>,
    seed: Seed,
) -> (Tensor, Steps) {
    let unet = engine.read_network().expect("it loads");
    let texts = engine.read_prompts("a virion", &mut Silent).expect("a prompt");
    let prompt = engine.conditions(&texts.prompt, windows);
    let sampler = Sampler { unet: &unet, plan, windows, prompt: &prompt, away: None, varied, seed };
    let [rows, columns] = windows.whole();
    let nothing = Tensor::zeros((1, 4, rows, columns), candle_core::DType::F32, &candle_core::Device::Cpu);
    let nothing = nothing.expect("zeros");
    let mut steps = Steps::default();
    let drawn = sampler.draw(reference.unwrap_or(&nothing), reference.is_none(), &mut steps);
    (drawn.expect("it draws"), steps)
}

#[test]
fn another_size_of_the_same_aspect_is_the_reference_made_larger_and_varied() {
    let engine = opened(&tiny::folder(false));
    let Draft { raster, record } = sized(&engine, 88, 122, 0.5);
    assert_eq!((raster.width(), raster.height(), raster.channels()), (88, 122, Channels::Grey));
    assert_eq!((record.steps, record.findings.len()), (3, 0));
    let nothing = sized(&engine, 88, 122, 0.0);
    assert_eq!((nothing.raster.width(), nothing.record.steps, nothing.record.windows), (88, 0, None));
    let shown = nothing.raster.planes()[0].at(36, 50);
    assert!((shown - disc().planes()[0].at(18, 25)).abs() < 0.05, "the disc is where it was");
}

/// The strength holds for what the reference shows; the rest takes all steps.
#[test]
fn what_lies_beyond_the_reference_is_made_up_from_noise() {
    let engine = opened(&tiny::folder(false));
    let Draft { raster, record } = sized(&engine, 96, 64, 0.5);
    assert_eq!((raster.width(), raster.height()), (96, 64));
    assert_eq!(record.steps, 6);
    assert_eq!(record.noise_level, draft(&engine, &request(0.5, 1)).record.noise_level);
    // 63×42 pixels of the reference's scene are drawn; 44 of 63 columns are its own.
    assert!(
        matches!(record.findings[..], [Finding::Extended { share }] if (share - 19.0 / 63.0).abs() < 0.03),
        "{:?}",
        record.findings
    );

    let plan = engine.plan(&request(0.5, 1), true).expect("sound steps");
    assert_eq!((plan.calls(), plan.first()), (6, 3));
    let windows = Windows::over([8, 12], 8, 1);
    let numbers =
        |tensor: &Tensor| tensor.flatten_all().and_then(|flat| flat.to_vec1::<f32>()).expect("numbers");
    let reference =
        (Tensor::ones((1, 4, 8, 12), candle_core::DType::F32, &candle_core::Device::Cpu)).expect("ones");
    let beyond: Vec<f32> = (0..96).map(|i| if i % 12 < 6 { 1.0 } else { 0.0 }).collect();
    let beyond = Tensor::from_vec(beyond, (1, 1, 8, 12), reference.device()).expect("as many");
    let (varied, seed) = (Varied::TheseFirst(beyond), Seed(3));
    let (_, steps) = followed(&engine, &plan, &windows, &varied, Some(&reference), seed);
    let noise = noise(&reference, seed, sample::NOISE).expect("as many");
    for (i, latents) in steps.latents.iter().enumerate() {
        let stays = numbers(&plan.noised(i + 1, &reference, &noise).expect("a level"));
        let same = |inside: bool| {
            let all = numbers(latents).into_iter().zip(&stays).enumerate();
            let side = all.filter(|(at, _)| (at % 12 >= 6) == inside);
            side.filter(|(_, (found, expected))| found == *expected).count()
        };
        assert_eq!(same(true), if i < 3 { 4 * 8 * 6 } else { 0 }, "step {i}");
        assert_eq!(same(false), 0, "step {i}");
    }
}

#[test]
fn large_pictures_are_drawn_in_windows_and_an_xl_is_told_where_they_stand() {
    let engine = opened(&tiny::folder(true));
    let canvas = Some(Canvas { width: 160, height: 222, stretch: false });
    let run = |watch: &mut Watch| engine.generate(&disc(), &Request { canvas, ..request(0.5, 1) }, watch);
    let mut watch = Watch::new(u32::MAX);
    let record = run(&mut watch).expect("it draws").record;
    // 28 rows of latents and 20 columns, in windows of 8 that begin 6 apart at most.
    assert_eq!((record.windows, record.steps), (Some(5 * 3), 3));
    assert!(watch.stages.contains(&("drawing the picture".to_owned(), 45, 45)), "{:?}", watch.stages);
    let texts = engine.read_prompts("a virion", &mut Silent).expect("a prompt");
    let windows = Windows::over([28, 20], 8, 1);
    let told = engine.conditions(&texts.prompt, &windows);
    let numbers: Vec<[f64; 6]> = told.iter().filter_map(|told| Some(told.added.as_ref()?.numbers)).collect();
    assert_eq!(numbers[0], [224.0, 160.0, 0.0, 0.0, 64.0, 64.0]);
    assert_eq!(numbers[14], [224.0, 160.0, 160.0, 96.0, 64.0, 64.0]);
    let whole = engine.conditions(&texts.prompt, &Windows::over([6, 8], 8, 1));
    let whole = whole[0].added.as_ref().map(|added| added.numbers);
    assert_eq!(whole, Some([48.0, 64.0, 0.0, 0.0, 48.0, 64.0]), "as diffusers tells it of a whole picture");
}

/// By the mean step from one latent to the next, where windows begin and end and everywhere else.
#[test]
fn windows_leave_no_seam_in_the_latents() {
    let engine = opened(&tiny::folder(false));
    let plan = engine.plan(&request(1.0, 1), false).expect("sound steps");
    let windows = Windows::over([30, 44], 8, 1);
    let (drawn, steps) = followed(&engine, &plan, &windows, &Varied::All, None, Seed(3));
    assert_eq!(steps.calls, plan.calls() * windows.count());
    let numbers = drawn.flatten_all().and_then(|flat| flat.to_vec1::<f32>()).expect("numbers");
    let edges: Vec<usize> = windows.corners().flat_map(|[_, left]| [left, left + 8]).collect();
    let step = |at_edge: bool| {
        let columns = (1..44).filter(|x| edges.contains(x) == at_edge);
        let steps = columns.flat_map(|x| (0..4 * 30).map(move |row| 44 * row + x));
        let steps: Vec<f32> = steps.map(|at| (numbers[at] - numbers[at - 1]).abs()).collect();
        steps.iter().sum::<f32>() / steps.len() as f32
    };
    let ratio = step(true) / step(false);
    assert!((0.8..1.2).contains(&ratio), "{ratio}");
}

#[test]
fn further_seeds_read_nothing_anew_and_draw_the_same() {
    let dir = tiny::folder(true);
    let engine = opened(&dir);
    let stages = |seed: u64| {
        let mut watch = Watch::new(u32::MAX);
        engine.generate(&disc(), &request(0.5, seed), &mut watch).expect("it draws");
        watch.stages.len()
    };
    assert_eq!((stages(1), stages(2), stages(3)), (6, 2, 2));
    assert!(draft(&engine, &request(0.5, 2)).raster == draft(&opened(&dir), &request(0.5, 2)).raster);
}

#[test]
fn a_picture_of_a_prompt_alone_is_as_large_as_those_of_the_training_and_may_have_colours() {
    let engine = opened(&tiny::folder(true));
    let drawn =
        |prompt: &str, size, seed| engine.text2img(prompt, size, Seed(seed), &mut Silent).expect("it draws");
    let Draft { raster, record } = drawn("a virion", None, 1);
    assert_eq!((raster.width(), raster.height(), raster.channels()), (64, 64, Channels::Rgb));
    assert!(!raster.is_neutral(0.01));
    assert_eq!((record.steps, record.strength, record.prompt_used), (6, Strength::ONE, true));
    assert_eq!(drawn("a virion", Some((80, 51)), 1).raster.height(), 51);
    assert!(drawn("a virion", None, 1).raster == raster);
    assert!(drawn("a virion", None, 2).raster != raster && drawn("a helix", None, 1).raster != raster);
    let refused = engine.text2img("a virion", Some((7, 80)), Seed(1), &mut Silent);
    assert!(matches!(refused, Err(GenerateError::TooSmall { .. })));
}

#[test]
fn a_picture_is_seen_on_its_way() {
    let engine = opened(&tiny::folder(false));
    let mut album = Album::default();
    engine.generate(&disc(), &request(1.0, 1), &mut album).expect("it draws");
    let sizes: Vec<_> = album.0.iter().map(|seen| (seen.width(), seen.height())).collect();
    assert_eq!(sizes, [(6, 8); 6], "one of each step");
}

#[test]
fn every_stage_does_what_it_announced_and_can_be_stopped_between_steps() {
    let dir = tiny::folder(true);
    let run = |watch: &mut Watch| opened(&dir).generate(&disc(), &request(1.0, 1), watch);
    let stages = watch::hold(run, |reports| (1..=reports).collect());
    assert!(stages.iter().any(|(name, total, _)| name == "drawing the picture" && *total == 6));
}
