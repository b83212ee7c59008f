//! Pictures that were made elsewhere.

use super::*;
use crate::catalog::Filter;

fn unbounded() -> PolicyEntry {
    let text = include_str!("../../../policies/default.toml").replace("min = 0.40", "min = 0.00");
    PolicyEntry::new(&Policy::parse(&text).expect("a policy"), &Why::Named)
}

fn at_most(max: &str) -> PolicyEntry {
    let text = include_str!("../../../policies/default.toml")
        .replace("min = 0.40", "min = 0.00")
        .replace("max = 1.00", max);
    PolicyEntry::new(&Policy::parse(&text).expect("a policy"), &Why::Named)
}

/// The same at a strength that nobody knows.
fn of_unknown_strength(number: u64, policy: PolicyEntry) -> ReleaseEntry {
    let mut entry = adopted(number);
    entry.run.strength = None;
    entry.policies = PoliciesEntry { named: policy, others: Vec::new() };
    entry
}

#[test]
fn what_was_made_elsewhere_is_on_record_as_somebodys_word() {
    let mut desk = Desk::new();
    desk.release(&release(1));
    let entry = adopted(2);
    desk.release(&entry);
    let facts = desk.catalog.facts(&entry.output.id).expect("readable").expect("released");
    assert_eq!(
        (facts.engine.as_str(), facts.strength, facts.seed.as_deref()),
        ("midjourney", Some(0.55), None)
    );
    assert_eq!(facts.witnessed_strength(), None, "the mark does not state it");
    let adopted = facts.adopted.expect("it was adopted");
    assert_eq!((adopted.by.as_str(), adopted.image_sha256), ("laboratory", Digest::of("brought")));
    let declared = desk.catalog.declared(&entry.output.id).expect("readable").expect("it was declared");
    assert_eq!(declared["image_weight"], 1.5);
    let found = desk.catalog.adopted_as(&Digest::of("brought")).expect("readable").expect("adopted");
    assert_eq!(found.id, entry.output.id);
    assert_eq!(desk.catalog.count_adopted().expect("readable"), 1);
    let witnessed = desk.catalog.facts(&release(1).output.id).expect("readable").expect("released");
    assert_eq!((witnessed.adopted.is_none(), witnessed.witnessed_strength()), (true, Some(0.55)));
    assert_eq!(desk.findings(), []);
}

#[test]
fn a_strength_that_nobody_knows_is_within_no_bounds_for_the_schema_either() {
    let mut desk = Desk::new();
    let said = |answer: Result<u64, CatalogError>| match answer {
        Err(CatalogError::Refused { reason }) => reason,
        other => panic!("{other:?}"),
    };
    let answer = record(&mut desk.catalog, &of_unknown_strength(1, policy()));
    assert!(said(answer).starts_with("decision refused: "), "0.40 is asked for");
    let answer = record(&mut desk.catalog, &of_unknown_strength(2, at_most("max = 0.90")));
    assert_eq!(said(answer), "decision refused: the policy bounds the strength, which nobody knows");
    let entry = of_unknown_strength(3, unbounded());
    desk.release(&entry);
    let facts = desk.catalog.facts(&entry.output.id).expect("readable").expect("released");
    assert_eq!(facts.strength, None, "0 in the run is no strength");
    let runs = desk.catalog.made_by(&entry.output.id).expect("readable");
    assert_eq!((runs[0].strength, runs[0].adopted.is_some()), (None, true));
    // Nor for whoever looks things up.
    let found = |filter: &Filter| desk.catalog.runs(filter, 9).expect("readable").len();
    assert_eq!(found(&Filter { strength_max: Some(1.0), ..Filter::default() }), 0);
    assert_eq!(found(&Filter { strength_min: Some(0.0), ..Filter::default() }), 0);
    assert_eq!(found(&Filter::default()), 1);
    assert_eq!(desk.findings(), []);
}

#[test]
fn an_engine_of_this_program_is_not_said_to_have_drawn_elsewhere() {
    let mut desk = Desk::new();
    let mut entry = adopted(1);
    entry.run.engine = "patch".into();
    let refused = record(&mut desk.catalog, &entry).expect_err("it would be taken for witnessed").to_string();
    assert_eq!(refused, "the catalog refuses: adoption refused: an engine of this program draws here");
}

#[test]
fn audit_sees_what_was_said_turned_into_what_was_seen() {
    let mut desk = Desk::new();
    desk.release(&adopted(1));
    desk.release(&of_unknown_strength(2, unbounded()));
    let db = stranger(&desk.path);
    db.execute_batch("DROP TRIGGER adoption_delete; DROP TRIGGER adoption_update").expect("they are there");
    let found = |sql: &str, words: &str| {
        db.execute_batch(sql).expect("nobody is awake");
        let faults: Vec<String> = desk.findings().into_iter().map(|finding| finding.fault).collect();
        assert!(faults.iter().any(|fault| fault.contains(words)), "{sql}: {faults:?}");
    };
    let other = "UPDATE adoption SET declared = json_set(declared, '$.by', 'somebody else')";
    found(other, "other rows than the catalog has now");
    found("DELETE FROM adoption", "where the picture was made");
}
