//! What the JSON files of a diffusers folder say that no tensor shows.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::ModelError;

/// `model_index.json`, as far as every pipeline has it.
#[derive(Deserialize)]
pub struct Index {
    #[serde(rename = "_class_name")]
    pub class: String,
}

/// The index of a folder in diffusers' layout.
pub fn index(dir: &Path) -> PathBuf {
    dir.join("model_index.json")
}

pub fn parse<T: DeserializeOwned>(file: &Path) -> Result<T, ModelError> {
    let text = std::fs::read(file).map_err(|source| ModelError::Read { file: file.to_owned(), source })?;
    parsed(file, &text)
}

/// The same of a file's text.
pub fn parsed<T: DeserializeOwned>(file: &Path, text: &[u8]) -> Result<T, ModelError> {
    serde_json::from_slice(text)
        .map_err(|e| ModelError::Config { file: file.to_owned(), cause: e.to_string() })
}

/// Refuses a setting of `settings` that is neither missing nor what `held` says of it: those that change a network in a
/// way that is not built here.
pub fn hold(
    file: &Path,
    settings: &Map<String, Value>,
    held: &[(&str, Value)],
    expected: &'static str,
) -> Result<(), ModelError> {
    let same = |a: &Value, b: &Value| match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a == b,
        _ => a == b,
    };
    let other = |(name, value): &&(&str, Value)| settings.get(*name).is_some_and(|found| !same(found, value));
    match held.iter().find(other) {
        None => Ok(()),
        Some((name, _)) => {
            let value = settings.get(*name).map(Value::to_string).unwrap_or_default();
            let value: String = value.chars().take(LONGEST_SETTING).collect();
            let found = format!("{name} = {value}");
            Err(ModelError::Family { file: file.to_owned(), expected, found })
        }
    }
}

/// Refuses an epsilon that keeps nothing from being divided by 0, or that drowns everything.
pub fn small(file: &Path, what: &'static str, epsilon: f64) -> Result<f64, ModelError> {
    if (1e-12..=1e-1).contains(&epsilon) {
        return Ok(epsilon);
    }
    let (expected, found) = ("a small number above 0", format!("{what} = {epsilon}"));
    Err(ModelError::Family { file: file.to_owned(), expected, found })
}

/// Characters of a refused setting that are shown.
const LONGEST_SETTING: usize = 60;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_setting_may_be_missing_or_as_it_is_held() {
        let held = [("scale", json!(1)), ("kind", Value::Null)];
        let said = |settings: Value| {
            let settings = settings.as_object().cloned().expect("an object");
            hold(Path::new("config.json"), &settings, &held, "plain").map_err(|e| e.to_string())
        };
        assert_eq!(said(json!({ "other": 3 })), Ok(()));
        assert_eq!(said(json!({ "scale": 1.0, "kind": null })), Ok(()));
        assert_eq!(
            said(json!({ "kind": "timestep" })),
            Err("config.json: expected plain, found kind = \"timestep\"".into())
        );
    }
}
