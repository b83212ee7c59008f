//! The vectors of x86: sixteen numbers, or eight.

use std::arch::x86_64::*;

use super::{Kernel, Vector};

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
pub fn on_avx512<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<Sixteen>()
}

#[target_feature(enable = "avx2,fma")]
pub fn on_avx2<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<Eight>()
}

#[derive(Clone, Copy)]
struct Sixteen(__m512);
#[derive(Clone, Copy)]
struct Eight(__m256);

/// What both have by the same names. Every block is safe by what [`Vector`] says of its values.
macro_rules! vector {
    ($name:ident, $len:literal, $rows:literal, $set:ident, $load:ident, $store:ident, $add:ident, $sub:ident,
     $mul:ident, $div:ident, $fma:ident, $max:ident, $min:ident, $two_to:expr) => {
        impl Vector for $name {
            const LEN: usize = $len;
            const ROWS: usize = $rows;

            #[inline(always)]
            unsafe fn load(from: *const f32) -> Self {
                // SAFETY: the caller's.
                $name(unsafe { $load(from) })
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut f32) {
                // SAFETY: the caller's.
                unsafe { $store(to, self.0) }
            }
            #[inline(always)]
            fn all(x: f32) -> Self {
                // SAFETY: the machine has this unit.
                $name(unsafe { $set(x) })
            }
            #[inline(always)]
            fn add(self, b: Self) -> Self {
                // SAFETY: the machine has this unit.
                $name(unsafe { $add(self.0, b.0) })
            }
            #[inline(always)]
            fn sub(self, b: Self) -> Self {
                // SAFETY: the machine has this unit.
                $name(unsafe { $sub(self.0, b.0) })
            }
            #[inline(always)]
            fn mul(self, b: Self) -> Self {
                // SAFETY: the machine has this unit.
                $name(unsafe { $mul(self.0, b.0) })
            }
            #[inline(always)]
            fn div(self, b: Self) -> Self {
                // SAFETY: the machine has this unit.
                $name(unsafe { $div(self.0, b.0) })
            }
            #[inline(always)]
            fn fma(self, b: Self, c: Self) -> Self {
                // SAFETY: the machine has this unit.
                $name(unsafe { $fma(self.0, b.0, c.0) })
            }
            #[inline(always)]
            fn max(self, b: Self) -> Self {
                // SAFETY: the machine has this unit.
                $name(unsafe { $max(self.0, b.0) })
            }
            #[inline(always)]
            fn min(self, b: Self) -> Self {
                // SAFETY: the machine has this unit.
                $name(unsafe { $min(self.0, b.0) })
            }
            #[inline(always)]
            fn two_to(self) -> Self {
                // SAFETY: the machine has this unit.
                $name(unsafe { $two_to(self.0) })
            }
        }
    };
}

/// The exponent's bits.
macro_rules! two_to {
    ($to_whole:ident, $set:ident, $add:ident, $shift:ident, $cast:ident) => {
        |n| $cast($shift::<23>($add($to_whole(n), $set(127))))
    };
}

vector!(
    Sixteen,
    16,
    12,
    _mm512_set1_ps,
    _mm512_loadu_ps,
    _mm512_storeu_ps,
    _mm512_add_ps,
    _mm512_sub_ps,
    _mm512_mul_ps,
    _mm512_div_ps,
    _mm512_fmadd_ps,
    _mm512_max_ps,
    _mm512_min_ps,
    two_to!(_mm512_cvtps_epi32, _mm512_set1_epi32, _mm512_add_epi32, _mm512_slli_epi32, _mm512_castsi512_ps)
);
vector!(
    Eight,
    8,
    6,
    _mm256_set1_ps,
    _mm256_loadu_ps,
    _mm256_storeu_ps,
    _mm256_add_ps,
    _mm256_sub_ps,
    _mm256_mul_ps,
    _mm256_div_ps,
    _mm256_fmadd_ps,
    _mm256_max_ps,
    _mm256_min_ps,
    two_to!(_mm256_cvtps_epi32, _mm256_set1_epi32, _mm256_add_epi32, _mm256_slli_epi32, _mm256_castsi256_ps)
);
