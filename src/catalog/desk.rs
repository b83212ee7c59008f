//! Copying, counting and searching the catalog.

use std::path::Path;

use rusqlite::params;
use serde::Serialize;

use super::read::blob;
use super::{Catalog, CatalogError, sqlite};
use crate::digest::Digest;

/// A picture that a search found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Found {
    pub id: String,
    /// reference or output.
    pub role: String,
    pub sha256: Digest,
    pub title: String,
    pub created: String,
}

/// What is counted, and how.
const COUNTS: [(&str, &str); 9] = [
    ("releases", "SELECT count(*) FROM release"),
    ("refusals", "SELECT count(*) FROM event WHERE kind = 'refusal'"),
    ("references", "SELECT count(*) FROM asset WHERE role = 'reference'"),
    ("log_entries", "SELECT count(*) FROM event"),
    ("policies", "SELECT count(*) FROM policy"),
    ("comparisons", "SELECT count(*) FROM comparison"),
    ("manifest_bytes", "SELECT coalesce(sum(length(bytes)), 0) FROM manifest_store"),
    ("foreign_archives", "SELECT count(*) FROM foreign_archive"),
    ("foreign_manifests", "SELECT count(*) FROM foreign_manifest"),
];

impl Catalog {
    /// Copies the database, as it is at one moment, to `to`, which must not be there yet.
    pub fn backup(&self, to: &Path) -> Result<(), CatalogError> {
        self.db.backup("main", to, None).map_err(sqlite(&self.path(), "back up"))
    }

    /// How much there is of each kind.
    pub fn stats(&self) -> Result<Vec<(String, u64)>, CatalogError> {
        self.refuse_older()?;
        let count = |(name, sql): (&str, &str)| {
            let count = self.one(sql, [], |row| row.get::<_, i64>(0))?;
            Ok((name.to_owned(), count.unwrap_or_default() as u64))
        };
        COUNTS.into_iter().map(count).collect()
    }

    /// Pictures on record with all of these words, in any case, in their title, id, digest, or in the prompt, purpose
    /// or engine of the run that made them; the newest first, `most` at most.
    pub fn search(&self, words: &[String], most: u32) -> Result<Vec<Found>, CatalogError> {
        // Bytes in hex, so that a digest can be sought by any part of it.
        let text = "a.id || ' ' || a.title || ' ' || lower(hex(a.sha256)) || ' ' || coalesce((SELECT group_concat(\
             coalesce(r.prompt, '') || ' ' || coalesce(r.purpose, '') || ' ' || r.engine, ' ') FROM derivation d \
             JOIN run r ON r.id = d.run WHERE d.output = a.id), '')";
        let words = serde_json::to_string(words).unwrap_or_default();
        let sql = format!(
            "SELECT a.id, a.role, a.sha256, a.title, a.created FROM asset a \
             WHERE NOT EXISTS (SELECT 1 FROM json_each(?1) w WHERE instr(lower({text}), lower(w.value)) = 0) \
             ORDER BY a.id DESC LIMIT ?2"
        );
        self.many(&sql, params![words, most], |row| {
            Ok(Found {
                id: row.get(0)?,
                role: row.get(1)?,
                sha256: Digest::from_bytes(blob(row, 2)?),
                title: row.get(3)?,
                created: row.get(4)?,
            })
        })
    }
}
