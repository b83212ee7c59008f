//! The tokenizer of a checkpoint, which has none of its own: CLIP's vocabulary is one and the same for all of them, so
//! it may be another model's. Which tokens are special is the family's, whatever stands beside the words.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::super::super::ModelError;
use super::super::super::special::Specials;
use super::super::super::words::Words;
use super::super::parts;

/// A tokenizer, and where it was found.
pub(in super::super) struct Tokenizer {
    pub words: Words,
    pub specials: Specials,
    pub files: Vec<PathBuf>,
}

/// Folders above a file that are looked at for being a program's `models`.
const HEIGHT: usize = 5;

/// The first that has as many tokens as the encoder: beside `file`, around it as ComfyUI has it, or in one of the
/// folders `elsewhere`. Texts are filled up with `pad`.
///
/// # Errors
/// When there is none, or with what is wrong with the first that is there.
pub(in super::super) fn tokenizer(
    file: &Path,
    elsewhere: &[PathBuf],
    pad: &str,
    vocabulary: usize,
) -> Result<Tokenizer, ModelError> {
    let mut wrong = None;
    for folder in near(file).iter().chain(elsewhere) {
        let Some(found) = parts::words(folder) else { continue };
        let files: Vec<PathBuf> = found.into_iter().map(|found| found.path).collect();
        let specials = specials(pad);
        let words = Words::clip_words(&files, &specials, vocabulary);
        match words {
            Ok(words) => return Ok(Tokenizer { words, specials, files }),
            Err(error) => wrong = wrong.or(Some(error)),
        }
    }
    let expected = "vocab.json and merges.txt, as openai/clip-vit-large-patch14 on the hub has them, in a folder \
                    tokenizer beside the file";
    let none = || ModelError::Missing { dir: file.to_owned(), part: "CLIP tokenizer", expected };
    Err(wrong.unwrap_or_else(none))
}

/// Folders beside a file, and those of the program whose `models` it lies in.
fn near(file: &Path) -> Vec<PathBuf> {
    let beside = file.parent().into_iter().flat_map(|dir| [dir.join("tokenizer"), dir.to_owned()]);
    let models =
        file.ancestors().skip(1).take(HEIGHT).filter(|dir| dir.file_name().is_some_and(|n| n == "models"));
    let around = models.flat_map(|models| {
        let own = ["clip", "text_encoders", "tokenizer"].map(|name| models.join(name));
        own.into_iter().chain(models.parent().map(|program| program.join("comfy/sd1_tokenizer")))
    });
    beside.chain(around).collect()
}

/// As the repositories of the families say it; only what fills up differs.
fn specials(pad: &str) -> Specials {
    let [start, end] =
        ["<|startoftext|>", END].map(|content| json!({ "content": content, "normalized": true }));
    let settings = json!({
        "bos_token": start, "eos_token": end, "unk_token": end, "pad_token": pad, "model_max_length": 77,
    });
    let settings = if let Value::Object(settings) = settings { settings } else { Default::default() };
    Specials::of(&settings)
}

/// What CLIP fills texts up with, and what open_clip does: its token 0.
pub(super) const END: &str = "<|endoftext|>";
pub(super) const ZERO: &str = "!";
