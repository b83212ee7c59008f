//! A reading out of what the SDK has read.

use c2pa::validation_results::ValidationState;
use c2pa::validation_status::ValidationStatus;
use c2pa::{Ingredient, Manifest, Reader, SignatureInfo};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::annotations::{METADATA, TRAINING_MINING};
use super::bundle::Revocation;
use super::reading::{
    Agreement, Failure, IngredientReading, REVOKED, Reading, SignerReading, SoftBindingReading, State,
    TimeStampReading,
};
use super::recovery::RECOVERY;
use super::statement::{Derivation, Prompt};
use super::vendor::vendor;
use super::{build, read};
use crate::digest::Digest;
use crate::iptc;
use crate::iscc::{self, ImageCode};

/// Ingredients of ingredients are followed this far; a hostile store can nest deeper.
const DEPTH: usize = 8;
/// Most ingredients in one reading, at all depths together: a hostile store can name one manifest from many
/// places, and grow exponentially.
const INGREDIENTS: usize = 256;

/// The active manifest; none if the store has none.
pub(super) fn reading(reader: &Reader, revoked: &[Revocation]) -> Option<Reading> {
    let manifest = reader.active_manifest()?;
    let content = Content::of(manifest);
    let mut reading = Reading {
        state: state(reader.validation_state()),
        label: reader.active_label().unwrap_or_default().to_owned(),
        title: manifest.title().map(str::to_owned),
        claim_generator: claim_generator(manifest),
        vendor: None,
        signer: manifest.signature_info().map(signer),
        time_stamp: time_stamp(reader, manifest),
        digital_source_type: content.digital_source_type,
        created: content.created,
        derivation: content.derivation,
        agreement: content.agreement,
        soft_bindings: soft_bindings(manifest),
        metadata: assertion(manifest, METADATA),
        training_mining: assertion(manifest, TRAINING_MINING),
        recovery: assertion(manifest, RECOVERY),
        failures: reader.validation_results().map(failures).unwrap_or_default(),
        ingredients: ingredients(reader, manifest, DEPTH, &mut { INGREDIENTS }),
    };
    revoke(&mut reading, revoked);
    // Trust that was taken away counts.
    reading.vendor = vendor(reading.claim_generator.as_deref(), reading.signer.as_ref(), reading.state);
    Some(reading)
}

fn soft_bindings(manifest: &Manifest) -> Vec<SoftBindingReading> {
    let bindings = manifest.assertions().iter().filter(|a| a.label().starts_with(build::SOFT_BINDING));
    let values = bindings.filter_map(|a| a.value().ok());
    values
        .map(|value| {
            let algorithm = value.get("alg").and_then(Value::as_str).unwrap_or_default().to_owned();
            let image_code = (algorithm == iscc::ALGORITHM).then(|| image_code(value)).flatten();
            SoftBindingReading { algorithm, image_code }
        })
        .collect()
}

/// Bytes come as numbers.
fn image_code(binding: &Value) -> Option<ImageCode> {
    let [block] = binding.get("blocks")?.as_array()?.as_slice() else { return None };
    let value: Vec<u8> = serde_json::from_value(block.get("value")?.clone()).ok()?;
    ImageCode::from_unit(&value)
}

/// An assertion of ours, if it is there and as we write it.
fn assertion<T: DeserializeOwned>(manifest: &Manifest, label: &str) -> Option<T> {
    let assertion = manifest.assertions().iter().find(|a| a.label() == label)?;
    serde_json::from_value(assertion.value().ok()?.clone()).ok()
}

/// Takes the trust from a manifest whose signer's certificate was revoked, unless a trusted time stamp says that it was
/// signed before, with a key that nobody else had.
fn revoke(reading: &mut Reading, revoked: &[Revocation]) {
    let Some(certificate) = reading.signer.as_ref().and_then(|signer| signer.fingerprint) else { return };
    let stamp = reading.time_stamp.as_ref().filter(|stamp| stamp.trusted);
    let signed = stamp.and_then(|stamp| OffsetDateTime::parse(stamp.time.as_deref()?, &Rfc3339).ok());
    let found = revoked.iter().find(|one| one.certificate == certificate && one.covers(signed));
    let Some(revocation) = found else { return };
    if reading.state == State::Trusted {
        reading.state = State::Valid;
    }
    reading.failures.push(Failure {
        code: REVOKED.to_owned(),
        explanation: Some(format!("revoked on {} ({})", revocation.at.date(), revocation.reason.name())),
        ingredient: None,
    });
}

/// What a manifest says about its asset.
struct Content {
    digital_source_type: Option<String>,
    created: Option<Derivation>,
    derivation: Option<Derivation>,
    agreement: Agreement,
}

impl Content {
    fn of(manifest: &Manifest) -> Self {
        let actions = actions(manifest);
        let mut created = created(&actions);
        let facts = |label, declared| named(assertion::<Derivation>(manifest, label)?, declared);
        let mut derivation = facts(build::DERIVATION, false).or_else(|| facts(build::DECLARATION, true));
        // It stands apart since it may be redacted; earlier manifests have it in both places.
        if let Some(prompt) = assertion::<Prompt>(manifest, build::PROMPT) {
            [&mut created, &mut derivation]
                .into_iter()
                .flatten()
                .for_each(|facts| facts.put_prompt(prompt.clone()));
        }
        Content {
            digital_source_type: digital_source_type(&actions),
            agreement: agreement(created.as_ref(), derivation.as_ref()),
            created,
            derivation,
        }
    }

    fn none() -> Self {
        Content { digital_source_type: None, created: None, derivation: None, agreement: Agreement::Absent }
    }
}

fn state(state: ValidationState) -> State {
    match state {
        ValidationState::Trusted => State::Trusted,
        ValidationState::Valid => State::Valid,
        ValidationState::Invalid => State::Invalid,
    }
}

fn agreement(action: Option<&Derivation>, assertion: Option<&Derivation>) -> Agreement {
    match (action, assertion) {
        (Some(a), Some(b)) if a == b => Agreement::Agree,
        (Some(_), Some(_)) => Agreement::Differ,
        (Some(_), None) => Agreement::ActionOnly,
        (None, Some(_)) => Agreement::AssertionOnly,
        (None, None) => Agreement::Absent,
    }
}

fn signer(info: &SignatureInfo) -> SignerReading {
    let chain = read::certificates(info.cert_chain()).unwrap_or_default();
    SignerReading {
        common_name: info.common_name.clone(),
        issuer: info.issuer.clone(),
        alg: info.alg.map(|alg| alg.to_string()),
        fingerprint: chain.first().map(Digest::of),
        time: info.time.clone(),
    }
}

/// The SDK tells of time stamps among its remarks.
fn time_stamp(reader: &Reader, manifest: &Manifest) -> Option<TimeStampReading> {
    let codes = reader.validation_results()?.active_manifest()?;
    let fault = codes.informational().iter().chain(codes.failure());
    let fault = fault.map(ValidationStatus::code).find(|code| code.starts_with("timeStamp."));
    let trusted = codes.success().iter().find(|status| status.code() == "timeStamp.trusted");
    let validated = codes.success().iter().find(|status| status.code() == "timeStamp.validated");
    if fault.is_none() && trusted.is_none() {
        return None;
    }
    // "timestamp cert trusted: NAME"
    let name = trusted.or(validated).and_then(|status| status.explanation()?.split_once(": "));
    Some(TimeStampReading {
        time: manifest.signature_info().and_then(|info| info.time.clone()),
        authority: name.map(|(_, name)| name.to_owned()).filter(|name| !name.is_empty()),
        trusted: trusted.is_some() && fault.is_none(),
        fault: fault.map(str::to_owned),
    })
}

/// All actions, those attributed to the signer first.
fn actions(manifest: &Manifest) -> Vec<&Value> {
    let lists = manifest.assertions().iter().filter(|a| a.label().starts_with("c2pa.actions"));
    let mut lists: Vec<_> = lists.collect();
    lists.sort_by_key(|list| !list.created());
    lists.iter().filter_map(|list| list.value().ok()?.get("actions")?.as_array()).flatten().collect()
}

fn digital_source_type(actions: &[&Value]) -> Option<String> {
    let mut types = actions.iter().filter_map(|action| action.get("digitalSourceType")?.as_str());
    let first = types.clone().next();
    types.find(|uri| iptc::is_generated(uri)).or(first).map(str::to_owned)
}

/// Our facts in the parameters of the created action, or of the one that declares.
fn created(actions: &[&Value]) -> Option<Derivation> {
    let name = |action: &Value| action.get("action").and_then(Value::as_str).map(str::to_owned);
    let tells = |action: &&&Value| matches!(name(action).as_deref(), Some("c2pa.created" | build::DECLARED));
    let action = actions.iter().find(tells)?;
    let parameters = action.get("parameters")?.as_object()?;
    let facts: Map<String, Value> = parameters
        .iter()
        .filter_map(|(name, value)| Some((name.strip_prefix(build::PREFIX)?.to_owned(), value.clone())))
        .collect();
    let facts = serde_json::from_value(Value::Object(facts)).ok()?;
    named(facts, name(action).as_deref() == Some(build::DECLARED))
}

/// Facts that stand under the name of what they are: witnessed, or declared.
fn named(facts: Derivation, declared: bool) -> Option<Derivation> {
    (facts.declared.is_some() == declared).then_some(facts)
}

fn claim_generator(manifest: &Manifest) -> Option<String> {
    let Some(info) = manifest.claim_generator_info.as_ref().and_then(|all| all.first()) else {
        // Claims of version 1 may have no more than this.
        return manifest.claim_generator.clone();
    };
    Some(match &info.version {
        Some(version) => format!("{} {version}", info.name),
        None => info.name.clone(),
    })
}

pub(super) fn failures(results: &c2pa::ValidationResults) -> Vec<Failure> {
    let own = results.active_manifest().into_iter().flat_map(|codes| codes.failure());
    let deltas = results.ingredient_deltas().into_iter().flatten().flat_map(|delta| {
        let uri = delta.ingredient_assertion_uri();
        delta.validation_deltas().failure().iter().map(move |status| failure(status, Some(uri)))
    });
    own.map(|status| failure(status, None)).chain(deltas).collect()
}

fn failure(status: &ValidationStatus, ingredient: Option<&str>) -> Failure {
    Failure {
        code: status.code().to_owned(),
        explanation: status.explanation().map(str::to_owned),
        ingredient: ingredient.map(str::to_owned),
    }
}

fn ingredients(
    reader: &Reader,
    manifest: &Manifest,
    depth: usize,
    budget: &mut usize,
) -> Vec<IngredientReading> {
    let mut found = Vec::new();
    for each in manifest.ingredients() {
        if *budget == 0 {
            break;
        }
        *budget -= 1;
        found.push(ingredient(reader, each, depth, budget));
    }
    found
}

fn ingredient(
    reader: &Reader,
    ingredient: &Ingredient,
    depth: usize,
    budget: &mut usize,
) -> IngredientReading {
    let results = ingredient.validation_results();
    let relationship = serde_json::to_value(ingredient.relationship()).ok();
    let label = ingredient.active_manifest();
    let manifest = label.and_then(|label| reader.get_manifest(label));
    let content = manifest.map_or_else(Content::none, Content::of);
    IngredientReading {
        title: ingredient.title().map(str::to_owned),
        relationship: relationship.as_ref().and_then(Value::as_str).unwrap_or("unknown").to_owned(),
        label: label.map(str::to_owned),
        state: results.map(|results| state(results.validation_state())),
        failures: results.map(failures).unwrap_or_default(),
        digital_source_type: content.digital_source_type,
        created: content.created,
        derivation: content.derivation,
        agreement: content.agreement,
        ingredients: match manifest {
            Some(manifest) if depth > 0 => ingredients(reader, manifest, depth - 1, budget),
            _ => Vec::new(),
        },
    }
}
