//! Release below a limit: two people who have a say, and nothing less.

use super::*;

const REASON: &str = "shown to the whole board in May";

/// A desk with a draft that house refused.
fn refused() -> Desk {
    let mut desk = Desk::new();
    desk.refuse(&too_close(5));
    desk
}

/// What the schema says to the release of that draft after `approvals` by number of key.
fn answer(approvals: &[u8], change: fn(&mut ReleaseEntry)) -> Option<String> {
    let mut desk = refused();
    for key in approvals {
        desk.approve(5, *key, REASON).expect("they have a say");
    }
    let mut entry = overriding(6, 5);
    change(&mut entry);
    let before = dump(&desk.catalog.db);
    let refused = record(&mut desk.catalog, &entry).err().map(|error| error.to_string());
    assert_eq!(refused.is_some(), dump(&desk.catalog.db) == before, "what is refused leaves nothing");
    if refused.is_none() {
        assert_eq!(desk.findings(), []);
        let [run] = &desk.catalog.made_by(&entry.output.id).expect("readable")[..] else { panic!("one run") };
        assert!(run.overridden && run.reasons.is_empty());
        let body = desk.catalog.events().expect("readable").pop().expect("the last one").body;
        assert!(body.contains(&format!("\"override\":\"{}\"", id(50))), "{body}");
    }
    refused
}

#[test]
fn two_distinct_approvers_release_what_one_cannot() {
    let words = |words: &str| Some(format!("the catalog refuses: {words}"));
    assert_eq!(answer(&[1, 2], |_| {}), None);
    assert_eq!(answer(&[1], |_| {}), words("override refused: two approvers are needed"));
    assert_eq!(answer(&[], |_| {}), words("override refused: two approvers are needed"));
}

#[test]
fn what_leaves_is_what_was_approved() {
    let no = |change| {
        let said = answer(&[1, 2], change).expect("something else");
        assert!(said.ends_with("release refused: no clearing decision"), "{said}");
    };
    no(|e| e.measurement.draft_sha256 = Digest::of("another draft"));
    no(|e| (e.measurement.deviation.detail, e.measurement.deviation.deviation) = (0.44, 0.56));
    no(|e| e.reference = picture(71));
    no(|e| e.policies.others.clear());
    no(|e| e.run.strength = Some(0.45));
    no(|e| e.run.purpose = Some("sale".into()));
    let bare = answer(&[1, 2], |e| e.marks.xmp = false).expect("a mark is missing");
    assert!(bare.ends_with("release refused: the XMP label is missing"), "{bare}");
}

#[test]
fn an_approval_is_by_somebody_with_a_say_for_a_reason_and_before_the_release() {
    let said = |desk: &mut Desk, key: u8, reason: &str| {
        desk.approve(5, key, reason).map_err(|error| error.to_string().replace("the catalog refuses: ", ""))
    };
    let mut desk = refused();
    let stranger_said = said(&mut desk, 3, REASON);
    assert_eq!(stranger_said, Err("approval refused: the key is not among the policy's approvers".into()));
    let short = said(&mut desk, 1, "nineteen characters");
    assert_eq!(short, Err("approval refused: a reason of at least 20 characters is needed".into()));
    assert!(said(&mut desk, 1, &" ".repeat(30)).is_err());
    assert_eq!(said(&mut desk, 1, "twenty characters ok"), Ok(()));
    assert_eq!(said(&mut desk, 1, "another reason, as long"), Err("approval is append-only".into()));
    assert_eq!(said(&mut desk, 2, REASON), Ok(()));
    desk.release(&overriding(6, 5));
    let db = stranger(&desk.path);
    let sql = "INSERT INTO approval SELECT run, randomblob(32), reason, signature, at FROM approval LIMIT 1";
    assert_eq!(db.execute(sql, []).expect_err("too late").to_string(), "approval is append-only");
    let mut again = overriding(7, 5);
    again.marks.payload_id = "another".into();
    let twice = record(&mut desk.catalog, &again).expect_err("one draft leaves once").to_string();
    assert!(twice.ends_with("override is append-only"), "{twice}");
}

#[test]
fn whoever_asked_for_the_release_does_not_approve_it() {
    let mut desk = Desk::new();
    let own = PersonalKey::of_number(1);
    let sign = |message: &[u8]| signature(&own.public(), message);
    let pen = Pen { public_key: own.public(), sign: &sign };
    desk.catalog.record_refusal(&too_close(5), &pen).expect("it is logged with that key");
    let refused = desk.approve(5, 1, REASON).expect_err("it is their own").to_string();
    assert!(refused.ends_with("whoever asked for a release does not approve it"), "{refused}");
    desk.approve(5, 2, REASON).expect("another's");
}

#[test]
fn nothing_below_the_floor_of_all_policies_is_lifted() {
    for (detail, expected) in [(0.7, true), (0.7001, false)] {
        let mut desk = Desk::new();
        let mut low = too_close(5);
        low.policies.named = house();
        low.policies.others.clear();
        let figures = low.measurement.as_mut().expect("measured");
        (figures.deviation.detail, figures.deviation.deviation) = (detail, 1.0 - detail);
        desk.refuse(&low);
        for key in [1, 2] {
            desk.approve(5, key, REASON).expect("they have a say");
        }
        let entry = ReleaseEntry {
            measurement: low.measurement.expect("measured"),
            policies: low.policies,
            ..overriding(6, 5)
        };
        assert_eq!(record(&mut desk.catalog, &entry).is_ok(), expected, "{detail}");
    }
}

#[test]
fn a_policy_that_does_not_allow_it_is_not_overridden_by_the_approvers_of_another() {
    let mut desk = Desk::new();
    // Below 0.5, which default asks for, and default refuses.
    let mut low = too_close(5);
    let figures = low.measurement.as_mut().expect("measured");
    (figures.deviation.detail, figures.deviation.deviation) = (0.55, 0.45);
    desk.refuse(&low);
    for key in [1, 2] {
        desk.approve(5, key, REASON).expect("house gives them a say");
    }
    let entry = ReleaseEntry { measurement: low.measurement.expect("measured"), ..overriding(6, 5) };
    let refused = record(&mut desk.catalog, &entry).expect_err("default says no").to_string();
    assert!(refused.ends_with("release refused: no clearing decision"), "{refused}");
}

#[test]
fn an_approval_serves_no_other_run_and_a_draft_leaves_once() {
    let mut desk = refused();
    for key in [1, 2] {
        desk.approve(5, key, REASON).expect("they have a say");
    }
    desk.release(&overriding(6, 5));
    let db = stranger(&desk.path);
    let copied = "INSERT INTO approval SELECT ?, key, reason, signature, at FROM approval WHERE run = ?";
    let own = db.execute(copied, [id(60), id(50)]).expect_err("it left by override itself").to_string();
    assert_eq!(own, "approval refused: the run has released its draft");

    // The same draft, refused once more.
    let first = too_close(5);
    desk.refuse(&RefusalEntry { reference: first.reference, measurement: first.measurement, ..too_close(7) });
    assert_eq!(desk.findings(), []);
    db.execute(copied, [id(70), id(50)]).expect("SQL reads no signatures");
    let faults: Vec<Finding> = desk.findings();
    assert_eq!(faults.len(), 2, "{faults:#?}");
    assert!(faults.iter().all(|one| one.area == "approval" && one.subject == id(70)), "{faults:#?}");
    let sent = overriding(6, 5);
    let again = ReleaseEntry { reference: sent.reference, measurement: sent.measurement, ..overriding(8, 7) };
    let said = record(&mut desk.catalog, &again).expect_err("it is gone").to_string();
    assert!(said.ends_with("override refused: the draft was released before"), "{said}");
}
