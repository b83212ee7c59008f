//! docs/policy.schema.json and the parser say the same: every key, every value and every bound of the one is held
//! against the other.

use serde_json::{Map, Value};

use super::Policy;
use super::reason::RULES;

/// The document itself.
fn document() -> Value {
    serde_json::from_str(include_str!("../../docs/policy.schema.json")).expect("it is JSON")
}

/// A policy with every key of the schema, and a value of each.
fn sample() -> toml::Table {
    let mut table: toml::Table = include_str!("../../tests/policies/house.toml").parse().expect("it is TOML");
    let tests = r#"
        [[test]]
        name = "by figures"
        expect = "refused"
        rule = "deviation.min"
        detail = 0.9
        copied = 0.1
        composition = 0.5
        strength = 0.6
        engine = "patch"
        purpose = "teaching"
        generation = 1
        largest-copy = 0.05
        xmp = true
        time-stamp = true
        on = 2027-01-01
        [[test]]
        name = "by pictures"
        expect = "cleared"
        reference = "a.png"
        image = "b.png"
    "#;
    table.extend(tests.parse::<toml::Table>().expect("it is TOML"));
    table
}

fn parse(table: &toml::Table) -> Result<Policy, String> {
    Policy::parse(&toml::to_string(table).expect("it is TOML")).map_err(|error| error.to_string())
}

/// Where a table stands in a policy: its key, and which of several.
type Place<'a> = Option<(&'a str, Option<usize>)>;

fn at<'a>(policy: &'a mut toml::Table, place: Place<'_>) -> &'a mut toml::Table {
    match place {
        None => policy,
        Some((key, None)) => policy[key].as_table_mut().expect("a table"),
        Some((key, Some(number))) => {
            policy[key].as_array_mut().expect("several")[number].as_table_mut().expect("a table")
        }
    }
}

/// Every table of the schema: where a sample of it stands, and what the schema says of it.
fn tables(document: &Value) -> Vec<(Place<'_>, &Map<String, Value>)> {
    let mut found = vec![(None, document.as_object().expect("an object"))];
    for (key, value) in document["properties"].as_object().expect("an object") {
        match value["type"].as_str() {
            Some("object") => found.push((Some((key.as_str(), None)), value.as_object().expect("it is"))),
            Some("array") => {
                let each = value["items"].as_object().expect("an object");
                found.extend([0, 1].map(|number| (Some((key.as_str(), Some(number))), each)));
            }
            _ => {}
        }
    }
    found
}

/// What the parser says that it knows, when it meets a key that it does not.
fn known(message: &str) -> Vec<String> {
    let (_, list) = message.split_once("expected").expect(message);
    let mut names: Vec<String> = list.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    names.sort();
    names
}

#[test]
fn the_sample_has_every_key_and_parses() {
    let (document, sample) = (document(), sample());
    parse(&sample).expect("everything at once");
    for (place, schema) in tables(&document) {
        for key in schema["properties"].as_object().expect("an object").keys() {
            let other = match place {
                Some((table, Some(_))) => {
                    sample[table].as_array().expect("several").iter().any(|one| one.get(key).is_some())
                }
                place => at(&mut sample.clone(), place).contains_key(key),
            };
            assert!(other, "{place:?} {key}");
        }
    }
}

#[test]
fn the_parser_knows_the_keys_of_the_schema_and_no_other() {
    let document = document();
    for (place, schema) in tables(&document) {
        assert_eq!(schema["additionalProperties"], false, "{place:?}");
        let mut policy = sample();
        at(&mut policy, place).insert("no-such-key".into(), 1.into());
        let message = parse(&policy).expect_err("an unknown key");
        assert!(message.contains("unknown field `no-such-key`"), "{place:?}: {message}");
        let mut keys: Vec<_> = schema["properties"].as_object().expect("an object").keys().cloned().collect();
        keys.sort();
        assert_eq!(known(&message), keys, "{place:?}");
    }
}

#[test]
fn what_the_schema_requires_the_parser_does_and_nothing_else() {
    let document = document();
    for (place, schema) in tables(&document) {
        let required: Vec<&str> = schema
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        for key in schema["properties"].as_object().expect("an object").keys() {
            let mut policy = sample();
            // Of two pictures one alone means nothing, which JSON schema could say in more words than it is worth.
            // And approvers belong to one action alone, a provider to two marks.
            let pairs = ["reference", "image", "approvers", "provider"];
            if at(&mut policy, place).remove(key).is_none() || pairs.contains(&key.as_str()) {
                continue;
            }
            let parsed = parse(&policy);
            match required.contains(&key.as_str()) {
                true => assert!(
                    parsed.as_ref().is_err_and(|error| error.contains(&format!("missing field `{key}`"))),
                    "{place:?} {key}: {parsed:?}"
                ),
                false => assert!(parsed.is_ok(), "{place:?} {key}: {parsed:?}"),
            }
        }
    }
}

#[test]
fn values_and_bounds_are_the_same() {
    let document = document();
    let mut bounds = 0;
    for (place, schema) in tables(&document) {
        for (key, value) in schema["properties"].as_object().expect("an object") {
            let try_with = |changed: toml::Value| {
                let mut policy = sample();
                let table = at(&mut policy, place);
                // The second example has none of the first one's keys.
                if !table.contains_key(key) {
                    return None;
                }
                table.insert(key.clone(), changed);
                // A limit of the whole holds for its parts, and the least strength for the greatest.
                if place == Some(("deviation", None)) {
                    let others: &[&str] = if key == "min" { &["detail", "copied"] } else { &[] };
                    others.iter().for_each(|other| drop(table.remove(*other)));
                    if ["detail", "copied"].contains(&key.as_str()) {
                        table.insert("min".into(), 0.3.into());
                    }
                }
                if place == Some(("strength", None)) {
                    let (other, end) = if key == "min" { ("max", 1.0) } else { ("min", 0.0) };
                    table.insert(other.into(), end.into());
                }
                if key == "action" && table["action"].as_str() != Some("override") {
                    table.remove("approvers");
                }
                Some(parse(&policy).is_ok())
            };
            let number = |number: f64| match value["type"].as_str() {
                Some("integer") => toml::Value::Integer(number as i64),
                _ => toml::Value::Float(number),
            };
            let step = if value["type"] == "integer" { 1.0 } else { 1e-6 };
            for (bound, beyond) in [("minimum", -step), ("maximum", step)] {
                let Some(end) = value[bound].as_f64() else { continue };
                if let Some(parsed) = try_with(number(end)) {
                    assert!(parsed, "{place:?} {key} {end}");
                    assert_eq!(try_with(number(end + beyond)), Some(false), "{place:?} {key} beyond {end}");
                    bounds += 1;
                }
            }
            let lists = value["items"]["enum"].as_array();
            for word in value["enum"].as_array().or(lists).into_iter().flatten() {
                let word = toml::Value::from(word.as_str().expect("a word"));
                let wrap = |word: toml::Value| if lists.is_some() { vec![word].into() } else { word };
                let parsed = try_with(wrap(word.clone()));
                // The example's rule is no rule of one that clears.
                assert!(parsed != Some(false) || key == "expect", "{place:?} {key} {word}");
                assert_ne!(try_with(wrap("no-such-word".into())), Some(true), "{place:?} {key}");
            }
            if value["minItems"] == 1 {
                assert_eq!(try_with(toml::Value::Array(Vec::new())), Some(false), "{place:?} {key} is empty");
            }
            if value["type"] == "boolean" {
                assert_ne!(try_with(1.into()), Some(true), "{place:?} {key}");
                assert_ne!(try_with(false.into()), Some(false), "{place:?} {key}");
            }
        }
    }
    assert!(bounds > 20, "{bounds} bounds");
    let rules = &document["properties"]["test"]["items"]["properties"]["rule"]["enum"];
    assert_eq!(serde_json::json!(RULES), *rules, "in the same order");
}
