//! What a file says of itself beside its tensors: PEFT's settings, as diffusers writes them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::super::{ModelError, safetensors};
use super::error::LoraError;
use super::keys::{Network, shown};

/// Where diffusers keeps them, each network's behind its name.
const KEY: &str = "lora_adapter_metadata";

/// Settings by network; a file without any scales nothing.
pub struct Settings {
    file: PathBuf,
    of: BTreeMap<Network, Map<String, Value>>,
}

impl Settings {
    pub fn read(file: &Path) -> Result<Settings, ModelError> {
        let refused = |cause: String| LoraError::Settings { file: file.to_owned(), cause };
        let mut of: BTreeMap<Network, Map<String, Value>> = BTreeMap::new();
        if let Some(text) = safetensors::remarks(file)?.metadata.get(KEY) {
            let all: Map<String, Value> = serde_json::from_str(text).map_err(|e| refused(e.to_string()))?;
            for (key, value) in all {
                let Some((network, name)) = key.split_once('.') else { continue };
                let network = match network {
                    "unet" | "transformer" => Network::Main,
                    "text_encoder" => Network::FirstText,
                    "text_encoder_2" => Network::SecondText,
                    _ => continue,
                };
                of.entry(network).or_default().insert(name.to_owned(), value);
            }
        }
        for settings in of.values() {
            for (name, kind) in [("use_dora", "a DoRA"), ("lora_bias", "a LoRA with biases")] {
                if settings.get(name).is_some_and(|value| *value != Value::Bool(false) && !value.is_null()) {
                    let found = format!("{kind} ({name} in its settings)");
                    return Err(LoraError::Kind { file: file.to_owned(), found }.into());
                }
            }
        }
        Ok(Settings { file: file.to_owned(), of })
    }

    /// Alpha over rank of a layer whose file has no alpha for it: 1 where nothing is said.
    pub fn scale(&self, network: Network, layer: &str, rank: usize) -> Result<f64, ModelError> {
        let Some(settings) = self.of.get(&network) else { return Ok(1.0) };
        let refused = |cause: String| LoraError::Settings { file: self.file.clone(), cause };
        let special = settings.get("alpha_pattern").and_then(Value::as_object);
        let special = special.into_iter().flatten();
        let mut alpha = settings.get("lora_alpha");
        for (pattern, value) in special {
            // PEFT takes them for regular expressions; diffusers writes names.
            if pattern.contains(['*', '^', '$', '+', '?', '|', '(', '[', '{', '\\']) {
                let cause = format!("expected names in alpha_pattern, found {}", shown(pattern));
                return Err(refused(cause).into());
            }
            let rest = layer.strip_suffix(pattern.as_str());
            if rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.')) {
                alpha = Some(value);
            }
        }
        let rooted = settings.get("use_rslora").and_then(Value::as_bool).unwrap_or(false);
        let divisor = if rooted { (rank as f64).sqrt() } else { rank as f64 };
        match alpha {
            None => Ok(1.0),
            Some(alpha) => match alpha.as_f64() {
                Some(alpha) => Ok(alpha / divisor),
                None => {
                    let cause =
                        format!("expected a number as lora_alpha, found {}", shown(&alpha.to_string()));
                    Err(refused(cause).into())
                }
            },
        }
    }
}
