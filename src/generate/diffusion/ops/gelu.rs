//! The activation of FLUX.1 and T5.

use candle_core::{CpuStorage, CustomOp1, Layout, Shape, Tensor};
use rayon::prelude::*;

/// GELU by its approximation with a hyperbolic tangent.
pub fn gelu(x: &Tensor) -> candle_core::Result<Tensor> {
    x.contiguous()?.apply_op1_no_bwd(&Gelu)
}

/// On all cores, which candle's is not.
struct Gelu;

/// Numbers that one thread takes at a time.
const STRIP: usize = 16 << 10;

impl CustomOp1 for Gelu {
    fn name(&self) -> &'static str {
        "gelu"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        let numbers = storage.as_slice::<f32>()?;
        let Some(numbers) = layout.contiguous_offsets().and_then(|(start, end)| numbers.get(start..end))
        else {
            candle_core::bail!("numbers one behind another are needed");
        };
        let mut made = vec![0.0; numbers.len()];
        made.par_chunks_mut(STRIP).zip(numbers.par_chunks(STRIP)).for_each(|(made, numbers)| {
            for (made, x) in made.iter_mut().zip(numbers) {
                *made = one(*x);
            }
        });
        Ok((CpuStorage::F32(made), layout.shape().clone()))
    }
}

/// x/2·(1 + tanh u) as x/(1 + e^−2u), which takes one exponential.
fn one(x: f32) -> f32 {
    use std::f32::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};
    const ROOT_OF_8_OVER_PI: f32 = 2.0 * FRAC_2_SQRT_PI * FRAC_1_SQRT_2;
    x / (1.0 + (-ROOT_OF_8_OVER_PI * (x + 0.044715 * x * x * x)).exp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn it_is_the_one_with_a_tangent_everywhere() {
        let x: Vec<f32> = (-4000..4000).map(|i| i as f32 / 100.0).chain([1e30, -1e30, f32::MAX]).collect();
        let made = Tensor::new(x.as_slice(), &Device::Cpu).and_then(|x| gelu(&x)?.to_vec1::<f32>());
        for (x, made) in x.iter().zip(made.expect("numbers")) {
            let wide = f64::from(*x);
            let u = (2.0 / std::f64::consts::PI).sqrt() * (wide + 0.044715 * wide.powi(3));
            let expected = 0.5 * wide * (1.0 + u.tanh());
            let off = (f64::from(made) - expected).abs() / expected.abs().max(1.0);
            assert!(off < 1e-6, "{x}: {made} {expected}");
        }
    }
}
