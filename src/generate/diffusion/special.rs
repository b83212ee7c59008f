//! What the files beside a CLIP tokenizer say of it: which tokens are special, and how long a text may be.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use tokenizers::AddedToken;

use super::ModelError;
use super::config::parse;

const START: &str = "<|startoftext|>";
const END: &str = "<|endoftext|>";

/// Special tokens, as transformers reads them: found in a prompt before anything else is.
pub struct Specials {
    pub tokens: Vec<AddedToken>,
    pub start: String,
    pub end: String,
    pub pad: String,
    pub unknown: String,
    /// Tokens of a text with its frame, at most.
    pub longest: Option<usize>,
}

impl Default for Specials {
    /// Those of a tokenizer that nothing is said of.
    fn default() -> Self {
        Specials::of(&Map::new())
    }
}

impl Specials {
    /// The files of a folder that this reads, where they are there.
    pub fn files(folder: &Path) -> Vec<PathBuf> {
        let files = ["tokenizer_config.json", "special_tokens_map.json"].map(|name| folder.join(name));
        files.into_iter().filter(|file| file.is_file()).collect()
    }

    /// From `tokenizer_config.json`; where that does not describe its tokens, `special_tokens_map.json` goes before it.
    pub fn read(folder: &Path) -> Result<Specials, ModelError> {
        let mut settings = Map::new();
        for file in Specials::files(folder) {
            // In this order, so that the map comes second.
            if !settings.contains_key(DESCRIBED) {
                settings.extend(parse::<Map<String, Value>>(&file)?);
            }
        }
        Ok(Specials::of(&settings))
    }

    /// From what `tokenizer_config.json` would say.
    pub fn of(settings: &Map<String, Value>) -> Specials {
        let described = settings.get(DESCRIBED).and_then(Value::as_object);
        let mut tokens: Vec<AddedToken> =
            described.into_iter().flat_map(Map::values).filter_map(described_token).collect();
        let mut named = |name: &str, default: &str| {
            let token = match settings.get(name) {
                Some(Value::String(content)) => AddedToken::from(content.clone(), true),
                Some(value) => described_token(value).unwrap_or_else(|| AddedToken::from(default, true)),
                None => AddedToken::from(default, true),
            };
            let content = token.content.clone();
            match tokens.iter_mut().find(|known| known.content == content) {
                Some(known) if described.is_none() => *known = token,
                Some(_) => {}
                None => tokens.push(token),
            }
            content
        };
        // In this order: where two names have one token, the last says how it is found.
        let (start, end) = (named("bos_token", START), named("eos_token", END));
        let (unknown, pad) = (named("unk_token", END), named("pad_token", END));
        let longest = settings.get("model_max_length").and_then(Value::as_u64);
        let longest = longest.and_then(|n| usize::try_from(n).ok());
        Specials { tokens, start, end, pad, unknown, longest }
    }
}

/// The key of tokens with their numbers.
const DESCRIBED: &str = "added_tokens_decoder";

fn described_token(value: &Value) -> Option<AddedToken> {
    let content = value.get("content")?.as_str()?;
    let is = |flag: &str| value.get(flag).and_then(Value::as_bool).unwrap_or(false);
    let token = AddedToken::from(content, true);
    Some(
        token
            .normalized(is("normalized"))
            .lstrip(is("lstrip"))
            .rstrip(is("rstrip"))
            .single_word(is("single_word")),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(settings: Value) -> Specials {
        Specials::of(settings.as_object().expect("an object"))
    }

    #[test]
    fn nothing_said_is_the_frame_alone() {
        let plain = Specials::default();
        let contents: Vec<&str> = plain.tokens.iter().map(|token| token.content.as_str()).collect();
        assert_eq!(contents, [START, END]);
        assert_eq!((plain.pad.as_str(), plain.longest), (END, None));
    }

    #[test]
    fn tokens_are_read_by_name_or_as_they_are_described() {
        let normal = json!({ "content": END, "normalized": true });
        let first = of(json!({ "eos_token": normal, "unk_token": normal, "pad_token": "!",
                               "model_max_length": 77 }));
        assert_eq!((first.pad.as_str(), first.longest), ("!", Some(77)));
        let flags: Vec<_> = first.tokens.iter().map(|t| (t.content.as_str(), t.normalized)).collect();
        assert_eq!(flags, [(START, false), (END, true), ("!", false)]);
        let padded = of(json!({ "eos_token": normal, "unk_token": normal, "pad_token": END }));
        assert!(!padded.tokens[1].normalized, "as its padding is");
        let second = of(json!({ "added_tokens_decoder": { "1": normal }, "eos_token": END,
                                "model_max_length": 1e30 }));
        assert!(second.tokens[0].normalized && second.longest.is_none());
    }
}
