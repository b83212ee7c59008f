//! Sampling of latent consistency models (Luo et al., 2023): each call draws the picture, which is noised again.

use candle_core::Tensor;

use super::betas::Level;
use super::resolved::Resolved;
use super::{Plan, Solver, level_at, sum};

#[derive(Debug)]
pub(super) struct Lcm {
    steps: Vec<Step>,
    /// Largest value of a predicted picture.
    clip: Option<f64>,
}

#[derive(Debug)]
struct Step {
    /// What times the latents and what times the output are the picture.
    picture: [f64; 2],
    /// What times the latents and what times the picture are the latents without noise.
    clean: [f64; 2],
    /// Where these go: nowhere in the last step.
    to: Option<Level>,
}

/// Standard deviation of the pictures that the distillation takes for granted.
const DEVIATION: f64 = 0.5;

pub(super) fn plan(settings: &Resolved, whole: usize, start: usize) -> Plan {
    let timesteps: Vec<f64> = timesteps(settings, whole).into_iter().skip(start).collect();
    let levels: Vec<Level> = timesteps.iter().map(|t| level_at(settings, *t)).collect();
    let step = |(i, t): (usize, &f64)| {
        let time = t * settings.distilled.1;
        let root = time.hypot(DEVIATION);
        Step {
            picture: settings.prediction.picture(levels[i]),
            clean: [(DEVIATION / root).powi(2), time / root],
            to: levels.get(i + 1).copied(),
        }
    };
    let steps = timesteps.iter().enumerate().map(step).collect();
    Plan::of(settings, timesteps, levels, Solver::Lcm(Lcm { steps, clip: settings.clip }))
}

/// Of the timesteps of the distillation, from the last one in even strides; none if they are fewer than `steps`.
fn timesteps(settings: &Resolved, steps: usize) -> Vec<f64> {
    let distilled = settings.distilled.0;
    if steps > distilled {
        return Vec::new();
    }
    let stride = settings.alpha_bars.len() / distilled;
    let step = distilled as f64 / steps as f64;
    let at = |i: usize| distilled - ((i as f64 * step) as usize).min(distilled - 1);
    (0..steps).map(|i| (at(i) * stride - 1) as f64).collect()
}

impl Lcm {
    pub fn step(
        &self,
        i: usize,
        latents: &Tensor,
        output: &Tensor,
        noise: &mut dyn FnMut(&Tensor) -> candle_core::Result<Tensor>,
    ) -> candle_core::Result<Tensor> {
        let Step { picture, clean, to } = &self.steps[i];
        let mut picture = sum(&[(picture[0], latents), (picture[1], output)])?;
        if let Some(clip) = self.clip {
            picture = picture.clamp(-clip, clip)?;
        }
        let clean = sum(&[(clean[0], latents), (clean[1], &picture)])?;
        match to {
            Some(Level { signal, noise: share }) => sum(&[(*signal, &clean), (*share, &noise(latents)?)]),
            None => Ok(clean),
        }
    }

    pub fn is_finite(&self) -> bool {
        self.steps.iter().all(|step| step.picture.iter().all(|factor| factor.is_finite()))
    }
}
