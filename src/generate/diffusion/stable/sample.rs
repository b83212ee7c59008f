//! From the reference's latents through noise to new ones.

use candle_core::Tensor;

use crate::generate::GenerateError;
use crate::quantity::Seed;

use super::super::latents::noise;
use super::failed;
use super::scheduler::Plan;
use super::unet::{Condition, Unet};

/// The streams of random numbers that the noise comes from: that of the start, and with the step's number that of a
/// step.
pub(super) const NOISE: &str = "stable diffusion noise";

/// A network with what it is told, and the steps to take.
#[derive(Clone, Copy)]
pub(super) struct Sampler<'a> {
    pub unet: &'a Unet,
    pub plan: &'a Plan,
    pub prompt: &'a Condition,
    /// What is led away from, and how far; `None` where the prompt alone is followed.
    pub away: Option<(&'a Condition, f64)>,
    /// 1 where latents are varied and 0 where they stay, (1, 1, height/8, width/8); `None` for all.
    pub varied: Option<&'a Tensor>,
    pub seed: Seed,
}

impl Sampler<'_> {
    /// Latents in the shape of `reference`, noised to the level of the first step and brought to none. `after` sees
    /// them after every step, and may stop.
    pub fn draw(
        &self,
        reference: &Tensor,
        mut after: impl FnMut(u32, &Tensor) -> Result<(), GenerateError>,
    ) -> Result<Tensor, GenerateError> {
        let failed = failed("draw the picture");
        let noise = noise(reference, self.seed, NOISE).map_err(&failed)?;
        let mut latents = self.plan.noised(0, reference, &noise).map_err(&failed)?;
        let mut stepper = self.plan.stepper();
        for i in 0..self.plan.calls() {
            let output = self.output(i, &latents).map_err(&failed)?;
            let mut fresh = |like: &Tensor| self::noise(like, self.seed, &format!("{NOISE} {i}"));
            latents = stepper.step(i, &latents, &output, &mut fresh).map_err(&failed)?;
            latents = self.restored(i, latents, reference, &noise).map_err(&failed)?;
            after(i as u32 + 1, &latents)?;
        }
        Ok(latents)
    }

    /// What the network makes of `latents` at step `i`, led away from what it makes of the negative prompt.
    fn output(&self, i: usize, latents: &Tensor) -> candle_core::Result<Tensor> {
        let input = self.plan.input(i, latents)?;
        let Some(timestep) = self.plan.timesteps().get(i) else { candle_core::bail!("no step {i}") };
        let wanted = self.unet.forward(&input, *timestep, self.prompt)?;
        match self.away {
            None => Ok(wanted),
            Some((negative, guidance)) => {
                let unwanted = self.unet.forward(&input, *timestep, negative)?;
                &unwanted + ((wanted - &unwanted)? * guidance)?
            }
        }
    }

    /// As diffusers' inpainting does it: what stays is the reference under the noise of the step that comes.
    fn restored(
        &self,
        i: usize,
        latents: Tensor,
        reference: &Tensor,
        noise: &Tensor,
    ) -> candle_core::Result<Tensor> {
        let Some(varied) = self.varied else { return Ok(latents) };
        let stays = self.plan.noised(i + 1, reference, noise)?;
        // So that what is varied is the very latents.
        latents.broadcast_mul(varied)? + stays.broadcast_mul(&(1.0 - varied)?)?
    }
}
