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

/// Window of the statistics by which a piece is told, in pixels: its area decides, so its border must not be lost.
pub const PIECE_WINDOW: f32 = 1.5;
/// Squared local correlation of the finest octave from which a cell may belong to a piece, and the mean of the next octave
/// from which it is the same data.
const PIECE: [f32; 2] = [0.4, 0.72];
/// Side of the squares that a piece is made of, in cells: along one edge many placements agree.
const PIECE_SIDE: usize = 4;
/// Share of the picture at which the weight of one piece is one half: as it was found, and laid once more on what agrees,
/// by which the pieces that an engine puts together grow. And the share that it must have to count at all.
const HALF_PIECE: f64 = 0.033;
const HALF_LAID_AGAIN: f64 = 0.046;
pub const LEAST_PIECE: f64 = 0.02;
/// Least agreement in the second octave, and number of its cells, of what is laid once more.
const PROMISING: (f32, usize) = (0.7, 12);

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

/// Weight of a piece that has this share, with one half at `HALF_PIECE`.
pub fn weight_piece(area: f64) -> f64 {
    rising_late(area, HALF_PIECE)
}

/// The same of one that was laid on what agrees.
pub fn weight_laid_again(area: f64) -> f64 {
    rising_late(area, HALF_LAID_AGAIN)
}

/// Little below the half: what an engine puts together has pieces, too.
fn rising_late(area: f64, half: f64) -> f64 {
    const FALL: i32 = 4;
    if area < half { 0.5 * (area / half).powi(FALL) } else { rising(area, half) }
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

/// The cells of the largest piece that a part has copied, whatever it lost to blur, noise or recompression: it agrees all
/// over, in the finest octave as far as that is left, and in the next. `octaves` are those of `PIECE_WINDOW`.
pub fn find_piece(octaves: &[Octave]) -> Vec<[f64; 4]> {
    let [fine, next, ..] = octaves else { return Vec::new() };
    let (columns, rows) = (fine.columns, fine.rows);
    let alike = opened(&filled(&alike(fine, PIECE[0]), columns, rows), columns, rows, PIECE_SIDE);
    let below = |i: &usize| {
        let at = |i: usize, n: usize, m: usize| ((2 * i + 1) * m / (2 * n)).min(m - 1);
        let (x, y) = (at(i % columns, columns, next.columns), at(i / columns, rows, next.rows));
        next.agreement[y * next.columns + x]
    };
    let pieces = components(&alike, columns, rows).into_iter();
    largest(pieces.filter(|cells| cells.iter().map(below).sum::<f32>() > PIECE[1] * cells.len() as f32))
        .map_or(Vec::new(), |cells| cells.iter().map(|i| place(*i, columns, rows)).collect())
}

/// The range of x and y, as fractions of the sides, of the largest area that looks like a copy in the second octave.
pub fn promising(octaves: &[Octave]) -> Option<[f64; 4]> {
    let octave = octaves.get(1)?;
    let (columns, rows) = (octave.columns, octave.rows);
    let cells =
        largest(components(&opened(&alike(octave, SAME), columns, rows, 2), columns, rows).into_iter())?;
    let mean = cells.iter().map(|i| octave.agreement[*i]).sum::<f32>() / cells.len() as f32;
    (mean > PROMISING.0 && cells.len() >= PROMISING.1).then(|| {
        let ranges = cells.iter().map(|i| place(*i, columns, rows));
        ranges.fold([1.0, 0.0, 1.0, 0.0], |[a, b, c, d], [x0, x1, y0, y1]| {
            [x0.min(a), x1.max(b), y0.min(c), y1.max(d)]
        })
    })
}

/// Whether each cell agrees by more than `least`.
fn alike(octave: &Octave, least: f32) -> Vec<bool> {
    octave.agreement.iter().zip(&octave.cover).map(|(a, cover)| *cover > 0.5 && *a > least).collect()
}

fn largest(components: impl Iterator<Item = Vec<usize>>) -> Option<Vec<usize>> {
    components.reduce(|most, cells| if cells.len() > most.len() { cells } else { most })
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
    let opened = opened(&same, columns, rows, 2);
    let kept: Vec<Vec<usize>> = components(&opened, columns, rows)
        .into_iter()
        .filter(|cells| satisfies(cells, octave, demand))
        .collect();
    let cell = |i: &usize| place(*i, columns, rows);
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

/// x and y range of a cell as fractions of the sides.
fn place(i: usize, columns: usize, rows: usize) -> [f64; 4] {
    let (x, y) = ((i % columns) as f64, (i / columns) as f64);
    let (w, h) = (columns as f64, rows as f64);
    [x / w, (x + 1.0) / w, y / h, (y + 1.0) / h]
}

/// Share of cells of a window, by their ranges.
pub fn area(cells: &[[f64; 4]]) -> f64 {
    cells.iter().map(|[x0, x1, y0, y1]| (x1 - x0) * (y1 - y0)).sum()
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

/// Morphological opening by squares of `side` cells: threads and single cells go.
fn opened(mask: &[bool], columns: usize, rows: usize, side: usize) -> Vec<bool> {
    let mut out = vec![false; mask.len()];
    for y in 0..(rows + 1).saturating_sub(side) {
        for x in 0..(columns + 1).saturating_sub(side) {
            let lines = || (y..y + side).map(|row| row * columns + x..row * columns + x + side);
            if lines().all(|line| mask[line].iter().all(|m| *m)) {
                lines().for_each(|line| out[line].fill(true));
            }
        }
    }
    out
}

/// `mask` with all its holes, which do not reach the border.
fn filled(mask: &[bool], columns: usize, rows: usize) -> Vec<bool> {
    let outside: Vec<bool> = mask.iter().map(|m| !m).collect();
    let at_border = |i: &usize| {
        let (x, y) = (i % columns, i / columns);
        x == 0 || y == 0 || x + 1 == columns || y + 1 == rows
    };
    let holes = components(&outside, columns, rows).into_iter().filter(|cells| !cells.iter().any(at_border));
    let mut out = mask.to_vec();
    holes.flatten().for_each(|i| out[i] = true);
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
    fn a_piece_counts_for_little_until_it_is_large() {
        assert!((weight_piece(HALF_PIECE) - 0.5).abs() < 1e-12);
        assert!((weight_laid_again(HALF_LAID_AGAIN) - 0.5).abs() < 1e-12);
        assert!(weight_piece(0.7 * HALF_PIECE) < 0.13 && weight_piece(3.0 * HALF_PIECE) > 0.75);
    }

    #[test]
    fn holes_are_filled_and_bays_are_not() {
        let mask: Vec<bool> = "####.#..####..##.#..".bytes().map(|b| b == b'#').collect();
        let filled: String = filled(&mask, 5, 4).iter().map(|m| if *m { '#' } else { '.' }).collect();
        assert_eq!(filled, "####.#..####..##.#..");
        let ring: Vec<bool> = ".###..#.#..###......".bytes().map(|b| b == b'#').collect();
        let filled: String = super::filled(&ring, 5, 4).iter().map(|m| if *m { '#' } else { '.' }).collect();
        assert_eq!(filled, ".###..###..###......");
    }

    #[test]
    fn opening_leaves_areas_and_drops_threads() {
        let mask: Vec<bool> = "##..#.##...#....##..".bytes().map(|b| b == b'#').collect();
        let opened: String = opened(&mask, 5, 4, 2).iter().map(|m| if *m { '#' } else { '.' }).collect();
        assert_eq!(opened, "....................");
        let square: Vec<bool> = ".##...##..#.........".bytes().map(|b| b == b'#').collect();
        assert_eq!(components(&super::opened(&square, 5, 4, 2), 5, 4), vec![vec![1, 2, 6, 7]]);
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
