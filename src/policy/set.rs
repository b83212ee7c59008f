//! Several policies as one: of each figure the strictest counts.

use std::collections::BTreeSet;
use std::mem::discriminant;

use serde::Serialize;

use super::case::{Case, Cleared, Other, Plan};
use super::judge::{Known, violated};
use super::reason::{Refusal, Violation};
use super::{Limits, MIN_DEVIATION_FLOOR, Mark, OnViolation, Policy, Why};
use crate::digest::Digest;
use crate::quantity::Deviation;

/// The policies that judge a reference's variations: the one that was named, and all that apply by themselves.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicySet {
    named: Policy,
    others: Vec<(Policy, Why)>,
    limits: Limits,
}

/// What decides a figure: the rule, what it asks, and the policy that asks it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Decider {
    pub rule: &'static str,
    pub asks: String,
    pub policy: String,
}

impl PolicySet {
    /// `named` and the policies that apply beside it, with their reasons.
    pub fn new(named: Policy, others: Vec<(Policy, Why)>) -> Self {
        let limits = others.iter().fold(*named.limits(), |all, (policy, _)| all.and(policy.limits()));
        PolicySet { named, others, limits }
    }

    /// One policy that nothing is added to.
    pub fn alone(policy: Policy) -> Self {
        PolicySet::new(policy, Vec::new())
    }

    /// The policy that was named; it is what a decision is recorded under.
    pub fn named(&self) -> &Policy {
        &self.named
    }

    /// Every policy that judges, and why; the named one first.
    pub fn members(&self) -> impl Iterator<Item = (&Policy, &Why)> {
        std::iter::once((&self.named, &Why::Named))
            .chain(self.others.iter().map(|(policy, why)| (policy, why)))
    }

    /// Names of all policies, for people.
    pub fn name(&self) -> String {
        self.members().map(|(policy, _)| policy.name()).collect::<Vec<_>>().join(" + ")
    }

    /// Identity of the named policy.
    pub fn digest(&self) -> Digest {
        self.named.digest()
    }

    /// Whom disclosures name: as the named policy says, or else the first of the others that says it.
    pub fn provider(&self) -> Option<&str> {
        self.members().find_map(|(policy, _)| policy.provider())
    }

    /// The strictest of each limit. The strengths may leave nothing between them.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Judges a request before anything is generated.
    pub fn admit(&self, plan: &Plan) -> Result<(), Refusal> {
        self.hold(Known { plan: Some(plan), ..Known::default() })
    }

    /// Judges a measured draft. This is the only way to a [`Cleared`].
    pub fn judge(&self, case: Case) -> Result<Cleared, Refusal> {
        self.hold((&case).into()).map_err(|refusal| floored(refusal, &case.deviation))?;
        Ok(self.cleared(case, Vec::new()))
    }

    /// The same for a draft that people with the keys `approvers` approved; whoever calls this verified their
    /// signatures. Measured limits alone are lifted, those of policies that allow it, two of whose approvers are among
    /// them; and nothing below the floor of all policies is.
    pub fn lift(&self, case: Case, approvers: &BTreeSet<[u8; 32]>) -> Result<Cleared, Refusal> {
        let refusal = match self.judge(case.clone()) {
            Ok(cleared) => return Ok(cleared),
            Err(refusal) => refusal,
        };
        let measured = Known { deviation: Some(&case.deviation), ..Known::default() };
        let broken = |policy: &&Policy| !violated(policy, measured).is_empty();
        let agreed = self.members().map(|(policy, _)| policy).filter(broken).all(|policy| {
            policy.on_violation() == OnViolation::Override
                && policy.approvers().intersection(approvers).count() >= 2
        });
        if agreed && may_be_lifted(&refusal, &case.deviation) {
            return Ok(self.cleared(case, refusal.reasons));
        }
        Err(refusal)
    }

    fn cleared(&self, case: Case, lifted: Vec<Violation>) -> Cleared {
        Cleared::new(case, self.members().map(|(policy, _)| policy.digest()).collect(), lifted)
    }

    /// Judges what was measured between two pictures, and others on record, of which nothing else is known.
    pub fn weigh(&self, deviation: &Deviation, others: &[Other]) -> Result<(), Refusal> {
        self.hold(Known { deviation: Some(deviation), others, ..Known::default() })
    }

    /// Each rule that is broken, once, by the policy that asks most.
    pub(super) fn violations(&self, known: Known<'_>) -> Vec<Violation> {
        let mut found: Vec<Violation> = Vec::new();
        for (policy, _) in self.members() {
            for reason in violated(policy, known) {
                let violation = Violation { policy: policy.name().to_owned(), reason };
                let same = |known: &&mut Violation| {
                    discriminant(&known.reason) == discriminant(&violation.reason)
                        && known.reason.other() == violation.reason.other()
                };
                match found.iter_mut().find(same) {
                    None => found.push(violation),
                    Some(known) if violation.reason.asks_more_than(&known.reason) => *known = violation,
                    Some(_) => {}
                }
            }
        }
        found
    }

    /// What becomes of a draft is for every policy to say that it violates, and the strictest says it.
    fn hold(&self, known: Known<'_>) -> Result<(), Refusal> {
        let broken = |policy: &Policy| !violated(policy, known).is_empty();
        let violated = self.members().map(|(policy, _)| policy).filter(|policy| broken(policy));
        match violated.map(Policy::on_violation).max() {
            None => Ok(()),
            Some(action) => Err(Refusal { reasons: self.violations(known), action }),
        }
    }

    /// Every figure, with the policy that decides it; of two that ask the same, the named one or the first.
    pub fn deciders(&self) -> Vec<Decider> {
        type Asks = fn(&Limits) -> Option<(f64, String)>;
        const FIGURES: [(&str, Asks); 19] = [
            ("expires", |l| {
                l.expires.map(|day| (-f64::from(day.to_julian_day()), format!("nothing after {day}")))
            }),
            ("strength.min", |l| Some((l.strength_min.value(), format!("at least {}", l.strength_min)))),
            ("strength.max", |l| Some((-l.strength_max.value(), format!("at most {}", l.strength_max)))),
            ("deviation.min", |l| Some((l.min_deviation, format!("at least {:.2}", l.min_deviation)))),
            ("deviation.detail", |l| Some((l.min_detail, format!("at least {:.2}", l.min_detail)))),
            ("deviation.copied", |l| Some((l.min_copied, format!("at least {:.2}", l.min_copied)))),
            ("deviation.composition", |l| {
                (l.min_composition > 0.0)
                    .then(|| (l.min_composition, format!("at least {:.2}", l.min_composition)))
            }),
            ("generation.max", |l| {
                l.max_generations.map(|max| (-f64::from(max), format!("at most generation {max}")))
            }),
            ("generation.max-copy", |l| {
                l.max_copy.map(|max| (-max, format!("at most {max} of the picture in one piece")))
            }),
            ("marks.manifest", |l| l.require_manifest.then(|| (1.0, "required".into()))),
            ("marks.watermark", |l| l.require_watermark.then(|| (1.0, "required".into()))),
            ("marks.min-psnr-db", |l| Some((l.min_psnr_db, format!("at least {:.1} dB", l.min_psnr_db)))),
            ("marks.xmp", |l| l.require_xmp.then(|| (1.0, "required".into()))),
            ("marks.time-stamp", |l| l.require_time_stamp.then(|| (1.0, "required".into()))),
            (Mark::Prompt.rule(), |l| l.require_prompt.then(|| (1.0, "required".into()))),
            (Mark::Disclosure.rule(), |l| l.require_disclosure.then(|| (1.0, "required".into()))),
            (Mark::Tc260.rule(), |l| l.require_tc260.then(|| (1.0, "required".into()))),
            (Mark::Label.rule(), |l| l.require_label.then(|| (1.0, "required".into()))),
            (Mark::Caption.rule(), |l| l.require_caption.then(|| (1.0, "required".into()))),
        ];
        let mut deciders = Vec::new();
        for (rule, asks) in FIGURES {
            let mut strictest: Option<((f64, String), &Policy)> = None;
            for (policy, _) in self.members() {
                if let Some(found) = asks(policy.limits())
                    && strictest.as_ref().is_none_or(|((known, _), _)| found.0 > *known)
                {
                    strictest = Some((found, policy));
                }
            }
            if let Some(((_, asks), policy)) = strictest {
                deciders.push(Decider { rule, asks, policy: policy.name().to_owned() });
            }
        }
        if let Some((policy, provider)) =
            self.members().find_map(|(policy, _)| Some((policy, policy.provider()?)))
        {
            let (asks, policy) = (provider.to_owned(), policy.name().to_owned());
            deciders.push(Decider { rule: "marks.provider", asks, policy });
        }
        type List = fn(&Policy) -> Option<&BTreeSet<String>>;
        let lists: [(&str, List); 2] =
            [("generation.engines", Policy::engines), ("purpose.allowed", Policy::purposes)];
        for (rule, list) in lists {
            let given: Vec<(&Policy, &BTreeSet<String>)> =
                self.members().filter_map(|(policy, _)| Some((policy, list(policy)?))).collect();
            let Some((_, first)) = given.first() else { continue };
            let common: Vec<&str> = first
                .iter()
                .filter(|item| given.iter().all(|(_, other)| other.contains(*item)))
                .map(String::as_str)
                .collect();
            let asks = if common.is_empty() { "nothing is allowed by all".into() } else { common.join(", ") };
            let names: Vec<&str> = given.iter().map(|(policy, _)| policy.name()).collect();
            deciders.push(Decider { rule, asks, policy: names.join(" + ") });
        }
        let mut action = self.named.on_violation();
        let mut policy = &self.named;
        for (other, _) in &self.others {
            if other.on_violation() > action {
                (action, policy) = (other.on_violation(), other);
            }
        }
        let asks = OnViolation::name(action).to_owned();
        deciders.push(Decider { rule: "violation.action", asks, policy: policy.name().to_owned() });
        deciders
    }
}

/// Whether nothing but limits on what was measured beside the own reference is broken, and the floor of all policies is
/// kept.
fn may_be_lifted(refusal: &Refusal, measured: &Deviation) -> bool {
    // NaN is below every floor.
    measured.deviation >= MIN_DEVIATION_FLOOR && refusal.reasons.iter().all(|one| one.reason.is_measured())
}

/// What may not be lifted is nobody's to release.
fn floored(refusal: Refusal, measured: &Deviation) -> Refusal {
    match refusal.action {
        OnViolation::Override if !may_be_lifted(&refusal, measured) => {
            Refusal { action: OnViolation::Quarantine, ..refusal }
        }
        _ => refusal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quantity::Strength;
    use time::macros::date;

    const CLINICAL: &str = include_str!("../../policies/examples/clinical.toml");
    const MICROGRAPH: &str = include_str!("../../policies/examples/micrograph.toml");

    fn set() -> PolicySet {
        let parse = |text: &str| Policy::parse(text).expect("it parses");
        let default = Policy::shipped("default").expect("shipped");
        PolicySet::new(
            default,
            vec![(parse(CLINICAL), Why::ClassUnknown), (parse(MICROGRAPH), Why::ClassUnknown)],
        )
    }

    fn plan() -> Plan {
        Plan {
            strength: Strength::new(0.8),
            engine: "patch".into(),
            purpose: Some("teaching".into()),
            generation: 1,
            xmp: true,
            time_stamp: true,
            today: date!(2027 - 01 - 01),
        }
    }

    fn measured(deviation: f64) -> Deviation {
        Deviation {
            deviation,
            composition: 0.9,
            detail: 1.0 - deviation,
            copied: 0.0,
            copied_area: 0.0,
            ssim: 0.0,
            psnr_db: 10.0,
        }
    }

    #[test]
    fn of_each_figure_the_strictest_counts_and_says_whose_it_is() {
        let set = set();
        assert_eq!(set.name(), "default + clinical + micrograph");
        let found = |rule: &str| {
            let all = set.deciders();
            let decider = all.iter().find(|decider| decider.rule == rule).expect(rule).clone();
            (decider.asks, decider.policy)
        };
        let is =
            |rule, asks: &str, policy: &str| assert_eq!(found(rule), (asks.into(), policy.into()), "{rule}");
        is("deviation.min", "at least 0.65", "clinical");
        is("strength.min", "at least 0.55", "clinical");
        is("strength.max", "at most 1.00", "default");
        is("marks.manifest", "required", "default");
        is("marks.min-psnr-db", "at least 40.0 dB", "clinical");
        is("generation.max", "at most generation 1", "clinical");
        is("generation.engines", "patch", "clinical");
        is("purpose.allowed", "outreach, teaching", "clinical + micrograph");
        is("violation.action", "refuse", "default");
        assert_eq!(set.limits().min_deviation, 0.65);
        assert_eq!(set.limits().expires, Some(date!(2028 - 12 - 31)));
    }

    #[test]
    fn a_refusal_names_the_strictest_policy_of_each_rule_once() {
        let refusal = set().weigh(&measured(0.45), &[]).expect_err("too close for all of them");
        assert_eq!(
            refusal.to_string(),
            "too close: deviation 0.45, at least 0.65 required (policy clinical, deviation.min); \
             too close: deviation by detail 0.45, at least 0.70 required (policy clinical, deviation.detail)"
        );
        assert_eq!(refusal.action, OnViolation::Refuse, "default and micrograph say so");
        assert!(set().weigh(&measured(0.75), &[]).is_ok());
    }

    #[test]
    fn only_policies_that_were_violated_say_what_becomes_of_the_draft() {
        let refusal = set().weigh(&measured(0.6), &[]).expect_err("too close for clinical alone");
        assert_eq!(refusal.action, OnViolation::Quarantine);
    }

    #[test]
    fn two_approvers_of_every_policy_that_is_violated_lift_measured_limits_and_nothing_else() {
        let keys = |numbers: &[u8]| numbers.iter().map(|n| [*n; 32]).collect::<BTreeSet<_>>();
        let lax = |name: &str, min: &str, approvers: [u8; 2]| {
            let listed = approvers.map(|n| format!("\"{}\"", hex::encode([n; 32]))).join(", ");
            let text = include_str!("../../policies/strict.toml")
                .replacen("name   = \"strict\"", &format!("name = \"{name}\""), 1)
                .replacen("min         = 0.60", min, 1)
                .replacen(
                    "action = \"quarantine\"",
                    &format!("action = \"override\"\napprovers = [{listed}]"),
                    1,
                );
            Policy::parse(&text).expect("it parses")
        };
        let one = lax("one", "min = 0.60", [1, 2]);
        let set = PolicySet::new(one.clone(), vec![(lax("two", "min = 0.70", [2, 3]), Why::Always)]);
        let digest = Digest::of("pixels");
        let case = |deviation: f64| Case {
            reference: digest,
            draft: digest,
            plan: plan(),
            deviation: measured(deviation),
            largest_copy: None,
            others: Vec::new(),
        };
        let refusal = set.judge(case(0.65)).expect_err("too close for two");
        assert_eq!(refusal.action, OnViolation::Override);
        assert!(set.lift(case(0.65), &keys(&[2, 3])).is_ok_and(|cleared| cleared.lifted().len() == 1));
        assert!(set.lift(case(0.65), &keys(&[1, 2])).is_err(), "the other policy's people");
        assert!(set.lift(case(0.65), &keys(&[2, 9])).is_err() && set.lift(case(0.65), &keys(&[3])).is_err());
        assert!(set.lift(case(0.5), &keys(&[2, 3])).is_err(), "both are violated");
        assert!(set.lift(case(0.5), &keys(&[1, 2, 3])).is_ok());
        assert!(set.lift(case(0.75), &keys(&[])).is_ok_and(|cleared| cleared.lifted().is_empty()));
        let below = set.judge(case(0.2999)).expect_err("below the floor");
        assert_eq!(below.action, OnViolation::Quarantine);
        assert!(
            set.lift(case(0.2999), &keys(&[1, 2, 3])).is_err()
                && set.lift(case(f64::NAN), &keys(&[1, 2, 3])).is_err()
        );
        let weak = Plan { strength: Strength::new(0.1), ..plan() };
        assert!(set.lift(Case { plan: weak, ..case(0.65) }, &keys(&[1, 2, 3])).is_err(), "no measured limit");
        let firm = PolicySet::new(one, vec![(Policy::shipped("default").expect("shipped"), Why::Always)]);
        assert!(firm.lift(case(0.45), &keys(&[1, 2, 3])).is_err(), "default says refuse");
    }

    /// A draft that is far from everything.
    fn drafted() -> Case {
        let digest = Digest::of("pixels");
        Case {
            reference: digest,
            draft: digest,
            plan: plan(),
            deviation: measured(0.9),
            largest_copy: None,
            others: Vec::new(),
        }
    }

    #[test]
    fn what_the_engine_took_in_one_piece_is_limited_where_it_is_known_and_nobody_lifts_it() {
        let lax = |name: &str, max: &str| {
            let text = include_str!("../../policies/strict.toml")
                .replacen("name   = \"strict\"", &format!("name = \"{name}\""), 1)
                .replacen("max-copy = 0.10", &format!("max-copy = {max}"), 1)
                .replacen(
                    "action = \"quarantine\"",
                    &format!("action = \"override\"\napprovers = {KEYS}"),
                    1,
                );
            Policy::parse(&text).expect("it parses")
        };
        let set = PolicySet::new(lax("one", "0.125"), vec![(lax("two", "0.12345"), Why::Always)]);
        assert_eq!(set.limits().max_copy, Some(0.1234), "in whole units, and the lesser of two");
        let copied = |largest_copy| Case { largest_copy, ..drafted() };
        assert!(set.judge(copied(Some(0.1234))).is_ok() && set.judge(copied(None)).is_ok());
        let refusal = set.judge(copied(Some(0.1235))).expect_err("one unit more");
        assert_eq!(
            refusal.to_string(),
            "too close: the engine took 12.35 % of the picture from one place of the reference in one piece, at most \
             12.34 % allowed (policy two, generation.max-copy)"
        );
        assert_eq!(refusal.action, OnViolation::Quarantine, "it is no measured limit");
        assert!(set.judge(copied(Some(f64::NAN))).is_err());
        assert!(set.lift(copied(Some(0.5)), &BTreeSet::from([[0x11; 32], [0x22; 32]])).is_err());
        let below = Case { deviation: measured(0.55), ..copied(Some(0.05)) };
        assert!(set.lift(below, &BTreeSet::from([[0x11; 32], [0x22; 32]])).is_ok());
        let asks =
            set.deciders().into_iter().find(|one| one.rule == "generation.max-copy").expect("it is asked");
        assert_eq!(
            (asks.asks.as_str(), asks.policy.as_str()),
            ("at most 0.1234 of the picture in one piece", "two")
        );
    }

    /// Of two people.
    const KEYS: &str = "[\"1111111111111111111111111111111111111111111111111111111111111111\", \
                        \"2222222222222222222222222222222222222222222222222222222222222222\"]";

    #[test]
    fn no_member_can_be_left_out_of_a_judgement() {
        let set = set();
        assert!(set.admit(&plan()).is_ok());
        type Change = fn(&mut Plan);
        let cases: [(Change, &str); 6] = [
            (|p| p.generation = 2, "generation.max"),
            (|p| p.engine = "flux".into(), "generation.engines"),
            (|p| p.purpose = None, "purpose.allowed"),
            (|p| p.purpose = Some("fundraising".into()), "purpose.allowed"),
            (|p| p.today = date!(2029 - 01 - 01), "expires"),
            (|p| p.xmp = false, "marks.xmp"),
        ];
        for (change, rule) in cases {
            let mut plan = plan();
            change(&mut plan);
            let refusal = set.admit(&plan).expect_err(rule);
            assert!(refusal.to_string().ends_with(&format!("(policy clinical, {rule})")), "{refusal}");
            assert!(set.judge(Case { plan, ..drafted() }).is_err(), "{rule}");
        }
        let case = drafted();
        assert_eq!(set.judge(case).expect("far enough").policies().len(), 3);
    }
}
