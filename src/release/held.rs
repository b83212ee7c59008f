//! What a draft is held against besides its own reference: every other reference on record, by the looks of all
//! and the measure of the nearest, and everything that its own reference comes from.

use rayon::prelude::*;
use serde::Serialize;

use super::error::ReleaseError;
use super::order::Desk;
use super::prepare::Reference;
use crate::catalog::{Asset, CatalogError, ComparisonEntry, NEAREST, Role, SearchEntry};
use crate::deviation::{self, Features, Fingerprint};
use crate::digest::Digest;
use crate::objects::{Derived, Objects};
use crate::policy::{Likeness, Other};
use crate::quantity::Deviation;
use crate::raster::{self, Limits, Raster};

/// How far beyond its policy's limit another picture is so far away that marking cannot bring it nearer than that.
const SAFE: f64 = 0.1;

/// References that are voted on at most, beside those that are compared anyway: those whose fingerprints are nearest.
const VOTED_ON: usize = 1000;
/// References that are compared because of a vote.
const ELECTED: usize = 4;

/// Everything that a draft was held against.
#[derive(Clone, Debug)]
pub struct Held {
    /// Number of the newest reference on record that was looked at: as many as there were.
    pub through: u64,
    /// Nearest first; those whose pictures are lost come last.
    pub compared: Vec<Compared>,
}

/// Another picture on record, and how far the draft is from it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Compared {
    pub asset: String,
    pub sha256: Digest,
    pub title: String,
    /// Differing bits of the fingerprints, of 256.
    pub distance: u32,
    /// `None` where its picture is lost, or shows too little to be measured.
    pub deviation: Option<Deviation>,
}

/// Holds `draft` against what is on record; what is `known` of it from an earlier search is not measured again.
pub(super) fn hold(
    desk: &Desk<'_>,
    reference: &Reference,
    draft: &Raster,
    known: &[Compared],
) -> Result<Held, ReleaseError> {
    let catalog = &*desk.catalog;
    // Asked first: what is added while we search is newer than what was looked at.
    let through = catalog.newest_reference()?;
    let variants = deviation::variants(draft);
    let mut compared = Vec::new();
    for (asset, distance) in candidates(desk, reference, draft, &variants)? {
        compared.push(Compared {
            asset: asset.id,
            sha256: asset.sha256,
            title: asset.title,
            distance,
            deviation: None,
        });
    }
    let objects = Objects::at(desk.workspace.objects());
    compared.par_iter_mut().for_each(|one| {
        let before = known.iter().find(|before| before.asset == one.asset);
        one.deviation = match before {
            Some(before) => before.deviation,
            None => {
                picture(&objects, &one.sha256).and_then(|picture| deviation::measure(&picture, draft).ok())
            }
        };
    });
    compared.sort_by_key(rank);
    Ok(Held { through, compared })
}

/// What is compared, with the distance of its fingerprint: everything that the reference comes from, then the
/// nearest of all references but for it, then those that a part of the draft may come from.
fn candidates(
    desk: &Desk<'_>,
    reference: &Reference,
    draft: &Raster,
    variants: &[Fingerprint; 16],
) -> Result<Vec<(Asset, u32)>, CatalogError> {
    let catalog = &*desk.catalog;
    let own = catalog.by_sha256(&reference.sha256)?.map(|asset| asset.id);
    let above = match (&own, reference.original(catalog, desk.workspace)?) {
        (Some(own), _) => catalog.ancestors(own)?,
        (None, Some(original)) => [vec![original.clone()], catalog.ancestors(&original)?].concat(),
        (None, None) => Vec::new(),
    };
    let mut ids: Vec<(String, u32)> = Vec::new();
    for id in above {
        let Some(bits) = catalog.fingerprint(&id)? else { continue };
        let recorded = Fingerprint { bits, quality: 0 };
        let distance = variants.iter().map(|variant| variant.hamming(&recorded)).min();
        ids.push((id, distance.unwrap_or(256)));
    }
    let not: Vec<String> = own.into_iter().chain(ids.iter().map(|(id, _)| id.clone())).collect();
    let near = catalog.nearest(Role::Reference, variants, NEAREST + VOTED_ON, &not)?;
    ids.extend(near.iter().take(NEAREST).map(|near| (near.asset.clone(), near.distance)));
    let with_asset = |ids: Vec<(String, u32)>| -> Result<Vec<(Asset, u32)>, CatalogError> {
        let mut found = Vec::new();
        for (id, distance) in ids {
            found.extend(catalog.by_id(&id)?.map(|asset| (asset, distance)));
        }
        Ok(found)
    };
    let mut found = with_asset(ids)?;
    let farther = near.into_iter().skip(NEAREST).map(|near| (near.asset, near.distance));
    found.extend(elected(desk, draft, with_asset(farther.collect())?));
    Ok(found)
}

/// Those of `farther` that a part of the draft may come from, by the vote of its local features.
fn elected(desk: &Desk<'_>, draft: &Raster, mut farther: Vec<(Asset, u32)>) -> Vec<(Asset, u32)> {
    if farther.is_empty() {
        return farther;
    }
    let objects = Objects::at(desk.workspace.objects());
    let derived = Derived::at(desk.workspace.derived());
    let of = |(asset, _): &(Asset, u32)| features_of(&objects, &derived, &asset.sha256);
    let known: Vec<Features> = farther.par_iter().map(of).collect();
    let votes = deviation::votes(&deviation::features(draft), &known);
    let mut order: Vec<usize> = (0..farther.len()).filter(|index| votes[*index] > 0.0).collect();
    order.sort_by(|a, b| votes[*b].total_cmp(&votes[*a]).then(a.cmp(b)));
    order.truncate(ELECTED);
    let mut index = 0..;
    farther.retain(|_| index.next().is_some_and(|index| order.contains(&index)));
    farther
}

/// The local features of a stored picture, computed once; none where it is lost.
fn features_of(objects: &Objects, derived: &Derived, sha256: &Digest) -> Features {
    if let Some(features) = derived.get(sha256).and_then(|bytes| Features::from_bytes(&bytes)) {
        return features;
    }
    match picture(objects, sha256) {
        Some(picture) => {
            let features = deviation::features(&picture);
            // Where it cannot be kept it is computed again the next time.
            let _ = derived.put(sha256, &features.to_bytes());
            features
        }
        None => Features::default(),
    }
}

impl Held {
    /// For the policy to judge.
    pub fn others(&self) -> Vec<Other> {
        self.compared.iter().map(|one| one.other(one.deviation)).collect()
    }

    /// The same of the `finished` picture, which marking changed a little: what was far away stays so.
    pub(super) fn others_of(&self, finished: &Raster, desk: &Desk<'_>) -> Vec<Other> {
        let objects = Objects::at(desk.workspace.objects());
        let safe = desk.policy.limits().min_deviation + SAFE;
        let again = |one: &Compared| match one.deviation {
            Some(before) if before.deviation < safe => picture(&objects, &one.sha256)
                .and_then(|picture| deviation::measure(&picture, finished).ok())
                .or(one.deviation),
            far_or_lost => far_or_lost,
        };
        self.compared.par_iter().map(|one| one.other(again(one))).collect()
    }

    pub(super) fn entry(&self) -> SearchEntry {
        let entry = |one: &Compared| ComparisonEntry {
            reference: one.asset.clone(),
            distance: one.distance,
            measure: deviation::MEASURE.to_owned(),
            deviation: one.deviation,
        };
        SearchEntry { through: self.through, compared: self.compared.iter().map(entry).collect() }
    }

    /// How many pictures are lost.
    pub fn lost(&self) -> usize {
        self.compared.iter().filter(|one| one.deviation.is_none()).count()
    }

    /// The nearest of those that were measured.
    pub fn nearest(&self) -> Option<(&Compared, &Deviation)> {
        self.compared.first().and_then(|one| Some((one, one.deviation.as_ref()?)))
    }
}

impl Compared {
    fn other(&self, deviation: Option<Deviation>) -> Other {
        let likeness = match deviation {
            Some(measured) => Likeness::Measured(measured.deviation),
            None => Likeness::Lost(self.distance),
        };
        Other { sha256: self.sha256, title: self.title.clone(), likeness }
    }
}

/// Figures are whole numbers of 1/10000.
fn rank(one: &Compared) -> (u32, u32, String) {
    let figure = one.deviation.map_or(u32::MAX, |measured| (measured.deviation * 10_000.0).round() as u32);
    (figure, one.distance, one.asset.clone())
}

/// What the stored file shows, if it is there whole.
fn picture(objects: &Objects, sha256: &Digest) -> Option<Raster> {
    let bytes = objects.get(sha256).ok()?;
    Some(raster::decode(&bytes, &Limits::default()).ok()?.raster.flatten())
}
