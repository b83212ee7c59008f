//! The few layers that Stable Diffusion's networks, CLIP and autoencoders are made of.

use candle_core::{Module, Tensor};
use candle_nn::{GroupNorm, LayerNorm, VarBuilder};

use super::Matrix;

/// A matrix over the last dimension, and what is added.
pub struct Linear(super::Linear);

impl Linear {
    pub fn new(inputs: usize, outputs: usize, vb: VarBuilder) -> candle_core::Result<Linear> {
        Linear::of(vb.get((outputs, inputs), "weight")?, Some(vb.get(outputs, "bias")?))
    }

    pub fn without_bias(inputs: usize, outputs: usize, vb: VarBuilder) -> candle_core::Result<Linear> {
        Linear::of(vb.get((outputs, inputs), "weight")?, None)
    }

    /// A convolution of one pixel is the same, and stored as one.
    pub fn of_pixels(inputs: usize, outputs: usize, vb: VarBuilder) -> candle_core::Result<Linear> {
        let weight = vb.get((outputs, inputs, 1, 1), "weight")?;
        Linear::of(weight.reshape((outputs, inputs))?, Some(vb.get(outputs, "bias")?))
    }

    fn of(weight: Tensor, bias: Option<Tensor>) -> candle_core::Result<Linear> {
        Ok(Linear(super::Linear::new(Matrix::wide(weight)?, bias)))
    }

    /// (…, inputs) to (…, outputs).
    pub fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        let mut shape = x.dims().to_vec();
        let made = self.0.forward(&x.flatten_to(x.rank().saturating_sub(2))?)?;
        if let Some(last) = shape.last_mut() {
            *last = made.dim(1)?;
        }
        made.reshape(shape)
    }
}

/// A convolution over (batch, channels, height, width) that keeps the size, or halves it.
pub struct Conv {
    weight: Tensor,
    bias: Tensor,
    padding: usize,
    stride: usize,
    /// Zeros to the right and below that are seen besides.
    behind: usize,
}

impl Conv {
    /// Of 3×3 pixels.
    pub fn new(inputs: usize, outputs: usize, vb: VarBuilder) -> candle_core::Result<Conv> {
        Conv::of([inputs, outputs], 3, 1, vb)
    }

    /// Of 3×3 pixels about every second; odd sizes are rounded up.
    pub fn halving(channels: usize, vb: VarBuilder) -> candle_core::Result<Conv> {
        Conv::of([channels, channels], 3, 2, vb)
    }

    /// Of 3×3 pixels that begin at every second; odd sizes are rounded down.
    pub fn halving_after(channels: usize, vb: VarBuilder) -> candle_core::Result<Conv> {
        Ok(Conv { padding: 0, behind: 1, ..Conv::of([channels, channels], 3, 2, vb)? })
    }

    /// Of one pixel.
    pub fn pixel(inputs: usize, outputs: usize, vb: VarBuilder) -> candle_core::Result<Conv> {
        Conv::of([inputs, outputs], 1, 1, vb)
    }

    fn of(
        [inputs, outputs]: [usize; 2],
        side: usize,
        stride: usize,
        vb: VarBuilder,
    ) -> candle_core::Result<Conv> {
        let weight = vb.get((outputs, inputs, side, side), "weight")?;
        Ok(Conv { weight, bias: vb.get(outputs, "bias")?, padding: side / 2, stride, behind: 0 })
    }

    pub fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        let x = match self.behind {
            0 => x.clone(),
            zeros => x.pad_with_zeros(2, 0, zeros)?.pad_with_zeros(3, 0, zeros)?,
        };
        let made = x.conv2d(&self.weight, self.padding, self.stride, 1, 1)?;
        made.broadcast_add(&self.bias.reshape((1, self.bias.elem_count(), 1, 1))?)
    }
}

/// Groups of channels brought to mean 0 and deviation 1, over (batch, channels, height, width).
pub struct Groups(GroupNorm);

impl Groups {
    pub fn new(groups: usize, channels: usize, epsilon: f64, vb: VarBuilder) -> candle_core::Result<Groups> {
        let (weight, bias) = (vb.get(channels, "weight")?, vb.get(channels, "bias")?);
        Ok(Groups(GroupNorm::new(weight, bias, channels, groups, epsilon)?))
    }

    pub fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        self.0.forward(x)
    }

    /// And SiLU.
    pub fn activated(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        self.0.forward(x)?.silu()
    }
}

/// The same of each token's numbers.
pub fn layer_norm(width: usize, epsilon: f64, vb: VarBuilder) -> candle_core::Result<LayerNorm> {
    Ok(LayerNorm::new(vb.get(width, "weight")?, vb.get(width, "bias")?, epsilon))
}

/// What every query finds among the values, (1, queries, heads × width) of queries and as many columns of keys and
/// values. A causal query sees only the keys up to its own place.
pub fn attention(
    queries: &Tensor,
    keys: &Tensor,
    values: &Tensor,
    heads: usize,
    causal: bool,
) -> candle_core::Result<Tensor> {
    let apart = |x: &Tensor| {
        let (count, width) = x.squeeze(0)?.dims2()?;
        x.reshape((count, heads, width / heads))?.transpose(0, 1)?.contiguous()
    };
    let [queries, keys, values] = [queries, keys, values].map(apart);
    let (queries, keys, values) = (queries?, keys?, values?);
    let (_, count, width) = queries.dims3()?;
    let tokens = keys.dim(1)?;
    let later = match causal {
        true => Some(later(count, tokens)?.broadcast_as((heads, count, tokens))?),
        false => None,
    };
    super::attention(&queries, &keys, &values, 1.0 / (width as f64).sqrt(), later.as_ref())?.unsqueeze(0)
}

/// −∞ where the key comes after the query.
fn later(queries: usize, tokens: usize) -> candle_core::Result<Tensor> {
    let at = |i: usize| if i % tokens > i / tokens { f32::NEG_INFINITY } else { 0.0 };
    let mask: Vec<f32> = (0..queries * tokens).map(at).collect();
    Tensor::from_vec(mask, (queries, tokens), &candle_core::Device::Cpu)
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    fn tensor(data: &[f32], shape: impl Into<candle_core::Shape>) -> Tensor {
        Tensor::from_slice(data, shape, &Device::Cpu).expect("as many numbers")
    }

    /// By hand: scores 0 and ln 3·√1 weigh the values 1 : 3.
    #[test]
    fn attention_weighs_values_by_the_exponential_of_their_scores() {
        let queries = tensor(&[1.0], (1, 1, 1));
        let keys = tensor(&[0.0, 3f32.ln()], (1, 2, 1));
        let values = tensor(&[4.0, 8.0], (1, 2, 1));
        let found = attention(&queries, &keys, &values, 1, false);
        let found: Vec<f32> = found.and_then(|f| f.flatten_all()?.to_vec1()).expect("it runs");
        assert!((found[0] - 7.0).abs() < 1e-5, "{found:?}");
    }

    #[test]
    fn a_causal_query_does_not_see_what_comes_after_it() {
        let same = tensor(&[1.0, 2.0, 3.0], (1, 3, 1));
        let found = attention(&tensor(&[0.0; 3], (1, 3, 1)), &same, &same, 1, true);
        let found: Vec<f32> = found.and_then(|f| f.flatten_all()?.to_vec1()).expect("it runs");
        assert_eq!(found, [1.0, 1.5, 2.0]);
    }

    /// So many keys that queries are taken some at a time.
    #[test]
    fn queries_taken_in_turns_find_what_they_find_alone() {
        let count = 2900;
        let numbers: Vec<f32> = (0..count * 4).map(|i| ((i * 37 % 101) as f32 / 50.0) - 1.0).collect();
        let x = tensor(&numbers, (1, count, 4));
        let whole = attention(&x, &x, &x, 2, true).expect("it runs");
        let last = x.narrow(1, count - 1, 1).expect("the last");
        let alone = attention(&last, &x, &x, 2, false).expect("it runs");
        let off = (whole.narrow(1, count - 1, 1).expect("the last") - alone).and_then(|d| d.abs()?.max_all());
        assert!(off.and_then(|o| o.to_scalar::<f32>()).expect("a number") < 1e-6);
    }
}
