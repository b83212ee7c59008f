//! What the parts of a run cost, so that the time left can be told: in the time of one annealed step for one
//! pixel, as `benches/generation` found it.

use super::exact::{BANK, MOST_PIXELS};
use super::layout::{DRAFTS, HALVINGS, STEPS};
use super::pyramid::Pyramid;
use super::refine;
use super::schedule::Schedule;

/// Pairs of a query and a patch that are weighed in one unit.
const PAIRS: usize = 400;
/// Pixels of copies that are made in one unit.
const COPIED: usize = 12;
/// Units for one pixel of a magnified picture.
const MAGNIFIED: usize = 3;

/// Units of making `copies` copies of `pixels`.
pub fn copying(pixels: usize, copies: usize) -> u64 {
    (pixels * copies / COPIED) as u64
}

/// Units of one look of the exact posterior at `pixels`.
pub fn denoising(pixels: usize) -> u64 {
    (pixels * BANK.max(pixels) / PAIRS) as u64
}

/// Units of magnifying a picture to `pixels`.
pub fn magnifying(pixels: usize) -> u64 {
    (pixels * MAGNIFIED) as u64
}

/// Whether the level of `pixels` where `schedule` begins is drawn by the exact posterior: only on the coarsest one
/// can its bank hold every patch of the in-place copy.
pub fn is_exact(schedule: &Schedule, pyramid: &Pyramid) -> bool {
    schedule.start == pyramid.coarsest() && pyramid.pixels(schedule.start) <= MOST_PIXELS
}

/// Looks of the exact posterior, at most.
pub fn looks(schedule: &Schedule) -> usize {
    let searching = if schedule.kept.is_some() { HALVINGS } else { 0 };
    searching + DRAFTS * STEPS
}

/// Units of a whole run, but for the copies.
pub fn total(pyramid: &Pyramid, schedule: &Schedule, sizes: &[(usize, usize)]) -> u64 {
    let exact = is_exact(schedule, pyramid);
    let (layouts, drafts) = match exact {
        true => (looks(schedule) as u64 * denoising(pyramid.pixels(schedule.start)), DRAFTS as u64),
        false => (0, 1),
    };
    let begun = drafts * refine::first_work(pyramid, schedule.start, exact);
    let levels = (0..schedule.start).map(|level| refine::work(level, schedule, pyramid));
    let magnified = sizes.iter().map(|(w, h)| magnifying(w * h));
    layouts + begun + levels.sum::<u64>() + magnified.sum::<u64>()
}
