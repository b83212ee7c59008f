//! What this workspace remembers of a picture.

use crate::catalog::{Adoption, Asset, Catalog, CatalogError, Role};
use crate::deviation::{self, Fingerprint};
use crate::digest::Digest;
use crate::iscc::{self, ImageCode};
use crate::manifest::{self, IngredientReading, Reading, State};
use crate::objects::Objects;
use crate::raster::{self, Limits, Raster};
use crate::watermark::{Brief, Payload, Said};

use super::evidence::{mark_agrees, same_level};
use super::foreign::{self, Foreign};

/// Outputs that a picture is compared with for their looks. A crop or a turned copy may have any fingerprint, so
/// that no distance is too far where there are few of them.
const LOOKED_AT: usize = 4;

/// Deviation below which two pictures are taken to be the same one.
pub(super) const SAME_PICTURE: f64 = 0.5;

/// A figure may show an output beside its reference: both are in it, and which of them measures nearer is chance. A
/// reference alone is at least [`MIN_DEVIATION_FLOOR`](crate::policy::MIN_DEVIATION_FLOOR) from its output, so that this
/// much does not let it pass for one.
const AS_NEAR: f64 = 0.1;

/// Quality of the perceptual hash below which a picture shows too little to be compared.
const LEAST_QUALITY: u8 = 20;

/// An open workspace to ask.
pub struct Memory<'a> {
    pub catalog: &'a Catalog,
    pub objects: &'a Objects,
    /// The key of this workspace's tag beside the watermark, if it may be read.
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
    /// The watermark of a released output, on another picture.
    CopiedMark,
    /// A released output, with a watermark that is not its own: marked again since.
    ForeignMark,
    /// The watermark's id is that of a released output, but the mark is not.
    ForgedMark(Forgery),
    /// The looks of a released output.
    Perceptual,
    /// The bytes or pixels of a reference: not AI-derived by that.
    Reference,
    /// What another workspace signed and exported; whether a signer whom we trust says of this very picture that it
    /// was generated.
    Foreign(bool),
}

/// What gives a mark away as made up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forgery {
    /// The output was made at another strength.
    Strength,
    /// The output carries a mark of another level.
    Level,
    /// It was not made with this workspace's key.
    Key,
}

impl Kinship {
    pub(super) fn name(self) -> Option<&'static str> {
        match self {
            Kinship::Exact | Kinship::ForeignMark => Some("exact"),
            Kinship::Watermark | Kinship::Unconfirmed | Kinship::CopiedMark | Kinship::ForgedMark(_) => {
                Some("watermark")
            }
            Kinship::Perceptual => Some("perceptual"),
            Kinship::Reference | Kinship::Foreign(_) => None,
        }
    }
}

/// The asset on record that a picture is related to.
#[derive(Clone, Debug)]
pub struct Match {
    pub kinship: Kinship,
    pub asset: String,
    /// For an output that was made elsewhere.
    pub adopted: Option<Adoption>,
    /// Digests of the files it was made from.
    pub references: Vec<Digest>,
    /// Outputs made from it, if it is a reference.
    pub outputs: usize,
    /// Deviation of the picture at hand from the recorded one.
    pub deviation: Option<f64>,
    /// The manifest that the catalog gives back, read against the picture at hand.
    pub recovered: Option<Reading>,
    /// The archive that it came in, for one that was not released here.
    pub foreign: Option<Foreign>,
}

/// A mark that was found in a picture.
#[derive(Clone, Copy)]
pub(super) struct Mark<'a> {
    pub said: &'a Said,
    /// Whether it was made with this workspace's key, where that can be told.
    pub ours: Option<bool>,
}

type Found = Option<(Kinship, Asset, Option<f64>)>;

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
        mark: Option<Mark<'_>>,
        anchors: &[String],
    ) -> Result<Option<Match>, RecallError> {
        let exact = match self.catalog.by_sha256(sha256)? {
            Some(asset) => Some(asset),
            None => self.catalog.by_pixels(&raster.digest())?,
        };
        let found = match exact {
            Some(asset) if asset.role == Role::Output => {
                // An exact copy may have been marked again by someone else since: the mark has to be its own.
                let own = self.catalog.facts(&asset.id)?;
                let is_own = |mark: Mark<'_>| own.is_some_and(|own| mark_agrees(mark.said, &own));
                let foreign = mark.is_some_and(|mark| !is_own(mark));
                let kinship = if foreign { Kinship::ForeignMark } else { Kinship::Exact };
                Some((kinship, asset, None))
            }
            other => match self.by_mark_or_looks(raster, mark)? {
                Some(found) => Some(found),
                None => other.map(|asset| (Kinship::Reference, asset, None)),
            },
        };
        let Some((kinship, asset, deviation)) = found else {
            return Ok(foreign::recall(self.catalog, bytes, mime, raster, mark, anchors)?);
        };
        let recovered = match kinship {
            Kinship::Exact | Kinship::Watermark | Kinship::Perceptual => self
                .catalog
                .manifest_store(&asset.id)?
                .and_then(|store| manifest::read_detached(&store, bytes, mime, anchors).ok()),
            Kinship::Unconfirmed
            | Kinship::CopiedMark
            | Kinship::ForeignMark
            | Kinship::ForgedMark(_)
            | Kinship::Reference
            | Kinship::Foreign(_) => None,
        };
        Ok(Some(Match {
            kinship,
            adopted: self.catalog.facts(&asset.id)?.and_then(|facts| facts.adopted),
            references: self.references(&asset.id)?,
            outputs: self.catalog.made_from(&asset.id)?.iter().filter(|run| run.output.is_some()).count(),
            deviation,
            recovered,
            foreign: None,
            asset: asset.id,
        }))
    }

    /// The output of ours that `raster` is a copy of, whatever its file is called: by its pixels, by its watermark,
    /// by a manifest that names ours as what it is an edit of, by its looks; in this order.
    pub(crate) fn original(
        &self,
        raster: &Raster,
        said: Option<&Said>,
        manifest: Option<&Reading>,
    ) -> Result<Option<Asset>, CatalogError> {
        let exact = self.catalog.by_pixels(&raster.digest())?;
        if let Some(output) = exact.filter(|asset| asset.role == Role::Output) {
            return Ok(Some(output));
        }
        let marked = match said {
            Some(said) => self.by_mark(raster, Mark { said, ours: None })?,
            None => None,
        };
        // One that was copied onto another picture says nothing of it. One whose output is lost may be right.
        if let Some((Kinship::Watermark | Kinship::Unconfirmed, asset, _)) = marked {
            return Ok(Some(asset));
        }
        for label in manifest.map(labels).unwrap_or_default() {
            if let Some(output) = self.catalog.by_manifest(label)? {
                return Ok(Some(output));
            }
        }
        Ok(self.by_looks(raster)?.map(|(_, asset, _)| asset))
    }

    fn by_mark_or_looks(&self, raster: &Raster, mark: Option<Mark<'_>>) -> Result<Found, CatalogError> {
        if let Some(mark) = mark
            && let Some(found) = self.by_mark(raster, mark)?
        {
            return Ok(Some(found));
        }
        self.by_looks(raster)
    }

    /// The output that `raster` shows, among those whose fingerprints, or Image-Codes, are nearest.
    fn by_looks(&self, raster: &Raster) -> Result<Found, CatalogError> {
        for id in self.looking_like(raster, &deviation::variants(raster), Role::Output, LOOKED_AT)? {
            let Some(asset) = self.catalog.by_id(&id)? else { continue };
            let (same_picture, deviation) = self.compare(&asset, raster)?;
            if same_picture == Some(true) {
                return Ok(Some((Kinship::Perceptual, asset, deviation)));
            }
        }
        Ok(None)
    }

    /// Pictures of `role` whose fingerprints are nearest to the `variants` of `raster`, `count` at most, then outputs whose
    /// Image-Codes are, as many again.
    pub(super) fn looking_like(
        &self,
        raster: &Raster,
        variants: &[Fingerprint; 16],
        role: Role,
        count: usize,
    ) -> Result<Vec<String>, CatalogError> {
        let near = self.catalog.nearest(role, variants, count, &[])?;
        let mut candidates: Vec<String> =
            near.into_iter().filter(|near| near.quality >= LEAST_QUALITY).map(|near| near.asset).collect();
        // The variants have the quality of the picture itself.
        if role == Role::Output && variants[0].quality >= LEAST_QUALITY {
            let alike = self.catalog.by_image_code(&ImageCode::of(raster), iscc::NEAR, count)?;
            candidates.extend(alike.into_iter().filter(|id| !candidates.contains(id)).collect::<Vec<_>>());
        }
        Ok(candidates)
    }

    fn by_mark(&self, raster: &Raster, mark: Mark<'_>) -> Result<Found, CatalogError> {
        match mark.said {
            Said::Whole(payload) => self.by_whole(raster, mark, payload),
            Said::Brief(brief) => self.by_brief(raster, mark, brief),
        }
    }

    /// A whole payload names one output.
    fn by_whole(&self, raster: &Raster, mark: Mark<'_>, payload: &Payload) -> Result<Found, CatalogError> {
        let Some(asset) = self.catalog.by_watermark(payload.source_prefix(), payload.nonce())? else {
            return Ok(None);
        };
        let (same_picture, deviation) = self.compare(&asset, raster)?;
        let forgery = match self.catalog.facts(&asset.id)? {
            Some(facts) if !same_level(mark.said, &facts) => Some(Forgery::Level),
            Some(facts) if mark.said.is_strength(facts.witnessed_strength()) => {
                (mark.ours == Some(false)).then_some(Forgery::Key)
            }
            _ => Some(Forgery::Strength),
        };
        let kinship = match (forgery, same_picture) {
            (Some(forgery), _) => Kinship::ForgedMark(forgery),
            (None, Some(true)) => Kinship::Watermark,
            (None, Some(false)) => Kinship::CopiedMark,
            (None, None) => Kinship::Unconfirmed,
        };
        Ok(Some((kinship, asset, deviation)))
    }

    /// A brief may be that of several outputs, so the looks choose among them. One that is not ours and looks
    /// like none of them was made elsewhere, from the same source.
    fn by_brief(&self, raster: &Raster, mark: Mark<'_>, brief: &Brief) -> Result<Found, CatalogError> {
        let mut nearest: Found = None;
        for asset in self.catalog.by_brief(brief.source_prefix())? {
            let facts = self.catalog.facts(&asset.id)?;
            if !facts.is_some_and(|facts| mark.said.is_strength(facts.witnessed_strength())) {
                continue;
            }
            let (same_picture, deviation) = self.compare(&asset, raster)?;
            let kinship = match same_picture {
                Some(true) if mark.ours == Some(false) => Kinship::ForgedMark(Forgery::Key),
                Some(true) => Kinship::Watermark,
                Some(false) => Kinship::CopiedMark,
                None => Kinship::Unconfirmed,
            };
            if same_picture == Some(true) {
                return Ok(Some((kinship, asset, deviation)));
            }
            // One that cannot be compared may be the one.
            let far = |deviation: Option<f64>| deviation.unwrap_or(-1.0);
            if nearest.as_ref().is_none_or(|(_, _, other)| far(deviation) < far(*other)) {
                nearest = Some((kinship, asset, deviation));
            }
        }
        Ok(nearest.filter(|_| mark.ours != Some(false)))
    }

    /// Whether `raster` shows the recorded output, and how far it is from it; `None` where it cannot be told.
    ///
    /// An output may keep its reference's arrangement, so the reference looks like it, too: someone who puts
    /// the mark on the reference to discredit it is found out by the reference being nearer, and not by chance.
    fn compare(&self, output: &Asset, raster: &Raster) -> Result<(Option<bool>, Option<f64>), CatalogError> {
        let own = distance(self.objects, &output.sha256, raster);
        let Some(own) = own else { return Ok((None, None)) };
        let mut same = own < SAME_PICTURE;
        if !same {
            return Ok((Some(false), Some(own)));
        }
        for reference in self.references(&output.id)? {
            same &= distance(self.objects, &reference, raster).is_none_or(|other| own < other + AS_NEAR);
        }
        Ok((Some(same), Some(own)))
    }

    fn references(&self, output: &str) -> Result<Vec<Digest>, CatalogError> {
        let mut digests = Vec::new();
        for run in self.catalog.made_by(output)? {
            digests.extend(self.catalog.by_id(&run.reference)?.map(|asset| asset.sha256));
        }
        Ok(digests)
    }
}

/// Deviation of `raster` from the picture in the store; `None` where that is lost, or where either shows too little to
/// be compared.
pub(super) fn distance(objects: &Objects, recorded: &Digest, raster: &Raster) -> Option<f64> {
    let bytes = objects.get(recorded).ok()?;
    let recorded = raster::decode(&bytes, &Limits::default()).ok()?.raster.flatten();
    let shows_much = |raster: &Raster| deviation::fingerprint(raster).quality >= LEAST_QUALITY;
    if !shows_much(&recorded) || !shows_much(raster) {
        return None;
    }
    deviation::measure(&recorded, raster).ok().map(|measured| measured.deviation)
}

/// Labels of the manifest of a file and of those that it is an edit of, as far as they hold.
fn labels(reading: &Reading) -> Vec<&str> {
    fn below<'a>(ingredient: &'a IngredientReading, found: &mut Vec<&'a str>) {
        let parent = ingredient.relationship == "parentOf";
        if parent && ingredient.state.is_some_and(|state| state != State::Invalid) {
            found.extend(ingredient.label.as_deref());
            ingredient.ingredients.iter().for_each(|deeper| below(deeper, found));
        }
    }
    if !reading.holds() {
        return Vec::new();
    }
    let mut found = vec![reading.label.as_str()];
    reading.ingredients.iter().for_each(|ingredient| below(ingredient, &mut found));
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Agreement;

    fn ingredient(label: &str, relationship: &str, state: State) -> IngredientReading {
        IngredientReading {
            title: None,
            relationship: relationship.into(),
            label: Some(label.into()),
            state: Some(state),
            failures: Vec::new(),
            digital_source_type: None,
            created: None,
            derivation: None,
            agreement: Agreement::Absent,
            ingredients: Vec::new(),
        }
    }

    #[test]
    fn a_manifest_leads_to_what_its_file_is_an_edit_of_and_to_nothing_else() {
        let mut edit = ingredient("edit", "parentOf", State::Valid);
        edit.ingredients = vec![
            ingredient("ours", "parentOf", State::Trusted),
            ingredient("part", "componentOf", State::Trusted),
            ingredient("broken", "parentOf", State::Invalid),
        ];
        let mut reading = Reading {
            ingredients: vec![edit, ingredient("input", "inputTo", State::Trusted)],
            ..Reading::silent("file", State::Valid)
        };
        assert_eq!(labels(&reading), ["file", "edit", "ours"]);
        reading.agreement = Agreement::Differ;
        assert_eq!(labels(&reading), [""; 0], "it does not hold");
    }
}
