use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::super::super::clip::{Activation, Clip, End};
use super::super::configs::Document;
use super::super::scheduler::Settings as Schedule;
use super::super::tiny;
use super::super::unet::{Added, Level, Unet};
use super::super::{Autoencoder, Method, StableEngine};
use super::ldm::{self, Ldm, Named, raw, sparse};
use super::*;
use crate::generate::Engine;
use crate::progress::Silent;
use crate::quantity::Seed;

const FAMILIES: [Family; 3] = [Family::First, Family::Second, Family::Xl];

fn folder() -> TempDir {
    tempfile::tempdir().expect("a directory for the tests")
}

/// What opening a file of these tensors says.
fn opened(tensors: &Named, metadata: Value, hints: &Hints) -> Result<Opened, String> {
    let dir = folder();
    let file = dir.path().join("model.safetensors");
    sparse(&file, tensors, metadata);
    let opened = open(&file, hints).map_err(|error| error.to_string());
    if let Err(line) = &opened {
        assert!(!line.contains('\n') && line.len() < 1000, "{line}");
    }
    opened
}

fn plain(tensors: &Named) -> Result<Opened, String> {
    opened(tensors, json!({}), &Hints::default())
}

/// Whether each network finds all that it asks for, in the shape that it asks for.
fn check(opened: Opened) -> Result<(), ModelError> {
    let Opened { configs, unet, autoencoder, text, .. } = opened;
    Arc::new(unet).check(|vb| Unet::new(&configs.unet, vb))?;
    let shape = &configs.autoencoder;
    Arc::new(autoencoder).check(|vb| Autoencoder::new(&shape.network, shape.quant, vb))?;
    assert_eq!(text.len(), configs.text.len());
    text.into_iter()
        .zip(&configs.text)
        .try_for_each(|(text, shape)| Arc::new(text.weights).check(|vb| Clip::new(shape, vb)))
}

fn level(channels: usize, heads: usize, transformer: usize, attends: bool) -> Level {
    Level { channels, residuals: 2, heads, transformer, attends: [attends; 2] }
}

#[test]
fn a_first_model_of_full_size_is_as_published() {
    let found = plain(&ldm::first().tensors()).expect("a whole checkpoint");
    assert_eq!(
        (found.family, found.prediction, found.is_said),
        (Family::First, PredictionType::Epsilon, false)
    );
    let unet = &found.configs.unet;
    let levels =
        [level(320, 8, 1, true), level(640, 8, 1, true), level(1280, 8, 1, true), level(1280, 8, 1, false)];
    assert_eq!(unet.levels, levels);
    assert_eq!((unet.context, unet.groups, unet.latents, unet.middle), (768, 32, 4, true));
    assert!(!unet.linear_projection && unet.added.is_none() && unet.cosines_first);
    let [text] = &found.configs.text[..] else { panic!("one text encoder") };
    assert_eq!((text.width, text.inner, text.layers, text.heads, text.positions), (768, 3072, 12, 12, 77));
    assert_eq!((text.activation, text.end, text.projection), (Activation::QuickGelu, End::Largest, None));
    let network = &found.configs.autoencoder.network;
    assert_eq!((network.residuals, network.latents, network.scale), (2, 4, 0.18215));
    assert_eq!(network.channels, [128, 256, 512, 512]);
    assert_eq!(found.configs.trained_side, 64);
    assert_eq!(check(found).map_err(|e| e.to_string()), Ok(()));
}

#[test]
fn a_second_model_of_full_size_is_as_published_and_predicts_velocities_unless_somebody_says_otherwise() {
    let tensors = ldm::second().tensors();
    let found = plain(&tensors).expect("a whole checkpoint");
    assert_eq!(
        (found.family, found.prediction, found.is_said),
        (Family::Second, PredictionType::Velocity, false)
    );
    let unet = &found.configs.unet;
    let levels = [
        level(320, 5, 1, true),
        level(640, 10, 1, true),
        level(1280, 20, 1, true),
        level(1280, 20, 1, false),
    ];
    assert_eq!(unet.levels, levels);
    assert_eq!((unet.context, unet.linear_projection), (1024, true));
    let [text] = &found.configs.text[..] else { panic!("one text encoder") };
    assert_eq!(
        (text.width, text.inner, text.layers, text.heads),
        (1024, 4096, 23, 16),
        "the last layer is not read"
    );
    assert_eq!((text.activation, text.projection), (Activation::Gelu, None));
    assert_eq!(found.configs.trained_side, 96);
    assert_eq!(check(found).map_err(|e| e.to_string()), Ok(()));
    let hints = Hints { prediction: Some(PredictionType::Epsilon), ..Hints::default() };
    for (metadata, hints) in [
        (json!({}), &hints),
        (json!({ "modelspec.prediction_type": "epsilon" }), &Hints::default()),
        (json!({ "modelspec.prediction_type": "v" }), &hints),
    ] {
        let found = opened(&tensors, metadata, hints).expect("a whole checkpoint");
        assert_eq!((found.prediction, found.is_said), (PredictionType::Epsilon, true));
        assert_eq!(found.configs.trained_side, 64);
    }
}

#[test]
fn an_xl_of_full_size_is_as_published() {
    let mut tensors = ldm::xl().tensors();
    let licence = json!({ "modelspec.license": "CreativeML Open RAIL++-M License" });
    let found = opened(&tensors, licence, &Hints::default()).expect("a whole checkpoint");
    assert_eq!((found.family, found.prediction), (Family::Xl, PredictionType::Epsilon));
    assert_eq!(found.licence.as_deref(), Some("CreativeML Open RAIL++-M License"));
    let unet = &found.configs.unet;
    assert_eq!(unet.levels, [level(320, 5, 1, false), level(640, 10, 2, true), level(1280, 20, 10, true)]);
    assert_eq!((unet.context, unet.linear_projection), (2048, true));
    assert_eq!(unet.added, Some(Added { numbers: 256, width: 2816 }));
    let [first, second] = &found.configs.text[..] else { panic!("two text encoders") };
    assert_eq!(
        (first.width, first.layers, first.heads, first.activation),
        (768, 12, 12, Activation::QuickGelu)
    );
    assert_eq!(
        (second.width, second.layers, second.heads, second.activation),
        (1280, 32, 20, Activation::Gelu)
    );
    assert_eq!((second.inner, second.projection), (5120, Some(1280)));
    assert_eq!(found.configs.autoencoder.network.scale, 0.13025);
    assert!(found.configs.is_xl && found.configs.nothing_for_no_text);
    assert_eq!(found.configs.trained_side, 128);
    assert_eq!(check(found).map_err(|e| e.to_string()), Ok(()));
    // Empty tensors stand for what some were trained to.
    tensors.extend(["v_pred", "ztsnr"].map(|sign| (sign.to_owned(), vec![0])));
    let found = plain(&tensors).expect("a whole checkpoint");
    assert_eq!((found.prediction, found.is_said), (PredictionType::Velocity, true));
    assert!(found.configs.scheduler.check().is_ok());
}

/// As the repositories have it that diffusers goes by.
#[test]
fn noise_is_scheduled_as_published() {
    let common = json!({ "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear",
                         "num_train_timesteps": 1000, "steps_offset": 1, "set_alpha_to_one": false,
                         "clip_sample": false, "skip_prk_steps": true, "trained_betas": null });
    let first = json!({ "_class_name": "PNDMScheduler" });
    let second = json!({ "_class_name": "DDIMScheduler", "prediction_type": "v_prediction" });
    let base = json!({ "_class_name": "PNDMScheduler", "prediction_type": "epsilon" });
    let xl = json!({ "_class_name": "EulerDiscreteScheduler", "prediction_type": "epsilon",
                     "interpolation_type": "linear", "timestep_spacing": "leading", "use_karras_sigmas": false });
    let dir = folder();
    let file = dir.path().join("scheduler_config.json");
    let epsilon = Some(PredictionType::Epsilon);
    for (ldm, prediction, own) in [
        (ldm::first(), None, first),
        (ldm::second(), None, second),
        (ldm::second(), epsilon, base),
        (ldm::xl(), None, xl),
    ] {
        let mut published = common.clone();
        for (name, value) in own.as_object().expect("an object") {
            published[name] = value.clone();
        }
        std::fs::write(&file, published.to_string()).expect("a new file");
        let published = Schedule::read(&Document::of(&file)).expect("sound settings");
        let hints = Hints { prediction, ..Hints::default() };
        let found = opened(&ldm.tensors(), json!({}), &hints).expect("a whole checkpoint");
        let (found, is_xl) = (found.configs.scheduler, found.configs.is_xl);
        let published = if is_xl { published } else { published.of_first_models() };
        assert!(found.is_as(&published), "{found:?}");
    }
}

#[test]
fn what_is_no_checkpoint_is_called_by_its_name() {
    let unet = |name: &str| format!("{}{name}", family::UNET);
    let with = |name: &str, shape: &[usize]| vec![(name.to_owned(), shape.to_vec())];
    let inpainting = |channels: usize| {
        let mut tensors = ldm::first().tensors();
        let enter = tensors.iter_mut().find(|(name, _)| *name == unet("input_blocks.0.0.weight"));
        enter.expect("it enters").1[1] = channels;
        tensors
    };
    let without = |starts: &[&str], of: Ldm| {
        let mut tensors = of.tensors();
        tensors.retain(|(name, _)| !starts.iter().any(|start| name.starts_with(start)));
        tensors
    };
    let refiner = {
        let mut ldm = ldm::xl();
        ldm.text.remove(0);
        ldm.text[0].start = "conditioner.embedders.0.model.";
        Ldm { context: 1280, ..ldm }
    };
    let distilled = |depths: &[usize], middle| Ldm { depths: depths.to_vec(), middle, ..ldm::xl() };
    let mut unlike = ldm::xl().tensors();
    unlike.retain(|(name, _)| !name.starts_with(&unet("output_blocks.3.1.transformer_blocks.1.")));
    let playground = [ldm::xl().tensors(), with("edm_mean", &[1, 4, 1, 1])].concat();
    for (tensors, said) in [
        (inpainting(9), "made for inpainting"),
        (inpainting(8), "made for editing"),
        (inpainting(5), "5 channels in"),
        (refiner.tensors(), "a refiner"),
        (unlike, "distilled, as SSD-1B"),
        (distilled(&[0, 2, 4], 10).tensors(), "distilled, as SSD-1B"),
        (distilled(&[0, 2, 4], 0).tensors(), "distilled, as SSD-1B"),
        (playground, "Playground 2.5"),
        (
            with(&unet("double_blocks.0.img_attn.qkv.weight"), &[3, 3]),
            "a FLUX transformer, which --engine flux",
        ),
        (with("double_blocks.0.img_attn.qkv.weight", &[3, 3]), "a FLUX transformer"),
        (with(&unet("joint_blocks.0.x_block.attn.qkv.weight"), &[3, 3]), "Stable Diffusion 3"),
        (with(&unet("input_blocks.1.1.time_stack.0.norm1.weight"), &[3]), "Stable Video Diffusion"),
        (with("lora_unet_down_blocks_0.lora_up.weight", &[3, 3]), "a LoRA"),
        (with("unet.down_blocks.0.attn.to_q.lora_A.weight", &[3, 3]), "a LoRA"),
        (with("control_model.input_blocks.0.0.weight", &[3, 3]), "a ControlNet"),
        (with("first_stage_model.encoder.conv_in.weight", &[3, 3]), "an autoencoder alone"),
        (with("decoder.conv_in.weight", &[3, 3]), "an autoencoder alone"),
        (with("text_model.encoder.layers.0.mlp.fc1.weight", &[3, 3]), "a text encoder alone"),
        (with("down_blocks.0.resnets.0.conv1.weight", &[3, 3]), "in diffusers' layout alone"),
        (with("emb_params", &[3, 768]), "a textual inversion"),
        (with("a\nname", &[3]), "something else (its first tensor is a\\nname)"),
        (Named::new(), "found no tensors"),
        (
            without(&["first_stage_model.", "cond_stage_model."], ldm::first()),
            "found Stable Diffusion 1 without text encoder (cond_stage_model.transformer.…) and autoencoder",
        ),
        (
            without(&["conditioner.embedders.1.", "first_stage_model."], ldm::xl()),
            "found Stable Diffusion XL without text encoder (conditioner.embedders.1.model.…) and autoencoder",
        ),
        (without(&["cond_stage_model."], ldm::second()), "found Stable Diffusion 2 without text encoder"),
    ] {
        let line = plain(&tensors).err().expect("a complaint");
        assert!(line.contains(said), "{line}");
    }
    let dir = folder();
    let pickle = dir.path().join("v1-5-pruned.ckpt");
    std::fs::write(&pickle, b"PK\x03\x04and more of a pickle").expect("a new file");
    let line = open(&pickle, &Hints::default()).err().expect("a complaint").to_string();
    assert!(line.contains("pickle, which can run code and is never loaded"), "{line}");
}

#[test]
fn hostile_headers_are_refused_in_a_line() {
    let dir = folder();
    let file = dir.path().join("hostile.safetensors");
    let said = |header: &str, bytes: u64| {
        raw(&file, header, bytes);
        let line = open(&file, &Hints::default()).err().expect("a complaint").to_string();
        assert!(!line.contains('\n') && line.len() < 500, "{line}");
        line
    };
    let tensor = |from: u64, to: u64, shape: Value| json!({ "dtype": "F16", "shape": shape, "data_offsets": [from, to] });
    let overlap = json!({ "a": tensor(0, 8, json!([4])), "b": tensor(6, 14, json!([4])) }).to_string();
    assert!(said(&overlap, 14).contains("tensors a and b overlap"));
    let terabytes = json!({ "a": tensor(0, 4 << 40, json!([2u64 << 40])) }).to_string();
    assert!(said(&terabytes, 64).contains("truncated"));
    assert!(
        said(&json!({ "a": tensor(0, 8, json!([u64::MAX, 2])) }).to_string(), 8).contains("impossible shape")
    );
    assert!(
        said(&json!({ "a": tensor(u64::MAX - 1, 8, json!([4])) }).to_string(), 8).contains("beyond any file")
    );
    let twice = r#"{"a": {"dtype":"F16","shape":[],"data_offsets":[0,2]},"a":{"dtype":"F16","shape":[],"data_offsets":[0,2]}}"#;
    assert!(said(twice, 2).contains("tensor a is there twice"));
    assert!(said(r#"{"a\u000ab": 7}"#, 2).contains(r"tensor a\nb:"));
    assert!(said(r#"{"__metadata__": {"a": [1]}}"#, 2).contains("__metadata__"));
    let entry =
        |i: usize| format!(r#""t{i}":{{"dtype":"F16","shape":[],"data_offsets":[{},{}]}}"#, 2 * i, 2 * i + 2);
    let million = (0..1_000_000).map(entry).collect::<Vec<_>>().join(",");
    assert!(said(&format!("{{{million}}}"), 2_000_000).contains("more than 100000 tensors"));
    let nested = format!(r#"{{"a": {}"#, "[".repeat(1 << 20));
    assert!(said(&nested, 0).contains("damaged header"));
}

/// A tensor of each kind of each family in another shape, or gone: a line, or a model that lacks nothing.
#[test]
fn no_wrong_shape_is_more_than_a_line() {
    let dir = folder();
    let file = dir.path().join("model.safetensors");
    let mut refused = 0;
    for family in FAMILIES {
        let sound = ldm::tiny(&ldm::of(family)).tensors();
        let mut kinds = BTreeSet::new();
        for (at, (name, shape)) in sound.iter().enumerate() {
            // Those that differ in a number are read alike.
            if !kinds.insert(name.replace(|c: char| c.is_ascii_digit(), "")) {
                continue;
            }
            let mut turned = shape.clone();
            turned.reverse();
            let more = shape.iter().map(|side| side + 1).collect();
            let large = vec![1 << 20; shape.len().min(2)];
            let others = [Vec::new(), vec![0], vec![1; 9], turned, more, large];
            for other in
                others.into_iter().map(Some).chain([None]).filter(|other| other.as_ref() != Some(shape))
            {
                let mut tensors = sound.clone();
                match other {
                    Some(other) => tensors[at].1 = other,
                    None => drop(tensors.remove(at)),
                }
                sparse(&file, &tensors, json!({}));
                if let Err(error) = open(&file, &Hints::default()).and_then(check) {
                    let line = error.to_string();
                    assert!(!line.contains('\n') && line.len() < 600, "{name}: {line}");
                    refused += 1;
                }
            }
        }
    }
    assert!(refused > 1000, "{refused}");
}

#[test]
fn a_checkpoint_draws_and_its_extra_tensors_are_nothing_to_it() {
    for family in FAMILIES {
        let dir = folder();
        let [plain, more] = ["plain", "more"].map(|name| dir.path().join(format!("{name}.safetensors")));
        tiny::tokenizer(&dir.path().join("tokenizer"));
        tiny::checkpoint(&plain, family);
        let extra = [
            "model_ema.diffusion_modelout2bias",
            "alphas_cumprod",
            "optimizer.state",
            "cond_stage_model.logit",
        ];
        let mut tensors = ldm::tiny(&ldm::of(family)).tensors();
        tensors.extend(extra.map(|name| (name.to_owned(), vec![3])));
        ldm::drawn(&more, &tensors);
        let drawn = |file: &Path, hints: &Hints| {
            let mut engine =
                StableEngine::hinted(file, Some(Method::Ddim), None, hints).expect("a whole model");
            engine.options.steps = std::num::NonZeroU32::MIN.saturating_add(1);
            engine.text2img("a virion!", Some((64, 48)), Seed(1), &mut Silent).expect("it draws")
        };
        let draft = drawn(&plain, &Hints::default());
        let velocity = family == Family::Second;
        assert_eq!(draft.record.prediction, Some(if velocity { "v_prediction" } else { "epsilon" }));
        assert!(drawn(&more, &Hints::default()).raster == draft.raster);
        let other = if velocity { PredictionType::Epsilon } else { PredictionType::Velocity };
        let hints = Hints { prediction: Some(other), ..Hints::default() };
        assert!(drawn(&plain, &hints).raster != draft.raster);
        let survey = survey(&plain, &Hints::default()).expect("a whole checkpoint");
        assert_eq!((survey.family, survey.tokenizer.map(|files| files.len()).ok()), (family, Some(2)));
        let few = StableEngine::open(&plain, None, Some(survey.memory - 1)).err().expect("a complaint");
        assert!(matches!(few, ModelError::Memory { .. }), "{few}");
        assert!(StableEngine::open(&plain, None, Some(survey.memory)).is_ok());
    }
}

#[test]
fn a_tokenizer_is_found_around_the_file_or_where_it_is_said_and_must_be_clips() {
    let dir = folder();
    let file = dir.path().join("ComfyUI/models/checkpoints/sd/model.safetensors");
    tiny::checkpoint(&file, Family::Second);
    let said = |hints: &Hints| match StableEngine::hinted(&file, None, None, hints) {
        Ok(_) => None,
        Err(error) => Some(error.to_string()),
    };
    let missing = said(&Hints::default()).expect("there is none");
    assert!(missing.contains("no CLIP tokenizer: expected vocab.json and merges.txt"), "{missing}");
    let elsewhere = dir.path().join("hub");
    let hints = Hints { tokenizers: vec![dir.path().join("nothing"), elsewhere.clone()], ..Hints::default() };
    tiny::tokenizer(&elsewhere);
    assert_eq!(said(&hints), None);
    let comfy = dir.path().join("ComfyUI/comfy/sd1_tokenizer");
    tiny::tokenizer(&comfy);
    assert_eq!(said(&Hints::default()), None);
    // One of other words is passed over; alone it is named.
    let clip = dir.path().join("ComfyUI/models/clip");
    std::fs::create_dir_all(&clip).expect("a new folder");
    let short = r#"{"!": 0, "<|startoftext|>": 1, "<|endoftext|>": 2}"#;
    std::fs::write(clip.join("vocab.json"), short).expect("a new file");
    std::fs::write(clip.join("merges.txt"), "").expect("a new file");
    assert_eq!(said(&Hints::default()), None);
    std::fs::remove_dir_all(&comfy).expect("it is there");
    let wrong = said(&Hints::default()).expect("a complaint");
    assert!(wrong.contains("vocab.json: a vocabulary of 3 tokens for an encoder of 56"), "{wrong}");
}

#[test]
fn what_a_file_claims_to_be_shows_even_where_it_is_cut() {
    let dir = folder();
    let file = dir.path().join("model.safetensors");
    sparse(&file, &ldm::xl().tensors(), json!({}));
    let whole = std::fs::metadata(&file).expect("it is there").len();
    std::fs::OpenOptions::new()
        .write(true)
        .open(&file)
        .and_then(|f| f.set_len(whole - 1))
        .expect("it is cut");
    assert!(claims(&file) && survey(&file, &Hints::default()).is_err());
    let flux = vec![(format!("{}double_blocks.0.img_attn.qkv.weight", family::UNET), vec![3, 3])];
    sparse(&file, &flux, json!({}));
    assert!(!claims(&file) && !claims(dir.path()));
}
