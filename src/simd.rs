//! Loops compiled twice more for the wider vector units that most machines have.
//!
//! One of two rooms with unsafe code, three calls: what needs vectors of 256 or 512 bits runs only where the machine says
//! that it has them, and a prefetch. Fused multiply–adds are left out on purpose: so every machine computes the same bits.
#![allow(unsafe_code)]

/// Work whose loops are worth the wider unit. [`Kernel::run`] and all it calls in its loops must be
/// `#[inline(always)]`: only what is inlined is compiled anew.
pub trait Kernel {
    type Output;
    fn run(self) -> Self::Output;
}

/// Runs `kernel` on the widest vectors that the machine has.
#[inline]
pub fn run<K: Kernel>(kernel: K) -> K::Output {
    #[cfg(target_arch = "x86_64")]
    {
        if has_512_bits() {
            // SAFETY: the machine has what the function was compiled for.
            return unsafe { run_avx512(kernel) };
        }
        if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: the machine has what the function was compiled for.
            return unsafe { run_avx2(kernel) };
        }
    }
    kernel.run()
}

/// Whether the machine has vectors of 512 bits: those parts of AVX-512 that any processor of servers and desks has that has
/// it at all, and what the compiler takes them to imply.
#[cfg(target_arch = "x86_64")]
#[inline]
pub fn has_512_bits() -> bool {
    use std::arch::is_x86_feature_detected as has;
    let parts = has!("avx512f") && has!("avx512bw") && has!("avx512dq") && has!("avx512vl");
    parts && has!("avx2") && has!("fma")
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn run_avx512<K: Kernel>(kernel: K) -> K::Output {
    kernel.run()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn run_avx2<K: Kernel>(kernel: K) -> K::Output {
    kernel.run()
}

/// Asks for `value` to be brought into the cache, for it will be read soon.
#[inline(always)]
pub fn prefetch<T>(value: &T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch reads nothing, and the address is that of a value anyway.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(value).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = value;
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Dot<'a>(&'a [f32], &'a [f32]);

    impl Kernel for Dot<'_> {
        type Output = f32;

        #[inline(always)]
        fn run(self) -> f32 {
            let mut lanes = [0.0f32; 8];
            for (a, b) in self.0.chunks_exact(8).zip(self.1.chunks_exact(8)) {
                for i in 0..8 {
                    lanes[i] += a[i] * b[i];
                }
            }
            lanes.iter().sum()
        }
    }

    #[test]
    fn wide_vectors_give_the_same_bits() {
        let [a, b] =
            [0.37f32, 0.61].map(|step| (0..800).map(|i| (i as f32 * step).sin()).collect::<Vec<_>>());
        let plain = Dot(&a, &b).run().to_bits();
        assert_eq!(run(Dot(&a, &b)).to_bits(), plain);
        // Where there are vectors of 512 bits, those of 256 are not reached by `run`.
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: the machine has what the function was compiled for.
            assert_eq!(unsafe { run_avx2(Dot(&a, &b)) }.to_bits(), plain);
        }
    }
}
