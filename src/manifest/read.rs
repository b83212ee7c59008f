//! Reading: what a manifest says, and whether it can be believed.

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

use c2pa::validation_results::ValidationState;
use c2pa::validation_status::ValidationStatus;
use c2pa::{Ingredient, Manifest, Reader};
use serde::Serialize;
use serde_json::{Map, Value};

use super::sign::one_line;
use super::statement::Derivation;
use super::{LIMIT_BYTES, build, context};

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
    pub signer: Option<SignerReading>,
    /// IPTC digital source type of the first action that has one.
    pub digital_source_type: Option<String>,
    /// Our facts, from the parameters of the created action: these cannot be redacted.
    pub created: Option<Derivation>,
    /// Our facts, from the `org.vidimus.derivation` assertion.
    pub derivation: Option<Derivation>,
    /// Whether the two agree.
    pub agreement: Agreement,
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
    pub serial: Option<String>,
    /// Trusted time-stamp, if there is one (RFC 3339).
    pub time: Option<String>,
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
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
}

/// Why it is unknown whether there is a manifest.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("{bytes} bytes are over the limit of {limit}")]
    TooLarge { bytes: usize, limit: usize },
    #[error("{mime} cannot carry a C2PA manifest")]
    Format { mime: String },
    #[error("its manifest is elsewhere, at {url}, and nothing is fetched from a network")]
    Remote { url: String },
    #[error("damaged {mime} file or manifest: {reason}")]
    Damaged { mime: String, reason: String },
    #[error("the C2PA library failed on this input: {reason}")]
    Panic { reason: String },
    #[error("cannot prepare the C2PA library with these trust anchors: {reason}")]
    Anchors { reason: String },
}

impl Reading {
    /// Our facts, wherever they stand; those of the created action come first.
    pub fn facts(&self) -> Option<&Derivation> {
        self.created.as_ref().or(self.derivation.as_ref())
    }

    pub fn failure_codes(&self) -> Vec<&str> {
        self.failures.iter().map(|f| f.code.as_str()).collect()
    }

    /// Whether the pixels are not those that were signed.
    pub fn content_differs(&self) -> bool {
        self.failures.iter().any(|f| f.ingredient.is_none() && f.code == "assertion.dataHash.mismatch")
    }
}

/// The manifest in `bytes`, a file of type `mime`, judged with `anchors` (PEM) as the trusted roots.
///
/// `None` says that there is no manifest, which says nothing about the picture: manifests get stripped.
/// Never panics and never asks a network.
pub fn read(bytes: &[u8], mime: &str, anchors: &[String]) -> Result<Option<Reading>, ReadError> {
    guarded_read(bytes, mime, anchors, |reader| reader.with_stream(mime, Cursor::new(bytes)))
}

/// The manifest store `store`, recovered from elsewhere, read against `bytes`.
///
/// Against a stripped file the state is `Invalid` with `content_differs`: recovered, not tampered with.
pub fn read_detached(
    store: &[u8],
    bytes: &[u8],
    mime: &str,
    anchors: &[String],
) -> Result<Reading, ReadError> {
    guarded_read(bytes, mime, anchors, |reader| {
        reader.with_manifest_data_and_stream(store, mime, Cursor::new(bytes))
    })?
    .ok_or_else(|| ReadError::Damaged { mime: mime.to_owned(), reason: "the store holds no manifest".into() })
}

fn guarded_read(
    bytes: &[u8],
    mime: &str,
    anchors: &[String],
    open: impl FnOnce(Reader) -> c2pa::Result<Reader>,
) -> Result<Option<Reading>, ReadError> {
    if bytes.len() > LIMIT_BYTES {
        return Err(ReadError::TooLarge { bytes: bytes.len(), limit: LIMIT_BYTES });
    }
    let context = context(anchors).map_err(|e| ReadError::Anchors { reason: one_line(&e) })?;
    guarded(|| match open(Reader::from_context(context)) {
        Ok(reader) => Ok(reading(&reader)),
        Err(c2pa::Error::JumbfNotFound | c2pa::Error::ProvenanceMissing) => Ok(None),
        Err(c2pa::Error::UnsupportedType) => Err(ReadError::Format { mime: mime.to_owned() }),
        Err(c2pa::Error::RemoteManifestUrl(url) | c2pa::Error::RemoteManifestFetch(url)) => {
            Err(ReadError::Remote { url })
        }
        Err(e) => Err(ReadError::Damaged { mime: mime.to_owned(), reason: one_line(&e) }),
    })
    .map_err(|reason| ReadError::Panic { reason })?
}

/// Runs `work` on input that nobody vouches for: a panic of the SDK becomes its message.
pub(super) fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    // Nothing that `work` borrows is used after a panic.
    catch_unwind(AssertUnwindSafe(work)).map_err(|cause| {
        let text = cause.downcast_ref::<&str>().map(|s| (*s).to_owned());
        text.or_else(|| cause.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".into())
    })
}

fn reading(reader: &Reader) -> Option<Reading> {
    let manifest = reader.active_manifest()?;
    let actions = actions(manifest);
    let created = created(&actions);
    let derivation = assertion(manifest, build::DERIVATION)
        .and_then(|value| serde_json::from_value::<Derivation>(value.clone()).ok());
    Some(Reading {
        state: state(reader.validation_state()),
        label: reader.active_label().unwrap_or_default().to_owned(),
        title: manifest.title().map(str::to_owned),
        claim_generator: claim_generator(manifest),
        signer: manifest.signature_info().map(|info| SignerReading {
            common_name: info.common_name.clone(),
            issuer: info.issuer.clone(),
            alg: info.alg.map(|alg| alg.to_string()),
            serial: info.cert_serial_number.clone(),
            time: info.time.clone(),
        }),
        digital_source_type: actions
            .iter()
            .find_map(|action| action.get("digitalSourceType")?.as_str().map(str::to_owned)),
        agreement: agreement(created.as_ref(), derivation.as_ref()),
        created,
        derivation,
        failures: reader.validation_results().map(failures).unwrap_or_default(),
        ingredients: manifest.ingredients().iter().map(ingredient).collect(),
    })
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

/// The value of the assertion `label`, whatever its instance.
fn assertion<'a>(manifest: &'a Manifest, label: &str) -> Option<&'a Value> {
    manifest.assertions().iter().find(|a| a.label() == label)?.value().ok()
}

/// All actions, those attributed to the signer first.
fn actions(manifest: &Manifest) -> Vec<&Value> {
    let mut lists: Vec<_> =
        manifest.assertions().iter().filter(|a| a.label().starts_with("c2pa.actions")).collect();
    lists.sort_by_key(|a| !a.created());
    lists.iter().filter_map(|a| a.value().ok()?.get("actions")?.as_array()).flatten().collect()
}

/// Our facts in the parameters of the created action.
fn created(actions: &[&Value]) -> Option<Derivation> {
    let action = actions.iter().find(|a| a.get("action").and_then(Value::as_str) == Some("c2pa.created"))?;
    let parameters = action.get("parameters")?.as_object()?;
    let facts: Map<String, Value> = parameters
        .iter()
        .filter_map(|(name, value)| Some((name.strip_prefix(build::PREFIX)?.to_owned(), value.clone())))
        .collect();
    serde_json::from_value(Value::Object(facts)).ok()
}

fn claim_generator(manifest: &Manifest) -> Option<String> {
    let info = manifest.claim_generator_info.as_ref()?.first()?;
    Some(match &info.version {
        Some(version) => format!("{} {version}", info.name),
        None => info.name.clone(),
    })
}

fn failures(results: &c2pa::ValidationResults) -> Vec<Failure> {
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

fn ingredient(ingredient: &Ingredient) -> IngredientReading {
    let results = ingredient.validation_results();
    let relationship = serde_json::to_value(ingredient.relationship()).ok();
    IngredientReading {
        title: ingredient.title().map(str::to_owned),
        relationship: relationship.as_ref().and_then(Value::as_str).unwrap_or("unknown").to_owned(),
        label: ingredient.active_manifest().map(str::to_owned),
        state: results.map(|results| state(results.validation_state())),
        failures: results.map(failures).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIMES: [&str; 4] = ["image/png", "image/jpeg", "image/webp", "image/tiff"];

    #[test]
    fn garbage_is_an_error_or_no_manifest_and_never_a_panic() {
        let heads: [&[u8]; 5] = [
            b"",
            b"\x89PNG\r\n\x1a\n",
            b"\xff\xd8\xff\xeb\xff\xff",
            b"RIFF\xff\xff\xff\xffWEBP",
            b"II*\0\xff\xff\xff\xff",
        ];
        for mime in MIMES {
            for head in heads {
                for tail in 0..64usize {
                    let mut bytes = head.to_vec();
                    bytes.extend((0..tail * 3).map(|i| (i * 89 % 256) as u8));
                    assert!(
                        !matches!(read(&bytes, mime, &[]), Ok(Some(_)) | Err(ReadError::Panic { .. })),
                        "{mime} {bytes:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_garbage_store_is_an_error() {
        for mime in MIMES {
            for store in [&b""[..], b"jumb", &[0; 100], &[0xff; 1000]] {
                assert!(read_detached(store, b"not a picture", mime, &[]).is_err(), "{mime}");
            }
        }
    }

    #[test]
    fn a_panic_is_caught_with_its_message() {
        assert_eq!(guarded(|| -> u8 { panic!("at byte {}", 7) }), Err("at byte 7".to_owned()));
    }

    #[test]
    fn a_type_that_carries_no_manifest_is_named() {
        let found = read(b"BM", "image/bmp", &[]);
        assert!(matches!(found, Err(ReadError::Format { mime }) if mime == "image/bmp"));
    }

    #[test]
    fn trust_anchors_that_are_not_pem_trust_nobody() {
        assert!(!matches!(read(b"", "image/png", &["rubbish".into()]), Ok(Some(_))));
    }
}
