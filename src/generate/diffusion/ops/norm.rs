//! Norms of pictures and of tokens.

use candle_core::Tensor;

use super::kernels::{Activation, Kind, group_norm, row_norm};
use super::numbers::{Numbers, tensor};
use super::{Compute, Vars, activated, tensors};

/// Groups of channels brought to mean 0 and deviation 1, over (batch, channels, height, width).
pub struct Groups {
    groups: usize,
    scale: Tensor,
    shift: Tensor,
    epsilon: f64,
    compute: Compute,
}

impl Groups {
    pub fn new(groups: usize, channels: usize, epsilon: f64, vb: Vars) -> candle_core::Result<Groups> {
        if groups == 0 || !channels.is_multiple_of(groups) {
            candle_core::bail!("{channels} channels in {groups} groups");
        }
        let (scale, shift) = (vb.get(channels, "weight")?, vb.get(channels, "bias")?);
        Ok(Groups { groups, scale, shift, epsilon, compute: vb.compute().clone() })
    }

    pub fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        self.normed(x, None)
    }

    /// And SiLU.
    pub fn activated(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        self.normed(x, Some(Activation::Silu))
    }

    fn normed(&self, x: &Tensor, activation: Option<Activation>) -> candle_core::Result<Tensor> {
        let (_, channels, height, width) = x.dims4()?;
        if channels != self.scale.dim(0)? {
            candle_core::bail!("{channels} channels for a norm of {}", self.scale.dim(0)?);
        }
        if let Compute::Tensors(..) = self.compute {
            let made = tensors::group_norm(x, self.groups, [&self.scale, &self.shift], self.epsilon)?;
            return match activation {
                Some(activation) => activated(&self.compute, &made, activation),
                None => Ok(made),
            };
        }
        let x = x.contiguous()?;
        let (scale, shift) = (Numbers::of(&self.scale)?, Numbers::of(&self.shift)?);
        let sides = [self.groups, height * width];
        let made = group_norm(&Numbers::of(&x)?, sides, [&scale, &shift], self.epsilon, activation);
        tensor(made, x.shape())
    }
}

/// Each token's numbers brought to mean 0 and deviation 1, over (…, width).
pub struct LayerNorm {
    scale: Tensor,
    shift: Tensor,
    epsilon: f64,
    compute: Compute,
}

impl LayerNorm {
    pub fn new(width: usize, epsilon: f64, vb: Vars) -> candle_core::Result<LayerNorm> {
        let (scale, shift) = (vb.get(width, "weight")?, vb.get(width, "bias")?);
        Ok(LayerNorm { scale, shift, epsilon, compute: vb.compute().clone() })
    }

    pub fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        layer_norm(&self.compute, x, [&self.scale, &self.shift], self.epsilon)
    }
}

/// The same with a factor and a summand from elsewhere, (width) or (1, width).
pub fn layer_norm(
    compute: &Compute,
    x: &Tensor,
    [scale, shift]: [&Tensor; 2],
    epsilon: f64,
) -> candle_core::Result<Tensor> {
    rows(compute, x, scale, Some(shift), epsilon)
}

/// Each token's numbers brought to a mean square of 1.
pub fn rms_norm(compute: &Compute, x: &Tensor, scale: &Tensor, epsilon: f64) -> candle_core::Result<Tensor> {
    rows(compute, x, scale, None, epsilon)
}

/// Without a shift by the mean square.
fn rows(
    compute: &Compute,
    x: &Tensor,
    scale: &Tensor,
    shift: Option<&Tensor>,
    epsilon: f64,
) -> candle_core::Result<Tensor> {
    let width = x.dims().last().copied().unwrap_or_default();
    if scale.elem_count() != width || shift.is_some_and(|shift| shift.elem_count() != width) {
        candle_core::bail!("{width} numbers for a norm of {}", scale.elem_count());
    }
    if let Compute::Tensors(..) = compute {
        return tensors::row_norm(x, scale, shift, epsilon);
    }
    let kind = if shift.is_some() { Kind::Layer } else { Kind::RootMeanSquare };
    let (x, scale) = (x.contiguous()?, scale.contiguous()?);
    let shift = shift.map(Tensor::contiguous).transpose()?;
    let shift = shift.as_ref().map(Numbers::of).transpose()?;
    tensor(row_norm(&Numbers::of(&x)?, &Numbers::of(&scale)?, shift.as_deref(), epsilon, kind), x.shape())
}
