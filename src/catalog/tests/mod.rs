//! What the catalog remembers, what it refuses, and what it notices afterwards.

mod behind;
mod damaged;
mod forgery;
mod gate;
mod lookups;
mod once;
mod opening;
mod overrides;
mod planted;
mod several;
mod shell;

use std::path::{Path, PathBuf};

use rusqlite::Connection;
use tempfile::TempDir;
use time::macros::datetime;

use super::{
    AssetEntry, Catalog, CatalogError, Finding, MarkEntry, MeasurementEntry, OverrideEntry, Pen,
    PoliciesEntry, PolicyEntry, RefusalEntry, ReleaseEntry, RunEntry,
};
use crate::digest::Digest;
use crate::keys::PersonalKey;
use crate::policy::{Class, Policy, Subject, Why};
use crate::quantity::Deviation;

/// Tables in an order in which rows can be written.
const TABLES: [&str; 20] = [
    "asset",
    "policy",
    "policy_engine",
    "policy_purpose",
    "policy_approver",
    "policy_rule",
    "run",
    "run_class",
    "run_tag",
    "applied",
    "derivation",
    "measurement",
    "decision",
    "approval",
    "override",
    "mark",
    "manifest_store",
    "xmp_label",
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
        desk.refuse(&refusal(3));
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

fn record(catalog: &mut Catalog, entry: &ReleaseEntry) -> Result<u64, CatalogError> {
    with_pen(|pen| catalog.record_release(entry, pen))
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
        strength: 0.55,
        noise_level: Some(0.3),
        steps: Some(12),
        seed: u64::MAX - number,
        prompt: Some("electron microscope image of adenovirus".into()),
        prompt_used: false,
        purpose: Some("teaching".into()),
        stated: Subject {
            classes: [Class::Micrograph].into(),
            tags: ["campaign".parse().expect("a tag")].into(),
        },
        started: datetime!(2026-08-02 10:00 UTC),
    }
}

fn measurement(number: u64) -> MeasurementEntry {
    MeasurementEntry {
        draft_sha256: Digest::of(format!("draft {number}")),
        measure: "org.vidimus.deviation.1".into(),
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
        reference_payload: None,
        run: run(number),
        measurement: measurement(number),
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
            xmp: true,
        },
    }
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
        reference_payload: None,
        run: entry.run,
        measurement: Some(entry.measurement),
        policies: entry.policies,
        reasons: vec!["too close: deviation 0.18, at least 0.50 required".into()],
    }
}
