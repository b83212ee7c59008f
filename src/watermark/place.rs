//! Looks for turned, scaled and stretched lattices: one octave of periods at one size of the picture.

use super::coarse::{Candidate, Coarse, FURTHEST, Octave, Weighted, distinct};
use super::decode::Decoder;
use super::detect::Stage;
use super::log_polar::Stretch;
use super::refine::Refiner;
use super::scene::{Scene, View};
use super::search::{Lock, first, orientations};
use super::spectrum::HalfLattice;

/// Periods that are searched at each level, in pixels of its view; at the full size also those of pictures
/// that were made smaller.
const LONG: Octave = Octave { low: 40.0, high: 82.0, block: 512 };
const SHORT: Octave = Octave { low: 19.0, high: 41.0, block: 256 };
/// Candidates of each octave that are refined.
const TURNED: usize = 90;
const UPRIGHT: usize = 30;
const STRETCHED: usize = 90;
/// What a pilot counts beside a carrier, which is weaker.
const PILOT_WEIGHT: f32 = 2.0;
/// Of these candidates, after a closer look.
const CLOSER: usize = 16;
const CLOSEST: usize = 4;
const DECODED: usize = 3;
/// Blocks by which a stretched lattice is sought, in pixels: they grow with the fourth power.
const ROUGH: usize = 224;

/// Looks for a lattice of any rotation and scale, or upright and of a changed aspect.
pub(super) fn turned(scene: &Scene, lines: &SearchLines, decoder: &mut Decoder<'_>) -> Option<Lock> {
    scene.levels().find_map(|(level, view)| {
        let octaves: &[Octave] = if level == 0 { &[LONG, SHORT] } else { &[LONG] };
        octaves.iter().find_map(|octave| {
            let place =
                Place { level, view, octave: *octave, coarse: Coarse::new(&view.values, octave.block) };
            let mut found = place.coarse.turned(*octave, lines.of(&place), &[Stretch::None], TURNED);
            if level < 2 {
                found.extend(place.coarse.upright(*octave, &lines.pilots, UPRIGHT));
            }
            place.settle(found, lines, Stage::Turned, decoder)
        })
    })
}

/// Looks for a lattice that was turned and changed its aspect, in either order, at about the full size.
pub(super) fn stretched(scene: &Scene, lines: &SearchLines, decoder: &mut Decoder<'_>) -> Option<Lock> {
    let view = scene.view(0)?;
    let place = Place { level: 0, view, octave: LONG, coarse: Coarse::new(&view.values, ROUGH) };
    let steps = || (-6..=6).filter(|step| *step != 0).map(|step| 0.022 * f64::from(step));
    let stretches: Vec<Stretch> = steps().map(Stretch::Before).chain(steps().map(Stretch::After)).collect();
    let found = place.coarse.turned(LONG, &lines.inner, &stretches, STRETCHED);
    place.settle(found, lines, Stage::Stretched, decoder)
}

/// One octave at one level.
struct Place<'a> {
    level: usize,
    view: &'a View,
    octave: Octave,
    coarse: Coarse,
}

impl Place<'_> {
    /// Refines candidates and tries to decode at the best.
    fn settle(
        &self,
        found: Vec<Candidate>,
        lines: &SearchLines,
        stage: Stage,
        decoder: &mut Decoder<'_>,
    ) -> Option<Lock> {
        let refiner = Refiner::new(self.view.reader(), &lines.all, self.view.long_side());
        let best = refiner.refine(self.closer(found, lines), DECODED);
        best.into_iter().find_map(|candidate| {
            let geometry = candidate.geometry;
            let lattice = HalfLattice::read(self.view.reader(), &geometry);
            let seen = decoder.observe(&lattice, &geometry);
            let places = orientations(decoder, &geometry, &seen, 2);
            let (message, geometry, translation) = first(decoder, places, 4)?;
            Some(Lock { message, level: self.level, geometry, translation, stage, field: None })
        })
    }

    /// The candidates where pilots and carriers together are strongest in the coarse spectrum.
    fn closer(&self, found: Vec<Candidate>, lines: &SearchLines) -> Vec<Candidate> {
        let ranked = |found: Vec<Candidate>, most: usize| {
            let mut found = found;
            found.sort_by(|a, b| b.score.total_cmp(&a.score));
            distinct(found, 0.4 / (self.coarse.block as f64 * FURTHEST), most)
        };
        let found = found.into_iter().map(|c| {
            let climbed = self.coarse.climb(c, &lines.pilots, 0.3, 2);
            Candidate { score: self.coarse.score(&climbed.geometry, &lines.all), ..climbed }
        });
        let found = ranked(found.collect(), CLOSER);
        ranked(found.into_iter().map(|c| self.coarse.climb(c, &lines.all, 0.3, 2)).collect(), CLOSEST)
    }
}

/// Lines by which the search goes.
pub(super) struct SearchLines {
    pub pilots: Weighted,
    /// The nearer ones, for rough looks.
    inner: Weighted,
    /// With the nearer carriers, where that is affordable.
    dense: Weighted,
    pub all: Weighted,
}

impl SearchLines {
    pub fn new(decoder: &Decoder<'_>) -> Self {
        let pilots = &decoder.schedule.pilots;
        let inner = pilots.iter().filter(|line| line.radius() <= 12.5).map(|line| (*line, 1.0));
        let carriers = || decoder.schedule.carriers.iter().map(|line| (*line, 1.0));
        let strong = || pilots.iter().map(|line| (*line, PILOT_WEIGHT));
        SearchLines {
            pilots: Weighted::new(strong()),
            dense: Weighted::new(
                strong().chain(carriers().filter(|(line, _)| (9.0..14.0).contains(&line.radius()))),
            ),
            inner: Weighted::new(inner),
            all: Weighted::new(strong().chain(carriers())),
        }
    }

    fn of(&self, place: &Place<'_>) -> &Weighted {
        // The further carriers of a short octave are beyond the picture's resolution.
        if place.coarse.block <= 300 && place.octave.low == LONG.low { &self.dense } else { &self.pilots }
    }
}
