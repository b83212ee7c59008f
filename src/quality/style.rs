//! Style: whether a picture is made of the same patches as another.

use crate::random::Stream;
use crate::raster::{Kernel, Plane, resize};

const PATCH: usize = 7;
const PATCHES: usize = 4000;
const DIRECTIONS: u64 = 48;
const QUANTILES: usize = 256;

/// Sliced Wasserstein distance between the sets of 7 × 7 patches, mean over three scales.
pub fn distance(a: &Plane, b: &Plane) -> f64 {
    let scaled = |plane: &Plane, scale: usize| {
        resize(plane, (plane.width() / scale).max(PATCH), (plane.height() / scale).max(PATCH), Kernel::Area)
    };
    [1, 2, 4].map(|scale| wasserstein(&scaled(a, scale), &scaled(b, scale))).iter().sum::<f64>() / 3.0
}

/// The same between two halves of one picture: what is unavoidable.
pub fn halves(plane: &Plane) -> f64 {
    let (w, h) = (plane.width(), plane.height());
    let part =
        |x0: usize, y0: usize, w: usize, h: usize| Plane::from_fn(w, h, |x, y| plane.at(x + x0, y + y0));
    let across = distance(&part(0, 0, w / 2, h), &part(w - w / 2, 0, w / 2, h));
    let down = distance(&part(0, 0, w, h / 2), &part(0, h - h / 2, w, h / 2));
    (across + down) / 2.0
}

fn wasserstein(a: &Plane, b: &Plane) -> f64 {
    let stream = Stream::new(5, "style");
    let mut squares = 0.0;
    for direction in 0..DIRECTIONS {
        let weights: Vec<f32> =
            (0..PATCH * PATCH).map(|k| stream.child(direction).normal(k as u64) as f32).collect();
        let norm = weights.iter().map(|w| w * w).sum::<f32>().sqrt();
        let quantiles = |plane: &Plane| {
            let (across, down) = (plane.width() - PATCH + 1, plane.height() - PATCH + 1);
            let step = (across * down).div_ceil(PATCHES).max(1);
            let mut values: Vec<f32> = (0..across * down)
                .step_by(step)
                .map(|i| {
                    let (x, y) = (i % across, i / across);
                    let rows = (0..PATCH).map(|j| {
                        let row = &plane.row(y + j)[x..x + PATCH];
                        row.iter().zip(&weights[j * PATCH..]).map(|(v, w)| v * w).sum::<f32>()
                    });
                    rows.sum::<f32>() / norm
                })
                .collect();
            values.sort_by(f32::total_cmp);
            (0..QUANTILES).map(|q| values[q * (values.len() - 1) / (QUANTILES - 1)]).collect::<Vec<f32>>()
        };
        let pairs = quantiles(a).into_iter().zip(quantiles(b));
        squares += pairs.map(|(x, y)| f64::from(x - y).powi(2)).sum::<f64>() / QUANTILES as f64;
    }
    (squares / DIRECTIONS as f64).sqrt()
}
