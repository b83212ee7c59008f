//! What a release was judged by, asked once more: of the released picture, or of a copy of it.

use crate::catalog::{Catalog, CatalogError, Derived};
use crate::deviation;
use crate::objects::Objects;
use crate::policy::{Likeness, MIN_DEVIATION_FLOOR, Other, Policy, PolicySet, Refusal};
use crate::quantity::Deviation;
use crate::raster::{self, Limits, Raster};

/// One of the runs that a picture is on record as the output of, and what its policies say now.
pub(crate) struct Again {
    pub run: Derived,
    /// One for each policy that would refuse it.
    pub refusals: Vec<Refusal>,
    /// Why that is not all that was to be asked.
    pub unweighed: Option<Unweighed>,
}

/// What a picture could not be held against.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unweighed {
    #[error("a policy that decided cannot be read")]
    Policy,
    #[error("its reference {asset} cannot be read from the store, or is too small to be measured")]
    Reference { asset: String },
    #[error(
        "{asset}, the nearest picture that it was compared with, cannot be read from the store, or is too small to be measured"
    )]
    Other { asset: String },
}

/// Holds `picture` against the policies, the reference and the nearest other picture of every run that made the output
/// `asset`. It may be nearer than a limit by `slack`, in each figure. What else policies ask is in the catalog's rows.
pub(crate) fn weigh_again(
    catalog: &Catalog,
    objects: &Objects,
    asset: &str,
    picture: &Raster,
    slack: f64,
) -> Result<Vec<Again>, CatalogError> {
    let runs = catalog.made_by(asset)?;
    runs.into_iter().map(|run| again(catalog, objects, run, picture, slack)).collect()
}

fn again(
    catalog: &Catalog,
    objects: &Objects,
    run: Derived,
    picture: &Raster,
    slack: f64,
) -> Result<Again, CatalogError> {
    let texts = catalog.judged_by(&run.run)?;
    let policies: Option<Vec<Policy>> = texts.iter().map(|text| Policy::parse(text).ok()).collect();
    let not = |run, why| Ok(Again { run, refusals: Vec::new(), unweighed: Some(why) });
    let Some(policies) = policies.filter(|policies| !policies.is_empty()) else {
        return not(run, Unweighed::Policy);
    };
    let Some((_, measured)) = held(catalog, objects, &run.reference, picture)? else {
        let asset = run.reference.clone();
        return not(run, Unweighed::Reference { asset });
    };
    let mut unweighed = None;
    let mut other = None;
    // One whose picture was lost then was judged by its fingerprint.
    if let Some(nearest) = catalog.comparisons(&run.run)?.into_iter().find(|one| one.deviation.is_some()) {
        other = held(catalog, objects, &nearest.asset, picture)?;
        if other.is_none() {
            unweighed = Some(Unweighed::Other { asset: nearest.asset });
        }
    }
    let others = |slack: f64| -> Vec<Other> {
        let others = other.iter().map(|(other, measured)| Other {
            likeness: Likeness::Measured(measured.deviation + slack),
            ..other.clone()
        });
        others.collect()
    };
    let eased = eased(&measured, slack);
    let mut refusals = Vec::new();
    for policy in policies {
        let policy = PolicySet::alone(policy);
        let Err(refusal) = policy.weigh(&eased, &others(slack)) else { continue };
        // That it is close to its own reference is what two people signed, down to the floor, and no more.
        let lifted = run.overridden && eased.deviation >= MIN_DEVIATION_FLOOR;
        if !(lifted && refusal.reasons.iter().all(|one| one.reason.other().is_none())) {
            // What is told are the figures as they are.
            refusals.extend(policy.weigh(&measured, &others(0.0)).err());
        }
    }
    Ok(Again { run, refusals, unweighed })
}

/// The picture of `asset`, and how `picture` compares with it; `None` where that cannot be found out.
fn held(
    catalog: &Catalog,
    objects: &Objects,
    asset: &str,
    picture: &Raster,
) -> Result<Option<(Other, Deviation)>, CatalogError> {
    let Some(asset) = catalog.by_id(asset)? else { return Ok(None) };
    let file = objects.get(&asset.sha256).ok();
    let decoded = file.and_then(|file| raster::decode(&file, &Limits::default()).ok());
    let measured = decoded.and_then(|it| deviation::measure(&it.raster.flatten(), picture).ok());
    Ok(measured.map(|measured| {
        let likeness = Likeness::Measured(measured.deviation);
        (Other { sha256: asset.sha256, title: asset.title, likeness }, measured)
    }))
}

fn eased(measured: &Deviation, slack: f64) -> Deviation {
    Deviation {
        deviation: measured.deviation + slack,
        composition: measured.composition + slack,
        detail: measured.detail - slack,
        copied: measured.copied - slack,
        ..*measured
    }
}
