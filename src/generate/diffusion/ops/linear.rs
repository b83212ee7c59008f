//! Products with a matrix of weights.

use std::ops::Range;

use candle_core::{DType, Device, Module, Tensor};

use super::{LowRank, Matrix};

/// `x·wᵀ + b` in f32, whatever type the weights are stored in: they are widened a panel at a time in each call, so
/// that no second copy of them is ever whole.
pub struct Linear {
    weight: Matrix,
    bias: Option<Tensor>,
    changes: Vec<LowRank>,
}

impl Linear {
    /// `weight` has a row for each output.
    pub fn new(weight: Matrix, bias: Option<Tensor>) -> Linear {
        Linear { weight, bias, changes: Vec::new() }
    }

    /// With what is added to the weight.
    pub fn changed(self, changes: Vec<LowRank>) -> Linear {
        Linear { changes, ..self }
    }

    /// Some of the outputs, of (rows, inputs).
    pub fn outputs(&self, x: &Tensor, outputs: Range<usize>) -> candle_core::Result<Tensor> {
        let x = &x.contiguous()?;
        let made = self.unchanged(x, outputs.clone())?;
        self.changes.iter().try_fold(made, |made, change| change.add(x, made, &outputs))
    }

    fn unchanged(&self, x: &Tensor, outputs: Range<usize>) -> candle_core::Result<Tensor> {
        let (rows, inputs) = x.dims2()?;
        if inputs != self.weight.columns() {
            candle_core::bail!("{inputs} inputs for {} columns of weights", self.weight.columns());
        }
        let (first, width) = (outputs.start, outputs.len());
        let part = |panel: Range<usize>| -> candle_core::Result<Tensor> {
            let weight = self.weight.widened(panel.clone())?;
            let part = x.matmul(&weight.t()?)?;
            match &self.bias {
                Some(bias) => part.broadcast_add(&bias.narrow(0, panel.start, panel.len())?),
                None => Ok(part),
            }
        };
        let mut panels = self.weight.panels(outputs);
        match (panels.next(), panels.next()) {
            (Some(whole), None) => part(whole),
            (first_panel, second) => {
                let all = Tensor::zeros((rows, width), DType::F32, &Device::Cpu)?;
                for panel in first_panel.into_iter().chain(second).chain(panels) {
                    let start = panel.start - first;
                    all.slice_set(&part(panel)?, 1, start)?;
                }
                Ok(all)
            }
        }
    }
}

impl Module for Linear {
    fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        self.outputs(x, 0..self.weight.rows())
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::types::Type;
    use super::*;
    use crate::random::Stream;

    fn numbers(name: &str, rows: usize, columns: usize) -> Tensor {
        let stream = Stream::new(5, name);
        let numbers = (0..(rows * columns) as u64).map(|i| stream.normal(i) as f32).collect();
        Tensor::from_vec(numbers, (rows, columns), &Device::Cpu).expect("as many")
    }

    fn bf16(numbers: &Tensor) -> Vec<u8> {
        let numbers = numbers.flatten_all().and_then(|t| t.to_vec1::<f32>()).expect("numbers");
        numbers.iter().flat_map(|v| ((v.to_bits() >> 16) as u16).to_le_bytes()).collect()
    }

    /// More numbers than a panel has, so that several are put together.
    #[test]
    fn a_product_panel_by_panel_is_the_product_with_the_widened_matrix() {
        let (outputs, inputs) = (2500, 4096);
        let weight = Matrix::stored(Type::Bf16, [outputs, inputs], bf16(&numbers("weight", outputs, inputs)));
        let weight = weight.expect("as many bytes");
        assert!(weight.panels(0..outputs).count() > 2);
        let wide = Matrix::wide(weight.widened(0..outputs).expect("all rows")).expect("a matrix");
        let bias = numbers("bias", 1, outputs).squeeze(0).expect("one row");
        let [stored, wide] = [weight, wide].map(|weight| Linear::new(weight, Some(bias.clone())));
        let x = numbers("x", 7, inputs);
        let far = |a: Tensor, b: Tensor| {
            let far = (a - b).and_then(|d| d.abs()?.max_all()?.to_scalar::<f32>()).expect("alike");
            f64::from(far) / (inputs as f64).sqrt()
        };
        let [found, expected] = [&stored, &wide].map(|linear| linear.forward(&x).expect("widths that fit"));
        assert_eq!(found.dims(), [7, outputs]);
        let off = far(found, expected.clone());
        assert!(off <= 1e-6, "{off:e}");
        let some = stored.outputs(&x, 1000..2400).expect("widths that fit");
        assert!(far(some, expected.narrow(1, 1000, 1400).expect("within")) <= 1e-6);
    }

    #[test]
    fn rows_are_looked_up_in_the_order_that_is_asked_for() {
        let all = numbers("rows", 5, 8);
        let stored = Matrix::stored(Type::Bf16, [5, 8], bf16(&all)).expect("as many bytes");
        let found = stored.lookup(&[4, 0, 4]).and_then(|t| t.to_vec2::<f32>()).expect("rows that exist");
        let whole = stored.widened(0..5).and_then(|t| t.to_vec2::<f32>()).expect("all rows");
        assert_eq!(found, [whole[4].clone(), whole[0].clone(), whole[4].clone()]);
        assert!(stored.lookup(&[5]).is_err());
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert!(Matrix::stored(Type::Q8_0, [2, 32], vec![0; 67]).is_err());
        let linear = Linear::new(Matrix::stored(Type::Q8_0, [2, 32], vec![0; 68]).expect("two blocks"), None);
        assert!(linear.forward(&numbers("x", 1, 31)).is_err());
    }
}
