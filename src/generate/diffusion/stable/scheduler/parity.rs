//! Against diffusers itself: every kind of settings, from the first noise to the last latents.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::process::Command;

use candle_core::{DType, Device};
use serde_json::{Value, json};

use super::super::super::latents::noise;
use super::*;
use crate::quantity::Seed;

const STEPS: [u32; 4] = [20, 7, 4, 1];
const STRENGTHS: [f64; 4] = [0.4, 0.6, 0.85, 1.0];
/// Largest difference, relative to the largest value; of noise levels to each value.
const TOLERANCE: f64 = 1e-4;
/// The same for steps that come down from far above the picture (4096 times it, where nothing of it is left): latents
/// of 32 bits have lost that many digits of it, there and here.
const ROUNDED: f64 = 1e-3;
const FAR: f64 = 1000.0;
/// Least difference of noise levels that counts: 32 bits say so little of the first ones of a training.
const LEAST: f64 = 5e-6;
/// Largest difference of timesteps.
const TIME: f64 = 1e-2;

/// One `scheduler_config.json`, and what is done with it.
struct Case {
    name: String,
    config: Value,
    chosen: Option<Method>,
    first_models: bool,
}

/// The noise of SD, with other settings.
fn sd(class: &str, settings: Value) -> Value {
    let mut config = json!({
        "_class_name": class, "num_train_timesteps": 1000,
        "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "trained_betas": null,
    });
    let settings = settings.as_object().expect("settings").clone();
    config.as_object_mut().expect("settings").extend(settings);
    config
}

const METHODS: [Method; 8] = [
    Method::Ddim,
    Method::Pndm,
    Method::Euler,
    Method::EulerAncestral,
    Method::DpmPlusPlus2M,
    Method::DpmPlusPlus2MKarras,
    Method::UniPc,
    Method::Lcm,
];

/// What diffusers is told for a method.
fn told(method: Method) -> Value {
    let (class, settings) = match method {
        Method::Ddim => ("DDIMScheduler", json!({})),
        Method::Pndm => ("PNDMScheduler", json!({"skip_prk_steps": true})),
        Method::Euler => ("EulerDiscreteScheduler", json!({})),
        Method::EulerAncestral => ("EulerAncestralDiscreteScheduler", json!({})),
        Method::DpmPlusPlus2M => ("DPMSolverMultistepScheduler", json!({"use_karras_sigmas": false})),
        Method::DpmPlusPlus2MKarras => ("DPMSolverMultistepScheduler", json!({"use_karras_sigmas": true})),
        Method::UniPc => ("UniPCMultistepScheduler", json!({})),
        Method::Lcm => ("LCMScheduler", json!({})),
    };
    json!([class, settings])
}

fn cases() -> Vec<Case> {
    let [ddim, pndm, euler, ancestral, dpm, unipc, lcm] = [
        "DDIMScheduler",
        "PNDMScheduler",
        "EulerDiscreteScheduler",
        "EulerAncestralDiscreteScheduler",
        "DPMSolverMultistepScheduler",
        "UniPCMultistepScheduler",
        "LCMScheduler",
    ];
    let hub =
        json!({"clip_sample": false, "set_alpha_to_one": false, "skip_prk_steps": true, "steps_offset": 1});
    let with = |settings: Value| {
        let mut all = hub.as_object().expect("settings").clone();
        all.extend(settings.as_object().expect("settings").clone());
        Value::Object(all)
    };
    let models = [
        ("sd15", true, sd(pndm, hub.clone())),
        ("sd21", true, sd(ddim, with(json!({"prediction_type": "v_prediction"})))),
        ("sdxl", false, sd(euler, with(json!({"timestep_spacing": "leading", "use_karras_sigmas": false})))),
        ("turbo", false, sd(ancestral, with(json!({"timestep_spacing": "trailing"})))),
        ("lightning", false, sd(euler, with(json!({"timestep_spacing": "trailing"})))),
    ];
    let mut cases = Vec::new();
    for (name, first_models, config) in models {
        let chosen = METHODS.map(|method| (format!("{name} {method:?}"), Some(method)));
        for (name, chosen) in [(name.to_owned(), None)].into_iter().chain(chosen) {
            cases.push(Case { name, config: config.clone(), chosen, first_models });
        }
    }
    let zero = json!({
        "prediction_type": "v_prediction", "timestep_spacing": "trailing", "rescale_betas_zero_snr": true,
    });
    let hundred: Vec<f64> = (1..=100).map(|i| 0.0008 * f64::from(i)).collect();
    let settings = [
        ("ddim bare", json!({"_class_name": ddim})),
        ("ddim sample", sd(ddim, json!({"prediction_type": "sample", "clip_sample_range": 0.6}))),
        ("ddim linspace", sd(ddim, with(json!({"timestep_spacing": "linspace"})))),
        ("ddim zero", sd(ddim, with(zero.clone()))),
        ("ddim given", json!({"_class_name": ddim, "trained_betas": hundred, "num_train_timesteps": 100})),
        (
            "pndm v",
            sd(pndm, with(json!({"prediction_type": "v_prediction", "timestep_spacing": "linspace"}))),
        ),
        ("pndm trailing", sd(pndm, with(json!({"timestep_spacing": "trailing", "set_alpha_to_one": true})))),
        ("euler bare", json!({"_class_name": euler})),
        ("euler sample", sd(euler, json!({"prediction_type": "sample"}))),
        ("euler zero", sd(euler, zero.clone())),
        ("euler karras", sd(euler, json!({"use_karras_sigmas": true, "final_sigmas_type": "sigma_min"}))),
        ("euler cosine", json!({"_class_name": euler, "beta_schedule": "squaredcos_cap_v2"})),
        ("ancestral v", sd(ancestral, json!({"prediction_type": "v_prediction"}))),
        ("ancestral zero", sd(ancestral, zero.clone())),
        ("dpm bare", json!({"_class_name": dpm})),
        ("dpm heun", sd(dpm, json!({"solver_type": "heun", "prediction_type": "v_prediction"}))),
        ("dpm first order", sd(dpm, json!({"solver_order": 1, "final_sigmas_type": "sigma_min"}))),
        ("dpm euler", sd(dpm, json!({"euler_at_final": true, "final_sigmas_type": "sigma_min"}))),
        (
            "dpm least",
            sd(dpm, json!({"lower_order_final": false, "final_sigmas_type": "sigma_min", "steps_offset": 1})),
        ),
        (
            "dpm cosine",
            json!({"_class_name": dpm, "beta_schedule": "squaredcos_cap_v2", "lambda_min_clipped": -5.1}),
        ),
        (
            "dpm cosine karras",
            json!({"_class_name": dpm, "beta_schedule": "squaredcos_cap_v2", "use_karras_sigmas": true}),
        ),
        ("dpm sample", sd(dpm, json!({"prediction_type": "sample", "timestep_spacing": "trailing"}))),
        ("dpm noisy", sd(dpm, json!({"algorithm_type": "sde-dpmsolver++", "use_karras_sigmas": true}))),
        ("dpm noisy heun", sd(dpm, json!({"algorithm_type": "sde-dpmsolver++", "solver_type": "heun"}))),
        ("dpm zero", sd(dpm, zero.clone())),
        ("unipc bare", json!({"_class_name": unipc})),
        ("unipc bh1", sd(unipc, json!({"solver_type": "bh1", "final_sigmas_type": "sigma_min"}))),
        ("unipc karras", sd(unipc, json!({"use_karras_sigmas": true, "final_sigmas_type": "sigma_min"}))),
        ("unipc first order", sd(unipc, json!({"solver_order": 1, "prediction_type": "sample"}))),
        ("unipc least", sd(unipc, json!({"lower_order_final": false, "final_sigmas_type": "sigma_min"}))),
        ("unipc zero", sd(unipc, zero.clone())),
        ("lcm bare", json!({"_class_name": lcm})),
        ("lcm clip", json!({"_class_name": lcm, "prediction_type": "v_prediction", "clip_sample": true})),
        ("lcm sample", sd(lcm, json!({"prediction_type": "sample", "original_inference_steps": 100}))),
    ];
    cases.extend(settings.map(|(name, config)| Case {
        name: name.to_owned(),
        config,
        chosen: None,
        first_models: false,
    }));
    // Old files say too little, and their pipelines know it.
    cases.push(Case {
        name: "old ddim".to_owned(),
        config: sd(ddim, json!({})),
        chosen: None,
        first_models: true,
    });
    cases
}

fn model(latents: &Tensor, timestep: f64) -> candle_core::Result<Tensor> {
    latents.affine(0.8, f64::from(timestep as f32 / 1000.0) - 0.3)?.tanh()
}

fn values(tensor: &Tensor) -> Vec<f64> {
    let flat = tensor.to_dtype(DType::F64).and_then(|tensor| tensor.flatten_all());
    flat.and_then(|flat| flat.to_vec1()).expect("numbers")
}

/// Largest difference of two tensors of one shape, relative to the largest value.
fn off(found: &Tensor, expected: &Tensor) -> f64 {
    assert_eq!(found.dims(), expected.dims());
    let (found, expected) = (values(found), values(expected));
    assert!(found.iter().chain(&expected).all(|v| v.is_finite()), "numbers were lost");
    let scale = expected.iter().fold(0.0, |largest: f64, v| largest.max(v.abs()));
    found.iter().zip(&expected).fold(0.0, |largest: f64, (f, e)| largest.max((f - e).abs())) / scale
}

/// All that a plan makes of the latents: under the noise of every step, and after every step.
fn drawn(plan: &Plan, given: &HashMap<&str, Tensor>) -> candle_core::Result<[Tensor; 2]> {
    let [clean, noise, steps] = [&given["clean"], &given["noise"], &given["steps"]];
    let noised: Vec<Tensor> =
        (0..plan.calls()).map(|i| plan.noised(i, clean, noise)).collect::<Result<_, _>>()?;
    let mut stepper = plan.stepper();
    let mut latents = noised[0].clone();
    let mut seen = Vec::new();
    for (i, timestep) in plan.timesteps().iter().enumerate() {
        let output = model(&plan.input(i, &latents)?, *timestep)?;
        latents = stepper.step(i, &latents, &output, &mut |_| steps.get(i))?;
        seen.push(latents.clone());
    }
    Ok([Tensor::stack(&noised, 0)?, Tensor::stack(&seen, 0)?])
}

#[test]
fn every_step_of_every_scheduler_is_what_diffusers_makes_of_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = root.join("target/venv-parity/bin/python");
    assert!(python.exists(), "no {}: 'make test' installs diffusers there", python.display());
    let dir = tempfile::tempdir().expect("a directory for the tests");
    let at = |name: &str| dir.path().join(name);
    let cases = cases();
    let asked = |case: &Case| json!({"config": case.config, "chosen": case.chosen.map(told), "first_models": case.first_models});
    let asked: HashMap<&str, Value> = cases.iter().map(|case| (case.name.as_str(), asked(case))).collect();
    let request = json!({"cases": asked, "steps": STEPS, "strengths": STRENGTHS});
    std::fs::write(at("request.json"), request.to_string()).expect("a new file");
    let numbers = |shape: &[usize], what: &str| {
        let like = Tensor::zeros(shape, DType::F32, &Device::Cpu).expect("a tensor");
        noise(&like, Seed(7), what).expect("as many numbers")
    };
    let given = HashMap::from([
        ("clean", numbers(&[1, 4, 6, 5], "clean")),
        ("noise", numbers(&[1, 4, 6, 5], "noise")),
        ("steps", numbers(&[21, 1, 4, 6, 5], "steps")),
    ]);
    candle_core::safetensors::save(&given, at("noise.safetensors")).expect("a new file");
    let script = root.join("tests/parity/schedulers.py");
    let made = Command::new(python).arg(script).arg(dir.path()).output().expect("it starts");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let made =
        candle_core::safetensors::load(at("schedulers.safetensors"), &Device::Cpu).expect("it wrote it");

    let mut worst: BTreeMap<String, [f64; 2]> = BTreeMap::new();
    let mut wrong = Vec::new();
    let mut held = 0;
    for case in &cases {
        let file = at("scheduler_config.json");
        std::fs::write(&file, case.config.to_string()).expect("a new file");
        let mut settings = Settings::read(&Document::of(&file)).expect("a file of JSON").with(case.chosen);
        if case.first_models {
            settings = settings.of_first_models();
        }
        let class = format!("{:?}", settings.resolve().expect("known settings").class);
        for steps in STEPS {
            for strength in STRENGTHS.iter().filter(|strength| **strength * f64::from(steps) >= 1.0) {
                let at = format!("{}.{steps}.{strength:?}", case.name);
                let stage = |name: &str| &made[&format!("{at}.{name}")];
                let steps = NonZeroU32::new(steps).expect("not zero");
                let asked = Strength::new(*strength).expect("within 0..=1");
                let plan = settings.plan(steps, asked, Meaning::Diffusers, false).expect(&at);
                let timesteps = values(stage("timesteps"));
                let apart = plan.timesteps.iter().zip(&timesteps).map(|(f, e)| (f - e).abs());
                assert_eq!(plan.timesteps.len(), timesteps.len(), "{at}");
                if apart.fold(0.0, f64::max) > TIME {
                    wrong.push(format!("{at}: timesteps {:?} for {timesteps:?}", plan.timesteps));
                }
                let alone = values(stage("alone"))[0];
                if *strength == 1.0 && (plan.alone - alone).abs() > TOLERANCE * alone {
                    wrong.push(format!("{at}: noise alone of {} for {alone}", plan.alone));
                }
                for (level, sigma) in plan.levels.iter().zip(values(stage("sigmas"))) {
                    // Infinite where nothing of the picture is left.
                    let found = level.noise / level.signal;
                    let same = found == sigma || (found - sigma).abs() <= TOLERANCE * sigma + LEAST;
                    if !same {
                        wrong.push(format!("{at}: a level of {found} for {sigma}"));
                    }
                }
                let [noised, latents] = drawn(&plan, &given).expect(&at);
                let offs = [off(&noised, stage("noised")), off(&latents, stage("latents"))];
                let far = plan.levels[0].noise > FAR;
                if offs[0] > TOLERANCE || offs[1] > if far { ROUNDED } else { TOLERANCE } {
                    wrong.push(format!("{at}: {offs:?}"));
                }
                let class = format!("{class}{}", if far { ", from 4096 times the picture" } else { "" });
                let worst = worst.entry(class).or_default();
                *worst = [worst[0].max(offs[0]), worst[1].max(offs[1])];
                held += 1;
            }
        }
    }
    assert_eq!(5 * held, made.len(), "diffusers drew others");
    let mut report = "| scheduler | noised latents | latents after every step |\n|---|---|---|\n".to_owned();
    for (class, [noised, latents]) in &worst {
        report.push_str(&format!("| {class} | {noised:.1e} | {latents:.1e} |\n"));
    }
    std::fs::write(root.join("target/parity-schedulers.md"), report).expect("it writes");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
