//! Giving a changed copy its lost manifest back: what the catalog knows goes into the file, under a new claim of this
//! workspace that says how it was found and that the content is another.

use time::OffsetDateTime;

use super::{Again, Memory, RecallError, Report, Unweighed, Verdict, weigh_again};
use crate::catalog::CatalogError;
use crate::iscc::{self, ImageCode};
use crate::keys::Keys;
use crate::manifest::{self, ReadError, Reading, Recovery, SignError, SignedAsset, Software, TimeStamps};
use crate::raster::{self, DecodeError, Limits, Raster};
use crate::settings::{self, OnFailure};
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
    #[error("what its release was judged by refuses this copy: {refusals}")]
    Refused { refusals: String },
    #[error("it cannot be held against what its release was judged by: {0}")]
    Unweighed(#[from] Unweighed),
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
/// Nothing is released and nothing recorded: the catalog is only read. Where `time_stamps` are to be had the new signature
/// carries one, as a release's does.
pub fn restore(
    bytes: &[u8],
    report: &Report,
    memory: &Memory<'_>,
    keys: &Keys,
    time_stamps: Option<&settings::TimeStamps>,
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
            Some("exact") => manifest::PIXELS,
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
    let way = time_stamps.map(|asked| (asked.ask(), asked.on_failure == OnFailure::Refuse));
    let stamps = way.as_ref().map(|(ask, required)| TimeStamps { ask, required: *required, now: created });
    let credential = keys.credential(stamps);
    let generator = Software { name: "vidimus".into(), version: env!("CARGO_PKG_VERSION").into() };
    let signed = manifest::restore(bytes, decoded.mime, &store, &recovery, &generator, created, &credential)?;
    Ok((signed, recovery))
}

/// A copy may be so much nearer than what was released, by what recompressing and scaling do; in each figure that a
/// policy limits, of 0 to 1.
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
    let runs = weigh_again(memory.catalog, memory.objects, record, picture, COPYING)?;
    if runs.is_empty() {
        return Err(Unweighed::Policy.into());
    }
    for Again { refusals, unweighed, .. } in runs {
        if !refusals.is_empty() {
            let refusals: Vec<String> = refusals.iter().map(ToString::to_string).collect();
            return Err(RestoreError::Refused { refusals: refusals.join("; ") });
        }
        if let Some(why) = unweighed {
            return Err(why.into());
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
