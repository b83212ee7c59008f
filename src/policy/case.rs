//! What is judged, and the proof that it was.

use time::Date;

use super::reason::Violation;
use crate::digest::Digest;
use crate::quantity::{Deviation, Strength};

/// What is known of a variation before anything is generated or measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// `None` for a picture that was made elsewhere at a strength that nobody knows.
    pub strength: Option<Strength>,
    /// Name of the engine, or of the tool that made it elsewhere.
    pub engine: String,
    /// What the picture is for, if it was said.
    pub purpose: Option<String>,
    /// 1 for a variation of an original, 2 for one of such a variation.
    pub generation: u32,
    /// Whether the output's format can carry the XMP label.
    pub xmp: bool,
    /// Whether there is an authority to ask for a time stamp.
    pub time_stamp: bool,
    /// The day of the decision, in UTC.
    pub today: Date,
}

/// A draft to be judged. Digests are of pixels.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    pub reference: Digest,
    pub draft: Digest,
    pub plan: Plan,
    /// From its own reference.
    pub deviation: Deviation,
    /// Share of the picture that the engine itself took from one place of the reference in one piece, in 0..=1: its match
    /// field is a second witness, which sees what was turned and bent. `None` where nobody knows.
    pub largest_copy: Option<f64>,
    /// Other pictures on record that it was held against.
    pub others: Vec<Other>,
}

/// Another picture on record.
#[derive(Clone, Debug, PartialEq)]
pub struct Other {
    /// Digest of its file.
    pub sha256: Digest,
    pub title: String,
    pub likeness: Likeness,
}

/// How a draft compares with another picture on record.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Likeness {
    /// Its deviation, in 0..=1.
    Measured(f64),
    /// The picture is lost; its fingerprint differs by so many bits.
    Lost(u32),
}

/// Proof that a draft was measured against its reference and found far enough by every policy that applies, or that two
/// people whom the others name lifted their measured limits for it.
///
/// Only [`PolicySet::judge`](super::PolicySet::judge) and [`PolicySet::lift`](super::PolicySet::lift) make one; whatever
/// marks or signs asks for it and compares the digests. Nobody else can, since its fields are private:
///
/// ```compile_fail,E0451
/// use vidimus::digest::Digest;
/// fn forge(case: vidimus::policy::Case) -> vidimus::policy::Cleared {
///     vidimus::policy::Cleared { case, policies: vec![Digest::of("no policy at all")], lifted: Vec::new() }
/// }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Cleared {
    case: Case,
    policies: Vec<Digest>,
    lifted: Vec<Violation>,
}

impl Cleared {
    pub(super) fn new(case: Case, policies: Vec<Digest>, lifted: Vec<Violation>) -> Self {
        Cleared { case, policies, lifted }
    }

    /// What two people released it in spite of; nothing for a draft that kept every limit.
    pub fn lifted(&self) -> &[Violation] {
        &self.lifted
    }

    /// Digest of the reference's pixels.
    pub fn reference(&self) -> Digest {
        self.case.reference
    }

    /// Digest of the draft's pixels.
    pub fn draft(&self) -> Digest {
        self.case.draft
    }

    /// Digests of the policies that cleared it, the named one first.
    pub fn policies(&self) -> &[Digest] {
        &self.policies
    }

    pub fn plan(&self) -> &Plan {
        &self.case.plan
    }

    pub fn deviation(&self) -> &Deviation {
        &self.case.deviation
    }
}
