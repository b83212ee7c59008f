//! Engines by their names on the command line.

use std::path::Path;

use serde_json::{Value, json};

use super::error::Failure;
use super::term::{BOLD, GOOD, WARN, paint};
use crate::generate::Engine;
use crate::generate::patch::PatchEngine;

/// The engine `name`, with its weights in `model` if it has any.
pub fn open(name: &str, model: Option<&Path>) -> Result<Box<dyn Engine>, Failure> {
    match (name, model) {
        ("patch", None) => Ok(Box::new(PatchEngine)),
        ("patch", Some(_)) => {
            Err(Failure::new("engine patch has no weights")
                .advise("leave --model out, or name another --engine"))
        }
        ("flux", model) => flux::open(model),
        _ => Err(Failure::new(format_args!("there is no engine {name:?}"))
            .advise("'vidimus engines' lists those that there are")),
    }
}

/// What can run here, as text and as JSON. `model` is a folder to look for weights in.
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

/// FLUX.1 from weights that the user has.
#[cfg(feature = "diffusion")]
mod flux {
    use super::*;
    use crate::generate::flux::{FluxEngine, State, inventory};

    pub fn open(model: Option<&Path>) -> Result<Box<dyn Engine>, Failure> {
        let Some(dir) = model else {
            return Err(Failure::new("engine flux needs weights").advise("name their folder with --model"));
        };
        let engine = FluxEngine::open(dir).map_err(Failure::new)?;
        Ok(Box::new(engine))
    }

    pub fn list(model: Option<&Path>) -> (String, Value) {
        let Some(dir) = model else {
            let text = "flux1-*, ae, clip_l and t5xxl as safetensors, and two tokenizers: name their folder with --model";
            return line("needs weights", text, vec![text.to_owned()], None);
        };
        let parts = inventory(dir);
        let missing: Vec<String> = parts
            .iter()
            .filter_map(|part| match &part.state {
                State::Found(_) => None,
                State::Missing { expected } => Some(format!("{}: expected {expected}", part.role)),
                State::Several(found) => Some(format!("{}: {} files, keep one", part.role, found.len())),
                State::Unreadable { format, .. } => {
                    Some(format!("{}: expected safetensors, found {format}", part.role))
                }
            })
            .collect();
        let found = serde_json::to_value(&parts).ok();
        if missing.is_empty() {
            line("ready", &format!("weights in {}", dir.display()), missing, found)
        } else {
            line("needs weights", &format!("in {}: {}", dir.display(), missing.join("; ")), missing, found)
        }
    }

    fn line(state: &str, text: &str, missing: Vec<String>, parts: Option<Value>) -> (String, Value) {
        let ready = state == "ready";
        let style = if ready { GOOD } else { WARN };
        let licence = "FLUX.1-dev weights may not be used commercially; FLUX.1-schnell weights may";
        let shown = format!(
            "{}  {}  {text}\n       img2img on the CPU; {licence}",
            paint(BOLD, "flux"),
            paint(style, state)
        );
        let entry = json!({
            "name": "flux",
            "version": "1",
            "ready": ready,
            "weights": parts,
            "reads_prompt": true,
            "missing": missing,
            "licence": licence,
        });
        (shown, entry)
    }
}

/// FLUX.1 was left out of this program.
#[cfg(not(feature = "diffusion"))]
mod flux {
    use super::*;

    const HOW: &str = "build the program with 'cargo build --release --features diffusion'";

    pub fn open(_model: Option<&Path>) -> Result<Box<dyn Engine>, Failure> {
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
