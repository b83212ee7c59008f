//! Pseudo linear multistep (Liu et al., 2022): the mean of up to four outputs takes DDIM's step.

use candle_core::Tensor;

use super::betas::{Level, Prediction};
use super::resolved::Resolved;
use super::{Memory, Plan, Solver, level_at, sum};

#[derive(Debug)]
pub(super) struct Pndm {
    /// What times the latents and what times the mean output are the next latents.
    steps: Vec<[f64; 2]>,
}

/// Weights of the outputs, the newest first, by their number.
const WEIGHTS: [&[f64]; 4] = [
    &[1.0],
    &[3.0 / 2.0, -1.0 / 2.0],
    &[23.0 / 12.0, -16.0 / 12.0, 5.0 / 12.0],
    &[55.0 / 24.0, -59.0 / 24.0, 37.0 / 24.0, -9.0 / 24.0],
];

pub(super) fn plan(settings: &Resolved, whole: usize, start: usize) -> Plan {
    let mut timesteps = settings.grid(whole, 0).timesteps(true);
    // The second one twice: what follows the first step corrects it. A cut list is not a new one, so that the first
    // two of what is left are then a step and its correction all the same.
    if let Some(second) = timesteps.get(1).copied() {
        timesteps.insert(1, second);
    }
    let timesteps: Vec<f64> = timesteps.into_iter().skip(start).collect();
    let stride = settings.stride(whole);
    let step = |(i, t): (usize, &f64)| {
        let [from, to] = if i == 1 { [t + stride, *t] } else { [*t, t - stride] };
        factors(settings.prediction, level_at(settings, from), level_at(settings, to))
    };
    let steps = timesteps.iter().enumerate().map(step).collect();
    let levels = timesteps.iter().map(|t| level_at(settings, *t)).collect();
    Plan::of(settings, timesteps, levels, Solver::Pndm(Pndm { steps }))
}

/// Formula (9) of the paper.
fn factors(prediction: Prediction, from: Level, to: Level) -> [f64; 2] {
    let [from_bar, to_bar] = [from, to].map(|level| level.signal * level.signal);
    let kept = to.signal / from.signal;
    let moved = (from_bar - to_bar) / (from_bar * to.noise + from.signal * from.noise * to.signal);
    let [latents, output] = prediction.noise(from);
    [kept + moved * latents, moved * output]
}

impl Pndm {
    pub fn step(
        &self,
        i: usize,
        memory: &mut Memory,
        latents: &Tensor,
        output: &Tensor,
    ) -> candle_core::Result<Tensor> {
        let [kept, moved] = self.steps[i];
        if i == 1
            && let Some(before) = memory.latents.take()
        {
            // The first step again, by the mean of the outputs at its two ends.
            let mean = sum(&[(0.5, output), (0.5, memory.output(0)?)])?;
            return sum(&[(kept, &before), (moved, &mean)]);
        }
        if i == 0 {
            memory.latents = Some(latents.clone());
        }
        memory.remember(output.clone(), WEIGHTS.len());
        let weights = WEIGHTS[memory.outputs.len() - 1];
        let terms = weights.iter().copied().zip(memory.outputs.iter().rev());
        let mean = sum(&terms.collect::<Vec<_>>())?;
        sum(&[(kept, latents), (moved, &mean)])
    }

    pub fn is_finite(&self) -> bool {
        self.steps.iter().flatten().all(|factor| factor.is_finite())
    }
}
