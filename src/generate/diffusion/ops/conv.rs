//! Convolutions over (batch, channels, height, width).

use candle_core::Tensor;
use rayon::prelude::*;

use super::kernels::{Filters, Pair, Picture, Steps, convolve};
use super::numbers::{Numbers, is_placeholder, tensor};
use super::{Compute, Precision, Vars, tensors};

/// A convolution that keeps the size, or halves it.
pub struct Conv {
    filters: Form,
    bias: Tensor,
    steps: Steps,
}

enum Form {
    /// Where only names and shapes are checked.
    Nothing,
    Kernels(Laid),
    /// (outputs, inputs, side, side).
    Tensors(Tensor),
}

/// Weights laid out for what is computed of them.
enum Laid {
    Single(Filters),
    Pairs(Filters<Pair>),
}

impl Laid {
    fn of(weight: &[f32], shape: [usize; 3], precision: Precision) -> Laid {
        match precision {
            Precision::F32 => Laid::Single(Filters::of(weight, shape)),
            Precision::Bf16 => Laid::Pairs(Filters::of(weight, shape)),
        }
    }

    /// Inputs and outputs.
    fn channels(&self) -> [usize; 2] {
        match self {
            Laid::Single(filters) => [filters.inputs(), filters.outputs()],
            Laid::Pairs(filters) => [filters.inputs(), filters.outputs()],
        }
    }

    fn sides(&self, steps: Steps, sides: [usize; 2]) -> [usize; 2] {
        match self {
            Laid::Single(filters) => steps.sides(sides, filters),
            Laid::Pairs(filters) => steps.sides(sides, filters),
        }
    }

    fn convolve(&self, x: Picture, steps: Steps, made: &mut [f32]) {
        match self {
            Laid::Single(filters) => convolve(x, filters, steps, made),
            Laid::Pairs(filters) => convolve(x, filters, steps, made),
        }
    }
}

impl Conv {
    /// Of 3×3 pixels.
    pub fn new(inputs: usize, outputs: usize, vb: Vars) -> candle_core::Result<Conv> {
        Conv::of([inputs, outputs], 3, Steps { stride: 1, before: 1, behind: 1 }, vb)
    }

    /// Of 3×3 pixels about every second; odd sizes are rounded up.
    pub fn halving(channels: usize, vb: Vars) -> candle_core::Result<Conv> {
        Conv::of([channels, channels], 3, Steps { stride: 2, before: 1, behind: 1 }, vb)
    }

    /// Of 3×3 pixels that begin at every second; odd sizes are rounded down.
    pub fn halving_after(channels: usize, vb: Vars) -> candle_core::Result<Conv> {
        Conv::of([channels, channels], 3, Steps { stride: 2, before: 0, behind: 1 }, vb)
    }

    /// Of one pixel.
    pub fn pixel(inputs: usize, outputs: usize, vb: Vars) -> candle_core::Result<Conv> {
        Conv::of([inputs, outputs], 1, Steps { stride: 1, before: 0, behind: 0 }, vb)
    }

    fn of([inputs, outputs]: [usize; 2], side: usize, steps: Steps, vb: Vars) -> candle_core::Result<Conv> {
        let weight = vb.get((outputs, inputs, side, side), "weight")?;
        let filters = match vb.compute() {
            _ if is_placeholder(&weight) => Form::Nothing,
            Compute::Kernels(precision) => {
                let shape = [outputs, inputs, side];
                Form::Kernels(Laid::of(&Numbers::of(&weight)?, shape, *precision))
            }
            Compute::Tensors(..) => Form::Tensors(weight),
        };
        Ok(Conv { filters, bias: vb.get(outputs, "bias")?, steps })
    }

    pub fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        self.onto(x, None, None)
    }

    /// With `channels`, (1, outputs), added to every pixel.
    pub fn with(&self, x: &Tensor, channels: &Tensor) -> candle_core::Result<Tensor> {
        self.onto(x, Some(channels), None)
    }

    /// Added to `beside`.
    pub fn beside(&self, x: &Tensor, beside: &Tensor) -> candle_core::Result<Tensor> {
        self.onto(x, None, Some(beside))
    }

    /// Of every pixel twice in each direction, to so many rows and columns; the last once, where they are odd.
    pub fn of_doubled(&self, x: &Tensor, height: usize, width: usize) -> candle_core::Result<Tensor> {
        let (_, _, rows, columns) = x.dims4()?;
        if height.div_ceil(2) != rows || width.div_ceil(2) != columns {
            candle_core::bail!("{rows}×{columns} pixels doubled to {height}×{width}");
        }
        self.forward(&match self.filters {
            Form::Tensors(_) => {
                let all = x.upsample_nearest2d(2 * rows, 2 * columns)?;
                all.narrow(2, 0, height)?.narrow(3, 0, width)?
            }
            _ => doubled(x, height, width)?,
        })
    }

    fn onto(
        &self,
        x: &Tensor,
        channels: Option<&Tensor>,
        beside: Option<&Tensor>,
    ) -> candle_core::Result<Tensor> {
        let (batch, inputs, height, width) = x.dims4()?;
        let filters = match &self.filters {
            Form::Nothing => candle_core::bail!("a convolution without its weights"),
            Form::Kernels(filters) => filters,
            Form::Tensors(filters) => {
                let made = tensors::convolved(x, filters, self.steps)?;
                let bias = match channels {
                    Some(channels) => (&self.bias + channels.flatten_all()?)?,
                    None => self.bias.clone(),
                };
                let made = made.broadcast_add(&bias.reshape((1, bias.elem_count(), 1, 1))?)?;
                return beside.map_or(Ok(made.clone()), |beside| made + beside);
            }
        };
        let [seen, outputs] = filters.channels();
        if inputs != seen {
            candle_core::bail!("{inputs} channels for filters of {seen}");
        }
        let [made_height, made_width] = filters.sides(self.steps, [height, width]);
        let pixels = made_height * made_width;
        let shape = (batch, outputs, made_height, made_width);
        let (x, bias) = (x.contiguous()?, self.bias.contiguous()?);
        let bias = match channels {
            Some(channels) => (bias + channels.flatten_all()?)?,
            None => bias,
        };
        let (x, bias) = (Numbers::of(&x)?, Numbers::of(&bias)?);
        let mut made = match beside {
            Some(beside) if beside.dims4()? != shape => candle_core::bail!("sums of two shapes"),
            Some(beside) => Numbers::of(&beside.contiguous()?)?.to_vec(),
            None => vec![0.0; batch * outputs * pixels],
        };
        made.par_chunks_mut(pixels.max(1)).enumerate().for_each(|(i, made)| {
            let bias = bias[i % bias.len().max(1)];
            made.iter_mut().for_each(|pixel| *pixel += bias);
        });
        let pictures = x.chunks_exact((inputs * height * width).max(1));
        for (numbers, made) in pictures.zip(made.chunks_exact_mut((outputs * pixels).max(1))) {
            filters.convolve(Picture { numbers, height, width }, self.steps, made);
        }
        tensor(made, shape)
    }
}

fn doubled(x: &Tensor, height: usize, width: usize) -> candle_core::Result<Tensor> {
    let (batch, channels, rows, columns) = x.dims4()?;
    let x = x.contiguous()?;
    let x = Numbers::of(&x)?;
    let mut made = vec![0.0; batch * channels * height * width];
    let planes = made.par_chunks_mut((height * width).max(1)).zip(x.par_chunks((rows * columns).max(1)));
    planes.for_each(|(made, x)| {
        for (y, made) in made.chunks_exact_mut(width).enumerate() {
            let row = &x[y / 2 * columns..][..columns];
            for (two, x) in made.chunks_mut(2).zip(row) {
                two.fill(*x);
            }
        }
    });
    tensor(made, (batch, channels, height, width))
}
