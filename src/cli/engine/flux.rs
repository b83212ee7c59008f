//! FLUX.1 from weights that the user has.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{Asked, places};
use crate::cli::args;
use crate::cli::error::Failure;
use crate::cli::term::{BOLD, GOOD, WARN, paint};
use crate::generate::Engine;
use crate::generate::diffusion::flux::{FluxEngine, Options, Part, State, inventory, is_ours, memory};
use crate::generate::diffusion::{Gib, Meaning, ModelError};

const LICENCE: &str = "FLUX.1-dev weights may not be used commercially; FLUX.1-schnell weights may";
const EXPECTED: &str = "a folder as diffusers writes it, or flux1-*, ae, clip_l and t5xxl as safetensors \
     (flux1-* and t5-* also as GGUF) and two tokenizers";

/// The model that was asked for; without that, the only one that is found.
pub fn open(asked: Asked) -> Result<Box<dyn Engine>, Failure> {
    let dir = match asked.model {
        Some(dir) => dir.to_owned(),
        None => only(Models::of(&places::folders(&places::environment)))?,
    };
    let mut engine = FluxEngine::open(&dir, places::free_memory()).map_err(|error| {
        let failure = Failure::new(&error);
        match error {
            ModelError::Memory { .. } => failure.advise("free some, or use a machine with more"),
            _ => failure,
        }
    })?;
    if asked.guidance.is_some() && !engine.is_guided() {
        let message = "this model has no guidance, as FLUX.1-schnell has none";
        return Err(Failure::at(dir.display(), message).advise("leave --guidance out"));
    }
    engine.options = chosen(engine.options, asked);
    Ok(Box::new(engine))
}

/// The model's own options, but for what was asked for.
fn chosen(own: Options, asked: Asked) -> Options {
    Options {
        steps: asked.steps.and_then(NonZeroU32::new).unwrap_or(own.steps),
        guidance: asked.guidance.unwrap_or(own.guidance),
        meaning: match asked.meaning {
            Some(args::Meaning::ComfyUi) => Meaning::ComfyUi,
            Some(args::Meaning::Diffusers) => Meaning::Diffusers,
            None => own.meaning,
        },
        ..own
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
    /// Bytes of memory that a whole model needs, unless its files are damaged.
    memory: Option<u64>,
}

impl Model {
    fn of(dir: &Path) -> Model {
        let parts = inventory(dir);
        let missing = parts.iter().filter_map(|part| match &part.state {
            State::Found(_) => None,
            State::Missing { expected } => Some(format!("{}: expected {expected}", part.role.name())),
            State::Several(found) => Some(format!("{}: {} files, keep one", part.role.name(), found.len())),
            State::Unreadable { format, .. } => {
                Some(format!("{}: expected safetensors, found {format}", part.role.name()))
            }
        });
        let missing: Vec<String> = missing.collect();
        let memory = if missing.is_empty() { memory(dir).ok() } else { None };
        Model { dir: dir.to_owned(), missing, parts, memory }
    }

    /// Whether this is more than a folder of other models.
    fn has_transformer(&self) -> bool {
        !matches!(self.parts[0].state, State::Missing { .. })
    }

    fn line(&self) -> String {
        if self.missing.is_empty() {
            let memory = self.memory.map(|bytes| format!(", {} of memory", Gib(bytes)));
            return format!("weights in {}{}", self.dir.display(), memory.unwrap_or_default());
        }
        format!("in {}: {}", self.dir.display(), self.missing.join("; "))
    }
}

struct Models(Vec<Model>);

impl Models {
    fn of(dirs: &[PathBuf]) -> Models {
        let ours = dirs.iter().filter(|dir| is_ours(dir));
        Models(ours.map(|dir| Model::of(dir)).filter(Model::has_transformer).collect())
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
        json!({
            "folder": model.dir.to_string_lossy(),
            "parts": model.parts,
            "missing": model.missing,
            "memory": model.memory,
        })
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

        let hub = home.path().join(".cache/huggingface/hub");
        let snapshot = hub.join("models--black-forest-labs--FLUX.1-dev/snapshots/0123");
        std::fs::create_dir_all(snapshot.join("transformer")).expect("a new folder");
        let index = r#"{"_class_name": "FluxPipeline"}"#;
        std::fs::write(snapshot.join("model_index.json"), index).expect("a new file");
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

        // Nor is a model of another kind, even whole, nor another revision than the current one.
        let fill = hub.join("models--someone--flux-fill/snapshots/1");
        comfy(&fill, "flux1-fill");
        std::fs::write(fill.join("model_index.json"), r#"{"_class_name": "FluxFillPipeline"}"#)
            .expect("a new file");
        let old = hub.join("models--someone--flux-old");
        comfy(&old.join("snapshots/2"), "flux1-dev");
        std::fs::create_dir_all(old.join("snapshots/3")).expect("a new folder");
        std::fs::create_dir_all(old.join("refs")).expect("a new folder");
        std::fs::write(old.join("refs/main"), "3\n").expect("a new file");
        assert_eq!(found().0.len(), 2);

        comfy(&hub.join("models--someone--flux-dev/snapshots/0124"), "flux1-dev");
        let said = only(found()).expect_err("two models").to_string();
        assert!(said.contains("more than one FLUX.1 model") && said.contains("0124"), "{said}");
    }

    #[test]
    fn options_are_the_models_own_but_for_what_was_asked_for() {
        let steps = NonZeroU32::new(28).expect("not zero");
        let own = Options { steps, meaning: Meaning::Diffusers, guidance: 3.5, text_tokens: 512 };
        assert_eq!(chosen(own, Asked::default()), own);
        let meaning = Some(args::Meaning::ComfyUi);
        let asked = Asked { steps: Some(20), guidance: Some(2.0), meaning, ..Asked::default() };
        let steps = NonZeroU32::new(20).expect("not zero");
        assert_eq!(chosen(own, asked), Options { steps, meaning: Meaning::ComfyUi, guidance: 2.0, ..own });
    }

    #[test]
    fn a_folder_without_a_model_says_what_it_lacks() {
        let dir = tempfile::tempdir().expect("a directory for the tests");
        let said =
            open(Asked { model: Some(dir.path()), ..Asked::default() }).err().expect("nothing is there");
        assert!(said.to_string().contains("no transformer: expected flux1-*.safetensors"), "{said}");
        let (text, json) = list(Some(dir.path()));
        assert!(text.contains("needs weights"), "{text}");
        assert_eq!(json["missing"].as_array().map(Vec::len), Some(6), "{json}");
    }
}
