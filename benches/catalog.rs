//! What remembering costs: `cargo bench --bench catalog`, with `-- --million` for a million references, which takes
//! some ten minutes and 3 GB. Prints Markdown tables.

use std::error::Error;
use std::fs::{self, File};
use std::hint::black_box;
use std::io::Write;
use std::path::Path;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use time::macros::datetime;
use vidimus::catalog::{
    AssetEntry, Catalog, ComparisonEntry, MarkEntry, MeasurementEntry, NEAREST, Pen, PoliciesEntry,
    RefusalEntry, ReleaseEntry, Role, RunEntry, SearchEntry,
};
use vidimus::deviation::Fingerprint;
use vidimus::digest::Digest;
use vidimus::lineage::lineage;
use vidimus::policy::{Policy, PolicySet, Subject};
use vidimus::quantity::Deviation;

/// Holds a folder in memory, where the machine has it.
const RAM: &str = "/dev/shm";

/// Releases on top of the references.
const RELEASES: u64 = 600;

fn main() -> Result<(), Box<dyn Error>> {
    let million = std::env::args().any(|arg| arg == "--million");
    println!(
        "| one release recorded in | median | 95 % | the first after opening | one file of 4 KB synced there |\n\
         |---|---|---|---|---|"
    );
    println!("{}", recording("a folder for temporary files, synced", &tempfile::tempdir()?)?);
    if Path::new(RAM).is_dir() {
        println!("{}", recording("a folder in memory", &tempfile::tempdir_in(RAM)?)?);
    }
    println!(
        "\n| references | fingerprints read, once | nearest {NEAREST} of all | release recorded (in memory) | \
         lineage, median | slowest of 1000 | by file digest | by its first digits | by watermark | \
         check of all rows and the log | file |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|");
    for references in [10_000, 100_000].into_iter().chain(million.then_some(1_000_000)) {
        println!("{}", large(references)?);
    }
    Ok(())
}

fn recording(place: &str, dir: &TempDir) -> Result<String, Box<dyn Error>> {
    let mut catalog = Catalog::open(&dir.path().join("catalog.db"))?;
    let mut times = Vec::new();
    for number in 0..200 {
        let entry = searched(&catalog, release(number, picture(number * 2)))?;
        let watch = Instant::now();
        record(&mut catalog, &entry)?;
        times.push(watch.elapsed());
    }
    times.sort();
    // What a command of its own pays: nothing is prepared yet.
    drop(catalog);
    let first = median(20, |turn| {
        let mut opened = Catalog::open(&dir.path().join("catalog.db"))?;
        let entry = searched(&opened, release(1000 + turn, picture(turn * 2)))?;
        let watch = Instant::now();
        record(&mut opened, &entry)?;
        Ok(watch.elapsed())
    })?;
    let synced = median(100, |turn| {
        let path = dir.path().join(format!("synced {turn}"));
        let watch = Instant::now();
        let mut file = File::create(path)?;
        file.write_all(&[7; 4096])?;
        file.sync_data()?;
        Ok(watch.elapsed())
    })?;
    let figures = [times[100], times[190], first, synced].map(text).join(" | ");
    Ok(format!("| {place} | {figures} |"))
}

/// A catalog of so many references, most of them refused, and some releases in chains of three.
fn large(references: u64) -> Result<String, Box<dyn Error>> {
    let dir = if Path::new(RAM).is_dir() { tempfile::tempdir_in(RAM)? } else { tempfile::tempdir()? };
    let path = dir.path().join("catalog.db");
    let mut catalog = Catalog::open(&path)?;
    for number in 0..references {
        refuse(&mut catalog, number)?;
    }
    // A process of its own has read nothing yet.
    drop(catalog);
    let mut catalog = Catalog::open(&path)?;
    let watch = Instant::now();
    catalog.nearest(Role::Reference, &looks(0), NEAREST, &[])?;
    let read = watch.elapsed();
    let scan = median(50, |turn| {
        let looks = looks(turn);
        let watch = Instant::now();
        black_box(catalog.nearest(Role::Reference, &looks, NEAREST, &[])?);
        Ok(watch.elapsed())
    })?;

    let mut times = Vec::new();
    let mut reference = picture(0);
    let mut released = Vec::new();
    for turn in 0..RELEASES {
        if turn % 3 == 0 {
            reference = picture(turn * 7919 % references);
        }
        let entry = searched(&catalog, release(references + turn, reference))?;
        let watch = Instant::now();
        record(&mut catalog, &entry)?;
        times.push(watch.elapsed());
        reference = entry.output.clone();
        released.push(entry);
    }
    times.sort();
    let recorded = times[times.len() / 2];
    drop(catalog);

    let bytes = fs::metadata(&path)?.len();
    let catalog = Catalog::open_read_only(&path)?;
    let mut lineages = Vec::new();
    for turn in 0..1000 {
        // Every second one is part of a chain.
        let id = match turn % 2 {
            0 => picture(turn * 104_729 % references).id,
            _ => released[(turn * 31 % RELEASES) as usize].output.id.clone(),
        };
        let watch = Instant::now();
        let asset = catalog.by_id(&id)?.ok_or("it was recorded")?;
        black_box(lineage(&catalog, &asset)?);
        lineages.push(watch.elapsed());
    }
    lineages.sort();
    let pick = |turn: u64| &released[(turn * 7919 % RELEASES) as usize];
    let by_digest = median(100, |turn| {
        let watch = Instant::now();
        black_box(catalog.by_sha256(&pick(turn).output.sha256)?);
        Ok(watch.elapsed())
    })?;
    let by_digits = median(100, |turn| {
        let digits = pick(turn).output.sha256.short(12);
        let watch = Instant::now();
        assert_eq!(catalog.by_digest_prefix(&digits, 2)?.len(), 1);
        Ok(watch.elapsed())
    })?;
    let by_mark = median(100, |turn| {
        let marks = &pick(turn).marks;
        let watch = Instant::now();
        black_box(catalog.by_watermark(marks.source_prefix, marks.nonce)?);
        Ok(watch.elapsed())
    })?;
    let watch = Instant::now();
    let findings = catalog.check(&|_, _, _| true)?;
    assert!(findings.is_empty(), "{findings:?}");
    let check = watch.elapsed();
    let times = [read, scan, recorded, lineages[500], lineages[999], by_digest, by_digits, by_mark, check];
    Ok(format!("| {references} | {} | {:.0} MB |", times.map(text).join(" | "), bytes as f64 / 1e6))
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

fn refuse(catalog: &mut Catalog, number: u64) -> Result<u64, Box<dyn Error>> {
    let entry = release(number, picture(number));
    let refusal = RefusalEntry {
        at: entry.at,
        reference: entry.reference,
        copy_of: None,
        run: entry.run,
        measurement: None,
        search: None,
        policies: entry.policies,
        reasons: vec!["too close: strength 0.05, at least 0.40 required".into()],
    };
    let pen = Pen { public_key: [1; 32], sign: &|_| [2; 64] };
    Ok(catalog.record_refusal(&refusal, &pen)?)
}

/// `entry`, held against whatever the catalog asks for, all of it far away.
fn searched(catalog: &Catalog, entry: ReleaseEntry) -> Result<ReleaseEntry, Box<dyn Error>> {
    let through = catalog.newest_reference()?;
    let own = entry.reference.id.clone();
    let above = catalog.ancestors(&own)?;
    let known: Vec<String> = above.iter().cloned().chain([own]).collect();
    let near = catalog.nearest(Role::Reference, &looks(through), NEAREST, &known)?;
    let compared = above.into_iter().chain(near.into_iter().map(|near| near.asset)).map(|reference| {
        let measure = entry.measurement.measure.clone();
        ComparisonEntry { reference, distance: 99, measure, deviation: Some(entry.measurement.deviation) }
    });
    let search = SearchEntry { through, compared: compared.collect() };
    Ok(ReleaseEntry { search, ..entry })
}

/// The fingerprints of a picture in its eight symmetries, and their inversions.
fn looks(number: u64) -> [Fingerprint; 16] {
    std::array::from_fn(|i| {
        let bits = *Digest::of(format!("drawn {number} {}", i % 8)).as_bytes();
        Fingerprint { bits: if i < 8 { bits } else { bits.map(|byte| !byte) }, quality: 80 }
    })
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
fn release(number: u64, reference: AssetEntry) -> ReleaseEntry {
    static POLICIES: LazyLock<PoliciesEntry> = LazyLock::new(|| {
        let policy = Policy::shipped("default").expect("it comes with the program");
        PoliciesEntry::from(&PolicySet::alone(policy))
    });
    ReleaseEntry {
        at: datetime!(2026-08-02 10:00 UTC),
        reference,
        copy_of: None,
        run: RunEntry {
            id: format!("{number:026}"),
            engine: "patch".into(),
            engine_version: "1".into(),
            model_sha256: None,
            strength: Some(0.55),
            noise_level: Some(0.3),
            steps: Some(12),
            seed: Some(number),
            prompt: None,
            prompt_used: false,
            purpose: None,
            stated: Subject::default(),
            started: datetime!(2026-08-02 10:00 UTC),
            adopted: None,
            largest_copy: Some(0.05),
        },
        measurement: MeasurementEntry {
            draft_sha256: Digest::of(format!("draft {number}")),
            measure: "org.vidimus.deviation.3".into(),
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
        search: SearchEntry::default(),
        policies: POLICIES.clone(),
        output: picture(1_000_000_000 + number),
        overriding: None,
        marks: MarkEntry {
            manifest_label: format!("urn:c2pa:{number}"),
            manifest_store: vec![number as u8; 15_000],
            watermark_algorithm: "org.vidimus.watermark.1".into(),
            payload_id: format!("payload {number}"),
            source_prefix: number,
            nonce: number as u32,
            psnr_db: 42.0,
            image_code: None,
            xmp: true,
            time_stamp: None,
            carried: Default::default(),
        },
    }
}
