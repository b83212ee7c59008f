//! What can run here, and what it says when it cannot.

use crate::common::Lab;

#[test]
fn engines_lists_what_is_ready_and_what_is_missing() {
    let lab = Lab::new();
    let text = lab.run(["engines"]).expect(0).stdout;
    assert!(text.starts_with("patch ready\n  embedded"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let engines = lab.run(["engines", "--json"]).expect(0).json();
    assert_eq!(engines["engines"][0]["ready"], true);
    assert_eq!(engines["engines"][1]["name"], "flux");
    assert_eq!(engines["engines"][1]["ready"], false);
    assert_ne!(engines["engines"][1]["missing"][0], serde_json::Value::Null);
    assert_eq!(engines["engines"][2]["name"], "stable-diffusion");
    assert_eq!(engines["engines"][2]["ready"], false);
}

#[test]
fn flux_without_weights_says_what_to_do() {
    let lab = Lab::new();
    lab.specimen("ref.png", 1);
    let ended = lab.run(["vary", "ref.png", "--engine", "flux"]).expect(2);
    let expected = if cfg!(feature = "diffusion") {
        "engine flux needs weights, and no whole model was found; name their folder or an id of the hub with --model"
    } else {
        "engine flux is not in this build; build the program with 'cargo build --release --features diffusion'"
    };
    assert!(ended.stderr.contains(expected), "{}", ended.stderr);
}

/// Before weights are looked for, let alone fetched.
#[test]
fn a_device_that_is_not_in_the_build_is_refused_and_engines_tells_which_are() {
    let lab = Lab::new();
    lab.specimen("ref.png", 1);
    for (kind, is_built) in [("cuda", cfg!(feature = "cuda")), ("metal", cfg!(feature = "metal"))] {
        let ended = lab.run(["vary", "ref.png", "--engine", "flux", "--device", kind]).expect(2);
        if cfg!(feature = "diffusion") && !is_built {
            let expected = format!(
                "device {kind}: it is not in this build; build the program with 'cargo build --release --features {kind}'"
            );
            assert!(ended.stderr.contains(&expected), "{}", ended.stderr);
        }
    }
    let told = lab.run(["engines", "--json"]).expect(0).json();
    assert_eq!(told["devices"][0]["name"], "cpu");
    assert_eq!(told["devices"][0]["ready"], true);
    assert!(lab.run(["engines"]).expect(0).stdout.contains("devices"));
}

#[test]
fn what_an_engine_does_not_have_cannot_be_chosen() {
    let lab = Lab::new();
    lab.specimen("ref.png", 1);
    for (flag, value, what) in [
        ("--model", ".", "weights"),
        ("--steps", "20", "choice of steps"),
        ("--guidance", "3.5", "guidance"),
        ("--strength-meaning", "comfyui", "choice of what a strength means"),
        ("--negative-prompt", "blur", "negative prompt"),
        ("--sampler", "euler", "choice of samplers"),
        ("--prediction", "v", "choice of what is predicted"),
        ("--precision", "bf16", "choice of what it computes with"),
        ("--device", "cuda:0", "choice of what it runs on"),
        ("--image-weight", "1", "weight of the reference beside the prompt"),
        ("--lora", "style.safetensors:0.5", "model that LoRAs could be added to"),
    ] {
        let ended = lab.run(["vary", "ref.png", flag, value]).expect(2);
        let expected = format!("engine patch has no {what}; leave {flag} out");
        assert!(ended.stderr.contains(&expected), "{}", ended.stderr);
    }
    for flag in ["--negative-prompt", "--sampler"] {
        let ended = lab.run(["vary", "ref.png", "--engine", "flux", flag, "ddim"]).expect(2);
        assert!(ended.stderr.contains(&format!("leave {flag} out")), "{}", ended.stderr);
    }
    for (flag, value, what) in [
        ("--sampler", "midjourney", "euler-ancestral"),
        ("--steps", "0", "1..=1000"),
        ("--guidance", "NaN", "a number from 0 to 100"),
        ("--image-weight", "0", "a number above 0 and up to 3"),
        ("--device", "gpu", "auto, cpu, metal, cuda, or one of several as cuda:1"),
        ("--lora", "style.safetensors:0", "a weight from -100 to 100 that is not 0"),
        ("--strength-meaning", "midjourney", "diffusers, comfyui"),
    ] {
        let ended = lab.run(["vary", "ref.png", flag, value]).expect(2);
        assert!(ended.stderr.contains(what), "{}", ended.stderr);
    }
}

#[test]
fn a_probe_needs_an_engine_that_reads_text() {
    let lab = Lab::new();
    let refused = lab.run(["probe", "--subject", "virions", "--engine", "patch"]).expect(2);
    let expected =
        "engine patch draws from a reference alone: it reads no text, and knows no subject; name another";
    assert!(refused.stderr.contains(expected), "{}", refused.stderr);
    assert_eq!(refused.stderr.lines().count(), 1, "{}", refused.stderr);
    assert!(lab.files(".").is_empty(), "no workspace, and no picture");
    let nothing = lab.run(["probe", "--engine", "flux"]).expect(2);
    assert!(nothing.stderr.contains("--subject"), "{}", nothing.stderr);
}
