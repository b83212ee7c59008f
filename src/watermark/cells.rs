//! A picture laid upright on the lattice and cut into cells, with every line's coefficient in each cell: what
//! a bent lattice is straightened by, and what shows where the evidence lies.

use std::f64::consts::TAU;

use super::decode::{BLIND, Decoder, Observation};
use super::geometry::Geometry;
use super::key::{Line, REACH, TILE, phasor};
use super::scene::View;
use crate::fourier::Complex32;
use crate::raster::Plane;

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
        let count = self.lines.len();
        self.values = vec![Complex32::default(); self.count() * count];
        let width = self.columns * self.side;
        let mut band = vec![0.0f32; width * self.side];
        for row in 0..self.rows {
            for (y, line) in band.chunks_exact_mut(width).enumerate() {
                let v = (row * self.side + y) as f64;
                for (u, value) in line.iter_mut().enumerate() {
                    *value = cubic(picture, self.place(u as f64, v, picture));
                }
            }
            for column in 0..self.columns {
                let x0 = column * self.side;
                let mut sums = Sums::new();
                for (y, line) in band.chunks_exact(width).enumerate() {
                    let piece = &line[x0..x0 + self.side];
                    sums.add(piece, &across.0[x0..], down.at(row * self.side + y));
                }
                let out = &mut self.values[(row * self.columns + column) * count..][..count];
                for (o, line) in out.iter_mut().zip(&self.lines) {
                    *o = sums.of(*line);
                }
            }
        }
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

const HALF: usize = REACH as usize + 1;
const WHOLE: usize = 2 * REACH as usize + 1;

/// Coefficients of one cell: real and imaginary parts apart, so that the sums are plain vector sums.
struct Sums([[[f32; WHOLE]; 2]; HALF]);

impl Sums {
    fn new() -> Self {
        Sums([[[0.0; WHOLE]; 2]; HALF])
    }

    /// Adds a row of pixels; `across` are the phases of its pixels, `down` those of the row.
    fn add(&mut self, piece: &[f32], across: &[[Complex32; HALF]], down: &[Complex32; HALF]) {
        let mut sums = [Complex32::default(); HALF];
        for (value, turns) in piece.iter().zip(across) {
            for (s, turn) in sums.iter_mut().zip(turns) {
                *s += turn * value;
            }
        }
        // A row is real: the coefficient at −k is the conjugate of that at k.
        let at = |i: usize| {
            let k = i as i32 - REACH;
            let s = sums[k.unsigned_abs() as usize];
            if k < 0 { s.conj() } else { s }
        };
        let re: [f32; WHOLE] = std::array::from_fn(|i| at(i).re);
        let im: [f32; WHOLE] = std::array::from_fn(|i| at(i).im);
        for ([out_re, out_im], turn) in self.0.iter_mut().zip(down) {
            for i in 0..WHOLE {
                out_re[i] += re[i] * turn.re - im[i] * turn.im;
                out_im[i] += re[i] * turn.im + im[i] * turn.re;
            }
        }
    }

    fn of(&self, line: Line) -> Complex32 {
        let [re, im] = &self.0[line.y as usize];
        let x = (line.x + REACH) as usize;
        Complex32::new(re[x], im[x])
    }
}

/// exp(−2πi k (x − origin) / tile) for k = 0..=20 at every pixel.
struct Phases(Vec<[Complex32; REACH as usize + 1]>);

impl Phases {
    fn new(count: usize, origin: f64, tile: f64) -> Self {
        Phases(
            (0..count)
                .map(|x| std::array::from_fn(|k| phasor(TAU * (-(k as f64) * (x as f64 - origin) / tile))))
                .collect(),
        )
    }

    fn at(&self, x: usize) -> &[Complex32; REACH as usize + 1] {
        &self.0[x]
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

fn weights(t: f32) -> [f32; 4] {
    [
        ((-0.5 * t + 1.0) * t - 0.5) * t,
        (1.5 * t - 2.5) * t * t + 1.0,
        ((-1.5 * t + 2.0) * t + 0.5) * t,
        (0.5 * t - 0.5) * t * t,
    ]
}
