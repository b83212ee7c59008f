//! Convolutions of 3×3 pixels by fewer products: four by four pixels at a time (Winograd 1980; Lavin and Gray 2016), with
//! a quarter of the multiplications. What is multiplied is always in f32: rounded to 16 bits it would be off by far more
//! than the numbers that it is made of, and products so few are as fast. Over the points 0, ±1/√2, ±√2 and ∞ results are off by some 3 millionths of the
//! largest; over the usual ones, 0, ±1, ±2 and ∞, it is five times as much.

use std::cell::Cell;

use rayon::prelude::*;

use super::conv::{Filters, Picture};
use super::pairs::Term;
use super::tile::{Out, Tile, multiply};
use super::vector::{Kernel, Vector, run, tile};

/// Pixels to a side of what is made at a time, and of what is seen for it.
const MADE: usize = 4;
const SEEN: usize = 6;
/// Products for each pair of channels.
const PRODUCTS: usize = SEEN * SEEN;
/// Bytes of filters and of pixels that are transformed at a time.
const FILTERS: usize = 40 << 20;
const PIXELS: usize = 16 << 20;
/// Panels of filters, and of squares, that one task multiplies.
const GROUP: usize = 2;
/// Squares below which the filters' own transform takes longer than it saves, beside products of single numbers and of
/// pairs.
const FEWEST: usize = 48;
const FEWEST_OF_PAIRS: usize = 160;
/// Channels below which transforms take longer than products.
const NARROWEST: usize = 24;

const A: f32 = std::f32::consts::FRAC_1_SQRT_2;
const B: f32 = std::f32::consts::SQRT_2;

/// Whether it is faster than the plain way. It goes by sizes alone, so that all threads and runs do the same.
pub fn is_worth<T: Term>(height: usize, width: usize, inputs: usize, outputs: usize) -> bool {
    let squares = height.div_ceil(MADE) * width.div_ceil(MADE);
    let fewest = if T::NUMBERS == 1 { FEWEST } else { FEWEST_OF_PAIRS };
    squares >= fewest && inputs >= NARROWEST && outputs >= NARROWEST
}

/// Adds what filters of 3×3 pixels make of a picture of four channels at least, or of eight in pairs, to `made`,
/// (outputs, height, width).
pub fn convolve<T: Term>(x: Picture, filters: &Filters<T>, made: &mut [f32]) {
    let (inputs, outputs) = (filters.packed.depth() / 9 * T::NUMBERS, filters.packed.rows());
    let [height, columns] = tile();
    let across = x.width.div_ceil(MADE);
    let squares = across * x.height.div_ceil(MADE);
    let panels = squares.div_ceil(columns);
    let plane = x.height * x.width;
    let out = Out::within(made, 0, plane, outputs, plane);
    let bytes = |width: usize| PRODUCTS * inputs * width * size_of::<f32>();
    let some_filters = (FILTERS / bytes(height)).clamp(1, filters.packed.panels());
    let some_pixels = (PIXELS / bytes(columns)).clamp(1, panels);
    let of_panel = |width: usize| (PRODUCTS * inputs * width).max(1);
    let [mut u, mut v] = ROOM.take();
    u.resize(u.len().max(some_filters * of_panel(height)), 0.0);
    v.resize(v.len().max(some_pixels * of_panel(columns)), 0.0);
    if x.numbers.len() < inputs * plane {
        // Channels that fill up the last term are not written to.
        v.fill(0.0);
    }
    for first_filter in (0..filters.packed.panels()).step_by(some_filters) {
        let filter_panels = some_filters.min(filters.packed.panels() - first_filter);
        u.par_chunks_mut(of_panel(height)).take(filter_panels).enumerate().for_each(|(i, to)| {
            let (from, height) = filters.packed.panel(first_filter + i);
            run(TransformFilters { from, to: &mut to[..of_panel(height)] });
        });
        for first_panel in (0..panels).step_by(some_pixels) {
            let pixel_panels = some_pixels.min(panels - first_panel);
            v.par_chunks_mut(of_panel(columns)).take(pixel_panels).enumerate().for_each(|(i, to)| {
                // A few channels at a time would split it further; panels are enough for all threads that there are.
                let first = (first_panel + i) * columns;
                run(TransformPixels { x, to, inputs, numbers: T::NUMBERS, across, first });
            });
            let (down, over) = (filter_panels.div_ceil(GROUP), pixel_panels.div_ceil(GROUP));
            (0..down * over).into_par_iter().for_each(|task| {
                let (i, j) = (task % down * GROUP, task / down * GROUP);
                run(Multiply {
                    u: &u[i * of_panel(height)..],
                    v: &v[j * of_panel(columns)..],
                    filters,
                    inputs,
                    filter: first_filter + i,
                    filter_panels: GROUP.min(filter_panels - i),
                    panel: first_panel + j,
                    pixel_panels: GROUP.min(pixel_panels - j),
                    sides: [x.height, x.width],
                    across,
                    out,
                });
            });
        }
    }
    ROOM.set([u, v]);
}

thread_local! {
    /// What was transformed last: each page of new memory costs a fault.
    static ROOM: Cell<[Vec<f32>; 2]> = const { Cell::new([Vec::new(), Vec::new()]) };
}

/// Nine numbers to 36, for a panel of filters.
struct TransformFilters<'a, T> {
    from: &'a [T],
    to: &'a mut [f32],
}

impl<T: Term> Kernel for TransformFilters<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        let count = self.from.len() / 9;
        let mut at = 0;
        while at < count {
            // The last numbers are taken once more with those before them, if there are not as many as a vector has.
            let here = at.min(count.saturating_sub(V::LEN));
            let mut g = [[V::all(0.0); 3]; 3];
            for number in 0..T::NUMBERS {
                for (place, g) in g.iter_mut().flatten().enumerate() {
                    *g = T::wide(&self.from[place * count + here..], number);
                }
                let down = [0, 1, 2].map(|j| filter([g[0][j], g[1][j], g[2][j]]));
                for i in 0..SEEN {
                    let row = filter(down.map(|column| column[i]));
                    for (j, x) in row.into_iter().enumerate() {
                        let product = i * SEEN + j;
                        x.put(&mut self.to[(product * T::NUMBERS + number) * count + here..]);
                    }
                }
            }
            at += V::LEN;
        }
    }
}

#[inline(always)]
fn filter<V: Vector>(g: [V; 3]) -> [V; SEEN] {
    const THIRD: f32 = -1.0 / 1.5;
    const SIXTH: f32 = 1.0 / 6.0;
    let near = g[2].fma(V::all(0.5), g[0]).mul(V::all(THIRD));
    let far = g[2].fma(V::all(2.0), g[0]).mul(V::all(SIXTH));
    let (near_odd, far_odd) = (g[1].mul(V::all(A * THIRD)), g[1].mul(V::all(B * SIXTH)));
    [g[0], near.add(near_odd), near.sub(near_odd), far.add(far_odd), far.sub(far_odd), g[2]]
}

/// What the squares of a panel see, of all channels.
struct TransformPixels<'a> {
    x: Picture<'a>,
    to: &'a mut [f32],
    /// Those that filters have, filled up to whole terms.
    inputs: usize,
    /// Numbers of a term: channels go by the first ones of all terms, and then by the second.
    numbers: usize,
    across: usize,
    first: usize,
}

impl Kernel for TransformPixels<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        let Picture { numbers, height, width } = self.x;
        let columns = 2 * V::LEN;
        let squares = self.across * height.div_ceil(MADE);
        let until = squares.min(self.first + columns);
        let mut line = vec![0.0f32; MADE * self.across + 2];
        let mut seen = [0.0f32; PRODUCTS * 32];
        for (channel, plane) in numbers.chunks_exact(height * width).enumerate() {
            let place = channel % self.numbers * (self.inputs / self.numbers) + channel / self.numbers;
            let mut square = self.first;
            while square < until {
                let (y, x) = (square / self.across, square % self.across);
                let here = (self.across - x).min(until - square);
                for i in 0..SEEN {
                    match (MADE * y + i).checked_sub(1).filter(|row| *row < height) {
                        Some(row) => line[1..=width].copy_from_slice(&plane[row * width..][..width]),
                        None => line[1..=width].fill(0.0),
                    }
                    let from = &line[MADE * x..][..MADE * here + 2];
                    let lane = square - self.first;
                    for j in 0..SEEN {
                        let to = &mut seen[(i * SEEN + j) * columns + lane..][..here];
                        to.iter_mut().zip(from[j..].iter().step_by(MADE)).for_each(|(to, from)| *to = *from);
                    }
                }
                square += here;
            }
            for half in [0, V::LEN] {
                let mut down = [[V::all(0.0); SEEN]; SEEN];
                for (j, down) in down.iter_mut().enumerate() {
                    let mut d = [V::all(0.0); SEEN];
                    for (i, d) in d.iter_mut().enumerate() {
                        *d = V::of(&seen[(i * SEEN + j) * columns + half..]);
                    }
                    *down = pixel(d);
                }
                for i in 0..SEEN {
                    let row = pixel(down.map(|column| column[i]));
                    for (j, x) in row.into_iter().enumerate() {
                        let product = i * SEEN + j;
                        x.put(&mut self.to[(product * self.inputs + place) * columns + half..]);
                    }
                }
            }
        }
    }
}

#[inline(always)]
fn pixel<V: Vector>(d: [V; SEEN]) -> [V; SEEN] {
    let (near, near_odd) = (d[2].fma(V::all(-2.0), d[4]), d[1].fma(V::all(-2.0), d[3]).mul(V::all(A)));
    let (far, far_odd) = (d[2].fma(V::all(-0.5), d[4]), d[1].fma(V::all(-0.5), d[3]).mul(V::all(B)));
    let ends = [d[2].fma(V::all(-2.5), d[0].add(d[4])), d[3].fma(V::all(-2.5), d[1].add(d[5]))];
    [ends[0], near.add(near_odd), near.sub(near_odd), far.add(far_odd), far.sub(far_odd), ends[1]]
}

/// A few panels of filters with a few of squares: no other task makes these pixels of these channels.
struct Multiply<'a, T> {
    u: &'a [f32],
    v: &'a [f32],
    filters: &'a Filters<T>,
    inputs: usize,
    filter: usize,
    filter_panels: usize,
    panel: usize,
    pixel_panels: usize,
    sides: [usize; 2],
    across: usize,
    out: Out,
}

impl<T: Term> Kernel for Multiply<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        let (inputs, columns) = (self.inputs, 2 * V::LEN);
        let of_square = PRODUCTS * V::ROWS * columns;
        let mut products = vec![0.0f32; GROUP * GROUP * of_square];
        for product in 0..PRODUCTS {
            for j in 0..self.pixel_panels {
                let right = &self.v[(j * PRODUCTS + product) * inputs * columns..];
                for i in 0..self.filter_panels {
                    let (_, height) = self.filters.packed.panel(self.filter + i);
                    let left = i * PRODUCTS * inputs * V::ROWS + product * inputs * height;
                    let tile = Tile { terms: inputs, height, rows: height, columns, add: false, bias: &[] };
                    let at = (i * GROUP + j) * of_square + product * V::ROWS * columns;
                    // SAFETY: a tile has this room, and this thread alone.
                    unsafe {
                        let to = products[at..at + height * columns].as_mut_ptr();
                        multiply::<V, f32>(&tile, &self.u[left..], right, to, columns);
                    }
                }
            }
        }
        for i in 0..self.filter_panels {
            let row = (self.filter + i) * V::ROWS;
            for (k, row) in (row..self.filters.packed.rows().min(row + V::ROWS)).enumerate() {
                for j in 0..self.pixel_panels {
                    let products = &products[(i * GROUP + j) * of_square + k * columns..];
                    for half in [0, V::LEN] {
                        let first = (self.panel + j) * columns + half;
                        self.put::<V>(&products[half..], row, first);
                    }
                }
            }
        }
    }
}

impl<T: Term> Multiply<'_, T> {
    /// Adds the pixels of one channel and as many squares as a vector has.
    #[inline(always)]
    fn put<V: Vector>(&self, products: &[f32], channel: usize, first: usize) {
        let columns = 2 * V::LEN;
        let mut down = [[V::all(0.0); MADE]; SEEN];
        for (j, down) in down.iter_mut().enumerate() {
            let mut m = [V::all(0.0); SEEN];
            for (i, m) in m.iter_mut().enumerate() {
                *m = V::of(&products[(i * SEEN + j) * V::ROWS * columns..]);
            }
            *down = made(m);
        }
        let [height, width] = self.sides;
        let until = (self.across * height.div_ceil(MADE)).min(first + V::LEN);
        for i in 0..MADE {
            let row = made(down.map(|column| column[i]));
            let mut line = [0.0f32; MADE * 16];
            let mut lanes = [[0.0f32; 16]; MADE];
            for (lanes, x) in lanes.iter_mut().zip(row) {
                x.put(lanes);
            }
            for (lane, four) in line.chunks_exact_mut(MADE).enumerate() {
                four.copy_from_slice(&[lanes[0][lane], lanes[1][lane], lanes[2][lane], lanes[3][lane]]);
            }
            let mut square = first;
            while square < until {
                let (y, x) = (MADE * (square / self.across) + i, square % self.across);
                let here = (self.across - x).min(until - square);
                let from = &line[MADE * (square - first)..][..(MADE * here).min(width - MADE * x)];
                if y < height {
                    // SAFETY: these pixels are there, and those of this task's squares.
                    let to = unsafe { self.out.row(channel, y * width + MADE * x, from.len()) };
                    to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
                }
                square += here;
            }
        }
    }
}

#[inline(always)]
fn made<V: Vector>(m: [V; SEEN]) -> [V; MADE] {
    let (near, near_odd, far, far_odd) = (m[1].add(m[2]), m[1].sub(m[2]), m[3].add(m[4]), m[3].sub(m[4]));
    [
        m[0].add(near).add(far),
        near_odd.mul(V::all(A)).add(far_odd.mul(V::all(B))),
        near.mul(V::all(0.5)).add(far.mul(V::all(2.0))),
        near_odd.mul(V::all(A * 0.5)).add(far_odd.fma(V::all(B * 2.0), m[5])),
    ]
}
