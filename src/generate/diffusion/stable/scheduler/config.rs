//! What a `scheduler_config.json` says, with the defaults of its class.

use std::path::Path;

use serde::Deserialize;

use super::super::super::ModelError;
use super::super::super::config::parsed;
use super::betas::{Betas, End, Prediction};
use super::resolved::{Class, Resolved, Solver};
use super::spacing::Spacing;

/// The file as it stands there: what it leaves out is the class's own default, and when another sampler is chosen,
/// that sampler's.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Raw {
    #[serde(rename = "_class_name")]
    pub class: String,
    pub num_train_timesteps: Option<usize>,
    pub beta_start: Option<f64>,
    pub beta_end: Option<f64>,
    pub beta_schedule: Option<String>,
    pub trained_betas: Option<Vec<f64>>,
    pub rescale_betas_zero_snr: Option<bool>,
    pub prediction_type: Option<String>,
    pub timestep_spacing: Option<String>,
    pub steps_offset: Option<usize>,
    pub set_alpha_to_one: Option<bool>,
    pub clip_sample: Option<bool>,
    pub clip_sample_range: Option<f64>,
    pub thresholding: Option<bool>,
    pub skip_prk_steps: Option<bool>,
    pub use_karras_sigmas: Option<bool>,
    pub use_exponential_sigmas: Option<bool>,
    pub use_beta_sigmas: Option<bool>,
    pub use_lu_lambdas: Option<bool>,
    pub use_flow_sigmas: Option<bool>,
    pub use_dynamic_shifting: Option<bool>,
    pub shift_terminal: Option<f64>,
    pub sigma_min: Option<f64>,
    pub sigma_max: Option<f64>,
    pub final_sigmas_type: Option<String>,
    pub interpolation_type: Option<String>,
    pub timestep_type: Option<String>,
    pub solver_order: Option<u32>,
    pub algorithm_type: Option<String>,
    pub solver_type: Option<String>,
    pub lower_order_final: Option<bool>,
    pub euler_at_final: Option<bool>,
    pub lambda_min_clipped: Option<f64>,
    pub variance_type: Option<String>,
    pub predict_x0: Option<bool>,
    pub disable_corrector: Option<Vec<i64>>,
    pub solver_p: Option<serde_json::Value>,
    pub original_inference_steps: Option<usize>,
    pub timestep_scaling: Option<f64>,
}

/// Algorithms of DPM-Solver++: diffusers takes DEIS for the first one.
const ALGORITHMS: [&str; 3] = ["dpmsolver++", "deis", NOISY];
/// The one that adds noise.
const NOISY: &str = "sde-dpmsolver++";

/// Most timesteps that a model can have been trained with.
const MOST_TIMESTEPS: usize = 10_000;

impl Raw {
    pub fn read(file: &Path) -> Result<Raw, ModelError> {
        let text = std::fs::read_to_string(file);
        let text = text.map_err(|source| ModelError::Read { file: file.to_owned(), source })?;
        // The default of `lambda_min_clipped` as Python writes it, which is no JSON.
        parsed(file, text.replace("-Infinity", "-1e308").as_bytes())
    }

    /// The settings of `class`; or which of them this program does not have, and as what it is set.
    pub fn resolve(&self, class: Class) -> Result<Resolved, String> {
        self.refuse(class)?;
        let trained = self.num_train_timesteps.unwrap_or(1000);
        if !(1..=MOST_TIMESTEPS).contains(&trained) {
            return Err(format!("num_train_timesteps: {trained}"));
        }
        let ends_clean = match class {
            Class::Ddim | Class::Lcm => self.set_alpha_to_one.unwrap_or(true),
            Class::Pndm => self.set_alpha_to_one.unwrap_or(false),
            Class::EulerAncestral => true,
            Class::Euler | Class::Dpm | Class::UniPc => match self.final_sigmas_type.as_deref() {
                None | Some("zero") => true,
                Some("sigma_min") => false,
                Some(other) => return Err(format!("final_sigmas_type: {other}")),
            },
        };
        let lower_order_final = self.lower_order_final.unwrap_or(true);
        if class == Class::UniPc && ends_clean && !lower_order_final {
            return Err("lower_order_final: false with final_sigmas_type: zero".to_owned());
        }
        let clips = match class {
            Class::Ddim => self.clip_sample.unwrap_or(true),
            Class::Lcm => self.clip_sample.unwrap_or(false),
            _ => false,
        };
        let range = self.clip_sample_range.unwrap_or(1.0);
        if clips && !(1e-6..=1e6).contains(&range) {
            return Err(format!("clip_sample_range: {range}"));
        }
        let betas = self.betas(class)?;
        let end = match (self.rescale_betas_zero_snr.unwrap_or(false), class) {
            (false, _) | (_, Class::Pndm) => End::AsTrained,
            (true, Class::Ddim | Class::Lcm) => End::Zero,
            (true, _) => End::NearlyZero,
        };
        let alpha_bars = betas.alpha_bars(trained, end);
        Ok(Resolved {
            class,
            alpha_bars: alpha_bars.ok_or("betas that no model can have been trained with")?,
            cosine: betas == Betas::SquaredCosine,
            prediction: self.prediction(class)?,
            spacing: self.spacing(class)?,
            offset: self.steps_offset.unwrap_or(0).min(MOST_TIMESTEPS),
            ends_clean,
            clip: clips.then_some(range),
            karras: self.use_karras_sigmas.unwrap_or(false),
            order: self.order(class)?,
            solver: self.solver(class)?,
            noisy: self.algorithm_type.as_deref() == Some(NOISY),
            lower_order_final,
            euler_at_final: self.euler_at_final.unwrap_or(false),
            least_lambda: self.lambda_min_clipped.unwrap_or(f64::NEG_INFINITY),
            distilled: self.distilled(trained)?,
        })
    }

    /// What `class` could be set to, and is not implemented. Settings that it does not have are nothing to it.
    fn refuse(&self, class: Class) -> Result<(), String> {
        use Class::*;
        let is = |set: Option<bool>| set.unwrap_or(false);
        let other = |set: &Option<String>, known: &str| set.as_deref().is_some_and(|set| set != known);
        let multistep: &[Class] = &[Dpm, UniPc];
        let sigmas: &[Class] = &[Euler, Dpm, UniPc];
        let unknown: [(&[Class], bool, &str); 17] = [
            (&[Ddim, Dpm, UniPc, Lcm], is(self.thresholding), "thresholding"),
            (&[Pndm], !is(self.skip_prk_steps), "skip_prk_steps other than true"),
            (sigmas, is(self.use_exponential_sigmas), "use_exponential_sigmas"),
            (sigmas, is(self.use_beta_sigmas), "use_beta_sigmas"),
            (&[Dpm], is(self.use_lu_lambdas), "use_lu_lambdas"),
            (multistep, is(self.use_flow_sigmas), "use_flow_sigmas"),
            (multistep, is(self.use_dynamic_shifting), "use_dynamic_shifting"),
            (&[UniPc], self.shift_terminal.is_some(), "shift_terminal"),
            (&[Euler, UniPc], self.sigma_min.is_some(), "sigma_min"),
            (&[Euler, UniPc], self.sigma_max.is_some(), "sigma_max"),
            (&[Euler], other(&self.interpolation_type, "linear"), "interpolation_type other than linear"),
            (&[Euler], other(&self.timestep_type, "discrete"), "timestep_type other than discrete"),
            (
                &[Dpm],
                self.algorithm_type.as_deref().is_some_and(|set| !ALGORITHMS.contains(&set)),
                "algorithm_type other than dpmsolver++ and sde-dpmsolver++",
            ),
            (&[Dpm], self.variance_type.is_some(), "variance_type"),
            (&[UniPc], self.predict_x0 == Some(false), "predict_x0: false"),
            (&[UniPc], self.disable_corrector.as_ref().is_some_and(|at| !at.is_empty()), "disable_corrector"),
            (&[UniPc], self.solver_p.as_ref().is_some_and(|solver| !solver.is_null()), "solver_p"),
        ];
        match unknown.iter().find(|(classes, set, _)| *set && classes.contains(&class)) {
            Some((_, _, name)) => Err((*name).to_owned()),
            None => Ok(()),
        }
    }

    fn betas(&self, class: Class) -> Result<Betas, String> {
        if let Some(betas) = &self.trained_betas {
            return Ok(Betas::Given(betas.clone()));
        }
        let (first, last, schedule) = match class {
            Class::Lcm => (0.000_85, 0.012, "scaled_linear"),
            _ => (0.000_1, 0.02, "linear"),
        };
        let (first, last) = (self.beta_start.unwrap_or(first), self.beta_end.unwrap_or(last));
        match self.beta_schedule.as_deref().unwrap_or(schedule) {
            "linear" => Ok(Betas::Linear { first, last }),
            "scaled_linear" => Ok(Betas::ScaledLinear { first, last }),
            "squaredcos_cap_v2" => Ok(Betas::SquaredCosine),
            other => Err(format!("beta_schedule: {other}")),
        }
    }

    fn prediction(&self, class: Class) -> Result<Prediction, String> {
        match (self.prediction_type.as_deref().unwrap_or("epsilon"), class) {
            ("epsilon", _) => Ok(Prediction::Epsilon),
            ("v_prediction", _) => Ok(Prediction::Velocity),
            ("sample", Class::Ddim | Class::Euler | Class::Dpm | Class::UniPc | Class::Lcm) => {
                Ok(Prediction::Sample)
            }
            (other, _) => Err(format!("prediction_type: {other}")),
        }
    }

    fn spacing(&self, class: Class) -> Result<Spacing, String> {
        match (self.timestep_spacing.as_deref(), class) {
            (None, Class::Ddim | Class::Pndm | Class::Lcm) | (Some("leading"), _) => Ok(Spacing::Leading),
            (None, _) | (Some("linspace"), _) => Ok(Spacing::Linspace),
            (Some("trailing"), _) => Ok(Spacing::Trailing),
            (Some(other), _) => Err(format!("timestep_spacing: {other}")),
        }
    }

    fn order(&self, class: Class) -> Result<u32, String> {
        match (class, self.solver_order) {
            (Class::Dpm | Class::UniPc, Some(order)) if !(1..=2).contains(&order) => {
                Err(format!("solver_order: {order}"))
            }
            (_, order) => Ok(order.unwrap_or(2)),
        }
    }

    /// Each class takes the names of the other for its own default.
    fn solver(&self, class: Class) -> Result<Solver, String> {
        let default = if class == Class::Dpm { Solver::Midpoint } else { Solver::Bh2 };
        match (class, self.solver_type.as_deref()) {
            (Class::Dpm, Some("heun")) => Ok(Solver::Heun),
            (Class::UniPc, Some("bh1")) => Ok(Solver::Bh1),
            (Class::Dpm | Class::UniPc, Some(other))
                if !["midpoint", "heun", "logrho", "bh1", "bh2"].contains(&other) =>
            {
                Err(format!("solver_type: {other}"))
            }
            _ => Ok(default),
        }
    }

    fn distilled(&self, trained: usize) -> Result<(usize, f64), String> {
        let steps = self.original_inference_steps.unwrap_or(50);
        let scale = self.timestep_scaling.unwrap_or(10.0);
        if !(1..=trained).contains(&steps) {
            return Err(format!("original_inference_steps: {steps}"));
        }
        if !(1e-3..=1e6).contains(&scale) {
            return Err(format!("timestep_scaling: {scale}"));
        }
        Ok((steps, scale))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(class: Class, config: &str) -> Result<Resolved, String> {
        serde_json::from_str::<Raw>(config).expect("sound JSON").resolve(class)
    }

    #[test]
    fn each_class_has_its_own_defaults() {
        let of = |class| resolve(class, r#"{"skip_prk_steps": true}"#).expect("all defaults");
        assert_eq!(of(Class::Ddim).clip, Some(1.0));
        assert!(of(Class::Ddim).ends_clean && !of(Class::Pndm).ends_clean);
        assert_eq!(of(Class::Pndm).spacing, Spacing::Leading);
        assert_eq!(of(Class::Euler).spacing, Spacing::Linspace);
        assert_eq!(of(Class::Dpm).solver, Solver::Midpoint);
        assert_eq!(of(Class::UniPc).solver, Solver::Bh2);
        // 1 − 0.0001, and 1 − 0.00085 of a consistency model.
        assert!((of(Class::Euler).alpha_bars[0] - 0.999_9).abs() < 1e-7);
        assert!((of(Class::Lcm).alpha_bars[0] - 0.999_15).abs() < 1e-7);
    }

    #[test]
    fn what_is_not_implemented_is_refused_by_its_name() {
        for (class, config, named) in [
            (Class::Ddim, r#"{"thresholding": true}"#, "thresholding"),
            (Class::Pndm, "{}", "skip_prk_steps"),
            (Class::Euler, r#"{"use_beta_sigmas": true}"#, "use_beta_sigmas"),
            (Class::Euler, r#"{"sigma_max": 80.0}"#, "sigma_max"),
            (Class::Euler, r#"{"timestep_type": "continuous"}"#, "timestep_type"),
            (Class::EulerAncestral, r#"{"prediction_type": "sample"}"#, "prediction_type: sample"),
            (Class::Dpm, r#"{"algorithm_type": "dpmsolver"}"#, "algorithm_type"),
            (Class::Dpm, r#"{"solver_order": 3}"#, "solver_order: 3"),
            (Class::Dpm, r#"{"use_flow_sigmas": true}"#, "use_flow_sigmas"),
            (Class::UniPc, r#"{"disable_corrector": [0]}"#, "disable_corrector"),
            (Class::UniPc, r#"{"lower_order_final": false}"#, "lower_order_final"),
            (Class::Ddim, r#"{"beta_schedule": "sigmoid"}"#, "beta_schedule: sigmoid"),
            (Class::Ddim, r#"{"timestep_spacing": "odd"}"#, "timestep_spacing: odd"),
            (Class::Ddim, r#"{"num_train_timesteps": 0}"#, "num_train_timesteps: 0"),
            (Class::Ddim, r#"{"num_train_timesteps": 4000000000}"#, "num_train_timesteps"),
            (Class::Ddim, r#"{"clip_sample_range": -1.0}"#, "clip_sample_range"),
            (Class::Ddim, r#"{"beta_end": 1.5}"#, "betas"),
            (Class::Ddim, r#"{"beta_start": -0.1, "beta_schedule": "scaled_linear"}"#, "betas"),
            (Class::Ddim, r#"{"trained_betas": [0.1, 0.2]}"#, "betas"),
            (Class::Lcm, r#"{"original_inference_steps": 0}"#, "original_inference_steps"),
        ] {
            let refused = resolve(class, config).expect_err(config);
            assert!(refused.contains(named), "{config}: {refused}");
        }
    }

    #[test]
    fn what_another_class_has_is_nothing_to_this_one() {
        let config =
            r#"{"use_beta_sigmas": true, "solver_order": 9, "clip_sample": true, "sigma_max": 80.0}"#;
        let ancestral = resolve(Class::EulerAncestral, config).expect("none of it is its own");
        assert_eq!(ancestral.clip, None);
    }
}
