//! Burned-in annotation of a reference: scale bars, lettering, data strips (DICOM's term, PS3.3 C.7.6.1).
//!
//! Drawn anew it would be debris that looks like a scale, on a picture that has none: what is found is filled from the
//! picture's own ground before anything is drawn, so that neither layout nor patches know of it.

mod bars;
mod fill;
mod ink;
mod patches;
mod strip;
mod tone;
mod words;

use std::borrow::Cow;

use crate::raster::{Plane, Raster};

use super::super::Area;

/// Pixels around what was found that are filled, too: soft edges and compression noise.
const MARGIN: usize = 4;

/// More areas than these, or a larger share of the picture, are a texture and no annotation.
const MOST: usize = 40;
const MOST_SHARE: f64 = 0.4;

/// Where `reference` is annotated, margins included.
pub fn find(reference: &Raster) -> Vec<Area> {
    let luma = reference.luma();
    let mut areas = strip::find(&luma);
    let strips = areas.clone();
    let apart = |area: &Area| strips.iter().all(|strip| !strip.overlaps(area));
    areas.extend(ink::find(reference).into_iter().filter(apart).map(|area| widened(area, &luma)));
    if areas.len() > 10 * MOST {
        return strips;
    }
    let areas = joined(areas);
    let covered: usize = areas.iter().map(|area| area.width * area.height).sum();
    let share = covered as f64 / luma.data().len() as f64;
    if areas.len() > MOST || share > MOST_SHARE { strips } else { areas }
}

/// `reference` with the `areas` filled from elsewhere in it. Transparency stays.
pub fn filled<'a>(reference: &'a Raster, areas: &[Area]) -> Cow<'a, Raster> {
    if areas.is_empty() {
        return Cow::Borrowed(reference);
    }
    let planes = fill::fill(&reference.planes(), areas);
    let opaque = Raster::from_planes(&planes, reference.depth());
    let (width, height) = (opaque.width(), opaque.height());
    let alpha = reference.alpha().cloned();
    Cow::Owned(Raster::new(width, height, opaque.channels(), opaque.samples().clone(), alpha))
}

fn widened(area: Area, luma: &Plane) -> Area {
    let (left, top) = (area.left.saturating_sub(MARGIN), area.top.saturating_sub(MARGIN));
    let right = (area.left + area.width + MARGIN).min(luma.width());
    let bottom = (area.top + area.height + MARGIN).min(luma.height());
    Area { left, top, width: right - left, height: bottom - top }
}

/// Areas that overlap become one.
fn joined(mut areas: Vec<Area>) -> Vec<Area> {
    let mut whole: Vec<Area> = Vec::new();
    while let Some(mut area) = areas.pop() {
        while let Some(i) = whole.iter().position(|other| other.overlaps(&area)) {
            area = area.around(&whole.swap_remove(i));
        }
        whole.push(area);
    }
    whole.sort_unstable_by_key(|area| (area.top, area.left));
    whole
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quantity::Seed;
    use crate::raster::{Channels, Depth, Samples};
    use crate::specimen::{Colour, Kind, Specimen};

    /// A specimen, grey, with 0..=1 values painted over it.
    fn painted(paint: impl Fn(usize, usize) -> Option<f32>) -> Raster {
        let specimen =
            Specimen { kind: Kind::Adenovirus, width: 320, height: 240, seed: Seed(3), colour: Colour::Grey };
        let plane = specimen.render().expect("a specimen").luma();
        let plane = Plane::from_fn(320, 240, |x, y| paint(x, y).unwrap_or(plane.at(x, y)));
        Raster::from_planes(&[plane], Depth::Eight)
    }

    fn bar(x: usize, y: usize) -> Option<f32> {
        ((20..80).contains(&x) && (215..220).contains(&y)).then_some(1.0)
    }

    /// "HIT" in strokes of two pixels above the bar.
    fn letters(x: usize, y: usize) -> Option<f32> {
        if !(198..210).contains(&y) || x < 30 {
            return None;
        }
        let (letter, u, v) = ((x - 30) / 11, (x - 30) % 11, y - 198);
        let ink = match letter {
            0 => u < 2 || (6..8).contains(&u) || (u < 8 && (5..7).contains(&v)),
            1 => u < 2,
            2 => u < 8 && (v < 2 || (3..5).contains(&u)),
            _ => false,
        };
        ink.then_some(1.0)
    }

    #[test]
    fn a_scale_bar_and_its_lettering_are_found_and_a_bare_specimen_has_none() {
        assert!(find(&painted(|_, _| None)).is_empty());
        let areas = find(&painted(|x, y| bar(x, y).or(letters(x, y))));
        for (x, y) in [(21, 217), (79, 217), (31, 204), (58, 199)] {
            assert!(areas.iter().any(|area| area.holds(x, y)), "{x}, {y}: {areas:?}");
        }
        let found: usize = areas.iter().map(|area| area.width * area.height).sum();
        assert!(found < 4000, "{areas:?}");
    }

    /// A specimen brightened to a mean of about 0.8, where white hardly stands out.
    fn bright(paint: impl Fn(usize, usize) -> Option<f32>) -> Raster {
        let plane = painted(|_, _| None).luma();
        let (mean, spread) = (plane.mean() as f32, plane.std() as f32);
        let pale = |v: f32| (0.78 + 0.05 * (v - mean) / spread).min(1.0);
        let plane = Plane::from_fn(320, 240, |x, y| paint(x, y).unwrap_or_else(|| pale(plane.at(x, y))));
        Raster::from_planes(&[plane], Depth::Eight)
    }

    /// Whether the areas of a picture hold all that is painted.
    fn holds(picture: &Raster, ink: impl Fn(usize, usize) -> bool) -> bool {
        let areas = find(picture);
        let mut inked = (0..320 * 240).map(|i| (i % 320, i / 320)).filter(|(x, y)| ink(*x, *y));
        inked.all(|(x, y)| areas.iter().any(|area| area.holds(x, y)))
    }

    #[test]
    fn white_on_a_bright_ground_is_found() {
        let ink = |x: usize, y: usize| bar(x, y).or(letters(x, y));
        assert!(find(&bright(|_, _| None)).is_empty());
        assert!(holds(&bright(ink), |x, y| ink(x, y).is_some()));
        let words = |x: usize, y: usize| letters(x, y).or(letters(x.saturating_sub(40), y));
        assert!(holds(&bright(words), |x, y| words(x, y).is_some()));
    }

    #[test]
    fn coloured_ink_on_a_grey_picture_is_found() {
        let grey = painted(|_, _| None).luma();
        let ink = |x: usize, y: usize| bar(x, y).or(letters(x, y)).is_some();
        for colour in [[1.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 1.0]] {
            let plane =
                |value: f32| Plane::from_fn(320, 240, |x, y| if ink(x, y) { value } else { grey.at(x, y) });
            let picture = Raster::from_planes(&colour.map(plane), Depth::Eight);
            assert!(holds(&picture, ink), "{colour:?}");
        }
    }

    #[test]
    fn a_bar_with_ticks_in_a_box_of_half_its_negative_is_found() {
        let ink = |x: usize, y: usize| {
            (20..80).contains(&x) && y == 217 || [20, 79].contains(&x) && (214..221).contains(&y)
        };
        let plain = painted(|_, _| None).luma();
        let boxed = |x: usize, y: usize| (10..92).contains(&x) && (205..230).contains(&y);
        let ground = |x: usize, y: usize| boxed(x, y).then(|| plain.at(x, y) / 2.0);
        assert!(holds(&painted(|x, y| if ink(x, y) { Some(1.0) } else { ground(x, y) }), ink));
    }

    #[test]
    fn an_arrow_is_found() {
        let ink = |x: usize, y: usize| {
            let (along, off) = (x.wrapping_sub(250), y.abs_diff(30));
            along < 16 && 2 * off <= along || (16..36).contains(&along) && off <= 1
        };
        assert!(holds(&painted(|x, y| ink(x, y).then_some(1.0)), ink));
    }

    #[test]
    fn specimens_of_every_kind_and_colour_bear_nothing() {
        for kind in Kind::ALL {
            for (seed, colour) in [(21, Colour::Grey), (22, Colour::False), (23, Colour::Grey)] {
                let specimen = Specimen { kind, width: 256, height: 176, seed: Seed(seed), colour };
                assert_eq!(find(&specimen.render().expect("a specimen")), [], "{kind} {seed}");
            }
        }
    }

    #[test]
    fn a_fence_is_no_writing() {
        let posts = painted(|x, y| (120..180).contains(&y).then_some(if x % 14 < 3 { 1.0 } else { 0.3 }));
        assert!(find(&posts).is_empty());
    }

    #[test]
    fn a_data_strip_is_found_whole() {
        let strip = |x: usize, y: usize| {
            let letters = (y >= 204).then(|| letters(x, y - 8).or(Some(0.0))).flatten();
            letters.or((y >= 200).then_some(0.0))
        };
        let areas = find(&painted(strip));
        assert_eq!(areas, [Area { left: 0, top: 200 - MARGIN, width: 320, height: 40 + MARGIN }]);
    }

    #[test]
    fn what_is_filled_is_no_annotation_and_the_rest_stays() {
        let reference = painted(|x, y| bar(x, y).or(letters(x, y)));
        let areas = find(&reference);
        let filled = filled(&reference, &areas);
        assert!(find(&filled).is_empty());
        let (before, after) = (reference.luma(), filled.luma());
        for y in 0..240 {
            for x in 0..320 {
                let same = (before.at(x, y) - after.at(x, y)).abs() < 1e-6;
                assert!(same || areas.iter().any(|area| area.holds(x, y)), "{x}, {y}");
            }
        }
        assert!(after.at(50, 217) < 0.95);
    }

    #[test]
    fn a_texture_of_bars_or_letters_is_no_annotation() {
        let bars = painted(|x, y| Some(if x % 30 < 24 && y % 12 < 4 { 1.0 } else { 0.2 }));
        let letters = painted(|x, y| Some(if x % 10 < 5 && y % 14 < 8 { 1.0 } else { 0.2 }));
        assert!(find(&bars).is_empty() && find(&letters).is_empty());
    }

    #[test]
    fn transparency_stays() {
        let samples = Samples::Eight(vec![90; 64 * 64]);
        let alpha = Samples::Eight((0..64 * 64).map(|i| (i % 251) as u8).collect());
        let picture = Raster::new(64, 64, Channels::Grey, samples, Some(alpha.clone()));
        let area = Area { left: 10, top: 10, width: 20, height: 8 };
        assert_eq!(filled(&picture, &[area]).alpha(), Some(&alpha));
    }
}
