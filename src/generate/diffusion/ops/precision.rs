//! What networks compute with.

use candle_core::DType;

use super::kernels;

/// What the factors of products are: those of linear layers, convolutions and attention. Sums, and on the CPU all that is
/// between products, are in f32 either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    #[default]
    F32,
    /// Rounded to bfloat16, which has eight bits of mantissa.
    Bf16,
}

impl Precision {
    pub fn name(self) -> &'static str {
        match self {
            Precision::F32 => "f32",
            Precision::Bf16 => "bf16",
        }
    }

    /// Whether products in bfloat16 are faster on this machine than those in f32.
    pub fn is_bf16_fast() -> bool {
        kernels::has_pairs()
    }

    /// The type of tensors that hold it.
    pub fn dtype(self) -> DType {
        match self {
            Precision::F32 => DType::F32,
            Precision::Bf16 => DType::BF16,
        }
    }
}
