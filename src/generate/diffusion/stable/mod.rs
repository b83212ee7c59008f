//! Stable Diffusion 1, 2 and XL img2img, from weights that the user has in diffusers' layout.
//!
//! Semantics are those of diffusers' `StableDiffusionImg2ImgPipeline` and `StableDiffusionXLImg2ImgPipeline`, and with a
//! mask of their inpainting by networks that were not made for it, with these deliberate differences: the reference is
//! encoded by the mean of its posterior; the noise is this program's own seeded noise, so that equal requests give equal
//! pixels; with a mask, too, a strength of 1 starts from the noised
//! reference, a latent is varied where any of its pixels is, and what stays is put back pixel by pixel; and sides that are
//! no multiple of 8 are framed, not made smaller. Prompts longer than the text encoder
//! reads (77 tokens with their frame) are cut, and a folder's safety checker is not asked.
//! Without a reference they are those of the text2img pipelines. Pictures much larger than those of the training are drawn
//! in windows. `parity` holds all of it but the windows against diffusers.

mod changed;
mod checkpoint;
mod configs;
mod parts;
mod sample;
mod scheduler;
mod source;
pub(super) mod speed;
mod text;
mod unet;

use std::num::NonZeroU32;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use candle_core::Tensor;

use crate::digest::Digest;
use crate::progress::Progress;
use crate::quantity::Seed;
use crate::raster::Raster;

use super::super::{AppliedLora, Description, Draft, Engine, GenerateError, Record, Request};
use super::autoencoder::{self, Autoencoder, SCALE};
use super::follow::Follow;
use super::img2img::{self, Model, Sheet, Start, room};
use super::kept::Kept;
use super::meaning::Meaning;
use super::ops::Precision;
use super::weights::Weights;
use super::windows::Windows;
use super::{ModelError, Processor, step};
pub use checkpoint::{Family, Hints, Survey, claims, survey};
use configs::Configs;
pub use parts::{Part, Role, inventory, memory, unconfigured};
use sample::Sampler;
use scheduler::Plan;
pub use scheduler::{Method, PredictionType};
use source::Source;
use text::{Encoder, Text};
use unet::{Condition, Sizes, Unet};

const NAME: &str = "stable-diffusion";
/// Pixels to a latent's side.
const SQUARE: usize = SCALE;

/// The folders of a model's parts; those of an XL have two more.
pub const PARTS: &[&str] = &["unet", "vae", "text_encoder", "tokenizer", "scheduler"];
pub const PARTS_OF_XL: &[&str] =
    &["unet", "vae", "text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2", "scheduler"];

/// Those of the model in `dir`, by its index; `None` for one of another engine.
pub fn parts_of(dir: &Path) -> Option<&'static [&'static str]> {
    configs::is_xl(dir).map(|xl| if xl { PARTS_OF_XL } else { PARTS })
}

/// Whether the settings of a folder are those of a model that this engine draws with, before its weights are there. Its
/// scheduler is not looked at: another may be chosen.
///
/// # Errors
/// With the first that is not.
pub fn check(dir: &Path) -> Result<(), ModelError> {
    Configs::read(dir).map(drop)
}

/// Whether a folder that is to be chosen from is one of a Stable Diffusion: its index says so.
pub fn is_ours(dir: &Path) -> bool {
    configs::is_xl(dir).is_some()
}

/// How a model is sampled.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Steps of the whole schedule, or those that are taken: see [`Meaning`].
    pub steps: NonZeroU32,
    pub meaning: Meaning,
    /// How far the picture is led from what the network makes of the negative prompt; 1 or less asks it for the prompt
    /// alone, which takes half the time.
    pub guidance: f64,
    /// What the picture should not show.
    pub negative_prompt: Option<String>,
    /// The sampler; `None` for the model's own.
    pub method: Option<Method>,
    /// What UNet and autoencoder compute with, from the next time on that their weights are read.
    pub precision: Precision,
}

impl Options {
    /// Those of diffusers' pipelines.
    fn of(is_xl: bool) -> Options {
        Options {
            steps: NonZeroU32::MIN.saturating_add(49),
            meaning: Meaning::Diffusers,
            guidance: if is_xl { 5.0 } else { 7.5 },
            negative_prompt: None,
            method: None,
            precision: Precision::F32,
        }
    }

    fn is_guided(&self) -> bool {
        self.guidance > 1.0
    }
}

/// What people call a sampler.
pub fn sampler_name(method: Method) -> &'static str {
    match method {
        Method::Ddim => "ddim",
        Method::Pndm => "pndm",
        Method::Euler => "euler",
        Method::EulerAncestral => "euler-ancestral",
        Method::DpmPlusPlus2M => "dpmpp-2m",
        Method::DpmPlusPlus2MKarras => "dpmpp-2m-karras",
        Method::UniPc => "unipc",
        Method::Lcm => "lcm",
    }
}

/// A Stable Diffusion folder, opened and checked. Weights are read when first needed: network and autoencoder then stay in
/// memory until another prompt is read, the text encoders do not.
pub struct StableEngine {
    pub options: Options,
    unet: Arc<Weights>,
    autoencoder: Arc<Weights>,
    encoders: Vec<Encoder>,
    configs: Configs,
    /// What the network predicts, where the model's own settings do not say it.
    prediction: Option<PredictionType>,
    digest: Digest,
    /// What was added to it.
    loras: Vec<AppliedLora>,
    /// Bytes of memory that were free, where that is known.
    free: Option<u64>,
    processor: Processor,
    kept: Kept<Unet>,
    last_texts: Mutex<Option<(Vec<String>, Vec<Text>)>>,
}

/// A prompt, and what is led away from, as they were read.
pub struct Texts {
    prompt: Text,
    away: Option<Text>,
}

impl StableEngine {
    /// Opens the model at `place`, a folder as diffusers writes it or one file of safetensors, to be sampled by `method` or
    /// by its own sampler. Checks its settings and every tensor's name, type and shape, and reads all files once for the
    /// digest.
    ///
    /// # Errors
    /// When a part is missing, damaged, of another family, has a setting that is not built here, or does not fit the
    /// others; and when the weights take more than the `free` bytes of memory. Nothing of their data has been
    /// read by then.
    pub fn open(place: &Path, method: Option<Method>, free: Option<u64>) -> Result<StableEngine, ModelError> {
        StableEngine::hinted(place, method, free, &Hints::default())
    }

    /// The same, with what is known of the model beside its files.
    ///
    /// # Errors
    /// Those of [`open`](Self::open).
    pub fn hinted(
        place: &Path,
        method: Option<Method>,
        free: Option<u64>,
        hints: &Hints,
    ) -> Result<StableEngine, ModelError> {
        let source = Source::open(place, hints)?;
        let configs = &source.configs;
        configs.scheduler.clone().with(method).check()?;
        source.unet.check(|vb| Unet::new(&configs.unet, vb))?;
        let shape = &configs.autoencoder;
        source.autoencoder.check(|vb| Autoencoder::new(&shape.network, shape.quant, vb))?;
        if let [first, second] = &source.encoders[..]
            && first.length != second.length
        {
            let [file, other] = [second, first].map(|encoder| encoder.place.clone());
            let (what, found, expected) = ("tokens of a text", second.length, first.length);
            return Err(ModelError::Misfit { file, what, expected, other, found });
        }
        let text: Vec<u64> = source.encoders.iter().map(Encoder::wide_bytes).collect();
        let processor = hints.processor.clone();
        let precision = hints.precision.unwrap_or_else(|| source.unet.precision(&processor));
        let needed = parts::most([&source.unet, &source.autoencoder], precision, &text);
        room(needed, free, |needed, free| ModelError::Memory { dir: place.to_owned(), needed, free })?;
        let digest = source.digest()?;
        let Source { configs, unet, autoencoder, encoders, prediction, .. } = source;
        Ok(StableEngine {
            options: Options { method, precision, ..Options::of(configs.is_xl) },
            unet,
            autoencoder,
            encoders,
            digest,
            loras: Vec::new(),
            configs,
            prediction,
            free,
            processor,
            kept: Kept::nothing(),
            last_texts: Mutex::new(None),
        })
    }

    /// What the text encoders read of the prompt and, under guidance, of the negative prompt; the last ones are kept.
    fn read_prompts(&self, prompt: &str, progress: &mut dyn Progress) -> Result<Texts, GenerateError> {
        let negative = self.options.negative_prompt.as_deref();
        let nothing = negative.is_none() && self.configs.nothing_for_no_text;
        let away = (self.options.is_guided() && !nothing).then(|| negative.unwrap_or_default());
        let texts: Vec<&str> = std::iter::once(prompt).chain(away).collect();
        let mut last = self.last_texts.lock().unwrap_or_else(PoisonError::into_inner);
        let read = match last.as_ref().filter(|(known, _)| *known == texts) {
            Some((_, read)) => read.clone(),
            None => {
                progress.stage("reading the prompt", self.encoders.len() as u64);
                self.kept.release();
                let read =
                    text::read(&self.encoders, &self.processor, &texts, failed("read the prompt"), || {
                        step(progress, 1)
                    })?;
                *last = Some((texts.iter().map(|text| (*text).to_owned()).collect(), read.clone()));
                read
            }
        };
        let mut read = read.into_iter();
        let lost = || failed("read the prompt")(ModelError::Prompt { cause: "nothing was read".into() });
        let prompt = read.next().ok_or_else(lost)?;
        let away = match self.options.is_guided() {
            false => None,
            true if nothing => Some(prompt.nothing().map_err(failed("read the prompt"))?),
            true => read.next(),
        };
        Ok(Texts { prompt, away })
    }

    /// What the network is told of a text for each window of a picture: an XL also where the window was cut out, and of
    /// what, as it was told of the pictures that it was trained on.
    fn conditions(&self, text: &Text, windows: &Windows) -> Vec<Condition> {
        let pixels = |latents: [usize; 2]| latents.map(|count| (count * SCALE) as f64);
        let ([height, width], [rows, columns]) = (pixels(windows.whole()), pixels(windows.size()));
        let condition = |corner| {
            let [top, left] = pixels(corner);
            let numbers = [height, width, top, left, rows, columns];
            let sizes = self.configs.is_xl.then(|| Sizes { pooled: text.pooled.clone(), numbers });
            Condition { context: text.context.clone(), added: sizes }
        };
        windows.corners().map(condition).collect()
    }

    fn plan(&self, request: &Request, from_start: bool) -> Result<Plan, ModelError> {
        let Options { steps, meaning, method, .. } = self.options;
        self.configs.scheduler.clone().with(method).plan(steps, request.strength, meaning, from_start)
    }
}

impl Engine for StableEngine {
    fn describe(&self) -> Description {
        Description { name: NAME, version: "2", model_digest: Some(self.digest), reads_prompt: true }
    }

    fn generate(
        &self,
        reference: &Raster,
        request: &Request,
        progress: &mut dyn Progress,
    ) -> Result<Draft, GenerateError> {
        img2img::generate(self, reference, request, progress)
    }

    fn text2img(
        &self,
        prompt: &str,
        size: Option<(u32, u32)>,
        seed: Seed,
        progress: &mut dyn Progress,
    ) -> Result<Draft, GenerateError> {
        img2img::text2img(self, prompt, size, seed, progress)
    }
}

impl Model for StableEngine {
    const NAME: &'static str = NAME;
    const SQUARE: usize = SQUARE;
    type Prepared = (Plan, Texts);
    type Network = Unet;

    fn free(&self) -> Option<u64> {
        self.free
    }

    fn processor(&self) -> &Processor {
        &self.processor
    }

    fn autoencoder(&self) -> &autoencoder::Config {
        &self.configs.autoencoder.network
    }

    fn trained_side(&self) -> usize {
        self.configs.trained_side
    }

    fn kept(&self) -> &Kept<Unet> {
        &self.kept
    }

    fn prepare(
        &self,
        request: &Request,
        sheet: &Sheet,
        _: Option<&Raster>,
        progress: &mut dyn Progress,
    ) -> Result<(Plan, Texts), GenerateError> {
        let plan = self.plan(request, sheet.grows).map_err(failed("plan the steps"))?;
        Ok((plan, self.read_prompts(request.prompt.as_deref().unwrap_or(""), progress)?))
    }

    fn read_autoencoder(&self) -> Result<Autoencoder, ModelError> {
        let shape = &self.configs.autoencoder;
        self.autoencoder.load(self.processor.with(self.options.precision), |vb| {
            Autoencoder::new(&shape.network, shape.quant, vb)
        })
    }

    fn read_network(&self) -> Result<Unet, ModelError> {
        self.unet.load(self.processor.with(self.options.precision), |vb| Unet::new(&self.configs.unet, vb))
    }

    fn steps((plan, _): &(Plan, Texts)) -> u32 {
        plan.calls() as u32
    }

    fn draw(
        &self,
        unet: &Unet,
        (plan, texts): &(Plan, Texts),
        start: &Start,
        follow: &mut dyn Follow,
    ) -> Result<Tensor, GenerateError> {
        let windows = &start.sheet.windows;
        let prompt = self.conditions(&texts.prompt, windows);
        let away = texts.away.as_ref().map(|text| self.conditions(text, windows));
        let away = away.as_deref().map(|away| (away, self.options.guidance));
        let (varied, seed) = (&start.varied, start.seed);
        let sampler = Sampler { unet, plan, windows, prompt: &prompt, away, varied, seed };
        sampler.draw(&start.encoded, start.alone, follow)
    }

    fn record(&self, request: &Request, prepared: Option<&(Plan, Texts)>) -> Record {
        let taken = prepared.map(|(plan, _)| (plan.noise_level(), plan.calls() as u32));
        let (noise_level, steps) = taken.unwrap_or_default();
        let led = self.options.is_guided() && steps > 0;
        Record {
            guidance: Some(self.options.guidance),
            negative_prompt: self.options.negative_prompt.clone().filter(|_| led),
            sampler: self.options.method.map(sampler_name),
            prediction: self.prediction.map(PredictionType::name),
            loras: self.loras.clone(),
            precision: Some(self.options.precision.name()),
            device: Some(self.processor.name()),
            ..Record::new(self.describe(), request, noise_level, steps)
        }
    }
}

fn failed<E: Into<ModelError>>(doing: &'static str) -> impl Fn(E) -> GenerateError {
    super::failed(NAME, doing)
}

#[cfg(test)]
mod parity;
#[cfg(test)]
mod parity_loras;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod tiny;
