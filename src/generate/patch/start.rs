//! The start level: drafts of the layout, each refined, and of these the best.

use crate::progress::Progress;
use crate::random::Stream;

use super::super::GenerateError;
use super::bend::Bend;
use super::judge::Judge;
use super::layout::{self, DRAFTS, Layouts, Task};
use super::refine::{self, Context, Drawing, Level};
use super::schedule::Schedule;
use super::sources::Sources;
use super::{effort, step};

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

/// Draws the start level of a task among its `sources`.
pub fn draw(task: &Task, sources: &Sources, progress: &mut dyn Progress) -> Result<Start, GenerateError> {
    let Task { pyramid, schedule, seed, .. } = *task;
    let level = schedule.start;
    let Layouts { mut drafts, steered, steps, bend } = layout::draw(task, sources, progress)?;
    let judge = (drafts.len() > 1).then(|| {
        let stream = Stream::new(seed, "patch style");
        Judge::new(sources, refine::patch(level, task), schedule, steered, stream)
    });
    let context = Context { task: *task, bend: bend.as_ref() };
    let drawn = Level { context: &context, sources, level }.begin(&mut drafts, progress)?;
    let badness = |drawing: &Drawing| judge.as_ref().map_or(0.0, |judge| judge.badness(&drawing.image));
    let judged = drawn.into_iter().zip(&drafts).map(|(drawing, draft)| (badness(&drawing), drawing, draft));
    let best = judged.reduce(|best, next| if next.0 < best.0 { next } else { best });
    // What was planned for drafts that were not needed.
    let exact = effort::is_exact(schedule, pyramid);
    let left_out = if exact { DRAFTS - drafts.len() } else { 0 };
    step(progress, left_out as u64 * refine::first_work(pyramid, level, exact))?;
    let (_, drawing, draft) = best.expect("there is at least one draft");
    let schedule = draft.schedule;
    Ok(Start { drawing, schedule, bend, steps: steps + refine::first_steps(level, exact) as u32 })
}
