//! The search for a mark, from what costs least to what costs most.

use super::bent::straighten;
use super::cells::{Cells, Field};
use super::coarse::{Coarse, FURTHEST, distinct};
use super::decode::{Decoder, Effort, Observation, Translation};
use super::detect::{Search, Stage};
use super::geometry::{Geometry, QUARTERS};
use super::key::TILE;
use super::message::Message;
use super::place::{SearchLines, stretched, turned};
use super::scene::{Scene, View};
use super::spectrum::HalfLattice;

/// A confirmed geometry and translation, in pixels of one view.
pub(super) struct Lock {
    pub message: Message,
    pub level: usize,
    pub geometry: Geometry,
    pub translation: Translation,
    pub stage: Stage,
    /// What straightens a bent lattice.
    pub field: Option<Field>,
}

/// Least excess of the carriers' power, in standard deviations, that is worth a look.
const LEAST_EXCESS: f64 = 0.5;

/// Blocks over which a bent lattice is straight enough to be seen, in pixels.
const STRAIGHT: usize = 224;
/// By how much a bent lattice may differ from the upright one, and how many places are tried.
const BENT: f64 = 0.045;
const BENT_PLACES: usize = 2;

/// The whole search, cheapest first.
pub(super) fn find(scene: &Scene, decoder: &mut Decoder<'_>, search: Search) -> Option<Lock> {
    let natural = scene.natural_scale();
    if let Some(lock) = on_the_grid(scene, natural, decoder) {
        return Some(lock);
    }
    if natural != 1.0
        && let Some(lock) = on_the_grid(scene, 1.0, decoder)
    {
        return Some(lock);
    }
    if search == Search::Fast {
        return None;
    }
    let lines = SearchLines::new(decoder);
    turned(scene, &lines, decoder)
        .or_else(|| bent(scene, natural, &lines, decoder))
        .or_else(|| stretched(scene, &lines, decoder))
}

/// Looks for tiles of 61 · `scale` given pixels, flipped or turned by quarters.
fn on_the_grid(scene: &Scene, scale: f64, decoder: &mut Decoder<'_>) -> Option<Lock> {
    let (level, view, period) = at_scale(scene, scale)?;
    let upright = match period {
        [1.0, 1.0] => HalfLattice::of_picture(view.windowed(), 1.0),
        _ => HalfLattice::of_periods(view.windowed(), period.map(|p| TILE * p)),
    };
    let lock = |(message, geometry, translation)| Lock {
        message,
        level,
        geometry,
        translation,
        stage: Stage::Grid,
        field: None,
    };
    let mut hypotheses = Vec::new();
    for (i, geometry) in Geometry::on_the_grid(period.map(|p| TILE * p)).into_iter().enumerate() {
        let seen = if i == 0 {
            decoder.observe(&upright, &geometry)
        } else {
            decoder.observe(&upright.turned(QUARTERS[i]), &geometry)
        };
        if i == 0 {
            // Upright and uncropped needs no pilots, so that their erasure alone does not help.
            let shift = [0, 1].map(|i| view.origin[i] / scale);
            for (rank, translation) in decoder.at_shift(&seen, shift).into_iter().enumerate() {
                let effort = if rank == 0 { Effort::Thorough } else { Effort::Usual };
                if let Some(message) = decoder.attempt(&seen, &translation, effort) {
                    return Some(lock((message, geometry, translation)));
                }
            }
        }
        hypotheses.extend(orientations(decoder, &geometry, &seen, 3));
    }
    first(decoder, hypotheses, 10).map(lock)
}

/// The view in which tiles of 61 · `scale` given pixels are nearest to 61 pixels, and their period over 61 there.
fn at_scale(scene: &Scene, scale: f64) -> Option<(usize, &View, [f64; 2])> {
    let full = scene.view(0)?;
    let long = scale * full.factor[0].max(full.factor[1]);
    let level = if long < 1.35 {
        0
    } else if long < 2.7 {
        1
    } else {
        2
    };
    let view = scene.view(level)?;
    Some((level, view, view.factor.map(|factor| scale * factor)))
}

/// Looks for an upright lattice that is bent.
fn bent(scene: &Scene, natural: f64, lines: &SearchLines, decoder: &mut Decoder<'_>) -> Option<Lock> {
    let (level, view, period) = at_scale(scene, natural)?;
    let coarse = Coarse::new(&view.values, STRAIGHT);
    let upright = Geometry::on_the_grid(period.map(|p| TILE * p))[0];
    let mut found = coarse.near(&upright, BENT, &lines.pilots, 8 * BENT_PLACES);
    for candidate in &mut found {
        *candidate = coarse.climb(*candidate, &lines.all, 0.3, 2);
    }
    found.sort_by(|a, b| b.score.total_cmp(&a.score));
    let found = distinct(found, 0.5 / (coarse.block as f64 * FURTHEST), BENT_PLACES);
    for geometry in std::iter::once(upright).chain(found.into_iter().map(|candidate| candidate.geometry)) {
        let Some(cells) = Cells::new(view, &geometry, decoder) else { continue };
        let Some((seen, translation, field)) = straighten(&cells, decoder) else { continue };
        if let Some(message) = decoder.attempt(&seen, &translation, Effort::Thorough) {
            let stage = Stage::Bent;
            return Some(Lock { message, level, geometry, translation, stage, field: Some(field) });
        }
    }
    None
}

pub(super) type Hypothesis = (Geometry, Observation, Translation);

/// Both half turns of a lattice, each with its likeliest translations.
pub(super) fn orientations(
    decoder: &Decoder<'_>,
    geometry: &Geometry,
    seen: &Observation,
    most: usize,
) -> Vec<Hypothesis> {
    if decoder.excess(seen) < LEAST_EXCESS {
        return Vec::new();
    }
    let turned = seen.half_turned();
    [(*geometry, seen.clone()), (geometry.half_turned(), turned)]
        .into_iter()
        .flat_map(|(geometry, seen)| {
            let likely: Vec<Translation> = decoder.translations(&seen).into_iter().take(most).collect();
            likely.into_iter().map(move |translation| (geometry, seen.clone(), translation))
        })
        .collect()
}

/// The first hypothesis, by agreement of the pilots, that holds a message.
pub(super) fn first(
    decoder: &mut Decoder<'_>,
    mut hypotheses: Vec<Hypothesis>,
    most: usize,
) -> Option<(Message, Geometry, Translation)> {
    hypotheses.sort_by(|a, b| b.2.score.total_cmp(&a.2.score));
    hypotheses.into_iter().take(most).enumerate().find_map(|(rank, (geometry, seen, translation))| {
        let effort = if rank == 0 { Effort::Thorough } else { Effort::Usual };
        let message = decoder.attempt(&seen, &translation, effort)?;
        Some((message, geometry, translation))
    })
}
