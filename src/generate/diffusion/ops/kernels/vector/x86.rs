//! The vectors of x86: sixteen numbers, or eight.

use std::arch::x86_64::*;

use super::super::pairs::Pair;
use super::{Kernel, Pairs, Vector};

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma")]
pub fn on_avx512_bf16<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<SixteenPairs>()
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
pub fn on_avx512<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<Sixteen>()
}

#[target_feature(enable = "avx2,fma")]
pub fn on_avx2<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<Eight>()
}

/// Where there are instructions for pairs, too.
#[derive(Clone, Copy)]
struct SixteenPairs(__m512);
#[derive(Clone, Copy)]
struct Sixteen(__m512);
#[derive(Clone, Copy)]
struct Eight(__m256);

/// What all have by the same names. Every block is safe by what [`Vector`] says of its values.
macro_rules! vector {
    ($name:ident, $len:literal, $rows:literal, $set:ident, $load:ident, $store:ident, $add:ident, $sub:ident,
     $mul:ident, $div:ident, $fma:ident, $max:ident, $min:ident, $two_to:expr,
     $pairs:ident, $load_pairs:ident, $set_pairs:ident, $halves:ident, $fma_pairs:ident, { $($more:item)* }) => {
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

            type Pairs = $pairs;

            #[inline(always)]
            unsafe fn load_pairs(from: *const Pair) -> $pairs {
                // SAFETY: the caller's; a pair is as large as a whole number of 32 bits.
                unsafe { $load_pairs(from.cast()) }
            }
            #[inline(always)]
            fn all_pairs(pair: Pair) -> $pairs {
                // SAFETY: the machine has this unit.
                unsafe { $set_pairs(pair.bits()) }
            }
            #[inline(always)]
            fn halves(pairs: $pairs) -> [Self; 2] {
                // SAFETY: the machine has this unit.
                unsafe { $halves(pairs) }.map($name)
            }
            #[inline(always)]
            fn fma_pairs(a: $pairs, b: $pairs, sums: Self) -> Self {
                // SAFETY: the machine has this unit.
                $name(unsafe { $fma_pairs(a, b, sums.0) })
            }
            $($more)*
        }
    };
}

/// Lower and upper halves of pairs are numbers of 32 bits once the other half is gone.
macro_rules! of_pairs {
    ($halves:ident, $fma_pairs:ident, $features:literal, $whole:ident, $number:ident, $and:ident, $set:ident, $shift:ident, $cast:ident, $fma:ident) => {
        #[inline]
        #[target_feature(enable = $features)]
        fn $halves(pairs: $whole) -> [$number; 2] {
            [$cast($shift::<16>(pairs)), $cast($and(pairs, $set(-1 << 16)))]
        }

        #[inline]
        #[target_feature(enable = $features)]
        fn $fma_pairs(a: $whole, b: $whole, sums: $number) -> $number {
            let ([a_lower, a_upper], [b_lower, b_upper]) = ($halves(a), $halves(b));
            $fma(a_lower, b_lower, $fma(a_upper, b_upper, sums))
        }
    };
}

of_pairs!(
    halves_of_sixteen,
    fma_sixteen,
    "avx512f",
    __m512i,
    __m512,
    _mm512_and_si512,
    _mm512_set1_epi32,
    _mm512_slli_epi32,
    _mm512_castsi512_ps,
    _mm512_fmadd_ps
);
of_pairs!(
    halves_of_eight,
    fma_eight,
    "avx2,fma",
    __m256i,
    __m256,
    _mm256_and_si256,
    _mm256_set1_epi32,
    _mm256_slli_epi32,
    _mm256_castsi256_ps,
    _mm256_fmadd_ps
);

/// The same in one instruction.
#[inline]
#[target_feature(enable = "avx512f,avx512bf16")]
fn fma_sixteen_pairs(a: __m512i, b: __m512i, sums: __m512) -> __m512 {
    // SAFETY: both types are vectors of 512 bits, any of which they may hold.
    let halves = |x: __m512i| unsafe { std::mem::transmute::<__m512i, __m512bh>(x) };
    _mm512_dpbf16_ps(sums, halves(a), halves(b))
}

#[inline]
#[target_feature(enable = "avx512f,avx512bf16")]
fn pair_sixteen(lower: __m512, upper: __m512) -> __m512i {
    // SAFETY: both types are vectors of 256 bits, any of which they may hold.
    let rounded = |x: __m512| unsafe { std::mem::transmute::<__m256bh, __m256i>(_mm512_cvtneps_pbh(x)) };
    let (lower, upper) = (_mm512_cvtepu16_epi32(rounded(lower)), _mm512_cvtepu16_epi32(rounded(upper)));
    _mm512_or_si512(lower, _mm512_slli_epi32::<16>(upper))
}

impl Pairs for __m512i {
    #[inline(always)]
    fn put(self, to: &mut [Pair]) {
        assert!(to.len() >= 16);
        // SAFETY: there is room for as many, and values of this type are made only where the machine has the unit.
        unsafe { _mm512_storeu_epi32(to.as_mut_ptr().cast(), self) }
    }
}

impl Pairs for __m256i {
    #[inline(always)]
    fn put(self, to: &mut [Pair]) {
        assert!(to.len() >= 8);
        // SAFETY: there is room for as many, and values of this type are made only where the machine has the unit.
        unsafe { _mm256_storeu_si256(to.as_mut_ptr().cast(), self) }
    }
}

/// The exponent's bits.
macro_rules! two_to {
    ($to_whole:ident, $set:ident, $add:ident, $shift:ident, $cast:ident) => {
        |n| $cast($shift::<23>($add($to_whole(n), $set(127))))
    };
}

macro_rules! sixteen {
    ($name:ident, $fma_pairs:ident, $more:tt) => {
        vector!(
            $name,
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
            two_to!(
                _mm512_cvtps_epi32,
                _mm512_set1_epi32,
                _mm512_add_epi32,
                _mm512_slli_epi32,
                _mm512_castsi512_ps
            ),
            __m512i,
            _mm512_loadu_epi32,
            _mm512_set1_epi32,
            halves_of_sixteen,
            $fma_pairs,
            $more
        );
    };
}

sixteen!(Sixteen, fma_sixteen, {});
sixteen!(SixteenPairs, fma_sixteen_pairs, {
    #[inline(always)]
    fn paired(self, upper: Self) -> __m512i {
        // SAFETY: the machine has this unit.
        unsafe { pair_sixteen(self.0, upper.0) }
    }
});
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
    two_to!(_mm256_cvtps_epi32, _mm256_set1_epi32, _mm256_add_epi32, _mm256_slli_epi32, _mm256_castsi256_ps),
    __m256i,
    load_eight_pairs,
    _mm256_set1_epi32,
    halves_of_eight,
    fma_eight,
    {}
);

/// # Safety
/// Eight pairs must be there to be read.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn load_eight_pairs(from: *const i32) -> __m256i {
    // SAFETY: the caller's; this instruction asks for no alignment.
    unsafe { _mm256_loadu_si256(from.cast()) }
}
