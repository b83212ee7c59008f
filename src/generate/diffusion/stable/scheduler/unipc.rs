//! UniPC (Zhao et al., 2023) of order 1 or 2: each step predicts, and the next call of the model corrects it.

use candle_core::Tensor;

use super::betas::Level;
use super::dpm::Schedule;
use super::resolved::{Resolved, Solver as Kind};
use super::{Memory, Plan, Solver, sum};

#[derive(Debug)]
pub(super) struct UniPc {
    steps: Vec<Step>,
}

#[derive(Debug)]
struct Step {
    /// What times the latents and what times the output are the picture.
    picture: [f64; 2],
    /// What times the latents before the step before, its picture, that of the one before it, and the picture now
    /// are the latents that should have come of it.
    corrected: Option<[f64; 4]>,
    /// What times the latents, the picture and that of the step before are the next latents.
    predicted: [f64; 3],
}

pub(super) fn plan(settings: &Resolved, whole: usize, start: usize) -> Plan {
    let schedule = Schedule::new(settings, whole, start);
    let levels = &schedule.levels;
    let count = schedule.timesteps.len();
    let order = |i: usize| {
        let left = if settings.lower_order_final { count - i } else { count };
        (settings.order as usize).min(left).min(i + 1)
    };
    let step = |i: usize| {
        let before = |i: usize| (order(i) == 2).then(|| levels[i - 1]);
        let corrected = || Stride::new(settings.solver, before(i - 1), levels[i - 1], levels[i]).corrected();
        Step {
            picture: settings.prediction.picture(levels[i]),
            corrected: (i > 0).then(corrected),
            predicted: Stride::new(settings.solver, before(i), levels[i], levels[i + 1]).predicted(),
        }
    };
    let steps = (0..count).map(step).collect();
    schedule.plan(settings, Solver::UniPc(UniPc { steps }))
}

/// From one level to another.
struct Stride {
    /// What times the latents, and what times the picture, are the step of order 1.
    kept: f64,
    first: f64,
    /// What times slopes is added.
    slopes: f64,
    /// Negative difference of the logarithms of picture to noise, its B, and the share of it that the step before was.
    hh: f64,
    b: f64,
    ratio: Option<f64>,
}

impl Stride {
    fn new(solver: Kind, before: Option<Level>, from: Level, to: Level) -> Stride {
        let hh = from.lambda() - to.lambda();
        let phi = hh.exp_m1();
        let b = if solver == Kind::Bh1 { hh } else { phi };
        let ratio = before.map(|before| (from.lambda() - before.lambda()) / hh);
        Stride { kept: to.noise / from.noise, first: -to.signal * phi, slopes: -to.signal * b, hh, b, ratio }
    }

    fn predicted(&self) -> [f64; 3] {
        match self.ratio {
            None => [self.kept, self.first, 0.0],
            Some(ratio) => {
                let second = 0.5 * self.slopes / ratio;
                [self.kept, self.first - second, second]
            }
        }
    }

    fn corrected(&self) -> [f64; 4] {
        let Some(ratio) = self.ratio else {
            let now = 0.5 * self.slopes;
            return [self.kept, self.first - now, 0.0, now];
        };
        // Two equations for the weights of the slopes: of their sum, and of their sum by distance.
        let phi = self.hh.exp_m1() / self.hh - 1.0;
        let even = phi / self.b;
        let by_distance = (phi / self.hh - 0.5) * 2.0 / self.b;
        let old = (even - by_distance) / (1.0 - ratio);
        let [old, now] = [old / ratio * self.slopes, (even - old) * self.slopes];
        [self.kept, self.first - old - now, old, now]
    }
}

impl UniPc {
    pub fn step(
        &self,
        i: usize,
        memory: &mut Memory,
        latents: &Tensor,
        output: &Tensor,
    ) -> candle_core::Result<Tensor> {
        let Step { picture, corrected, predicted: [kept, now, before] } = &self.steps[i];
        let picture = sum(&[(picture[0], latents), (picture[1], output)])?;
        let latents = match (corrected, memory.latents.take()) {
            (Some([kept, first, second, now]), Some(last)) => {
                let mut terms = vec![(*kept, &last), (*first, memory.output(0)?), (*now, &picture)];
                if *second != 0.0 {
                    terms.push((*second, memory.output(1)?));
                }
                sum(&terms)?
            }
            _ => latents.clone(),
        };
        memory.remember(picture, 2);
        let mut terms = vec![(*kept, &latents), (*now, memory.output(0)?)];
        if *before != 0.0 {
            terms.push((*before, memory.output(1)?));
        }
        let next = sum(&terms)?;
        memory.latents = Some(latents);
        Ok(next)
    }

    pub fn is_finite(&self) -> bool {
        let factors = |step: &Step| {
            let corrected = step.corrected.into_iter().flatten();
            step.picture.into_iter().chain(step.predicted).chain(corrected).all(f64::is_finite)
        };
        self.steps.iter().all(factors)
    }
}
