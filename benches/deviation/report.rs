//! What the shipped policies would do, and by what margin.

use std::error::Error;

use vidimus::policy::Policy;
use vidimus::quantity::Deviation;

use crate::families::{Family, Member, Should};

pub fn print(families: &[Family]) -> Result<(), Box<dyn Error>> {
    let shipped = |name: &str| Policy::shipped(name).ok_or_else(|| format!("no policy {name}"));
    let policies = [shipped("default")?, shipped("strict")?];
    println!(
        "| family | pictures | refused by default, % | by strict, % | deviation: least | median | most |"
    );
    println!("|---|---|---|---|---|---|---|");
    for family in families.iter().filter(|family| !family.members.is_empty()) {
        let all = sorted(family.members.iter().map(|member| member.deviation.deviation));
        let [default, strict] =
            policies.each_ref().map(|policy| 100.0 * share(family, |member| refuses(policy, member)));
        println!(
            "| {} | {} | {default:.1} | {strict:.1} | {:.2} | {:.2} | {:.2} |",
            family.name,
            all.len(),
            all[0],
            all[all.len() / 2],
            all[all.len() - 1]
        );
    }
    let of = |should: Should| {
        let all = families.iter().filter(|family| family.should == should).flat_map(|family| &family.members);
        sorted(all.map(|member| member.deviation.deviation))
    };
    let (copies, new) = (of(Should::Refuse), of(Should::Pass));
    println!("\nReceiver operating characteristic of the deviation, copies against new pictures:\n");
    println!("| limit | copies that pass, % | new pictures refused, % |\n|---|---|---|");
    for limit in [0.2, 0.3, 0.4, 0.45, 0.5, 0.55, 0.6, 0.7] {
        let passed = copies.iter().filter(|d| **d >= limit).count() as f64 / copies.len().max(1) as f64;
        let refused = new.iter().filter(|d| **d < limit).count() as f64 / new.len().max(1) as f64;
        println!("| {limit:.2} | {:.1} | {:.1} |", 100.0 * passed, 100.0 * refused);
    }
    println!("\nArea under it: {:.4}.", area(&copies, &new));
    witnesses(families, &policies[0]);
    let wrong = families.iter().flat_map(|family| {
        let expected = family.should;
        family.members.iter().filter(move |_| expected != Should::Either).filter_map(move |member| {
            let refused = member.deviation.deviation < 0.5;
            (refused != (expected == Should::Refuse)).then_some((family, member))
        })
    });
    println!("\nOn the wrong side of 0.50:\n");
    for (family, member) in wrong {
        let Deviation { deviation, detail, copied, .. } = member.deviation;
        println!(
            "- {}, {}: {deviation:.2} (detail {detail:.2}, copied {copied:.2})",
            family.name, member.name
        );
    }
    let seconds = families.iter().flat_map(|family| &family.members).map(|member| member.seconds);
    let (sum, count) = seconds.fold((0.0, 0), |(sum, count), s| (sum + s, count + 1));
    println!(
        "\n{:.2} seconds a pair, on {} threads.",
        sum / f64::from(count.max(1)),
        std::thread::available_parallelism()?
    );
    Ok(())
}

/// What our engine's own map says beside the measure.
fn witnesses(families: &[Family], policy: &Policy) {
    let max = policy.limits().max_copy.unwrap_or(1.0);
    println!(
        "\nTwo witnesses of our own engine's drafts: the measure, and the engine's map, by its largest piece from one place:\n"
    );
    println!(
        "| family | drafts | largest piece, %: median | most | too close by the measure alone | by the map alone | by both |"
    );
    println!("|---|---|---|---|---|---|---|");
    for family in families {
        let pieces = sorted(family.members.iter().filter_map(|member| member.largest_copy));
        let (Some(most), Some(median)) = (pieces.last(), pieces.get(pieces.len() / 2)) else { continue };
        let count = |measure: bool, map: bool| {
            let says = |member: &&Member| {
                (by_measure(policy, &member.deviation), member.largest_copy > Some(max)) == (measure, map)
            };
            family.members.iter().filter(says).count()
        };
        println!(
            "| {} | {} | {:.1} | {:.1} | {} | {} | {} |",
            family.name,
            pieces.len(),
            100.0 * median,
            100.0 * most,
            count(true, false),
            count(false, true),
            count(true, true)
        );
    }
}

fn refuses(policy: &Policy, member: &Member) -> bool {
    let overdrawn = policy.limits().max_copy.is_some_and(|max| member.largest_copy > Some(max));
    by_measure(policy, &member.deviation) || overdrawn
}

fn by_measure(policy: &Policy, deviation: &Deviation) -> bool {
    let limits = policy.limits();
    deviation.deviation < limits.min_deviation || deviation.composition < limits.min_composition
}

fn share(family: &Family, is: impl Fn(&Member) -> bool) -> f64 {
    let count = family.members.iter().filter(|member| is(member)).count();
    count as f64 / family.members.len().max(1) as f64
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut all: Vec<f64> = values.collect();
    all.sort_by(f64::total_cmp);
    all
}

/// The chance that a copy has less deviation than a new picture; ties count by half.
fn area(copies: &[f64], new: &[f64]) -> f64 {
    let wins: f64 = copies
        .iter()
        .map(|copy| {
            let more = new.iter().filter(|n| **n > *copy).count() as f64;
            let same = new.iter().filter(|n| **n == *copy).count() as f64;
            more + 0.5 * same
        })
        .sum();
    wins / (copies.len() * new.len()).max(1) as f64
}
