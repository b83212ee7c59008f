//! What generators leave in text chunks, comments and EXIF, each in its own words.
//!
//! Texts come bounded from `container`; JSON is read to a depth of 128 (serde_json's own limit), and graphs are followed
//! for so many steps.

mod comfyui;
mod fields;
mod infotext;
mod invokeai;
pub(super) mod midjourney;
mod novelai;
mod swarm;

use serde_json::Value;

use super::{Claim, Parameters, shorten};

/// Longest statement that is passed on, in characters.
const STATEMENT: usize = 300;
/// Longest prompt.
const PROMPT: usize = 2000;

/// Names that generators sign with in `Software` and comments.
const GENERATORS: [&str; 10] = [
    "NovelAI",
    "Stable Diffusion",
    "InvokeAI",
    "ComfyUI",
    "Midjourney",
    "DALL-E",
    "DALL·E",
    "Adobe Firefly",
    "Fooocus",
    "Draw Things",
];

/// What one text says: the tool, a sentence, and how the picture was made.
struct Said {
    tool: String,
    statement: String,
    parameters: Parameters,
}

impl Said {
    fn new(tool: &str, statement: String, parameters: Parameters) -> Self {
        Said { tool: tool.to_owned(), statement, parameters }
    }
}

/// What the text under `key` (as `container::texts` names it) claims.
pub(super) fn claim(key: &str, value: &str) -> Option<Claim> {
    let name = key.split_once(':').map_or(key, |(_, name)| name);
    let said = match name {
        "parameters" => swarm::read(value).or_else(|| infotext::read(value)),
        "prompt" => comfyui::graph(value),
        "workflow" => comfyui::workflow(value),
        "invokeai_metadata" => invokeai::metadata(value),
        "sd-metadata" => invokeai::older(value),
        "Dream" => invokeai::dream(value),
        "invokeai_graph" => Some(Said::new("InvokeAI", "a graph".into(), Parameters::default())),
        "Description" | "ImageDescription" => midjourney::read(value).or_else(|| named(value)),
        "Comment" | "UserComment" | "comment" => comment(value),
        "Software" | "Source" | "Title" | "Make" | "Model" => embedded(value).or_else(|| named(value)),
        _ => None,
    }?;
    let Said { tool, statement, parameters } = said;
    Some(Claim { parameters, ..Claim::new(key, Some(tool), shorten(&statement, STATEMENT), true) })
}

/// A comment may be anybody's.
fn comment(value: &str) -> Option<Said> {
    novelai::read(value)
        .or_else(|| swarm::read(value))
        .or_else(|| infotext::read(value))
        .or_else(|| midjourney::read(value))
        .or_else(|| named(value))
}

/// ComfyUI's WebP files have no text chunks: their EXIF has `prompt:{…}` and `workflow:{…}` in its Make and Model.
fn embedded(value: &str) -> Option<Said> {
    let (key, json) = value.split_once(':')?;
    match key {
        "prompt" => comfyui::graph(json),
        "workflow" => comfyui::workflow(json),
        _ => None,
    }
}

/// A text that names a generator.
fn named(value: &str) -> Option<Said> {
    let name = GENERATORS.iter().find(|name| value.contains(**name))?;
    Some(Said::new(name, format!("names {name}"), Parameters::default()))
}

/// JSON within its bounds.
fn json(value: &str) -> Option<Value> {
    value.trim_start().starts_with('{').then(|| serde_json::from_str(value).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn software_that_generates_is_told_from_software_that_does_not() {
        assert_eq!(claim("png:Software", "NovelAI").and_then(|c| c.tool).as_deref(), Some("NovelAI"));
        assert_eq!(claim("png:Software", "Adobe Photoshop 25"), None);
        assert_eq!(claim("png:Comment", "taken at 120 kV"), None);
        assert_eq!(claim("jpeg:comment", "CREATOR: gd-jpeg"), None);
        assert_eq!(claim("exif:Model", "Krios G4"), None);
    }

    #[test]
    fn text_that_only_shares_a_key_claims_nothing() {
        let deep = "{\"a\":".repeat(4000);
        for value in ["", "{}", "[]", "not json", "{\"1\":2}", "{\"nodes\":1}", &deep] {
            for key in
                ["prompt", "workflow", "parameters", "invokeai_metadata", "sd-metadata", "Dream", "Comment"]
            {
                assert_eq!(claim(&format!("png:{key}"), value), None, "{key} {value:.40}");
            }
        }
    }

    #[test]
    fn a_statement_never_holds_the_prompt() {
        let texts = [
            (
                "png:parameters",
                "a secret virion\nNegative prompt: none\nSteps: 20, Sampler: Euler a, Seed: 1",
            ),
            ("png:invokeai_metadata", r#"{"positive_prompt":"a secret virion","strength":0.6,"seed":3}"#),
            (
                "png:Comment",
                r#"{"prompt":"a secret virion","steps":28,"sampler":"k_euler","uc":"x","scale":5}"#,
            ),
            ("png:Description", "a secret virion --iw 2 --v 6 Job ID: 0a1b2c3d-0000-4000-8000-0123456789ab"),
            ("png:parameters", r#"{"sui_image_params":{"prompt":"a secret virion","seed":1}}"#),
            (
                "png:prompt",
                r#"{"1":{"class_type":"CLIPTextEncode","inputs":{"text":"a secret virion"}},
                    "2":{"class_type":"KSampler","inputs":{"positive":["1",0],"denoise":0.5}}}"#,
            ),
        ];
        for (key, text) in texts {
            let claim = claim(key, text).unwrap_or_else(|| panic!("{key} {text}"));
            assert!(!claim.statement.contains("secret"), "{claim:?}");
            assert_eq!(claim.parameters.prompt.as_deref(), Some("a secret virion"), "{key}");
        }
    }
}
