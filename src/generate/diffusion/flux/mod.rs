//! FLUX.1 (dev and schnell) img2img, from weights that the user has and that stay in memory as their files store them;
//! in that of a GPU, what is no block of numbers that share scales is of the precision that is computed with.
//!
//! Semantics are those of diffusers' `FluxImg2ImgPipeline`, and with a mask of `FluxInpaintPipeline`, with two deliberate differences: the reference
//! is encoded by the mean of its posterior, and the noise is this program's own seeded noise, so that
//! equal requests give equal pixels. `parity` holds all of it against diffusers.

mod changed;
mod configs;
mod diffusers;
mod files;
mod folder;
mod parts;
mod redux;
mod rope;
mod sample;
mod schedule;
mod shapes;
pub(super) mod speed;
mod text;
mod transformer;

use std::num::NonZeroU32;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use candle_core::Tensor;

use crate::digest::Digest;
use crate::progress::Progress;
use crate::quantity::Seed;
use crate::raster::Raster;

use super::super::{AppliedLora, Description, Draft, Engine, GenerateError, Record, Request};
use super::autoencoder::{self, Autoencoder, Quant, SCALE};
use super::clip::Clip;
use super::follow::Follow;
use super::img2img::{self, Model, Sheet, Start, room};
use super::kept::Kept;
use super::meaning::{self, Meaning};
use super::ops::{Compute, Place, Precision};
use super::special::Specials;
use super::weights::Weights;
use super::words::Words;
use super::{ModelError, Processor, digest, step, t5};
use configs::Configs;
use files::Files;
pub use files::memory;
pub use folder::{PARTS, check, is_ours};
pub use parts::{Part, Role, inventory};
use redux::Redux;
pub use redux::{inventory as redux_inventory, is_there as has_redux, memory as redux_memory};
use sample::Sampler;
use schedule::Schedule;
use shapes::Shapes;
use text::Text;
use transformer::Transformer;

const NAME: &str = "flux";
/// Pixels to a packed latent's side.
const SQUARE: usize = 2 * SCALE;
/// Latents to a side of the pictures that the models were trained on: 1024 pixels. No file says it.
const TRAINED_SIDE: usize = 128;
/// Steps of a schedule of which all are taken; as many as can be asked for.
const MOST_STEPS: u32 = 1000;

/// How a model is sampled.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// Steps of the whole schedule, or those that are taken: see [`Meaning`].
    pub steps: NonZeroU32,
    pub meaning: Meaning,
    /// Distilled guidance; a model without guidance embedding (schnell) does not see it.
    pub guidance: f64,
    /// Length that the prompt is padded or cut to for T5, in tokens.
    pub text_tokens: usize,
    /// What transformer, T5 and autoencoder compute with, from the next time on that their weights are read.
    pub precision: Precision,
}

/// A FLUX.1 model folder, opened and checked. Weights are read when first needed: transformer and autoencoder then
/// stay in memory until another prompt is read, the text encoders do not.
pub struct FluxEngine {
    pub options: Options,
    transformer: Arc<Weights>,
    autoencoder: Arc<Weights>,
    clip: Arc<Weights>,
    t5: Arc<Weights>,
    clip_words: Words,
    /// Tokens that CLIP is given at most.
    clip_tokens: usize,
    t5_words: Words,
    shapes: Shapes,
    digest: Digest,
    /// What was added to it.
    loras: Vec<AppliedLora>,
    /// Bytes of memory that were free, where that is known.
    free: Option<u64>,
    processor: Processor,
    kept: Kept<Transformer>,
    last_text: Mutex<Option<((String, usize), Text)>>,
    /// What looks at the reference, and how much that counts.
    redux: Option<(Redux, f64)>,
    last_look: Mutex<Option<(Digest, Tensor)>>,
}

impl FluxEngine {
    /// Opens the model in `dir` (see [`inventory`] for the names; or a folder as diffusers writes it), checks every tensor's name, type and
    /// shape, and reads all files once for the digest.
    ///
    /// # Errors
    /// When a part is missing, ambiguous, damaged, of another family, or does not fit the others; and when the
    /// weights take more than the `free` bytes of memory: those of the transformer and of T5 as they are stored, the
    /// others in f32. Nothing of their data has been read by then.
    pub fn open(dir: &Path, free: Option<u64>) -> Result<FluxEngine, ModelError> {
        FluxEngine::open_on(dir, Processor::default(), None, free)
    }

    /// The same, to be computed on `processor`, in this precision unless its weights decide; the `free` bytes are those
    /// of the processor's memory.
    ///
    /// # Errors
    /// Those of [`open`](Self::open).
    pub fn open_on(
        dir: &Path,
        processor: Processor,
        precision: Option<Precision>,
        free: Option<u64>,
    ) -> Result<FluxEngine, ModelError> {
        let parts = parts::locate(dir)?;
        let configs = if parts.configs.is_empty() { None } else { Some(Configs::read(dir)?) };
        let files = Files::open(&parts)?;
        let precision = precision.unwrap_or_else(|| files.transformer.precision(&processor));
        let needed = files.memory_on(&processor, precision);
        let Files { transformer, autoencoder, clip, t5 } = files;
        let shapes = Shapes::read(&transformer, &autoencoder, &clip, &t5, configs.as_ref())?;
        Transformer::new(&shapes.flux, &Place::checking(&transformer))?;
        autoencoder.check(|vb| Autoencoder::new(&shapes.autoencoder, Quant::default(), vb))?;
        clip.check(|vb| Clip::new(&shapes.clip, vb))?;
        t5::Encoder::new(&shapes.t5, shapes.t5_words, &Place::checking(&t5))?;
        room(needed, free, |needed, free| ModelError::Memory { dir: dir.to_owned(), needed, free })?;
        let specials = match parts.clip_specials.first().and_then(|file| file.parent()) {
            Some(folder) => Specials::read(folder)?,
            None => Specials::default(),
        };
        let clip_words = Words::clip(&parts.clip_words, &specials, shapes.clip.vocabulary)?;
        let positions = shapes.clip.positions;
        let clip_tokens = specials.longest.unwrap_or(positions).min(positions);
        let t5_words = Words::t5(&parts.t5_words, shapes.t5.vocabulary)?;
        let digest = parts::digest(&parts)?;
        Ok(FluxEngine {
            options: Options { precision, ..Options::of(&shapes) },
            transformer,
            autoencoder,
            clip,
            t5,
            clip_words,
            clip_tokens,
            t5_words,
            shapes,
            digest,
            loras: Vec::new(),
            free,
            processor,
            kept: Kept::nothing(),
            last_text: Mutex::new(None),
            redux: None,
            last_look: Mutex::new(None),
        })
    }

    /// Whether the model was distilled with guidance, as dev was and schnell was not.
    pub fn is_guided(&self) -> bool {
        self.shapes.flux.guided
    }

    fn compute(&self) -> Compute {
        self.processor.with(self.options.precision)
    }

    /// The text encoders' reading of `prompt`; the last one is kept.
    fn read_prompt(&self, prompt: &str, progress: &mut dyn Progress) -> Result<Text, GenerateError> {
        let mut last = self.last_text.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (prompt.to_owned(), self.options.text_tokens);
        if let Some((_, read)) = last.as_ref().filter(|(other, _)| *other == key) {
            return Ok(read.clone());
        }
        progress.stage("reading the prompt", 2);
        // There may be no room for T5 beside the transformer.
        self.kept.release();
        let failed = failed("read the prompt");
        let pooled = self
            .clip
            .load(self.processor.with(Precision::F32), |vb| Clip::new(&self.shapes.clip, vb))
            .and_then(|model| text::pooled(&model, &self.clip_words, prompt, self.clip_tokens))
            .map_err(&failed)?;
        step(progress, 1)?;
        let place = Place::of(&self.t5, self.compute());
        let context = t5::Encoder::new(&self.shapes.t5, self.shapes.t5_words, &place)
            .and_then(|model| text::context(&model, &self.t5_words, prompt, self.options.text_tokens))
            .map_err(&failed)?;
        step(progress, 1)?;
        let read = Text { pooled, context, image_weight: None };
        *last = Some((key, read.clone()));
        Ok(read)
    }
}

impl FluxEngine {
    /// The same model, which is also told what the Redux model in `dir` sees of the reference: tokens behind those of the
    /// prompt, times `weight`, which is 1 as they were trained.
    ///
    /// # Errors
    /// When it is missing, damaged, or does not fit the model; and when there is no memory for it.
    pub fn with_redux(self, dir: &Path, weight: f64) -> Result<FluxEngine, ModelError> {
        let redux = Redux::open(dir)?;
        if redux.width != self.shapes.flux.context {
            let (file, other) = (redux.files[0].clone(), self.transformer.path.clone());
            let (expected, found) = (self.shapes.flux.context, redux.width);
            return Err(ModelError::Misfit { file, what: "width of the text", expected, other, found });
        }
        room(redux.bytes(), self.free, |needed, free| ModelError::Memory {
            dir: dir.to_owned(),
            needed,
            free,
        })?;
        let own = digest::of("redux 1", &redux.files.iter().collect::<Vec<_>>())?;
        let digest = Digest::of(format!("vidimus model with redux 1\n{}\n{own}\n", self.digest));
        Ok(FluxEngine { digest, redux: Some((redux, weight)), ..self })
    }

    /// What the model is told of the prompt, and where a weight was given of the reference.
    fn told(
        &self,
        prompt: &str,
        reference: Option<&Raster>,
        progress: &mut dyn Progress,
    ) -> Result<Text, GenerateError> {
        let text = self.read_prompt(prompt, progress)?;
        match (&self.redux, reference) {
            (Some((redux, weight)), Some(reference)) => {
                let tokens = self.look(redux, reference, progress)?;
                text.beside(&tokens, *weight).map_err(|error| failed("look at the reference")(error))
            }
            _ => Ok(text),
        }
    }

    /// What is seen of the reference; the last one's is kept.
    fn look(
        &self,
        redux: &Redux,
        reference: &Raster,
        progress: &mut dyn Progress,
    ) -> Result<Tensor, GenerateError> {
        let picture = reference.digest();
        let mut last = self.last_look.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, tokens)) = last.as_ref().filter(|(known, _)| *known == picture) {
            return Ok(tokens.clone());
        }
        progress.stage("looking at the reference", 1);
        // There may be no room beside the transformer.
        self.kept.release();
        let tokens = redux.tokens(&self.processor, reference).map_err(failed("look at the reference"))?;
        step(progress, 1)?;
        *last = Some((picture, tokens.clone()));
        Ok(tokens)
    }
}

impl Options {
    /// What the makers of the model recommend.
    fn of(shapes: &Shapes) -> Options {
        let (steps, text_tokens) = if shapes.flux.guided { (28, 512) } else { (4, 256) };
        let steps = NonZeroU32::MIN.saturating_add(steps - 1);
        let (meaning, precision) = (Meaning::Diffusers, Precision::F32);
        Options { steps, meaning, guidance: 3.5, text_tokens, precision }
    }
}

impl Engine for FluxEngine {
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

impl Model for FluxEngine {
    const NAME: &'static str = NAME;
    const SQUARE: usize = SQUARE;
    type Prepared = (Schedule, Text);
    type Network = Transformer;

    fn free(&self) -> Option<u64> {
        self.free
    }

    fn processor(&self) -> &Processor {
        &self.processor
    }

    fn autoencoder(&self) -> &autoencoder::Config {
        &self.shapes.autoencoder
    }

    fn trained_side(&self) -> usize {
        TRAINED_SIDE
    }

    fn kept(&self) -> &Kept<Transformer> {
        &self.kept
    }

    fn prepare(
        &self,
        request: &Request,
        sheet: &Sheet,
        reference: Option<&Raster>,
        progress: &mut dyn Progress,
    ) -> Result<(Schedule, Text), GenerateError> {
        let Options { steps, meaning, .. } = self.options;
        if sheet.grows
            && meaning.cut(steps.get(), request.strength.value(), meaning::Kept::RoundedUp).0 > MOST_STEPS
        {
            let what = "takes 1000 steps at most beyond a reference: ask for fewer, or for more strength";
            return Err(GenerateError::Unsupported { engine: NAME, what });
        }
        // How far levels shift goes by the picture that the model sees, which is a window.
        let tokens = sheet.windows.size().iter().map(|side| side * SCALE / SQUARE).product();
        let shift = self.shapes.shift;
        let schedule = Schedule::new(steps, request.strength, meaning, shift, tokens, sheet.grows);
        Ok((schedule, self.told(request.prompt.as_deref().unwrap_or(""), reference, progress)?))
    }

    fn read_autoencoder(&self) -> Result<Autoencoder, ModelError> {
        let shape = &self.shapes.autoencoder;
        self.autoencoder.load(self.compute(), |vb| Autoencoder::new(shape, Quant::default(), vb))
    }

    fn read_network(&self) -> Result<Transformer, ModelError> {
        Transformer::new(&self.shapes.flux, &Place::of(&self.transformer, self.compute()))
    }

    fn steps((schedule, _): &(Schedule, Text)) -> u32 {
        schedule.steps()
    }

    fn draw(
        &self,
        model: &Transformer,
        (schedule, text): &(Schedule, Text),
        start: &Start,
        follow: &mut dyn Follow,
    ) -> Result<Tensor, GenerateError> {
        let (axes, guidance) = (self.shapes.flux.axes, self.options.guidance);
        let (windows, varied, seed) = (&start.sheet.windows, &start.varied, start.seed);
        let sampler = Sampler { model, axes, text, guidance, schedule, windows, varied, seed };
        sampler.draw(&start.encoded, follow)
    }

    fn record(&self, request: &Request, prepared: Option<&(Schedule, Text)>) -> Record {
        let taken = prepared.map(|(schedule, _)| (schedule.noise_level(), schedule.steps()));
        let (noise_level, steps) = taken.unwrap_or_default();
        let guidance = self.is_guided().then_some(self.options.guidance);
        let loras = self.loras.clone();
        let (precision, device) = (Some(self.options.precision.name()), Some(self.processor.name()));
        Record {
            guidance,
            loras,
            precision,
            device,
            image_weight: prepared.and_then(|(_, text)| text.image_weight),
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
mod parity_gguf;
#[cfg(test)]
mod parity_loras;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod tiny;
