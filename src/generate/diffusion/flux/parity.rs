//! Against diffusers itself, on tiny models in its own layout: every stage, and the pixels in the end.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;

use candle_core::{Device, Tensor};
use serde_json::json;
use tempfile::TempDir;

use super::super::latents::noise;
use super::sample::{NOISE, Sampler};
use super::*;
use crate::progress::Silent;
use crate::quantity::{Seed, Strength};
use crate::raster::{self, Depth, Format, Plane};

pub(super) const PROMPT: &str = "Electron micrograph of  virions, negative stain!";
const STRENGTHS: [f64; 3] = [0.4, 0.6, 0.85];
const PIPELINES: [(&str, u32); 2] = [("flux-dev", 20), ("flux-schnell", 4)];
pub(super) const SEED: Seed = Seed(7);
pub(super) const TOKENS: usize = 48;
/// Largest difference of a stage, relative to its largest value.
const TOLERANCE: f64 = 1e-4;

/// Not square, so that swapped sides would show; of whole packed latents, so that nothing is framed.
pub(super) fn picture() -> Raster {
    let (width, height) = (160, 96);
    let wave = |x: usize, y: usize| 0.5 + 0.4 * (x as f32 / 9.0).sin() * (y as f32 / 13.0).cos();
    let planes = [
        Plane::from_fn(width, height, wave),
        Plane::from_fn(width, height, |x, _| x as f32 / width as f32),
        Plane::from_fn(width, height, |x, y| ((x / 16 + y / 16) % 2) as f32),
    ];
    Raster::from_planes(&planes, Depth::Eight)
}

/// White in whole latents, so that how a mask is brought to their size makes no difference.
fn mask() -> Plane {
    Plane::from_fn(160, 96, |x, y| if (48..112).contains(&x) && y >= 32 { 1.0 } else { 0.0 })
}

/// The models that `script` makes, and what diffusers drew with them.
pub(super) fn reference(script: &str, request: serde_json::Value) -> TempDir {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = root.join("target/venv-parity/bin/python");
    assert!(python.exists(), "no {}: 'make test' installs diffusers there", python.display());
    let dir = tempfile::tempdir().expect("a directory for the tests");
    let at = |name: &str| dir.path().join(name);
    let png = raster::encode(&picture(), Format::Png, 90).expect("it encodes");
    std::fs::write(at("picture.png"), png).expect("a new file");
    let white = Raster::from_planes(&[mask()], Depth::Eight);
    std::fs::write(at("mask.png"), raster::encode(&white, Format::Png, 90).expect("it encodes"))
        .expect("a new file");
    let like = Tensor::zeros((1, 16, 12, 20), candle_core::DType::F32, &Device::Cpu).expect("a tensor");
    let noise = HashMap::from([("noise", noise(&like, SEED, NOISE).expect("as many numbers"))]);
    candle_core::safetensors::save(&noise, at("noise.safetensors")).expect("a new file");
    std::fs::write(at("request.json"), request.to_string()).expect("a new file");
    let script = root.join("tests/parity").join(script);
    let made = Command::new(python).arg(script).arg(dir.path()).output().expect("it starts");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    dir
}

/// One pipeline's stages.
pub(super) struct Stages {
    pipeline: &'static str,
    made: HashMap<String, Tensor>,
    pub report: String,
}

impl Stages {
    pub fn of(pipeline: &'static str, dir: &Path) -> Stages {
        let file = dir.join(format!("{pipeline}.safetensors"));
        let made = candle_core::safetensors::load(file, &Device::Cpu).expect("python wrote it");
        Stages { pipeline, made, report: String::new() }
    }

    pub fn get(&self, name: &str) -> &Tensor {
        &self.made[name]
    }

    /// Holds `found` against the stage `name`.
    pub fn hold(&mut self, name: &str, found: &Tensor) {
        let expected = &self.made[name];
        assert_eq!(found.dims(), expected.dims(), "{name}");
        let [found, expected] = [found, expected].map(values);
        assert!(found.iter().all(|v| v.is_finite()), "{name}: numbers were lost");
        let largest = |values: &mut dyn Iterator<Item = f64>| values.fold(0.0, f64::max);
        let scale = largest(&mut expected.iter().map(|v| f64::from(v.abs())));
        let off = largest(&mut found.iter().zip(&expected).map(|(f, e)| f64::from((f - e).abs()))) / scale;
        self.report.push_str(&format!("| {} | {name} | {off:.1e} |\n", self.pipeline));
        assert!(off <= TOLERANCE, "{name}: off by {off:.1e} of its largest value");
    }
}

/// Puts the lines of a report where `make test` leaves them to be read.
pub(super) fn write(name: &str, lines: &str) {
    let report = format!("| model | stage | largest difference over largest value |\n|---|---|---|\n{lines}");
    std::fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join("target").join(name), report)
        .expect("it writes");
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().and_then(|flat| flat.to_vec1()).expect("numbers")
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

#[test]
fn every_stage_is_what_diffusers_makes_of_it() {
    let dir = reference(
        "reference.py",
        json!({
            "prompt": PROMPT, "strengths": STRENGTHS, "steps": HashMap::from(PIPELINES), "guidance": 3.5,
            "text_tokens": TOKENS,
        }),
    );
    let reference = picture();
    let mut report = String::new();
    for (name, steps) in PIPELINES {
        let mut stages = Stages::of(name, dir.path());
        let mut engine =
            FluxEngine::open(&dir.path().join(name), None).expect("a folder as diffusers writes it");
        assert_eq!(engine.options.guidance, 3.5);
        engine.options.steps = NonZeroU32::new(steps).expect("not zero");
        engine.options.text_tokens = TOKENS;

        let text = engine.read_prompt(PROMPT, &mut Silent).expect("a prompt");
        stages.hold("pooled", &text.pooled);
        stages.hold("context", &text.context.unsqueeze(0).expect("another dimension"));
        let autoencoder = engine.autoencoder.load(|vb| Autoencoder::new(&engine.shapes.autoencoder, vb));
        let frame = Frame::around(160, 96);
        let encoded = autoencoder.expect("it builds").encode(&reference, &frame).expect("it encodes");
        stages.hold("encoded", &encoded);

        let model = engine.model(&mut Silent).expect("it loads");
        let guidance = engine.options.guidance;
        let axes = engine.shapes.flux.axes;
        let sampler = Sampler { model: &model, axes, text: &text, guidance, varied: None };
        for strength in STRENGTHS {
            let request = Request {
                prompt: Some(PROMPT.to_owned()),
                ..Request::new(Strength::new(strength).expect("within 0..=1"), SEED)
            };
            let schedule = Schedule::new(
                engine.options.steps,
                request.strength,
                Meaning::Diffusers,
                engine.shapes.shift,
                frame.tokens(),
            );
            let levels: Vec<f32> = schedule.pairs().map(|(now, _)| now as f32).chain([0.0]).collect();
            let count = levels.len();
            stages.hold(
                &format!("{strength}.sigmas"),
                &Tensor::from_vec(levels, count, &Device::Cpu).expect("as many numbers"),
            );
            let steps = sampler.latents(&encoded, &schedule, SEED).expect("it draws");
            stages.hold(&format!("{strength}.latents"), &Tensor::stack(&steps, 0).expect("alike"));

            let drawn = engine.generate(&reference, &request, &mut Silent).expect("it draws").raster;
            let expected = values(stages.get(&format!("{strength}.decoded")));
            let found: Vec<f32> = drawn.planes().iter().flat_map(|plane| plane.data().to_vec()).collect();
            assert!(found.iter().all(|v| v.is_finite()));
            let off = found.iter().zip(&expected).map(|(f, e)| (f - (0.5 + 0.5 * e).clamp(0.0, 1.0)).abs());
            let off = off.fold(0.0, f32::max);
            let line = format!("| {name} | {strength}.pixels | {:.2} of 255 |\n", 255.0 * off);
            stages.report.push_str(&line);
            assert!(off <= 1.0 / 255.0, "{name} at {strength}: pixels off by {off}");

            let varied = frame.latents_of(&mask()).expect("a mask of the picture's size");
            let sampler = Sampler { varied: Some(&varied), ..sampler };
            let steps = sampler.latents(&encoded, &schedule, SEED).expect("it draws");
            stages.hold(&format!("{strength}.inpainted"), &Tensor::stack(&steps, 0).expect("alike"));
        }
        report.push_str(&stages.report);
    }
    write("parity.md", &report);
    wrong_folders_are_refused(&dir.path().join("flux-schnell"));
    wrong_shards_are_refused(&dir.path().join("flux-dev"));
}
