//! Engines by their names on the command line.

#[cfg(feature = "diffusion")]
mod flux;
#[cfg(feature = "diffusion")]
mod places;

use std::path::Path;

use serde_json::{Value, json};

use super::args::{Meaning, Vary};
use super::error::Failure;
use super::term::{BOLD, GOOD, paint};
use crate::generate::Engine;
use crate::generate::patch::PatchEngine;

/// What of an engine was asked for by name.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked<'a> {
    pub model: Option<&'a Path>,
    pub steps: Option<u32>,
    pub guidance: Option<f64>,
    pub meaning: Option<Meaning>,
}

impl<'a> Asked<'a> {
    pub fn by(args: &'a Vary) -> Self {
        let (steps, guidance, meaning) = (args.steps, args.guidance, args.strength_meaning);
        Asked { model: args.model.as_deref(), steps, guidance, meaning }
    }
}

/// The engine `name`, as it was asked for.
pub fn open(name: &str, asked: Asked) -> Result<Box<dyn Engine>, Failure> {
    match name {
        "patch" => {
            let flags = [
                (asked.model.is_some(), "weights", "--model"),
                (asked.steps.is_some(), "choice of steps", "--steps"),
                (asked.guidance.is_some(), "guidance", "--guidance"),
                (asked.meaning.is_some(), "choice of what a strength means", "--strength-meaning"),
            ];
            match flags.into_iter().find(|(given, ..)| *given) {
                Some((_, what, flag)) => Err(Failure::new(format_args!("engine patch has no {what}"))
                    .advise(format_args!("leave {flag} out, or name another --engine"))),
                None => Ok(Box::new(PatchEngine)),
            }
        }
        "flux" => flux::open(asked),
        _ => Err(Failure::new(format_args!("there is no engine {name:?}"))
            .advise("'vidimus engines' lists those that there are")),
    }
}

/// What can run here, as text and as JSON. `model` is the folder to look for weights in; without one, those where
/// people have them.
pub fn list(model: Option<&Path>) -> (String, Value) {
    let patch = PatchEngine.describe();
    let text = format!(
        "{} {}  embedded, version {}, no weights and no downloads\n       \
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
    (format!("{text}\n{flux_text}"), json!({ "schema": 1, "engines": [entry, flux_entry] }))
}

/// FLUX.1 was left out of this program.
#[cfg(not(feature = "diffusion"))]
mod flux {
    use super::*;
    use crate::cli::term::WARN;

    const HOW: &str = "build the program with 'cargo build --release --features diffusion'";

    pub fn open(_asked: Asked) -> Result<Box<dyn Engine>, Failure> {
        Err(Failure::new("engine flux is not in this build").advise(HOW))
    }

    pub fn list(_model: Option<&Path>) -> (String, Value) {
        let text = format!("{}  {}  {HOW}", paint(BOLD, "flux"), paint(WARN, "not in this build"));
        let entry = json!({
            "name": "flux",
            "ready": false,
            "weights": null,
            "reads_prompt": true,
            "missing": [HOW],
        });
        (text, entry)
    }
}
