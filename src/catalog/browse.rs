//! Looking through runs, releases and refusals alike.

use rusqlite::params;

use super::adoption::strength_told;
use super::model::Adoption;
use super::read::{blob, unit};
use super::{Catalog, CatalogError};
use crate::digest::Digest;
use crate::quantity::Deviation;

/// What is looked for. Whatever is `None` asks for nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    /// Stands in the prompt, the purpose or the reference's title, or is the seed or the beginning of an id.
    pub words: Option<String>,
    pub engine: Option<String>,
    pub strength_min: Option<f64>,
    pub strength_max: Option<f64>,
    /// Days such as 2026-08-02, both included.
    pub since: Option<String>,
    pub until: Option<String>,
    /// Whether it was released.
    pub released: Option<bool>,
    /// Only runs before this one: the last of the page before.
    pub before: Option<String>,
}

/// A run, seen from afar.
#[derive(Clone, Debug, PartialEq)]
pub struct Glance {
    pub run: String,
    pub reference: String,
    /// `None` for a refusal.
    pub output: Option<String>,
    pub title: String,
    pub engine: String,
    /// `None` where nobody knows.
    pub strength: Option<f64>,
    /// Empty where nobody knows.
    pub seed: String,
    /// For a picture that was made elsewhere.
    pub adopted: Option<Adoption>,
    pub prompt: Option<String>,
    pub started: String,
    pub deviation: Option<f64>,
}

/// Everything on record about a run but its comparisons.
#[derive(Clone, Debug, PartialEq)]
pub struct Account {
    pub glance: Glance,
    pub engine_version: String,
    pub steps: Option<u32>,
    pub purpose: Option<String>,
    pub measured: Option<Deviation>,
    /// Share of the picture that the engine knows to have taken from one place of the reference in one piece, 0..=1.
    pub largest_copy: Option<f64>,
    /// Names of the policies that judged, and the strictest of what they ask.
    pub policies: Vec<String>,
    pub min_deviation: f64,
    pub min_composition: f64,
    pub cleared: bool,
    pub reasons: Vec<String>,
}

/// One of an output's marks.
#[derive(Clone, Debug, PartialEq)]
pub struct Marked {
    /// manifest or watermark.
    pub kind: String,
    pub algorithm: String,
    pub value: String,
    pub psnr_db: Option<f64>,
}

/// An entry of the log that is about a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Logged {
    pub seq: u64,
    pub at: String,
    pub kind: String,
    pub hash: Digest,
}

impl Glance {
    /// The strength, for people.
    pub fn strength_told(&self) -> String {
        strength_told(self.strength, self.adopted.as_ref())
    }
}

const GLANCE: &str = "SELECT r.id, d.reference, d.output, a.title, r.engine, r.strength, r.seed, r.prompt, r.started, \
     m.deviation FROM run r JOIN derivation d ON d.run = r.id JOIN asset a ON a.id = d.reference \
     LEFT JOIN measurement m ON m.run = r.id";

impl Catalog {
    /// Runs that `filter` asks for, the newest first, `limit` at most.
    pub fn runs(&self, filter: &Filter, limit: u32) -> Result<Vec<Glance>, CatalogError> {
        // The run's own row has no word for a strength that nobody knows, and such a run has none between limits.
        let strength = match self.adopts()? {
            true => {
                "CASE WHEN EXISTS (SELECT 1 FROM adoption o WHERE o.run = r.id) \
                     THEN (SELECT o.strength FROM adoption o WHERE o.run = r.id) ELSE r.strength END"
            }
            false => "r.strength",
        };
        let sql = format!(
            "{GLANCE} WHERE (?1 IS NULL OR instr(lower(coalesce(r.prompt, '') || char(10) || coalesce(r.purpose, '') \
             || char(10) || a.title), lower(?1)) > 0 OR r.seed = ?1 OR instr(r.id, upper(?1)) = 1 \
             OR instr(coalesce(d.output, ''), upper(?1)) = 1) \
             AND (?2 IS NULL OR r.engine = ?2) AND (?3 IS NULL OR {strength} >= ?3 - 1e-9) \
             AND (?4 IS NULL OR {strength} <= ?4 + 1e-9) AND (?5 IS NULL OR substr(r.started, 1, 10) >= ?5) \
             AND (?6 IS NULL OR substr(r.started, 1, 10) <= ?6) AND (?7 IS NULL OR (d.output IS NOT NULL) = ?7) \
             AND (?8 IS NULL OR r.id < ?8) ORDER BY r.id DESC LIMIT ?9"
        );
        let asked = params![
            filter.words,
            filter.engine,
            filter.strength_min,
            filter.strength_max,
            filter.since,
            filter.until,
            filter.released,
            filter.before,
            limit,
        ];
        let mut runs = self.many(&sql, asked, glance)?;
        for run in &mut runs {
            (run.strength, run.adopted) = self.told(&run.run, run.strength)?;
        }
        Ok(runs)
    }

    /// The engines that ever drew.
    pub fn engines(&self) -> Result<Vec<String>, CatalogError> {
        self.many("SELECT DISTINCT engine FROM run ORDER BY engine", [], |row| row.get(0))
    }

    /// Everything about one run.
    pub fn account(&self, run: &str) -> Result<Option<Account>, CatalogError> {
        let Some(mut glance) = self.one(&format!("{GLANCE} WHERE r.id = ? LIMIT 1"), [run], glance)? else {
            return Ok(None);
        };
        (glance.strength, glance.adopted) = self.told(run, glance.strength)?;
        let measured = "SELECT detail, copied, deviation, composition, copied_area, ssim, psnr_db FROM measurement WHERE run = ?";
        let measured = self.one(measured, [run], |row| {
            let part = |index| row.get::<_, i64>(index).map(unit);
            Ok(Deviation {
                detail: part(0)?,
                copied: part(1)?,
                deviation: part(2)?,
                composition: part(3)?,
                copied_area: part(4)?,
                ssim: row.get(5)?,
                psnr_db: row.get(6)?,
            })
        })?;
        let copy = "SELECT largest_copy FROM match_field WHERE run = ?";
        let largest_copy = self.one(copy, [run], |row| row.get::<_, i64>(0).map(unit))?;
        let asked = "SELECT p.name, p.min_deviation, p.min_composition FROM applied a JOIN policy p ON p.digest = a.policy \
                     WHERE a.run = ? ORDER BY p.name";
        let asked = self.many(asked, [run], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))
        })?;
        let most = |figures: &mut dyn Iterator<Item = i64>| figures.max().map_or(0.0, unit);
        let sql = "SELECT r.engine_version, r.steps, r.purpose, c.verdict, c.reasons FROM run r \
                   LEFT JOIN decision c ON c.run = r.id WHERE r.id = ?";
        self.one(sql, [run], |row| {
            let reasons: Option<String> = row.get(4)?;
            Ok(Account {
                measured,
                largest_copy,
                min_deviation: most(&mut asked.iter().map(|(_, deviation, _)| *deviation)),
                min_composition: most(&mut asked.iter().map(|(_, _, composition)| *composition)),
                policies: asked.iter().map(|(name, ..)| name.clone()).collect(),
                engine_version: row.get(0)?,
                steps: row.get(1)?,
                purpose: row.get(2)?,
                cleared: row.get::<_, Option<String>>(3)?.as_deref() == Some("cleared"),
                reasons: reasons.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default(),
                glance: glance.clone(),
            })
        })
    }

    /// The marks of an output.
    pub fn marks(&self, output: &str) -> Result<Vec<Marked>, CatalogError> {
        let sql = "SELECT kind, algorithm, value, psnr_db FROM mark WHERE output = ? ORDER BY kind";
        self.many(sql, [output], |row| {
            Ok(Marked { kind: row.get(0)?, algorithm: row.get(1)?, value: row.get(2)?, psnr_db: row.get(3)? })
        })
    }

    /// What the log says of a run.
    pub fn logged(&self, run: &str) -> Result<Vec<Logged>, CatalogError> {
        let sql = "SELECT seq, at, kind, hash FROM event WHERE json_extract(body, '$.run') = ? ORDER BY seq";
        self.many(sql, [run], |row| {
            Ok(Logged {
                seq: row.get::<_, i64>(0)? as u64,
                at: row.get(1)?,
                kind: row.get(2)?,
                hash: Digest::from_bytes(blob(row, 3)?),
            })
        })
    }
}

fn glance(row: &rusqlite::Row<'_>) -> rusqlite::Result<Glance> {
    Ok(Glance {
        run: row.get(0)?,
        reference: row.get(1)?,
        output: row.get(2)?,
        title: row.get(3)?,
        engine: row.get(4)?,
        strength: row.get(5)?,
        seed: row.get(6)?,
        adopted: None,
        prompt: row.get(7)?,
        started: row.get(8)?,
        deviation: row.get::<_, Option<i64>>(9)?.map(unit),
    })
}
