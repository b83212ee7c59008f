//! From the reference's latents through noise to new ones.

use candle_core::{DType, Device, Tensor};
use candle_transformers::models::flux::WithForward;
use candle_transformers::models::flux::model::Flux;
use candle_transformers::models::flux::sampling::{State, unpack};

use crate::generate::GenerateError;
use crate::progress::Progress;
use crate::quantity::Seed;
use crate::random::Stream;

use super::schedule::Schedule;
use super::text::Text;
use super::{NAME, failed, step};

/// A model with its prompt.
pub(super) struct Sampler<'a> {
    pub model: &'a Flux,
    pub text: &'a Text,
    pub guidance: f64,
}

impl Sampler<'_> {
    /// Latents in the shape of `reference`: noised to the schedule's first level, then brought to level 0 by
    /// Euler's method, one call of the model a step.
    pub fn draw(
        &self,
        reference: &Tensor,
        schedule: &Schedule,
        seed: Seed,
        progress: &mut dyn Progress,
    ) -> Result<Tensor, GenerateError> {
        let failed = failed("draw the picture");
        progress.stage("drawing the picture", u64::from(schedule.steps()));
        let mut state = self.start(reference, schedule.noise_level(), seed).map_err(&failed)?;
        for (i, (now, next)) in (1..).zip(schedule.pairs()) {
            state.img = self.euler(&state, now, next).map_err(&failed)?;
            if !is_finite(&state.img).map_err(&failed)? {
                return Err(GenerateError::NotFinite { engine: NAME, step: i });
            }
            step(progress, 1)?;
        }
        let (height, width) = reference.dims4().map(|(_, _, h, w)| (8 * h, 8 * w)).map_err(&failed)?;
        unpack(&state.img, height, width).map_err(&failed)
    }

    /// The latents after every step, unpacked.
    #[cfg(test)]
    pub fn latents(
        &self,
        reference: &Tensor,
        schedule: &Schedule,
        seed: Seed,
    ) -> candle_core::Result<Vec<Tensor>> {
        let (_, _, height, width) = reference.dims4()?;
        let mut state = self.start(reference, schedule.noise_level(), seed)?;
        let step = |(now, next)| {
            state.img = self.euler(&state, now, next)?;
            unpack(&state.img, 8 * height, 8 * width)
        };
        schedule.pairs().map(step).collect()
    }

    /// Packed latents (1−σ)·x₀ + σ·noise, with positions in f32.
    fn start(&self, reference: &Tensor, sigma: f64, seed: Seed) -> candle_core::Result<State> {
        let noise = noise(reference, seed)?;
        let latents = ((reference * (1.0 - sigma))? + (noise * sigma)?)?;
        State::new(&self.text.context, &self.text.pooled, &latents)
    }

    fn euler(&self, state: &State, now: f64, next: f64) -> candle_core::Result<Tensor> {
        let scalar = |value: f64| Tensor::full(value as f32, 1, &Device::Cpu);
        let velocity = self.model.forward(
            &state.img,
            &state.img_ids,
            &state.txt,
            &state.txt_ids,
            &scalar(now)?,
            &state.vec,
            Some(&scalar(self.guidance)?),
        )?;
        &state.img + (velocity * (next - now))?
    }
}

/// Standard normal numbers in the shape of `like`, the same for the same seed and shape.
pub(super) fn noise(like: &Tensor, seed: Seed) -> candle_core::Result<Tensor> {
    let stream = Stream::new(seed.0, "flux noise");
    let numbers: Vec<f32> = (0..like.elem_count() as u64).map(|i| stream.normal(i) as f32).collect();
    Tensor::from_vec(numbers, like.shape(), &Device::Cpu)
}

fn is_finite(tensor: &Tensor) -> candle_core::Result<bool> {
    let sum = tensor.to_dtype(DType::F64)?.abs()?.sum_all()?.to_scalar::<f64>()?;
    Ok(sum.is_finite())
}
