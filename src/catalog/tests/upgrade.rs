//! A catalog of version 1 can be searched as it is, and holds new drafts against what it knew once it is up to date.

use serde_json::Value;

use super::opening::old;
use super::*;
use crate::catalog::{Event, log};

/// A log entry as version 1 wrote it.
fn of_version_1(mut event: Event) -> Event {
    let mut body: Value = serde_json::from_str(&event.body).expect("JSON");
    for key in ["through", "nearest", "seal"] {
        assert!(body.as_object_mut().expect("an object").remove(key).is_some(), "{key}");
    }
    event.body = body.to_string();
    event
}

/// Puts `events` in place of the log, each hashed over the one before and signed.
fn rewrite(db: &Connection, events: Vec<Event>) {
    db.execute("DELETE FROM event", []).expect("nobody is awake");
    let mut prev = Digest::from_bytes([0; 32]);
    for Event { seq, at, kind, body, .. } in events {
        let hash = log::hash(&prev, seq, &at, &kind, &body);
        let (sql, signed) =
            ("INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?)", signature(&KEY, hash.as_bytes()));
        let values =
            rusqlite::params![seq as i64, at, kind, body, prev.as_bytes(), hash.as_bytes(), KEY, signed];
        db.execute(sql, values).expect("nobody is awake");
        prev = hash;
    }
}

#[test]
fn a_catalog_of_version_1_is_searched_as_it_is() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let catalog = Catalog::open_read_only(&old(dir.path())).expect("there");
    let [output] = &catalog.outputs().expect("readable")[..] else { panic!("one release") };
    let bits = catalog.fingerprint(&output.id).expect("readable").expect("it has one");
    let looks = variants([bits; 8]);
    let near = catalog.nearest(Role::Output, &looks, 1, &[]).expect("readable");
    assert_eq!((near[0].asset.clone(), near[0].number, near[0].distance), (output.id.clone(), 1, 0));
    let runs = catalog.made_by(&output.id).expect("readable");
    assert_eq!((runs.len(), runs[0].compared.clone()), (1, None));
    assert_eq!(catalog.count_comparisons().expect("readable"), 0);
}

#[test]
fn a_catalog_that_is_brought_up_to_date_holds_new_drafts_against_what_it_knew() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut catalog = Catalog::open(&old(dir.path())).expect("it is upgraded");
    let known: Vec<(String, i64)> = catalog
        .many("SELECT role, number FROM known ORDER BY role, number", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .expect("readable");
    assert_eq!(known, [("output".to_owned(), 1), ("reference".to_owned(), 1)]);
    let careless =
        with_pen(|pen| catalog.record_release(&release(7), pen)).expect_err("it looked at nothing");
    assert!(matches!(careless, CatalogError::Outdated { through: 0, newest: 1 }), "{careless}");
    record(&mut catalog, &release(7)).expect("held against all");
    assert_eq!(catalog.check(&|_, _, _| true).expect("readable"), []);
}

#[test]
fn a_log_that_stops_telling_of_comparisons_is_found() {
    let desk = Desk::busy();
    let mut events = desk.catalog.events().expect("readable");
    let last = events.pop().map(of_version_1).expect("four");
    events.push(last);
    let db = stranger(&desk.path);
    db.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false).expect("a setting");
    rewrite(&db, events);
    let findings = desk.findings();
    assert!(!findings.is_empty() && findings.iter().all(|one| one.subject == "4"), "{findings:#?}");
}
