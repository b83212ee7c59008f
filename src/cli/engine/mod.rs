//! Engines by their names on the command line.

#[cfg(feature = "diffusion")]
mod devices;
#[cfg(feature = "diffusion")]
mod fetch;
#[cfg(feature = "diffusion")]
mod flux;
#[cfg(feature = "diffusion")]
mod models;
#[cfg(feature = "diffusion")]
mod places;
#[cfg(feature = "diffusion")]
mod redux;
#[cfg(feature = "diffusion")]
mod stable;

use std::path::Path;

use serde_json::{Value, json};

use super::args::{Device, Lora, Meaning, ModelArgs, Precision, Prediction, Sampler};
use super::error::Failure;
use super::term::{BOLD, GOOD, Terminal, paint};
use crate::generate::Engine;
use crate::generate::patch::PatchEngine;

/// What of an engine was asked for by name.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked<'a> {
    pub model: Option<&'a Path>,
    pub steps: Option<u32>,
    pub guidance: Option<f64>,
    pub meaning: Option<Meaning>,
    pub negative_prompt: Option<&'a str>,
    pub sampler: Option<Sampler>,
    pub prediction: Option<Prediction>,
    pub precision: Option<Precision>,
    pub device: Option<Device>,
    pub loras: &'a [Lora],
    /// How much the reference weighs beside the prompt, and where the model is that looks at it, if that was said.
    pub image_weight: Option<(f64, Option<&'a Path>)>,
}

impl<'a> Asked<'a> {
    pub fn by(args: &'a ModelArgs, meaning: Option<Meaning>) -> Self {
        let ModelArgs { steps, guidance, sampler, prediction, precision, device, .. } = *args;
        let (model, negative_prompt) = (args.model.as_deref(), args.negative_prompt.as_deref());
        let loras = &args.lora;
        Asked {
            model,
            steps,
            guidance,
            meaning,
            negative_prompt,
            sampler,
            prediction,
            precision,
            device,
            loras,
            ..Asked::default()
        }
    }

    /// Refuses a flag that was given and that `engine` has nothing for.
    fn lacking(&self, engine: &str, flags: &[(bool, &str, &str)]) -> Result<(), Failure> {
        match flags.iter().find(|(given, ..)| *given) {
            Some((_, what, flag)) => Err(Failure::new(format_args!("engine {engine} has no {what}"))
                .advise(format_args!("leave {flag} out, or name another --engine"))),
            None => Ok(()),
        }
    }

    fn negative_prompt_flag(&self) -> (bool, &'static str, &'static str) {
        (self.negative_prompt.is_some(), "negative prompt", "--negative-prompt")
    }

    fn sampler_flag(&self) -> (bool, &'static str, &'static str) {
        (self.sampler.is_some(), "choice of samplers", "--sampler")
    }

    fn image_weight_flag(&self) -> (bool, &'static str, &'static str) {
        (self.image_weight.is_some(), "weight of the reference beside the prompt", "--image-weight")
    }

    fn prediction_flag(&self) -> (bool, &'static str, &'static str) {
        (self.prediction.is_some(), "choice of what is predicted", "--prediction")
    }
}

/// The engine `name`, as it was asked for; a model of the hub is fetched if it is not there.
pub fn open(name: &str, asked: Asked, terminal: &Terminal) -> Result<Box<dyn Engine>, Failure> {
    match name {
        "patch" => {
            let flags = [
                (asked.model.is_some(), "weights", "--model"),
                (asked.steps.is_some(), "choice of steps", "--steps"),
                (asked.guidance.is_some(), "guidance", "--guidance"),
                (asked.meaning.is_some(), "choice of what a strength means", "--strength-meaning"),
                asked.negative_prompt_flag(),
                asked.sampler_flag(),
                asked.prediction_flag(),
                (asked.precision.is_some(), "choice of what it computes with", "--precision"),
                (asked.device.is_some(), "choice of what it runs on", "--device"),
                (!asked.loras.is_empty(), "model that LoRAs could be added to", "--lora"),
                asked.image_weight_flag(),
            ];
            asked.lacking(name, &flags)?;
            Ok(Box::new(PatchEngine))
        }
        "flux" => {
            let flags = [asked.negative_prompt_flag(), asked.sampler_flag(), asked.prediction_flag()];
            asked.lacking(name, &flags)?;
            flux::open(asked, terminal)
        }
        "stable-diffusion" => {
            asked.lacking(name, &[asked.image_weight_flag()])?;
            stable::open(asked, terminal)
        }
        _ => Err(Failure::new(format_args!("there is no engine {name:?}"))
            .advise("'vidimus engines' lists those that there are")),
    }
}

/// What can run here, as text and as JSON. `model` is the folder to look for weights in, or a file of them; without
/// one, those where people have them.
pub fn list(model: Option<&Path>) -> (String, Value) {
    let patch = PatchEngine.describe();
    let text = format!(
        "{} {}\n  embedded, version {}, no weights and no downloads\n  \
         draws from the reference's own patches; prompts are recorded, not read",
        paint(BOLD, patch.name),
        paint(GOOD, "ready"),
        patch.version,
    );
    let entry = json!({
        "name": patch.name,
        "version": patch.version,
        "ready": true,
        "weights": null,
        "reads_prompt": patch.reads_prompt,
        "missing": [],
    });
    let (flux_text, flux_entry) = flux::list(model);
    let (stable_text, stable_entry) = stable::list(model);
    let engines = [entry, flux_entry, stable_entry];
    let (devices, devices_entry) = devices::list();
    (
        format!("{text}\n{flux_text}\n{stable_text}\n{devices}"),
        json!({ "schema": 1, "engines": engines, "devices": devices_entry }),
    )
}

/// What runs anywhere.
#[cfg(not(feature = "diffusion"))]
mod devices {
    use super::*;

    pub fn list() -> (String, Value) {
        let text = format!("{} {}", paint(BOLD, "devices"), paint(GOOD, "cpu"));
        (text, json!([{ "name": "cpu", "built": true, "ready": true, "free_memory": null, "missing": null }]))
    }
}

/// FLUX.1 was left out of this program.
#[cfg(not(feature = "diffusion"))]
mod flux {
    use super::*;

    pub fn open(_asked: Asked, _terminal: &Terminal) -> Result<Box<dyn Engine>, Failure> {
        left_out::open("flux")
    }

    pub fn list(_model: Option<&Path>) -> (String, Value) {
        left_out::list("flux")
    }
}

/// So was Stable Diffusion.
#[cfg(not(feature = "diffusion"))]
mod stable {
    use super::*;

    pub fn open(_asked: Asked, _terminal: &Terminal) -> Result<Box<dyn Engine>, Failure> {
        left_out::open("stable-diffusion")
    }

    pub fn list(_model: Option<&Path>) -> (String, Value) {
        left_out::list("stable-diffusion")
    }
}

#[cfg(not(feature = "diffusion"))]
mod left_out {
    use super::*;
    use crate::cli::term::WARN;

    const HOW: &str = "build the program with 'cargo build --release --features diffusion'";

    pub fn open(name: &str) -> Result<Box<dyn Engine>, Failure> {
        Err(Failure::new(format_args!("engine {name} is not in this build")).advise(HOW))
    }

    pub fn list(name: &str) -> (String, Value) {
        let text = format!("{} {}\n  {HOW}", paint(BOLD, name), paint(WARN, "not in this build"));
        let entry = json!({
            "name": name,
            "ready": false,
            "weights": null,
            "reads_prompt": true,
            "missing": [HOW],
        });
        (text, entry)
    }
}
