//! The judgement.

use std::fmt;

use serde::Serialize;

use super::{OnViolation, Policy};
use crate::digest::Digest;
use crate::quantity::{Deviation, Strength};

/// Differing bits of two fingerprints, of 256, up to which a picture that is lost is taken to be what was drawn:
/// near-copies differ by less, unrelated pictures by 128 on average. The catalog's schema holds the same number.
pub const LOST_DISTANCE: u32 = 64;

/// A draft to be judged. Digests are of pixels.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    pub reference: Digest,
    pub draft: Digest,
    pub strength: Strength,
    /// From its own reference.
    pub deviation: Deviation,
    /// Other pictures on record that it was held against.
    pub others: Vec<Other>,
}

/// Another picture on record.
#[derive(Clone, Debug, PartialEq)]
pub struct Other {
    /// Digest of its file.
    pub sha256: Digest,
    pub title: String,
    pub likeness: Likeness,
}

/// How a draft compares with another picture on record.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Likeness {
    /// Its deviation, in 0..=1.
    Measured(f64),
    /// The picture is lost; its fingerprint differs by so many bits.
    Lost(u32),
}

/// Proof that a draft was measured against its reference and found far enough by a policy.
///
/// Only [`Policy::judge`] makes one; whatever marks or signs asks for it and compares the digests.
/// Nobody else can, since its fields are private:
///
/// ```compile_fail,E0451
/// use vidimus::digest::Digest;
/// fn forge(case: vidimus::policy::Case) -> vidimus::policy::Cleared {
///     vidimus::policy::Cleared { case, policy: Digest::of("no policy at all") }
/// }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Cleared {
    case: Case,
    policy: Digest,
}

impl Cleared {
    /// Digest of the reference's pixels.
    pub fn reference(&self) -> Digest {
        self.case.reference
    }

    /// Digest of the draft's pixels.
    pub fn draft(&self) -> Digest {
        self.case.draft
    }

    /// Digest of the policy that cleared it.
    pub fn policy(&self) -> Digest {
        self.policy
    }

    pub fn strength(&self) -> Strength {
        self.case.strength
    }

    pub fn deviation(&self) -> &Deviation {
        &self.case.deviation
    }
}

/// One limit that was not met.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "rule", rename_all = "kebab-case")]
pub enum Reason {
    StrengthTooLow { strength: f64, min: f64 },
    StrengthTooHigh { strength: f64, max: f64 },
    DeviationTooLow { deviation: f64, min: f64 },
    CompositionTooLow { composition: f64, min: f64 },
    OtherTooClose { title: String, sha256: Digest, deviation: f64, min: f64 },
    OtherLost { title: String, sha256: Digest, distance: u32 },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::StrengthTooLow { strength, min } => {
                write!(f, "too close: strength {strength:.2}, at least {min:.2} required")
            }
            Reason::StrengthTooHigh { strength, max } => {
                write!(f, "too free: strength {strength:.2}, at most {max:.2} allowed")
            }
            Reason::DeviationTooLow { deviation, min } => {
                write!(f, "too close: deviation {}, at least {min:.2} required", below(*deviation, *min))
            }
            Reason::CompositionTooLow { composition, min } => write!(
                f,
                "too close: arrangement differs by {}, at least {min:.2} required",
                below(*composition, *min)
            ),
            Reason::OtherTooClose { title, sha256, deviation, min } => write!(
                f,
                "too close to another reference on record, {} ({}): deviation {}, at least {min:.2} required",
                plain(title),
                sha256.short(12),
                below(*deviation, *min)
            ),
            Reason::OtherLost { title, sha256, distance } => write!(
                f,
                "looks like another reference on record, {} ({}), whose picture is lost: fingerprints differ by \
                 {distance} of 256 bits, more than {LOST_DISTANCE} required",
                plain(title),
                sha256.short(12)
            ),
        }
    }
}

/// Two decimals, four where two would read like the limit itself.
fn below(value: f64, limit: f64) -> String {
    let short = format!("{value:.2}");
    if short == format!("{limit:.2}") { format!("{value:.4}") } else { short }
}

/// Titles are file names: control characters would draw on the terminal.
fn plain(title: &str) -> String {
    title.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A policy's no, with everything that was wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    pub policy: String,
    pub policy_digest: Digest,
    pub reasons: Vec<Reason>,
    pub action: OnViolation,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, reason) in self.reasons.iter().enumerate() {
            write!(f, "{}{reason}", if i == 0 { "" } else { "; " })?;
        }
        write!(f, " (policy {})", self.policy)
    }
}

pub(super) fn admit(policy: &Policy, strength: Strength) -> Result<(), Refusal> {
    let reasons = strength_reasons(policy, strength);
    if reasons.is_empty() { Ok(()) } else { Err(refusal(policy, reasons)) }
}

pub(super) fn judge(policy: &Policy, case: Case) -> Result<Cleared, Refusal> {
    let limits = policy.limits();
    let mut reasons = strength_reasons(policy, case.strength);
    let Deviation { deviation, composition, .. } = case.deviation;
    // NaN, which no measure should give, is refused.
    if deviation.is_nan() || deviation < limits.min_deviation {
        reasons.push(Reason::DeviationTooLow { deviation, min: limits.min_deviation });
    }
    if composition.is_nan() || composition < limits.min_composition {
        reasons.push(Reason::CompositionTooLow { composition, min: limits.min_composition });
    }
    reasons.extend(case.others.iter().filter_map(|other| too_close(other, limits.min_deviation)));
    if reasons.is_empty() {
        Ok(Cleared { case, policy: policy.digest() })
    } else {
        Err(refusal(policy, reasons))
    }
}

/// What is drawn from one picture may not be another one either.
fn too_close(other: &Other, min: f64) -> Option<Reason> {
    let (title, sha256) = (other.title.clone(), other.sha256);
    match other.likeness {
        Likeness::Measured(deviation) if deviation.is_nan() || deviation < min => {
            Some(Reason::OtherTooClose { title, sha256, deviation, min })
        }
        Likeness::Lost(distance) if distance <= LOST_DISTANCE => {
            Some(Reason::OtherLost { title, sha256, distance })
        }
        Likeness::Measured(_) | Likeness::Lost(_) => None,
    }
}

fn strength_reasons(policy: &Policy, strength: Strength) -> Vec<Reason> {
    let limits = policy.limits();
    let value = strength.value();
    let mut reasons = Vec::new();
    if strength < limits.strength_min {
        reasons.push(Reason::StrengthTooLow { strength: value, min: limits.strength_min.value() });
    }
    if strength > limits.strength_max {
        reasons.push(Reason::StrengthTooHigh { strength: value, max: limits.strength_max.value() });
    }
    reasons
}

fn refusal(policy: &Policy, reasons: Vec<Reason>) -> Refusal {
    Refusal {
        policy: policy.name().to_owned(),
        policy_digest: policy.digest(),
        reasons,
        action: policy.on_violation(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EPSILON: f64 = 1e-4;

    fn case(strength: f64, deviation: f64, composition: f64) -> Case {
        Case {
            reference: Digest::of("reference"),
            draft: Digest::of("draft"),
            strength: Strength::new(strength).expect("a strength"),
            deviation: Deviation {
                deviation,
                composition,
                detail: 1.0 - deviation,
                copied: 0.0,
                copied_area: 0.0,
                ssim: 0.0,
                psnr_db: 10.0,
            },
            others: Vec::new(),
        }
    }

    fn other(likeness: Likeness) -> Other {
        Other { sha256: Digest::of("other"), title: "other\u{1b}.png".into(), likeness }
    }

    fn strict() -> Policy {
        Policy::shipped("strict").expect("shipped")
    }

    #[test]
    fn every_limit_holds_at_the_limit_and_refuses_just_beyond_it() {
        let l = *strict().limits();
        let (s, d, c) = (l.strength_min.value(), l.min_deviation, l.min_composition);
        let clears = |case: Case| strict().judge(case).is_ok();
        for (delta, expected) in [(-EPSILON, false), (0.0, true), (EPSILON, true)] {
            assert_eq!(clears(case(s + delta, 0.9, 0.9)), expected, "strength {delta:+}");
            assert_eq!(clears(case(0.8, d + delta, 0.9)), expected, "deviation {delta:+}");
            assert_eq!(clears(case(0.8, 0.9, c + delta)), expected, "composition {delta:+}");
        }
    }

    #[test]
    fn the_upper_limit_of_strength_holds_too() {
        let text = include_str!("../../policies/strict.toml").replace("max = 1.00", "max = 0.80");
        let policy = Policy::parse(&text).expect("it parses");
        assert!(policy.judge(case(0.8, 0.9, 0.9)).is_ok());
        assert!(policy.judge(case(0.8 + EPSILON, 0.9, 0.9)).is_err());
    }

    #[test]
    fn a_refusal_names_every_limit_that_was_not_met() {
        let refusal = strict().judge(case(0.1, 0.18, 0.2)).expect_err("all three are too low");
        assert_eq!(refusal.reasons.len(), 3);
        assert_eq!(
            refusal.to_string(),
            "too close: strength 0.10, at least 0.55 required; too close: deviation 0.18, at least 0.60 required; \
             too close: arrangement differs by 0.20, at least 0.50 required (policy strict)"
        );
    }

    #[test]
    fn a_near_miss_does_not_read_like_the_limit() {
        let refusal = strict().judge(case(0.8, 0.5999, 0.9)).expect_err("below");
        assert!(refusal.to_string().contains("deviation 0.5999, at least 0.60"), "{refusal}");
    }

    #[test]
    fn what_is_not_a_number_is_refused() {
        assert!(strict().judge(case(0.8, f64::NAN, 0.9)).is_err());
        assert!(strict().judge(case(0.8, 0.9, f64::NAN)).is_err());
    }

    #[test]
    fn another_picture_on_record_is_kept_as_far_as_the_reference_and_named() {
        let judged = |likenesses: &[Likeness]| {
            let others = likenesses.iter().map(|likeness| other(*likeness)).collect();
            strict().judge(Case { others, ..case(0.8, 0.9, 0.9) })
        };
        use Likeness::{Lost, Measured};
        assert!(judged(&[Measured(0.6), Measured(1.0), Lost(LOST_DISTANCE + 1)]).is_ok());
        for bad in [Measured(0.6 - EPSILON), Measured(f64::NAN), Lost(LOST_DISTANCE), Lost(0)] {
            let refusal = judged(&[Measured(0.9), bad, Measured(0.8)]).expect_err("one is enough");
            assert_eq!(refusal.reasons.len(), 1, "{bad:?}");
        }
        let refusal = judged(&[Measured(0.2), Lost(9)]).expect_err("both are named");
        let digest = Digest::of("other").short(12);
        assert_eq!(
            refusal.to_string(),
            format!(
                "too close to another reference on record, other .png ({digest}): deviation 0.20, at least 0.60 \
                 required; looks like another reference on record, other .png ({digest}), whose picture is lost: \
                 fingerprints differ by 9 of 256 bits, more than 64 required (policy strict)"
            )
        );
    }

    #[test]
    fn admission_looks_at_the_strength_alone() {
        assert!(strict().admit(Strength::new(0.55).expect("a strength")).is_ok());
        let refusal = strict().admit(Strength::new(0.05).expect("a strength")).expect_err("too low");
        assert_eq!(refusal.to_string(), "too close: strength 0.05, at least 0.55 required (policy strict)");
    }

    #[test]
    fn what_was_cleared_names_reference_draft_and_policy() {
        let cleared = strict().judge(case(0.8, 0.9, 0.9)).expect("far enough");
        assert_eq!(cleared.reference(), Digest::of("reference"));
        assert_eq!(cleared.draft(), Digest::of("draft"));
        assert_eq!(cleared.policy(), strict().digest());
    }
}
