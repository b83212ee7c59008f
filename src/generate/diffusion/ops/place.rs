//! Where a network finds its tensors.

use std::fmt::Display;

use candle_core::Tensor;

use super::super::ModelError;
use super::super::weights::Weights;
use super::{Compute, Linear, LowRank, Matrix};

/// The tensors of a file whose names begin alike. In a check of names and shapes nothing is read: all that is given is
/// as good as zeros.
#[derive(Clone)]
pub struct Place<'a> {
    weights: &'a Weights,
    prefix: String,
    read: bool,
    compute: Compute,
}

impl<'a> Place<'a> {
    /// For layers that compute so.
    pub fn of(weights: &'a Weights, compute: impl Into<Compute>) -> Place<'a> {
        Place { weights, prefix: String::new(), read: true, compute: compute.into() }
    }

    pub fn checking(weights: &'a Weights) -> Place<'a> {
        Place { weights, prefix: String::new(), read: false, compute: Compute::default() }
    }

    /// Below this one, after a dot.
    pub fn at(&self, name: impl Display) -> Place<'a> {
        Place { prefix: self.name(name), ..self.clone() }
    }

    fn name(&self, name: impl Display) -> String {
        if self.prefix.is_empty() { name.to_string() } else { format!("{}.{name}", self.prefix) }
    }

    pub fn compute(&self) -> &Compute {
        &self.compute
    }

    /// As the layers want it.
    pub fn vector(&self, name: &str, length: usize) -> Result<Tensor, ModelError> {
        Ok(self.compute.taken(&self.weights.tensor(&self.name(name), Some(&[length]), self.read)?)?)
    }

    /// In f32, for a small matrix that is looked at as a whole.
    pub fn table(&self, name: &str, shape: [usize; 2]) -> Result<Tensor, ModelError> {
        self.weights.tensor(&self.name(name), Some(&shape), self.read)
    }

    /// As it is stored.
    pub fn matrix(&self, name: &str, shape: [usize; 2]) -> Result<Matrix, ModelError> {
        self.weights.matrix(&self.name(name), shape, self.read)
    }

    /// The weight here, and the bias if it is to have one.
    pub fn linear(&self, inputs: usize, outputs: usize, biased: bool) -> Result<Linear, ModelError> {
        let (weight, changes) =
            self.weights.changed_matrix(&self.name("weight"), [outputs, inputs], self.read)?;
        let bias = biased.then(|| self.vector("bias", outputs)).transpose()?;
        let changes = changes.into_iter().map(|change: LowRank| change.taken(&self.compute));
        let changes = changes.collect::<candle_core::Result<_>>()?;
        Ok(Linear::new(weight, bias, &self.compute)?.changed(changes))
    }
}
