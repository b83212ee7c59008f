//! Recording: one transaction for a release or a refusal.

use rusqlite::{Connection, OptionalExtension, Params, TransactionBehavior, params};
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::installing::policies;
use super::log::{self, Pen};
use super::model::{
    AssetEntry, MarkEntry, MeasurementEntry, PoliciesEntry, RefusalEntry, ReleaseEntry, Role, RunEntry,
    SearchEntry,
};
use super::seal::{self, seal};
use super::{Catalog, CatalogError, refusal_or};

impl Catalog {
    /// Records a release: all of it or nothing. The number of its log entry.
    ///
    /// # Errors
    /// `Refused` with the schema's own words when the decision, the marks or the numbers do not bear it;
    /// `Outdated` when the draft was not held against a reference that was added since.
    pub fn record_release(&mut self, entry: &ReleaseEntry, pen: &Pen<'_>) -> Result<u64, CatalogError> {
        let recorded = self.in_transaction("record a release in", |db| {
            if let Some(newest) = newer(db, &entry.reference, entry.search.through)? {
                return Ok(Err(newest));
            }
            let reference = reference(db, &entry.reference, entry.copy_of.as_deref())?;
            policies(db, &entry.policies)?;
            run(db, &entry.run, &entry.policies)?;
            asset(db, &entry.output, Role::Output, None)?;
            derivation(db, &entry.run.id, &reference.id, Some(&entry.output.id))?;
            measurement(db, &entry.run.id, &reference.id, &entry.measurement)?;
            search(db, &entry.run.id, &entry.search)?;
            let policy_digest = entry.policies.named.digest.as_bytes();
            let (verdict, reasons) = match &entry.overriding {
                None => ("cleared", json!([])),
                Some(over) => ("refused", json!(over.reasons)),
            };
            put(
                db,
                "INSERT INTO decision (run, policy, verdict, draft_sha256, reasons) VALUES (?, ?, ?, ?, ?)",
                params![
                    entry.run.id,
                    policy_digest,
                    verdict,
                    entry.measurement.draft_sha256.as_bytes(),
                    reasons.to_string()
                ],
            )?;
            if let Some(over) = &entry.overriding {
                put(
                    db,
                    "INSERT INTO override (run, approved) VALUES (?, ?)",
                    params![entry.run.id, over.approved],
                )?;
            }
            marks(db, &entry.output.id, &entry.marks)?;
            let body = json!({
                "output": entry.output.id,
                "run": entry.run.id,
                "sha256": entry.output.sha256,
                "pixels_sha256": entry.output.pixels_sha256,
                "reference": reference.id,
                "reference_is_new": reference.new,
                "reference_sha256": entry.reference.sha256,
                "policy": entry.policies.named.digest,
                "strength": entry.run.strength.unwrap_or_default(),
                "adopted": entry.run.adopted.as_ref().map(|adopted| adopted.image_sha256),
                "deviation": units(entry.measurement.deviation.deviation),
                "composition": units(entry.measurement.deviation.composition),
                "manifest": entry.marks.manifest_label,
                "watermark": entry.marks.payload_id,
                "through": entry.search.through,
                "nearest": nearest(&entry.search),
                "override": entry.overriding.as_ref().map(|over| &over.approved),
                "rows": seal(db, &entry.run.id, seal::LATEST)?,
                "seal": seal::LATEST,
            });
            let seq = log::append(db, &text(entry.at), "release", &body, pen)?;
            put(
                db,
                "INSERT INTO release (output, run, sha256, event) VALUES (?, ?, ?, ?)",
                params![entry.output.id, entry.run.id, entry.output.sha256.as_bytes(), seq as i64],
            )?;
            Ok(Ok(seq))
        })?;
        recorded.map_err(|newest| CatalogError::Outdated { through: entry.search.through, newest })
    }

    /// Records a refusal; the number of its log entry.
    pub fn record_refusal(&mut self, entry: &RefusalEntry, pen: &Pen<'_>) -> Result<u64, CatalogError> {
        self.in_transaction("record a refusal in", |db| {
            let reference = reference(db, &entry.reference, entry.copy_of.as_deref())?;
            policies(db, &entry.policies)?;
            run(db, &entry.run, &entry.policies)?;
            derivation(db, &entry.run.id, &reference.id, None)?;
            if let Some(figures) = &entry.measurement {
                measurement(db, &entry.run.id, &reference.id, figures)?;
            }
            if let Some(entry_search) = &entry.search {
                search(db, &entry.run.id, entry_search)?;
            }
            let draft = entry.measurement.as_ref().map(|figures| figures.draft_sha256);
            put(
                db,
                "INSERT INTO decision (run, policy, verdict, draft_sha256, reasons) VALUES (?, ?, 'refused', ?, ?)",
                params![
                    entry.run.id,
                    entry.policies.named.digest.as_bytes(),
                    draft.as_ref().map(|digest| digest.as_bytes().as_slice()),
                    json!(entry.reasons).to_string()
                ],
            )?;
            let body = json!({
                "run": entry.run.id,
                "reference": reference.id,
                "reference_is_new": reference.new,
                "reference_sha256": entry.reference.sha256,
                "policy": entry.policies.named.digest,
                "strength": entry.run.strength.unwrap_or_default(),
                "adopted": entry.run.adopted.as_ref().map(|adopted| adopted.image_sha256),
                "deviation": entry.measurement.as_ref().map(|figures| units(figures.deviation.deviation)),
                "reasons": entry.reasons,
                "through": entry.search.as_ref().map(|search| search.through),
                "nearest": entry.search.as_ref().and_then(nearest),
                "rows": seal(db, &entry.run.id, seal::LATEST)?,
                "seal": seal::LATEST,
            });
            log::append(db, &text(entry.at), "refusal", &body, pen)
        })
    }

    /// Whether no output carries this watermark id yet.
    pub fn payload_id_is_free(&self, source_prefix: u64, nonce: u32) -> Result<bool, CatalogError> {
        self.db
            .query_row(
                "SELECT NOT EXISTS (SELECT 1 FROM mark WHERE source_prefix = ? AND nonce = ?)",
                params![source_prefix as i64, nonce],
                |row| row.get(0),
            )
            .map_err(super::sqlite(&self.path(), "read"))
    }

    pub(super) fn in_transaction<T>(
        &mut self,
        action: &'static str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, CatalogError> {
        let fail = refusal_or(&self.path(), action);
        // The lock is taken at once: a reader that turns writer could find the log moved on.
        let transaction = self.db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&fail)?;
        let done = work(&transaction).map_err(&fail)?;
        transaction.commit().map_err(&fail)?;
        Ok(done)
    }
}

/// Where a reference stands.
struct Standing {
    id: String,
    /// Whether its row was written just now.
    new: bool,
}

/// The reference keeps its id if it is on record already, as reference or as output.
fn reference(db: &Connection, entry: &AssetEntry, copy_of: Option<&str>) -> rusqlite::Result<Standing> {
    // A row that belongs to no run came from elsewhere: it is not known, and the INSERT fails on it.
    let known = "SELECT id FROM asset a WHERE sha256 = ? AND (EXISTS (SELECT 1 FROM derivation WHERE reference = a.id) \
                 OR EXISTS (SELECT 1 FROM release WHERE output = a.id))";
    if let Some(id) =
        db.prepare_cached(known)?.query_row([entry.sha256.as_bytes()], |row| row.get(0)).optional()?
    {
        return Ok(Standing { id, new: false });
    }
    // What was never released is nobody's original.
    let released = "SELECT output FROM release WHERE output = ?";
    let copy_of: Option<String> =
        db.prepare_cached(released)?.query_row([copy_of], |row| row.get(0)).optional()?;
    asset(db, entry, Role::Reference, copy_of.as_deref())?;
    Ok(Standing { id: entry.id.clone(), new: true })
}

fn asset(db: &Connection, entry: &AssetEntry, role: Role, copy_of: Option<&str>) -> rusqlite::Result<()> {
    put(
        db,
        "INSERT INTO asset (id, role, sha256, pixels_sha256, mime, width, height, bytes, fingerprint, \
         fingerprint_quality, title, copy_of, created) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        params![
            entry.id,
            role.name(),
            entry.sha256.as_bytes(),
            entry.pixels_sha256.as_bytes(),
            entry.mime,
            entry.width,
            entry.height,
            entry.bytes as i64,
            entry.fingerprint,
            entry.fingerprint_quality,
            entry.title,
            copy_of,
            text(entry.created)
        ],
    )?;
    Ok(())
}

/// The run, what its reference was said to be, and who judges it.
fn run(db: &Connection, entry: &RunEntry, policies: &PoliciesEntry) -> rusqlite::Result<()> {
    put(
        db,
        "INSERT INTO run (id, engine, engine_version, model_sha256, strength, noise_level, steps, seed, prompt, \
         prompt_used, purpose, started) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        params![
            entry.id,
            entry.engine,
            entry.engine_version,
            entry.model_sha256.as_ref().map(|digest| digest.as_bytes().as_slice()),
            // No strength is a number here, and no strength either: the adoption says that nobody knows it.
            entry.strength.unwrap_or_default(),
            entry.noise_level,
            entry.steps,
            entry.seed.map(|seed| seed.to_string()).unwrap_or_default(),
            entry.prompt,
            entry.prompt_used,
            entry.purpose,
            text(entry.started)
        ],
    )?;
    if let Some(adopted) = &entry.adopted {
        put(
            db,
            "INSERT INTO adoption (run, image_sha256, strength, declared) VALUES (?, ?, ?, ?)",
            params![entry.id, adopted.image_sha256.as_bytes(), entry.strength, adopted.declared.to_string()],
        )?;
    }
    if let Some(share) = entry.largest_copy {
        put(
            db,
            "INSERT INTO match_field (run, largest_copy) VALUES (?, ?)",
            params![entry.id, units(share)],
        )?;
    }
    for class in &entry.stated.classes {
        put(db, "INSERT INTO run_class (run, class) VALUES (?, ?)", params![entry.id, class.name()])?;
    }
    for tag in &entry.stated.tags {
        put(db, "INSERT INTO run_tag (run, tag) VALUES (?, ?)", params![entry.id, tag.to_string()])?;
    }
    for policy in policies.all() {
        put(
            db,
            "INSERT INTO applied (run, policy, why) VALUES (?, ?, ?)",
            params![entry.id, policy.digest.as_bytes(), policy.why],
        )?;
    }
    Ok(())
}

/// A variation is one generation older than the youngest thing that its reference descends from.
fn derivation(db: &Connection, run: &str, reference: &str, output: Option<&str>) -> rusqlite::Result<()> {
    put(
        db,
        "INSERT INTO derivation (run, reference, output, generation) VALUES (?1, ?2, ?3, 1 + coalesce( \
           (SELECT max(d.generation) FROM derivation d JOIN asset a ON a.id = ?2 \
            WHERE d.output IN (a.id, a.copy_of)), 0))",
        params![run, reference, output],
    )?;
    Ok(())
}

fn measurement(
    db: &Connection,
    run: &str,
    reference: &str,
    entry: &MeasurementEntry,
) -> rusqlite::Result<()> {
    let d = &entry.deviation;
    put(
        db,
        "INSERT INTO measurement (run, reference, draft_sha256, measure, detail, copied, composition, copied_area, \
         ssim, psnr_db) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        params![
            run,
            reference,
            entry.draft_sha256.as_bytes(),
            entry.measure,
            units(d.detail),
            units(d.copied),
            units(d.composition),
            units(d.copied_area),
            d.ssim,
            d.psnr_db
        ],
    )?;
    Ok(())
}

/// The newest reference, if one but `own` was added after number `through`.
fn newer(db: &Connection, own: &AssetEntry, through: u64) -> rusqlite::Result<Option<u64>> {
    let sql = "SELECT max(k.number) FROM known k JOIN asset a ON a.id = k.asset \
               WHERE k.role = 'reference' AND k.number > ? AND a.sha256 <> ?";
    db.prepare_cached(sql)?.query_row(params![through as i64, own.sha256.as_bytes()], |row| {
        Ok(row.get::<_, Option<i64>>(0)?.map(|number| number as u64))
    })
}

fn search(db: &Connection, run: &str, entry: &SearchEntry) -> rusqlite::Result<()> {
    put(db, "INSERT INTO search (run, through) VALUES (?, ?)", params![run, entry.through as i64])?;
    let sql = "INSERT INTO comparison (run, reference, distance, measure, detail, copied) VALUES (?, ?, ?, ?, ?, ?)";
    let mut insert = db.prepare_cached(sql)?;
    for one in &entry.compared {
        let figures = one.deviation.as_ref();
        insert.execute(params![
            run,
            one.reference,
            one.distance,
            one.measure,
            figures.and_then(|figures| units(figures.detail)),
            figures.and_then(|figures| units(figures.copied)),
        ])?;
    }
    Ok(())
}

/// The least deviation among those that a draft was compared with, in units of 0.0001.
fn nearest(entry: &SearchEntry) -> Option<i64> {
    entry.compared.iter().filter_map(|one| units(one.deviation.as_ref()?.deviation)).min()
}

fn marks(db: &Connection, output: &str, entry: &MarkEntry) -> rusqlite::Result<()> {
    put(
        db,
        "INSERT INTO mark (output, kind, algorithm, value) VALUES (?, 'manifest', 'c2pa', ?)",
        params![output, entry.manifest_label],
    )?;
    put(
        db,
        "INSERT INTO manifest_store (label, output, bytes) VALUES (?, ?, ?)",
        params![entry.manifest_label, output, entry.manifest_store],
    )?;
    put(
        db,
        "INSERT INTO mark (output, kind, algorithm, value, source_prefix, nonce, psnr_db) \
         VALUES (?, 'watermark', ?, ?, ?, ?, ?)",
        params![
            output,
            entry.watermark_algorithm,
            entry.payload_id,
            entry.source_prefix as i64,
            entry.nonce,
            entry.psnr_db
        ],
    )?;
    if let Some(code) = &entry.image_code {
        let code = code.as_bytes().as_slice();
        put(db, "INSERT INTO image_code (output, code) VALUES (?, ?)", params![output, code])?;
    }
    if entry.xmp {
        put(db, "INSERT INTO xmp_label (output) VALUES (?)", [output])?;
    }
    if let Some(stamp) = &entry.time_stamp {
        put(
            db,
            "INSERT INTO time_stamp (output, at, authority, trusted) VALUES (?, ?, ?, ?)",
            params![output, stamp.at, stamp.authority, stamp.trusted],
        )?;
    }
    for (mark, value) in &entry.carried {
        put(
            db,
            "INSERT INTO carried (output, mark, value) VALUES (?, ?, ?)",
            params![output, mark.name(), value],
        )?;
    }
    Ok(())
}

/// One row. Preparing it takes longer than writing it, for it brings the triggers along: so it is done once.
pub(super) fn put(db: &Connection, sql: &str, values: impl Params) -> rusqlite::Result<()> {
    db.prepare_cached(sql)?.execute(values).map(drop)
}

/// In units of 0.0001. Measured values come in whole units already. NaN is NULL, which the schema refuses:
/// as a number it would be 0, and a part that was not measured would count as far away.
pub(super) fn units(value: f64) -> Option<i64> {
    (!value.is_nan()).then(|| (value * 10_000.0).round() as i64)
}

/// A limit in units of 0.0001, rounded so that it never gets looser; NaN is NULL here too.
pub(super) fn limit(value: f64) -> Option<i64> {
    (!value.is_nan()).then(|| (value * 10_000.0 - 1e-6).ceil() as i64)
}

pub(super) fn text(moment: OffsetDateTime) -> String {
    moment.format(&Rfc3339).expect("times of this era have an RFC 3339 form")
}
