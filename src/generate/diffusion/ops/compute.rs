//! How layers compute, and where.

use candle_core::{Device, Tensor};

use super::Precision;
use super::numbers::is_placeholder;

/// How the layers of a network compute. A network takes tensors of f32 in the CPU's memory, and gives such.
#[derive(Clone, Debug)]
pub enum Compute {
    /// By this program's kernels, on the CPU: what is between layers is in f32, factors of products in this precision.
    Kernels(Precision),
    /// By candle's operations on this device: weights, and what is between layers, are of this precision.
    Tensors(Device, Precision),
}

impl Compute {
    /// As the layers want it. What only stands for a tensor stays what it is.
    pub fn taken(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        match self {
            Compute::Tensors(device, precision) if !is_placeholder(x) => {
                x.to_dtype(precision.dtype())?.to_device(device)
            }
            _ => Ok(x.clone()),
        }
    }

    /// The inverse, for what leaves a network.
    pub fn given(&self, x: Tensor) -> candle_core::Result<Tensor> {
        match self {
            Compute::Kernels(_) => Ok(x),
            Compute::Tensors(..) => x.to_dtype(candle_core::DType::F32)?.to_device(&Device::Cpu),
        }
    }
}

impl Default for Compute {
    fn default() -> Self {
        Compute::Kernels(Precision::F32)
    }
}

impl From<Precision> for Compute {
    /// By kernels.
    fn from(precision: Precision) -> Self {
        Compute::Kernels(precision)
    }
}
