//! A text encoder's `config.json`.

use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::super::super::ModelError;
use super::super::super::clip::{Activation, End, Shape};
use super::super::super::config::hold;
use super::{Document, MOST, WIDEST, headed, refuse, sized, small};

/// With the defaults of `CLIPTextConfig`.
#[derive(Deserialize)]
#[serde(default)]
struct Text {
    vocab_size: usize,
    hidden_size: usize,
    intermediate_size: usize,
    projection_dim: Option<usize>,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    max_position_embeddings: usize,
    hidden_act: String,
    layer_norm_eps: f64,
    eos_token_id: u32,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

impl Default for Text {
    fn default() -> Self {
        Text {
            vocab_size: 49408,
            hidden_size: 512,
            intermediate_size: 2048,
            projection_dim: Some(512),
            num_hidden_layers: 12,
            num_attention_heads: 8,
            max_position_embeddings: 77,
            hidden_act: "quick_gelu".to_owned(),
            layer_norm_eps: 1e-5,
            eos_token_id: 49407,
            rest: Map::new(),
        }
    }
}

/// What files from before the end token was written down have in its place.
const UNKNOWN_END: u32 = 2;
/// Start, end and a word between them.
const LEAST_POSITIONS: usize = 3;

pub fn read(document: &Document, projected: bool) -> Result<Shape, ModelError> {
    shape(document.file(), document.parse()?, projected)
}

fn shape(file: &Path, text: Text, projected: bool) -> Result<Shape, ModelError> {
    let held = [("model_type", json!("clip_text_model")), ("use_attention_mask", json!(false))];
    hold(file, &text.rest, &held, "a CLIP text encoder that sees all of its tokens")?;
    let size = |what, size, most| sized(file, what, size, most);
    let activation = match text.hidden_act.as_str() {
        "quick_gelu" => Activation::QuickGelu,
        "gelu" => Activation::Gelu,
        other => return refuse(file, "quick_gelu or gelu", format!("hidden_act = {other}")),
    };
    let positions = size("max_position_embeddings", text.max_position_embeddings, WIDEST)?;
    if positions < LEAST_POSITIONS {
        return refuse(file, "room for a prompt", format!("max_position_embeddings = {positions}"));
    }
    Ok(Shape {
        vocabulary: size("vocab_size", text.vocab_size, 1 << 24)?,
        positions,
        width: size("hidden_size", text.hidden_size, WIDEST)?,
        inner: size("intermediate_size", text.intermediate_size, WIDEST)?,
        layers: size("num_hidden_layers", text.num_hidden_layers, MOST)?,
        heads: headed(file, text.hidden_size, text.num_attention_heads)?,
        activation,
        epsilon: small(file, "layer_norm_eps", text.layer_norm_eps)?,
        end: if text.eos_token_id == UNKNOWN_END { End::Largest } else { End::Token(text.eos_token_id) },
        projection: match projected {
            true => Some(size("projection_dim", text.projection_dim.unwrap_or_default(), WIDEST)?),
            false => None,
        },
    })
}
