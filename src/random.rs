//! Seeded, counter-based pseudo-random numbers.
//!
//! A number depends on the seed, the stream's name and its index alone, never on the thread that asks
//! or on what was asked before: this is what makes a draft the same on one thread and on eight.

/// One named sequence under a seed.
#[derive(Clone, Copy, Debug)]
pub struct Stream {
    key: u64,
}

impl Stream {
    /// The stream `name` under `seed`. Different names are independent.
    pub fn new(seed: u64, name: &str) -> Self {
        let key =
            name.bytes().fold(mix(seed ^ 0x9E37_79B9_7F4A_7C15), |key, byte| mix(key ^ u64::from(byte)));
        Stream { key }
    }

    /// An independent stream below this one.
    pub fn child(&self, index: u64) -> Self {
        Stream { key: mix(self.key ^ mix(index ^ 0xD1B5_4A32_D192_ED03)) }
    }

    /// The `index`-th 64-bit number.
    #[inline]
    pub fn bits(&self, index: u64) -> u64 {
        mix(self.key.wrapping_add(index.wrapping_mul(0x9E37_79B9_7F4A_7C15)))
    }

    /// The `index`-th number, uniform in [0, 1).
    #[inline]
    pub fn uniform(&self, index: u64) -> f64 {
        (self.bits(index) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// The `index`-th number, uniform in [low, high).
    #[inline]
    pub fn range(&self, index: u64, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform(index)
    }

    /// The `index`-th number, uniform among 0..n (n > 0).
    #[inline]
    pub fn below(&self, index: u64, n: u64) -> u64 {
        ((u128::from(self.bits(index)) * u128::from(n)) >> 64) as u64
    }

    /// The `index`-th number, standard normal (Box–Muller; costs two draws of a sister sequence).
    #[inline]
    pub fn normal(&self, index: u64) -> f64 {
        let u = self.child(1).uniform(index);
        let v = self.child(2).uniform(index);
        (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos()
    }

    /// `0..n` in random order (Fisher–Yates).
    pub fn permutation(&self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        for i in (1..n).rev() {
            order.swap(i, self.below(i as u64, i as u64 + 1) as usize);
        }
        order
    }
}

/// Finaliser of SplitMix64 (Steele, Lea and Flood 2014).
#[inline]
fn mix(mut x: u64) -> u64 {
    x ^= x >> 30;
    x = x.wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x ^= x >> 27;
    x = x.wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_numbers_have_mean_zero_and_unit_variance() {
        let stream = Stream::new(7, "test");
        let n = 100_000;
        let (sum, squares) = (0..n).fold((0.0, 0.0), |(s, q), i| {
            let x = stream.normal(i);
            (s + x, q + x * x)
        });
        assert!((sum / n as f64).abs() < 0.02);
        assert!((squares / n as f64 - 1.0).abs() < 0.02);
    }

    #[test]
    fn streams_of_other_names_and_seeds_differ() {
        let first = Stream::new(1, "a").bits(0);
        assert_ne!(first, Stream::new(1, "b").bits(0));
        assert_ne!(first, Stream::new(2, "a").bits(0));
        assert_ne!(first, Stream::new(1, "a").child(0).bits(0));
        assert_eq!(first, Stream::new(1, "a").bits(0));
    }

    #[test]
    fn a_permutation_holds_every_index_once() {
        let mut order = Stream::new(3, "p").permutation(100);
        assert_ne!(order, (0..100).collect::<Vec<_>>());
        order.sort_unstable();
        assert_eq!(order, (0..100).collect::<Vec<_>>());
    }
}
