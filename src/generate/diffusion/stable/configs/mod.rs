//! What the JSON files of a diffusers folder say of a Stable Diffusion model: all of its networks' architecture.

mod autoencoder;
mod documents;
mod text;
mod unet;

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::super::clip;
use super::super::config::{self, hold, index, parse, small};
use super::super::{INDEX, ModelError};
use super::scheduler::Settings;
use super::unet::Shape;
pub(super) use autoencoder::Autoencoder;
pub(super) use documents::{Document, Documents};

/// Of pipelines, and whether their model is an XL.
const PIPELINES: [(&str, bool); 4] = [
    ("StableDiffusionPipeline", false),
    ("StableDiffusionImg2ImgPipeline", false),
    ("StableDiffusionXLPipeline", true),
    ("StableDiffusionXLImg2ImgPipeline", true),
];

/// Numbers that an XL is told of sizes.
const SIZES: usize = 6;

/// The networks of one model.
pub(super) struct Configs {
    pub is_xl: bool,
    pub unet: Shape,
    /// Latents to a side of the pictures that the network was trained on.
    pub trained_side: usize,
    pub autoencoder: Autoencoder,
    /// One encoder, or the two of an XL.
    pub text: Vec<clip::Shape>,
    /// Whether a missing negative prompt is nothing at all, and not an empty text.
    pub nothing_for_no_text: bool,
    pub scheduler: Settings,
}

/// `model_index.json`.
#[derive(Deserialize)]
struct Index {
    #[serde(rename = "_class_name")]
    class: String,
    #[serde(default = "yes")]
    force_zeros_for_empty_prompt: bool,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

fn yes() -> bool {
    true
}

/// Whether a folder is one of a Stable Diffusion XL, of which an index says so; `None` where it is of another model.
pub(super) fn is_xl(dir: &Path) -> Option<bool> {
    let config::Index { class } = parse(&index(dir)).ok()?;
    family(&class)
}

fn family(class: &str) -> Option<bool> {
    PIPELINES.iter().find(|(name, _)| *name == class).map(|(_, xl)| *xl)
}

impl Configs {
    /// The files of a folder that this reads.
    pub fn files(dir: &Path, is_xl: bool) -> Vec<PathBuf> {
        let parts = ["unet", "vae", "text_encoder"].into_iter().chain(is_xl.then_some("text_encoder_2"));
        let configs = parts.map(|part| dir.join(part).join("config.json"));
        std::iter::once(index(dir))
            .chain(configs)
            .chain([dir.join("scheduler/scheduler_config.json")])
            .collect()
    }

    /// Those of a folder.
    pub fn read(dir: &Path) -> Result<Configs, ModelError> {
        Configs::of(&Documents::Folder(dir))
    }

    /// Reads and checks them, one against another; no weights are looked at. The scheduler is not checked: another may
    /// be chosen.
    pub fn of(documents: &Documents) -> Result<Configs, ModelError> {
        let found = documents.get(INDEX);
        let of_index = found.file().to_owned();
        let found: Index = found.parse()?;
        let Some(is_xl) = family(&found.class) else {
            let expected = "a Stable Diffusion pipeline (StableDiffusionPipeline, StableDiffusionXLPipeline, or \
                            their Img2Img)";
            return Err(ModelError::Family { file: of_index, expected, found: found.class });
        };
        let held = [
            ("requires_aesthetics_score", json!(false)),
            ("unet", json!(["diffusers", "UNet2DConditionModel"])),
            ("vae", json!(["diffusers", "AutoencoderKL"])),
            ("text_encoder", json!(["transformers", "CLIPTextModel"])),
            ("text_encoder_2", json!(["transformers", "CLIPTextModelWithProjection"])),
        ];
        hold(&of_index, &found.rest, &held, "a pipeline of parts that this engine has")?;
        let at = |part: &str| documents.get(&format!("{part}/config.json"));
        let mut text = vec![text::read(&at("text_encoder"), false)?];
        if is_xl {
            text.push(text::read(&at("text_encoder_2"), true)?);
        }
        let (unet, trained_side) = unet::read(&at("unet"))?;
        let autoencoder = autoencoder::read(&at("vae"))?;
        let scheduler = Settings::read(&documents.get("scheduler/scheduler_config.json"))?;
        let scheduler = if is_xl { scheduler } else { scheduler.of_first_models() };
        let configs = Configs {
            is_xl,
            unet,
            // As diffusers has it where the file does not say.
            trained_side: trained_side.unwrap_or(if is_xl { 128 } else { 64 }),
            autoencoder,
            text,
            nothing_for_no_text: is_xl && found.force_zeros_for_empty_prompt,
            scheduler,
        };
        configs.fit(documents)?;
        Ok(configs)
    }

    /// Holds the networks against one another.
    fn fit(&self, documents: &Documents) -> Result<(), ModelError> {
        let file = documents.get("unet/config.json").file().to_owned();
        let fit = |what, found, expected, other: &str| match found == expected {
            true => Ok(()),
            false => {
                let other = documents.get(&format!("{other}/config.json")).file().to_owned();
                Err(ModelError::Misfit { file: file.clone(), what, expected, other, found })
            }
        };
        if self.unet.latents == INPAINTING {
            let expected = "a network that sees latents alone";
            let found = "one of 9 channels, made for inpainting".to_owned();
            return Err(ModelError::Family { file, expected, found });
        }
        fit("latent channels", self.unet.latents, self.autoencoder.network.latents, "vae")?;
        let last = if self.is_xl { "text_encoder_2" } else { "text_encoder" };
        let width = self.text.iter().map(|text| text.width).sum();
        fit("width of the text", self.unet.context, width, last)?;
        let sized = self.unet.added.map(|added| added.width);
        match (self.is_xl, self.unet.added, self.text.last().and_then(|text| text.projection)) {
            (true, Some(added), Some(pooled)) => {
                let width = pooled + SIZES * added.numbers;
                fit("width of the pooled text and the sizes", added.width, width, last)
            }
            (false, None, _) => Ok(()),
            _ => {
                let expected = "addition_embed_type = text_time for an XL, and none for other pipelines";
                let found = sized.map_or("none".to_owned(), |_| "text_time".to_owned());
                Err(ModelError::Family { file: file.clone(), expected, found })
            }
        }
    }
}

/// Channels in of a network that sees a mask and what it leaves of the picture beside the latents.
const INPAINTING: usize = 9;

/// Numbers of blocks and the like, and widths, at most: far beyond any model, and far below what overflows.
const MOST: usize = 256;
const WIDEST: usize = 1 << 16;

/// Refuses a size that is not 1 at least and `most` at most.
fn sized(file: &Path, what: &'static str, size: usize, most: usize) -> Result<usize, ModelError> {
    if (1..=most).contains(&size) {
        return Ok(size);
    }
    refuse(file, "sizes that a network can have", format!("{what} = {size}"))
}

/// Refuses heads that do not make up a width.
fn headed(file: &Path, width: usize, heads: usize) -> Result<usize, ModelError> {
    sized(file, "heads", heads, WIDEST)?;
    match width % heads {
        0 => Ok(heads),
        _ => refuse(file, "heads that make up the width", format!("{heads} heads in a width of {width}")),
    }
}

fn refuse<T>(file: &Path, expected: &'static str, found: String) -> Result<T, ModelError> {
    Err(ModelError::Family { file: file.to_owned(), expected, found })
}

#[cfg(test)]
mod tests;
