//! The settings that a plan is made of.

use super::Method;
use super::betas::{Level, Prediction};
use super::spacing::{Grid, Spacing};

/// The schedulers of diffusers that are known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Ddim,
    Pndm,
    Euler,
    EulerAncestral,
    Dpm,
    UniPc,
    Lcm,
}

/// Their names, for those who have another.
pub(super) const CLASSES: &str = "a DDIM, PNDM, EulerDiscrete, EulerAncestralDiscrete, DPMSolverMultistep, \
    UniPCMultistep or LCM scheduler (another sampler can be chosen)";

impl Class {
    pub fn of_name(name: &str) -> Option<Class> {
        match name {
            "DDIMScheduler" => Some(Class::Ddim),
            "PNDMScheduler" => Some(Class::Pndm),
            "EulerDiscreteScheduler" => Some(Class::Euler),
            "EulerAncestralDiscreteScheduler" => Some(Class::EulerAncestral),
            "DPMSolverMultistepScheduler" => Some(Class::Dpm),
            "UniPCMultistepScheduler" => Some(Class::UniPc),
            "LCMScheduler" => Some(Class::Lcm),
            _ => None,
        }
    }

    pub fn of_method(method: Method) -> Class {
        match method {
            Method::Ddim => Class::Ddim,
            Method::Pndm => Class::Pndm,
            Method::Euler => Class::Euler,
            Method::EulerAncestral => Class::EulerAncestral,
            Method::DpmPlusPlus2M | Method::DpmPlusPlus2MKarras => Class::Dpm,
            Method::UniPc => Class::UniPc,
            Method::Lcm => Class::Lcm,
        }
    }
}

/// The settings that a plan is made of.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Resolved {
    pub class: Class,
    /// Share of the picture at each timestep.
    pub alpha_bars: Vec<f64>,
    pub cosine: bool,
    pub prediction: Prediction,
    pub spacing: Spacing,
    pub offset: usize,
    /// Whether the last step ends in the picture alone, rather than in the first timestep.
    pub ends_clean: bool,
    /// Largest value of a predicted picture.
    pub clip: Option<f64>,
    pub karras: bool,
    /// Order of a multistep solver: 1 or 2.
    pub order: u32,
    pub solver: Solver,
    /// Whether a multistep solver adds noise at every step.
    pub noisy: bool,
    pub lower_order_final: bool,
    pub euler_at_final: bool,
    /// The least logarithm of picture to noise that is gone through.
    pub least_lambda: f64,
    /// Steps that a consistency model was distilled from, and what its timesteps are multiplied by.
    pub distilled: (usize, f64),
}

/// How a multistep solver goes on from two outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Solver {
    Midpoint,
    Heun,
    Bh1,
    Bh2,
}

impl Resolved {
    /// Where `whole` steps go, with `more` points than these.
    pub fn grid(&self, whole: usize, more: usize) -> Grid {
        let trained = self.alpha_bars.len();
        let beyond = |bar: &&f64| Level::of_alpha_bar(**bar).lambda() < self.least_lambda;
        let used = match self.class {
            Class::Dpm => trained - self.alpha_bars.iter().filter(beyond).count(),
            _ => trained,
        };
        Grid { spacing: self.spacing, trained, used, offset: self.offset, points: whole + more, steps: whole }
    }

    /// Whole timesteps from one of `whole` steps to the next.
    pub fn stride(&self, whole: usize) -> f64 {
        (self.alpha_bars.len() / whole) as f64
    }
}
