//! What diffusers takes a checkpoint for: the settings of the repositories that its `from_single_file` goes by, with
//! sizes as the tensors show them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::super::names::blocks;
use super::super::super::safetensors::Remarks;
use super::super::super::weights::Tensors;
use super::super::scheduler::PredictionType;
use super::family::Family;
use super::unet::Layout;

/// Heads of every attention of a first UNet, and the width of a head of the others.
const HEADS: usize = 8;
const HEAD: usize = 64;
/// Numbers that an XL is told of the size of a picture.
const SIZES: usize = 6;

/// What a network predicts, and whether anybody says so: `asked`, or the file's own notes. Else it is what diffusers
/// takes the family for.
pub(super) fn prediction(
    family: Family,
    asked: Option<PredictionType>,
    remarks: &Remarks,
) -> (PredictionType, bool) {
    let noted = match remarks.metadata.get("modelspec.prediction_type").map(String::as_str) {
        Some("epsilon") => Some(PredictionType::Epsilon),
        Some("v" | "v_prediction") => Some(PredictionType::Velocity),
        _ => None,
    };
    // An empty tensor of this name stands for it in files of XL.
    let sign = remarks.signs.contains("v_pred").then_some(PredictionType::Velocity);
    match (asked.or(sign).or(noted), family) {
        (Some(known), _) => (known, true),
        (None, Family::Second) => (PredictionType::Velocity, false),
        (None, Family::First | Family::Xl) => (PredictionType::Epsilon, false),
    }
}

/// What no tensor shows of the scheduler and the pictures of the training.
pub(super) struct Training {
    pub prediction: PredictionType,
    /// Whether the last timestep showed nothing of the picture.
    pub to_nothing: bool,
}

impl Training {
    /// Latents to a side of the pictures: 512 pixels, or 768 of a second that predicts velocities, or 1024.
    fn side(&self, family: Family) -> usize {
        match (family, self.prediction) {
            (Family::First, _) | (Family::Second, PredictionType::Epsilon) => 64,
            (Family::Second, PredictionType::Velocity) => 96,
            (Family::Xl, _) => 128,
        }
    }

    pub fn scheduler(&self, family: Family) -> Value {
        let class = match (family, self.prediction) {
            (Family::First, _) | (Family::Second, PredictionType::Epsilon) => "PNDMScheduler",
            (Family::Second, PredictionType::Velocity) => "DDIMScheduler",
            (Family::Xl, _) => "EulerDiscreteScheduler",
        };
        json!({
            "_class_name": class,
            "num_train_timesteps": 1000,
            "beta_start": 0.00085,
            "beta_end": 0.012,
            "beta_schedule": "scaled_linear",
            "prediction_type": self.prediction.name(),
            "timestep_spacing": if self.to_nothing { "trailing" } else { "leading" },
            "rescale_betas_zero_snr": self.to_nothing,
            "steps_offset": 1,
            "clip_sample": false,
            "set_alpha_to_one": false,
            "skip_prk_steps": true,
            "interpolation_type": "linear",
        })
    }
}

pub(super) fn index(family: Family) -> Value {
    let class = match family {
        Family::First | Family::Second => "StableDiffusionPipeline",
        Family::Xl => "StableDiffusionXLPipeline",
    };
    json!({ "_class_name": class })
}

/// Of the UNet; an XL is told `pooled` numbers of the prompt.
pub(super) fn unet(family: Family, layout: &Layout, training: &Training, pooled: Option<usize>) -> Value {
    let mut settings = layout.settings();
    settings["sample_size"] = json!(training.side(family));
    settings["attention_head_dim"] = match family {
        Family::First => json!(HEADS),
        Family::Second | Family::Xl => {
            json!(layout.channels.iter().map(|channels| channels / HEAD).collect::<Vec<_>>())
        }
    };
    if let Some(width) = layout.added {
        settings["addition_embed_type"] = json!("text_time");
        settings["projection_class_embeddings_input_dim"] = json!(width);
        settings["addition_time_embed_dim"] = json!(width.saturating_sub(pooled.unwrap_or_default()) / SIZES);
    }
    settings
}

pub(super) fn autoencoder(family: Family, tensors: &Tensors) -> Value {
    let size = |name: &str| tensors.get(name).and_then(|entry| entry.shape.first().copied());
    let levels = blocks(tensors, "encoder.down.");
    let channels: Vec<usize> =
        (0..levels).filter_map(|i| size(&format!("encoder.down.{i}.block.0.conv1.weight"))).collect();
    json!({
        "down_block_types": vec!["DownEncoderBlock2D"; levels],
        "up_block_types": vec!["UpDecoderBlock2D"; levels],
        "block_out_channels": channels,
        "layers_per_block": blocks(tensors, "encoder.down.0.block."),
        // Mean and spread of each.
        "latent_channels": size("encoder.conv_out.weight").unwrap_or_default() / 2,
        "scaling_factor": if family == Family::Xl { 0.13025 } else { 0.18215 },
        "use_quant_conv": tensors.contains_key("quant_conv.weight"),
        "use_post_quant_conv": tensors.contains_key("post_quant_conv.weight"),
    })
}

/// By the names of their files.
pub(super) type Settings = BTreeMap<&'static str, Value>;
