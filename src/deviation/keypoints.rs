//! Keypoints with an orientation and a description that tone, sign and colour leave as they are: what a
//! copied part is known by, at any turn, mirrored or not, at other sizes.

use super::slopes::Slopes;
use super::working::scaled;
use crate::raster::Plane;
use crate::raster::filter::gaussian;
use crate::simd;

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
/// Numbers of a description: 4 × 4 cells of 4 orientations.
pub const NUMBERS: usize = 64;
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
    let mut peaks = vec![false; width - 2 * MARGIN];
    for y in MARGIN..height - MARGIN {
        let rows = [y - 1, y, y + 1].map(|y| &contrast.row(y)[MARGIN - 1..width - MARGIN + 1]);
        simd::run(Peaks { rows, peaks: &mut peaks });
        for (x, _) in (MARGIN..).zip(&peaks).filter(|(_, is_peak)| **is_peak) {
            let value = contrast.at(x, y);
            if is_maximum(contrast, x, y, value) {
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

/// Which values of a row have contrast, and no larger one beside, above or below them; the rows have one value more at
/// either end.
struct Peaks<'a> {
    rows: [&'a [f32]; 3],
    peaks: &'a mut [bool],
}

impl simd::Kernel for Peaks<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Peaks { rows: [above, here, below], peaks } = self;
        let count = peaks.len();
        let (above, below) = (&above[1..=count], &below[1..=count]);
        let (left, middle, right) = (&here[..count], &here[1..=count], &here[2..count + 2]);
        for (i, peak) in peaks.iter_mut().enumerate() {
            let value = middle[i];
            let beside = left[i].max(right[i]).max(above[i].max(below[i]));
            *peak = (value > LEAST_CONTRAST) & (value >= beside);
        }
    }
}

/// Whether no value within two pixels is larger; of equal ones the first is it.
fn is_maximum(plane: &Plane, x: usize, y: usize, value: f32) -> bool {
    (y - 2..=y + 2).all(|v| {
        plane.row(v)[x - 2..=x + 2]
            .iter()
            .zip(x - 2..)
            .all(|(other, u)| *other < value || (*other == value && (v, u) >= (y, x)))
    })
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
    fn poses_undo_themselves() {
        let description: Description = std::array::from_fn(|i| i as i16);
        for (mirrored, turned) in [(false, true), (true, false), (true, true)] {
            let once = posed(&description, mirrored, turned);
            assert_ne!(once, description);
            assert_eq!(posed(&once, mirrored, turned), description);
        }
    }
}
