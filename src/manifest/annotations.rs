//! What a manifest may say beside our facts, in the assertions that CAWG has for it.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub(super) const TRAINING_MINING: &str = "cawg.training-mining";
pub(super) const METADATA: &str = "cawg.metadata";

/// What others may do with an output (CAWG, Training and Data Mining Assertion 1.1).
const USES: [&str; 4] =
    ["cawg.ai_generative_training", "cawg.ai_inference", "cawg.ai_training", "cawg.data_mining"];

/// Longest terms that are taken, in bytes, as `NoPermission` has it, too.
const TERMS: usize = 1000;

/// What is there only where it is asked for, or where there is something to say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Annotations {
    pub metadata: Option<Metadata>,
    pub training_mining: Option<TrainingMining>,
    /// A small picture of the reference, as a JPEG.
    pub reference_thumbnail: Option<Vec<u8>>,
}

/// What XMP says of the output, signed: properties by their prefixed names (`cawg.metadata`, JSON-LD).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// What prefixes stand for.
    #[serde(rename = "@context")]
    pub context: BTreeMap<String, String>,
    #[serde(flatten)]
    pub properties: BTreeMap<String, String>,
}

/// Whether others may mine an output, and train or run models on it; one answer to all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrainingMining {
    Allowed,
    NotAllowed,
    /// Under terms, in the owner's words.
    Constrained(String),
}

/// The text says none of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected allowed, not-allowed or constrained:TERMS, of at most 1000 bytes")]
pub struct NoPermission;

impl FromStr for TrainingMining {
    type Err = NoPermission;

    fn from_str(text: &str) -> Result<Self, NoPermission> {
        match text.trim() {
            "allowed" => Ok(TrainingMining::Allowed),
            "not-allowed" => Ok(TrainingMining::NotAllowed),
            other => match other.strip_prefix("constrained:").map(str::trim) {
                Some(terms) if !terms.is_empty() && terms.len() <= TERMS => {
                    Ok(TrainingMining::Constrained(terms.to_owned()))
                }
                _ => Err(NoPermission),
            },
        }
    }
}

impl fmt::Display for TrainingMining {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TrainingMining::Allowed => f.write_str("allowed"),
            TrainingMining::NotAllowed => f.write_str("not allowed"),
            TrainingMining::Constrained(terms) => write!(f, "allowed under terms: {terms}"),
        }
    }
}

/// The assertion's body, whoever wrote it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permissions {
    /// By use, such as `cawg.ai_training`.
    pub entries: BTreeMap<String, Permission>,
}

/// Whether one use is allowed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permission {
    /// allowed, notAllowed or constrained.
    #[serde(rename = "use")]
    pub allowed: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub constraint_info: Option<String>,
}

impl From<&TrainingMining> for Permissions {
    fn from(answer: &TrainingMining) -> Self {
        let (allowed, constraint_info) = match answer {
            TrainingMining::Allowed => ("allowed", None),
            TrainingMining::NotAllowed => ("notAllowed", None),
            TrainingMining::Constrained(terms) => ("constrained", Some(terms.clone())),
        };
        let one = Permission { allowed: allowed.to_owned(), constraint_info };
        Permissions { entries: USES.map(|what| (what.to_owned(), one.clone())).into() }
    }
}

impl Permissions {
    /// The answer that is given for every use alike; none where uses differ, or are missing.
    pub fn of_all(&self) -> Option<&Permission> {
        let one = self.entries.get(USES[0])?;
        USES.iter().all(|what| self.entries.get(*what) == Some(one)).then_some(one)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_answers_are_taken_and_nothing_else() {
        let read = |text: &str| text.parse::<TrainingMining>();
        assert_eq!(read("allowed"), Ok(TrainingMining::Allowed));
        assert_eq!(read(" not-allowed "), Ok(TrainingMining::NotAllowed));
        let terms = TrainingMining::Constrained("ask press@example.org".into());
        assert_eq!(read("constrained: ask press@example.org"), Ok(terms.clone()));
        assert_eq!(terms.to_string(), "allowed under terms: ask press@example.org");
        let long = format!("constrained:{}", "x".repeat(TERMS + 1));
        for none in ["", "notAllowed", "constrained", "constrained: ", "no", &long] {
            assert_eq!(read(none), Err(NoPermission), "{none:?}");
        }
    }

    #[test]
    fn one_answer_is_given_for_every_use() {
        let permissions = Permissions::from(&TrainingMining::Constrained("by licence".into()));
        let written = serde_json::to_value(&permissions).expect("it is plain");
        let entry = serde_json::json!({ "use": "constrained", "constraint_info": "by licence" });
        let entries = written["entries"].as_object().expect("a map");
        assert_eq!(entries.keys().collect::<Vec<_>>(), USES);
        assert!(entries.values().all(|each| *each == entry), "{written}");
        assert_eq!(permissions.of_all(), permissions.entries.get(USES[3]));
        let mut fewer = permissions.clone();
        fewer.entries.remove(USES[2]);
        assert_eq!(fewer.of_all(), None);
    }
}
