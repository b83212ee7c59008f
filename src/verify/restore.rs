//! Giving a changed copy its lost manifest back: what the catalog knows goes into the file, under a new claim of this
//! workspace that says how it was found and that the content is another.

use time::OffsetDateTime;

use super::{Memory, RecallError, Report, Verdict};
use crate::catalog::CatalogError;
use crate::iscc::{self, ImageCode};
use crate::keys::Keys;
use crate::manifest::{self, ReadError, Recovery, SignError, SignedAsset, Software};
use crate::raster::{self, DecodeError, Limits};
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
    let Some((record, store)) = on_record(report, memory)? else { return Err(RestoreError::Unknown) };
    let decoded = raster::decode(bytes, &Limits::default())?;
    let reading = manifest::read_detached(&store, bytes, decoded.mime, keys.anchors())?;
    let code = ImageCode::of(&decoded.raster.flatten());

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
