//! FLUX.1 from weights that the user has.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{Asked, places};
use crate::cli::args;
use crate::cli::error::Failure;
use crate::cli::term::{BOLD, GOOD, WARN, paint};
use crate::generate::Engine;
use crate::generate::flux::{FluxEngine, Meaning, Part, State, inventory};

const LICENCE: &str = "FLUX.1-dev weights may not be used commercially; FLUX.1-schnell weights may";
const EXPECTED: &str =
    "a folder as diffusers writes it, or flux1-*, ae, clip_l and t5xxl as safetensors and two tokenizers";

/// The model that was asked for; without that, the only one that is found.
pub fn open(asked: Asked) -> Result<Box<dyn Engine>, Failure> {
    let dir = match asked.model {
        Some(dir) => dir.to_owned(),
        None => only(Models::of(&places::folders(&places::environment)))?,
    };
    let mut engine = FluxEngine::open(&dir).map_err(Failure::new)?;
    if asked.guidance.is_some() && !engine.is_guided() {
        let message = "this model has no guidance, as FLUX.1-schnell has none";
        return Err(Failure::at(dir.display(), message).advise("leave --guidance out"));
    }
    let options = &mut engine.options;
    options.guidance = asked.guidance.unwrap_or(options.guidance);
    options.steps = asked.steps.and_then(NonZeroU32::new).unwrap_or(options.steps);
    options.meaning = match asked.meaning {
        Some(args::Meaning::ComfyUi) => Meaning::ComfyUi,
        Some(args::Meaning::Diffusers) | None => Meaning::Diffusers,
    };
    fits(engine.memory(), places::free_memory())?;
    Ok(Box::new(engine))
}

/// Refuses what would be killed for want of memory on the way.
fn fits(needed: u64, free: Option<u64>) -> Result<(), Failure> {
    match free {
        Some(free) if free < needed => {
            let gib = |bytes: u64| bytes as f64 / f64::from(1 << 30);
            let message = format_args!(
                "these weights need {:.1} GiB of memory in 32 bits, and {:.1} GiB are free",
                gib(needed),
                gib(free)
            )
            .to_string();
            Err(Failure::at("engine flux", message).advise("free some, or use a machine with more"))
        }
        _ => Ok(()),
    }
}

fn only(models: Models) -> Result<PathBuf, Failure> {
    let whole: Vec<&Model> = models.0.iter().filter(|model| model.missing.is_empty()).collect();
    match whole[..] {
        [one] => Ok(one.dir.clone()),
        [] => Err(Failure::new("engine flux needs weights, and no whole model was found")
            .advise("name their folder with --model; 'vidimus engines' tells what is missing where")),
        _ => {
            let dirs: Vec<String> = whole.iter().map(|model| model.dir.display().to_string()).collect();
            Err(Failure::new(format_args!("more than one FLUX.1 model was found: {}", dirs.join(", ")))
                .advise("choose one with --model"))
        }
    }
}

/// A folder with a part of a model at least.
struct Model {
    dir: PathBuf,
    parts: Vec<Part>,
    missing: Vec<String>,
}

impl Model {
    fn of(dir: &Path) -> Model {
        let parts = inventory(dir);
        let missing = parts.iter().filter_map(|part| match &part.state {
            State::Found(_) => None,
            State::Missing { expected } => Some(format!("{}: expected {expected}", part.role)),
            State::Several(found) => Some(format!("{}: {} files, keep one", part.role, found.len())),
            State::Unreadable { format, .. } => {
                Some(format!("{}: expected safetensors, found {format}", part.role))
            }
        });
        Model { dir: dir.to_owned(), missing: missing.collect(), parts }
    }

    /// Whether this is more than a folder of other models.
    fn has_transformer(&self) -> bool {
        !matches!(self.parts[0].state, State::Missing { .. })
    }

    fn line(&self) -> String {
        if self.missing.is_empty() {
            return format!("weights in {}", self.dir.display());
        }
        format!("in {}: {}", self.dir.display(), self.missing.join("; "))
    }
}

struct Models(Vec<Model>);

impl Models {
    fn of(dirs: &[PathBuf]) -> Models {
        Models(dirs.iter().map(|dir| Model::of(dir)).filter(Model::has_transformer).collect())
    }
}

pub fn list(model: Option<&Path>) -> (String, Value) {
    let models = match model {
        Some(dir) => Models(vec![Model::of(dir)]),
        None => Models::of(&places::folders(&places::environment)),
    };
    shown(&models)
}

fn shown(models: &Models) -> (String, Value) {
    let whole = models.0.iter().filter(|model| model.missing.is_empty()).count();
    let (state, style) = if whole > 0 { ("ready", GOOD) } else { ("needs weights", WARN) };
    let none = || format!("{EXPECTED}: name their folder with --model");
    let mut lines: Vec<String> = models.0.iter().map(Model::line).collect();
    if lines.is_empty() {
        lines.push(none());
    }
    if whole > 1 {
        lines.push("choose one with --model".to_owned());
    }
    let text = format!(
        "{}  {}  {}\n       img2img on the CPU; {LICENCE}",
        paint(BOLD, "flux"),
        paint(style, state),
        lines.join("\n       ")
    );
    let missing: Vec<String> = match &models.0[..] {
        [] => vec![none()],
        _ if whole > 0 => Vec::new(),
        [first, ..] => first.missing.clone(),
    };
    let folders = models.0.iter().map(|model| {
        json!({ "folder": model.dir.to_string_lossy(), "parts": model.parts, "missing": model.missing })
    });
    let entry = json!({
        "name": "flux",
        "version": "1",
        "ready": whole > 0,
        "weights": folders.collect::<Vec<_>>(),
        "reads_prompt": true,
        "missing": missing,
        "licence": LICENCE,
    });
    (text, entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Empty files under the names that a search looks for.
    fn comfy(dir: &Path, transformer: &str) {
        for file in [
            &format!("diffusion_models/{transformer}.safetensors"),
            "vae/ae.safetensors",
            "text_encoders/clip_l.safetensors",
            "text_encoders/t5xxl_fp16.safetensors",
            "clip/tokenizer.json",
            "t5/tokenizer.json",
        ] {
            let file = dir.join(file);
            std::fs::create_dir_all(file.parent().expect("a folder")).expect("a new folder");
            std::fs::write(file, "").expect("a new file");
        }
    }

    #[test]
    fn a_model_is_found_where_people_have_it_and_several_are_not_chosen_from() {
        let home = tempfile::tempdir().expect("a directory for the tests");
        let env = |name: &str| (name == "HOME").then(|| home.path().as_os_str().to_owned());
        let found = || Models::of(&places::folders(&env));
        assert!(found().0.is_empty());
        let said = only(found()).expect_err("nothing is there").to_string();
        assert!(said.contains("no whole model was found"), "{said}");

        let tree = home.path().join("ComfyUI/models");
        comfy(&tree, "flux1-schnell");
        assert_eq!(only(found()).expect("one model"), tree);
        assert!(shown(&found()).0.contains("ready"));

        let snapshot =
            home.path().join(".cache/huggingface/hub/models--black-forest-labs--FLUX.1-dev/snapshots/0123");
        std::fs::create_dir_all(snapshot.join("transformer")).expect("a new folder");
        std::fs::write(snapshot.join("model_index.json"), "{}").expect("a new file");
        let file = snapshot.join("transformer/diffusion_pytorch_model.safetensors");
        std::fs::write(file, "").expect("a new file");
        // A part alone is shown, but is no choice.
        assert_eq!(only(found()).expect("one whole model"), tree);
        let (text, json) = shown(&found());
        assert!(text.contains("autoencoder: expected vae/diffusion_pytorch_model.safetensors"), "{text}");
        assert_eq!(
            (json["ready"].as_bool(), json["weights"].as_array().map(Vec::len)),
            (Some(true), Some(2))
        );

        comfy(&snapshot.join("../0124"), "flux1-dev");
        let said = only(found()).expect_err("two models").to_string();
        assert!(said.contains("more than one FLUX.1 model") && said.contains("0124"), "{said}");
    }

    #[test]
    fn what_would_not_fit_into_memory_is_refused_before_it_is_loaded() {
        assert!(fits(5 << 30, Some(6 << 30)).is_ok() && fits(u64::MAX, None).is_ok());
        let said = fits(48 << 30, Some(21 << 30)).expect_err("too large").to_string();
        assert!(said.contains("need 48.0 GiB of memory in 32 bits, and 21.0 GiB are free"), "{said}");
    }
}
