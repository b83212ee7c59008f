//! What other workspaces exported: by it a copy recovers its manifest, and nothing is taken for released here.

use serde::Serialize;

use super::evidence::is_stated;
use super::recall::{Kinship, Mark, Match};
use crate::catalog::{Catalog, CatalogError, ForeignMatch};
use crate::deviation;
use crate::digest::Digest;
use crate::iptc;
use crate::iscc::{self, ImageCode};
use crate::manifest;
use crate::raster::Raster;
use crate::watermark::Said;

/// Bits of the Image-Code and of the fingerprint within which looks alone are believed: nothing else confirms them.
const ALIKE: [u32; 2] = [26, 48];

/// The archive that a manifest came in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Foreign {
    pub label: String,
    /// pixels, watermark or looks.
    pub found_by: &'static str,
    /// Whether the Image-Code that was signed is that of the picture at hand.
    pub confirmed: bool,
    /// Whether the manifest's signer is trusted here.
    pub signer_trusted: bool,
    /// What the exporting workspace calls itself, and the SHA-256 of its key.
    pub exporter: String,
    pub key: Digest,
    pub exported: String,
}

/// Asks by pixels, by watermark and by looks, in this order.
pub(super) fn recall(
    catalog: &Catalog,
    bytes: &[u8],
    mime: &str,
    raster: &Raster,
    mark: Option<Mark<'_>>,
    anchors: &[String],
) -> Result<Option<Match>, CatalogError> {
    let code = ImageCode::of(raster);
    let near =
        |found: &ForeignMatch| found.image_code.is_some_and(|other| other.hamming(&code) <= iscc::NEAR);
    let mut candidates = Vec::new();
    candidates.extend(catalog.foreign_by_pixels(&raster.digest())?.map(|found| ("pixels", found)));
    if let Some(mark) = mark {
        let beginning = mark.said.id().unwrap_or_else(|| mark.said.source_prefix());
        let named = catalog.foreign_by_payload(&beginning)?;
        // Where the mark alone names several, the looks choose.
        let only = matches!(mark.said, Said::Whole(_));
        candidates
            .extend(named.into_iter().filter(|found| only || near(found)).map(|found| ("watermark", found)));
    }
    let looks = deviation::fingerprint(raster);
    let [code_bits, bits] = ALIKE;
    candidates
        .extend(catalog.foreign_by_looks(&code, code_bits, &looks, bits)?.map(|found| ("looks", found)));
    for (found_by, found) in candidates {
        // What an index says of a picture is nobody's word: the mark, or the code that was signed, is to confirm it.
        if found_by != "watermark" && !near(&found) {
            continue;
        }
        let Ok(reading) = manifest::read_detached(&found.store, bytes, mime, anchors) else { continue };
        if !reading.holds_but_for_content() {
            continue;
        }
        // A picture with another mark is another one, or was marked again.
        let is_its_mark = |mark: Mark<'_>| reading.facts().is_some_and(|facts| is_stated(mark.said, facts));
        if mark.is_some_and(|mark| !is_its_mark(mark)) {
            continue;
        }
        let generated = reading.digital_source_type.as_deref().is_some_and(iptc::is_generated);
        let foreign = Foreign {
            confirmed: near(&found),
            signer_trusted: reading.is_of_trusted_signer(),
            label: found.label,
            found_by,
            exporter: found.exporter,
            key: found.key,
            exported: found.exported,
        };
        return Ok(Some(Match {
            kinship: Kinship::Foreign(foreign.confirmed && foreign.signer_trusted && generated),
            asset: String::new(),
            adopted: None,
            references: Vec::new(),
            outputs: 0,
            deviation: None,
            recovered: Some(reading),
            foreign: Some(foreign),
        }));
    }
    Ok(None)
}
