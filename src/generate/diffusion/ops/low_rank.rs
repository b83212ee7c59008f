//! What a LoRA adds to a matrix.

use std::ops::Range;

use candle_core::Tensor;

use super::Compute;

/// `up·down`, to be added to some rows of a matrix; as exact beside it as in it, and beside it needs no widened copy
/// of what is stored otherwise.
pub struct LowRank {
    /// (rank, inputs).
    down: Tensor,
    /// (rows, rank), with its scale.
    up: Tensor,
    /// The first row that is added to.
    at: usize,
}

/// Numbers that are added at a time.
const PANEL: usize = 4 << 20;

impl LowRank {
    /// `down` is (rank, inputs), `up` (rows, rank).
    pub fn new(down: Tensor, up: Tensor, at: usize) -> candle_core::Result<LowRank> {
        let ((rank, _), (_, width)) = (down.dims2()?, up.dims2()?);
        if rank != width {
            candle_core::bail!("a rank of {rank} and of {width}");
        }
        Ok(LowRank { down, up, at })
    }

    /// The same for layers that compute so.
    pub fn taken(self, compute: &Compute) -> candle_core::Result<LowRank> {
        Ok(LowRank { down: compute.taken(&self.down)?, up: compute.taken(&self.up)?, at: self.at })
    }

    /// Adds it to a matrix, row by row in `numbers`.
    pub fn merge(&self, numbers: &mut [f32]) -> candle_core::Result<()> {
        let (rows, columns) = (self.up.dim(0)?, self.down.dim(1)?.max(1));
        let Some(numbers) = numbers.get_mut(self.at * columns..(self.at + rows) * columns) else {
            candle_core::bail!("rows {} to {} of a smaller matrix", self.at, self.at + rows);
        };
        let panel = (PANEL / columns).max(1);
        for (i, numbers) in numbers.chunks_mut(panel * columns).enumerate() {
            let up = self.up.narrow(0, i * panel, numbers.len() / columns)?;
            let added = up.matmul(&self.down)?.flatten_all()?.to_vec1::<f32>()?;
            numbers.iter_mut().zip(added).for_each(|(to, added)| *to += added);
        }
        Ok(())
    }

    /// Adds what it makes of `x`, (count, inputs), to `made`, which has those `outputs` of the matrix.
    pub fn add(&self, x: &Tensor, made: Tensor, outputs: &Range<usize>) -> candle_core::Result<Tensor> {
        let rows = self.at.max(outputs.start)..(self.at + self.up.dim(0)?).min(outputs.end);
        if rows.is_empty() {
            return Ok(made);
        }
        let up = self.up.narrow(0, rows.start - self.at, rows.len())?;
        let added = x.matmul(&self.down.t()?)?.matmul(&up.t()?)?;
        if rows == *outputs {
            return made + added;
        }
        let first = rows.start - outputs.start;
        let sum = (made.narrow(1, first, rows.len())? + added)?;
        made.slice_set(&sum, 1, first)?;
        Ok(made)
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Module};

    use super::super::{Linear, Matrix};
    use super::*;

    fn numbers(rows: usize, columns: usize, step: usize) -> Tensor {
        let numbers: Vec<f32> = (0..rows * columns).map(|i| (i * step % 17) as f32 / 8.0 - 1.0).collect();
        Tensor::from_vec(numbers, (rows, columns), &Device::Cpu).expect("as many")
    }

    fn values(tensor: &Tensor) -> Vec<f32> {
        tensor.flatten_all().and_then(|t| t.to_vec1()).expect("numbers")
    }

    /// In the matrix, and in some of its outputs, whichever rows of it and whichever outputs.
    #[test]
    fn what_is_added_beside_a_matrix_is_what_is_added_in_it() {
        let (weight, x) = (numbers(9, 5, 7), numbers(3, 5, 3));
        for (at, count) in [(0, 9), (0, 4), (2, 5), (6, 3)] {
            let change = || LowRank::new(numbers(2, 5, 5), numbers(count, 2, 11), at).expect("one rank");
            let mut merged = values(&weight);
            change().merge(&mut merged).expect("within");
            let merged = Tensor::from_vec(merged, (9, 5), &Device::Cpu).expect("as many");
            let linear = |weight: &Tensor| {
                Linear::new(Matrix::wide(weight.clone()).expect("a matrix"), None, &Compute::default())
                    .expect("numbers")
            };
            let (merged, beside) = (linear(&merged), linear(&weight));
            let beside = beside.changed(vec![change()]);
            for outputs in [0..9, 0..3, 2..7, 5..9, 3..4] {
                let [a, b] = [&merged, &beside]
                    .map(|linear| values(&linear.outputs(&x, outputs.clone()).expect("widths that fit")));
                assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-5), "{at} {count} {outputs:?}");
            }
            let plain = linear(&weight);
            assert_ne!(
                values(&plain.forward(&x).expect("it fits")),
                values(&beside.forward(&x).expect("it fits"))
            );
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert!(LowRank::new(numbers(2, 5, 1), numbers(4, 3, 1), 0).is_err());
        let change = LowRank::new(numbers(2, 5, 1), numbers(4, 2, 1), 6).expect("one rank");
        assert!(change.merge(&mut [0.0; 45]).is_err());
    }
}
