//! The few layers that Stable Diffusion's networks, CLIP and autoencoders are made of.

use candle_core::{Module, Tensor};

use super::{Compute, Matrix, Scores};
pub use super::{Conv, Groups, LayerNorm, Vars};

/// A matrix over the last dimension, and what is added.
pub struct Linear(super::Linear);

impl Linear {
    pub fn new(inputs: usize, outputs: usize, vb: Vars) -> candle_core::Result<Linear> {
        let bias = vb.get(outputs, "bias")?;
        Linear::of(vb.get((outputs, inputs), "weight")?, Some(bias), vb.compute())
    }

    pub fn without_bias(inputs: usize, outputs: usize, vb: Vars) -> candle_core::Result<Linear> {
        Linear::of(vb.get((outputs, inputs), "weight")?, None, vb.compute())
    }

    /// A convolution of one pixel is the same, and stored as one.
    pub fn of_pixels(inputs: usize, outputs: usize, vb: Vars) -> candle_core::Result<Linear> {
        let weight = vb.get((outputs, inputs, 1, 1), "weight")?;
        Linear::of(weight.squeeze(3)?.squeeze(2)?, Some(vb.get(outputs, "bias")?), vb.compute())
    }

    /// A convolution over patches that do not overlap is one of each patch's numbers.
    pub fn of_patches(channels: usize, side: usize, outputs: usize, vb: Vars) -> candle_core::Result<Linear> {
        let weight = vb.get((outputs, channels, side, side), "weight")?;
        Linear::of(weight.flatten_from(1)?, Some(vb.get(outputs, "bias")?), vb.compute())
    }

    fn of(weight: Tensor, bias: Option<Tensor>, compute: &Compute) -> candle_core::Result<Linear> {
        Ok(Linear(super::Linear::new(Matrix::wide(weight)?, bias, compute)?))
    }

    pub fn compute(&self) -> &Compute {
        self.0.compute()
    }

    /// The same, added to `beside`.
    pub fn beside(&self, x: &Tensor, beside: &Tensor) -> candle_core::Result<Tensor> {
        let rows = |x: &Tensor| x.flatten_to(x.rank().saturating_sub(2));
        self.0.beside(&rows(x)?, &rows(beside)?)?.reshape(beside.shape())
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

/// What every query finds among the values, (1, queries, heads × width) of queries and as many columns of keys and
/// values. A causal query sees only the keys up to its own place.
pub fn attention(
    [queries, keys, values]: [&Tensor; 3],
    heads: usize,
    causal: bool,
    compute: &Compute,
) -> candle_core::Result<Tensor> {
    let width = queries.dim(2)? / heads.max(1);
    let scores = if causal { Scores::Causal } else { Scores::AsTheyAre };
    let (queries, keys, values) = (queries.squeeze(0)?, keys.squeeze(0)?, values.squeeze(0)?);
    let scale = 1.0 / (width as f64).sqrt();
    super::attention([&queries, &keys, &values], heads, scale, scores, compute)?.unsqueeze(0)
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
        let found = attention([&queries, &keys, &values], 1, false, &Compute::default());
        let found: Vec<f32> = found.and_then(|f| f.flatten_all()?.to_vec1()).expect("it runs");
        assert!((found[0] - 7.0).abs() < 1e-5, "{found:?}");
    }

    #[test]
    fn a_causal_query_does_not_see_what_comes_after_it() {
        let same = tensor(&[1.0, 2.0, 3.0], (1, 3, 1));
        let found = attention([&tensor(&[0.0; 3], (1, 3, 1)), &same, &same], 1, true, &Compute::default());
        let found: Vec<f32> = found.and_then(|f| f.flatten_all()?.to_vec1()).expect("it runs");
        assert_eq!(found, [1.0, 1.5, 2.0]);
    }

    /// So many keys that queries are taken some at a time.
    #[test]
    fn queries_taken_in_turns_find_what_they_find_alone() {
        let count = 2900;
        let numbers: Vec<f32> = (0..count * 4).map(|i| ((i * 37 % 101) as f32 / 50.0) - 1.0).collect();
        let x = tensor(&numbers, (1, count, 4));
        let whole = attention([&x, &x, &x], 2, true, &Compute::default()).expect("it runs");
        let last = x.narrow(1, count - 1, 1).expect("the last");
        let alone = attention([&last, &x, &x], 2, false, &Compute::default()).expect("it runs");
        let off = (whole.narrow(1, count - 1, 1).expect("the last") - alone).and_then(|d| d.abs()?.max_all());
        assert!(off.and_then(|o| o.to_scalar::<f32>()).expect("a number") < 1e-6);
    }
}
