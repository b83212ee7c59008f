//! The network's `config.json`.

use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::super::super::ModelError;
use super::super::super::config::hold;
use super::super::unet::{Added, Level, Shape};
use super::{Document, MOST, WIDEST, headed, refuse, sized, small};

const PLAIN: [&str; 2] = ["DownBlock2D", "UpBlock2D"];
const ATTENDING: [&str; 2] = ["CrossAttnDownBlock2D", "CrossAttnUpBlock2D"];
const MIDDLE: &str = "UNetMidBlock2DCrossAttn";
const TEXT_AND_SIZES: &str = "text_time";

/// With the defaults of `UNet2DConditionModel`.
#[derive(Deserialize)]
#[serde(default)]
struct Unet {
    /// Latents to a side of the pictures that it was trained on.
    sample_size: Value,
    in_channels: usize,
    out_channels: usize,
    flip_sin_to_cos: bool,
    freq_shift: f64,
    down_block_types: Vec<String>,
    mid_block_type: Option<String>,
    up_block_types: Vec<String>,
    block_out_channels: Vec<usize>,
    layers_per_block: Value,
    act_fn: String,
    norm_num_groups: usize,
    norm_eps: f64,
    cross_attention_dim: Value,
    transformer_layers_per_block: Value,
    /// The number of heads, whatever its name says.
    attention_head_dim: Value,
    use_linear_projection: bool,
    addition_embed_type: Option<String>,
    addition_time_embed_dim: Option<usize>,
    projection_class_embeddings_input_dim: Option<usize>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

impl Default for Unet {
    fn default() -> Self {
        let [[down, up], [down_attending, up_attending]] =
            [PLAIN, ATTENDING].map(|kinds| kinds.map(str::to_owned));
        Unet {
            sample_size: Value::Null,
            in_channels: 4,
            out_channels: 4,
            flip_sin_to_cos: true,
            freq_shift: 0.0,
            down_block_types: [vec![down_attending; 3], vec![down]].concat(),
            mid_block_type: Some(MIDDLE.to_owned()),
            up_block_types: [vec![up], vec![up_attending; 3]].concat(),
            block_out_channels: vec![320, 640, 1280, 1280],
            layers_per_block: json!(2),
            act_fn: "silu".to_owned(),
            norm_num_groups: 32,
            norm_eps: 1e-5,
            cross_attention_dim: json!(1280),
            transformer_layers_per_block: json!(1),
            attention_head_dim: json!(8),
            use_linear_projection: false,
            addition_embed_type: None,
            addition_time_embed_dim: None,
            projection_class_embeddings_input_dim: None,
            rest: Map::new(),
        }
    }
}

/// Those settings that change the network, and what they are where they do not.
fn held() -> [(&'static str, Value); 25] {
    [
        ("_class_name", json!("UNet2DConditionModel")),
        ("center_input_sample", json!(false)),
        ("only_cross_attention", json!(false)),
        ("downsample_padding", json!(1)),
        ("mid_block_scale_factor", json!(1)),
        ("reverse_transformer_layers_per_block", Value::Null),
        ("encoder_hid_dim", Value::Null),
        ("encoder_hid_dim_type", Value::Null),
        ("num_attention_heads", Value::Null),
        ("dual_cross_attention", json!(false)),
        ("class_embed_type", Value::Null),
        ("num_class_embeds", Value::Null),
        ("resnet_time_scale_shift", json!("default")),
        ("resnet_skip_time_act", json!(false)),
        ("resnet_out_scale_factor", json!(1)),
        ("time_embedding_type", json!("positional")),
        ("time_embedding_dim", Value::Null),
        ("time_embedding_act_fn", Value::Null),
        ("timestep_post_act", Value::Null),
        ("time_cond_proj_dim", Value::Null),
        ("conv_in_kernel", json!(3)),
        ("conv_out_kernel", json!(3)),
        ("attention_type", json!("default")),
        ("class_embeddings_concat", json!(false)),
        ("cross_attention_norm", Value::Null),
    ]
}

/// The network, and its latents to a side of the pictures that it was trained on.
pub fn read(document: &Document) -> Result<(Shape, Option<usize>), ModelError> {
    let unet: Unet = document.parse()?;
    let file = document.file();
    let side = side(file, &unet.sample_size)?;
    Ok((shape(file, unet)?, side))
}

/// One number, or two of which the larger counts.
fn side(file: &Path, size: &Value) -> Result<Option<usize>, ModelError> {
    let sides = match size {
        Value::Null => return Ok(None),
        Value::Array(sides) => sides.iter().collect(),
        side => vec![side],
    };
    let sides = sides.into_iter().map(|side| side.as_u64().and_then(|side| usize::try_from(side).ok()));
    match sides.collect::<Option<Vec<usize>>>().and_then(|sides| sides.into_iter().max()) {
        Some(side) => sized(file, "sample_size", side, WIDEST).map(Some),
        None => refuse(file, "a number of latents, or two", "sample_size set otherwise".to_owned()),
    }
}

fn shape(file: &Path, unet: Unet) -> Result<Shape, ModelError> {
    hold(file, &unet.rest, &held(), "a network without settings that this engine does not have")?;
    let count = unet.block_out_channels.len();
    sized(file, "levels", count, MAX_LEVELS)?;
    let groups = sized(file, "norm_num_groups", unet.norm_num_groups, WIDEST)?;
    if !["silu", "swish"].contains(&unet.act_fn.as_str()) {
        return refuse(file, "silu", format!("act_fn = {}", unet.act_fn));
    }
    let attends = [attending(file, &unet.down_block_types, 0, count)?, {
        let mut up = attending(file, &unet.up_block_types, 1, count)?;
        up.reverse();
        up
    }];
    let middle = match unet.mid_block_type.as_deref() {
        Some(MIDDLE) => true,
        None => false,
        Some(other) => return refuse(file, MIDDLE, format!("mid_block_type = {other}")),
    };
    let each = |name: &'static str, value: &Value, most| for_each(file, name, value, count, most);
    let residuals = each("layers_per_block", &unet.layers_per_block, MOST)?;
    let heads = each("attention_head_dim", &unet.attention_head_dim, WIDEST)?;
    let transformer = each("transformer_layers_per_block", &unet.transformer_layers_per_block, MOST)?;
    let context = each("cross_attention_dim", &unet.cross_attention_dim, WIDEST)?;
    if let Some(other) = context.iter().find(|width| **width != context[0]) {
        let found = format!("cross_attention_dim of {} and {other}", context[0]);
        return refuse(file, "one width of the text for all levels", found);
    }
    let mut levels = Vec::with_capacity(count);
    for i in 0..count {
        let channels = sized(file, "block_out_channels", unet.block_out_channels[i], WIDEST)?;
        if channels % groups != 0 {
            let found = format!("{groups} groups in {channels} channels");
            return refuse(file, "norm_num_groups that make up block_out_channels", found);
        }
        let attends = attends.each_ref().map(|way| way[i]);
        if attends.contains(&true) || (middle && i + 1 == count) {
            headed(file, channels, heads[i])?;
        }
        levels.push(Level {
            channels,
            residuals: residuals[i],
            heads: heads[i],
            transformer: transformer[i],
            attends,
        });
    }
    if unet.in_channels != unet.out_channels && unet.in_channels != super::INPAINTING {
        let found = format!("in_channels = {}, out_channels = {}", unet.in_channels, unet.out_channels);
        return refuse(file, "as many channels out as in", found);
    }
    waves(file, "block_out_channels", levels[0].channels, unet.freq_shift)?;
    Ok(Shape {
        latents: sized(file, "in_channels", unet.in_channels, WIDEST)?,
        levels,
        middle,
        groups,
        epsilon: small(file, "norm_eps", unet.norm_eps)?,
        context: context[0],
        linear_projection: unet.use_linear_projection,
        cosines_first: unet.flip_sin_to_cos,
        frequency_shift: unet.freq_shift,
        added: added(file, &unet)?,
    })
}

/// Sizes of picture, at most: the smallest would be a latent of a thousand.
const MAX_LEVELS: usize = 10;

fn added(file: &Path, unet: &Unet) -> Result<Option<Added>, ModelError> {
    match unet.addition_embed_type.as_deref() {
        None => Ok(None),
        Some(TEXT_AND_SIZES) => {
            let numbers = unet.addition_time_embed_dim.unwrap_or_default();
            waves(file, "addition_time_embed_dim", numbers, unet.freq_shift)?;
            let width = unet.projection_class_embeddings_input_dim.unwrap_or_default();
            let width = sized(file, "projection_class_embeddings_input_dim", width, WIDEST)?;
            Ok(Some(Added { numbers, width }))
        }
        Some(other) => refuse(file, TEXT_AND_SIZES, format!("addition_embed_type = {other}")),
    }
}

/// Refuses numbers that frequencies cannot be made of.
fn waves(file: &Path, what: &'static str, numbers: usize, shift: f64) -> Result<(), ModelError> {
    sized(file, what, numbers, WIDEST)?;
    let half = (numbers / 2) as f64;
    if !numbers.is_multiple_of(2) || !(0.0..half).contains(&shift) {
        let found = format!("{what} = {numbers}, freq_shift = {shift}");
        return refuse(file, "an even number, and a shift below half of it", found);
    }
    Ok(())
}

/// Which of the blocks attend, of one way through the network.
fn attending(file: &Path, types: &[String], way: usize, count: usize) -> Result<Vec<bool>, ModelError> {
    if types.len() != count {
        let found = format!("{} blocks on a way through {count} levels", types.len());
        return refuse(file, "a block for each of block_out_channels", found);
    }
    let attends = |kind: &String| match kind {
        kind if kind == PLAIN[way] => Ok(false),
        kind if kind == ATTENDING[way] => Ok(true),
        other => refuse(file, [DOWN, UP][way], format!("{other:?}")),
    };
    types.iter().map(attends).collect()
}

const DOWN: &str = "DownBlock2D or CrossAttnDownBlock2D";
const UP: &str = "UpBlock2D or CrossAttnUpBlock2D";

/// One number for all levels, or one for each.
fn for_each(
    file: &Path,
    name: &'static str,
    value: &Value,
    count: usize,
    most: usize,
) -> Result<Vec<usize>, ModelError> {
    let number = |value: &Value| value.as_u64().and_then(|number| usize::try_from(number).ok());
    let numbers = match value {
        Value::Array(all) if all.len() == count => all.iter().map(number).collect(),
        other => number(other).map(|one| vec![one; count]),
    };
    match numbers {
        Some(numbers) => {
            numbers.iter().try_for_each(|size| sized(file, name, *size, most).map(drop))?;
            Ok(numbers)
        }
        None => {
            let found: String = value.to_string().chars().take(60).collect();
            refuse(file, "a number, or one for each level", format!("{name} = {found}"))
        }
    }
}
