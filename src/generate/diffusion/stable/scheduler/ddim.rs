//! DDIM (Song et al., 2021), without noise of its own.

use candle_core::Tensor;

use super::betas::Level;
use super::resolved::Resolved;
use super::{Plan, Solver, level_at, sum};

#[derive(Debug)]
pub(super) struct Ddim {
    steps: Vec<Step>,
    /// Largest value of a predicted picture.
    clip: Option<f64>,
}

/// What times the latents and what times the output are the picture and the noise, and where these go.
#[derive(Debug)]
struct Step {
    picture: [f64; 2],
    noise: [f64; 2],
    to: Level,
}

pub(super) fn plan(settings: &Resolved, whole: usize, start: usize) -> Plan {
    let timesteps: Vec<f64> = settings.grid(whole, 0).timesteps(true).into_iter().skip(start).collect();
    let levels: Vec<Level> = timesteps.iter().map(|t| level_at(settings, *t)).collect();
    let step = |(t, level): (&f64, &Level)| Step {
        picture: settings.prediction.picture(*level),
        noise: settings.prediction.noise(*level),
        to: level_at(settings, t - settings.stride(whole)),
    };
    let steps = timesteps.iter().zip(&levels).map(step).collect();
    Plan::of(settings, timesteps, levels, Solver::Ddim(Ddim { steps, clip: settings.clip }))
}

impl Ddim {
    pub fn step(&self, i: usize, latents: &Tensor, output: &Tensor) -> candle_core::Result<Tensor> {
        let Step { picture, noise, to } = &self.steps[i];
        let [mut picture, noise] = [
            sum(&[(picture[0], latents), (picture[1], output)])?,
            // Of the picture before it is clipped.
            sum(&[(noise[0], latents), (noise[1], output)])?,
        ];
        if let Some(clip) = self.clip {
            picture = picture.clamp(-clip, clip)?;
        }
        sum(&[(to.signal, &picture), (to.noise, &noise)])
    }

    pub fn is_finite(&self) -> bool {
        self.steps.iter().all(|step| step.picture.iter().chain(&step.noise).all(|factor| factor.is_finite()))
    }
}
