//! Local copies: parts of the output laid on the reference one by one, wherever they come from.

use rayon::prelude::*;

use super::affine::{Affine, Fit, refine};
use super::working::{factors, fitted, flattened};
use crate::fourier::{RealFft2, Spectrum};
use crate::raster::Plane;

/// Long side of both pictures during the search; also the side of the transforms.
const SIDE: usize = 128;
/// Side of a part and distance between parts, in pixels of the search.
const PART: usize = 40;
const STEP: usize = 20;
/// Least agreement after refinement for a placement to be looked at closely.
const PROMISING: f64 = 0.55;
/// Placements looked at closely.
const MOST: usize = 10;

/// A part of the output and the piece of the reference that may be the same data.
pub struct Part {
    /// Position of the part on the output.
    pub x: usize,
    pub y: usize,
    pub output: Plane,
    pub reference: Plane,
    pub map: Affine,
}

/// The parts of `output` that are most like some place of `reference`, best first. Those for which
/// `explained` (given the part's rectangle x, y, width, height on the output) holds are left out.
pub fn parts(
    output: &Plane,
    reference: &Plane,
    explained: impl Fn(usize, usize, usize, usize) -> bool,
) -> Vec<Part> {
    let (small_o, small_r) = (fitted(output, SIDE as f64), fitted(reference, SIDE as f64));
    let (field_o, field_r) = (flattened(&small_o, 7.7, 0.8), flattened(&small_r, 7.7, 0.8));
    let part = PART.min(field_o.width().min(field_o.height())).min(field_r.width().min(field_r.height()));
    if part < PART / 2 {
        return Vec::new();
    }
    let (fo, fr) = (factors(output, &small_o), factors(reference, &small_r));
    let plan = RealFft2::new(SIDE, SIDE);
    let turned: Vec<Turned> = (0..8).into_par_iter().map(|s| Turned::new(&field_r, s, &plan)).collect();
    let mut corners = Vec::new();
    for y in starts(field_o.height(), part) {
        for x in starts(field_o.width(), part) {
            let (w, h) = ((part as f64 / fo.0) as usize, (part as f64 / fo.1) as usize);
            if !explained((x as f64 / fo.0) as usize, (y as f64 / fo.1) as usize, w, h) {
                corners.push((x, y));
            }
        }
    }
    let mut found: Vec<(usize, usize, Fit)> = corners
        .into_par_iter()
        .filter_map(|(x, y)| {
            let piece = crop(&field_o, x, y, part, part);
            let start = best_place(&piece, &turned, &plan)?;
            let fit = refine(&piece, &field_r, start, 8, 1);
            (fit.ncc > PROMISING).then_some((x, y, fit))
        })
        .collect();
    found.sort_by(|a, b| b.2.evidence.total_cmp(&a.2.evidence));
    found.truncate(MOST);
    let enlarged = |(x, y, fit): &(usize, usize, Fit)| {
        let back = |f: (f64, f64)| (1.0 / f.0, 1.0 / f.1);
        let (x, y) = ((*x as f64 / fo.0) as usize, (*y as f64 / fo.1) as usize);
        let (w, h) = ((part as f64 / fo.0) as usize, (part as f64 / fo.1) as usize);
        // The map was from the part's own corner.
        let map = fit.map.rescaled(back(fo), back(fr));
        let (corner, piece) = surroundings(reference, &map, w, h);
        let mut map = map;
        map.m[2] -= corner.0 as f64;
        map.m[5] -= corner.1 as f64;
        Part { x, y, output: crop(output, x, y, w, h), reference: piece, map }
    };
    found.iter().map(enlarged).collect()
}

/// Corners of parts along one side, the last flush with the border.
fn starts(length: usize, part: usize) -> impl Iterator<Item = usize> {
    let room = length - part;
    let steps = room.div_ceil(STEP);
    (0..=steps).map(move |i| (i * room).checked_div(steps).unwrap_or(0))
}

fn crop(plane: &Plane, x: usize, y: usize, width: usize, height: usize) -> Plane {
    let (width, height) = (width.min(plane.width() - x), height.min(plane.height() - y));
    Plane::from_fn(width, height, |i, j| plane.at(x + i, y + j))
}

/// The piece of the reference under a part of `width` × `height`, with a margin, and its corner.
fn surroundings(reference: &Plane, map: &Affine, width: usize, height: usize) -> ((usize, usize), Plane) {
    let (w, h) = (width as f64, height as f64);
    let corners = [(0.0, 0.0), (w, 0.0), (0.0, h), (w, h)].map(|(x, y)| map.at(x, y));
    let margin = 0.2 * w.max(h) * map.scale();
    let range = |values: [f64; 4], limit: usize| {
        let low = values.iter().copied().fold(f64::INFINITY, f64::min) - margin;
        let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max) + margin;
        let low = low.clamp(0.0, (limit - 1) as f64) as usize;
        (low, (high.clamp(0.0, limit as f64) as usize).max(low + 1))
    };
    let (x0, x1) = range(corners.map(|c| c.0), reference.width());
    let (y0, y1) = range(corners.map(|c| c.1), reference.height());
    ((x0, y0), crop(reference, x0, y0, x1 - x0, y1 - y0))
}

/// The reference under one of the eight symmetries.
struct Turned {
    spectrum: Spectrum,
    /// Summed areas of the squared field, (SIDE + 1)².
    energy: Vec<f64>,
    width: usize,
    height: usize,
    back: Affine,
}

impl Turned {
    fn new(field: &Plane, symmetry: u8, plan: &RealFft2) -> Turned {
        let (back, width, height) = Affine::symmetry(symmetry, field.width(), field.height());
        let mut values = vec![0.0; SIDE * SIDE];
        let mut energy = vec![0.0; (SIDE + 1) * (SIDE + 1)];
        for y in 0..SIDE {
            let mut row = 0.0;
            for x in 0..SIDE {
                if x < width && y < height {
                    let (u, v) = back.at(x as f64 + 0.5, y as f64 + 0.5);
                    let value = field.at(u as usize, v as usize);
                    values[y * SIDE + x] = value;
                    row += f64::from(value * value);
                }
                let at = (y + 1) * (SIDE + 1) + x + 1;
                energy[at] = energy[at - SIDE - 1] + row;
            }
        }
        Turned { spectrum: plan.forward(&values), energy, width, height, back }
    }

    fn energy_in(&self, x: usize, y: usize, width: usize, height: usize) -> f64 {
        let at = |x: usize, y: usize| self.energy[y * (SIDE + 1) + x];
        at(x + width, y + height) - at(x, y + height) - at(x + width, y) + at(x, y)
    }
}

/// The placement (from the part's corner) with the highest |NCC| among all symmetries and all positions
/// that lie wholly on the reference; `None` for a part without texture.
fn best_place(piece: &Plane, turned: &[Turned], plan: &RealFft2) -> Option<Affine> {
    let (w, h) = (piece.width(), piece.height());
    let own: f64 = piece.data().iter().map(|v| f64::from(v * v)).sum();
    let least = 0.05 * (w * h) as f64;
    if own < least {
        return None;
    }
    let mut values = vec![0.0; SIDE * SIDE];
    for y in 0..h {
        values[y * SIDE..y * SIDE + w].copy_from_slice(piece.row(y));
    }
    let spectrum = plan.forward(&values);
    let mut best = (0.0, None);
    for reference in turned {
        let mut product = reference.spectrum.clone();
        for (r, o) in product.data_mut().iter_mut().zip(spectrum.data()) {
            *r *= o.conj();
        }
        let correlation = plan.inverse(product);
        for y in 0..(reference.height + 1).saturating_sub(h) {
            for x in 0..(reference.width + 1).saturating_sub(w) {
                let energy = reference.energy_in(x, y, w, h);
                let value = f64::from(correlation[y * SIDE + x]) / (SIDE * SIDE) as f64;
                if energy > least && value * value > best.0 * own * energy {
                    best = (value * value / (own * energy), Some(reference.back.shifted(x as f64, y as f64)));
                }
            }
        }
    }
    best.1
}
