//! Connected areas of an aligned pair that are the same data.

use super::detail::{CELL, Octave};
use super::flow::Aligned;

/// Squared local correlation from which a cell counts as the same data.
const SAME: f32 = 0.6;
/// Share of local variance above noise from which a cell can speak at all.
const HELD: f32 = 0.25;
/// What an area has to show.
#[derive(Clone, Copy)]
pub struct Demand {
    /// Fisher's z of its correlation, in standard errors.
    significance: f64,
    /// Mean squared local correlation.
    agreement: f64,
}

/// Under the placement of the whole picture.
pub const WHOLE: Demand = Demand { significance: 4.5, agreement: 0.0 };
/// Under the placement of a part, which was chosen among many: other particles of the same kind agree in
/// their outlines, the same particle in its grain too.
pub const PART: Demand = Demand { significance: 7.0, agreement: 0.87 };

/// Window of a part's local statistics, in pixels: small, for what is pasted ends somewhere.
pub const PART_WINDOW: f32 = 3.0;

/// Pixels of a band that make one independent sample.
const SAMPLE_AREA: f64 = 8.0;
/// Parameters of the placement, spent on the fit.
const SPENT: f64 = 6.0;

/// Copied share at which the weight is one half.
const HALF: f64 = 0.3;

/// Median squared local correlation from which an area is copied to the letter, in the finest octave (r = 0.96) and in
/// the next (r = 0.98), and the share of the picture that it must have to count by itself. What an engine puts together
/// from blended pieces agrees less, and least in the finest.
const VERBATIM: [f32; 2] = [0.92, 0.96];
pub const LEAST_VERBATIM: f64 = 0.012;
/// Share of the picture at which the weight of what is copied to the letter is one half. A patch of 5 % of the area
/// shows half of that or more, for local statistics do not reach its border.
const HALF_VERBATIM: f64 = 0.022;

/// Weight of a copied share: 0 for none, 1/2 at `HALF`, 1 for all.
pub fn weight(area: f64) -> f64 {
    rising(area, HALF)
}

/// Weight of a share that is copied to the letter, with one half at `HALF_VERBATIM`.
pub fn weight_verbatim(area: f64) -> f64 {
    rising(area, HALF_VERBATIM)
}

fn rising(area: f64, half: f64) -> f64 {
    let a0 = half / (1.0 - 2.0 * half);
    area * (1.0 + a0) / (area + a0)
}

/// What an aligned pair has copied, in the finer of the two finest octaves that shows more.
pub struct Found {
    /// Copied share of the textured overlap, as a share of the smaller picture.
    pub share: f64,
    /// Share of the overlap in which both pictures have texture.
    pub textured: f64,
    /// Copied cells on the output: x and y range as fractions of its sides.
    pub cells: Vec<[f64; 4]>,
    /// The same of each area that is copied to the letter.
    pub verbatim: Vec<Vec<[f64; 4]>>,
}

pub fn find(pair: &Aligned, octaves: &[Octave], demand: Demand) -> Found {
    let nothing = Found { share: 0.0, textured: 0.0, cells: Vec::new(), verbatim: Vec::new() };
    octaves.iter().zip(VERBATIM).map(|(octave, verbatim)| find_in(pair, octave, demand, verbatim)).fold(
        nothing,
        |best, found| {
            if found.share > best.share || best.textured == 0.0 { found } else { best }
        },
    )
}

/// What a part has copied, in either of the two finest octaves. There is too little of it to tell noise by, but noise
/// does not agree.
pub fn find_part(pair: &Aligned, octaves: &[Octave]) -> Found {
    let mut all = Found { share: 0.0, textured: 0.0, cells: Vec::new(), verbatim: Vec::new() };
    for (octave, verbatim) in octaves.iter().zip(VERBATIM) {
        let speaks: Vec<bool> = (0..octave.columns * octave.rows).map(|i| octave.cover[i] > 0.5).collect();
        let found = areas(pair, octave, PART, verbatim, &speaks);
        all.verbatim.extend(found.verbatim);
        all.cells.extend(found.cells);
    }
    all
}

fn find_in(pair: &Aligned, octave: &Octave, demand: Demand, verbatim: f32) -> Found {
    let (columns, rows) = (octave.columns, octave.rows);
    let covered = octave.cover.iter().filter(|c| **c > 0.5).count();
    let speaks: Vec<bool> = (0..columns * rows)
        .map(|i| octave.cover[i] > 0.5 && octave.held[i][0].min(octave.held[i][1]) > HELD)
        .collect();
    Found {
        textured: speaks.iter().filter(|s| **s).count() as f64 / covered.max(1) as f64,
        ..areas(pair, octave, demand, verbatim, &speaks)
    }
}

/// The connected areas of cells that speak.
fn areas(pair: &Aligned, octave: &Octave, demand: Demand, verbatim: f32, speaks: &[bool]) -> Found {
    let (columns, rows) = (octave.columns, octave.rows);
    let textured = speaks.iter().filter(|s| **s).count();
    let same: Vec<bool> = speaks.iter().zip(&octave.agreement).map(|(s, a)| *s && *a > SAME).collect();
    let opened = opened(&same, columns, rows);
    let kept: Vec<Vec<usize>> = components(&opened, columns, rows)
        .into_iter()
        .filter(|cells| satisfies(cells, octave, demand))
        .collect();
    let cell = |i: &usize| {
        let (x, y) = ((i % columns) as f64, (i / columns) as f64);
        let (w, h) = (columns as f64, rows as f64);
        [x / w, (x + 1.0) / w, y / h, (y + 1.0) / h]
    };
    Found {
        share: pair.overlap * kept.iter().map(Vec::len).sum::<usize>() as f64 / textured.max(1) as f64,
        textured: 1.0,
        cells: kept.iter().flatten().map(cell).collect(),
        verbatim: kept
            .iter()
            .filter(|cells| median(cells, octave) > verbatim)
            .map(|cells| cells.iter().map(cell).collect())
            .collect(),
    }
}

fn median(cells: &[usize], octave: &Octave) -> f32 {
    let mut all: Vec<f32> = cells.iter().map(|i| octave.agreement[*i]).collect();
    let middle = all.len() / 2;
    *all.select_nth_unstable_by(middle, f32::total_cmp).1
}

/// Where the output is copied, from whatever placement.
pub struct Canvas {
    pub width: usize,
    pub height: usize,
    marked: Vec<bool>,
}

impl Canvas {
    pub fn new(width: usize, height: usize) -> Canvas {
        Canvas { width, height, marked: vec![false; width * height] }
    }

    /// Marks `cells` of a window at (x, y) of `width` × `height`.
    pub fn mark(&mut self, cells: &[[f64; 4]], x: usize, y: usize, width: usize, height: usize) {
        let at = |from: usize, share: f64, length: usize, limit: usize| {
            ((from as f64 + share * length as f64).round() as usize).min(limit)
        };
        for [x0, x1, y0, y1] in cells {
            for row in at(y, *y0, height, self.height)..at(y, *y1, height, self.height) {
                let (left, right) = (at(x, *x0, width, self.width), at(x, *x1, width, self.width));
                self.marked[row * self.width + left..row * self.width + right].fill(true);
            }
        }
    }

    /// Whether a marked pixel has a neighbour that is not.
    pub fn is_edge(&self, x: usize, y: usize) -> bool {
        let marked = |x: usize, y: usize| self.marked[y * self.width + x];
        let (right, below) = ((x + 1).min(self.width - 1), (y + 1).min(self.height - 1));
        let beside = [(x.saturating_sub(1), y), (right, y), (x, y.saturating_sub(1)), (x, below)];
        marked(x, y) && beside.iter().any(|(x, y)| !marked(*x, *y))
    }

    /// Marked share of all.
    pub fn all(&self) -> f64 {
        self.share(0, 0, self.width, self.height)
    }

    /// Marked share of a window; what lies outside the canvas counts for nothing.
    pub fn share(&self, x: usize, y: usize, width: usize, height: usize) -> f64 {
        let right = (x + width).min(self.width);
        let rows = y..(y + height).min(self.height);
        let marked: usize = rows
            .map(|row| {
                let line = &self.marked[row * self.width + x.min(right)..row * self.width + right];
                line.iter().filter(|m| **m).count()
            })
            .sum();
        marked as f64 / (width * height).max(1) as f64
    }
}

fn satisfies(cells: &[usize], octave: &Octave, demand: Demand) -> bool {
    let mean = cells.iter().map(|i| f64::from(octave.agreement[*i])).sum::<f64>() / cells.len() as f64;
    let samples = (cells.len() * CELL * CELL) as f64 / SAMPLE_AREA;
    let significance = mean.sqrt().min(0.999).atanh() * (samples - SPENT).max(0.0).sqrt();
    mean >= demand.agreement && significance >= demand.significance
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_weight_runs_from_nothing_over_the_boundary_to_a_whole_copy() {
        assert_eq!(weight(0.0), 0.0);
        assert!((weight(HALF) - 0.5).abs() < 1e-12);
        assert!((weight(1.0) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn opening_leaves_areas_and_drops_threads() {
        let mask: Vec<bool> = "##..#.##...#....##..".bytes().map(|b| b == b'#').collect();
        let opened: String = opened(&mask, 5, 4).iter().map(|m| if *m { '#' } else { '.' }).collect();
        assert_eq!(opened, "....................");
        let square: Vec<bool> = ".##...##..#.........".bytes().map(|b| b == b'#').collect();
        assert_eq!(components(&super::opened(&square, 5, 4), 5, 4), vec![vec![1, 2, 6, 7]]);
    }

    #[test]
    fn a_canvas_counts_overlapping_marks_once() {
        let mut canvas = Canvas::new(10, 10);
        canvas.mark(&[[0.0, 0.5, 0.0, 0.5], [0.0, 0.5, 0.0, 1.0]], 0, 0, 10, 10);
        assert_eq!(canvas.share(0, 0, 10, 10), 0.5);
        assert_eq!(canvas.share(5, 0, 10, 10), 0.0);
        assert_eq!(canvas.share(4, 4, 2, 2), 0.5);
    }
}
