//! Where a draft comes from: an engine that was watched, or elsewhere, as somebody says.

use std::collections::BTreeMap;

use serde::Serialize;

use super::prepare::Reference;
use crate::digest::Digest;
use crate::generate::{Description, Draft, Engine, GenerateError, Record, Request};
use crate::progress::Progress;
use crate::quantity::{Seed, Strength};
use crate::raster::Raster;

/// What a draft is to be had from.
#[derive(Clone, Debug)]
pub enum Source {
    /// The desk's engine.
    Engine(Request),
    /// A file that was made elsewhere.
    Elsewhere(Box<Adoption>),
}

/// A picture that was made elsewhere, and what is said of it.
#[derive(Clone, Debug)]
pub struct Adoption {
    /// The file as it was brought, with whatever manifest it carries.
    pub bytes: Vec<u8>,
    pub mime: &'static str,
    /// What it shows.
    pub raster: Raster,
    pub declared: Declared,
}

/// What somebody says of a picture that was made elsewhere. Nobody here saw it made.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Declared {
    /// The tool that made it, as policies may name it.
    pub tool: String,
    /// Its version, as far as somebody says.
    pub version: Option<String>,
    pub model: Option<String>,
    pub strength: Option<Strength>,
    /// How much the reference weighed beside the prompt, in the tool's own units.
    pub image_weight: Option<f64>,
    #[serde(serialize_with = "digits")]
    pub seed: Option<Seed>,
    pub steps: Option<u32>,
    pub guidance: Option<f64>,
    pub sampler: Option<String>,
    pub prompt: Option<String>,
    /// The tool's own id of the job.
    pub job: Option<String>,
    /// By parameter: `flag`, or where in the file its claim stands.
    pub sources: BTreeMap<String, String>,
    /// Digest of the file as it was brought.
    pub image_sha256: Digest,
    /// Name of the certificate under which this is declared.
    pub by: String,
}

/// 64 bits do not fit the numbers of JSON.
fn digits<S: serde::Serializer>(seed: &Option<Seed>, serializer: S) -> Result<S::Ok, S::Error> {
    match seed {
        Some(seed) => serializer.collect_str(seed),
        None => serializer.serialize_none(),
    }
}

/// How a draft came to be.
#[derive(Clone, Debug, PartialEq)]
pub enum Origin {
    /// It was drawn here.
    Drawn(Record),
    /// It was made elsewhere.
    Declared(Declared),
}

impl Origin {
    /// How an engine drew it; `None` for what was made elsewhere.
    pub fn record(&self) -> Option<&Record> {
        match self {
            Origin::Drawn(record) => Some(record),
            Origin::Declared(_) => None,
        }
    }

    /// Whether only a part of the picture was made, as far as that is known.
    pub fn in_part(&self) -> bool {
        self.record().is_some_and(|record| record.varied_share.is_some())
    }

    /// Share of the picture that the engine knows to have taken from one place of the reference in one piece, as policies
    /// limit it.
    pub fn largest_copy(&self) -> Option<f64> {
        self.record()?.largest_copy_stated()
    }

    /// Who made it, and which version of that, for people and for labels.
    pub(super) fn maker(&self) -> (&str, &str) {
        match self {
            Origin::Drawn(record) => (record.engine.name, record.engine.version),
            Origin::Declared(declared) => (&declared.tool, declared.version.as_deref().unwrap_or(UNSTATED)),
        }
    }
}

/// A version that nobody states.
pub const UNSTATED: &str = "unstated";

/// What was asked for, and of whom.
#[derive(Clone, Debug)]
pub enum Asked {
    Engine { engine: Description, request: Request },
    Elsewhere(Declared),
}

/// A picture that nobody has judged yet, and how it came to be.
pub(super) struct Picture {
    pub raster: Raster,
    pub origin: Origin,
}

impl From<Draft> for Picture {
    fn from(draft: Draft) -> Self {
        Picture { raster: draft.raster, origin: Origin::Drawn(draft.record) }
    }
}

impl Adoption {
    /// `image`, with what is said of it.
    pub fn of(image: &Reference, declared: Declared) -> Self {
        Adoption { bytes: image.bytes.clone(), mime: image.mime, raster: image.raster.clone(), declared }
    }
}

/// The engine of a desk at which pictures are adopted and none is drawn.
pub struct NoEngine;

impl Engine for NoEngine {
    fn describe(&self) -> Description {
        Description { name: "none", version: "1", model_digest: None, reads_prompt: false }
    }

    fn generate(&self, _: &Raster, _: &Request, _: &mut dyn Progress) -> Result<Draft, GenerateError> {
        Err(GenerateError::Unsupported { engine: "none", what: "draws nothing: pictures are brought to it" })
    }
}
