//! FLUX.1 from weights that the user has.

use std::num::NonZeroU32;
use std::path::Path;

use serde_json::{Value, json};

use super::models::{Kind, Model, gap, licence, precision, refused};
use super::{Asked, devices, redux};
use crate::cli::error::Failure;
use crate::cli::term::Terminal;
use crate::generate::Engine;
use crate::generate::diffusion::State;
use crate::generate::diffusion::flux::{FluxEngine, Options, PARTS, check, inventory, is_ours, memory};

const KIND: Kind = Kind {
    name: "flux",
    version: "2",
    models: "FLUX.1",
    expected: "a folder as diffusers writes it, or flux1-*, ae, clip_l and t5xxl as safetensors \
     (flux1-* and t5-* also as GGUF) and two tokenizers",
    licence: "FLUX.1-dev may not be used commercially, marketing included; FLUX.1-schnell may",
    published: "black-forest-labs/FLUX.1-schnell",
    parts: |dir| is_ours(dir).then_some(PARTS),
    check,
    look,
    find,
};

/// The model that was asked for; without that, the only one that is found.
pub fn open(asked: Asked, terminal: &Terminal) -> Result<Box<dyn Engine>, Failure> {
    let processor = devices::open(asked.device)?;
    let dir = KIND.chosen(asked.model, terminal)?;
    let precision = asked.precision.and_then(precision);
    let free = devices::free_memory(&processor);
    let redux =
        asked.image_weight.map(|(weight, named)| Ok((redux::chosen(named, &dir)?, weight))).transpose()?;
    let opened = FluxEngine::open_on(&dir, processor, precision, free).and_then(|engine| match &redux {
        Some((dir, weight)) => engine.with_redux(dir, *weight),
        None => Ok(engine),
    });
    let opened = opened.and_then(|engine| match asked.loras {
        [] => Ok(engine),
        loras => engine.with_loras(&loras.iter().map(Into::into).collect::<Vec<_>>()),
    });
    let mut engine = opened.map_err(|error| refused(&error))?;
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
        meaning: asked.meaning.map_or(own.meaning, Into::into),
        ..own
    }
}

fn look(dir: &Path) -> Model {
    let parts = inventory(dir);
    let lacking = parts.iter().filter_map(|part| gap(part.role.name(), &part.state));
    let missing: Vec<String> = match is_ours(dir) {
        true => lacking.collect(),
        false => vec!["model_index.json: expected a FLUX.1 pipeline, found another".to_owned()],
    };
    // Headers are read for it: what is damaged shows here.
    let memory = if missing.is_empty() { Some(memory(dir)) } else { None };
    let (memory, damage) = match memory.transpose() {
        Ok(memory) => (memory, None),
        Err(error) => (None, Some(error.to_string())),
    };
    let transformer = match &parts[0].state {
        State::Found(files) => files.first().map(|file| file.path.as_path()),
        _ => None,
    };
    let is_ours = is_ours(dir);
    let licence = if is_ours { licence(dir, transformer) } else { None };
    let missing = missing.into_iter().chain(damage).collect();
    let notes = Vec::new();
    Model { dir: dir.to_owned(), parts: json!(parts), missing, memory, notes, licence, is_ours }
}

/// More than a folder of other models: one with a transformer.
fn find(dir: &Path) -> Option<Model> {
    let ours = is_ours(dir) && !matches!(inventory(dir)[0].state, State::Missing { .. });
    ours.then(|| look(dir))
}

pub fn list(model: Option<&Path>) -> (String, Value) {
    let (text, mut entry) = KIND.list(model);
    let (redux_text, redux_entry) = redux::list(model);
    entry["redux"] = redux_entry;
    (format!("{text}\n{redux_text}"), entry)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args;
    use crate::cli::engine::places;
    use crate::generate::Request;
    use crate::generate::diffusion::flux::tiny;
    use crate::generate::diffusion::{Meaning, Precision};
    use crate::progress::Silent;
    use crate::quantity::{Seed, Strength};
    use crate::raster::{Depth, Plane, Raster};

    /// A file of safetensors without tensors.
    const NOTHING: &[u8] = b"\x02\0\0\0\0\0\0\0{}";

    /// Such files under the names that a search looks for.
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
            std::fs::write(file, NOTHING).expect("a new file");
        }
    }

    #[test]
    fn a_model_is_found_where_people_have_it_and_several_are_not_chosen_from() {
        let home = tempfile::tempdir().expect("a directory for the tests");
        let env = |name: &str| (name == "HOME").then(|| home.path().as_os_str().to_owned());
        let found = || KIND.among(&places::folders(&env));
        assert!(found().is_empty());
        let said = KIND.only(&found()).expect_err("nothing is there").to_string();
        assert!(said.contains("no whole model was found"), "{said}");

        let tree = home.path().join("ComfyUI/models");
        comfy(&tree, "flux1-schnell");
        assert_eq!(KIND.only(&found()).expect("one model"), tree);
        assert!(KIND.shown(&found(), None).0.contains("ready"));

        let hub = home.path().join(".cache/huggingface/hub");
        let snapshot = hub.join("models--black-forest-labs--FLUX.1-dev/snapshots/0123");
        std::fs::create_dir_all(snapshot.join("transformer")).expect("a new folder");
        let index = r#"{"_class_name": "FluxPipeline"}"#;
        std::fs::write(snapshot.join("model_index.json"), index).expect("a new file");
        let file = snapshot.join("transformer/diffusion_pytorch_model.safetensors");
        std::fs::write(file, "").expect("a new file");
        // A part alone is shown, but is no choice.
        assert_eq!(KIND.only(&found()).expect("one whole model"), tree);
        let (text, json) = KIND.shown(&found(), None);
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
        assert_eq!(found().len(), 2);

        comfy(&hub.join("models--someone--flux-dev/snapshots/0124"), "flux1-dev");
        let said = KIND.only(&found()).expect_err("two models").to_string();
        assert!(said.contains("more than one FLUX.1 model") && said.contains("0124"), "{said}");
    }

    #[test]
    fn a_transformer_among_checkpoints_is_found_where_there_is_no_other() {
        let home = tempfile::tempdir().expect("a directory for the tests");
        comfy(home.path(), "flux1-dev");
        let at = |folder: &str| home.path().join(folder).join("flux1-dev.safetensors");
        std::fs::create_dir(home.path().join("checkpoints")).expect("a new folder");
        std::fs::copy(at("diffusion_models"), at("checkpoints")).expect("it is there");
        assert!(find(home.path()).is_some_and(|model| model.is_whole()), "the one of its own goes before");
        std::fs::remove_file(at("diffusion_models")).expect("it is there");
        let parts = inventory(home.path());
        let State::Found(files) = &parts[0].state else { panic!("it is found") };
        assert_eq!(files[0].path, at("checkpoints"));
        assert!(find(home.path()).is_some_and(|model| model.is_whole()));
    }

    #[test]
    fn options_are_the_models_own_but_for_what_was_asked_for() {
        let steps = NonZeroU32::new(28).expect("not zero");
        let own = Options {
            steps,
            meaning: Meaning::Diffusers,
            guidance: 3.5,
            text_tokens: 512,
            precision: Precision::F32,
        };
        assert_eq!(chosen(own, Asked::default()), own);
        let meaning = Some(args::Meaning::ComfyUi);
        let asked = Asked { steps: Some(20), guidance: Some(2.0), meaning, ..Asked::default() };
        let steps = NonZeroU32::new(20).expect("not zero");
        assert_eq!(chosen(own, asked), Options { steps, meaning: Meaning::ComfyUi, guidance: 2.0, ..own });
    }

    #[test]
    fn a_model_is_told_of_the_reference_what_was_asked_for() {
        let (dir, redux) = (tiny::folder(true), tiny::redux());
        let drawn = |image_weight| {
            let asked = Asked { model: Some(dir.path()), steps: Some(2), image_weight, ..Asked::default() };
            let engine = open(asked, &Terminal::silent()).expect("a whole model");
            let plane = Plane::from_fn(64, 64, |x, y| ((x / 8 + y / 8) % 2) as f32);
            let reference = Raster::from_planes(&[plane], Depth::Eight);
            let request = Request::new(Strength::ONE, Seed(1));
            engine.generate(&reference, &request, &mut Silent).expect("it draws")
        };
        let [without, little, much] =
            [None, Some(0.1), Some(3.0)].map(|w| drawn(w.map(|weight| (weight, Some(redux.path())))));
        assert_eq!(without.record.image_weight, None);
        assert_eq!(much.record.image_weight, Some(3.0));
        let models = [&without, &much].map(|draft| draft.record.engine.model_digest);
        assert_ne!(models[0], models[1]);
        assert!(without.raster != little.raster && little.raster != much.raster);
    }

    #[test]
    fn a_model_is_computed_with_what_was_asked_for_and_where() {
        let dir = tiny::folder(true);
        let drawn = |precision, device| {
            let (model, steps) = (Some(dir.path()), Some(1));
            let asked = Asked { model, steps, precision: Some(precision), device, ..Asked::default() };
            let engine = open(asked, &Terminal::silent()).expect("a whole model");
            engine.text2img("a virion", Some((64, 64)), Seed(1), &mut Silent).expect("it draws").record
        };
        // Its weights are stored in 32 bits.
        for (asked, precision) in
            [(args::Precision::Auto, "f32"), (args::Precision::Bf16, "bf16"), (args::Precision::F32, "f32")]
        {
            let record = drawn(asked, Some(args::Device::Cpu));
            assert_eq!((record.precision, record.device), (Some(precision), Some("cpu")));
        }
    }

    #[test]
    fn a_model_is_told_of_with_its_memory_and_its_licence_within_80_columns() {
        let home = tempfile::tempdir().expect("a directory for the tests");
        let env = |name: &str| (name == "HOME").then(|| home.path().as_os_str().to_owned());
        let told = |free| {
            let (text, json) = KIND.shown(&KIND.among(&places::folders(&env)), free);
            (anstream::adapter::strip_str(&text).to_string(), json)
        };
        let flat = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let (text, _) = told(None);
        assert!(flat(&text).contains("an id of the hub: black-forest-labs/FLUX.1-schnell"), "{text}");
        let hub = home.path().join(".cache/huggingface/hub");
        let dir = hub.join("models--black-forest-labs--FLUX.1-dev/snapshots/0123");
        comfy(&dir, "flux1-dev");
        let (text, json) = told(Some(1 << 20));
        assert!(text.contains("  complete black-forest-labs/FLUX.1-dev\n"), "{text}");
        assert!(text.contains("needs 0.0 GiB of memory, but 0.0 GiB are free"), "{text}");
        let expected =
            "licence flux-1-dev-non-commercial-license: not for commercial use, marketing included";
        assert!(flat(&text).contains(expected), "{text}");
        let model = &json["weights"][0];
        assert_eq!(model["id"], "black-forest-labs/FLUX.1-dev");
        assert_eq!(
            (model["non_commercial"].as_bool(), json["free_memory"].as_u64()),
            (Some(true), Some(1 << 20))
        );
        // The card goes before the name.
        std::fs::write(dir.join("README.md"), "---\nlicense: mit\n---\n").expect("a new file");
        assert!(told(None).0.contains("licence mit"));
        // What is broken is no whole model.
        std::fs::write(dir.join("vae/ae.safetensors"), "broken").expect("a new file");
        let (text, json) = told(None);
        assert!(text.contains("incomplete") && flat(&text).contains("ae.safetensors: truncated"), "{text}");
        assert!(text.contains("fetched by --model black-forest-labs/FLUX.1-dev\n"), "{text}");
        assert_eq!(json["ready"], false);
        let long = |line: &&str| line.chars().count() > 80 && !line.contains('/');
        assert_eq!(text.lines().find(long), None);
    }

    #[test]
    fn a_folder_of_another_model_is_no_incomplete_one_of_this() {
        let dir = tempfile::tempdir().expect("a directory for the tests");
        std::fs::write(dir.path().join("model_index.json"), r#"{"_class_name": "StableDiffusionPipeline"}"#)
            .expect("a new file");
        let (_, json) = list(Some(dir.path()));
        assert_eq!(json["missing"].as_array().map(Vec::len), Some(1), "{json}");
    }

    #[test]
    fn a_folder_without_a_model_says_what_it_lacks() {
        let dir = tempfile::tempdir().expect("a directory for the tests");
        let said = open(Asked { model: Some(dir.path()), ..Asked::default() }, &Terminal::silent())
            .err()
            .expect("nothing is there");
        assert!(said.to_string().contains("no transformer: expected flux1-*.safetensors"), "{said}");
        let (text, json) = list(Some(dir.path()));
        assert!(text.contains("needs weights"), "{text}");
        assert_eq!(json["missing"].as_array().map(Vec::len), Some(6), "{json}");
    }
}
