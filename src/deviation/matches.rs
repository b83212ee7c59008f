//! Keypoints of two pictures that may show the same thing, and the placements that several of them speak for.

use super::affine::Affine;
use super::keypoints::{Keypoint, Keypoints};
use super::likest::{Like, likest};
use crate::simd;

/// Least likeness of two descriptions, 1 for the same.
const LEAST_LIKENESS: f32 = 0.88;
/// Places of the reference that one keypoint of the output may stand for. Particles repeat: the copied one need not
/// be the likest.
const PLACES: usize = 3;
/// Matches that are asked who agrees with them.
const SEEDS: usize = 400;
/// Placements that come of it.
const HYPOTHESES: usize = 32;
/// Least number of different places that agree, and the side of a place in pixels.
const LEAST_SUPPORT: usize = 3;
const PLACE: f32 = 6.0;

/// How far from each other keypoints are asked whether they agree, in pixels.
const REACH: f32 = 64.0;

/// Share of the highest worth from which a match marks out the part.
const SURE: f32 = 0.8;
/// How far from its place a match may be in each round of settling, in pixels of its level.
const TOLERANCES: [f64; 4] = [2.5, 2.0, 1.5, 1.0];

/// A placement that several keypoints speak for.
pub struct Hypothesis {
    pub map: Affine,
    /// Number of different places of the output that agree.
    pub support: usize,
    /// Where on the output these keypoints lie: left, top, right, bottom.
    pub extent: [f32; 4],
    /// Mean size of these keypoints.
    pub size: f32,
    pub worth: f32,
}

/// One keypoint of the output laid on one of the reference.
struct Match {
    from: Keypoint,
    to: [f32; 2],
    /// The turn and enlargement, after mirroring where it is `mirrored`, as a complex number.
    turn: [f32; 2],
    mirrored: bool,
    worth: f32,
}

/// The placements of `output` on `reference` that most keypoints speak for, those with most support first.
pub fn hypotheses(output: &Keypoints, reference: &Keypoints) -> Vec<Hypothesis> {
    let mut matches = matches(output, reference);
    matches.sort_by(|a, b| b.worth.total_cmp(&a.worth));
    let from: Vec<[f32; 2]> = matches.iter().map(|m| [m.from.x, m.from.y]).collect();
    let mut places = Places::default();
    let mut seeds: Vec<(usize, Vec<usize>)> = (0..matches.len().min(SEEDS))
        .map(|i| settled(&matches, agreeing(&matches, &from, &matches[i])))
        .map(|own| (places.count(&matches, &own), own))
        .filter(|(support, _)| *support >= LEAST_SUPPORT)
        .collect();
    // Stable: of equals the worthier comes first.
    seeds.sort_by_key(|(support, _)| std::cmp::Reverse(*support));
    let mut taken = vec![false; matches.len()];
    let mut found = Vec::new();
    for (_, mut own) in seeds {
        if found.len() == HYPOTHESES {
            break;
        }
        own.retain(|i| !taken[*i]);
        let support = places.count(&matches, &own);
        if support < LEAST_SUPPORT {
            continue;
        }
        own.iter().for_each(|i| taken[*i] = true);
        let map = similarity(&matches, &own);
        // What is doubtful must not draw the part larger than it is.
        let highest = own.iter().map(|i| matches[*i].worth).fold(0.0, f32::max);
        let sure = own.iter().filter(|i| matches[**i].worth >= SURE * highest);
        let extent = sure
            .map(|i| matches[*i].from)
            .fold([f32::INFINITY, f32::INFINITY, f32::NEG_INFINITY, f32::NEG_INFINITY], |[l, t, r, b], p| {
                [l.min(p.x), t.min(p.y), r.max(p.x), b.max(p.y)]
            });
        let size = own.iter().map(|i| matches[*i].from.size).sum::<f32>() / own.len() as f32;
        let worth = own.iter().map(|i| matches[*i].worth).sum::<f32>() / own.len() as f32;
        found.push(Hypothesis { map, support, extent, size, worth });
    }
    found.sort_by(|a, b| (b.support as f32 * b.worth).total_cmp(&(a.support as f32 * a.worth)));
    found
}

/// For every keypoint of the output its likest in the reference, in any pose.
fn matches(output: &Keypoints, reference: &Keypoints) -> Vec<Match> {
    // One more than is kept: what sets the kept ones apart.
    let likest = likest::<{ PLACES + 1 }>(&output.descriptions, &reference.descriptions);
    let likeness = |like: &Like| like.product / (255.0 * 255.0);
    let mut found = Vec::new();
    for (point, likest) in output.points.iter().zip(&likest) {
        let next = likeness(&likest[PLACES]);
        for like in &likest[..PLACES] {
            let likeness = likeness(like);
            if likeness < LEAST_LIKENESS {
                break;
            }
            let distinct = 1.0 - (1.0 - likeness) / (1.0 - next).max(1e-3);
            let (mirrored, turned) = (like.pose & 1 != 0, like.pose & 2 != 0);
            found.push(Match::new(*point, reference.points[like.at], mirrored, turned, likeness + distinct));
        }
    }
    found
}

impl Match {
    fn new(from: Keypoint, to: Keypoint, mirrored: bool, turned: bool, worth: f32) -> Match {
        let half = if turned { std::f32::consts::PI } else { 0.0 };
        let angle = to.angle + half + if mirrored { from.angle } else { -from.angle };
        let (sin, cos) = angle.sin_cos();
        let scale = to.size / from.size;
        Match { from, to: [to.x, to.y], turn: [scale * cos, scale * sin], mirrored, worth }
    }

    /// Where the reference shows what the output has at (x, y).
    fn at(&self, x: f32, y: f32) -> [f32; 2] {
        let (dx, dy) = (x - self.from.x, y - self.from.y);
        let dy = if self.mirrored { -dy } else { dy };
        let [c, s] = self.turn;
        [self.to[0] + c * dx - s * dy, self.to[1] + s * dx + c * dy]
    }
}

/// The matches that `seed` would place nearly where they are, in much the same pose and size. They come `from` there.
fn agreeing(matches: &[Match], from: &[[f32; 2]], seed: &Match) -> Vec<usize> {
    let [c, s] = seed.turn;
    let square = c * c + s * s;
    let scale = square.sqrt();
    let agrees = |other: &Match| {
        if other.mirrored != seed.mirrored {
            return false;
        }
        let [x, y] = seed.at(other.from.x, other.from.y);
        let away = (x - other.to[0]).powi(2) + (y - other.to[1]).powi(2);
        let apart = ((other.from.x - seed.from.x).powi(2) + (other.from.y - seed.from.y).powi(2)).sqrt();
        if apart > REACH || away > ((3.0 * seed.from.size + 0.1 * apart) * scale).powi(2) {
            return false;
        }
        // The quotient of the turns: within 0.45 radians and a factor of 1.5.
        let [oc, os] = other.turn;
        let (along, across) = (oc * c + os * s, os * c - oc * s);
        let ratio = (oc * oc + os * os) / square;
        along > 0.0 && across.abs() < 0.483 * along && (0.44..2.3).contains(&ratio)
    };
    // Most are far away, which is soon seen.
    let mut near = vec![false; matches.len()];
    simd::run(Nearby { from, to: [seed.from.x, seed.from.y], near: &mut near });
    near.iter().zip(0..).filter(|(is_near, i)| **is_near && agrees(&matches[*i])).map(|(_, i)| i).collect()
}

/// Which places are within reach, or a little more, for roots are rounded.
struct Nearby<'a> {
    from: &'a [[f32; 2]],
    to: [f32; 2],
    near: &'a mut [bool],
}

impl simd::Kernel for Nearby<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Nearby { from, to: [x, y], near } = self;
        for (near, from) in near.iter_mut().zip(from) {
            let (dx, dy) = (from[0] - x, from[1] - y);
            *near = dx * dx + dy * dy < 1.001 * REACH * REACH;
        }
    }
}

/// Those of `own` that lie well together.
fn settled(matches: &[Match], mut own: Vec<usize>) -> Vec<usize> {
    for tolerance in TOLERANCES {
        if own.len() < LEAST_SUPPORT {
            break;
        }
        let map = similarity(matches, &own);
        let scale = map.scale();
        own.retain(|i| {
            let Match { from, to, .. } = &matches[*i];
            let (x, y) = map.at(f64::from(from.x), f64::from(from.y));
            let away = (x - f64::from(to[0])).hypot(y - f64::from(to[1]));
            away < (tolerance * f64::from(from.size) + 0.7) * scale
        });
    }
    own
}

/// Counts different places.
#[derive(Default)]
struct Places {
    seen: Vec<(i32, i32)>,
}

impl Places {
    fn count(&mut self, matches: &[Match], own: &[usize]) -> usize {
        self.seen.clear();
        self.seen.extend(own.iter().map(|i| {
            let from = matches[*i].from;
            ((from.x / PLACE) as i32, (from.y / PLACE) as i32)
        }));
        self.seen.sort_unstable();
        self.seen.dedup();
        self.seen.len()
    }
}

/// The turn, enlargement and shift that lays the matches best, by least squares.
fn similarity(matches: &[Match], own: &[usize]) -> Affine {
    let mirrored = own.first().is_some_and(|i| matches[*i].mirrored);
    // The likest and most distinct count most: they are seldom wrong.
    let pairs = own.iter().map(|i| {
        let Match { from, to, worth, .. } = &matches[*i];
        let y = if mirrored { -from.y } else { from.y };
        [from.x, y, to[0], to[1], (worth - 1.0).max(0.05).powi(2)].map(f64::from)
    });
    let n: f64 = pairs.clone().map(|p| p[4]).sum();
    let mut mean = [0.0; 4];
    pairs.clone().for_each(|p| (0..4).for_each(|k| mean[k] += p[4] * p[k] / n.max(1e-9)));
    let (mut re, mut im, mut spread) = (0.0, 0.0, 1e-9);
    for p in pairs {
        let [x, y, u, v]: [f64; 4] = std::array::from_fn(|k| p[k] - mean[k]);
        re += p[4] * (u * x + v * y);
        im += p[4] * (v * x - u * y);
        spread += p[4] * (x * x + y * y);
    }
    let (c, s) = (re / spread, im / spread);
    let (x, y) = (mean[0], mean[1]);
    let flip = if mirrored { -1.0 } else { 1.0 };
    Affine { m: [c, -s * flip, mean[2] - c * x + s * y, s, c * flip, mean[3] - s * x - c * y] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raster::Plane;
    use crate::raster::filter::gaussian;

    #[test]
    fn keypoints_speak_for_the_placement_of_a_turned_and_mirrored_picture() {
        let stream = crate::random::Stream::new(3, "field");
        let white = Plane::from_fn(200, 160, |x, y| stream.normal((y * 200 + x) as u64) as f32);
        let reference = gaussian(&white, 1.6, 4.0).map(|v| 0.5 + v);
        for mirror in [1.0, -1.0] {
            let (sin, cos) = 40f64.to_radians().sin_cos();
            let (c, s) = (1.1 * cos, 1.1 * sin);
            let map =
                Affine { m: [c, -s * mirror, 60.0, s, c * mirror, if mirror > 0.0 { 5.0 } else { 100.0 }] };
            let output = Plane::from_fn(90, 80, |x, y| {
                let (u, v) = map.at(x as f64 + 0.5, y as f64 + 0.5);
                // Inverted, which keypoints do not see.
                1.0 - reference.bilinear(u as f32 - 0.5, v as f32 - 0.5)
            });
            let [features, others] = [&output, &reference].map(Keypoints::of);
            let found = hypotheses(&features, &others);
            let best = found.first().expect("some placement");
            let [left, top, right, bottom] = best.extent.map(f64::from);
            for (x, y) in [(left, top), (right, top), (left, bottom), (right, bottom)] {
                let ((u, v), (ex, ey)) = (best.map.at(x, y), map.at(x, y));
                assert!((u - ex).hypot(v - ey) < 2.5, "({u}, {v}) for ({ex}, {ey})");
            }
            assert!(best.support >= 8, "{}", best.support);
        }
    }
}
