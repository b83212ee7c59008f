//! A policy's text: strict TOML, so that a slip of the pen never loosens a limit.
//!
//! `docs/policy.schema.json` says the same for editors and other programs; a test holds the two together.

use std::collections::BTreeSet;

use serde::Deserialize;
use time::{Date, Month};
use toml::value::Datetime;

use super::example::Example;
use super::file::{AppliesTable, First, Head, Second, ViolationTable};
use super::subject::is_plain;
use super::{Applies, Limits, MIN_DEVIATION_FLOOR, OnViolation, Policy};
use crate::digest::Digest;
use crate::quantity::Strength;

/// Why a text is no policy.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PolicyError {
    #[error("line {line}: {message}")]
    Toml { line: usize, message: String },
    #[error("schema {found} is not known: expected 1 or 2")]
    Schema { found: i64 },
    #[error("{key} {found:?} cannot be used: expected 1 to 40 lower-case letters, digits or hyphens")]
    Name { key: &'static str, found: String },
    #[error("{key} is {found}: expected {expected}")]
    Range { key: &'static str, found: f64, expected: String },
    #[error("strength.min {min} is above strength.max {max}")]
    EmptyStrength { min: f64, max: f64 },
    #[error("{key} is empty: nothing could ever be released; leave the key out to allow all")]
    NothingAllowed { key: &'static str },
    #[error("{key} {found:?} cannot be used: expected 1 to 80 characters without a space at either end")]
    Text { key: &'static str, found: String },
    #[error("marks.disclosure and marks.tc260 name somebody: expected marks.provider beside them")]
    Provider,
    #[error("{key} is {found}: expected a date such as 2027-12-31")]
    Date { key: &'static str, found: String },
    #[error("violation.approvers: {found:?} is no Ed25519 public key: expected 64 hexadecimal digits")]
    Key { found: String },
    #[error(
        "violation.approvers has {found} keys beside action \"{action}\": expected two or more with \"override\", and none else"
    )]
    Approvers { found: usize, action: &'static str },
    #[error("test {name:?}: {fault}")]
    Test { name: String, fault: String },
}

pub(super) fn parse(text: &str) -> Result<Policy, PolicyError> {
    let file = match read::<Head>(text)?.schema {
        1 => read::<First>(text)?.into(),
        2 => read::<Second>(text)?,
        found => return Err(PolicyError::Schema { found }),
    };
    plain("name", &file.name)?;
    let strength_min = strength("strength.min", file.strength.min)?;
    let strength_max = strength("strength.max", file.strength.max)?;
    if strength_min > strength_max {
        return Err(PolicyError::EmptyStrength { min: strength_min.value(), max: strength_max.value() });
    }
    let min_deviation = within("deviation.min", file.deviation.min, MIN_DEVIATION_FLOOR, 1.0)?;
    // A part may be asked for more than the whole, whose limit holds for each part anyway.
    let part = |key, value: Option<f64>| {
        value.map_or(Ok(min_deviation), |found| within(key, found, min_deviation, 1.0))
    };
    let generation = file.generation.unwrap_or_default();
    let max_generations = generation.max.map(|max| match max {
        0 => Err(PolicyError::Range { key: "generation.max", found: 0.0, expected: "1 or more".into() }),
        max => Ok(max),
    });
    let limits = Limits {
        strength_min,
        strength_max,
        min_deviation,
        min_composition: within("deviation.composition", file.deviation.composition, 0.0, 1.0)?,
        min_detail: part("deviation.detail", file.deviation.detail)?,
        min_copied: part("deviation.copied", file.deviation.copied)?,
        max_generations: max_generations.transpose()?,
        max_copy: generation.max_copy.map(share_in_units).transpose()?,
        require_manifest: file.marks.manifest,
        require_watermark: file.marks.watermark,
        require_xmp: file.marks.xmp || file.marks.prompt || file.marks.disclosure || file.marks.tc260,
        require_prompt: file.marks.prompt,
        require_disclosure: file.marks.disclosure,
        require_tc260: file.marks.tc260,
        require_label: file.marks.label,
        require_caption: file.marks.caption,
        require_time_stamp: file.marks.time_stamp,
        min_psnr_db: within("marks.min-psnr-db", file.marks.min_psnr_db, 30.0, 50.0)?,
        expires: file.expires.map(|found| date("expires", &found)).transpose()?,
    };
    let engines = generation.engines;
    for engine in engines.iter().flatten() {
        plain("generation.engines", engine)?;
    }
    let purposes = file.purpose.map(|table| table.allowed);
    for purpose in purposes.iter().flatten() {
        words("purpose.allowed", purpose)?;
    }
    if let Some(provider) = &file.marks.provider {
        words("marks.provider", provider)?;
    } else if file.marks.disclosure || file.marks.tc260 {
        return Err(PolicyError::Provider);
    }
    let approvers = approvers(&file.violation)?;
    let tests = file.test.into_iter().map(Example::read).collect::<Result<_, _>>()?;
    Ok(Policy {
        name: file.name,
        title: file.title,
        text: text.to_owned(),
        digest: Digest::of(text),
        applies: file.applies.map(applies).transpose()?,
        limits,
        engines: some("generation.engines", engines)?,
        purposes: some("purpose.allowed", purposes)?,
        on_violation: file.violation.action,
        approvers,
        provider: file.marks.provider,
        tests,
    })
}

fn read<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, PolicyError> {
    toml::from_str(text).map_err(|error| PolicyError::Toml {
        line: error
            .span()
            .map_or(1, |span| text.get(..span.start).map_or(1, |before| before.matches('\n').count() + 1)),
        message: error.message().replace('\n', " "),
    })
}

/// The catalog compares in units of 0.0001: what is finer would be another limit there.
fn share_in_units(found: f64) -> Result<f64, PolicyError> {
    let share = within("generation.max-copy", found, 0.0, 1.0)?;
    Ok((share * 10_000.0 + 1e-6).floor() / 10_000.0)
}

fn applies(table: AppliesTable) -> Result<Applies, PolicyError> {
    Ok(Applies {
        classes: some("applies.classes", table.classes)?.unwrap_or_default(),
        tags: some("applies.tags", table.tags)?.unwrap_or_default(),
    })
}

/// Two people and more where they have a say, and nobody where they have none.
fn approvers(table: &ViolationTable) -> Result<BTreeSet<[u8; 32]>, PolicyError> {
    let key = |text: &String| {
        let digest = text.parse::<Digest>().map_err(|_| PolicyError::Key { found: text.clone() })?;
        Ok(*digest.as_bytes())
    };
    let keys = table.approvers.iter().map(key).collect::<Result<BTreeSet<_>, _>>()?;
    let fits = match table.action {
        OnViolation::Override => keys.len() >= 2,
        _ => keys.is_empty(),
    };
    if fits {
        return Ok(keys);
    }
    Err(PolicyError::Approvers { found: keys.len(), action: table.action.name() })
}

/// A list that is there has something in it.
fn some<T>(key: &'static str, list: Option<BTreeSet<T>>) -> Result<Option<BTreeSet<T>>, PolicyError> {
    match list {
        Some(list) if list.is_empty() => Err(PolicyError::NothingAllowed { key }),
        list => Ok(list),
    }
}

pub(super) fn plain(key: &'static str, found: &str) -> Result<(), PolicyError> {
    if is_plain(found) { Ok(()) } else { Err(PolicyError::Name { key, found: found.to_owned() }) }
}

fn words(key: &'static str, found: &str) -> Result<(), PolicyError> {
    let fits = found.trim() == found && (1..=80).contains(&found.chars().count());
    if fits { Ok(()) } else { Err(PolicyError::Text { key, found: found.to_owned() }) }
}

fn strength(key: &'static str, found: f64) -> Result<Strength, PolicyError> {
    Strength::new(found).ok_or_else(|| PolicyError::Range { key, found, expected: "0 to 1".into() })
}

pub(super) fn within(key: &'static str, found: f64, low: f64, high: f64) -> Result<f64, PolicyError> {
    if (low..=high).contains(&found) {
        Ok(found)
    } else {
        Err(PolicyError::Range { key, found, expected: format!("{low} to {high}") })
    }
}

/// A day, without a time: TOML has both.
pub(super) fn date(key: &'static str, found: &Datetime) -> Result<Date, PolicyError> {
    let refused = || PolicyError::Date { key, found: found.to_string() };
    let (Some(day), None, None) = (found.date, found.time, found.offset) else { return Err(refused()) };
    let month = Month::try_from(day.month).map_err(|_| refused())?;
    Date::from_calendar_date(i32::from(day.year), month, day.day).map_err(|_| refused())
}

#[cfg(test)]
mod tests {
    use super::super::Mark;
    use super::*;

    const TEXT: &str = include_str!("../../policies/default.toml");
    const OLD: &str = include_str!("../../tests/policies/default-1.toml");
    const FULL: &str = include_str!("../../policies/examples/clinical.toml");

    fn slips(text: &str, cases: &[(&str, &str, &str)]) {
        for (from, to, expected) in cases {
            assert!(text.contains(from), "{from}");
            let message = parse(&text.replacen(from, to, 1)).expect_err(to).to_string();
            assert!(message.contains(expected), "{to}: {message}");
            assert_eq!(message.lines().count(), 1, "{message}");
        }
    }

    #[test]
    fn every_slip_is_named_with_its_line_or_key() {
        slips(
            TEXT,
            &[
                ("schema = 2", "schema = 3", "schema 3 is not known: expected 1 or 2"),
                ("schema = 2", "", "missing field `schema`"),
                ("name   = \"default\"", "name   = \"De fault\"", "name \"De fault\" cannot be used"),
                ("min = 0.40", "min = -0.1", "strength.min is -0.1: expected 0 to 1"),
                ("min = 0.40", "min = nan", "strength.min is NaN"),
                ("max = 1.00", "max = 0.3", "strength.min 0.4 is above strength.max 0.3"),
                ("min         = 0.50", "min         = 0.29", "deviation.min is 0.29: expected 0.3 to 1"),
                ("composition = 0.00", "", "missing field `composition`"),
                ("composition = 0.00", "composition = 0.0\nspeed = 1", "unknown field `speed`"),
                ("min-psnr-db = 38.0", "min-psnr-db = 5", "marks.min-psnr-db is 5: expected 30 to 50"),
                ("action = \"refuse\"", "action = \"allow\"", "unknown variant `allow`"),
                ("manifest    = true", "manifest    = maybe", "line "),
            ],
        );
    }

    #[test]
    fn every_slip_in_what_the_second_schema_added_is_named_too() {
        slips(
            FULL,
            &[
                ("expires = 2028-12-31", "expires = 2028-12-31T10:00:00Z", "expected a date such as"),
                ("expires = 2028-12-31", "expires = \"never\"", "line "),
                ("classes = [\"clinical\"]", "classes = [\"xray\"]", "unknown variant `xray`"),
                ("classes = [\"clinical\"]", "classes = []", "applies.classes is empty"),
                ("classes = [\"clinical\"]", "tags = [\"Patient 7\"]", "not a tag"),
                ("detail      = 0.70", "detail      = 0.60", "deviation.detail is 0.6: expected 0.65 to 1"),
                ("engines  = [\"patch\"]", "engines = []", "generation.engines is empty"),
                (
                    "engines  = [\"patch\"]",
                    "engines = [\"Patch 1\"]",
                    "generation.engines \"Patch 1\" cannot",
                ),
                ("max      = 1", "max      = 0", "generation.max is 0: expected 1 or more"),
                ("max-copy = 0.10", "max-copy = 8", "generation.max-copy is 8: expected 0 to 1"),
                (
                    "allowed = [\"teaching\"",
                    "allowed = [\" teaching\"",
                    "purpose.allowed \" teaching\" cannot",
                ),
                ("xmp         = true", "xmp = true\ntime-stamp = 1", "invalid type"),
                ("xmp         = true", "visible-label = true", "unknown field `visible-label`"),
                (
                    "xmp         = true",
                    "xmp = true\ndisclosure = true",
                    "expected marks.provider beside them",
                ),
                ("xmp         = true", "xmp = true\ntc260 = true", "expected marks.provider beside them"),
                ("xmp         = true", "xmp = true\nprovider = \"\"", "marks.provider \"\" cannot be used"),
                ("xmp         = true", "xmp = true\nlabel = \"AI\"", "line "),
                ("expect = \"refused\"", "expect = \"maybe\"", "unknown variant `maybe`"),
            ],
        );
    }

    #[test]
    fn an_override_names_two_people_or_more_and_nothing_else_names_any() {
        let (one, two) = ("11".repeat(32), "22".repeat(32));
        let with = |action: &str| {
            let text = FULL.replacen("action = \"quarantine\"", action, 1);
            parse(&text).map_err(|error| error.to_string())
        };
        let sound = with(&format!("action = \"override\"\napprovers = [\"{one}\", \"{two}\"]"));
        assert_eq!(sound.expect("two").approvers().len(), 2);
        for (action, words) in [
            (
                "action = \"override\"".to_owned(),
                "has 0 keys beside action \"override\": expected two or more",
            ),
            (format!("action = \"override\"\napprovers = [\"{one}\", \"{one}\"]"), "has 1 keys"),
            (
                format!("action = \"refuse\"\napprovers = [\"{one}\", \"{two}\"]"),
                "has 2 keys beside action \"refuse\"",
            ),
            (
                "action = \"override\"\napprovers = [\"alice\", \"bob\"]".to_owned(),
                "\"alice\" is no Ed25519 public key",
            ),
        ] {
            let error = with(&action).expect_err(words);
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn files_of_the_first_schema_still_read_and_know_no_later_key() {
        let old = parse(OLD).expect("it parses");
        assert_eq!((old.limits().min_deviation, old.limits().min_detail), (0.5, 0.5));
        assert_eq!((old.applies(), old.engines(), old.purposes()), (None, None, None));
        assert!(!old.limits().require_xmp && old.tests().is_empty());
        slips(
            OLD,
            &[
                ("[strength]", "[applies]\nclasses = [\"photo\"]\n[strength]", "unknown field `applies`"),
                ("watermark   = true", "watermark   = true\nxmp = true", "unknown field `xmp`"),
                ("action = \"refuse\"", "action = \"override\"", "unknown variant `override`"),
            ],
        );
    }

    #[test]
    fn what_asks_for_something_in_xmp_asks_for_xmp() {
        let limits = |more: &str| {
            let text =
                TEXT.replacen("xmp         = false", &format!("xmp = false\nprovider = \"A\"\n{more}"), 1);
            *parse(&text).expect(more).limits()
        };
        for (mark, key) in Mark::ALL.map(|mark| (mark, mark.name())) {
            let found = limits(&format!("{key} = true"));
            let required: Vec<Mark> = Mark::ALL.into_iter().filter(|mark| found.requires(*mark)).collect();
            assert_eq!(required, [mark]);
            assert_eq!(found.require_xmp, !matches!(mark, Mark::Label | Mark::Caption), "{key}");
        }
        assert!(!limits("").require_xmp);
    }

    #[test]
    fn a_comment_changes_the_identity_of_a_policy() {
        let changed = parse(&format!("{TEXT}# one more word\n")).expect("it parses");
        assert_ne!(changed.digest(), parse(TEXT).expect("it parses").digest());
    }
}
