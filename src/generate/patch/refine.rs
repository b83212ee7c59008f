//! One level of the pyramid: super-resolution of what the level before drew, then annealed steps of
//! the patch posterior at small noise, where it is the nearest patch.

use std::borrow::Cow;

use rayon::prelude::*;

use crate::progress::Progress;
use crate::random::Stream;

use super::super::GenerateError;
use super::bend::Bend;
use super::effort;
use super::features::{Component, Feature};
use super::field::{Field, Match};
use super::image::Image;
use super::keep::Keep;
use super::layout::{Layout, Task};
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
/// Annealed steps of a layout that was drawn exactly, and passes of the search in each. On so small a level nearly all of
/// the nearest patches can be found, and what they show is close to the layout; further steps lead away from it.
const BEGUN: usize = 2;
const THOROUGH: usize = 20;
/// Width of a patch there. A wider one holds more than one thing of a layout, beside each other as they are nowhere in
/// the reference, and what no patch shows comes out merged or drawn out. Where things are packed it is how they lie beside
/// each other that keeps them apart.
const BEGUN_PATCH: usize = 7;
/// Steps, and passes in each, on the levels that follow it, one after the other, where things get their outlines: with
/// fewer, more of them come out merged or drawn out.
const OUTLINED: [(usize, usize); 2] = [(8, 8), (8, 6)];
/// Work of a step of so thorough a search, in that of any other: pixels drawn.
const THOROUGH_WORK: usize = 2;
/// Passes of the first search on a level that begins from the noisy reference, and of the others.
const PASSES: [usize; 2] = [5, 3];
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
    pub task: Task<'a>,
    /// How the layout was bent.
    pub bend: Option<&'a Bend>,
}

/// Annealed steps on a level, and passes of the search in each.
#[derive(Clone, Copy)]
pub struct Pace {
    pub steps: usize,
    passes: usize,
}

impl Pace {
    /// On `level`, which is drawn from a coarser one.
    pub fn on(level: usize, schedule: &Schedule, pyramid: &Pyramid) -> Self {
        let outlined = effort::is_exact(schedule, pyramid) && level >= SEARCHED_FROM;
        match OUTLINED.get(schedule.start - level - 1) {
            Some((steps, passes)) if outlined => Pace { steps: *steps, passes: *passes },
            _ => Pace { steps: steps(level), passes: PASSES[1] },
        }
    }

    /// Work of a step for one pixel.
    fn work(self) -> usize {
        if self.passes > PASSES[1] { THOROUGH_WORK } else { 1 }
    }
}

/// Width of the patches that `level` is refined with.
pub fn patch(level: usize, task: &Task) -> usize {
    let Task { pyramid, schedule, directed, .. } = *task;
    let begun = level == schedule.start && effort::is_exact(schedule, pyramid);
    // A directed picture has few copies, among which small patches find what is wrong in its place.
    if begun && !directed && !pyramid.is_packed() { BEGUN_PATCH } else { patch_width(level) }
}

/// Annealed steps on a level where nothing is decided any more.
fn steps(level: usize) -> usize {
    if level == 0 { 3 } else { 4 }
}

/// Annealed steps on `level` where drawing begins there, from a layout that was drawn exactly or from the noisy reference.
pub fn first_steps(level: usize, exact: bool) -> usize {
    if exact { BEGUN } else { steps(level) }
}

/// Work on `level` in the units of progress: pixels drawn.
pub fn work(level: usize, schedule: &Schedule, pyramid: &Pyramid) -> u64 {
    let pace = Pace::on(level, schedule, pyramid);
    ((pace.steps * pace.work() + 1) * pyramid.pixels(level)) as u64
}

/// The same where drawing begins there.
pub fn first_work(pyramid: &Pyramid, level: usize, exact: bool) -> u64 {
    first_steps(level, exact) as u64 * first_step_work(pyramid, level, exact)
}

fn first_step_work(pyramid: &Pyramid, level: usize, exact: bool) -> u64 {
    (if exact { THOROUGH_WORK } else { 1 } * pyramid.pixels(level)) as u64
}

/// One level of a run.
pub struct Level<'a> {
    pub context: &'a Context<'a>,
    pub sources: &'a Sources,
    pub level: usize,
}

impl Level<'_> {
    /// Draws the start level of each of these `layouts`.
    pub fn begin(
        &self,
        layouts: &mut [Layout],
        progress: &mut dyn Progress,
    ) -> Result<Vec<Drawing>, GenerateError> {
        match self.level {
            0 | 1 => Refiner::<i8, 16>::new(self).begin(layouts, progress),
            _ => Refiner::<i16, 24>::new(self).begin(layouts, progress),
        }
    }

    /// Draws a level from what the one before drew.
    pub fn refine(&self, drawing: &mut Drawing, progress: &mut dyn Progress) -> Result<(), GenerateError> {
        match self.level {
            0 | 1 => Refiner::<i8, 16>::new(self).refine(drawing, progress),
            _ => Refiner::<i16, 24>::new(self).refine(drawing, progress),
        }
    }
}

/// Draws a level, whose patches are described by so many components.
struct Refiner<'a, T, const N: usize> {
    level: &'a Level<'a>,
    matcher: Matcher<'a, T, N>,
    kept: Option<Keep>,
    stream: Stream,
    /// Whether copies are broken here.
    breaks: bool,
    /// Width of a patch.
    patch: usize,
    /// Its name, for people.
    place: String,
}

impl<'a, T: Component, const N: usize> Refiner<'a, T, N> {
    fn new(of: &'a Level<'a>) -> Self {
        let Level { context, sources, level } = *of;
        let Context { task: Task { pyramid, schedule, keep, seed, .. }, bend } = *context;
        let (width, height) = pyramid.size(level);
        let stream = Stream::new(seed, "patch refinement").child(level as u64);
        let patch = patch(level, &context.task);
        Refiner {
            level: of,
            matcher: Matcher::new(sources, schedule, bend, patch, stream.child(0)),
            kept: keep.map(|keep| keep.at(width, height)),
            stream,
            breaks: schedule.start - level < BROKEN_ON,
            patch,
            place: format!("level {} of {}", schedule.start - level + 1, schedule.start + 1),
        }
    }

    fn begin(
        &self,
        layouts: &mut [Layout],
        progress: &mut dyn Progress,
    ) -> Result<Vec<Drawing>, GenerateError> {
        let Level { context: &Context { task: Task { pyramid, schedule, .. }, bend }, sources, level } =
            *self.level;
        let size = pyramid.size(level);
        let exact = effort::is_exact(schedule, pyramid);
        // The same for all layouts.
        let keys = self.matcher.describe(Cow::Borrowed);
        let drawn = |layout: &mut Layout| {
            let field = if !schedule.keeps_places() {
                Field::random(size, sources.copies.len(), size, self.stream.child(1))
            } else if let Some(bend) = bend {
                bend.field(size)
            } else {
                Field::in_place(size.0, size.1)
            };
            let mut drawing = Drawing::of(std::mem::take(&mut layout.image));
            let steps = Steps {
                count: first_steps(level, exact),
                work: first_step_work(pyramid, level, exact),
                noise: layout.noise,
                noisy: !exact,
                passes: if exact { [THOROUGH; 2] } else { PASSES },
            };
            self.anneal(&keys, &mut drawing, field, steps, progress)?;
            let (width, height) = pyramid.size(pyramid.coarsest());
            drawing.tone = Some(drawing.image.resized(width, height));
            Ok(drawing)
        };
        layouts.iter_mut().map(drawn).collect()
    }

    fn refine(&self, drawing: &mut Drawing, progress: &mut dyn Progress) -> Result<(), GenerateError> {
        let Level { context: &Context { task: Task { pyramid, schedule, .. }, .. }, sources, level } =
            *self.level;
        let (width, height) = pyramid.size(level);
        // What only coarser levels have.
        drawing.image.truncate(sources.channels());
        if let Some(tone) = &mut drawing.tone {
            tone.truncate(sources.channels());
        }
        let coarser = drawing.field.take().expect("the start level was drawn");
        if !drawing.barred.is_empty() {
            drawing.barred = coarser.carried(&drawing.barred, (width, height), |m, moved| m.map(moved));
        }
        let mut field = coarser.resized(width, height);
        drop(coarser);

        let sharp = &sources.copies[0].image;
        let detail = difference(sharp, &pyramid.blurred(sharp, level));
        if level < SEARCHED_FROM {
            // Nothing is known of the distances here: all patches count alike.
            field.distances = vec![1; sources.pixels()];
        } else {
            progress.phase(&format!("{}, adding detail", self.place));
            let keys = self.matcher.describe(|image| Cow::Owned(pyramid.blurred(image, level)));
            let magnified = std::mem::take(&mut drawing.image).resized(width, height);
            let query = noised(magnified, SUPER_NOISE * detail, self.stream.child(2));
            let stream = self.stream.child(3);
            if self.breaks {
                self.matcher.break_copies(&field, &mut drawing.barred, stream.child(u64::MAX));
            }
            self.matcher.search(&keys, query, &mut field, &drawing.barred, 4, stream);
        }
        drawing.image = self.voted(&field, KERNEL[0]);
        self.restore(&mut drawing.image);
        // Distances between blurred patches say nothing about the sharp ones.
        field.distances.clear();
        step(progress, sources.pixels() as u64)?;
        let keys = self.matcher.describe(Cow::Borrowed);
        let pace = Pace::on(level, schedule, pyramid);
        let steps = Steps {
            count: pace.steps,
            work: (pace.work() * sources.pixels()) as u64,
            noise: FIRST_NOISE * detail,
            noisy: false,
            passes: [pace.passes; 2],
        };
        self.anneal(&keys, drawing, field, steps, progress)
    }

    /// Annealed steps among `keys`, the patches as they are, from what `field` shows of them.
    fn anneal(
        &self,
        keys: &[Vec<Feature<T, N>>],
        drawing: &mut Drawing,
        mut field: Field,
        steps: Steps,
        progress: &mut dyn Progress,
    ) -> Result<(), GenerateError> {
        let last = (LAST_NOISE * steps.noise).max(0.01);
        let sigmas = geometric(steps.noise.max(0.02), last, steps.count);
        let narrowest = if self.level.level == 0 { KERNEL[3] } else { KERNEL[2] };
        for (i, sigma) in sigmas.iter().enumerate() {
            progress.phase(&format!("{}, step {} of {}", self.place, i + 1, sigmas.len()));
            let sigma = if i == 0 && steps.noisy { 0.0 } else { *sigma };
            let stream = self.stream.child(4).child(i as u64);
            let query = noised(std::mem::take(&mut drawing.image), sigma, stream);
            let passes = steps.passes[i.min(1)];
            let stream = self.stream.child(5).child(i as u64);
            if self.breaks {
                self.matcher.break_copies(&field, &mut drawing.barred, stream.child(u64::MAX));
            }
            self.matcher.search(keys, query, &mut field, &drawing.barred, passes, stream);
            let kernel = KERNEL[1] + (narrowest - KERNEL[1]) * i as f64 / (sigmas.len() - 1) as f64;
            drawing.image = self.voted(&field, kernel);
            if let Some(wanted) = &drawing.tone {
                tone::restore(&mut drawing.image, wanted);
            }
            self.restore(&mut drawing.image);
            step(progress, steps.work)?;
        }
        drawing.field = Some(field);
        Ok(())
    }

    fn voted(&self, field: &Field, kernel: f64) -> Image {
        vote(&self.level.sources.images(), field, self.patch, kernel)
    }

    /// Puts back what a mask keeps.
    fn restore(&self, image: &mut Image) {
        if let Some(kept) = &self.kept {
            kept.restore(image);
        }
    }
}

/// Annealed steps on one level.
struct Steps {
    /// How many, two at least, and the work of each.
    count: usize,
    work: u64,
    /// Noise of the first one, and whether that is in the picture already.
    noise: f64,
    noisy: bool,
    /// Passes of the search in the first one and in the others.
    passes: [usize; 2],
}

/// Root mean squared difference of two pictures of one size.
fn difference(a: &Image, b: &Image) -> f64 {
    let row = a.width * a.channels;
    let rows = a.data.par_chunks(row).zip(b.data.par_chunks(row));
    let squares = |(a, b): (&[f32], &[f32])| a.iter().zip(b).map(|(x, y)| f64::from(x - y).powi(2)).sum();
    let sums: Vec<f64> = rows.map(squares).collect();
    (sums.iter().sum::<f64>() / a.data.len() as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quantity::Strength;
    use crate::raster::Plane;

    /// A picture that is drawn exactly on its coarsest level, and a strip that is too long for that.
    fn pyramids() -> [Pyramid; 2] {
        [Pyramid::new(320, 201), Pyramid::new(6000, 80)]
    }

    fn schedule(pyramid: &Pyramid) -> Schedule {
        Schedule::new(Strength::new(0.7).expect("within 0..=1"), pyramid)
    }

    #[test]
    fn outlines_are_drawn_thoroughly_and_what_is_finer_is_not() {
        let [picture, strip] = pyramids().map(|pyramid| -> Vec<(usize, usize)> {
            let schedule = schedule(&pyramid);
            let on = |level| Pace::on(level, &schedule, &pyramid);
            (0..schedule.start).rev().map(|level| (on(level).steps, on(level).passes)).collect()
        });
        let is_plain = |(steps, passes): &(usize, usize)| *steps <= 4 && *passes == PASSES[1];
        assert_eq!(picture[..2], OUTLINED);
        assert!(picture.len() > 2 && picture[2..].iter().all(is_plain));
        assert!(!strip.is_empty() && strip.iter().all(is_plain));
    }

    #[test]
    fn patches_of_an_exact_layout_are_small_unless_it_is_packed_or_directed() {
        let widths = |pyramid: &Pyramid, directed: bool| {
            let schedule = schedule(pyramid);
            let task = Task { pyramid, schedule: &schedule, keep: None, directed, seed: 1 };
            [0, 1].map(|below| patch(schedule.start - below, &task))
        };
        let [picture, strip] = pyramids();
        let chessboard = Plane::from_fn(320, 201, |x, y| ((x / 5 + y / 5) % 2) as f32);
        let packed = Pyramid::of(320, 201, &Image::from_planes(&[chessboard]));
        assert!(packed.is_packed());
        assert_eq!(widths(&picture, false), [BEGUN_PATCH, 11]);
        assert_eq!(widths(&picture, true), [11, 11]);
        assert_eq!(widths(&packed, false), [11, 11]);
        assert_eq!(widths(&strip, false), [11, 7]);
    }
}
