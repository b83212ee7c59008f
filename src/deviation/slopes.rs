//! Slopes of a picture, and what they say around a point: which way its edges run, and its description.

use super::keypoints::{Description, NUMBERS};
use crate::raster::Plane;
use crate::simd;

/// Bins of the orientation, over half a turn.
const BINS: usize = 18;
/// Radius and standard deviation of what the orientation is taken from, in pixels of the level.
const DISC: (usize, f32) = (8, 4.0);
/// Samples of a description along each side, and their distance in pixels of the level.
const SAMPLES: usize = 16;
const PITCH: f32 = 1.25;

/// Slopes of a level: their length, and their direction as a share of half a turn, 0..1.
pub struct Slopes {
    length: Plane,
    direction: Plane,
}

impl Slopes {
    pub fn of(plane: &Plane) -> Slopes {
        let (width, height) = (plane.width(), plane.height());
        let mut length = Plane::filled(width, height, 0.0);
        let mut direction = Plane::filled(width, height, 0.0);
        for y in 1..height - 1 {
            let within = y * width + 1..(y + 1) * width - 1;
            simd::run(Slanting {
                rows: [y - 1, y, y + 1].map(|y| plane.row(y)),
                lengths: &mut length.data_mut()[within.clone()],
                directions: &mut direction.data_mut()[within],
            });
        }
        Slopes { length, direction }
    }

    /// At most two directions, in radians.
    pub fn orientations(&self, x: usize, y: usize) -> impl Iterator<Item = f32> {
        let mut bins = simd::run(Turning { slopes: self, x, y });
        for _ in 0..2 {
            let old = bins;
            for (i, bin) in bins.iter_mut().enumerate() {
                *bin = 0.25 * (old[(i + BINS - 1) % BINS] + 2.0 * old[i] + old[(i + 1) % BINS]);
            }
        }
        let highest = bins.iter().copied().fold(0.0, f32::max);
        let mut peaks: Vec<(f32, f32)> = (0..BINS)
            .filter_map(|i| {
                let (before, here, after) = (bins[(i + BINS - 1) % BINS], bins[i], bins[(i + 1) % BINS]);
                let peak = here >= 0.85 * highest && here > before && here >= after;
                let bend = before - 2.0 * here + after;
                let offset = if bend < -1e-12 { 0.5 * (before - after) / bend } else { 0.0 };
                let turn = (i as f32 + 0.5 + offset) / BINS as f32;
                peak.then_some((here, (turn - turn.floor()) * std::f32::consts::PI))
            })
            .collect();
        peaks.sort_by(|a, b| b.0.total_cmp(&a.0));
        peaks.into_iter().take(2).map(|(_, angle)| angle)
    }

    /// `None` where nothing is to be described.
    pub fn describe(&self, x: usize, y: usize, angle: f32) -> Option<Description> {
        let sums = simd::run(Describing { slopes: self, x, y, angle });
        let total: f32 = sums.iter().sum();
        (total > 1e-3).then(|| sums.map(|s| (255.0 * (s / total).sqrt()).round() as i16))
    }
}

/// Length and direction of one row's slopes, all but the first and the last.
struct Slanting<'a> {
    rows: [&'a [f32]; 3],
    lengths: &'a mut [f32],
    directions: &'a mut [f32],
}

impl simd::Kernel for Slanting<'_> {
    type Output = ();

    #[inline(always)]
    #[allow(clippy::needless_range_loop)]
    fn run(self) {
        let Slanting { rows, lengths, directions } = self;
        let count = lengths.len();
        let [above, here, below] = rows.map(|row| &row[..count + 2]);
        let directions = &mut directions[..count];
        for i in 0..count {
            // Sobel's differences.
            let right = above[i + 2] + 2.0 * here[i + 2] + below[i + 2];
            let left = above[i] + 2.0 * here[i] + below[i];
            let top = above[i] + 2.0 * above[i + 1] + above[i + 2];
            let bottom = below[i] + 2.0 * below[i + 1] + below[i + 2];
            let (dx, dy) = (right - left, bottom - top);
            lengths[i] = (dx * dx + dy * dy).sqrt();
            directions[i] = half_turns(dx, dy);
        }
    }
}

/// How much slope around (x, y) runs in each direction.
struct Turning<'a> {
    slopes: &'a Slopes,
    x: usize,
    y: usize,
}

impl simd::Kernel for Turning<'_> {
    type Output = [f32; BINS];

    #[inline(always)]
    #[allow(clippy::needless_range_loop)]
    fn run(self) -> [f32; BINS] {
        let Turning { slopes, x, y } = self;
        let (radius, sigma) = DISC;
        const ACROSS: usize = 2 * DISC.0 + 1;
        let mut bins = [0.0f32; BINS];
        for (dy, row) in (-(radius as isize)..).zip(y - radius..=y + radius) {
            let columns = x - radius..=x + radius;
            let (lengths, directions) =
                (&slopes.length.row(row)[columns.clone()], &slopes.direction.row(row)[columns]);
            let (mut first, mut second, mut bin) = ([0.0f32; ACROSS], [0.0f32; ACROSS], [0i32; ACROSS]);
            for i in 0..ACROSS {
                let dx = i as i32 - radius as i32;
                let apart = (dx * dx + (dy * dy) as i32) as f32;
                let weight = lengths[i] * window(apart / (2.0 * sigma * sigma));
                let position = directions[i] * BINS as f32 - 0.5 + BINS as f32;
                bin[i] = position as i32;
                let share = position - bin[i] as f32;
                let weight = if apart <= 72.0 { weight } else { 0.0 };
                (first[i], second[i]) = (weight * (1.0 - share), weight * share);
            }
            for i in 0..ACROSS {
                let bin = bin[i] as usize;
                bins[bin % BINS] += first[i];
                bins[(bin + 1) % BINS] += second[i];
            }
        }
        bins
    }
}

/// The sums of a description, before they are evened out.
struct Describing<'a> {
    slopes: &'a Slopes,
    x: usize,
    y: usize,
    angle: f32,
}

impl simd::Kernel for Describing<'_> {
    type Output = [f32; NUMBERS];

    #[inline(always)]
    #[allow(clippy::needless_range_loop)]
    fn run(self) -> [f32; NUMBERS] {
        let Describing { slopes, x, y, angle } = self;
        let (sin, cos) = angle.sin_cos();
        let turned = angle / std::f32::consts::PI;
        let (lengths, directions) = (slopes.length.data(), slopes.direction.data());
        let across = slopes.length.width() as i32;
        let (width, height) = (slopes.length.width() as f32, slopes.length.height() as f32);
        let (x, y) = (x as f32, y as f32);
        // One bin after the other, each with all cells.
        let mut bins = [[0.0f32; CELLS]; 4];
        for (i, down) in DOWN.iter().enumerate() {
            let v = PITCH * (i as f32 - 7.5);
            let mut at = [0i32; SAMPLES];
            for j in 0..SAMPLES {
                let u = PITCH * (j as f32 - 7.5);
                let column = (x + cos * u - sin * v + 0.5).clamp(0.0, width - 1.0) as i32;
                let row = (y + sin * u + cos * v + 0.5).clamp(0.0, height - 1.0) as i32;
                at[j] = row * across + column;
            }
            let (mut length, mut direction) = ([0.0f32; SAMPLES], [0.0f32; SAMPLES]);
            for j in 0..SAMPLES {
                (length[j], direction[j]) = (lengths[at[j] as usize], directions[at[j] as usize]);
            }
            let (mut first, mut second, mut bin) = ([0.0f32; SAMPLES], [0.0f32; SAMPLES], [0i32; SAMPLES]);
            for j in 0..SAMPLES {
                let u = PITCH * (j as f32 - 7.5);
                let weight = length[j] * window((u * u + v * v) / 200.0);
                let direction = direction[j] - turned + 1.0;
                let position = 4.0 * if direction < 1.0 { direction } else { direction - 1.0 } + 3.5;
                bin[j] = position as i32;
                let share = position - bin[j] as f32;
                (first[j], second[j]) = (weight * (1.0 - share), weight * share);
            }
            for j in 0..SAMPLES {
                let bin = bin[j] as usize;
                for (bin, weight) in [(bin % 4, first[j]), ((bin + 1) % 4, second[j])] {
                    // Cells that have no share of the sample get nothing more.
                    for ((sum, down), across) in bins[bin].iter_mut().zip(down).zip(&ACROSS[j]) {
                        *sum += weight * down * across;
                    }
                }
            }
        }
        std::array::from_fn(|i| bins[i % 4][i / 4])
    }
}

/// Cells of a description, row by row.
const CELLS: usize = NUMBERS / 4;

/// For each row and for each column of samples, what share of it each cell has.
const DOWN: [[f32; CELLS]; SAMPLES] = shares(4);
const ACROSS: [[f32; CELLS]; SAMPLES] = shares(1);

/// Bilinear shares of the rows of cells, four `apart`, or of the columns.
const fn shares(apart: usize) -> [[f32; CELLS]; SAMPLES] {
    let mut all = [[0.0; CELLS]; SAMPLES];
    let mut i = 0;
    while i < SAMPLES {
        let mut at = 0;
        while at < CELLS {
            // The sample's place in cells, from the middle of the first.
            let place = (i as f32 + 0.5) / 4.0 - 0.5;
            let cell = (at / apart % 4) as f32;
            let away = if place < cell { cell - place } else { place - cell };
            all[i][at] = if away < 1.0 { 1.0 - away } else { 0.0 };
            at += 1;
        }
        i += 1;
    }
    all
}

/// A window close to exp(−t): the same bits everywhere, at little cost.
#[inline(always)]
fn window(t: f32) -> f32 {
    let half = 1.0 - t / 8.0;
    let (two, zero) = (half * half, 0.0f32.max(half));
    let four = two * two;
    if zero > 0.0 { four * four } else { 0.0 }
}

/// Direction of (dx, dy) up to its sign, as a share of half a turn, 0..1: the same bits everywhere.
#[inline(always)]
fn half_turns(dx: f32, dy: f32) -> f32 {
    const PER_RADIAN: f32 = std::f32::consts::FRAC_1_PI;
    let (long, short) = (dx.abs().max(dy.abs()), dx.abs().min(dy.abs()));
    let t = short / long.max(1e-20);
    let s = t * t;
    // Arc tangent, to 1e-4.
    let arc = t * (0.999_866 + s * (-0.330_299_5 + s * (0.180_141 + s * (-0.085_133 + s * 0.020_835_1))));
    let octant = arc * PER_RADIAN;
    let quarter = if dy.abs() > dx.abs() { 0.5 - octant } else { octant };
    let turn = if (dx < 0.0) == (dy < 0.0) { quarter } else { 1.0 - quarter };
    if turn < 1.0 { turn } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directions_are_half_turns_from_0_to_1() {
        for degrees in 0..360 {
            let (sin, cos) = (degrees as f32).to_radians().sin_cos();
            let expected = degrees as f32 / 180.0;
            let off = (half_turns(cos, sin) - expected).rem_euclid(1.0);
            assert!(off.min(1.0 - off) < 1e-3, "{degrees}°: {}", half_turns(cos, sin));
        }
    }

    #[test]
    fn directions_and_descriptions_are_the_same_on_any_machine() {
        let stream = crate::random::Stream::new(4, "slopes");
        let slopes = Slopes::of(&Plane::from_fn(40, 40, |x, y| stream.uniform((y * 40 + x) as u64) as f32));
        for (x, y, angle) in [(9, 9, 0.3), (20, 21, 1.7), (30, 10, 3.1)] {
            let turning = || Turning { slopes: &slopes, x, y };
            assert_eq!(simd::run(turning()), simd::Kernel::run(turning()));
            let describing = || Describing { slopes: &slopes, x, y, angle };
            let sums = simd::run(describing());
            assert_eq!(sums, simd::Kernel::run(describing()));
            assert!(sums.iter().filter(|sum| **sum > 0.0).count() > NUMBERS / 2);
        }
    }
}
