//! Pictures on record that look like one at hand, for people who search by looks.

use rayon::prelude::*;
use serde::Serialize;

use super::recall::{self, Memory, SAME_PICTURE};
use crate::catalog::{Asset, CatalogError, Role};
use crate::deviation::{self, Fingerprint};
use crate::raster::Raster;

/// Deviation below which two pictures have much in common, whatever their fingerprints; the least of any unrelated two
/// of the same style is 0.70 (docs/calibration.md).
const ALIKE: f64 = 0.65;
/// Bits of 256 below which two arrangements are alike; the nearest of the symmetries of an unrelated picture differs
/// by some 105.
const ALIKE_BITS: u32 = 90;

/// A picture on record, and how alike it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Similar {
    pub asset: Asset,
    pub likeness: Likeness,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Likeness {
    /// Bits of 256 by which the fingerprints differ, in the symmetry and tone that suit best.
    pub bits: u32,
    /// Deviation of the picture at hand from it; `None` where its file is lost, or where either shows too little.
    pub deviation: Option<f64>,
}

impl Likeness {
    /// Whether one may be a copy of the other.
    pub fn is_same_picture(self) -> bool {
        self.deviation.is_some_and(|deviation| deviation < SAME_PICTURE)
    }

    fn is_alike(self) -> bool {
        self.bits < ALIKE_BITS || self.deviation.is_some_and(|deviation| deviation < ALIKE)
    }
}

impl Memory<'_> {
    /// Outputs and references on record that look like `raster`, the likest first, `most` at most, without the asset
    /// `but`. Found by fingerprints, outputs by their Image-Codes as well, and measured as verification measures copies.
    ///
    /// # Errors
    /// When the catalog cannot be read.
    pub fn similar(
        &self,
        raster: &Raster,
        but: Option<&str>,
        most: usize,
    ) -> Result<Vec<Similar>, CatalogError> {
        let variants = deviation::variants(raster);
        let mut near = Vec::new();
        for role in [Role::Output, Role::Reference] {
            let ids = self.looking_like(raster, &variants, role, most + usize::from(but.is_some()))?;
            for id in ids.into_iter().filter(|id| Some(id.as_str()) != but) {
                let Some(asset) = self.catalog.by_id(&id)? else { continue };
                let Some(bits) = self.catalog.fingerprint(&id)? else { continue };
                let one = Fingerprint { bits, quality: 0 };
                let bits = variants.iter().map(|variant| variant.hamming(&one)).min().unwrap_or(256);
                near.push((asset, bits));
            }
        }
        let objects = self.objects;
        let measured = near.into_par_iter().map(|(asset, bits)| {
            let deviation = recall::distance(objects, &asset.sha256, raster);
            Similar { asset, likeness: Likeness { bits, deviation } }
        });
        let mut found: Vec<Similar> = measured.filter(|one| one.likeness.is_alike()).collect();
        // What cannot be measured stands where it stands by its fingerprint alone.
        let far = |one: &Similar| one.likeness.deviation.unwrap_or(f64::from(one.likeness.bits) / 128.0);
        found.sort_by(|a, b| {
            far(a)
                .total_cmp(&far(b))
                .then(a.likeness.bits.cmp(&b.likeness.bits))
                .then(a.asset.id.cmp(&b.asset.id))
        });
        found.truncate(most);
        Ok(found)
    }
}
