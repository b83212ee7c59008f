//! Types that files store numbers in.

/// A type that is read: numbers one by one, or blocks of them that share scales.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    F64,
    F32,
    F16,
    Bf16,
    /// One bit of sign, four of exponent, three of mantissa, and no infinity.
    F8E4M3,
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q8_0,
    Q2K,
    Q3K,
    Q4K,
    Q5K,
    Q6K,
}

/// Those that are read, for people.
pub const READ: &str = "F32, F16, BF16, F64, F8_E4M3, Q4_0 to Q8_0 or Q2_K to Q6_K";

impl Type {
    /// By the name that safetensors and GGUF have for it; `None` for one that is not read.
    pub fn named(name: &str) -> Option<Type> {
        Some(match name {
            "F64" => Type::F64,
            "F32" => Type::F32,
            "F16" => Type::F16,
            "BF16" => Type::Bf16,
            "F8_E4M3" => Type::F8E4M3,
            "Q4_0" => Type::Q4_0,
            "Q4_1" => Type::Q4_1,
            "Q5_0" => Type::Q5_0,
            "Q5_1" => Type::Q5_1,
            "Q8_0" => Type::Q8_0,
            "Q2_K" => Type::Q2K,
            "Q3_K" => Type::Q3K,
            "Q4_K" => Type::Q4K,
            "Q5_K" => Type::Q5K,
            "Q6_K" => Type::Q6K,
            _ => return None,
        })
    }

    /// Numbers of a block, and its bytes.
    pub fn block(self) -> (usize, usize) {
        match self {
            Type::F64 => (1, 8),
            Type::F32 => (1, 4),
            Type::F16 | Type::Bf16 => (1, 2),
            Type::F8E4M3 => (1, 1),
            Type::Q4_0 => (32, 18),
            Type::Q4_1 => (32, 20),
            Type::Q5_0 => (32, 22),
            Type::Q5_1 => (32, 24),
            Type::Q8_0 => (32, 34),
            Type::Q2K => (256, 84),
            Type::Q3K => (256, 110),
            Type::Q4K => (256, 144),
            Type::Q5K => (256, 176),
            Type::Q6K => (256, 210),
        }
    }

    /// Bytes of a tensor: `None` where its rows are no whole blocks, or are too many for any file.
    pub fn bytes(self, shape: &[usize]) -> Option<u64> {
        let (numbers, bytes) = self.block();
        let (row, rows) = shape.split_last().unwrap_or((&1, &[]));
        let row = (row % numbers == 0).then(|| (row / numbers) as u64)?.checked_mul(bytes as u64)?;
        rows.iter().try_fold(row, |all, side| all.checked_mul(*side as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_whole_blocks() {
        assert_eq!(Type::Q8_0.bytes(&[3, 64]), Some(3 * 2 * 34));
        assert_eq!(Type::Q8_0.bytes(&[64, 33]), None);
        assert_eq!(Type::Q4K.bytes(&[2, 2, 512]), Some(4 * 2 * 144));
        assert_eq!(Type::F32.bytes(&[]), Some(4));
        assert_eq!(Type::F16.bytes(&[usize::MAX, 2]), None);
    }
}
