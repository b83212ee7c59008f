//! Engines: reference and request in, draft out.

#[cfg(feature = "diffusion")]
pub mod diffusion;
mod finding;
mod masked;
pub mod patch;
mod scene;
#[cfg(test)]
mod watch;

use std::sync::Arc;

use serde::Serialize;

pub use finding::{Area, Finding};
pub use masked::{mask, varied};

use crate::digest::Digest;
use crate::progress::Progress;
use crate::quantity::{Seed, Strength};
use crate::raster::{Plane, Raster};

/// The size of a picture that is not to have its reference's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Canvas {
    pub width: u32,
    pub height: u32,
    /// Whether a scene of another aspect is stretched; else more or less of it is shown.
    pub stretch: bool,
}

/// Whether a picture has an up and a down. What has none may be turned any way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Orientation {
    /// The engine looks, and says so where it found one.
    #[default]
    Auto,
    /// It has: nothing of it is turned.
    Upright,
    /// It has none.
    Any,
}

/// What is asked of an engine.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    pub strength: Strength,
    pub seed: Seed,
    /// Size of the picture; `None` for the reference's.
    pub canvas: Option<Canvas>,
    /// Of the reference's size: only where it is 0.5 or more is the picture varied.
    pub mask: Option<Arc<Plane>>,
    /// For an engine that turns what it takes from the reference.
    pub orientation: Orientation,
    /// What the picture should show; an engine that cannot read it says so in its [`Record`].
    pub prompt: Option<String>,
}

impl Request {
    /// The whole picture, at the size of its reference, without a prompt; the engine looks for its orientation.
    pub fn new(strength: Strength, seed: Seed) -> Self {
        Request { strength, seed, canvas: None, mask: None, orientation: Orientation::Auto, prompt: None }
    }
}

/// The prompt that is asked for by a subject, or in its own words.
pub fn prompt(subject: Option<&str>, prompt: Option<&str>) -> Option<String> {
    let of_subject = subject.map(|subject| format!("{OF_SUBJECT}{subject}"));
    of_subject.or_else(|| prompt.map(str::to_owned))
}

/// The subject that a prompt asks for; the prompt itself where it is in its own words.
pub fn subject(prompt: &str) -> &str {
    prompt.strip_prefix(OF_SUBJECT).unwrap_or(prompt)
}

const OF_SUBJECT: &str = "electron microscope image of ";

/// Who an engine is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Description {
    /// Name on the command line, in the manifest and in the catalog.
    pub name: &'static str,
    /// Version of the algorithm: two runs agree in their pixels only under the same version.
    pub version: &'static str,
    /// Digest of the weights, with LoRAs if some were added; `None` for an engine without weights.
    pub model_digest: Option<Digest>,
    /// Whether prompts have an effect.
    pub reads_prompt: bool,
}

/// A LoRA that was added to a model's weights.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AppliedLora {
    /// Name of its file, without its folder.
    pub name: String,
    pub sha256: Digest,
    /// What it was multiplied by.
    pub weight: f64,
}

/// How a draft came to be.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Record {
    pub engine: Description,
    pub strength: Strength,
    pub seed: Seed,
    /// Standard deviation of the noise that `strength` meant, in units of the reference's own (0 for none).
    pub noise_level: f64,
    /// Sampling steps taken.
    pub steps: u32,
    pub prompt: Option<String>,
    pub prompt_used: bool,
    /// Share of the picture that the engine itself knows to be its largest coherent copy of one place
    /// of the reference, 0..=1; `None` where the engine cannot know.
    pub largest_copy: Option<f64>,
    /// Share of the picture that was varied, where a mask kept the rest as it was; 0..=1.
    pub varied_share: Option<f64>,
    /// How much the model was to listen to the prompt; `None` for one that has no such choice.
    pub guidance: Option<f64>,
    /// What the picture was led away from; `None` where nothing was said, or could be.
    pub negative_prompt: Option<String>,
    /// The sampler that was chosen; `None` for the model's own, and where there is no choice.
    pub sampler: Option<&'static str>,
    /// What the network was taken to predict; `None` where the model's own settings say it, and for other engines.
    pub prediction: Option<&'static str>,
    /// What a network's products were computed with: `f32` or `bf16`; `None` for engines that have no choice.
    pub precision: Option<&'static str>,
    /// What a network was computed on: `cpu`, `cuda` or `metal`; `None` for engines that have no choice.
    pub device: Option<&'static str>,
    /// How much the reference counted beside the prompt, as a factor of what the model was told of it; `None` where it was
    /// told nothing.
    pub image_weight: Option<f64>,
    /// LoRAs that were added to the model.
    pub loras: Vec<AppliedLora>,
    /// Windows that each step was drawn in, where the picture is larger than the model was trained for.
    pub windows: Option<u32>,
    /// What of the reference was not drawn, or drawn with care; and what was drawn beyond it.
    pub findings: Vec<Finding>,
}

impl Record {
    /// Of what every engine states; the rest is nothing.
    pub fn new(engine: Description, request: &Request, noise_level: f64, steps: u32) -> Self {
        Record {
            strength: request.strength,
            seed: request.seed,
            noise_level,
            steps,
            prompt: request.prompt.clone(),
            prompt_used: engine.reads_prompt && request.prompt.is_some() && steps > 0,
            largest_copy: None,
            varied_share: None,
            guidance: None,
            negative_prompt: None,
            sampler: None,
            prediction: None,
            precision: None,
            device: None,
            image_weight: None,
            loras: Vec::new(),
            windows: None,
            findings: Vec::new(),
            engine,
        }
    }

    /// The largest copy as policies limit it and the catalog keeps it: in units of 0.0001, rounded up.
    pub fn largest_copy_stated(&self) -> Option<f64> {
        self.largest_copy.map(|share| (share * 10_000.0 - 1e-6).ceil() / 10_000.0)
    }
}

/// A generated picture that nobody has judged yet.
#[derive(Clone, Debug)]
pub struct Draft {
    pub raster: Raster,
    pub record: Record,
}

#[derive(Debug, thiserror::Error)]
pub enum GenerateError {
    #[error("{width}×{height} pixels are too small for engine {engine}: at least {limit} on the short side")]
    TooSmall { engine: &'static str, width: u32, height: u32, limit: u32 },
    #[error("{width}×{height} pixels are too large for engine {engine}: {limit}")]
    TooLarge { engine: &'static str, width: u32, height: u32, limit: &'static str },
    #[error(
        "the mask has {width}×{height} pixels: expected the reference's {expected_width}×{expected_height}"
    )]
    Mask { width: usize, height: usize, expected_width: u32, expected_height: u32 },
    #[error("engine {engine} {what}")]
    Unsupported { engine: &'static str, what: &'static str },
    #[error("a mask and another size cannot go together: what stays would have no pixels of its own")]
    MaskedCanvas,
    #[error("engine {engine} cannot {doing}: {cause}")]
    Model { engine: &'static str, doing: &'static str, cause: String },
    #[error("engine {engine} lost its numbers: latents are not finite after step {step}")]
    NotFinite { engine: &'static str, step: u32 },
    #[error("generation was cancelled")]
    Cancelled,
}

/// Something that makes drafts. The same reference, request, version and seed give the same pixels.
pub trait Engine: Sync {
    fn describe(&self) -> Description;

    /// # Errors
    /// When no draft can be made of this reference, or `progress` asks to stop.
    fn generate(
        &self,
        reference: &Raster,
        request: &Request,
        progress: &mut dyn Progress,
    ) -> Result<Draft, GenerateError>;

    /// A picture of what `prompt` says and of no reference, `size` pixels wide and high; without a size one that the
    /// engine draws best.
    ///
    /// # Errors
    /// When the engine draws from references alone, or those of [`generate`](Engine::generate).
    fn text2img(
        &self,
        _prompt: &str,
        _size: Option<(u32, u32)>,
        _seed: Seed,
        _progress: &mut dyn Progress,
    ) -> Result<Draft, GenerateError> {
        let what = "draws from a reference alone: it reads no text, and knows no subject";
        Err(GenerateError::Unsupported { engine: self.describe().name, what })
    }
}
