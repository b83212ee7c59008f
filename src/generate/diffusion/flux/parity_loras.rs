//! LoRAs against diffusers, which loads the same files; and over quantised matrices, of which diffusers is given the
//! numbers.

use std::collections::HashMap;

use serde_json::json;

use super::super::autoencoder;
use super::super::parity::{Files, SEED, Stages, apart, loras, made, picture, processors, report};
use super::parity::{PROMPT, TOKENS, drawn};
use super::sample::NOISE;
use super::*;
use crate::progress::Silent;
use crate::quantity::Strength;

const STEPS: u32 = 10;
const STRENGTH: f64 = 0.6;
const QUANTISED: &str = "quantised";
const CASES: [(&str, &str, &str, Files); 8] = [
    ("flux-dev", "plain", "flux-dev.plain", &[]),
    ("flux-dev", "peft", "flux-dev.peft", &[("peft", 0.8)]),
    ("flux-dev", "both", "flux-dev.both", &[("kohya", 1.1), ("bfl", -0.4)]),
    ("flux-dev", "xlabs", "flux-dev.xlabs", &[("xlabs", 0.9)]),
    (QUANTISED, "plain", "quantised.plain", &[]),
    (QUANTISED, "all", "quantised.all", &[("peft", 0.8), ("t5", 1.5)]),
    (QUANTISED, "both", "quantised.both", &[("kohya", 1.1), ("bfl", -0.4)]),
    (QUANTISED, "xlabs", "quantised.xlabs", &[("xlabs", -0.7)]),
];

#[test]
fn a_model_with_loras_draws_what_diffusers_draws_with_them() {
    let mut cases: HashMap<&str, HashMap<&str, Files>> = HashMap::new();
    for (name, case, _, files) in CASES {
        cases.entry(name).or_default().insert(case, files);
    }
    let request = json!({
        "prompt": PROMPT, "strength": STRENGTH, "steps": STEPS, "guidance": 3.5, "text_tokens": TOKENS,
        "kinds": ["Q4_K", "Q5_K", "Q6_K"], "cases": cases,
    });
    let dir = made("loras.py", 16, NOISE, &request);
    let mut all = Vec::new();
    let mut plain = None;
    let each = processors().into_iter().flat_map(|processor| CASES.map(|case| (processor.clone(), case)));
    for (processor, (name, case, file, files)) in each {
        let mut stages = Stages::by(&processor, dir.path(), file);
        let folder = dir.path().join(name);
        if name == QUANTISED {
            // The flat layout has BFL's autoencoder, which nothing here is encoded by.
            let config = autoencoder::Config { latents: 16, ..tiny::vae() };
            tiny::save_autoencoder(&folder.join("ae.safetensors"), &config);
        }
        let engine = FluxEngine::open(&folder, None).expect("a whole model");
        let without = files::memory(&folder).expect("sound headers");
        let engine = engine.with_loras(&loras(&folder, files));
        let mut engine = engine.expect("LoRAs for it");
        engine.options.steps = NonZeroU32::new(STEPS).expect("not zero");
        engine.options.precision = Precision::F32;
        engine.processor = processor;
        engine.options.text_tokens = TOKENS;

        let text = engine.read_prompt(PROMPT, &mut Silent).expect("a prompt");
        stages.hold("pooled", &text.pooled);
        stages.hold("context", &text.context.unsqueeze(0).expect("another dimension"));
        let strength = Strength::new(STRENGTH).expect("within 0..=1");
        let latents = drawn(&engine, &text, strength, &stages.made["encoded"]);
        stages.hold("drawn.latents", &latents);
        let read = text.pooled.clone();
        match (case, &plain) {
            ("plain", _) => plain = Some((read, latents)),
            (_, Some((text, plain))) => {
                // XLabs train no text encoder.
                let reads_otherwise = apart(text, &read) > 0.01;
                assert_eq!(reads_otherwise, case != "xlabs", "{file} against the one without it");
                assert!(apart(plain, &latents) > 0.05, "{file} draws as without it");
            }
            (_, None) => panic!("none without"),
        }
        if name != QUANTISED {
            let asked = Request { prompt: Some(PROMPT.to_owned()), ..Request::new(strength, SEED) };
            let drawn = engine.generate(&picture(), &asked, &mut Silent).expect("it draws");
            stages.hold_pixels("drawn", &drawn.raster);
        } else if !files.is_empty() {
            // Beside what is stored they take memory of their own.
            let refused = |free| {
                let engine = FluxEngine::open(&folder, Some(free)).expect("room without them");
                engine.with_loras(&loras(&folder, files)).err()
            };
            assert!(matches!(refused(without), Some(ModelError::Memory { .. })));
            assert!(refused(2 * without).is_none());
        }
        all.push(stages);
    }
    report("parity-loras-flux.md", &all);
}
