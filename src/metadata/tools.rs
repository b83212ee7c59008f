//! What generators leave in text chunks: AUTOMATIC1111 and its kin, ComfyUI, InvokeAI, NovelAI, Midjourney.

use serde_json::Value;

use super::{Claim, aigc, shorten};

/// Longest statement that is passed on, in characters.
const STATEMENT: usize = 300;
/// Names that generators sign with in `Software` and comments.
const GENERATORS: [&str; 8] = [
    "NovelAI",
    "Stable Diffusion",
    "InvokeAI",
    "ComfyUI",
    "Midjourney",
    "DALL-E",
    "Adobe Firefly",
    "Fooocus",
];

/// What the text under `key` (as `container::texts` names it) claims.
pub(super) fn claim(key: &str, value: &str) -> Option<Claim> {
    if key == "png:AIGC" {
        return aigc::claim(key, value);
    }
    let found = match key.strip_prefix("png:") {
        Some("parameters") => settings(value),
        Some("prompt") => graph(value),
        Some("workflow") => workflow(value),
        Some("invokeai_metadata" | "sd-metadata" | "invokeai_graph" | "Dream") => {
            // It holds the prompt, which is nobody's business here.
            Some(("InvokeAI".into(), format!("metadata of {} characters", value.chars().count())))
        }
        Some("Description" | "Comment" | "Software" | "Source" | "Title") => named(value),
        _ if key == "jpeg:comment" => settings(value).or_else(|| named(value)),
        _ => None,
    };
    let (tool, statement) = found?;
    Some(Claim {
        source: key.to_owned(),
        tool: Some(tool),
        statement: shorten(&statement, STATEMENT),
        ai: true,
    })
}

/// AUTOMATIC1111's infotext: prompt lines, then one line of settings. The prompt is left out.
fn settings(value: &str) -> Option<(String, String)> {
    let line = value.lines().rev().find(|line| line.trim_start().starts_with("Steps: "))?;
    let tool = match line.split("Version: ").nth(1) {
        Some(version) if version.starts_with("ComfyUI") => "ComfyUI",
        Some(version) if version.starts_with('f') => "stable-diffusion-webui-forge",
        _ => "stable-diffusion-webui",
    };
    Some((tool.to_owned(), line.trim().to_owned()))
}

/// ComfyUI's API graph: node id to `{class_type, inputs}`.
fn graph(value: &str) -> Option<(String, String)> {
    let graph: Value = serde_json::from_str(value).ok()?;
    let nodes: Vec<&Value> = graph.as_object()?.values().filter(|n| n.get("class_type").is_some()).collect();
    if nodes.is_empty() {
        return None;
    }
    let denoise = nodes.iter().find_map(|node| node.get("inputs")?.get("denoise")?.as_f64());
    let statement = match denoise {
        Some(denoise) => format!("graph of {} nodes, denoise {denoise}", nodes.len()),
        None => format!("graph of {} nodes", nodes.len()),
    };
    Some(("ComfyUI".into(), statement))
}

/// ComfyUI's editor graph.
fn workflow(value: &str) -> Option<(String, String)> {
    let graph: Value = serde_json::from_str(value).ok()?;
    let nodes = graph.get("nodes")?.as_array()?.len();
    Some(("ComfyUI".into(), format!("workflow of {nodes} nodes")))
}

/// Midjourney's description, or a text that names a generator.
fn named(value: &str) -> Option<(String, String)> {
    if let Some((_, id)) = value.split_once("Job ID: ") {
        let id: String = id.chars().take_while(|c| c.is_ascii_hexdigit() || *c == '-').collect();
        return Some(("Midjourney".into(), format!("Job ID {id}")));
    }
    let name = GENERATORS.iter().find(|name| value.contains(**name))?;
    Some(((*name).to_owned(), format!("names {name}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn infotext_is_recognised_and_its_prompt_left_out() {
        let text = "a secret virion\nNegative prompt: none\nSteps: 20, Sampler: Euler a, Seed: 1, \
                    Denoising strength: 0.55, Version: v1.9.0";
        let claim = claim("png:parameters", text).expect("it is recognised");
        assert_eq!(claim.tool.as_deref(), Some("stable-diffusion-webui"));
        assert!(claim.ai && claim.statement.contains("Denoising strength: 0.55"));
        assert!(!claim.statement.contains("secret"));
    }

    #[test]
    fn a_comfyui_graph_is_recognised_with_its_denoise() {
        let text = r#"{"3":{"class_type":"KSampler","inputs":{"denoise":0.6}},"4":{"class_type":"VAEDecode","inputs":{}}}"#;
        let claim = claim("png:prompt", text).expect("it is recognised");
        assert_eq!(claim.tool.as_deref(), Some("ComfyUI"));
        assert_eq!(claim.statement, "graph of 2 nodes, denoise 0.6");
    }

    #[test]
    fn a_comfyui_workflow_is_recognised() {
        let claim = claim("png:workflow", r#"{"nodes":[{"id":1}],"links":[]}"#).expect("it is recognised");
        assert_eq!(claim.statement, "workflow of 1 nodes");
    }

    #[test]
    fn invokeai_is_recognised_and_its_prompt_left_out() {
        let text = r#"{"positive_prompt":"a secret virion","strength":0.6}"#;
        let claim = claim("png:invokeai_metadata", text).expect("it is recognised");
        assert_eq!(claim.tool.as_deref(), Some("InvokeAI"));
        assert!(!claim.statement.contains("secret"), "{}", claim.statement);
    }

    #[test]
    fn a_midjourney_description_is_recognised() {
        let text = "a virus under the microscope --iw 2 --v 6 Job ID: 0a1b2c3d-0000-4000-8000-0123456789ab";
        let claim = claim("png:Description", text).expect("it is recognised");
        assert_eq!(claim.tool.as_deref(), Some("Midjourney"));
        assert_eq!(claim.statement, "Job ID 0a1b2c3d-0000-4000-8000-0123456789ab");
    }

    #[test]
    fn software_that_generates_is_told_from_software_that_does_not() {
        assert_eq!(claim("png:Software", "NovelAI").and_then(|c| c.tool).as_deref(), Some("NovelAI"));
        assert_eq!(claim("png:Software", "Adobe Photoshop 25"), None);
        assert_eq!(claim("png:Comment", "taken at 120 kV"), None);
        assert_eq!(claim("jpeg:comment", "CREATOR: gd-jpeg"), None);
    }

    #[test]
    fn text_that_only_shares_a_key_claims_nothing() {
        for value in ["", "{}", "[]", "not json", "{\"1\":2}"] {
            assert_eq!(claim("png:prompt", value), None, "{value}");
            assert_eq!(claim("png:workflow", value), None, "{value}");
            assert_eq!(claim("png:parameters", value), None, "{value}");
        }
    }
}
