//! Models of FLUX.1 Redux, which see the reference for `--image-weight`, from weights that the user has.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::models::{Model, gap, laid, licence};
use super::places;
use crate::cli::error::Failure;
use crate::cli::term::{GOOD, WARN, paint};
use crate::generate::diffusion::State;
use crate::generate::diffusion::flux::{has_redux, redux_inventory, redux_memory};

const EXPECTED: &str = "black-forest-labs/FLUX.1-Redux-dev, or flux1-redux-dev.safetensors and a SigLIP";
const LICENCE: &str = "FLUX.1-Redux-dev may not be used commercially, marketing included";

/// The folder of a Redux model: the one that was named; else that of the `model`, or the only one that is found.
pub fn chosen(named: Option<&Path>, model: &Path) -> Result<PathBuf, Failure> {
    among(named, model, &places::folders(&places::environment))
}

fn among(named: Option<&Path>, model: &Path, folders: &[PathBuf]) -> Result<PathBuf, Failure> {
    if let Some(named) = named {
        return Ok(named.to_owned());
    }
    if has_redux(model) {
        return Ok(model.to_owned());
    }
    let found: Vec<&PathBuf> = folders.iter().filter(|dir| has_redux(dir)).collect();
    match found[..] {
        [one] => Ok(one.clone()),
        [] => Err(Failure::new("--image-weight needs a Redux model, and none was found")
            .advise(format_args!("name its folder with --redux: {EXPECTED}"))),
        _ => {
            let dirs: Vec<String> = found.iter().map(|dir| dir.display().to_string()).collect();
            Err(Failure::new(format_args!("more than one Redux model was found: {}", dirs.join(", ")))
                .advise("choose one with --redux"))
        }
    }
}

/// What there is, as text and as JSON: in the folder that was `asked` for, or, as when one is drawn with, where people
/// have models.
pub fn list(asked: Option<&Path>) -> (String, Value) {
    let models = match asked.and_then(find) {
        Some(model) => vec![model],
        None => found(&places::folders(&places::environment)),
    };
    shown(&models, places::free_memory())
}

fn found(folders: &[PathBuf]) -> Vec<Model> {
    folders.iter().filter_map(|dir| find(dir)).collect()
}

/// More than a folder of other models: one with an embedder. A SigLIP alone may be there for something else.
fn find(dir: &Path) -> Option<Model> {
    let parts = redux_inventory(dir);
    let embedder = match &parts[0].state {
        State::Missing { .. } => return None,
        State::Found(files) => files.first().map(|file| file.path.as_path()),
        _ => None,
    };
    let missing: Vec<String> = parts.iter().filter_map(|part| gap(part.role.name(), &part.state)).collect();
    // Headers are read for it: what is damaged shows here.
    let memory = if missing.is_empty() { Some(redux_memory(dir)) } else { None };
    let (memory, damage) = match memory.transpose() {
        Ok(memory) => (memory, None),
        Err(error) => (None, Some(error.to_string())),
    };
    Some(Model {
        dir: dir.to_owned(),
        licence: licence(dir, embedder),
        parts: json!(parts),
        missing: missing.into_iter().chain(damage).collect(),
        memory,
        notes: Vec::new(),
        // Nothing fetches one.
        is_ours: false,
    })
}

fn shown(models: &[Model], free: Option<u64>) -> (String, Value) {
    let whole = models.iter().filter(|model| model.is_whole()).count();
    let (state, style) = if whole > 0 { ("ready", GOOD) } else { ("needs weights", WARN) };
    let mut lines =
        vec![format!("  Redux {}: sees the reference for --image-weight; {LICENCE}", paint(style, state))];
    lines.extend(models.iter().flat_map(|model| model.told(free, 4)));
    match whole {
        0 => lines.push(format!("    name its folder with --redux: {EXPECTED}")),
        1 => {}
        _ => lines.push("    choose one with --redux".to_owned()),
    }
    let missing = match models {
        [] => vec![format!("expected {EXPECTED}")],
        _ if whole > 0 => Vec::new(),
        [first, ..] => first.missing.clone(),
    };
    let entry = json!({
        "ready": whole > 0,
        "weights": models.iter().map(Model::json).collect::<Vec<_>>(),
        "missing": missing,
        "licence": LICENCE,
    });
    (laid(&lines), entry)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::diffusion::flux::tiny;

    /// A file of safetensors without tensors.
    const NOTHING: &[u8] = b"\x02\0\0\0\0\0\0\0{}";

    #[test]
    fn a_redux_model_is_the_one_that_was_named_or_the_only_one() {
        let home = tempfile::tempdir().expect("a directory for the tests");
        let made = |name: &str| {
            let dir = home.path().join(name);
            for file in
                ["style_models/flux1-redux-dev.safetensors", "clip_vision/sigclip_vision_384.safetensors"]
            {
                let file = dir.join(file);
                std::fs::create_dir_all(file.parent().expect("a folder")).expect("a new folder");
                std::fs::write(file, NOTHING).expect("a new file");
            }
            dir
        };
        let nothing = home.path().join("nothing");
        let only = |named: Option<&Path>, folders: &[PathBuf]| among(named, &nothing, folders);
        let said = only(None, std::slice::from_ref(&nothing)).expect_err("there is none").to_string();
        assert!(said.contains("none was found") && said.contains("--redux"), "{said}");
        let (first, second) = (made("first"), made("second"));
        assert_eq!(only(None, &[nothing.clone(), first.clone()]).expect("one"), first);
        let said = only(None, &[first.clone(), second.clone()]).expect_err("two").to_string();
        assert!(said.contains("more than one Redux model") && said.contains("second"), "{said}");
        assert_eq!(only(Some(&second), std::slice::from_ref(&first)).expect("it was named"), second);
        assert_eq!(among(None, &second, &[first]).expect("the model's own folder"), second);
    }

    #[test]
    fn a_redux_model_is_told_of_with_what_it_lacks_its_memory_and_its_licence() {
        let home = tempfile::tempdir().expect("a directory for the tests");
        let env = |name: &str| (name == "HOME").then(|| home.path().as_os_str().to_owned());
        let told = || {
            let (text, json) = shown(&found(&places::folders(&env)), Some(1 << 20));
            let text = anstream::adapter::strip_str(&text).to_string();
            let long = |line: &&str| line.chars().count() > 80 && !line.contains('/');
            assert_eq!(text.lines().find(long), None);
            (text.split_whitespace().collect::<Vec<_>>().join(" "), json)
        };
        let (text, json) = told();
        assert!(text.starts_with("Redux needs weights: sees the reference for --image-weight"), "{text}");
        assert!(text.ends_with(&format!("name its folder with --redux: {EXPECTED}")), "{text}");
        assert_eq!(
            (json["ready"].as_bool(), json["weights"].as_array().map(Vec::len)),
            (Some(false), Some(0))
        );

        // A SigLIP may be there for something else.
        let (made, comfy) = (tiny::redux(), home.path().join("ComfyUI/models"));
        let place = |file: &str, folder: &str| {
            std::fs::create_dir_all(comfy.join(folder)).expect("a new folder");
            std::fs::copy(made.path().join(file), comfy.join(folder).join(file)).expect("a copy")
        };
        place("siglip.safetensors", "clip_vision");
        assert_eq!(told().1["weights"].as_array().map(Vec::len), Some(0));
        place("flux1-redux-dev.safetensors", "style_models");
        let (text, json) = told();
        assert!(text.starts_with("Redux ready"), "{text}");
        let licence = "licence flux-1-dev-non-commercial-license: not for commercial use, marketing included";
        assert!(text.contains("complete") && text.contains(licence), "{text}");
        assert!(text.contains("GiB of memory, and 0.0 GiB are free"), "{text}");
        let model = &json["weights"][0];
        assert_eq!(model["folder"], comfy.to_string_lossy().as_ref());
        assert_eq!(model["parts"][0]["role"], "embedder");
        assert_eq!(model["parts"][1]["role"], "image-encoder");
        // All that both files hold, which is in 32 bits, and the largest matrix of the tower, 80×72, once more while it
        // is read.
        let held = ["siglip.safetensors", "flux1-redux-dev.safetensors"].map(|file| {
            let bytes = std::fs::read(made.path().join(file)).expect("a file of the model");
            let header = bytes[..8].try_into().map(u64::from_le_bytes).expect("eight bytes");
            bytes.len() as u64 - 8 - header
        });
        assert_eq!(model["memory"], held[0] + held[1] + 4 * 80 * 72);
        assert_eq!((model["non_commercial"].as_bool(), json["ready"].as_bool()), (Some(true), Some(true)));

        // One of the hub's cache that was fetched by half, and one that was cut.
        let hub = home.path().join(".cache/huggingface/hub");
        let half = hub.join("models--black-forest-labs--FLUX.1-Redux-dev/snapshots/1/image_embedder");
        std::fs::create_dir_all(&half).expect("a new folder");
        let file = half.join("diffusion_pytorch_model.safetensors");
        std::fs::copy(made.path().join("flux1-redux-dev.safetensors"), file).expect("a copy");
        let (text, json) = told();
        assert!(text.contains("incomplete black-forest-labs/FLUX.1-Redux-dev in "), "{text}");
        assert!(text.contains("SigLIP image encoder: expected image_encoder/model.safetensors"), "{text}");
        assert!(!text.contains("fetched by"), "{text}");
        assert_eq!(json["ready"], true);
        std::fs::write(comfy.join("clip_vision/siglip.safetensors"), "broken").expect("a new file");
        let (text, json) = told();
        assert!(text.contains("siglip.safetensors: truncated"), "{text}");
        assert_eq!(json["ready"], false);
        assert_ne!(json["missing"][0], Value::Null);
    }

    #[test]
    fn a_redux_model_beside_the_transformer_is_no_second_one() {
        let dir = tiny::folder(true);
        let embedder = "flux1-redux-dev.safetensors";
        std::fs::copy(tiny::redux().path().join(embedder), dir.path().join(embedder)).expect("a copy");
        let (_, entry) = super::super::flux::list(Some(dir.path()));
        assert_eq!((&entry["ready"], &entry["redux"]["ready"]), (&json!(true), &json!(false)), "{entry}");
    }
}
