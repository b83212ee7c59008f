//! Functions of single numbers.

use candle_core::Tensor;

use super::kernels::{self, Activation};
use super::numbers::{Numbers, tensor};
use super::{Compute, tensors};

/// Every number through it.
pub fn activated(compute: &Compute, x: &Tensor, activation: Activation) -> candle_core::Result<Tensor> {
    if let Compute::Tensors(..) = compute {
        return tensors::activated(x, activation);
    }
    let x = x.contiguous()?;
    let mut made = Numbers::of(&x)?.to_vec();
    kernels::activate(&mut made, activation);
    tensor(made, x.shape())
}

/// The first half of the last dimension times the second, which goes through the activation.
pub fn gated(compute: &Compute, x: &Tensor, activation: Activation) -> candle_core::Result<Tensor> {
    let x = x.contiguous()?;
    let mut shape = x.dims().to_vec();
    let Some(last) = shape.last_mut().filter(|last| last.is_multiple_of(2)) else {
        candle_core::bail!("no two halves");
    };
    *last /= 2;
    if let Compute::Tensors(..) = compute {
        return tensors::gated(&x, activation);
    }
    tensor(kernels::gated(&Numbers::of(&x)?, *last, activation), shape)
}
