//! Where the layers of Stable Diffusion, CLIP and autoencoders find their tensors.

use candle_core::{Shape, Tensor};
use candle_nn::VarBuilder;

use super::Compute;

/// Tensors whose names begin alike, for layers that compute so.
#[derive(Clone)]
pub struct Vars {
    vb: VarBuilder<'static>,
    compute: Compute,
}

impl Vars {
    /// `vb` gives f32 in the CPU's memory.
    pub fn of(vb: VarBuilder<'static>, compute: impl Into<Compute>) -> Vars {
        Vars { vb, compute: compute.into() }
    }

    /// Below this name, after a dot.
    pub fn pp(&self, name: impl ToString) -> Vars {
        Vars { vb: self.vb.pp(name), compute: self.compute.clone() }
    }

    /// As the layers want it.
    pub fn get(&self, shape: impl Into<Shape>, name: &str) -> candle_core::Result<Tensor> {
        self.compute.taken(&self.vb.get(shape, name)?)
    }

    pub fn contains_tensor(&self, name: &str) -> bool {
        self.vb.contains_tensor(name)
    }

    pub fn compute(&self) -> &Compute {
        &self.compute
    }
}
