//! What stands in a policy's file, table by table, under either schema.

use std::collections::BTreeSet;

use serde::Deserialize;
use toml::value::Datetime;

use super::example::ExampleTable;
use super::{Class, OnViolation, Tag};

/// What every schema begins with.
#[derive(Deserialize)]
pub struct Head {
    pub schema: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct First {
    #[serde(rename = "schema")]
    pub _schema: i64,
    pub name: String,
    pub title: String,
    pub strength: StrengthTable,
    pub deviation: FirstDeviation,
    pub marks: FirstMarks,
    pub violation: FirstViolation,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FirstDeviation {
    pub min: f64,
    pub composition: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct FirstMarks {
    pub manifest: bool,
    pub watermark: bool,
    pub min_psnr_db: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FirstViolation {
    pub action: FirstAction,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FirstAction {
    Refuse,
    Quarantine,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Second {
    #[serde(rename = "schema")]
    pub _schema: i64,
    pub name: String,
    pub title: String,
    pub expires: Option<Datetime>,
    pub applies: Option<AppliesTable>,
    pub strength: StrengthTable,
    pub deviation: DeviationTable,
    pub generation: Option<GenerationTable>,
    pub purpose: Option<PurposeTable>,
    pub marks: MarksTable,
    pub violation: ViolationTable,
    #[serde(default)]
    pub test: Vec<ExampleTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppliesTable {
    pub classes: Option<BTreeSet<Class>>,
    pub tags: Option<BTreeSet<Tag>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StrengthTable {
    pub min: f64,
    pub max: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviationTable {
    pub min: f64,
    pub composition: f64,
    pub detail: Option<f64>,
    pub copied: Option<f64>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct GenerationTable {
    pub engines: Option<BTreeSet<String>>,
    pub max: Option<u32>,
    pub max_copy: Option<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PurposeTable {
    pub allowed: BTreeSet<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct MarksTable {
    pub manifest: bool,
    pub watermark: bool,
    pub min_psnr_db: f64,
    pub xmp: bool,
    #[serde(default)]
    pub time_stamp: bool,
    #[serde(default)]
    pub prompt: bool,
    #[serde(default)]
    pub disclosure: bool,
    #[serde(default)]
    pub tc260: bool,
    #[serde(default)]
    pub label: bool,
    #[serde(default)]
    pub caption: bool,
    pub provider: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ViolationTable {
    pub action: OnViolation,
    #[serde(default)]
    pub approvers: BTreeSet<String>,
}

impl From<First> for Second {
    fn from(first: First) -> Self {
        let First { _schema, name, title, strength, deviation, marks, violation } = first;
        Second {
            _schema,
            name,
            title,
            expires: None,
            applies: None,
            strength,
            deviation: DeviationTable {
                min: deviation.min,
                composition: deviation.composition,
                detail: None,
                copied: None,
            },
            generation: None,
            purpose: None,
            marks: MarksTable {
                manifest: marks.manifest,
                watermark: marks.watermark,
                min_psnr_db: marks.min_psnr_db,
                xmp: false,
                time_stamp: false,
                prompt: false,
                disclosure: false,
                tc260: false,
                label: false,
                caption: false,
                provider: None,
            },
            violation: ViolationTable {
                action: match violation.action {
                    FirstAction::Refuse => OnViolation::Refuse,
                    FirstAction::Quarantine => OnViolation::Quarantine,
                },
                approvers: BTreeSet::new(),
            },
            test: Vec::new(),
        }
    }
}
