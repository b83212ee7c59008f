//! Manifests that this program did not write, around files that it did: made with the SDK itself.

use std::io::Cursor;

use c2pa::{Builder, BuilderIntent, Context, Settings, Signer, SigningAlg};
use serde_json::{Value, json};
use vidimus::keys::Keys;
use vidimus::manifest::{self, Agreement, State};
use vidimus::raster::Format;

use crate::support::*;

/// The workspace's key in another program's hands.
struct Other<'a>(&'a Keys);

impl Signer for Other<'_> {
    fn sign(&self, data: &[u8]) -> c2pa::Result<Vec<u8>> {
        Ok(self.0.sign(data).to_vec())
    }

    fn alg(&self) -> SigningAlg {
        SigningAlg::Ed25519
    }

    fn certs(&self) -> c2pa::Result<Vec<Vec<u8>>> {
        let body: String = self.0.chain_pem().lines().filter(|line| !line.starts_with("-----")).collect();
        Ok(vec![base64(&body)])
    }

    fn reserve_size(&self) -> usize {
        10_000
    }
}

fn base64(text: &str) -> Vec<u8> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bits = 0u32;
    let mut bytes = Vec::new();
    let digits = text.bytes().filter_map(|c| DIGITS.iter().position(|d| *d == c));
    for (n, digit) in (1..).zip(digits) {
        bits = bits << 6 | digit as u32;
        if n % 4 != 1 {
            bytes.push((bits >> (6 - 2 * ((n - 1) % 4))) as u8);
        }
    }
    bytes
}

/// `source` with a further manifest on top of the one it has.
fn again(keys: &Keys, source: &[u8], intent: BuilderIntent, definition: Value) -> Vec<u8> {
    let settings = Settings::new()
        .with_value("trust.user_anchors", keys.anchors().join("\n"))
        .and_then(|s| s.with_value("builder.thumbnail.enabled", false))
        .expect("settings");
    let context = Context::new().with_settings(settings).expect("a context").into_shared();
    let mut builder =
        Builder::from_shared_context(&context).with_definition(definition).expect("a definition");
    builder.set_intent(intent);
    let mut out = Cursor::new(Vec::new());
    builder.sign(&Other(keys), "image/png", &mut Cursor::new(source), &mut out).expect("it signs");
    out.into_inner()
}

fn definition(more: Value) -> Value {
    let mut all = json!({ "claim_generator_info": [{ "name": "editor", "version": "7" }] });
    if let (Value::Object(all), Value::Object(more)) = (&mut all, more) {
        all.extend(more);
    }
    all
}

#[test]
fn an_edit_elsewhere_keeps_our_facts_in_its_ingredient() {
    let dir = tempfile::tempdir().expect("a directory");
    let keys = keys(dir.path());
    let ours = signed(&keys, Format::Png);
    let edited = again(&keys, &ours.bytes, BuilderIntent::Edit, definition(json!({ "title": "edited" })));
    let reading = read(&edited, Format::Png, keys.anchors());
    assert_eq!(reading.state, State::Trusted, "{:?}", reading.failures);
    assert_eq!((reading.agreement, reading.facts()), (Agreement::Absent, None));
    assert_eq!(reading.claim_generator.as_deref(), Some("editor 7"));
    let [parent] = reading.ingredients.as_slice() else { panic!("{:?}", reading.ingredients) };
    assert_eq!(parent.relationship, "parentOf");
    assert_eq!(parent.label.as_ref(), Some(&ours.label));
    assert_eq!(parent.facts(), Some(&statement(&picture(Format::Png, 9)).derivation));
    assert!(parent.digital_source_type.as_ref().is_some_and(|uri| uri.ends_with("trainedAlgorithmicMedia")));
}

#[test]
fn redacting_the_assertion_leaves_the_facts_in_the_action() {
    let dir = tempfile::tempdir().expect("a directory");
    let keys = keys(dir.path());
    let ours = signed(&keys, Format::Png);
    let uri = format!("self#jumbf=/c2pa/{}/c2pa.assertions/org.vidimus.derivation", ours.label);
    let redacted = again(
        &keys,
        &ours.bytes,
        BuilderIntent::Update,
        definition(json!({
            "redactions": [uri],
            "assertions": [{
                "label": "c2pa.actions.v2",
                "data": { "actions": [{
                    "action": "c2pa.redacted",
                    "reason": "c2pa.PII.present",
                    "parameters": { "redacted": uri },
                }]},
            }],
        })),
    );
    let reading = read(&redacted, Format::Png, keys.anchors());
    assert_eq!(reading.state, State::Trusted, "a redaction is no damage: {:?}", reading.failures);
    let [parent] = reading.ingredients.as_slice() else { panic!("{:?}", reading.ingredients) };
    assert_eq!(parent.agreement, Agreement::ActionOnly);
    assert_eq!(parent.derivation, None);
    assert_eq!(parent.facts(), Some(&statement(&picture(Format::Png, 9)).derivation));
}

#[test]
fn facts_that_differ_between_action_and_assertion_are_seen() {
    let dir = tempfile::tempdir().expect("a directory");
    let keys = keys(dir.path());
    let derivation = |strength: f64| {
        let mut facts = serde_json::to_value(statement(b"reference").derivation).expect("it serialises");
        facts["denoise_strength"] = json!(strength);
        facts
    };
    let parameters: serde_json::Map<String, Value> = derivation(0.5)
        .as_object()
        .expect("a map")
        .iter()
        .map(|(name, value)| (format!("org.vidimus.{name}"), value.clone()))
        .collect();
    let source_type = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia";
    let forged = again(
        &keys,
        &picture(Format::Png, 0),
        BuilderIntent::Create(c2pa::DigitalSourceType::TrainedAlgorithmicMedia),
        definition(json!({ "assertions": [
            { "label": "c2pa.actions.v2", "data": { "actions": [
                { "action": "c2pa.created", "digitalSourceType": source_type, "parameters": parameters },
            ]}},
            { "label": "org.vidimus.derivation", "data": derivation(0.9) },
        ]})),
    );
    let reading = read(&forged, Format::Png, keys.anchors());
    assert_eq!(reading.agreement, Agreement::Differ);
    assert_eq!(
        reading.facts().and_then(|facts| facts.denoise_strength),
        vidimus::quantity::Strength::new(0.5)
    );
}

#[test]
fn a_later_generative_edit_is_the_source_type_that_counts() {
    let dir = tempfile::tempdir().expect("a directory");
    let keys = keys(dir.path());
    let base = "http://cv.iptc.org/newscodes/digitalsourcetype";
    let retouched = again(
        &keys,
        &picture(Format::Png, 0),
        BuilderIntent::Create(c2pa::DigitalSourceType::DigitalCapture),
        definition(json!({ "assertions": [{ "label": "c2pa.actions.v2", "data": { "actions": [
            { "action": "c2pa.created", "digitalSourceType": format!("{base}/digitalCapture") },
            { "action": "c2pa.edited", "digitalSourceType": format!("{base}/compositeWithTrainedAlgorithmicMedia") },
        ]}}]})),
    );
    let reading = read(&retouched, Format::Png, keys.anchors());
    let found = reading.digital_source_type.unwrap_or_default();
    assert!(found.ends_with("/compositeWithTrainedAlgorithmicMedia"), "{found}");
    assert_eq!(reading.agreement, Agreement::Absent);
}

#[test]
fn a_manifest_with_endless_ingredients_is_read_in_part() {
    let dir = tempfile::tempdir().expect("a directory");
    let keys = keys(dir.path());
    let many: Vec<Value> = (0..300)
        .map(|n| json!({ "title": n.to_string(), "format": "image/png", "relationship": "componentOf" }))
        .collect();
    let collage = again(
        &keys,
        &picture(Format::Png, 0),
        BuilderIntent::Create(c2pa::DigitalSourceType::DigitalCreation),
        definition(json!({ "ingredients": many })),
    );
    assert_eq!(read(&collage, Format::Png, keys.anchors()).ingredients.len(), 256);
}

#[test]
fn a_manifest_kept_elsewhere_is_not_fetched() {
    let dir = tempfile::tempdir().expect("a directory");
    let keys = keys(dir.path());
    let context = Context::new().into_shared();
    let mut builder =
        Builder::from_shared_context(&context).with_definition(definition(json!({}))).expect("a definition");
    builder.set_intent(BuilderIntent::Create(c2pa::DigitalSourceType::TrainedAlgorithmicMedia));
    builder.set_no_embed(true).set_remote_url("https://example.invalid/manifest.c2pa");
    let mut out = Cursor::new(Vec::new());
    let source = picture(Format::Png, 0);
    builder.sign(&Other(&keys), "image/png", &mut Cursor::new(&source), &mut out).expect("it signs");
    let found = manifest::read(out.get_ref(), "image/png", keys.anchors());
    match found {
        Err(manifest::ReadError::Remote { url }) => assert_eq!(url, "https://example.invalid/manifest.c2pa"),
        other => panic!("{other:?}"),
    }
}
