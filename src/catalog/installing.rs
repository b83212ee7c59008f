//! Policies and their rules as rows.

use rusqlite::{Connection, params};

use super::model::{PoliciesEntry, PolicyEntry, PolicyRules};
use super::write::{limit, put, units};
use crate::digest::Digest;

/// Puts the policies that judge a run on record, each with its rules.
pub(super) fn policies(db: &Connection, entry: &PoliciesEntry) -> rusqlite::Result<()> {
    for one in entry.all() {
        policy(db, one)?;
        rules(db, &one.digest, &one.rules)?;
    }
    Ok(())
}

/// The lists come first: the row of figures closes them.
fn rules(db: &Connection, policy: &Digest, entry: &PolicyRules) -> rusqlite::Result<()> {
    let (policy, any_engine, any_purpose) =
        (policy.as_bytes(), entry.engines.is_none(), entry.purposes.is_none());
    let (detail, copied) = (limit(entry.min_detail), limit(entry.min_copied));
    let max_copy = entry.max_copy.and_then(units);
    // Other rules under the same digest are not known: the INSERT is tried, and the schema refuses it.
    let sql = "SELECT EXISTS (SELECT 1 FROM policy_rule WHERE policy = ?1 AND min_detail = ?2 AND min_copied = ?3 \
         AND any_engine = ?4 AND any_purpose = ?5 AND max_generations IS ?6 AND require_xmp = ?7 AND expires IS ?8) \
         AND EXISTS (SELECT 1 FROM policy_time_stamp WHERE policy = ?1) = ?9 \
         AND (SELECT max_copy FROM policy_copy WHERE policy = ?1) IS ?10";
    let row = params![
        policy,
        detail,
        copied,
        any_engine,
        any_purpose,
        entry.max_generations,
        entry.require_xmp,
        entry.expires,
        entry.require_time_stamp,
        max_copy
    ];
    let known: bool = db.prepare_cached(sql)?.query_row(row, |found| found.get(0))?;
    if known {
        return Ok(());
    }
    for engine in entry.engines.iter().flatten() {
        put(db, "INSERT INTO policy_engine (policy, engine) VALUES (?, ?)", params![policy, engine])?;
    }
    for purpose in entry.purposes.iter().flatten() {
        put(db, "INSERT INTO policy_purpose (policy, purpose) VALUES (?, ?)", params![policy, purpose])?;
    }
    for key in &entry.approvers {
        put(db, "INSERT INTO policy_approver (policy, key) VALUES (?, ?)", params![policy, key])?;
    }
    if entry.require_time_stamp {
        put(db, "INSERT INTO policy_time_stamp (policy) VALUES (?)", [policy])?;
    }
    if let Some(max) = max_copy {
        put(db, "INSERT INTO policy_copy (policy, max_copy) VALUES (?, ?)", params![policy, max])?;
    }
    for mark in &entry.marks {
        put(db, "INSERT INTO policy_mark (policy, mark) VALUES (?, ?)", params![policy, mark.name()])?;
    }
    put(
        db,
        "INSERT INTO policy_rule (policy, min_detail, min_copied, any_engine, any_purpose, max_generations, \
         require_xmp, expires) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        &row[..8],
    )?;
    Ok(())
}

fn policy(db: &Connection, entry: &PolicyEntry) -> rusqlite::Result<()> {
    // The same digest with other limits is not known: the INSERT is tried, and the schema refuses it.
    let sql = "SELECT EXISTS (SELECT 1 FROM policy WHERE digest = ?1 AND text = ?3 AND strength_min = ?4 \
         AND strength_max = ?5 AND min_deviation = ?6 AND min_composition = ?7 AND require_manifest = ?8 \
         AND require_watermark = ?9 AND min_psnr_db = ?10)";
    let row = params![
        entry.digest.as_bytes(),
        entry.name,
        entry.text,
        entry.strength_min,
        entry.strength_max,
        limit(entry.min_deviation),
        limit(entry.min_composition),
        entry.require_manifest,
        entry.require_watermark,
        entry.min_psnr_db
    ];
    let known: bool = db.prepare_cached(sql)?.query_row(row, |found| found.get(0))?;
    if known {
        return Ok(());
    }
    put(
        db,
        "INSERT INTO policy (digest, name, text, strength_min, strength_max, min_deviation, min_composition, \
         require_manifest, require_watermark, min_psnr_db) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        row,
    )?;
    Ok(())
}
