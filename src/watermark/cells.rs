//! A picture laid upright on the lattice and cut into cells, with every line's coefficient in each cell: what
//! a bent lattice is straightened by, and what shows where the evidence lies.

use std::f64::consts::TAU;

use rayon::prelude::*;

use super::decode::{BLIND, Decoder, Observation};
use super::geometry::Geometry;
use super::key::{Line, REACH, TILE, phasor};
use super::scene::View;
use crate::fourier::Complex32;
use crate::raster::Plane;
use crate::simd::{self, Kernel};

/// Cells across one tile.
const PER_TILE: usize = 2;

pub(super) struct Cells {
    pub columns: usize,
    pub rows: usize,
    /// Lines in the decoder's order, pilots first.
    pub lines: Vec<Line>,
    /// Lines that the upright picture can hold.
    pub heard: Vec<bool>,
    /// Coefficients, cell by cell along the rows, with phases counted from the picture's origin.
    values: Vec<Complex32>,
    /// Pixels of the upright picture across one cell, and across one tile.
    side: usize,
    tile: f64,
    /// The picture's origin in the upright picture (x, y).
    origin: [f64; 2],
    /// From upright pixels about the origin to the view's.
    back: [[f64; 2]; 2],
}

/// Displacements of the cells, in parts of a tile (x, y).
pub(super) type Field = Vec<[f64; 2]>;

impl Cells {
    /// `None` for a geometry that is no picture's, or that would take too much room.
    pub fn new(view: &View, geometry: &Geometry, decoder: &Decoder<'_>) -> Option<Self> {
        let [[a, b], [c, d]] = geometry.0;
        let determinant = a * d - b * c;
        let period = 1.0 / determinant.abs().sqrt();
        // About as many pixels as the view has.
        let side = if period > 0.62 * TILE { 31 } else { 16 };
        let tile = (side * PER_TILE) as f64;
        // u = tile · Mᵀ x, so x = back · u.
        let back = [
            [d / determinant / tile, -c / determinant / tile],
            [-b / determinant / tile, a / determinant / tile],
        ];
        let (w, h) = (view.values.width() as f64, view.values.height() as f64);
        let corners = [[-w, -h], [w, -h], [-w, h], [w, h]]
            .map(|[x, y]| [tile * (a * x + c * y) / 2.0, tile * (b * x + d * y) / 2.0]);
        let reach = [0, 1].map(|i| corners.iter().map(|u| u[i].abs()).fold(0.0, f64::max));
        let count = reach.map(|r| (2.0 * r / side as f64).ceil());
        if !count.iter().all(|n| n.is_finite() && *n >= 1.0) || count[0] * count[1] > 16_000.0 {
            return None;
        }
        let [columns, rows] = count.map(|n| n as usize);
        let origin = [columns, rows].map(|n| (n * side) as f64 / 2.0);
        let lines: Vec<Line> = decoder.schedule.lines().collect();
        let heard = lines
            .iter()
            .map(|line| line.radius() / tile <= BLIND && geometry.reach(*line) <= BLIND)
            .collect();
        let mut cells = Cells { columns, rows, lines, heard, values: Vec::new(), side, tile, origin, back };
        cells.fill(&view.values);
        Some(cells)
    }

    /// From a pixel of the upright picture to the view's.
    #[inline(always)]
    fn place(&self, u: f64, v: f64, view: &Plane) -> [f64; 2] {
        let (u, v) = (u - self.origin[0], v - self.origin[1]);
        [
            self.back[0][0] * u + self.back[0][1] * v + (view.width() / 2) as f64,
            self.back[1][0] * u + self.back[1][1] * v + (view.height() / 2) as f64,
        ]
    }

    /// The cell (column, row) at a place of the view, whole numbers at the middles.
    pub fn cell_at(&self, [x, y]: [f64; 2], view: &Plane) -> [f64; 2] {
        let (x, y) = (x - (view.width() / 2) as f64, y - (view.height() / 2) as f64);
        let [[p, q], [r, s]] = self.back;
        let determinant = p * s - q * r;
        let u = [(s * x - q * y) / determinant, (p * y - r * x) / determinant];
        [0, 1].map(|i| (u[i] + self.origin[i]) / self.side as f64 - 0.5)
    }

    pub fn count(&self) -> usize {
        self.columns * self.rows
    }

    /// Every line's coefficient in a cell.
    pub fn of(&self, cell: usize) -> &[Complex32] {
        &self.values[cell * self.lines.len()..][..self.lines.len()]
    }

    fn fill(&mut self, picture: &Plane) {
        let across = Phases::new(self.columns * self.side, self.origin[0], self.tile);
        let down = Phases::new(self.rows * self.side, self.origin[1], self.tile);
        let row_length = self.columns * self.lines.len();
        let mut values = vec![Complex32::default(); self.rows * row_length];
        values.par_chunks_mut(row_length).enumerate().for_each(|(row, out)| {
            simd::run(RowOfCells { cells: self, picture, row, across: &across, down: &down, out });
        });
        self.values = values;
    }

    /// The lines of the whole picture once every cell is moved back by its displacement.
    pub fn observe(&self, field: &Field, decoder: &Decoder<'_>) -> Observation {
        let mut lines = vec![Complex32::default(); self.lines.len()];
        let mut power = vec![0.0f32; self.lines.len()];
        for (cell, d) in field.iter().enumerate() {
            let turns = Turns::new(*d);
            for ((sum, power), (value, line)) in
                lines.iter_mut().zip(&mut power).zip(self.of(cell).iter().zip(&self.lines))
            {
                *sum += value * turns.of(*line);
                *power += value.norm_sqr();
            }
        }
        let beside: Vec<Option<f32>> =
            power.iter().zip(&self.heard).map(|(p, heard)| heard.then_some(*p)).collect();
        Observation { lines, noise: decoder.smoothed(&beside) }
    }
}

/// One row of cells: resampled, then summed cell by cell.
struct RowOfCells<'a> {
    cells: &'a Cells,
    picture: &'a Plane,
    row: usize,
    across: &'a Phases,
    down: &'a Phases,
    /// Coefficients of the row's cells.
    out: &'a mut [Complex32],
}

impl Kernel for RowOfCells<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let (cells, side, count) = (self.cells, self.cells.side, self.cells.lines.len());
        let width = cells.columns * side;
        let top = self.row * side;
        let mut band = vec![0.0f32; width * side];
        for (y, line) in band.chunks_exact_mut(width).enumerate() {
            for (u, value) in line.iter_mut().enumerate() {
                *value = cubic(self.picture, cells.place(u as f64, (top + y) as f64, self.picture));
            }
        }
        let down = &self.down.0[top..top + side];
        let mut sums = vec![Row::default(); side];
        for (column, out) in self.out.chunks_exact_mut(count).enumerate() {
            let x0 = column * side;
            for (sum, line) in sums.iter_mut().zip(band.chunks_exact(width)) {
                *sum = Row::of(&line[x0..x0 + side], &self.across.0[x0..x0 + side]);
            }
            let coefficients: [Coefficients; HALF] =
                std::array::from_fn(|k| Coefficients::of(&sums, down, k));
            for (o, line) in out.iter_mut().zip(&cells.lines) {
                *o = coefficients[line.y as usize].at(line.x);
            }
        }
    }
}

/// Frequencies 0..=20 along one side, and as many rounded up to whole vectors.
const HALF: usize = REACH as usize + 1;
const LANES: usize = HALF.next_multiple_of(8);

/// Real and imaginary parts apart, so that sums are plain sums of vectors.
#[derive(Clone, Copy)]
struct Row {
    re: [f32; LANES],
    im: [f32; LANES],
}

impl Default for Row {
    fn default() -> Self {
        Row { re: [0.0; LANES], im: [0.0; LANES] }
    }
}

impl Row {
    /// The frequencies of a row of pixels whose phases are `turns`.
    #[inline(always)]
    fn of(pixels: &[f32], turns: &[Row]) -> Self {
        let mut sum = Row::default();
        for (value, turn) in pixels.iter().zip(turns) {
            for i in 0..LANES {
                sum.re[i] += value * turn.re[i];
            }
            for i in 0..LANES {
                sum.im[i] += value * turn.im[i];
            }
        }
        sum
    }
}

/// A cell's coefficients at one frequency down and all across, as sums of products with the cosine and the
/// sine: those at −k across come from the same, for a row of pixels is real.
struct Coefficients {
    re_cos: [f32; LANES],
    im_sin: [f32; LANES],
    re_sin: [f32; LANES],
    im_cos: [f32; LANES],
}

impl Coefficients {
    #[inline(always)]
    fn of(rows: &[Row], down: &[Row], k: usize) -> Self {
        let zero = [0.0f32; LANES];
        let mut sum = Coefficients { re_cos: zero, im_sin: zero, re_sin: zero, im_cos: zero };
        for (row, turn) in rows.iter().zip(down) {
            let (cos, sin) = (turn.re[k], turn.im[k]);
            for i in 0..LANES {
                sum.re_cos[i] += row.re[i] * cos;
                sum.im_sin[i] += row.im[i] * sin;
                sum.re_sin[i] += row.re[i] * sin;
                sum.im_cos[i] += row.im[i] * cos;
            }
        }
        sum
    }

    #[inline(always)]
    fn at(&self, x: i32) -> Complex32 {
        let i = x.unsigned_abs() as usize;
        if x < 0 {
            Complex32::new(self.re_cos[i] + self.im_sin[i], self.re_sin[i] - self.im_cos[i])
        } else {
            Complex32::new(self.re_cos[i] - self.im_sin[i], self.re_sin[i] + self.im_cos[i])
        }
    }
}

/// exp(−2πi k (x − origin) / tile) for k = 0..=20 at every pixel.
struct Phases(Vec<Row>);

impl Phases {
    fn new(count: usize, origin: f64, tile: f64) -> Self {
        let row = |x: usize| {
            let mut row = Row::default();
            let (s1, c1) = (-TAU * (x as f64 - origin) / tile).sin_cos();
            // By turning further each time.
            let (mut c, mut s) = (1.0, 0.0);
            for k in 0..HALF {
                (row.re[k], row.im[k]) = (c as f32, s as f32);
                (c, s) = (c * c1 - s * s1, c * s1 + s * c1);
            }
            row
        };
        Phases((0..count).map(row).collect())
    }
}

/// exp(2πi k·d) for every line.
pub(super) struct Turns {
    x: [Complex32; 2 * REACH as usize + 1],
    y: [Complex32; REACH as usize + 1],
}

impl Turns {
    pub fn new(d: [f64; 2]) -> Self {
        let reach = f64::from(REACH);
        Turns {
            x: std::array::from_fn(|k| phasor(TAU * ((k as f64 - reach) * d[0]))),
            y: std::array::from_fn(|k| phasor(TAU * (k as f64 * d[1]))),
        }
    }

    #[inline]
    pub fn of(&self, line: Line) -> Complex32 {
        self.x[(line.x + REACH) as usize] * self.y[line.y as usize]
    }
}

/// Catmull–Rom value at a place, zero outside.
#[inline(always)]
fn cubic(plane: &Plane, [x, y]: [f64; 2]) -> f32 {
    let (w, h) = (plane.width() as f64, plane.height() as f64);
    if !(x > -1.0 && y > -1.0 && x < w && y < h) {
        return 0.0;
    }
    // The pixel to the left of the one before, by way of integers, as both are over −1.
    let (left, top) = ((x + 1.0) as i32 - 2, (y + 1.0) as i32 - 2);
    let across = weights((x - f64::from(left + 1)) as f32);
    let down = weights((y - f64::from(top + 1)) as f32);
    let (left, top) = (left as isize, top as isize);
    if left >= 0 && top >= 0 && left as usize + 4 <= plane.width() && top as usize + 4 <= plane.height() {
        let mut sum = [0.0; 4];
        for (j, weight) in down.iter().enumerate() {
            let row = &plane.row(top as usize + j)[left as usize..][..4];
            for i in 0..4 {
                sum[i] += weight * row[i];
            }
        }
        return sum[0] * across[0] + sum[1] * across[1] + sum[2] * across[2] + sum[3] * across[3];
    }
    let clamp = |n: isize, side: usize| n.clamp(0, side as isize - 1) as usize;
    let columns: [usize; 4] = std::array::from_fn(|i| clamp(left + i as isize, plane.width()));
    (0..4)
        .map(|j| {
            let row = plane.row(clamp(top + j as isize, plane.height()));
            down[j] * columns.iter().zip(across).map(|(c, a)| row[*c] * a).sum::<f32>()
        })
        .sum()
}

#[inline(always)]
fn weights(t: f32) -> [f32; 4] {
    [
        ((-0.5 * t + 1.0) * t - 0.5) * t,
        (1.5 * t - 2.5) * t * t + 1.0,
        ((-1.5 * t + 2.0) * t + 0.5) * t,
        (0.5 * t - 0.5) * t * t,
    ]
}
