//! Keypoints with an orientation and a description that tone, sign and colour leave as they are: what a
//! copied part is known by, at any turn, mirrored or not, at other sizes.

use super::working::scaled;
use crate::raster::Plane;
use crate::raster::filter::gaussian;

/// Levels, each smaller by √2; a picture too small for a level has fewer.
const LEVELS: i32 = 6;
/// Least short side of a level, in pixels.
const LEAST_SIDE: usize = 32;
/// Least contrast of a keypoint: its blob against its surroundings.
const LEAST_CONTRAST: f32 = 0.0015;
/// Distance from the border, in pixels of the level.
const MARGIN: usize = 9;
/// Keypoints are spread over cells of so many pixels of the level: a single particle must own some.
const CELL: usize = 24;
/// About so many keypoints a picture, at least and at most so many a cell.
const BUDGET: usize = 1200;
const PER_CELL: (usize, usize) = (2, 5);
/// Bins of the orientation, over half a turn.
const BINS: usize = 18;
/// Radius and standard deviation of what the orientation is taken from, in pixels of the level.
const DISC: (isize, f32) = (8, 4.0);
/// Numbers of a description: 4 × 4 cells of 4 orientations.
pub const NUMBERS: usize = 64;
/// Samples of a description along each side, and their distance in pixels of the level.
const SAMPLES: usize = 16;
const PITCH: f32 = 1.25;

/// A description: square roots of shares, in 1/255, so that the product of two is 255² for the same.
pub type Description = [i16; NUMBERS];

/// Where a description was taken, in positions that count from the corner of the grid.
#[derive(Clone, Copy, Debug)]
pub struct Keypoint {
    pub x: f32,
    pub y: f32,
    /// Pixels of the grid per pixel of the level.
    pub size: f32,
    /// Direction of its edges, 0..π: half a turn more is the same, as inversion asks.
    pub angle: f32,
    /// Of the blob against its surroundings: how strong the keypoint is.
    pub contrast: f32,
}

/// The keypoints of a picture, in a fixed order.
pub struct Keypoints {
    pub points: Vec<Keypoint>,
    pub descriptions: Vec<Description>,
}

impl Keypoints {
    pub fn of(plane: &Plane) -> Keypoints {
        let mut found = Keypoints { points: Vec::new(), descriptions: Vec::new() };
        // Levels of half the area each add up to twice the first.
        let cells = 2 * plane.width() * plane.height() / (CELL * CELL);
        let per_cell = (BUDGET / cells.max(1)).clamp(PER_CELL.0, PER_CELL.1);
        for k in 0..LEVELS {
            let factor = 0.5f64.powf(f64::from(k) / 2.0);
            let level = if k == 0 { plane.clone() } else { scaled(plane, factor) };
            if level.width().min(level.height()) < LEAST_SIDE {
                break;
            }
            let size =
                [plane.width() as f32 / level.width() as f32, plane.height() as f32 / level.height() as f32];
            found.add(&level, size, per_cell);
        }
        found
    }

    fn add(&mut self, level: &Plane, [across, down]: [f32; 2], per_cell: usize) {
        let smooth = gaussian(level, 1.0, 4.0);
        let contrast = smooth.zip(&gaussian(level, 2.0, 3.0), |a, b| (a - b).abs());
        let slopes = Slopes::of(&smooth);
        for (x, y) in spread(&contrast, per_cell) {
            for angle in slopes.orientations(x, y) {
                let Some(description) = slopes.describe(x, y, angle) else { continue };
                self.points.push(Keypoint {
                    x: (x as f32 + 0.5) * across,
                    y: (y as f32 + 0.5) * down,
                    size: (across * down).sqrt(),
                    angle,
                    contrast: contrast.at(x, y),
                });
                self.descriptions.push(description);
            }
        }
    }
}

/// The strongest maxima of every cell.
fn spread(contrast: &Plane, per_cell: usize) -> Vec<(usize, usize)> {
    let (width, height) = (contrast.width(), contrast.height());
    let columns = width.div_ceil(CELL);
    let mut cells: Vec<Vec<(f32, usize, usize)>> = vec![Vec::new(); columns * height.div_ceil(CELL)];
    for y in MARGIN..height - MARGIN {
        for x in MARGIN..width - MARGIN {
            let value = contrast.at(x, y);
            if value > LEAST_CONTRAST && is_maximum(contrast, x, y, value) {
                cells[y / CELL * columns + x / CELL].push((value, x, y));
            }
        }
    }
    let mut found = Vec::new();
    for mut cell in cells {
        // Stable: equal ones stay in their order.
        cell.sort_by(|a, b| b.0.total_cmp(&a.0));
        found.extend(cell.into_iter().take(per_cell).map(|(_, x, y)| (x, y)));
    }
    found
}

/// Whether no value within two pixels is larger; of equal ones the first is it.
fn is_maximum(plane: &Plane, x: usize, y: usize, value: f32) -> bool {
    let beside = [plane.at(x - 1, y), plane.at(x + 1, y), plane.at(x, y - 1), plane.at(x, y + 1)];
    beside.iter().all(|v| *v <= value)
        && (y - 2..=y + 2).all(|v| {
            plane.row(v)[x - 2..=x + 2]
                .iter()
                .zip(x - 2..)
                .all(|(other, u)| *other < value || (*other == value && (v, u) >= (y, x)))
        })
}

/// Slopes of a level: their length, and their direction as a share of half a turn, 0..1.
struct Slopes {
    length: Plane,
    direction: Plane,
}

impl Slopes {
    fn of(plane: &Plane) -> Slopes {
        let (width, height) = (plane.width(), plane.height());
        let mut length = Plane::filled(width, height, 0.0);
        let mut direction = Plane::filled(width, height, 0.0);
        for y in 1..height - 1 {
            let [above, here, below] = [y - 1, y, y + 1].map(|y| plane.row(y));
            let at = y * width;
            let lengths = &mut length.data_mut()[at + 1..at + width - 1];
            let directions = &mut direction.data_mut()[at + 1..at + width - 1];
            for (i, (l, d)) in lengths.iter_mut().zip(directions).enumerate() {
                // Sobel's differences.
                let right = above[i + 2] + 2.0 * here[i + 2] + below[i + 2];
                let left = above[i] + 2.0 * here[i] + below[i];
                let top = above[i] + 2.0 * above[i + 1] + above[i + 2];
                let bottom = below[i] + 2.0 * below[i + 1] + below[i + 2];
                let (dx, dy) = (right - left, bottom - top);
                *l = (dx * dx + dy * dy).sqrt();
                *d = half_turns(dx, dy);
            }
        }
        Slopes { length, direction }
    }

    /// At most two directions, in radians.
    fn orientations(&self, x: usize, y: usize) -> impl Iterator<Item = f32> {
        let mut bins = [0.0f32; BINS];
        let (radius, sigma) = DISC;
        for dy in -radius..=radius {
            let row = y.checked_add_signed(dy).filter(|row| *row < self.length.height());
            let Some(row) = row else { continue };
            let (lengths, directions) = (self.length.row(row), self.direction.row(row));
            for dx in -radius..=radius {
                let apart = (dx * dx + dy * dy) as f32;
                let column = x.checked_add_signed(dx).filter(|column| *column < lengths.len());
                let Some(column) = column.filter(|_| apart <= 72.0) else { continue };
                let weight = lengths[column] * window(apart / (2.0 * sigma * sigma));
                let position = directions[column] * BINS as f32 - 0.5 + BINS as f32;
                let bin = position as usize;
                let share = position - bin as f32;
                bins[bin % BINS] += weight * (1.0 - share);
                bins[(bin + 1) % BINS] += weight * share;
            }
        }
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
    fn describe(&self, x: usize, y: usize, angle: f32) -> Option<Description> {
        let (sin, cos) = angle.sin_cos();
        let turned = angle / std::f32::consts::PI;
        let (width, height) = (self.length.width() as f32, self.length.height() as f32);
        let mut sums = [0.0f32; NUMBERS];
        for (i, rows) in SPREAD.iter().enumerate() {
            let v = PITCH * (i as f32 - 7.5);
            for (j, columns) in SPREAD.iter().enumerate() {
                let u = PITCH * (j as f32 - 7.5);
                let column = (x as f32 + cos * u - sin * v + 0.5).clamp(0.0, width - 1.0) as usize;
                let row = (y as f32 + sin * u + cos * v + 0.5).clamp(0.0, height - 1.0) as usize;
                let at = row * self.length.width() + column;
                let weight = self.length.data()[at] * window((u * u + v * v) / 200.0);
                let direction = self.direction.data()[at] - turned + 1.0;
                let position = 4.0 * if direction < 1.0 { direction } else { direction - 1.0 } + 3.5;
                let bin = position as usize;
                let share = position - bin as f32;
                let (first, second) = (weight * (1.0 - share), weight * share);
                for &(row, down) in rows {
                    for &(column, across) in columns {
                        let cell = &mut sums[16 * row + 4 * column..][..4];
                        cell[bin % 4] += first * down * across;
                        cell[(bin + 1) % 4] += second * down * across;
                    }
                }
            }
        }
        let total: f32 = sums.iter().sum();
        (total > 1e-3).then(|| sums.map(|s| (255.0 * (s / total).sqrt()).round() as i16))
    }
}

/// For each sample of a side the two cells that share it, and their shares.
const SPREAD: [[(usize, f32); 2]; SAMPLES] = {
    let mut all = [[(0, 0.0); 2]; SAMPLES];
    let mut i = 0;
    while i < SAMPLES {
        // The sample's place in cells, from the middle of the first.
        let place = (i as f32 + 0.5) / 4.0 - 0.5;
        all[i] = if place < 0.0 {
            [(0, 1.0 + place), (0, 0.0)]
        } else {
            let cell = place as usize;
            let share = place - cell as f32;
            if cell + 1 < 4 { [(cell, 1.0 - share), (cell + 1, share)] } else { [(3, 1.0 - share), (3, 0.0)] }
        };
        i += 1;
    }
    all
};

/// A window close to exp(−t): the same bits everywhere, at little cost.
fn window(t: f32) -> f32 {
    let half = 1.0 - t / 8.0;
    let (two, zero) = (half * half, 0.0f32.max(half));
    let four = two * two;
    if zero > 0.0 { four * four } else { 0.0 }
}

/// Direction of (dx, dy) up to its sign, as a share of half a turn, 0..1: the same bits everywhere.
#[inline]
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

/// The description of the same place mirrored (across its own axis) and turned by half a turn.
pub fn posed<T: Copy>(description: &[T; NUMBERS], mirrored: bool, turned: bool) -> [T; NUMBERS] {
    std::array::from_fn(|at| {
        let (row, column, bin) = (at / 16, at / 4 % 4, at % 4);
        let row = if mirrored != turned { 3 - row } else { row };
        let column = if turned { 3 - column } else { column };
        let bin = if mirrored { 3 - bin } else { bin };
        description[16 * row + 4 * column + bin]
    })
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
    fn poses_undo_themselves() {
        let description: Description = std::array::from_fn(|i| i as i16);
        for (mirrored, turned) in [(false, true), (true, false), (true, true)] {
            let once = posed(&description, mirrored, turned);
            assert_ne!(once, description);
            assert_eq!(posed(&once, mirrored, turned), description);
        }
    }
}
