//! From what was found to what it comes to.

use super::Findings;
use super::decide::{CatalogEvidence, Evidence, ManifestEvidence, WatermarkEvidence};
use super::recall::Kinship;
use crate::catalog::Facts;
use crate::iptc;
use crate::manifest::{Derivation, IngredientReading, ReadError, Reading, State, WatermarkReference};
use crate::quantity::Strength;
use crate::watermark::Said;

pub(super) fn weigh(findings: &Findings) -> Evidence {
    let manifest = manifest(&findings.manifest);
    let facts = match (&findings.manifest, manifest) {
        (_, ManifestEvidence::Absent | ManifestEvidence::Broken) => None,
        // A changed copy may have lost the mark that its recovered manifest names; another one it must not have.
        (Ok(Some(reading)), _) if findings.said.is_none() => reading.facts(),
        (Ok(Some(reading)), _) => reading.known_facts(),
        _ => None,
    };
    Evidence {
        manifest,
        watermark: watermark(findings.said.as_ref(), facts),
        catalog: match findings.memory.as_ref().map(|found| found.kinship) {
            None | Some(Kinship::Reference | Kinship::Unconfirmed | Kinship::Foreign(false)) => {
                CatalogEvidence::Absent
            }
            Some(Kinship::Exact) => CatalogEvidence::Exact,
            Some(Kinship::Watermark) => CatalogEvidence::Watermark,
            Some(Kinship::CopiedMark | Kinship::ForeignMark | Kinship::ForgedMark(_)) => {
                CatalogEvidence::CopiedMark
            }
            Some(Kinship::Perceptual | Kinship::Foreign(true)) => CatalogEvidence::Perceptual,
        },
        claimed: findings.claims.iter().any(|claim| claim.ai),
    }
}

fn manifest(read: &Result<Option<Reading>, ReadError>) -> ManifestEvidence {
    let reading = match read {
        // A file whose type cannot carry one, or whose manifest is elsewhere, has none that counts.
        Ok(None) | Err(ReadError::Format { .. } | ReadError::Remote { .. } | ReadError::TooLarge { .. }) => {
            return ManifestEvidence::Absent;
        }
        Err(ReadError::Damaged { .. } | ReadError::Panic { .. } | ReadError::Anchors { .. }) => {
            return ManifestEvidence::Broken;
        }
        Ok(Some(reading)) => reading,
    };
    if !reading.holds() {
        return ManifestEvidence::Broken;
    }
    let source = reading.digital_source_type.as_deref();
    let restored = reading.restored().is_some_and(says_generated);
    if source.is_some_and(iptc::is_generated) || restored || reading.ingredients.iter().any(is_generated) {
        if reading.state == State::Trusted {
            ManifestEvidence::AiTrusted
        } else {
            ManifestEvidence::AiUntrusted
        }
    } else if reading.says_captured() {
        ManifestEvidence::Capture
    } else {
        ManifestEvidence::Silent
    }
}

/// Whether an ingredient, or anything it was made from, was generated and says so in a manifest that held.
/// Another program may have edited an output of ours and said nothing about AI itself.
fn is_generated(ingredient: &IngredientReading) -> bool {
    (ingredient.state.is_some_and(|state| state != State::Invalid) && says_generated(ingredient))
        || ingredient.ingredients.iter().any(is_generated)
}

fn says_generated(ingredient: &IngredientReading) -> bool {
    ingredient.digital_source_type.as_deref().is_some_and(iptc::is_generated)
}

fn watermark(said: Option<&Said>, facts: Option<&Derivation>) -> WatermarkEvidence {
    match (said, facts.filter(|facts| facts.watermark.is_some())) {
        (None, None) => WatermarkEvidence::Absent,
        (None, Some(_)) => WatermarkEvidence::AbsentThoughNamed,
        (Some(_), None) => WatermarkEvidence::Alone,
        (Some(said), Some(facts)) if is_stated(said, facts) => WatermarkEvidence::Agrees,
        (Some(_), Some(_)) => WatermarkEvidence::Disagrees,
    }
}

/// Whether a mark is the one that a manifest names, and says what the manifest says.
pub(super) fn is_stated(said: &Said, facts: &Derivation) -> bool {
    facts.watermark.as_ref().is_some_and(|mark| is_named(said, mark))
        && said.is_strength(facts.witnessed_strength().map(Strength::value))
        && said.is_source(&facts.source_sha256)
}

/// Whether this is the mark that a manifest names, as far as its bits go.
pub(super) fn is_named(said: &Said, mark: &WatermarkReference) -> bool {
    mark.level == said.level().name()
        && match said.id() {
            Some(id) => id == mark.payload_id,
            None => mark.payload_id.starts_with(&said.source_prefix()),
        }
}

/// Whether this is the mark that an output of ours was released with.
pub fn mark_agrees(said: &Said, recorded: &Facts) -> bool {
    let same_source = match said {
        Said::Whole(payload) => recorded.payload_id.as_deref() == Some(payload.id().as_str()),
        Said::Brief(brief) => {
            recorded.source_prefix.is_some_and(|prefix| prefix >> 24 == u64::from(brief.source_prefix()))
        }
    };
    same_source && same_level(said, recorded) && said.is_strength(recorded.witnessed_strength())
}

/// Whether an output of ours carries its mark at this level.
pub(super) fn same_level(said: &Said, recorded: &Facts) -> bool {
    recorded.watermark_algorithm.as_deref() == Some(said.level().algorithm())
}

/// Whether a manifest of ours states what the catalog has on record.
pub fn facts_agree(stated: &Derivation, recorded: &Facts) -> bool {
    stated.run_id == recorded.run
        && stated.denoise_strength.map(Strength::value) == recorded.strength
        && stated.seed.map(|seed| seed.to_string()) == recorded.seed
        && stated.declared.as_ref().map(|declared| (&declared.by, declared.image_sha256))
            == recorded.adopted.as_ref().map(|adopted| (&adopted.by, adopted.image_sha256))
        && stated.engine.name == recorded.engine
        && stated.policy.sha256 == recorded.policy
        && (stated.deviation.deviation - recorded.deviation).abs() < 5e-5
        && stated.watermark.as_ref().map(|mark| &mark.payload_id) == recorded.payload_id.as_ref()
        && stated.watermark.as_ref().map(|mark| &mark.algorithm) == recorded.watermark_algorithm.as_ref()
}
