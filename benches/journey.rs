//! Seconds per stage of a release, for three sizes: `cargo bench --bench journey`. Prints a Markdown table.
//!
//! With `-- --formats`: milliseconds that encoding, signing, writing and verifying a picture of a megapixel take in
//! each format, the least of five runs, on as many threads as `RAYON_NUM_THREADS` allows. The aims are 40 ms for
//! signing and writing a PNG, and 80 ms for verifying an intact one on one core.

use std::time::{Duration, Instant};

use time::OffsetDateTime;
use vidimus::catalog::Catalog;
use vidimus::generate::patch::PatchEngine;
use vidimus::generate::{Description, Draft, Engine, GenerateError, Record, Request};
use vidimus::host::Host;
use vidimus::keys::{Entropy, Keys};
use vidimus::objects::Objects;
use vidimus::policies::Shelf;
use vidimus::policy::Subject;
use vidimus::progress::{Progress, Silent};
use vidimus::quantity::{Seed, Strength};
use vidimus::raster::{self, Encoding, Format, Limits, Raster, Subsampling, encode_as};
use vidimus::release::{self, Desk, Order, Outcome, Reference, Source, Telling, Timings};
use vidimus::specimen::{Colour, Kind, Specimen};
use vidimus::verify::{Memory, verify};
use vidimus::workspace::Workspace;

struct Machine(Instant);

impl Host for Machine {
    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::now_utc()
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    fn random(&self, bytes: &mut [u8]) {
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte = (self.0.elapsed().as_nanos() >> (i % 8)) as u8;
        }
    }
}

type Fault = Box<dyn std::error::Error>;

fn main() {
    let done = if std::env::args().any(|arg| arg == "--formats") { formats() } else { stages() };
    if let Err(fault) = done {
        println!("{fault}");
    }
}

fn stages() -> Result<(), Fault> {
    println!(
        "| size | generate | measure | embed | encode+sign | record | publish | total | verify | PSNR of the mark |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    for (width, height) in [(320, 201), (512, 512), (1024, 1024)] {
        match row(width, height) {
            Ok(row) => println!("{row}"),
            Err(fault) => println!("| {width}×{height} | {fault} |"),
        }
    }
    Ok(())
}

fn row(width: u32, height: u32) -> Result<String, Fault> {
    let mut room = Room::new()?;
    let reference = room.reference(&specimen(width, height, 1)?)?;
    // Some drafts are refused; the first that is released counts.
    for seed in 1..20 {
        let Outcome::Released(done) = room.release(&PatchEngine, &reference, Encoding::Png, seed)? else {
            continue;
        };
        let verified = room.verify(&std::fs::read(&done.output)?)? / 1000.0;
        let Timings { generate, measure, embed, sign, record, publish, .. } = done.timings;
        let s = |ms: f64| format!("{:.3}", ms / 1000.0);
        return Ok(format!(
            "| {width}×{height} | {} | {} | {} | {} | {} | {} | {} | {verified:.3} | {:.2} dB |",
            s(generate),
            s(measure),
            s(embed),
            s(sign),
            s(record),
            s(publish),
            s(done.timings.total()),
            done.psnr_db
        ));
    }
    Err("twenty drafts were refused".into())
}

fn formats() -> Result<(), Fault> {
    const RUNS: u64 = 5;
    println!("| 1024×1024 | bytes | encode | sign | write | sign + write | verify |");
    println!("|---|---|---|---|---|---|---|");
    let lossy = Encoding::Jpeg { quality: 85, subsampling: Subsampling::S420 };
    let all =
        Format::ALL.map(Encoding::from).into_iter().chain([lossy, Encoding::WebP { quality: Some(85) }]);
    let picture = specimen(1024, 1024, 1001)?;
    let engine = Another(picture.clone());
    for encoding in all {
        let mut best = [f64::INFINITY; 4];
        let mut bytes = 0;
        for seed in 1..=RUNS {
            // Each in a room of its own: the same picture is marked once.
            let mut room = Room::new()?;
            let reference = room.reference(&specimen(1024, 1024, 1)?)?;
            let Outcome::Released(done) = room.release(&engine, &reference, encoding, seed)? else {
                return Err("another specimen was refused".into());
            };
            let start = Instant::now();
            encode_as(&picture, encoding)?;
            let encoded = start.elapsed().as_secs_f64() * 1000.0;
            let file = std::fs::read(&done.output)?;
            bytes = file.len();
            let times = [encoded, done.timings.sign, done.timings.publish, room.verify(&file)?];
            best.iter_mut().zip(times).for_each(|(best, time)| *best = best.min(time));
        }
        let [encoded, sign, write, verify] = best;
        let both = sign + write;
        println!(
            "| {encoding:?} | {bytes} | {encoded:.1} | {sign:.1} | {write:.1} | {both:.1} | {verify:.1} |"
        );
    }
    Ok(())
}

fn specimen(width: u32, height: u32, seed: u64) -> Result<Raster, Fault> {
    Ok(Specimen { kind: Kind::Influenza, width, height, seed: Seed(seed), colour: Colour::False }.render()?)
}

/// Draws the same other picture every time.
struct Another(Raster);

impl Engine for Another {
    fn describe(&self) -> Description {
        Description { name: "another", version: "1", model_digest: None, reads_prompt: false }
    }

    fn generate(&self, _: &Raster, request: &Request, _: &mut dyn Progress) -> Result<Draft, GenerateError> {
        Ok(Draft { raster: self.0.clone(), record: Record::new(self.describe(), request, 1.0, 1) })
    }
}

/// A workspace of its own.
struct Room {
    host: Machine,
    dir: tempfile::TempDir,
    workspace: Workspace,
    keys: Keys,
    catalog: Catalog,
}

impl Room {
    fn new() -> Result<Self, Fault> {
        let host = Machine(Instant::now());
        let dir = tempfile::tempdir()?;
        let workspace = Workspace::create(dir.path())?;
        let entropy = Entropy { root: [1; 32], signing: [2; 32], watermark: [3; 32] };
        let keys = Keys::create(&workspace.keys(), host.now(), &entropy)?;
        let catalog = Catalog::open(&workspace.database())?;
        Ok(Room { host, dir, workspace, keys, catalog })
    }

    fn reference(&self, picture: &Raster) -> Result<Reference, Fault> {
        let bytes = raster::encode(picture, Format::Png, 90)?;
        Ok(Reference::prepare("specimen".into(), bytes, &Limits::default(), self.keys.anchors())?)
    }

    fn release(
        &mut self,
        engine: &dyn Engine,
        reference: &Reference,
        encoding: Encoding,
        seed: u64,
    ) -> Result<Outcome, Fault> {
        let policy = Shelf::default().select("default", &Subject::default())?;
        let strength = Strength::new(0.8).ok_or("a strength")?;
        let order = Order {
            source: Source::Engine(Request::new(strength, Seed(seed))),
            purpose: None,
            stated: Subject::default(),
            overriding: None,
            encoding,
            sidecar: false,
            out: self.dir.path().join("out").with_extension(encoding.format().extension()),
            overwrite: true,
            telling: Telling::default(),
            visible: vidimus::label::Visible::default(),
            dry_run: false,
        };
        let mut desk = Desk {
            host: &self.host,
            workspace: &self.workspace,
            keys: &self.keys,
            catalog: &mut self.catalog,
            policy: &policy,
            engine,
            witness: &|_| {},
        };
        Ok(release::release(&mut desk, reference, &order, &mut Silent)?)
    }

    /// Milliseconds that the verdict on `file` takes.
    fn verify(&self, file: &[u8]) -> Result<f64, Fault> {
        let objects = Objects::at(self.workspace.objects());
        let memory = Memory { catalog: &self.catalog, objects: &objects, watermark_key: None };
        let start = Instant::now();
        verify(file, Some(&memory), self.keys.anchors(), &Limits::default())?;
        Ok(start.elapsed().as_secs_f64() * 1000.0)
    }
}
