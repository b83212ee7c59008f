//! What a manifest of ours says.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use time::OffsetDateTime;

use super::annotations::Annotations;
use crate::digest::Digest;
use crate::iscc::ImageCode;
use crate::quantity::{Deviation, Psnr, Seed, Strength};

/// Everything that is signed, except the pixels and the reference itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// Title of the output, for people.
    pub title: String,
    /// The program that makes the claim.
    pub claim_generator: Software,
    pub created: OffsetDateTime,
    pub derivation: Derivation,
    /// Code of the output's pixels, by which others may find a copy of it; none where it is not to be found.
    pub image_code: Option<ImageCode>,
    pub annotations: Annotations,
}

/// A program and its version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Software {
    pub name: String,
    pub version: String,
}

/// From what, by what and how far: stands in the created action and in `org.vidimus.derivation`; of a picture that was made
/// elsewhere, in the action `org.vidimus.declared` and in `org.vidimus.declaration`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Derivation {
    /// ULID of the run in the catalog.
    pub run_id: String,
    /// ULID of the output in the catalog.
    pub asset_id: String,
    /// The engine, or the tool that is said to have made the picture elsewhere.
    pub engine: Software,
    /// Digest of the model's weights; none for engines without weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_sha256: Option<Digest>,
    /// Digest of the reference file.
    pub source_sha256: Digest,
    /// Digest of the reference's decoded pixels.
    pub source_pixels_sha256: Digest,
    /// None where nobody says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub denoise_strength: Option<Strength>,
    /// What the strength meant for this engine: noise at the start, in the engine's own units; none where that was not
    /// witnessed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noise_level: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<u32>,
    /// Share of the picture that was varied; none for all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub varied_share: Option<f64>,
    /// Guidance scale; none for an engine without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guidance: Option<f64>,
    /// Sampler that was chosen; none for the model's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sampler: Option<String>,
    /// What the network was taken to predict; none where the model's own settings say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prediction: Option<String>,
    /// What a network's products were computed with, f32 or bf16; none for engines that have no choice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub precision: Option<String>,
    /// What a network was computed on, cpu, cuda or metal; none for engines that have no choice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// How much the reference weighed beside the prompt, in the engine's own units; none where the model was told nothing
    /// of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_weight: Option<f64>,
    /// LoRAs that were added to the model; `model_sha256` is that of both together.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub loras: Vec<LoraReference>,
    /// Windows that each step was drawn in; none for pictures that were drawn at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub windows: Option<u32>,
    /// As decimal digits: 64 bits do not fit the numbers of JSON. None where nobody says.
    #[serde(default, with = "decimal", skip_serializing_if = "Option::is_none")]
    pub seed: Option<Seed>,
    /// Private by default: only where the user asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// As private as the prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub negative_prompt: Option<String>,
    /// That there was a prompt, and that it is not told.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub prompt_withheld: bool,
    /// Name and version of the measure behind `deviation`.
    pub measure: String,
    pub deviation: Deviation,
    pub policy: PolicyReference,
    /// [`BELOW_LIMIT`] for an output that two people released below a limit of its policy.
    #[serde(default, rename = "override", skip_serializing_if = "Option::is_none")]
    pub overridden: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watermark: Option<WatermarkReference>,
    /// What is drawn on the picture for people to see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visible_label: Option<VisibleLabel>,
    /// For a picture that was made elsewhere, of which engine, strength, seed and the like are somebody's word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declared: Option<Declaration>,
}

impl Derivation {
    /// The strength that was witnessed, which is what a watermark states; none for a picture that was made elsewhere.
    pub fn witnessed_strength(&self) -> Option<Strength> {
        self.denoise_strength.filter(|_| self.declared.is_none())
    }
}

/// That the picture was made elsewhere, and who says how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Declaration {
    /// Always false, for readers who know nothing else of this.
    pub witnessed: bool,
    /// Name of the certificate under which it was declared.
    pub by: String,
    /// Digest of the file as it was brought.
    pub image_sha256: Digest,
    /// Name of the model, as far as somebody says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// How much the reference weighed beside the prompt, in the tool's own units: Midjourney's `--iw`, 0 to 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_weight: Option<f64>,
    /// The tool's own id of the job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// By parameter: `flag`, or where in the file its claim stands, such as `png:parameters`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sources: BTreeMap<String, String>,
}

impl Derivation {
    /// What was asked for in words, taken out: it stands apart, so that it can be redacted without the rest.
    pub(super) fn take_prompt(&mut self) -> Option<Prompt> {
        let prompt = Prompt { prompt: self.prompt.take(), negative_prompt: self.negative_prompt.take() };
        (prompt != Prompt::default()).then_some(prompt)
    }

    pub(super) fn put_prompt(&mut self, prompt: Prompt) {
        self.prompt = self.prompt.take().or(prompt.prompt);
        self.negative_prompt = self.negative_prompt.take().or(prompt.negative_prompt);
    }
}

/// The assertion `org.vidimus.prompt`, where the user asked for it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Prompt {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub negative_prompt: Option<String>,
}

/// What an override is called wherever it is told of.
pub const BELOW_LIMIT: &str = "released below the limit by override";

/// A LoRA, by its content: what its file is called is private.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoraReference {
    pub sha256: Digest,
    pub weight: f64,
}

/// The policy that cleared the output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PolicyReference {
    pub name: String,
    pub sha256: Digest,
    /// Limits by name, such as `minimum_deviation`: the strictest of all policies that applied.
    pub limits: BTreeMap<String, f64>,
    /// Policies that applied beside it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<OtherPolicy>,
}

/// A policy that applied to the reference without being named.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OtherPolicy {
    pub name: String,
    pub sha256: Digest,
}

/// Words on the picture that say that it is generated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VisibleLabel {
    /// What the badge says, such as AI; none where there is no badge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Its corner, such as `top-right`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<String>,
    /// What the strip below the picture says; none where there is no strip.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caption: Option<String>,
}

/// The watermark in the pixels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WatermarkReference {
    /// Such as `org.vidimus.watermark.1`.
    pub algorithm: String,
    pub payload_id: String,
    /// long or short: how much of the payload is in the pixels.
    #[serde(default = "long")]
    pub level: String,
    /// Distance between unmarked and marked pixels.
    pub psnr_db: Psnr,
}

/// Manifests from before there were levels name none.
fn long() -> String {
    "long".to_owned()
}

/// A seed as decimal text.
mod decimal {
    use super::*;

    pub fn serialize<S: Serializer>(seed: &Option<Seed>, serializer: S) -> Result<S::Ok, S::Error> {
        match seed {
            Some(seed) => serializer.collect_str(seed),
            None => serializer.serialize_none(),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Seed>, D::Error> {
        String::deserialize(deserializer)?.parse().map(Some).map_err(serde::de::Error::custom)
    }
}
