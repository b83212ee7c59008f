//! Stable Diffusion from weights that the user has.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{Asked, places};
use crate::cli::args;
use crate::cli::error::Failure;
use crate::cli::term::{BOLD, GOOD, WARN, paint};
use crate::generate::Engine;
use crate::generate::diffusion::stable::{
    Method, Options, Part, StableEngine, State, inventory, is_ours, memory,
};
use crate::generate::diffusion::{Gib, Meaning, ModelError};

pub const NAME: &str = "stable-diffusion";
const LICENCE: &str = "weights of Stable Diffusion 1, 2 and XL come under Open RAIL licences, which forbid some uses; \
                       those of others, such as Turbo's, under their own";
const EXPECTED: &str = "a folder of Stable Diffusion 1, 2 or XL as diffusers writes it";

/// The model that was asked for; without that, the only one that is found.
pub fn open(asked: Asked) -> Result<Box<dyn Engine>, Failure> {
    let dir = match asked.model {
        Some(dir) => dir.to_owned(),
        None => only(Models::of(&places::folders(&places::environment)))?,
    };
    let mut engine =
        StableEngine::open(&dir, asked.sampler.map(method), places::free_memory()).map_err(|error| {
            let failure = Failure::new(&error);
            match error {
                ModelError::Memory { .. } => failure.advise("free some, or use a machine with more"),
                _ => failure,
            }
        })?;
    engine.options = chosen(engine.options, asked);
    if engine.options.negative_prompt.is_some() && engine.options.guidance <= 1.0 {
        return Err(Failure::new("a negative prompt has no effect with a guidance of 1 or less")
            .advise("leave --negative-prompt out, or give a larger --guidance"));
    }
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
        negative_prompt: asked.negative_prompt.map(str::to_owned).or(own.negative_prompt),
        // The model was opened with it.
        method: own.method,
    }
}

fn method(sampler: args::Sampler) -> Method {
    match sampler {
        args::Sampler::Ddim => Method::Ddim,
        args::Sampler::Pndm => Method::Pndm,
        args::Sampler::Euler => Method::Euler,
        args::Sampler::EulerAncestral => Method::EulerAncestral,
        args::Sampler::DpmPlusPlus2M => Method::DpmPlusPlus2M,
        args::Sampler::DpmPlusPlus2MKarras => Method::DpmPlusPlus2MKarras,
        args::Sampler::UniPc => Method::UniPc,
        args::Sampler::Lcm => Method::Lcm,
    }
}

fn only(models: Models) -> Result<PathBuf, Failure> {
    let whole: Vec<&Model> = models.0.iter().filter(|model| model.missing.is_empty()).collect();
    match whole[..] {
        [one] => Ok(one.dir.clone()),
        [] => Err(Failure::new(format_args!("engine {NAME} needs weights, and no whole model was found"))
            .advise("name their folder with --model; 'vidimus engines' tells what is missing where")),
        _ => {
            let dirs: Vec<String> = whole.iter().map(|model| model.dir.display().to_string()).collect();
            let found = dirs.join(", ");
            Err(Failure::new(format_args!("more than one Stable Diffusion model was found: {found}"))
                .advise("choose one with --model"))
        }
    }
}

/// A folder of a Stable Diffusion, whole or not; or one that was asked for by name.
struct Model {
    dir: PathBuf,
    parts: Vec<Part>,
    missing: Vec<String>,
    /// Bytes in memory, of a whole one.
    memory: Option<u64>,
}

impl Model {
    fn of(dir: &Path) -> Model {
        let parts = inventory(dir);
        let index = (!is_ours(dir)).then(|| format!("model_index.json: expected {EXPECTED}"));
        let missing = parts.iter().filter_map(|part| match &part.state {
            State::Found(_) => None,
            State::Missing { expected } => Some(format!("{}: expected {expected}", part.role.name())),
            State::Several(found) => Some(format!("{}: {} files, keep one", part.role.name(), found.len())),
            State::Unreadable { format, .. } => {
                Some(format!("{}: expected safetensors, found {format}", part.role.name()))
            }
        });
        let missing = index.into_iter().chain(missing).collect();
        Model { dir: dir.to_owned(), missing, parts, memory: memory(dir) }
    }

    fn line(&self) -> String {
        let dir = self.dir.display();
        match (self.missing.is_empty(), self.memory) {
            (true, Some(bytes)) => format!("weights in {dir}, which need {} of memory", Gib(bytes)),
            (true, None) => format!("weights in {dir}"),
            (false, _) => format!("in {dir}: {}", self.missing.join("; ")),
        }
    }
}

struct Models(Vec<Model>);

impl Models {
    fn of(dirs: &[PathBuf]) -> Models {
        Models(dirs.iter().filter(|dir| is_ours(dir)).map(|dir| Model::of(dir)).collect())
    }
}

pub fn list(model: Option<&Path>) -> (String, Value) {
    shown(&match model {
        Some(dir) => Models(vec![Model::of(dir)]),
        None => Models::of(&places::folders(&places::environment)),
    })
}

fn shown(models: &Models) -> (String, Value) {
    let whole = models.0.iter().filter(|model| model.missing.is_empty()).count();
    let (state, style) = if whole > 0 { ("ready", GOOD) } else { ("needs weights", WARN) };
    let none = || format!("{EXPECTED}: name it with --model");
    let mut lines: Vec<String> = models.0.iter().map(Model::line).collect();
    if lines.is_empty() {
        lines.push(none());
    }
    if whole > 1 {
        lines.push("choose one with --model".to_owned());
    }
    let text = format!(
        "{}  {}  {}\n       img2img on the CPU; {LICENCE}",
        paint(BOLD, NAME),
        paint(style, state),
        lines.join("\n       ")
    );
    let missing: Vec<String> = match &models.0[..] {
        [] => vec![none()],
        _ if whole > 0 => Vec::new(),
        [first, ..] => first.missing.clone(),
    };
    let folders = models.0.iter().map(|model| {
        json!({ "folder": model.dir.to_string_lossy(), "parts": model.parts, "missing": model.missing,
                "memory": model.memory })
    });
    let entry = json!({
        "name": NAME,
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

    #[test]
    fn a_model_is_found_by_what_its_index_says_and_not_by_its_name() {
        let home = tempfile::tempdir().expect("a directory for the tests");
        let env = |name: &str| (name == "HOME").then(|| home.path().as_os_str().to_owned());
        let found = || Models::of(&places::folders(&env));
        let hub = home.path().join(".cache/huggingface/hub");
        let made = |name: &str, class: &str| {
            let dir = hub.join(name).join("snapshots/1");
            for file in [
                "unet/diffusion_pytorch_model.safetensors",
                "vae/diffusion_pytorch_model.safetensors",
                "text_encoder/model.safetensors",
                "tokenizer/tokenizer.json",
            ] {
                let file = dir.join(file);
                std::fs::create_dir_all(file.parent().expect("a folder")).expect("a new folder");
                std::fs::write(file, "").expect("a new file");
            }
            let index = format!(r#"{{"_class_name": "{class}"}}"#);
            std::fs::write(dir.join("model_index.json"), index).expect("a new file");
            dir
        };
        made("models--someone--flux", "FluxPipeline");
        made("models--someone--fill", "StableDiffusionInpaintPipeline");
        let said = only(found()).expect_err("nothing is there").to_string();
        assert!(said.contains("no whole model was found"), "{said}");
        let first = made("models--someone--plain", "StableDiffusionPipeline");
        assert_eq!(only(found()).expect("one model"), first);
        made("models--someone--large", "StableDiffusionXLPipeline");
        let (text, json) = shown(&found());
        assert!(text.contains("second CLIP tokenizer: expected tokenizer_2/tokenizer.json"), "{text}");
        assert_eq!(json["weights"].as_array().map(Vec::len), Some(2));
        assert_eq!(only(found()).expect("one whole model"), first, "a part is no choice");
        made("models--someone--other", "StableDiffusionImg2ImgPipeline");
        let said = only(found()).expect_err("two models").to_string();
        assert!(said.contains("more than one Stable Diffusion model"), "{said}");
    }

    #[test]
    fn a_folder_of_something_else_says_what_it_lacks() {
        let dir = tempfile::tempdir().expect("a directory for the tests");
        let asked = Asked { model: Some(dir.path()), ..Asked::default() };
        let said = open(asked).err().expect("nothing is there").to_string();
        assert!(said.contains("no model: expected model_index.json"), "{said}");
        let (text, json) = list(Some(dir.path()));
        assert!(text.contains("needs weights"), "{text}");
        assert_eq!(json["missing"].as_array().map(Vec::len), Some(5), "{json}");
    }

    #[test]
    fn options_are_the_models_own_but_for_what_was_asked_for() {
        let steps = |n| NonZeroU32::new(n).expect("not zero");
        let own = Options {
            steps: steps(50),
            meaning: Meaning::Diffusers,
            guidance: 7.5,
            negative_prompt: None,
            method: None,
        };
        assert_eq!(chosen(own.clone(), Asked::default()), own);
        let asked = Asked { steps: Some(20), negative_prompt: Some("blur"), ..Asked::default() };
        let negative_prompt = Some("blur".to_owned());
        let expected = Options { steps: steps(20), negative_prompt, ..own.clone() };
        assert_eq!(chosen(own, asked), expected);
    }
}
