//! Against diffusers itself, on tiny models in its own layout: every stage, and the pixels in the end.

use std::path::Path;

use candle_core::{DType, Device, Tensor};
use serde_json::{Value, json};

use super::super::autoencoder::Frame;
use super::super::img2img::Varied;
use super::super::parity::{HEIGHT, SEED, STRENGTHS, Stages, WIDTH, made, mask, picture, processors, report};
use super::super::trial::Steps;
use super::sample::NOISE;
use super::*;
use crate::progress::Silent;
use crate::quantity::Strength;

const PROMPT: &str = "Electron micrograph of  virions, negative stain!";
const NEGATIVE: &str = "Blurry <|EndOfText|> text!";
const STEPS: u32 = 20;
const PIPELINES: [&str; 3] = ["sd15", "sd21", "sdxl"];
const TIMESTEP: f64 = 481.0;

fn tensor<T: candle_core::WithDType>(numbers: &[T], shape: impl Into<candle_core::Shape>) -> Tensor {
    let made = Tensor::from_slice(numbers, shape, &Device::Cpu).and_then(|t| t.to_dtype(DType::F32));
    made.expect("as many numbers")
}

/// The prompts: their tokens, and what is read of them.
fn hold_prompts(engine: &StableEngine, stages: &mut Stages, long: &str) -> Texts {
    for (name, text) in [("ids", PROMPT), ("ids.negative", NEGATIVE), ("ids.long", long)] {
        let ids: Vec<u32> =
            engine.encoders.iter().flat_map(|encoder| encoder.ids(text).expect("a text")).collect();
        stages.hold(name, &tensor(&ids, (engine.encoders.len(), ids.len() / engine.encoders.len())));
    }
    let texts = engine.read_prompts(PROMPT, &mut Silent).expect("a prompt");
    let away = texts.away.as_ref().expect("it is guided");
    for (before, text) in [("", &texts.prompt), ("negative.", away)] {
        stages.hold(&format!("{before}context"), &text.context);
        if engine.configs.is_xl {
            stages.hold(&format!("{before}pooled"), &text.pooled);
        }
    }
    texts
}

/// The latents after every step.
pub(super) fn steps(sampler: &Sampler, reference: &Tensor, alone: bool) -> Tensor {
    let mut steps = Steps::default();
    assert!(sampler.draw(reference, alone, &mut steps).is_ok());
    steps.stacked()
}

#[test]
fn every_stage_is_what_diffusers_makes_of_it() {
    let long = "virions of ".repeat(60);
    let request = json!({
        "prompt": PROMPT, "negative": NEGATIVE, "long": long, "strengths": STRENGTHS, "steps": STEPS,
        "guidance": 7.5, "timestep": TIMESTEP as u32,
    });
    let dir = made("stable.py", 4, NOISE, &request);
    let mut all = Vec::new();
    for (name, processor) in
        PIPELINES.iter().flat_map(|name| processors().map(|processor| (*name, processor)))
    {
        let mut stages = Stages::by(&processor, dir.path(), name);
        let mut engine =
            StableEngine::open(&dir.path().join(name), None, None).expect("a folder as diffusers writes it");
        assert_eq!(engine.options.guidance, if name == "sdxl" { 5.0 } else { 7.5 });
        engine.processor = processor;
        engine.options.guidance = 7.5;
        engine.options.steps = NonZeroU32::new(STEPS).expect("not zero");
        engine.options.negative_prompt = Some(NEGATIVE.to_owned());
        let texts = hold_prompts(&engine, &mut stages, &long);
        assert_eq!(engine.options.precision, Precision::F32, "its weights are stored in 32 bits");
        let mut rounded = StableEngine::open(&dir.path().join(name), None, None).expect("the same");
        rounded.options = Options { precision: Precision::Bf16, ..engine.options.clone() };

        let shape = &engine.configs.autoencoder;
        let autoencoder = engine.autoencoder.load(engine.processor.with(Precision::F32), |vb| {
            Autoencoder::new(&shape.network, shape.quant, vb)
        });
        let frame = Frame::around(WIDTH, HEIGHT, SQUARE);
        let autoencoder = autoencoder.expect("it builds");
        let encoded = autoencoder.encode(&picture(), &frame).expect("it encodes");
        stages.hold("encoded", &encoded);

        let unet = engine.read_network().expect("it loads");
        let windows = Windows::over([HEIGHT / 8, WIDTH / 8], engine.trained_side(), 1);
        let prompt = engine.conditions(&texts.prompt, &windows);
        let away = texts.away.map(|text| engine.conditions(&text, &windows)).expect("it is guided");
        stages.hold("called", &unet.forward(&encoded, TIMESTEP, &prompt[0]).expect("it runs"));
        let asked = Request::new(Strength::ONE, SEED);
        let plan = engine.plan(&asked, false).expect("sound steps");
        let sampler = Sampler {
            unet: &unet,
            plan: &plan,
            windows: &windows,
            prompt: &prompt,
            away: Some((&away, 7.5)),
            varied: &Varied::All,
            seed: SEED,
        };
        stages.hold("alone.latents", &steps(&sampler, &encoded.zeros_like().expect("zeros"), true));
        let drawn = engine.text2img(PROMPT, Some((WIDTH as u32, HEIGHT as u32)), SEED, &mut Silent);
        stages.hold_pixels("alone", &drawn.expect("it draws").raster);
        for strength in STRENGTHS {
            let request = Request {
                prompt: Some(PROMPT.to_owned()),
                ..Request::new(Strength::new(strength).expect("within 0..=1"), SEED)
            };
            let plan = engine.plan(&request, false).expect("sound steps");
            let timesteps = tensor(plan.timesteps(), plan.calls());
            stages.hold(&format!("{strength}.timesteps"), &timesteps);
            let sampler = Sampler { plan: &plan, ..sampler };
            stages.hold(&format!("{strength}.latents"), &steps(&sampler, &encoded, false));
            let drawn = engine.generate(&picture(), &request, &mut Silent).expect("it draws");
            stages.hold_pixels(&strength.to_string(), &drawn.raster);
            assert_eq!(drawn.record.precision, Some("f32"));
            // Guidance makes what is rounded grow from step to step.
            if !engine.processor.has_tensors() && name == "sd15" && strength == STRENGTHS[0] {
                let rounded = rounded.generate(&picture(), &request, &mut Silent).expect("it draws");
                assert_eq!(rounded.record.precision, Some("bf16"));
                let pictures = [&rounded.raster, &drawn.raster];
                stages.hold_rounded(&strength.to_string(), pictures, [28.0, 2.6]);
            }
            let varied = frame.latents_of(&mask()).expect("a mask of the picture's size");
            let sampler = Sampler { varied: &Varied::These(varied), ..sampler };
            stages.hold(&format!("{strength}.inpainted"), &steps(&sampler, &encoded, false));
        }
        all.push(stages);
    }
    report("parity-stable-diffusion.md", &all);
    for (name, file, from, to, said) in WRONG {
        let line = complaint(&dir.path().join(name), file, from, to);
        assert!(line.contains(said), "{line}");
    }
    wrong_files_are_refused(&dir.path().join("sdxl"));
}

/// Settings that are wrong, and what is said about them: the model, its file, what is replaced and by what.
const WRONG: [(&str, &str, &str, &str, &str); 14] = [
    (
        "sd15",
        "unet/config.json",
        "\"class_embed_type\": null",
        "\"class_embed_type\": \"timestep\"",
        "found class_embed_type = \"timestep\"",
    ),
    (
        "sd15",
        "unet/config.json",
        "\"attention_head_dim\": 8",
        "\"attention_head_dim\": 7",
        "expected heads that make up the width, found 7 heads in a width of 32",
    ),
    (
        "sd15",
        "unet/config.json",
        "\"norm_num_groups\": 32",
        "\"norm_num_groups\": 24",
        "found 24 groups in 32 channels",
    ),
    ("sd15", "unet/config.json", "\"norm_num_groups\": 32", "\"norm_num_groups\": 0", "norm_num_groups = 0"),
    ("sd15", "unet/config.json", "\"in_channels\": 4", "\"in_channels\": 9", "made for inpainting"),
    (
        "sd15",
        "unet/config.json",
        "\"cross_attention_dim\": 32",
        "\"cross_attention_dim\": 40",
        "width of the text: expected 32 as in",
    ),
    ("sd15", "unet/config.json", "\"freq_shift\": 0", "\"freq_shift\": 16", "freq_shift = 16"),
    (
        "sd15",
        "unet/config.json",
        "\"layers_per_block\": 2",
        "\"layers_per_block\": [2, 99999999999]",
        "expected a number, or one for each level, found layers_per_block = [2,99999999999]",
    ),
    (
        "sd21",
        "unet/config.json",
        "\"use_linear_projection\": true",
        "\"use_linear_projection\": false",
        "proj_in.weight: expected shape [32, 32, 1, 1], found [32, 32]",
    ),
    (
        "sd21",
        "model_index.json",
        "StableDiffusionImg2ImgPipeline",
        "StableDiffusionInpaintPipeline",
        "expected a Stable Diffusion pipeline",
    ),
    (
        "sdxl",
        "model_index.json",
        "\"requires_aesthetics_score\": false",
        "\"requires_aesthetics_score\": true",
        "found requires_aesthetics_score = true",
    ),
    (
        "sdxl",
        "vae/config.json",
        "\"latents_mean\": null",
        "\"latents_mean\": [0, 0, 0, 0]",
        "found latents_mean = ",
    ),
    (
        "sdxl",
        "text_encoder_2/config.json",
        "\"hidden_act\": \"gelu\"",
        "\"hidden_act\": \"relu\"",
        "expected quick_gelu or gelu, found hidden_act = relu",
    ),
    (
        "sdxl",
        "unet/config.json",
        "\"addition_embed_type\": \"text_time\"",
        "\"addition_embed_type\": null",
        "found none",
    ),
];

/// The line that opening the model in `dir` fails with, once something in `file` is replaced.
fn complaint(dir: &Path, file: &str, from: &str, to: &str) -> String {
    let path = dir.join(file);
    let sound = std::fs::read_to_string(&path).expect("a file of the model");
    let changed = sound.replace(from, to);
    assert_ne!(changed, sound, "{from}");
    std::fs::write(&path, changed).expect("it writes");
    let line = StableEngine::open(dir, None, None).err().expect("a complaint").to_string();
    std::fs::write(&path, sound).expect("it writes");
    assert!(!line.contains('\n'), "one line: {line}");
    line
}

fn wrong_files_are_refused(dir: &Path) {
    let without = |file: &str| {
        let (path, kept) = (dir.join(file), dir.join("kept"));
        std::fs::rename(&path, &kept).expect("a file of the model");
        let line = StableEngine::open(dir, None, None).err().expect("a complaint").to_string();
        std::fs::rename(&kept, &path).expect("a file");
        line
    };
    for (file, said) in [
        ("model_index.json", "no model: expected model_index.json"),
        ("unet/config.json", "unet/config.json: No such file"),
        ("unet/diffusion_pytorch_model.safetensors", "no UNet: expected unet/diffusion_pytorch_model"),
        ("text_encoder_2/model.safetensors", "no second CLIP text encoder: expected text_encoder_2"),
        ("tokenizer_2/merges.txt", "no second CLIP tokenizer: expected tokenizer_2/tokenizer.json"),
    ] {
        let line = without(file);
        assert!(line.contains(said), "{line}");
    }
    let scheduler = dir.join("scheduler/scheduler_config.json");
    std::fs::write(scheduler, r#"{"_class_name": "HeunDiscreteScheduler"}"#).expect("it writes");
    let refused = StableEngine::open(dir, None, None).err().expect("a complaint").to_string();
    assert!(refused.contains("found HeunDiscreteScheduler"), "{refused}");
    let engine = StableEngine::open(dir, Some(Method::Euler), None).expect("another sampler was chosen");
    assert_eq!(engine.options.method, Some(Method::Euler));
    let needed = memory(dir).expect("a whole model");
    let refused = StableEngine::open(dir, Some(Method::Ddim), Some(needed - 1)).err().expect("a complaint");
    assert!(matches!(refused, ModelError::Memory { .. }), "{refused}");
    assert!(StableEngine::open(dir, Some(Method::Ddim), Some(needed)).is_ok());
    let parts = inventory(dir);
    assert_eq!(parts.len(), 6);
    let settings: Value = super::super::config::parse(&dir.join("vae/config.json")).expect("a configuration");
    assert_eq!(settings["scaling_factor"], json!(0.13025), "as an XL has it");
}
