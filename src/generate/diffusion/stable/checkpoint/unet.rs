//! The UNet of a checkpoint: how it is laid out, and its tensors under diffusers' names.
//!
//! Blocks are numbered there in the order in which a picture goes through them, whatever their level.

use std::path::Path;

use serde_json::{Value, json};

use super::super::super::ModelError;
use super::super::super::names::replaced;
use super::super::super::weights::{Entry, Tensors};
use super::family::UNET;

/// What its tensors show of it.
#[derive(Debug, PartialEq)]
pub(super) struct Layout {
    pub latents: usize,
    /// From the full size to the smallest.
    pub channels: Vec<usize>,
    residuals: Vec<usize>,
    /// Blocks of each transformer; 1 where there is none.
    depths: Vec<usize>,
    /// Whether levels attend, on the way down and on the way up.
    attends: Vec<[bool; 2]>,
    pub context: usize,
    linear_projection: bool,
    /// Width of what an XL is told beside time and text.
    pub added: Option<usize>,
}

impl Layout {
    /// As a `config.json` says it.
    pub fn settings(&self) -> Value {
        let kinds = |way: usize, plain: &str, attending: &str| -> Vec<String> {
            self.attends.iter().map(|ways| if ways[way] { attending } else { plain }.to_owned()).collect()
        };
        let mut up = kinds(1, "UpBlock2D", "CrossAttnUpBlock2D");
        up.reverse();
        json!({
            "in_channels": self.latents,
            "out_channels": self.latents,
            "block_out_channels": self.channels,
            "layers_per_block": self.residuals,
            "transformer_layers_per_block": self.depths,
            "down_block_types": kinds(0, "DownBlock2D", "CrossAttnDownBlock2D"),
            "up_block_types": up,
            "cross_attention_dim": self.context,
            "use_linear_projection": self.linear_projection,
        })
    }
}

/// The network's tensors under diffusers' names, and what they show.
pub(super) fn read(path: &Path, all: &Tensors) -> Result<(Tensors, Layout), ModelError> {
    let network = Network { path, all };
    let mut moves: Vec<(String, String)> =
        OUTER.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect();
    let down = network.down(&mut moves)?;
    let up = network.up(&mut moves, down.len())?;
    let middle = network.transformer("middle_block.1.");
    if middle == 0 || !network.has("middle_block.2.in_layers.2.weight") {
        return Err(network.other());
    }
    let layout = network.layout(&down, &up, middle)?;
    let mut tensors = Tensors::new();
    for (from, to) in &moves {
        for (name, entry) in network.under(from) {
            let rest = replaced(&format!(".{name}"), &RESIDUAL);
            tensors.insert(format!("{to}{}", rest.get(1..).unwrap_or_default()), entry.clone());
        }
    }
    Ok((tensors, layout))
}

/// Blocks that every network has, and where they are to stand.
const OUTER: [(&str, &str); 10] = [
    ("input_blocks.0.0.", "conv_in."),
    ("time_embed.0.", "time_embedding.linear_1."),
    ("time_embed.2.", "time_embedding.linear_2."),
    ("label_emb.0.0.", "add_embedding.linear_1."),
    ("label_emb.0.2.", "add_embedding.linear_2."),
    ("middle_block.0.", "mid_block.resnets.0."),
    ("middle_block.1.", "mid_block.attentions.0."),
    ("middle_block.2.", "mid_block.resnets.1."),
    ("out.0.", "conv_norm_out."),
    ("out.2.", "conv_out."),
];

/// Parts of a residual block.
const RESIDUAL: [(&str, &str); 6] = [
    (".in_layers.0.", ".norm1."),
    (".in_layers.2.", ".conv1."),
    (".emb_layers.1.", ".time_emb_proj."),
    (".out_layers.0.", ".norm2."),
    (".out_layers.3.", ".conv2."),
    (".skip_connection.", ".conv_shortcut."),
];

/// A level on one of the ways: its channels, and of each residual block the blocks of the transformer behind it.
#[derive(Default)]
struct Side {
    channels: usize,
    depths: Vec<usize>,
}

impl Side {
    /// The one number of all its transformers, 0 for none; nothing where they are not alike.
    fn depth(&self) -> Option<usize> {
        let first = *self.depths.first()?;
        self.depths.iter().all(|depth| *depth == first).then_some(first)
    }
}

struct Network<'a> {
    path: &'a Path,
    all: &'a Tensors,
}

impl<'a> Network<'a> {
    fn down(&self, moves: &mut Vec<(String, String)>) -> Result<Vec<Side>, ModelError> {
        let mut sides = vec![Side::default()];
        for n in (1..).take_while(|n| self.begins(&format!("input_blocks.{n}."))) {
            let (level, here) = (sides.len() - 1, format!("input_blocks.{n}."));
            if self.has(&format!("{here}0.op.weight")) {
                moves.push((format!("{here}0.op."), format!("down_blocks.{level}.downsamplers.0.conv.")));
                sides.push(Side::default());
            } else if let Some(side) = sides.last_mut() {
                self.stage(&here, &format!("down_blocks.{level}."), side, moves)?;
            }
        }
        Ok(sides)
    }

    /// The levels from the smallest size on.
    fn up(&self, moves: &mut Vec<(String, String)>, levels: usize) -> Result<Vec<Side>, ModelError> {
        let mut sides = vec![Side::default()];
        for n in (0..).take_while(|n| self.begins(&format!("output_blocks.{n}."))) {
            let (turn, here) = (sides.len() - 1, format!("output_blocks.{n}."));
            let there = format!("up_blocks.{turn}.");
            if let Some(side) = sides.last_mut() {
                self.stage(&here, &there, side, moves)?;
            }
            // Behind the transformer, or in its place where there is none.
            let larger = ["1", "2"].map(|part| format!("{here}{part}.conv."));
            if let Some(larger) = larger.into_iter().find(|larger| self.has(&format!("{larger}weight"))) {
                moves.push((larger, format!("{there}upsamplers.0.conv.")));
                sides.push(Side::default());
            }
        }
        if sides.len() == levels { Ok(sides) } else { Err(self.other()) }
    }

    /// A residual block, and the transformer behind it if there is one.
    fn stage(
        &self,
        here: &str,
        there: &str,
        side: &mut Side,
        moves: &mut Vec<(String, String)>,
    ) -> Result<(), ModelError> {
        let [channels, ..] = self.shape(&format!("{here}0.in_layers.2.weight"))? else {
            return Err(self.other());
        };
        let (i, depth) = (side.depths.len(), self.transformer(&format!("{here}1.")));
        moves.push((format!("{here}0."), format!("{there}resnets.{i}.")));
        if depth > 0 {
            moves.push((format!("{here}1."), format!("{there}attentions.{i}.")));
        }
        side.depths.push(depth);
        side.channels = *channels;
        Ok(())
    }

    /// Blocks of the transformer at `here`; 0 where there is none.
    fn transformer(&self, here: &str) -> usize {
        let has = |i: &usize| self.has(&format!("{here}transformer_blocks.{i}.attn1.to_q.weight"));
        (0..).take_while(has).count()
    }

    fn layout(&self, down: &[Side], up: &[Side], middle: usize) -> Result<Layout, ModelError> {
        let mut layout = Layout {
            latents: self.size("input_blocks.0.0.weight", 1)?,
            channels: Vec::new(),
            residuals: Vec::new(),
            depths: Vec::new(),
            attends: Vec::new(),
            context: self.size("middle_block.1.transformer_blocks.0.attn2.to_k.weight", 1)?,
            linear_projection: self.shape("middle_block.1.proj_in.weight")?.len() == 2,
            added: self.shape("label_emb.0.0.weight").ok().and_then(|shape| shape.get(1).copied()),
        };
        let count = down.len();
        for (i, (down, up)) in down.iter().zip(up.iter().rev()).enumerate() {
            let (Some(before), Some(after)) = (down.depth(), up.depth()) else { return Err(self.other()) };
            // The middle is of the last level's kind.
            let known = [before, after, if i + 1 == count { middle } else { 0 }];
            let depth = known.into_iter().find(|depth| *depth > 0).unwrap_or(1);
            let alike = known.iter().all(|known| [0, depth].contains(known));
            if !alike || up.depths.len() != down.depths.len() + 1 || up.channels != down.channels {
                return Err(self.other());
            }
            layout.channels.push(down.channels);
            layout.residuals.push(down.depths.len());
            layout.depths.push(depth);
            layout.attends.push([before > 0, after > 0]);
        }
        Ok(layout)
    }

    fn other(&self) -> ModelError {
        let found =
            "one whose blocks are not alike (distilled, as SSD-1B, Vega, KOALA and BK-SDM are)".to_owned();
        let expected = "a UNet of Stable Diffusion 1, 2 or XL";
        ModelError::Family { file: self.path.to_owned(), expected, found }
    }

    fn shape(&self, name: &str) -> Result<&'a [usize], ModelError> {
        let tensor = format!("{UNET}{name}");
        match self.all.get(&tensor) {
            Some(entry) => Ok(&entry.shape),
            None => Err(ModelError::NoTensor { file: self.path.to_owned(), tensor }),
        }
    }

    fn size(&self, name: &str, dimension: usize) -> Result<usize, ModelError> {
        self.shape(name)?.get(dimension).copied().ok_or_else(|| self.other())
    }

    fn has(&self, name: &str) -> bool {
        self.all.contains_key(&format!("{UNET}{name}"))
    }

    fn begins(&self, start: &str) -> bool {
        self.under(start).next().is_some()
    }

    /// The tensors under `start`, by the rest of their names.
    fn under(&self, start: &str) -> impl Iterator<Item = (&'a str, &'a Entry)> {
        let start = format!("{UNET}{start}");
        let from = self.all.range(start.clone()..);
        from.map_while(move |(name, entry)| Some((name.strip_prefix(&start)?, entry)))
    }
}
