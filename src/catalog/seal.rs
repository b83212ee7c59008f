//! One digest over every value that the rows of a run hold, for the log to carry: whatever is changed in them
//! later, the log tells otherwise.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};

use crate::digest::{Digest, Hasher};

/// Queries for rows of run `?1`, in the order of the hash.
pub(super) type Rows = [&'static str];

/// Columns are named: one that a later migration adds is for a later seal to cover.
pub(super) const ROWS: &Rows = &[
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

/// What migration 2 added.
pub(super) const COMPARISONS: &Rows = &[
    "SELECT run, through FROM search WHERE run = ?1",
    "SELECT run, reference, distance, measure, detail, copied, deviation FROM comparison WHERE run = ?1 \
     ORDER BY reference",
];

/// The digest over these rows of `run` as they are now, its entry in the log and its release aside.
pub(super) fn seal(db: &Connection, run: &str, rows: &Rows) -> rusqlite::Result<Digest> {
    let mut hasher = Hasher::new();
    for sql in rows {
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
