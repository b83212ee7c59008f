//! A picture laid upright on the lattice and cut into cells, with every line's coefficient in each cell: what
//! a bent lattice is straightened by, and what shows where the evidence lies.

use std::f64::consts::TAU;

use super::decode::{Decoder, Observation};
use super::geometry::Geometry;
use super::key::{Line, REACH, TILE};
use super::scene::View;
use crate::fourier::Complex32;
use crate::raster::Plane;

/// Cells across one tile.
const PER_TILE: usize = 2;
/// Lines beyond this frequency of the upright picture hold nothing.
const BLIND: f64 = 0.485;

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
        let reach = REACH as usize;
        let count = self.lines.len();
        self.values = vec![Complex32::default(); self.count() * count];
        let mut row = vec![0.0f32; self.columns * self.side];
        for y in 0..self.rows * self.side {
            for (x, value) in row.iter_mut().enumerate() {
                *value = cubic(picture, self.place(x as f64, y as f64, picture));
            }
            let turns = down.at(y);
            for (column, piece) in row.chunks_exact(self.side).enumerate() {
                let mut sums = [Complex32::default(); REACH as usize + 1];
                for (x, value) in piece.iter().enumerate() {
                    for (s, turn) in sums.iter_mut().zip(across.at(column * self.side + x)) {
                        *s += turn * value;
                    }
                }
                // A row is real: the coefficient at −k is the conjugate of that at k.
                let mut both = [Complex32::default(); 2 * REACH as usize + 1];
                for (k, s) in sums.iter().enumerate() {
                    both[reach + k] = *s;
                    both[reach - k] = s.conj();
                }
                let cell = y / self.side * self.columns + column;
                let out = &mut self.values[cell * count..][..count];
                for (o, line) in out.iter_mut().zip(&self.lines) {
                    *o += both[(line.x + REACH) as usize] * turns[line.y as usize];
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

/// exp(−2πi k (x − origin) / tile) for k = 0..=20 at every pixel.
struct Phases(Vec<[Complex32; REACH as usize + 1]>);

impl Phases {
    fn new(count: usize, origin: f64, tile: f64) -> Self {
        Phases(
            (0..count)
                .map(|x| std::array::from_fn(|k| phasor(-(k as f64) * (x as f64 - origin) / tile)))
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
            x: std::array::from_fn(|k| phasor((k as f64 - reach) * d[0])),
            y: std::array::from_fn(|k| phasor(k as f64 * d[1])),
        }
    }

    #[inline]
    pub fn of(&self, line: Line) -> Complex32 {
        self.x[(line.x + REACH) as usize] * self.y[line.y as usize]
    }
}

fn phasor(turns: f64) -> Complex32 {
    let (s, c) = (TAU * turns).sin_cos();
    Complex32::new(c as f32, s as f32)
}

/// Catmull–Rom value at a place, zero outside.
fn cubic(plane: &Plane, [x, y]: [f64; 2]) -> f32 {
    let (w, h) = (plane.width() as f64, plane.height() as f64);
    if !(x > -1.0 && y > -1.0 && x < w && y < h) {
        return 0.0;
    }
    let (x0, y0) = (x.floor(), y.floor());
    let (across, down) = (weights((x - x0) as f32), weights((y - y0) as f32));
    let clamp = |n: f64, i: usize, limit: f64| (n + i as f64 - 1.0).clamp(0.0, limit - 1.0) as usize;
    let columns: [usize; 4] = std::array::from_fn(|i| clamp(x0, i, w));
    (0..4)
        .map(|j| {
            let row = plane.row(clamp(y0, j, h));
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
