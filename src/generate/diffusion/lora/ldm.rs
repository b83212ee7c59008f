//! A UNet's layers as the first programs for Stable Diffusion named them: blocks are counted through, whatever their
//! size.

use super::super::names::{numbered, replaced};
use super::super::weights::Weights;

/// The name there of what diffusers calls `layer`, a layer of the UNet `weights`.
pub fn name(layer: &str, weights: &Weights) -> Option<String> {
    if let Some((_, name)) = ALONE.iter().find(|(here, _)| *here == layer) {
        return Some((*name).to_owned());
    }
    let residuals = |way: &str, i: usize| weights.count(&format!("{way}.{i}.resnets."));
    if let Some((i, rest)) = level(layer, "down_blocks.") {
        let count = |i| residuals("down_blocks", i);
        // Behind the first convolution; each level ends with its downsampling.
        let first = 1 + (0..i).map(|i| count(i) + 1).sum::<usize>();
        return match rest.strip_prefix("downsamplers.0.conv") {
            Some(rest) => Some(format!("input_blocks.{}.0.op{rest}", first + count(i))),
            None => inside(rest, |j| format!("input_blocks.{}", first.saturating_add(j))),
        };
    }
    if let Some((i, rest)) = level(layer, "up_blocks.") {
        let count = |i| residuals("up_blocks", i);
        let first: usize = (0..i).map(count).sum();
        return match rest.strip_prefix("upsamplers.0.conv") {
            Some(rest) => {
                let attends = weights.count(&format!("up_blocks.{i}.attentions.")) > 0;
                let (block, place) = ((first + count(i)).checked_sub(1)?, 1 + usize::from(attends));
                Some(format!("output_blocks.{block}.{place}.conv{rest}"))
            }
            None => inside(rest, |j| format!("output_blocks.{}", first.saturating_add(j))),
        };
    }
    let middle = layer.strip_prefix("mid_block.")?;
    match numbered(middle, "resnets.") {
        Some((j, rest)) => Some(format!("middle_block.{}.{}", j.checked_mul(2)?, residual(rest))),
        None => numbered(middle, "attentions.").map(|(_, rest)| format!("middle_block.1.{rest}")),
    }
}

/// Layers outside of all blocks.
const ALONE: [(&str, &str); 6] = [
    ("conv_in", "input_blocks.0.0"),
    ("conv_out", "out.2"),
    ("time_embedding.linear_1", "time_embed.0"),
    ("time_embedding.linear_2", "time_embed.2"),
    ("add_embedding.linear_1", "label_emb.0.0"),
    ("add_embedding.linear_2", "label_emb.0.2"),
];

/// The number of a level, and what follows it.
fn level<'a>(layer: &'a str, start: &str) -> Option<(usize, &'a str)> {
    numbered(layer, start).filter(|(i, _)| *i < 1000)
}

/// A residual block, or the transformer behind it.
fn inside(rest: &str, block: impl Fn(usize) -> String) -> Option<String> {
    match numbered(rest, "resnets.") {
        Some((j, rest)) => Some(format!("{}.0.{}", block(j), residual(rest))),
        None => numbered(rest, "attentions.").map(|(j, rest)| format!("{}.1.{rest}", block(j))),
    }
}

fn residual(layer: &str) -> String {
    replaced(layer, &RESIDUAL)
}

const RESIDUAL: [(&str, &str); 4] = [
    ("conv1", "in_layers.2"),
    ("time_emb_proj", "emb_layers.1"),
    ("conv2", "out_layers.3"),
    ("conv_shortcut", "skip_connection"),
];
