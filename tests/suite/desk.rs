//! The journey driven through the library, with a frozen machine and engines made for tests.

use std::path::{Path, PathBuf};
use std::time::Duration;

use time::OffsetDateTime;
use vidimus::catalog::Catalog;
use vidimus::generate::{Description, Draft, Engine, GenerateError, Record, Request};
use vidimus::host::Host;
use vidimus::keys::{Entropy, Keys};
use vidimus::policies::{self, Shelf};
use vidimus::policy::Subject;
use vidimus::progress::{Progress, Silent};
use vidimus::quantity::{Seed, Strength};
use vidimus::random::Stream;
use vidimus::raster::{self, Channels, Depth, Format, Limits, Plane, Raster, Samples};
use vidimus::release::{self, Desk, Order, Outcome, Reference, ReleaseError, Source, Step, Telling};
use vidimus::specimen::{Colour, Kind, Specimen};
use vidimus::workspace::Workspace;

/// A machine whose clock stands and whose randomness is a seeded stream.
pub struct Frozen {
    pub now: OffsetDateTime,
    counter: std::sync::atomic::AtomicU64,
    seed: u64,
}

impl Frozen {
    pub fn new(seed: u64) -> Self {
        Frozen { now: OffsetDateTime::now_utc(), counter: 0.into(), seed }
    }
}

impl Host for Frozen {
    fn now(&self) -> OffsetDateTime {
        self.now
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }

    fn random(&self, bytes: &mut [u8]) {
        let stream = Stream::new(self.seed, "host");
        for byte in bytes {
            let n = self.counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            *byte = stream.bits(n) as u8;
        }
    }
}

/// What a test engine draws.
#[derive(Clone, Copy)]
pub enum Drawing<'a> {
    /// Another field of view of the same kind of specimen, as large: far from the reference.
    OtherField,
    /// The reference itself.
    Copy,
    /// This picture, whatever the reference.
    Given(&'a Raster),
    /// Noise over the whole range, in which no mark can be heard.
    Noise,
}

pub struct TestEngine<'a>(pub Drawing<'a>);

impl Engine for TestEngine<'_> {
    fn describe(&self) -> Description {
        Description { name: "test", version: "1", model_digest: None, reads_prompt: false }
    }

    fn generate(
        &self,
        reference: &Raster,
        request: &Request,
        _progress: &mut dyn Progress,
    ) -> Result<Draft, GenerateError> {
        let raster = match self.0 {
            Drawing::OtherField => {
                let size = (reference.width(), reference.height());
                specimen_of(size, 1000 + request.seed.0 as u32)
            }
            Drawing::Copy => reference.clone(),
            Drawing::Given(picture) => picture.clone(),
            Drawing::Noise => {
                let stream = Stream::new(request.seed.0, "noise");
                let mut n = 0;
                let plane =
                    Plane::from_fn(reference.width() as usize, reference.height() as usize, |_, _| {
                        n += 1;
                        if stream.uniform(n) < 0.5 { 0.0 } else { 1.0 }
                    });
                Raster::from_planes(&[plane], Depth::Eight)
            }
        };
        let record = Record::new(self.describe(), request, 1.0, 1);
        Ok(Draft { raster, record })
    }
}

pub fn specimen(seed: u32) -> Raster {
    specimen_of((256, 208), seed)
}

pub fn specimen_of((width, height): (u32, u32), seed: u32) -> Raster {
    let specimen =
        Specimen { kind: Kind::Adenovirus, width, height, seed: Seed(u64::from(seed)), colour: Colour::Grey };
    specimen.render().expect("a size in range")
}

pub fn png(raster: &Raster) -> Vec<u8> {
    raster::encode(raster, Format::Png, 90).expect("it encodes")
}

pub fn decode(path: &Path) -> Raster {
    let bytes = std::fs::read(path).expect("it is there");
    raster::decode(&bytes, &Limits::default()).expect("it decodes").raster
}

/// A grey picture as RGB.
#[allow(dead_code)]
pub fn rgb(raster: &Raster) -> Raster {
    match raster.samples() {
        Samples::Eight(grey) => Raster::new(
            raster.width(),
            raster.height(),
            Channels::Rgb,
            Samples::Eight(grey.iter().flat_map(|v| [*v; 3]).collect()),
            None,
        ),
        Samples::Sixteen(_) => panic!("eight bits are enough here"),
    }
}

/// A workspace with keys, at `dir`.
pub fn workspace(dir: &Path, host: &Frozen) -> Workspace {
    let workspace = Workspace::create(dir).expect("writable");
    policies::install(&workspace.policies()).expect("writable");
    if !Keys::are_at(&workspace.keys()) {
        let mut entropy = Entropy { root: [0; 32], signing: [0; 32], watermark: [0; 32] };
        host.random(&mut entropy.root);
        host.random(&mut entropy.signing);
        host.random(&mut entropy.watermark);
        Keys::create(&workspace.keys(), host.now, &entropy).expect("fresh");
    }
    workspace
}

/// One journey in the workspace at `dir`.
pub fn journey(
    dir: &Path,
    reference: &Raster,
    drawing: Drawing<'_>,
    policy: &str,
    out: PathBuf,
    seed: u64,
    witness: &dyn Fn(Step),
) -> Result<Outcome, ReleaseError> {
    let host = Frozen::new(seed.wrapping_mul(7919) + u64::from(std::process::id()));
    let workspace = workspace(dir, &host);
    let keys = Keys::open(&workspace, host.now, &|| Err("none is needed".into())).expect("good keys");
    let shelf = Shelf::of(Some(&workspace)).expect("readable");
    let policy = shelf.select(policy, &Subject::default()).expect("a good policy");
    let mut catalog = Catalog::open(&workspace.database()).expect("it opens");
    let reference =
        Reference::prepare("reference.png".into(), png(reference), &Limits::default(), keys.anchors())
            .expect("a picture");
    let order = Order {
        source: Source::Engine(Request::new(Strength::new(0.9).expect("in range"), Seed(seed))),
        purpose: None,
        stated: Subject::default(),
        overriding: None,
        encoding: Format::Png.into(),
        sidecar: false,
        out,
        overwrite: false,
        telling: Telling::default(),
        visible: vidimus::label::Visible::default(),
        dry_run: false,
    };
    let engine = TestEngine(drawing);
    let mut desk = Desk {
        host: &host,
        workspace: &workspace,
        keys: &keys,
        catalog: &mut catalog,
        policy: &policy,
        engine: &engine,
        witness,
    };
    release::release(&mut desk, &reference, &order, &mut Silent)
}
