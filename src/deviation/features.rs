//! Local features, and a vote by them for the pictures that a part of another one may come from: what a hash of
//! the whole cannot tell.
//!
//! A feature is the gradient field around a strong point, 4 × 4 cells of 4 directions modulo π, turned to its own
//! main direction: tone, sign and turns leave it as it is, and mirroring permutes it.

use std::f32::consts::PI;

use rayon::prelude::*;

use super::working::{luma_over_white, scaled, working};
use crate::raster::filter::gaussian;
use crate::raster::{Plane, Raster};
use crate::simd::{self, Kernel};

/// Numbers of a feature.
const LENGTH: usize = 64;
/// Strongest features that are kept of a picture.
const MOST: usize = 300;

/// Half-octave levels of the working image.
const LEVELS: i32 = 6;
const LEAST_SIDE: usize = 32;
/// Least distance of a point from the border, in pixels of its level.
const BORDER: usize = 11;
/// Least height of a point; one step of 255 is 0.004.
const LEAST_HEIGHT: f32 = 0.004;
/// Side of the cells of which each keeps its two strongest points: spread matters more than strength.
const CELL: usize = 24;

type Feature = [u8; LENGTH];

/// The local features of a picture.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Features(Vec<Feature>);

/// The features of `raster`, strongest first, at most 300.
pub fn features(raster: &Raster) -> Features {
    let picture = working(&luma_over_white(raster));
    let levels: Vec<Vec<(f32, Feature)>> = (0..LEVELS)
        .into_par_iter()
        .map(|level| {
            let level = scaled(&picture, 0.5f64.powf(f64::from(level) / 2.0));
            if level.width().min(level.height()) < LEAST_SIDE { Vec::new() } else { described(&level) }
        })
        .collect();
    let mut all: Vec<(f32, Feature)> = levels.into_iter().flatten().collect();
    all.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    all.truncate(MOST);
    Features(all.into_iter().map(|(_, feature)| feature).collect())
}

/// How much speaks for each of `others` that a part of the picture comes from it; 0 for nothing. A feature votes for
/// the picture that has its like, by how much less alike the likest of any other picture is.
pub fn votes(picture: &Features, others: &[Features]) -> Vec<f32> {
    /// What one feature may say at most.
    const LOUDEST: f32 = 3.0;
    /// Unlikeness that rounding accounts for.
    const ROUNDING: f32 = 0.004;
    let cast = |feature: &Feature| {
        let likeness = Likenesses { poses: &poses(feature), others };
        let (mut first, mut second) = ((0.0f32, 0), 0.0f32);
        for (index, value) in simd::run(likeness).into_iter().enumerate() {
            if value > first.0 {
                (second, first) = (first.0, (value, index));
            } else {
                second = second.max(value);
            }
        }
        let vote = (1.0 - second).max(0.0) / ((1.0 - first.0).max(0.0) + ROUNDING) - 1.0;
        (first.1, vote.clamp(0.0, LOUDEST))
    };
    let ballots: Vec<(usize, f32)> = picture.0.par_iter().map(cast).collect();
    let mut votes = vec![0.0; others.len()];
    for (index, vote) in ballots {
        if let Some(sum) = votes.get_mut(index) {
            *sum += vote;
        }
    }
    votes
}

impl Features {
    /// 64 bytes each.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.as_flattened().to_vec()
    }

    /// `None` for what `to_bytes` did not give.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (features, rest) = bytes.as_chunks::<LENGTH>();
        (rest.is_empty() && features.len() <= MOST).then(|| Features(features.to_vec()))
    }
}

/// The best likeness of a feature, in any of four poses, to one of each other picture.
struct Likenesses<'a> {
    poses: &'a [Feature; 4],
    others: &'a [Features],
}

impl Kernel for Likenesses<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn run(self) -> Vec<f32> {
        let mut best = Vec::with_capacity(self.others.len());
        for other in self.others {
            let mut most = 0u32;
            for feature in &other.0 {
                for pose in self.poses {
                    let mut sum = 0u32;
                    for (a, b) in pose.iter().zip(feature) {
                        sum += u32::from(u16::from(*a) * u16::from(*b));
                    }
                    most = most.max(sum);
                }
            }
            best.push(most as f32 / (255.0 * 255.0));
        }
        best
    }
}

/// A feature as it is, turned by half, mirrored, and both.
fn poses(feature: &Feature) -> [Feature; 4] {
    let posed = |turned: bool, mirrored: bool| -> Feature {
        std::array::from_fn(|at| {
            let (mut row, mut column, mut bin) = (at / 16, at / 4 % 4, at % 4);
            if turned {
                (row, column) = (3 - row, 3 - column);
            }
            if mirrored {
                (row, bin) = (3 - row, 3 - bin);
            }
            feature[row * 16 + column * 4 + bin]
        })
    };
    [posed(false, false), posed(true, false), posed(false, true), posed(true, true)]
}

/// The features of one level, each with its height.
fn described(level: &Plane) -> Vec<(f32, Feature)> {
    let smooth = gaussian(level, 1.0, 4.0);
    let heights = smooth.zip(&gaussian(level, 2.0, 4.0), |a, b| (a - b).abs());
    let gradient = Gradient::of(&smooth);
    let mut found = Vec::new();
    for (x, y) in points(&heights) {
        for direction in gradient.directions(x, y) {
            found.push((heights.at(x, y), gradient.feature(x, y, direction)));
        }
    }
    found
}

/// The two highest points of each cell, each the highest of its own 5 × 5 pixels.
fn points(heights: &Plane) -> Vec<(usize, usize)> {
    let (width, height) = (heights.width(), heights.height());
    let columns = width.div_ceil(CELL);
    let mut cells: Vec<Vec<(f32, usize, usize)>> = vec![Vec::new(); columns * height.div_ceil(CELL)];
    for y in BORDER..height.saturating_sub(BORDER) {
        for x in BORDER..width.saturating_sub(BORDER) {
            let value = heights.at(x, y);
            let highest = || (y - 2..=y + 2).all(|v| (x - 2..=x + 2).all(|u| heights.at(u, v) <= value));
            if value > LEAST_HEIGHT && highest() {
                cells[y / CELL * columns + x / CELL].push((value, x, y));
            }
        }
    }
    for cell in &mut cells {
        cell.sort_by(|a, b| b.0.total_cmp(&a.0));
        cell.truncate(2);
    }
    cells.into_iter().flatten().map(|(_, x, y)| (x, y)).collect()
}

/// Magnitude and direction, 0..π, of the gradient at each pixel.
struct Gradient {
    magnitude: Plane,
    angle: Plane,
}

impl Gradient {
    fn of(plane: &Plane) -> Gradient {
        let (width, height) = (plane.width(), plane.height());
        let slope = |x: usize, y: usize| {
            let (left, right) = (x.saturating_sub(1), (x + 1).min(width - 1));
            let (above, below) = (y.saturating_sub(1), (y + 1).min(height - 1));
            let at = |x, y| plane.at(x, y);
            let dx =
                at(right, above) - at(left, above) + 2.0 * (at(right, y) - at(left, y)) + at(right, below)
                    - at(left, below);
            let dy =
                at(left, below) - at(left, above) + 2.0 * (at(x, below) - at(x, above)) + at(right, below)
                    - at(right, above);
            (dx / 8.0, dy / 8.0)
        };
        Gradient {
            magnitude: Plane::from_fn(width, height, |x, y| {
                let (dx, dy) = slope(x, y);
                dx.hypot(dy)
            }),
            angle: Plane::from_fn(width, height, |x, y| {
                let (dx, dy) = slope(x, y);
                dy.atan2(dx).rem_euclid(PI)
            }),
        }
    }

    /// The one or two main directions around a point.
    fn directions(&self, x: usize, y: usize) -> Vec<f32> {
        const BINS: usize = 18;
        const RADIUS: isize = 8;
        let mut bins = [0.0f32; BINS];
        for v in -RADIUS..=RADIUS {
            for u in -RADIUS..=RADIUS {
                let distance = (u * u + v * v) as f32;
                if distance > 8.5 * 8.5 {
                    continue;
                }
                let at = (x.wrapping_add_signed(u), y.wrapping_add_signed(v));
                let weight = self.magnitude.at(at.0, at.1) * (-distance / 32.0).exp();
                let place = self.angle.at(at.0, at.1) / PI * BINS as f32 - 0.5;
                let low = place.floor();
                let bin = (low as isize).rem_euclid(BINS as isize) as usize;
                bins[bin] += weight * (1.0 - (place - low));
                bins[(bin + 1) % BINS] += weight * (place - low);
            }
        }
        for _ in 0..2 {
            bins = std::array::from_fn(|i| {
                0.25 * bins[(i + BINS - 1) % BINS] + 0.5 * bins[i] + 0.25 * bins[(i + 1) % BINS]
            });
        }
        let highest = bins.iter().copied().fold(0.0, f32::max);
        let mut peaks: Vec<(f32, f32)> = (0..BINS)
            .filter_map(|i| {
                let (before, here, after) = (bins[(i + BINS - 1) % BINS], bins[i], bins[(i + 1) % BINS]);
                let peak = here > before && here >= after && here >= 0.85 * highest;
                let bend = before - 2.0 * here + after;
                let offset = if bend < 0.0 { 0.5 * (before - after) / bend } else { 0.0 };
                peak.then_some((here, (i as f32 + 0.5 + offset) * PI / BINS as f32))
            })
            .collect();
        peaks.sort_by(|a, b| b.0.total_cmp(&a.0));
        peaks.truncate(2);
        peaks.into_iter().map(|(_, direction)| direction).collect()
    }

    /// The field around a point, turned to `direction`.
    fn feature(&self, x: usize, y: usize, direction: f32) -> Feature {
        const SAMPLES: usize = 16;
        const STEP: f32 = 1.25;
        let (sin, cos) = direction.sin_cos();
        let (right, bottom) = ((self.angle.width() - 1) as f32, (self.angle.height() - 1) as f32);
        let mut cells = [0.0f32; LENGTH];
        for j in 0..SAMPLES {
            for i in 0..SAMPLES {
                let [u, v] = [i, j].map(|n| (n as f32 - 7.5) * STEP);
                let px = (x as f32 + cos * u - sin * v).round().clamp(0.0, right) as usize;
                let py = (y as f32 + sin * u + cos * v).round().clamp(0.0, bottom) as usize;
                let weight = self.magnitude.at(px, py) * (-(u * u + v * v) / 200.0).exp();
                let bin = (self.angle.at(px, py) - direction).rem_euclid(PI) / PI * 4.0 - 0.5;
                let place = |n: usize| (n as f32 + 0.5) / 4.0 - 0.5;
                let (row, column) = (place(j), place(i));
                for (dr, wr) in ends(row) {
                    for (dc, wc) in ends(column) {
                        if !(0..4).contains(&dr) || !(0..4).contains(&dc) {
                            continue;
                        }
                        for (db, wb) in ends(bin) {
                            let at = dr * 16 + dc * 4 + db.rem_euclid(4);
                            cells[at as usize] += weight * wr * wc * wb;
                        }
                    }
                }
            }
        }
        let sum = cells.iter().sum::<f32>().max(f32::MIN_POSITIVE);
        cells.map(|value| (255.0 * (value / sum).sqrt()).round() as u8)
    }
}

/// The two whole numbers around `place`, and how near each is.
fn ends(place: f32) -> [(i32, f32); 2] {
    let low = place.floor();
    [(low as i32, 1.0 - (place - low)), (low as i32 + 1, place - low)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quantity::Seed;
    use crate::raster::Depth;
    use crate::specimen::{Colour, Kind, Specimen};

    fn specimen(kind: Kind, seed: u64) -> Raster {
        let specimen = Specimen { kind, width: 320, height: 256, seed: Seed(seed), colour: Colour::Grey };
        specimen.render().expect("a size in range")
    }

    /// `whole` with a part of `from` pasted in: turned by a quarter, mirrored, in other tones.
    fn pasted(whole: &Raster, from: &Raster, side: usize) -> Raster {
        let (whole, from) = (whole.luma(), from.luma());
        let plane = Plane::from_fn(whole.width(), whole.height(), |x, y| {
            match (x.checked_sub(40), y.checked_sub(30)) {
                (Some(u), Some(v)) if u < side && v < side => 1.0 - from.at(60 + v, 50 + u).powf(1.4),
                _ => whole.at(x, y),
            }
        });
        Raster::from_planes(&[plane], Depth::Eight)
    }

    #[test]
    fn a_part_of_one_of_many_pictures_is_traced_to_it() {
        let kinds = [Kind::Adenovirus, Kind::Influenza, Kind::Filovirus, Kind::Bullet];
        let pictures: Vec<Raster> = (0..32).map(|n| specimen(kinds[n % 4], n as u64)).collect();
        let known: Vec<Features> = pictures.iter().map(features).collect();
        let mut first = 0;
        for source in 8..24 {
            let whole = specimen(kinds[(source / 4) % 4], 500 + source as u64);
            let made = pasted(&whole, &pictures[source], 110);
            let votes = votes(&features(&made), &known);
            let place = votes.iter().filter(|vote| **vote > votes[source]).count();
            first += usize::from(place == 0);
            assert!(place < 4, "source {source} came in place {place}: {votes:?}");
        }
        assert!(first >= 14, "{first} of 16 came first");
    }

    #[test]
    fn features_are_kept_whole_and_what_is_not_theirs_is_told() {
        let found = features(&specimen(Kind::Adenovirus, 1));
        assert!(found.0.len() > 50, "{}", found.0.len());
        assert_eq!(Features::from_bytes(&found.to_bytes()), Some(found));
        assert_eq!(Features::from_bytes(&[0; 65]), None);
        assert_eq!(Features::from_bytes(&[0; 64 * (MOST + 1)]), None);
        let blank = Raster::from_planes(&[Plane::from_fn(64, 64, |_, _| 0.5)], Depth::Eight);
        assert_eq!(features(&blank), Features(Vec::new()));
        assert_eq!(votes(&features(&blank), &[features(&blank)]), [0.0]);
        assert_eq!(votes(&features(&specimen(Kind::Bullet, 2)), &[]), [0.0; 0]);
    }
}
