//! Connected areas of an aligned pair that are the same data.

use super::detail::{CELL, Octave};
use super::flow::Aligned;

/// Squared local correlation from which a cell counts as the same data.
const SAME: f32 = 0.6;
/// Share of local variance above noise from which a cell can speak at all.
const HELD: f32 = 0.25;
/// Least significance of a component: Fisher's z of its correlation in standard errors.
const LEAST_Z: f64 = 4.5;
/// Pixels of a band that make one independent sample.
const SAMPLE_AREA: f64 = 8.0;
/// Parameters of the placement, spent on the fit.
const SPENT: f64 = 6.0;

/// Copied share at which the weight is one half.
const HALF: f64 = 0.16;

/// Weight of a copied share: 0 for none, 1/2 at `HALF`, 1 for all.
pub fn weight(area: f64) -> f64 {
    let a0 = HALF / (1.0 - 2.0 * HALF);
    area * (1.0 + a0) / (area + a0)
}

/// Share of the textured area of the smaller picture that is the same data in the two finest octaves.
pub fn area(pair: &Aligned, octaves: &[Octave]) -> f64 {
    octaves.iter().take(2).map(|octave| share(pair, octave)).fold(0.0, f64::max)
}

fn share(pair: &Aligned, octave: &Octave) -> f64 {
    let (columns, rows) = (octave.columns, octave.rows);
    let speaks: Vec<bool> = (0..columns * rows)
        .map(|i| octave.cover[i] > 0.5 && octave.held[i][0].min(octave.held[i][1]) > HELD)
        .collect();
    let textured = speaks.iter().filter(|s| **s).count();
    if textured == 0 {
        return 0.0;
    }
    let same: Vec<bool> = speaks.iter().zip(&octave.agreement).map(|(s, a)| *s && *a > SAME).collect();
    let opened = opened(&same, columns, rows);
    let kept: usize = components(&opened, columns, rows)
        .iter()
        .filter(|cells| significance(cells, octave) >= LEAST_Z)
        .map(Vec::len)
        .sum();
    pair.overlap * kept as f64 / textured as f64
}

fn significance(cells: &[usize], octave: &Octave) -> f64 {
    let mean = cells.iter().map(|i| f64::from(octave.agreement[*i])).sum::<f64>() / cells.len() as f64;
    let samples = (cells.len() * CELL * CELL) as f64 / SAMPLE_AREA;
    mean.sqrt().min(0.999).atanh() * (samples - SPENT).max(0.0).sqrt()
}

/// Morphological opening by 2 × 2 cells: threads and single cells go.
fn opened(mask: &[bool], columns: usize, rows: usize) -> Vec<bool> {
    let mut out = vec![false; mask.len()];
    for y in 0..rows.saturating_sub(1) {
        for x in 0..columns.saturating_sub(1) {
            let square =
                [y * columns + x, y * columns + x + 1, (y + 1) * columns + x, (y + 1) * columns + x + 1];
            if square.iter().all(|i| mask[*i]) {
                square.iter().for_each(|i| out[*i] = true);
            }
        }
    }
    out
}

/// Cells of every 4-connected component.
fn components(mask: &[bool], columns: usize, rows: usize) -> Vec<Vec<usize>> {
    let mut left = mask.to_vec();
    let mut all = Vec::new();
    for start in 0..mask.len() {
        if !left[start] {
            continue;
        }
        left[start] = false;
        let mut cells = vec![start];
        let mut next = 0;
        while next < cells.len() {
            let i = cells[next];
            next += 1;
            let (x, y) = (i % columns, i / columns);
            let beside = [
                (x > 0).then(|| i - 1),
                (x + 1 < columns).then(|| i + 1),
                (y > 0).then(|| i - columns),
                (y + 1 < rows).then(|| i + columns),
            ];
            for j in beside.into_iter().flatten() {
                if left[j] {
                    left[j] = false;
                    cells.push(j);
                }
            }
        }
        all.push(cells);
    }
    all
}
