//! LoRAs against diffusers, which loads the same files.

use std::collections::HashMap;
use std::path::Path;

use serde_json::json;

use super::super::img2img::Varied;
use super::super::lora::Lora;
use super::super::parity::{
    Files, HEIGHT, SEED, Stages, WIDTH, apart, loras, made, picture, processors, report,
};
use super::parity::steps;
use super::sample::NOISE;
use super::*;
use crate::progress::Silent;
use crate::quantity::Strength;

const PROMPT: &str = "Electron micrograph of  virions, negative stain!";
const NEGATIVE: &str = "Blurry text!";
const STEPS: u32 = 10;
const STRENGTH: f64 = 0.6;
const GUIDANCE: f64 = 5.0;
const TIMESTEP: f64 = 481.0;
const CASES: [(&str, &str, &str, Files); 6] = [
    ("sd15", "plain", "sd15.plain", &[]),
    ("sd15", "peft", "sd15.peft", &[("peft", 0.8)]),
    ("sd15", "both", "sd15.both", &[("kohya", 1.2), ("trained", -0.5)]),
    ("sdxl", "plain", "sdxl.plain", &[]),
    ("sdxl", "peft", "sdxl.peft", &[("peft", 0.7)]),
    ("sdxl", "kohya", "sdxl.kohya", &[("kohya", 1.0)]),
];

#[test]
fn a_model_with_loras_draws_what_diffusers_draws_with_them() {
    let mut cases: HashMap<&str, HashMap<&str, Files>> = HashMap::new();
    for (name, case, _, files) in CASES {
        cases.entry(name).or_default().insert(case, files);
    }
    let request = json!({
        "prompt": PROMPT, "negative": NEGATIVE, "long": "", "strength": STRENGTH, "steps": STEPS,
        "guidance": GUIDANCE, "timestep": TIMESTEP as u32, "cases": cases,
    });
    let dir = made("loras.py", 4, NOISE, &request);
    let mut all: Vec<Stages> = Vec::new();
    let mut plain = None;
    let each = processors().into_iter().flat_map(|processor| CASES.map(|case| (processor.clone(), case)));
    for (processor, (name, case, file, files)) in each {
        let mut stages = Stages::by(&processor, dir.path(), file);
        let folder = dir.path().join(name);
        let engine = StableEngine::open(&folder, None, None).expect("a folder as diffusers writes it");
        let mut engine = engine.with_loras(&loras(&folder, files)).expect("LoRAs for it");
        engine.options.guidance = GUIDANCE;
        engine.options.steps = NonZeroU32::new(STEPS).expect("not zero");
        engine.options.precision = Precision::F32;
        engine.processor = processor;
        engine.options.negative_prompt = Some(NEGATIVE.to_owned());
        let texts = engine.read_prompts(PROMPT, &mut Silent).expect("a prompt");
        let away = texts.away.as_ref().expect("it is guided");
        for (before, text) in [("", &texts.prompt), ("negative.", away)] {
            stages.hold(&format!("{before}context"), &text.context);
            if engine.configs.is_xl {
                stages.hold(&format!("{before}pooled"), &text.pooled);
            }
        }
        let encoded = stages.made["encoded"].clone();
        let unet = engine.read_network().expect("it loads");
        let windows = Windows::over([HEIGHT / 8, WIDTH / 8], engine.trained_side(), 1);
        let prompt = engine.conditions(&texts.prompt, &windows);
        let away = engine.conditions(away, &windows);
        stages.hold("called", &unet.forward(&encoded, TIMESTEP, &prompt[0]).expect("it runs"));
        let strength = Strength::new(STRENGTH).expect("within 0..=1");
        let asked = Request { prompt: Some(PROMPT.to_owned()), ..Request::new(strength, SEED) };
        let plan = engine.plan(&asked, false).expect("sound steps");
        let sampler = Sampler {
            unet: &unet,
            plan: &plan,
            windows: &windows,
            prompt: &prompt,
            away: Some((&away, GUIDANCE)),
            varied: &Varied::All,
            seed: SEED,
        };
        let latents = steps(&sampler, &encoded, false);
        stages.hold("drawn.latents", &latents);
        let drawn = engine.generate(&picture(), &asked, &mut Silent).expect("it draws");
        stages.hold_pixels("drawn", &drawn.raster);
        let recorded: Vec<f64> = drawn.record.loras.iter().map(|lora| lora.weight).collect();
        assert_eq!(recorded, files.iter().map(|(_, weight)| *weight).collect::<Vec<_>>());
        let read = texts.prompt.context.clone();
        match (case, &plain) {
            ("plain", _) => plain = Some((read, latents)),
            (_, Some((text, plain))) => {
                assert!(apart(text, &read) > 0.01, "{file} reads as without it");
                assert!(apart(plain, &latents) > 0.05, "{file} draws as without it");
            }
            (_, None) => panic!("none without"),
        }
        all.push(stages);
    }
    report("parity-loras-stable-diffusion.md", &all);
    what_is_for_another_model_is_refused(dir.path());
}

fn what_is_for_another_model_is_refused(dir: &Path) {
    let refused = |model: &str, from: &str, name: &str| {
        let engine =
            StableEngine::open(&dir.join(model), None, None).expect("a folder as diffusers writes it");
        let file = dir.join(from).join("loras").join(name);
        let line = engine.with_loras(&[Lora { file, weight: 1.0 }]).err().expect("a complaint").to_string();
        assert!(
            line.contains(name) && line.contains("for another kind of model") && !line.contains('\n'),
            "{line}"
        );
        line
    };
    let line = refused("sd15", "sdxl", "peft.safetensors");
    assert!(line.contains("this Stable Diffusion has"), "{line}");
    let line = refused("sdxl", "sd15", "kohya.safetensors");
    assert!(line.contains("this Stable Diffusion XL has"), "{line}");
}
