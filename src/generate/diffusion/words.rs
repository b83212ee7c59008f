//! Tokenizers, from the files that models have them in.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Value, json};
use tokenizers::Tokenizer;

use super::ModelError;
use super::error::first_line;
use super::special::Specials;

const T5_END: &str = "</s>";
const T5_PAD: &str = "<pad>";

/// A tokenizer and the tokens that frame its texts.
pub struct Words {
    tokenizer: Tokenizer,
    start: Option<u32>,
    end: u32,
    /// What a text is filled up with. Nothing after the end of a text is seen by CLIP, which is causal.
    pub pad: u32,
}

impl Words {
    /// From `tokenizer.json`, or from `vocab.json` and `merges.txt`, for an encoder of `limit` tokens.
    pub fn clip(files: &[PathBuf], specials: &Specials, limit: usize) -> Result<Words, ModelError> {
        let (mut tokenizer, file) = match files {
            [vocab, merges] => (from_merges(vocab, merges, specials)?, vocab.as_path()),
            _ => from_json(files)?,
        };
        // Those that the file has already stay as they are there.
        let known: Vec<String> =
            tokenizer.get_added_tokens_decoder().into_values().map(|token| token.content).collect();
        let new = specials.tokens.iter().filter(|token| !known.contains(&token.content)).cloned();
        tokenizer.add_special_tokens(new).map_err(|e| damaged(file, e))?;
        let id = |name: &str| token(&tokenizer, file, name);
        let (start, end, pad) = (Some(id(&specials.start)?), id(&specials.end)?, id(&specials.pad)?);
        Words { tokenizer, start, end, pad }.within(limit, file)
    }

    /// From the words in the same files alone, with these special tokens whatever else the files say, for an encoder of
    /// exactly `count` tokens.
    pub fn clip_words(files: &[PathBuf], specials: &Specials, count: usize) -> Result<Words, ModelError> {
        let (tokenizer, file) = match files {
            [vocab, merges] => (from_merges(vocab, merges, specials)?, vocab.as_path()),
            _ => {
                let (bytes, file) = document(files)?;
                let words: Whole = serde_json::from_slice(&bytes)
                    .map_err(|e| ModelError::Tokenizer { file: file.to_owned(), cause: e.to_string() })?;
                let pairs = words.model.merges.into_iter().filter_map(Merge::pair).collect();
                (assembled(file, words.model.vocab, pairs, specials)?, file)
            }
        };
        let id = |name: &str| token(&tokenizer, file, name);
        let (start, end, pad) = (Some(id(&specials.start)?), id(&specials.end)?, id(&specials.pad)?);
        let words = Words { tokenizer, start, end, pad }.within(count, file)?;
        match words.tokenizer.get_vocab_size(true) {
            found if found == count => Ok(words),
            found => Err(ModelError::Vocabulary { file: file.to_owned(), found, limit: count }),
        }
    }

    /// From `tokenizer.json`, for an encoder of `limit` tokens.
    pub fn t5(files: &[PathBuf], limit: usize) -> Result<Words, ModelError> {
        let (tokenizer, file) = from_json(files)?;
        let (end, pad) = (token(&tokenizer, file, T5_END)?, token(&tokenizer, file, T5_PAD)?);
        Words { tokenizer, start: None, end, pad }.within(limit, file)
    }

    fn within(self, limit: usize, file: &Path) -> Result<Words, ModelError> {
        let largest = self.tokenizer.get_vocab(true).into_values().max().map_or(0, |id| id as usize + 1);
        match largest <= limit {
            true => Ok(self),
            false => Err(ModelError::Vocabulary { file: file.to_owned(), found: largest, limit }),
        }
    }

    /// Tokens of `text` in their frame, at most `limit` of them: what is too long is cut, as diffusers does.
    pub fn ids(&self, text: &str, limit: usize) -> Result<Vec<u32>, ModelError> {
        let failed = |e: tokenizers::Error| ModelError::Prompt { cause: e.to_string() };
        let encoding = self.tokenizer.encode(text, false).map_err(failed)?;
        let room = limit.saturating_sub(1 + usize::from(self.start.is_some()));
        let words = encoding.get_ids().iter().take(room).copied();
        Ok(self.start.into_iter().chain(words).chain([self.end]).collect())
    }
}

fn token(tokenizer: &Tokenizer, file: &Path, token: &str) -> Result<u32, ModelError> {
    let missing = || ModelError::NoToken { file: file.to_owned(), token: token.to_owned() };
    tokenizer.token_to_id(token).ok_or_else(missing)
}

/// `tokenizer.json`, as far as it has the words.
#[derive(Deserialize)]
struct Whole {
    model: Bpe,
}

#[derive(Deserialize)]
struct Bpe {
    vocab: Value,
    merges: Vec<Merge>,
}

/// Two tokens that become one, as newer and as older versions write them.
#[derive(Deserialize)]
#[serde(untagged)]
enum Merge {
    Two([String; 2]),
    Line(String),
}

impl Merge {
    fn pair(self) -> Option<[String; 2]> {
        match self {
            Merge::Two(two) => Some(two),
            Merge::Line(line) => line.split_once(' ').map(|(a, b)| [a, b].map(str::to_owned)),
        }
    }
}

fn document(files: &[PathBuf]) -> Result<(Vec<u8>, &Path), ModelError> {
    let file = files.first().map(PathBuf::as_path).unwrap_or(Path::new("tokenizer.json"));
    Ok((read(file)?, file))
}

fn from_json(files: &[PathBuf]) -> Result<(Tokenizer, &Path), ModelError> {
    let (bytes, file) = document(files)?;
    // None of ours has one, and the library does not live through one that is longer than a merge.
    let document: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    if document["model"]["continuing_subword_prefix"].as_str().is_some_and(|prefix| !prefix.is_empty()) {
        let cause = "it has a continuing_subword_prefix, which no CLIP or T5 has".to_owned();
        return Err(ModelError::Tokenizer { file: file.to_owned(), cause });
    }
    Ok((parse(&bytes, file)?, file))
}

/// CLIP's tokenizer, of which models from before `tokenizer.json` have only the vocabulary and the merges.
fn from_merges(vocab: &Path, merges: &Path, specials: &Specials) -> Result<Tokenizer, ModelError> {
    let words: Value = serde_json::from_slice(&read(vocab)?)
        .map_err(|e| ModelError::Tokenizer { file: vocab.to_owned(), cause: e.to_string() })?;
    let text = String::from_utf8_lossy(&read(merges)?).into_owned();
    let pairs: Vec<[String; 2]> = text
        .lines()
        .filter(|line| !line.starts_with("#version"))
        .filter_map(|line| line.trim_end().split_once(' ').map(|(a, b)| [a, b].map(str::to_owned)))
        .collect();
    assembled(vocab, words, pairs, specials)
}

/// CLIP's tokenizer of these words and merges, from `file`.
fn assembled(
    file: &Path,
    words: Value,
    pairs: Vec<[String; 2]>,
    specials: &Specials,
) -> Result<Tokenizer, ModelError> {
    let mut special = Vec::new();
    for token in &specials.tokens {
        // One without a number here would get one beyond those that the encoder knows.
        let id = words.get(&token.content);
        let missing = || ModelError::NoToken { file: file.to_owned(), token: token.content.clone() };
        special.push(json!({ "id": id.ok_or_else(missing)?, "content": token.content, "special": true,
                             "normalized": token.normalized, "single_word": token.single_word,
                             "lstrip": token.lstrip, "rstrip": token.rstrip }));
    }
    let document = json!({
        "version": "1.0",
        "added_tokens": special,
        "normalizer": { "type": "Sequence", "normalizers": [
            { "type": "NFC" },
            { "type": "Replace", "pattern": { "Regex": "\\s+" }, "content": " " },
            { "type": "Lowercase" },
        ] },
        "pre_tokenizer": { "type": "Sequence", "pretokenizers": [
            { "type": "Split", "behavior": "Removed", "invert": true, "pattern": {
                "Regex": "<\\|startoftext\\|>|<\\|endoftext\\|>|'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+" } },
            { "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true },
        ] },
        "model": { "type": "BPE", "vocab": words, "merges": pairs, "unk_token": specials.unknown,
                   "continuing_subword_prefix": "", "end_of_word_suffix": "</w>", "fuse_unk": false },
    });
    parse(document.to_string().as_bytes(), file)
}

fn parse(bytes: &[u8], file: &Path) -> Result<Tokenizer, ModelError> {
    let mut tokenizer = Tokenizer::from_bytes(bytes).map_err(|e| damaged(file, e))?;
    // A file may carry its own; the frame and the length are ours.
    tokenizer.with_padding(None).with_truncation(None).map_err(|e| damaged(file, e))?;
    Ok(tokenizer)
}

fn damaged(file: &Path, error: tokenizers::Error) -> ModelError {
    ModelError::Tokenizer { file: file.to_owned(), cause: first_line(&error.to_string()) }
}

fn read(file: &Path) -> Result<Vec<u8>, ModelError> {
    std::fs::read(file).map_err(|source| ModelError::Read { file: file.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::super::flux::tiny;
    use super::*;

    #[test]
    fn clip_reads_lower_case_words_in_a_frame_and_cuts_what_is_too_long() {
        let dir = tiny::folder(false);
        let files = ["clip/vocab.json", "clip/merges.txt"].map(|name| dir.path().join(name));
        let words = Words::clip(&files, &Specials::default(), 60).expect("a tokenizer");
        let id = |token: &str| words.tokenizer.token_to_id(token).expect("a token of the vocabulary");
        let (start, end) = (id("<|startoftext|>"), id("<|endoftext|>"));
        let read = words.ids("  A   Virion", 12).expect("a text");
        assert_eq!(read, [start, id("a</w>"), id("virion</w>"), end]);
        let cut = words.ids(&"virion ".repeat(40), 12).expect("a text");
        assert_eq!((cut.len(), cut[0], cut[11]), (12, start, end));
        assert_eq!(words.ids("", 12).expect("a text"), [start, end]);
    }

    #[test]
    fn words_alone_are_the_same_in_every_form_and_whatever_is_said_beside_them() {
        let dir = tiny::folder(false);
        let at = |name: &str| dir.path().join("clip").join(name);
        let vocab: Value =
            serde_json::from_slice(&read(&at("vocab.json")).expect("it is there")).expect("JSON");
        let count = vocab.as_object().map_or(0, serde_json::Map::len);
        let pairs = ["v i", "vi r", "vir i", "viri o", "virio n</w>"];
        let two = pairs.map(|pair| pair.split(' ').collect::<Vec<_>>());
        let special = json!([{ "id": 0, "content": "a", "special": true, "normalized": false }]);
        for (name, merges) in [("old.json", json!(pairs)), ("new.json", json!(two))] {
            let whole = json!({ "added_tokens": special, "model": { "type": "BPE", "vocab": vocab, "merges": merges } });
            std::fs::write(at(name), whole.to_string()).expect("a new file");
        }
        let of = |files: &[&str], count| {
            let files: Vec<PathBuf> = files.iter().map(|name| at(name)).collect();
            Words::clip_words(&files, &Specials::default(), count)
        };
        let ids =
            |files: &[&str]| of(files, count).and_then(|words| words.ids("A virion", 12)).expect("a text");
        let first = ids(&["vocab.json", "merges.txt"]);
        assert_eq!(first.len(), 4);
        assert_eq!((ids(&["old.json"]), ids(&["new.json"])), (first.clone(), first));
        let refused = of(&["new.json"], count + 1).err();
        assert!(matches!(refused, Some(ModelError::Vocabulary { .. })));
    }

    /// As transformers does it of a file that names "!" its padding: the sign is no longer the end of a word.
    #[test]
    fn a_sign_that_pads_is_special_in_a_prompt_too() {
        let dir = tempfile::tempdir().expect("a directory for the tests");
        let at = |name: &str| dir.path().join(name);
        let vocab = r#"{"!": 0, "a": 1, "a</w>": 2, "!</w>": 3, "<|startoftext|>": 4, "<|endoftext|>": 5}"#;
        std::fs::write(at("vocab.json"), vocab).expect("a new file");
        std::fs::write(at("merges.txt"), "#version: 0.2\n").expect("a new file");
        let files = [at("vocab.json"), at("merges.txt")];
        let ids = |text: &str| {
            let specials = Specials::read(dir.path()).expect("sound files");
            let words = Words::clip(&files, &specials, 6).expect("a tokenizer");
            (words.ids(text, 9).expect("a text"), words.pad)
        };
        assert_eq!(ids("a!"), (vec![4, 2, 3, 5], 5));
        std::fs::write(at("tokenizer_config.json"), r#"{"pad_token": "!"}"#).expect("a new file");
        assert_eq!(ids("a!"), (vec![4, 2, 0, 5], 0));
        std::fs::write(at("special_tokens_map.json"), r#"{"pad_token": "<|endoftext|>"}"#)
            .expect("a new file");
        assert_eq!(ids("a!"), (vec![4, 2, 3, 5], 5));
    }

    #[test]
    fn a_tokenizer_that_its_library_dies_of_is_refused() {
        let dir = tempfile::tempdir().expect("a directory for the tests");
        let file = dir.path().join("tokenizer.json");
        let model = r#"{"model": {"type": "BPE", "vocab": {"a": 0, "b": 1}, "merges": ["a b"],
                        "continuing_subword_prefix": "@@@"}}"#;
        std::fs::write(&file, model).expect("a new file");
        let refused = Words::t5(&[file], 9).err().expect("a complaint").to_string();
        assert!(refused.contains("continuing_subword_prefix"), "{refused}");
    }

    #[test]
    fn t5_ends_its_text_and_has_no_start() {
        let dir = tiny::folder(false);
        let words = Words::t5(&[dir.path().join("t5/tokenizer.json")], 64).expect("a tokenizer");
        assert_eq!(words.ids("virion", 12).expect("a text"), [4, 1]);
        assert_eq!(words.pad, 0);
    }

    #[test]
    fn a_vocabulary_larger_than_its_encoder_is_refused() {
        let dir = tiny::folder(false);
        let files = [dir.path().join("t5/tokenizer.json")];
        assert!(matches!(Words::t5(&files, 20), Err(ModelError::Vocabulary { limit: 20, .. })));
    }
}
