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

/// Deviation below which two pictures are taken to be the same one.
const SAME_PICTURE: f64 = 0.5;

/// Quality of the perceptual hash below which a picture shows too little to be compared.
const LEAST_QUALITY: u8 = 20;

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
    /// The watermark of a released output; whether it is its picture could not be found out.
    Unconfirmed,
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
            Kinship::Watermark | Kinship::Unconfirmed | Kinship::CopiedMark => Some("watermark"),
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
            Kinship::Unconfirmed | Kinship::CopiedMark | Kinship::Reference => None,
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
            let (same_picture, deviation) = self.compare(&asset, raster)?;
            let kinship = match same_picture {
                _ if !same_strength => Kinship::CopiedMark,
                Some(true) => Kinship::Watermark,
                Some(false) => Kinship::CopiedMark,
                None => Kinship::Unconfirmed,
            };
            return Ok(Some((kinship, asset, deviation)));
        }
        let variants = deviation::variants(raster).map(|fingerprint| fingerprint.bits);
        if let Some((asset, _)) = self.catalog.nearest_output(&variants, RADIUS)? {
            let (same_picture, deviation) = self.compare(&asset, raster)?;
            if same_picture == Some(true) {
                return Ok(Some((Kinship::Perceptual, asset, deviation)));
            }
        }
        Ok(None)
    }

    /// Whether `raster` shows the recorded output, and how far it is from it; `None` where it cannot be told.
    ///
    /// An output may keep its reference's arrangement, so the reference looks like it, too: someone who puts
    /// the mark on the reference to discredit it is found out by the reference being nearer.
    fn compare(&self, output: &Asset, raster: &Raster) -> Result<(Option<bool>, Option<f64>), RecallError> {
        let own = self.distance(&output.sha256, raster);
        let Some(own) = own else { return Ok((None, None)) };
        let mut same = own < SAME_PICTURE;
        for reference in self.references(&output.id)? {
            same &= self.distance(&reference, raster).is_none_or(|other| own < other);
        }
        Ok((Some(same), Some(own)))
    }

    /// Deviation of `raster` from the picture in the store; `None` where that is lost, or where either shows
    /// too little to be compared.
    fn distance(&self, recorded: &Digest, raster: &Raster) -> Option<f64> {
        let bytes = self.objects.get(recorded).ok()?;
        let recorded = raster::decode(&bytes, &Limits::default()).ok()?.raster.flatten();
        let shows_much = |raster: &Raster| deviation::fingerprint(raster).quality >= LEAST_QUALITY;
        if !shows_much(&recorded) || !shows_much(raster) {
            return None;
        }
        deviation::measure(&recorded, raster).ok().map(|measured| measured.deviation)
    }

    fn references(&self, output: &str) -> Result<Vec<Digest>, RecallError> {
        let mut digests = Vec::new();
        for run in self.catalog.made_by(output)? {
            digests.extend(self.catalog.by_id(&run.reference)?.map(|asset| asset.sha256));
        }
        Ok(digests)
    }
}
