//! What the `config.json` files of a diffusers folder say that no tensor shows.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::super::ModelError;
use super::super::config::{Index, hold, index, parse, small};
use super::schedule::Shift;

/// Of the folder's `model_index.json`: the pipelines whose parts make this engine's model begin so.
const FAMILY: &str = "Flux";
/// Of those, the ones with another transformer input than text and a noisy picture, or with no transformer.
const OTHERS: [&str; 5] = ["FluxControl", "FluxFill", "FluxKontext", "FluxPrior", "Flux2"];

/// The settings of one model.
pub(super) struct Configs {
    /// Their folder.
    pub dir: PathBuf,
    pub transformer: Transformer,
    pub autoencoder: Autoencoder,
    pub clip: Clip,
    pub t5: T5,
    pub shift: Shift,
}

#[derive(Deserialize)]
pub(super) struct Transformer {
    pub num_layers: usize,
    pub num_single_layers: usize,
    pub attention_head_dim: usize,
    pub num_attention_heads: usize,
    #[serde(default = "axes")]
    pub axes_dims_rope: Vec<usize>,
    #[serde(default)]
    pub guidance_embeds: bool,
}

fn axes() -> Vec<usize> {
    vec![16, 56, 56]
}

#[derive(Deserialize)]
pub(super) struct Autoencoder {
    pub scaling_factor: f64,
    pub shift_factor: Option<f64>,
}

#[derive(Deserialize)]
pub(super) struct Clip {
    pub num_attention_heads: usize,
    #[serde(default = "quick_gelu")]
    hidden_act: String,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Deserialize)]
pub(super) struct T5 {
    feed_forward_proj: String,
    #[serde(default = "t5_epsilon")]
    pub layer_norm_epsilon: f64,
    #[serde(default = "t5_distance")]
    pub relative_attention_max_distance: usize,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

fn t5_epsilon() -> f64 {
    1e-6
}

fn t5_distance() -> usize {
    128
}

/// The activation of FLUX.1's CLIP, and the default of its configuration.
const QUICK_GELU: &str = "quick_gelu";

/// What else that CLIP is.
fn held_of_clip() -> [(&'static str, Value); 2] {
    [("layer_norm_eps", json!(1e-5)), ("use_attention_mask", json!(false))]
}

/// What else this engine's T5 is.
fn held_of_t5() -> [(&'static str, Value); 2] {
    [("is_gated_act", json!(true)), ("dense_act_fn", json!("gelu_new"))]
}

/// The activation of T5 1.1.
const GATED_GELU: &str = "gated-gelu";

fn quick_gelu() -> String {
    QUICK_GELU.to_owned()
}

/// The scheduler that this engine is, and the largest shift (and one over the smallest) that means something.
const EULER: &str = "FlowMatchEulerDiscreteScheduler";
const MOST_SHIFT: f64 = 1e6;

/// Its settings, with their own defaults.
#[derive(Deserialize)]
#[serde(default)]
struct Scheduler {
    _class_name: String,
    num_train_timesteps: u32,
    shift: f64,
    use_dynamic_shifting: bool,
    base_shift: Option<f64>,
    max_shift: Option<f64>,
    base_image_seq_len: usize,
    max_image_seq_len: usize,
    shift_terminal: Option<f64>,
    use_karras_sigmas: bool,
    use_exponential_sigmas: bool,
    use_beta_sigmas: bool,
    invert_sigmas: bool,
    stochastic_sampling: bool,
    time_shift_type: String,
}

impl Default for Scheduler {
    fn default() -> Self {
        Scheduler {
            _class_name: EULER.to_owned(),
            num_train_timesteps: 1000,
            shift: 1.0,
            use_dynamic_shifting: false,
            base_shift: Some(0.5),
            max_shift: Some(1.15),
            base_image_seq_len: 256,
            max_image_seq_len: 4096,
            shift_terminal: None,
            use_karras_sigmas: false,
            use_exponential_sigmas: false,
            use_beta_sigmas: false,
            invert_sigmas: false,
            stochastic_sampling: false,
            time_shift_type: "exponential".to_owned(),
        }
    }
}

impl Scheduler {
    /// What shifts the schedule; or the name of a setting that this engine does not have.
    fn shift(&self) -> Result<Shift, &'static str> {
        let logs = [self.base_shift, self.max_shift].map(|log| log.unwrap_or(f64::NAN));
        let by_size = Shift::BySize { tokens: [self.base_image_seq_len, self.max_image_seq_len], logs };
        let within = |log: &f64| (-MOST_SHIFT.ln()..=MOST_SHIFT.ln()).contains(log);
        let unknown = [
            (self._class_name != EULER, "_class_name"),
            (self.num_train_timesteps != 1000, "num_train_timesteps"),
            (!self.use_dynamic_shifting && !within(&self.shift.ln()), "shift"),
            (self.use_dynamic_shifting && !logs.iter().all(within), "base_shift or max_shift"),
            (self.shift_terminal.is_some(), "shift_terminal"),
            (self.use_karras_sigmas, "use_karras_sigmas"),
            (self.use_exponential_sigmas, "use_exponential_sigmas"),
            (self.use_beta_sigmas, "use_beta_sigmas"),
            (self.invert_sigmas, "invert_sigmas"),
            (self.stochastic_sampling, "stochastic_sampling"),
            (self.use_dynamic_shifting && self.time_shift_type != "exponential", "time_shift_type"),
            (self.base_image_seq_len >= self.max_image_seq_len, "base_image_seq_len"),
            (self.use_dynamic_shifting && !by_size.is_sound(), "base_image_seq_len or max_image_seq_len"),
        ];
        match unknown.iter().find(|(set, _)| *set) {
            Some((_, name)) => Err(name),
            None if self.use_dynamic_shifting => Ok(by_size),
            None => Ok(Shift::Fixed(self.shift)),
        }
    }
}

impl Configs {
    /// The files of a folder that this reads.
    pub fn files(dir: &Path) -> [PathBuf; 6] {
        let [transformer, vae, text, long_text] = ["transformer", "vae", "text_encoder", "text_encoder_2"]
            .map(|part| dir.join(part).join("config.json"));
        [index(dir), transformer, vae, text, long_text, dir.join("scheduler/scheduler_config.json")]
    }

    /// Whether the folder's pipeline is one that this engine draws with.
    pub fn is_ours(dir: &Path) -> bool {
        parse(&index(dir)).is_ok_and(|Index { class }| is_ours(&class))
    }

    pub fn read(dir: &Path) -> Result<Configs, ModelError> {
        let [of_index, of_transformer, of_autoencoder, of_clip, of_t5, of_scheduler] = &Configs::files(dir);
        let Index { class } = parse(of_index)?;
        if !is_ours(&class) {
            let expected = "a FLUX.1 pipeline (FluxPipeline or FluxImg2ImgPipeline)";
            return Err(ModelError::Family { file: of_index.clone(), expected, found: class });
        }
        let clip: Clip = parse(of_clip)?;
        if clip.hidden_act != QUICK_GELU {
            let expected = "a CLIP text encoder with quick_gelu";
            return Err(ModelError::Family { file: of_clip.clone(), expected, found: clip.hidden_act });
        }
        hold(of_clip, &clip.rest, &held_of_clip(), "a CLIP text encoder as FLUX.1 has it")?;
        let t5: T5 = parse(of_t5)?;
        if t5.feed_forward_proj != GATED_GELU {
            let expected = "a T5 encoder with gated-gelu";
            return Err(ModelError::Family { file: of_t5.clone(), expected, found: t5.feed_forward_proj });
        }
        hold(of_t5, &t5.rest, &held_of_t5(), "a T5 encoder as FLUX.1 has it")?;
        small(of_t5, "layer_norm_epsilon", t5.layer_norm_epsilon)?;
        let scheduler: Scheduler = parse(of_scheduler)?;
        let shift = scheduler.shift().map_err(|setting| ModelError::Family {
            file: of_scheduler.clone(),
            expected: "a FlowMatchEulerDiscreteScheduler with its defaults but for a sound shift",
            found: format!("{setting} set otherwise"),
        })?;
        let autoencoder: Autoencoder = parse(of_autoencoder)?;
        let [scale, shifted] = [autoencoder.scaling_factor, autoencoder.shift_factor.unwrap_or(0.0)];
        if !(1e-6..=1e6).contains(&scale.abs()) || shifted.abs() > 1e6 {
            let expected =
                "a scaling_factor and a shift_factor as an autoencoder has them (0.3611 and 0.1159)";
            let found = format!("{scale} and {shifted}");
            return Err(ModelError::Family { file: of_autoencoder.clone(), expected, found });
        }
        Ok(Configs { dir: dir.to_owned(), transformer: parse(of_transformer)?, autoencoder, clip, t5, shift })
    }
}

fn is_ours(class: &str) -> bool {
    class.starts_with(FAMILY) && !OTHERS.iter().any(|other| class.starts_with(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shift(config: &str) -> Result<Shift, &'static str> {
        serde_json::from_str::<Scheduler>(config).expect("sound JSON").shift()
    }

    #[test]
    fn a_scheduler_has_its_class_defaults_and_none_but_its_shift_may_differ() {
        assert_eq!(shift("{}"), Ok(Shift::Fixed(1.0)));
        assert_eq!(shift(r#"{"shift": 3.0}"#), Ok(Shift::Fixed(3.0)));
        let dev =
            r#"{"shift": 3.0, "use_dynamic_shifting": true, "max_shift": 1.2, "_diffusers_version": "any"}"#;
        assert_eq!(shift(dev), Ok(Shift::BySize { tokens: [256, 4096], logs: [0.5, 1.2] }));
        assert_eq!(shift(r#"{"use_beta_sigmas": true}"#), Err("use_beta_sigmas"));
        assert_eq!(shift(r#"{"shift_terminal": 0.1}"#), Err("shift_terminal"));
        assert_eq!(shift(r#"{"_class_name": "FlowMatchHeunDiscreteScheduler"}"#), Err("_class_name"));
        assert_eq!(shift(r#"{"num_train_timesteps": 500}"#), Err("num_train_timesteps"));
        assert_eq!(shift(r#"{"shift": 3.0, "base_shift": null}"#), Ok(Shift::Fixed(3.0)));
        for wrong in ["0", "-1", "1e300"] {
            assert_eq!(shift(&format!(r#"{{"shift": {wrong}}}"#)), Err("shift"), "{wrong}");
        }
        let wrong = r#"{"use_dynamic_shifting": true, "base_shift": -1e300}"#;
        assert_eq!(shift(wrong), Err("base_shift or max_shift"));
    }

    #[test]
    fn sizes_between_which_a_shift_is_no_number_are_refused() {
        for (base, max) in [(0_u64, 1_u64), (1 << 63, (1 << 63) + 1), (256, 257)] {
            let wrong = format!(
                r#"{{"use_dynamic_shifting": true, "base_shift": -13.0, "max_shift": 13.0,
                     "base_image_seq_len": {base}, "max_image_seq_len": {max}}}"#
            );
            assert_eq!(shift(&wrong), Err("base_image_seq_len or max_image_seq_len"), "{base} {max}");
        }
    }

    #[test]
    fn what_no_text_encoder_here_is_is_refused_by_its_name() {
        let dir = tempfile::tempdir().expect("a directory for the tests");
        let write = |name: &str, text: String| {
            let file = dir.path().join(name);
            std::fs::create_dir_all(file.parent().expect("a folder")).expect("a new folder");
            std::fs::write(file, text).expect("a new file");
        };
        write("model_index.json", r#"{"_class_name": "FluxPipeline"}"#.to_owned());
        write("scheduler/scheduler_config.json", "{}".to_owned());
        write("vae/config.json", r#"{"scaling_factor": 0.3611}"#.to_owned());
        let transformer = r#"{"num_layers": 2, "num_single_layers": 2, "attention_head_dim": 32, "num_attention_heads": 2}"#;
        write("transformer/config.json", transformer.to_owned());
        let clip =
            |more: &str| write("text_encoder/config.json", format!(r#"{{"num_attention_heads": 1{more}}}"#));
        let t5 = |more: &str| {
            write("text_encoder_2/config.json", format!(r#"{{"feed_forward_proj": "gated-gelu"{more}}}"#));
        };
        clip(r#", "layer_norm_eps": 1e-05"#);
        t5(r#", "layer_norm_epsilon": 1e-06, "is_gated_act": true"#);
        Configs::read(dir.path()).expect("all as it is here");
        let refused = || Configs::read(dir.path()).err().expect("a complaint").to_string();
        for (wrong, said) in [
            (r#", "layer_norm_epsilon": -1"#, "layer_norm_epsilon = -1"),
            (r#", "layer_norm_epsilon": 7"#, "layer_norm_epsilon = 7"),
            (r#", "dense_act_fn": "relu""#, "dense_act_fn = \"relu\""),
            (r#", "is_gated_act": false"#, "is_gated_act = false"),
        ] {
            t5(wrong);
            assert!(refused().ends_with(said), "{}", refused());
        }
        t5("");
        for (wrong, said) in [
            (r#", "layer_norm_eps": -1"#, "layer_norm_eps = -1"),
            (r#", "use_attention_mask": true"#, "use_attention_mask = true"),
        ] {
            clip(wrong);
            assert!(refused().ends_with(said), "{}", refused());
        }
    }
}
