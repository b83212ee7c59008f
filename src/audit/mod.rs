//! The whole workspace, checked: log chain, rows, objects, manifests, marks, policies.

mod page;

use serde::Serialize;

pub use page::{Page, html};

use crate::catalog::{Asset, Catalog, CatalogError, Derived, Facts, Finding, NEAREST, Role};
use crate::deviation;
use crate::digest::Digest;
use crate::keys::SignerKeys;
use crate::manifest::{self, State};
use crate::objects::{ObjectError, Objects};
use crate::progress::Progress;
use crate::raster::{self, Limits, Raster};
use crate::verify::{Again, Unweighed, facts_agree, mark_agrees, weigh_again};
use crate::watermark::{self, Key, Keyring, Said, Search};

/// What was looked at and what was found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Audit {
    pub events: usize,
    pub assets: usize,
    pub releases: usize,
    /// Of those, what was made elsewhere.
    pub adopted: usize,
    /// How often a draft was compared with another picture on record.
    pub comparisons: usize,
    pub policies: usize,
    pub findings: Vec<Finding>,
}

/// Checks everything in the catalog and every object that it names. Writes nothing.
///
/// `signers` are the keys that ever signed here; `anchors` the roots that manifests are judged by.
pub fn audit(
    catalog: &Catalog,
    objects: &Objects,
    signers: &SignerKeys,
    anchors: &[String],
    progress: &mut dyn Progress,
) -> Result<Audit, CatalogError> {
    progress.stage("checking the log", 1);
    let mut findings = catalog.check(&|key, message, signature| signers.verify(key, message, signature))?;
    let assets = catalog.assets()?;
    progress.stage("checking the objects", assets.len() as u64);
    for asset in &assets {
        let bytes = match objects.get(&asset.sha256) {
            Ok(bytes) => Some(bytes),
            Err(error) => {
                findings.push(Finding::new("object", &asset.id, fault(&error)));
                None
            }
        };
        if let (Role::Output, Some(bytes)) = (asset.role, bytes) {
            // An output without a release is a finding of the catalog's own.
            if let Some(facts) = catalog.facts(&asset.id)? {
                let store = catalog.manifest_store(&asset.id)?;
                findings.extend(output(asset, &facts, &bytes, store.as_deref(), anchors));
                findings.extend(measured(catalog, objects, asset, &bytes)?);
            }
        }
        progress.advance(1);
    }
    findings.sort();
    findings.dedup();
    Ok(Audit {
        events: catalog.events()?.len(),
        releases: assets.iter().filter(|asset| asset.role == Role::Output).count(),
        assets: assets.len(),
        adopted: catalog.count_adopted()?,
        comparisons: catalog.count_comparisons()?,
        policies: catalog.policies()?.len(),
        findings,
    })
}

/// The released file itself: its pixels, its manifest and its watermark, against the catalog.
fn output(
    asset: &Asset,
    facts: &Facts,
    bytes: &[u8],
    store: Option<&[u8]>,
    anchors: &[String],
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut find = |area, fault: String| findings.push(Finding::new(area, &asset.id, fault));
    let raster = match raster::decode(bytes, &Limits::default()) {
        Ok(decoded) => decoded.raster,
        Err(error) => {
            find("object", error.to_string());
            return findings;
        }
    };
    if raster.digest() != asset.pixels_sha256 {
        find("object", "its pixels are not those on record".into());
    }
    let read = match (manifest::read(bytes, &asset.mime, anchors), store) {
        // It went beside the file, and is on record.
        (Ok(None), Some(store)) => manifest::read_detached(store, bytes, &asset.mime, anchors).map(Some),
        (read, _) => read,
    };
    match read {
        Err(error) => find("manifest", error.to_string()),
        Ok(None) => find("manifest", "the released file has none".into()),
        Ok(Some(reading)) => {
            if reading.state == State::Invalid {
                find("manifest", format!("does not hold: {}", reading.failure_codes().join(", ")));
            }
            if facts.manifest_label.as_deref() != Some(&reading.label) {
                find("manifest", "is another than the one on record".into());
            }
            if !reading.facts().is_some_and(|stated| facts_agree(stated, facts)) {
                find("manifest", "states other facts than the catalog".into());
            }
        }
    }
    // A released file was not attacked: its mark lies on the pixel grid.
    let keys = Keyring { public: &Key::public(), owner: None };
    let found = watermark::detect(&raster, keys, Search::Fast);
    match found.and_then(|found| Said::read(&found.message).ok()) {
        None => find("watermark", "the released file has none that can be read".into()),
        Some(said) if !mark_agrees(&said, facts) => {
            find("watermark", "is another than the one on record".into());
        }
        Some(_) => {}
    }
    findings
}

/// The decision once more, from the pixels: the figures on record could have been made up.
fn measured(
    catalog: &Catalog,
    objects: &Objects,
    asset: &Asset,
    bytes: &[u8],
) -> Result<Vec<Finding>, CatalogError> {
    let mut findings = Vec::new();
    // What cannot be decoded was spoken of.
    let Ok(output) = raster::decode(bytes, &Limits::default()) else { return Ok(findings) };
    let output = output.raster.flatten();
    for Again { run, refusals, unweighed } in weigh_again(catalog, objects, &asset.id, &output, 0.0)? {
        let found = |fault: String| Finding::new("decision", &asset.id, fault);
        findings.extend(refusals.iter().map(|refusal| found(format!("measured again it is {refusal}"))));
        match unweighed {
            Some(why @ Unweighed::Policy) => findings.push(found(why.to_string())),
            // Its file is an object, and checked as one.
            Some(Unweighed::Reference { .. }) => {}
            Some(Unweighed::Other { .. }) | None => {
                findings.extend(passed_over(catalog, asset, &run, &output)?);
            }
        }
    }
    Ok(findings)
}

/// A reference that was on record and is nearer by its looks than those that were compared.
fn passed_over(
    catalog: &Catalog,
    asset: &Asset,
    run: &Derived,
    output: &Raster,
) -> Result<Option<Finding>, CatalogError> {
    /// Differing bits that marking may account for.
    const MARKING: u32 = 16;
    let Some(compared) = &run.compared else { return Ok(None) };
    let listed = catalog.comparisons(&run.run)?;
    let Some(farthest) = listed.iter().map(|one| one.distance).max() else { return Ok(None) };
    let mut not: Vec<String> = listed.into_iter().map(|one| one.asset).collect();
    not.push(run.reference.clone());
    let near = catalog.nearest(Role::Reference, &deviation::variants(output), NEAREST, &not)?;
    let nearer = near.iter().find(|one| one.number <= compared.known && one.distance + MARKING < farthest);
    Ok(nearer.map(|one| {
        let fault =
            format!("was not compared with {}, which is nearer than what it was compared with", one.asset);
        Finding::new("decision", &asset.id, fault)
    }))
}

fn fault(error: &ObjectError) -> String {
    let name = |digest: &Digest| digest.short(12);
    match error {
        ObjectError::Missing { digest } => format!("its file {} is gone from the store", name(digest)),
        ObjectError::Corrupt { digest } => format!("its file {} was changed in the store", name(digest)),
        ObjectError::Io { .. } => error.to_string(),
    }
}
