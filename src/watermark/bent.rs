//! Straightens a lattice that no single matrix fits: perspective, lens distortion, mild warps.
//!
//! Windows of a few cells find their own translation by the pilots; the translations make a smooth field,
//! which all lines together then sharpen.

use std::f64::consts::TAU;

use super::cells::{Cells, Field, Turns};
use super::decode::{Decoder, Observation, Translation};
use super::key::{PILOTS, REACH, VARIANTS, phasor};
use crate::fourier::Complex32;

/// Cells across a window, and from one window to the next.
const WINDOW: usize = 4;
const STRIDE: usize = 2;
/// Displacements that are tried: up to so many steps either way, of so many parts of a tile.
const FURTHEST: i32 = 8;
const SIDE: usize = 2 * FURTHEST as usize + 1;
const GRID: f64 = 64.0;
/// Mean square of the windows' scores below which many windows are taken for chance: without a mark it is
/// 7.0 to 7.9, with one that decodes then 8.3 and more.
const LEAST_AGREEMENT: f32 = 7.9;
const MANY: usize = 64;
/// Steps by which the field is sharpened, and the radius in cells over which each step is smooth.
const STEPS: [f64; 10] = [2.5, 2.5, 2.0, 2.0, 1.6, 1.6, 1.3, 1.3, 1.3, 1.3];
/// Largest change of a displacement in one step, in parts of a tile.
const STEP: f64 = 0.02;

/// The straightened lines, the translation under which they say most, and what straightens them. The picture is taken to be whole.
pub(super) fn straighten(cells: &Cells, decoder: &Decoder<'_>) -> Option<(Observation, Translation, Field)> {
    let windows = windows(cells);
    let noise = window_noise(cells, decoder);
    let turns = steps();
    let (variant, votes) = (0..VARIANTS)
        .map(|variant| {
            let phases = &decoder.schedule.variants[variant].pilot_phases;
            let vote = |window: &Window| best_displacement(window, phases, &noise, &turns, decoder);
            (variant, windows.iter().map(vote).collect::<Vec<_>>())
        })
        .max_by(|a, b| agreement(&a.1).total_cmp(&agreement(&b.1)))?;
    if votes.len() >= MANY && agreement(&votes) < LEAST_AGREEMENT * votes.len() as f32 {
        return None;
    }
    let mut field = first_field(cells, &windows, &votes);
    for radius in STEPS {
        sharpen(cells, &mut field, radius, decoder);
    }
    let seen = cells.observe(&field, decoder);
    let best = decoder.translations(&seen).into_iter().find(|t| t.variant == variant)?;
    Some((seen, best, field))
}

/// A window's likeliest displacement in parts of a tile, and its score.
struct Vote {
    displacement: [f64; 2],
    score: f32,
}

fn agreement(votes: &[Vote]) -> f32 {
    votes.iter().map(|vote| vote.score * vote.score).sum()
}

/// Some cells together.
struct Window {
    /// Middle, in cells (x, y).
    middle: [f64; 2],
    /// The pilots' coefficients.
    pilots: Vec<Complex32>,
}

fn windows(cells: &Cells) -> Vec<Window> {
    let pilots = PILOTS;
    let starts = |n: usize| (0..n.saturating_sub(WINDOW - 1).max(1)).step_by(STRIDE);
    let mut out = Vec::new();
    for y0 in starts(cells.rows) {
        for x0 in starts(cells.columns) {
            let mut sum = vec![Complex32::default(); pilots];
            for y in y0..(y0 + WINDOW).min(cells.rows) {
                for x in x0..(x0 + WINDOW).min(cells.columns) {
                    for (s, v) in sum.iter_mut().zip(&cells.of(y * cells.columns + x)[..pilots]) {
                        *s += v;
                    }
                }
            }
            // A window beyond the picture's edge is silent.
            if sum.iter().any(|v| v.norm_sqr() > 0.0) {
                let middle = [x0, y0].map(|n| (n + WINDOW / 2) as f64);
                out.push(Window { middle, pilots: sum });
            }
        }
    }
    out
}

/// Mean power of the pilots in a window.
fn window_noise(cells: &Cells, decoder: &Decoder<'_>) -> Vec<f32> {
    let still = vec![[0.0; 2]; cells.count()];
    let share = (WINDOW * WINDOW) as f32 / cells.count() as f32;
    cells.observe(&still, decoder).noise[..PILOTS].iter().map(|n| (n * share).max(1e-12)).collect()
}

/// exp(−2πi k·n / 64) for each k of a line and each displacement n.
type Steps = [[Complex32; SIDE]; 2 * REACH as usize + 1];

fn steps() -> Steps {
    let turns = |k: usize, n: usize| {
        phasor(-TAU * (k as f64 - f64::from(REACH)) * (n as f64 - f64::from(FURTHEST)) / GRID)
    };
    std::array::from_fn(|k| std::array::from_fn(|n| turns(k, n)))
}

/// The displacement at which the pilots agree best: Re Σ x conj(phase) exp(−2πi k·n / 64) / √(½ Σ |x|²), a
/// score in standard deviations of random phases.
fn best_displacement(
    window: &Window,
    phases: &[Complex32],
    noise: &[f32],
    turns: &Steps,
    decoder: &Decoder<'_>,
) -> Vote {
    let mut map = [[0.0f32; SIDE]; SIDE];
    let mut squares = 0.0f32;
    for ((x, phase), (line, noise)) in
        window.pilots.iter().zip(phases).zip(decoder.schedule.pilots.iter().zip(noise))
    {
        let arrow = x * phase.conj() / noise.sqrt();
        // One strong line of the picture shall not drown the others.
        let arrow = arrow / (1.0 + arrow.norm_sqr() / 12.0).sqrt();
        squares += arrow.norm_sqr();
        let turn = |k: i32| &turns[(k + REACH) as usize];
        let (across, down) = (turn(line.x), turn(line.y));
        for (i, row) in map.iter_mut().enumerate() {
            let v = arrow * down[i];
            for (o, t) in row.iter_mut().zip(across) {
                *o += v.re * t.re - v.im * t.im;
            }
        }
    }
    let norm = 1.0 / (squares / 2.0).max(1e-20).sqrt();
    let mut best = Vote { displacement: [0.0; 2], score: 0.0 };
    for (y, row) in map.iter().enumerate() {
        for (x, value) in row.iter().enumerate() {
            if value * norm > best.score {
                let displacement = [x, y].map(|i| -(i as f64 - f64::from(FURTHEST)) / GRID);
                best = Vote { displacement, score: value * norm };
            }
        }
    }
    best
}

/// Each window's displacement, weighted by its score and smoothed over the cells.
fn first_field(cells: &Cells, windows: &[Window], votes: &[Vote]) -> Field {
    (0..cells.count())
        .map(|cell| {
            let (x, y) = ((cell % cells.columns) as f64, (cell / cells.columns) as f64);
            let (mut sum, mut total) = ([0.0; 2], 1e-9);
            for (window, vote) in windows.iter().zip(votes) {
                let square = (window.middle[0] - x).powi(2) + (window.middle[1] - y).powi(2);
                let weight =
                    (f64::from(vote.score) - 2.0).max(0.05).powi(2) * (-square / (2.0 * 2.2 * 2.2)).exp();
                sum[0] += weight * vote.displacement[0];
                sum[1] += weight * vote.displacement[1];
                total += weight;
            }
            sum.map(|s| s / total)
        })
        .collect()
}

/// One step of the field towards the greatest power of all lines, smooth over `radius` cells.
fn sharpen(cells: &Cells, field: &mut Field, radius: f64, decoder: &Decoder<'_>) {
    let seen = cells.observe(field, decoder);
    // What the whole picture says of each line, weighted by how clearly.
    let reference: Vec<Complex32> = seen
        .lines
        .iter()
        .zip(seen.noise.iter().zip(&cells.heard))
        .map(|(x, (noise, heard))| {
            let clear = x.norm_sqr() / noise;
            if *heard { x.conj() * (clear / (1.0 + clear)) / *noise } else { Complex32::default() }
        })
        .collect();
    let mut pulls: Vec<[f64; 5]> = Vec::with_capacity(cells.count());
    for (cell, d) in field.iter().enumerate() {
        let turns = Turns::new(*d);
        // Gradient (x, y) and curvature (xx, xy, yy) of Re Σ reference · value · turn.
        let mut pull = [0.0f32; 5];
        for ((value, line), reference) in cells.of(cell).iter().zip(&cells.lines).zip(&reference) {
            let z = reference * value * turns.of(*line);
            let (kx, ky) = (line.x as f32, line.y as f32);
            pull[0] -= kx * z.im;
            pull[1] -= ky * z.im;
            pull[2] += kx * kx * z.re;
            pull[3] += kx * ky * z.re;
            pull[4] += ky * ky * z.re;
        }
        pulls.push(pull.map(f64::from));
    }
    let smooth = smoothed(&pulls, cells.columns, radius);
    // Curvature of single cells is noisy; that of the whole picture is not.
    let mean: [f64; 5] =
        std::array::from_fn(|i| pulls.iter().map(|p| p[i]).sum::<f64>() / pulls.len() as f64);
    for (d, pull) in field.iter_mut().zip(smooth) {
        let [xx, xy, yy] = [mean[2], mean[3], mean[4]];
        let determinant = (xx * yy - xy * xy).max(1e-30);
        let step = [
            (yy * pull[0] - xy * pull[1]) / determinant / TAU,
            (xx * pull[1] - xy * pull[0]) / determinant / TAU,
        ];
        let length = step[0].hypot(step[1]);
        let keep = if length > STEP { STEP / length } else { 1.0 };
        d[0] += keep * step[0];
        d[1] += keep * step[1];
    }
}

/// Gaussian means over neighbouring cells.
fn smoothed(values: &[[f64; 5]], columns: usize, radius: f64) -> Vec<[f64; 5]> {
    let rows = values.len() / columns;
    let reach = (2.5 * radius).ceil() as isize;
    let weight = |n: isize| (-0.5 * (n as f64 / radius).powi(2)).exp();
    let along = |values: &[[f64; 5]], index: &dyn Fn(usize, usize) -> usize, lines: usize, length: usize| {
        let mut out = vec![[0.0; 5]; values.len()];
        for line in 0..lines {
            for i in 0..length {
                let (mut sum, mut total) = ([0.0; 5], 0.0);
                for n in -reach..=reach {
                    let Some(j) = i.checked_add_signed(n).filter(|j| *j < length) else { continue };
                    let w = weight(n);
                    let value = values[index(line, j)];
                    (0..5).for_each(|k| sum[k] += w * value[k]);
                    total += w;
                }
                out[index(line, i)] = sum.map(|s| s / total);
            }
        }
        out
    };
    let across = along(values, &|y, x| y * columns + x, rows, columns);
    along(&across, &|x, y| y * columns + x, columns, rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raster::{Depth, Plane, Raster};
    use crate::watermark::geometry::Geometry;
    use crate::watermark::key::TILE;
    use crate::watermark::sample::picture;
    use crate::watermark::scene::Scene;
    use crate::watermark::{Key, Keyring, Message, Quality, embed};

    #[test]
    fn straightening_gathers_what_bending_scattered() {
        let key = Key::new([7; 32]);
        let (keys, message) = (Keyring { public: &key, owner: None }, Message::Long([5; 10]));
        let original = picture(512, 460, 1, Depth::Eight);
        let marked = embed(&original, &message, keys, Quality::Fixed(42.0)).expect("large enough").raster;
        let plane = &marked.planes()[0];
        let bent = Plane::from_fn(512, 460, |x, y| {
            let (x, y) = (x as f32, y as f32);
            plane.bilinear(x + 4.0 * (y / 60.0).sin(), y + 4.0 * (x / 70.0).sin())
        });
        let scene = Scene::new(&Raster::from_planes(&[bent], Depth::Eight));
        let view = scene.view(0).expect("large enough");
        let decoder = Decoder::new(&key);
        let upright = Geometry::on_the_grid([TILE, TILE])[0];
        let cells = Cells::new(view, &upright, &decoder).expect("of usual size");
        let still = cells.observe(&vec![[0.0; 2]; cells.count()], &decoder);
        let (seen, ..) = straighten(&cells, &decoder).expect("windows agree");
        let (before, after) = (decoder.excess(&still), decoder.excess(&seen));
        assert!(after > 2.0 * before.max(5.0), "{before} {after}");
    }
}
