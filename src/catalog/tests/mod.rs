//! What the catalog remembers, what it refuses, and what it notices afterwards.

mod adopted;
mod behind;
mod compared;
mod damaged;
mod foreign;
mod forgery;
mod gate;
mod lookups;
mod once;
mod opening;
mod overrides;
mod planted;
mod several;
mod shell;
mod upgrade;

use std::path::{Path, PathBuf};

use rusqlite::Connection;
use tempfile::TempDir;
use time::macros::datetime;

use super::{
    AdoptionEntry, AssetEntry, Catalog, CatalogError, ComparisonEntry, Finding, MarkEntry, MeasurementEntry,
    NEAREST, OverrideEntry, Pen, PoliciesEntry, PolicyEntry, RefusalEntry, ReleaseEntry, Role, RunEntry,
    SearchEntry, TimeStampEntry,
};
use crate::deviation::Fingerprint;
use crate::digest::Digest;
use crate::iscc::ImageCode;
use crate::keys::PersonalKey;
use crate::policy::{Class, Mark, Policy, Subject, Why};
use crate::quantity::Deviation;

/// Tables in an order in which rows can be written.
const TABLES: [&str; 31] = [
    "asset",
    "policy",
    "policy_engine",
    "policy_purpose",
    "policy_approver",
    "policy_time_stamp",
    "policy_mark",
    "policy_copy",
    "policy_rule",
    "run",
    "run_class",
    "run_tag",
    "adoption",
    "match_field",
    "applied",
    "derivation",
    "measurement",
    "known",
    "search",
    "comparison",
    "decision",
    "approval",
    "override",
    "mark",
    "manifest_store",
    "image_code",
    "xmp_label",
    "time_stamp",
    "carried",
    "event",
    "release",
];

/// A catalog in a folder of its own.
struct Desk {
    _dir: TempDir,
    path: PathBuf,
    catalog: Catalog,
}

impl Desk {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("catalog.db");
        let catalog = Catalog::open(&path).expect("a fresh catalog");
        Desk { _dir: dir, path, catalog }
    }

    /// A desk with two releases, one from the other, and two refusals, one of them before anything was made.
    fn busy() -> Self {
        let mut desk = Desk::new();
        desk.release(&release(1));
        let mut second = release(2);
        second.reference = release(1).output;
        desk.release(&second);
        let search = Some(searched(&desk.catalog, &release(3)).expect("readable"));
        desk.refuse(&RefusalEntry { search, ..refusal(3) });
        desk.refuse(&RefusalEntry { measurement: None, ..refusal(4) });
        desk
    }

    /// The same with a draft between that two people released below a limit: rows in every table.
    fn full() -> Self {
        let mut desk = Desk::new();
        desk.release(&release(1));
        let mut second = release(2);
        second.reference = release(1).output;
        desk.release(&second);
        desk.refuse(&too_close(5));
        for number in [1, 2] {
            desk.approve(5, number, "shown to the whole board in May").expect("they may");
        }
        desk.release(&overriding(6, 5));
        desk.release(&adopted(7));
        desk.refuse(&refusal(3));
        desk.refuse(&RefusalEntry { measurement: None, ..refusal(4) });
        desk
    }

    /// The draft of refusal `number`, approved with key `key`.
    fn approve(&mut self, number: u64, key: u8, reason: &str) -> Result<(), CatalogError> {
        let run = id(number * 10);
        let draft = self.catalog.refused_draft(&run).expect("readable").expect("it was refused");
        let signed = PersonalKey::of_number(key).approve(&draft.approving(reason));
        self.catalog.record_approval(&run, reason, &signed, datetime!(2026-08-02 11:00 UTC))
    }

    fn release(&mut self, entry: &ReleaseEntry) -> u64 {
        record(&mut self.catalog, entry).expect("a release that the schema bears")
    }

    fn refuse(&mut self, entry: &RefusalEntry) -> u64 {
        with_pen(|pen| self.catalog.record_refusal(entry, pen)).expect("a refusal that the schema bears")
    }

    fn findings(&self) -> Vec<Finding> {
        self.catalog.check(&holds).expect("it can be checked")
    }
}

/// Records `entry`, held against whatever is on record.
fn record(catalog: &mut Catalog, entry: &ReleaseEntry) -> Result<u64, CatalogError> {
    let mut tries = 100;
    loop {
        tries -= 1;
        let entry = ReleaseEntry { search: searched(catalog, entry)?, ..entry.clone() };
        match with_pen(|pen| catalog.record_release(&entry, pen)) {
            Err(CatalogError::Outdated { .. }) if tries > 0 => {}
            other => return other,
        }
    }
}

/// What `entry` has to be held against, all of it far away.
fn searched(catalog: &Catalog, entry: &ReleaseEntry) -> Result<SearchEntry, CatalogError> {
    let through = catalog.newest_reference()?;
    let own = catalog.by_sha256(&entry.reference.sha256)?.map(|asset| asset.id);
    let mut above: Vec<String> = own.iter().chain(&entry.copy_of).cloned().collect();
    for start in above.clone() {
        above.extend(catalog.ancestors(&start)?);
    }
    let looks = variants([entry.output.fingerprint; 8]);
    let near = catalog.nearest(Role::Reference, &looks, NEAREST, &above)?;
    let compared = above
        .into_iter()
        .filter(|id| Some(id) != own.as_ref())
        .map(|id| (id, 128))
        .chain(near.into_iter().map(|near| (near.asset, near.distance)))
        .map(|(id, distance)| comparison(&id, distance, Some(0.9)));
    Ok(SearchEntry { through, compared: compared.collect() })
}

fn comparison(reference: &str, distance: u32, deviation: Option<f64>) -> ComparisonEntry {
    let figures =
        |deviation: f64| Deviation { deviation, detail: 1.0 - deviation, ..measurement(0).deviation };
    let measure = "org.vidimus.deviation.3".to_owned();
    let deviation = deviation.map(|d| Deviation { copied: 0.0, ..figures(d) });
    ComparisonEntry { reference: reference.to_owned(), distance, measure, deviation }
}

/// Eight fingerprints, and their complements.
fn variants(bits: [[u8; 32]; 8]) -> [Fingerprint; 16] {
    std::array::from_fn(|i| {
        let bits = if i < 8 { bits[i] } else { bits[i - 8].map(|byte| !byte) };
        Fingerprint { bits, quality: 80 }
    })
}

/// The key that signs here. The catalog takes signing from outside, so a hash will do.
const KEY: [u8; 32] = [7; 32];

fn with_pen<T>(work: impl FnOnce(&Pen<'_>) -> T) -> T {
    work(&Pen { public_key: KEY, sign: &|message| signature(&KEY, message) })
}

fn signature(key: &[u8; 32], message: &[u8]) -> [u8; 64] {
    let half = Digest::of([key.as_slice(), message].concat());
    let mut out = [0; 64];
    out[..32].copy_from_slice(half.as_bytes());
    out[32..].copy_from_slice(half.as_bytes());
    out
}

fn holds(key: &[u8; 32], message: &[u8], found: &[u8; 64]) -> bool {
    *key == KEY && signature(key, message) == *found
}

/// What another client can be: no settings of ours, but it knows how to hash.
fn stranger(path: &Path) -> Connection {
    let db = Connection::open(path).expect("the file opens");
    super::prepare(&db).expect("the function can be registered");
    for (name, value) in
        [("foreign_keys", false), ("recursive_triggers", false), ("ignore_check_constraints", true)]
    {
        db.pragma_update(None, name, value).expect("a setting of the connection");
    }
    db
}

/// Every row of every table, as text.
fn dump(db: &Connection) -> Vec<String> {
    let mut out = Vec::new();
    for table in TABLES {
        let columns = columns(db, table).into_iter().map(|(name, _)| format!("quote({name})"));
        let sql =
            format!("SELECT {} FROM {table} ORDER BY 1", columns.collect::<Vec<_>>().join(" || ',' || "));
        let mut query = db.prepare(&sql).expect("a table of the schema");
        let rows = query.query_map([], |row| row.get::<_, String>(0)).expect("readable");
        out.extend(rows.map(|row| format!("{table}: {}", row.expect("readable"))));
    }
    out
}

/// Names and types of the columns that can be written.
fn columns(db: &Connection, table: &str) -> Vec<(String, String)> {
    let mut query =
        db.prepare("SELECT name, type FROM pragma_table_xinfo(?) WHERE hidden = 0").expect("sqlite");
    let rows = query.query_map([table], |row| Ok((row.get(0)?, row.get(1)?))).expect("a table");
    rows.map(|row| row.expect("a column")).collect()
}

fn id(number: u64) -> String {
    format!("{number:026}")
}

fn policy() -> PolicyEntry {
    let text =
        include_str!("../../../policies/default.toml").replace("composition = 0.00", "composition = 0.20");
    let policy = Policy::parse(&text).expect("a policy");
    let limits = policy.limits();
    assert_eq!((limits.min_deviation, limits.min_composition), (0.5, 0.2));
    PolicyEntry::new(&policy, &Why::Named)
}

/// A policy that asks for everything that one can ask.
fn house() -> PolicyEntry {
    let policy = Policy::parse(include_str!("../../../tests/policies/house.toml")).expect("a policy");
    PolicyEntry::new(&policy, &Why::Class(Class::Micrograph))
}

fn picture(number: u64) -> AssetEntry {
    AssetEntry {
        id: id(number),
        sha256: Digest::of(format!("file {number}")),
        pixels_sha256: Digest::of(format!("pixels {number}")),
        mime: "image/png".into(),
        width: 96,
        height: 64,
        bytes: 1234,
        fingerprint: *Digest::of(format!("looks {number}")).as_bytes(),
        fingerprint_quality: 80,
        title: format!("picture {number}"),
        created: datetime!(2026-08-02 10:00 UTC),
    }
}

fn run(number: u64) -> RunEntry {
    RunEntry {
        id: id(number * 10),
        engine: "patch".into(),
        engine_version: "1".into(),
        model_sha256: None,
        strength: Some(0.55),
        noise_level: Some(0.3),
        steps: Some(12),
        seed: Some(u64::MAX - number),
        prompt: Some("electron microscope image of adenovirus".into()),
        prompt_used: false,
        purpose: Some("teaching".into()),
        stated: Subject {
            classes: [Class::Micrograph].into(),
            tags: ["campaign".parse().expect("a tag")].into(),
        },
        started: datetime!(2026-08-02 10:00 UTC),
        adopted: None,
        largest_copy: Some(0.06),
    }
}

fn measurement(number: u64) -> MeasurementEntry {
    MeasurementEntry {
        draft_sha256: Digest::of(format!("draft {number}")),
        measure: "org.vidimus.deviation.3".into(),
        deviation: Deviation {
            deviation: 0.61,
            composition: 0.4,
            detail: 0.39,
            copied: 0.2,
            copied_area: 0.05,
            ssim: 0.2,
            psnr_db: 14.5,
        },
    }
}

/// Release number n: run 10 n makes output 10 n + 2 from reference 10 n + 1.
fn release(number: u64) -> ReleaseEntry {
    ReleaseEntry {
        at: datetime!(2026-08-02 10:00 UTC),
        reference: picture(number * 10 + 1),
        copy_of: None,
        run: run(number),
        measurement: measurement(number),
        search: SearchEntry::default(),
        policies: PoliciesEntry { named: policy(), others: vec![house()] },
        output: picture(number * 10 + 2),
        overriding: None,
        marks: MarkEntry {
            manifest_label: format!("urn:c2pa:{number}"),
            manifest_store: format!("manifest store {number}").into_bytes(),
            watermark_algorithm: "org.vidimus.watermark.1".into(),
            payload_id: format!("payload-{number}"),
            source_prefix: Digest::of(format!("file {}", number * 10 + 1)).prefix48(),
            nonce: number as u32,
            psnr_db: 42.0,
            image_code: Some(ImageCode::from_bytes([number as u8; 32])),
            xmp: true,
            time_stamp: Some(TimeStampEntry {
                at: "2026-08-02T10:00:00+00:00".into(),
                authority: Some("the authority".into()),
                trusted: true,
            }),
            carried: Mark::ALL.map(|mark| (mark, format!("value of {}", mark.name()))).into(),
        },
    }
}

/// The release of a picture that was made elsewhere, at a strength that its policy asks for.
fn adopted(number: u64) -> ReleaseEntry {
    let mut entry = release(number);
    entry.policies = PoliciesEntry { named: policy(), others: Vec::new() };
    entry.run.engine = "midjourney".into();
    entry.run.seed = None;
    entry.run.adopted = Some(AdoptionEntry {
        image_sha256: Digest::of("brought"),
        declared: serde_json::json!({ "by": "laboratory", "image_weight": 1.5 }),
    });
    entry
}

/// A refusal of a draft that keeps every limit but one of house's.
fn too_close(number: u64) -> RefusalEntry {
    let mut entry = refusal(number);
    let figures = entry.measurement.as_mut().expect("it was measured");
    (figures.deviation.detail, figures.deviation.deviation) = (0.43, 0.57);
    entry
}

/// The release of the draft of refusal `approved`.
fn overriding(number: u64, approved: u64) -> ReleaseEntry {
    let refused = too_close(approved);
    ReleaseEntry {
        reference: refused.reference,
        measurement: refused.measurement.expect("it was measured"),
        overriding: Some(OverrideEntry { approved: id(approved * 10), reasons: refused.reasons }),
        ..release(number)
    }
}

fn refusal(number: u64) -> RefusalEntry {
    let entry = release(number);
    RefusalEntry {
        at: entry.at,
        reference: entry.reference,
        copy_of: None,
        run: entry.run,
        measurement: Some(entry.measurement),
        search: None,
        policies: entry.policies,
        reasons: vec!["too close: deviation 0.18, at least 0.50 required".into()],
    }
}
