//! The autoencoder's `config.json`.

use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::super::super::ModelError;
use super::super::super::autoencoder::{Config, Quant};
use super::super::super::config::hold;
use super::{Document, MOST, WIDEST, refuse, sized};

/// The network, and the convolutions beside it.
pub(in super::super) struct Autoencoder {
    pub network: Config,
    pub quant: Quant,
}

/// With the defaults of `AutoencoderKL`.
#[derive(Deserialize)]
#[serde(default)]
struct Kl {
    down_block_types: Vec<String>,
    up_block_types: Vec<String>,
    block_out_channels: Vec<usize>,
    layers_per_block: usize,
    latent_channels: usize,
    norm_num_groups: usize,
    scaling_factor: f64,
    shift_factor: Option<f64>,
    act_fn: String,
    use_quant_conv: bool,
    use_post_quant_conv: bool,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

impl Default for Kl {
    fn default() -> Self {
        Kl {
            down_block_types: vec![DOWN.to_owned()],
            up_block_types: vec![UP.to_owned()],
            block_out_channels: vec![64],
            layers_per_block: 1,
            latent_channels: 4,
            norm_num_groups: GROUPS,
            scaling_factor: 0.18215,
            shift_factor: None,
            act_fn: "silu".to_owned(),
            use_quant_conv: true,
            use_post_quant_conv: true,
            rest: Map::new(),
        }
    }
}

const DOWN: &str = "DownEncoderBlock2D";
const UP: &str = "UpDecoderBlock2D";
/// Sizes of picture: three times halved, eight pixels make a latent.
const LEVELS: usize = 4;
/// Groups of the networks' norms.
const GROUPS: usize = 32;

pub fn read(document: &Document) -> Result<Autoencoder, ModelError> {
    kind(document.file(), document.parse()?)
}

fn kind(file: &Path, kl: Kl) -> Result<Autoencoder, ModelError> {
    let held = [
        ("_class_name", json!("AutoencoderKL")),
        ("in_channels", json!(3)),
        ("out_channels", json!(3)),
        ("latents_mean", Value::Null),
        ("latents_std", Value::Null),
        ("mid_block_add_attention", json!(true)),
    ];
    hold(file, &kl.rest, &held, "an AutoencoderKL of three colours with its class's settings")?;
    if !["silu", "swish"].contains(&kl.act_fn.as_str()) {
        return refuse(file, "silu", format!("act_fn = {}", kl.act_fn));
    }
    let other = |types: &[String], plain: &str| types.len() != LEVELS || types.iter().any(|t| t != plain);
    if other(&kl.down_block_types, DOWN) || other(&kl.up_block_types, UP) {
        let expected = "four blocks of DownEncoderBlock2D, and four of UpDecoderBlock2D";
        let found = format!("{:?} and {:?}", kl.down_block_types, kl.up_block_types);
        return refuse(file, expected, found.chars().take(LONGEST_LIST).collect());
    }
    let channels = &kl.block_out_channels;
    let first = channels.first().copied().unwrap_or_default();
    let fits = |wide: &usize| {
        (1..=WIDEST).contains(wide) && wide.is_multiple_of(first) && wide.is_multiple_of(GROUPS)
    };
    if channels.len() != LEVELS || kl.norm_num_groups != GROUPS || first == 0 || !channels.iter().all(fits) {
        let expected = "four multiples of the first of them, in norm_num_groups = 32";
        let found = format!("block_out_channels = {channels:?}, norm_num_groups = {}", kl.norm_num_groups);
        return refuse(file, expected, found.chars().take(LONGEST_LIST).collect());
    }
    let scale = kl.scaling_factor;
    if !(1e-6..=1e6).contains(&scale.abs()) {
        let expected = "a scaling_factor as an autoencoder has it (0.18215, or 0.13025 of an XL)";
        return refuse(file, expected, scale.to_string());
    }
    // diffusers' pipelines of these models would not shift.
    if let Some(shift) = kl.shift_factor.filter(|shift| *shift != 0.0) {
        return refuse(file, "latents that are not shifted", format!("shift_factor = {shift}"));
    }
    Ok(Autoencoder {
        network: Config {
            channels: channels.clone(),
            residuals: sized(file, "layers_per_block", kl.layers_per_block, MOST)?,
            latents: sized(file, "latent_channels", kl.latent_channels, MOST)?,
            scale,
            shift: 0.0,
        },
        quant: Quant { behind_encoder: kl.use_quant_conv, before_decoder: kl.use_post_quant_conv },
    })
}

/// Characters of lists that are shown.
const LONGEST_LIST: usize = 160;
