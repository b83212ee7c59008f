//! What is told of a journey that ended.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

use super::held::Held;
use super::origin::{Asked, Origin};
use crate::deviation;
use crate::digest::Digest;
use crate::manifest::{SignerReading, State, TimeStampReading};
use crate::policy::{Mark, PolicySet, Refusal, Violation};
use crate::quantity::Deviation;
use crate::watermark::Level;

/// How a journey ended.
#[derive(Clone, Debug)]
pub enum Outcome {
    Released(Box<Released>),
    Refused(Box<Refused>),
    /// A dry run that the policy would have released.
    Trial(Box<Trial>),
}

/// A file that left.
#[derive(Clone, Debug)]
pub struct Released {
    pub output: PathBuf,
    /// The manifest, where it lies beside the output.
    pub sidecar: Option<PathBuf>,
    pub sha256: Digest,
    pub width: u32,
    pub height: u32,
    pub asset_id: String,
    pub run_id: String,
    pub origin: Origin,
    pub deviation: Deviation,
    pub held: Held,
    /// What two people released it in spite of.
    pub lifted: Vec<Violation>,
    pub payload_id: String,
    /// How much of the payload is in the pixels.
    pub level: Level,
    pub psnr_db: f64,
    /// What else it carries that a policy can require: visible words, who is named in XMP.
    pub carried: BTreeMap<Mark, String>,
    pub manifest_label: String,
    pub manifest_state: State,
    pub signer: Option<SignerReading>,
    pub stamped: Stamped,
    pub timings: Timings,
}

/// What became of the time stamp.
#[derive(Clone, Debug, PartialEq)]
pub enum Stamped {
    /// There is one.
    By(TimeStampReading),
    /// No authority is named in `vidimus.toml`.
    NotAsked,
    /// The authority gave none, for this reason, and `vidimus.toml` lets that pass.
    Failed(String),
}

/// A draft, or a mere request, that the policy refused.
#[derive(Clone, Debug)]
pub struct Refused {
    pub run_id: String,
    /// What was asked, and of whom.
    pub asked: Asked,
    pub refusal: Refusal,
    /// `None` when the request itself was refused: nothing was generated, or looked at.
    pub origin: Option<Origin>,
    pub deviation: Option<Deviation>,
    /// `None` where its own reference, or the request, was refused already.
    pub held: Option<Held>,
    /// Where the draft is kept, if the policy wants that.
    pub quarantine: Option<PathBuf>,
    /// Whether the refusal was logged (a dry run logs nothing).
    pub logged: bool,
    pub timings: Timings,
}

impl Refused {
    /// Whether another seed may be cleared. A request that is refused as such is refused with any seed, and so is a
    /// picture that is too close by what the mask keeps of it.
    pub fn may_be_chance(&self, policy: &PolicySet) -> bool {
        self.origin.is_some() && !self.kept_too_much(policy)
    }

    /// Whether the draft is too close because of what the mask keeps, so that no other seed helps.
    pub fn kept_too_much(&self, policy: &PolicySet) -> bool {
        let varied = self.origin.as_ref().and_then(Origin::record).and_then(|record| record.varied_share);
        let decides = self.deviation.is_some_and(|deviation| deviation.copied >= deviation.detail);
        let least = policy.limits().min_deviation;
        decides && varied.is_some_and(|varied| deviation::at_most(1.0 - varied) < least)
    }
}

/// A draft that would have been released.
#[derive(Clone, Debug)]
pub struct Trial {
    pub origin: Origin,
    pub deviation: Deviation,
    pub held: Held,
    pub timings: Timings,
}

/// Wall-clock milliseconds of each stage; zero for one that was not reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Timings {
    pub generate: f64,
    pub measure: f64,
    pub embed: f64,
    pub sign: f64,
    pub record: f64,
    pub publish: f64,
}

impl Timings {
    pub fn total(&self) -> f64 {
        self.generate + self.measure + self.embed + self.sign + self.record + self.publish
    }
}
