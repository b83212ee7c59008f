//! Why a journey could not be finished.

use std::io;
use std::path::PathBuf;

use crate::catalog::CatalogError;
use crate::deviation::MeasureError;
use crate::generate::GenerateError;
use crate::manifest::{ReadError, SignError};
use crate::metadata::LabelError;
use crate::objects::ObjectError;
use crate::raster::{DecodeError, EncodeError};
use crate::settings::SettingsError;
use crate::watermark::{Copy, EmbedError, PayloadError};

/// Nothing was released, but for [`ReleaseError::Publish`], which says where the release is.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    #[error("{width}×{height} pixels are too small to be marked: at least {limit} on the short side")]
    TooSmall { width: u32, height: u32, limit: u32 },
    #[error("{}: already exists", path.display())]
    OutputExists { path: PathBuf },
    #[error("{}: is the manifest of another picture: expected a name whose .c2pa is free", path.display())]
    OthersManifest { path: PathBuf },
    #[error("{}: cannot be written there: {}", path.display(), reason(source))]
    Unwritable { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Generate(#[from] GenerateError),
    #[error(transparent)]
    Measure(#[from] MeasureError),
    #[error(transparent)]
    Embed(#[from] EmbedError),
    #[error(transparent)]
    Payload(#[from] PayloadError),
    #[error("cannot mark reliably: down to {psnr_db:.1} dB the watermark could not be read back from {copy}")]
    Unmarkable { psnr_db: f64, copy: Copy },
    #[error(transparent)]
    Encode(#[from] EncodeError),
    #[error("the encoded output does not decode: {0}")]
    Decode(#[from] DecodeError),
    #[error(transparent)]
    Label(#[from] LabelError),
    #[error(transparent)]
    Sign(#[from] SignError),
    #[error("the signed output does not read back: {0}")]
    ReadBack(#[from] ReadError),
    #[error("the signed output does not read back as it was signed: {fault}")]
    Unfaithful { fault: String },
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    #[error(transparent)]
    Object(#[from] ObjectError),
    #[error(
        "run {run} was refused with no draft that could be released: expected the id of a refusal that kept its draft"
    )]
    NothingToOverride { run: String },
    #[error(
        "this is another draft than that of run {run}: expected the same reference, seed, strength, engine and size"
    )]
    OtherDraft { run: String },
    #[error("the draft of run {run} was released by override before: each draft leaves once")]
    AlreadyOverridden { run: String },
    #[error(
        "run {run} was refused under other policies than those that apply now: expected the same files, byte for byte"
    )]
    OtherPolicies { run: String },
    #[error(
        "the policy requires a time stamp of an authority that is trusted here, and this one is by {authority}, whom nobody here vouches for; nothing is released"
    )]
    AuthorityUntrusted { authority: String },
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error("the policy requires the prompt: it cannot be withheld")]
    PromptRequired,
    #[error("every watermark id for this source is taken")]
    NoFreeId,
    #[error("recorded as {asset_id}, but {} could not be written: {}", path.display(), reason(source))]
    Publish { asset_id: String, path: PathBuf, source: io::Error },
}

/// The system's reason, without its number and without the name of a temporary file.
fn reason(error: &io::Error) -> String {
    error.kind().to_string()
}
