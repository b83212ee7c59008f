//! Products with a matrix of weights.

use std::ops::Range;

use candle_core::{Module, Tensor};
use rayon::prelude::*;

use super::kernels::{self, Activation, Lefts, Onto, Pair, Rights, Term, product, product_of_some};
use super::numbers::{Numbers, tensor};
use super::tensors::{self, Held};
use super::{Compute, LowRank, Matrix, Precision};

/// `x·wᵀ + b`, whatever type the weights are stored in. Those that take no more room when they are laid out for products
/// are laid out once; others stay as they are stored and are widened a panel at a time in each call, so that no second
/// copy of them is ever whole.
pub struct Linear {
    weight: Weight,
    /// Outputs and inputs.
    sides: [usize; 2],
    /// As the layers want it.
    bias: Option<Tensor>,
    changes: Vec<LowRank>,
    compute: Compute,
}

enum Weight {
    Single(Rights),
    Pairs(Rights<Pair>),
    Stored(Matrix, Precision),
    Held(Held),
}

impl Linear {
    /// `weight` has a row for each output.
    pub fn new(weight: Matrix, bias: Option<Tensor>, compute: &Compute) -> candle_core::Result<Linear> {
        let sides = [weight.rows(), weight.columns()];
        let weight = match compute {
            Compute::Kernels(Precision::F32) if weight.fits::<f32>() => Weight::Single(laid_out(&weight)?),
            Compute::Kernels(Precision::Bf16) if weight.fits::<Pair>() => Weight::Pairs(laid_out(&weight)?),
            Compute::Kernels(precision) => Weight::Stored(weight, *precision),
            Compute::Tensors(device, precision) => Weight::Held(Held::of(&weight, device, *precision)?),
        };
        Ok(Linear { weight, sides, bias, changes: Vec::new(), compute: compute.clone() })
    }

    pub fn compute(&self) -> &Compute {
        &self.compute
    }

    /// With what is added to the weight.
    pub fn changed(self, changes: Vec<LowRank>) -> Linear {
        Linear { changes, ..self }
    }

    /// Some of the outputs, of (rows, inputs).
    pub fn outputs(&self, x: &Tensor, outputs: Range<usize>) -> candle_core::Result<Tensor> {
        match &self.weight {
            Weight::Held(held) => self.of_held(held, x, &outputs),
            _ => self.finished(x, outputs, |_| Ok(())),
        }
    }

    /// The same through an activation.
    pub fn activated(
        &self,
        x: &Tensor,
        outputs: Range<usize>,
        activation: Activation,
    ) -> candle_core::Result<Tensor> {
        if let Weight::Held(held) = &self.weight {
            return tensors::activated(&self.of_held(held, x, &outputs)?, activation);
        }
        self.finished(x, outputs, |made| {
            kernels::activate(made, activation);
            Ok(())
        })
    }

    fn of_held(&self, held: &Held, x: &Tensor, outputs: &Range<usize>) -> candle_core::Result<Tensor> {
        let ((_, inputs), [all, columns]) = (x.dims2()?, self.sides);
        if inputs != columns || outputs.start > outputs.end || outputs.end > all {
            candle_core::bail!("{inputs} inputs and outputs {outputs:?} of weights for {columns} and {all}");
        }
        let made = held.product(x, outputs)?;
        let made = match &self.bias {
            Some(bias) => made.broadcast_add(&bias.narrow(0, outputs.start, outputs.len())?)?,
            None => made,
        };
        self.changed_by(x, made, outputs)
    }

    /// The same as `finish` leaves them, where kernels make them.
    pub(super) fn finished(
        &self,
        x: &Tensor,
        outputs: Range<usize>,
        finish: impl FnOnce(&mut [f32]) -> candle_core::Result<()>,
    ) -> candle_core::Result<Tensor> {
        let shape = (x.dim(0)?, outputs.len());
        let mut made = self.onto(&[x], outputs.clone(), None)?;
        if !self.changes.is_empty() {
            let changed = self.changed_by(x, tensor(made, shape)?, &outputs)?.contiguous()?;
            made = Numbers::of(&changed)?.to_vec();
        }
        finish(&mut made)?;
        tensor(made, shape)
    }

    /// All outputs, added to `beside`.
    pub fn beside(&self, x: &Tensor, beside: &Tensor) -> candle_core::Result<Tensor> {
        let outputs = 0..self.sides[0];
        if let Weight::Held(held) = &self.weight {
            return self.of_held(held, x, &outputs)? + beside;
        }
        let made = tensor(self.onto(&[x], outputs.clone(), Some(beside))?, beside.shape())?;
        self.changed_by(x, made, &outputs)
    }

    /// All outputs, of inputs that are in two tensors: as if they were beside one another in one.
    pub fn of_both(&self, first: &Tensor, second: &Tensor) -> candle_core::Result<Tensor> {
        let held = matches!(self.weight, Weight::Held(_));
        if held
            || !self.changes.is_empty()
            || first.dim(0)? == 1
            || !first.dim(1)?.is_multiple_of(Pair::NUMBERS)
        {
            return self.forward(&Tensor::cat(&[first, second], 1)?);
        }
        let outputs = 0..self.sides[0];
        tensor(self.onto(&[first, second], outputs, None)?, (first.dim(0)?, self.sides[0]))
    }

    fn changed_by(&self, x: &Tensor, made: Tensor, outputs: &Range<usize>) -> candle_core::Result<Tensor> {
        if self.changes.is_empty() {
            return Ok(made);
        }
        let x = &x.contiguous()?;
        self.changes.iter().try_fold(made, |made, change| change.add(x, made, outputs))
    }

    /// Of the inputs in `parts` beside one another.
    fn onto(
        &self,
        parts: &[&Tensor],
        outputs: Range<usize>,
        beside: Option<&Tensor>,
    ) -> candle_core::Result<Vec<f32>> {
        let parts: Vec<Tensor> =
            parts.iter().map(|part| part.contiguous()).collect::<candle_core::Result<_>>()?;
        let sides: Vec<(usize, usize)> =
            parts.iter().map(Tensor::dims2).collect::<candle_core::Result<_>>()?;
        let rows = sides.first().map_or(0, |(rows, _)| *rows);
        let inputs: usize = sides.iter().map(|(_, columns)| columns).sum();
        let [all, columns] = self.sides;
        let alike = sides.iter().all(|(count, _)| *count == rows);
        if !alike || inputs != columns || outputs.start > outputs.end || outputs.end > all {
            candle_core::bail!("{inputs} inputs and outputs {outputs:?} of weights for {columns} and {all}");
        }
        let width = outputs.len();
        let mut made = match beside {
            Some(beside) if beside.dims2()? != (rows, width) => candle_core::bail!("sums of two shapes"),
            Some(beside) => Numbers::of(&beside.contiguous()?)?.to_vec(),
            None => vec![0.0; rows * width],
        };
        let bias = self.bias.as_ref().map(|bias| bias.narrow(0, outputs.start, width)).transpose()?;
        let bias = bias.as_ref().map(Numbers::of).transpose()?;
        let onto = match &bias {
            Some(bias) if beside.is_some() => {
                made.par_chunks_mut(width.max(1)).for_each(|row| {
                    row.iter_mut().zip(&**bias).for_each(|(to, bias)| *to += bias);
                });
                Onto::There
            }
            Some(bias) => Onto::Columns(bias),
            None if beside.is_some() => Onto::There,
            None => Onto::Nothing,
        };
        let numbers: Vec<Numbers> = parts.iter().map(Numbers::of).collect::<candle_core::Result<_>>()?;
        let parts: Vec<(&[f32], usize)> =
            numbers.iter().zip(&sides).map(|(part, (_, columns))| (&**part, *columns)).collect();
        let x = Product { parts: &parts, rows, outputs, onto };
        match &self.weight {
            Weight::Single(right) => x.of_packed(right, &mut made),
            Weight::Pairs(right) => x.of_packed(right, &mut made),
            Weight::Stored(matrix, _) if rows == 1 => x.of_row(matrix, &mut made)?,
            Weight::Stored(matrix, Precision::F32) => x.of_stored::<f32>(matrix, &mut made)?,
            Weight::Stored(matrix, Precision::Bf16) => x.of_stored::<Pair>(matrix, &mut made)?,
            Weight::Held(_) => candle_core::bail!("weights that no kernel reads"),
        }
        Ok(made)
    }
}

fn laid_out<T: Term>(weight: &Matrix) -> candle_core::Result<Rights<T>> {
    weight.widened_to_panels(0..weight.rows(), Vec::new())
}

/// What is made of some rows for some outputs, or added to what is there.
struct Product<'a> {
    /// Numbers of the rows, and how many each row has; beside one another.
    parts: &'a [(&'a [f32], usize)],
    rows: usize,
    outputs: Range<usize>,
    onto: Onto<'a>,
}

impl Product<'_> {
    fn left<T: Term>(&self) -> Lefts<T> {
        Lefts::of_parts(self.parts, self.rows)
    }

    fn of_packed<T: Term>(self, right: &Rights<T>, made: &mut [f32]) {
        let (left, Product { rows, outputs, onto, .. }) = (self.left(), self);
        let (width, before) = (outputs.len(), outputs.start % right.width());
        if before == 0 {
            return product_of_some(&left, right, outputs, made, 0, width, onto);
        }
        // From the beginning of their panel on, and then without what is before them.
        let mut wider = vec![0.0; rows * (before + width)];
        let columns = outputs.start - before..outputs.end;
        product_of_some(&left, right, columns, &mut wider, 0, before + width, Onto::Nothing);
        onto.begin(made, width);
        let rows = made.chunks_exact_mut(width.max(1)).zip(wider.chunks_exact(before + width));
        rows.for_each(|(to, from)| to.iter_mut().zip(&from[before..]).for_each(|(to, x)| *to += x));
    }

    fn of_stored<T: Term>(self, matrix: &Matrix, made: &mut [f32]) -> candle_core::Result<()> {
        let left = self.left();
        let mut room = Vec::new();
        for panel in matrix.panels(self.outputs.clone()) {
            let at = panel.start - self.outputs.start;
            let onto = match self.onto {
                Onto::Columns(bias) => Onto::Columns(&bias[at..at + panel.len()]),
                onto => onto,
            };
            let right: Rights<T> = matrix.widened_to_panels(panel, room)?;
            product(&left, &right, made, at, self.outputs.len(), onto);
            room = right.into_room();
        }
        Ok(())
    }

    /// Of one row, for which panels would take longer than their product: always in f32.
    fn of_row(self, matrix: &Matrix, made: &mut [f32]) -> candle_core::Result<()> {
        let [(x, _)] = self.parts else { candle_core::bail!("a row in parts") };
        self.onto.begin(made, self.outputs.len());
        matrix.add_to(self.outputs, x, made)
    }
}

impl Module for Linear {
    fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        self.outputs(x, 0..self.sides[0])
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::types::Type;
    use super::super::activated;
    use super::*;
    use crate::random::Stream;
    use candle_core::Device;

    fn numbers(name: &str, rows: usize, columns: usize) -> Tensor {
        let stream = Stream::new(5, name);
        let numbers = (0..(rows * columns) as u64).map(|i| stream.normal(i) as f32).collect();
        Tensor::from_vec(numbers, (rows, columns), &Device::Cpu).expect("as many")
    }

    fn bf16(numbers: &Tensor) -> Vec<u8> {
        let numbers = numbers.flatten_all().and_then(|t| t.to_vec1::<f32>()).expect("numbers");
        numbers.iter().flat_map(|v| ((v.to_bits() >> 16) as u16).to_le_bytes()).collect()
    }

    fn linear(weight: Matrix, bias: Option<Tensor>, precision: Precision) -> Linear {
        Linear::new(weight, bias, &precision.into()).expect("a matrix that can be read")
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
        let [stored, wide] = [weight, wide].map(|weight| linear(weight, Some(bias.clone()), Precision::F32));
        let x = numbers("x", 7, inputs);
        let far = |a: Tensor, b: Tensor| {
            let far = (a - b).and_then(|d| d.abs()?.max_all()?.to_scalar::<f32>()).expect("alike");
            f64::from(far) / (inputs as f64).sqrt()
        };
        let [found, expected] = [&stored, &wide].map(|linear| linear.forward(&x).expect("widths that fit"));
        assert_eq!(found.dims(), [7, outputs]);
        let off = far(found, expected.clone());
        assert!(off <= 1e-6, "{off:e}");
        for linear in [&stored, &wide] {
            let some = linear.outputs(&x, 1001..2401).expect("widths that fit");
            assert!(far(some, expected.narrow(1, 1001, 1400).expect("within")) <= 1e-6);
        }
        let onto = wide.beside(&x, &expected).expect("shapes that fit");
        // Its parts are rounded at twice the size.
        assert!(far(onto, (&expected * 2.0).expect("numbers")) <= 3e-6);
    }

    /// However they are stored: BF16 to the bit, and 8 bits by what rounding takes away.
    #[test]
    fn weights_in_bfloat16_are_those_that_are_stored_once_they_are_rounded() {
        let (outputs, inputs) = (70, 544);
        let values = |t: Tensor| t.flatten_all().and_then(|t| t.to_vec1::<f32>()).expect("numbers");
        let weight =
            || Matrix::stored(Type::Bf16, [outputs, inputs], bf16(&numbers("weight", outputs, inputs)));
        let wide = weight().and_then(|weight| Matrix::wide(weight.widened(0..outputs)?)).expect("a matrix");
        let bias = numbers("bias", 1, outputs).squeeze(0).expect("one row");
        let stored = linear(weight().expect("as many bytes"), Some(bias.clone()), Precision::Bf16);
        assert!(matches!(stored.weight, Weight::Pairs(_)));
        let exact = linear(weight().expect("as many bytes"), Some(bias.clone()), Precision::F32);
        assert!(matches!(exact.weight, Weight::Stored(..)));
        let rounded = linear(wide, Some(bias.clone()), Precision::Bf16);
        let x = numbers("x", 7, inputs);
        let [a, b, c] =
            [&stored, &rounded, &exact].map(|linear| values(linear.forward(&x).expect("it fits")));
        assert_eq!(a, b);
        let far = |a: &[f32], b: &[f32]| a.iter().zip(b).fold(0.0f32, |most, (a, b)| most.max((a - b).abs()));
        let off = far(&a, &c) / (inputs as f32).sqrt();
        assert!(off > 0.0 && off < 0.01, "{off}");

        let blocks = |precision| {
            let block =
                |i: usize| [0, 0x20].into_iter().chain((0..32).map(move |j| ((i * 37 + j * 11) % 251) as u8));
            let bytes = (0..outputs * inputs / 32).flat_map(block).collect();
            let matrix = Matrix::stored(Type::Q8_0, [outputs, inputs], bytes).expect("as many bytes");
            linear(matrix, Some(bias.clone()), precision)
        };
        let [halved, single] = [Precision::Bf16, Precision::F32].map(blocks);
        assert!(matches!(halved.weight, Weight::Stored(..)), "it would take twice the room");
        let [a, b] = [&halved, &single].map(|linear| values(linear.outputs(&x, 3..64).expect("it fits")));
        let largest = b.iter().fold(0.0f32, |most, b| most.max(b.abs()));
        let off = far(&a, &b) / largest;
        assert!(off > 0.0 && off < 0.01, "{off}");
        // One row has a way of its own.
        let [a, b] = [x.narrow(0, 0, 1), x.narrow(0, 0, 2)]
            .map(|x| values(single.outputs(&x.expect("rows"), 3..64).expect("it fits"))[..61].to_vec());
        assert!(far(&a, &b) / largest < 1e-6);
    }

    #[test]
    fn inputs_in_two_tensors_are_those_of_one_and_activations_those_of_what_is_made() {
        let values = |t: Tensor| t.flatten_all().and_then(|t| t.to_vec1::<f32>()).expect("numbers");
        let (outputs, inputs) = (70, 40 + 25);
        for (precision, first, rows) in
            [Precision::F32, Precision::Bf16].iter().flat_map(|p| [(*p, 40, 7), (*p, 25, 7), (*p, 40, 1)])
        {
            let weight = || Matrix::wide(numbers("weight", outputs, inputs)).expect("a matrix");
            let bias = numbers("bias", 1, outputs).squeeze(0).expect("one row");
            let plain = linear(weight(), Some(bias.clone()), precision);
            let change = LowRank::new(numbers("down", 3, inputs), numbers("up", 9, 3), 4).expect("one rank");
            let changed = linear(weight(), Some(bias), precision).changed(vec![change]);
            let x = numbers("x", rows, inputs);
            let [a, b] = [(0, first), (first, inputs - first)].map(|(at, count)| x.narrow(1, at, count));
            let (a, b) = (a.expect("within"), b.expect("within"));
            for linear in [&plain, &changed] {
                let whole = values(linear.forward(&x).expect("it fits"));
                assert_eq!(values(linear.of_both(&a, &b).expect("it fits")), whole, "{precision:?} {first}");
                let some = linear.outputs(&x, 3..64).expect("it fits");
                let expected = activated(plain.compute(), &some, Activation::GeluTanh).expect("numbers");
                let found = linear.activated(&x, 3..64, Activation::GeluTanh).expect("it fits");
                assert_eq!(values(found), values(expected));
            }
            assert!(plain.of_both(&a, &x).is_err());
        }
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
        let weight = Matrix::stored(Type::Q8_0, [2, 32], vec![0; 68]).expect("two blocks");
        let linear = linear(weight, None, Precision::F32);
        assert!(linear.forward(&numbers("x", 1, 31)).is_err());
    }
}
