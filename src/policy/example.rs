//! `[[test]]` in a policy: what its author expects of it. What an example does not state is as the policy wants it.

use serde::Deserialize;
use time::{Date, Month};
use toml::value::Datetime;

use super::case::Plan;
use super::judge::Known;
use super::parse::{date, within};
use super::reason::RULES;
use super::set::PolicySet;
use super::{Policy, PolicyError};
use crate::quantity::{Deviation, Strength};

/// As it stands in the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExampleTable {
    name: String,
    expect: Expect,
    rule: Option<String>,
    reference: Option<String>,
    image: Option<String>,
    detail: Option<f64>,
    copied: Option<f64>,
    composition: Option<f64>,
    strength: Option<f64>,
    engine: Option<String>,
    purpose: Option<String>,
    generation: Option<u32>,
    #[serde(rename = "largest-copy")]
    largest_copy: Option<f64>,
    xmp: Option<bool>,
    #[serde(rename = "time-stamp")]
    time_stamp: Option<bool>,
    on: Option<Datetime>,
}

/// What a policy is to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Expect {
    Cleared,
    Refused,
}

/// What an example is measured by.
#[derive(Clone, Debug, PartialEq)]
pub enum Measured {
    /// Agreement of detail and copied area, and how far the arrangement differs; 0 to 1.
    Figures { detail: f64, copied: f64, composition: f64 },
    /// Files, relative to that of the policy.
    Pictures { reference: String, image: String },
}

/// An example, valid in itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    name: String,
    expect: Expect,
    rule: Option<String>,
    measured: Measured,
    strength: Option<Strength>,
    engine: Option<String>,
    purpose: Option<String>,
    generation: Option<u32>,
    largest_copy: Option<f64>,
    xmp: Option<bool>,
    time_stamp: Option<bool>,
    on: Option<Date>,
}

impl Example {
    pub(super) fn read(table: ExampleTable) -> Result<Self, PolicyError> {
        let name = table.name;
        let wrong = |fault: String| PolicyError::Test { name: name.clone(), fault };
        let share = |key, value: Option<f64>, otherwise: f64| {
            within(key, value.unwrap_or(otherwise), 0.0, 1.0).map_err(|error| wrong(error.to_string()))
        };
        let figures = [table.detail, table.copied, table.composition];
        let measured = match (table.reference, table.image) {
            (Some(reference), Some(image)) if figures == [None; 3] => Measured::Pictures { reference, image },
            (None, None) => Measured::Figures {
                detail: share("detail", table.detail, 0.0)?,
                copied: share("copied", table.copied, 0.0)?,
                composition: share("composition", table.composition, 1.0)?,
            },
            _ => return Err(wrong("expected reference and image, or figures, not parts of both".into())),
        };
        let largest_copy =
            table.largest_copy.map(|found| share("largest-copy", Some(found), 0.0)).transpose()?;
        let strength = table.strength.map(|found| {
            Strength::new(found).ok_or_else(|| wrong(format!("strength is {found}: expected 0 to 1")))
        });
        if let Some(rule) = &table.rule {
            if !RULES.contains(&rule.as_str()) {
                return Err(wrong(format!("no rule {rule:?}: expected one of {}", RULES.join(", "))));
            }
            if table.expect == Expect::Cleared {
                return Err(wrong("a rule refuses: expected expect = \"refused\" beside it".into()));
            }
        }
        let on = table.on.map(|found| date("on", &found)).transpose();
        Ok(Example {
            expect: table.expect,
            rule: table.rule,
            measured,
            strength: strength.transpose()?,
            engine: table.engine,
            purpose: table.purpose,
            generation: table.generation,
            largest_copy,
            xmp: table.xmp,
            time_stamp: table.time_stamp,
            on: on.map_err(|error| wrong(error.to_string()))?,
            name,
        })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn measured(&self) -> &Measured {
        &self.measured
    }

    /// Whether `policy`, alone, says what is expected, of what its pictures measure where it names some.
    ///
    /// # Errors
    /// What it says instead.
    pub fn holds(&self, policy: &Policy, pictures: Option<Deviation>) -> Result<(), String> {
        let deviation = match (&self.measured, pictures) {
            (_, Some(deviation)) => deviation,
            (Measured::Figures { detail, copied, composition }, None) => Deviation {
                deviation: 1.0 - detail.max(*copied),
                composition: *composition,
                detail: *detail,
                copied: *copied,
                copied_area: 0.0,
                ssim: 0.0,
                psnr_db: 0.0,
            },
            (Measured::Pictures { .. }, None) => return Err("its pictures were not measured".to_owned()),
        };
        let plan = self.plan(policy);
        let known = Known {
            plan: Some(&plan),
            deviation: Some(&deviation),
            largest_copy: self.largest_copy,
            others: &[],
        };
        let judged = PolicySet::alone(policy.clone()).violations(known);
        let found: Vec<String> = judged.iter().map(ToString::to_string).collect();
        match (self.expect, &self.rule) {
            (Expect::Cleared, _) if !found.is_empty() => {
                Err(format!("expected cleared, found refused: {}", found.join("; ")))
            }
            (Expect::Refused, _) if found.is_empty() => Err("expected refused, found cleared".to_owned()),
            (Expect::Refused, Some(rule)) if judged.iter().all(|violation| violation.rule() != rule) => {
                Err(format!("expected {rule} to refuse, found {}", found.join("; ")))
            }
            _ => Ok(()),
        }
    }

    /// What is stated, and for the rest what the policy asks for.
    fn plan(&self, policy: &Policy) -> Plan {
        let limits = policy.limits();
        let first = |list: Option<&std::collections::BTreeSet<String>>| list?.first().cloned();
        Plan {
            strength: Some(self.strength.unwrap_or(limits.strength_max)),
            engine: self
                .engine
                .clone()
                .or_else(|| first(policy.engines()))
                .unwrap_or_else(|| "patch".to_owned()),
            purpose: self.purpose.clone().or_else(|| first(policy.purposes())),
            generation: self.generation.unwrap_or(1),
            xmp: self.xmp.unwrap_or(true),
            time_stamp: self.time_stamp.unwrap_or(true),
            today: self.on.or(limits.expires).unwrap_or(EARLY),
        }
    }
}

/// A day on which nothing has expired; it decides nothing where a policy has no last day.
const EARLY: Date = match Date::from_calendar_date(2000, Month::January, 1) {
    Ok(day) => day,
    Err(_) => Date::MIN,
};

#[cfg(test)]
mod tests {
    use super::*;

    const CLINICAL: &str = include_str!("../../policies/examples/clinical.toml");

    fn with(test: &str) -> Result<Policy, String> {
        let text = CLINICAL.split("[[test]]").next().unwrap_or_default();
        Policy::parse(&format!("{text}\n[[test]]\nname = \"it\"\n{test}")).map_err(|error| error.to_string())
    }

    fn said(test: &str) -> Result<(), String> {
        let policy = with(test).expect(test);
        policy.tests()[0].holds(&policy, None)
    }

    #[test]
    fn an_example_that_states_nothing_is_as_the_policy_wants_it() {
        assert_eq!(said("expect = \"cleared\""), Ok(()));
        assert_eq!(said("expect = \"refused\""), Err("expected refused, found cleared".into()));
    }

    #[test]
    fn every_statement_of_an_example_counts() {
        let cases = [
            ("detail = 0.5", "deviation.min"),
            ("detail = 0.34", "deviation.detail"),
            ("copied = 0.5", "deviation.min"),
            ("composition = 0.1", "deviation.composition"),
            ("strength = 0.1", "strength.min"),
            ("engine = \"flux\"", "generation.engines"),
            ("purpose = \"figure-of-record\"", "purpose.allowed"),
            ("generation = 2", "generation.max"),
            ("xmp = false", "marks.xmp"),
            ("on = 2029-01-01", "expires"),
        ];
        for (fact, rule) in cases {
            assert_eq!(said(&format!("{fact}\nexpect = \"refused\"\nrule = \"{rule}\"")), Ok(()), "{fact}");
            let other = if rule == "expires" { "marks.xmp" } else { "expires" };
            let error = said(&format!("{fact}\nexpect = \"refused\"\nrule = \"{other}\"")).expect_err(fact);
            assert!(error.starts_with(&format!("expected {other} to refuse, found ")), "{error}");
            let error = said(&format!("{fact}\nexpect = \"cleared\"")).expect_err(fact);
            assert!(error.contains(&format!("(policy clinical, {rule})")), "{error}");
        }
        assert_eq!(said("on = 2028-12-31\nexpect = \"cleared\""), Ok(()), "the last day still counts");
    }

    #[test]
    fn an_example_that_cannot_mean_anything_is_no_policy() {
        let cases = [
            ("expect = \"refused\"\nrule = \"speed\"", "test \"it\": no rule \"speed\": expected one of"),
            ("expect = \"cleared\"\nrule = \"expires\"", "a rule refuses"),
            ("expect = \"cleared\"\nreference = \"a.png\"", "expected reference and image"),
            ("expect = \"cleared\"\nreference = \"a\"\nimage = \"b\"\ndetail = 0.1", "not parts of both"),
            ("expect = \"cleared\"\ndetail = 1.5", "test \"it\": detail is 1.5: expected 0 to 1"),
            ("expect = \"cleared\"\nstrength = 7", "strength is 7: expected 0 to 1"),
        ];
        for (test, expected) in cases {
            let error = with(test).expect_err(test);
            assert!(error.contains(expected), "{test}: {error}");
        }
    }
}
