//! What networks are computed on.

use candle_core::Device;

use super::ModelError;
use super::ops::{Compute, Precision};

/// A kind of processor, and which one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Cpu,
    Cuda(usize),
    Metal,
}

impl Kind {
    pub const GPUS: [Kind; 2] = [Kind::Cuda(0), Kind::Metal];

    /// That of all of its kind.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Cpu => "cpu",
            Kind::Cuda(_) => "cuda",
            Kind::Metal => "metal",
        }
    }

    /// Whether the program was built with it.
    pub fn is_built(self) -> bool {
        match self {
            Kind::Cpu => true,
            Kind::Cuda(_) => cfg!(feature = "cuda"),
            Kind::Metal => cfg!(feature = "metal"),
        }
    }
}

/// The CPU, by this program's kernels, or a device of candle's.
#[derive(Clone, Debug, Default)]
pub struct Processor(Option<Device>);

impl Processor {
    /// # Errors
    /// When the program was built without it, or the machine has none that answers.
    pub fn open(kind: Kind) -> Result<Processor, ModelError> {
        if !kind.is_built() {
            return Err(ModelError::NotBuilt { kind: kind.name() });
        }
        let device = match kind {
            Kind::Cpu => return Ok(Processor::default()),
            Kind::Cuda(number) => Device::new_cuda(number),
            Kind::Metal => Device::new_metal(0),
        };
        let failed = |error: candle_core::Error| ModelError::Device {
            kind: kind.name(),
            cause: super::error::first_line(&error.to_string()),
        };
        Ok(Processor(Some(device.map_err(failed)?)))
    }

    /// A GPU, where the program was built with one and the machine has it; else the CPU.
    pub fn best() -> Processor {
        let built = Kind::GPUS.into_iter().filter(|kind| kind.is_built());
        built.filter_map(|kind| Processor::open(kind).ok()).next().unwrap_or_default()
    }

    /// As [`Kind::name`].
    pub fn name(&self) -> &'static str {
        match self.0 {
            None | Some(Device::Cpu) => Kind::Cpu.name(),
            Some(Device::Cuda(_)) => Kind::Cuda(0).name(),
            Some(Device::Metal(_)) => Kind::Metal.name(),
        }
    }

    /// Whether what is in its memory is not in the machine's.
    pub fn is_apart(&self) -> bool {
        matches!(self.0, Some(Device::Cuda(_)))
    }

    /// Bytes of memory of its own that are free, where it has some and tells.
    pub fn free(&self) -> Option<u64> {
        self.0.as_ref().and_then(free)
    }

    /// Whether products in bfloat16 are faster than those in f32.
    pub(super) fn is_bf16_fast(&self) -> bool {
        self.0.is_some() || Precision::is_bf16_fast()
    }

    /// Whether weights are laid out for candle's operations, which hold more between layers than the kernels do.
    pub(super) fn has_tensors(&self) -> bool {
        self.0.is_some()
    }

    pub(super) fn with(&self, precision: Precision) -> Compute {
        match &self.0 {
            None => Compute::Kernels(precision),
            Some(device) => Compute::Tensors(device.clone(), precision),
        }
    }

    /// What a GPU does, on the CPU.
    #[cfg(test)]
    pub(super) fn of_tensors() -> Processor {
        Processor(Some(Device::Cpu))
    }
}

#[cfg(feature = "cuda")]
fn free(device: &Device) -> Option<u64> {
    let Device::Cuda(device) = device else { return None };
    let (free, _) = device.cuda_stream().context().mem_get_info().ok()?;
    Some(free as u64)
}

#[cfg(not(feature = "cuda"))]
fn free(_: &Device) -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_in_the_build_or_not_in_the_machine_is_said_in_a_line() {
        assert_eq!(Processor::open(Kind::Cpu).expect("there is one").name(), "cpu");
        assert!(!Processor::default().has_tensors());
        for kind in Kind::GPUS {
            match Processor::open(kind) {
                Ok(processor) => assert_eq!(processor.name(), kind.name()),
                Err(error) => {
                    let line = error.to_string();
                    assert!(line.contains(kind.name()) && !line.contains('\n'), "{line}");
                    assert_eq!(matches!(error, ModelError::NotBuilt { .. }), !kind.is_built(), "{line}");
                }
            }
        }
        if !Kind::GPUS.iter().any(|kind| kind.is_built()) {
            assert!(!Processor::best().has_tensors());
        }
    }
}
