//! Manifests from other workspaces, for recovery alone; and the codes by which copies of our own are looked for.

use rusqlite::{OptionalExtension, Row, params};
use time::OffsetDateTime;

use super::read::blob;
use super::write::text;
use super::{Catalog, CatalogError};
use crate::deviation::Fingerprint;
use crate::digest::Digest;
use crate::iscc::ImageCode;

/// An archive of another workspace, checked.
#[derive(Clone, Debug)]
pub struct ForeignArchive {
    /// Of its index.
    pub digest: Digest,
    /// What the exporter calls itself.
    pub exporter: String,
    /// SHA-256 of the key that signed it.
    pub key: Digest,
    /// RFC 3339.
    pub exported: String,
    pub manifests: Vec<ForeignManifest>,
}

/// What an archive has of one output.
#[derive(Clone, Debug)]
pub struct ForeignManifest {
    pub label: String,
    pub sha256: Digest,
    pub pixels_sha256: Digest,
    pub fingerprint: Fingerprint,
    pub image_code: Option<ImageCode>,
    pub payload_id: Option<String>,
    pub store: Vec<u8>,
}

/// A foreign manifest that may be that of a picture at hand.
#[derive(Clone, Debug)]
pub struct ForeignMatch {
    pub label: String,
    pub exporter: String,
    pub key: Digest,
    pub exported: String,
    pub image_code: Option<ImageCode>,
    pub store: Vec<u8>,
}

/// What an import brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Imported {
    pub added: usize,
    /// Those that were here already, from here or from an archive.
    pub known: usize,
}

/// One of our own outputs, for an archive.
#[derive(Clone, Debug)]
pub struct Exportable {
    pub label: String,
    pub sha256: Digest,
    pub pixels_sha256: Digest,
    pub fingerprint: Fingerprint,
    pub store: Vec<u8>,
}

const MATCH: &str = "SELECT m.label, a.exporter, a.signing_key, a.exported, m.image_code, m.bytes \
     FROM foreign_manifest m JOIN foreign_archive a ON a.digest = m.archive";

impl Catalog {
    /// Records an archive, all of it or nothing.
    ///
    /// # Errors
    /// `Refused` when a manifest is here under the same name with other content.
    pub fn import(
        &mut self,
        archive: &ForeignArchive,
        now: OffsetDateTime,
    ) -> Result<Imported, CatalogError> {
        let conflict = |label: &str| {
            let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CONSTRAINT);
            let reason = format!("manifest {label:?} is here already, with other content");
            rusqlite::Error::SqliteFailure(code, Some(reason))
        };
        self.in_transaction("import into", |db| {
            let mut imported = Imported { added: 0, known: 0 };
            let sql = "SELECT EXISTS (SELECT 1 FROM foreign_archive WHERE digest = ?)";
            if !db.query_row(sql, [archive.digest.as_bytes()], |row| row.get::<_, bool>(0))? {
                db.execute(
                    "INSERT INTO foreign_archive (digest, exporter, signing_key, exported, imported) \
                     VALUES (?, ?, ?, ?, ?)",
                    params![
                        archive.digest.as_bytes(),
                        archive.exporter,
                        archive.key.as_bytes(),
                        archive.exported,
                        text(now)
                    ],
                )?;
            }
            let mut known = db.prepare(
                "SELECT bytes FROM manifest_store WHERE label = ?1 \
                 UNION ALL SELECT bytes FROM foreign_manifest WHERE label = ?1",
            )?;
            for one in &archive.manifests {
                let there = known.query_row([&one.label], |row| row.get::<_, Vec<u8>>(0)).optional()?;
                match there {
                    Some(bytes) if bytes == one.store => imported.known += 1,
                    Some(_) => return Err(conflict(&one.label)),
                    None => {
                        insert(db, &archive.digest, one)?;
                        imported.added += 1;
                    }
                }
            }
            Ok(imported)
        })
    }

    /// Whether this catalog has room for what others made: one of an earlier version, which is only read, has not.
    fn knows_foreign(&self) -> Result<bool, CatalogError> {
        let sql =
            "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'foreign_manifest')";
        Ok(self.one(sql, [], |row| row.get(0))?.unwrap_or(false))
    }

    /// The foreign manifest that was made for these very pixels.
    pub fn foreign_by_pixels(&self, pixels: &Digest) -> Result<Option<ForeignMatch>, CatalogError> {
        if !self.knows_foreign()? {
            return Ok(None);
        }
        let sql = format!("{MATCH} WHERE m.pixels_sha256 = ? ORDER BY m.label LIMIT 1");
        self.one(&sql, [pixels.as_bytes()], found)
    }

    /// Foreign manifests that name a watermark whose id begins like this; 16 at most.
    pub fn foreign_by_payload(&self, beginning: &str) -> Result<Vec<ForeignMatch>, CatalogError> {
        if !self.knows_foreign()? {
            return Ok(Vec::new());
        }
        let sql = format!(
            "{MATCH} WHERE m.payload_id >= ?1 AND m.payload_id < ?1 || 'g' ORDER BY m.label LIMIT 16"
        );
        self.many(&sql, [beginning], found)
    }

    /// The foreign manifest whose picture looks most like this one: its Image-Code within `code_bits` and its
    /// fingerprint within `bits`.
    pub fn foreign_by_looks(
        &self,
        code: &ImageCode,
        code_bits: u32,
        fingerprint: &Fingerprint,
        bits: u32,
    ) -> Result<Option<ForeignMatch>, CatalogError> {
        if !self.knows_foreign()? {
            return Ok(None);
        }
        let sql = "SELECT label, image_code, fingerprint FROM foreign_manifest WHERE image_code IS NOT NULL";
        let near = self.many(sql, [], |row| {
            let other = ImageCode::from_bytes(blob(row, 1)?);
            let looks = Fingerprint { bits: blob(row, 2)?, quality: 100 };
            Ok((other.hamming(code), looks.hamming(fingerprint), row.get::<_, String>(0)?))
        })?;
        let nearest = near.into_iter().filter(|(a, b, _)| *a <= code_bits && *b <= bits).min();
        match nearest {
            Some((_, _, label)) => self.foreign(&label),
            None => Ok(None),
        }
    }

    /// The foreign manifest of this name.
    pub fn foreign(&self, label: &str) -> Result<Option<ForeignMatch>, CatalogError> {
        self.one(&format!("{MATCH} WHERE m.label = ?"), [label], found)
    }

    /// Outputs whose Image-Codes differ from `code` in at most `bits`, the nearest first, `count` at most.
    pub fn by_image_code(
        &self,
        code: &ImageCode,
        bits: u32,
        count: usize,
    ) -> Result<Vec<String>, CatalogError> {
        if !self.knows_foreign()? {
            return Ok(Vec::new());
        }
        let sql = "SELECT c.output, c.code FROM image_code c JOIN release l ON l.output = c.output";
        let mut near = self.many(sql, [], |row| {
            Ok((ImageCode::from_bytes(blob(row, 1)?).hamming(code), row.get::<_, String>(0)?))
        })?;
        near.retain(|(distance, _)| *distance <= bits);
        near.sort();
        Ok(near.into_iter().take(count).map(|(_, output)| output).collect())
    }

    /// Every released output with its manifest store, in the order of their ids.
    pub fn exportable(&self) -> Result<Vec<Exportable>, CatalogError> {
        let sql = "SELECT s.label, a.sha256, a.pixels_sha256, a.fingerprint, a.fingerprint_quality, s.bytes \
                   FROM release l JOIN asset a ON a.id = l.output \
                   JOIN mark k ON k.output = a.id AND k.kind = 'manifest' \
                   JOIN manifest_store s ON s.label = k.value AND s.output = a.id ORDER BY a.id";
        self.many(sql, [], |row| {
            Ok(Exportable {
                label: row.get(0)?,
                sha256: Digest::from_bytes(blob(row, 1)?),
                pixels_sha256: Digest::from_bytes(blob(row, 2)?),
                fingerprint: Fingerprint { bits: blob(row, 3)?, quality: row.get(4)? },
                store: row.get(5)?,
            })
        })
    }
}

fn insert(db: &rusqlite::Connection, archive: &Digest, one: &ForeignManifest) -> rusqlite::Result<usize> {
    db.execute(
        "INSERT INTO foreign_manifest (label, archive, sha256, pixels_sha256, fingerprint, fingerprint_quality, \
         image_code, payload_id, bytes) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        params![
            one.label,
            archive.as_bytes(),
            one.sha256.as_bytes(),
            one.pixels_sha256.as_bytes(),
            one.fingerprint.bits,
            one.fingerprint.quality,
            one.image_code.as_ref().map(|code| code.as_bytes().as_slice()),
            one.payload_id,
            one.store
        ],
    )
}

fn found(row: &Row<'_>) -> rusqlite::Result<ForeignMatch> {
    let code = row.get::<_, Option<Vec<u8>>>(4)?;
    Ok(ForeignMatch {
        label: row.get(0)?,
        exporter: row.get(1)?,
        key: Digest::from_bytes(blob(row, 2)?),
        exported: row.get(3)?,
        image_code: code.and_then(|code| code.try_into().ok()).map(ImageCode::from_bytes),
        store: row.get(5)?,
    })
}
