//! A catalog of version 1 is read as it is, and brought up to date when it is next written.

use serde_json::Value;

use super::*;
use crate::catalog::schema::MIGRATIONS;
use crate::catalog::{Event, log};

/// What version 1 wrote: the rows of a busy catalog without what came later, and a log that tells of no more.
fn version_1() -> (TempDir, PathBuf) {
    let Desk { _dir: dir, path, catalog } = Desk::busy();
    let events: Vec<Event> =
        catalog.events().expect("readable").into_iter().map(without_comparisons).collect();
    drop(catalog);
    let old = dir.path().join("old.db");
    let db = stranger(&old);
    db.execute_batch(MIGRATIONS[0]).expect("a schema");
    db.pragma_update(None, "user_version", 1).expect("writable");
    db.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false).expect("a setting");
    db.execute("ATTACH ? AS new", [path.to_str().expect("plain letters")]).expect("there");
    for table in TABLES.iter().filter(|table| !["known", "search", "comparison", "event"].contains(table)) {
        let list = columns(&db, table).into_iter().map(|(name, _)| name).collect::<Vec<_>>().join(", ");
        db.execute(&format!("INSERT INTO main.{table} ({list}) SELECT {list} FROM new.{table}"), [])
            .expect("the same columns");
    }
    db.execute("DETACH new", []).expect("attached");
    rewrite(&db, events);
    (dir, old)
}

fn without_comparisons(mut event: Event) -> Event {
    let mut body: Value = serde_json::from_str(&event.body).expect("JSON");
    for key in ["through", "nearest", "comparisons"] {
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
fn a_catalog_of_version_1_is_read_as_it_is() {
    let (_dir, path) = version_1();
    let catalog = Catalog::open_read_only(&path).expect("there");
    assert_eq!(catalog.check(&holds).expect("readable"), []);
    let looks = variants([release(2).output.fingerprint; 8]);
    let near = catalog.nearest(Role::Output, &looks, 1, &[]).expect("readable");
    assert_eq!((near[0].asset.clone(), near[0].number, near[0].distance), (id(22), 2, 0));
    let runs = catalog.made_by(&id(22)).expect("readable");
    assert_eq!((runs.len(), runs[0].compared.clone()), (1, None));
    assert_eq!(catalog.count_comparisons().expect("readable"), 0);
    let version: i64 =
        catalog.db.pragma_query_value(None, "user_version", |row| row.get(0)).expect("a version");
    assert_eq!(version, 1);
}

#[test]
fn a_catalog_of_version_1_is_brought_up_to_date_and_holds_new_drafts_against_what_it_knew() {
    let (_dir, path) = version_1();
    let mut catalog = Catalog::open(&path).expect("it is upgraded");
    assert_eq!(catalog.check(&holds).expect("readable"), []);
    let known: Vec<(String, i64, String)> = catalog
        .many("SELECT role, number, asset FROM known ORDER BY role, number", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .expect("readable");
    let expected = [
        ("output", 1, 12),
        ("output", 2, 22),
        ("reference", 1, 11),
        ("reference", 2, 12),
        ("reference", 3, 31),
        ("reference", 4, 41),
    ];
    assert_eq!(known, expected.map(|(role, number, asset)| (role.to_owned(), number, id(asset))));
    let careless =
        with_pen(|pen| catalog.record_release(&release(7), pen)).expect_err("it looked at nothing");
    assert!(matches!(careless, CatalogError::Outdated { through: 0, newest: 4 }), "{careless}");
    record(&mut catalog, &release(7)).expect("held against all");
    assert_eq!(catalog.check(&holds).expect("readable"), []);
    drop(catalog);
    assert_eq!(Catalog::open_read_only(&path).expect("there").check(&holds).expect("readable"), []);
}

#[test]
fn a_log_that_stops_telling_of_comparisons_is_found() {
    let desk = Desk::busy();
    let mut events = desk.catalog.events().expect("readable");
    let last = events.pop().map(without_comparisons).expect("four");
    events.push(last);
    let db = stranger(&desk.path);
    db.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false).expect("a setting");
    rewrite(&db, events);
    let faults: Vec<_> =
        desk.findings().into_iter().map(|finding| (finding.subject, finding.fault)).collect();
    assert_eq!(faults, [("4".to_owned(), "tells of no comparisons, though entries before it do".to_owned())]);
}
