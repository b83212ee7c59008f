//! Names of tools that make pictures elsewhere.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// Engines that draw here, and are watched: nothing that was made elsewhere goes by their names, or a policy that allows
/// them would allow it. The catalog's schema has the same names.
const ENGINES: [&str; 3] = ["patch", "stable-diffusion", "flux"];

/// Other names for the same tool.
const ALIASES: [(&str, &str); 9] = [
    ("a1111", "stable-diffusion-webui"),
    ("automatic1111", "stable-diffusion-webui"),
    ("forge", "stable-diffusion-webui-forge"),
    ("mj", "midjourney"),
    ("dalle", "dall-e"),
    ("firefly", "adobe-firefly"),
    ("invoke", "invokeai"),
    ("comfy", "comfyui"),
    ("playground-ai", "playground"),
];

/// The name of a tool as policies and the catalog have it: small letters, digits, dashes and dots.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Tool(String);

/// The text names no tool.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ToolError {
    #[error("no name of a tool: expected 1 to 40 letters, digits, dots and dashes, found {found:?}")]
    Name { found: String },
    #[error(
        "{name} is an engine of this program, which watches what it draws: name the tool that drew it elsewhere"
    )]
    Engine { name: String },
}

impl Tool {
    pub fn name(&self) -> &str {
        &self.0
    }

    /// Whether it is Midjourney, whose image weight goes from 0 to 3.
    pub fn is_midjourney(&self) -> bool {
        self.0 == "midjourney"
    }
}

impl FromStr for Tool {
    type Err = ToolError;

    fn from_str(text: &str) -> Result<Self, ToolError> {
        let name: String = text
            .trim()
            .chars()
            .map(|c| if c == ' ' || c == '_' { '-' } else { c.to_ascii_lowercase() })
            .collect();
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
        let starts = name.chars().next().is_some_and(|c| c.is_ascii_alphanumeric());
        if !starts || name.len() > 40 || !name.chars().all(plain) {
            return Err(ToolError::Name { found: text.to_owned() });
        }
        let name =
            ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, name)| (*name).to_owned());
        if ENGINES.contains(&name.as_str()) {
            return Err(ToolError::Engine { name });
        }
        Ok(Tool(name))
    }
}

impl fmt::Display for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(text: &str) -> Result<String, ToolError> {
        text.parse().map(|tool: Tool| tool.0)
    }

    #[test]
    fn one_tool_has_one_name() {
        for (text, name) in [
            ("Midjourney", "midjourney"),
            ("A1111", "stable-diffusion-webui"),
            ("DALL-E", "dall-e"),
            (" Draw Things ", "draw-things"),
            ("photoshop-25.1", "photoshop-25.1"),
        ] {
            assert_eq!(named(text), Ok(name.to_owned()));
        }
    }

    #[test]
    fn what_is_no_name_and_what_is_watched_here_is_refused() {
        for text in ["", "-x", "a/b", "a\u{1b}b", "é", &"x".repeat(41)] {
            assert!(matches!(named(text), Err(ToolError::Name { .. })), "{text}");
        }
        for text in ["patch", "Flux", "Stable Diffusion"] {
            assert!(matches!(named(text), Err(ToolError::Engine { .. })), "{text}");
        }
    }
}
