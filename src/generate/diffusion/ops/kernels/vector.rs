//! Vectors of the widest unit that the machine has, found out at run time.

#[cfg(target_arch = "x86_64")]
mod x86;

use std::sync::OnceLock;

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
        Unit::Avx512 => unsafe { x86::on_avx512(kernel) },
        // SAFETY: the same.
        #[cfg(target_arch = "x86_64")]
        Unit::Avx2 => unsafe { x86::on_avx2(kernel) },
        Unit::Plain => kernel.run::<Plain>(),
    }
}

#[derive(Clone, Copy)]
enum Unit {
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
            let [narrow, plain] = [UP_TO_AVX2, PLAIN].map(is_asked_for);
            #[cfg(not(test))]
            let [narrow, plain] = [false; 2];
            let avx2 = !plain && has!("avx2") && has!("fma");
            if avx2 && !narrow && has!("avx512f") && has!("avx512bw") && has!("avx512dq") && has!("avx512vl")
            {
                return Unit::Avx512;
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
}
