//! Which model a file is a checkpoint of, by the names and shapes of its tensors; and what it is else.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::super::super::error::shown;

/// Where the names of the parts begin.
pub(super) const UNET: &str = "model.diffusion_model.";
pub(super) const AUTOENCODER: &str = "first_stage_model.";
/// Of text encoders with Hugging Face's names, and of those with open_clip's.
pub(super) const CLIP: &str = "cond_stage_model.transformer.";
pub(super) const OPEN_CLIP: &str = "cond_stage_model.model.";
pub(super) const CLIP_OF_XL: &str = "conditioner.embedders.0.transformer.";
pub(super) const OPEN_CLIP_OF_XL: &str = "conditioner.embedders.1.model.";
/// Widths of the text.
const WIDTH_OF_SECOND: usize = 1024;
const WIDTH_OF_REFINER: usize = 1280;
/// The text encoder of a refiner, which has no other.
const OPEN_CLIP_OF_REFINER: &str = "conditioner.embedders.0.model.";

/// Tensors of a file, by their names.
pub(super) type Shapes<'a> = BTreeMap<&'a str, &'a [usize]>;

/// Why a file is no checkpoint of a family.
#[derive(Debug, PartialEq)]
pub(super) enum Other {
    /// What it is instead.
    Else(String),
    /// The family that it is a part of, and what is missing.
    Lacking(Family, String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// 1.1 to 1.5.
    First,
    /// 2.0 and 2.1.
    Second,
    Xl,
}

impl Family {
    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Family::First => "Stable Diffusion 1",
            Family::Second => "Stable Diffusion 2",
            Family::Xl => "Stable Diffusion XL",
        }
    }

    /// Where its text encoders begin.
    pub(super) fn encoders(self) -> &'static [&'static str] {
        match self {
            Family::First => &[CLIP],
            Family::Second => &[OPEN_CLIP],
            Family::Xl => &[CLIP_OF_XL, OPEN_CLIP_OF_XL],
        }
    }

    /// Of a whole checkpoint with these tensors.
    ///
    /// # Errors
    /// With what the file is instead, or what it lacks.
    pub(super) fn of(tensors: &Shapes) -> Result<Family, Other> {
        let here = Names(tensors);
        let family = here.family().map_err(Other::Else)?;
        let parts = family.encoders().iter().map(|start| ("text encoder", *start));
        let lacking: Vec<String> = parts
            .chain([("autoencoder", AUTOENCODER)])
            .filter(|(_, start)| !here.begin(start))
            .map(|(part, start)| format!("{part} ({start}…)"))
            .collect();
        if lacking.is_empty() { Ok(family) } else { Err(Other::Lacking(family, lacking.join(" and "))) }
    }
}

struct Names<'a>(&'a Shapes<'a>);

impl Names<'_> {
    /// By its UNet.
    fn family(&self) -> Result<Family, String> {
        if !self.begin(UNET) {
            return Err(self.foreign());
        }
        if let Some(other) = self.transformer(UNET) {
            return Err(other.to_owned());
        }
        if self.contain(".time_stack.") || self.contain(".time_mixer.") {
            return Err("Stable Video Diffusion".to_owned());
        }
        let network = |name: &str| self.0.get(format!("{UNET}{name}").as_str());
        match network("input_blocks.0.0.weight").map(|enter| enter.get(1)) {
            Some(Some(4)) => {}
            Some(Some(9)) => return Err("a network of 9 channels in, made for inpainting".to_owned()),
            Some(Some(8)) => {
                return Err("a network of 8 channels in, made for editing (InstructPix2Pix)".to_owned());
            }
            Some(Some(more)) => return Err(format!("a network of {more} channels in, not of latents alone")),
            Some(None) => return Err("a network that takes no pictures".to_owned()),
            None => return Err(self.first()),
        }
        let narrow = self.context().is_none_or(|width| width < WIDTH_OF_SECOND);
        match (network("label_emb.0.0.weight"), self.begin(OPEN_CLIP)) {
            (Some(_), true) => Err("Stable Diffusion 2 for pictures in place of text (unCLIP)".to_owned()),
            (Some(_), false)
                if self.begin(OPEN_CLIP_OF_REFINER) || self.context() == Some(WIDTH_OF_REFINER) =>
            {
                Err("a refiner of Stable Diffusion XL, which finishes pictures of another model".to_owned())
            }
            (Some(_), false) if self.0.contains_key("edm_mean") => {
                Err("Playground 2.5, whose noise schedule this engine does not have".to_owned())
            }
            (Some(_), false) => Ok(Family::Xl),
            (None, true) => Ok(Family::Second),
            (None, false) if self.begin(CLIP) || narrow => Ok(Family::First),
            (None, false) => Ok(Family::Second),
        }
    }

    fn begin(&self, start: &str) -> bool {
        self.under(start).next().is_some()
    }

    fn under<'s>(&'s self, start: &'s str) -> impl Iterator<Item = (&'s str, &'s [usize])> {
        let from = self.0.range::<str, _>((Bound::Included(start), Bound::Unbounded));
        from.map(|(name, shape)| (*name, *shape)).take_while(move |(name, _)| name.starts_with(start))
    }

    fn contain(&self, part: &str) -> bool {
        self.0.keys().any(|name| name.contains(part))
    }

    /// Width of the text that the network looks at.
    fn context(&self) -> Option<usize> {
        let (_, keys) = self.under(UNET).find(|(name, _)| name.ends_with(".attn2.to_k.weight"))?;
        keys.get(1).copied()
    }

    /// A transformer under `prefix`, in place of a UNet.
    fn transformer(&self, prefix: &str) -> Option<&'static str> {
        let is = |start: &str| self.begin(&format!("{prefix}{start}"));
        match () {
            () if is("double_blocks.") => Some("a FLUX transformer, which --engine flux draws with"),
            () if is("joint_blocks.") => Some("Stable Diffusion 3"),
            () => None,
        }
    }

    /// What has no UNet where checkpoints have it.
    fn foreign(&self) -> String {
        const KNOWN: [(&[&str], &str); 10] = [
            (&["lora_", "base_model.model."], LORA),
            (&["control_model.", "controlnet_", "input_hint_block."], "a ControlNet"),
            (&["image_proj.", "ip_adapter."], "an IP-Adapter"),
            (&["input_blocks."], "a UNet alone, without text encoder and autoencoder"),
            (
                &["down_blocks."],
                "a network in diffusers' layout alone: name the folder that has model_index.json",
            ),
            (
                &["transformer_blocks.", "single_transformer_blocks."],
                "a transformer in diffusers' layout alone",
            ),
            (&["encoder.conv_in.", "encoder.down", "decoder.", AUTOENCODER], "an autoencoder alone"),
            (
                &[
                    "text_model.",
                    "transformer.resblocks.",
                    "cond_stage_model.",
                    "conditioner.",
                    "encoder.block.",
                ],
                "a text encoder alone",
            ),
            (&["emb_params", "clip_l", "clip_g", "string_to_param"], "a textual inversion"),
            (&["params_ema.", "model.0.weight", "body."], "a network that enlarges pictures"),
        ];
        if let Some(transformer) = self.transformer("") {
            return transformer.to_owned();
        }
        // Those of every program, by what they call the two halves.
        if [".lora_", ".hada_w", ".lokr_w"].iter().any(|part| self.contain(part)) {
            return LORA.to_owned();
        }
        let known = KNOWN.iter().find(|(starts, _)| starts.iter().any(|start| self.begin(start)));
        known.map_or_else(|| self.first(), |(_, what)| (*what).to_owned())
    }

    fn first(&self) -> String {
        match self.0.keys().next() {
            Some(name) => format!("something else (its first tensor is {})", shown(name)),
            None => "no tensors".to_owned(),
        }
    }
}

const LORA: &str = "a LoRA, which changes a model and is none";
