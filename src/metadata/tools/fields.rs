//! Fields of other programs' JSON, each under the names that it goes by.

use serde_json::{Map, Value};

use super::super::shorten;
use super::PROMPT;
use crate::quantity::{Seed, Strength};

/// The fields of one object.
pub(super) struct Fields<'a>(pub &'a Map<String, Value>);

impl<'a> Fields<'a> {
    pub fn of(value: &'a Value) -> Option<Self> {
        value.as_object().map(Fields)
    }

    fn first(&self, names: &[&str]) -> Option<&'a Value> {
        names.iter().find_map(|name| self.0.get(*name)).filter(|value| !value.is_null())
    }

    /// Text on one line, or a number as text.
    pub fn text(&self, names: &[&str]) -> Option<String> {
        let text = match self.first(names)? {
            Value::String(text) => shorten(text, 200),
            Value::Number(number) => number.to_string(),
            _ => return None,
        };
        Some(text).filter(|text| !text.is_empty())
    }

    pub fn prompt(&self, names: &[&str]) -> Option<String> {
        let text = self.first(names)?.as_str()?;
        Some(shorten(text, PROMPT)).filter(|text| !text.is_empty())
    }

    pub fn number(&self, names: &[&str]) -> Option<f64> {
        number(self.first(names)?)
    }

    pub fn count(&self, names: &[&str]) -> Option<u32> {
        self.number(names).and_then(count)
    }

    pub fn seed(&self, names: &[&str]) -> Option<Seed> {
        seed(self.first(names)?)
    }

    pub fn strength(&self, names: &[&str]) -> Option<Strength> {
        self.number(names).and_then(Strength::new)
    }

    pub fn has(&self, names: &[&str]) -> bool {
        self.first(names).is_some()
    }

    pub fn object(&self, name: &str) -> Option<Fields<'a>> {
        self.0.get(name).and_then(Fields::of)
    }
}

/// A number, also where it stands as text.
pub(super) fn number(value: &Value) -> Option<f64> {
    let found = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    found.filter(|number: &f64| number.is_finite())
}

pub(super) fn count(number: f64) -> Option<u32> {
    (number.fract() == 0.0 && (1.0..=1e6).contains(&number)).then_some(number as u32)
}

pub(super) fn seed(value: &Value) -> Option<Seed> {
    match value {
        Value::Number(number) => number.as_u64().map(Seed),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// The last part of a path as either system writes it: the rest is nobody's business.
pub(super) fn file_name(path: &str) -> Option<String> {
    let name = path.rsplit(['/', '\\']).next().unwrap_or_default();
    Some(shorten(name, 120)).filter(|name| !name.is_empty())
}
