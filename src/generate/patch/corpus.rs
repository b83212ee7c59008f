//! The patch corpus: bent, turned, mirrored and rescaled copies of the reference.
//!
//! Patches are drawn from these copies only, so that even an exact copy of a patch is no copy of pixels.

use std::f64::consts::FRAC_PI_2;

use rayon::prelude::*;

use crate::random::Stream;
use crate::raster::filter::mirror;
use crate::raster::{Kernel, Plane, resize};

use super::image::{Image, resized};

/// Standard deviation of the bending, as a share of the short side.
const WARP: f64 = 0.018;
/// Pixels above which fewer copies do: a large picture has patches enough, and memory counts.
const LARGE: usize = 200_000;

/// Steps from 0 to 1 in which places are kept.
const FINE: f32 = 65_536.0;

/// One copy of the reference and where its pixels come from.
#[derive(Clone)]
pub struct Copy {
    pub image: Image,
    /// Place of every pixel in the reference: its y and x as shares of height and width, in 65536ths.
    origins: Vec<[u16; 2]>,
    /// How much of every pixel lies outside the reference and is mirrored, in 255ths.
    outside: Vec<u8>,
}

impl Copy {
    /// Of an image and, for every pixel of it, its place (y and x, 0..1) and how much of it lies outside, 0..=1.
    pub fn new(image: Image, y: &Plane, x: &Plane, outside: &Plane) -> Self {
        let fine = |share: &f32| (share * FINE) as u16;
        Copy {
            image,
            origins: y.data().iter().zip(x.data()).map(|(y, x)| [fine(y), fine(x)]).collect(),
            outside: outside.data().iter().map(|o| (o * 255.0).round() as u8).collect(),
        }
    }

    /// The copy at another size.
    pub fn resized(&self, width: usize, height: usize) -> Copy {
        let plane = |value: &dyn Fn(usize) -> f32| {
            let across = self.image.width;
            let plane = Plane::from_fn(across, self.image.height, |x, y| value(y * across + x));
            resized(&plane, width, height)
        };
        Copy::new(
            self.image.resized(width, height),
            &plane(&|at| self.origin(at).0),
            &plane(&|at| self.origin(at).1),
            &plane(&|at| self.outside(at)),
        )
    }

    /// Place of pixel `at` in the reference: shares of its height and width.
    #[inline]
    pub fn origin(&self, at: usize) -> (f32, f32) {
        let share = |v: u16| (f32::from(v) + 0.5) / FINE;
        let [y, x] = self.origins[at];
        (share(y), share(x))
    }

    /// How much of pixel `at` lies outside the reference, 0..=1.
    #[inline]
    pub fn outside(&self, at: usize) -> f32 {
        f32::from(self.outside[at]) / 255.0
    }
}

/// How many copies a picture of `pixels` gets.
pub fn copies(pixels: usize) -> usize {
    if pixels > LARGE { 4 } else { 6 }
}

/// Copy `index` of `reference` on a `canvas` (width, height) whose middle is that of the reference; what
/// lies beyond the reference is mirrored and marked. Copy 0 is upright and in place, bent by the share `drift` (0..=1) of
/// what the others are; the others are turned by quarter turns ± 0.5 rad, scaled by up to 10 %, and
/// mirrored from the fifth on. Those of a `directed` picture are not turned, and every second one is mirrored.
pub fn copy(
    reference: &Image,
    canvas: (usize, usize),
    index: usize,
    drift: f64,
    directed: bool,
    seed: u64,
) -> Copy {
    let stream = Stream::new(seed, "patch corpus").child(index as u64);
    let (width, height) = canvas;
    let short = reference.width.min(reference.height) as f64;
    let in_place = index == 0;
    let bend = WARP * short * if in_place { drift } else { 1.0 };
    let turned = !in_place && !directed;
    let angle = if turned { FRAC_PI_2 * (index % 4) as f64 + stream.range(0, -0.5, 0.5) } else { 0.0 };
    let scale = if in_place { 1.0 } else { stream.range(1, -0.1, 0.1).exp() };
    let mirrored = if directed { index % 2 == 1 } else { (index / 4) % 2 == 1 };
    let flip = if mirrored { -1.0 } else { 1.0 };
    let wide = SmoothField::new(width, height, short / 3.0, bend, stream.child(1));
    let fine = SmoothField::new(width, height, short / 9.0, 0.22 * bend, stream.child(2));
    let middle = |n: usize| (n - 1) as f64 / 2.0;
    let (cy, cx) = (middle(height), middle(width));
    // A copy that shows less than the reference along one side shows a part of it that is drawn by lot, so that
    // all copies together show all of it.
    let (across, down) = if turned && index % 2 == 1 { (height, width) } else { (width, height) };
    let from = |n: usize, shown: usize, draw: u64| {
        let spare = if in_place { 0.0 } else { n.saturating_sub(shown) as f64 / 2.0 };
        (middle(n) + if spare > 0.0 { stream.range(draw, -spare, spare) } else { 0.0 }) as f32
    };
    let (from_y, from_x) = (from(reference.height, down, 2), from(reference.width, across, 3));
    let (cos, sin) = ((scale * angle.cos()) as f32, (scale * angle.sin()) as f32);
    let map = |x: usize, y: usize| {
        let (dy, dx) = ((y as f64 - cy) as f32, ((x as f64 - cx) * flip) as f32);
        let bend_y = wide.dy.at(x, y) + fine.dy.at(x, y);
        let bend_x = wide.dx.at(x, y) + fine.dx.at(x, y);
        (cos * dy - sin * dx + from_y + bend_y, sin * dy + cos * dx + from_x + bend_x)
    };

    let channels = reference.channels;
    let mut image = Image { width, height, channels, data: vec![0.0; width * height * channels] };
    image.data.par_chunks_mut(width * channels).enumerate().for_each(|(y, row)| {
        for (x, pixel) in row.chunks_exact_mut(channels).enumerate() {
            let (sy, sx) = map(x, y);
            cubic(reference, sy, sx, pixel);
        }
    });
    let fold = |v: f32, n: usize| {
        let last = (n - 1) as f32;
        let v = v.rem_euclid(2.0 * last);
        (if v > last { 2.0 * last - v } else { v } / n as f32).clamp(0.0, 0.9999)
    };
    let (rows, columns) = (reference.height, reference.width);
    let beyond = |v: f32, n: usize| (-v).max(v - (n - 1) as f32);
    let origin_y = Plane::from_fn(width, height, |x, y| fold(map(x, y).0, rows));
    let origin_x = Plane::from_fn(width, height, |x, y| fold(map(x, y).1, columns));
    let outside = Plane::from_fn(width, height, |x, y| {
        let (sy, sx) = map(x, y);
        if beyond(sy, rows).max(beyond(sx, columns)) > 2.0 { 1.0 } else { 0.0 }
    });
    Copy::new(image, &origin_y, &origin_x, &outside)
}

/// Two smooth random components with a joint standard deviation.
struct SmoothField {
    dy: Plane,
    dx: Plane,
}

impl SmoothField {
    /// Normal numbers on a lattice of `cell` pixels, cubic between, scaled to deviation `std`.
    fn new(width: usize, height: usize, cell: f64, std: f64, stream: Stream) -> Self {
        let nodes = |n: usize| (n as f64 / cell).ceil() as usize + 3;
        let (across, down) = (nodes(width), nodes(height));
        let margin = |n: usize, nodes: usize, stream: Stream| {
            let spare = (nodes as f64 * cell) as usize - n;
            stream.below(0, spare.max(1) as u64) as usize
        };
        let (x0, y0) = (margin(width, across, stream.child(3)), margin(height, down, stream.child(4)));
        let component = |stream: Stream| {
            let lattice = Plane::from_fn(across, down, |x, y| stream.normal((y * across + x) as u64) as f32);
            let (w, h) = ((across as f64 * cell) as usize, (down as f64 * cell) as usize);
            let full = resize(&lattice, w, h, Kernel::Cubic);
            Plane::from_fn(width, height, |x, y| full.at(x + x0, y + y0))
        };
        let (dy, dx) = (component(stream.child(1)), component(stream.child(2)));
        let spread = ((dy.std().powi(2) + dx.std().powi(2)) / 2.0).sqrt();
        let gain = (std / (spread + 1e-6)) as f32;
        SmoothField { dy: dy.map(|v| v * gain), dx: dx.map(|v| v * gain) }
    }
}

/// Catmull–Rom value of `image` at (y, x), mirrored outside.
fn cubic(image: &Image, y: f32, x: f32, out: &mut [f32]) {
    let weights = |t: f32| {
        let (t2, t3) = (t * t, t * t * t);
        [
            -0.5 * t3 + t2 - 0.5 * t,
            1.5 * t3 - 2.5 * t2 + 1.0,
            -1.5 * t3 + 2.0 * t2 + 0.5 * t,
            0.5 * t3 - 0.5 * t2,
        ]
    };
    let (y0, x0) = (y.floor(), x.floor());
    let (wy, wx) = (weights(y - y0), weights(x - x0));
    let columns = [-1, 0, 1, 2].map(|i| mirror(x0 as isize + i, image.width));
    out.fill(0.0);
    for (j, wy) in wy.iter().enumerate() {
        let row = mirror(y0 as isize + j as isize - 1, image.height) * image.width;
        for (column, wx) in columns.iter().zip(wx) {
            let at = (row + column) * image.channels;
            for (o, v) in out.iter_mut().zip(&image.data[at..]) {
                *o += wy * wx * v;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp() -> Image {
        Image::from_planes(&[Plane::from_fn(60, 50, |x, y| x as f32 + 0.1 * y as f32)])
    }

    #[test]
    fn a_copy_knows_where_its_pixels_come_from() {
        let reference = ramp();
        for index in 0..6 {
            let copy = copy(&reference, (60, 50), index, 0.7, false, 5);
            for i in 0..60 * 50 {
                let (y, x) = (copy.origin(i).0 * 50.0, copy.origin(i).1 * 60.0);
                let inside = copy.outside(i) == 0.0 && (3.0..46.0).contains(&y) && (3.0..56.0).contains(&x);
                if inside {
                    assert!((copy.image.data[i] - (x + 0.1 * y)).abs() < 0.05, "copy {index}");
                }
            }
        }
    }

    #[test]
    fn copies_of_a_directed_picture_keep_their_up_and_down() {
        let reference = ramp();
        for index in 0..6 {
            let copy = copy(&reference, (60, 50), index, 0.7, true, 5);
            let down = copy.origin(40 * 60 + 30).0 - copy.origin(10 * 60 + 30).0;
            let right = copy.origin(25 * 60 + 40).1 - copy.origin(25 * 60 + 20).1;
            assert!(down > 0.4, "copy {index}: {down}");
            assert_eq!(right < 0.0, index % 2 == 1, "copy {index}: {right}");
        }
    }

    #[test]
    fn the_first_copy_stays_in_place_and_no_copy_is_the_reference() {
        let reference = ramp();
        let first = copy(&reference, (60, 50), 0, 0.5, false, 5);
        let shift: f32 =
            first.image.data.iter().zip(&reference.data).map(|(a, b)| (a - b).abs()).sum::<f32>() / 3000.0;
        assert!((0.05..3.0).contains(&shift), "{shift}");
    }
}
