//! Which copies of the reference a level draws from.
//!
//! On the coarsest levels, where the layout is refined, there are many: of a thing that is large there only a few
//! patches of each copy fit, and where none does, what was whole in the layout is forked, cut or shifted. Each copy costs little
//! there. Finer levels go on with those that were drawn from most, which keeps time and memory as they are.

use rayon::prelude::*;

use crate::progress::Progress;
use crate::random::Stream;

use super::super::GenerateError;
use super::corpus::{self, Copy};
use super::effort;
use super::energy::{self, Energy};
use super::field::Match;
use super::image::Image;
use super::pyramid::{Pyramid, factor};
use super::refine::{Drawing, SEARCHED_FROM};
use super::schedule::Schedule;
use super::sources::Sources;
use super::step;

/// Copies on the coarsest levels, and how many levels these are.
const MANY: usize = 18;
const MANY_ON: usize = 2;

/// What the copies are made of.
pub struct Reference<'a> {
    /// Empty as soon as the last copy is made.
    pub image: Image,
    /// Width and height of the picture.
    pub drawn: (usize, usize),
    pub pyramid: &'a Pyramid,
    /// How much the upright copy is bent, as a share of the others.
    pub drift: f64,
    /// No copy is turned.
    pub directed: bool,
    pub seed: u64,
}

/// The sources of one level after the other.
pub struct Supply<'a> {
    reference: Reference<'a>,
    start: usize,
    stock: Stock,
}

/// What is made and not yet drawn from.
enum Stock {
    /// Sources of the levels that draw from many copies, the next one last.
    Many(Vec<Sources>),
    /// The copies of all other levels, and their energy.
    Few { corpus: Vec<Copy>, energy: Option<Energy> },
}

/// Whether a drawing among copies that are `directed` or not begins with many. Where copies are not turned, more of them
/// would be more of the same; where the reference fades, things are new anyway.
pub fn begins_with_many(schedule: &Schedule, pyramid: &Pyramid, directed: bool) -> bool {
    // What is lost when only few go on has to be searched anew.
    let is_searched = schedule.start >= SEARCHED_FROM + MANY_ON;
    let stays = schedule.kept.is_some() && schedule.shown() >= 1.0;
    !directed && stays && is_searched && effort::is_exact(schedule, pyramid)
}

/// Units of work of making all copies.
pub fn work(schedule: &Schedule, pyramid: &Pyramid) -> u64 {
    let many = match schedule.many {
        true => effort::copying(pyramid.pixels(energy::finest(pyramid)), MANY),
        false => 0,
    };
    many + effort::copying(pyramid.pixels(0), corpus::copies(pyramid.pixels(0)))
}

impl<'a> Supply<'a> {
    /// From the level on where `schedule` starts.
    pub fn new(
        mut reference: Reference<'a>,
        schedule: &Schedule,
        progress: &mut dyn Progress,
    ) -> Result<Self, GenerateError> {
        let start = schedule.start;
        let stock = match schedule.many {
            true => reference.many(start, progress)?,
            false => reference.these((0..reference.few()).collect(), start, progress)?,
        };
        Ok(Supply { reference, start, stock })
    }

    /// Sources of the start level.
    pub fn first(&mut self) -> Sources {
        self.at(self.start)
    }

    /// Sources of a level that comes after the start level; `drawing` is led on to those of its copies that are left.
    pub fn next(
        &mut self,
        level: usize,
        drawing: &mut Drawing,
        progress: &mut dyn Progress,
    ) -> Result<Sources, GenerateError> {
        if matches!(&self.stock, Stock::Many(left) if left.is_empty()) {
            let matches = drawing.field.as_ref().map_or(&[][..], |field| &field.matches);
            let kept = most_used(matches, MANY, self.reference.few());
            drawing.leave_all_but(&kept, Stream::new(self.reference.seed, "patch supply"));
            self.stock = self.reference.these(kept, self.start, progress)?;
        }
        Ok(self.at(level))
    }

    fn at(&mut self, level: usize) -> Sources {
        let pyramid = self.reference.pyramid;
        let (width, height) = pyramid.size(level);
        match &mut self.stock {
            Stock::Many(left) => {
                let sources = left.pop().expect("where none is left, few copies follow");
                debug_assert_eq!((sources.width, sources.height), (width, height));
                sources
            }
            // The finest level comes last, and takes the copies over.
            Stock::Few { corpus, energy } if level == 0 => {
                *energy = None;
                Sources::own(std::mem::take(corpus))
            }
            Stock::Few { corpus, energy } => {
                let mut sources = Sources::new(corpus, width, height);
                if let Some(energy) = energy.as_ref().filter(|_| Energy::is_on(level, pyramid)) {
                    energy.add_to(&mut sources);
                }
                sources
            }
        }
    }
}

impl Reference<'_> {
    /// How many copies the finer levels draw from.
    fn few(&self) -> usize {
        corpus::copies(self.pyramid.pixels(0))
    }

    /// Makes what the coarsest levels need of many copies. These are made at the size of the level where energy is
    /// measured, and none outlives its use.
    fn many(&self, start: usize, progress: &mut dyn Progress) -> Result<Stock, GenerateError> {
        progress.phase("gathering patches");
        let Reference { ref image, pyramid, drift, directed, seed, .. } = *self;
        let finest = energy::finest(pyramid);
        let side = |n: usize| (n as f64 / factor(finest)).round().max(2.0) as usize;
        let image = image.resized(side(image.width), side(image.height));
        let sizes: Vec<(usize, usize)> = (0..MANY_ON).map(|on| pyramid.size(start - on)).collect();
        let made = (0..MANY).into_par_iter().map(|k| {
            let copy = corpus::copy(&image, pyramid.size(finest), k, drift, directed, seed);
            let coarse: Vec<Copy> = sizes.iter().map(|(w, h)| copy.resized(*w, *h)).collect();
            (coarse, energy::detail(&copy, pyramid))
        });
        let (copies, details): (Vec<_>, Vec<_>) = made.unzip();
        let energy = Energy::new(details);
        let mut all: Vec<Sources> =
            sizes.iter().map(|(width, height)| Sources::empty(*width, *height)).collect();
        for coarse in copies {
            all.iter_mut().zip(coarse).for_each(|(sources, copy)| sources.copies.push(copy));
        }
        all.iter_mut().for_each(|sources| energy.add_to(sources));
        all.reverse();
        step(progress, effort::copying(pyramid.pixels(finest), MANY))?;
        Ok(Stock::Many(all))
    }

    /// Makes the copies `which` at the size of the picture, the last that are made.
    fn these(
        &mut self,
        which: Vec<usize>,
        start: usize,
        progress: &mut dyn Progress,
    ) -> Result<Stock, GenerateError> {
        progress.phase("gathering patches");
        let image = std::mem::take(&mut self.image);
        let Reference { drawn, pyramid, drift, directed, seed, .. } = *self;
        let copies = which.len();
        let copy = |k| corpus::copy(&image, drawn, k, drift, directed, seed);
        let corpus: Vec<Copy> = which.into_par_iter().map(copy).collect();
        drop(image);
        let energy = Energy::is_on(start, pyramid).then(|| {
            let detail = |copy: &Copy| energy::detail(copy, pyramid);
            Energy::new(corpus.par_iter().map(detail).collect())
        });
        step(progress, effort::copying(pyramid.pixels(0), copies))?;
        Ok(Stock::Few { corpus, energy })
    }
}

/// The upright copy and the `few` - 1 others that most `matches` among `many` are of, in their order.
fn most_used(matches: &[Match], many: usize, few: usize) -> Vec<usize> {
    let mut used = vec![0usize; many];
    matches.iter().for_each(|found| used[usize::from(found.copy)] += 1);
    let mut others: Vec<usize> = (1..many).collect();
    others.sort_by_key(|k| std::cmp::Reverse(used[*k]));
    others.truncate(few - 1);
    others.push(0);
    others.sort_unstable();
    others
}

#[cfg(test)]
mod tests {
    use super::super::field::Field;
    use super::*;
    use crate::progress::Silent;
    use crate::quantity::Strength;
    use crate::raster::Plane;

    fn begins(strength: f64, side: usize, directed: bool) -> bool {
        let pyramid = Pyramid::new(side, side);
        let strength = Strength::new(strength).expect("within 0..=1");
        begins_with_many(&Schedule::new(strength, &pyramid), &pyramid, directed)
    }

    #[test]
    fn many_copies_are_for_arrangements_that_stay_and_for_what_may_be_turned() {
        assert!(begins(0.3, 256, false) && begins(0.75, 256, false));
        assert!(!begins(0.05, 256, false) && !begins(1.0, 256, false));
        assert!(!begins(0.6, 256, true) && !begins(0.6, 64, false));
    }

    #[test]
    fn the_most_used_copies_go_on_and_what_came_of_others_is_drawn_from_these() {
        let pyramid = Pyramid::new(256, 256);
        let strength = Strength::new(0.6).expect("within 0..=1");
        let schedule = Schedule { many: true, ..Schedule::new(strength, &pyramid) };
        let dots = |x: usize, y: usize| ((x as f32 / 9.0).sin() + (y as f32 / 13.0).cos()).powi(2);
        let reference = Reference {
            image: Image::from_planes(&[Plane::from_fn(256, 256, dots)]),
            drawn: (256, 256),
            pyramid: &pyramid,
            drift: 0.5,
            directed: false,
            seed: 3,
        };
        let mut supply = Supply::new(reference, &schedule, &mut Silent).expect("not cancelled");
        let many = supply.first();
        assert_eq!(many.copies.len(), MANY);

        // Copies 12 to 17 are used, those of higher numbers more.
        let (width, height) = pyramid.size(schedule.start);
        let mut drawing = Drawing::of(many.copies[0].image.clone());
        let field = Field::in_place(width, height);
        let copy = |i: usize| (12..MANY).find(|k| i.is_multiple_of(19 - k)).unwrap_or(17) as u16;
        let matches: Vec<Match> =
            field.matches.iter().enumerate().map(|(i, m)| Match { copy: copy(i), ..*m }).collect();
        drawing.barred = matches.iter().map(|m| Some(*m)).collect();
        drawing.field = Some(Field { matches: matches.clone(), ..field });

        let second = supply.next(schedule.start - 1, &mut drawing, &mut Silent).expect("not cancelled");
        assert_eq!(second.copies.len(), MANY);
        assert_eq!(drawing.barred[0], Some(matches[0]));
        let third = supply.next(schedule.start - 2, &mut drawing, &mut Silent).expect("not cancelled");
        let kept = most_used(&matches, MANY, supply.reference.few());
        assert_eq!((third.copies.len(), kept[0]), (supply.reference.few(), 0));
        assert!(kept[1..].iter().all(|k| *k >= 12) && kept.contains(&17), "{kept:?}");
        let field = drawing.field.as_ref().expect("there is one");
        for ((now, was), barred) in field.matches.iter().zip(&matches).zip(&drawing.barred) {
            match kept.iter().position(|k| *k == usize::from(was.copy)) {
                Some(at) => assert_eq!((*now, *barred), (Match { copy: at as u16, ..*was }, Some(*now))),
                None => assert!(usize::from(now.copy) < kept.len() && barred.is_none()),
            }
        }
    }
}
