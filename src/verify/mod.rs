//! Is a picture AI-derived, from what, by whom, and is the evidence intact?
//!
//! Three layers and a hint: the signed manifest, the watermark in the pixels, what this workspace
//! remembers, and what unsigned metadata claims. Reading them is here; weighing them is `decide`.

mod archive;
mod decide;
mod evidence;
mod reasons;
mod recall;
mod report;
mod restore;
pub mod words;

pub use archive::Archive;
pub use decide::{
    CatalogEvidence, Confidence, Evidence, ManifestEvidence, Verdict, WatermarkEvidence, decide,
};
pub use evidence::{facts_agree, mark_agrees};
pub use recall::{Forgery, Kinship, Match, Memory, RecallError};
pub use report::{
    CatalogReport, ManifestReport, PayloadReport, Report, TagReport, TrustReport, WatermarkReport,
};
pub use restore::{RestoreError, restore};

use recall::Mark;

use crate::digest::Digest;
use crate::manifest::{self, ReadError, Reading};
use crate::metadata::{self, Claim};
use crate::raster::{self, DecodeError, Limits};
use crate::watermark::{self, Detection, Key, Keyring, Said, Search};

/// Why there is no verdict: it could not be found out.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    #[error(transparent)]
    Decode(#[from] DecodeError),
    #[error(transparent)]
    Recall(#[from] RecallError),
}

/// What one file shows, before it is weighed.
pub(crate) struct Findings {
    pub sha256: Digest,
    pub manifest: Result<Option<Reading>, ReadError>,
    pub detection: Option<Detection>,
    pub said: Option<Said>,
    pub memory: Option<Match>,
    pub claims: Vec<Claim>,
}

/// Examines `bytes`. Without a workspace there is no `memory`, and `anchors` may be empty.
///
/// Never writes, never asks a network, never panics on hostile bytes.
pub fn verify(
    bytes: &[u8],
    memory: Option<&Memory<'_>>,
    anchors: &[String],
    limits: &Limits,
) -> Result<Report, VerifyError> {
    let decoded = raster::decode(bytes, limits)?;
    // What is shown is what is judged: colours under full transparency say nothing.
    let raster = decoded.raster.flatten();
    let owner = memory.and_then(|memory| memory.watermark_key).map(Key::new);
    let keys = Keyring { public: &Key::public(), owner: owner.as_ref() };
    let detection = watermark::detect(&raster, keys, Search::Full);
    let said = detection.as_ref().and_then(|d| Said::read(&d.message).ok());
    let mark = said.as_ref().map(|said| Mark { said, ours: detection.as_ref().and_then(is_ours) });
    let sha256 = Digest::of(bytes);
    let recalled = match memory {
        Some(memory) => memory.recall(bytes, decoded.mime, &sha256, &raster, mark, anchors)?,
        None => None,
    };
    let findings = Findings {
        sha256,
        manifest: manifest::read(bytes, decoded.mime, anchors),
        detection,
        said,
        memory: recalled,
        claims: metadata::read(bytes),
    };
    let evidence = evidence::weigh(&findings);
    let (verdict, confidence) = decide(&evidence);
    Ok(report::write(findings, &evidence, verdict, confidence, memory.is_some()))
}

/// Whether a mark was made with the owner's key; `None` without that, or where it cannot be told.
fn is_ours(detection: &Detection) -> Option<bool> {
    detection.tag.and_then(|tag| tag.authentic())
}
