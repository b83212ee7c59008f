//! The same through the sqlite3 shell, an older SQLite that knows nothing of this program.

use std::process::Command;

use super::*;

/// What the shell says to `sql`, after switching off all that a connection can switch off by a PRAGMA.
fn shell(path: &Path, sql: &str) -> (bool, String) {
    let settings =
        "PRAGMA foreign_keys = 0; PRAGMA recursive_triggers = 0; PRAGMA ignore_check_constraints = 1;";
    let output = Command::new("sqlite3")
        .arg("-batch")
        .arg(path)
        .arg(format!("{settings} {sql}"))
        .output()
        .expect("the sqlite3 shell is installed: 'make debian'");
    (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

#[test]
fn the_shell_reads_everything() {
    let desk = Desk::busy();
    let (done, text) =
        shell(&desk.path, "SELECT count(*), max(generation) FROM derivation; PRAGMA integrity_check");
    assert!(done, "{text}");
    assert_eq!(text.lines().collect::<Vec<_>>(), ["4|2", "ok"]);
}

#[test]
fn the_shell_changes_removes_and_replaces_nothing() {
    let desk = Desk::full();
    let before = dump(&desk.catalog.db);
    for table in TABLES {
        let key = columns(&desk.catalog.db, table)[0].0.clone();
        let all =
            columns(&desk.catalog.db, table).into_iter().map(|(name, _)| name).collect::<Vec<_>>().join(", ");
        for sql in [
            format!("UPDATE {table} SET {key} = {key}"),
            format!("UPDATE OR REPLACE {table} SET {key} = {key}"),
            format!("DELETE FROM {table}"),
            format!("INSERT OR REPLACE INTO {table} ({all}) SELECT {all} FROM {table}"),
        ] {
            let (done, text) = shell(&desk.path, &sql);
            let known = text.contains("append-only") || text.contains("no such function: sha256");
            assert!(!done && known, "{sql}: {text}");
        }
    }
    assert_eq!(dump(&desk.catalog.db), before);
    assert_eq!(desk.findings(), []);
}

#[test]
fn the_shell_can_neither_log_nor_install_a_policy() {
    let desk = Desk::busy();
    for sql in [
        "INSERT INTO event SELECT seq + 1, at, kind, body, hash, hash, signer, signature FROM event ORDER BY seq DESC LIMIT 1",
        "INSERT INTO policy SELECT zeroblob(32), 'loose', '', 0, 1, 3000, 0, 0, 0, 0 FROM policy",
    ] {
        let (done, text) = shell(&desk.path, sql);
        assert!(!done && text.contains("no such function: sha256"), "{sql}: {text}");
    }
    assert_eq!(desk.findings(), []);
}

#[test]
fn the_shell_releases_nothing() {
    let desk = Desk::busy();
    let output = |role: &str| {
        format!(
            "INSERT INTO asset SELECT '1234567890123456789012345X', '{role}', zeroblob(32), zeroblob(32), mime, width, \
             height, bytes, fingerprint, fingerprint_quality, title, NULL, created FROM asset LIMIT 1;"
        )
    };
    let run = "INSERT INTO run SELECT '1234567890123456789012345Y', engine, engine_version, model_sha256, strength, \
               noise_level, steps, seed, prompt, prompt_used, purpose, started FROM run LIMIT 1; \
               INSERT INTO derivation SELECT '1234567890123456789012345Y', min(id), '1234567890123456789012345X', 1 \
               FROM asset WHERE role = 'reference';";
    let measured = |detail: i64| {
        format!(
            "INSERT INTO measurement (run, reference, draft_sha256, measure, detail, copied, composition, copied_area, \
             ssim, psnr_db) SELECT run, reference, zeroblob(32), 'm', {detail}, 0, 9000, 0, 0, 0 FROM derivation \
             WHERE run = '1234567890123456789012345Y';"
        )
    };
    let drawn =
        |largest: i64| format!("INSERT INTO match_field VALUES ('1234567890123456789012345Y', {largest});");
    let (much, little) = (drawn(1201), drawn(1200));
    let searched = "INSERT INTO comparison (run, reference, distance, measure, detail, copied) \
                    SELECT '1234567890123456789012345Y', asset, 100, 'm', 0, 0 FROM known WHERE role = 'reference' \
                    AND asset NOT IN (SELECT reference FROM derivation WHERE run = '1234567890123456789012345Y'); \
                    INSERT INTO search SELECT '1234567890123456789012345Y', max(number) FROM known \
                    WHERE role = 'reference';";
    let decided = "INSERT INTO applied SELECT '1234567890123456789012345Y', digest, 'named' FROM policy WHERE name = 'default'; \
                   INSERT INTO decision SELECT '1234567890123456789012345Y', digest, 'cleared', zeroblob(32), '[]' \
                   FROM policy WHERE name = 'default';";
    let released = "INSERT INTO release SELECT '1234567890123456789012345X', '1234567890123456789012345Y', \
                    zeroblob(32), 99;";
    let cases = [
        (released.to_owned(), "release refused: no clearing decision"),
        ([&output("output"), run, released].concat(), "release refused: no clearing decision"),
        (
            [&output("output"), run, &little, decided].concat(),
            "decision refused: nothing was measured in this run",
        ),
        (
            [&output("output"), run, &little, &measured(5000), decided].concat(),
            "decision refused: the draft was not held against the known references",
        ),
        (
            [&output("output"), run, &little, &measured(5001), searched, decided].concat(),
            "decision refused: deviation below the policy's limit",
        ),
        (
            [&output("output"), run, &much, &measured(5000), searched, decided].concat(),
            "decision refused: the engine took more in one piece than the policy allows",
        ),
        (
            [&output("output"), run, &measured(5000), searched, decided].concat(),
            "decision refused: the engine took more in one piece than the policy allows",
        ),
        (
            [&output("output"), run, &measured(-5000)].concat(),
            "measurement refused: a figure is outside 0 to 1",
        ),
        (
            [&output("output"), run, &little, &measured(5000), searched, decided, released].concat(),
            "release refused: the manifest is missing",
        ),
        ([&output("reference"), run].concat(), "derivation refused: the output is not on record"),
    ];
    for (sql, words) in cases {
        let (done, text) = shell(&desk.path, &format!("BEGIN; {sql} COMMIT"));
        assert!(!done && text.contains(words), "{sql}: {text}");
    }
    assert_eq!(desk.findings(), []);
}
