//! Euler's method, plain and ancestral, on latents whose variance grows with the noise (Karras et al., 2022).

use candle_core::Tensor;

use super::betas::{Level, sigma};
use super::resolved::{Class, Resolved};
use super::spacing::{Spacing, karras, sigma_at, timestep_of};
use super::{Plan, Solver, sum};

#[derive(Debug)]
pub(super) struct Euler {
    /// What times the latents, the output and new noise are the next latents.
    steps: Vec<[f64; 3]>,
}

pub(super) fn plan(settings: &Resolved, whole: usize, start: usize) -> Plan {
    let bars = &settings.alpha_bars;
    let mut timesteps = settings.grid(whole, 0).timesteps(false);
    let mut sigmas: Vec<f64> = timesteps.iter().map(|t| sigma_at(bars, *t)).collect();
    if settings.karras
        && settings.class == Class::Euler
        && let (Some(most), Some(least)) = (sigmas.first(), sigmas.last())
    {
        sigmas = karras(*most, *least, whole);
        timesteps = sigmas.iter().map(|sigma| timestep_of(bars, *sigma)).collect();
    }
    sigmas.push(if settings.ends_clean { 0.0 } else { sigma(bars[0]) });
    let most = sigmas.iter().copied().fold(0.0, f64::max);
    let alone = match settings.spacing {
        Spacing::Leading => most.hypot(1.0),
        Spacing::Linspace | Spacing::Trailing => most,
    };
    let timesteps: Vec<f64> = timesteps.into_iter().skip(start).collect();
    let sigmas: Vec<f64> = sigmas.into_iter().skip(start).collect();
    let step = |pair: &[f64]| factors(settings, pair[0], pair[1]);
    let steps = sigmas.windows(2).map(step).collect();
    let levels: Vec<Level> =
        sigmas.iter().take(timesteps.len()).map(|sigma| Level::growing(*sigma)).collect();
    let inputs = levels.iter().map(|level| 1.0 / level.noise.hypot(1.0)).collect();
    Plan { inputs, alone, ..Plan::of(settings, timesteps, levels, Solver::Euler(Euler { steps })) }
}

fn factors(settings: &Resolved, from: f64, to: f64) -> [f64; 3] {
    // Ancestral: less noise than asked is left, and the rest is new.
    let (left, new) = match settings.class {
        Class::EulerAncestral => {
            let new = (to * to * (from * from - to * to) / (from * from)).max(0.0).sqrt();
            ((to * to - new * new).max(0.0).sqrt(), new)
        }
        _ => (to, 0.0),
    };
    let level = Level::of_sigma(from);
    let [latents, output] = settings.prediction.picture(level);
    // These latents are larger by 1/signal than those that keep their variance.
    let (latents, stride) = (latents * level.signal, (left - from) / from);
    [1.0 + stride * (1.0 - latents), -stride * output, new]
}

impl Euler {
    pub fn step(
        &self,
        i: usize,
        latents: &Tensor,
        output: &Tensor,
        noise: &mut dyn FnMut(&Tensor) -> candle_core::Result<Tensor>,
    ) -> candle_core::Result<Tensor> {
        let [kept, moved, new] = self.steps[i];
        if new == 0.0 {
            return sum(&[(kept, latents), (moved, output)]);
        }
        sum(&[(kept, latents), (moved, output), (new, &noise(latents)?)])
    }

    pub fn is_finite(&self) -> bool {
        self.steps.iter().flatten().all(|factor| factor.is_finite())
    }
}
