use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::super::super::watch::{self, Watch};
use super::super::super::{Canvas, Orientation};
use super::super::autoencoder::Frame;
use super::super::trial::{self, Album, request};
use super::super::{Gib, State};
use super::schedule::Shift;
use super::*;
use crate::progress::Silent;

use crate::raster::{Channels, Depth, Plane, Samples};

fn opened(dir: &TempDir) -> FluxEngine {
    let mut engine = FluxEngine::open(dir.path(), None).expect("a whole model");
    engine.options.text_tokens = 12;
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
    let expected = tiny::flux(true);
    assert_eq!(
        (found.double_blocks, found.heads, found.axes.as_slice()),
        (2, 2, expected.axes_dim.as_slice())
    );
    assert_eq!(found.inner, 4 * expected.hidden_size);
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
        .load(|vb| Autoencoder::new(&engine.shapes.autoencoder, Quant::default(), vb))
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

/// The one line that opening `dir` fails with.
fn complaint(dir: &Path) -> String {
    let line = FluxEngine::open(dir, None).err().expect("a complaint").to_string();
    assert!(!line.contains('\n'), "one line: {line}");
    line
}

#[test]
fn every_missing_part_is_named() {
    for (file, role) in [
        ("flux1-schnell.safetensors", "no transformer: expected flux1-*.safetensors"),
        ("ae.safetensors", "no autoencoder: expected ae.safetensors"),
        ("clip_l.safetensors", "no CLIP text encoder: expected clip_l*.safetensors"),
        ("t5xxl_fp16.safetensors", "no T5 text encoder: expected t5xxl*.safetensors"),
        ("clip/merges.txt", "no CLIP tokenizer: expected clip/tokenizer.json"),
        ("t5/tokenizer.json", "no T5 tokenizer: expected t5/tokenizer.json"),
    ] {
        let dir = tiny::folder(false);
        fs::remove_file(dir.path().join(file)).expect("a file of the model");
        assert!(complaint(dir.path()).contains(role), "{}", complaint(dir.path()));
        let missing = inventory(dir.path()).into_iter().filter(|p| matches!(p.state, State::Missing { .. }));
        assert_eq!(missing.count(), 1);
    }
}

#[test]
fn a_truncated_file_is_refused_at_any_length() {
    let dir = tiny::folder(false);
    let path = dir.path().join("ae.safetensors");
    let whole = fs::read(&path).expect("a file of the model");
    for length in [0, 7, 100, whole.len() / 2, whole.len() - 1] {
        fs::write(&path, &whole[..length]).expect("a shorter file");
        let line = complaint(dir.path());
        assert!(
            line.contains("ae.safetensors: truncated") && line.contains(&format!("found {length}")),
            "{line}"
        );
    }
}

#[test]
fn a_broken_gguf_file_is_said_to_be_one_and_an_empty_tensor_is_no_damage() {
    let dir = tiny::folder(false);
    let (path, gguf) = (dir.path().join("t5xxl_fp16.safetensors"), dir.path().join("t5-q4.gguf"));
    let whole = fs::read(&path).expect("a file of the model");
    for bytes in [&b""[..], b"GG", b"something else than such a file"] {
        fs::remove_file(&path).ok();
        fs::write(&gguf, bytes).expect("a new file");
        let line = complaint(dir.path());
        assert!(line.contains("t5-q4.gguf: ") && !line.contains("safetensors"), "{line}");
    }
    fs::remove_file(&gguf).expect("it is there");
    fs::write(&path, &whole).expect("a new file");
    let length = u64::from_le_bytes(whole[..8].try_into().expect("eight bytes")) as usize;
    let header = String::from_utf8(whole[8..8 + length].to_vec()).expect("JSON");
    let header =
        header.replacen('{', r#"{"scaled_fp8":{"dtype":"F8_E4M3","shape":[0],"data_offsets":[0,0]},"#, 1);
    let start = (header.len() as u64).to_le_bytes();
    fs::write(&path, [&start[..], header.as_bytes(), &whole[8 + length..]].concat()).expect("a new file");
    opened(&dir);
}

#[test]
fn a_pickle_is_refused_by_its_name_and_by_its_bytes() {
    let dir = tiny::folder(false);
    let path = dir.path().join("ae.safetensors");
    fs::write(&path, b"PK\x03\x04 archive of a pickle").expect("a file");
    assert!(complaint(dir.path()).contains("expected safetensors, found a zip archive"));
    fs::write(&path, b"\x80\x02}q\x00(X\x05\x00").expect("a file");
    assert!(complaint(dir.path()).contains("expected safetensors, found a pickle"));
    for name in ["ae.ckpt", "ae.pt", "ae.bin"] {
        let other = dir.path().join(name);
        fs::rename(&path, &other).expect("a file");
        assert!(complaint(dir.path()).contains(&format!("{name}: expected safetensors, found a pickle")));
        fs::rename(&other, &path).expect("a file");
    }
}

#[test]
fn wrong_shapes_missing_tensors_and_other_families_are_named() {
    let dir = tiny::folder(false);
    let path = dir.path().join("flux1-schnell.safetensors");
    let change = |edit: &dyn Fn(&mut std::collections::HashMap<String, candle_core::Tensor>)| {
        let whole = tiny::folder(false);
        let from = whole.path().join("flux1-schnell.safetensors");
        let mut tensors =
            candle_core::safetensors::load(from, &candle_core::Device::Cpu).expect("a file of the model");
        edit(&mut tensors);
        candle_core::safetensors::save(&tensors, &path).expect("a file");
        complaint(dir.path())
    };
    let name = "single_blocks.1.linear2.weight";
    let line = change(&|t| drop(t.remove(name)));
    assert!(line.ends_with(&format!("flux1-schnell.safetensors: no tensor {name}")), "{line}");
    let line = change(&|t| {
        let wide = candle_core::Tensor::zeros((64, 321), candle_core::DType::F32, &candle_core::Device::Cpu);
        t.insert(name.to_owned(), wide.expect("a small tensor"));
    });
    assert!(line.ends_with("expected shape [64, 320], found [64, 321]"), "{line}");
    let line = change(&|t| {
        t.remove("img_in.weight");
    });
    assert!(
        line.contains("expected a FLUX.1 transformer") && line.contains("found double_blocks.0."),
        "{line}"
    );
    let line = change(&|t| {
        let wide = candle_core::Tensor::zeros((64, 24), candle_core::DType::F32, &candle_core::Device::Cpu);
        t.insert("img_in.weight".to_owned(), wide.expect("a small tensor"));
    });
    assert!(line.contains("packed latent channels: expected 24 as in"), "{line}");
}

#[test]
fn the_folders_of_comfyui_and_the_prefix_of_whole_checkpoints_are_understood() {
    let flat = tiny::folder(false);
    let digest = opened(&flat).digest;
    let at = |name: &str| flat.path().join(name);
    for (file, folder) in [
        ("flux1-schnell.safetensors", "unet"),
        ("ae.safetensors", "vae"),
        ("clip_l.safetensors", "clip"),
        ("t5xxl_fp16.safetensors", "text_encoders"),
    ] {
        fs::create_dir_all(at(folder)).expect("a folder");
        fs::rename(at(file), at(folder).join(file)).expect("a file of the model");
    }
    assert_eq!(opened(&flat).digest, digest, "folders do not matter to the digest");
    let path = at("unet/flux1-schnell.safetensors");
    let tensors =
        candle_core::safetensors::load(&path, &candle_core::Device::Cpu).expect("a file of the model");
    let prefixed =
        tensors.into_iter().map(|(name, t)| (format!("model.diffusion_model.{name}"), t)).collect();
    candle_core::safetensors::save(&prefixed, &path).expect("a file");
    let engine = opened(&flat);
    assert_ne!(engine.digest, digest, "bytes do");
    assert_eq!(engine.shapes.flux.double_blocks, 2);
    fs::copy(&path, at("flux1-dev.safetensors")).expect("a file");
    assert!(complaint(flat.path()).contains("more than one transformer"));
}

/// Writes what `change` makes of every tensor of these files.
fn rewritten(
    dir: &TempDir,
    change: impl Fn(candle_core::Tensor) -> candle_core::Result<candle_core::Tensor>,
) {
    for file in ["flux1-schnell.safetensors", "t5xxl_fp16.safetensors"] {
        let path = dir.path().join(file);
        let whole = candle_core::safetensors::load(&path, &candle_core::Device::Cpu).expect("a file");
        let changed =
            whole.into_iter().map(|(n, t)| (n, change(t).expect("a type that candle has"))).collect();
        candle_core::safetensors::save(&changed, &path).expect("a file");
    }
}

#[test]
fn weights_of_other_types_draw_what_their_numbers_draw_in_f32() {
    use candle_core::DType;
    for dtype in [DType::BF16, DType::F16, DType::F8E4M3, DType::F64] {
        let dir = tiny::folder(false);
        rewritten(&dir, |t| t.to_dtype(dtype));
        let drawn = draft(&opened(&dir), 0.5, 1).raster;
        rewritten(&dir, |t| t.to_dtype(DType::F32));
        assert!(drawn == draft(&opened(&dir), 0.5, 1).raster, "{dtype:?}");
    }
}

/// By hand: 8 bits more or less of a weight are as many bytes more or less of memory.
#[test]
fn a_model_needs_the_memory_of_its_files() {
    use candle_core::DType;
    let needed = |dtype: DType| {
        let dir = tiny::folder(false);
        rewritten(&dir, |t| t.to_dtype(dtype));
        match FluxEngine::open(dir.path(), Some(1)).err() {
            Some(ModelError::Memory { needed: Gib(needed), free: Gib(1), .. }) => {
                assert_eq!(memory(dir.path()).ok(), Some(needed));
                needed
            }
            other => panic!("{other:?}"),
        }
    };
    let elements: usize = {
        let dir = tiny::folder(false);
        let path = dir.path().join("flux1-schnell.safetensors");
        let whole = candle_core::safetensors::load(path, &candle_core::Device::Cpu).expect("a file");
        whole.values().filter(|t| t.rank() == 2).map(candle_core::Tensor::elem_count).sum()
    };
    let [quarter, half, whole, double] = [DType::F8E4M3, DType::BF16, DType::F32, DType::F64].map(needed);
    assert_eq!([half - quarter, whole - half], [elements as u64, 2 * elements as u64]);
    // The largest matrix of 64 bits, 448×64, while it is widened, is more than the autoencoder's largest, 64×64×3×3 of
    // 32 bits, which counts otherwise.
    assert_eq!(double - whole, 8 * 448 * 64 - 4 * 64 * 64 * 9);
    let dir = tiny::folder(false);
    assert!(FluxEngine::open(dir.path(), Some(whole)).is_ok());
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
fn what_is_never_read_takes_no_memory() {
    let dir = tiny::folder(false);
    let needed = || memory(dir.path()).expect("sound headers");
    let before = needed();
    // Of a T5 that is larger than the rest, only what is read of it counts.
    let path = dir.path().join("t5xxl_fp16.safetensors");
    let mut tensors =
        candle_core::safetensors::load(&path, &candle_core::Device::Cpu).expect("a file of the model");
    if let Some(words) = tensors.remove("encoder.embed_tokens.weight") {
        tensors.insert("shared.weight".to_owned(), words);
    }
    let mut save = |name: &str| {
        let large =
            candle_core::Tensor::zeros((2048, 2048), candle_core::DType::BF16, &candle_core::Device::Cpu);
        tensors.insert(name.to_owned(), large.expect("a tensor"));
        candle_core::safetensors::save(&tensors, &path).expect("a file");
        needed()
    };
    assert_eq!(save("decoder.block.0.layer.0.SelfAttention.q.weight"), before);
    assert_eq!(save("encoder.embed_tokens.weight"), before, "the words are there under their other name");
    assert!(save("encoder.block.0.layer.9.weight") > before);
}

#[test]
fn every_stage_does_what_it_announced_and_can_be_stopped_between_steps() {
    let dir = tiny::folder(false);
    let run = |watch: &mut Watch| opened(&dir).generate(&disc(), &request(1.0, 1), watch);
    let stages = watch::hold(run, |reports| (1..=reports).collect());
    assert!(stages.iter().any(|(name, total, _)| name == "drawing the picture" && *total == 4));
}
