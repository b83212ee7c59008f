//! PatchMatch (Barnes et al. 2009) as a synchronous iteration: the new field is computed from the
//! old one alone, and random candidates are hashed from the pixel, so threads cannot matter.

use rayon::prelude::*;

use crate::random::Stream;
use crate::simd::{self, Kernel};

use super::bend::Bend;
use super::features::{Component, Feature, Quantiser};
use super::field::{Field, Match};
use super::sources::Sources;
use super::usage::Usage;

/// What may become a match, and may lie outside the corpus.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Candidate {
    copy: i32,
    y: i32,
    x: i32,
}

impl From<Match> for Candidate {
    #[inline(always)]
    fn from(m: Match) -> Self {
        Candidate { copy: m.copy.into(), y: m.y.into(), x: m.x.into() }
    }
}

impl Candidate {
    /// Of one inside the corpus.
    #[inline(always)]
    fn matched(self) -> Match {
        Match { copy: self.copy as u16, y: self.y as u16, x: self.x as u16 }
    }
}

/// What every patch of the corpus costs whoever asks: more outside the reference, and more where its place is in use.
/// Few candidates are near enough that it is asked for, so it is not kept.
pub struct Bias<'a> {
    pub sources: &'a Sources,
    /// Cost of a patch that lies all outside.
    pub outside: f32,
    /// Use of the places, and what use as often as the mean costs.
    pub usage: Option<(Usage, f32)>,
}

impl Bias<'_> {
    /// Of the patch at pixel `at` of a copy.
    #[inline]
    fn of(&self, copy: usize, at: usize) -> i32 {
        let copy = &self.sources.copies[copy];
        let used = self.usage.as_ref().map_or(0.0, |(usage, unit)| unit * usage.at(copy.origin(at)));
        (copy.outside(at) * self.outside + used) as i32
    }
}

/// What a match costs beyond its distance. All costs are in the units of squared distances, never negative.
pub struct Costs<'a> {
    pub bias: &'a Bias<'a>,
    /// Copy 0 within `own_radius` pixels of the pixel itself, or of where `bend` has it from: leaving one out.
    pub own_place: i32,
    /// Copy 0, wherever.
    pub upright: i32,
    pub own_radius: i32,
    pub bend: Option<&'a Bend>,
    /// Pixels from the edge of a copy within which a patch costs as much as one that lies outside, unless it is asked for at
    /// the edge of the picture: much of it is mirrored there, so that it looks like itself a pixel further, and would be
    /// drawn out into streaks.
    pub edge: i32,
    /// Sources that a pixel must not use: see `copies`. Empty for none.
    pub barred: &'a [Option<Match>],
    pub barred_cost: i32,
    pub barred_radius: i32,
}

/// One level's search: the same source and query for all iterations.
pub struct Search<'a, T, const N: usize> {
    pub query: &'a [Feature<T, N>],
    /// Those of each copy.
    pub sources: &'a [Vec<Feature<T, N>>],
    /// What both were quantised by.
    pub quantiser: &'a Quantiser<T, N>,
    /// Width and height of a copy: those of the field, unless the picture is being magnified.
    pub size: (usize, usize),
    pub costs: Costs<'a>,
    pub stream: Stream,
}

/// Directions of propagation.
const AROUND: [(i32, i32); 8] = [(-1, 0), (1, 0), (0, -1), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1)];
/// Distances of propagation, iteration by iteration.
const STRIDES: [i32; 6] = [1, 4, 1, 2, 1, 8];
/// Random candidates of a pixel: by turns anywhere, and around the match so far.
const RANDOM: usize = 4;
/// Pixels by which random candidates are drawn ahead: they lie far apart in memory, and take long to come.
const AHEAD: usize = 8;
const NOWHERE: Candidate = Candidate { copy: 0, y: -1, x: -1 };

impl<T: Component, const N: usize> Search<'_, T, N> {
    /// Improves `field` in `iterations` passes.
    pub fn run(&self, field: &mut Field, iterations: usize) {
        let mut next = field.matches.clone();
        field.distances.resize(next.len(), 0);
        for i in 0..iterations {
            self.pass(field, &mut next, i);
            std::mem::swap(&mut field.matches, &mut next);
        }
    }

    /// Fills `next` with what is found from the matches of `field`, and the distances of `field` with those of `next`.
    fn pass(&self, field: &mut Field, next: &mut [Match], iteration: usize) {
        let size = (field.width, field.height);
        let stride = STRIDES[iteration % STRIDES.len()];
        let stream = self.stream.child(iteration as u64);
        let reach = size.0.max(size.1) as f32 / 3.0;
        let old = &field.matches;
        let rows = next.par_chunks_mut(size.0).zip(field.distances.par_chunks_mut(size.0));
        rows.enumerate().for_each(|(y, (matches, distances))| {
            simd::run(Row { search: self, old, size, y, stride, stream, reach, matches, distances });
        });
    }

    /// Whether `m` lies in the corpus.
    #[inline(always)]
    fn has(&self, m: Candidate) -> bool {
        (m.x as u32) < self.size.0 as u32 && (m.y as u32) < self.size.1 as u32
    }

    #[inline(always)]
    fn source(&self, m: Candidate) -> &Feature<T, N> {
        &self.sources[m.copy as usize][self.index(m)]
    }

    /// The pixel of its copy.
    #[inline(always)]
    fn index(&self, m: Candidate) -> usize {
        m.y as usize * self.size.0 + m.x as usize
    }

    /// A candidate anywhere (even `turn`) or near `found`, the nearer the later the turn.
    #[inline(always)]
    fn random(&self, bits: u64, turn: usize, found: Match, reach: f32) -> Candidate {
        let part = |shift: u32, n: u64| ((((bits >> shift) & 0xFFFF) * n) >> 16) as i32;
        if turn.is_multiple_of(2) {
            return Candidate {
                copy: part(32, self.sources.len() as u64),
                y: part(0, self.size.1 as u64),
                x: part(16, self.size.0 as u64),
            };
        }
        let radius = (reach / (1 << (turn / 2)) as f32).max(1.0) as u64;
        let step = |shift| part(shift, 2 * radius + 1) - radius as i32;
        let found = Candidate::from(found);
        Candidate { copy: found.copy, y: found.y + step(0), x: found.x + step(16) }
    }
}

/// One row of a pass.
struct Row<'a, 'b, T, const N: usize> {
    search: &'a Search<'b, T, N>,
    old: &'a [Match],
    /// Width and height of the field.
    size: (usize, usize),
    y: usize,
    stride: i32,
    stream: Stream,
    reach: f32,
    matches: &'a mut [Match],
    distances: &'a mut [i32],
}

impl<T: Component, const N: usize> Kernel for Row<'_, '_, T, N> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let ((width, height), stride) = (self.size, self.stride);
        let mut drawn = [[NOWHERE; RANDOM]; AHEAD];
        drawn.iter_mut().take(width).enumerate().for_each(|(x, drawn)| *drawn = self.draw(x));
        let places = self.search.costs.bend.map(|bend| bend.row(self.y, (width, height)));
        for x in 0..width {
            let pixel = self.y * width + x;
            let place = match &places {
                Some(places) => (places[x].0.round() as i32, places[x].1.round() as i32),
                None => (self.y as i32, x as i32),
            };
            let at_edge = is_at_edge((self.y as i32, x as i32), self.size, self.search.costs.edge);
            let mut best = Best::new(self.search, pixel, place, at_edge);
            best.start(self.old[pixel].into());
            for (dy, dx) in AROUND {
                let (ny, nx) = (self.y as i32 + dy * stride, x as i32 + dx * stride);
                if (ny as u32) < height as u32 && (nx as u32) < width as u32 {
                    let m = Candidate::from(self.old[ny as usize * width + nx as usize]);
                    best.offer(Candidate { copy: m.copy, y: m.y - dy * stride, x: m.x - dx * stride });
                }
            }
            for m in drawn[x % AHEAD] {
                best.offer(m);
            }
            if x + AHEAD < width {
                drawn[x % AHEAD] = self.draw(x + AHEAD);
            }
            self.matches[x] = best.found.matched();
            self.distances[x] = best.distance;
        }
    }
}

impl<T: Component, const N: usize> Row<'_, '_, T, N> {
    /// The random candidates of the pixel at `x`, on their way into the cache.
    #[inline(always)]
    fn draw(&self, x: usize) -> [Candidate; RANDOM] {
        let pixel = self.y * self.size.0 + x;
        let found = self.old[pixel];
        // No closure: what is called from one would not be compiled for the wider vectors.
        let mut drawn = [NOWHERE; RANDOM];
        for (r, m) in drawn.iter_mut().enumerate() {
            let bits = self.stream.bits((pixel * RANDOM + r) as u64);
            *m = self.search.random(bits, r, found, self.reach);
            if self.search.has(*m) {
                simd::prefetch(self.search.source(*m));
            }
        }
        drawn
    }
}

/// Whether a place (y, x) lies within `edge` pixels of a picture's edge.
#[inline(always)]
fn is_at_edge((y, x): (i32, i32), (width, height): (usize, usize), edge: i32) -> bool {
    y.min(x).min(height as i32 - 1 - y).min(width as i32 - 1 - x) < edge
}

/// The best candidate of one pixel so far.
struct Best<'a, 'b, T, const N: usize> {
    search: &'a Search<'b, T, N>,
    query: &'a Feature<T, N>,
    /// Its own place in copy 0.
    place: (i32, i32),
    at_edge: bool,
    barred: Option<Candidate>,
    found: Candidate,
    distance: i32,
    total: i32,
}

impl<'a, 'b, T: Component, const N: usize> Best<'a, 'b, T, N> {
    #[inline(always)]
    fn new(search: &'a Search<'b, T, N>, pixel: usize, place: (i32, i32), at_edge: bool) -> Self {
        Best {
            search,
            query: &search.query[pixel],
            place,
            at_edge,
            barred: search.costs.barred.get(pixel).copied().flatten().map(Candidate::from),
            found: Candidate { copy: 0, y: 0, x: 0 },
            distance: i32::MAX,
            total: i32::MAX,
        }
    }

    #[inline(always)]
    fn start(&mut self, m: Candidate) {
        self.found = m;
        self.distance = self.search.quantiser.distance(self.query, self.search.source(m), i32::MAX);
        self.total = self.distance.saturating_add(self.extra(m));
    }

    #[inline(always)]
    fn offer(&mut self, m: Candidate) {
        if !self.search.has(m) || m == self.found {
            return;
        }
        let d = self.search.quantiser.distance(self.query, self.search.source(m), self.total);
        if d >= self.total {
            return;
        }
        let total = d.saturating_add(self.extra(m));
        if total < self.total {
            (self.found, self.distance, self.total) = (m, d, total);
        }
    }

    #[inline(always)]
    fn extra(&self, m: Candidate) -> i32 {
        let costs = &self.search.costs;
        // Far ones first: their squares would not fit.
        let near = |y: i32, x: i32, radius: i32| {
            let (dy, dx) = ((m.y - y).abs(), (m.x - x).abs());
            dy < radius && dx < radius && dy * dy + dx * dx < radius * radius
        };
        let mut cost = costs.bias.of(m.copy as usize, self.search.index(m));
        if !self.at_edge && is_at_edge((m.y, m.x), self.search.size, costs.edge) {
            cost = cost.saturating_add(costs.bias.outside as i32);
        }
        if m.copy == 0 {
            cost = cost.saturating_add(costs.upright);
            if near(self.place.0, self.place.1, costs.own_radius) {
                cost = cost.saturating_add(costs.own_place);
            }
        }
        if let Some(bar) = self.barred
            && bar.copy == m.copy
            && near(bar.y, bar.x, costs.barred_radius)
        {
            cost = cost.saturating_add(costs.barred_cost);
        }
        cost
    }
}

#[cfg(test)]
mod tests {
    use super::super::corpus;
    use super::super::image::Image;
    use super::*;
    use crate::raster::Plane;

    #[test]
    fn a_shifted_picture_is_found_at_its_shift() {
        let (width, height) = (60, 50);
        let stream = Stream::new(9, "test");
        let feature =
            |i: usize| Feature(std::array::from_fn(|k| (stream.bits((16 * i + k) as u64) % 2000) as i16));
        let copy = |k: usize| (k * width * height..(k + 1) * width * height).map(feature).collect();
        let sources: [Vec<Feature<i16, 16>>; 2] = [copy(0), copy(1)];
        // The query is the second copy moved by (3, 5).
        let query: Vec<Feature<i16, 16>> = (0..width * height)
            .map(|i| {
                let (y, x) = ((i / width + 3).min(height - 1), (i % width + 5).min(width - 1));
                sources[1][y * width + x]
            })
            .collect();
        let blank = Image::from_planes(&[Plane::filled(width, height, 0.0)]);
        let blank = corpus::copy(&blank, (width, height), 0, 0.0, false, 1);
        let bias = Bias { sources: &Sources::own(vec![blank.clone(), blank]), outside: 0.0, usage: None };
        let costs = Costs {
            bias: &bias,
            own_place: 0,
            upright: 0,
            own_radius: 0,
            edge: 0,
            barred: &[],
            barred_cost: 0,
            barred_radius: 0,
            bend: None,
        };
        let (query, sources, quantiser) = (&query, &sources, &Quantiser::of(&[]));
        let search = Search { query, sources, quantiser, size: (width, height), costs, stream };
        let mut field = Field::random((width, height), 2, (width, height), stream.child(7));
        search.run(&mut field, 30);
        let exact = field.distances.iter().filter(|d| **d == 0).count();
        assert!(exact * 10 > width * height * 9, "{exact} of {}", width * height);
        assert_eq!(field.matches[10 * width + 10], Match { copy: 1, y: 13, x: 15 });
    }

    #[test]
    fn the_edge_of_a_copy_is_drawn_at_the_edge_of_the_picture_alone() {
        let (width, height) = (24, 20);
        let at_edge = |y: usize, x: usize| y < 2 || x < 2 || y >= height - 2 || x >= width - 2;
        // All patches at the edge of the copy are what is asked for, all others nearly so.
        let feature = |v: i16| Feature::<i16, 16>(std::array::from_fn(|_| v));
        let sources: Vec<_> =
            (0..width * height).map(|i| feature(if at_edge(i / width, i % width) { 0 } else { 3 })).collect();
        let query = vec![feature(0); width * height];
        let blank = Image::from_planes(&[Plane::filled(width, height, 0.0)]);
        let blank = corpus::copy(&blank, (width, height), 0, 0.0, false, 1);
        let bias = Bias { sources: &Sources::own(vec![blank]), outside: 1000.0, usage: None };
        let costs = Costs {
            bias: &bias,
            own_place: 0,
            upright: 0,
            own_radius: 0,
            edge: 2,
            barred: &[],
            barred_cost: 0,
            barred_radius: 0,
            bend: None,
        };
        let stream = Stream::new(3, "test");
        let (sources, quantiser) = (&[sources], &Quantiser::of(&[]));
        let search = Search { query: &query, sources, quantiser, size: (width, height), costs, stream };
        let mut field = Field::random((width, height), 1, (width, height), stream.child(7));
        search.run(&mut field, 12);
        for (i, m) in field.matches.iter().enumerate() {
            let asked_at_edge = at_edge(i / width, i % width);
            assert_eq!(at_edge(m.y.into(), m.x.into()), asked_at_edge, "pixel {i}: {m:?}");
        }
    }
}
