//! A changed copy that lost its manifest gets it back: as the parent of a new claim, which says how it was found.

use c2pa::Ingredient;
use c2pa::jumbf_io::save_jumbf_to_memory;
use serde::{Deserialize, Serialize};
use serde_json::json;
use time::OffsetDateTime;

use super::build;
use super::extract;
use super::reading::Failure;
use super::sign::{Credential, Place, SignError, SignedAsset, sdk, signed};
use super::statement::Software;

pub(super) const RECOVERY: &str = "org.vidimus.recovery";

const RECOVERED: &str = "recovered";

/// What a copy is known by that shows the very pixels.
pub const PIXELS: &str = "pixels";

/// How a lost manifest was found again: the assertion `org.vidimus.recovery`.
///
/// The two fields in camel case are those that C2PA has for ingredients (2.2, section 18.16.14); the SDK cannot
/// write them there yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recovery {
    /// Label of the manifest that was given back.
    pub manifest: String,
    /// Where it was on record: the asset's ULID.
    pub record: String,
    /// pixels, watermark or looks.
    pub found_by: String,
    /// Whether every soft binding of the manifest matches this content.
    #[serde(rename = "softBindingsMatched")]
    pub soft_bindings_matched: bool,
    /// Algorithms that did.
    #[serde(rename = "softBindingAlgorithmsMatched")]
    pub algorithms_matched: Vec<String>,
    /// Of the probability that a picture without the watermark shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log10_false_positive: Option<f64>,
    /// Whether the watermark was made with the recovering workspace's key, where that can be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watermark_authentic: Option<bool>,
    /// Deviation from the picture on record, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deviation_from_record: Option<f64>,
}

/// Puts a new manifest into `bytes` (a file of type `mime` without one) whose parent is the active manifest of
/// `store`, and checks the result. The parent is held against these bytes: where they are not what it was made for,
/// the ingredient says so for ever.
///
/// # Errors
/// As [`sign`](super::sign()).
pub fn restore(
    bytes: &[u8],
    mime: &str,
    store: &[u8],
    recovery: &Recovery,
    claim_generator: &Software,
    created: OffsetDateTime,
    credential: &Credential<'_>,
) -> Result<SignedAsset, SignError> {
    let created = build::time(created)?;
    signed(Place::Within, bytes, mime, credential, |context| {
        let mut builder = build::begun(context, "copy, manifest recovered", claim_generator)?;
        // The SDK holds an ingredient against the manifest that is in it: so it is put in.
        let carried = save_jumbf_to_memory(mime, bytes, store)
            .map_err(|_| SignError::Format { mime: mime.to_owned() })?;
        let parent = build::open(&mut builder, RECOVERED, "what was signed", mime, &carried, &created)?;
        let content = this_content(parent, recovery);
        parent.set_description(format!("recovered by {}; {content}", recovery.found_by));
        builder
            .add_action(json!({
                "action": "org.vidimus.recovered",
                "when": created,
                "softwareAgent": build::agent(claim_generator),
                "description": format!(
                    "the manifest was lost and found again by the copy's {}; {content}",
                    recovery.found_by
                ),
            }))
            .map_err(sdk("add the recovery action"))?;
        build::add(&mut builder, RECOVERY, recovery)?;
        Ok(builder)
    })
}

/// How what is signed now compares with what was signed once: `parent` was held against it.
fn this_content(parent: &Ingredient, recovery: &Recovery) -> &'static str {
    let failures = parent.validation_results().map(extract::failures).unwrap_or_default();
    match (failures.iter().any(Failure::is_of_content), recovery.found_by.as_str()) {
        (false, _) => "this content is what was signed",
        (true, PIXELS) => "these bytes differ from what was signed, the pixels do not",
        (true, _) => "this content differs from what was signed",
    }
}
