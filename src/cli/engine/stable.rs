//! Stable Diffusion from weights that the user has.

use std::ffi::OsString;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::models::{Kind, Model, gap, licence, precision, refused};
use super::places;
use super::{Asked, devices};
use crate::cli::args;
use crate::cli::error::Failure;
use crate::cli::term::Terminal;
use crate::generate::Engine;
use crate::generate::diffusion::stable::{
    Hints, Method, Options, PredictionType, StableEngine, check, claims, inventory, is_ours, memory,
    parts_of, survey, unconfigured,
};
use crate::generate::diffusion::{Found, ModelError, State};
use crate::hub::Licence;

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
const EXPECTED: &str = "a folder of Stable Diffusion 1, 2 or XL as diffusers writes it, or one file of safetensors, \
                        as A1111 and ComfyUI have it";

/// The model that was asked for; without that, the only one that is found.
pub fn open(asked: Asked, terminal: &Terminal) -> Result<Box<dyn Engine>, Failure> {
    let processor = devices::open(asked.device)?;
    let dir = KIND.chosen(asked.model, terminal)?;
    let prediction = asked.prediction.map(Into::into);
    let precision = asked.precision.and_then(precision);
    let free = devices::free_memory(&processor);
    let hints = Hints { prediction, precision, processor, ..hints(&places::environment) };
    let method = asked.sampler.map(method);
    let opened = StableEngine::hinted(&dir, method, free, &hints);
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
        // The model was opened with them.
        method: own.method,
        precision: own.precision,
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

impl From<args::Prediction> for PredictionType {
    fn from(prediction: args::Prediction) -> PredictionType {
        match prediction {
            args::Prediction::Epsilon => PredictionType::Epsilon,
            args::Prediction::V => PredictionType::Velocity,
        }
    }
}

fn hints(env: &dyn Fn(&str) -> Option<OsString>) -> Hints {
    Hints { tokenizers: places::tokenizers(env), ..Hints::default() }
}

/// A file that was named, or that is one of a Stable Diffusion.
fn look_at_file(file: &Path, hints: &Hints) -> Model {
    let empty = Model {
        dir: file.to_owned(),
        parts: json!([]),
        missing: Vec::new(),
        memory: None,
        notes: Vec::new(),
        licence: licence(Path::new(""), Some(file)),
        is_ours: true,
    };
    let survey = match survey(file, hints) {
        Ok(survey) => survey,
        Err(error) => return Model { missing: vec![said(file, &error)], ..empty },
    };
    let predicts = match (survey.prediction, survey.is_said) {
        (PredictionType::Velocity, true) => ", predicts v",
        (PredictionType::Velocity, false) => ", taken to predict v; --prediction epsilon for a 2-base",
        (PredictionType::Epsilon, _) => "",
    };
    let named = survey.licence.and_then(|name| Licence::of_card(&json!({ "license": name })));
    let licence = named.or(empty.licence);
    let mut notes = vec![format!("{} in one file{predicts}", survey.family.name())];
    if licence.is_none() {
        notes.push("licence not known: see where the file came from".to_owned());
    }
    let part = |role: &str, state: &State| json!({ "role": role, "state": state });
    let found = |files: &[PathBuf]| State::Found(files.iter().filter_map(|file| Found::at(file)).collect());
    let mut parts = vec![part("checkpoint", &found(&[file.to_owned()]))];
    parts.extend(survey.tokenizer.as_ref().ok().map(|files| part("clip-tokenizer", &found(files))));
    let missing = survey.tokenizer.err().map(|error| said(file, &error)).into_iter().collect();
    Model { parts: json!(parts), missing, memory: Some(survey.memory), notes, licence, ..empty }
}

/// An error without the file that it begins with, which is told already.
fn said(file: &Path, error: &ModelError) -> String {
    let (line, name) = (error.to_string(), format!("{}: ", file.display()));
    line.strip_prefix(&name).unwrap_or(&line).to_owned()
}

fn look(dir: &Path) -> Model {
    if dir.is_file() {
        return look_at_file(dir, &hints(&places::environment));
    }
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
    let (memory, notes) = (memory(dir), Vec::new());
    Model { dir: dir.to_owned(), parts: json!(parts), missing, memory, notes, licence, is_ours }
}

fn find(dir: &Path) -> Option<Model> {
    (is_ours(dir) || claims(dir)).then(|| look(dir))
}

pub fn list(model: Option<&Path>) -> (String, Value) {
    KIND.list(model)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::diffusion::stable::{Family, tiny};
    use crate::generate::diffusion::{Meaning, Precision};
    use crate::progress::Silent;
    use crate::quantity::Seed;

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
    fn checkpoints_of_other_programs_are_found_with_their_family_and_what_they_lack() {
        let home = tempfile::tempdir().expect("a directory for the tests");
        let at = |name: &str| home.path().join(name);
        let env = |name: &str| match name {
            "HOME" => Some(home.path().as_os_str().to_owned()),
            "A1111_PATH" => Some(at("webui").into_os_string()),
            _ => None,
        };
        let comfy = at("ComfyUI/models/checkpoints/sdxl/sd_xl_base_1.0.safetensors");
        let webui = at("webui/models/Stable-diffusion/dream.safetensors");
        tiny::checkpoint(&comfy, Family::Xl);
        tiny::checkpoint(&webui, Family::Second);
        // What is something else is not told of.
        let flux = at("ComfyUI/models/checkpoints/flux1-dev-fp8.safetensors");
        let tensor = r#"{"dtype": "F8_E4M3", "shape": [1], "data_offsets": [0, 1]}"#;
        let header = format!(r#"{{"model.diffusion_model.double_blocks.0.img_attn.qkv.weight": {tensor}}}"#);
        let start = (header.len() as u64).to_le_bytes();
        std::fs::write(flux, [&start[..], header.as_bytes(), &[0]].concat()).expect("a new file");
        std::fs::write(at("webui/models/Stable-diffusion/notes.safetensors"), "no").expect("a new file");

        let models = || -> Vec<Model> {
            let files = places::checkpoints(&env);
            assert_eq!(files.len(), 4);
            files.iter().filter(|file| claims(file)).map(|file| look_at_file(file, &hints(&env))).collect()
        };
        let told = || {
            let (text, json) = KIND.shown(&models(), None);
            let text = anstream::adapter::strip_str(&text).to_string();
            (text.split_whitespace().collect::<Vec<_>>().join(" "), json)
        };
        let (text, json) = told();
        assert_eq!(json["weights"].as_array().map(Vec::len), Some(2), "{text}");
        assert!(
            text.contains("Stable Diffusion XL in one file no CLIP tokenizer: expected vocab.json"),
            "{text}"
        );
        assert!(text.contains("licence openrail++"), "{text}");
        assert_eq!(json["ready"], false);

        tiny::tokenizer(&at("ComfyUI/comfy/sd1_tokenizer"));
        let (text, json) = told();
        assert!(text.contains("taken to predict v; --prediction epsilon for a 2-base"), "{text}");
        assert!(text.contains("licence not known: see where the file came from"), "{text}");
        assert!(json["weights"][0]["memory"].as_u64().is_some_and(|bytes| bytes > 1 << 20), "{json}");
        assert_eq!(json["weights"][1]["parts"].as_array().map(Vec::len), Some(2), "{json}");
        let said = KIND.only(&models()).expect_err("two models").to_string();
        assert!(said.contains("more than one Stable Diffusion model") && said.contains("dream"), "{said}");
        std::fs::remove_file(&webui).expect("it is there");
        assert_eq!(KIND.only(&[look_at_file(&comfy, &hints(&env))]).expect("one model"), comfy);
        // A file that was cut is told of as what it was to be.
        let length = std::fs::metadata(&comfy).expect("it is there").len();
        let cut = std::fs::OpenOptions::new().write(true).open(&comfy);
        cut.and_then(|file| file.set_len(length - 1)).expect("it is cut");
        assert!(claims(&comfy));
        assert!(look_at_file(&comfy, &hints(&env)).missing[0].starts_with("truncated: expected"));
    }

    #[test]
    fn a_file_is_opened_by_name_as_what_it_is_said_to_predict() {
        let dir = tempfile::tempdir().expect("a directory for the tests");
        let file = dir.path().join("model.safetensors");
        let asked = |prediction| Asked { model: Some(&file), prediction, ..Asked::default() };
        let said = open(asked(None), &Terminal::silent()).err().expect("nothing is there").to_string();
        assert!(said.contains("there is no such file"), "{said}");
        tiny::checkpoint(&file, Family::First);
        tiny::tokenizer(&dir.path().join("tokenizer"));
        let (text, json) = list(Some(&file));
        assert!(text.contains("complete") && text.contains("Stable Diffusion 1 in one file"), "{text}");
        assert_eq!(json["ready"], true);
        for (prediction, name) in [(None, "epsilon"), (Some(args::Prediction::V), "v_prediction")] {
            let precision = Some(args::Precision::Bf16);
            let asked = Asked { steps: Some(1), precision, ..asked(prediction) };
            let engine = open(asked, &Terminal::silent()).expect("a whole model");
            let drawn = engine.text2img("a virion", Some((64, 64)), Seed(1), &mut Silent).expect("it draws");
            assert_eq!(drawn.record.prediction, Some(name));
            assert_eq!(drawn.record.precision, Some("bf16"));
        }
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
            precision: Precision::Bf16,
        };
        assert_eq!(chosen(own.clone(), Asked::default()), own);
        let asked = Asked { steps: Some(20), negative_prompt: Some("blur"), ..Asked::default() };
        let negative_prompt = Some("blur".to_owned());
        let expected = Options { steps: steps(20), negative_prompt, ..own.clone() };
        assert_eq!(chosen(own, asked), expected);
    }
}
