//! Whether one large thing dominates a picture: a single virion that nearly fills it, an eye's fundus, a cell.
//!
//! The posterior knows how parts of it follow on one another, but no whole: beyond strength 0.65 it takes apart what
//! there is but one of. What comes in numbers is drawn anew from its likes.
//!
//! Things are connected sets of what is brighter, or darker, or more of one colour, than a threshold, and dominant is
//! one that stays alone over a range of thresholds, as the extremal regions of Matas et al. 2002 are stable.

use std::f32::consts::PI;

use crate::raster::connected::{self, Touching};
use crate::raster::filter::gaussian;
use crate::raster::{Kernel, Plane, resize};

use super::super::Area;
use super::image::Image;

/// Short side of the picture that is looked at, and the blur, in its pixels, that grain does not survive.
const SIDE: usize = 64;
const BLUR: f32 = 1.3;
/// Axes of colour are looked at from this deviation on; the first has 1.
const SPREAD: f64 = 0.4;
/// Thresholds between the quantiles of a picture's values, and how many in a row a thing is to stand out from.
const THRESHOLDS: usize = 16;
const QUANTILES: [f64; 2] = [0.02, 0.98];
const STABLE: usize = 3;
/// Least thickness of a dominant thing, the diameter of the largest disc in it, as a share of the short side. Patches of the
/// coarsest level have 0.42: of what is smaller one patch sees the whole.
const THICK: f32 = 0.25;
/// Share of the picture that it covers.
const COVERED: [f32; 2] = [0.05, 0.65];
/// Share of it that the largest disc in it fills, at least: clusters and filaments have less.
const ROUND: f32 = 0.3;
/// The same of a filament, at most: one that stands out, however it is coiled, is no such thing, and the stain around it
/// is none.
const THREAD: f32 = 0.16;
/// Share of the picture's border that it touches, at most: more is ground.
const TOUCHED: f32 = 0.15;
/// All other things together, as a share of it, at most.
const OTHERS: usize = 4;
/// Pixels of the least thing that is counted.
const LEAST: usize = 8;
/// Things of one size, thick as so much of the short side, more or less round: many of them make a cluster.
const PARTS: [f32; 2] = [0.06, 0.30];
const PART_ROUND: f32 = 0.4;
const ALIKE: f32 = 1.6;
const MOST_PARTS: usize = 5;

/// A connected set of pixels.
struct Thing {
    pixels: Vec<usize>,
    /// Radius of the largest disc in it, in pixels.
    radius: f32,
}

impl Thing {
    /// Share of it that the largest disc in it fills.
    fn roundness(&self) -> f32 {
        (PI * self.radius * self.radius / self.pixels.len() as f32).min(1.0)
    }

    fn is_compact(&self) -> bool {
        2.0 * self.radius >= THICK * SIDE as f32 && self.roundness() >= ROUND
    }
}

/// The thing that dominates `image`, in its pixels.
pub fn find(image: &Image) -> Option<Area> {
    let short = image.width.min(image.height);
    let [width, height] = [image.width, image.height].map(|n| (n * SIDE).div_ceil(short));
    let mut best = None;
    for c in 0..image.channels {
        let plane = image.plane(c);
        if c > 0 && plane.std() < SPREAD {
            continue;
        }
        let small = gaussian(&resize(&plane, width, height, Kernel::Area), BLUR, 3.0);
        for tone in [small.map(|v| -v), small] {
            let (mut run, mut thread) = (0, 0);
            for threshold in thresholds(&tone) {
                let things = things(&tone, threshold);
                if parts(&things) > MOST_PARTS {
                    return None;
                }
                let Some(thing) = things.iter().max_by_key(|thing| thing.pixels.len()) else { continue };
                let covered = thing.pixels.len() as f32 / (width * height) as f32;
                thread = if covered >= COVERED[0] && thing.roundness() <= THREAD { thread + 1 } else { 0 };
                if thread >= STABLE {
                    return None;
                }
                let dominates = thing.is_compact() && stands_alone(thing, &things, width, height);
                run = if dominates { run + 1 } else { 0 };
                if run >= STABLE && best.as_ref().is_none_or(|(longest, _)| run > *longest) {
                    best = Some((run, Area::of(&thing.pixels, width)));
                }
            }
        }
    }
    let (_, small) = best?;
    Some(scaled(small, (width, height), (image.width, image.height)))
}

/// Evenly spaced values between the quantiles.
fn thresholds(tone: &Plane) -> impl Iterator<Item = f32> + use<> {
    let mut values = tone.data().to_vec();
    values.sort_unstable_by(f32::total_cmp);
    let [low, high] = QUANTILES.map(|q| values[(q * (values.len() - 1) as f64) as usize]);
    (1..=THRESHOLDS).map(move |i| low + (high - low) * i as f32 / (THRESHOLDS + 1) as f32)
}

/// The connected sets of values above `threshold`.
fn things(tone: &Plane, threshold: f32) -> Vec<Thing> {
    let (width, height) = (tone.width(), tone.height());
    let inside: Vec<bool> = tone.data().iter().map(|v| *v > threshold).collect();
    let depths = depths(&inside, width, height);
    let sets = connected::sets((width, height), Touching::Edges, |at| inside[at]).into_iter();
    sets.filter(|pixels| pixels.len() >= LEAST)
        .map(|pixels| {
            let radius = pixels.iter().map(|at| depths[*at]).fold(0.0, f32::max);
            Thing { pixels, radius }
        })
        .collect()
}

/// Distance of each pixel from the nearest that is not `inside`, within 6 % (chamfer 3-4, Borgefors 1986). What lies
/// beyond the border counts as more of the same.
fn depths(inside: &[bool], width: usize, height: usize) -> Vec<f32> {
    let far = (width + height) as i32 * 3;
    let mut depths: Vec<i32> = inside.iter().map(|inside| if *inside { far } else { 0 }).collect();
    let mut relax = |x: usize, y: usize, around: [(isize, isize, i32); 4]| {
        let least = around.into_iter().filter_map(|(dx, dy, cost)| {
            let (x, y) = (x.checked_add_signed(dx)?, y.checked_add_signed(dy)?);
            (x < width && y < height).then(|| depths[y * width + x] + cost)
        });
        let least = least.min().unwrap_or(far);
        let own = &mut depths[y * width + x];
        *own = least.min(*own);
    };
    for y in 0..height {
        for x in 0..width {
            relax(x, y, [(-1, 0, 3), (0, -1, 3), (-1, -1, 4), (1, -1, 4)]);
        }
    }
    for y in (0..height).rev() {
        for x in (0..width).rev() {
            relax(x, y, [(1, 0, 3), (0, 1, 3), (1, 1, 4), (-1, 1, 4)]);
        }
    }
    depths.into_iter().map(|depth| depth as f32 / 3.0).collect()
}

/// Whether `thing`, the largest of `things`, is large, lies within the picture, and has no equals.
fn stands_alone(thing: &Thing, things: &[Thing], width: usize, height: usize) -> bool {
    let size = thing.pixels.len();
    let covered = size as f32 / (width * height) as f32;
    let border = |at: &&usize| {
        let (x, y) = (*at % width, *at / width);
        x == 0 || y == 0 || x + 1 == width || y + 1 == height
    };
    let touched = thing.pixels.iter().filter(border).count() as f32 / (2 * (width + height)) as f32;
    let all: usize = things.iter().map(|thing| thing.pixels.len()).sum();
    (COVERED[0]..=COVERED[1]).contains(&covered) && touched <= TOUCHED && OTHERS * (all - size) <= size
}

/// The most of `things` that are small, compact and of about one size.
fn parts(things: &[Thing]) -> usize {
    let side = SIDE as f32;
    let small = |thing: &&Thing| {
        (PARTS[0] * side..=PARTS[1] * side).contains(&(2.0 * thing.radius)) && thing.roundness() >= PART_ROUND
    };
    let mut radii: Vec<f32> = things.iter().filter(small).map(|thing| thing.radius).collect();
    radii.sort_unstable_by(f32::total_cmp);
    let alike = |i: usize| radii[i..].iter().take_while(|radius| **radius <= ALIKE * radii[i]).count();
    (0..radii.len()).map(alike).max().unwrap_or(0)
}

/// `area` of a picture of size `from` in one of size `to`.
fn scaled(area: Area, from: (usize, usize), to: (usize, usize)) -> Area {
    let left = area.left * to.0 / from.0;
    let top = area.top * to.1 / from.1;
    let right = ((area.left + area.width) * to.0).div_ceil(from.0).min(to.0);
    let bottom = ((area.top + area.height) * to.1).div_ceil(from.1).min(to.1);
    Area { left, top, width: right - left, height: bottom - top }
}

#[cfg(test)]
mod tests {
    use super::super::colour::Colour;
    use super::*;
    use crate::quantity::Seed;
    use crate::raster::Raster;
    use crate::specimen::{self, Kind, Specimen};

    /// Things at places, in a picture of 320 × 208 pixels, on uneven grainy ground.
    fn picture(things: &[(f32, f32)], within: impl Fn(f32, f32) -> bool) -> Image {
        let plane = Plane::from_fn(320, 208, |x, y| {
            let ground = 0.1 * (x as f32 / 50.0).sin() * (y as f32 / 31.0).cos();
            let grain = 0.2 * ((x * 73 + y * 179) % 31) as f32 / 31.0;
            let thing = things.iter().any(|(cx, cy)| within(x as f32 - cx, y as f32 - cy));
            ground + grain + if thing { 1.0 } else { 0.0 }
        });
        Image::from_planes(&[plane.map(|v| (v - 0.4) * 2.5)])
    }

    fn specimen(kind: Kind, seed: u64, colour: specimen::Colour) -> Raster {
        Specimen { kind, width: 320, height: 208, seed: Seed(seed), colour }.render().expect("a specimen")
    }

    #[test]
    fn one_large_thing_dominates_at_any_size_and_in_either_tone() {
        let disc = |x: f32, y: f32| x.hypot(y) < 55.0;
        let brick = |x: f32, y: f32| (0.9 * x + 0.4 * y).abs() < 60.0 && (0.9 * y - 0.4 * x).abs() < 35.0;
        for image in [picture(&[(170.0, 110.0)], disc), picture(&[(140.0, 100.0)], brick)] {
            let negative = image.map_planes(|plane| plane.map(|v| -v));
            for image in [image.resized(960, 624), negative, image] {
                let area = find(&image).expect("found");
                let share = |n: usize, whole: usize| n as f32 / whole as f32;
                let (x, y) = (area.left + area.width / 2, area.top + area.height / 2);
                assert!((share(x, image.width) - 0.48).abs() < 0.08, "{area:?}");
                assert!((share(y, image.height) - 0.50).abs() < 0.08, "{area:?}");
            }
        }
    }

    #[test]
    fn neither_many_things_nor_few_nor_a_filament_nor_flat_ground_dominate() {
        let many: Vec<(f32, f32)> =
            (0..12).map(|i| (40.0 + 60.0 * (i % 5) as f32, 40.0 + 60.0 * (i / 5) as f32)).collect();
        let near = |radius: f32| move |x: f32, y: f32| x.hypot(y) < radius;
        assert_eq!(find(&picture(&many, near(20.0))), None);
        assert_eq!(find(&picture(&[(80.0, 100.0), (240.0, 110.0)], near(45.0))), None);
        assert_eq!(find(&picture(&[(160.0, 100.0)], near(14.0))), None);
        assert_eq!(find(&picture(&[(160.0, 100.0)], |x, y| (x.hypot(y) - 70.0).abs() < 8.0)), None);
        assert_eq!(find(&picture(&[], near(0.0))), None);
        assert_eq!(find(&Image::from_planes(&[Plane::filled(40, 33, 0.0)])), None);
    }

    #[test]
    fn no_specimen_is_dominated_by_one_thing() {
        for kind in Kind::ALL {
            for seed in 1..=6 {
                for colour in [specimen::Colour::Grey, specimen::Colour::False] {
                    let picture = specimen(kind, seed, colour);
                    assert_eq!(find(&Colour::of(&picture).1), None, "{kind} {seed} {colour:?}");
                }
            }
        }
    }
}
