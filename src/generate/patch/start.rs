//! The start level: drafts of the layout, each refined, and of these the best.

use crate::progress::Progress;
use crate::random::Stream;

use super::super::GenerateError;
use super::bend::Bend;
use super::judge::Judge;
use super::keep::Keep;
use super::layout::{self, DRAFTS};
use super::pyramid::{Pyramid, patch_width};
use super::refine::{self, Context, Drawing};
use super::schedule::Schedule;
use super::sources::Sources;
use super::step;

/// The start level as it goes on.
pub struct Start {
    pub drawing: Drawing,
    /// What the strength came to mean.
    pub schedule: Schedule,
    /// How the scene was bent.
    pub bend: Option<Bend>,
    /// Steps that led to it.
    pub steps: u32,
}

/// Draws the start level of `schedule` among its `sources`. A `directed` scene is not bent, nor one of which a part stays.
pub fn draw(
    sources: &Sources,
    pyramid: &Pyramid,
    schedule: &Schedule,
    keep: Option<&Keep>,
    directed: bool,
    seed: u64,
    progress: &mut dyn Progress,
) -> Result<Start, GenerateError> {
    let level = schedule.start;
    let layouts = layout::draw(sources, pyramid, schedule, keep, directed, seed, progress)?;
    let several = layouts.drafts.len() > 1;
    let judge = several.then(|| {
        let stream = Stream::new(seed, "patch style");
        Judge::new(sources, patch_width(level), schedule, layouts.steered, stream)
    });
    let left_out = if layouts.steps > 0 { DRAFTS - layouts.drafts.len() } else { 0 };
    let mut best: Option<(f64, Drawing, Schedule)> = None;
    for draft in &layouts.drafts {
        let context = Context { pyramid, schedule: &draft.schedule, keep, bend: layouts.bend.as_ref(), seed };
        let mut drawing = Drawing::of(draft.image.clone());
        refine::refine(&context, sources, level, Some(draft), &mut drawing, progress)?;
        let badness = judge.as_ref().map_or(0.0, |judge| judge.badness(&drawing.image));
        if best.as_ref().is_none_or(|(least, ..)| badness < *least) {
            best = Some((badness, drawing, draft.schedule));
        }
    }
    // What was planned for drafts that were not needed.
    step(progress, left_out as u64 * refine::work(pyramid, level, true))?;
    let (_, drawing, schedule) = best.expect("there is at least one draft");
    let steps = layouts.steps + refine::steps(level) as u32;
    Ok(Start { drawing, schedule, bend: layouts.bend, steps })
}
