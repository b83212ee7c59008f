//! One digest over every value that the rows of a run hold, for the log to carry: whatever is changed in them
//! later, the log tells otherwise. A log entry says how much its seal covers: entries from before a table came do
//! not know of it.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};

use crate::digest::{Digest, Hasher};

/// The seal that is written now.
pub(super) const LATEST: u64 = 6;

/// The rows of run `?1` under the first seal, in the order of the hash. Columns are named: one that a later migration
/// adds is for a later seal to cover.
const FIRST: [&str; 8] = [
    "SELECT id, engine, engine_version, model_sha256, strength, noise_level, steps, seed, prompt, prompt_used, \
     purpose, started FROM run WHERE id = ?1",
    "SELECT run, reference, output, generation FROM derivation WHERE run = ?1 ORDER BY reference",
    "SELECT id, role, sha256, pixels_sha256, mime, width, height, bytes, fingerprint, fingerprint_quality, title, \
     copy_of, created FROM asset WHERE id IN (SELECT reference FROM derivation WHERE run = ?1 \
     UNION SELECT output FROM derivation WHERE run = ?1) ORDER BY id",
    "SELECT run, reference, draft_sha256, measure, detail, copied, deviation, composition, copied_area, ssim, \
     psnr_db FROM measurement WHERE run = ?1",
    "SELECT digest, name, text, strength_min, strength_max, min_deviation, min_composition, require_manifest, \
     require_watermark, min_psnr_db FROM policy WHERE digest = (SELECT policy FROM decision WHERE run = ?1)",
    "SELECT run, policy, verdict, draft_sha256, reasons FROM decision WHERE run = ?1",
    "SELECT output, kind, algorithm, value, source_prefix, nonce, psnr_db FROM mark \
     WHERE output IN (SELECT output FROM derivation WHERE run = ?1) ORDER BY output, kind",
    "SELECT label, output, bytes FROM manifest_store \
     WHERE label IN (SELECT value FROM mark JOIN derivation USING (output) WHERE run = ?1) ORDER BY label",
];

/// What the second seal covers beside: what the draft was held against, the policies that applied and all that they
/// ask, what was stated, and what was released below a limit, and by whom.
const SECOND: [&str; 13] = [
    "SELECT run, through FROM search WHERE run = ?1",
    "SELECT run, reference, distance, measure, detail, copied, deviation FROM comparison WHERE run = ?1 \
     ORDER BY reference",
    "SELECT run, policy, why FROM applied WHERE run = ?1 ORDER BY policy",
    "SELECT digest, name, text, strength_min, strength_max, min_deviation, min_composition, require_manifest, \
     require_watermark, min_psnr_db FROM policy WHERE digest IN (SELECT policy FROM applied WHERE run = ?1) \
     ORDER BY digest",
    "SELECT policy, min_detail, min_copied, any_engine, any_purpose, max_generations, require_xmp, expires \
     FROM policy_rule WHERE policy IN (SELECT policy FROM applied WHERE run = ?1) ORDER BY policy",
    "SELECT policy, engine FROM policy_engine WHERE policy IN (SELECT policy FROM applied WHERE run = ?1) \
     ORDER BY policy, engine",
    "SELECT policy, purpose FROM policy_purpose WHERE policy IN (SELECT policy FROM applied WHERE run = ?1) \
     ORDER BY policy, purpose",
    "SELECT run, class FROM run_class WHERE run = ?1 ORDER BY class",
    "SELECT run, tag FROM run_tag WHERE run = ?1 ORDER BY tag",
    "SELECT output FROM xmp_label WHERE output IN (SELECT output FROM derivation WHERE run = ?1) ORDER BY output",
    "SELECT run, approved FROM override WHERE run = ?1",
    "SELECT run, key, reason, signature, at FROM approval \
     WHERE run = (SELECT approved FROM override WHERE run = ?1) ORDER BY key",
    "SELECT policy, key FROM policy_approver WHERE policy IN (SELECT policy FROM applied WHERE run = ?1) \
     ORDER BY policy, key",
];

/// What the third seal covers beside: marks and time stamps that policies require, and those that the output carries.
const THIRD: [&str; 4] = [
    "SELECT policy, mark FROM policy_mark WHERE policy IN (SELECT policy FROM applied WHERE run = ?1) \
     ORDER BY policy, mark",
    "SELECT output, mark, value FROM carried WHERE output IN (SELECT output FROM derivation WHERE run = ?1) \
     ORDER BY output, mark",
    "SELECT output, at, authority, trusted FROM time_stamp \
     WHERE output IN (SELECT output FROM derivation WHERE run = ?1) ORDER BY output",
    "SELECT policy FROM policy_time_stamp WHERE policy IN (SELECT policy FROM applied WHERE run = ?1) \
     ORDER BY policy",
];

/// What the fourth seal covers beside: what was said of a picture that was made elsewhere.
const FOURTH: [&str; 1] = ["SELECT run, image_sha256, strength, declared FROM adoption WHERE run = ?1"];

/// What the fifth seal covers beside: the code by which copies of the output are looked for.
const FIFTH: [&str; 1] = ["SELECT output, code FROM image_code \
     WHERE output IN (SELECT output FROM derivation WHERE run = ?1) ORDER BY output"];

/// What the sixth seal covers beside: what the engine knew of its own copying, and what policies allow of it.
const SIXTH: [&str; 2] = [
    "SELECT run, largest_copy FROM match_field WHERE run = ?1",
    "SELECT policy, max_copy FROM policy_copy WHERE policy IN (SELECT policy FROM applied WHERE run = ?1) \
     ORDER BY policy",
];

/// The rows that a seal of this number covers; none for a number that is not known.
fn rows(number: u64) -> Vec<&'static str> {
    match number {
        1 => FIRST.to_vec(),
        2 => [&FIRST[..], &SECOND].concat(),
        3 => [&FIRST[..], &SECOND, &THIRD].concat(),
        4 => [&FIRST[..], &SECOND, &THIRD, &FOURTH].concat(),
        5 => [&FIRST[..], &SECOND, &THIRD, &FOURTH, &FIFTH].concat(),
        6 => [&FIRST[..], &SECOND, &THIRD, &FOURTH, &FIFTH, &SIXTH].concat(),
        _ => Vec::new(),
    }
}

/// The digest over all rows of `run` as they are now, its entry in the log and its release aside, under seal `number`.
pub(super) fn seal(db: &Connection, run: &str, number: u64) -> rusqlite::Result<Digest> {
    let mut hasher = Hasher::new();
    for sql in rows(number) {
        let mut query = db.prepare_cached(sql)?;
        let columns = query.column_count();
        let mut rows = query.query([run])?;
        while let Some(row) = rows.next()? {
            hasher.update("row");
            for column in 0..columns {
                value(&mut hasher, row, column)?;
            }
        }
        hasher.update("table");
    }
    Ok(hasher.finish())
}

/// Type, length and bytes: no two lists of values hash alike.
fn value(hasher: &mut Hasher, row: &Row<'_>, column: usize) -> rusqlite::Result<()> {
    let mut add = |kind: u8, bytes: &[u8]| {
        hasher.update([kind]).update((bytes.len() as u64).to_be_bytes()).update(bytes);
    };
    match row.get_ref(column)? {
        ValueRef::Null => add(0, &[]),
        ValueRef::Integer(number) => add(1, &number.to_be_bytes()),
        ValueRef::Real(number) => add(2, &number.to_bits().to_be_bytes()),
        ValueRef::Text(text) => add(3, text),
        ValueRef::Blob(bytes) => add(4, bytes),
    }
    Ok(())
}
