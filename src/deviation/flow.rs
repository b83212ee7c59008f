//! The smooth displacement that is left after the affine placement: it undoes mild warps and perspective.

use super::affine::{Affine, refine};
use super::cells::Cells;
use super::working::{factors, flattened, scaled};
use crate::raster::Plane;
use crate::raster::filter::gaussian;
use crate::simd;

/// Side of the flow's cells, in pixels.
const CELL: usize = 8;
/// (smoothing of the fields, window) per round, in pixels, from coarse to fine.
const ROUNDS: [(f32, f32); 4] = [(2.5, 20.0), (2.0, 16.0), (1.2, 12.0), (0.8, 10.0)];
/// Longest displacement that one round may add, in pixels.
const LONGEST: f32 = 2.5;

/// Two pictures on one grid: that of the output, at the coarser of the two resolutions.
pub struct Aligned {
    pub output: Plane,
    /// The reference seen through the placement; 0 outside.
    pub reference: Plane,
    /// Whether the reference covers the pixel.
    pub inside: Vec<bool>,
    /// Share of the smaller picture that the overlap covers.
    pub overlap: f64,
}

impl Aligned {
    /// Lays `reference` on `output`: `map` refined at full working size, then bent by a smooth flow.
    pub fn new(output: &Plane, reference: &Plane, map: Affine) -> Aligned {
        let (o, r, map) = at_one_resolution(output, reference, map);
        let window = 0.06 * o.width().max(o.height()) as f32;
        let (field_o, field_r) = (flattened(&o, window, 1.0), flattened(&r, window, 1.0));
        let fit = refine(&field_o, &field_r, map, 5, 2);
        let map = if fit.ncc > 0.0 { fit.map } else { map };
        let flow = Flow::residual(&field_o, &field_r, &map);
        Aligned::laid(o, r, map, &flow)
    }

    /// Lays `reference` on `output` just as `map` says. A part that is surrounded by other things is not bent: they
    /// would pull at it.
    pub fn rigid(output: &Plane, reference: &Plane, map: Affine) -> Aligned {
        let (o, r, map) = at_one_resolution(output, reference, map);
        let flow = Flow::none(o.width(), o.height());
        Aligned::laid(o, r, map, &flow)
    }

    fn laid(o: Plane, r: Plane, map: Affine, flow: &Flow) -> Aligned {
        let (seen, inside) = flow.warp(&r, &map, o.width(), o.height());
        let covered = inside.iter().filter(|i| **i).count() as f64;
        let area = |p: &Plane| (p.width() * p.height()) as f64;
        let smaller = area(&o).min(area(&r) / map.scale().powi(2)).max(1.0);
        Aligned { output: o, reference: seen, inside, overlap: (covered / smaller).min(1.0) }
    }
}

/// Detail that one side cannot hold is taken from the other as well.
fn at_one_resolution(output: &Plane, reference: &Plane, map: Affine) -> (Plane, Plane, Affine) {
    let scale = map.scale();
    let (o, r) = if scale < 0.97 {
        (scaled(output, scale.max(0.2)), reference.clone())
    } else if scale > 1.03 {
        (output.clone(), scaled(reference, 1.0 / scale.min(5.0)))
    } else {
        (output.clone(), reference.clone())
    };
    let map = map.rescaled(factors(output, &o), factors(reference, &r));
    (o, r, map)
}

/// Displacements in reference pixels, one per cell of the output.
struct Flow {
    dx: Plane,
    dy: Plane,
}

impl Flow {
    fn none(width: usize, height: usize) -> Flow {
        let cells = Plane::filled(width.div_ceil(CELL), height.div_ceil(CELL), 0.0);
        Flow { dx: cells.clone(), dy: cells }
    }

    /// Windowed Lucas–Kanade with a local gain, so that neither tone nor sign matters.
    fn residual(output: &Plane, reference: &Plane, map: &Affine) -> Flow {
        let (width, height) = (output.width(), output.height());
        let (columns, rows) = (width.div_ceil(CELL), height.div_ceil(CELL));
        let mut flow = Flow::none(width, height);
        for (smooth, window) in ROUNDS {
            let (o, r) = (gaussian(output, smooth, 3.0), gaussian(reference, smooth, 3.0));
            let mut positions = Positions::new(width);
            let cells = Cells::<10>::gather_rows(width, height, CELL, |y, sums| {
                flow.positions(map, y, &mut positions);
                simd::run(Products { output: o.row(y), reference: &r, positions: &positions, sums });
            })
            .windowed(window);
            let mut sure = Plane::filled(columns, rows, 0.0);
            let (mut sx, mut sy) = (sure.clone(), sure.clone());
            for i in 0..columns * rows {
                let [oo, or, rr, xx, xy, yy, xr, yr, xo, yo] = cells.at(i);
                let agreement = or * or / (oo * rr).max(1e-12);
                if agreement < 0.15 {
                    continue;
                }
                let gain = or / rr.max(1e-9);
                let damp = 0.02 * (xx + yy) + 1e-6;
                let (bx, by) = ((xo - gain * xr) / gain, (yo - gain * yr) / gain);
                let (axx, ayy) = (xx + damp, yy + damp);
                let det = axx * ayy - xy * xy;
                let (ex, ey) = ((ayy * bx - xy * by) / det, (axx * by - xy * bx) / det);
                let length = (ex * ex + ey * ey).sqrt().max(1e-6);
                let keep = (LONGEST / length).min(1.0) * agreement;
                sure.data_mut()[i] = agreement;
                sx.data_mut()[i] = ex * keep;
                sy.data_mut()[i] = ey * keep;
            }
            let spread = |p: &Plane| gaussian(p, 1.5, 3.0);
            let weight = spread(&sure).map(|w| w + 0.02);
            flow.dx = flow.dx.zip(&spread(&sx).zip(&weight, |s, w| s / w), |a, b| a + b);
            flow.dy = flow.dy.zip(&spread(&sy).zip(&weight, |s, w| s / w), |a, b| a + b);
        }
        flow
    }

    /// Reference positions (pixel-centre coordinates) under row `y` of the output.
    fn positions(&self, map: &Affine, y: usize, out: &mut Positions) {
        simd::run(Placing { flow: self, map, y, out });
    }

    fn warp(&self, reference: &Plane, map: &Affine, width: usize, height: usize) -> (Plane, Vec<bool>) {
        let mut inside = vec![false; width * height];
        let mut seen = Plane::filled(width, height, 0.0);
        let mut positions = Positions::new(width);
        for y in 0..height {
            self.positions(map, y, &mut positions);
            simd::run(Seeing {
                reference,
                positions: &positions,
                inside: &mut inside[y * width..][..width],
                out: &mut seen.data_mut()[y * width..][..width],
            });
        }
        (seen, inside)
    }
}

/// Positions on the reference, one for each column of the output.
struct Positions {
    x: Vec<f32>,
    y: Vec<f32>,
}

impl Positions {
    fn new(width: usize) -> Positions {
        Positions { x: vec![0.0; width], y: vec![0.0; width] }
    }
}

/// See [`Flow::positions`].
struct Placing<'a> {
    flow: &'a Flow,
    map: &'a Affine,
    y: usize,
    out: &'a mut Positions,
}

impl simd::Kernel for Placing<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Placing { flow, map, y, out } = self;
        let (columns, rows) = (flow.dx.width(), flow.dx.height());
        let place = |pixel: usize, cells: usize| {
            ((pixel as f32 + 0.5) / CELL as f32 - 0.5).clamp(0.0, (cells - 1) as f32)
        };
        let cy = place(y, rows);
        let (y0, fy) = (cy as usize, cy - (cy as usize) as f32);
        let y1 = (y0 + 1).min(rows - 1);
        let width = out.x.len();
        // Between the middles of two cells all pixels ask the same four.
        let mut from = 0;
        for cell in 0..=columns {
            let to = (cell * CELL + CELL / 2).min(width);
            let (x0, x1) = (cell.saturating_sub(1), cell.min(columns - 1));
            let corners =
                |plane: &Plane| [(x0, y0), (x1, y0), (x0, y1), (x1, y1)].map(|(x, y)| plane.at(x, y));
            let (across, down) = (corners(&flow.dx), corners(&flow.dy));
            let pixels = out.x[from..to].iter_mut().zip(&mut out.y[from..to]);
            for (i, (u, v)) in pixels.enumerate() {
                let x = from + i;
                let fx = place(x, columns) - x0 as f32;
                let between = |[a, b, c, d]: [f32; 4]| {
                    let (top, bottom) = (a + (b - a) * fx, c + (d - c) * fx);
                    top + (bottom - top) * fy
                };
                let (mx, my) = map.at(x as f64 + 0.5, y as f64 + 0.5);
                *u = mx as f32 - 0.5 + between(across);
                *v = my as f32 - 0.5 + between(down);
            }
            from = to;
        }
    }
}

/// Adds the products of one row that [`Flow::residual`] needs to its cells.
struct Products<'a> {
    output: &'a [f32],
    reference: &'a Plane,
    positions: &'a Positions,
    sums: &'a mut [[f32; 10]],
}

impl simd::Kernel for Products<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Products { output, reference, positions, sums } = self;
        let (width, data) = (reference.width(), reference.data());
        let (rw, rh) = (width as f32, reference.height() as f32);
        let cells = output.chunks(CELL).zip(positions.x.chunks(CELL)).zip(positions.y.chunks(CELL));
        for (((values, us), vs), sums) in cells.zip(sums) {
            // The pixels around each position, a cross of twelve; all 0 where the reference does not reach.
            let mut around = [[0.0f32; CELL]; 12];
            let (mut a, mut fx, mut fy) = ([0.0f32; CELL], [[0.0f32; CELL]; 3], [[0.0f32; CELL]; 3]);
            for (k, ((value, u), v)) in values.iter().zip(us).zip(vs).enumerate() {
                let (u, v) = (*u, *v);
                if !(u >= 1.0 && v >= 1.0 && u < rw - 2.0 && v < rh - 2.0) {
                    continue;
                }
                let (x, y) = (u as usize, v as usize);
                let row = |y: usize| &data[y * width + x - 1..y * width + x + 3];
                let [above, here, below, last] = [row(y - 1), row(y), row(y + 1), row(y + 2)];
                let cross = [
                    above[1], above[2], here[0], here[1], here[2], here[3], below[0], below[1], below[2],
                    below[3], last[1], last[2],
                ];
                around.iter_mut().zip(cross).for_each(|(lanes, value)| lanes[k] = value);
                a[k] = *value;
                for (i, offset) in [-1.0, 0.0, 1.0].into_iter().enumerate() {
                    fx[i][k] = (u + offset) - (x as f32 + offset);
                    fy[i][k] = (v + offset) - (y as f32 + offset);
                }
            }
            let mut products = [[0.0f32; CELL]; 10];
            for (k, a) in a.into_iter().enumerate() {
                let between = |p: [usize; 4], fx: f32, fy: f32| {
                    let [a, b, c, d] = p.map(|i| around[i][k]);
                    let (top, bottom) = (a + (b - a) * fx, c + (d - c) * fx);
                    top + (bottom - top) * fy
                };
                let b = between([3, 4, 7, 8], fx[1][k], fy[1][k]);
                let right = between([4, 5, 8, 9], fx[2][k], fy[1][k]);
                let left = between([2, 3, 6, 7], fx[0][k], fy[1][k]);
                let lower = between([7, 8, 10, 11], fx[1][k], fy[2][k]);
                let upper = between([0, 1, 3, 4], fx[1][k], fy[0][k]);
                let (gx, gy) = ((right - left) * 0.5, (lower - upper) * 0.5);
                let all = [a * a, a * b, b * b, gx * gx, gx * gy, gy * gy, gx * b, gy * b, gx * a, gy * a];
                products.iter_mut().zip(all).for_each(|(lanes, value)| lanes[k] = value);
            }
            for (sum, lanes) in sums.iter_mut().zip(&products) {
                *sum = lanes.iter().sum();
            }
        }
    }
}

/// One row of [`Flow::warp`].
struct Seeing<'a> {
    reference: &'a Plane,
    positions: &'a Positions,
    inside: &'a mut [bool],
    out: &'a mut [f32],
}

impl simd::Kernel for Seeing<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Seeing { reference, positions, inside, out } = self;
        let (rw, rh) = (reference.width() as f32, reference.height() as f32);
        let places = positions.x.iter().zip(&positions.y);
        for (((u, v), inside), out) in places.zip(inside).zip(out) {
            *inside = *u >= 0.0 && *v >= 0.0 && *u <= rw - 1.0 && *v <= rh - 1.0;
            if *inside {
                *out = cubic(reference, *u, *v);
            }
        }
    }
}

/// Catmull–Rom value at a position that is not negative: bilinear interpolation would cost the finest octave its energy.
#[inline(always)]
fn cubic(plane: &Plane, x: f32, y: f32) -> f32 {
    let (x0, y0) = ((x as usize) as f32, (y as usize) as f32);
    let weights = |t: f32| {
        let (t2, t3) = (t * t, t * t * t);
        [
            -0.5 * t3 + t2 - 0.5 * t,
            1.5 * t3 - 2.5 * t2 + 1.0,
            -1.5 * t3 + 2.0 * t2 + 0.5 * t,
            0.5 * t3 - 0.5 * t2,
        ]
    };
    let (wx, wy) = (weights(x - x0), weights(y - y0));
    let (left, top) = (x0 as isize - 1, y0 as isize - 1);
    let (width, height) = (plane.width(), plane.height());
    if left >= 0 && top >= 0 && left as usize + 4 <= width && top as usize + 4 <= height {
        let at = top as usize * width + left as usize;
        let rows = [0, 1, 2, 3].map(|j| &plane.data()[at + j * width..][..4]);
        return weighed(rows, wx, wy);
    }
    let clamp = |v: isize, n: usize| v.clamp(0, n as isize - 1) as usize;
    let row = |j: isize| plane.row(clamp(top + j, height));
    let rows = [0, 1, 2, 3].map(|j| [0, 1, 2, 3].map(|i| row(j)[clamp(left + i, width)]));
    weighed(rows.each_ref().map(|row| &row[..]), wx, wy)
}

#[inline(always)]
fn weighed(rows: [&[f32]; 4], across: [f32; 4], down: [f32; 4]) -> f32 {
    let mut sum = 0.0;
    for (row, wy) in rows.iter().zip(down) {
        for (value, wx) in row.iter().zip(across) {
            sum += wx * wy * value;
        }
    }
    sum
}
