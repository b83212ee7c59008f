//! Looking things up.

use rusqlite::types::FromSql;
use rusqlite::{OptionalExtension, Params, Row, params};

use super::log::Event;
use super::model::{Adoption, Asset, Compared, Comparison, Derived, Facts, Role};
use super::{Catalog, CatalogError, sqlite};
use crate::digest::Digest;
use crate::watermark::Level;

const ASSET: &str = "id, role, sha256, pixels_sha256, mime, width, height, title, copy_of, created";

/// An output counts once it is released: any client can write an asset, and none can write a release without
/// its decision and its entry in the log.
const COUNTS: &str = "(role = 'reference' OR id IN (SELECT output FROM release))";

/// A catalog of version 1, which is only read, has no comparisons: see `derived`.
const DERIVED: &str = "SELECT d.run, d.reference, d.output, d.generation, r.engine, r.strength, r.seed, m.deviation, \
     c.verdict, c.reasons FROM derivation d JOIN run r ON r.id = d.run JOIN decision c ON c.run = d.run \
     LEFT JOIN measurement m ON m.run = d.run";

impl Catalog {
    pub fn by_id(&self, id: &str) -> Result<Option<Asset>, CatalogError> {
        self.one(&format!("SELECT {ASSET} FROM asset WHERE id = ?"), [id], asset)
    }

    pub fn by_sha256(&self, digest: &Digest) -> Result<Option<Asset>, CatalogError> {
        self.one(
            &format!("SELECT {ASSET} FROM asset WHERE sha256 = ? AND {COUNTS}"),
            [digest.as_bytes()],
            asset,
        )
    }

    /// The asset with these pixels; an output before a reference.
    pub fn by_pixels(&self, digest: &Digest) -> Result<Option<Asset>, CatalogError> {
        let sql = format!(
            "SELECT {ASSET} FROM asset WHERE pixels_sha256 = ? AND {COUNTS} ORDER BY role = 'reference', id LIMIT 1"
        );
        self.one(&sql, [digest.as_bytes()], asset)
    }

    /// The output that was released with this watermark.
    pub fn by_watermark(&self, source_prefix: u64, nonce: u32) -> Result<Option<Asset>, CatalogError> {
        let sql = format!(
            "SELECT {ASSET} FROM asset WHERE {COUNTS} \
             AND id = (SELECT output FROM mark WHERE source_prefix = ? AND nonce = ?)"
        );
        self.one(&sql, params![source_prefix as i64, nonce], asset)
    }

    /// The outputs whose watermark is of the short level and begins with these 24 bits of the source's digest:
    /// the mark alone does not tell them apart.
    pub fn by_brief(&self, prefix24: u32) -> Result<Vec<Asset>, CatalogError> {
        let sql = format!(
            "SELECT {ASSET} FROM asset WHERE {COUNTS} AND id IN (SELECT output FROM mark \
             WHERE algorithm = ?1 AND source_prefix BETWEEN ?2 << 24 AND (?2 << 24) + 0xFFFFFF) ORDER BY id"
        );
        self.many(&sql, params![Level::Short.algorithm(), prefix24], asset)
    }

    /// Assets whose file digest begins with these hexadecimal digits, at most `limit` of them.
    pub fn by_digest_prefix(&self, digits: &str, limit: u32) -> Result<Vec<Asset>, CatalogError> {
        let end = |filler: char| -> Option<Digest> {
            let rest = 64usize.checked_sub(digits.len())?;
            (digits.to_lowercase() + &filler.to_string().repeat(rest)).parse().ok()
        };
        let Some((least, most)) = end('0').zip(end('f')) else { return Ok(Vec::new()) };
        let sql = format!("SELECT {ASSET} FROM asset WHERE sha256 BETWEEN ?1 AND ?2 ORDER BY +id LIMIT ?3");
        self.many(&sql, params![least.as_bytes(), most.as_bytes(), limit], asset)
    }

    /// How a released output came to be.
    pub fn facts(&self, output: &str) -> Result<Option<Facts>, CatalogError> {
        let sql = "SELECT l.run, r.engine, r.strength, r.seed, m.draft_sha256, m.deviation, m.composition, c.policy, \
                   w.algorithm, w.value, w.source_prefix, w.nonce, k.value FROM release l \
                   JOIN run r ON r.id = l.run JOIN measurement m ON m.run = l.run JOIN decision c ON c.run = l.run \
                   LEFT JOIN mark w ON w.output = l.output AND w.kind = 'watermark' \
                   LEFT JOIN mark k ON k.output = l.output AND k.kind = 'manifest' WHERE l.output = ?";
        let facts = self.one(sql, [output], |row| {
            Ok(Facts {
                run: row.get(0)?,
                engine: row.get(1)?,
                strength: row.get(2)?,
                seed: row.get::<_, Option<String>>(3)?.filter(|seed| !seed.is_empty()),
                adopted: None,
                draft_sha256: Digest::from_bytes(blob(row, 4)?),
                deviation: unit(row.get(5)?),
                composition: unit(row.get(6)?),
                policy: Digest::from_bytes(blob(row, 7)?),
                watermark_algorithm: row.get(8)?,
                payload_id: row.get(9)?,
                source_prefix: row.get::<_, Option<i64>>(10)?.map(|bits| bits as u64),
                nonce: row.get(11)?,
                manifest_label: row.get(12)?,
            })
        })?;
        let Some(mut facts) = facts else { return Ok(None) };
        (facts.strength, facts.adopted) = self.told(&facts.run, facts.strength)?;
        Ok(Some(facts))
    }

    /// The strength of `run` as far as it is known, and who told it if it was not witnessed.
    pub(super) fn told(
        &self,
        run: &str,
        strength: Option<f64>,
    ) -> Result<(Option<f64>, Option<Adoption>), CatalogError> {
        // The run's own row has no word for a strength that nobody knows.
        Ok(match self.adoption(run)? {
            Some((adopted, strength)) => (strength, Some(adopted)),
            None => (strength, None),
        })
    }

    /// The manifest store that an output was released with.
    pub fn manifest_store(&self, output: &str) -> Result<Option<Vec<u8>>, CatalogError> {
        let sql = "SELECT s.bytes FROM mark k JOIN manifest_store s ON s.label = k.value AND s.output = k.output \
                   WHERE k.output = ? AND k.kind = 'manifest'";
        self.one(sql, [output], |row| row.get(0))
    }

    /// The runs that `asset` was made by.
    pub fn made_by(&self, asset: &str) -> Result<Vec<Derived>, CatalogError> {
        self.derived("d.output", asset)
    }

    /// The runs that `asset` was the reference of, refusals included.
    pub fn made_from(&self, asset: &str) -> Result<Vec<Derived>, CatalogError> {
        self.derived("d.reference", asset)
    }

    fn derived(&self, column: &str, asset: &str) -> Result<Vec<Derived>, CatalogError> {
        let mut runs =
            self.many(&format!("{DERIVED} WHERE {column} = ? ORDER BY d.run"), [asset], derived)?;
        let compares = self.compares()?;
        for run in &mut runs {
            (run.strength, run.adopted) = self.told(&run.run, run.strength)?;
            if compares {
                run.compared = self.compared(&run.run)?;
            }
        }
        Ok(runs)
    }

    /// What a run was compared with besides its own reference.
    fn compared(&self, run: &str) -> Result<Option<Compared>, CatalogError> {
        // With min() alone, a column beside it is that of the least row.
        let sql = "SELECT s.through, count(c.run), count(c.run) - count(c.deviation), c.reference, min(c.deviation) \
                   FROM search s LEFT JOIN comparison c ON c.run = s.run WHERE s.run = ?1 GROUP BY s.run";
        self.one(sql, [run], |row| {
            let count = |index| row.get::<_, i64>(index).map(|number| number as u64);
            let nearest = row.get::<_, Option<String>>(3)?.zip(row.get::<_, Option<i64>>(4)?.map(unit));
            Ok(Compared { known: count(0)?, compared: count(1)?, lost: count(2)?, nearest })
        })
    }

    /// Everything that a run was compared with besides its own reference, the nearest first.
    pub fn comparisons(&self, run: &str) -> Result<Vec<Comparison>, CatalogError> {
        if !self.compares()? {
            return Ok(Vec::new());
        }
        let sql = "SELECT reference, distance, deviation FROM comparison WHERE run = ? \
                   ORDER BY deviation IS NULL, deviation, distance, reference";
        self.many(sql, [run], |row| {
            let deviation = row.get::<_, Option<i64>>(2)?.map(unit);
            Ok(Comparison { asset: row.get(0)?, distance: row.get(1)?, deviation })
        })
    }

    /// The output that was released with the manifest of this label.
    pub fn by_manifest(&self, label: &str) -> Result<Option<Asset>, CatalogError> {
        let sql = format!(
            "SELECT {ASSET} FROM asset WHERE {COUNTS} \
             AND id = (SELECT output FROM mark WHERE kind = 'manifest' AND value = ?)"
        );
        self.one(&sql, [label], asset)
    }

    /// How many comparisons are on record.
    pub fn count_comparisons(&self) -> Result<usize, CatalogError> {
        if !self.compares()? {
            return Ok(0);
        }
        let count = self.db.query_row("SELECT count(*) FROM comparison", [], |row| row.get::<_, i64>(0));
        count.map(|count| count as usize).map_err(sqlite(&self.path(), "read"))
    }

    /// Whether the schema knows of comparisons: one of version 1, which is only read, does not.
    pub fn compares(&self) -> Result<bool, CatalogError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'comparison')";
        Ok(self.one(sql, [], |row| row.get(0))?.unwrap_or(false))
    }

    /// References that are copies of the output `asset`.
    pub fn copies_of(&self, asset: &str) -> Result<Vec<Asset>, CatalogError> {
        self.many(&format!("SELECT {ASSET} FROM asset WHERE copy_of = ? ORDER BY id"), [asset], self::asset)
    }

    /// Every released output.
    pub fn outputs(&self) -> Result<Vec<Asset>, CatalogError> {
        self.many(
            &format!("SELECT {ASSET} FROM asset WHERE role = 'output' AND {COUNTS} ORDER BY id"),
            [],
            asset,
        )
    }

    /// Every asset.
    pub fn assets(&self) -> Result<Vec<Asset>, CatalogError> {
        self.many(&format!("SELECT {ASSET} FROM asset ORDER BY id"), [], asset)
    }

    /// Digest and text of every policy that ever decided.
    pub fn policies(&self) -> Result<Vec<(Digest, String, String)>, CatalogError> {
        self.many("SELECT digest, name, text FROM policy ORDER BY name", [], |row| {
            Ok((Digest::from_bytes(blob(row, 0)?), row.get(1)?, row.get(2)?))
        })
    }

    /// The texts of the policies that judged a run, that of its decision first.
    pub fn judged_by(&self, run: &str) -> Result<Vec<String>, CatalogError> {
        let sql = "SELECT p.text FROM applied a JOIN policy p ON p.digest = a.policy \
                   LEFT JOIN decision d ON d.run = a.run AND d.policy = a.policy \
                   WHERE a.run = ? ORDER BY d.run IS NULL, p.name";
        self.many(sql, [run], |row| row.get(0))
    }

    /// The whole log, in order.
    pub fn events(&self) -> Result<Vec<Event>, CatalogError> {
        let sql = "SELECT seq, at, kind, body, prev, hash, signer, signature FROM event ORDER BY seq";
        self.many(sql, [], |row| {
            Ok(Event {
                seq: row.get::<_, i64>(0)? as u64,
                at: row.get(1)?,
                kind: row.get(2)?,
                body: row.get(3)?,
                prev: Digest::from_bytes(blob(row, 4)?),
                hash: Digest::from_bytes(blob(row, 5)?),
                signer: blob(row, 6)?,
                signature: blob(row, 7)?,
            })
        })
    }

    pub(super) fn one<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, CatalogError> {
        let work = || self.db.prepare_cached(sql)?.query_row(params, read).optional();
        work().map_err(sqlite(&self.path(), "read"))
    }

    pub(super) fn many<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, CatalogError> {
        let work = || -> rusqlite::Result<Vec<T>> {
            self.db.prepare_cached(sql)?.query_map(params, read)?.collect()
        };
        work().map_err(sqlite(&self.path(), "read"))
    }
}

fn asset(row: &Row<'_>) -> rusqlite::Result<Asset> {
    Ok(Asset {
        id: row.get(0)?,
        role: if row.get::<_, String>(1)? == "output" { Role::Output } else { Role::Reference },
        sha256: Digest::from_bytes(blob(row, 2)?),
        pixels_sha256: Digest::from_bytes(blob(row, 3)?),
        mime: row.get(4)?,
        width: row.get(5)?,
        height: row.get(6)?,
        title: row.get(7)?,
        copy_of: row.get(8)?,
        created: row.get(9)?,
    })
}

fn derived(row: &Row<'_>) -> rusqlite::Result<Derived> {
    let (refused, output) = (row.get::<_, String>(8)? == "refused", row.get::<_, Option<String>>(2)?);
    // What left all the same, two people released.
    let (refused, overridden) = (refused && output.is_none(), refused && output.is_some());
    let reasons: String = row.get(9)?;
    Ok(Derived {
        run: row.get(0)?,
        reference: row.get(1)?,
        output,
        generation: row.get(3)?,
        engine: row.get(4)?,
        strength: row.get(5)?,
        seed: row.get::<_, Option<String>>(6)?.filter(|seed| !seed.is_empty()),
        adopted: None,
        deviation: row.get::<_, Option<i64>>(7)?.map(unit),
        compared: None,
        reasons: if refused { serde_json::from_str(&reasons).unwrap_or_default() } else { Vec::new() },
        overridden,
    })
}

/// A blob of exactly `N` bytes; another length is a conversion error, never a panic.
pub(super) fn blob<const N: usize>(row: &Row<'_>, index: usize) -> rusqlite::Result<[u8; N]> {
    <[u8; N]>::column_result(row.get_ref(index)?).map_err(|_| {
        rusqlite::Error::InvalidColumnType(index, format!("expected {N} bytes"), rusqlite::types::Type::Blob)
    })
}

/// From units of 0.0001.
pub(super) fn unit(value: i64) -> f64 {
    value as f64 / 10_000.0
}
