//! A sweep as one picture: strengths across, seeds and engines down, figures below each.

use super::{Cell, End, Sweep};
use crate::label::{Cover, Lettering};
use crate::metadata::{self, Label};
use crate::policy::against;
use crate::raster::{self, Depth, Format, Plane, Raster};
use crate::release::ReleaseError;

/// Width of a picture in pixels, where all of the sheet stays below so many pixels.
const WIDTH: usize = 320;
const LEAST_WIDTH: usize = 120;
const LARGEST: usize = 24_000_000;

/// Brightness of paper, hatching and quiet words.
const PAPER: [f32; 3] = [0.985, 0.98, 0.97];
const HATCH: [f32; 3] = [0.88, 0.87, 0.84];
const INK: [f32; 3] = [0.11, 0.13, 0.15];
const QUIET: [f32; 3] = [0.36, 0.39, 0.43];
const GOOD: [f32; 3] = [0.11, 0.42, 0.24];
const BAD: [f32; 3] = [0.64, 0.15, 0.11];

/// Lines of a caption.
const LINES: usize = 4;

/// A PNG that says of itself that it shows what was generated, beside what it was generated from.
///
/// # Errors
/// When it cannot be encoded.
pub fn sheet(sweep: &Sweep<'_>) -> Result<Vec<u8>, ReleaseError> {
    let file = raster::encode(&draw(sweep), Format::Png, 100)?;
    let mut engines: Vec<&str> = sweep.cells.iter().map(|cell| cell.engine.name).collect();
    engines.sort_unstable();
    engines.dedup();
    let tool = format!("vidimus {}", env!("CARGO_PKG_VERSION"));
    let label =
        Label { source: Some(sweep.sha256), in_part: true, ..Label::new(&tool, &engines.join(", "), "") };
    Ok(metadata::write(&file, Format::Png, &label)?)
}

fn draw(sweep: &Sweep<'_>) -> Raster {
    let rows = rows(sweep.cells);
    let plan = Plan::new(sweep.reference, rows.iter().map(Vec::len).max().unwrap_or(0), rows.len());
    let mut paper = Paper::new(plan.width, plan.height);
    paper.text(
        &plain(&format!("Variations of {}", sweep.title)),
        plan.title(),
        plan.margin,
        plan.margin,
        INK,
    );
    let head = format!(
        "AI-generated · policy {}: deviation at least {:.2} · {}",
        sweep.policy,
        sweep.limits.min_deviation,
        sweep.made.date()
    );
    let below = plan.margin + (2.1 * plan.title().cap) as usize;
    paper.text(&plain(&head), plan.words(), plan.margin, below, QUIET);
    let (x, y) = plan.place(0, 0);
    paper.picture(sweep.reference, &plan, x, y);
    paper.text("reference", plan.words(), x, plan.line(y, 0), INK);
    paper.text(&format!("sha256 {}", sweep.sha256.short(12)), plan.words(), x, plan.line(y, 1), QUIET);
    for (row, cells) in rows.iter().enumerate() {
        for (column, cell) in cells.iter().enumerate() {
            let (x, y) = plan.place(column + 1, row);
            paper.cell(cell, sweep.limits.min_deviation, &plan, x, y);
        }
    }
    paper.finish()
}

/// One for each engine and seed, with its strengths in the order in which they come.
fn rows(cells: &[Cell]) -> Vec<Vec<&Cell>> {
    let mut rows: Vec<Vec<&Cell>> = Vec::new();
    for cell in cells {
        let same = |row: &&mut Vec<&Cell>| row[0].engine == cell.engine && row[0].seed == cell.seed;
        match rows.iter_mut().find(same) {
            Some(row) => row.push(cell),
            None => rows.push(vec![cell]),
        }
    }
    rows
}

/// Where everything stands, in pixels.
struct Plan {
    /// Of a picture.
    cell: (usize, usize),
    margin: usize,
    gap: usize,
    cap: f32,
    width: usize,
    height: usize,
}

impl Plan {
    fn new(reference: &Raster, columns: usize, rows: usize) -> Plan {
        let mut width = WIDTH;
        loop {
            let plan = Plan::of(reference, width, columns + 1, rows.max(1));
            if plan.width * plan.height <= LARGEST || width <= LEAST_WIDTH {
                return plan;
            }
            width -= 20;
        }
    }

    fn of(reference: &Raster, width: usize, columns: usize, rows: usize) -> Plan {
        let shape = reference.height() as usize * width / reference.width().max(1) as usize;
        // Very long or flat references are shown in part of their place.
        let cell = (width, shape.clamp(width / 4, 2 * width));
        let cap = (width as f32 / 34.0).clamp(4.0, 9.5);
        let (margin, gap) = (width / 10, width / 20);
        let mut plan = Plan { cell, margin, gap, cap, width: 0, height: 0 };
        let (right, bottom) = plan.place(columns, rows);
        plan.width = right - gap + margin;
        plan.height = bottom - gap + margin;
        plan
    }

    fn words(&self) -> Lettering {
        Lettering { cap: self.cap, pen: (0.13 * self.cap).max(1.1) }
    }

    fn title(&self) -> Lettering {
        Lettering { cap: 1.7 * self.cap, pen: 0.24 * self.cap }
    }

    fn leading(&self) -> usize {
        (2.05 * self.cap) as usize
    }

    /// The left upper corner of a picture.
    fn place(&self, column: usize, row: usize) -> (usize, usize) {
        let head = self.margin + (6.5 * self.cap) as usize;
        let tall = self.cell.1 + (LINES + 1) * self.leading() + self.gap;
        (self.margin + column * (self.cell.0 + self.gap), head + row * tall)
    }

    /// The top of a line below a picture.
    fn line(&self, top: usize, line: usize) -> usize {
        top + self.cell.1 + (0.9 * self.cap) as usize + line * self.leading()
    }
}

/// What is drawn on.
struct Paper {
    planes: [Plane; 3],
}

impl Paper {
    fn new(width: usize, height: usize) -> Paper {
        Paper { planes: PAPER.map(|value| Plane::filled(width, height, value)) }
    }

    fn cell(&mut self, cell: &Cell, limit: f64, plan: &Plan, x: usize, y: usize) {
        match &cell.shown {
            Some(picture) => self.picture(picture, plan, x, y),
            None => self.hatch(plan, x, y),
        }
        let (end, colour) = match &cell.end {
            End::Released { .. } => ("released", GOOD),
            End::Refused(_) => ("refused", BAD),
            End::Failed(_) => ("not made", BAD),
        };
        let words = plan.words();
        let name = format!("strength {} · seed {}", cell.strength, cell.seed);
        self.text(&name, words, x, plan.line(y, 0), INK);
        if let Some(deviation) = cell.deviation {
            let enough = if deviation.deviation >= limit { GOOD } else { BAD };
            let text = format!("deviation {}", against(deviation.deviation, limit));
            self.text(&text, words, x, plan.line(y, 1), enough);
            let right = x + (words.width(&text) + 2.0 * plan.cap) as usize;
            let rest = format!("copied {:.1} percent", 100.0 * deviation.copied_area);
            self.text(&rest, words, right, plan.line(y, 1), QUIET);
        }
        if let Some(quality) = cell.quality {
            let kept = quality.kept.map(|kept| format!("kept {kept:.2} · ")).unwrap_or_default();
            let time = cell.seconds.map(|seconds| format!(" · {seconds:.1} s")).unwrap_or_default();
            let text = format!("{kept}style {:.2}{time}", quality.style);
            self.text(&text, words, x, plan.line(y, 2), QUIET);
        }
        let text = format!("{end} · {} {}", cell.engine.name, cell.engine.version);
        self.text(&plain(&text), words, x, plan.line(y, 3), colour);
    }

    /// As large as its place lets it be, in the middle of it.
    fn picture(&mut self, picture: &Raster, plan: &Plan, x: usize, y: usize) {
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        let side = (plan.cell.0 * width.max(height) / width).min(plan.cell.1 * width.max(height) / height);
        let shown = picture.within(side.max(1) as u32);
        let planes = shown.planes();
        let (width, height) = (shown.width() as usize, shown.height() as usize);
        let (left, top) =
            (x + plan.cell.0.saturating_sub(width) / 2, y + plan.cell.1.saturating_sub(height) / 2);
        for (channel, paper) in self.planes.iter_mut().enumerate() {
            let plane = &planes[channel.min(planes.len() - 1)];
            for row in 0..height.min(plan.cell.1) {
                let width = width.min(plan.cell.0);
                let start = (top + row) * paper.width() + left;
                paper.data_mut()[start..start + width].copy_from_slice(&plane.row(row)[..width]);
            }
        }
    }

    fn hatch(&mut self, plan: &Plan, x: usize, y: usize) {
        for (paper, value) in self.planes.iter_mut().zip(HATCH) {
            let width = paper.width();
            for row in 0..plan.cell.1 {
                for column in 0..plan.cell.0 {
                    let edge = row == 0 || column == 0 || row + 1 == plan.cell.1 || column + 1 == plan.cell.0;
                    if edge || (row + column) % 16 < 8 {
                        paper.data_mut()[(y + row) * width + x + column] = value;
                    }
                }
            }
        }
    }

    /// `top` is the top of its capitals.
    fn text(&mut self, text: &str, size: Lettering, x: usize, top: usize, colour: [f32; 3]) {
        let width = (size.width(text) + 2.0 * size.pen).ceil() as usize + 1;
        let height = (1.7 * size.cap + 2.0 * size.pen).ceil() as usize;
        let mut cover = Cover::new(width, height);
        cover.text(text, size, size.pen, size.cap + size.pen);
        for (paper, ink) in self.planes.iter_mut().zip(colour) {
            let across = paper.width();
            let room = across.saturating_sub(x).min(width);
            for row in 0..height.min(paper.height().saturating_sub(top)) {
                let to = &mut paper.data_mut()[(top + row) * across + x..][..room];
                for (value, cover) in to.iter_mut().zip(&cover.values[row * width..]) {
                    *value += (ink - *value) * cover;
                }
            }
        }
    }

    fn finish(self) -> Raster {
        Raster::from_planes(&self.planes, Depth::Eight)
    }
}

/// With letters that there are.
fn plain(text: &str) -> String {
    text.chars().map(|letter| if letter == '_' { '-' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sheet_of_many_is_made_of_smaller_pictures() {
        let reference = Raster::from_planes(&[Plane::filled(300, 200, 0.5)], Depth::Eight);
        let (few, many) = (Plan::new(&reference, 4, 2), Plan::new(&reference, 25, 20));
        assert_eq!(few.cell, (320, 213));
        assert!(many.cell.0 < few.cell.0 && many.width * many.height <= LARGEST, "{:?}", many.cell);
        let strip = Raster::from_planes(&[Plane::filled(4000, 20, 0.5)], Depth::Eight);
        let plan = Plan::new(&strip, 1, 1);
        let mut paper = Paper::new(plan.width, plan.height);
        paper.picture(&strip, &plan, 0, 0);
        paper.text("off the paper", plan.title(), plan.width - 3, plan.height - 2, INK);
    }
}
