//! Fresh, newer, changed and shared files.

use std::fs;

use super::*;
use crate::catalog::schema::MIGRATIONS;

#[test]
fn a_fresh_catalog_is_made_from_the_migrations_and_is_clean() {
    let desk = Desk::new();
    let version: i64 =
        desk.catalog.db.pragma_query_value(None, "user_version", |row| row.get(0)).expect("a version");
    assert_eq!(version, MIGRATIONS.len() as i64);
    assert_eq!(desk.findings(), []);
    drop(desk.catalog);
    assert!(Catalog::open(&desk.path).is_ok(), "a second time there is nothing to do");
}

#[test]
fn a_newer_catalog_is_refused_and_left_as_it_is() {
    let Desk { _dir, path, catalog } = Desk::busy();
    catalog.db.pragma_update(None, "user_version", MIGRATIONS.len() as i64 + 1).expect("writable");
    drop(catalog);
    let before = fs::read(&path).expect("there");
    for opened in [Catalog::open(&path), Catalog::open_read_only(&path)] {
        assert!(matches!(opened, Err(CatalogError::TooNew { found, known, .. })
            if known == MIGRATIONS.len() as i64 && found == known + 1));
    }
    assert_eq!(fs::read(&path).expect("there"), before);
}

/// A catalog that an earlier program made.
pub(super) fn old(dir: &Path) -> PathBuf {
    let path = dir.join("catalog.db");
    let db = stranger(&path);
    db.execute_batch(include_str!("../../../tests/catalogs/version-1.sql")).expect("a dump");
    db.pragma_update(None, "user_version", 1).expect("writable");
    path
}

#[test]
fn an_old_catalog_is_brought_up_to_date_and_nothing_in_it_is_another() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = old(dir.path());
    let rows = |db: &Connection| {
        let new = ["policy_rule: ", "applied: ", "known: "];
        let all = dump(db).into_iter();
        all.partition::<Vec<_>, _>(|row| new.iter().any(|table| row.starts_with(table)))
    };
    // Whoever only reads changes nothing, and says what is to be done.
    let before = fs::read(&path).expect("there");
    let reader = Catalog::open_read_only(&path).expect("it reads");
    assert_eq!(reader.outputs().expect("readable").len(), 1);
    let error = reader.check(&|_, _, _| true).expect_err("too old to be checked").to_string();
    assert!(
        error.ends_with(&format!(
            "schema version 1 is older than this program's {}: 'vidimus init' brings it up to date",
            MIGRATIONS.len()
        )),
        "{error}"
    );
    drop(reader);
    assert_eq!(fs::read(&path).expect("there"), before);

    let mut catalog = Catalog::open(&path).expect("it is brought up to date");
    let (new, _) = rows(&catalog.db);
    assert_eq!(new.len(), 5, "one policy, which judged two runs, and two pictures: {new:#?}");
    assert_eq!(catalog.check(&|_, _, _| true).expect("readable"), [], "its log still holds");
    let [output] = &catalog.outputs().expect("readable")[..] else { panic!("one release") };
    let facts = catalog.facts(&output.id).expect("readable").expect("a release");
    let [text] = &catalog.judged_by(&facts.run).expect("readable")[..] else { panic!("one policy") };
    assert!(text.contains("schema = 1"), "the text that decided is kept");
    // The old policy decides again, beside a new one.
    let named = PolicyEntry::new(&Policy::parse(text).expect("it parses"), &Why::Named);
    assert_eq!(named.digest, facts.policy);
    let mut entry = release(5);
    entry.policies.named = named;
    record(&mut catalog, &entry).expect("recorded");
    assert_eq!(catalog.check(&|_, _, _| true).expect("readable"), []);
}

#[test]
fn what_is_added_to_a_run_from_before_the_upgrade_is_found() {
    let cases = [
        "UPDATE applied SET why = 'always'",
        "INSERT INTO applied SELECT run, (SELECT digest FROM policy WHERE name = 'house'), 'named' FROM decision WHERE run = (SELECT max(run) FROM decision)",
        "INSERT INTO run_class SELECT max(run), 'photo' FROM decision",
        "INSERT INTO run_tag SELECT max(run), 'new' FROM decision",
        "INSERT INTO xmp_label SELECT max(output) FROM release",
        "INSERT INTO image_code SELECT max(output), zeroblob(32) FROM release",
        "INSERT INTO carried SELECT max(output), 'label', 'AI' FROM release",
        "INSERT INTO policy_mark SELECT digest, 'label' FROM policy WHERE name = 'default'",
        "DELETE FROM applied WHERE run = (SELECT max(run) FROM decision)",
        "UPDATE policy_rule SET max_generations = 9 WHERE policy = (SELECT digest FROM policy WHERE name = 'default')",
    ];
    for sql in cases {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = old(dir.path());
        let mut catalog = Catalog::open(&path).expect("it is brought up to date");
        record(&mut catalog, &release(5)).expect("recorded");
        let db = stranger(&path);
        db.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)
            .expect("a setting");
        assert!(db.execute(sql, []).expect(sql) > 0, "{sql}");
        assert_ne!(catalog.check(&|_, _, _| true).expect("readable"), [], "{sql} goes unnoticed");
    }
}

#[test]
fn another_programs_database_is_refused_and_left_as_it_is() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("places.sqlite");
    Connection::open(&path).expect("new").execute_batch("CREATE TABLE places (url TEXT)").expect("writable");
    let before = fs::read(&path).expect("there");
    let refused = Catalog::open(&path).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(refused.ends_with("places is there, and no version: this is no catalog"), "{refused}");
    assert_eq!(fs::read(&path).expect("there"), before);
}

#[test]
fn a_changed_schema_is_refused_for_writing_and_found_when_reading() {
    let cases = [
        ("DROP TRIGGER release_gate", "trigger release_gate is missing"),
        (
            "DROP TRIGGER run_delete; CREATE TRIGGER run_delete BEFORE DELETE ON run WHEN 0 BEGIN SELECT 1; END",
            "trigger run_delete is another",
        ),
        ("CREATE TRIGGER more AFTER INSERT ON asset BEGIN DELETE FROM asset; END", "trigger more was added"),
        ("DROP INDEX mark_payload", "index mark_payload is missing"),
        ("CREATE VIEW seen AS SELECT 1", "view seen was added"),
        ("ALTER TABLE asset ADD COLUMN note TEXT", "table asset is another"),
        ("DROP TABLE release", "index sqlite_autoindex_release_2 is missing"),
    ];
    for (sql, expected) in cases {
        let Desk { _dir, path, catalog } = Desk::busy();
        drop(catalog);
        let db = stranger(&path);
        db.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_DEFENSIVE, false).expect("a setting");
        db.execute_batch(sql).expect(sql);
        drop(db);
        let before = fs::read(&path).expect("there");
        match Catalog::open(&path) {
            Err(CatalogError::SchemaChanged { what, .. }) => assert_eq!(what, expected),
            other => panic!("{sql}: {:?}", other.err()),
        }
        assert_eq!(fs::read(&path).expect("there"), before, "{sql}: the file was touched");
        let findings = Catalog::open_read_only(&path).expect(sql).check(&holds).expect(sql);
        assert!(findings.iter().any(|f| f.area == "schema" && f.subject == expected), "{sql}: {findings:?}");
    }
}

#[test]
fn statistics_of_the_query_planner_are_no_change_of_the_schema() {
    let desk = Desk::busy();
    stranger(&desk.path).execute_batch("ANALYZE").expect("writable");
    assert!(Catalog::open(&desk.path).is_ok());
    assert_eq!(desk.findings(), []);
}

#[test]
fn many_threads_may_make_the_same_catalog() {
    for _ in 0..3 {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("catalog.db");
        let start = std::sync::Barrier::new(8);
        std::thread::scope(|scope| {
            for number in 1..=8 {
                let (path, start) = (&path, &start);
                scope.spawn(move || {
                    start.wait();
                    let mut catalog = Catalog::open(path).expect("one makes it, the others find it");
                    record(&mut catalog, &release(number)).expect("and all of them write");
                });
            }
        });
        let catalog = Catalog::open_read_only(&path).expect("there");
        assert_eq!(catalog.outputs().expect("readable").len(), 8);
        assert_eq!(catalog.check(&holds).expect("readable"), []);
    }
}

#[test]
fn two_writers_lose_nothing_and_break_no_chain() {
    let desk = Desk::new();
    std::thread::scope(|scope| {
        for writer in 0..2 {
            let path = &desk.path;
            scope.spawn(move || {
                let mut catalog = Catalog::open(path).expect("there");
                for number in 1..=25 {
                    record(&mut catalog, &release(writer * 100 + number)).expect("each waits its turn");
                }
            });
        }
    });
    assert_eq!(desk.catalog.outputs().expect("readable").len(), 50);
    let numbers: Vec<u64> = desk.catalog.events().expect("readable").iter().map(|event| event.seq).collect();
    assert_eq!(numbers, (1..=50).collect::<Vec<_>>());
    assert_eq!(desk.findings(), []);
}
