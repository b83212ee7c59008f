//! What is allowed: limits read from TOML, and the judgement that alone makes a [`Cleared`].

mod judge;
mod parse;

pub use judge::{Case, Cleared, LOST_DISTANCE, Likeness, Other, Reason, Refusal};
pub use parse::PolicyError;

use serde::Serialize;

use crate::digest::Digest;
use crate::quantity::Strength;

/// No policy may ask for less: it can tighten, not switch off. The catalog's schema holds the same number.
pub const MIN_DEVIATION_FLOOR: f64 = 0.30;

/// The policies that come with the program: name and text.
pub const SHIPPED: [(&str, &str); 2] = [
    ("default", include_str!("../../policies/default.toml")),
    ("strict", include_str!("../../policies/strict.toml")),
];

/// What becomes of a refused draft.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OnViolation {
    /// It is forgotten; figures and reasons are logged.
    Refuse,
    /// It is also kept, readable by the owner alone, under `catalog/quarantine/`.
    Quarantine,
}

/// The limits of a policy. Deviations are in 0..=1, where 1 is farthest.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Limits {
    pub strength_min: Strength,
    pub strength_max: Strength,
    pub min_deviation: f64,
    pub min_composition: f64,
    pub require_manifest: bool,
    pub require_watermark: bool,
    pub min_psnr_db: f64,
}

/// A policy, valid in itself. Its identity is the SHA-256 of its text, comments included.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    name: String,
    title: String,
    text: String,
    digest: Digest,
    limits: Limits,
    on_violation: OnViolation,
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
        Some(Policy::parse(text).expect("shipped policies are tested to parse"))
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

    /// Judges a request before anything is generated, by its strength alone.
    pub fn admit(&self, strength: Strength) -> Result<(), Refusal> {
        judge::admit(self, strength)
    }

    /// Judges a measured draft. This is the only place where a [`Cleared`] is made.
    pub fn judge(&self, case: Case) -> Result<Cleared, Refusal> {
        judge::judge(self, case)
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
