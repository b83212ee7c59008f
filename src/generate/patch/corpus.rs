//! The patch corpus: bent, turned, mirrored and rescaled copies of the reference.
//!
//! Patches are drawn from these copies only, so that even an exact copy of a patch is no copy of pixels.

use std::f64::consts::FRAC_PI_2;

use rayon::prelude::*;

use crate::random::Stream;
use crate::raster::Plane;
use crate::raster::filter::mirror;

use super::image::{Image, resized};

/// Standard deviation of the bending, as a share of the short side.
const WARP: f64 = 0.018;
/// Turns beside quarters of one, in rad: at most, and at least of those that would else be upright.
const MOST_ASIDE: f64 = 0.5;
const LEAST_ASIDE: f64 = 0.3;
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

/// A place as it is kept.
fn fine(share: f32) -> u16 {
    (share * FINE) as u16
}

impl Copy {
    /// Of an image and, for every pixel of it, its place (y and x, 0..1) and how much of it lies outside, 0..=1.
    pub fn new(image: Image, y: &Plane, x: &Plane, outside: &Plane) -> Self {
        Copy {
            image,
            origins: y.data().iter().zip(x.data()).map(|(y, x)| [fine(*y), fine(*x)]).collect(),
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
/// by fours mirrored or not; unmirrored ones are turned by 0.3 rad at least. Those of a `directed` picture are not
/// turned, and every second one is mirrored.
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
    let mirrored = if directed { index % 2 == 1 } else { (index / 4) % 2 == 1 };
    let aside = match stream.range(0, -MOST_ASIDE, MOST_ASIDE) {
        // All but upright is as good as upright.
        near if index.is_multiple_of(4) && !mirrored => {
            LEAST_ASIDE.copysign(near) + near * (1.0 - LEAST_ASIDE / MOST_ASIDE)
        }
        any => any,
    };
    let angle = if turned { FRAC_PI_2 * (index % 4) as f64 + aside } else { 0.0 };
    let scale = if in_place { 1.0 } else { stream.range(1, -0.1, 0.1).exp() };
    let flip = if mirrored { -1.0 } else { 1.0 };
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
    let channels = reference.channels;
    let mut image = Image { width, height, channels, data: vec![0.0; width * height * channels] };
    let mut origins = vec![[0u16; 2]; width * height];
    let mut outside = vec![0u8; width * height];
    let wide = SmoothField::new(width, height, short / 3.0, bend, stream.child(1));
    let small = SmoothField::new(width, height, short / 9.0, 0.22 * bend, stream.child(2));
    let map = |x: usize, y: usize| {
        let (dy, dx) = ((y as f64 - cy) as f32, ((x as f64 - cx) * flip) as f32);
        let (wide, small) = (wide.at(x as f32, y as f32), small.at(x as f32, y as f32));
        (cos * dy - sin * dx + from_y + wide[0] + small[0], sin * dy + cos * dx + from_x + wide[1] + small[1])
    };
    let fold = |v: f32, n: usize| {
        let last = (n - 1) as f32;
        let v = v.rem_euclid(2.0 * last);
        (if v > last { 2.0 * last - v } else { v } / n as f32).clamp(0.0, 0.9999)
    };
    let (rows, columns) = (reference.height, reference.width);
    let beyond = |v: f32, n: usize| (-v).max(v - (n - 1) as f32);
    let lines = image.data.par_chunks_mut(width * channels);
    let lines = lines.zip(origins.par_chunks_mut(width)).zip(outside.par_chunks_mut(width));
    lines.enumerate().for_each(|(y, ((pixels, origins), outside))| {
        let pixels = pixels.chunks_exact_mut(channels).zip(origins).zip(outside);
        for (x, ((pixel, origin), outside)) in pixels.enumerate() {
            let (sy, sx) = map(x, y);
            cubic(reference, sy, sx, pixel);
            *origin = [fine(fold(sy, rows)), fine(fold(sx, columns))];
            *outside = if beyond(sy, rows).max(beyond(sx, columns)) > 2.0 { 255 } else { 0 };
        }
    });
    Copy { image, origins, outside }
}

/// Two smooth random components, y and x, with a joint standard deviation: normal numbers on a lattice, cubic
/// between.
pub struct SmoothField {
    nodes: Vec<[f32; 2]>,
    /// Nodes to a row.
    across: usize,
    /// Nodes to a pixel.
    scale: f32,
    /// Where pixel 0 lies on the lattice, y and x.
    from: [f32; 2],
}

/// Points to a side at which the deviation of a field is measured.
const MEASURED: usize = 64;

impl SmoothField {
    /// Over `width` × `height` pixels, with a node every `cell` of them, of deviation `std`.
    pub fn new(width: usize, height: usize, cell: f64, std: f64, stream: Stream) -> Self {
        // The picture ends before node ⌈n/cell⌉ + 1, for pixel 0 lies past the first, and the cubic takes three more.
        let nodes = |n: usize| (n as f64 / cell).ceil() as usize + 4;
        let (across, down) = (nodes(width), nodes(height));
        // Numbered so that a node is the same one at any size of the picture.
        let number = |i: usize| (((i / across) as u64) << 32) | (i % across) as u64;
        let normal = |i: usize, component: u64| stream.child(component).normal(number(i)) as f32;
        let nodes = (0..across * down).map(|i| [normal(i, 1), normal(i, 2)]).collect();
        let from = [3, 4].map(|draw| stream.child(draw).uniform(0) as f32);
        let mut field = SmoothField { nodes, across, scale: (1.0 / cell) as f32, from };
        let spread = field.spread(width, height);
        let gain = (std / (spread + 1e-6)) as f32;
        field.nodes.iter_mut().flatten().for_each(|v| *v *= gain);
        field
    }

    /// Joint standard deviation of both components.
    fn spread(&self, width: usize, height: usize) -> f64 {
        let along = |i: usize, n: usize| (i * (n - 1)) as f32 / (MEASURED - 1) as f32;
        let points: Vec<[f32; 2]> = (0..MEASURED * MEASURED)
            .map(|i| self.at(along(i % MEASURED, width), along(i / MEASURED, height)))
            .collect();
        let variance = |component: usize| {
            let values = points.iter().map(|point| f64::from(point[component]));
            let mean = values.clone().sum::<f64>() / points.len() as f64;
            values.map(|v| (v - mean).powi(2)).sum::<f64>() / points.len() as f64
        };
        ((variance(0) + variance(1)) / 2.0).sqrt()
    }

    /// Both components at a place inside.
    #[inline]
    pub fn at(&self, x: f32, y: f32) -> [f32; 2] {
        let (y, x) = (y * self.scale + self.from[0], x * self.scale + self.from[1]);
        let (wy, wx) = (weights(y.fract()), weights(x.fract()));
        let first = y as usize * self.across + x as usize;
        let mut sum = [0.0; 2];
        for (j, wy) in wy.iter().enumerate() {
            let row = &self.nodes[first + j * self.across..][..4];
            for (node, wx) in row.iter().zip(wx) {
                sum[0] += wy * wx * node[0];
                sum[1] += wy * wx * node[1];
            }
        }
        sum
    }
}

/// Catmull–Rom weights of the four points about a place that lies the share `t` between the middle two.
#[inline]
fn weights(t: f32) -> [f32; 4] {
    let (t2, t3) = (t * t, t * t * t);
    [-0.5 * t3 + t2 - 0.5 * t, 1.5 * t3 - 2.5 * t2 + 1.0, -1.5 * t3 + 2.0 * t2 + 0.5 * t, 0.5 * t3 - 0.5 * t2]
}

/// Catmull–Rom value of `image` at (y, x), mirrored outside.
pub fn cubic(image: &Image, y: f32, x: f32, out: &mut [f32]) {
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
    fn a_copy_is_the_same_one_at_any_size() {
        // Of a size whose lattices have a node less than those of the other.
        let [large, small] = [(481, 241), (241, 120)].map(|(width, height)| {
            let image = Image::from_planes(&[Plane::from_fn(width, height, |x, _| x as f32 / width as f32)]);
            copy(&image, (width, height), 9, 0.7, false, 5)
        });
        let small_again = large.resized(241, 120);
        for i in 0..241 * 120 {
            let ((y, x), (v, u)) = (small.origin(i), small_again.origin(i));
            // Where the border folds them, places jump.
            if small_again.outside(i) == 0.0 && small.outside(i) == 0.0 {
                assert!((y - v).abs() < 0.02 && (x - u).abs() < 0.02, "{i}: {y} {x}, {v} {u}");
            }
        }
    }

    #[test]
    fn no_unmirrored_copy_but_the_first_is_upright() {
        let reference = ramp();
        for (index, seed) in [8, 16].into_iter().flat_map(|k| (1..30).map(move |seed| (k, seed))) {
            let copy = copy(&reference, (60, 50), index, 0.7, false, seed);
            let [(y, x), (v, u)] = [20, 40].map(|at| copy.origin(25 * 60 + at));
            let angle = ((v - y) * 50.0).atan2((u - x) * 60.0);
            // Bending takes some of it back.
            assert!(angle.abs() > 0.1, "copy {index} of seed {seed} is turned by {angle}");
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
