//! Pictures that were made elsewhere: what was said of them.

use rusqlite::params;
use serde_json::Value;

use super::model::{Adoption, Asset};
use super::read::blob;
use super::{Catalog, CatalogError};
use crate::digest::Digest;

/// A strength, for people: one that was declared is said to be.
pub fn strength_told(strength: Option<f64>, adopted: Option<&Adoption>) -> String {
    let told = strength.map_or_else(|| "not known".to_owned(), |known| format!("{known:.2}"));
    if adopted.is_some() { format!("{told} (declared)") } else { told }
}

impl Catalog {
    /// What was said of the picture that `run` brought here, and its strength as far as somebody says; `None` for a run
    /// that drew one.
    pub(super) fn adoption(&self, run: &str) -> Result<Option<(Adoption, Option<f64>)>, CatalogError> {
        if !self.adopts()? {
            return Ok(None);
        }
        let sql = "SELECT image_sha256, declared, strength FROM adoption WHERE run = ?";
        self.one(sql, [run], |row| {
            let declared = serde_json::from_str::<Value>(&row.get::<_, String>(1)?).unwrap_or_default();
            let by = declared["by"].as_str().unwrap_or_default().to_owned();
            Ok((Adoption { by, image_sha256: Digest::from_bytes(blob(row, 0)?) }, row.get(2)?))
        })
    }

    /// All that was declared of the output `asset`; `None` for one that was drawn here.
    pub fn declared(&self, asset: &str) -> Result<Option<Value>, CatalogError> {
        if !self.adopts()? {
            return Ok(None);
        }
        let sql = "SELECT a.declared FROM adoption a JOIN release l ON l.run = a.run WHERE l.output = ?";
        let text = self.one(sql, [asset], |row| row.get::<_, String>(0))?;
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
    }

    /// The output that the file of this digest was adopted as, before it was marked.
    pub fn adopted_as(&self, image: &Digest) -> Result<Option<Asset>, CatalogError> {
        if !self.adopts()? {
            return Ok(None);
        }
        let sql = "SELECT l.output FROM adoption a JOIN release l ON l.run = a.run WHERE a.image_sha256 = ? \
                   ORDER BY l.event LIMIT 1";
        let output = self.one(sql, params![image.as_bytes()], |row| row.get::<_, String>(0))?;
        match output {
            Some(output) => self.by_id(&output),
            None => Ok(None),
        }
    }

    /// How many of the releases were made elsewhere.
    pub fn count_adopted(&self) -> Result<usize, CatalogError> {
        if !self.adopts()? {
            return Ok(0);
        }
        let sql = "SELECT count(*) FROM adoption JOIN release USING (run)";
        Ok(self.one(sql, [], |row| row.get::<_, i64>(0))?.unwrap_or_default() as usize)
    }

    /// Whether the schema knows of adoptions: an older one, which is only read, does not.
    pub(super) fn adopts(&self) -> Result<bool, CatalogError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'adoption')";
        Ok(self.one(sql, [], |row| row.get(0))?.unwrap_or(false))
    }
}
