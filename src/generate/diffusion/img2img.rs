//! The way from a request to its draft: the same for every model but for what is planned, read of the prompt and drawn.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use candle_core::Tensor;

use crate::generate::{Draft, GenerateError, Orientation, Record, Request, masked};
use crate::progress::Progress;
use crate::quantity::Seed;
use crate::raster::Raster;

use super::autoencoder::{Autoencoder, Frame};
use super::error::{Gib, ModelError};
use super::{failed, step};

/// What a model does about a request that is its own.
pub trait Model {
    const NAME: &'static str;
    /// Pixels to a side of the squares that a picture is framed to; one is the least that can be drawn.
    const SQUARE: usize;
    /// The steps to take, and what was read of the prompt.
    type Prepared;

    /// Bytes of memory that were free when the model was opened, where that is known.
    fn free(&self) -> Option<u64>;

    fn prepare(
        &self,
        request: &Request,
        frame: &Frame,
        progress: &mut dyn Progress,
    ) -> Result<Self::Prepared, GenerateError>;

    fn autoencoder(&self) -> Result<Autoencoder, ModelError>;

    /// New latents from those of the reference.
    fn draw(
        &self,
        prepared: &Self::Prepared,
        start: &Start,
        progress: &mut dyn Progress,
    ) -> Result<Tensor, GenerateError>;

    /// What is stated of a draft, but for its mask; `None` prepared is the reference itself.
    fn record(&self, request: &Request, prepared: Option<&Self::Prepared>) -> Record;
}

/// What drawing begins with.
pub struct Start {
    pub frame: Frame,
    /// Latents of the reference, (1, channels, height/8, width/8).
    pub encoded: Tensor,
    /// 1 where latents are varied and 0 where they stay, (1, 1, height/8, width/8); `None` for all.
    pub varied: Option<Tensor>,
    pub seed: Seed,
}

pub fn generate<M: Model>(
    model: &M,
    reference: &Raster,
    request: &Request,
    progress: &mut dyn Progress,
) -> Result<Draft, GenerateError> {
    let engine = M::NAME;
    if request.canvas.is_some() || request.orientation != Orientation::Auto {
        let what = "draws pictures as their reference is laid and sized: leave size and orientation out";
        return Err(GenerateError::Unsupported { engine, what });
    }
    let (width, height, limit) = (reference.width(), reference.height(), M::SQUARE as u32);
    if width.min(height) < limit {
        return Err(GenerateError::TooSmall { engine, width, height, limit });
    }
    let mask = request.mask.as_ref().map(|mask| masked::varied(mask, reference)).transpose()?;
    if request.strength.value() == 0.0 {
        let record = Record { varied_share: mask.map(|_| 0.0), ..model.record(request, None) };
        return Ok(Draft { raster: reference.clone(), record });
    }
    let frame = Frame::around(width as usize, height as usize, M::SQUARE);
    let refused = |needed, free| ModelError::Picture { needed, free };
    room(frame.attention_bytes(), model.free(), refused).map_err(failed(engine, "encode the reference"))?;
    let prepared = model.prepare(request, &frame, progress)?;

    progress.stage("encoding the reference", 1);
    let autoencoder = model.autoencoder().map_err(failed(engine, "load the autoencoder"))?;
    let encoded = autoencoder.encode(reference, &frame).map_err(failed(engine, "encode the reference"))?;
    step(progress, 1)?;

    let varied = mask.as_ref().map(|mask| frame.latents_of(mask)).transpose();
    let varied = varied.map_err(failed(engine, "draw the picture"))?;
    let start = Start { frame, encoded, varied, seed: request.seed };
    let latents = model.draw(&prepared, &start, progress)?;

    progress.stage("decoding the picture", 1);
    let raster =
        autoencoder.decode(&latents, &frame, reference).map_err(failed(engine, "decode the picture"))?;
    step(progress, 1)?;
    let record = model.record(request, Some(&prepared));
    Ok(match &mask {
        Some(mask) => {
            let (raster, share) = masked::join(mask, &raster, reference);
            Draft { raster, record: Record { varied_share: Some(share), ..record } }
        }
        None => Draft { raster, record },
    })
}

/// Whether `needed` bytes of memory are `free`, as far as that is known.
pub fn room(
    needed: u64,
    free: Option<u64>,
    refused: impl Fn(Gib, Gib) -> ModelError,
) -> Result<(), ModelError> {
    match free {
        Some(free) if needed > free => Err(refused(Gib(needed), Gib(free))),
        _ => Ok(()),
    }
}

/// A network that stays in memory once it is read.
pub struct Loaded<T> {
    network: Mutex<Option<Arc<T>>>,
    turn: Mutex<()>,
}

impl<T> Loaded<T> {
    pub fn nothing() -> Self {
        Loaded { network: Mutex::new(None), turn: Mutex::new(()) }
    }

    /// One picture after another: there is room for one network, and two would be there when one request still draws
    /// with it and the next has let it go to read another prompt.
    pub fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The network, which `build` reads if it is not there.
    pub fn get(
        &self,
        engine: &'static str,
        progress: &mut dyn Progress,
        build: impl FnOnce() -> Result<T, ModelError>,
    ) -> Result<Arc<T>, GenerateError> {
        progress.stage("loading the model", 1);
        let mut loaded = self.network.lock().unwrap_or_else(PoisonError::into_inner);
        let model = match loaded.as_ref() {
            Some(model) => Arc::clone(model),
            None => Arc::new(build().map_err(failed(engine, "load the model"))?),
        };
        *loaded = Some(Arc::clone(&model));
        step(progress, 1)?;
        Ok(model)
    }

    /// Lets it go: there may be no room for something else beside it.
    pub fn release(&self) {
        self.network.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}
