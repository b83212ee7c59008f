//! Weights as candle's layers ask for them.

use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{DType, Device, Shape, Tensor};
use candle_nn::var_builder::{SimpleBackend, VarBuilder};

use super::super::ModelError;
use super::super::error::first_line;
use super::super::ops::Precision;
use super::Weights;

impl Weights {
    /// Whether `build` finds every tensor it asks for, in the shape it asks for. Reads no weights.
    pub fn check<T>(
        self: &Arc<Self>,
        build: impl FnOnce(VarBuilder<'static>) -> candle_core::Result<T>,
    ) -> Result<(), ModelError> {
        self.build(None, build).map(drop)
    }

    /// What `build` makes of the weights, which it gets in f32, for layers that compute so.
    pub fn load<T>(
        self: &Arc<Self>,
        precision: Precision,
        build: impl FnOnce(VarBuilder<'static>) -> candle_core::Result<T>,
    ) -> Result<T, ModelError> {
        self.build(Some(precision), build)
    }

    fn build<T>(
        self: &Arc<Self>,
        read: Option<Precision>,
        build: impl FnOnce(VarBuilder<'static>) -> candle_core::Result<T>,
    ) -> Result<T, ModelError> {
        let fault = Arc::new(Mutex::new(None));
        let source = Source { weights: Arc::clone(self), read: read.is_some(), fault: Arc::clone(&fault) };
        let dtype = read.unwrap_or_default().dtype();
        let vb = VarBuilder::from_backend(Box::new(source), dtype, Device::Cpu);
        build(vb).map_err(|error| {
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
