//! Which of several drafts of a layout goes on. They are judged when their start level is refined: the posterior's mean
//! runs together where patches disagree, and shows neither what is lost nor what is misshapen.

use crate::random::Stream;
use crate::raster::Plane;
use crate::raster::connected::{self, Touching};
use crate::raster::filter::gaussian;

use super::features::Basis;
use super::gate::Style;
use super::image::Image;
use super::layout::likeness;
use super::schedule::Schedule;
use super::sources::Sources;

/// What makes a draft count twice as bad in style: so much of the arrangement kept more or less than is the aim,
const ARRANGEMENT: f64 = 0.15;
/// a change of the channels' deviations by a factor of e to this: what has lost large things has less of it,
const SPREAD: f64 = 0.2;
/// detail of each size that is so many decibels off (root mean square),
const DETAIL: f64 = 2.0;
/// and so large a share of the picture that is left as it was, in one piece.
const SAME: f64 = 0.015;
/// Shares of the arrangement to keep between which the last counts (strengths 0.53 to 0.83). Where more is kept most is to
/// be left as it was: what is not is misshapen more often than new. And where less is, what is left is so by chance.
const SAME_AT: [f64; 2] = [0.6, 0.86];

/// Blurs, in pixels, between which detail is of one size.
const BLURS: [f32; 5] = [0.5, 0.7, 1.0, 1.4, 2.0];
/// Reach in pixels of the surroundings in which a place is left as it was, how well they correlate there, and the least
/// deviation of what can be compared, as a share of the picture's.
const REACH: isize = 2;
const ALIKE: f64 = 0.95;
const TEXTURE: f64 = 0.25;

/// Compares drafts with the reference.
pub struct Judge<'a> {
    upright: &'a Image,
    basis: Basis<24>,
    /// Patch statistics of the reference.
    style: Style<24>,
    /// Share of the arrangement that is to be kept, if any share is aimed at.
    aim: Option<f64>,
    /// Whether what is left as it was counts.
    new: bool,
}

impl<'a> Judge<'a> {
    /// Of drafts on the level of `sources`, whose patches are `patch` pixels wide. None but those that are `steered` have
    /// an aim.
    pub fn new(
        sources: &'a Sources,
        patch: usize,
        schedule: &Schedule,
        steered: bool,
        stream: Stream,
    ) -> Self {
        let upright = &sources.copies[0].image;
        let basis = Basis::<24>::of(upright, patch, 4000, stream.child(0));
        let all = sources.copies.iter().flat_map(|copy| basis.project(&copy.image));
        let inside = all.zip(0..).filter(|(_, at)| sources.outside(*at) < 0.02);
        let patches: Vec<[f32; 24]> = inside.map(|(patch, _)| patch).collect();
        let style = Style::of(&patches, stream.child(1));
        let new = schedule.kept.is_some_and(|kept| (SAME_AT[0]..=SAME_AT[1]).contains(&kept));
        let aim = steered.then(|| schedule.aim());
        Judge { upright, basis, style, aim, new }
    }

    /// How bad a draft is: its distance in style, and more for what else is wrong with it.
    pub fn badness(&self, draft: &Image) -> f64 {
        let style = self.style.distance(&self.basis.project(draft));
        let missed = self.aim.map_or(0.0, |aim| (likeness(draft, self.upright, &[0]) - aim) / ARRANGEMENT);
        let lost = spread(draft, self.upright) / SPREAD;
        let detail = detail(&draft.plane(0), &self.upright.plane(0)) / DETAIL;
        let same = if self.new { same(&draft.plane(0), &self.upright.plane(0)) / SAME } else { 0.0 };
        [missed, lost, detail, same].into_iter().fold(style, |bad, fault| bad * (1.0 + fault * fault))
    }
}

/// Root mean squared logarithm of what the channels' deviations have become, as a factor of those of `reference`; what is
/// nearly flat in both counts as the same.
fn spread(image: &Image, reference: &Image) -> f64 {
    let change = |c: usize| {
        let [now, was] = [image, reference].map(|image| image.plane(c).std() + 0.02);
        (now / was).ln().powi(2)
    };
    ((0..reference.channels).map(change).sum::<f64>() / reference.channels as f64).sqrt()
}

/// Root mean squared difference in decibels of how strong detail of each size is, that in the middle above all (Hann's
/// window): a picture whose things stand at its border has less of it.
fn detail(plane: &Plane, reference: &Plane) -> f64 {
    let (width, height) = (plane.width(), plane.height());
    let hann = |i: usize, n: usize| (std::f64::consts::PI * (i as f64 + 0.5) / n as f64).sin().powi(2) as f32;
    let bands = |plane: &Plane| {
        let mean = plane.mean() as f32;
        let window = |x, y| (plane.at(x, y) - mean) * hann(x, width) * hann(y, height);
        let windowed = Plane::from_fn(width, height, window);
        let blurred = BLURS.map(|blur| gaussian(&windowed, blur, 3.0));
        let between = |pair: &[Plane]| pair[0].zip(&pair[1], |a, b| a - b).std() + 1e-3;
        blurred.windows(2).map(between).collect::<Vec<f64>>()
    };
    let off = bands(plane).into_iter().zip(bands(reference)).map(|(now, was)| 20.0 * (now / was).log10());
    (off.map(|db| db * db).sum::<f64>() / (BLURS.len() - 1) as f64).sqrt()
}

/// Share of the picture of the largest piece of which every place looks as it did, or as one a pixel further did.
fn same(plane: &Plane, reference: &Plane) -> f64 {
    let (width, height) = (plane.width(), plane.height());
    let least = TEXTURE * reference.std();
    let stays = |at: usize| {
        let (x, y) = ((at % width) as isize, (at / width) as isize);
        let mut shifts = (-1..=1).flat_map(|dy| (-1..=1).map(move |dx| (dx, dy)));
        shifts.any(|(dx, dy)| correlate((plane, x, y), (reference, x + dx, y + dy), least) > ALIKE)
    };
    let pieces = connected::sets((width, height), Touching::Corners, stays);
    pieces.iter().map(Vec::len).max().unwrap_or(0) as f64 / (width * height) as f64
}

/// Correlation of the surroundings of a place with those of another, both with the border repeated outside; none where
/// the first deviate less than `least`.
fn correlate(a: (&Plane, isize, isize), b: (&Plane, isize, isize), least: f64) -> f64 {
    let at = |(plane, x, y): (&Plane, isize, isize), i: isize, j: isize| {
        let inside = |v: isize, n: usize| v.clamp(0, n as isize - 1) as usize;
        f64::from(plane.at(inside(x + i, plane.width()), inside(y + j, plane.height())))
    };
    let mut sums = [0.0f64; 5];
    for (i, j) in (-REACH..=REACH).flat_map(|j| (-REACH..=REACH).map(move |i| (i, j))) {
        let (a, b) = (at(a, i, j), at(b, i, j));
        sums.iter_mut().zip([a, b, a * a, b * b, a * b]).for_each(|(sum, v)| *sum += v);
    }
    let count = ((2 * REACH + 1) * (2 * REACH + 1)) as f64;
    let [a, b, aa, bb, ab] = sums.map(|sum| sum / count);
    let [va, vb] = [aa - a * a, bb - b * b];
    if va.max(0.0).sqrt() <= least { 0.0 } else { (ab - a * b) / (va * vb).max(0.0).sqrt().max(1e-9) }
}

#[cfg(test)]
mod tests {
    use super::super::corpus;
    use super::super::pyramid::Pyramid;
    use super::*;
    use crate::quantity::Strength;

    /// Things of 6 × 9 pixels at these places from the left, in two rows.
    fn things(places: &[usize]) -> Image {
        let inside = |x: usize| places.iter().any(|at| (*at..at + 6).contains(&x));
        Image::from_planes(&[
            Plane::from_fn(60, 30, |x, y| if inside(x) && y % 15 < 9 { 2.0 } else { 0.0 }),
            Plane::filled(60, 30, 0.1),
        ])
    }

    #[test]
    fn a_draft_that_lost_things_has_less_spread_wherever_the_others_lie() {
        let reference = things(&[4, 20, 40]);
        let spread = |places: &[usize]| spread(&things(places), &reference);
        assert!(spread(&[9, 30, 50]) < 1e-4);
        assert!(spread(&[9, 30]) > 0.05 && spread(&[9]) > 1.5 * spread(&[9, 30]));
    }

    #[test]
    fn what_is_lost_in_the_middle_is_missed_and_at_the_border_hardly() {
        let reference = things(&[4, 20, 40]).plane(0);
        let detail = |places: &[usize]| detail(&things(places).plane(0), &reference);
        assert_eq!(detail(&[4, 20, 40]), 0.0);
        assert!(
            detail(&[20, 40]) < 0.5 && detail(&[4, 40]) > 1.5,
            "{} {}",
            detail(&[20, 40]),
            detail(&[4, 40])
        );
    }

    #[test]
    fn what_stays_where_it_was_is_seen_a_pixel_off_and_no_further() {
        let reference = things(&[4, 20, 40]).plane(0);
        let same = |places: &[usize]| same(&things(places).plane(0), &reference);
        assert!(same(&[4, 20, 40]) > 0.05);
        assert!(same(&[5, 21, 41]) > 0.05);
        assert!(same(&[12, 29, 49]) < 0.5 * same(&[4, 20, 40]));
    }

    #[test]
    fn of_two_drafts_the_fuller_and_the_newer_one_is_better() {
        let reference = things(&[4, 20, 40]);
        let copies: Vec<_> = (0..3).map(|k| corpus::copy(&reference, (60, 30), k, 0.0, false, 1)).collect();
        let sources = Sources::new(&copies, 60, 30);
        let strength = Strength::new(0.6).expect("within 0..=1");
        let schedule = Schedule::new(strength, &Pyramid::new(60, 30));
        let judge = Judge::new(&sources, 7, &schedule, false, Stream::new(3, "judge"));
        let badness = |places: &[usize]| judge.badness(&things(places));
        assert!(badness(&[9, 30, 50]) < badness(&[9]));
        assert!(badness(&[12, 29, 49]) < badness(&[4, 20, 40]));
    }
}
