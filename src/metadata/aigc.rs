//! China's implicit label: the JSON in `TC260:AIGC` (GB 45438-2025, annex E).

use serde::Serialize;
use serde_json::Value;

use super::{Claim, shorten};

/// What a label of ours says. What is for platforms that pass the picture on stays empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aigc {
    /// `ContentProducer`: name or code of the service that made the picture.
    pub producer: String,
    /// `ProduceID`: the producer's number of it.
    pub id: String,
}

/// In the order of the standard.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Fields<'a> {
    label: &'a str,
    content_producer: &'a str,
    #[serde(rename = "ProduceID")]
    produce_id: &'a str,
    reserved_code1: &'a str,
    content_propagator: &'a str,
    #[serde(rename = "PropagateID")]
    propagate_id: &'a str,
    reserved_code2: &'a str,
}

/// `Label`: it is generated.
const GENERATED: &str = "1";

impl Aigc {
    pub(super) fn json(&self) -> String {
        let fields = Fields {
            label: GENERATED,
            content_producer: &self.producer,
            produce_id: &self.id,
            reserved_code1: "",
            content_propagator: "",
            propagate_id: "",
            reserved_code2: "",
        };
        serde_json::to_string(&fields).unwrap_or_default()
    }
}

/// What the field claims, found at `source`; nothing for what is no such label.
pub(super) fn claim(source: &str, text: &str) -> Option<Claim> {
    let value: Value = serde_json::from_str(text).ok()?;
    // Some programs wrap it once more.
    let fields = value.get("AIGC").unwrap_or(&value);
    let text = |name: &str| {
        let found = match fields.get(name)? {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => return None,
        };
        Some(shorten(&found, 80)).filter(|found| !found.is_empty())
    };
    let said = match text("Label")?.as_str() {
        GENERATED => "generated",
        "2" => "possibly generated",
        "3" => "suspected to be generated",
        _ => return None,
    };
    let tool = text("ContentProducer").or_else(|| text("ContentPropagator"));
    let id = text("ProduceID").map(|id| format!(", number {id}")).unwrap_or_default();
    let statement = format!("TC260:AIGC, {said}{id}");
    Some(Claim::new(source, tool, statement, true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_has_every_field_of_the_standard_in_its_order_and_claims_what_it_says() {
        let aigc = Aigc { producer: "a \"b\" 社".into(), id: "01M8".into() };
        let json = aigc.json();
        assert_eq!(
            json,
            r#"{"Label":"1","ContentProducer":"a \"b\" 社","ProduceID":"01M8","ReservedCode1":"","ContentPropagator":"","PropagateID":"","ReservedCode2":""}"#
        );
        let tool = Some("a \"b\" 社".into());
        let expected = Claim::new("xmp", tool, "TC260:AIGC, generated, number 01M8".into(), true);
        assert_eq!(claim("xmp", &json), Some(expected));
    }

    #[test]
    fn labels_of_others_count_in_every_form_and_what_is_none_claims_nothing() {
        let said = |text: &str| claim("png:AIGC", text).map(|claim| claim.statement);
        assert_eq!(said(r#"{"AIGC":{"Label":"2"}}"#), Some("TC260:AIGC, possibly generated".into()));
        assert_eq!(
            said(r#"{"Label":3,"ProduceID":""}"#),
            Some("TC260:AIGC, suspected to be generated".into())
        );
        for other in ["", "{}", "[]", "1", r#"{"Label":"0"}"#, r#"{"Label":{}}"#, r#"{"AIGC":"x"}"#] {
            assert_eq!(said(other), None, "{other}");
        }
    }
}
