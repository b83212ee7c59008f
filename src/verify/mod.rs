//! Is a picture AI-derived, from what, by whom, and is the evidence intact?
//!
//! Three layers and a hint: the signed manifest, the watermark in the pixels, what this workspace
//! remembers, and what unsigned metadata claims. Reading them is here; weighing them is `decide`.

mod again;
mod archive;
mod decide;
mod evidence;
mod foreign;
mod reasons;
mod recall;
mod report;
mod restore;
mod similar;
pub mod words;

pub use again::Unweighed;
pub(crate) use again::{Again, weigh_again};
pub use archive::Archive;
pub use decide::{
    CatalogEvidence, Confidence, Evidence, ManifestEvidence, Verdict, WatermarkEvidence, decide,
};
pub use evidence::{facts_agree, mark_agrees};
pub use foreign::Foreign;
pub use recall::{Forgery, Kinship, Match, Memory, RecallError};
pub use report::{
    CatalogReport, ManifestReport, PayloadReport, Report, TagReport, TrustReport, WatermarkReport,
};
pub use restore::{RestoreError, restore};
pub use similar::{Likeness, Similar};

use recall::Mark;

use crate::digest::Digest;
use crate::manifest::{self, ReadError, Reading};
use crate::metadata::{self, Claim};
use crate::raster::{self, DecodeError, Limits, Remark};
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
    /// The file that the manifest is from, if it is not from the picture's own.
    pub beside: Option<String>,
    pub detection: Option<Detection>,
    pub said: Option<Said>,
    pub memory: Option<Match>,
    pub claims: Vec<Claim>,
    pub remarks: Vec<Remark>,
}

/// A manifest store in a file of its own.
#[derive(Clone, Debug)]
pub struct Sidecar {
    /// What the file is called, for people.
    pub name: String,
    pub store: Vec<u8>,
    /// Whether it counts instead of what is in the picture's file; else it counts where there is nothing.
    pub instead: bool,
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
    verify_with(bytes, None, memory, anchors, limits)
}

/// The same with a manifest that lies elsewhere.
pub fn verify_with(
    bytes: &[u8],
    sidecar: Option<&Sidecar>,
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
    let (manifest, beside) = manifest_of(bytes, decoded.mime, sidecar, anchors);
    let findings = Findings {
        sha256,
        manifest,
        beside,
        detection,
        said,
        memory: recalled,
        claims: metadata::read(bytes),
        remarks: decoded.remarks,
    };
    let evidence = evidence::weigh(&findings);
    let (verdict, confidence) = decide(&evidence);
    Ok(report::write(findings, &evidence, verdict, confidence, memory.is_some()))
}

/// The manifest that counts, and the file it is from where that is another.
fn manifest_of(
    bytes: &[u8],
    mime: &str,
    sidecar: Option<&Sidecar>,
    anchors: &[String],
) -> (Result<Option<Reading>, ReadError>, Option<String>) {
    let own = || manifest::read(bytes, mime, anchors);
    let Some(sidecar) = sidecar else { return (own(), None) };
    let beside = || {
        let read = manifest::read_detached(&sidecar.store, bytes, mime, anchors).map(Some);
        (read, Some(sidecar.name.clone()))
    };
    if sidecar.instead {
        return beside();
    }
    match own() {
        Ok(None) | Err(ReadError::Format { .. } | ReadError::Remote { .. }) => beside(),
        found => (found, None),
    }
}

/// Whether a mark was made with the owner's key; `None` without that, or where it cannot be told.
fn is_ours(detection: &Detection) -> Option<bool> {
    detection.tag.and_then(|tag| tag.authentic())
}
