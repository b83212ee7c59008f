//! From the reference's latents through noise to new ones.

use candle_core::Tensor;

use crate::generate::GenerateError;
use crate::progress::Progress;
use crate::quantity::Seed;

use super::super::latents::{is_finite, noise};
use super::super::step;
use super::rope::Rope;
use super::schedule::Schedule;
use super::text::Text;
use super::transformer::Transformer;
use super::{NAME, failed};

/// The stream of random numbers that the noise comes from.
pub(super) const NOISE: &str = "flux noise";

/// A model with its prompt.
#[derive(Clone, Copy)]
pub(super) struct Sampler<'a> {
    pub model: &'a Transformer,
    /// See [`Rope::new`].
    pub axes: [usize; 3],
    pub text: &'a Text,
    pub guidance: f64,
    /// 1 where latents are varied and 0 where they stay, (1, 1, height/8, width/8); `None` for all.
    pub varied: Option<&'a Tensor>,
}

/// Packed latents, two by two of them a token, (tokens, 4·channels), and where they stand.
struct State {
    image: Tensor,
    rope: Rope,
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
            state.image = self.step(&state, kept.as_ref(), now, next).map_err(&failed)?;
            if !is_finite(&state.image).map_err(&failed)? {
                return Err(GenerateError::NotFinite { engine: NAME, step: i });
            }
            step(progress, 1)?;
        }
        unpack(&state.image, reference).map_err(&failed)
    }

    /// The latents after every step, unpacked.
    #[cfg(test)]
    pub fn latents(
        &self,
        reference: &Tensor,
        schedule: &Schedule,
        seed: Seed,
    ) -> candle_core::Result<Vec<Tensor>> {
        let (mut state, kept) = self.start(reference, schedule.noise_level(), seed)?;
        let step = |(now, next)| {
            state.image = self.step(&state, kept.as_ref(), now, next)?;
            unpack(&state.image, reference)
        };
        schedule.pairs().map(step).collect()
    }

    /// Packed latents (1−σ)·x₀ + σ·noise; and what stays of them.
    fn start(
        &self,
        reference: &Tensor,
        sigma: f64,
        seed: Seed,
    ) -> candle_core::Result<(State, Option<Kept>)> {
        let noise = noise(reference, seed, NOISE)?;
        let image = pack(&((reference * (1.0 - sigma))? + (&noise * sigma)?)?)?;
        let (_, _, height, width) = reference.dims4()?;
        let rope = Rope::new(self.axes, self.text.context.dim(0)?, [height / 2, width / 2])?;
        let state = State { image, rope };
        let Some(varied) = self.varied else { return Ok((state, None)) };
        let varied = varied.broadcast_as(reference.shape())?.contiguous()?;
        let [reference, noise, varied] = [pack(reference)?, pack(&noise)?, pack(&varied)?];
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
        let text = (&self.text.context, &self.text.pooled);
        let velocity = self.model.velocity(&state.image, text, &state.rope, now, self.guidance)?;
        &state.image + (velocity * (next - now))?
    }
}

/// A token for every two by two latents: all of the first channel, then of the next.
fn pack(latents: &Tensor) -> candle_core::Result<Tensor> {
    let (_, channels, height, width) = latents.dims4()?;
    let (rows, columns) = (height / 2, width / 2);
    let apart = latents.reshape((channels, rows, 2, columns, 2))?.permute((1, 3, 0, 2, 4))?;
    apart.reshape((rows * columns, 4 * channels))
}

/// The inverse, in the shape of `like`.
fn unpack(packed: &Tensor, like: &Tensor) -> candle_core::Result<Tensor> {
    let (_, channels, height, width) = like.dims4()?;
    let apart = packed.reshape((height / 2, width / 2, channels, 2, 2))?.permute((2, 0, 3, 1, 4))?;
    apart.reshape(like.shape())
}
