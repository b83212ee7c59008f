//! Numbers brought to mean 0 and deviation 1.

use rayon::prelude::*;

use super::activations::Activation;
use super::vector::{Kernel, Vector, run};

/// Numbers whose mean and squares are taken together, while they are in the nearest cache.
const PIECE: usize = 4096;
/// Numbers of rows that one thread takes at a time.
const STRIP: usize = 16 << 10;

/// Groups of channels of one picture, (channels, pixels), each with a factor and a summand of its own; and then the
/// activation.
pub fn group_norm(
    x: &[f32],
    [groups, pixels]: [usize; 2],
    [scale, shift]: [&[f32]; 2],
    epsilon: f64,
    activation: Option<Activation>,
) -> Vec<f32> {
    let mut made = vec![0.0; x.len()];
    let own = scale.len() / groups.max(1);
    let group = (own * pixels).max(1);
    made.par_chunks_mut(group).zip(x.par_chunks(group)).enumerate().for_each(|(i, (made, x))| {
        let first = i % groups * own;
        let (scale, shift) = (&scale[first..first + own], &shift[first..first + own]);
        run(Group { x, made, scale, shift, epsilon, activation });
    });
    made
}

struct Group<'a> {
    x: &'a [f32],
    made: &'a mut [f32],
    scale: &'a [f32],
    shift: &'a [f32],
    epsilon: f64,
    activation: Option<Activation>,
}

impl Kernel for Group<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        let (mean, variance) = moments::<V>(self.x);
        let inverse = 1.0 / (variance + self.epsilon).sqrt();
        let pixels = (self.x.len() / self.scale.len().max(1)).max(1);
        let channels = self.x.chunks_exact(pixels).zip(self.made.chunks_exact_mut(pixels));
        for ((x, made), (scale, shift)) in channels.zip(self.scale.iter().zip(self.shift)) {
            let factor = f64::from(*scale) * inverse;
            let summand = (f64::from(*shift) - mean * factor) as f32;
            let line = Line { factor: V::all(factor as f32), summand: V::all(summand) };
            line.each(x, made, self.activation);
        }
    }
}

/// Mean and variance.
#[inline(always)]
fn moments<V: Vector>(x: &[f32]) -> (f64, f64) {
    let (mut count, mut mean, mut squares) = (0.0, 0.0, 0.0);
    for piece in x.chunks(PIECE) {
        let here = piece.len() as f64;
        let own_mean = sum::<V, false>(piece, V::all(0.0)) / here;
        let centre = V::all(own_mean as f32);
        let off = f64::from(own_mean as f32) - own_mean;
        let own_squares = sum::<V, true>(piece, centre) - here * off * off;
        // Two pieces as one (Chan, Golub and LeVeque 1979).
        let (all, apart) = (count + here, own_mean - mean);
        squares += own_squares + apart * apart * count * here / all;
        mean += apart * here / all;
        count = all;
    }
    (mean, (squares / f64::max(count, 1.0)).max(0.0))
}

/// The sum of all numbers, or of the squares of their distances from the centre.
#[inline(always)]
fn sum<V: Vector, const SQUARED: bool>(x: &[f32], centre: V) -> f64 {
    let mut sums = [V::all(0.0); 4];
    let fours = x.chunks_exact(4 * V::LEN);
    let (rest, mut total) = (fours.remainder(), 0.0f64);
    for four in fours {
        for (i, sum) in sums.iter_mut().enumerate() {
            let x = V::of(&four[i * V::LEN..]);
            *sum = if SQUARED { x.sub(centre).fma(x.sub(centre), *sum) } else { sum.add(x) };
        }
    }
    let mut lanes = [0.0f32; 16];
    sums[0].add(sums[1]).add(sums[2].add(sums[3])).put(&mut lanes);
    total += lanes[..V::LEN].iter().map(|lane| f64::from(*lane)).sum::<f64>();
    centre.put(&mut lanes);
    for x in rest {
        let far = x - lanes[0];
        total += f64::from(if SQUARED { far * far } else { *x });
    }
    total
}

/// What numbers are multiplied by, and what is added.
struct Line<V> {
    factor: V,
    summand: V,
}

impl<V: Vector> Line<V> {
    #[inline(always)]
    fn of(&self, x: V, activation: Option<Activation>) -> V {
        let normal = x.fma(self.factor, self.summand);
        match activation {
            Some(activation) => activation.of(normal),
            None => normal,
        }
    }

    #[inline(always)]
    fn each(&self, x: &[f32], made: &mut [f32], activation: Option<Activation>) {
        let (mut from, mut to) = (x.chunks_exact(V::LEN), made.chunks_exact_mut(V::LEN));
        for (from, to) in from.by_ref().zip(to.by_ref()) {
            self.of(V::of(from), activation).put(to);
        }
        let (rest, mut last) = (from.remainder(), [0.0f32; 16]);
        last[..rest.len()].copy_from_slice(rest);
        self.of(V::of(&last), activation).put(&mut last);
        to.into_remainder().copy_from_slice(&last[..rest.len()]);
    }
}

/// What rows are brought to.
#[derive(Clone, Copy)]
pub enum Kind {
    /// Mean 0 and variance 1.
    Layer,
    /// A mean square of 1.
    RootMeanSquare,
}

/// Rows of numbers, each brought to `kind`, times `scale`, and `shift` added to them.
pub fn row_norm(x: &[f32], scale: &[f32], shift: Option<&[f32]>, epsilon: f64, kind: Kind) -> Vec<f32> {
    let mut made = vec![0.0; x.len()];
    let width = scale.len().max(1);
    let some = (STRIP / width).max(1) * width;
    made.par_chunks_mut(some).zip(x.par_chunks(some)).for_each(|(made, x)| {
        run(Rows { x, made, scale, shift, epsilon, kind });
    });
    made
}

struct Rows<'a> {
    x: &'a [f32],
    made: &'a mut [f32],
    scale: &'a [f32],
    shift: Option<&'a [f32]>,
    epsilon: f64,
    kind: Kind,
}

impl Kernel for Rows<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        let width = self.scale.len();
        let whole = width / V::LEN * V::LEN;
        for (x, made) in self.x.chunks_exact(width).zip(self.made.chunks_exact_mut(width)) {
            let (mean, variance) = match self.kind {
                Kind::Layer => moments::<V>(x),
                Kind::RootMeanSquare => (0.0, sum::<V, true>(x, V::all(0.0)) / width as f64),
            };
            let inverse = 1.0 / (variance + self.epsilon).sqrt();
            let (mean, inverse) = (mean as f32, inverse as f32);
            let (centre, factor) = (V::all(mean), V::all(inverse));
            for at in (0..whole).step_by(V::LEN) {
                let normal = V::of(&x[at..]).sub(centre).mul(factor);
                let scale = V::of(&self.scale[at..]);
                let made = &mut made[at..];
                match self.shift {
                    Some(shift) => normal.fma(scale, V::of(&shift[at..])).put(made),
                    None => normal.mul(scale).put(made),
                }
            }
            for at in whole..width {
                let shift = self.shift.map_or(0.0, |shift| shift[at]);
                made[at] = (x[at] - mean) * inverse * self.scale[at] + shift;
            }
        }
    }
}
