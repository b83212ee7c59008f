//! What a manifest says, in our words.

use c2pa::validation_results::ValidationState;
use c2pa::validation_status::ValidationStatus;
use c2pa::{Ingredient, Manifest, Reader, SignatureInfo};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::annotations::{METADATA, Metadata, Permissions, TRAINING_MINING};
use super::bundle::Revocation;
use super::recovery::{RECOVERY, Recovery};
use super::statement::{Derivation, Prompt};
use super::vendor::{Vendor, vendor};
use super::{build, read};
use crate::digest::Digest;
use crate::iptc;
use crate::iscc::{self, ImageCode};

/// Ingredients of ingredients are followed this far; a hostile store can nest deeper.
const DEPTH: usize = 8;
/// The content is not what was signed.
const CONTENT: &str = "assertion.dataHash.mismatch";
const UNTRUSTED: &str = "signingCredential.untrusted";
const EXPIRED: &str = "signingCredential.expired";
/// The signature is older or younger than its certificate.
const OUTSIDE: &str = "claimSignature.outsideValidity";
/// Most ingredients in one reading, at all depths together: a hostile store can name one manifest from many
/// places, and grow exponentially.
const INGREDIENTS: usize = 256;

/// Our own status code for a signer whose certificate a list of ours revokes: no OCSP response says so.
pub(super) const REVOKED: &str = "signingCredential.revoked";
/// C2PA's, where an OCSP response that the manifest carries says so.
const REVOKED_BY_OCSP: &str = "signingCredential.ocsp.revoked";

/// How far a manifest can be believed (C2PA 2.2, section 15.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Intact, and signed under one of the given anchors.
    Trusted,
    /// Intact, by a signer unknown here.
    Valid,
    /// Broken; `failures` say where.
    Invalid,
}

/// What one file's active manifest says.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reading {
    pub state: State,
    /// The manifest's name, unique to this signature.
    pub label: String,
    pub title: Option<String>,
    /// Name and version of the program that made the claim.
    pub claim_generator: Option<String>,
    /// The vendor whose program that is, by its name.
    pub vendor: Option<Vendor>,
    pub signer: Option<SignerReading>,
    /// When it was signed, as an authority says; none where none was asked.
    pub time_stamp: Option<TimeStampReading>,
    /// IPTC digital source type of the first action that names a generative one; failing that, of the
    /// first action that has any.
    pub digital_source_type: Option<String>,
    /// Our facts, from the parameters of the created action: these cannot be redacted.
    pub created: Option<Derivation>,
    /// Our facts, from the `org.vidimus.derivation` assertion.
    pub derivation: Option<Derivation>,
    /// Whether the two agree.
    pub agreement: Agreement,
    /// What a copy of the content can be known by, beside our watermark.
    pub soft_bindings: Vec<SoftBindingReading>,
    /// What XMP said of the content when it was signed.
    pub metadata: Option<Metadata>,
    /// Whether others may mine it, and train or run models on it, as its signer says.
    pub training_mining: Option<Permissions>,
    /// Said of a changed copy that was given its lost manifest back.
    pub recovery: Option<Recovery>,
    /// Everything the validation found wrong, an unknown signer included.
    pub failures: Vec<Failure>,
    pub ingredients: Vec<IngredientReading>,
}

/// Who signed, as the certificate says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SignerReading {
    pub common_name: Option<String>,
    /// Organisation in the certificate's subject.
    pub issuer: Option<String>,
    pub alg: Option<String>,
    /// SHA-256 of the leaf certificate's DER.
    pub fingerprint: Option<Digest>,
    /// Trusted time-stamp, if there is one (RFC 3339).
    pub time: Option<String>,
}

/// What a time-stamp authority says (RFC 3161).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TimeStampReading {
    /// RFC 3339; none for a time stamp that is broken.
    pub time: Option<String>,
    /// Common name in the authority's certificate.
    pub authority: Option<String>,
    /// Whether the authority is under one of the given anchors. Of an untrusted one the time counts for nothing: the
    /// certificate of the signer is judged at the time of reading.
    pub trusted: bool,
    /// C2PA status code of what is wrong with it, such as `timeStamp.untrusted`.
    pub fault: Option<String>,
}

/// Where our facts stand in a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Agreement {
    /// In action and assertion, and equal.
    Agree,
    /// In both, and different.
    Differ,
    /// The assertion is missing or unreadable: it may have been redacted.
    ActionOnly,
    /// The action does not have them: not a manifest that this program wrote.
    AssertionOnly,
    /// Nowhere: not a manifest of this program.
    Absent,
}

/// A `c2pa.soft-binding` assertion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SoftBindingReading {
    pub algorithm: String,
    /// Where it is a code of this program's kind, of all of the content.
    pub image_code: Option<ImageCode>,
}

/// One failed check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// C2PA status code, such as `assertion.dataHash.mismatch`.
    pub code: String,
    pub explanation: Option<String>,
    /// The ingredient assertion it is about; none for the manifest itself.
    pub ingredient: Option<String>,
}

/// Something the output was made from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct IngredientReading {
    pub title: Option<String>,
    /// `inputTo`, `parentOf` or `componentOf`.
    pub relationship: String,
    /// Name of the ingredient's own manifest, if it carries one.
    pub label: Option<String>,
    /// State of that manifest when it was taken in, as its signer recorded it. The SDK's verdict on the
    /// output ignores it.
    pub state: Option<State>,
    pub failures: Vec<Failure>,
    /// What the ingredient's own manifest says, as in `Reading`: an update or an edit of an output of ours
    /// has our facts here and nowhere else.
    pub digital_source_type: Option<String>,
    pub created: Option<Derivation>,
    pub derivation: Option<Derivation>,
    pub agreement: Agreement,
    /// What the ingredient was made from: 8 levels and 256 ingredients at most, in one reading.
    pub ingredients: Vec<IngredientReading>,
}

impl Reading {
    /// Our facts, wherever they stand; those of the created action come first.
    pub fn facts(&self) -> Option<&Derivation> {
        self.created.as_ref().or(self.derivation.as_ref())
    }

    /// Our facts or, in a manifest that gave another one back, those of that one.
    pub fn known_facts(&self) -> Option<&Derivation> {
        self.facts().or_else(|| self.restored()?.facts())
    }

    /// The digital source type, of the same two.
    pub fn known_source_type(&self) -> Option<&str> {
        self.digital_source_type.as_deref().or_else(|| self.restored()?.digital_source_type.as_deref())
    }

    /// The parent that this manifest gave back to a changed copy, if nothing else is wrong with it than that its
    /// content was changed or that its signer is unknown here.
    pub fn restored(&self) -> Option<&IngredientReading> {
        let recovery = self.recovery.as_ref()?;
        self.ingredients.iter().find(|parent| {
            parent.relationship == "parentOf"
                && parent.label.as_ref() == Some(&recovery.manifest)
                && parent.state.is_some()
                && parent.failures.iter().all(|failure| failure.is_of_content() || failure.is_of_trust())
        })
    }

    /// What is wrong with the manifest itself, apart from its ingredients.
    pub fn own_failures(&self) -> impl Iterator<Item = &Failure> {
        self.failures.iter().filter(|failure| failure.ingredient.is_none())
    }

    /// Whether manifest and pixels are as they were signed. A certificate that ended since breaks nothing;
    /// it takes away the trust.
    pub fn holds(&self) -> bool {
        let of_trust_only =
            self.own_failures().next().is_some() && self.own_failures().all(Failure::is_of_trust);
        (self.state != State::Invalid || of_trust_only) && self.agreement != Agreement::Differ
    }

    /// Whether the manifest holds in itself, whatever content it is read against and whoever signed it.
    pub fn holds_but_for_content(&self) -> bool {
        self.agreement != Agreement::Differ
            && self.own_failures().all(|failure| failure.is_of_content() || failure.is_of_trust())
    }

    /// Whether its signer is trusted here, whatever content it is read against.
    pub fn is_of_trusted_signer(&self) -> bool {
        self.holds_but_for_content() && self.own_failures().all(Failure::is_of_content)
    }

    /// Whether it holds and says that the picture was captured from life.
    pub fn says_captured(&self) -> bool {
        self.holds() && self.digital_source_type.as_deref().is_some_and(iptc::is_capture)
    }

    /// C2PA status codes of all failures.
    pub fn failure_codes(&self) -> Vec<&str> {
        self.failures.iter().map(|f| f.code.as_str()).collect()
    }

    /// Whether the signer's certificate is out of its time.
    pub fn ended(&self) -> bool {
        self.own_failures().any(|failure| matches!(failure.code.as_str(), EXPIRED | OUTSIDE))
    }

    /// When and why the signer's certificate was revoked, if that counts for this signature.
    pub fn revocation(&self) -> Option<&str> {
        self.own_failures().find_map(|failure| match failure.code.as_str() {
            REVOKED => failure.explanation.as_deref(),
            REVOKED_BY_OCSP => Some("revoked by its issuer"),
            _ => None,
        })
    }

    /// Whether the pixels are not those that were signed.
    pub fn content_differs(&self) -> bool {
        self.own_failures().any(Failure::is_of_content)
    }
}

impl Failure {
    /// Whether it says that the content is not what was signed.
    pub fn is_of_content(&self) -> bool {
        self.code == CONTENT
    }

    /// Whether it takes trust from the signer, and nothing from what was signed.
    pub fn is_of_trust(&self) -> bool {
        matches!(self.code.as_str(), UNTRUSTED | EXPIRED | REVOKED | REVOKED_BY_OCSP | OUTSIDE)
    }
}

impl IngredientReading {
    /// Our facts in the ingredient's own manifest; those of the created action come first.
    pub fn facts(&self) -> Option<&Derivation> {
        self.created.as_ref().or(self.derivation.as_ref())
    }

    /// Whether its manifest was made for other content than it was found with.
    pub fn content_differs(&self) -> bool {
        self.failures.iter().any(Failure::is_of_content)
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    impl Reading {
        /// One that says nothing.
        pub(crate) fn silent(label: &str, state: State) -> Self {
            Reading {
                state,
                label: label.to_owned(),
                title: None,
                claim_generator: None,
                vendor: None,
                signer: None,
                time_stamp: None,
                digital_source_type: None,
                created: None,
                derivation: None,
                agreement: Agreement::Absent,
                soft_bindings: Vec::new(),
                metadata: None,
                training_mining: None,
                recovery: None,
                failures: Vec::new(),
                ingredients: Vec::new(),
            }
        }
    }

    fn failed(code: &str, ingredient: Option<&str>) -> Failure {
        let explanation = Some("told by the library".to_owned());
        Failure { code: code.into(), explanation, ingredient: ingredient.map(str::to_owned) }
    }

    fn reading(state: State, failures: Vec<Failure>) -> Reading {
        Reading { failures, ..Reading::silent("label", state) }
    }

    #[test]
    fn what_takes_the_trust_alone_breaks_nothing() {
        for (code, ended, revocation) in [
            (UNTRUSTED, false, None),
            (EXPIRED, true, None),
            (OUTSIDE, true, None),
            (REVOKED, false, Some("told by the library")),
            (REVOKED_BY_OCSP, false, Some("revoked by its issuer")),
        ] {
            let one = reading(State::Invalid, vec![failed(code, None)]);
            assert!(one.holds() && one.holds_but_for_content() && !one.is_of_trusted_signer(), "{code}");
            assert_eq!((one.ended(), one.revocation()), (ended, revocation), "{code}");
            let both = reading(State::Invalid, vec![failed(code, None), failed(CONTENT, None)]);
            assert!(!both.holds() && both.content_differs() && both.holds_but_for_content(), "{code}");
        }
        let broken = reading(State::Invalid, vec![failed("claimSignature.mismatch", None)]);
        assert!(!broken.holds() && !broken.holds_but_for_content());
        assert!(!reading(State::Invalid, Vec::new()).holds(), "broken for no reason that is told");
    }

    #[test]
    fn what_is_wrong_with_an_ingredient_says_nothing_of_the_signer() {
        let codes = [UNTRUSTED, EXPIRED, REVOKED, CONTENT];
        let failures = codes.map(|code| failed(code, Some("an ingredient"))).to_vec();
        let one = reading(State::Trusted, failures);
        assert!(one.holds() && one.is_of_trusted_signer() && !one.ended() && !one.content_differs());
        assert_eq!(one.revocation(), None);
        assert_eq!(one.failure_codes(), codes, "they are told all the same");
    }
}
