//! The judgement: which rules of one policy are broken.

use std::collections::BTreeSet;

use super::Policy;
use super::case::{Case, Likeness, Other, Plan};
use super::reason::{LOST_DISTANCE, Reason};
use crate::quantity::{Deviation, Strength};

/// What there is to judge; what is not given is not judged.
#[derive(Clone, Copy, Default)]
pub(super) struct Known<'a> {
    pub plan: Option<&'a Plan>,
    pub deviation: Option<&'a Deviation>,
    pub largest_copy: Option<f64>,
    pub others: &'a [Other],
}

impl<'a> From<&'a Case> for Known<'a> {
    fn from(case: &'a Case) -> Self {
        Known {
            plan: Some(&case.plan),
            deviation: Some(&case.deviation),
            largest_copy: case.largest_copy,
            others: &case.others,
        }
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

/// What the engine's match field says is too much of one piece. An engine that knows nothing of it says nothing.
fn copied_too_much(policy: &Policy, largest_copy: Option<f64>) -> Option<Reason> {
    let (share, max) = (largest_copy?, policy.limits().max_copy?);
    (share.is_nan() || share > max).then_some(Reason::CopyTooLarge { share, max })
}

/// Every rule of one policy that is broken.
pub(super) fn violated(policy: &Policy, known: Known<'_>) -> Vec<Reason> {
    let mut reasons = Vec::new();
    if let Some(plan) = known.plan {
        plan_violated(policy, plan, &mut reasons);
    }
    if let Some(deviation) = known.deviation {
        measure_violated(policy, deviation, &mut reasons);
    }
    reasons.extend(copied_too_much(policy, known.largest_copy));
    let min = policy.limits().min_deviation;
    reasons.extend(known.others.iter().filter_map(|other| too_close(other, min)));
    reasons
}

fn plan_violated(policy: &Policy, plan: &Plan, reasons: &mut Vec<Reason>) {
    let limits = policy.limits();
    if let Some(expires) = limits.expires.filter(|last| plan.today > *last) {
        reasons.push(Reason::Expired { expires });
    }
    let (min, max) = (limits.strength_min, limits.strength_max);
    match plan.strength {
        None if min > Strength::ZERO || max < Strength::ONE => {
            reasons.push(Reason::StrengthUnknown { min: min.value(), max: max.value() });
        }
        Some(strength) if strength < min => {
            reasons.push(Reason::StrengthTooLow { strength: strength.value(), min: min.value() });
        }
        Some(strength) if strength > max => {
            reasons.push(Reason::StrengthTooHigh { strength: strength.value(), max: max.value() });
        }
        _ => {}
    }
    if let Some(engines) = policy.engines().filter(|allowed| !allowed.contains(&plan.engine)) {
        let allowed = engines.iter().cloned().collect();
        reasons.push(Reason::EngineNotAllowed { engine: plan.engine.clone(), allowed });
    }
    if let Some(max) = limits.max_generations.filter(|max| plan.generation > *max) {
        reasons.push(Reason::TooManyGenerations { generation: plan.generation, max });
    }
    let stated =
        |allowed: &BTreeSet<String>| plan.purpose.as_ref().is_some_and(|purpose| allowed.contains(purpose));
    if let Some(purposes) = policy.purposes().filter(|allowed| !stated(allowed)) {
        let allowed = purposes.iter().cloned().collect();
        reasons.push(Reason::PurposeNotAllowed { purpose: plan.purpose.clone(), allowed });
    }
    if limits.require_xmp && !plan.xmp {
        reasons.push(Reason::NoXmp);
    }
    if limits.require_time_stamp && !plan.time_stamp {
        reasons.push(Reason::NoTimeStamp);
    }
}

fn measure_violated(policy: &Policy, measured: &Deviation, reasons: &mut Vec<Reason>) {
    let limits = policy.limits();
    // NaN, which no measure should give, is refused.
    let short = |value: f64, min: f64| value.is_nan() || value < min;
    let Deviation { deviation, composition, detail, copied, .. } = *measured;
    if short(deviation, limits.min_deviation) {
        reasons.push(Reason::DeviationTooLow { deviation, min: limits.min_deviation });
    }
    // A part that is asked for no more than the whole says nothing of its own.
    for (part, min, reason) in [
        (1.0 - detail, limits.min_detail, (|deviation, min| Reason::DetailTooLow { deviation, min }) as Part),
        (1.0 - copied, limits.min_copied, |deviation, min| Reason::CopiedTooLow { deviation, min }),
    ] {
        // Parts are whole units of 0.0001 taken from one: the sum's last bit decides nothing.
        if min > limits.min_deviation && short(part + 1e-9, min) {
            reasons.push(reason(part, min));
        }
    }
    if short(composition, limits.min_composition) {
        reasons.push(Reason::CompositionTooLow { composition, min: limits.min_composition });
    }
}

type Part = fn(f64, f64) -> Reason;

#[cfg(test)]
mod tests {
    use super::super::{Policy, PolicySet};
    use super::*;
    use crate::digest::Digest;
    use time::macros::date;

    const EPSILON: f64 = 1e-4;

    fn case(strength: f64, deviation: f64, composition: f64) -> Case {
        Case {
            reference: Digest::of("reference"),
            draft: Digest::of("draft"),
            plan: plan(strength),
            deviation: Deviation {
                deviation,
                composition,
                detail: 1.0 - deviation,
                copied: 0.0,
                copied_area: 0.0,
                ssim: 0.0,
                psnr_db: 10.0,
            },
            largest_copy: Some(0.05),
            others: Vec::new(),
        }
    }

    fn other(likeness: Likeness) -> Other {
        Other { sha256: Digest::of("other"), title: "other\u{1b}.png".into(), likeness }
    }

    fn plan(strength: f64) -> Plan {
        Plan {
            strength: Some(Strength::new(strength).expect("a strength")),
            engine: "patch".into(),
            purpose: None,
            generation: 1,
            xmp: true,
            time_stamp: true,
            today: date!(2027 - 01 - 01),
        }
    }

    fn strict() -> PolicySet {
        PolicySet::alone(Policy::shipped("strict").expect("shipped"))
    }

    fn changed(from: &str, to: &str) -> PolicySet {
        let text = include_str!("../../policies/strict.toml");
        assert!(text.contains(from), "{from}");
        PolicySet::alone(Policy::parse(&text.replacen(from, to, 1)).expect("it parses"))
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
        let policy = changed("max = 1.00", "max = 0.80");
        assert!(policy.judge(case(0.8, 0.9, 0.9)).is_ok());
        assert!(policy.judge(case(0.8 + EPSILON, 0.9, 0.9)).is_err());
    }

    #[test]
    fn a_strength_that_nobody_knows_is_within_no_bounds() {
        let unknown = Plan { strength: None, ..plan(0.8) };
        let refusal = strict().admit(&unknown).expect_err("0.55 to 1 is asked for");
        assert_eq!(
            refusal.to_string(),
            "the strength is not known: 0.55 to 1.00 required (policy strict, strength.min)"
        );
        let upper = changed("min = 0.55\nmax = 1.00", "min = 0.00\nmax = 0.90");
        let refusal = upper.admit(&unknown).expect_err("at most 0.90 is asked for");
        assert_eq!(refusal.reasons[0].rule(), "strength.max");
        assert!(changed("min = 0.55", "min = 0.00").admit(&unknown).is_ok(), "nothing is asked for");
    }

    #[test]
    fn a_refusal_names_every_limit_that_was_not_met() {
        let refusal = strict().judge(case(0.1, 0.18, 0.2)).expect_err("all three are too low");
        assert_eq!(refusal.reasons.len(), 3);
        assert_eq!(
            refusal.to_string(),
            "too close: strength 0.10, at least 0.55 required (policy strict, strength.min); \
             too close: deviation 0.18, at least 0.60 required (policy strict, deviation.min); \
             too close: arrangement differs by 0.20, at least 0.50 required (policy strict, deviation.composition)"
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
                 required (policy strict, deviation.min); looks like another reference on record, other .png ({digest}), whose picture is lost: \
                 fingerprints differ by 9 of 256 bits, more than 64 required (policy strict, deviation.min)"
            )
        );
    }

    #[test]
    fn each_part_of_the_deviation_can_be_asked_for_more() {
        let policy =
            changed("min         = 0.60", "min         = 0.60\ndetail      = 0.70\ncopied      = 0.80");
        let with = |detail: f64, copied: f64| {
            let mut case = case(0.8, 1.0 - detail.max(copied), 0.9);
            (case.deviation.detail, case.deviation.copied) = (detail, copied);
            policy.judge(case)
        };
        assert!(with(0.3, 0.2).is_ok(), "both at their limits");
        let refusal = with(0.3 + EPSILON, 0.2).expect_err("detail");
        assert!(refusal.to_string().contains("by detail 0.6999, at least 0.70"), "{refusal}");
        let refusal = with(0.3, 0.2 + EPSILON).expect_err("copied");
        assert!(refusal.to_string().contains("by copied area 0.7999, at least 0.80"), "{refusal}");
    }

    #[test]
    fn admission_looks_at_the_plan_alone() {
        assert!(strict().admit(&plan(0.55)).is_ok());
        let refusal = strict().admit(&plan(0.05)).expect_err("too low");
        assert_eq!(
            refusal.to_string(),
            "too close: strength 0.05, at least 0.55 required (policy strict, strength.min)"
        );
    }

    #[test]
    fn every_rule_of_a_plan_holds_to_the_last() {
        let text = include_str!("../../policies/strict.toml")
            .replacen(
                "[strength]",
                "expires = 2027-01-01\n[purpose]\nallowed = [\"teaching\"]\n[strength]",
                1,
            )
            .replacen("[generation]", "[generation]\nengines = [\"patch\"]\nmax = 2", 1);
        let policy = PolicySet::alone(Policy::parse(&text).expect("it parses"));
        let sound = Plan { purpose: Some("teaching".into()), generation: 2, ..plan(0.8) };
        assert!(policy.admit(&sound).is_ok(), "the last day and the last generation");
        let said = |plan: Plan| policy.admit(&plan).expect_err("broken").to_string();
        let late = Plan { today: date!(2027 - 01 - 02), ..sound.clone() };
        assert_eq!(said(late), "the policy expired: its last day was 2027-01-01 (policy strict, expires)");
        let old = said(Plan { generation: 3, ..sound.clone() });
        assert!(old.starts_with("generation 3 is too far from an original: at most 2 allowed"), "{old}");
        let other = said(Plan { engine: "flux".into(), ..sound.clone() });
        assert!(other.starts_with("engine flux is not allowed: expected patch"), "{other}");
        let silent = said(Plan { purpose: None, ..sound.clone() });
        assert!(silent.starts_with("no purpose was stated: expected teaching"), "{silent}");
        let wrong = said(Plan { purpose: Some("a\nb".into()), ..sound });
        assert!(wrong.starts_with("purpose \"a\\nb\" is not allowed"), "{wrong}");
    }

    #[test]
    fn what_was_cleared_names_reference_draft_and_policy() {
        let cleared = strict().judge(case(0.8, 0.9, 0.9)).expect("far enough");
        assert_eq!(cleared.reference(), Digest::of("reference"));
        assert_eq!(cleared.draft(), Digest::of("draft"));
        assert_eq!(cleared.policies(), [strict().digest()]);
    }
}
