//! Weights as candle's layers ask for them.

use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{DType, Device, Shape, Tensor};
use candle_nn::var_builder::{SimpleBackend, VarBuilder};

use super::super::ModelError;
use super::super::error::first_line;
use super::super::ops::{Compute, Vars};
use super::Weights;

impl Weights {
    /// Whether `build` finds every tensor it asks for, in the shape it asks for. Reads no weights.
    pub fn check<T>(
        self: &Arc<Self>,
        build: impl FnOnce(Vars) -> candle_core::Result<T>,
    ) -> Result<(), ModelError> {
        self.build(None, build).map(drop)
    }

    /// What `build` makes of the weights, for layers that compute so.
    pub fn load<T>(
        self: &Arc<Self>,
        compute: impl Into<Compute>,
        build: impl FnOnce(Vars) -> candle_core::Result<T>,
    ) -> Result<T, ModelError> {
        self.build(Some(compute.into()), build)
    }

    fn build<T>(
        self: &Arc<Self>,
        read: Option<Compute>,
        build: impl FnOnce(Vars) -> candle_core::Result<T>,
    ) -> Result<T, ModelError> {
        let fault = Arc::new(Mutex::new(None));
        let source = Source { weights: Arc::clone(self), read: read.is_some(), fault: Arc::clone(&fault) };
        let vb = VarBuilder::from_backend(Box::new(source), DType::F32, Device::Cpu);
        build(Vars::of(vb, read.unwrap_or_default())).map_err(|error| {
            fault.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_else(|| ModelError::Build {
                file: self.path.clone(),
                cause: first_line(&error.to_string()),
            })
        })
    }
}

/// A file as the layers see it: in f32, whatever they compute in. candle's errors are text, so the fault is kept apart.
struct Source {
    weights: Arc<Weights>,
    read: bool,
    fault: Arc<Mutex<Option<ModelError>>>,
}

impl Source {
    fn tensor(&self, name: &str, shape: Option<&[usize]>) -> candle_core::Result<Tensor> {
        let made = self.weights.tensor(name, shape, self.read);
        made.map_err(|fault| {
            let message = fault.to_string();
            *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(fault);
            candle_core::Error::Msg(message)
        })
    }
}

impl SimpleBackend for Source {
    fn get(
        &self,
        shape: Shape,
        name: &str,
        _: candle_nn::Init,
        _: DType,
        device: &Device,
    ) -> candle_core::Result<Tensor> {
        self.tensor(name, Some(shape.dims()))?.to_device(device)
    }

    fn get_unchecked(&self, name: &str, _: DType, device: &Device) -> candle_core::Result<Tensor> {
        self.tensor(name, None)?.to_device(device)
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.weights.has(name)
    }
}
