//! Releases below a limit: what there is to approve, and who approved it.

use rusqlite::params;
use time::OffsetDateTime;

use super::check::Finding;
use super::read::blob;
use super::write::text;
use super::{Catalog, CatalogError};
use crate::digest::Digest;
use crate::keys::{Approving, Detached};

/// A draft that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// The run that was refused.
    pub run: String,
    /// Of its pixels.
    pub sha256: Digest,
    /// Every policy that judged, in the order of their digests.
    pub policies: Vec<Digest>,
    /// In units of 0.0001.
    pub deviation: i64,
}

impl Draft {
    /// What is signed for `reason`.
    pub fn approving<'a>(&'a self, reason: &'a str) -> Approving<'a> {
        Approving {
            run: &self.run,
            draft: &self.sha256,
            policies: &self.policies,
            deviation: self.deviation,
            reason,
        }
    }
}

/// Somebody's yes to a draft.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    pub key: [u8; 32],
    pub reason: String,
    pub signature: [u8; 64],
}

impl Catalog {
    /// The draft that `run` was refused with; `None` if there is none, or if the run released one by override.
    pub fn refused_draft(&self, run: &str) -> Result<Option<Draft>, CatalogError> {
        let policies =
            self.many("SELECT policy FROM applied WHERE run = ? ORDER BY policy", [run], |row| {
                Ok(Digest::from_bytes(blob(row, 0)?))
            })?;
        let sql = "SELECT m.draft_sha256, m.deviation FROM decision d JOIN measurement m ON m.run = d.run \
                   WHERE d.run = ? AND d.verdict = 'refused' AND d.run NOT IN (SELECT run FROM override)";
        self.one(sql, [run], |row| {
            let sha256 = Digest::from_bytes(blob(row, 0)?);
            Ok(Draft { run: run.to_owned(), sha256, policies, deviation: row.get(1)? })
        })
    }

    /// Everybody who approved the draft of `run`.
    pub fn approvals(&self, run: &str) -> Result<Vec<Approval>, CatalogError> {
        let sql = "SELECT key, reason, signature FROM approval WHERE run = ? ORDER BY key";
        self.many(sql, [run], |row| {
            Ok(Approval { key: blob(row, 0)?, reason: row.get(1)?, signature: blob(row, 2)? })
        })
    }

    /// Records somebody's yes to the draft of `run`.
    ///
    /// # Errors
    /// `Refused` with the schema's own words for somebody who has no say, and for a reason that is none.
    pub fn record_approval(
        &mut self,
        run: &str,
        reason: &str,
        signed: &Detached,
        at: OffsetDateTime,
    ) -> Result<(), CatalogError> {
        self.in_transaction("record an approval in", |db| {
            db.execute(
                "INSERT INTO approval (run, key, reason, signature, at) VALUES (?, ?, ?, ?, ?)",
                params![run, signed.key, reason, signed.signature, text(at)],
            )?;
            Ok(())
        })
    }

    /// Whether the draft of the refused `run` has been released.
    pub fn is_overridden(&self, run: &str) -> Result<bool, CatalogError> {
        Ok(self.one("SELECT 1 FROM override WHERE approved = ?", [run], |_| Ok(()))?.is_some())
    }

    /// The run whose approved draft `run` released, if it did that.
    pub(super) fn overridden_by(&self, run: &str) -> Result<Option<String>, CatalogError> {
        self.one("SELECT approved FROM override WHERE run = ?", [run], |row| row.get(0))
    }

    /// Every approval is signed, and of the draft that it stands beside.
    pub(super) fn check_approvals(&self, findings: &mut Vec<Finding>) -> Result<(), CatalogError> {
        let runs = self.many("SELECT DISTINCT run FROM approval", [], |row| row.get::<_, String>(0))?;
        for run in runs {
            let draft = self.refused_draft(&run)?;
            for approval in self.approvals(&run)? {
                let holds = draft.as_ref().is_some_and(|draft| {
                    draft.approving(&approval.reason).is_signed(&approval.key, &approval.signature)
                });
                if !holds {
                    let key = hex::encode(approval.key);
                    let fault = format!(
                        "the signature of {} is not of this run, draft, policy, figure and reason",
                        &key[..16]
                    );
                    findings.push(Finding::new("approval", &run, fault));
                }
            }
        }
        Ok(())
    }
}
