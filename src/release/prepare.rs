//! Bytes to reference: decode, and look for marks that are there already.

use crate::deviation::{self, Fingerprint};
use crate::digest::Digest;
use crate::manifest;
use crate::raster::{self, DecodeError, Limits, Raster};
use crate::watermark::{self, Payload};

/// A picture that variations are made from.
pub struct Reference {
    /// Name for people; never a path.
    pub title: String,
    /// The file as it came.
    pub bytes: Vec<u8>,
    /// Digest of the file: the source hash that manifest and watermark state.
    pub sha256: Digest,
    /// Upright sRGB or grey pixels, over white where they were transparent.
    pub raster: Raster,
    /// Digest of `raster`.
    pub pixels: Digest,
    /// Name of the file's format.
    pub format_name: &'static str,
    pub mime: &'static str,
    pub fingerprint: Fingerprint,
    /// What the reference's own manifest says, if it has one that can be read.
    pub manifest: Option<manifest::Reading>,
    /// The reference's own watermark, if it has one: it is an output of ours, whatever its name.
    pub watermark: Option<Payload>,
}

/// The file cannot serve as a reference.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

impl Reference {
    /// Decodes `bytes` under `limits`. Marks that are there are read and kept; a manifest that cannot
    /// be read does not stop the work, since the reference travels as an ingredient either way.
    pub fn prepare(
        title: String,
        bytes: Vec<u8>,
        limits: &Limits,
        anchors: &[String],
    ) -> Result<Self, PrepareError> {
        let decoded = raster::decode(&bytes, limits)?;
        let raster = decoded.raster.flatten();
        let manifest = manifest::read(&bytes, decoded.mime, anchors).ok().flatten();
        let watermark = watermark::detect(&raster, &watermark::Key::public())
            .and_then(|found| Payload::from_message(found.message).ok());
        Ok(Reference {
            title,
            sha256: Digest::of(&bytes),
            pixels: raster.digest(),
            fingerprint: deviation::fingerprint(&raster),
            format_name: decoded.format_name,
            mime: decoded.mime,
            bytes,
            raster,
            manifest,
            watermark,
        })
    }

    /// What a manifest may call it: file names can be private.
    pub fn public_title(&self) -> String {
        format!("reference {}", self.sha256.short(16))
    }
}
