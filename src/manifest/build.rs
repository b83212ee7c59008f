//! Decided once: what stands where in a manifest of ours (C2PA 2.2, and the conformance rubric 0.2).

use std::collections::BTreeMap;
use std::io::Cursor;
use std::sync::Arc;

use c2pa::{Builder, BuilderIntent, Context, DigitalSourceType, Ingredient, Reader};
use serde::Serialize;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::annotations::{METADATA, Permissions, TRAINING_MINING};
use super::recovery::RECOVERY;
use super::sign::{ReferenceAsset, SignError};
use super::statement::{Derivation, Software, Statement, VisibleLabel};
use super::{SPEC_VERSION, sign};
use crate::iptc;
use crate::iscc::{self, ImageCode};

pub(super) const DERIVATION: &str = "org.vidimus.derivation";
/// The same of a picture that was made elsewhere: another label, for nobody may take what was declared for witnessed.
pub(super) const DECLARATION: &str = "org.vidimus.declaration";
/// The action that says how such a picture is said to have been made.
pub(super) const DECLARED: &str = "org.vidimus.declared";
pub(super) const WATERMARK: &str = "org.vidimus.watermark";
pub(super) const PROMPT: &str = "org.vidimus.prompt";
pub(super) const SOFT_BINDING: &str = "c2pa.soft-binding";
pub(super) const DISCLOSURE: &str = "c2pa.ai-disclosure";
/// Prefix of our action parameters: custom names must contain a dot.
pub(super) const PREFIX: &str = "org.vidimus.";
/// Assertions attributed to the signer.
pub(super) const CREATED: [&str; 12] = [
    "c2pa.actions",
    "c2pa.ingredient",
    SOFT_BINDING,
    DISCLOSURE,
    DERIVATION,
    DECLARATION,
    WATERMARK,
    PROMPT,
    RECOVERY,
    METADATA,
    TRAINING_MINING,
    "c2pa.thumbnail.ingredient",
];

const REFERENCE: &str = "reference";
const OPENED: &str = "opened";
const TAKE_IN: &str = "add the reference as an ingredient";

/// The manifest of `statement`, ready to be signed. What was made elsewhere is `opened`, with whatever manifest it carries.
pub(super) fn build(
    context: &Arc<Context>,
    statement: &Statement,
    reference: &ReferenceAsset<'_>,
    opened: Option<&ReferenceAsset<'_>>,
) -> Result<Builder, SignError> {
    if opened.is_some() != statement.derivation.declared.is_some() {
        let reason = "what was made elsewhere is declared, and nothing else is".to_owned();
        return Err(SignError::Statement { reason });
    }
    let mut stated = statement.derivation.clone();
    let prompt = stated.take_prompt();
    let facts = facts(&stated)?;
    let created = time(statement.created)?;
    let derivation = &statement.derivation;

    let mut builder = begun(context, &statement.title, &statement.claim_generator)?;
    let mut ingredient = json!({
        "title": reference.title,
        "relationship": "inputTo",
        "label": REFERENCE,
        "description": format!("img2img reference, sha256:{}", derivation.source_sha256),
    });
    let taken_in = match reference.store {
        Some(store) => add_with_store(context, &mut builder, &mut ingredient, reference, store)?,
        None => builder
            .add_ingredient_from_stream(
                ingredient.to_string(),
                reference.mime,
                &mut Cursor::new(reference.bytes),
            )
            .map_err(sign::sdk(TAKE_IN))?,
    };
    if let Some(thumbnail) = &statement.annotations.reference_thumbnail {
        taken_in.set_thumbnail("image/jpeg", thumbnail.as_slice()).map_err(sign::sdk(TAKE_IN))?;
    }

    let in_part = derivation.varied_share.is_some();
    let source_type = iptc::of_output(in_part);
    let label = match opened {
        None => {
            builder.set_intent(BuilderIntent::Create(match in_part {
                true => DigitalSourceType::CompositeWithTrainedAlgorithmicMedia,
                false => DigitalSourceType::TrainedAlgorithmicMedia,
            }));
            builder
                .add_action(json!({
                    "action": "c2pa.created",
                    "when": created,
                    "digitalSourceType": source_type,
                    "softwareAgent": agent(&derivation.engine),
                    "description": "image-to-image variation of a reference",
                    "parameters": parameters(&facts),
                }))
                .map_err(sign::sdk("add the created action"))?;
            DERIVATION
        }
        Some(opened) => {
            open(&mut builder, OPENED, opened.title, opened.mime, opened.bytes, &created)?;
            let by = statement.derivation.declared.as_ref().map_or("", |declared| declared.by.as_str());
            builder
                .add_action(json!({
                    "action": DECLARED,
                    "when": created,
                    "digitalSourceType": source_type,
                    "softwareAgent": agent(&derivation.engine),
                    "description": format!(
                        "image-to-image variation of a reference, made elsewhere: declared by {by}, not witnessed"
                    ),
                    "parameters": parameters(&facts),
                }))
                .map_err(sign::sdk("add the declaring action"))?;
            DECLARATION
        }
    };
    if let Some(label) = &derivation.visible_label {
        builder
            .add_action(json!({
                "action": "c2pa.addedText",
                "when": created,
                // Drawn by rule, learnt from nothing.
                "digitalSourceType": iptc::BY_RULE,
                "softwareAgent": agent(&statement.claim_generator),
                "description": seen(label),
            }))
            .map_err(sign::sdk("add the action of the visible label"))?;
    }
    add(&mut builder, label, &Value::Object(facts))?;
    add(&mut builder, DISCLOSURE, &disclosure(derivation))?;
    if let Some(watermark) = &derivation.watermark {
        // "Bound" is for algorithms on the C2PA list; ours is not.
        builder
            .add_action(json!({
                "action": "c2pa.watermarked.unbound",
                "when": created,
                "softwareAgent": agent(&statement.claim_generator),
            }))
            .map_err(sign::sdk("add the watermark action"))?;
        add(&mut builder, WATERMARK, watermark)?;
    }
    if let Some(prompt) = prompt {
        add(&mut builder, PROMPT, &prompt)?;
    }
    if let Some(metadata) = &statement.annotations.metadata {
        builder.add_assertion_json(METADATA, metadata).map_err(sign::sdk("add the metadata"))?;
    }
    if let Some(answer) = &statement.annotations.training_mining {
        add(&mut builder, TRAINING_MINING, &Permissions::from(answer))?;
    }
    if let Some(code) = &statement.image_code {
        add(&mut builder, SOFT_BINDING, &SoftBinding::from(code))?;
    }
    Ok(builder)
}

/// A manifest that says nothing yet.
pub(super) fn begun(
    context: &Arc<Context>,
    title: &str,
    claim_generator: &Software,
) -> Result<Builder, SignError> {
    let Software { name, version } = claim_generator;
    let maker = json!({ "name": name, "version": version, "specVersion": SPEC_VERSION });
    Builder::from_shared_context(context)
        .with_definition(json!({ "title": title, "claim_generator_info": [maker] }))
        .map_err(sign::sdk("describe the output"))
}

/// As a manifest states it.
pub(super) fn time(at: OffsetDateTime) -> Result<String, SignError> {
    at.format(&Rfc3339).map_err(|_| SignError::Statement { reason: "its time has no RFC 3339 form".into() })
}

/// The file that `bytes` are is what this picture is an edit of.
pub(super) fn open<'a>(
    builder: &'a mut Builder,
    label: &str,
    title: &str,
    mime: &str,
    bytes: &[u8],
    when: &str,
) -> Result<&'a mut Ingredient, SignError> {
    builder.set_intent(BuilderIntent::Edit);
    builder
        .add_action(json!({
            "action": "c2pa.opened",
            "when": when,
            "parameters": { "ingredientIds": [label] },
        }))
        .map_err(sign::sdk("add the opened action"))?;
    let ingredient = json!({ "title": title, "relationship": "parentOf", "label": label });
    builder
        .add_ingredient_from_stream(ingredient.to_string(), mime, &mut Cursor::new(bytes))
        .map_err(sign::sdk("add what was opened as an ingredient"))
}

/// Adds the reference with the manifest that lay beside it, judged as one in its file is: the SDK has no way of its own
/// for that.
fn add_with_store<'a>(
    context: &Arc<Context>,
    builder: &'a mut Builder,
    ingredient: &mut Value,
    reference: &ReferenceAsset<'_>,
    store: &[u8],
) -> Result<&'a mut Ingredient, SignError> {
    let reader = Reader::from_shared_context(context)
        .with_manifest_data_and_stream(store, reference.mime, Cursor::new(reference.bytes))
        .map_err(sign::sdk("read the reference's own manifest"))?;
    let results = serde_json::to_value(reader.validation_results());
    ingredient["format"] = json!(reference.mime);
    ingredient["active_manifest"] = json!(reader.active_label());
    ingredient["validation_results"] =
        results.map_err(|e| SignError::Sdk { action: TAKE_IN, reason: e.to_string() })?;
    let mut ingredient = Ingredient::from_json(&ingredient.to_string()).map_err(sign::sdk(TAKE_IN))?;
    ingredient.set_manifest_data(store.to_vec()).map_err(sign::sdk(TAKE_IN))?;
    builder.add_ingredient(ingredient);
    builder
        .definition
        .ingredients
        .last_mut()
        .ok_or_else(|| SignError::Sdk { action: TAKE_IN, reason: "it is not there".into() })
}

/// C2PA 2.2, section 18.10: the SDK's own type has text where bytes belong.
#[derive(Serialize)]
struct SoftBinding {
    alg: &'static str,
    blocks: [Block; 1],
    #[serde(with = "serde_bytes")]
    pad: Vec<u8>,
}

#[derive(Serialize)]
struct Block {
    /// Nothing narrower than all of it.
    scope: BTreeMap<&'static str, ()>,
    #[serde(with = "serde_bytes")]
    value: Vec<u8>,
}

impl From<&ImageCode> for SoftBinding {
    fn from(code: &ImageCode) -> Self {
        let block = Block { scope: BTreeMap::new(), value: code.unit() };
        SoftBinding { alg: iscc::ALGORITHM, blocks: [block], pad: Vec::new() }
    }
}

pub(super) fn add<T: serde::Serialize>(
    builder: &mut Builder,
    label: &'static str,
    data: &T,
) -> Result<(), SignError> {
    builder.add_assertion(label, data).map_err(sign::sdk("add an assertion"))?;
    Ok(())
}

/// The visible label in words.
fn seen(label: &VisibleLabel) -> String {
    let badge = label.text.as_ref().zip(label.position.as_ref());
    let badge = badge.map(|(text, position)| format!("visible label \"{text}\", {position}"));
    let caption = label.caption.as_ref().map(|text| format!("caption below the picture: {text}"));
    badge.into_iter().chain(caption).collect::<Vec<_>>().join("; ")
}

pub(super) fn agent(software: &Software) -> Value {
    json!({ "name": software.name, "version": software.version })
}

/// The derivation as it is stored, checked to come back as it went in: NaN, for one, would not.
fn facts(derivation: &Derivation) -> Result<Map<String, Value>, SignError> {
    let unfit = |reason: String| SignError::Statement { reason };
    let value = serde_json::to_value(derivation).map_err(|e| unfit(e.to_string()))?;
    let back = serde_json::from_value::<Derivation>(value.clone()).map_err(|e| unfit(e.to_string()))?;
    match value {
        Value::Object(map) if &back == derivation => Ok(map),
        _ => Err(unfit("the derivation does not survive being written and read".into())),
    }
}

/// The facts under our prefix, and the ingredient that the action took.
fn parameters(facts: &Map<String, Value>) -> Map<String, Value> {
    let ingredient = ("ingredientIds".to_owned(), json!([REFERENCE]));
    let facts = facts.iter().map(|(name, value)| (format!("{PREFIX}{name}"), value.clone()));
    facts.chain([ingredient]).collect()
}

/// C2PA 2.4, section 18.28.
fn disclosure(derivation: &Derivation) -> Value {
    let engine = &derivation.engine;
    let model = derivation.declared.as_ref().and_then(|declared| declared.model.clone());
    let identifier = match &derivation.model_sha256 {
        Some(digest) => format!("sha256:{digest}"),
        None => model.unwrap_or_else(|| format!("{}@{}", engine.name, engine.version)),
    };
    json!({
        "modelType": "c2pa.types.model",
        "modelName": engine.name,
        "modelIdentifier": identifier,
        "contentProfile": { "humanOversightLevel": "prompt_guided" },
    })
}
