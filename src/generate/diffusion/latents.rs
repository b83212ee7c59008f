//! Latents: their noise, and whether they are numbers.

use candle_core::{DType, Device, Tensor};

use crate::quantity::Seed;
use crate::random::Stream;

/// Standard normal numbers in the shape of `like`, the same for the same seed, shape and `what`.
pub fn noise(like: &Tensor, seed: Seed, what: &str) -> candle_core::Result<Tensor> {
    let stream = Stream::new(seed.0, what);
    let numbers: Vec<f32> = (0..like.elem_count() as u64).map(|i| stream.normal(i) as f32).collect();
    Tensor::from_vec(numbers, like.shape(), &Device::Cpu)
}

/// Its numbers, one channel after another.
pub fn numbers(tensor: &Tensor) -> candle_core::Result<Vec<f32>> {
    tensor.flatten_all()?.to_vec1()
}

/// `latents` where they are `varied`, what `stays` elsewhere.
pub fn joined(latents: &Tensor, varied: &Tensor, stays: &Tensor) -> candle_core::Result<Tensor> {
    // So that what is varied is the very latents.
    latents.broadcast_mul(varied)? + stays.broadcast_mul(&(1.0 - varied)?)?
}

pub fn is_finite(tensor: &Tensor) -> candle_core::Result<bool> {
    let sum = tensor.to_dtype(DType::F64)?.abs()?.sum_all()?.to_scalar::<f64>()?;
    Ok(sum.is_finite())
}
