//! What remembering costs: `cargo bench --bench catalog`. Prints Markdown tables.

use std::error::Error;
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use time::macros::datetime;
use vidimus::catalog::{
    AssetEntry, Catalog, MarkEntry, MeasurementEntry, Pen, PoliciesEntry, ReleaseEntry, RunEntry,
};
use vidimus::digest::Digest;
use vidimus::policy::{Policy, PolicySet, Subject};
use vidimus::quantity::Deviation;

/// Holds a folder in memory, where the machine has it.
const RAM: &str = "/dev/shm";

fn main() -> Result<(), Box<dyn Error>> {
    println!("| one release recorded in | median | 95 % |\n|---|---|---|");
    println!("{}", recording("a folder for temporary files, synced", &tempfile::tempdir()?)?);
    if Path::new(RAM).is_dir() {
        println!("{}", recording("a folder in memory", &tempfile::tempdir_in(RAM)?)?);
    }
    println!(
        "\n| assets | lineage (made by + made from) | by file digest | by watermark | fingerprint scan | check of all rows and the log | file |"
    );
    println!("|---|---|---|---|---|---|---|");
    for assets in [1_000, 10_000] {
        println!("{}", lookups(assets)?);
    }
    Ok(())
}

fn recording(place: &str, dir: &TempDir) -> Result<String, Box<dyn Error>> {
    let mut catalog = Catalog::open(&dir.path().join("catalog.db"))?;
    let mut times = Vec::new();
    for number in 0..200 {
        let entry = release(number);
        let watch = Instant::now();
        record(&mut catalog, &entry)?;
        times.push(watch.elapsed());
    }
    times.sort();
    Ok(format!("| {place} | {} | {} |", text(times[100]), text(times[190])))
}

fn lookups(assets: u64) -> Result<String, Box<dyn Error>> {
    let dir = if Path::new(RAM).is_dir() { tempfile::tempdir_in(RAM)? } else { tempfile::tempdir()? };
    let path = dir.path().join("catalog.db");
    let mut catalog = Catalog::open(&path)?;
    let releases = assets / 2;
    for number in 0..releases {
        record(&mut catalog, &release(number))?;
    }
    drop(catalog);
    let bytes = std::fs::metadata(&path)?.len();
    let catalog = Catalog::open_read_only(&path)?;
    let pick = |turn: u64| release(turn * 7919 % releases);

    let lineage = median(100, |turn| {
        let entry = pick(turn);
        let watch = Instant::now();
        black_box((catalog.made_by(&entry.output.id)?, catalog.made_from(&entry.reference.id)?));
        Ok(watch.elapsed())
    })?;
    let by_digest = median(100, |turn| {
        let entry = pick(turn);
        let watch = Instant::now();
        black_box(catalog.by_sha256(&entry.output.sha256)?);
        Ok(watch.elapsed())
    })?;
    let by_mark = median(100, |turn| {
        let entry = pick(turn);
        let watch = Instant::now();
        black_box(catalog.by_watermark(entry.marks.source_prefix, entry.marks.nonce)?);
        Ok(watch.elapsed())
    })?;
    let scan = median(20, |turn| {
        // As many variants as there are symmetries of a picture.
        let variants: Vec<[u8; 32]> = (0..8).map(|v| *Digest::of(format!("{turn} {v}")).as_bytes()).collect();
        let watch = Instant::now();
        black_box(catalog.nearest_output(&variants, 31)?);
        Ok(watch.elapsed())
    })?;
    let check = median(3, |_| {
        let watch = Instant::now();
        let findings = catalog.check(&|_, _, _| true)?;
        assert!(findings.is_empty(), "{findings:?}");
        Ok(watch.elapsed())
    })?;
    let [lineage, by_digest, by_mark, scan, check] = [lineage, by_digest, by_mark, scan, check].map(text);
    let size = bytes as f64 / 1e6;
    Ok(format!("| {assets} | {lineage} | {by_digest} | {by_mark} | {scan} | {check} | {size:.1} MB |"))
}

fn median(
    turns: u64,
    mut measure: impl FnMut(u64) -> Result<Duration, Box<dyn Error>>,
) -> Result<Duration, Box<dyn Error>> {
    let mut times = (0..turns).map(&mut measure).collect::<Result<Vec<_>, _>>()?;
    times.sort();
    Ok(times[times.len() / 2])
}

fn text(time: Duration) -> String {
    format!("{:.3} ms", time.as_secs_f64() * 1e3)
}

fn record(catalog: &mut Catalog, entry: &ReleaseEntry) -> Result<u64, Box<dyn Error>> {
    let pen = Pen { public_key: [1; 32], sign: &|_| [2; 64] };
    Ok(catalog.record_release(entry, &pen)?)
}

fn picture(number: u64) -> AssetEntry {
    AssetEntry {
        id: format!("{number:026}"),
        sha256: Digest::of(format!("file {number}")),
        pixels_sha256: Digest::of(format!("pixels {number}")),
        mime: "image/png".into(),
        width: 1024,
        height: 1024,
        bytes: 1_000_000,
        fingerprint: *Digest::of(format!("looks {number}")).as_bytes(),
        fingerprint_quality: 80,
        title: format!("picture {number}"),
        created: datetime!(2026-08-02 10:00 UTC),
    }
}

/// A release with a manifest store of the usual size.
fn release(number: u64) -> ReleaseEntry {
    let policy = PolicySet::alone(Policy::shipped("default").expect("it comes with the program"));
    ReleaseEntry {
        at: datetime!(2026-08-02 10:00 UTC),
        reference: picture(number * 2),
        reference_payload: None,
        run: RunEntry {
            id: format!("{number:026}"),
            engine: "patch".into(),
            engine_version: "1".into(),
            model_sha256: None,
            strength: 0.55,
            noise_level: Some(0.3),
            steps: Some(12),
            seed: number,
            prompt: None,
            prompt_used: false,
            purpose: None,
            stated: Subject::default(),
            started: datetime!(2026-08-02 10:00 UTC),
        },
        measurement: MeasurementEntry {
            draft_sha256: Digest::of(format!("draft {number}")),
            measure: "org.vidimus.deviation.1".into(),
            deviation: Deviation {
                deviation: 0.6,
                composition: 0.4,
                detail: 0.4,
                copied: 0.1,
                copied_area: 0.0,
                ssim: 0.2,
                psnr_db: 14.0,
            },
        },
        policies: PoliciesEntry::from(&policy),
        output: picture(number * 2 + 1),
        overriding: None,
        marks: MarkEntry {
            manifest_label: format!("urn:c2pa:{number}"),
            manifest_store: vec![number as u8; 15_000],
            watermark_algorithm: "org.vidimus.watermark.1".into(),
            payload_id: format!("payload {number}"),
            source_prefix: number,
            nonce: number as u32,
            psnr_db: 42.0,
            xmp: true,
        },
    }
}
