//! Resampling of planes. Pixel centres are at half integers: x maps to (x + 0.5)·f − 0.5.

use rayon::prelude::*;

use super::Plane;
use super::filter::mirror;

/// Resampling kernel; all widen when the picture shrinks, so none aliases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernel {
    /// Mean of the covered area.
    Area,
    /// Catmull–Rom cubic.
    Cubic,
    /// Windowed sinc of three lobes.
    Lanczos,
}

impl Kernel {
    fn support(self) -> f64 {
        match self {
            Kernel::Area => 0.5,
            Kernel::Cubic => 2.0,
            Kernel::Lanczos => 3.0,
        }
    }

    fn weight(self, x: f64) -> f64 {
        let x = x.abs();
        match self {
            Kernel::Area => f64::from(u8::from(x <= 0.5)),
            Kernel::Cubic if x < 1.0 => (1.5 * x - 2.5) * x * x + 1.0,
            Kernel::Cubic if x < 2.0 => ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0,
            Kernel::Cubic => 0.0,
            Kernel::Lanczos if x < 1e-9 => 1.0,
            Kernel::Lanczos if x < 3.0 => {
                let p = std::f64::consts::PI * x;
                3.0 * p.sin() * (p / 3.0).sin() / (p * p)
            }
            Kernel::Lanczos => 0.0,
        }
    }
}

/// `plane` at `width` × `height`; both at least 1. The result is the same for any number of threads.
pub fn resize(plane: &Plane, width: usize, height: usize, kernel: Kernel) -> Plane {
    if (plane.width(), plane.height()) == (width, height) {
        return plane.clone();
    }
    let across = Taps::new(plane.width(), width, kernel);
    let down = Taps::new(plane.height(), height, kernel);
    let mut rows = vec![0.0f32; width * plane.height()];
    rows.par_chunks_mut(width).enumerate().for_each(|(y, out)| {
        let row = plane.row(y);
        for (x, o) in out.iter_mut().enumerate() {
            *o = across.of(x).map(|(i, w)| row[i] * w).sum();
        }
    });
    let mut data = vec![0.0f32; width * height];
    data.par_chunks_mut(width).enumerate().for_each(|(y, out)| {
        for (i, w) in down.of(y) {
            for (o, v) in out.iter_mut().zip(&rows[i * width..(i + 1) * width]) {
                *o += v * w;
            }
        }
    });
    Plane::new(width, height, data)
}

/// Source indices and weights for every target position.
pub(super) struct Taps {
    starts: Vec<usize>,
    taps: Vec<(usize, f32)>,
}

impl Taps {
    pub(super) fn new(from: usize, to: usize, kernel: Kernel) -> Self {
        let factor = from as f64 / to as f64;
        let stretch = factor.max(1.0);
        let reach = kernel.support() * stretch;
        let mut starts = Vec::with_capacity(to + 1);
        let mut taps = Vec::new();
        for x in 0..to {
            starts.push(taps.len());
            let centre = (x as f64 + 0.5) * factor;
            let first = (centre - reach).floor() as isize;
            let last = (centre + reach).ceil() as isize;
            let weight = |i: isize| match kernel {
                // Exact coverage of the source pixel by the target pixel's area.
                Kernel::Area => {
                    let (low, high) = (centre - reach, centre + reach);
                    ((i + 1) as f64).min(high) - (i as f64).max(low)
                }
                _ => kernel.weight((i as f64 + 0.5 - centre) / stretch),
            };
            let found: Vec<(isize, f64)> = (first..=last)
                .map(|i| (i, weight(i)))
                .filter(|(_, w)| if kernel == Kernel::Area { *w > 1e-9 } else { *w != 0.0 })
                .collect();
            let total: f64 = found.iter().map(|(_, w)| w).sum();
            taps.extend(found.iter().map(|(i, w)| (mirror(*i, from), (w / total) as f32)));
        }
        starts.push(taps.len());
        Taps { starts, taps }
    }

    pub(super) fn of(&self, x: usize) -> impl Iterator<Item = (usize, f32)> + '_ {
        self.taps[self.starts[x]..self.starts[x + 1]].iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kernel_keeps_a_constant() {
        for kernel in [Kernel::Area, Kernel::Cubic, Kernel::Lanczos] {
            for (w, h) in [(7, 3), (31, 40), (1, 1)] {
                let out = resize(&Plane::filled(13, 11, 0.5), w, h, kernel);
                assert!(out.data().iter().all(|v| (v - 0.5).abs() < 1e-5), "{kernel:?} {w}×{h}");
            }
        }
    }

    #[test]
    fn area_halves_by_the_mean_of_four() {
        let plane = Plane::new(2, 2, vec![0.0, 1.0, 2.0, 5.0]);
        assert_eq!(resize(&plane, 1, 1, Kernel::Area).data(), [2.0]);
    }

    #[test]
    fn cubic_keeps_a_ramp_away_from_the_border() {
        let ramp = Plane::from_fn(20, 1, |x, _| x as f32);
        let big = resize(&ramp, 40, 1, Kernel::Cubic);
        for x in 8..32 {
            assert!((big.at(x, 0) - ((x as f32 + 0.5) / 2.0 - 0.5)).abs() < 1e-4);
        }
    }
}
