//! Seconds per stage of a release, for three sizes: `cargo bench --bench journey`. Prints a Markdown table.

use std::time::{Duration, Instant};

use time::OffsetDateTime;
use vidimus::catalog::Catalog;
use vidimus::generate::Request;
use vidimus::generate::patch::PatchEngine;
use vidimus::host::Host;
use vidimus::keys::{Entropy, Keys};
use vidimus::objects::Objects;
use vidimus::policies::Shelf;
use vidimus::policy::Subject;
use vidimus::progress::Silent;
use vidimus::quantity::{Seed, Strength};
use vidimus::raster::{self, Format, Limits};
use vidimus::release::{self, Desk, Order, Outcome, Reference, Source, Timings};
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

fn main() {
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
}

fn row(width: u32, height: u32) -> Result<String, Box<dyn std::error::Error>> {
    let host = Machine(Instant::now());
    let dir = tempfile::tempdir()?;
    let workspace = Workspace::create(dir.path())?;
    let entropy = Entropy { root: [1; 32], signing: [2; 32], watermark: [3; 32] };
    let keys = Keys::create(&workspace.keys(), host.now(), &entropy)?;
    let mut catalog = Catalog::open(&workspace.database())?;
    let policy = Shelf::default().select("default", &Subject::default())?;
    let specimen = Specimen { kind: Kind::Influenza, width, height, seed: Seed(1), colour: Colour::False };
    let bytes = raster::encode(&specimen.render()?, Format::Png, 90)?;
    let reference = Reference::prepare("specimen".into(), bytes, &Limits::default(), keys.anchors())?;

    // Some drafts are refused; the first that is released counts.
    for seed in 1..20 {
        let out = dir.path().join("out.png");
        let strength = Strength::new(0.8).ok_or("a strength")?;
        let order = Order {
            source: Source::Engine(Request::new(strength, Seed(seed))),
            purpose: None,
            stated: Subject::default(),
            overriding: None,
            format: Format::Png,
            out: out.clone(),
            overwrite: true,
            disclose_prompt: false,
            prompt_writer: None,
            visible: vidimus::label::Visible::default(),
            dry_run: false,
        };
        let engine = PatchEngine;
        let mut desk = Desk {
            host: &host,
            workspace: &workspace,
            keys: &keys,
            catalog: &mut catalog,
            policy: &policy,
            engine: &engine,
            witness: &|_| {},
        };
        let Outcome::Released(done) = release::release(&mut desk, &reference, &order, &mut Silent)? else {
            continue;
        };
        let file = std::fs::read(&out)?;
        let objects = Objects::at(workspace.objects());
        let memory = Memory { catalog: &catalog, objects: &objects, watermark_key: None };
        let start = Instant::now();
        verify(&file, Some(&memory), keys.anchors(), &Limits::default())?;
        let verified = start.elapsed().as_secs_f64();
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
