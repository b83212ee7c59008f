//! The schema: migrations are its only truth.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use super::{CatalogError, prepare, sqlite};

/// In order; the schema's version is how many were applied.
pub(super) const MIGRATIONS: [&str; 9] = [
    include_str!("../../catalog/migrations/0001_initial.sql"),
    include_str!("../../catalog/migrations/0002_comparisons.sql"),
    include_str!("../../catalog/migrations/0003_policy.sql"),
    include_str!("../../catalog/migrations/0004_override.sql"),
    include_str!("../../catalog/migrations/0005_label.sql"),
    include_str!("../../catalog/migrations/0006_timestamp.sql"),
    include_str!("../../catalog/migrations/0007_adoption.sql"),
    include_str!("../../catalog/migrations/0008_foreign.sql"),
    include_str!("../../catalog/migrations/0009_match_field.sql"),
];

/// Applies what is missing, each migration whole or not at all.
pub(super) fn migrate(db: &mut Connection, path: &Path) -> Result<(), CatalogError> {
    refuse_newer(db, path)?;
    refuse_foreign(db, path)?;
    for (index, sql) in MIGRATIONS.iter().enumerate() {
        let target = index as i64 + 1;
        let fail = || sqlite(path, "upgrade");
        if version(db).map_err(fail())? >= target {
            continue;
        }
        let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fail())?;
        // Read inside the transaction: another process may have been faster.
        if version(&transaction).map_err(fail())? < target {
            transaction.execute_batch(sql).map_err(fail())?;
            transaction.pragma_update(None, "user_version", target).map_err(fail())?;
        }
        transaction.commit().map_err(fail())?;
    }
    Ok(())
}

pub(super) fn refuse_newer(db: &Connection, path: &Path) -> Result<(), CatalogError> {
    let found = version(db).map_err(sqlite(path, "read"))?;
    let known = MIGRATIONS.len() as i64;
    if found > known {
        return Err(CatalogError::TooNew { path: path.to_owned(), found, known });
    }
    Ok(())
}

/// A file without a version is no catalog, which `drift` tells.
pub(super) fn refuse_older(db: &Connection, path: &Path) -> Result<(), CatalogError> {
    let found = version(db).map_err(sqlite(path, "read"))?;
    let known = MIGRATIONS.len() as i64;
    if (1..known).contains(&found) {
        return Err(CatalogError::TooOld { path: path.to_owned(), found, known });
    }
    Ok(())
}

/// A database without a version that holds something already is another program's.
fn refuse_foreign(db: &Connection, path: &Path) -> Result<(), CatalogError> {
    // One statement, one snapshot: another process may be making the catalog at this moment.
    let sql =
        "SELECT name FROM sqlite_schema WHERE (SELECT user_version FROM pragma_user_version) < 1 LIMIT 1";
    match db.query_row(sql, [], |row| row.get::<_, String>(0)).optional().map_err(sqlite(path, "read"))? {
        None => Ok(()),
        Some(name) => Err(CatalogError::SchemaChanged {
            path: path.to_owned(),
            what: format!("{name} is there, and no version: this is no catalog"),
        }),
    }
}

fn version(db: &Connection) -> rusqlite::Result<i64> {
    db.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// The first difference between this schema and the one that the migrations up to its version make, if there is
/// any. A catalog that is only read stays at the version that it has.
pub(super) fn drift(db: &Connection) -> rusqlite::Result<Option<String>> {
    let applied = version(db)?.clamp(1, MIGRATIONS.len() as i64) as usize;
    let mut fresh = Connection::open_in_memory()?;
    prepare(&fresh)?;
    let transaction = fresh.transaction()?;
    for sql in &MIGRATIONS[..applied] {
        transaction.execute_batch(sql)?;
    }
    transaction.commit()?;
    let (expected, found) = (statements(&fresh)?, statements(db)?);
    for (name, sql) in &expected {
        match found.get(name) {
            None => return Ok(Some(format!("{name} is missing"))),
            Some(other) if other != sql => return Ok(Some(format!("{name} is another"))),
            Some(_) => {}
        }
    }
    Ok(found.keys().find(|name| !expected.contains_key(*name)).map(|name| format!("{name} was added")))
}

/// Kind and name of every object of the schema, with its text. ANALYZE may leave its statistics.
fn statements(db: &Connection) -> rusqlite::Result<BTreeMap<String, String>> {
    let mut query = db.prepare(
        "SELECT type || ' ' || name, coalesce(sql, '') FROM sqlite_schema \
         WHERE NOT (type = 'table' AND name IN ('sqlite_stat1', 'sqlite_stat4'))",
    )?;
    query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}
