//! Where the lattice may lie: the pilots' constellation is sought in a blockwise power spectrum.

use super::frontend::tukey;
use super::geometry::{Geometry, QUARTERS};
use super::key::Line;
use super::log_polar::{LogPolar, Stretch};
use crate::fourier::{RealFft2, fast_size};
use crate::raster::Plane;

/// Furthest pilot, in lattice units, and the nearest.
pub(super) const FURTHEST: f64 = 15.0;
pub(super) const NEAREST: f64 = 6.5;
/// Blocks along a side, at most.
const BLOCKS: usize = 3;
/// Distance of neighbouring hypotheses at the furthest pilot, in units of the spectrum's resolution.
const SPACING: f64 = 0.5;
const ROUGH_SPACING: f64 = 0.7;
/// Logarithm of the largest ratio of a tile's sides: ±13 % on each.
const ASPECT: f64 = 0.27;
/// Power over the local mean, at most: one strong line of the picture is no pilot.
const CAP: f32 = 12.0;
/// Least score that is noted: a few of a hundred places score as much by chance.
pub(super) const LEAST: f64 = 2.2;
/// Part of a block over which its window falls off, at each end.
const TAPER: f64 = 0.12;
/// Half width of the box of the local mean.
const BOX: usize = 10;
/// Columns kept left of the zero frequency, so that filters and interpolation need no special case.
const MARGIN: usize = BOX + 2;

/// A place where the lattice may lie, in pixels of the searched plane.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    pub geometry: Geometry,
    /// Sum over the pilots of normalised power, in standard deviations of a sum over random places.
    pub score: f64,
}

/// Periods of the tile, in pixels, that are tried together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Octave {
    pub low: f64,
    pub high: f64,
    /// Widest block of the power spectrum, in pixels.
    pub block: usize,
}

/// The normalised power spectrum of a plane, averaged over blocks: zero mean, unit variance.
pub(super) struct Coarse {
    /// Rows from −size / 2, columns from −MARGIN to size / 2.
    power: Plane,
    pub size: usize,
    /// Side of a block in pixels.
    pub block: usize,
}

impl Coarse {
    /// `values` is the normalised picture; its blocks are up to `block` pixels wide and high.
    pub fn new(values: &Plane, block: usize) -> Self {
        let sides = [values.width(), values.height()];
        let block = block.min(sides[0].max(sides[1]));
        let size = fast_size(2 * block);
        let plan = RealFft2::new(size, size);
        let extent = sides.map(|side| side.min(block));
        let windows = extent.map(|n| tukey(n, TAPER));
        let starts = [0, 1].map(|i| {
            let room = sides[i] - extent[i];
            let count = (room * 2).div_ceil(extent[i]).min(BLOCKS - 1);
            (0..=count).map(|n| (room * n).checked_div(count).unwrap_or(room / 2)).collect::<Vec<usize>>()
        });
        let columns = size / 2 + 1;
        let mut sum = vec![0.0f32; columns * size];
        for y0 in &starts[1] {
            for x0 in &starts[0] {
                let spectrum = plan.forward_of(|y, out| {
                    let Some(down) = windows[1].get(y) else { return false };
                    let (inside, outside) = out.split_at_mut(extent[0]);
                    outside.fill(0.0);
                    let row = &values.row(y0 + y)[*x0..x0 + extent[0]];
                    for ((o, v), across) in inside.iter_mut().zip(row).zip(&windows[0]) {
                        *o = v * across * down;
                    }
                    true
                });
                for (s, v) in sum.iter_mut().zip(spectrum.data()) {
                    *s += v.norm_sqr();
                }
            }
        }
        Coarse { power: normalised(&sum, columns, size), size, block }
    }

    /// Normalised power at a frequency in units of the spectrum's resolution; zero beyond its ends.
    #[inline]
    pub fn at(&self, fx: f32, fy: f32) -> f32 {
        let sign = 1f32.copysign(fx);
        let (x, y) = (sign * fx + MARGIN as f32, sign * fy + (self.size / 2) as f32);
        let (w, h) = (self.power.width(), self.power.height());
        if x < (w - 1) as f32 && y >= 0.0 && y < (h - 1) as f32 { self.between(x, y) } else { 0.0 }
    }

    /// Between the four values around a place of the plane that is not beyond its ends.
    #[inline]
    fn between(&self, x: f32, y: f32) -> f32 {
        // By way of i32, which the machine converts to at once.
        let (x0, y0) = (x as i32, y as i32);
        let (u, v) = (x - x0 as f32, y - y0 as f32);
        let w = self.power.width();
        let place = y0 as usize * w + x0 as usize;
        let Some(around) = self.power.data().get(place..place + w + 2) else { return 0.0 };
        let (a, b) = (around[0] + u * (around[1] - around[0]), around[w] + u * (around[w + 1] - around[w]));
        a + v * (b - a)
    }

    /// The column of a frequency across, not below zero and in cycles per pixel, and the fraction to the next.
    fn column(&self, fx: f64) -> (usize, f32) {
        let x = (fx * self.size as f64) as f32 + MARGIN as f32;
        (x as usize, x.fract())
    }

    /// Adds `weight` times the power at one frequency down and many across, in cycles per pixel.
    fn add_row(&self, fy: f64, columns: &[(usize, f32)], weight: f32, sums: &mut [f32]) {
        let y = (fy * self.size as f64) as f32 + (self.size / 2) as f32;
        if y < 0.0 || y >= (self.power.height() - 1) as f32 {
            return;
        }
        let (above, below) = (self.power.row(y as usize), self.power.row(y as usize + 1));
        let v = y.fract();
        for (sum, (x, u)) in sums.iter_mut().zip(columns) {
            let (Some(a), Some(b)) = (above.get(*x..x + 2), below.get(*x..x + 2)) else { continue };
            let (a, b) = (a[0] + u * (a[1] - a[0]), b[0] + u * (b[1] - b[0]));
            *sum += weight * (a + v * (b - a));
        }
    }

    /// How well the lines fit.
    pub fn score(&self, geometry: &Geometry, lines: &Weighted) -> f64 {
        f64::from(self.sum(geometry, &lines.lines) * lines.norm)
    }

    /// Weighted power of the lines.
    fn sum(&self, geometry: &Geometry, lines: &[([f32; 2], f32)]) -> f32 {
        let [[a, b], [c, d]] = geometry.0.map(|row| row.map(|v| (v * self.size as f64) as f32));
        lines.iter().map(|(k, weight)| weight * self.at(a * k[0] + b * k[1], c * k[0] + d * k[1])).sum()
    }

    /// The best of all rotations, scales of the octave and flips, seen through each of `stretches`.
    pub fn turned(
        &self,
        octave: Octave,
        lines: &Weighted,
        stretches: &[Stretch],
        most: usize,
    ) -> Vec<Candidate> {
        let spacing = if stretches.len() == 1 { SPACING } else { ROUGH_SPACING };
        let mut found = Vec::new();
        let mut table: Option<LogPolar> = None;
        for stretch in stretches {
            let of_picture = stretch.of_picture();
            let known = table.take().filter(|table| table.stretch == of_picture);
            let table =
                table.insert(known.unwrap_or_else(|| LogPolar::new(self, octave, of_picture, spacing)));
            for flip in [1.0, -1.0] {
                table.scan(lines, flip, *stretch, &mut found);
            }
            found = self.best(found, 4 * most);
        }
        self.best(found, most)
    }

    /// The best of all pairs of periods along x and y that differ, unturned or turned by
    /// quarters: pictures whose aspect changed.
    pub fn upright(&self, octave: Octave, pilots: &Weighted, most: usize) -> Vec<Candidate> {
        let step = ROUGH_SPACING / (FURTHEST * self.block as f64 / octave.low);
        let count = ((octave.high / octave.low).ln() / step).ceil() as i32;
        let reach = (ASPECT / step).ceil() as i32;
        let period = |n: i32| octave.low * (f64::from(n) * step).exp();
        // Where each line's frequency across falls: column and fraction, for every period.
        let across: Vec<Vec<(usize, f32)>> = (0..=FURTHEST as i32)
            .map(|k| (0..=count).map(|n| self.column(f64::from(k) / period(n))).collect())
            .collect();
        let mut found = Vec::new();
        let mut sums = vec![0.0f32; count as usize + 1];
        for below in -reach..=count + reach {
            let down = period(below);
            let from = (below - reach).max(0) as usize;
            let to = (below + reach).min(count) as usize;
            for quarter in QUARTERS {
                let sums = &mut sums[from..=to];
                sums.fill(0.0);
                for (k, weight) in &pilots.lines {
                    let [x, y] = quarter.map(|row| row[0] as f32 * k[0] + row[1] as f32 * k[1]);
                    // The spectrum of a real picture is even.
                    let y = if x < 0.0 { -y } else { y };
                    let columns = &across[x.abs() as usize][from..=to];
                    self.add_row(f64::from(y) / down, columns, *weight, sums);
                }
                for (n, sum) in (from as i32..).zip(sums) {
                    let score = f64::from(*sum * pilots.norm);
                    if score > LEAST && (n - below).abs() > 2 {
                        let geometry = Geometry::turned(quarter, [period(n), down]);
                        found.push(Candidate { geometry, score });
                    }
                }
            }
        }
        self.best(found, most)
    }

    /// The best of all linear maps near `geometry`: each entry may differ by `reach` of its size.
    pub fn near(&self, geometry: &Geometry, reach: f64, lines: &Weighted, most: usize) -> Vec<Candidate> {
        let size = geometry.0.as_flattened().iter().map(|v| v.abs()).fold(0.0, f64::max);
        let step = 0.6 / (self.block as f64 * FURTHEST);
        let count = (reach * size / step).ceil() as i32;
        let offsets = || (-count..=count).map(|n| f64::from(n) * step);
        let mut found = Vec::new();
        for a in offsets() {
            for b in offsets() {
                for c in offsets() {
                    for d in offsets() {
                        let [[p, q], [r, s]] = geometry.0;
                        let geometry = Geometry([[p + a, q + b], [r + c, s + d]]);
                        found.push(Candidate { geometry, score: self.score(&geometry, lines) });
                    }
                }
            }
        }
        self.best(found, most)
    }

    /// The highest scores of different places.
    fn best(&self, mut found: Vec<Candidate>, most: usize) -> Vec<Candidate> {
        let keep = (8 * most).min(found.len());
        if keep < found.len() {
            found.select_nth_unstable_by(keep, |a, b| b.score.total_cmp(&a.score));
            found.truncate(keep);
        }
        found.sort_by(|a, b| b.score.total_cmp(&a.score));
        let apart = 1.5 / (self.block as f64 * FURTHEST);
        distinct(found, apart, most)
    }

    /// The local maximum near a candidate, by small changes of the four entries.
    pub fn climb(&self, candidate: Candidate, pilots: &Weighted, start: f64, rounds: usize) -> Candidate {
        let step = start / (self.block as f64 * FURTHEST);
        candidate.uphill(step, rounds, |geometry| self.score(geometry, pilots))
    }
}

impl Candidate {
    /// Small steps of the four entries to higher scores, in `rounds` of halved steps.
    pub fn uphill(self, mut step: f64, rounds: usize, score: impl Fn(&Geometry) -> f64) -> Candidate {
        let mut best = Candidate { score: score(&self.geometry), ..self };
        for _ in 0..rounds {
            for _ in 0..4 {
                let from = best.geometry;
                for geometry in from.neighbours(step) {
                    let score = score(&geometry);
                    if score > best.score {
                        best = Candidate { geometry, score };
                    }
                }
                if best.geometry == from {
                    break;
                }
            }
            step /= 2.0;
        }
        best
    }
}

/// Lines and what each counts.
pub(super) struct Weighted {
    pub lines: Vec<([f32; 2], f32)>,
    /// Brings a weighted sum of powers to standard deviations.
    pub norm: f32,
}

impl Weighted {
    pub fn new(lines: impl Iterator<Item = (Line, f32)>) -> Self {
        let lines: Vec<_> = lines.map(|(l, weight)| ([l.x as f32, l.y as f32], weight)).collect();
        let squares: f32 = lines.iter().map(|(_, weight)| weight * weight).sum();
        Weighted { lines, norm: 1.0 / squares.sqrt() }
    }
}

/// The first `most` of a sorted list that lie `apart` from those before.
pub(super) fn distinct(sorted: Vec<Candidate>, apart: f64, most: usize) -> Vec<Candidate> {
    let mut kept: Vec<Candidate> = Vec::with_capacity(most);
    for candidate in sorted {
        if kept.len() == most {
            break;
        }
        if kept.iter().all(|other| other.geometry.distance(&candidate.geometry) >= apart) {
            kept.push(candidate);
        }
    }
    kept
}

/// Power over its local mean, capped and standardised; the zero frequency in the middle row.
fn normalised(sum: &[f32], columns: usize, size: usize) -> Plane {
    let width = columns + MARGIN;
    let shifted = Plane::from_fn(width, size, |x, y| {
        let row = (y + size - size / 2) % size;
        if x >= MARGIN {
            sum[row * columns + x - MARGIN]
        } else {
            // The spectrum of a real picture is even.
            sum[(size - row) % size * columns + MARGIN - x]
        }
    });
    let mean = box_mean(&shifted, BOX);
    let capped = shifted.zip(&mean, |p, m| (p / m.max(1e-30)).min(CAP));
    let (mean, deviation) = (capped.mean() as f32, (capped.std() as f32).max(1e-12));
    capped.map(|v| (v - mean) / deviation)
}

/// Mean over a square of ±`radius`, cut off at the border.
fn box_mean(plane: &Plane, radius: usize) -> Plane {
    let (width, height) = (plane.width(), plane.height());
    let mut sums = vec![0.0f64; width];
    let add = |sums: &mut [f64], y: usize, sign: f64| {
        for (s, v) in sums.iter_mut().zip(plane.row(y)) {
            *s += sign * f64::from(*v);
        }
    };
    for y in 0..radius.min(height) {
        add(&mut sums, y, 1.0);
    }
    let mut data = Vec::with_capacity(width * height);
    for y in 0..height {
        if y + radius < height {
            add(&mut sums, y + radius, 1.0);
        }
        if y > radius {
            add(&mut sums, y - radius - 1, -1.0);
        }
        let rows = (y + radius).min(height - 1) - y.saturating_sub(radius) + 1;
        let mut sum: f64 = sums[..radius.min(width)].iter().sum();
        for x in 0..width {
            if x + radius < width {
                sum += sums[x + radius];
            }
            if x > radius {
                sum -= sums[x - radius - 1];
            }
            let across = (x + radius).min(width - 1) - x.saturating_sub(radius) + 1;
            data.push((sum / (rows * across) as f64) as f32);
        }
    }
    Plane::new(width, height, data)
}
