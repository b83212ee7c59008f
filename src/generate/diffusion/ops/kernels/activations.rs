//! Functions of single numbers.

use rayon::prelude::*;

use super::vector::{Kernel, Vector, run};

/// Numbers that one thread takes at a time.
const STRIP: usize = 8 << 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// x · sigmoid(x).
    Silu,
    /// x · sigmoid(1.702 x).
    QuickGelu,
    /// By its approximation with a hyperbolic tangent.
    GeluTanh,
    /// By the error function.
    GeluErf,
}

impl Activation {
    #[inline(always)]
    pub fn of<V: Vector>(self, x: V) -> V {
        match self {
            Activation::Silu => by_sigmoid(x, x),
            Activation::QuickGelu => by_sigmoid(x, x.mul(V::all(1.702))),
            Activation::GeluTanh => {
                use std::f32::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};
                const ROOT_OF_8_OVER_PI: f32 = 2.0 * FRAC_2_SQRT_PI * FRAC_1_SQRT_2;
                let cubic = x.mul(x).fma(V::all(0.044715), V::all(1.0));
                by_sigmoid(x, x.mul(V::all(ROOT_OF_8_OVER_PI)).mul(cubic))
            }
            Activation::GeluErf => {
                let size = x.max(V::all(0.0).sub(x));
                let half = half_erfc(size.mul(V::all(std::f32::consts::FRAC_1_SQRT_2)));
                // x·(1 − half) above 0 and x·half below it.
                V::all(0.0).max(x).sub(size.mul(half))
            }
        }
    }
}

/// x · sigmoid(y).
#[inline(always)]
fn by_sigmoid<V: Vector>(x: V, y: V) -> V {
    x.div(V::all(0.0).sub(y).exp().add(V::all(1.0)))
}

/// (1 − erf(x))/2 of what is not negative, to 10⁻⁸: e to a polynomial, fitted by least squares to ln erfc(x)/x over 0..6.
#[inline(always)]
fn half_erfc<V: Vector>(x: V) -> V {
    const TERMS: [f32; 9] = [
        -2.047_058_9e-5,
        1.616_188e-4,
        -7.206_926e-4,
        1.760_189_7e-3,
        -2.072_895_6e-4,
        -1.914_943_4e-2,
        1.027_837_2e-1,
        6.366_173_6e-1,
        1.128_379_3,
    ];
    let mut sum = V::all(1.143_077e-6);
    for term in TERMS {
        sum = sum.fma(x, V::all(term));
    }
    V::all(0.0).sub(x.mul(sum)).exp().mul(V::all(0.5))
}

/// Puts every number through it.
pub fn activate(numbers: &mut [f32], activation: Activation) {
    numbers.par_chunks_mut(STRIP).for_each(|numbers| run(Strip { numbers, activation }));
}

struct Strip<'a> {
    numbers: &'a mut [f32],
    activation: Activation,
}

impl Kernel for Strip<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        let mut all = self.numbers.chunks_exact_mut(V::LEN);
        for numbers in all.by_ref() {
            self.activation.of(V::of(numbers)).put(numbers);
        }
        let rest = all.into_remainder();
        let mut last = [0.0f32; 16];
        last[..rest.len()].copy_from_slice(rest);
        self.activation.of(V::of(&last)).put(&mut last);
        rest.copy_from_slice(&last[..rest.len()]);
    }
}

/// Rows of two halves, each of `width` numbers: the first times what the activation makes of the second.
pub fn gated(rows: &[f32], width: usize, activation: Activation) -> Vec<f32> {
    let mut made = vec![0.0; rows.len() / 2];
    let some = (STRIP / width.max(1)).max(1);
    let parts = made.par_chunks_mut((some * width).max(1)).zip(rows.par_chunks((2 * some * width).max(1)));
    parts.for_each(|(made, rows)| run(Gated { made, rows, width, activation }));
    made
}

struct Gated<'a> {
    made: &'a mut [f32],
    rows: &'a [f32],
    width: usize,
    activation: Activation,
}

impl Kernel for Gated<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        let width = self.width.max(1);
        for (made, row) in self.made.chunks_exact_mut(width).zip(self.rows.chunks_exact(2 * width)) {
            let (passed, gate) = row.split_at(width);
            let whole = width / V::LEN * V::LEN;
            for at in (0..whole).step_by(V::LEN) {
                self.activation.of(V::of(&gate[at..])).mul(V::of(&passed[at..])).put(&mut made[at..]);
            }
            let mut last = [0.0f32; 16];
            last[..width - whole].copy_from_slice(&gate[whole..]);
            self.activation.of(V::of(&last)).put(&mut last);
            for ((made, passed), gate) in made[whole..].iter_mut().zip(&passed[whole..]).zip(last) {
                *made = passed * gate;
            }
        }
    }
}
