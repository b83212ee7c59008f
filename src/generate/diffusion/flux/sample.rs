//! From the reference's latents through noise to new ones.

use candle_core::{Device, Tensor};
use candle_transformers::models::flux::WithForward;
use candle_transformers::models::flux::model::Flux;
use candle_transformers::models::flux::sampling::{State, unpack};

use crate::generate::GenerateError;
use crate::progress::Progress;
use crate::quantity::Seed;

use super::super::latents::{is_finite, noise};
use super::super::step;
use super::schedule::Schedule;
use super::text::Text;
use super::{NAME, failed};

/// The stream of random numbers that the noise comes from.
pub(super) const NOISE: &str = "flux noise";

/// A model with its prompt.
#[derive(Clone, Copy)]
pub(super) struct Sampler<'a> {
    pub model: &'a Flux,
    pub text: &'a Text,
    pub guidance: f64,
    /// 1 where latents are varied and 0 where they stay, (1, 1, height/8, width/8); `None` for all.
    pub varied: Option<&'a Tensor>,
}

/// What latents are brought back to where they stay, packed.
struct Kept {
    reference: Tensor,
    noise: Tensor,
    varied: Tensor,
}

impl Kept {
    /// As diffusers' inpainting does it: what stays is the reference under the noise of the step that comes.
    fn restore(&self, latents: &Tensor, sigma: f64) -> candle_core::Result<Tensor> {
        let stays = ((&self.reference * (1.0 - sigma))? + (&self.noise * sigma)?)?;
        // So that what is varied is the very latents.
        (latents * &self.varied)? + (stays * (1.0 - &self.varied)?)?
    }
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
        let (mut state, kept) = self.start(reference, schedule.noise_level(), seed).map_err(&failed)?;
        for (i, (now, next)) in (1..).zip(schedule.pairs()) {
            state.img = self.step(&state, kept.as_ref(), now, next).map_err(&failed)?;
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
        let (mut state, kept) = self.start(reference, schedule.noise_level(), seed)?;
        let step = |(now, next)| {
            state.img = self.step(&state, kept.as_ref(), now, next)?;
            unpack(&state.img, 8 * height, 8 * width)
        };
        schedule.pairs().map(step).collect()
    }

    /// Packed latents (1−σ)·x₀ + σ·noise, with positions in f32; and what stays of them.
    fn start(
        &self,
        reference: &Tensor,
        sigma: f64,
        seed: Seed,
    ) -> candle_core::Result<(State, Option<Kept>)> {
        let noise = noise(reference, seed, NOISE)?;
        let packed = |latents: &Tensor| State::new(&self.text.context, &self.text.pooled, latents);
        let state = packed(&((reference * (1.0 - sigma))? + (&noise * sigma)?)?)?;
        let Some(varied) = self.varied else { return Ok((state, None)) };
        let varied = varied.broadcast_as(reference.shape())?.contiguous()?;
        let [reference, noise, varied] = [packed(reference)?.img, packed(&noise)?.img, packed(&varied)?.img];
        Ok((state, Some(Kept { reference, noise, varied })))
    }

    fn step(&self, state: &State, kept: Option<&Kept>, now: f64, next: f64) -> candle_core::Result<Tensor> {
        let latents = self.euler(state, now, next)?;
        match kept {
            Some(kept) => kept.restore(&latents, next),
            None => Ok(latents),
        }
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
