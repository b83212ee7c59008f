//! Ways round the catalog, each tried on the file itself, and what the program says afterwards. The table of
//! docs/bypasses.md is held against these tests.

use std::fs;

use crate::common::Lab;
use crate::prepared::released;

const TABLE: &str = include_str!("../../docs/bypasses.md");

/// A workspace with a release, and a copy of its catalog from before the second entry of the log.
fn lab() -> Lab {
    let lab = released("320x208");
    settle(&lab);
    fs::copy(lab.path("catalog/catalog.db"), lab.path("old.db")).expect("writable");
    lab.run(["vary", "ref.png", "--strength", "0.1"]).expect(1);
    settle(&lab);
    lab
}

/// Brings everything over into the file itself.
fn settle(lab: &Lab) {
    lab.sqlite3("PRAGMA wal_checkpoint(TRUNCATE)").expect(0);
}

fn put(lab: &Lab, bytes: &[u8]) {
    for name in ["catalog/catalog.db-wal", "catalog/catalog.db-shm"] {
        let _ = fs::remove_file(lab.path(name));
    }
    fs::write(lab.path("catalog/catalog.db"), bytes).expect("writable");
}

/// Makes a lab, does `bypass` to it, and holds what `audit` says, and what becomes of the next release, against the
/// table; without `refusal` it is made, and the finding stays.
fn tried(what: &str, bypass: impl Fn(&Lab), audit: &str, refusal: Option<&str>) {
    let lab = lab();
    bypass(&lab);
    let says = || {
        let said = lab.run(["audit"]);
        assert!(said.stdout.contains(audit), "{what}: {}{}", said.stdout, said.stderr);
    };
    says();
    let ended = lab.run(["vary", "ref.png", "--strength", "0.9", "--attempts", "20", "--out", "more.png"]);
    match refusal {
        Some(words) => assert!(ended.expect(2).stderr.contains(words), "{what}"),
        None => drop(ended.expect(0)),
    }
    assert_eq!(lab.path("more.png").exists(), refusal.is_none(), "{what}");
    says();
    let row = TABLE.lines().find(|line| line.starts_with(&format!("| {what} |"))).expect(what);
    for words in [audit, refusal.unwrap_or("made")] {
        assert!(row.contains(words), "{what}: the table says {row}");
    }
}

fn shell(sql: &'static str) -> impl Fn(&Lab) {
    move |lab| drop(lab.sqlite3(sql).expect(0))
}

#[test]
fn a_schema_that_was_changed_is_told_and_releases_nothing() {
    let missing = "trigger release_gate is missing";
    tried("drop a trigger", shell("DROP TRIGGER release_gate"), missing, Some(missing));
    tried(
        "take a trigger out by `PRAGMA writable_schema`",
        shell("PRAGMA writable_schema = ON; DELETE FROM sqlite_schema WHERE name = 'decision_rules'"),
        "trigger decision_rules is missing",
        Some("trigger decision_rules is missing"),
    );
    tried(
        "empty the view of broken rules by `PRAGMA writable_schema`",
        shell(
            "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = \
             'CREATE VIEW breach (run, policy, rule) AS SELECT 1, 2, 3 WHERE 0' WHERE name = 'breach'",
        ),
        "view breach is another",
        Some("view breach is another"),
    );
}

#[test]
fn rows_that_were_changed_with_the_schema_as_before_are_found() {
    tried(
        "drop a trigger, change a row, put the trigger back",
        |lab| {
            let kept =
                lab.sqlite3("SELECT sql FROM sqlite_schema WHERE name = 'policy_rule_update'").expect(0);
            let sql = format!(
                "DROP TRIGGER policy_rule_update; UPDATE policy_rule SET max_generations = 99; {}",
                kept.stdout
            );
            lab.sqlite3(&sql).expect(0);
        },
        "its limits are not those of its text",
        Some("policy_copy is append-only"),
    );
    tried(
        "put triggers to sleep for the connection",
        |lab| {
            let sql = "UPDATE decision SET verdict = 'cleared', reasons = '[]' WHERE verdict = 'refused'";
            let output = std::process::Command::new("sqlite3")
                .arg(lab.path("catalog/catalog.db"))
                .args(["-cmd", ".dbconfig enable_trigger off", sql])
                .output()
                .expect("the sqlite3 shell is there: 'make test' installs it");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        },
        "ended otherwise than the catalog says",
        None,
    );
    tried(
        "edit bytes of a page",
        |lab| {
            let mut bytes = fs::read(lab.path("catalog/catalog.db")).expect("there");
            let text = b"min         = 0.50";
            let found: Vec<usize> =
                (0..bytes.len() - text.len()).filter(|at| bytes[*at..].starts_with(text)).collect();
            assert!(!found.is_empty(), "the policy's text is there");
            found.iter().for_each(|at| bytes[at + text.len() - 2] = b'3');
            put(lab, &bytes);
        },
        "its text is not the one that decided",
        Some("policy is append-only"),
    );
}

#[test]
fn a_file_in_place_of_another_is_found_if_it_is_not_an_older_one_of_the_same() {
    tried(
        "put another workspace's catalog there",
        |lab| {
            // Not a prepared one, which has the same keys.
            let other = Lab::new();
            other.specimen("ref.png", 1);
            other.variation("ref.png", "out.png", 1);
            settle(&other);
            put(lab, &fs::read(other.path("catalog/catalog.db")).expect("there"));
        },
        "its signature does not hold, or is by a key that never signed here",
        None,
    );
    // The honest limit: an older history is whole in itself.
    tried(
        "put an older copy back",
        |lab| put(lab, &fs::read(lab.path("old.db")).expect("there")),
        "clean: ",
        None,
    );
}

#[test]
fn what_the_shell_asks_for_in_the_open_is_refused() {
    let lab = lab();
    let cases = [
        (
            "record a release",
            "INSERT INTO release SELECT a.id || 'x', d.run, a.sha256, 2 FROM asset a, decision d WHERE d.verdict = 'refused'",
            "release refused: no clearing decision",
        ),
        ("change a number", "UPDATE measurement SET detail = 0", "measurement is append-only"),
        ("remove a refusal", "DELETE FROM decision WHERE verdict = 'refused'", "decision is append-only"),
        (
            "allow an engine",
            "INSERT INTO policy_engine SELECT digest, 'flux' FROM policy",
            "policy_engine is append-only",
        ),
        (
            "let another policy judge",
            "INSERT INTO applied SELECT run, policy, 'late' FROM decision",
            "applied is append-only",
        ),
        (
            "say what a reference is, later",
            "INSERT INTO run_class SELECT run, 'photo' FROM decision",
            "run_class is append-only",
        ),
        (
            "approve a draft",
            "INSERT INTO approval SELECT run, zeroblob(32), 'because I can, and want to', zeroblob(64), 'now' FROM decision",
            "approval refused: no draft of this run was refused",
        ),
        (
            "append to the log",
            "INSERT INTO event SELECT seq + 1, at, kind, body, hash, hash, signer, signature FROM event ORDER BY seq DESC LIMIT 1",
            "no such function: sha256",
        ),
        (
            "install a policy",
            "INSERT INTO policy SELECT zeroblob(32), 'loose', '', 0, 1, 3000, 0, 0, 0, 0",
            "no such function: sha256",
        ),
    ];
    for (what, sql, words) in cases {
        for settings in [
            "",
            "PRAGMA foreign_keys = 0; PRAGMA recursive_triggers = 0; PRAGMA ignore_check_constraints = 1; ",
        ] {
            let ended = lab.sqlite3(&format!("{settings}{sql}"));
            assert!(ended.code != 0 && ended.stderr.contains(words), "{what}: {}", ended.stderr);
        }
        let row = TABLE.lines().find(|line| line.starts_with(&format!("| {what} |"))).expect(what);
        assert!(row.contains(words), "{what}: the table says {row}");
    }
    lab.run(["audit"]).expect(0);
}
