//! Data strips: bands of one shade along the upper or lower border, with lettering in them.

use crate::raster::Plane;

use super::super::super::Area;
use super::MARGIN;

/// Pixels within so much of a row's median have its shade.
const SHADE: f32 = 0.04;
/// Share of a strip's row that has it.
const PLAIN: f32 = 0.5;
/// Share of the whole strip that has not: lettering.
const LETTERED: [f32; 2] = [0.002, 0.5];
/// Height of a strip, as a share of the picture's.
const HEIGHT: [f32; 2] = [0.03, 0.25];
/// Share of the columns that show the strip's edge, and by how much.
const EDGE: (f32, f32) = (0.6, 0.04);

/// The strips of a picture, margins included.
pub fn find(luma: &Plane) -> Vec<Area> {
    let (width, height) = (luma.width(), luma.height());
    let turned = Plane::from_fn(width, height, |x, y| luma.at(x, height - 1 - y));
    let lower = rows(&turned).map(|rows| (height - rows, rows));
    let upper = rows(luma).map(|rows| (0, rows));
    let area = |(top, rows): (usize, usize)| {
        let from = if top == 0 { 0 } else { top.saturating_sub(MARGIN) };
        let to = if top == 0 { (rows + MARGIN).min(height) } else { height };
        Area { left: 0, top: from, width, height: to - from }
    };
    upper.into_iter().chain(lower).map(area).collect()
}

/// Rows of the strip at the upper border.
fn rows(luma: &Plane) -> Option<usize> {
    let shade = median(luma.row(0));
    let plain = |y: &usize| {
        let near = luma.row(*y).iter().filter(|v| (**v - shade).abs() <= SHADE).count();
        near as f32 >= PLAIN * luma.width() as f32
    };
    let limit = (HEIGHT[1] * luma.height() as f32) as usize;
    let count = (0..=limit).take_while(plain).count();
    if count > limit || (count as f32) < HEIGHT[0] * luma.height() as f32 {
        return None;
    }
    let (inside, outside) = (luma.row(count - 1), luma.row(count));
    let steps = inside.iter().zip(outside).filter(|(a, b)| (**a - **b).abs() >= EDGE.1).count();
    let strip = &luma.data()[..count * luma.width()];
    let lettered = strip.iter().filter(|v| (**v - shade).abs() > SHADE).count() as f32 / strip.len() as f32;
    let found =
        steps as f32 >= EDGE.0 * luma.width() as f32 && (LETTERED[0]..=LETTERED[1]).contains(&lettered);
    found.then_some(count)
}

fn median(row: &[f32]) -> f32 {
    let mut values = row.to_vec();
    let middle = values.len() / 2;
    *values.select_nth_unstable_by(middle, f32::total_cmp).1
}
