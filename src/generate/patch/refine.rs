//! One level of the pyramid: super-resolution of what the level before drew, then annealed steps of
//! the patch posterior at small noise, where it is the nearest patch.

use std::borrow::Cow;

use rayon::prelude::*;

use crate::progress::Progress;
use crate::random::Stream;

use super::super::GenerateError;
use super::bend::Bend;
use super::features::Component;
use super::field::{Field, Match};
use super::image::Image;
use super::keep::Keep;
use super::layout::Layout;
use super::matcher::Matcher;
use super::pyramid::{Pyramid, patch_width};
use super::schedule::{Schedule, geometric, noised};
use super::sources::Sources;
use super::step;
use super::tone;
use super::vote::vote;

/// Noise of a level's first annealed step, as a share of the detail that the level adds, and of its last
/// one as a share of the first.
const FIRST_NOISE: f64 = 0.42;
const LAST_NOISE: f64 = 0.15;
/// Noise under which super-resolution looks for its patches, as a share of the level's detail.
const SUPER_NOISE: f64 = 0.35;
/// Finest level where super-resolution looks for its patches. On finer ones those that the level before found are
/// as good: no measure of the picture tells the difference, and it takes a third of the time.
pub const SEARCHED_FROM: usize = 2;
/// Levels from the start on where copies are broken. What is barred there stays so on the finer ones; what is broken
/// on these smears, since there is no time left for whole things to come of it.
const BROKEN_ON: usize = 2;
/// Standard deviations of the voting kernel in pixels: super-resolution, first step, last step, and last
/// step of level 0, where a narrow kernel keeps the grain of the film.
const KERNEL: [f64; 4] = [1.6, 1.5, 1.0, 0.6];

/// What is being drawn.
pub struct Drawing {
    pub image: Image,
    pub field: Option<Field>,
    /// What each pixel of the field must not use; empty as long as there is nothing.
    pub barred: Vec<Option<Match>>,
    /// The layout at the coarsest size: its lowest band stays.
    pub tone: Option<Image>,
}

impl Drawing {
    /// Of a layout that is yet to be refined.
    pub fn of(image: Image) -> Self {
        Drawing { image, field: None, barred: Vec::new(), tone: None }
    }

    /// Numbers copies anew where only those that are `kept` go on, in their order. What was drawn from another is to
    /// be found again, and begins with any place of them.
    pub fn leave_all_but(&mut self, kept: &[usize], stream: Stream) {
        let Some(field) = &mut self.field else { return };
        let number = |found: &Match| kept.iter().position(|k| *k == usize::from(found.copy));
        let size = (field.width, field.height);
        let any = Field::random(size, kept.len(), size, stream);
        for (found, any) in field.matches.iter_mut().zip(any.matches) {
            *found = number(found).map_or(any, |copy| Match { copy: copy as u16, ..*found });
        }
        for barred in &mut self.barred {
            *barred = barred.and_then(|m| Some(Match { copy: number(&m)? as u16, ..m }));
        }
    }
}

/// Everything that the levels of one run share.
pub struct Context<'a> {
    pub pyramid: &'a Pyramid,
    pub schedule: &'a Schedule,
    pub keep: Option<&'a Keep>,
    /// How the layout was bent.
    pub bend: Option<&'a Bend>,
    pub seed: u64,
}

/// Annealed steps on `level`.
pub fn steps(level: usize) -> usize {
    if level == 0 { 3 } else { 4 }
}

/// Work on `level` in the units of [`refine`]'s progress: pixels drawn.
pub fn work(pyramid: &Pyramid, level: usize, first: bool) -> u64 {
    ((steps(level) + usize::from(!first)) * pyramid.pixels(level)) as u64
}

/// One level of a run.
pub struct Level<'a> {
    pub context: &'a Context<'a>,
    pub sources: &'a Sources,
    pub level: usize,
    /// Given on the start level; on the others the drawing comes from the level before.
    pub layout: Option<&'a Layout>,
}

impl Level<'_> {
    /// Draws it.
    pub fn refine(&self, drawing: &mut Drawing, progress: &mut dyn Progress) -> Result<(), GenerateError> {
        match self.level {
            0 | 1 => refine::<i8, 16>(self, drawing, progress),
            _ => refine::<i16, 24>(self, drawing, progress),
        }
    }
}

/// Draws a level by so many components of a patch.
fn refine<T: Component, const N: usize>(
    level: &Level,
    drawing: &mut Drawing,
    progress: &mut dyn Progress,
) -> Result<(), GenerateError> {
    let Level { context, sources, level, layout } = *level;
    let Context { pyramid, schedule, keep, bend, seed } = *context;
    let (width, height) = pyramid.size(level);
    let kept = keep.map(|keep| keep.at(width, height));
    let restore = |image: &mut Image| {
        if let Some(kept) = &kept {
            kept.restore(image);
        }
    };
    let stream = Stream::new(seed, "patch refinement").child(level as u64);
    let patch = patch_width(level);
    let matcher = Matcher::<T, N>::new(sources, schedule, bend, patch, stream.child(0));
    let pixels = sources.pixels() as u64;

    // What only coarser levels have.
    drawing.image.truncate(sources.channels());
    if let Some(tone) = &mut drawing.tone {
        tone.truncate(sources.channels());
    }

    let fresh = drawing.field.is_none();
    let mut barred = Vec::new();
    let mut field = match drawing.field.take() {
        Some(field) => {
            let coarser = std::mem::take(&mut drawing.barred);
            if !coarser.is_empty() {
                barred = field.carried(&coarser, (width, height), |m, moved| m.map(moved));
            }
            field.resized(width, height)
        }
        None if schedule.keeps_places() => match bend {
            Some(bend) => bend.field((width, height)),
            None => Field::in_place(width, height),
        },
        None => Field::random((width, height), sources.copies.len(), (width, height), stream.child(1)),
    };
    let breaks = schedule.start - level < BROKEN_ON;
    let place = format!("level {} of {}", schedule.start - level + 1, schedule.start + 1);
    let noise = match layout {
        Some(layout) => layout.noise,
        None => {
            let sharp = &sources.copies[0].image;
            let detail = difference(sharp, &pyramid.blurred(sharp, level));
            if level < SEARCHED_FROM {
                // Nothing is known of the distances here: all patches count alike.
                field.distances = vec![1; sources.pixels()];
            } else {
                progress.phase(&format!("{place}, adding detail"));
                let keys = matcher.describe(|image| Cow::Owned(pyramid.blurred(image, level)));
                let magnified = std::mem::take(&mut drawing.image).resized(width, height);
                let query = noised(magnified, SUPER_NOISE * detail, stream.child(2));
                if breaks {
                    matcher.break_copies(&field, &mut barred, stream.child(3).child(u64::MAX));
                }
                matcher.search(&keys, query, &mut field, &barred, 4, stream.child(3));
            }
            drawing.image = vote(&sources.images(), &field, patch, KERNEL[0]);
            restore(&mut drawing.image);
            // Distances between blurred patches say nothing about the sharp ones.
            field.distances.clear();
            step(progress, pixels)?;
            FIRST_NOISE * detail
        }
    };

    let keys = matcher.describe(Cow::Borrowed);
    let sigmas = geometric(noise.max(0.02), (LAST_NOISE * noise).max(0.01), steps(level));
    let narrowest = if level == 0 { KERNEL[3] } else { KERNEL[2] };
    for (i, sigma) in sigmas.iter().enumerate() {
        progress.phase(&format!("{place}, step {} of {}", i + 1, sigmas.len()));
        let noisy_already = i == 0 && layout.is_some_and(|l| l.noisy);
        let sigma = if noisy_already { 0.0 } else { *sigma };
        let query = noised(std::mem::take(&mut drawing.image), sigma, stream.child(4).child(i as u64));
        let passes = if fresh && i == 0 { 5 } else { 3 };
        let stream = stream.child(5).child(i as u64);
        if breaks {
            matcher.break_copies(&field, &mut barred, stream.child(u64::MAX));
        }
        matcher.search(&keys, query, &mut field, &barred, passes, stream);
        let kernel = KERNEL[1] + (narrowest - KERNEL[1]) * i as f64 / (sigmas.len() - 1) as f64;
        drawing.image = vote(&sources.images(), &field, patch, kernel);
        if let Some(wanted) = &drawing.tone {
            tone::restore(&mut drawing.image, wanted);
        }
        restore(&mut drawing.image);
        step(progress, pixels)?;
    }
    if drawing.tone.is_none() {
        let (width, height) = pyramid.size(pyramid.coarsest());
        drawing.tone = Some(drawing.image.resized(width, height));
    }
    (drawing.field, drawing.barred) = (Some(field), barred);
    Ok(())
}

/// Root mean squared difference of two pictures of one size.
fn difference(a: &Image, b: &Image) -> f64 {
    let row = a.width * a.channels;
    let rows = a.data.par_chunks(row).zip(b.data.par_chunks(row));
    let squares = |(a, b): (&[f32], &[f32])| a.iter().zip(b).map(|(x, y)| f64::from(x - y).powi(2)).sum();
    let sums: Vec<f64> = rows.map(squares).collect();
    (sums.iter().sum::<f64>() / a.data.len() as f64).sqrt()
}
