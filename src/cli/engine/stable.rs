//! Stable Diffusion from weights that the user has.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::Asked;
use super::models::{Kind, Model, gap, licence, refused};
use super::places;
use crate::cli::args;
use crate::cli::error::Failure;
use crate::cli::term::Terminal;
use crate::generate::Engine;
use crate::generate::diffusion::stable::{
    Method, Options, StableEngine, check, inventory, is_ours, memory, parts_of, unconfigured,
};

const KIND: Kind = Kind {
    name: "stable-diffusion",
    version: "2",
    models: "Stable Diffusion",
    expected: EXPECTED,
    licence: "weights of Stable Diffusion 1, 2 and XL come under Open RAIL licences, which forbid some uses; \
                       those of others, such as Turbo's, under their own",
    published: "stabilityai/stable-diffusion-xl-base-1.0",
    parts: parts_of,
    check,
    look,
    find,
};
const EXPECTED: &str = "a folder of Stable Diffusion 1, 2 or XL as diffusers writes it";

/// The model that was asked for; without that, the only one that is found.
pub fn open(asked: Asked, terminal: &Terminal) -> Result<Box<dyn Engine>, Failure> {
    let dir = KIND.chosen(asked.model, terminal)?;
    let opened = StableEngine::open(&dir, asked.sampler.map(method), places::free_memory());
    let opened = opened.and_then(|engine| match asked.loras {
        [] => Ok(engine),
        loras => engine.with_loras(&loras.iter().map(Into::into).collect::<Vec<_>>()),
    });
    let mut engine = opened.map_err(|error| refused(&error))?;
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
        meaning: asked.meaning.map_or(own.meaning, Into::into),
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

fn look(dir: &Path) -> Model {
    let (parts, is_ours) = (inventory(dir), is_ours(dir));
    let below = |file: PathBuf| file.strip_prefix(dir).map(Path::to_owned).unwrap_or(file);
    let configs = unconfigured(dir)
        .into_iter()
        .map(|file| format!("configuration: expected {}", below(file).display()));
    let missing = parts.iter().filter_map(|part| gap(part.role.name(), &part.state));
    let missing = match is_ours {
        true => configs.chain(missing).collect(),
        // A folder of something else lacks everything; no more than that is said of it.
        false => vec![format!("model_index.json: expected {EXPECTED}")],
    };
    let licence = if is_ours { licence(dir, None) } else { None };
    Model { dir: dir.to_owned(), parts: json!(parts), missing, memory: memory(dir), licence, is_ours }
}

fn find(dir: &Path) -> Option<Model> {
    is_ours(dir).then(|| look(dir))
}

pub fn list(model: Option<&Path>) -> (String, Value) {
    KIND.list(model)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::diffusion::Meaning;

    #[test]
    fn a_model_is_found_by_what_its_index_says_and_not_by_its_name() {
        let home = tempfile::tempdir().expect("a directory for the tests");
        let env = |name: &str| (name == "HOME").then(|| home.path().as_os_str().to_owned());
        let found = || KIND.among(&places::folders(&env));
        let hub = home.path().join(".cache/huggingface/hub");
        let made = |name: &str, class: &str| {
            let dir = hub.join(name).join("snapshots/1");
            for file in [
                "unet/diffusion_pytorch_model.safetensors",
                "vae/diffusion_pytorch_model.safetensors",
                "text_encoder/model.safetensors",
                "tokenizer/tokenizer.json",
                "unet/config.json",
                "vae/config.json",
                "text_encoder/config.json",
                "scheduler/scheduler_config.json",
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
        let said = KIND.only(&found()).expect_err("nothing is there").to_string();
        assert!(said.contains("no whole model was found"), "{said}");
        let first = made("models--someone--plain", "StableDiffusionPipeline");
        assert_eq!(KIND.only(&found()).expect("one model"), first);
        made("models--someone--large", "StableDiffusionXLPipeline");
        let (text, json) = KIND.shown(&found(), None);
        assert!(text.contains("second CLIP tokenizer: expected tokenizer_2/tokenizer.json"), "{text}");
        assert_eq!(json["weights"].as_array().map(Vec::len), Some(2));
        assert_eq!(KIND.only(&found()).expect("one whole model"), first, "a part is no choice");
        let partial = made("models--someone--partial", "StableDiffusionPipeline");
        std::fs::remove_file(partial.join("scheduler/scheduler_config.json")).expect("it is there");
        assert_eq!(KIND.only(&found()).expect("one whole model"), first, "a partial download is no choice");
        made("models--someone--other", "StableDiffusionImg2ImgPipeline");
        let said = KIND.only(&found()).expect_err("two models").to_string();
        assert!(said.contains("more than one Stable Diffusion model"), "{said}");
    }

    #[test]
    fn a_folder_of_something_else_says_what_it_lacks() {
        let dir = tempfile::tempdir().expect("a directory for the tests");
        let asked = Asked { model: Some(dir.path()), ..Asked::default() };
        let said = open(asked, &Terminal::silent()).err().expect("nothing is there").to_string();
        assert!(said.contains("no model: expected model_index.json"), "{said}");
        let (text, json) = list(Some(dir.path()));
        assert!(text.contains("needs weights"), "{text}");
        assert_eq!(json["missing"].as_array().map(Vec::len), Some(1), "{json}");
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
