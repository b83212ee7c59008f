//! Bytes to reference: decode, and look for marks that are there already.

use std::sync::OnceLock;

use crate::catalog::{Catalog, CatalogError};
use crate::deviation::{self, Fingerprint, MeasureError};
use crate::digest::Digest;
use crate::manifest::{self, ReadError};
use crate::objects::Objects;
use crate::quantity::Deviation;
use crate::raster::{self, DecodeError, Kernel, Limits, Plane, Raster, Remark, resize};
use crate::verify::Memory;
use crate::watermark::{self, Key, Keyring, Said, Search};
use crate::workspace::Workspace;

/// A picture that variations are made from.
pub struct Reference {
    /// Name for people; never a path.
    pub title: String,
    /// The file as it came.
    pub bytes: Vec<u8>,
    /// Digest of the file: the source hash that manifest and watermark state.
    pub sha256: Digest,
    /// Upright sRGB or grey pixels, over white where they were transparent: what outputs are compared with.
    pub raster: Raster,
    /// The same made larger, if it was too small to be drawn from.
    pub enlarged: Option<Raster>,
    /// Digest of `raster`.
    pub pixels: Digest,
    /// Name of the file's format.
    pub format_name: &'static str,
    pub mime: &'static str,
    pub fingerprint: Fingerprint,
    /// The reference's own manifest store, where it came beside the file.
    pub store: Option<Vec<u8>>,
    /// What was chosen for it while decoding, such as one page of several.
    pub remarks: Vec<Remark>,
    /// What the reference's own manifest says, if it has one that can be read.
    pub manifest: Option<manifest::Reading>,
    /// What the reference's own watermark says, if it has one: it may be an output of ours, whatever its name.
    pub watermark: Option<Said>,
    /// Asked once: several variations are made of it.
    original: OnceLock<Option<String>>,
    /// What drafts are measured by, once one was.
    known: OnceLock<deviation::Prepared>,
}

/// The file cannot serve as a reference.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    #[error(transparent)]
    Decode(#[from] DecodeError),
    #[error("{width}×{height} pixels are too small to be enlarged: at least {limit} on the short side")]
    Enlarge { width: u32, height: u32, limit: u32 },
}

/// Short side of a reference that was enlarged.
const ENLARGED_SIDE: u32 = 256;
/// A fourth of that: below it an enlargement would be nothing but blur.
const LEAST_ENLARGED_SIDE: u32 = 64;

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
        let keys = Keyring { public: &Key::public(), owner: None };
        let watermark =
            watermark::detect(&raster, keys, Search::Full).and_then(|found| Said::read(&found.message).ok());
        Ok(Reference {
            title,
            sha256: Digest::of(&bytes),
            pixels: raster.digest(),
            fingerprint: deviation::fingerprint(&raster),
            format_name: decoded.format_name,
            mime: decoded.mime,
            bytes,
            raster,
            enlarged: None,
            store: None,
            remarks: decoded.remarks,
            manifest,
            watermark,
            original: OnceLock::new(),
            known: OnceLock::new(),
        })
    }

    /// Keeps the manifest store that came beside the file, and says whether: one that was made for another file is
    /// nothing of this one.
    pub fn take_store(&mut self, store: Vec<u8>, anchors: &[String]) -> Result<bool, ReadError> {
        let reading = manifest::read_detached(&store, &self.bytes, self.mime, anchors)?;
        let its_own = !reading.content_differs();
        if its_own {
            self.manifest = Some(reading);
            self.store = Some(store);
        }
        Ok(its_own)
    }

    /// Id of the output of ours that the file is a copy of; `None` for what is on record itself.
    pub fn original(&self, catalog: &Catalog, workspace: &Workspace) -> Result<Option<String>, CatalogError> {
        if let Some(original) = self.original.get() {
            return Ok(original.clone());
        }
        let found = match catalog.by_sha256(&self.sha256)? {
            Some(_) => None,
            None => {
                let objects = Objects::at(workspace.objects());
                let memory = Memory { catalog, objects: &objects, watermark_key: None };
                memory.original(&self.raster, self.watermark.as_ref(), self.manifest.as_ref())?
            }
        };
        let found = found.map(|asset| asset.id);
        Ok(self.original.get_or_init(|| found).clone())
    }

    /// The same reference, drawn from at a short side of 256 pixels if it has fewer. What is recorded, and
    /// what outputs are compared with, stays the file's own picture.
    pub fn enlarge(mut self) -> Result<Self, PrepareError> {
        let (width, height) = (self.raster.width(), self.raster.height());
        let short = width.min(height);
        if short < LEAST_ENLARGED_SIDE {
            return Err(PrepareError::Enlarge { width, height, limit: LEAST_ENLARGED_SIDE });
        }
        if short < ENLARGED_SIDE {
            let scaled = |side: u32| {
                let (side, short) = (u64::from(side), u64::from(short));
                ((side * u64::from(ENLARGED_SIDE) + short / 2) / short) as usize
            };
            let planes = self.raster.planes();
            let larger: Vec<Plane> = planes
                .iter()
                .map(|plane| resize(plane, scaled(width), scaled(height), Kernel::Lanczos))
                .collect();
            self.enlarged = Some(Raster::from_planes(&larger, self.raster.depth()));
        }
        Ok(self)
    }

    /// How far `output` is from it. What does not depend on the output is computed once.
    pub fn measure(&self, output: &Raster) -> Result<Deviation, MeasureError> {
        let known = match self.known.get() {
            Some(known) => known,
            None => {
                let prepared = deviation::Prepared::of(&self.raster)?;
                self.known.get_or_init(|| prepared)
            }
        };
        known.measure(output)
    }

    /// What engines draw from.
    pub fn canvas(&self) -> &Raster {
        self.enlarged.as_ref().unwrap_or(&self.raster)
    }

    /// What a manifest may call it: file names can be private.
    pub fn public_title(&self) -> String {
        format!("reference {}", self.sha256.short(16))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raster::{Channels, Format, Samples};

    fn prepared(width: u32, height: u32) -> Reference {
        let samples = Samples::Eight((0..width * height).map(|i| (i * 7 % 251) as u8).collect());
        let raster = Raster::new(width, height, Channels::Grey, samples, None);
        let png = raster::encode(&raster, Format::Png, 90).expect("it encodes");
        Reference::prepare("small.png".into(), png, &Limits::default(), &[]).expect("a picture")
    }

    #[test]
    fn a_small_reference_is_drawn_from_enlarged_and_stays_what_it_is() {
        let plain = prepared(150, 100);
        assert_eq!((plain.canvas().width(), plain.canvas().height()), (150, 100));
        let (sha256, pixels) = (plain.sha256, plain.pixels);
        let enlarged = plain.enlarge().expect("large enough");
        assert_eq!((enlarged.canvas().width(), enlarged.canvas().height()), (384, 256));
        assert_eq!((enlarged.sha256, enlarged.pixels), (sha256, pixels));
        assert_eq!(enlarged.raster.digest(), pixels);
        let large = prepared(256, 300).enlarge().expect("large enough");
        assert_eq!((large.canvas().width(), large.canvas().height()), (256, 300));
    }

    #[test]
    fn a_tiny_reference_is_not_enlarged() {
        let refused = prepared(90, 63).enlarge().err().expect("63 < 64").to_string();
        assert_eq!(refused, "90×63 pixels are too small to be enlarged: at least 64 on the short side");
    }
}
