//! Audit of the catalog itself: what the triggers promise is computed once more from the rows, for whoever
//! can write the file can drop a trigger first.

use serde::Serialize;
use serde_json::Value;

use super::log;
use super::read::blob;
use super::schema;
use super::{Catalog, CatalogError, sqlite};
use crate::digest::Digest;

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

/// Rules that hold for every row, as queries for the rows that break them: area, fault, query.
const RULES: [(&str, &str, &str); 9] = [
    (
        "release",
        "has no clearing decision",
        "SELECT output FROM release l WHERE NOT EXISTS \
         (SELECT 1 FROM decision WHERE run = l.run AND verdict = 'cleared')",
    ),
    (
        "release",
        "its measurement is below the limits of its policy, or is of other pixels",
        "SELECT output FROM release l WHERE NOT EXISTS (SELECT 1 FROM decision d \
         JOIN policy p ON p.digest = d.policy JOIN measurement m ON m.run = d.run AND m.draft_sha256 = d.draft_sha256 \
         JOIN run r ON r.id = d.run WHERE d.run = l.run AND m.deviation >= p.min_deviation \
         AND m.composition >= p.min_composition AND r.strength BETWEEN p.strength_min AND p.strength_max)",
    ),
    (
        "release",
        "its run made another output",
        "SELECT output FROM release l WHERE NOT EXISTS \
         (SELECT 1 FROM derivation WHERE run = l.run AND output = l.output)",
    ),
    (
        "release",
        "its digest is not that of the output",
        "SELECT output FROM release l WHERE sha256 IS NOT (SELECT sha256 FROM asset WHERE id = l.output)",
    ),
    (
        "release",
        "a mark that its policy requires is missing",
        "SELECT output FROM release l JOIN decision d ON d.run = l.run JOIN policy p ON p.digest = d.policy \
         WHERE (p.require_manifest AND NOT EXISTS (SELECT 1 FROM mark k JOIN manifest_store s ON s.label = k.value \
           WHERE k.output = l.output AND k.kind = 'manifest')) \
         OR (p.require_watermark AND NOT EXISTS (SELECT 1 FROM mark WHERE output = l.output AND kind = 'watermark'))",
    ),
    (
        "asset",
        "is an output that was never released",
        "SELECT id FROM asset a WHERE role = 'output' AND NOT EXISTS (SELECT 1 FROM release WHERE output = a.id)",
    ),
    (
        "policy",
        "its limits are below what any policy may ask",
        "SELECT name FROM policy WHERE min_deviation < 3000 OR strength_min < 0 OR strength_max > 1",
    ),
    (
        "measurement",
        "its deviation is not that of its parts",
        "SELECT run FROM measurement WHERE deviation IS NOT 10000 - max(detail, copied)",
    ),
    (
        "run",
        "led to no decision",
        "SELECT id FROM run r WHERE NOT EXISTS (SELECT 1 FROM decision WHERE run = r.id)",
    ),
];

impl Catalog {
    /// Everything that is wrong with schema, rows and log. `signed` checks an entry's signature:
    /// public key, message, signature.
    pub fn check(
        &self,
        signed: &dyn Fn(&[u8; 32], &[u8], &[u8; 64]) -> bool,
    ) -> Result<Vec<Finding>, CatalogError> {
        let mut findings = Vec::new();
        let fail = sqlite(&self.path(), "read");
        if let Some(what) = schema::drift(&self.db).map_err(&fail)? {
            findings.push(Finding::new("schema", what, "differs from what this program makes"));
        }
        for line in self.many("PRAGMA integrity_check(20)", [], |row| row.get::<_, String>(0))? {
            if line != "ok" {
                findings.push(Finding::new("database", "integrity", line));
            }
        }
        let broken = self.many("PRAGMA foreign_key_check", [], |row| row.get::<_, String>(0))?;
        findings.extend(
            broken.into_iter().map(|table| Finding::new("database", table, "a row points at nothing")),
        );
        for (area, fault, sql) in RULES {
            let subjects = self.many(sql, [], |row| row.get::<_, String>(0))?;
            findings.extend(subjects.into_iter().map(|subject| Finding::new(area, subject, fault)));
        }
        self.check_policies(&mut findings)?;
        self.check_log(signed, &mut findings)?;
        self.check_log_against_rows(&mut findings)?;
        findings.sort();
        findings.dedup();
        Ok(findings)
    }

    fn check_policies(&self, findings: &mut Vec<Finding>) -> Result<(), CatalogError> {
        for (digest, name, text) in self.policies()? {
            if Digest::of(&text) != digest {
                findings.push(Finding::new("policy", name, "its text is not the one that decided"));
            }
        }
        Ok(())
    }

    fn check_log(
        &self,
        signed: &dyn Fn(&[u8; 32], &[u8], &[u8; 64]) -> bool,
        findings: &mut Vec<Finding>,
    ) -> Result<(), CatalogError> {
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
            expected_seq = event.seq + 1;
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
        for (seq, kind, body) in &logged {
            let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
            let run = text("run");
            let row = self.one(
                "SELECT r.strength, m.deviation, m.composition, d.policy, d.verdict, a.sha256, l.event FROM run r \
                 JOIN derivation v ON v.run = r.id JOIN asset a ON a.id = v.reference \
                 LEFT JOIN measurement m ON m.run = r.id LEFT JOIN decision d ON d.run = r.id \
                 LEFT JOIN release l ON l.run = r.id WHERE r.id = ?",
                [&run],
                |row| {
                    Ok((
                        row.get::<_, f64>(0)?,
                        row.get::<_, Option<i64>>(1)?,
                        row.get::<_, Option<i64>>(2)?,
                        blob::<32>(row, 3)?,
                        row.get::<_, Option<String>>(4)?,
                        blob::<32>(row, 5)?,
                        row.get::<_, Option<i64>>(6)?,
                    ))
                },
            )?;
            let mut fault = |text: &str| findings.push(Finding::new("log", seq, text));
            let Some((strength, deviation, composition, policy, verdict, reference, event)) = row else {
                fault("tells of a run that the catalog does not have");
                continue;
            };
            let same = body["strength"].as_f64() == Some(strength)
                && body["deviation"].as_i64() == deviation
                && (kind == "refusal" || body["composition"].as_i64() == composition)
                && text("policy") == Digest::from_bytes(policy).to_string()
                && text("reference_sha256") == Digest::from_bytes(reference).to_string();
            if !same {
                fault("says other things of its run than the catalog does");
            }
            let expected = if kind == "release" { "cleared" } else { "refused" };
            if verdict.as_deref() != Some(expected) || (kind == "release") != (event == Some(*seq as i64)) {
                fault("ended otherwise than the catalog says");
            }
            if kind == "release" {
                self.check_marks(*seq, body, findings)?;
            }
        }
        let releases = self.many("SELECT output, event FROM release", [], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)? as u64))
        })?;
        for (output, seq) in releases {
            if !logged
                .iter()
                .any(|(s, kind, body)| *s == seq && kind == "release" && body["output"] == output.as_str())
            {
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
