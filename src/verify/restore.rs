//! Giving a changed copy its lost manifest back: what the catalog knows goes into the file, under a new claim of this
//! workspace that says how it was found and that the content is another.

use time::OffsetDateTime;

use super::{Memory, RecallError, Report, Verdict};
use crate::catalog::CatalogError;
use crate::deviation;
use crate::iscc::{self, ImageCode};
use crate::keys::Keys;
use crate::manifest::{self, ReadError, Reading, Recovery, SignError, SignedAsset, Software};
use crate::policy::{MIN_DEVIATION_FLOOR, Policy};
use crate::raster::{self, DecodeError, Limits, Raster};
use crate::watermark::Level;

/// The algorithm behind the catalog's search by looks, as an assertion names it.
const LOOKS: &str = "org.vidimus.structure.1";

/// Why a file was given nothing.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    #[error("it carries a manifest already: nothing was lost")]
    NotLost,
    #[error("no manifest is on record for it: it was not made here, or too little of it is left")]
    Unknown,
    #[error("the evidence contradicts itself: whose manifest it lost cannot be told")]
    Contradiction,
    #[error(
        "only an archive of {exporter:?} has its manifest: what another workspace released is not signed here, where its \
         reference cannot be held against it"
    )]
    Foreign { exporter: String },
    #[error(
        "too close to its reference: deviation {deviation:.2}, at least {limit:.2} required when it was released; what is \
         signed here has to keep to that"
    )]
    TooClose { deviation: f64, limit: f64 },
    #[error(
        "its record has a visible label, and this copy has other pixels: whether the label is left cannot be told"
    )]
    Labelled,
    #[error(transparent)]
    Decode(#[from] DecodeError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Recall(#[from] RecallError),
    #[error(transparent)]
    Sign(#[from] SignError),
}

impl From<CatalogError> for RestoreError {
    fn from(error: CatalogError) -> Self {
        RestoreError::Recall(RecallError::Catalog(error))
    }
}

/// `bytes` with the manifest that `memory` has on record for it, and how it was found. `report` is the answer of
/// [`verify`](super::verify()) on the same bytes.
///
/// Nothing is released and nothing recorded: the catalog is only read.
pub fn restore(
    bytes: &[u8],
    report: &Report,
    memory: &Memory<'_>,
    keys: &Keys,
    created: OffsetDateTime,
) -> Result<(SignedAsset, Recovery), RestoreError> {
    if report.verdict == Verdict::Contradiction {
        return Err(RestoreError::Contradiction);
    }
    if !matches!(report.manifest.state, "absent" | "recovered") {
        return Err(RestoreError::NotLost);
    }
    if let Some(foreign) = &report.catalog.foreign {
        return Err(RestoreError::Foreign { exporter: foreign.exporter.clone() });
    }
    let Some((record, store)) = on_record(report, memory)? else { return Err(RestoreError::Unknown) };
    let decoded = raster::decode(bytes, &Limits::default())?;
    let reading = manifest::read_detached(&store, bytes, decoded.mime, keys.anchors())?;
    let picture = decoded.raster.flatten();
    permitted(&record, &picture, &reading, report, memory)?;
    let code = ImageCode::of(&picture);

    let mut algorithms = Vec::new();
    match report.catalog.matched {
        Some("exact" | "watermark") => {
            algorithms.extend(level(report).map(|level| level.algorithm().to_owned()))
        }
        _ => algorithms.push(LOOKS.to_owned()),
    }
    let same = |other: &ImageCode| other.hamming(&code) <= iscc::NEAR;
    let matched = reading.soft_bindings.iter().map(|binding| binding.image_code.as_ref().is_some_and(same));
    let matched: Vec<bool> = matched.collect();
    if matched.contains(&true) {
        algorithms.push(iscc::ALGORITHM.to_owned());
    }
    let recovery = Recovery {
        manifest: reading.label,
        record,
        found_by: match report.catalog.matched {
            Some("exact") => "pixels",
            Some("watermark") => "watermark",
            _ => "looks",
        }
        .to_owned(),
        soft_bindings_matched: !algorithms.is_empty() && !matched.contains(&false),
        algorithms_matched: algorithms,
        log10_false_positive: report.watermark.log10_false_positive.map(rounded),
        watermark_authentic: report.watermark.authentic,
        deviation_from_record: report.catalog.deviation_from_record.map(rounded),
    };
    let credential = keys.credential(None);
    let generator = Software { name: "vidimus".into(), version: env!("CARGO_PKG_VERSION").into() };
    let signed = manifest::restore(bytes, decoded.mime, &store, &recovery, &generator, created, &credential)?;
    Ok((signed, recovery))
}

/// A copy may measure so much less than what was released, by what recompressing and scaling do.
const COPYING: f64 = 0.05;

/// Whether what was asked of the release holds for this copy, too: parts of the reference may have been put into it since,
/// or a label taken off.
fn permitted(
    record: &str,
    picture: &Raster,
    reading: &Reading,
    report: &Report,
    memory: &Memory<'_>,
) -> Result<(), RestoreError> {
    if report.catalog.matched == Some("exact") {
        return Ok(());
    }
    if reading.facts().is_some_and(|facts| facts.visible_label.is_some()) {
        return Err(RestoreError::Labelled);
    }
    for run in memory.catalog.made_by(record)? {
        let texts = memory.catalog.judged_by(&run.run)?;
        let limits = texts.iter().filter_map(|text| Policy::parse(text).ok());
        let least = limits.map(|policy| policy.limits().min_deviation).fold(MIN_DEVIATION_FLOOR, f64::max);
        let limit = if run.overridden { MIN_DEVIATION_FLOOR } else { least };
        let Some(reference) = memory.catalog.by_id(&run.reference)? else { continue };
        let Ok(file) = memory.objects.get(&reference.sha256) else { continue };
        let Ok(reference) = raster::decode(&file, &Limits::default()) else { continue };
        // What is too small to be measured is too small to be taken for data.
        let Ok(found) = deviation::measure(&reference.raster.flatten(), picture) else { continue };
        if found.deviation + COPYING < limit {
            return Err(RestoreError::TooClose { deviation: found.deviation, limit });
        }
    }
    Ok(())
}

/// The asset's id and its manifest store.
fn on_record(report: &Report, memory: &Memory<'_>) -> Result<Option<(String, Vec<u8>)>, RestoreError> {
    let (true, Some(id)) = (report.manifest.recovered, &report.catalog.asset) else { return Ok(None) };
    Ok(memory.catalog.manifest_store(id)?.map(|store| (id.clone(), store)))
}

fn level(report: &Report) -> Option<Level> {
    [Level::Long, Level::Short].into_iter().find(|level| report.watermark.level == Some(level.name()))
}

/// To four decimals, as all figures of a manifest.
fn rounded(value: f64) -> f64 {
    (value * 10_000.0).round() / 10_000.0
}
