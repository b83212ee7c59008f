//! Connected patches of ink: letters are such, and arrows.

use crate::raster::Plane;
use crate::raster::connected::{self, Touching};

use super::super::super::Area;

/// Distance at which a patch is compared with its surroundings, in pixels, past soft edges.
const BESIDE: usize = 2;
/// A mark that stands alone has so many pixels, so many of them inner ones, and is so pure.
const MARK: (usize, usize) = (30, 8);
const PURE: f32 = 0.96;
/// Its inner pixels deviate so much from their mean at most (root mean square).
const EVEN: f32 = 0.02;
/// What is beside it is so far below it in the mean, and so far at nine tenths of its outline.
const CONTRAST: f32 = 0.3;
const CLEAR: f32 = 0.2;
/// Of that difference so much is there one pixel away, and it is such a share of the difference at twice the distance.
const SHARP: f32 = 0.93;
const STEADY: [f32; 2] = [0.9, 1.2];

/// A connected patch of ink.
#[derive(Clone, Debug)]
pub struct Patch {
    pub area: Area,
    /// Its mean value.
    pub ink: f32,
    /// How far what lies around it is below that.
    pub contrast: f32,
    /// Side of the largest square in it.
    pub stroke: usize,
    /// Whether it is a mark even without others: of one pure ink, with a sharp outline all around.
    pub alone: bool,
}

/// The patches of at least `level` that are `wanted` by their bounds and stand out.
pub fn find(tone: &Plane, level: f32, wanted: impl Fn(&Area) -> bool) -> Vec<Patch> {
    let (width, height) = (tone.width(), tone.height());
    let sets = connected::sets((width, height), Touching::Corners, |at| tone.data()[at] >= level).into_iter();
    let patch = |own: Vec<usize>| {
        let area = Area::of(&own, width);
        // One that the border cuts is a part of the scene.
        let inside = area.left >= BESIDE
            && area.top >= BESIDE
            && area.left + area.width + BESIDE <= width
            && area.top + area.height + BESIDE <= height;
        if !inside || !wanted(&area) {
            return None;
        }
        let ink = own.iter().map(|at| tone.data()[*at]).sum::<f32>() / own.len() as f32;
        let contrast = contrast(tone, &own, level, ink);
        let alone = own.len() >= MARK.0 && ink >= PURE && is_mark(tone, &own, &area, ink);
        Some(Patch { area, ink, contrast, stroke: stroke(&own, &area, width), alone })
    };
    sets.filter_map(patch).collect()
}

/// How far what lies beside a patch is below `ink` in the mean, other ink left out.
fn contrast(tone: &Plane, own: &[usize], level: f32, ink: f32) -> f32 {
    let beside = own.iter().flat_map(|at| {
        let (across, down) = (BESIDE, BESIDE * tone.width());
        [at - across, at + across, at - down, at + down].map(|at| tone.data()[at])
    });
    let (sum, count) = beside.filter(|v| *v < level).fold((0.0f32, 0usize), |(s, n), v| (s + v, n + 1));
    if count > 0 { ink - sum / count as f32 } else { 0.0 }
}

/// Side of the largest square that fits in a patch.
fn stroke(own: &[usize], area: &Area, width: usize) -> usize {
    let mut side = vec![0usize; area.width * area.height];
    for at in own {
        side[(at / width - area.top) * area.width + at % width - area.left] = 1;
    }
    for y in 1..area.height {
        for x in 1..area.width {
            let at = y * area.width + x;
            if side[at] > 0 {
                let before = [at - 1, at - area.width, at - area.width - 1].map(|at| side[at]);
                side[at] += before.into_iter().min().unwrap_or(0);
            }
        }
    }
    side.into_iter().max().unwrap_or(0)
}

fn is_mark(tone: &Plane, own: &[usize], area: &Area, ink: f32) -> bool {
    let (width, height) = (tone.width() as isize, tone.height() as isize);
    let mut inside = vec![false; area.width * area.height];
    let at = |x: isize, y: isize| {
        let (x, y) = (x - area.left as isize, y - area.top as isize);
        let within = (0..area.width as isize).contains(&x) && (0..area.height as isize).contains(&y);
        within.then_some((y * area.width as isize + x) as usize)
    };
    let place = |own: &usize| (*own as isize % width, *own as isize / width);
    for (x, y) in own.iter().map(place) {
        at(x, y).into_iter().for_each(|at| inside[at] = true);
    }
    let value = |x: isize, y: isize| {
        let within = (0..width).contains(&x) && (0..height).contains(&y);
        within.then(|| tone.at(x as usize, y as usize))
    };
    let holds = |x: isize, y: isize| at(x, y).is_some_and(|at| inside[at]);
    let mut inner = Vec::new();
    // One, two and four pixels outside.
    let mut outside: [Vec<f32>; 3] = Default::default();
    for (x, y) in own.iter().map(place) {
        let steps = [(1, 0), (-1, 0), (0, 1), (0, -1)];
        let open: Vec<(isize, isize)> = steps.into_iter().filter(|(dx, dy)| !holds(x + dx, y + dy)).collect();
        if open.is_empty() {
            inner.extend(value(x, y));
        }
        for (dx, dy) in open {
            for (values, distance) in outside.iter_mut().zip([1, 2, 4]) {
                let (x, y) = (x + distance * dx, y + distance * dy);
                values.extend(value(x, y).filter(|_| !holds(x, y)).map(|v| ink - v));
            }
        }
    }
    let mean = |values: &[f32]| values.iter().sum::<f32>() / values.len().max(1) as f32;
    let middle = mean(&inner);
    let variance = inner.iter().map(|v| (v - middle).powi(2)).sum::<f32>() / inner.len().max(1) as f32;
    let [near, beside, far] = outside.each_ref().map(|values| mean(values));
    let tenth = outside[1].len() / 10;
    let clear = *outside[1].select_nth_unstable_by(tenth, f32::total_cmp).1;
    inner.len() >= MARK.1
        && beside >= CONTRAST
        && variance <= EVEN.powi(2)
        && clear >= CLEAR
        && near >= SHARP * beside
        && beside >= STEADY[0] * far
        && beside <= STEADY[1] * far
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Patches of 0.9 and more of a ground of 0.3, with values painted over it.
    fn patches(paint: impl Fn(usize, usize) -> Option<f32>) -> Vec<Patch> {
        find(&Plane::from_fn(64, 48, |x, y| paint(x, y).unwrap_or(0.3)), 0.9, |_| true)
    }

    /// A head that widens to the right, and a shaft of three rows.
    fn arrow(x: usize, y: usize) -> bool {
        let off = y.abs_diff(20);
        ((20..32).contains(&x) && 2 * off <= x - 20) || ((32..50).contains(&x) && off <= 1)
    }

    #[test]
    fn an_arrow_is_a_mark_and_a_soft_or_uneven_one_is_not() {
        let [sharp] = &patches(|x, y| arrow(x, y).then_some(1.0))[..] else { panic!("one patch") };
        assert_eq!(sharp.area, Area { left: 20, top: 15, width: 30, height: 11 });
        assert!(sharp.alone && (sharp.contrast - 0.7).abs() < 1e-6, "{sharp:?}");
        let beside =
            |x: usize, y: usize| arrow(x + 1, y) || arrow(x - 1, y) || arrow(x, y + 1) || arrow(x, y - 1);
        let soft =
            patches(
                |x, y| if arrow(x, y) { Some(1.0) } else { (x > 0 && y > 0 && beside(x, y)).then_some(0.6) },
            );
        let uneven = patches(|x, y| arrow(x, y).then_some(if (x + y) % 2 > 0 { 1.0 } else { 0.94 }));
        for none in [soft, uneven] {
            assert!(none.len() == 1 && !none[0].alone, "{none:?}");
        }
    }

    #[test]
    fn strokes_are_as_thick_as_the_largest_square_in_them() {
        let cross = |x: usize, y: usize| {
            let (u, v) = (x.abs_diff(30), y.abs_diff(20));
            ((u <= 1 && v <= 9) || (v <= 1 && u <= 9)).then_some(1.0)
        };
        assert_eq!(patches(cross)[0].stroke, 3);
        assert_eq!(
            patches(|x, y| ((10..20).contains(&x) && (10..24).contains(&y)).then_some(1.0))[0].stroke,
            10
        );
    }

    #[test]
    fn what_the_border_cuts_is_a_part_of_the_scene() {
        assert!(patches(|x, y| (x < 6 && (10..20).contains(&y)).then_some(1.0)).is_empty());
    }
}
