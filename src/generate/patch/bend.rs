//! Bending of the whole scene: a new arrangement of the same things. What noise would have to break
//! apart, one long filament among plain ground, stays whole in it.

use rayon::prelude::*;

use crate::random::Stream;

use super::corpus::{SmoothField, cubic};
use super::field::{Field, Match};
use super::image::Image;

/// Lattice of the bending, as a share of the short side.
const CELL: f64 = 0.7;
/// Most of the way to the nearest border that anything comes along: nothing is pulled in from outside, and no two
/// places at the border show the same.
const REACH: f32 = 0.8;
/// Least area that the bending may leave of a small square, and share of the short side within which of two borders it
/// may leave less: a corner is pressed from two sides by whatever goes towards it, however little that is.
const LEAST_AREA: f32 = 0.2;
const CORNER: f64 = 0.15;
/// Pixels between which the bending is as good as straight.
const STRIDE: usize = 4;

/// Where the things of the picture come from in the upright copy.
pub struct Bend {
    field: SmoothField,
    /// Size for which the field is laid out.
    size: (usize, usize),
    /// Standard deviation in pixels of that size, where no border holds it.
    amplitude: f32,
}

impl Bend {
    /// By the `share` of the short side (standard deviation), for a picture of this size.
    pub fn new(size: (usize, usize), share: f64, stream: Stream) -> Self {
        let (width, height) = size;
        let short = width.min(height) as f64;
        let field = SmoothField::new(width, height, CELL * short, 1.0, stream);
        Bend { field, size, amplitude: (share * short) as f32 }
    }

    /// Place in the upright copy of what stands at (x, y): y and x, in pixels of the field's size.
    fn place(&self, x: f32, y: f32) -> (f32, f32) {
        let (width, height) = self.size;
        let last = |n: usize| (n - 1) as f32;
        let along = |v: f32, by: f32, last: f32| {
            let (by, most) = (self.amplitude * by, REACH * v.min(last - v));
            v + by * most / by.hypot(most).max(f32::MIN_POSITIVE)
        };
        let [by_y, by_x] = self.field.at(x, y);
        (along(y, by_y, last(height)), along(x, by_x, last(width)))
    }

    /// Whether something is shown twice, or pressed together until nothing can be seen of it.
    pub fn folds(&self) -> bool {
        let (width, height) = self.size;
        let at = |y: usize, x: usize| self.place(x as f32, y as f32);
        let reach = (CORNER * width.min(height) as f64) as usize;
        let near = |v: usize, n: usize| v.min(n - v) <= reach;
        (1..height).into_par_iter().any(|y| {
            (1..width).any(|x| {
                let (here, left, above) = (at(y, x), at(y, x - 1), at(y - 1, x));
                let (across, down) =
                    ((here.0 - left.0, here.1 - left.1), (here.0 - above.0, here.1 - above.1));
                let least = if near(x, width) && near(y, height) { 0.0 } else { LEAST_AREA };
                across.1 * down.0 - across.0 * down.1 < least
            })
        })
    }

    /// The same for every pixel of row `y` of a picture of another size, in its pixels.
    pub fn row(&self, y: usize, (width, height): (usize, usize)) -> Vec<(f32, f32)> {
        let (across, down) = (self.size.0 as f32 / width as f32, self.size.1 as f32 / height as f32);
        let most = |n: usize| (n - 1) as f32;
        // Pixels cover areas: their middles are half a pixel in.
        let there = |v: usize, scale: f32, n: usize| ((v as f32 + 0.5) * scale - 0.5).clamp(0.0, most(n));
        let back = |v: f32, scale: f32, n: usize| ((v + 0.5) / scale - 0.5).clamp(0.0, most(n));
        let node = |x: usize| {
            let x = x.min(width - 1);
            let (sy, sx) = self.place(there(x, across, self.size.0), there(y, down, self.size.1));
            (back(sy, down, height), back(sx, across, width))
        };
        let mut row = Vec::with_capacity(width);
        let (mut from, mut to) = (node(0), node(0));
        for x in 0..width {
            let past = x % STRIDE;
            if past == 0 {
                (from, to) = (if x == 0 { from } else { to }, node(x + STRIDE));
            }
            let share = past as f32 / STRIDE.min(width - 1 - (x - past)).max(1) as f32;
            row.push((from.0 + share * (to.0 - from.0), from.1 + share * (to.1 - from.1)));
        }
        row
    }

    /// `upright`, bent.
    pub fn image(&self, upright: &Image) -> Image {
        let mut bent = upright.clone();
        let (size, channels) = ((upright.width, upright.height), upright.channels);
        bent.data.par_chunks_mut(upright.width * channels).enumerate().for_each(|(y, values)| {
            let places = self.row(y, size);
            for (pixel, (sy, sx)) in values.chunks_exact_mut(channels).zip(places) {
                cubic(upright, sy, sx, pixel);
            }
        });
        bent
    }

    /// Every pixel matched with its place in copy 0.
    pub fn field(&self, size: (usize, usize)) -> Field {
        let rows = (0..size.1).flat_map(|y| self.row(y, size));
        let matches = rows.map(|(y, x)| Match { copy: 0, y: y.round() as u16, x: x.round() as u16 });
        Field { width: size.0, height: size.1, matches: matches.collect(), distances: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raster::Plane;

    #[test]
    fn nothing_is_pulled_in_from_outside_and_the_middle_moves() {
        let bend = Bend::new((64, 40), 0.1, Stream::new(3, "bend"));
        for y in [0, 39] {
            assert!(bend.row(y, (64, 40)).iter().all(|place| place.0 == y as f32), "row {y}");
        }
        for y in 0..40 {
            let row = bend.row(y, (64, 40));
            assert!(row[0].1 == 0.0 && row[63].1 == 63.0, "row {y}: {row:?}");
        }
        let moved = |(x, place): (usize, &(f32, f32))| (place.1 - x as f32).hypot(place.0 - 20.0);
        let most = bend.row(20, (64, 40)).iter().enumerate().map(moved).fold(0.0, f32::max);
        assert!((2.0..20.0).contains(&most), "{most}");
    }

    #[test]
    fn nothing_at_the_border_is_shown_twice_however_much_is_bent() {
        for seed in 0..20 {
            let bend = Bend::new((64, 40), 0.15, Stream::new(seed, "bend"));
            let (top, left) = (bend.row(1, (64, 40)), bend.row(20, (64, 40)));
            assert!(top.iter().all(|place| place.0 > 0.1), "{seed}: {top:?}");
            assert!(left[1].1 > 0.1 && left[62].1 < 62.9, "{seed}: {left:?}");
        }
    }

    #[test]
    fn what_is_bent_too_much_folds() {
        let folds =
            |share: f64| move |seed: &u64| Bend::new((64, 40), share, Stream::new(*seed, "bend")).folds();
        let (little, much) = ((1..9).filter(folds(0.02)).count(), (1..9).filter(folds(0.6)).count());
        assert!(little == 0 && much > 4, "{little} {much}");
    }

    #[test]
    fn a_finer_picture_is_bent_alike() {
        let bend = Bend::new((64, 40), 0.1, Stream::new(4, "bend"));
        let (coarse, fine) = (bend.row(20, (64, 40)), bend.row(61, (192, 120)));
        for x in 8..56 {
            let ((y, at), (fine_y, fine_at)) = (coarse[x], fine[3 * x + 1]);
            let apart = (fine_at - (3.0 * at + 1.0)).abs().max((fine_y - (3.0 * y + 1.0)).abs());
            assert!(apart < 3.0, "{x}: {apart}, a pixel of the coarser one is 3");
        }
    }

    #[test]
    fn a_bent_picture_shows_what_lies_at_its_places() {
        let ramp = Plane::from_fn(64, 40, |x, y| x as f32 + 0.1 * y as f32);
        let bend = Bend::new((64, 40), 0.08, Stream::new(5, "bend"));
        let bent = bend.image(&Image::from_planes(&[ramp]));
        let field = bend.field((64, 40));
        for (y, x) in [(20, 30), (12, 40), (30, 20)] {
            let (sy, sx) = bend.row(y, (64, 40))[x];
            assert!((bent.data[y * 64 + x] - (sx + 0.1 * sy)).abs() < 0.01);
            let found = field.matches[y * 64 + x];
            assert!((f32::from(found.y) - sy).abs() <= 0.5 && (f32::from(found.x) - sx).abs() <= 0.5);
        }
    }
}
