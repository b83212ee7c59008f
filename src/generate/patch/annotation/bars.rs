//! Scale bars: level rectangles of one value with sharp outlines, with ticks at their ends or without.

use std::ops::Range;

use crate::raster::Plane;

use super::super::super::Area;

/// Values of a bar are at least this, and along its rows they deviate so much from the mean at most (root mean square).
const INK: f32 = 0.86;
const DEVIATION: f32 = 0.04;
/// What is not so far below a bar is of the same ink.
const EVEN: f32 = 0.08;
/// Distance at which a bar is compared with its surroundings, in pixels: past soft edges.
const BESIDE: usize = 2;
/// A bar is so much longer than high, so long at least (pixels, and share of the width; the share of one that is a
/// single row) and so high at most (share of the height).
const LONG: usize = 3;
const LEAST_LENGTH: (usize, f32) = (12, 0.05);
const LEAST_LINE: f32 = 0.08;
const MOST_HEIGHT: f32 = 0.06;
/// Its upper and lower edge end within so many pixels of one another, and gaps in them are no longer.
const RAGGED: usize = 2;
/// Ticks are so wide at most.
const MOST_TICK: usize = 4;
/// What is beside a bar is so far below it in the mean, and along an edge so far at such a share of the pixels.
const CONTRAST: f32 = 0.08;
const STEP: f32 = 0.04;
const STEPS: f32 = 0.85;
/// Of the difference two pixels away, the least that it is of that one pixel further, and the least and the most that
/// it is of that five pixels away: sharp outlines, and no stripes.
const SHARP: f32 = 0.8;
const STEADY: f32 = 0.6;
const STRIPED: f32 = 0.4;

/// The bars of a picture that is 1 where the ink is pure.
pub fn find(tone: &Plane) -> Vec<Area> {
    let height = tone.height();
    let most = ((MOST_HEIGHT * height as f32) as usize).max(3);
    let rows = BESIDE..height.saturating_sub(BESIDE);
    let lower: Vec<Vec<Range<usize>>> = rows.clone().map(|y| edges(tone, y, y + BESIDE)).collect();
    let mut found = Vec::new();
    for top in rows.clone() {
        for upper in edges(tone, top, top - BESIDE) {
            let alike = |edge: &&Range<usize>| {
                edge.start.abs_diff(upper.start) <= RAGGED && edge.end.abs_diff(upper.end) <= RAGGED
            };
            for bottom in top..(top + most).min(rows.end) {
                let Some(edge) = lower[bottom - rows.start].iter().find(alike) else { continue };
                let (left, right) = (upper.start.max(edge.start), upper.end.min(edge.end));
                let area = Area { left, top, width: right - left, height: bottom + 1 - top };
                found.extend(Bar { area, tone }.whole());
            }
        }
    }
    found
}

/// Where row `y` is ink that the row `beside` is not, for long enough.
fn edges(tone: &Plane, y: usize, beside: usize) -> Vec<Range<usize>> {
    let least = LEAST_LENGTH.0.max((LEAST_LENGTH.1 * tone.width() as f32) as usize);
    let (row, beside) = (tone.row(y), tone.row(beside));
    let within = |columns: Range<usize>, ink: f32| {
        let mut found: Vec<(Range<usize>, usize)> = Vec::new();
        for x in columns.filter(|x| row[*x] >= ink && row[*x] - beside[*x] >= STEP) {
            match found.last_mut() {
                Some((run, count)) if x - run.end <= RAGGED => (run.end, *count) = (x + 1, *count + 1),
                _ => found.push((x..x + 1, 1)),
            }
        }
        found.retain(|(run, count)| run.len() >= least && *count as f32 >= STEPS * run.len() as f32);
        found.into_iter().map(|(run, _)| run)
    };
    // What is beside its ends may be hardly darker: once more with the run's own ink.
    let own = |run: Range<usize>| {
        let mut values = row[run.clone()].to_vec();
        let upper = values.len() * 3 / 4;
        let ink = *values.select_nth_unstable_by(upper, f32::total_cmp).1 - EVEN;
        within(run, ink.max(INK))
    };
    within(0..row.len(), INK).flat_map(own).collect()
}

fn mean(values: &[f32]) -> f32 {
    values.iter().sum::<f32>() / values.len() as f32
}

/// What lies between two edges.
struct Bar<'a> {
    area: Area,
    tone: &'a Plane,
}

impl Bar<'_> {
    /// The bar with its ticks, if it is filled with ink and ends on all sides.
    fn whole(&self) -> Option<Area> {
        let Area { left, top, width, height } = self.area;
        let short = height == 1 && (width as f32) < LEAST_LINE * self.tone.width() as f32;
        if width < LONG * height || short || !self.is_even() {
            return None;
        }
        let ink = (top..top + height).map(|y| mean(self.row(y))).sum::<f32>() / height as f32;
        let last = top + height - 1;
        let ends = self.ends_at(ink, |off| top.checked_sub(off)) && self.ends_at(ink, |off| Some(last + off));
        if !ends {
            return None;
        }
        // The edges above and below end where ticks begin.
        let end =
            |x: usize| (top..top + height).map(|y| ink - self.tone.at(x, y)).sum::<f32>() / height as f32;
        let inked = |x: &usize| end(*x) <= EVEN;
        let right = left + width;
        let before = (left.saturating_sub(MOST_TICK)..left).rev().take_while(inked).count();
        let after = (right..(right + MOST_TICK).min(self.tone.width())).take_while(inked).count();
        let [from, to] = [left.checked_sub(before + BESIDE)?, right - 1 + after + BESIDE];
        if to >= self.tone.width() || [from, to].into_iter().any(|x| end(x) < CONTRAST) {
            return None;
        }
        let bar = Area { left: left - before, width: width + before + after, ..self.area };
        let whole = self.with_ticks(bar, ink);
        // A soft end of one pixel is no tick.
        whole.or((before <= 1 && after <= 1).then_some(bar))
    }

    fn row(&self, y: usize) -> &[f32] {
        &self.tone.row(y)[self.area.left..self.area.left + self.area.width]
    }

    /// Whether it is of one value along its rows; a soft edge is a row of another value.
    fn is_even(&self) -> bool {
        let Area { top, width, height, .. } = self.area;
        let variance = |y: usize| {
            let inner = &self.row(y)[RAGGED..width - RAGGED];
            let mean = mean(inner);
            inner.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / inner.len() as f32
        };
        (top..top + height).map(variance).sum::<f32>() / height as f32 <= DEVIATION.powi(2)
    }

    /// Whether it ends sharply on the side whose rows are `at` so many pixels.
    fn ends_at(&self, ink: f32, at: impl Fn(usize) -> Option<usize>) -> bool {
        let below = |off: usize| at(off).filter(|y| *y < self.tone.height()).map(|y| ink - mean(self.row(y)));
        let differences = [BESIDE, BESIDE + 1, 2 * BESIDE + 1].map(below);
        let [Some(near), Some(next), Some(far)] = differences else { return false };
        near >= CONTRAST && near >= SHARP * next && near >= STEADY * far && far >= STRIPED * near
    }

    /// `bar` with the ticks at both ends, if they reach as far up as down.
    fn with_ticks(&self, bar: Area, ink: f32) -> Option<Area> {
        let inked = |y: usize| {
            [bar.left, bar.left + bar.width - 1].iter().all(|x| {
                let mut near = x.saturating_sub(RAGGED)..(x + RAGGED + 1).min(self.tone.width());
                near.any(|x| ink - self.tone.at(x, y) <= EVEN)
            })
        };
        let most = bar.width / 4;
        let above = (1..=most.min(bar.top)).take_while(|up| inked(bar.top - up)).count();
        let below = (bar.top + bar.height..self.tone.height()).take(most).take_while(|y| inked(*y)).count();
        let ticks = above > 0 && above.abs_diff(below) <= 1;
        ticks.then_some(Area { top: bar.top - above, height: bar.height + above + below, ..bar })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 0.8 with values painted over it.
    fn ground(paint: impl Fn(usize, usize) -> Option<f32>) -> Plane {
        Plane::from_fn(200, 60, |x, y| {
            paint(x, y).unwrap_or(0.8 + 0.02 * ((x * 7 + y * 13) % 5) as f32 / 4.0)
        })
    }

    #[test]
    fn a_bar_hardly_brighter_than_its_ground_is_found_with_its_ticks() {
        let bar = |x: usize, y: usize| (50..110).contains(&x) && (30..33).contains(&y);
        let tick = |x: usize, y: usize| [50, 109].contains(&x) && (26..37).contains(&y);
        let plain = find(&ground(|x, y| bar(x, y).then_some(0.92)));
        assert!(plain.contains(&Area { left: 50, top: 30, width: 60, height: 3 }), "{plain:?}");
        let ticked = find(&ground(|x, y| (bar(x, y) || tick(x, y)).then_some(0.92)));
        assert!(ticked.contains(&Area { left: 50, top: 26, width: 60, height: 11 }), "{ticked:?}");
    }

    #[test]
    fn soft_stripes_and_edges_of_areas_are_no_bars() {
        let hill = |y: usize| 1.0 - 0.1 * y.abs_diff(30) as f32;
        let soft = ground(|x, y| ((50..110).contains(&x) && y.abs_diff(30) < 6).then_some(hill(y).max(0.4)));
        let stripes = ground(|x, y| (50..110).contains(&x).then_some(if y % 6 < 3 { 1.0 } else { 0.5 }));
        let area = ground(|_, y| (y >= 30).then_some(1.0));
        for none in [soft, stripes, area] {
            assert_eq!(find(&none), []);
        }
    }
}
