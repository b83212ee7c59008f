//! Where the output lies on the reference: an exhaustive search over symmetries, turns, scales and shifts
//! by Fourier transforms, then refinement from coarse to fine.

use rayon::prelude::*;

use super::affine::{Affine, Fit, LEAST_OVERLAP, refine};
use super::working::{factors, fitted, flattened};
use crate::fourier::{RealFft2, Spectrum};
use crate::raster::Plane;
use crate::simd;

/// Long side of the larger picture during the search.
const SEARCH_SIDE: f64 = 64.0;
/// Long side at which placements are judged.
const JUDGE_SIDE: f64 = 128.0;
/// Transforms hold both pictures without wrapping round where they overlap enough.
const FFT_SIDE: usize = 128;
/// What makes a correlation of an inverse transform.
const NORM: f32 = 1.0 / (FFT_SIDE * FFT_SIDE) as f32;
/// Window of the local flattening, in pixels, on every grid of this file.
const WINDOW: f32 = 3.84;
/// Reference pixels per output pixel, both pictures at the same long side.
const SCALES: [f64; 9] = [1.0, 0.84, 1.19, 0.71, 1.41, 0.59, 1.68, 0.5, 2.0];
/// Scales that are also tried turned.
const TURNED_SCALES: usize = 5;
/// Turns of the output in degrees: with the eight symmetries, every 10°.
const TURNS: [f64; 9] = [0.0, 10.0, -10.0, 20.0, -20.0, 30.0, -30.0, 40.0, -40.0];
/// Placements that are refined at the search's size, and at the size where they are judged.
const REFINED: usize = 24;
const JUDGED: usize = 8;

/// The best placement of `output` on `reference` (on the grids given), and its agreement at `JUDGE_SIDE`.
pub fn align(output: &Plane, reference: &Plane, sought: &Sought) -> Fit {
    let fits = search(output, reference, sought);
    let mut fits = refined(&fits, output, reference, SEARCH_SIDE, 1.2, 6);
    fits.truncate(JUDGED);
    let fits = refined(&fits, output, reference, JUDGE_SIDE, 0.8, 8);
    fits.first().copied().unwrap_or(Fit::unknown(centred(output, reference)))
}

/// Refines every fit on a coarser grid, best first; those that lost their overlap come last.
fn refined(
    fits: &[Fit],
    output: &Plane,
    reference: &Plane,
    side: f64,
    smooth: f32,
    iterations: usize,
) -> Vec<Fit> {
    // Long and narrow pictures keep enough of their short side.
    let enough = |p: &Plane| {
        let (long, short) = (p.width().max(p.height()) as f64, p.width().min(p.height()) as f64);
        fitted(p, side.max((24.0 * long / short).min(long).min(1024.0)))
    };
    let (small_o, small_r) = (enough(output), enough(reference));
    let (fo, fr) = (factors(output, &small_o), factors(reference, &small_r));
    let back = |f: (f64, f64)| (1.0 / f.0, 1.0 / f.1);
    let window = WINDOW * (side / SEARCH_SIDE) as f32;
    let (field_o, field_r) = (flattened(&small_o, window, smooth), flattened(&small_r, window, smooth));
    let mut found: Vec<Fit> = fits
        .par_iter()
        .map(|fit| {
            let fit = refine(&field_o, &field_r, fit.map.rescaled(fo, fr), iterations, 1);
            Fit { map: fit.map.rescaled(back(fo), back(fr)), ..fit }
        })
        .collect();
    found.sort_by(|a, b| b.evidence.total_cmp(&a.evidence));
    found
}

fn centred(output: &Plane, reference: &Plane) -> Affine {
    let (x, y) = factors(output, reference);
    Affine { m: [x, 0.0, 0.0, 0.0, y, 0.0] }
}

/// What the search needs of a reference, whatever is laid on it.
pub struct Sought {
    plan: RealFft2,
    /// For each long side of the grid: the reference under the eight symmetries.
    grids: Vec<(f64, Vec<Turned>)>,
}

impl Sought {
    pub fn of(reference: &Plane) -> Sought {
        let plan = RealFft2::new(FFT_SIDE, FFT_SIDE);
        let mut grids: Vec<(f64, Vec<Turned>)> = Vec::new();
        for scale in SCALES {
            let side = SEARCH_SIDE / scale.max(1.0);
            if grids.iter().all(|(s, _)| *s != side) {
                let field = flattened(&fitted(reference, side), WINDOW, 0.67);
                let all = (0..8u8).into_par_iter().map(|s| Turned::symmetric(&field, s, &plan)).collect();
                grids.push((side, all));
            }
        }
        Sought { plan, grids }
    }
}

/// The most promising placements, on the grids of `output` and `reference`.
fn search(output: &Plane, reference: &Plane, Sought { plan, grids }: &Sought) -> Vec<Fit> {
    let fields: Vec<Plane> = SCALES
        .par_iter()
        .map(|scale| flattened(&fitted(output, SEARCH_SIDE * scale.min(1.0)), WINDOW, 0.67))
        .collect();
    let jobs: Vec<(usize, f64)> = (0..SCALES.len())
        .flat_map(|i| TURNS[..if i < TURNED_SCALES { TURNS.len() } else { 1 }].iter().map(move |t| (i, *t)))
        .collect();
    let mut peaks: Vec<(f32, Affine)> = jobs
        .par_iter()
        .flat_map_iter(|(scale, turn)| {
            let side = SEARCH_SIDE / SCALES[*scale].max(1.0);
            let candidates = grids.iter().find(|(s, _)| *s == side).map_or(&[][..], |(_, r)| r);
            let small = &fields[*scale];
            let turned = Turned::rotated(small, turn.to_radians(), plan);
            let to_small = factors(output, small);
            candidates.iter().map(move |r| {
                let (score, shift) = best_shift(&turned, r, plan);
                (score, placement(&turned, r, shift, to_small, reference))
            })
        })
        .collect();
    peaks.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut fits: Vec<Fit> = Vec::new();
    for (_, map) in peaks {
        if fits.len() == REFINED {
            break;
        }
        if fits.iter().all(|fit| apart(&fit.map, &map, output, reference)) {
            fits.push(Fit::unknown(map));
        }
    }
    // Identical pictures are never missed, whatever their shape.
    fits.push(Fit::unknown(centred(output, reference)));
    fits
}

/// Whether two placements send the corners of the output to clearly different positions.
fn apart(a: &Affine, b: &Affine, output: &Plane, reference: &Plane) -> bool {
    let (w, h) = (output.width() as f64, output.height() as f64);
    let far = reference.width().max(reference.height()) as f64 * 0.06;
    [(0.0, 0.0), (w, 0.0), (0.0, h), (w, h)].iter().any(|(x, y)| {
        let ((ax, ay), (bx, by)) = (a.at(*x, *y), b.at(*x, *y));
        (ax - bx).powi(2) + (ay - by).powi(2) > far * far
    })
}

/// A field turned or mirrored for the search.
struct Turned {
    spectrum: Spectrum,
    /// Summed areas of the squared field and of its mask, of size (FFT_SIDE + 1)².
    energy: Vec<f32>,
    mask: Vec<f32>,
    width: usize,
    height: usize,
    /// Positions on the turned grid to positions on the field's own grid.
    back: Affine,
    field_size: (f64, f64),
}

impl Turned {
    fn symmetric(field: &Plane, symmetry: u8, plan: &RealFft2) -> Turned {
        let (back, width, height) = Affine::symmetry(symmetry, field.width(), field.height());
        Turned::new(field, back, width, height, plan)
    }

    fn rotated(field: &Plane, angle: f64, plan: &RealFft2) -> Turned {
        let (w, h) = (field.width() as f64, field.height() as f64);
        let (sin, cos) = angle.sin_cos();
        let tw = (w * cos.abs() + h * sin.abs()).ceil().min(FFT_SIDE as f64);
        let th = (w * sin.abs() + h * cos.abs()).ceil().min(FFT_SIDE as f64);
        let m = [
            cos,
            -sin,
            w / 2.0 - (cos * tw - sin * th) / 2.0,
            sin,
            cos,
            h / 2.0 - (sin * tw + cos * th) / 2.0,
        ];
        Turned::new(field, Affine { m }, tw as usize, th as usize, plan)
    }

    fn new(field: &Plane, back: Affine, width: usize, height: usize, plan: &RealFft2) -> Turned {
        let n = FFT_SIDE;
        let (w, h) = (field.width() as f64, field.height() as f64);
        let mut values = vec![0.0; n * n];
        let mut energy = vec![0.0; (n + 1) * (n + 1)];
        let mut mask = vec![0.0; (n + 1) * (n + 1)];
        for y in 0..n {
            let (mut row_energy, mut row_mask) = (0.0, 0.0);
            for x in 0..n {
                if x < width && y < height {
                    let (u, v) = back.at(x as f64 + 0.5, y as f64 + 0.5);
                    if u > 0.0 && v > 0.0 && u < w && v < h {
                        let value = field.bilinear(u as f32 - 0.5, v as f32 - 0.5);
                        values[y * n + x] = value;
                        row_energy += value * value;
                        row_mask += 1.0;
                    }
                }
                let at = (y + 1) * (n + 1) + x + 1;
                energy[at] = energy[at - n - 1] + row_energy;
                mask[at] = mask[at - n - 1] + row_mask;
            }
        }
        let spectrum = plan.forward_of(|y, row| {
            row.copy_from_slice(&values[y * n..][..n]);
            y < height
        });
        Turned { spectrum, energy, mask, width, height, back, field_size: (w, h) }
    }

    fn area(&self) -> f32 {
        self.mask[self.mask.len() - 1]
    }
}

/// Sum over columns x0..x1 and rows y0..y1 of a summed-area table.
#[inline]
fn boxed(table: &[f32], x0: usize, y0: usize, x1: usize, y1: usize) -> f32 {
    let n = FFT_SIDE + 1;
    table[y1 * n + x1] - table[y0 * n + x1] - table[y1 * n + x0] + table[y0 * n + x0]
}

/// The shift (of the output on the reference) with the highest score, |NCC| weighted by the overlap.
fn best_shift(output: &Turned, reference: &Turned, plan: &RealFft2) -> (f32, (isize, isize)) {
    let n = FFT_SIDE as isize;
    let smaller = output.area().min(reference.area());
    let least = LEAST_OVERLAP as f32 * smaller;
    // Shifts down that can leave enough of both, with the rows of the output that then lie on the reference.
    let shifts: Vec<(isize, usize, usize)> = (1 - output.height as isize..reference.height as isize)
        .map(|dy| {
            let end = (reference.height as isize - dy).min(output.height as isize);
            (dy, (-dy).max(0) as usize, end as usize)
        })
        .filter(|(_, y0, y1)| boxed(&output.mask, 0, *y0, output.width, *y1) >= least)
        .collect();
    let mut wanted = [false; FFT_SIDE];
    shifts.iter().for_each(|(dy, ..)| wanted[dy.rem_euclid(n) as usize] = true);
    let mut product = reference.spectrum.clone();
    for (r, o) in product.data_mut().iter_mut().zip(output.spectrum.data()) {
        *r *= o.conj();
    }
    let correlation = plan.inverse_of(product, |y| wanted[y]);
    let density = reference.energy[reference.energy.len() - 1] / reference.area().max(1.0);
    let mut line = Line::new(output.width, reference.width);
    let mut best = (0.0, (0, 0));
    for (dy, y0, y1) in shifts {
        let row = dy.rem_euclid(n) as usize * FFT_SIDE;
        line.fill(output, y0, y1, &correlation[row..row + FFT_SIDE]);
        // Most lines have nothing that comes near the best.
        if !simd::run(Promising { line: &line, density, smaller, best: best.0 }) {
            continue;
        }
        let highest = simd::run(Scores { line: &mut line, density, smaller, least });
        if highest > best.0 {
            // The first of equal ones.
            let at = line.scores.iter().rposition(|score| *score == highest).unwrap_or(0);
            best = (highest, (line.shift(at), dy));
        }
    }
    best
}

/// What the scores of all shifts across are made of, for one shift down: the last shift first, as columns of the
/// output then run forth.
struct Line {
    widths: (usize, usize),
    correlation: Vec<f32>,
    /// Sums of the output's squares and mask over the rows on the reference, and columns before this one: with the
    /// reference's width more, up to the last column on it.
    below: Vec<f32>,
    above: Vec<f32>,
    mask: Vec<f32>,
    scores: Vec<f32>,
}

/// Of each shift across, all of one length: those at the first column of the output on the reference, and at the end.
struct Sums<'a> {
    correlation: &'a [f32],
    mask: &'a [f32],
    end_mask: &'a [f32],
    below: &'a [f32],
    end_below: &'a [f32],
    above: &'a [f32],
    end_above: &'a [f32],
}

impl Line {
    #[inline(always)]
    fn sums(&self) -> Sums<'_> {
        let (other, count) = (self.widths.1, self.correlation.len());
        let [below, above, mask] = [&self.below, &self.above, &self.mask].map(|sums| &sums[..count]);
        let [end_below, end_above, end_mask] =
            [&self.below, &self.above, &self.mask].map(|sums| &sums[other..other + count]);
        Sums { correlation: &self.correlation[..count], mask, end_mask, below, end_below, above, end_above }
    }

    fn new(output: usize, reference: usize) -> Line {
        let shifts = output + reference - 1;
        let sums = || vec![0.0; shifts + reference];
        let (correlation, scores) = (vec![0.0; shifts], vec![0.0; shifts]);
        Line { widths: (output, reference), correlation, below: sums(), above: sums(), mask: sums(), scores }
    }

    /// The shift across of place `at`.
    fn shift(&self, at: usize) -> isize {
        self.widths.1 as isize - 1 - at as isize
    }

    /// For rows `y0..y1` of the output on the reference, with this row of the correlation.
    fn fill(&mut self, output: &Turned, y0: usize, y1: usize, correlation: &[f32]) {
        let n = FFT_SIDE + 1;
        let (own, other) = self.widths;
        let [energy, mask] = [&output.energy, &output.mask].map(|t| [&t[y0 * n..][..n], &t[y1 * n..][..n]]);
        let spread = |out: &mut [f32], of: &dyn Fn(usize) -> f32| {
            // The place before which the first column of the output lies.
            let first = other - 1;
            out[..first].fill(of(0));
            out[first..first + own].iter_mut().enumerate().for_each(|(x, out)| *out = of(x));
            out[first + own..].fill(of(own));
        };
        spread(&mut self.below, &|x| energy[1][x]);
        spread(&mut self.above, &|x| energy[0][x]);
        spread(&mut self.mask, &|x| mask[1][x] - mask[0][x]);
        let (negative, positive) = (&correlation[FFT_SIDE + 1 - own..], &correlation[..other]);
        let shifts = positive.iter().rev().chain(negative.iter().rev());
        self.correlation.iter_mut().zip(shifts).for_each(|(out, value)| *out = *value);
    }
}

/// Whether any shift across may have a higher score than `best`: the fourth powers tell it without roots.
struct Promising<'a> {
    line: &'a Line,
    density: f32,
    smaller: f32,
    best: f32,
}

impl simd::Kernel for Promising<'_> {
    type Output = bool;

    #[inline(always)]
    fn run(self) -> bool {
        // A thousandth for rounding, and what is too small for fourth powers.
        const LEAST: f32 = 0.999;
        const SMALL: f32 = 1e-30;
        let Promising { line, density, smaller, best } = self;
        let limit = LEAST * best * best * density;
        let per_overlap = 1.0 / smaller;
        let Sums { correlation, mask, end_mask, below, end_below, above, end_above } = line.sums();
        let mut promising = false;
        for (i, correlation) in correlation.iter().enumerate() {
            let overlap = end_mask[i] - mask[i];
            let energy = limit * overlap * (end_below[i] - end_above[i] - below[i] + above[i]);
            let square = (correlation * NORM) * (correlation * NORM);
            promising |= square * square * (overlap * per_overlap) + SMALL >= energy * energy;
        }
        promising
    }
}

/// Scores of all shifts across; the highest.
struct Scores<'a> {
    line: &'a mut Line,
    density: f32,
    smaller: f32,
    least: f32,
}

impl simd::Kernel for Scores<'_> {
    type Output = f32;

    #[inline(always)]
    fn run(self) -> f32 {
        let Scores { line, density, smaller, least } = self;
        let mut scores = std::mem::take(&mut line.scores);
        let Sums { correlation, mask, end_mask, below, end_below, above, end_above } = line.sums();
        for (i, score) in scores[..correlation.len()].iter_mut().enumerate() {
            let overlap = end_mask[i] - mask[i];
            let energy = end_below[i] - end_above[i] - below[i] + above[i];
            let energy = energy * density * overlap;
            let value = correlation[i] * NORM;
            let weighed = value.abs() / (energy.sqrt() + 1e-3) * (overlap / smaller).sqrt().sqrt();
            *score = if overlap < least { 0.0 } else { weighed };
        }
        line.scores = scores;
        let mut highest = [0.0f32; 8];
        for scores in line.scores.chunks(8) {
            for (most, score) in highest.iter_mut().zip(scores) {
                *most = if *score > *most { *score } else { *most };
            }
        }
        highest.into_iter().fold(0.0, f32::max)
    }
}

/// The map from the output's own grid to the reference's own grid.
fn placement(
    output: &Turned,
    reference: &Turned,
    shift: (isize, isize),
    to_small: (f64, f64),
    full: &Plane,
) -> Affine {
    // `back` of the output is a rotation: its inverse is its transpose.
    let [a, b, c, d, e, f] = output.back.m;
    let forth = |x: f64, y: f64| {
        let (x, y) = (x - c, y - f);
        (a * x + d * y + shift.0 as f64, b * x + e * y + shift.1 as f64)
    };
    let image = |x: f64, y: f64| {
        let (x, y) = forth(x, y);
        reference.back.at(x, y)
    };
    let (origin, right, down) = (image(0.0, 0.0), image(1.0, 0.0), image(0.0, 1.0));
    let small = Affine {
        m: [right.0 - origin.0, down.0 - origin.0, origin.0, right.1 - origin.1, down.1 - origin.1, origin.1],
    };
    let (w, h) = reference.field_size;
    small.rescaled((1.0 / to_small.0, 1.0 / to_small.1), (full.width() as f64 / w, full.height() as f64 / h))
}
