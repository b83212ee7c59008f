//! The noise schedules and samplers of Stable Diffusion, as diffusers' schedulers do them, for pictures that start
//! from a reference. `parity` holds them against diffusers.
//!
//! What a schedule is made of is computed in 64 bits here and in 32 bits there, but for the rounding of what a model
//! was trained with: the difference is far below what is held.

mod betas;
mod config;
mod ddim;
mod dpm;
mod euler;
mod lcm;
mod pndm;
mod resolved;
mod spacing;
mod unipc;

use std::num::NonZeroU32;
use std::path::PathBuf;

use candle_core::{Tensor, bail};

use crate::quantity::Strength;

use super::super::ModelError;
use super::super::meaning::{Kept, Meaning};
use super::configs::Document;
use betas::{Level, Prediction};
use config::Raw;
use resolved::{CLASSES, Class, Resolved};

/// A sampler that the user can choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Ddim,
    /// Pseudo linear multistep (PLMS): the sampler of SD 1.
    Pndm,
    Euler,
    /// With new noise at every step.
    EulerAncestral,
    DpmPlusPlus2M,
    DpmPlusPlus2MKarras,
    UniPc,
    /// For consistency models, with new noise at every step but the last.
    Lcm,
}

/// What a network was trained to tell of a noisy picture, of those that no tensor shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PredictionType {
    /// Its noise.
    Epsilon,
    /// Noise and picture weighed against each other (v).
    Velocity,
}

impl PredictionType {
    /// As diffusers has it.
    pub fn name(self) -> &'static str {
        match self {
            PredictionType::Epsilon => "epsilon",
            PredictionType::Velocity => "v_prediction",
        }
    }
}

/// The scheduler of a model, or the sampler chosen instead with what the model was trained with.
#[derive(Clone, Debug)]
pub struct Settings {
    file: PathBuf,
    raw: Raw,
    method: Option<Method>,
}

impl Settings {
    /// The settings in a `scheduler_config.json`. Whether a plan can be made of them is what
    /// [`check`](Self::check) says: another sampler may be chosen before.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) fn read(document: &Document) -> Result<Settings, ModelError> {
        let file = document.file();
        let raw = match document.shown() {
            Some(_) => document.parse()?,
            None => Raw::read(file)?,
        };
        Ok(Settings { file: file.to_owned(), raw, method: None })
    }

    /// Of a network that predicts this, whatever the settings say.
    pub fn predicting(mut self, prediction: PredictionType) -> Settings {
        self.raw.prediction_type = Some(prediction.name().to_owned());
        self
    }

    /// With the sampler that the user chose, as `from_config` of diffusers' classes makes it: what the file says is
    /// kept, and what it does not say is the default of the chosen sampler.
    pub fn with(mut self, method: Option<Method>) -> Settings {
        if let Some(Method::DpmPlusPlus2M | Method::DpmPlusPlus2MKarras) = method {
            self.raw.use_karras_sigmas = Some(method == Some(Method::DpmPlusPlus2MKarras));
            self.raw.algorithm_type = Some("dpmsolver++".to_owned());
            self.raw.solver_order = Some(2);
        }
        if method == Some(Method::Pndm) {
            self.raw.skip_prk_steps = Some(true);
        }
        self.method = method.or(self.method);
        self
    }

    /// As diffusers' pipelines of SD 1 and 2, not of XL, overrule what files say: timesteps are one up, and predicted
    /// latents are not clipped.
    pub fn of_first_models(mut self) -> Settings {
        self.raw.steps_offset = Some(1);
        self.raw.clip_sample = Some(false);
        self
    }

    /// Whether all of the settings are implemented.
    ///
    /// # Errors
    /// When the scheduler is unknown, or one of its settings is.
    pub fn check(&self) -> Result<(), ModelError> {
        self.resolve().map(drop)
    }

    /// The steps that are taken: `steps` and `strength` mean what `meaning` says. A plan from the `start` has those of
    /// the whole schedule, for what the strength does not hold for, and says which is the first that it holds for.
    ///
    /// # Errors
    /// Those of [`check`](Self::check), and when there are more steps than the model has timesteps.
    pub fn plan(
        &self,
        steps: NonZeroU32,
        strength: Strength,
        meaning: Meaning,
        from_start: bool,
    ) -> Result<Plan, ModelError> {
        let settings = self.resolve()?;
        let (whole, start) = meaning.cut(steps.get(), strength.value(), Kept::RoundedDown);
        let (most, expected) = match settings.class {
            Class::Lcm => (
                settings.distilled.0,
                "a schedule of no more steps than lcm was distilled for (fewer steps, 4 to 8 as a rule, or more strength)",
            ),
            _ => (
                settings.alpha_bars.len(),
                "a schedule of no more steps than the model has timesteps (fewer steps, or more strength)",
            ),
        };
        if whole as usize > most {
            return Err(self.refused(expected, format!("{whole} steps of {most}")));
        }
        let (start, first) = if from_start { (0, start as usize) } else { (start as usize, 0) };
        let planned = Plan::new(&settings, whole as usize, start).map(|plan| Plan { first, ..plan });
        planned.map_err(|found| self.refused("a scheduler that can go through these steps", found))
    }

    fn resolve(&self) -> Result<Resolved, ModelError> {
        let class = self.method.map(Class::of_method).or_else(|| Class::of_name(&self.raw.class));
        let class = class.ok_or_else(|| self.refused(CLASSES, self.raw.class.clone()))?;
        let resolved = self.raw.resolve(class);
        resolved.map_err(|found| self.refused("scheduler settings that are implemented", found))
    }

    /// Whether they are implemented, and the same to the last number.
    #[cfg(test)]
    pub fn is_as(&self, other: &Settings) -> bool {
        let [own, other] = [self, other].map(|settings| settings.resolve().ok());
        own.is_some() && own == other
    }

    fn refused(&self, expected: &'static str, found: String) -> ModelError {
        ModelError::Family { file: self.file.clone(), expected, found }
    }
}

/// The steps of one picture, in order.
#[derive(Debug)]
pub struct Plan {
    timesteps: Vec<f64>,
    /// Noise at each of the steps.
    levels: Vec<Level>,
    /// What latents are multiplied by for the model.
    inputs: Vec<f64>,
    prediction: Prediction,
    /// Standard deviation of the noise that a picture without a reference begins as.
    alone: f64,
    /// The first step that the strength asks for.
    first: usize,
    solver: Solver,
}

/// How each step is made.
#[derive(Debug)]
enum Solver {
    Ddim(ddim::Ddim),
    Pndm(pndm::Pndm),
    Euler(euler::Euler),
    Dpm(dpm::Dpm),
    UniPc(unipc::UniPc),
    Lcm(lcm::Lcm),
}

impl Plan {
    /// Of latents whose variance is kept, which the model sees as they are; the strength asks for all of the steps.
    fn of(settings: &Resolved, timesteps: Vec<f64>, levels: Vec<Level>, solver: Solver) -> Plan {
        let inputs = vec![1.0; timesteps.len()];
        Plan { timesteps, levels, inputs, prediction: settings.prediction, alone: 1.0, first: 0, solver }
    }

    /// All steps from number `start` of a schedule of `whole` steps; or what of it is no number.
    fn new(settings: &Resolved, whole: usize, start: usize) -> Result<Plan, String> {
        let plan = match settings.class {
            Class::Ddim => ddim::plan(settings, whole, start),
            Class::Pndm => pndm::plan(settings, whole, start),
            Class::Euler | Class::EulerAncestral => euler::plan(settings, whole, start),
            Class::Dpm => dpm::plan(settings, whole, start),
            Class::UniPc => unipc::plan(settings, whole, start),
            Class::Lcm => lcm::plan(settings, whole, start),
        };
        let last = settings.alpha_bars.len().saturating_sub(1) as f64;
        if let Some(beyond) = plan.timesteps.iter().find(|t| !(0.0..=last).contains(*t)) {
            return Err(format!("{whole} steps, of which one is timestep {beyond} of 0 to {last}"));
        }
        match plan.timesteps.is_empty() || !plan.is_finite() {
            true => Err(format!("{whole} steps, which these settings make nothing of")),
            false => Ok(plan),
        }
    }

    /// What the model is told at each call: training timesteps, falling; for some samplers between two of them, and
    /// for some one of them twice.
    pub fn timesteps(&self) -> &[f64] {
        &self.timesteps
    }

    /// Calls of the model: one a step.
    pub fn calls(&self) -> usize {
        self.timesteps.len()
    }

    /// The first step that the strength asks for: 0, unless the plan is one from the start.
    pub fn first(&self) -> usize {
        self.first
    }

    /// Share of noise in the latents that the strength means, 0..=1: √(1 − ᾱ) of the timestep, of latents whose variance
    /// is kept.
    pub fn noise_level(&self) -> f64 {
        self.levels.get(self.first).map_or(0.0, |level| level.share())
    }

    /// Clean latents under the noise of step `i`: what the first step starts from for 0, and for [`calls`](Self::calls)
    /// the clean latents.
    pub fn noised(&self, i: usize, clean: &Tensor, noise: &Tensor) -> candle_core::Result<Tensor> {
        match self.levels.get(i) {
            Some(Level { signal, noise: share }) => sum(&[(*signal, clean), (*share, noise)]),
            None => Ok(clean.clone()),
        }
    }

    /// What a picture without a reference begins as, at the first step of a whole schedule.
    pub fn alone(&self, noise: &Tensor) -> candle_core::Result<Tensor> {
        noise * self.alone
    }

    /// What the model sees of the latents at step `i`.
    pub fn input(&self, i: usize, latents: &Tensor) -> candle_core::Result<Tensor> {
        match self.inputs.get(i) {
            Some(1.0) => Ok(latents.clone()),
            Some(scale) => latents * *scale,
            None => bail!("no step {i} of {}", self.calls()),
        }
    }

    /// The latents without their noise, as the model sees them at step `i`: what it makes of its `input` is `output`.
    pub fn clean(&self, i: usize, input: &Tensor, output: &Tensor) -> candle_core::Result<Tensor> {
        let Some(level) = self.levels.get(i) else { bail!("no step {i} of {}", self.calls()) };
        let [latents, predicted] = self.prediction.picture(level.kept());
        // Nothing of the picture is left to divide by.
        if !(latents.is_finite() && predicted.is_finite()) {
            return input.zeros_like();
        }
        sum(&[(latents, input), (predicted, output)])
    }

    /// Goes through the steps from the first.
    pub fn stepper(&self) -> Stepper<'_> {
        Stepper { plan: self, next: 0, memory: Memory::default() }
    }

    fn is_finite(&self) -> bool {
        let levels = self.levels.iter().all(|level| level.signal.is_finite() && level.noise.is_finite());
        let solver = match &self.solver {
            Solver::Ddim(ddim) => ddim.is_finite(),
            Solver::Pndm(pndm) => pndm.is_finite(),
            Solver::Euler(euler) => euler.is_finite(),
            Solver::Dpm(dpm) => dpm.is_finite(),
            Solver::UniPc(unipc) => unipc.is_finite(),
            Solver::Lcm(lcm) => lcm.is_finite(),
        };
        levels && solver
    }
}

/// What a sampler remembers of earlier steps.
#[derive(Default)]
struct Memory {
    /// Outputs, or the pictures that were made of them: the newest last.
    outputs: Vec<Tensor>,
    latents: Option<Tensor>,
}

impl Memory {
    /// Adds an output; no more than `most` are kept.
    fn remember(&mut self, output: Tensor, most: usize) {
        self.outputs.push(output);
        let old = self.outputs.len().saturating_sub(most);
        self.outputs.drain(..old);
    }

    /// The output before the newest by `back`.
    fn output(&self, back: usize) -> candle_core::Result<&Tensor> {
        match self.outputs.iter().rev().nth(back) {
            Some(output) => Ok(output),
            None => bail!("no output {back} steps ago"),
        }
    }
}

/// Goes through the steps of a plan, in order.
pub struct Stepper<'a> {
    plan: &'a Plan,
    next: usize,
    memory: Memory,
}

impl Stepper<'_> {
    /// The latents after step `i`, from those before it and what the model made of their
    /// [`input`](Plan::input). `noise` is asked for standard normal numbers in the shape of what it is given, at most
    /// once and only by samplers that add noise.
    ///
    /// # Errors
    /// When steps are left out or repeated, and when the tensors are not of one shape.
    pub fn step(
        &mut self,
        i: usize,
        latents: &Tensor,
        output: &Tensor,
        noise: &mut dyn FnMut(&Tensor) -> candle_core::Result<Tensor>,
    ) -> candle_core::Result<Tensor> {
        if i != self.next || i >= self.plan.calls() {
            bail!("step {i} of {} where {} was due", self.plan.calls(), self.next);
        }
        self.next += 1;
        let memory = &mut self.memory;
        match &self.plan.solver {
            Solver::Ddim(ddim) => ddim.step(i, latents, output),
            Solver::Pndm(pndm) => pndm.step(i, memory, latents, output),
            Solver::Euler(euler) => euler.step(i, latents, output, noise),
            Solver::Dpm(dpm) => dpm.step(i, memory, latents, output, noise),
            Solver::UniPc(unipc) => unipc.step(i, memory, latents, output),
            Solver::Lcm(lcm) => lcm.step(i, latents, output, noise),
        }
    }
}

/// Tensors, each times a number; those times 0 are left out.
fn sum(terms: &[(f64, &Tensor)]) -> candle_core::Result<Tensor> {
    let mut total: Option<Tensor> = None;
    for (factor, tensor) in terms.iter().filter(|(factor, _)| *factor != 0.0) {
        let term = (*tensor * *factor)?;
        total = Some(match total {
            Some(total) => (total + term)?,
            None => term,
        });
    }
    match (total, terms.first()) {
        (Some(total), _) => Ok(total),
        (None, Some((_, tensor))) => tensor.zeros_like(),
        (None, None) => bail!("a sum of nothing"),
    }
}

/// The level of a timestep, of latents that keep their variance. Before the first timestep it is how the settings end;
/// beyond the last one there is nothing, and a plan of it is refused.
fn level_at(settings: &Resolved, timestep: f64) -> Level {
    let bars = &settings.alpha_bars;
    let bar = match timestep < 0.0 {
        true if settings.ends_clean => 1.0,
        true => bars[0],
        false => bars.get(timestep as usize).copied().unwrap_or(f64::NAN),
    };
    Level::of_alpha_bar(bar)
}

#[cfg(test)]
mod parity;
#[cfg(test)]
mod tests;
