//! DPM-Solver++ (Lu et al., 2022), multistep of order 1 or 2; and the schedule that it shares with UniPC.

use candle_core::Tensor;

use super::betas::{Level, sigma};
use super::resolved::{Class, Resolved, Solver as Kind};
use super::spacing::{karras, sigma_at, timestep_of};
use super::{Memory, Plan, Solver, sum};

#[derive(Debug)]
pub(super) struct Dpm {
    steps: Vec<Step>,
}

#[derive(Debug)]
struct Step {
    /// What times the latents and what times the output are the picture.
    picture: [f64; 2],
    /// What times the latents, the picture, that of the step before and new noise are the next latents.
    factors: [f64; 4],
}

/// Timesteps, and noise levels of which there is one more.
pub(super) struct Schedule {
    pub timesteps: Vec<f64>,
    pub levels: Vec<Level>,
    /// Steps of the whole schedule.
    pub whole: usize,
}

/// Shorter schedules end with a lower order, if that is asked.
const SHORT: usize = 15;

impl Schedule {
    pub fn new(settings: &Resolved, whole: usize, start: usize) -> Schedule {
        let bars = &settings.alpha_bars;
        let mut timesteps = settings.grid(whole, 1).timesteps(true);
        let mut sigmas: Vec<f64> = timesteps.iter().map(|t| sigma_at(bars, *t)).collect();
        let least = sigma(bars[0]);
        let mut last = least;
        if settings.karras {
            sigmas = karras(sigma(bars[bars.len() - 1]), least, whole);
            let rounded = |t: f64| match settings.class {
                // diffusers leaves these as they are, and they are cut to whole numbers in the end.
                Class::Dpm if settings.cosine => t.trunc(),
                _ => t.round_ties_even(),
            };
            timesteps = sigmas.iter().map(|sigma| rounded(timestep_of(bars, *sigma))).collect();
            if settings.class == Class::UniPc {
                last = sigmas.last().copied().unwrap_or(least);
            }
        }
        let whole = timesteps.len();
        sigmas.push(if settings.ends_clean { 0.0 } else { last });
        Schedule {
            timesteps: timesteps.into_iter().skip(start).collect(),
            levels: sigmas.into_iter().skip(start).map(Level::of_sigma).collect(),
            whole,
        }
    }

    /// As a plan.
    pub fn plan(mut self, settings: &Resolved, solver: Solver) -> Plan {
        self.levels.truncate(self.timesteps.len());
        Plan::of(settings, self.timesteps, self.levels, solver)
    }
}

pub(super) fn plan(settings: &Resolved, whole: usize, start: usize) -> Plan {
    let schedule = Schedule::new(settings, whole, start);
    let levels = &schedule.levels;
    let count = schedule.timesteps.len();
    let short = settings.lower_order_final && schedule.whole < SHORT;
    let step = |i: usize| {
        let lower = i + 1 == count && (settings.euler_at_final || short || settings.ends_clean);
        let before = (settings.order == 2 && i > 0 && !lower).then(|| levels[i - 1]);
        Step {
            picture: settings.prediction.picture(levels[i]),
            factors: factors(settings, before, levels[i], levels[i + 1]),
        }
    };
    let steps = (0..count).map(step).collect();
    schedule.plan(settings, Solver::Dpm(Dpm { steps }))
}

fn factors(settings: &Resolved, before: Option<Level>, from: Level, to: Level) -> [f64; 4] {
    let h = to.lambda() - from.lambda();
    // With noise, the way to the picture is twice as far, and half of it is gone back.
    let (far, back) = if settings.noisy { (2.0 * h, (-h).exp()) } else { (h, 1.0) };
    let kept = to.noise / from.noise * back;
    let first = -to.signal * (-far).exp_m1();
    let new = if settings.noisy { to.noise * (-(-far).exp_m1()).sqrt() } else { 0.0 };
    let Some(before) = before else { return [kept, first, 0.0, new] };
    let second = match settings.solver {
        Kind::Heun => to.signal * ((-far).exp_m1() / far + 1.0),
        _ => 0.5 * first,
    };
    // What times the difference of the two pictures is the slope.
    let slope = second * h / (from.lambda() - before.lambda());
    [kept, first + slope, -slope, new]
}

impl Dpm {
    pub fn step(
        &self,
        i: usize,
        memory: &mut Memory,
        latents: &Tensor,
        output: &Tensor,
        noise: &mut dyn FnMut(&Tensor) -> candle_core::Result<Tensor>,
    ) -> candle_core::Result<Tensor> {
        let Step { picture, factors: [kept, now, before, new] } = self.steps[i];
        let noise = if new == 0.0 { None } else { Some(noise(latents)?) };
        memory.remember(sum(&[(picture[0], latents), (picture[1], output)])?, 2);
        let mut terms = vec![(kept, latents), (now, memory.output(0)?)];
        if before != 0.0 {
            terms.push((before, memory.output(1)?));
        }
        terms.extend(noise.as_ref().map(|noise| (new, noise)));
        sum(&terms)
    }

    pub fn is_finite(&self) -> bool {
        let factors = |step: &Step| step.picture.into_iter().chain(step.factors).all(f64::is_finite);
        self.steps.iter().all(factors)
    }
}
