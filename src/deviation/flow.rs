//! The smooth displacement that is left after the affine placement: it undoes mild warps and perspective.

use super::affine::{Affine, refine};
use super::cells::Cells;
use super::working::{factors, flattened, scaled};
use crate::raster::Plane;
use crate::raster::filter::gaussian;

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
            let (rw, rh) = (r.width() as f32, r.height() as f32);
            let cells = Cells::<10>::gather(width, height, CELL, |x, y| {
                let (u, v) = flow.position(map, x, y);
                if !(u >= 1.0 && v >= 1.0 && u < rw - 2.0 && v < rh - 2.0) {
                    return None;
                }
                let (a, b) = (o.at(x, y), r.bilinear(u, v));
                let gx = (r.bilinear(u + 1.0, v) - r.bilinear(u - 1.0, v)) * 0.5;
                let gy = (r.bilinear(u, v + 1.0) - r.bilinear(u, v - 1.0)) * 0.5;
                Some([a * a, a * b, b * b, gx * gx, gx * gy, gy * gy, gx * b, gy * b, gx * a, gy * a])
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

    /// Reference position (pixel-centre coordinates) under the output pixel.
    #[inline]
    fn position(&self, map: &Affine, x: usize, y: usize) -> (f32, f32) {
        let (u, v) = map.at(x as f64 + 0.5, y as f64 + 0.5);
        let (cx, cy) = ((x as f32 + 0.5) / CELL as f32 - 0.5, (y as f32 + 0.5) / CELL as f32 - 0.5);
        (u as f32 - 0.5 + self.dx.bilinear(cx, cy), v as f32 - 0.5 + self.dy.bilinear(cx, cy))
    }

    fn warp(&self, reference: &Plane, map: &Affine, width: usize, height: usize) -> (Plane, Vec<bool>) {
        let (rw, rh) = (reference.width() as f32, reference.height() as f32);
        let mut inside = vec![false; width * height];
        let seen = Plane::from_fn(width, height, |x, y| {
            let (u, v) = self.position(map, x, y);
            if u >= 0.0 && v >= 0.0 && u <= rw - 1.0 && v <= rh - 1.0 {
                inside[y * width + x] = true;
                cubic(reference, u, v)
            } else {
                0.0
            }
        });
        (seen, inside)
    }
}

/// Catmull–Rom value at a position that is not negative: bilinear interpolation would cost the finest octave its energy.
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
    let clamp = |v: isize, n: usize| v.clamp(0, n as isize - 1) as usize;
    let mut sum = 0.0;
    for (j, wy) in wy.iter().enumerate() {
        let row = plane.row(clamp(y0 as isize + j as isize - 1, plane.height()));
        for (i, wx) in wx.iter().enumerate() {
            sum += wx * wy * row[clamp(x0 as isize + i as isize - 1, plane.width())];
        }
    }
    sum
}
