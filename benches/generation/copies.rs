//! Verbatim copies: windows of the output that lie in the reference at some shift.

use vidimus::fourier::{RealFft2, fast_size};
use vidimus::raster::Plane;

const WINDOW: usize = 24;
const STRIDE: usize = 12;
/// Correlation from which a window is a copy.
const COPY: f32 = 0.95;
/// Least deviation of a window, as a share of the picture's: less is no texture.
const TEXTURE: f64 = 0.25;

/// Share of the picture that the largest connected area of copies covers; from one window to the next the
/// shift may differ by a pixel.
pub fn largest(output: &Plane, reference: &Plane) -> f64 {
    beyond(output, reference, 0)
}

/// The same of a picture in itself, a window's own place left out: what is there without copying.
pub fn own(reference: &Plane) -> f64 {
    beyond(reference, reference, WINDOW as i32)
}

/// The same where shifts of less than `least` pixels do not count.
fn beyond(output: &Plane, reference: &Plane, least: i32) -> f64 {
    let (columns, rows) = (places(output.width()), places(output.height()));
    let finder = Finder::new(reference, output.std() * TEXTURE);
    let shifts: Vec<Option<(i32, i32)>> = (0..rows * columns)
        .map(|i| finder.shift(output, i % columns * STRIDE, i / columns * STRIDE, least))
        .collect();
    let (width, height) = (output.width(), output.height());
    let mut seen = vec![false; shifts.len()];
    let mut most = 0;
    for start in 0..shifts.len() {
        let mut open = vec![start];
        let mut covered = vec![false; width * height];
        while let Some(i) = open.pop() {
            let Some(shift) = shifts[i].filter(|_| !seen[i]) else { continue };
            seen[i] = true;
            let (x, y) = (i % columns, i / columns);
            for row in covered.chunks_exact_mut(width).skip(y * STRIDE).take(WINDOW) {
                row[x * STRIDE..x * STRIDE + WINDOW].fill(true);
            }
            let near = |j: usize| {
                shifts[j].is_some_and(|s| (s.0 - shift.0).abs() <= 1 && (s.1 - shift.1).abs() <= 1)
            };
            let around = [
                (x > 0).then(|| i - 1),
                (x + 1 < columns).then(|| i + 1),
                (y > 0).then(|| i - columns),
                (y + 1 < rows).then(|| i + columns),
            ];
            open.extend(around.into_iter().flatten().filter(|j| near(*j)));
        }
        most = most.max(covered.iter().filter(|c| **c).count());
    }
    most as f64 / (width * height) as f64
}

fn places(side: usize) -> usize {
    side.saturating_sub(WINDOW) / STRIDE + 1
}

struct Finder {
    plan: RealFft2,
    side: (usize, usize),
    spectrum: vidimus::fourier::Spectrum,
    /// Norm of the reference under a window at every place.
    norms: Vec<f32>,
    places: (usize, usize),
    texture: f64,
}

impl Finder {
    fn new(reference: &Plane, texture: f64) -> Self {
        let (w, h) = (reference.width(), reference.height());
        let side = (fast_size(w + WINDOW), fast_size(h + WINDOW));
        let plan = RealFft2::new(side.0, side.1);
        let mean = reference.mean() as f32;
        let mut padded = vec![0.0; side.0 * side.1];
        for y in 0..h {
            for (out, v) in padded[y * side.0..].iter_mut().zip(reference.row(y)) {
                *out = v - mean;
            }
        }
        let spectrum = plan.forward(&padded);
        let places = (w - WINDOW + 1, h - WINDOW + 1);
        let mut tables = vec![[0.0f64; 2]; (w + 1) * (h + 1)];
        for y in 0..h {
            for x in 0..w {
                let v = f64::from(padded[y * side.0 + x]);
                for (k, v) in [v, v * v].into_iter().enumerate() {
                    tables[(y + 1) * (w + 1) + x + 1][k] =
                        v + tables[y * (w + 1) + x + 1][k] + tables[(y + 1) * (w + 1) + x][k]
                            - tables[y * (w + 1) + x][k];
                }
            }
        }
        let sum = |x: usize, y: usize, k: usize| {
            let at = |x: usize, y: usize| tables[y * (w + 1) + x][k];
            at(x + WINDOW, y + WINDOW) - at(x, y + WINDOW) - at(x + WINDOW, y) + at(x, y)
        };
        let count = (WINDOW * WINDOW) as f64;
        let norms = (0..places.0 * places.1)
            .map(|i| {
                let (x, y) = (i % places.0, i / places.0);
                let (s, q) = (sum(x, y, 0), sum(x, y, 1));
                (q - s * s / count).max(1e-9).sqrt() as f32
            })
            .collect();
        Finder { plan, side, spectrum, norms, places, texture }
    }

    /// How far from its own place, `least` or more, the window at (x, y) is found; `None` if it is not, or has no
    /// texture.
    fn shift(&self, output: &Plane, x: usize, y: usize, least: i32) -> Option<(i32, i32)> {
        let values: Vec<f32> =
            (0..WINDOW).flat_map(|j| output.row(y + j)[x..x + WINDOW].iter().copied()).collect();
        let count = (WINDOW * WINDOW) as f32;
        let mean = values.iter().sum::<f32>() / count;
        let norm = values.iter().map(|v| (v - mean).powi(2)).sum::<f32>().sqrt();
        if f64::from(norm / count.sqrt()) < self.texture {
            return None;
        }
        let mut padded = vec![0.0; self.side.0 * self.side.1];
        for (j, row) in values.chunks_exact(WINDOW).enumerate() {
            for (out, v) in padded[j * self.side.0..].iter_mut().zip(row) {
                *out = v - mean;
            }
        }
        let mut product = self.plan.forward(&padded);
        for (p, r) in product.data_mut().iter_mut().zip(self.spectrum.data()) {
            *p = p.conj() * r;
        }
        let map = self.plan.inverse(product);
        let correlation = |i: usize| {
            let (x, y) = (i % self.places.0, i / self.places.0);
            map[y * self.side.0 + x] / (norm * self.norms[i])
        };
        let shift = |i: usize| ((i % self.places.0) as i32 - x as i32, (i / self.places.0) as i32 - y as i32);
        let far = |i: &usize| {
            let (dx, dy) = shift(*i);
            dx.abs().max(dy.abs()) >= least
        };
        let all = (0..self.norms.len()).filter(far);
        let best = all.max_by(|a, b| correlation(*a).total_cmp(&correlation(*b)))?;
        (correlation(best) >= COPY).then(|| shift(best))
    }
}
