//! A tensor's numbers, for the kernels.

use std::ops::{Deref, Range};

use candle_core::{CpuStorage, Device, Shape, Storage, StorageRef, Tensor};

/// The numbers of a tensor whose last dimensions lie one behind another.
pub struct Numbers<'a> {
    storage: StorageRef<'a>,
    range: Range<usize>,
}

impl<'a> Numbers<'a> {
    pub fn of(tensor: &'a Tensor) -> candle_core::Result<Numbers<'a>> {
        let (storage, layout) = tensor.storage_and_layout();
        let Some((start, end)) = layout.contiguous_offsets() else {
            candle_core::bail!("numbers one behind another are needed");
        };
        match &*storage {
            Storage::Cpu(CpuStorage::F32(all)) if all.len() >= end => {}
            _ => candle_core::bail!("f32 in the memory of the CPU is needed"),
        }
        Ok(Numbers { storage, range: start..end })
    }
}

impl Deref for Numbers<'_> {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        match &*self.storage {
            Storage::Cpu(CpuStorage::F32(all)) => &all[self.range.clone()],
            _ => &[],
        }
    }
}

/// Whether a tensor only stands for one, as in a check of names and shapes.
pub fn is_placeholder(tensor: &Tensor) -> bool {
    !tensor.is_contiguous()
}

pub fn tensor(numbers: Vec<f32>, shape: impl Into<Shape>) -> candle_core::Result<Tensor> {
    Tensor::from_vec(numbers, shape, &Device::Cpu)
}
