//! Which files of a published model an engine reads: those of diffusers' layout, of one variant, and no pickle.

use std::collections::BTreeSet;
use std::path::Path;

use super::layout::{VARIANTS, shard_names};

/// The files of a repository, by their names, and the parts of it that an engine reads, by their folders.
pub struct Published<'a> {
    pub names: BTreeSet<&'a str>,
    pub parts: &'static [&'static str],
}

/// The file that says what a model is.
pub const INDEX: &str = "model_index.json";
/// The file that says under which licence.
pub const CARD: &str = "README.md";

impl Published<'_> {
    /// Small files that say what the model is: they come first.
    pub fn settings(&self) -> Vec<String> {
        let of_parts = self.parts.iter().flat_map(|part| {
            let index = self.stored(part).and_then(Stored::index);
            [format!("{part}/config.json"), format!("{part}/scheduler_config.json")].into_iter().chain(index)
        });
        self.there([INDEX, CARD].map(str::to_owned).into_iter().chain(of_parts))
    }

    /// Tokenizers, and the weights of each part: a whole file or, by the index that `dir` has by now, its shards.
    ///
    /// # Errors
    /// With the part that has no weights that are read.
    pub fn rest(&self, dir: &Path) -> Result<Vec<String>, &'static str> {
        let mut files =
            self.there(self.parts.iter().flat_map(|part| WORDS.map(|file| format!("{part}/{file}"))));
        for part in self.parts.iter().filter(|part| stem(part).is_some()) {
            match self.stored(part).ok_or(*part)? {
                Stored::Whole(file) => files.push(file),
                Stored::Shards(index) => {
                    let shards = shard_names(&dir.join(index)).ok_or(*part)?;
                    files.extend(shards.into_iter().map(|shard| format!("{part}/{shard}")));
                }
            }
        }
        Ok(files)
    }

    /// The most exact variant of a part, as the engine chooses of what lies in a folder.
    fn stored(&self, part: &str) -> Option<Stored> {
        let stem = stem(part)?;
        VARIANTS.iter().find_map(|variant| {
            let whole = format!("{part}/{stem}{variant}.safetensors");
            let index = format!("{part}/{stem}.safetensors.index{variant}.json");
            match (self.names.contains(whole.as_str()), self.names.contains(index.as_str())) {
                (true, _) => Some(Stored::Whole(whole)),
                (false, true) => Some(Stored::Shards(index)),
                _ => None,
            }
        })
    }

    fn there(&self, names: impl Iterator<Item = String>) -> Vec<String> {
        names.filter(|name| self.names.contains(name.as_str())).collect()
    }
}

enum Stored {
    Whole(String),
    /// Of this index.
    Shards(String),
}

impl Stored {
    fn index(self) -> Option<String> {
        match self {
            Stored::Whole(_) => None,
            Stored::Shards(index) => Some(index),
        }
    }
}

/// What the files of a tokenizer are called.
const WORDS: [&str; 5] =
    ["tokenizer.json", "vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json"];

/// What the weights in a part's folder are called; `None` for a part without weights.
fn stem(part: &str) -> Option<&'static str> {
    match part {
        "transformer" | "unet" | "vae" => Some("diffusion_pytorch_model"),
        "text_encoder" | "text_encoder_2" => Some("model"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::diffusion::{flux, stable};

    fn chosen(
        names: &[&str],
        parts: &'static [&'static str],
        dir: &Path,
    ) -> (Vec<String>, Result<Vec<String>, &'static str>) {
        let published = Published { names: names.iter().copied().collect(), parts };
        (published.settings(), published.rest(dir))
    }

    /// As black-forest-labs have it, less some of the tokenizers' files.
    #[test]
    fn of_flux_the_parts_are_fetched_and_not_the_same_in_one_file() {
        let dir = tempfile::tempdir().expect("a directory for the tests");
        for (part, stem, shards) in
            [("transformer", "diffusion_pytorch_model", 3), ("text_encoder_2", "model", 2)]
        {
            let map: serde_json::Map<String, serde_json::Value> = (1..=shards)
                .map(|i| (format!("t{i}"), format!("{stem}-0000{i}-of-0000{shards}.safetensors").into()))
                .collect();
            std::fs::create_dir(dir.path().join(part)).expect("a new folder");
            let index = serde_json::json!({ "weight_map": map });
            std::fs::write(
                dir.path().join(part).join(format!("{stem}.safetensors.index.json")),
                index.to_string(),
            )
            .expect("a new file");
        }
        let names = [
            ".gitattributes",
            "LICENSE.md",
            "README.md",
            "ae.safetensors",
            "dev_grid.jpg",
            "flux1-dev.safetensors",
            "model_index.json",
            "scheduler/scheduler_config.json",
            "text_encoder/config.json",
            "text_encoder/model.safetensors",
            "text_encoder_2/config.json",
            "text_encoder_2/model-00001-of-00002.safetensors",
            "text_encoder_2/model-00002-of-00002.safetensors",
            "text_encoder_2/model.safetensors.index.json",
            "tokenizer/merges.txt",
            "tokenizer/vocab.json",
            "tokenizer_2/spiece.model",
            "tokenizer_2/tokenizer.json",
            "transformer/config.json",
            "transformer/diffusion_pytorch_model-00001-of-00003.safetensors",
            "transformer/diffusion_pytorch_model-00002-of-00003.safetensors",
            "transformer/diffusion_pytorch_model-00003-of-00003.safetensors",
            "transformer/diffusion_pytorch_model.safetensors.index.json",
            "vae/config.json",
            "vae/diffusion_pytorch_model.safetensors",
        ];
        let (settings, rest) = chosen(&names, flux::PARTS, dir.path());
        let rest = rest.expect("all parts are there");
        let left: Vec<&&str> =
            names.iter().filter(|name| !settings.iter().chain(&rest).any(|taken| taken == *name)).collect();
        let unread = [
            ".gitattributes",
            "LICENSE.md",
            "ae.safetensors",
            "dev_grid.jpg",
            "flux1-dev.safetensors",
            "tokenizer_2/spiece.model",
        ];
        assert_eq!(left, unread.iter().collect::<Vec<_>>());
        assert!(settings.iter().all(|name| name.ends_with(".json") || name == CARD), "{settings:?}");
    }

    #[test]
    fn of_variants_one_is_fetched_and_of_copies_none() {
        let names = [
            "unet/config.json",
            "unet/diffusion_pytorch_model.bin",
            "unet/diffusion_pytorch_model.fp16.safetensors",
            "unet/diffusion_pytorch_model.non_ema.safetensors",
            "unet/diffusion_pytorch_model.safetensors",
            "unet/model.onnx",
            "unet/openvino_model.bin",
            "vae/diffusion_flax_model.msgpack",
            "vae/diffusion_pytorch_model.fp16.safetensors",
            "text_encoder/model.safetensors",
            "safety_checker/model.safetensors",
            "text_encoder/pytorch_model.bin",
            "v1-5-pruned.ckpt",
        ];
        let (settings, rest) = chosen(&names, stable::PARTS, Path::new("."));
        assert_eq!(settings, ["unet/config.json"]);
        let expected = [
            "unet/diffusion_pytorch_model.safetensors",
            "vae/diffusion_pytorch_model.fp16.safetensors",
            "text_encoder/model.safetensors",
        ];
        assert_eq!(rest.expect("all parts are there"), expected);
        let pickles = ["unet/diffusion_pytorch_model.bin", "vae/diffusion_pytorch_model.safetensors"];
        assert_eq!(chosen(&pickles, stable::PARTS, Path::new(".")).1, Err("unet"));
    }

    #[test]
    fn an_index_whose_names_lead_elsewhere_is_no_index() {
        let dir = tempfile::tempdir().expect("a directory for the tests");
        std::fs::create_dir(dir.path().join("unet")).expect("a new folder");
        let index = "unet/diffusion_pytorch_model.safetensors.index.json";
        for name in ["../../evil.safetensors", "/evil", ""] {
            let text = serde_json::json!({ "weight_map": { "t": name } }).to_string();
            std::fs::write(dir.path().join(index), text).expect("a new file");
            assert_eq!(chosen(&[index], stable::PARTS, dir.path()).1, Err("unet"), "{name}");
        }
    }
}
