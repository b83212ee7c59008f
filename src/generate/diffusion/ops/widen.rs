//! Stored numbers to f32.

use super::super::types::Type;
use super::kernels::{Kernel, Vector, run};
use super::kquants;

/// Widens whole blocks: `bytes` holds as many as `numbers` has room for.
pub fn widen(kind: Type, bytes: &[u8], numbers: &mut [f32]) {
    run(Widen { kind, bytes, numbers });
}

struct Widen<'a> {
    kind: Type,
    bytes: &'a [u8],
    numbers: &'a mut [f32],
}

impl Kernel for Widen<'_> {
    type Output = ();

    /// Without vectors of its own: the loops are compiled for those that there are.
    #[inline(always)]
    fn run<V: Vector>(self) {
        widened(self.kind, self.bytes, self.numbers);
    }
}

#[inline(always)]
fn widened(kind: Type, bytes: &[u8], numbers: &mut [f32]) {
    match kind {
        Type::F64 => each(bytes, numbers, |b: &[u8; 8]| f64::from_le_bytes(*b) as f32),
        Type::F32 => each(bytes, numbers, |b: &[u8; 4]| f32::from_le_bytes(*b)),
        Type::F16 => each(bytes, numbers, |b: &[u8; 2]| half(u16::from_le_bytes(*b))),
        Type::Bf16 => {
            each(bytes, numbers, |b: &[u8; 2]| f32::from_bits(u32::from(u16::from_le_bytes(*b)) << 16))
        }
        Type::F8E4M3 => each(bytes, numbers, |b: &[u8; 1]| quarter(b[0])),
        Type::Q4_0 => blocks(bytes, numbers, |b: &[u8; 18], to: &mut [f32; 32]| {
            let (scale, packed) = (at(b, 0), &b[2..]);
            for (i, two) in packed.iter().enumerate() {
                to[i] = scale * (f32::from(two & 15) - 8.0);
                to[i + 16] = scale * (f32::from(two >> 4) - 8.0);
            }
        }),
        Type::Q4_1 => blocks(bytes, numbers, |b: &[u8; 20], to: &mut [f32; 32]| {
            let (scale, least, packed) = (at(b, 0), at(b, 2), &b[4..]);
            for (i, two) in packed.iter().enumerate() {
                to[i] = scale * f32::from(two & 15) + least;
                to[i + 16] = scale * f32::from(two >> 4) + least;
            }
        }),
        Type::Q5_0 => blocks(bytes, numbers, |b: &[u8; 22], to: &mut [f32; 32]| {
            let (scale, fifths) = (at(b, 0), u32::from_le_bytes([b[2], b[3], b[4], b[5]]));
            for (i, two) in b[6..].iter().enumerate() {
                let [low, high] = five(*two, fifths, i);
                to[i] = scale * (low - 16.0);
                to[i + 16] = scale * (high - 16.0);
            }
        }),
        Type::Q5_1 => blocks(bytes, numbers, |b: &[u8; 24], to: &mut [f32; 32]| {
            let (scale, least) = (at(b, 0), at(b, 2));
            let fifths = u32::from_le_bytes([b[4], b[5], b[6], b[7]]);
            for (i, two) in b[8..].iter().enumerate() {
                let [low, high] = five(*two, fifths, i);
                to[i] = scale * low + least;
                to[i + 16] = scale * high + least;
            }
        }),
        Type::Q8_0 => blocks(bytes, numbers, |b: &[u8; 34], to: &mut [f32; 32]| {
            let scale = at(b, 0);
            for (to, byte) in to.iter_mut().zip(&b[2..]) {
                *to = scale * f32::from(*byte as i8);
            }
        }),
        Type::Q2K => blocks(bytes, numbers, kquants::q2),
        Type::Q3K => blocks(bytes, numbers, kquants::q3),
        Type::Q4K => blocks(bytes, numbers, kquants::q4),
        Type::Q5K => blocks(bytes, numbers, kquants::q5),
        Type::Q6K => blocks(bytes, numbers, kquants::q6),
    }
}

#[inline(always)]
fn each<const BYTES: usize>(bytes: &[u8], numbers: &mut [f32], one: impl Fn(&[u8; BYTES]) -> f32) {
    for (to, from) in numbers.iter_mut().zip(bytes.as_chunks().0) {
        *to = one(from);
    }
}

#[inline(always)]
fn blocks<const BYTES: usize, const NUMBERS: usize>(
    bytes: &[u8],
    numbers: &mut [f32],
    block: impl Fn(&[u8; BYTES], &mut [f32; NUMBERS]),
) {
    for (to, from) in numbers.as_chunks_mut().0.iter_mut().zip(bytes.as_chunks().0) {
        block(from, to);
    }
}

/// The f16 at `start` of a block.
#[inline(always)]
pub fn at(block: &[u8], start: usize) -> f32 {
    half(u16::from_le_bytes([block[start], block[start + 1]]))
}

/// The two numbers of five bits whose low four are in a byte, and the fifth of each in a word of their own.
fn five(two: u8, fifths: u32, i: usize) -> [f32; 2] {
    let fifth = |i: usize| ((fifths >> i & 1) as u8) << 4;
    [f32::from(two & 15 | fifth(i)), f32::from(two >> 4 | fifth(i + 16))]
}

/// An f16 by its bits. Without branches, so that a row of them is widened several at a time.
#[inline(always)]
fn half(bits: u16) -> f32 {
    const UP: f32 = f32::from_bits((127 + 112) << 23);
    let sign = u32::from(bits & 0x8000) << 16;
    // The exponent is off by 112 in f32's place; a product with a power of two puts subnormal numbers right, too.
    let size = f32::from_bits(u32::from(bits & 0x7fff) << 13) * UP;
    // Infinities and what is no number have all bits of the exponent set, in both types.
    let lost = if bits & 0x7c00 == 0x7c00 { 0x7f80_0000 } else { 0 };
    f32::from_bits(size.to_bits() | sign | lost)
}

/// An f8 (E4M3) by its bits.
#[inline(always)]
fn quarter(bits: u8) -> f32 {
    const UP: f32 = f32::from_bits((127 + 120) << 23);
    let sign = u32::from(bits & 0x80) << 24;
    let size = f32::from_bits(u32::from(bits & 0x7f) << 20) * UP;
    // There is no infinity, and one number that is none.
    let lost = if bits & 0x7f == 0x7f { 0x7fc0_0000 } else { 0 };
    f32::from_bits(size.to_bits() | sign | lost)
}

#[cfg(test)]
mod tests {
    use candle_core::quantized::{GgmlDType, QTensor};
    use candle_core::{DType, Device, Tensor};

    use super::*;
    use crate::random::Stream;

    fn widened(kind: Type, bytes: &[u8]) -> Vec<f32> {
        let (numbers, size) = kind.block();
        let mut to = vec![0.0; bytes.len() / size * numbers];
        widen(kind, bytes, &mut to);
        to
    }

    fn same(found: &[f32], expected: &[f32], what: &str) {
        assert_eq!(found.len(), expected.len(), "{what}");
        for (i, (f, e)) in found.iter().zip(expected).enumerate() {
            assert!(f.to_bits() == e.to_bits() || f.is_nan() && e.is_nan(), "{what}: {i}: {f} {e}");
        }
    }

    #[test]
    fn every_number_of_16_and_of_8_bits_is_the_one_that_candle_reads() {
        let words: Vec<u8> = (0..=u16::MAX).flat_map(u16::to_le_bytes).collect();
        let octets: Vec<u8> = (0..=u8::MAX).collect();
        for (kind, dtype, bytes) in [
            (Type::F16, DType::F16, &words),
            (Type::Bf16, DType::BF16, &words),
            (Type::F8E4M3, DType::F8E4M3, &octets),
        ] {
            let count = bytes.len() / kind.block().1;
            let expected = Tensor::from_raw_buffer(bytes, dtype, &[count], &Device::Cpu)
                .and_then(|t| t.to_dtype(DType::F32)?.to_vec1::<f32>())
                .expect("numbers");
            same(&widened(kind, bytes), &expected, &format!("{kind:?}"));
        }
    }

    #[test]
    fn every_kind_of_block_is_what_candle_makes_of_it() {
        let stream = Stream::new(3, "blocks");
        let numbers: Vec<f32> = (0..4096).map(|i| stream.normal(i) as f32).collect();
        let numbers = Tensor::from_vec(numbers, (8, 512), &Device::Cpu).expect("as many");
        for (kind, dtype) in [
            (Type::Q4_0, GgmlDType::Q4_0),
            (Type::Q4_1, GgmlDType::Q4_1),
            (Type::Q5_0, GgmlDType::Q5_0),
            (Type::Q5_1, GgmlDType::Q5_1),
            (Type::Q8_0, GgmlDType::Q8_0),
            (Type::Q2K, GgmlDType::Q2K),
            (Type::Q3K, GgmlDType::Q3K),
            (Type::Q4K, GgmlDType::Q4K),
            (Type::Q5K, GgmlDType::Q5K),
            (Type::Q6K, GgmlDType::Q6K),
        ] {
            let blocks = QTensor::quantize(&numbers, dtype).expect("whole blocks");
            let expected = blocks
                .dequantize(&Device::Cpu)
                .and_then(|t| t.flatten_all()?.to_vec1::<f32>())
                .expect("numbers");
            let bytes = blocks.data().expect("bytes");
            assert_eq!(kind.bytes(&[8, 512]), Some(bytes.len() as u64), "{kind:?}");
            same(&widened(kind, &bytes), &expected, &format!("{kind:?}"));
        }
    }

    /// By hand: a scale of 2 (0x4000), and quants −8, 7 in the first and the last byte's halves.
    #[test]
    fn four_bits_are_the_two_halves_of_a_block() {
        let mut block = [0x88u8; 18];
        (block[0], block[1], block[2], block[17]) = (0x00, 0x40, 0xf0, 0x0f);
        let found = widened(Type::Q4_0, &block);
        assert_eq!((found[0], found[16], found[15], found[31]), (-16.0, 14.0, 14.0, -16.0));
        assert!(found[1..15].iter().all(|v| *v == 0.0));
    }
}
