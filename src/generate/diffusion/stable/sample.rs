//! From the reference's latents through noise to new ones.

use candle_core::Tensor;

use crate::generate::GenerateError;
use crate::quantity::Seed;

use super::super::follow::Follow;
use super::super::img2img::Varied;
use super::super::latents::{joined, noise};
use super::super::windows::Windows;
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
    pub windows: &'a Windows,
    /// What is told of each window.
    pub prompt: &'a [Condition],
    /// What is led away from in each, and how far; `None` where the prompt alone is followed.
    pub away: Option<(&'a [Condition], f64)>,
    pub varied: &'a Varied,
    pub seed: Seed,
}

impl Sampler<'_> {
    /// Latents in the shape of `reference`, noised to the level of the first step and brought to none; those of a picture
    /// that is drawn `alone` begin as noise.
    pub fn draw(
        &self,
        reference: &Tensor,
        alone: bool,
        follow: &mut dyn Follow,
    ) -> Result<Tensor, GenerateError> {
        let failed = failed("draw the picture");
        let noise = noise(reference, self.seed, NOISE).map_err(&failed)?;
        let first = if alone { self.plan.alone(&noise) } else { self.plan.noised(0, reference, &noise) };
        let mut latents = first.map_err(&failed)?;
        let mut stepper = self.plan.stepper();
        for i in 0..self.plan.calls() {
            let input = self.plan.input(i, &latents).map_err(&failed)?;
            let output = self.windows.each(&input, &failed, |window, part| {
                let output = self.output(i, window, part).map_err(&failed)?;
                follow.called()?;
                Ok(output)
            })?;
            let mut fresh = |like: &Tensor| self::noise(like, self.seed, &format!("{NOISE} {i}"));
            let mut step = || {
                let mut clean = self.plan.clean(i, &input, &output)?;
                let mut next = stepper.step(i, &latents, &output, &mut fresh)?;
                // As diffusers' inpainting does it: what stays is the reference under the noise of the step that comes.
                if let Some(varied) = self.varied.at(i, self.plan.first()) {
                    next = joined(&next, varied, &self.plan.noised(i + 1, reference, &noise)?)?;
                    clean = joined(&clean, varied, reference)?;
                }
                Ok((next, clean))
            };
            let (next, clean) = step().map_err(&failed)?;
            latents = next;
            follow.stepped(&latents, &clean)?;
        }
        Ok(latents)
    }

    /// What the network makes of a window at step `i`, led away from what it makes of the negative prompt.
    fn output(&self, i: usize, window: usize, input: &Tensor) -> candle_core::Result<Tensor> {
        let Some(timestep) = self.plan.timesteps().get(i) else { candle_core::bail!("no step {i}") };
        let call = |told: &[Condition]| match told.get(window) {
            Some(told) => self.unet.forward(input, *timestep, told),
            None => candle_core::bail!("nothing is told of window {window}"),
        };
        let wanted = call(self.prompt)?;
        match self.away {
            None => Ok(wanted),
            Some((negative, guidance)) => {
                let unwanted = call(negative)?;
                &unwanted + ((wanted - &unwanted)? * guidance)?
            }
        }
    }
}
