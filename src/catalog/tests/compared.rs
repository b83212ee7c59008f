//! What is too close to any reference on record is not released, whoever writes and whatever they leave out.

use super::forgery::Forgery;
use super::*;

/// What the schema says to a release written by hand beside another one, after `before` was done to it.
fn answer(before: &str, change: fn(&mut Forgery)) -> Option<String> {
    let desk = Desk::new();
    let mut db = stranger(&desk.path);
    db.execute_batch(before).expect("whoever writes the file can");
    Forgery::new(2).write(&mut db).expect("it is right");
    let mut forgery = Forgery { skip: vec!["policy"], ..Forgery::new(1) };
    change(&mut forgery);
    forgery.write(&mut db).err().map(|error| error.to_string())
}

type Case = (fn(&mut Forgery), &'static str);

const PASSED_OVER: Case = (|f| f.skip.push("search"), "the draft was not held against the known references");
const OUTDATED: Case = (|f| f.beyond = -2, "a reference was added since the search");
const FEWER: Case = (|f| f.skip.push("comparisons"), "fewer references were compared than there are");
const CLOSE: Case = (|f| f.other = (Some(5001), Some(0)), "too close to another reference on record");
const COPIED: Case = (|f| f.other = (Some(0), Some(5001)), "too close to another reference on record");
const LOST: Case = (
    |f| {
        f.other = (None, None);
        f.distance = 64;
    },
    "too close to another reference on record",
);

#[test]
fn a_release_is_held_against_every_other_reference() {
    assert_eq!(answer("", |_| {}), None);
    let far_by_looks = |f: &mut Forgery| f.other = (None, None);
    assert_eq!(answer("", far_by_looks), None, "one that is lost may be 65 bits away");
    for (change, words) in [PASSED_OVER, OUTDATED, FEWER, CLOSE, COPIED, LOST] {
        assert_eq!(answer("", change), Some(format!("decision refused: {words}")));
    }
}

#[test]
fn the_gate_compares_once_more() {
    for (change, words) in [PASSED_OVER, OUTDATED, FEWER, CLOSE, COPIED, LOST] {
        let answer = answer("DROP TRIGGER decision_known; DROP TRIGGER decision_rules", change);
        assert_eq!(answer, Some(format!("release refused: {words}")));
    }
    let refused = answer("", |f| f.logged_through = Some(7));
    assert_eq!(refused.as_deref(), Some("release refused: the log tells of another search"));
}

#[test]
fn what_cannot_have_been_measured_is_refused() {
    let range = "comparison refused: a figure is outside its range";
    let cases: [Case; 5] = [
        (|f| f.other = (None, Some(1)), range),
        (|f| f.other = (Some(-1), Some(1)), range),
        (|f| f.other = (Some(1), Some(10_001)), range),
        (|f| f.distance = 257, range),
        (|f| f.beyond = 1, "search refused: there is no reference of that number"),
    ];
    for (number, (change, words)) in cases.into_iter().enumerate() {
        assert_eq!(answer("", change).as_deref(), Some(words), "case {number}");
    }
}

#[test]
fn nothing_becomes_known_by_hand() {
    let desk = Desk::busy();
    let db = stranger(&desk.path);
    let cases = [
        (
            "'reference', 9, (SELECT max(asset) FROM known WHERE role = 'output'), fingerprint, fingerprint_quality",
            "its number is not the next",
        ),
        (
            "'output', 3, (SELECT max(asset) FROM known WHERE role = 'reference'), fingerprint, fingerprint_quality",
            "it served as no reference and was not released",
        ),
        (
            "'else', 1, asset, fingerprint, fingerprint_quality",
            "it served as no reference and was not released",
        ),
    ];
    for (values, words) in cases {
        let sql = format!("INSERT INTO known SELECT {values} FROM known WHERE role = 'output' LIMIT 1");
        assert_eq!(db.execute(&sql, []).expect_err(&sql).to_string(), format!("known refused: {words}"));
    }
    let db = stranger(&desk.path);
    let sql = "INSERT INTO search SELECT run, 0 FROM measurement WHERE run NOT IN (SELECT run FROM search)";
    assert_eq!(db.execute(sql, []).expect("there is none such"), 0);
    let sql = "INSERT INTO comparison (run, reference, distance, measure) \
               SELECT run, (SELECT asset FROM known LIMIT 1), 9, 'm' FROM decision";
    let refused = db.execute(sql, []).expect_err("they are decided").to_string();
    assert!(refused.starts_with("comparison "), "{refused}");
}

#[test]
fn what_a_reference_comes_from_is_compared_whatever_else_is() {
    let mut desk = Desk::new();
    for number in [1, 3, 4] {
        desk.release(&release(number));
    }
    let mut entry = release(5);
    entry.reference = release(1).output;
    entry.search = searched(&desk.catalog, &entry).expect("readable");
    entry.search.compared.retain(|one| one.reference != id(11));
    entry.search.compared.push(comparison(&id(32), 100, Some(0.9)));
    let refused =
        with_pen(|pen| desk.catalog.record_release(&entry, pen)).expect_err("it lacks one").to_string();
    assert_eq!(
        refused,
        "the catalog refuses: decision refused: what the reference comes from was not compared"
    );
    desk.release(&entry);
    assert_eq!(desk.findings(), []);
}
