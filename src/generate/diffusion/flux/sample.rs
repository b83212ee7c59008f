//! From the reference's latents through noise to new ones.

use candle_core::Tensor;

use crate::generate::GenerateError;
use crate::quantity::Seed;

use super::super::follow::Follow;
use super::super::img2img::Varied;
use super::super::latents::{joined, noise};
use super::super::windows::Windows;
use super::failed;
use super::rope::Rope;
use super::schedule::Schedule;
use super::text::Text;
use super::transformer::Transformer;

/// The stream of random numbers that the noise comes from.
pub(super) const NOISE: &str = "flux noise";

/// A model with its prompt, and the steps to take.
#[derive(Clone, Copy)]
pub(super) struct Sampler<'a> {
    pub model: &'a Transformer,
    /// See [`Rope::new`].
    pub axes: [usize; 3],
    pub text: &'a Text,
    pub guidance: f64,
    pub schedule: &'a Schedule,
    pub windows: &'a Windows,
    pub varied: &'a Varied,
    pub seed: Seed,
}

impl Sampler<'_> {
    /// Latents in the shape of `reference`: noised to the schedule's first level, then brought to level 0 by
    /// Euler's method, one call of the model a window and a step.
    pub fn draw(&self, reference: &Tensor, follow: &mut dyn Follow) -> Result<Tensor, GenerateError> {
        let failed = failed("draw the picture");
        let noise = noise(reference, self.seed, NOISE).map_err(&failed)?;
        // (1−σ)·x₀ + σ·noise
        let noised = |sigma: f64| (reference * (1.0 - sigma))? + (&noise * sigma)?;
        let mut latents = noised(self.schedule.first_level()).map_err(&failed)?;
        // Each window is a picture of its own to the model.
        let sides = self.windows.size().map(|side| side / 2);
        let rope = self.text.context.dim(0).and_then(|texts| Rope::new(self.axes, texts, sides));
        let rope = rope.map_err(&failed)?;
        for (i, (now, next)) in self.schedule.pairs().enumerate() {
            let velocity = self.windows.each(&latents, &failed, |_, part| {
                let velocity = self.velocity(part, &rope, now).map_err(&failed)?;
                follow.called()?;
                Ok(velocity)
            })?;
            let step = || {
                let mut clean = (&latents - (&velocity * now)?)?;
                let mut after = (&latents + (&velocity * (next - now))?)?;
                // As diffusers' inpainting does it: what stays is the reference under the noise of the step that comes.
                if let Some(varied) = self.varied.at(i, self.schedule.first()) {
                    after = joined(&after, varied, &noised(next)?)?;
                    clean = joined(&clean, varied, reference)?;
                }
                Ok((after, clean))
            };
            let (after, clean) = step().map_err(&failed)?;
            latents = after;
            follow.stepped(&latents, &clean)?;
        }
        Ok(latents)
    }

    fn velocity(&self, latents: &Tensor, rope: &Rope, level: f64) -> candle_core::Result<Tensor> {
        let text = (&self.text.context, &self.text.pooled);
        let velocity = self.model.velocity(&pack(latents)?, text, rope, level, self.guidance)?;
        unpack(&velocity, latents)
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
