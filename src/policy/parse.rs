//! A policy's text: strict TOML, so that a slip of the pen never loosens a limit.

use serde::Deserialize;

use super::{Limits, MIN_DEVIATION_FLOOR, OnViolation, Policy};
use crate::digest::Digest;
use crate::quantity::Strength;

/// Why a text is no policy.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PolicyError {
    #[error("line {line}: {message}")]
    Toml { line: usize, message: String },
    #[error("schema {found} is not known: expected 1")]
    Schema { found: i64 },
    #[error("name {found:?} cannot be used: expected 1 to 40 lower-case letters, digits or hyphens")]
    Name { found: String },
    #[error("{key} is {found}: expected {expected}")]
    Range { key: &'static str, found: f64, expected: String },
    #[error("strength.min {min} is above strength.max {max}")]
    EmptyStrength { min: f64, max: f64 },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    schema: i64,
    name: String,
    title: String,
    strength: StrengthTable,
    deviation: DeviationTable,
    marks: MarksTable,
    violation: ViolationTable,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StrengthTable {
    min: f64,
    max: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DeviationTable {
    min: f64,
    composition: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct MarksTable {
    manifest: bool,
    watermark: bool,
    min_psnr_db: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ViolationTable {
    action: Action,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Action {
    Refuse,
    Quarantine,
}

pub(super) fn parse(text: &str) -> Result<Policy, PolicyError> {
    let file: File = toml::from_str(text).map_err(|error| PolicyError::Toml {
        line: error.span().map_or(1, |span| text[..span.start.min(text.len())].lines().count().max(1)),
        message: error.message().replace('\n', " "),
    })?;
    if file.schema != 1 {
        return Err(PolicyError::Schema { found: file.schema });
    }
    let name_is_plain = (1..=40).contains(&file.name.len())
        && file.name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if !name_is_plain {
        return Err(PolicyError::Name { found: file.name });
    }
    let strength_min = strength("strength.min", file.strength.min)?;
    let strength_max = strength("strength.max", file.strength.max)?;
    if strength_min > strength_max {
        return Err(PolicyError::EmptyStrength { min: strength_min.value(), max: strength_max.value() });
    }
    let limits = Limits {
        strength_min,
        strength_max,
        min_deviation: within("deviation.min", file.deviation.min, MIN_DEVIATION_FLOOR, 1.0)?,
        min_composition: within("deviation.composition", file.deviation.composition, 0.0, 1.0)?,
        require_manifest: file.marks.manifest,
        require_watermark: file.marks.watermark,
        min_psnr_db: within("marks.min-psnr-db", file.marks.min_psnr_db, 30.0, 50.0)?,
    };
    Ok(Policy {
        name: file.name,
        title: file.title,
        text: text.to_owned(),
        digest: Digest::of(text),
        limits,
        on_violation: match file.violation.action {
            Action::Refuse => OnViolation::Refuse,
            Action::Quarantine => OnViolation::Quarantine,
        },
    })
}

fn strength(key: &'static str, found: f64) -> Result<Strength, PolicyError> {
    Strength::new(found).ok_or_else(|| PolicyError::Range { key, found, expected: "0 to 1".into() })
}

fn within(key: &'static str, found: f64, low: f64, high: f64) -> Result<f64, PolicyError> {
    if (low..=high).contains(&found) {
        Ok(found)
    } else {
        Err(PolicyError::Range { key, found, expected: format!("{low} to {high}") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = include_str!("../../policies/default.toml");

    #[test]
    fn every_slip_is_named_with_its_line_or_key() {
        let cases = [
            ("schema = 1", "schema = 2", "schema 2 is not known"),
            ("name   = \"default\"", "name   = \"De fault\"", "cannot be used"),
            ("min = 0.40", "min = -0.1", "strength.min is -0.1: expected 0 to 1"),
            ("min = 0.40", "min = nan", "strength.min is NaN"),
            ("max = 1.00", "max = 0.3", "strength.min 0.4 is above strength.max 0.3"),
            ("min         = 0.50", "min         = 0.29", "deviation.min is 0.29: expected 0.3 to 1"),
            ("composition = 0.00", "", "missing field `composition`"),
            ("composition = 0.00", "composition = 0.0\nspeed = 1", "unknown field `speed`"),
            ("min-psnr-db = 38.0", "min-psnr-db = 5", "marks.min-psnr-db is 5: expected 30 to 50"),
            ("action = \"refuse\"", "action = \"allow\"", "unknown variant `allow`"),
            ("manifest    = true", "manifest    = maybe", "line "),
        ];
        for (from, to, expected) in cases {
            assert!(TEXT.contains(from), "{from}");
            let message = parse(&TEXT.replace(from, to)).expect_err(to).to_string();
            assert!(message.contains(expected), "{to}: {message}");
            assert_eq!(message.lines().count(), 1, "{message}");
        }
    }

    #[test]
    fn a_comment_changes_the_identity_of_a_policy() {
        let changed = parse(&format!("{TEXT}# one more word\n")).expect("it parses");
        assert_ne!(changed.digest(), parse(TEXT).expect("it parses").digest());
    }
}
