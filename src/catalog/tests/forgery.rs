//! A release written by hand, without this program: right by default, and wrong wherever a test wants it.

use rusqlite::{Connection, OptionalExtension, params};
use serde_json::json;

use super::{KEY, id, signature};
use crate::catalog::log;
use crate::digest::Digest;

/// Values that go into the rows, and steps that are left out.
#[derive(Clone)]
pub(super) struct Forgery {
    pub skip: Vec<&'static str>,
    pub number: u64,
    pub policy_text: &'static str,
    pub policy_digest: Digest,
    pub min_deviation: i64,
    pub min_composition: i64,
    pub required: bool,
    pub strength: f64,
    pub output_role: &'static str,
    pub derived_output: String,
    pub generation: i64,
    pub measured: Digest,
    pub detail: i64,
    pub copied: i64,
    pub composition: i64,
    /// How far the search went beyond the newest reference.
    pub beyond: i64,
    pub logged_through: Option<i64>,
    /// Of other references on record: parts of the deviation, fingerprint's distance.
    pub other: (Option<i64>, Option<i64>),
    pub distance: i64,
    pub verdict: &'static str,
    pub decided: Digest,
    pub store_label: String,
    pub store: &'static [u8],
    pub nonce: Option<i64>,
    pub psnr_db: Option<f64>,
    pub event_kind: &'static str,
    pub event_seq: Option<i64>,
    pub event_prev: Option<Digest>,
    pub event_hash: Option<Digest>,
    pub logged_output: String,
    pub logged_deviation: i64,
    pub released: Digest,
}

impl Forgery {
    pub fn new(number: u64) -> Self {
        Forgery {
            skip: Vec::new(),
            number,
            policy_text: "a policy",
            policy_digest: Digest::of("a policy"),
            min_deviation: 5000,
            min_composition: 2000,
            required: true,
            strength: 0.55,
            output_role: "output",
            derived_output: id(number * 10 + 2),
            generation: 1,
            measured: Digest::of(format!("draft {number}")),
            detail: 5000,
            copied: 100,
            composition: 2000,
            beyond: 0,
            logged_through: None,
            other: (Some(5000), Some(100)),
            distance: 65,
            verdict: "cleared",
            decided: Digest::of(format!("draft {number}")),
            store_label: format!("urn:{number}"),
            store: b"store",
            nonce: Some(number as i64),
            psnr_db: Some(40.0),
            event_kind: "release",
            event_seq: None,
            event_prev: None,
            event_hash: None,
            logged_output: id(number * 10 + 2),
            logged_deviation: 5000,
            released: Digest::of(format!("file {}", number * 10 + 2)),
        }
    }

    pub fn deviation(mut self, deviation: i64) -> Self {
        self.detail = 10_000 - deviation;
        self.logged_deviation = deviation;
        self
    }

    /// Writes all rows in one transaction.
    pub fn write(&self, db: &mut Connection) -> rusqlite::Result<()> {
        let transaction = db.transaction()?;
        let db = &transaction;
        let (run, reference, output) =
            (id(self.number * 10), id(self.number * 10 + 1), id(self.number * 10 + 2));
        let wanted = |step: &str| !self.skip.contains(&step);
        if wanted("reference") {
            asset(db, &reference, "reference", self.number * 10 + 1)?;
        }
        if wanted("output") {
            asset(db, &output, self.output_role, self.number * 10 + 2)?;
        }
        if wanted("policy") {
            db.execute(
                "INSERT INTO policy VALUES (?, 'a', ?, 0.4, 0.9, ?, ?, ?, ?, 38.0)",
                params![
                    self.policy_digest.as_bytes(),
                    self.policy_text,
                    self.min_deviation,
                    self.min_composition,
                    self.required,
                    self.required
                ],
            )?;
        }
        if wanted("policy") {
            db.execute(
                "INSERT INTO policy_rule VALUES (?, ?, ?, 1, 1, NULL, 0, NULL)",
                params![self.policy_digest.as_bytes(), self.min_deviation, self.min_deviation],
            )?;
        }
        if wanted("run") {
            let sql = "INSERT INTO run (id, engine, engine_version, strength, seed, prompt_used, started) \
                       VALUES (?, 'patch', '1', ?, '1', 0, 'now')";
            db.execute(sql, params![run, self.strength])?;
        }
        if wanted("derivation") {
            let sql = "INSERT INTO derivation VALUES (?, ?, ?, ?)";
            db.execute(sql, params![run, reference, self.derived_output, self.generation])?;
        }
        if !wanted("one reference only") {
            asset(db, &id(self.number * 10 + 3), "reference", self.number * 10 + 3)?;
            let sql = "INSERT INTO derivation VALUES (?, ?, ?, 1)";
            db.execute(sql, params![run, id(self.number * 10 + 3), output])?;
        }
        if wanted("measurement") {
            db.execute(
                "INSERT INTO measurement (run, reference, draft_sha256, measure, detail, copied, composition, \
                 copied_area, ssim, psnr_db) VALUES (?, ?, ?, 'm', ?, ?, ?, 0, 0.1, 12.0)",
                params![
                    run,
                    reference,
                    self.measured.as_bytes(),
                    self.detail,
                    self.copied,
                    self.composition
                ],
            )?;
        }
        if wanted("comparisons") {
            let sql = "INSERT INTO comparison (run, reference, distance, measure, detail, copied) \
                       SELECT ?1, asset, ?2, 'm', ?3, ?4 FROM known k WHERE role = 'reference' AND EXISTS \
                       (SELECT 1 FROM measurement WHERE run = ?1) AND asset NOT IN \
                       (SELECT reference FROM derivation WHERE run = ?1)";
            db.execute(sql, params![run, self.distance, self.other.0, self.other.1])?;
        }
        if wanted("search") {
            let sql = "INSERT INTO search SELECT ?1, ?2 + (SELECT coalesce(max(number), 0) FROM known \
                       WHERE role = 'reference') WHERE EXISTS (SELECT 1 FROM measurement WHERE run = ?1)";
            db.execute(sql, params![run, self.beyond])?;
        }
        if wanted("decision") && wanted("applied") {
            let sql = "INSERT INTO applied SELECT ?, policy, 'named' FROM policy_rule WHERE policy = ?";
            db.execute(sql, params![run, self.policy_digest.as_bytes()])?;
        }
        if wanted("decision") {
            let sql = "INSERT INTO decision VALUES (?, ?, ?, ?, '[]')";
            db.execute(
                sql,
                params![run, self.policy_digest.as_bytes(), self.verdict, self.decided.as_bytes()],
            )?;
        }
        if wanted("manifest") {
            let sql = "INSERT INTO mark (output, kind, algorithm, value) VALUES (?, 'manifest', 'c2pa', ?)";
            db.execute(sql, params![output, format!("urn:{}", self.number)])?;
        }
        if wanted("store") {
            let sql = "INSERT INTO manifest_store VALUES (?, ?, ?)";
            db.execute(sql, params![self.store_label, output, self.store])?;
        }
        if wanted("watermark") {
            let sql = "INSERT INTO mark VALUES (?, 'watermark', 'w', ?, 99, ?, ?)";
            db.execute(sql, params![output, format!("id {}", self.number), self.nonce, self.psnr_db])?;
        }
        let seq = if wanted("event") { self.event(db, &run)? } else { 1 };
        if wanted("release") {
            let sql = "INSERT INTO release VALUES (?, ?, ?, ?)";
            db.execute(sql, params![output, run, self.released.as_bytes(), seq])?;
        }
        transaction.commit()
    }

    fn event(&self, db: &Connection, run: &str) -> rusqlite::Result<i64> {
        let (next, last): (i64, Vec<u8>) = db.query_row(
            "SELECT count(*) + 1, coalesce((SELECT hash FROM event ORDER BY seq DESC LIMIT 1), zeroblob(32)) FROM event",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        let last = <[u8; 32]>::try_from(last).map(Digest::from_bytes).expect("a digest");
        let (seq, prev) = (self.event_seq.unwrap_or(next), self.event_prev.unwrap_or(last));
        let searched = "SELECT through FROM search WHERE run = ?";
        let through = db.query_row(searched, [run], |row| row.get(0)).optional()?;
        let body = json!({
            "through": self.logged_through.or(through),
            "output": self.logged_output,
            "run": run,
            "sha256": self.released,
            "deviation": self.logged_deviation,
            "composition": self.composition,
            "policy": self.policy_digest,
        })
        .to_string();
        let hash =
            self.event_hash.unwrap_or_else(|| log::hash(&prev, seq as u64, "now", self.event_kind, &body));
        db.execute(
            "INSERT INTO event VALUES (?, 'now', ?, ?, ?, ?, ?, ?)",
            params![
                seq,
                self.event_kind,
                body,
                prev.as_bytes(),
                hash.as_bytes(),
                KEY,
                signature(&KEY, hash.as_bytes())
            ],
        )?;
        Ok(seq)
    }
}

fn asset(db: &Connection, id: &str, role: &str, number: u64) -> rusqlite::Result<()> {
    let sql = "INSERT INTO asset (id, role, sha256, pixels_sha256, mime, width, height, bytes, fingerprint, \
               fingerprint_quality, title, created) VALUES (?, ?, ?, ?, 'image/png', 9, 9, 9, zeroblob(32), 50, 't', 'now')";
    let (file, pixels) = (Digest::of(format!("file {number}")), Digest::of(format!("pixels {number}")));
    db.execute(sql, params![id, role, file.as_bytes(), pixels.as_bytes()])?;
    Ok(())
}
