//! Against diffusers itself, on tiny models in its own layout: every stage, and the pixels in the end.

use std::collections::HashMap;
use std::path::Path;

use candle_core::{Device, Tensor};
use serde_json::json;
use tempfile::TempDir;

use super::super::autoencoder::Frame;
use super::super::img2img::Varied;
use super::super::parity::{HEIGHT, SEED, STRENGTHS, Stages, WIDTH, made, mask, picture, processors, report};
use super::super::trial::Steps;
use super::super::windows::Windows;
use super::sample::{NOISE, Sampler};
use super::*;
use crate::progress::Silent;
use crate::quantity::Strength;

pub(super) const PROMPT: &str = "Electron micrograph of  virions, negative stain!";
const PIPELINES: [(&str, u32); 2] = [("flux-dev", 20), ("flux-schnell", 4)];
pub(super) const TOKENS: usize = 48;

/// The models, and what diffusers drew with them.
fn reference() -> TempDir {
    let request = json!({
        "prompt": PROMPT, "strengths": STRENGTHS, "steps": HashMap::from(PIPELINES), "guidance": 3.5,
        "text_tokens": TOKENS,
    });
    made("reference.py", 16, NOISE, &request)
}

/// The line that opening the model `name` in `dir` fails with, once `file` of it has `content`.
fn complaint(dir: &Path, file: &str, content: Option<&str>) -> String {
    let path = dir.join(file);
    let sound = std::fs::read(&path).expect("a file of the model");
    match content {
        Some(content) => std::fs::write(&path, content).expect("it writes"),
        None => std::fs::remove_file(&path).expect("it is there"),
    }
    let line = FluxEngine::open(dir, None).err().expect("a complaint").to_string();
    std::fs::write(&path, sound).expect("it writes");
    assert!(!line.contains('\n'), "one line: {line}");
    line
}

/// Settings and files that are wrong, and what is said about them.
fn wrong_folders_are_refused(dir: &Path) {
    let transformer = std::fs::read_to_string(dir.join("transformer/config.json")).expect("a configuration");
    let with = |from: &str, to: &str| {
        let changed = transformer.replace(from, to);
        assert_ne!(changed, transformer, "{from}");
        complaint(dir, "transformer/config.json", Some(&changed))
    };
    let blocks = with("\"num_layers\": 2", "\"num_layers\": 19");
    assert!(
        blocks.contains("config.json: double blocks: expected 2") && blocks.ends_with("found 19"),
        "{blocks}"
    );
    let heads = with("\"num_attention_heads\": 2", "\"num_attention_heads\": 0");
    assert!(heads.contains("width of all attention heads: expected 64"), "{heads}");
    let axes = with("    8,\n    12,\n    12", "9, 12, 11");
    assert!(axes.contains("three even numbers that make up attention_head_dim, found [9, 12, 11]"), "{axes}");
    let cut = complaint(dir, "transformer/config.json", Some("{\"num_layers\": "));
    assert!(cut.contains("transformer/config.json: EOF"), "{cut}");
    let gelu = complaint(
        dir,
        "text_encoder/config.json",
        Some(r#"{"num_attention_heads": 4, "hidden_act": "gelu"}"#),
    );
    assert!(gelu.contains("with quick_gelu, found gelu"), "{gelu}");
    let beta = complaint(dir, "scheduler/scheduler_config.json", Some(r#"{"use_beta_sigmas": true}"#));
    assert!(beta.contains("found use_beta_sigmas set otherwise"), "{beta}");
    let other = complaint(dir, "model_index.json", Some(r#"{"_class_name": "StableDiffusionPipeline"}"#));
    assert!(
        other.contains("expected a FLUX.1 pipeline") && other.ends_with("found StableDiffusionPipeline"),
        "{other}"
    );
    let vae = std::fs::read_to_string(dir.join("vae/config.json")).expect("a configuration");
    let nothing = vae.replace("\"scaling_factor\": 0.3611", "\"scaling_factor\": 0");
    let nothing = complaint(dir, "vae/config.json", Some(&nothing));
    assert!(nothing.ends_with("(0.3611 and 0.1159), found 0 and 0.1159"), "{nothing}");
    let far = r#"{"feed_forward_proj": "gated-gelu", "relative_attention_max_distance": 8}"#;
    let far = complaint(dir, "text_encoder_2/config.json", Some(far));
    assert!(far.contains("four at least, found 8 over 32"), "{far}");
    let gone = complaint(dir, "vae/config.json", None);
    assert!(gone.contains("vae/config.json: No such file"), "{gone}");
    let weights = complaint(dir, "vae/diffusion_pytorch_model.safetensors", None);
    assert!(
        weights.contains("no autoencoder: expected vae/diffusion_pytorch_model.safetensors"),
        "{weights}"
    );
}

/// An index may not lead out of its folder, nor to what is not there.
fn wrong_shards_are_refused(dir: &Path) {
    const INDEX: &str = "transformer/diffusion_pytorch_model.safetensors.index.json";
    let first = std::fs::read_dir(dir.join("transformer"))
        .expect("a folder")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .find(|name| name.contains("00001-of"))
        .expect("shards");
    for index in [
        r#"{"weight_map": {"x_embedder.weight": "../vae/diffusion_pytorch_model.safetensors"}}"#,
        r#"{"weight_map": {"x_embedder.weight": "not-there.safetensors"}}"#,
        r#"{"weight_map": {}}"#,
        "[",
    ] {
        let line = complaint(dir, INDEX, Some(index));
        assert!(line.contains("no transformer: expected transformer/diffusion_pytorch_model"), "{line}");
    }
    let one =
        complaint(dir, INDEX, Some(&format!(r#"{{"weight_map": {{"x_embedder.weight": "{first}"}}}}"#)));
    assert!(one.contains("expected a FLUX.1 transformer"), "{one}");
}

/// The latents after every step.
pub(super) fn stepped(sampler: &Sampler, reference: &Tensor) -> Tensor {
    let mut steps = Steps::default();
    assert!(sampler.draw(reference, &mut steps).is_ok());
    steps.stacked()
}

/// The latents after every step of what `engine` draws of the picture whose latents are `encoded`, by what `text` says.
pub(super) fn drawn(engine: &FluxEngine, text: &Text, strength: Strength, encoded: &Tensor) -> Tensor {
    let schedule = Schedule::new(
        engine.options.steps,
        strength,
        Meaning::Diffusers,
        engine.shapes.shift,
        WIDTH * HEIGHT / (SQUARE * SQUARE),
        false,
    );
    let model = engine.read_network().expect("it loads");
    let windows = Windows::over([HEIGHT / 8, WIDTH / 8], engine.trained_side(), 2);
    let sampler = Sampler {
        model: &model,
        axes: engine.shapes.flux.axes,
        text,
        guidance: engine.options.guidance,
        schedule: &schedule,
        windows: &windows,
        varied: &Varied::All,
        seed: SEED,
    };
    stepped(&sampler, encoded)
}

#[test]
fn every_stage_is_what_diffusers_makes_of_it() {
    let dir = reference();
    let reference = picture();
    let mut all = Vec::new();
    let each = PIPELINES.iter().flat_map(|pipeline| processors().map(|processor| (pipeline, processor)));
    for ((name, steps), processor) in each {
        let mut stages = Stages::by(&processor, dir.path(), name);
        let mut engine =
            FluxEngine::open(&dir.path().join(name), None).expect("a folder as diffusers writes it");
        assert_eq!(engine.options.guidance, 3.5);
        engine.processor = processor;
        engine.options.steps = NonZeroU32::new(*steps).expect("not zero");
        engine.options.text_tokens = TOKENS;
        assert_eq!(engine.options.precision, Precision::F32, "its weights are stored in 32 bits");
        let mut rounded = FluxEngine::open(&dir.path().join(name), None).expect("the same");
        rounded.options = Options { precision: Precision::Bf16, ..engine.options };

        let text = engine.read_prompt(PROMPT, &mut Silent).expect("a prompt");
        stages.hold("pooled", &text.pooled);
        stages.hold("context", &text.context.unsqueeze(0).expect("another dimension"));
        let autoencoder = engine
            .autoencoder
            .load(engine.compute(), |vb| Autoencoder::new(&engine.shapes.autoencoder, Quant::default(), vb));
        let frame = Frame::around(WIDTH, HEIGHT, SQUARE);
        let encoded = autoencoder.expect("it builds").encode(&reference, &frame).expect("it encodes");
        stages.hold("encoded", &encoded);

        let model = engine.read_network().expect("it loads");
        let guidance = engine.options.guidance;
        let axes = engine.shapes.flux.axes;
        let windows = Windows::over([HEIGHT / 8, WIDTH / 8], engine.trained_side(), 2);
        let schedule = |strength| {
            let (steps, shift) = (engine.options.steps, engine.shapes.shift);
            Schedule::new(
                steps,
                strength,
                Meaning::Diffusers,
                shift,
                WIDTH * HEIGHT / (SQUARE * SQUARE),
                false,
            )
        };
        let whole = schedule(Strength::ONE);
        let sampler = Sampler {
            model: &model,
            axes,
            text: &text,
            guidance,
            schedule: &whole,
            windows: &windows,
            varied: &Varied::All,
            seed: SEED,
        };
        stages.hold("alone.latents", &stepped(&sampler, &encoded.zeros_like().expect("zeros")));
        let drawn = engine.text2img(PROMPT, Some((WIDTH as u32, HEIGHT as u32)), SEED, &mut Silent);
        stages.hold_pixels("alone", &drawn.expect("it draws").raster);
        for strength in STRENGTHS {
            let request = Request {
                prompt: Some(PROMPT.to_owned()),
                ..Request::new(Strength::new(strength).expect("within 0..=1"), SEED)
            };
            let schedule = schedule(request.strength);
            let levels: Vec<f32> = schedule.pairs().map(|(now, _)| now as f32).chain([0.0]).collect();
            let count = levels.len();
            stages.hold(
                &format!("{strength}.sigmas"),
                &Tensor::from_vec(levels, count, &Device::Cpu).expect("as many numbers"),
            );
            let sampler = Sampler { schedule: &schedule, ..sampler };
            stages.hold(&format!("{strength}.latents"), &stepped(&sampler, &encoded));

            let drawn = engine.generate(&reference, &request, &mut Silent).expect("it draws").raster;
            stages.hold_pixels(&strength.to_string(), &drawn);
            if !engine.processor.has_tensors() {
                let rounded = rounded.generate(&reference, &request, &mut Silent).expect("it draws");
                assert_eq!((rounded.record.precision, rounded.record.device), (Some("bf16"), Some("cpu")));
                stages.hold_rounded(&strength.to_string(), [&rounded.raster, &drawn], [12.0, 1.0]);
            }

            let varied = frame.latents_of(&mask()).expect("a mask of the picture's size");
            let sampler = Sampler { varied: &Varied::These(varied), ..sampler };
            stages.hold(&format!("{strength}.inpainted"), &stepped(&sampler, &encoded));
        }
        all.push(stages);
    }
    report("parity.md", &all);
    wrong_folders_are_refused(&dir.path().join("flux-schnell"));
    wrong_shards_are_refused(&dir.path().join("flux-dev"));
}
