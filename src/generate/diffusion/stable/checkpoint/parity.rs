//! One file and a folder of the same model draw the same to the bit, and the file is what diffusers reads as one.

use serde_json::{Value, json};

use super::super::super::parity::{SEED, made, picture};
use super::super::sample::NOISE;
use super::super::{Hints, Precision, StableEngine};
use super::PredictionType;
use crate::generate::{Engine, Request};
use crate::progress::Silent;
use crate::quantity::Strength;

/// What no tensor shows, and what the families have otherwise than these small models.
fn overruled(name: &str) -> Vec<(&'static str, &'static str, Value)> {
    const UNET: &str = "unet/config.json";
    let heads = ["text_encoder/config.json", "text_encoder_2/config.json"]
        .map(|document| (document, "num_attention_heads", json!(4)));
    let [first, second] = heads;
    match name {
        "sd15" => vec![first],
        "sd21" => {
            vec![first, (UNET, "attention_head_dim", json!([2, 4, 6])), (UNET, "norm_num_groups", json!(16))]
        }
        _ => vec![
            first,
            second,
            (UNET, "attention_head_dim", json!([2, 4, 6])),
            ("scheduler/scheduler_config.json", "timestep_spacing", json!("linspace")),
        ],
    }
}

#[test]
fn a_file_draws_what_the_folder_of_the_same_model_draws() {
    let dir = made("checkpoints.py", 4, NOISE, &json!({}));
    let request = Request {
        prompt: Some("Electron micrograph of  virions, negative stain!".to_owned()),
        ..Request::new(Strength::new(0.6).expect("within 0..=1"), SEED)
    };
    for (name, prediction) in [
        ("sd15", PredictionType::Epsilon),
        ("sd21", PredictionType::Velocity),
        ("sdxl", PredictionType::Epsilon),
    ] {
        let drawn = |mut engine: StableEngine| {
            engine.options.steps = std::num::NonZeroU32::MIN.saturating_add(5);
            engine.options.precision = Precision::F32;
            engine.options.negative_prompt = Some("Blurry <|EndOfText|> text!".to_owned());
            engine.generate(&picture(), &request, &mut Silent).expect("it draws")
        };
        let folder = StableEngine::open(&dir.path().join(name), None, None).expect("a folder");
        let hints = Hints { overruled: overruled(name), ..Hints::default() };
        let file = dir.path().join(name).join("one.safetensors");
        let file = StableEngine::hinted(&file, None, None, &hints).expect("a checkpoint");
        assert_eq!(file.prediction, Some(prediction), "{name}");
        assert_eq!(file.configs.unet, folder.configs.unet, "{name}");
        let (file, folder) = (drawn(file), drawn(folder));
        assert!(file.raster == folder.raster, "{name}: other pixels");
        assert_ne!(file.record.engine.model_digest, folder.record.engine.model_digest);
    }
}
