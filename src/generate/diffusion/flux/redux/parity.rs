//! Against diffusers: what is seen of a picture, and what is drawn with it.

use std::fs;
use std::path::Path;

use candle_core::{Device, Tensor};
use serde_json::json;

use super::super::super::parity::{SEED, Stages, apart, made, picture, processors, report};
use super::super::parity::{PROMPT, TOKENS, drawn};
use super::super::sample::NOISE;
use super::super::*;
use super::Redux;
use crate::progress::Silent;
use crate::quantity::Strength;

const STRENGTH: f64 = 0.6;
const STEPS: u32 = 10;
const WEIGHTS: [f64; 3] = [0.25, 1.0, 2.0];

#[test]
fn a_model_that_sees_the_reference_draws_what_diffusers_draws_with_it() {
    let request = json!({
        "prompt": PROMPT, "strength": STRENGTH, "steps": STEPS, "guidance": 3.5, "text_tokens": TOKENS,
        "weights": WEIGHTS,
    });
    let dir = made("redux.py", 16, NOISE, &request);
    let (model, redux) = (dir.path().join("flux"), dir.path().join("redux"));
    let mut all = Vec::new();
    let mut all_drawn: Vec<Tensor> = Vec::new();
    for processor in processors() {
        let mut stages = Stages::by(&processor, dir.path(), "redux");
        let opened = Redux::open(&redux).expect("a folder as diffusers writes it");
        let side = opened.shape.side();
        let pixels = super::picture::of(&picture(), side);
        let pixels = Tensor::from_vec(pixels, (1, 3, side, side), &Device::Cpu).expect("as many");
        stages.hold("pixels", &pixels);
        let tokens = opened.tokens(&processor, &picture()).expect("it looks");
        stages.hold("tokens", &tokens.unsqueeze(0).expect("another dimension"));
        for weight in WEIGHTS {
            let engine = FluxEngine::open(&model, None).expect("a folder as diffusers writes it");
            let without = engine.digest;
            let mut engine = engine.with_redux(&redux, weight).expect("a Redux model for it");
            assert_ne!(engine.digest, without);
            engine.processor = processor.clone();
            engine.options.steps = NonZeroU32::new(STEPS).expect("not zero");
            engine.options.text_tokens = TOKENS;
            let text = engine.told(PROMPT, Some(&picture()), &mut Silent).expect("a prompt");
            let name = format!("{weight:?}");
            stages.hold("pooled", &text.pooled);
            stages.hold(&format!("{name}.context"), &text.context.unsqueeze(0).expect("another dimension"));
            let strength = Strength::new(STRENGTH).expect("within 0..=1");
            let latents = drawn(&engine, &text, strength, &stages.made["encoded"]);
            stages.hold(&format!("{name}.latents"), &latents);
            all_drawn.push(latents);
            let asked = Request { prompt: Some(PROMPT.to_owned()), ..Request::new(strength, SEED) };
            let draft = engine.generate(&picture(), &asked, &mut Silent).expect("it draws");
            stages.hold_pixels(&name, &draft.raster);
            assert_eq!(draft.record.image_weight, Some(weight));
            let alone = engine.text2img(PROMPT, Some((64, 64)), SEED, &mut Silent).expect("it draws");
            assert_eq!(alone.record.image_weight, None, "there is nothing to see");
        }
        all.push(stages);
    }
    assert!(
        all_drawn.windows(2).take(2).all(|two| apart(&two[0], &two[1]) > 0.01),
        "a weight changes nothing"
    );
    report("parity-redux.md", &all);
    other_layouts_are_the_same_model(&redux);
    what_does_not_fit_is_refused(&model, &redux);
}

/// As ComfyUI and Black Forest Labs have it, without a word beside the weights.
fn other_layouts_are_the_same_model(redux: &Path) {
    let tokens = |dir: &Path| {
        let opened = Redux::open(dir).expect("both parts");
        opened
            .tokens(&Processor::default(), &picture())
            .and_then(|t| Ok(t.to_vec2::<f32>()?))
            .expect("tokens")
    };
    let expected = tokens(redux);
    for (embedder, vision) in [
        ("style_models/flux1-redux-dev.safetensors", "clip_vision/sigclip_vision_patch14_384.safetensors"),
        ("flux1-redux-dev.safetensors", "image_encoder/model.safetensors"),
    ] {
        let dir = tempfile::tempdir().expect("a directory for the tests");
        let copy = |from: &str, to: &str| {
            let to = dir.path().join(to);
            fs::create_dir_all(to.parent().expect("a folder")).expect("a new folder");
            fs::copy(redux.join(from), to).expect("a copy");
        };
        assert!(!has_redux(dir.path()));
        copy("image_embedder/diffusion_pytorch_model.safetensors", embedder);
        let said = Redux::open(dir.path()).err().expect("a part alone").to_string();
        assert!(said.contains("no SigLIP image encoder: expected image_encoder/model.safetensors"), "{said}");
        copy("image_encoder/model.safetensors", vision);
        assert!(has_redux(dir.path()));
        assert!(tokens(dir.path()) == expected, "{embedder}");
    }
}

fn what_does_not_fit_is_refused(model: &Path, redux: &Path) {
    let complaint = |file: &str, from: &str, to: &str| {
        let path = redux.join(file);
        let sound = fs::read_to_string(&path).expect("settings");
        assert!(sound.contains(from), "{sound}");
        fs::write(&path, sound.replacen(from, to, 1)).expect("it writes");
        let line = Redux::open(redux).err().expect("a complaint").to_string();
        fs::write(&path, sound).expect("it writes");
        assert!(line.contains(file) && !line.contains('\n'), "{line}");
        line
    };
    let line = complaint("image_encoder/config.json", "\"image_size\": 56", "\"image_size\": 384");
    assert!(line.ends_with("found image_size = 384"), "{line}");
    let line = complaint("image_encoder/config.json", "gelu_pytorch_tanh", "relu");
    assert!(line.contains("hidden_act = \"relu\""), "{line}");
    let line = complaint("feature_extractor/preprocessor_config.json", "\"resample\": 3", "\"resample\": 2");
    assert!(line.ends_with("found resample = 2"), "{line}");
    let engine = || FluxEngine::open(model, Some(u64::MAX)).expect("a whole model");
    let mut narrow = engine();
    narrow.free = Some(1);
    assert!(matches!(narrow.with_redux(redux, 1.0), Err(ModelError::Memory { .. })));
    let mut other = engine();
    other.shapes.flux.context += 1;
    let line = other.with_redux(redux, 1.0).err().expect("a complaint").to_string();
    assert!(line.contains("width of the text: expected 33"), "{line}");
    // Each part in the place of the other.
    let dir = tempfile::tempdir().expect("a directory for the tests");
    let place = |part: &str| redux.join(part);
    for (from, to) in [
        ("image_encoder/model.safetensors", "flux1-redux-dev.safetensors"),
        ("image_embedder/diffusion_pytorch_model.safetensors", "siglip.safetensors"),
    ] {
        fs::copy(place(from), dir.path().join(to)).expect("a copy");
    }
    let line = Redux::open(dir.path()).err().expect("a complaint").to_string();
    assert!(line.contains("expected a SigLIP vision tower"), "{line}");
    fs::copy(place("image_encoder/model.safetensors"), dir.path().join("siglip.safetensors"))
        .expect("a copy");
    let line = Redux::open(dir.path()).err().expect("a complaint").to_string();
    assert!(line.contains("expected a Redux embedder"), "{line}");
    let cut = fs::read(place("image_encoder/model.safetensors")).expect("a file");
    fs::write(dir.path().join("siglip.safetensors"), &cut[..cut.len() - 4]).expect("it writes");
    let line = Redux::open(dir.path()).err().expect("a complaint").to_string();
    assert!(line.contains("truncated"), "{line}");
}
