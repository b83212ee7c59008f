//! Rows are written once: no statement changes or removes one, under any settings of the connection.

use super::*;

/// Tries a statement; it has to fail and leave every row as it is.
fn refused(db: &Connection, sql: &str) -> String {
    let before = dump(db);
    let error = db.execute(sql, []).expect_err(sql).to_string();
    assert_eq!(dump(db), before, "{sql}");
    error
}

#[test]
fn nothing_is_updated_deleted_or_replaced_in_any_table() {
    let desk = Desk::full();
    let db = stranger(&desk.path);
    for table in TABLES {
        let rows: i64 =
            db.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).expect("a table");
        assert!(rows > 0, "{table} has to have rows for this test to mean anything");
        let words = format!("{table} is append-only");
        let columns = columns(&db, table).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        for verb in ["UPDATE", "UPDATE OR REPLACE", "UPDATE OR IGNORE"] {
            for column in &columns {
                assert_eq!(refused(&db, &format!("{verb} {table} SET {column} = {column}")), words);
            }
        }
        assert_eq!(refused(&db, &format!("DELETE FROM {table}")), words);
        let (list, key) = (columns.join(", "), &columns[0]);
        for verb in ["INSERT", "INSERT OR REPLACE", "INSERT OR IGNORE", "REPLACE"] {
            refused(&db, &format!("{verb} INTO {table} ({list}) SELECT {list} FROM {table}"));
        }
        refused(
            &db,
            &format!(
                "INSERT INTO {table} ({list}) SELECT {list} FROM {table} WHERE true \
                 ON CONFLICT DO UPDATE SET {key} = {key}"
            ),
        );
    }
}

#[test]
fn no_row_is_replaced_by_way_of_another_key() {
    let desk = Desk::full();
    let db = stranger(&desk.path);
    let new = "'1234567890123456789012345X'";
    let cases = [
        format!(
            "REPLACE INTO asset SELECT {new}, role, sha256, pixels_sha256, mime, width, height, bytes, fingerprint, \
             fingerprint_quality, title, copy_of, created FROM asset LIMIT 1"
        ),
        "REPLACE INTO mark SELECT output, kind, algorithm, 'new', source_prefix, nonce, psnr_db FROM mark"
            .into(),
        format!(
            "REPLACE INTO mark SELECT {new}, kind, algorithm, value, source_prefix, nonce, psnr_db FROM mark"
        ),
        format!(
            "REPLACE INTO mark SELECT {new}, kind, algorithm, 'new', source_prefix, nonce, psnr_db FROM mark \
                 WHERE kind = 'watermark'"
        ),
        format!("REPLACE INTO release SELECT {new}, run, sha256, event FROM release LIMIT 1"),
        format!("REPLACE INTO release SELECT {new}, {new}, sha256, event FROM release LIMIT 1"),
        "REPLACE INTO manifest_store SELECT label, 'new', bytes FROM manifest_store LIMIT 1".into(),
    ];
    for sql in cases {
        refused(&db, &sql);
    }
}

#[test]
fn no_table_has_a_rowid_beside_its_key() {
    // INSERT OR REPLACE with the rowid of another row would remove that row without any trigger.
    let desk = Desk::full();
    let db = stranger(&desk.path);
    for table in TABLES {
        let found = db.prepare(&format!("SELECT rowid FROM {table}")).is_ok();
        assert_eq!(found, table == "event", "{table}: the number of an event is its rowid");
    }
    let sql = "REPLACE INTO event (rowid, at, kind, body, prev, hash, signer, signature) \
               SELECT seq, at, kind, body, prev, hash, signer, signature FROM event";
    assert_eq!(refused(&db, sql), "event refused: its number is not the next");
}
