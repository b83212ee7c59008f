//! What this workspace remembers of a picture.

use crate::catalog::{Asset, Catalog, CatalogError, Role};
use crate::deviation;
use crate::digest::Digest;
use crate::manifest::{self, Reading};
use crate::objects::Objects;
use crate::raster::{self, Limits, Raster};
use crate::watermark::{self, Payload};

use super::evidence::same_strength;

/// Hamming distance (of 256 bits) up to which a perceptual hash is a candidate: PDQ's usual radius.
const RADIUS: u32 = 31;

/// Deviation or arrangement below which two pictures are taken to be the same one.
const SAME_PICTURE: f64 = 0.5;

/// An open workspace to ask.
pub struct Memory<'a> {
    pub catalog: &'a Catalog,
    pub objects: &'a Objects,
    /// The key that makes the nonces of this workspace's watermarks, if it may be read.
    pub watermark_key: Option<[u8; 32]>,
}

/// How a picture is related to one on record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kinship {
    /// The bytes or the pixels of a released output.
    Exact,
    /// The watermark of a released output, and its picture.
    Watermark,
    /// The watermark of a released output, on another picture or with another strength.
    CopiedMark,
    /// The looks of a released output.
    Perceptual,
    /// The bytes or pixels of a reference: not AI-derived by that.
    Reference,
}

impl Kinship {
    pub(super) fn name(self) -> Option<&'static str> {
        match self {
            Kinship::Exact => Some("exact"),
            Kinship::Watermark | Kinship::CopiedMark => Some("watermark"),
            Kinship::Perceptual => Some("perceptual"),
            Kinship::Reference => None,
        }
    }
}

/// The asset on record that a picture is related to.
#[derive(Clone, Debug)]
pub struct Match {
    pub kinship: Kinship,
    pub asset: String,
    /// Digests of the files it was made from.
    pub references: Vec<Digest>,
    /// Outputs made from it, if it is a reference.
    pub outputs: usize,
    /// Strength on record.
    pub strength: Option<f64>,
    /// Deviation of the picture at hand from the recorded one.
    pub deviation: Option<f64>,
    /// Whether the nonce of its mark is one that this workspace's key made; `None` without the key.
    pub authentic: Option<bool>,
    /// The manifest that the catalog gives back, read against the picture at hand.
    pub recovered: Option<Reading>,
}

/// The catalog could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum RecallError {
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

impl Memory<'_> {
    /// Asks by bytes, by pixels, by watermark and by looks, in this order.
    pub(super) fn recall(
        &self,
        bytes: &[u8],
        mime: &str,
        sha256: &Digest,
        raster: &Raster,
        payload: Option<&Payload>,
        anchors: &[String],
    ) -> Result<Option<Match>, RecallError> {
        let exact = match self.catalog.by_sha256(sha256)? {
            Some(asset) => Some(asset),
            None => self.catalog.by_pixels(&raster.digest())?,
        };
        let found = match exact {
            Some(asset) if asset.role == Role::Output => {
                // An exact copy may have been marked again by someone else since: the mark has to be its own.
                let own = self.catalog.facts(&asset.id)?.and_then(|facts| facts.payload_id);
                let foreign = payload.is_some_and(|payload| own.as_deref() != Some(payload.id().as_str()));
                let kinship = if foreign { Kinship::CopiedMark } else { Kinship::Exact };
                Some((kinship, asset, None))
            }
            other => match self.by_mark_or_looks(raster, payload)? {
                Some(found) => Some(found),
                None => other.map(|asset| (Kinship::Reference, asset, None)),
            },
        };
        let Some((kinship, asset, deviation)) = found else { return Ok(None) };
        let recovered = match kinship {
            Kinship::Exact | Kinship::Watermark | Kinship::Perceptual => self
                .catalog
                .manifest_store(&asset.id)?
                .and_then(|store| manifest::read_detached(&store, bytes, mime, anchors).ok()),
            Kinship::CopiedMark | Kinship::Reference => None,
        };
        let facts = self.catalog.facts(&asset.id)?;
        Ok(Some(Match {
            kinship,
            references: self.references(&asset.id)?,
            outputs: self.catalog.made_from(&asset.id)?.iter().filter(|run| run.output.is_some()).count(),
            strength: facts.as_ref().map(|facts| facts.strength),
            deviation,
            authentic: match (self.watermark_key, facts, payload) {
                (Some(key), Some(facts), Some(payload)) => {
                    Some(watermark::is_nonce_of(&key, &facts.draft_sha256, payload.nonce()))
                }
                _ => None,
            },
            recovered,
            asset: asset.id,
        }))
    }

    fn by_mark_or_looks(
        &self,
        raster: &Raster,
        payload: Option<&Payload>,
    ) -> Result<Option<(Kinship, Asset, Option<f64>)>, RecallError> {
        if let Some(payload) = payload
            && let Some(asset) = self.catalog.by_watermark(payload.source_prefix(), payload.nonce())?
        {
            let same_strength =
                self.catalog.facts(&asset.id)?.is_some_and(|facts| same_strength(payload, facts.strength));
            let (same_picture, deviation) = self.compare(&asset, raster);
            // Where the recorded picture is lost there is nothing to compare with: the mark has to do.
            let kinship = if same_strength && same_picture != Some(false) {
                Kinship::Watermark
            } else {
                Kinship::CopiedMark
            };
            return Ok(Some((kinship, asset, deviation)));
        }
        let variants = deviation::variants(raster).map(|fingerprint| fingerprint.bits);
        if let Some((asset, _)) = self.catalog.nearest_output(&variants, RADIUS)? {
            let (same_picture, deviation) = self.compare(&asset, raster);
            if same_picture == Some(true) {
                return Ok(Some((Kinship::Perceptual, asset, deviation)));
            }
        }
        Ok(None)
    }

    /// Whether `raster` shows the recorded picture, and how far it is from it; `None` where it cannot be told.
    fn compare(&self, asset: &Asset, raster: &Raster) -> (Option<bool>, Option<f64>) {
        let recorded = self
            .objects
            .get(&asset.sha256)
            .ok()
            .and_then(|bytes| raster::decode(&bytes, &Limits::default()).ok());
        let Some(recorded) = recorded else { return (None, None) };
        match deviation::measure(&recorded.raster, raster) {
            Ok(measured) => {
                let same = measured.deviation < SAME_PICTURE || measured.composition < SAME_PICTURE;
                (Some(same), Some(measured.deviation))
            }
            Err(_) => (None, None),
        }
    }

    fn references(&self, output: &str) -> Result<Vec<Digest>, RecallError> {
        let mut digests = Vec::new();
        for run in self.catalog.made_by(output)? {
            digests.extend(self.catalog.by_id(&run.reference)?.map(|asset| asset.sha256));
        }
        Ok(digests)
    }
}
