//! What a picture descends from, and what was said of any of that.

use rusqlite::params;

use super::{Catalog, CatalogError};
use crate::digest::Digest;
use crate::policy::Subject;

/// A picture that may be on record, under this name or another.
#[derive(Clone, Copy, Debug)]
pub struct Picture<'a> {
    pub sha256: Digest,
    pub pixels_sha256: Digest,
    /// Id of the output of ours that it is a copy of.
    pub copy_of: Option<&'a str>,
}

/// The picture itself by its bytes and its pixels (`?1`, `?2`), what each is a copy of, and what it is a copy of (`?3`).
const SELF: &str = "SELECT id FROM asset WHERE sha256 = ?1 OR pixels_sha256 = ?2 \
     UNION SELECT copy_of FROM asset WHERE (sha256 = ?1 OR pixels_sha256 = ?2) AND copy_of IS NOT NULL \
     UNION SELECT output FROM release WHERE output = ?3";

impl Catalog {
    /// The generation that a variation of `picture` would be: 1 for that of an original.
    pub fn next_generation(&self, picture: &Picture<'_>) -> Result<u32, CatalogError> {
        let sql = format!("SELECT 1 + coalesce(max(generation), 0) FROM derivation WHERE output IN ({SELF})");
        let found = params![picture.sha256.as_bytes(), picture.pixels_sha256.as_bytes(), picture.copy_of];
        Ok(self.one(&sql, found, |row| row.get(0))?.unwrap_or(1))
    }

    /// Everything that was ever said of `picture`, of what it was made from, and of what that was made from. What a
    /// later program may have written and this one does not know is left out.
    pub fn said_of(&self, picture: &Picture<'_>) -> Result<Subject, CatalogError> {
        let line = format!(
            "WITH RECURSIVE kin (id) AS ({SELF} \
             UNION SELECT a.copy_of FROM kin JOIN asset a ON a.id = kin.id WHERE a.copy_of IS NOT NULL \
             UNION SELECT d.reference FROM kin JOIN derivation d ON d.output = kin.id)"
        );
        let words = |table: &str, column: &str| {
            let sql = format!(
                "{line} SELECT DISTINCT w.{column} FROM {table} w JOIN derivation d ON d.run = w.run \
                 WHERE d.reference IN (SELECT id FROM kin)"
            );
            let found = params![picture.sha256.as_bytes(), picture.pixels_sha256.as_bytes(), picture.copy_of];
            self.many(&sql, found, |row| row.get::<_, String>(0))
        };
        Ok(Subject {
            classes: words("run_class", "class")?.iter().filter_map(|word| word.parse().ok()).collect(),
            tags: words("run_tag", "tag")?.iter().filter_map(|word| word.parse().ok()).collect(),
        })
    }
}
