//! What was changed behind the schema's back is found when the catalog is checked.

use std::fs;

use rusqlite::config::DbConfig;

use super::forgery::Forgery;
use super::*;

/// Writes with all triggers asleep: no trace of that is left in the schema.
fn intruder(path: &std::path::Path) -> Connection {
    let db = stranger(path);
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false).expect("a setting of the connection");
    db
}

/// A busy catalog, closed, in one file.
fn template() -> (TempDir, PathBuf) {
    let Desk { _dir, path, catalog } = Desk::full();
    assert_eq!(catalog.check(&holds).expect("readable"), [], "nothing is wrong before");
    drop(catalog);
    (_dir, path)
}

/// What a check of a copy of `template` finds after `sql` was done to it.
fn after(template: &std::path::Path, sql: &str) -> Vec<Finding> {
    let path = template.with_file_name("copy.db");
    fs::copy(template, &path).expect("writable");
    let db = intruder(&path);
    let before = dump(&db);
    db.execute_batch(sql).expect(sql);
    assert_ne!(dump(&db), before, "{sql} changes nothing");
    drop(db);
    Catalog::open(&path).expect("the schema is as before").check(&holds).expect("damage is a finding")
}

#[test]
fn every_kind_of_edit_is_found_and_named() {
    let cases = [
        ("UPDATE measurement SET detail = 3000", "says other things of its run than the catalog does"),
        (
            "UPDATE measurement SET detail = 9000",
            "its measurement is below the limits of its policy, or is of other pixels",
        ),
        ("UPDATE measurement SET draft_sha256 = zeroblob(32)", "is of other pixels"),
        ("UPDATE decision SET verdict = 'refused'", "has no clearing decision"),
        ("UPDATE decision SET verdict = 'cleared'", "ended otherwise than the catalog says"),
        ("UPDATE decision SET reasons = '[]'", "was written over other rows"),
        ("UPDATE policy SET min_deviation = 3000", "its limits are not those of its text"),
        ("UPDATE policy SET min_deviation = 100", "its limits are below what any policy may ask"),
        (
            "UPDATE approval SET reason = reason || '!'",
            "is not of this run, draft, policy, figure and reason",
        ),
        (
            "UPDATE approval SET signature = randomblob(64)",
            "is not of this run, draft, policy, figure and reason",
        ),
        ("UPDATE approval SET key = randomblob(32)", "released nothing that two people approved"),
        (
            "DELETE FROM approval WHERE key = (SELECT min(key) FROM approval)",
            "released nothing that two people approved",
        ),
        ("DELETE FROM override", "has no clearing decision"),
        ("DELETE FROM policy_approver", "its limits are not those of its text"),
        ("UPDATE policy_rule SET max_generations = NULL", "its limits are not those of its text"),
        ("UPDATE policy_rule SET max_generations = 1", "a policy that applied does not allow it"),
        ("UPDATE policy_rule SET expires = '2020-01-01'", "was logged after a policy expired"),
        ("DELETE FROM policy_engine WHERE engine = 'patch'", "a policy that applied does not allow it"),
        (
            "INSERT INTO policy_engine SELECT digest, 'flux' FROM policy",
            "its limits are not those of its text",
        ),
        ("DELETE FROM xmp_label", "a mark that a policy requires is missing"),
        ("UPDATE time_stamp SET trusted = 0", "a mark that a policy requires is missing"),
        ("UPDATE time_stamp SET at = '2020-01-01'", "was written over other rows than the catalog has now"),
        ("DELETE FROM policy_time_stamp", "its limits are not those of its text"),
        ("DELETE FROM policy_copy", "its limits are not those of its text"),
        ("UPDATE policy_copy SET max_copy = 9999", "its limits are not those of its text"),
        (
            "UPDATE match_field SET largest_copy = 9999",
            "its engine took more in one piece than a policy that applied allows",
        ),
        (
            "DELETE FROM match_field WHERE run NOT IN (SELECT run FROM adoption)",
            "its engine took more in one piece than a policy that applied allows",
        ),
        ("UPDATE match_field SET largest_copy = 1", "was written over other rows than the catalog has now"),
        ("DELETE FROM carried", "a mark that a policy asks for is not among those it carries"),
        ("DELETE FROM policy_mark WHERE mark = 'label'", "its limits are not those of its text"),
        ("UPDATE carried SET value = 'none'", "was written over other rows than the catalog has now"),
        ("DELETE FROM applied", "its policy is not among those that applied"),
        ("UPDATE run_class SET class = 'photo'", "was written over other rows than the catalog has now"),
        ("UPDATE policy SET min_psnr_db = 10.0", "its limits are not those of its text"),
        ("UPDATE policy SET require_watermark = 0", "its limits are not those of its text"),
        ("UPDATE policy SET text = text || '#'", "its text is not the one that decided"),
        (
            "UPDATE asset SET sha256 = randomblob(32) WHERE role = 'output'",
            "its digest is not that of the output",
        ),
        ("UPDATE asset SET sha256 = randomblob(32) WHERE role = 'reference'", "says other things of its run"),
        (
            "UPDATE asset SET copy_of = (SELECT output FROM release) WHERE role = 'reference'",
            "its generation",
        ),
        ("UPDATE derivation SET generation = 7", "its generation does not follow from its reference"),
        (
            "UPDATE mark SET value = value || 'x' WHERE kind = 'watermark'",
            "names another file or other marks",
        ),
        (
            "UPDATE mark SET psnr_db = 20.0 WHERE kind = 'watermark'",
            "its watermark is stronger than its policy allows",
        ),
        ("DELETE FROM mark WHERE kind = 'watermark'", "a mark that its policy requires is missing"),
        ("UPDATE manifest_store SET bytes = x'00'", "was written over other rows than the catalog has now"),
        ("UPDATE run SET engine = 'flux'", "was written over other rows than the catalog has now"),
        ("UPDATE event SET body = replace(body, '0.55', '0.99')", "its hash is not that of its content"),
        ("UPDATE event SET at = 'yesterday' WHERE seq = 2", "its hash is not that of its content"),
        ("UPDATE event SET signer = zeroblob(32) WHERE seq = 2", "its signature does not hold"),
        ("UPDATE event SET signature = x'00' WHERE seq = 2", "expected 64 bytes"),
        ("UPDATE event SET hash = randomblob(32) WHERE seq = 2", "does not continue the entry before it"),
        ("DELETE FROM event WHERE seq = 2", "entries before it are missing"),
        ("DELETE FROM event WHERE seq = 4", "the log does not tell of it"),
        ("UPDATE event SET seq = seq + 5 WHERE seq = 4", "entries before it are missing"),
        ("DELETE FROM release WHERE event = 1", "is an output that was never released"),
        (
            "DELETE FROM run WHERE id = (SELECT max(id) FROM run)",
            "tells of a run that the catalog does not have",
        ),
        ("DELETE FROM derivation WHERE output IS NULL", "was written over other rows"),
        ("DELETE FROM decision WHERE verdict = 'refused'", "led to no decision"),
        ("UPDATE comparison SET detail = 9000", "is too close to another reference on record"),
        (
            "UPDATE comparison SET detail = NULL, copied = NULL, distance = 9",
            "is too close to another reference on record",
        ),
        ("UPDATE comparison SET detail = detail + 1", "was written over other rows than the catalog has now"),
        (
            "DELETE FROM comparison WHERE run IN (SELECT run FROM release)",
            "was compared with fewer references than there were",
        ),
        ("DELETE FROM search", "belongs to no search"),
        ("UPDATE search SET through = 0", "tells of another search than the catalog has now"),
        ("DELETE FROM known WHERE role = 'reference' AND number = 1", "is not numbered after the one before"),
        ("DELETE FROM known WHERE role = 'output' AND number = 2", "cannot be found by its looks"),
        ("UPDATE known SET fingerprint = zeroblob(32)", "is not the picture on record"),
        ("DELETE FROM policy", "a row points at nothing"),
        ("DELETE FROM manifest_store", "a mark that its policy requires is missing"),
        (
            "INSERT INTO policy SELECT randomblob(32), 'loose', 'x', 0.0, 1.0, 3000, 0, 0, 0, 0.0",
            "decided nothing",
        ),
        (
            "INSERT INTO derivation SELECT (SELECT max(run) FROM derivation WHERE output IS NULL), min(reference), max(output), 1 FROM derivation",
            "was made by several runs",
        ),
        (
            "INSERT INTO manifest_store SELECT 'new', output, x'00' FROM release LIMIT 1",
            "its store belongs to no mark",
        ),
    ];
    let (_dir, path) = template();
    for (sql, fault) in cases {
        let findings = after(&path, sql);
        assert!(findings.iter().any(|finding| finding.fault.contains(fault)), "{sql}: {findings:#?}");
    }
}

#[test]
fn whatever_value_of_whatever_row_is_changed_is_found() {
    let (_dir, path) = template();
    let db = Connection::open(&path).expect("there");
    let mut tried = 0;
    for table in TABLES {
        let key = if table == "derivation" { "run" } else { &columns(&db, table)[0].0 };
        for (column, kind) in columns(&db, table) {
            let value = match kind.as_str() {
                "TEXT" => format!("coalesce({column}, '') || 'x'"),
                "INTEGER" => format!("coalesce({column}, 0) + 1000"),
                "REAL" => format!("coalesce({column}, 0.0) + 0.0001"),
                _ => format!("randomblob(coalesce(length({column}), 32))"),
            };
            for end in ["min", "max"] {
                let sql = format!(
                    "UPDATE {table} SET {column} = {value} WHERE {key} = (SELECT {end}({key}) FROM {table})"
                );
                assert_ne!(after(&path, &sql), [], "{sql} goes unnoticed");
                tried += 1;
            }
        }
    }
    assert!(tried > 140, "{tried} edits over all columns");
}

#[test]
fn whatever_row_is_removed_is_found() {
    let (_dir, path) = template();
    let db = Connection::open(&path).expect("there");
    for table in TABLES {
        let key = columns(&db, table)[0].0.clone();
        for end in ["min", "max"] {
            let sql = format!("DELETE FROM {table} WHERE {key} = (SELECT {end}({key}) FROM {table})");
            assert_ne!(after(&path, &sql), [], "{sql} goes unnoticed");
        }
    }
}

#[test]
fn a_release_slipped_in_past_the_triggers_is_found() {
    let (_dir, path) = template();
    let db = &mut intruder(&path);
    Forgery { min_deviation: 100, ..Forgery::new(8).deviation(200) }.write(db).expect("nobody is awake");
    let faults = Catalog::open(&path).expect("the schema is as before").check(&holds).expect("readable");
    for fault in ["its limits are below what any policy may ask", "its limits are not those of its text"] {
        assert!(faults.iter().any(|finding| finding.fault == fault), "{faults:#?}");
    }
}

#[test]
fn a_trigger_that_is_dropped_and_put_back_leaves_the_lie_to_be_found() {
    let (_dir, path) = template();
    let db = stranger(&path);
    let gate = |name: &str| -> String {
        db.query_row("SELECT sql FROM sqlite_schema WHERE name = ?", [name], |row| row.get(0)).expect("there")
    };
    let put_back = [gate("decision_update"), gate("measurement_update")].join(";\n");
    db.execute_batch("DROP TRIGGER decision_update; DROP TRIGGER measurement_update").expect("anyone can");
    let lie = "UPDATE decision SET verdict = 'cleared', reasons = '[]'; UPDATE measurement SET detail = 100, copied = 0";
    db.execute_batch(lie).expect("nobody is awake");
    db.execute_batch(&put_back).expect("as before");
    let findings = Catalog::open(&path).expect("the schema is as before").check(&holds).expect("readable");
    assert!(findings.iter().any(|f| f.fault == "ended otherwise than the catalog says"), "{findings:#?}");
}

#[test]
fn a_log_rewritten_by_another_key_is_found() {
    let (_dir, path) = template();
    let db = intruder(&path);
    let hash: Vec<u8> =
        db.query_row("SELECT hash FROM event WHERE seq = 2", [], |row| row.get(0)).expect("there");
    let other = [9; 32];
    let sql = "UPDATE event SET signer = ?, signature = ? WHERE seq = 2";
    db.execute(sql, rusqlite::params![other, signature(&other, &hash)]).expect("nobody is awake");
    let findings = Catalog::open(&path).expect("as before").check(&holds).expect("readable");
    let [finding] = &findings[..] else { panic!("{findings:#?}") };
    assert_eq!(
        (finding.subject.as_str(), finding.fault.as_str()),
        ("2", "its signature does not hold, or is by a key that never signed here")
    );
}

/// The honest limit of a log that only its own file holds: SECURITY.md says to keep its head elsewhere.
#[test]
fn a_history_cut_off_with_all_its_rows_leaves_a_shorter_log_and_no_finding() {
    let (_dir, path) = template();
    let db = intruder(&path);
    let run = id(40);
    for sql in [
        "DELETE FROM known WHERE asset = (SELECT reference FROM derivation WHERE run = ?)",
        "DELETE FROM asset WHERE id = (SELECT reference FROM derivation WHERE run = ?)",
        "DELETE FROM derivation WHERE run = ?",
        "DELETE FROM decision WHERE run = ?",
        "DELETE FROM event WHERE json_extract(body, '$.run') = ?",
        "DELETE FROM applied WHERE run = ?",
        "DELETE FROM run_class WHERE run = ?",
        "DELETE FROM run_tag WHERE run = ?",
        "DELETE FROM match_field WHERE run = ?",
        "DELETE FROM run WHERE id = ?",
    ] {
        assert!(db.execute(sql, [&run]).expect(sql) > 0, "{sql}");
    }
    let catalog = Catalog::open(&path).expect("as before");
    assert_eq!(catalog.check(&holds).expect("readable"), []);
    assert_eq!(catalog.events().expect("readable").len(), 6, "its head is another than it was");
}
