//! By hand: which steps are taken, what they start from, and what is refused.

use candle_core::Device;

use super::*;

/// The scheduler of SD 1.5, but for its class.
const SD: &str = r#""beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1,
    "clip_sample": false, "set_alpha_to_one": false, "skip_prk_steps": true"#;

fn settings(config: &str) -> Settings {
    let dir = tempfile::tempdir().expect("a directory for the test");
    let file = dir.path().join("scheduler_config.json");
    std::fs::write(&file, config).expect("a new file");
    Settings::read(&Document::of(&file)).expect("sound JSON")
}

fn sd(class: &str) -> Settings {
    settings(&format!(r#"{{"_class_name": "{class}", {SD}}}"#))
}

fn plan(settings: &Settings, steps: u32, strength: f64) -> Result<Plan, String> {
    meant(settings, steps, strength, Meaning::Diffusers)
}

fn meant(settings: &Settings, steps: u32, strength: f64, meaning: Meaning) -> Result<Plan, String> {
    let steps = NonZeroU32::new(steps).expect("not zero");
    let strength = Strength::new(strength).expect("within 0..=1");
    settings.plan(steps, strength, meaning, false).map_err(|refused| refused.to_string())
}

fn tensor(values: &[f32]) -> Tensor {
    Tensor::new(values, &Device::Cpu).expect("numbers")
}

fn no_noise(_: &Tensor) -> candle_core::Result<Tensor> {
    bail!("no noise was to be asked for")
}

/// By hand: 20 leading steps are 951, 901 … 1, and 0.4 of them the last 8.
#[test]
fn a_strength_keeps_the_last_steps() {
    let ddim = sd("DDIMScheduler");
    let eight: Vec<f64> = (0..8).map(|i| 351.0 - 50.0 * f64::from(i)).collect();
    assert_eq!(plan(&ddim, 20, 0.4).expect("a plan").timesteps(), eight);
    for (steps, strength, calls) in [(20, 0.85, 17), (20, 1.0, 20), (4, 0.6, 2), (4, 0.1, 1), (1, 0.4, 1)] {
        assert_eq!(plan(&ddim, steps, strength).expect("a plan").calls(), calls, "{steps} at {strength}");
    }
}

/// By hand: 951, 901, 901, 851 … 1, of which the thirteenth is 401.
#[test]
fn the_list_with_a_doubled_step_is_cut_at_the_same_place() {
    let pndm = sd("PNDMScheduler");
    assert_eq!(plan(&pndm, 4, 1.0).expect("a plan").timesteps(), [751.0, 501.0, 501.0, 251.0, 1.0]);
    let cut = plan(&pndm, 20, 0.4).expect("a plan");
    assert_eq!((cut.calls(), cut.timesteps()[0], cut.timesteps()[1]), (9, 401.0, 351.0));
}

/// By hand: 20 of 50 leading steps, 20 timesteps apart: (19 · 20) + 1.
#[test]
fn comfy_takes_all_steps_on_the_last_part_of_a_longer_schedule() {
    let ddim = sd("DDIMScheduler");
    let taken = meant(&ddim, 20, 0.4, Meaning::ComfyUi).expect("a plan");
    assert_eq!((taken.calls(), taken.timesteps()[0]), (20, 381.0));
    let refused = meant(&ddim, 20, 0.01, Meaning::ComfyUi).expect_err("a schedule of 2000 steps");
    assert!(
        refused.contains("scheduler_config.json: expected") && refused.ends_with("2000 steps of 1000"),
        "{refused}"
    );
    // 50 steps at 0.7 are the last of 71.
    let lcm = sd("LCMScheduler");
    let refused = meant(&lcm, 50, 0.7, Meaning::ComfyUi).expect_err("more than lcm has");
    assert!(refused.contains("fewer steps, 4 to 8") && refused.ends_with("71 steps of 50"), "{refused}");
    assert_eq!(meant(&lcm, 8, 0.7, Meaning::ComfyUi).expect("a plan").calls(), 8);
}

/// By hand for two timesteps: ᾱ is 0.81 at the first, and 0.81 · 0.8 at the second; √(1 − 0.81) is 0.435 889 9.
#[test]
fn the_noise_level_is_the_share_of_noise_whatever_the_sampler() {
    let two = |class: &str, more: &str| {
        let config = format!(
            r#"{{"_class_name": "{class}", "trained_betas": [0.19, 0.2], "num_train_timesteps": 2,
            "original_inference_steps": 2, "skip_prk_steps": true {more}}}"#
        );
        plan(&settings(&config), 1, 1.0).expect("a plan")
    };
    let leading = r#", "timestep_spacing": "leading""#;
    for (class, more) in [
        ("DDIMScheduler", ""),
        ("PNDMScheduler", ""),
        ("EulerDiscreteScheduler", leading),
        ("EulerAncestralDiscreteScheduler", ""),
    ] {
        let level = two(class, more).noise_level();
        assert!((level - 0.435_889_9).abs() < 1e-6, "{class}: {level}");
    }
    let euler = two("EulerDiscreteScheduler", leading);
    let seen = euler.input(0, &tensor(&[2.0])).expect("numbers").to_vec1::<f32>().expect("numbers");
    assert!((seen[0] - 1.8).abs() < 1e-6, "latents times √0.81: {seen:?}");
    // √0.352 at the second timestep, where the multistep solvers and consistency models begin.
    for class in ["DPMSolverMultistepScheduler", "UniPCMultistepScheduler", "LCMScheduler"] {
        let level = two(class, r#", "timestep_spacing": "trailing""#).noise_level();
        assert!((level - 0.352f64.sqrt()).abs() < 1e-6, "{class}: {level}");
    }
}

#[test]
fn the_start_is_noised_and_the_end_is_clean() {
    let plan = plan(&sd("DDIMScheduler"), 20, 0.6).expect("a plan");
    let [clean, noise] = [tensor(&[1.0, 0.0]), tensor(&[0.0, 1.0])];
    let of = |i| plan.noised(i, &clean, &noise).expect("numbers").to_vec1::<f32>().expect("numbers");
    let level = plan.noise_level() as f32;
    let start = of(0);
    assert!((start[0] - (1.0 - level * level).sqrt()).abs() < 1e-6 && (start[1] - level).abs() < 1e-6);
    assert!(of(11)[1] < of(1)[1]);
    assert_eq!(of(plan.calls()), [1.0, 0.0]);
}

/// A model that knows the picture leads every sampler to it.
#[test]
fn what_the_model_knows_is_what_is_drawn() {
    let [clean, noise, new] = [tensor(&[0.7, -0.3]), tensor(&[0.2, 1.1]), tensor(&[-0.9, 0.4])];
    for method in [
        Method::Ddim,
        Method::Euler,
        Method::EulerAncestral,
        Method::DpmPlusPlus2M,
        Method::DpmPlusPlus2MKarras,
        Method::UniPc,
    ] {
        for prediction in ["epsilon", "v_prediction"] {
            let config = format!(
                r#"{{"_class_name": "PNDMScheduler", "prediction_type": "{prediction}", "clip_sample": false}}"#
            );
            let plan = plan(&settings(&config).with(Some(method)), 12, 0.7).expect("a plan");
            let mut stepper = plan.stepper();
            let mut latents = plan.noised(0, &clean, &noise).expect("numbers");
            for i in 0..plan.calls() {
                let level = &plan.levels[i];
                let [signal, share] = [(1.0 - level.share().powi(2)).sqrt(), level.share()];
                let input = plan.input(i, &latents).expect("numbers");
                let noise = sum(&[(1.0 / share, &input), (-signal / share, &clean)]).expect("numbers");
                let output = match prediction {
                    "epsilon" => noise,
                    _ => sum(&[(signal, &noise), (-share, &clean)]).expect("numbers"),
                };
                latents = stepper.step(i, &latents, &output, &mut |_| Ok(new.clone())).expect("a step");
            }
            let found = latents.to_vec1::<f32>().expect("numbers");
            let off = found.iter().zip([0.7, -0.3]).fold(0.0, |most: f32, (f, e)| most.max((f - e).abs()));
            assert!(off < 1e-4, "{method:?} of {prediction}: {found:?}");
        }
    }
}

#[test]
fn only_samplers_that_add_noise_ask_for_it_and_not_in_the_end() {
    let latents = tensor(&[0.5, -0.5]);
    for (method, expected) in
        [(Method::Ddim, 0), (Method::UniPc, 0), (Method::EulerAncestral, 3), (Method::Lcm, 3)]
    {
        let plan = plan(&sd("PNDMScheduler").with(Some(method)), 4, 1.0).expect("a plan");
        let (mut stepper, mut asked) = (plan.stepper(), 0);
        for i in 0..plan.calls() {
            let mut noise = |like: &Tensor| {
                asked += 1;
                like.zeros_like()
            };
            stepper.step(i, &latents, &latents, &mut noise).expect("a step");
        }
        assert_eq!(asked, expected, "{method:?}");
    }
}

#[test]
fn steps_come_in_order() {
    let plan = plan(&sd("PNDMScheduler"), 4, 1.0).expect("a plan");
    let latents = tensor(&[0.5]);
    let mut stepper = plan.stepper();
    assert!(stepper.step(1, &latents, &latents, &mut no_noise).is_err());
    for i in 0..5 {
        stepper.step(i, &latents, &latents, &mut no_noise).expect("the next step");
    }
    assert!(stepper.step(5, &latents, &latents, &mut no_noise).is_err());
    assert!(plan.input(5, &latents).is_err());
}

#[test]
fn an_unknown_scheduler_is_refused_unless_another_sampler_is_chosen() {
    let heun = sd("HeunDiscreteScheduler");
    let refused = heun.check().expect_err("it is unknown").to_string();
    assert!(
        refused.contains("EulerAncestralDiscrete") && refused.ends_with("found HeunDiscreteScheduler"),
        "{refused}"
    );
    assert!(heun.with(Some(Method::Euler)).check().is_ok());
    let refused = settings(r#"{"_class_name": "DDIMScheduler", "thresholding": true}"#).check();
    let refused = refused.expect_err("thresholding").to_string();
    assert!(refused.ends_with("found thresholding"), "{refused}");
}

#[test]
fn a_chosen_sampler_keeps_what_the_file_says_and_adds_its_own_defaults() {
    let euler = sd("PNDMScheduler").with(Some(Method::Euler));
    let euler = euler.resolve().expect("known settings");
    assert_eq!((euler.spacing, euler.offset), (spacing::Spacing::Linspace, 1));
    let karras =
        sd("PNDMScheduler").with(Some(Method::DpmPlusPlus2MKarras)).resolve().expect("known settings");
    assert!(karras.karras && !sd("PNDMScheduler").with(None).resolve().expect("known settings").karras);
}

#[test]
fn the_pipelines_of_the_first_models_overrule_old_files() {
    let old = settings(r#"{"_class_name": "DDIMScheduler"}"#);
    let [bare, overruled] =
        [old.clone(), old.of_first_models()].map(|settings| settings.resolve().expect("known settings"));
    assert_eq!((bare.offset, bare.clip), (0, Some(1.0)));
    assert_eq!((overruled.offset, overruled.clip), (1, None));
}

#[test]
fn the_infinity_that_python_writes_is_read() {
    let config = r#"{"_class_name": "DPMSolverMultistepScheduler", "lambda_min_clipped": -Infinity}"#;
    assert_eq!(plan(&settings(config), 20, 1.0).expect("a plan").timesteps()[0], 999.0);
}

#[test]
fn steps_that_come_to_no_numbers_are_refused() {
    // One timestep beyond the last.
    assert!(
        plan(&sd("DDIMScheduler"), 1000, 1.0)
            .expect_err("1000 of 0 to 999")
            .contains("timestep 1000 of 0 to 999")
    );
    // Every stride 0, so that nothing is between the steps.
    assert!(plan(&sd("PNDMScheduler").with(Some(Method::UniPc)), 1000, 1.0).is_err());
    // The noise cannot be told from a picture of which nothing is left, unless the first timestep is left out.
    let zero = settings(
        r#"{"_class_name": "DDIMScheduler", "rescale_betas_zero_snr": true, "timestep_spacing": "trailing"}"#,
    );
    assert!(plan(&zero, 20, 1.0).is_err() && plan(&zero, 20, 0.9).is_ok());
    // A consistency model has no more steps than it was distilled from.
    assert!(plan(&settings(r#"{"_class_name": "LCMScheduler"}"#), 51, 1.0).is_err());
}

/// None of these may panic, whatever comes of it.
#[test]
fn absurd_settings_are_refused_or_drawn() {
    for class in [
        "DDIMScheduler",
        "PNDMScheduler",
        "EulerDiscreteScheduler",
        "DPMSolverMultistepScheduler",
        "UniPCMultistepScheduler",
        "LCMScheduler",
    ] {
        for more in [
            r#""num_train_timesteps": 1"#,
            r#""num_train_timesteps": 7"#,
            r#""beta_start": 1e-300, "beta_end": 1e-300"#,
            r#""beta_start": 0.999999, "beta_end": 0.999999"#,
            r#""steps_offset": 18446744073709551615"#,
            r#""lambda_min_clipped": 1e300"#,
            r#""trained_betas": []"#,
            r#""original_inference_steps": 1"#,
        ] {
            let config = format!(r#"{{"_class_name": "{class}", "skip_prk_steps": true, {more}}}"#);
            for (steps, strength) in [(1, 1.0), (3, 0.5), (1000, 1.0), (u32::MAX, 1.0)] {
                for meaning in [Meaning::Diffusers, Meaning::ComfyUi] {
                    if let Ok(plan) = meant(&settings(&config), steps, strength, meaning) {
                        assert!((0.0..=1.0).contains(&plan.noise_level()), "{class} {more}");
                    }
                }
            }
        }
    }
}
