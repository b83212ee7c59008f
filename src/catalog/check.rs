//! Audit of the catalog itself: what the triggers promise is computed once more from the rows, for whoever
//! can write the file can drop a trigger first.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Error, ErrorCode};
use serde::Serialize;
use serde_json::Value;

use super::log;
use super::model::PolicyRules;
use super::read::blob;
use super::rules::{COMPARED, RULES};
use super::schema;
use super::seal::seal;
use super::write::{limit, units};
use super::{Catalog, CatalogError, sqlite};
use crate::digest::Digest;
use crate::policy::Policy;

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// What kind of thing, such as `log`, `release`, `object`.
    pub area: &'static str,
    /// Which one.
    pub subject: String,
    /// What is wrong with it.
    pub fault: String,
}

impl Finding {
    pub fn new(area: &'static str, subject: impl ToString, fault: impl Into<String>) -> Self {
        Finding { area, subject: subject.to_string(), fault: fault.into() }
    }
}

/// Whether a signature holds: public key, message, signature.
type Verifies<'a> = dyn Fn(&[u8; 32], &[u8], &[u8; 64]) -> bool + 'a;

/// A part of the check.
type Part<'a> = dyn Fn(&mut Vec<Finding>) -> Result<(), CatalogError> + 'a;

impl Catalog {
    /// Everything that is wrong with schema, rows and log. `signed` checks an entry's signature.
    /// What is too damaged to be read is a finding too.
    pub fn check(&self, signed: &Verifies<'_>) -> Result<Vec<Finding>, CatalogError> {
        self.refuse_older()?;
        let mut findings = Vec::new();
        // One moment for all parts: a release that is recorded meanwhile is in all of them or in none.
        let _snapshot = self.db.unchecked_transaction().map_err(sqlite(&self.path(), "read"))?;
        let parts: [(&str, &Part<'_>); 7] = [
            ("schema", &|findings| self.check_schema(findings)),
            ("integrity", &|findings| self.check_integrity(findings)),
            ("rows", &|findings| self.check_rules(findings)),
            ("policies", &|findings| self.check_policies(findings)),
            ("approvals", &|findings| self.check_approvals(findings)),
            ("log", &|findings| self.check_log(signed, findings)),
            ("log against rows", &|findings| self.check_log_against_rows(findings)),
        ];
        for (name, part) in parts {
            if let Err(error) = part(&mut findings) {
                // Tables that are missing are a finding already; what they held cannot be asked for.
                let drifted = findings.iter().any(|finding| finding.area == "schema");
                match damage(&error) {
                    Some(what) => findings.push(Finding::new("database", name, what)),
                    None if drifted => {
                        findings.push(Finding::new("database", name, "cannot be checked under this schema"));
                    }
                    None => return Err(error),
                }
            }
        }
        findings.sort();
        findings.dedup();
        Ok(findings)
    }

    fn check_schema(&self, findings: &mut Vec<Finding>) -> Result<(), CatalogError> {
        if let Some(what) = schema::drift(&self.db).map_err(sqlite(&self.path(), "read"))? {
            findings.push(Finding::new("schema", what, "differs from what this program makes"));
        }
        Ok(())
    }

    fn check_integrity(&self, findings: &mut Vec<Finding>) -> Result<(), CatalogError> {
        for line in self.many("PRAGMA integrity_check(20)", [], |row| row.get::<_, String>(0))? {
            if line != "ok" {
                findings.push(Finding::new("database", "integrity", line));
            }
        }
        let broken = self.many("PRAGMA foreign_key_check", [], |row| row.get::<_, String>(0))?;
        findings.extend(
            broken.into_iter().map(|table| Finding::new("database", table, "a row points at nothing")),
        );
        Ok(())
    }

    fn check_rules(&self, findings: &mut Vec<Finding>) -> Result<(), CatalogError> {
        for (area, fault, sql) in RULES.iter().chain(COMPARED) {
            let subjects = self.many(sql, [], |row| row.get::<_, String>(0))?;
            findings.extend(subjects.into_iter().map(|subject| Finding::new(area, subject, *fault)));
        }
        Ok(())
    }

    /// The text is the one that the digest is of, and the limits are those of the text.
    fn check_policies(&self, findings: &mut Vec<Finding>) -> Result<(), CatalogError> {
        let sql = "SELECT digest, name, text, strength_min, strength_max, min_deviation, min_composition, \
                   require_manifest, require_watermark, min_psnr_db FROM policy";
        let rows = self.many(sql, [], |row| {
            let limits: (f64, f64, i64, i64, bool, bool, f64) =
                (row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?, row.get(7)?, row.get(8)?, row.get(9)?);
            Ok((
                Digest::from_bytes(blob(row, 0)?),
                row.get::<_, String>(1)?,
                row.get::<_, String>(2)?,
                limits,
            ))
        })?;
        for (digest, name, text, limits) in rows {
            if Digest::of(&text) != digest {
                findings.push(Finding::new("policy", &name, "its text is not the one that decided"));
            }
            let stated = Policy::parse(&text).ok().and_then(|policy| {
                let l = policy.limits();
                let figures = (
                    l.strength_min.value(),
                    l.strength_max.value(),
                    limit(l.min_deviation)?,
                    limit(l.min_composition)?,
                    l.require_manifest,
                    l.require_watermark,
                    l.min_psnr_db,
                );
                Some((policy.name().to_owned(), figures))
            });
            let rules = Policy::parse(&text).ok().and_then(|policy| recorded(&PolicyRules::from(&policy)));
            if stated != Some((name.clone(), limits)) || self.rules_of(&digest)? != rules {
                findings.push(Finding::new("policy", name, "its limits are not those of its text"));
            }
        }
        Ok(())
    }

    /// Whether a run from before there were several policies has what the upgrade gave it, and nothing else.
    fn is_as_upgraded(&self, run: &str) -> Result<bool, CatalogError> {
        let sql = "SELECT (SELECT count(*) FROM applied a JOIN decision d USING (run, policy) \
                   WHERE a.run = ?1 AND a.why = 'named') = 1 AND (SELECT count(*) FROM applied WHERE run = ?1) = 1 \
                   AND NOT EXISTS (SELECT 1 FROM search WHERE run = ?1) \
                   AND NOT EXISTS (SELECT 1 FROM comparison WHERE run = ?1) \
                   AND NOT EXISTS (SELECT 1 FROM run_class WHERE run = ?1) \
                   AND NOT EXISTS (SELECT 1 FROM run_tag WHERE run = ?1) \
                   AND NOT EXISTS (SELECT 1 FROM xmp_label JOIN derivation USING (output) WHERE run = ?1)";
        Ok(self.one(sql, [run], |row| row.get(0))?.unwrap_or_default())
    }

    /// Whether the output of a run carries marks or a time stamp, which no seal before the third covers.
    fn carries(&self, run: &str) -> Result<bool, CatalogError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM carried JOIN derivation USING (output) WHERE run = ?1) \
                   OR EXISTS (SELECT 1 FROM time_stamp JOIN derivation USING (output) WHERE run = ?1)";
        Ok(self.one(sql, [run], |row| row.get(0))?.unwrap_or_default())
    }

    /// Whether the output of a run has a code, which no seal before the fifth covers.
    fn has_image_code(&self, run: &str) -> Result<bool, CatalogError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM image_code JOIN derivation USING (output) WHERE run = ?1)";
        Ok(self.one(sql, [run], |row| row.get(0))?.unwrap_or_default())
    }

    /// Whether a run has a match field, which no seal before the sixth covers.
    fn has_match_field(&self, run: &str) -> Result<bool, CatalogError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM match_field WHERE run = ?1)";
        Ok(self.one(sql, [run], |row| row.get(0))?.unwrap_or_default())
    }

    /// The rules on record of a policy.
    fn rules_of(&self, policy: &Digest) -> Result<Option<RecordedRules>, CatalogError> {
        let list = |table: &str, column: &str| {
            let sql = format!("SELECT {column} FROM {table} WHERE policy = ? ORDER BY 1");
            self.many(&sql, [policy.as_bytes()], |row| row.get::<_, String>(0))
        };
        let keys = list("policy_approver", "lower(hex(key))")?;
        let marks = list("policy_mark", "mark")?;
        let lists = [list("policy_engine", "engine")?, list("policy_purpose", "purpose")?, keys, marks];
        let sql = "SELECT min_detail, min_copied, any_engine, any_purpose, max_generations, require_xmp, expires \
                   FROM policy_rule WHERE policy = ?";
        let figures = self.one(sql, [policy.as_bytes()], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?))
        })?;
        let stamp = "SELECT EXISTS (SELECT 1 FROM policy_time_stamp WHERE policy = ?)";
        let stamp = self.one(stamp, [policy.as_bytes()], |row| row.get(0))?.unwrap_or_default();
        let copy = "SELECT max_copy FROM policy_copy WHERE policy = ?";
        let copy = self.one(copy, [policy.as_bytes()], |row| row.get::<_, i64>(0))?;
        Ok(figures.map(|figures| (figures, lists, stamp, copy)))
    }

    fn check_log(&self, signed: &Verifies<'_>, findings: &mut Vec<Finding>) -> Result<(), CatalogError> {
        let mut expected_seq = 1;
        let mut prev = Digest::from_bytes([0; 32]);
        for event in self.events()? {
            let mut fault = |text: &str| findings.push(Finding::new("log", event.seq, text));
            if event.seq != expected_seq {
                fault("entries before it are missing");
            }
            if event.prev != prev {
                fault("does not continue the entry before it");
            }
            if log::hash(&event.prev, event.seq, &event.at, &event.kind, &event.body) != event.hash {
                fault("its hash is not that of its content");
            }
            if !signed(&event.signer, event.hash.as_bytes(), &event.signature) {
                fault("its signature does not hold, or is by a key that never signed here");
            }
            expected_seq = event.seq.saturating_add(1);
            prev = event.hash;
        }
        Ok(())
    }

    /// What the log says of each release and refusal, against what the rows say now.
    fn check_log_against_rows(&self, findings: &mut Vec<Finding>) -> Result<(), CatalogError> {
        let logged: Vec<(u64, String, Value)> = self
            .events()?
            .into_iter()
            .map(|event| (event.seq, event.kind, serde_json::from_str(&event.body).unwrap_or_default()))
            .collect();
        let mut told = BTreeSet::new();
        let mut pictures = BTreeSet::new();
        for (seq, kind, body) in &logged {
            let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
            let run = text("run");
            let number = body["seal"].as_u64().unwrap_or(1);
            let sealed = seal(&self.db, &run, number).map_err(sqlite(&self.path(), "read"))?;
            let first = told.insert(run.clone());
            let row = self.one(
                "SELECT r.strength, m.deviation, m.composition, lower(hex(d.policy)), d.verdict, \
                 lower(hex(a.sha256)), l.event FROM run r \
                 LEFT JOIN derivation v ON v.run = r.id LEFT JOIN asset a ON a.id = v.reference \
                 LEFT JOIN measurement m ON m.run = r.id LEFT JOIN decision d ON d.run = r.id \
                 LEFT JOIN release l ON l.run = r.id WHERE r.id = ?",
                [&run],
                |row| {
                    Ok((
                        row.get::<_, f64>(0)?,
                        row.get::<_, Option<i64>>(1)?,
                        row.get::<_, Option<i64>>(2)?,
                        row.get::<_, String>(3)?,
                        row.get::<_, Option<String>>(4)?,
                        row.get::<_, String>(5)?,
                        row.get::<_, Option<i64>>(6)?,
                    ))
                },
            )?;
            let mut fault = |text: &str| findings.push(Finding::new("log", seq, text));
            let Some((strength, deviation, composition, policy, verdict, reference, event)) = row else {
                fault("tells of a run that the catalog does not have");
                continue;
            };
            let reference_is_new = pictures.insert(text("reference"));
            pictures.insert(text("output"));
            if body["reference_is_new"].as_bool() != Some(reference_is_new) {
                fault("found its reference on record before the log told of it");
            }
            if !first {
                fault("tells of a run that an earlier entry tells of");
            }
            if text("rows") != sealed.to_string()
                || (number == 1 && !self.is_as_upgraded(&run)?)
                || (number < 3 && self.carries(&run)?)
                || (number < 5 && self.has_image_code(&run)?)
                || (number < 6 && self.has_match_field(&run)?)
            {
                fault("was written over other rows than the catalog has now");
            }
            let looked = self.one("SELECT through FROM search WHERE run = ?", [&run], |row| row.get(0))?;
            let adopted = self.adoption(&run)?.map(|(adopted, _)| adopted.image_sha256.to_string());
            if body["adopted"].as_str() != adopted.as_deref() {
                fault("tells otherwise than the catalog of where the picture was made");
            }
            if body["through"].as_i64() != looked || (number > 1 && kind == "release" && looked.is_none()) {
                fault("tells of another search than the catalog has now");
            }
            // A JSON number comes back within a unit in the last place; the rows' digest is exact.
            let same =
                body["strength"].as_f64().is_some_and(|logged| (logged - strength).abs() <= f64::EPSILON)
                    && body["deviation"].as_i64() == deviation
                    && (kind == "refusal" || body["composition"].as_i64() == composition)
                    && text("policy") == policy
                    && text("reference_sha256") == reference;
            if !same {
                fault("says other things of its run than the catalog does");
            }
            let over = self.overridden_by(&run)?;
            let expected = if kind == "release" && over.is_none() { "cleared" } else { "refused" };
            if body["override"].as_str() != over.as_deref() {
                fault("tells otherwise than the catalog of an override");
            }
            if verdict.as_deref() != Some(expected) || (kind == "release") != (event == Some(*seq as i64)) {
                fault("ended otherwise than the catalog says");
            }
            if kind == "release" {
                self.check_marks(*seq, body, findings)?;
            }
        }
        for run in self.many("SELECT id FROM run", [], |row| row.get::<_, String>(0))? {
            if !told.contains(&run) {
                findings.push(Finding::new("run", run, "the log does not tell of it"));
            }
        }
        let entries: BTreeMap<u64, &str> = logged
            .iter()
            .filter(|(_, kind, _)| kind == "release")
            .filter_map(|(seq, _, body)| Some((*seq, body["output"].as_str()?)))
            .collect();
        let releases = self.many("SELECT output, event FROM release", [], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)? as u64))
        })?;
        for (output, seq) in releases {
            if entries.get(&seq) != Some(&output.as_str()) {
                findings.push(Finding::new("release", output, "the log does not tell of it"));
            }
        }
        Ok(())
    }

    fn check_marks(&self, seq: u64, body: &Value, findings: &mut Vec<Finding>) -> Result<(), CatalogError> {
        let output = body["output"].as_str().unwrap_or_default();
        let asset = self.by_id(output)?;
        let facts = self.facts(output)?;
        let same = asset.is_some_and(|asset| {
            body["sha256"] == asset.sha256.to_string().as_str()
                && body["pixels_sha256"] == asset.pixels_sha256.to_string().as_str()
        }) && facts.is_some_and(|facts| {
            body["manifest"].as_str() == facts.manifest_label.as_deref()
                && body["watermark"].as_str() == facts.payload_id.as_deref()
        });
        if !same {
            findings.push(Finding::new(
                "log",
                seq,
                "names another file or other marks than the catalog does",
            ));
        }
        Ok(())
    }
}

/// Rules as they stand in the rows: figures, the lists of engines, purposes, approvers and marks, whether a time
/// stamp is required, and how large one piece may be.
type RecordedRules = (Figures, [Vec<String>; 4], bool, Option<i64>);
type Figures = (i64, i64, bool, bool, Option<u32>, bool, Option<String>);

/// The rows that `rules` make.
fn recorded(rules: &PolicyRules) -> Option<RecordedRules> {
    let list = |list: &Option<BTreeSet<String>>| list.iter().flatten().cloned().collect();
    let figures = (
        limit(rules.min_detail)?,
        limit(rules.min_copied)?,
        rules.engines.is_none(),
        rules.purposes.is_none(),
        rules.max_generations,
        rules.require_xmp,
        rules.expires.clone(),
    );
    let keys = rules.approvers.iter().map(hex::encode).collect();
    let mut marks: Vec<String> = rules.marks.iter().map(|mark| mark.name().to_owned()).collect();
    marks.sort();
    let lists = [list(&rules.engines), list(&rules.purposes), keys, marks];
    Some((figures, lists, rules.require_time_stamp, rules.max_copy.and_then(units)))
}

/// What is wrong with the file or a row of it, if that is why it could not be read.
fn damage(error: &CatalogError) -> Option<String> {
    let CatalogError::Sqlite { source, .. } = error else { return None };
    let damaged = match source {
        Error::InvalidColumnType(..)
        | Error::FromSqlConversionFailure(..)
        | Error::IntegralValueOutOfRange(..)
        | Error::Utf8Error(..) => true,
        other => other.sqlite_error_code() == Some(ErrorCode::DatabaseCorrupt),
    };
    damaged.then(|| source.to_string())
}
