//! The search of one level with its features and its costs: what is far, outside, overused, in place
//! or barred is not taken.

use std::borrow::Cow;

use rayon::prelude::*;

use crate::random::Stream;

use super::bend::Bend;
use super::copies::Regions;
use super::features::{Component, Dictionary, Feature};
use super::field::{Field, Match};
use super::image::Image;
use super::schedule::Schedule;
use super::search::{Bias, Costs, Search};
use super::sources::Sources;
use super::usage::Usage;

/// Patches that the features are learnt from.
const SAMPLES: usize = 2500;
/// Of these, patches whose nearest is looked for to learn what a match costs.
const ASKING: usize = 300;
/// Cost of a patch outside the reference, in mean squared patch lengths.
pub const OUTSIDE: f32 = 4.0;
/// Weight of the occurrence cost (Kaspar et al. 2015): overused places cost more.
const OCCURRENCE: f64 = 0.6;
/// Largest coherent copy of the upright reference, as a share of the picture: what is not turned either is a copy
/// that any comparison by shifts sees.
const UPRIGHT: f64 = 0.01;
/// Side of the smallest region that is broken, in patch widths.
const PATCHES: f64 = 1.2;
/// Cost of a barred match, in typical distances of a match at another place.
const BARRED: f32 = 4.0;

/// Distance from the edge of a copy at which nearly half of a patch of that width is mirrored.
pub fn edge(patch: usize) -> i32 {
    (patch / 2).div_ceil(2) as i32
}

/// Features learnt from one level, and the scale of its costs.
pub struct Matcher<'a, T, const N: usize> {
    sources: &'a Sources,
    schedule: &'a Schedule,
    bend: Option<&'a Bend>,
    dictionary: Dictionary<T, N>,
    /// What a match at another place costs typically.
    elsewhere: f32,
}

impl<'a, T: Component, const N: usize> Matcher<'a, T, N> {
    pub fn new(
        sources: &'a Sources,
        schedule: &'a Schedule,
        bend: Option<&'a Bend>,
        patch: usize,
        stream: Stream,
    ) -> Self {
        let (dictionary, own) = Dictionary::of(&sources.copies[0].image, patch, SAMPLES, stream);
        let mut matcher = Matcher { sources, schedule, bend, dictionary, elsewhere: 0.0 };
        matcher.elsewhere = matcher.typical_distance(&own, stream);
        matcher
    }

    /// Features of all patches of every copy as `show` shows it.
    pub fn describe<'b>(&'b self, show: impl Fn(&'b Image) -> Cow<'b, Image>) -> Vec<Vec<Feature<T, N>>> {
        self.dictionary.describe_all(self.sources.copies.iter().map(|copy| show(&copy.image)))
    }

    /// Bars what coherent regions over the schedule's cap show beyond it: the next search takes it from elsewhere.
    pub fn break_copies(&self, field: &Field, barred: &mut Vec<Option<Match>>, stream: Stream) {
        let Some(cap) = self.schedule.copy_cap() else { return };
        let regions = Regions::of(&field.matches, field.width);
        // A region of little more than a patch cannot be broken: that would only blur it.
        let least = (PATCHES * self.dictionary.basis.patch as f64).powi(2);
        let cap = |copy: u16| {
            let share = if copy == 0 { cap.min(UPRIGHT) } else { cap };
            (share * field.matches.len() as f64).max(least)
        };
        let excess = regions.excess(&field.matches, field.width, cap, stream);
        barred.resize(excess.len(), None);
        // What was barred once stays so: a pixel would otherwise go back and forth.
        barred.iter_mut().zip(excess).for_each(|(old, new)| *old = new.or(*old));
    }

    /// Improves `field` by `passes` of PatchMatch for `query` among `keys`, without what is `barred`.
    pub fn search(
        &self,
        keys: &[Vec<Feature<T, N>>],
        query: Image,
        field: &mut Field,
        barred: &[Option<Match>],
        passes: usize,
        stream: Stream,
    ) {
        let described = self.dictionary.described(&query);
        drop(query);
        let bias = self.bias(field);
        let dear = |distances: f64| (distances as f32 * self.elsewhere) as i32;
        let radius = (0.03 * field.width.min(field.height) as f64 + 2.0) as i32;
        let costs = Costs {
            bias: &bias,
            own_place: dear(self.schedule.own_place()),
            upright: dear(self.schedule.upright()),
            own_radius: radius,
            edge: edge(self.dictionary.basis.patch),
            bend: self.bend,
            barred,
            barred_cost: (BARRED * self.elsewhere) as i32,
            barred_radius: radius,
        };
        let size = (self.sources.width, self.sources.height);
        let (query, quantiser) = (&described, &self.dictionary.quantiser);
        Search { query, sources: keys, quantiser, size, costs, stream }.run(field, passes);
    }

    /// Costs of every patch whoever asks: high outside the reference, and the more its place is in use.
    fn bias(&self, field: &Field) -> Bias<'a> {
        let outside = OUTSIDE * self.dictionary.energy;
        let usage = (!field.distances.is_empty()).then(|| {
            let weight = OCCURRENCE * (self.schedule.clock / 0.6).min(1.0);
            (Usage::of(self.sources, field), weight as f32 * field.median_distance())
        });
        Bias { sources: self.sources, outside, usage }
    }

    /// Median distance of a patch of copy 0, of which `own` is a sample, to its nearest in a sample of a turned copy.
    fn typical_distance(&self, own: &[[f32; N]], stream: Stream) -> f32 {
        let Dictionary { basis, quantiser, .. } = &self.dictionary;
        let other = basis.sample(&self.sources.copies[1].image, SAMPLES, stream.child(2));
        let quantise = |all: &[[f32; N]]| all.iter().map(|v| quantiser.quantise(*v)).collect::<Vec<_>>();
        let (queries, candidates) = (quantise(&own[..ASKING.min(own.len())]), quantise(&other));
        let nearest =
            |query| candidates.iter().fold(i32::MAX, |best, c| best.min(quantiser.distance(query, c, best)));
        let mut all: Vec<i32> = queries.par_iter().map(nearest).collect();
        let middle = all.len() / 2;
        *all.select_nth_unstable(middle).1 as f32
    }
}
