//! What is allowed: limits read from TOML, and the judgement that alone makes a [`Cleared`].

mod case;
mod example;
mod file;
mod judge;
mod mark;
mod parse;
mod reason;
#[cfg(test)]
mod schema;
mod set;
mod subject;

pub use case::{Case, Cleared, Likeness, Other, Plan};
pub use example::{Example, Expect, Measured};
pub use mark::Mark;
pub use parse::PolicyError;
pub use reason::{LOST_DISTANCE, Reason, Refusal, Violation, against};
pub use set::{Decider, PolicySet};
pub use subject::{Applies, Class, ParseClassError, ParseTagError, Subject, Tag, Why};

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize, Serializer};
use time::Date;

use crate::digest::Digest;
use crate::quantity::Strength;

/// No policy may ask for less: it can tighten, not switch off. The catalog's schema holds the same number.
pub const MIN_DEVIATION_FLOOR: f64 = 0.30;

/// The policies that come with the program: name and text.
pub const SHIPPED: [(&str, &str); 3] = [
    ("default", include_str!("../../policies/default.toml")),
    ("strict", include_str!("../../policies/strict.toml")),
    ("without-strength", include_str!("../../policies/without-strength.toml")),
];

/// What becomes of a refused draft; the later the stricter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnViolation {
    /// It is kept likewise, and two of the policy's approvers may release it.
    Override,
    /// It is kept, readable by the owner alone, under `catalog/quarantine/`; figures and reasons are logged.
    Quarantine,
    /// It is forgotten; figures and reasons are logged.
    Refuse,
}

impl OnViolation {
    pub fn name(self) -> &'static str {
        match self {
            OnViolation::Override => "override",
            OnViolation::Quarantine => "quarantine",
            OnViolation::Refuse => "refuse",
        }
    }
}

/// The limits of a policy. Deviations are in 0..=1, where 1 is farthest.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Limits {
    pub strength_min: Strength,
    pub strength_max: Strength,
    pub min_deviation: f64,
    pub min_composition: f64,
    /// What detail alone, and copied area alone, have to leave; neither is less than `min_deviation`.
    pub min_detail: f64,
    pub min_copied: f64,
    /// How far from an original; `None` for any distance.
    pub max_generations: Option<u32>,
    /// The largest share of the picture that an engine that knows may take from one place of the reference, in one piece;
    /// `None` for any.
    pub max_copy: Option<f64>,
    pub require_manifest: bool,
    pub require_watermark: bool,
    /// The unsigned label. What asks for something in it asks for it.
    pub require_xmp: bool,
    /// A time stamp (RFC 3161) of an authority that is trusted here.
    pub require_time_stamp: bool,
    pub require_prompt: bool,
    pub require_disclosure: bool,
    pub require_tc260: bool,
    pub require_label: bool,
    pub require_caption: bool,
    pub min_psnr_db: f64,
    /// The last day, in UTC, on which it clears anything.
    #[serde(serialize_with = "as_text")]
    pub expires: Option<Date>,
}

fn as_text<S: Serializer>(day: &Option<Date>, serializer: S) -> Result<S::Ok, S::Error> {
    match day {
        Some(day) => serializer.collect_str(day),
        None => serializer.serialize_none(),
    }
}

impl Limits {
    pub fn requires(&self, mark: Mark) -> bool {
        match mark {
            Mark::Prompt => self.require_prompt,
            Mark::Disclosure => self.require_disclosure,
            Mark::Tc260 => self.require_tc260,
            Mark::Label => self.require_label,
            Mark::Caption => self.require_caption,
        }
    }

    /// The stricter of each.
    fn and(self, other: &Limits) -> Self {
        let later = |a: Strength, b: Strength| if a > b { a } else { b };
        let sooner = |a: Strength, b: Strength| if a < b { a } else { b };
        Limits {
            strength_min: later(self.strength_min, other.strength_min),
            strength_max: sooner(self.strength_max, other.strength_max),
            min_deviation: self.min_deviation.max(other.min_deviation),
            min_composition: self.min_composition.max(other.min_composition),
            min_detail: self.min_detail.max(other.min_detail),
            min_copied: self.min_copied.max(other.min_copied),
            max_generations: least(self.max_generations, other.max_generations),
            max_copy: least(self.max_copy, other.max_copy),
            require_manifest: self.require_manifest || other.require_manifest,
            require_watermark: self.require_watermark || other.require_watermark,
            require_xmp: self.require_xmp || other.require_xmp,
            require_time_stamp: self.require_time_stamp || other.require_time_stamp,
            require_prompt: self.require_prompt || other.require_prompt,
            require_disclosure: self.require_disclosure || other.require_disclosure,
            require_tc260: self.require_tc260 || other.require_tc260,
            require_label: self.require_label || other.require_label,
            require_caption: self.require_caption || other.require_caption,
            min_psnr_db: self.min_psnr_db.max(other.min_psnr_db),
            expires: least(self.expires, other.expires),
        }
    }
}

/// The lesser of two where both are given.
fn least<T: PartialOrd>(one: Option<T>, two: Option<T>) -> Option<T> {
    match (one, two) {
        (Some(one), Some(two)) => Some(if two < one { two } else { one }),
        (one, two) => one.or(two),
    }
}

/// A policy, valid in itself. Its identity is the SHA-256 of its text, comments included.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    name: String,
    title: String,
    text: String,
    digest: Digest,
    applies: Option<Applies>,
    limits: Limits,
    engines: Option<BTreeSet<String>>,
    purposes: Option<BTreeSet<String>>,
    on_violation: OnViolation,
    approvers: BTreeSet<[u8; 32]>,
    provider: Option<String>,
    tests: Vec<Example>,
}

impl Policy {
    /// # Errors
    /// When the text is not TOML, lacks a key, has an unknown one, or asks for what no policy may.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        parse::parse(text)
    }

    /// The policy of this name among those that come with the program.
    pub fn shipped(name: &str) -> Option<Self> {
        let (_, text) = SHIPPED.iter().find(|(known, _)| *known == name)?;
        Policy::parse(text).ok()
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn title(&self) -> &str {
        &self.title
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn digest(&self) -> Digest {
        self.digest
    }

    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    pub fn on_violation(&self) -> OnViolation {
        self.on_violation
    }

    /// What it is for, beside what it is named for; `None` for a policy that applies only where it is named.
    pub fn applies(&self) -> Option<&Applies> {
        self.applies.as_ref()
    }

    /// Names of the engines that may draw; `None` for all.
    pub fn engines(&self) -> Option<&BTreeSet<String>> {
        self.engines.as_ref()
    }

    /// What a picture may be for; `None` for anything, stated or not.
    pub fn purposes(&self) -> Option<&BTreeSet<String>> {
        self.purposes.as_ref()
    }

    /// Ed25519 public keys of those who may release below its limits; none unless it allows an override.
    pub fn approvers(&self) -> &BTreeSet<[u8; 32]> {
        &self.approvers
    }

    /// Whom disclosures name.
    pub fn provider(&self) -> Option<&str> {
        self.provider.as_deref()
    }

    /// What its author expects of it.
    pub fn tests(&self) -> &[Example] {
        &self.tests
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_policies_parse_under_their_own_names() {
        for (name, text) in SHIPPED {
            let policy = Policy::parse(text).expect("a shipped policy parses");
            assert_eq!(policy.name(), name);
            assert_eq!(policy.digest(), Digest::of(text));
        }
        assert!(Policy::shipped("no such policy").is_none());
    }

    #[test]
    fn the_example_for_the_press_requires_label_and_disclosures_and_names_whom() {
        let press = Policy::parse(include_str!("../../policies/examples/press.toml")).expect("it parses");
        let required: Vec<Mark> =
            Mark::ALL.into_iter().filter(|mark| press.limits().requires(*mark)).collect();
        assert_eq!(required, [Mark::Disclosure, Mark::Tc260, Mark::Label]);
        assert!(press.limits().require_xmp && press.provider() == Some("Example Institute"));
        let default = Policy::shipped("default").expect("shipped");
        let set = PolicySet::new(default, vec![(press.clone(), Why::Named)]);
        assert_eq!(set.provider(), press.provider(), "the named one says nothing");
        let asks = |rule: &str| set.deciders().into_iter().find(|one| one.rule == rule).map(|one| one.asks);
        assert_eq!(asks("marks.label"), Some("required".into()));
        assert_eq!((asks("marks.provider"), asks("marks.caption")), (Some("Example Institute".into()), None));
        for test in press.tests() {
            test.holds(&press, None).expect("its own examples hold");
        }
    }

    #[test]
    fn strict_is_nowhere_looser_than_default() {
        let (strict, default) = (Policy::shipped("strict"), Policy::shipped("default"));
        let (strict, default) = (strict.expect("shipped"), default.expect("shipped"));
        let (s, d) = (strict.limits(), default.limits());
        assert!(s.strength_min >= d.strength_min && s.strength_max <= d.strength_max);
        assert!(s.min_deviation >= d.min_deviation && s.min_composition >= d.min_composition);
        assert!(s.require_manifest >= d.require_manifest && s.require_watermark >= d.require_watermark);
        assert!(s.min_psnr_db >= d.min_psnr_db);
    }
}
