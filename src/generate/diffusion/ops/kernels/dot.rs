//! Sums of the products of two rows.

use super::vector::{Kernel, Vector, run};

/// Vectors that are summed side by side.
const BESIDE: usize = 4;

/// Of rows that are alike in length.
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    run(Dot { a, b })
}

struct Dot<'a> {
    a: &'a [f32],
    b: &'a [f32],
}

impl Kernel for Dot<'_> {
    type Output = f32;

    #[inline(always)]
    fn run<V: Vector>(self) -> f32 {
        let whole = self.a.len() / (BESIDE * V::LEN) * BESIDE * V::LEN;
        let mut sums = [V::all(0.0); BESIDE];
        for at in (0..whole).step_by(BESIDE * V::LEN) {
            for (i, sum) in sums.iter_mut().enumerate() {
                let at = at + i * V::LEN;
                *sum = V::of(&self.a[at..]).fma(V::of(&self.b[at..]), *sum);
            }
        }
        let mut lanes = [0.0f32; 16];
        sums[0].add(sums[1]).add(sums[2].add(sums[3])).put(&mut lanes);
        let rest: f32 = self.a[whole..].iter().zip(&self.b[whole..]).map(|(a, b)| a * b).sum();
        lanes.iter().sum::<f32>() + rest
    }
}
