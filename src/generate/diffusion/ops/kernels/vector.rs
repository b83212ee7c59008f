//! Vectors of the widest unit that the machine has, found out at run time.

#[cfg(target_arch = "x86_64")]
mod x86;

use std::sync::OnceLock;

use super::pairs::Pair;

/// Numbers that one instruction takes. Its values are made only inside of what [`run`] runs, which has seen that the
/// machine knows them; so its methods may be called there, and nowhere else can be.
pub trait Vector: Copy {
    const LEN: usize;
    /// Rows of a tile whose sums fill the registers, over two vectors of columns.
    const ROWS: usize;

    /// # Safety
    /// `LEN` numbers must be there to be read.
    unsafe fn load(from: *const f32) -> Self;
    /// # Safety
    /// `LEN` numbers must be there to be written.
    unsafe fn store(self, to: *mut f32);
    fn all(x: f32) -> Self;
    fn add(self, b: Self) -> Self;
    fn sub(self, b: Self) -> Self;
    fn mul(self, b: Self) -> Self;
    fn div(self, b: Self) -> Self;
    /// `self`·b + c, rounded once where the machine can.
    fn fma(self, b: Self, c: Self) -> Self;
    /// The larger; `b` where one is no number.
    fn max(self, b: Self) -> Self;
    /// The smaller; `b` where one is no number.
    fn min(self, b: Self) -> Self;
    /// 2 to the power of whole numbers within −126..=127.
    fn two_to(self) -> Self;

    /// As many pairs of numbers of 16 bits.
    type Pairs: Pairs;

    /// # Safety
    /// `LEN` pairs must be there to be read.
    unsafe fn load_pairs(from: *const Pair) -> Self::Pairs;
    fn all_pairs(pair: Pair) -> Self::Pairs;
    /// The lower numbers, and the upper ones.
    fn halves(pairs: Self::Pairs) -> [Self; 2];
    /// `sums` and the products of the upper numbers, and then those of the lower ones: each is rounded once.
    fn fma_pairs(a: Self::Pairs, b: Self::Pairs, sums: Self) -> Self;

    /// Each number beside one of `upper`, rounded as [`Pair::of`] does it.
    #[inline(always)]
    fn paired(self, upper: Self) -> Self::Pairs {
        let (mut lowers, mut uppers) = ([0.0f32; 16], [0.0f32; 16]);
        self.put(&mut lowers);
        upper.put(&mut uppers);
        let pairs: [Pair; 16] = std::array::from_fn(|i| Pair::of(lowers[i], uppers[i]));
        // SAFETY: no vector has more than 16.
        unsafe { Self::load_pairs(pairs.as_ptr()) }
    }

    /// The first numbers of `from`, of which there must be as many.
    #[inline(always)]
    fn of(from: &[f32]) -> Self {
        assert!(from.len() >= Self::LEN);
        // SAFETY: as many numbers are there.
        unsafe { Self::load(from.as_ptr()) }
    }

    #[inline(always)]
    fn put(self, to: &mut [f32]) {
        assert!(to.len() >= Self::LEN);
        // SAFETY: there is room for as many.
        unsafe { self.store(to.as_mut_ptr()) }
    }

    /// eˣ to about the last bit; what would be too large or too small is cut to what f32 holds.
    #[inline(always)]
    fn exp(self) -> Self {
        // ln 2 in two parts: the first has so few bits that its products with exponents are exact.
        const HIGH: f32 = 0.693_359_4;
        const LOW: f32 = (std::f64::consts::LN_2 - HIGH as f64) as f32;
        // A number is rounded when it is added to this one, whose last bit is 1.
        let whole = Self::all(1.5 * (1 << 23) as f32);
        let x = Self::all(88.37).min(Self::all(-87.33).max(self));
        let n = x.fma(Self::all(std::f32::consts::LOG2_E), whole).sub(whole);
        let r = n.fma(Self::all(-LOW), n.fma(Self::all(-HIGH), x));
        let mut sum = Self::all(1.0 / 5040.0);
        for term in [720.0, 120.0, 24.0, 6.0, 2.0, 1.0, 1.0] {
            sum = sum.fma(r, Self::all(1.0 / term));
        }
        sum.mul(n.two_to())
    }
}

/// As many pairs as a vector has numbers.
pub trait Pairs: Copy {
    /// To the first places of `to`, of which there must be as many.
    fn put(self, to: &mut [Pair]);
}

/// Work that is worth the wider units. [`Kernel::run`] and all it calls in its loops must be `#[inline(always)]`: only
/// what is inlined is compiled for them.
pub trait Kernel {
    type Output;
    fn run<V: Vector>(self) -> Self::Output;
}

/// Runs `kernel` on the widest vectors that the machine has.
pub fn run<K: Kernel>(kernel: K) -> K::Output {
    match unit() {
        // SAFETY: the machine has what these functions were compiled for.
        #[cfg(target_arch = "x86_64")]
        Unit::Avx512Bf16 => unsafe { x86::on_avx512_bf16(kernel) },
        // SAFETY: the same.
        #[cfg(target_arch = "x86_64")]
        Unit::Avx512 => unsafe { x86::on_avx512(kernel) },
        // SAFETY: the same.
        #[cfg(target_arch = "x86_64")]
        Unit::Avx2 => unsafe { x86::on_avx2(kernel) },
        Unit::Plain => kernel.run::<Plain>(),
    }
}

/// Whether the machine has instructions for numbers of 16 bits, so that they are faster than those of 32.
pub fn has_pairs() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        matches!(unit(), Unit::Avx512Bf16)
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        false
    }
}

#[derive(Clone, Copy)]
enum Unit {
    #[cfg(target_arch = "x86_64")]
    Avx512Bf16,
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    Plain,
}

fn unit() -> Unit {
    static UNIT: OnceLock<Unit> = OnceLock::new();
    *UNIT.get_or_init(|| {
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::is_x86_feature_detected as has;
            #[cfg(test)]
            let [no_pairs, narrow, plain] = [UP_TO_AVX512, UP_TO_AVX2, PLAIN].map(is_asked_for);
            #[cfg(not(test))]
            let [no_pairs, narrow, plain] = [false; 3];
            let avx2 = !plain && has!("avx2") && has!("fma");
            if avx2 && !narrow && crate::simd::has_512_bits() {
                return if has!("avx512bf16") && !no_pairs { Unit::Avx512Bf16 } else { Unit::Avx512 };
            }
            if avx2 {
                return Unit::Avx2;
            }
        }
        Unit::Plain
    })
}

/// Words among a test's arguments that leave the wider units out.
#[cfg(test)]
pub const UP_TO_AVX512: &str = "on avx512 without pairs";
#[cfg(test)]
pub const UP_TO_AVX2: &str = "on avx2 at most";
#[cfg(test)]
pub const PLAIN: &str = "on no unit";

#[cfg(all(test, target_arch = "x86_64"))]
fn is_asked_for(word: &str) -> bool {
    std::env::args().any(|argument| argument == word)
}

/// Rows and columns of a tile on this machine.
pub fn tile() -> [usize; 2] {
    struct Sides;
    impl Kernel for Sides {
        type Output = [usize; 2];
        #[inline(always)]
        fn run<V: Vector>(self) -> [usize; 2] {
            [V::ROWS, 2 * V::LEN]
        }
    }
    run(Sides)
}

/// What any machine has, four at a time.
#[derive(Clone, Copy)]
pub struct Plain([f32; 4]);

impl Plain {
    #[inline(always)]
    fn with(self, b: Self, of: impl Fn(f32, f32) -> f32) -> Self {
        Plain(std::array::from_fn(|i| of(self.0[i], b.0[i])))
    }
}

impl Vector for Plain {
    const LEN: usize = 4;
    const ROWS: usize = 6;

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller's; four numbers have no alignment of their own.
        Plain(unsafe { from.cast::<[f32; 4]>().read() })
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller's.
        unsafe { to.cast::<[f32; 4]>().write(self.0) }
    }
    #[inline(always)]
    fn all(x: f32) -> Self {
        Plain([x; 4])
    }
    #[inline(always)]
    fn add(self, b: Self) -> Self {
        self.with(b, |a, b| a + b)
    }
    #[inline(always)]
    fn sub(self, b: Self) -> Self {
        self.with(b, |a, b| a - b)
    }
    #[inline(always)]
    fn mul(self, b: Self) -> Self {
        self.with(b, |a, b| a * b)
    }
    #[inline(always)]
    fn div(self, b: Self) -> Self {
        self.with(b, |a, b| a / b)
    }
    #[inline(always)]
    fn fma(self, b: Self, c: Self) -> Self {
        self.mul(b).add(c)
    }
    #[inline(always)]
    fn max(self, b: Self) -> Self {
        self.with(b, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    fn min(self, b: Self) -> Self {
        self.with(b, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    fn two_to(self) -> Self {
        Plain(self.0.map(|n| f32::from_bits(((n as i32 + 127) as u32) << 23)))
    }

    type Pairs = [Pair; 4];

    #[inline(always)]
    unsafe fn load_pairs(from: *const Pair) -> [Pair; 4] {
        // SAFETY: the caller's; four pairs have no alignment of their own.
        unsafe { from.cast::<[Pair; 4]>().read() }
    }
    #[inline(always)]
    fn all_pairs(pair: Pair) -> [Pair; 4] {
        [pair; 4]
    }
    #[inline(always)]
    fn halves(pairs: [Pair; 4]) -> [Self; 2] {
        [0, 1].map(|number| Plain(pairs.map(|pair| pair.wide()[number])))
    }
    #[inline(always)]
    fn fma_pairs(a: [Pair; 4], b: [Pair; 4], sums: Self) -> Self {
        // The products are exact, so that sums are rounded once without a fused instruction, too.
        let of = |i: usize| {
            let ([a_lower, a_upper], [b_lower, b_upper]) = (a[i].wide(), b[i].wide());
            sums.0[i] + a_upper * b_upper + a_lower * b_lower
        };
        Plain(std::array::from_fn(of))
    }
}

impl Pairs for [Pair; 4] {
    #[inline(always)]
    fn put(self, to: &mut [Pair]) {
        to[..4].copy_from_slice(&self);
    }
}
