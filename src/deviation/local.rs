//! Local copies: where keypoints speak for a placement of a part of the output, that part is laid on the reference.

use super::affine::{Affine, refine};
use super::keypoints::Keypoints;
use super::matches::{Hypothesis, hypotheses};
use super::working::flattened;
use crate::raster::Plane;
use crate::raster::filter::gaussian;

/// Window of the local flattening, in pixels.
const WINDOW: f32 = 8.0;
/// What is laid around the keypoints, in pixels of their levels; and least side, in pixels.
const AROUND: f32 = 10.0;
const LEAST_SIDE: f32 = 40.0;
/// Placements that are tried.
const MOST: usize = 12;
/// So many keypoints need no margin.
const MANY: usize = 10;
/// Least agreement of the fine detail, after refinement, for a placement to be looked at closely.
const FINE: f64 = 0.5;
/// Agreement from which no other try is needed, and pixels from which every second line and column will do.
const SURE: f64 = 0.95;
const LARGE: usize = 6400;
/// How far beyond the keypoints is looked for more of the same, in pixels and as a share of their extent.
const BEYOND: (f32, f32) = (32.0, 0.5);
/// What is laid once more around what agrees, in pixels; from how many pixels on detail counts, from coarse to fine; and
/// steps of each.
const AGAIN: (f32, [f32; 2], usize) = (6.0, [1.6, 0.8], 6);

/// A part of the output and the piece of the reference that may be the same data.
pub struct Part {
    /// Position of the part on the output.
    pub x: usize,
    pub y: usize,
    pub output: Plane,
    pub reference: Plane,
    pub map: Affine,
}

/// A picture, its keypoints, and its field with tone and shading taken out.
pub struct Searched {
    plane: Plane,
    features: Keypoints,
    field: Plane,
    /// Detail between one and two pixels.
    fine: Plane,
}

impl Searched {
    pub fn new(plane: &Plane) -> Searched {
        let fine = gaussian(plane, 0.8, 4.0).zip(&gaussian(plane, 2.0, 3.0), |a, b| a - b);
        Searched {
            plane: plane.clone(),
            features: Keypoints::of(plane),
            field: flattened(plane, WINDOW, 1.0),
            fine,
        }
    }
}

/// Lays the parts of `output` that may be of `reference` on it and gives each to `look`, those with most support
/// first. Those for which `explained` (given the part's rectangle x, y, width, height on the output) holds are left out.
pub fn parts<C>(
    output: &Searched,
    reference: &Searched,
    seen: &mut C,
    explained: impl Fn(&C, Rectangle) -> bool,
    look: impl Fn(&mut C, Part),
) {
    for hypothesis in hypotheses(&output.features, &reference.features).into_iter().take(MOST) {
        let around = |x: f32, y: f32| Rectangle::about(hypothesis.extent, x, y, &output.plane);
        // Many keypoints mark the part out by themselves.
        let margin = if hypothesis.support < MANY { AROUND * hypothesis.size } else { 0.0 };
        let [left, top, right, bottom] = hypothesis.extent;
        let grown = |from: f32, to: f32| margin.max(0.5 * (LEAST_SIDE - (to - from)));
        let near = around(grown(left, right), grown(top, bottom));
        if explained(seen, near) {
            continue;
        }
        let Some(map) = laid(&hypothesis, near, output, reference) else { continue };
        let beyond = |from: f32, to: f32| grown(from, to) + BEYOND.0.max(BEYOND.1 * (to - from));
        let wide = around(beyond(left, right), beyond(top, bottom));
        let map = map.shifted(wide.x as f64, wide.y as f64);
        let (corner, piece) = surroundings(&reference.plane, &map, wide);
        let mut map = map;
        map.m[2] -= corner.0 as f64;
        map.m[5] -= corner.1 as f64;
        look(seen, Part { x: wide.x, y: wide.y, output: wide.of(&output.plane), reference: piece, map });
    }
}

/// The placement refined on what lies `near` its keypoints.
fn laid(hypothesis: &Hypothesis, near: Rectangle, output: &Searched, reference: &Searched) -> Option<Affine> {
    // What lies beyond the part pulls the placement away: a smaller window and a shorter way are tried as well.
    let tries = [(near.core(), 8), (near, 8), (near.core(), 0), (near.core().core(), 2)];
    let mut best: Option<(f64, Affine)> = None;
    for (window, rounds) in tries {
        if best.is_some_and(|(ncc, _)| ncc > SURE) {
            break;
        }
        let start = hypothesis.map.shifted(window.x as f64, window.y as f64);
        let stride = 1 + usize::from(window.width * window.height > LARGE);
        let field = refine(&window.of(&output.field), &reference.field, start, rounds, stride);
        let fine = refine(&window.of(&output.fine), &reference.fine, field.map, 4, stride);
        if best.is_none_or(|(ncc, _)| fine.ncc > ncc) {
            best = Some((fine.ncc, fine.map.shifted(-(window.x as f64), -(window.y as f64))));
        }
    }
    best.filter(|(ncc, _)| *ncc > FINE).map(|(_, map)| map)
}

/// `map`, a placement of `part`, refined on what lies in the `range` of x and y, as fractions of the part's sides.
pub fn nearer(part: &Part, map: Affine, range: [f64; 4]) -> Affine {
    let (width, height) = (part.output.width() as f32, part.output.height() as f32);
    let [left, right, top, bottom] = range.map(|v| v as f32);
    let extent = [left * width, top * height, right * width, bottom * height];
    let window = Rectangle::about(extent, AGAIN.0, AGAIN.0, &part.output);
    let stride = 1 + usize::from(window.width * window.height > LARGE);
    let output = window.of(&part.output);
    let mut map = map.shifted(window.x as f64, window.y as f64);
    for finer in AGAIN.1 {
        let [o, r] = [&output, &part.reference]
            .map(|p| gaussian(p, finer, 4.0).zip(&gaussian(p, 2.5 * finer, 3.0), |a, b| a - b));
        map = refine(&o, &r, map, AGAIN.2, stride).map;
    }
    map.shifted(-(window.x as f64), -(window.y as f64))
}

/// A window of a plane.
#[derive(Clone, Copy, Debug)]
pub struct Rectangle {
    pub x: usize,
    pub y: usize,
    pub width: usize,
    pub height: usize,
}

impl Rectangle {
    /// `extent` with so much around it, as far as `plane` goes.
    fn about([left, top, right, bottom]: [f32; 4], across: f32, down: f32, plane: &Plane) -> Rectangle {
        let clip = |v: f32, n: usize| v.clamp(0.0, n as f32) as usize;
        let (x, y) = (clip(left - across, plane.width()), clip(top - down, plane.height()));
        let (right, bottom) =
            (clip(right + across + 1.0, plane.width()), clip(bottom + down + 1.0, plane.height()));
        Rectangle { x, y, width: right.saturating_sub(x), height: bottom.saturating_sub(y) }
    }

    /// Its middle, of two thirds of its sides.
    fn core(&self) -> Rectangle {
        let (across, down) = (self.width / 6, self.height / 6);
        Rectangle {
            x: self.x + across,
            y: self.y + down,
            width: self.width - 2 * across,
            height: self.height - 2 * down,
        }
    }

    fn of(&self, plane: &Plane) -> Plane {
        crop(plane, self.x, self.y, self.width, self.height)
    }
}

fn crop(plane: &Plane, x: usize, y: usize, width: usize, height: usize) -> Plane {
    let (width, height) = (width.min(plane.width() - x), height.min(plane.height() - y));
    let mut data = Vec::with_capacity(width * height);
    (y..y + height).for_each(|row| data.extend_from_slice(&plane.row(row)[x..x + width]));
    Plane::new(width, height, data)
}

/// The piece of the reference under a part, with a margin, and its corner.
fn surroundings(reference: &Plane, map: &Affine, part: Rectangle) -> ((usize, usize), Plane) {
    let (w, h) = (part.width as f64, part.height as f64);
    let corners = [(0.0, 0.0), (w, 0.0), (0.0, h), (w, h)].map(|(x, y)| map.at(x, y));
    let margin = 16.0 * map.scale();
    let range = |values: [f64; 4], limit: usize| {
        let low = values.iter().copied().fold(f64::INFINITY, f64::min) - margin;
        let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max) + margin;
        let low = low.clamp(0.0, (limit - 1) as f64) as usize;
        (low, (high.clamp(0.0, limit as f64) as usize).max(low + 1))
    };
    let (x0, x1) = range(corners.map(|c| c.0), reference.width());
    let (y0, y1) = range(corners.map(|c| c.1), reference.height());
    ((x0, y0), crop(reference, x0, y0, x1 - x0, y1 - y0))
}
