//! The way from a request to its draft: the same for every model but for what is planned, read of the prompt and drawn.

use candle_core::{DType, Device, Tensor};

use crate::generate::scene::Scene;
use crate::generate::{Draft, Finding, GenerateError, Orientation, Record, Request, masked};
use crate::progress::Progress;
use crate::quantity::{Seed, Strength};
use crate::raster::{Depth, Plane, Raster};

use super::autoencoder::{self, Autoencoder, Frame, SCALE};
use super::error::{Gib, ModelError};
use super::follow::{Follow, Told};
use super::kept::Kept;
use super::placed::Placed;
use super::windows::Windows;
use super::{Processor, failed, step};

/// What a model does about a request that is its own.
pub trait Model {
    const NAME: &'static str;
    /// Pixels to a side of the squares that a picture is framed to; one is the least that can be drawn.
    const SQUARE: usize;
    /// The steps to take, and what was read of the prompt.
    type Prepared;
    /// What tells noise from picture.
    type Network;

    /// Bytes of memory that were free when the model was opened, where that is known.
    fn free(&self) -> Option<u64>;

    fn processor(&self) -> &Processor;

    fn autoencoder(&self) -> &autoencoder::Config;

    /// Latents to a side of the pictures that the model was trained on.
    fn trained_side(&self) -> usize;

    /// What stays in memory from one draft to the next.
    fn kept(&self) -> &Kept<Self::Network>;

    /// Without a reference where there is none.
    fn prepare(
        &self,
        request: &Request,
        sheet: &Sheet,
        reference: Option<&Raster>,
        progress: &mut dyn Progress,
    ) -> Result<Self::Prepared, GenerateError>;

    fn read_autoencoder(&self) -> Result<Autoencoder, ModelError>;

    fn read_network(&self) -> Result<Self::Network, ModelError>;

    /// Steps that are taken: the network is called once for each window of each.
    fn steps(prepared: &Self::Prepared) -> u32;

    /// New latents from those of the reference.
    fn draw(
        &self,
        network: &Self::Network,
        prepared: &Self::Prepared,
        start: &Start,
        follow: &mut dyn Follow,
    ) -> Result<Tensor, GenerateError>;

    /// What is stated of a draft, but for its mask and its windows; `None` prepared is the reference itself.
    fn record(&self, request: &Request, prepared: Option<&Self::Prepared>) -> Record;
}

/// What is drawn on.
pub struct Sheet {
    pub frame: Frame,
    pub windows: Windows,
    /// Whether the picture goes beyond its reference, and needs all steps there.
    pub grows: bool,
}

impl Sheet {
    /// Refuses a picture that the autoencoder has no room for.
    fn new<M: Model>(model: &M, (width, height): (usize, usize), grows: bool) -> Result<Sheet, ModelError> {
        let frame = Frame::around(width, height, M::SQUARE);
        let refused = |needed, free| ModelError::Picture { needed, free };
        room(model.autoencoder().bytes(&frame, model.processor()), model.free(), refused)?;
        let windows = Windows::over(frame.latents(), model.trained_side(), M::SQUARE / SCALE);
        Ok(Sheet { frame, windows, grows })
    }
}

/// What drawing begins with.
pub struct Start {
    pub sheet: Sheet,
    /// Latents of the reference, (1, channels, height/8, width/8); without one they are zeros.
    pub encoded: Tensor,
    /// Whether there is no reference, and noise alone to begin with.
    pub alone: bool,
    pub varied: Varied,
    pub seed: Seed,
}

/// Which latents are varied: 1 where they are and 0 where they stay, (1, 1, height/8, width/8).
pub enum Varied {
    All,
    /// These, in every step.
    These(Tensor),
    /// These in all steps, and the others in those that the strength asks for.
    TheseFirst(Tensor),
}

impl Varied {
    /// Those of step `i`, if not all, where a strength asks for the steps from number `first` on.
    pub fn at(&self, i: usize, first: usize) -> Option<&Tensor> {
        match self {
            Varied::These(these) => Some(these),
            Varied::TheseFirst(these) if i < first => Some(these),
            Varied::All | Varied::TheseFirst(_) => None,
        }
    }
}

pub fn generate<M: Model>(
    model: &M,
    reference: &Raster,
    request: &Request,
    progress: &mut dyn Progress,
) -> Result<Draft, GenerateError> {
    let _turn = model.kept().turn();
    let engine = M::NAME;
    if request.orientation == Orientation::Any {
        let what = "draws pictures as their reference is laid, and turns nothing";
        return Err(GenerateError::Unsupported { engine, what });
    }
    let own = (reference.width() as usize, reference.height() as usize);
    let scene = Scene::new(engine, M::SQUARE as u32, reference.width(), reference.height(), request.canvas)?;
    let mask = request.mask.as_ref().map(|mask| masked::varied(mask, reference)).transpose()?;
    if mask.is_some() && scene.size != own {
        return Err(GenerateError::MaskedCanvas);
    }
    let Placed { picture, beyond } = Placed::new(reference, &scene);
    if request.strength.value() == 0.0 {
        let record = Record { varied_share: mask.map(|_| 0.0), ..model.record(request, None) };
        return Ok(Draft { raster: picture, record });
    }
    let sheet = Sheet::new(model, scene.size, beyond.is_some());
    let sheet = sheet.map_err(failed(engine, "encode the reference"))?;
    let prepared = model.prepare(request, &sheet, Some(reference), progress)?;
    let encoded = model.kept().encoded(model, &picture, &sheet.frame, progress)?;

    let varied = |these: &_| sheet.frame.latents_of(these).map_err(failed(engine, "draw the picture"));
    let varied = match (&mask, &beyond) {
        (Some(mask), _) => Varied::These(varied(mask)?),
        (None, Some(beyond)) => Varied::TheseFirst(varied(beyond)?),
        (None, None) => Varied::All,
    };
    let start = Start { sheet, encoded, alone: false, varied, seed: request.seed };
    let Draft { raster, record } = drawn(model, &prepared, request, &start, &picture, progress)?;
    Ok(match (&mask, beyond) {
        (Some(mask), _) => {
            let (raster, share) = masked::join(mask, &raster, reference);
            Draft { raster, record: Record { varied_share: Some(share), ..record } }
        }
        (None, Some(beyond)) => {
            let findings = vec![Finding::Extended { share: beyond.mean() }];
            Draft { raster, record: Record { findings, ..record } }
        }
        (None, None) => Draft { raster, record },
    })
}

/// A picture of the prompt alone, of so many pixels; without a number as large as those the model was trained on.
pub fn text2img<M: Model>(
    model: &M,
    prompt: &str,
    size: Option<(u32, u32)>,
    seed: Seed,
    progress: &mut dyn Progress,
) -> Result<Draft, GenerateError> {
    let _turn = model.kept().turn();
    let side = (model.trained_side() * SCALE) as u32;
    let (width, height) = size.unwrap_or((side, side));
    let scene = Scene::new(M::NAME, M::SQUARE as u32, width, height, None)?;
    let request = Request { prompt: Some(prompt.to_owned()), ..Request::new(Strength::ONE, seed) };
    let failed = failed(M::NAME, "draw the picture");
    let sheet = Sheet::new(model, scene.size, false).map_err(&failed)?;
    let prepared = model.prepare(&request, &sheet, None, progress)?;
    let [rows, columns] = sheet.frame.latents();
    let shape = (1, model.autoencoder().latents, rows, columns);
    let encoded = Tensor::zeros(shape, DType::F32, &Device::Cpu).map_err(|error| failed(error.into()))?;
    // It may have colours, and is decoded like what has some.
    let colours = [1.0, 0.0, 0.0].map(|value| Plane::filled(scene.size.0, scene.size.1, value));
    let like = Raster::from_planes(&colours, Depth::Eight);
    let start = Start { sheet, encoded, alone: true, varied: Varied::All, seed };
    drawn(model, &prepared, &request, &start, &like, progress)
}

/// What is drawn from `start`, decoded in the form of `like`.
fn drawn<M: Model>(
    model: &M,
    prepared: &M::Prepared,
    request: &Request,
    start: &Start,
    like: &Raster,
    progress: &mut dyn Progress,
) -> Result<Draft, GenerateError> {
    let (engine, steps, windows) = (M::NAME, M::steps(prepared), start.sheet.windows.count());
    let network = model.kept().network.get(engine, "loading the model", progress, || model.read_network())?;
    progress.stage("drawing the picture", u64::from(steps) * windows as u64);
    let known = (!start.alone).then_some((&start.encoded, like));
    let told = Told::new(engine, steps, known, progress);
    let mut told = told.map_err(failed(engine, "draw the picture"))?;
    let latents = model.draw(&network, prepared, start, &mut told)?;

    let autoencoder = model.kept().autoencoder(model, progress)?;
    progress.stage("decoding the picture", 1);
    let raster = autoencoder.decode(&latents, &start.sheet.frame, like);
    let raster = raster.map_err(failed(engine, "decode the picture"))?;
    step(progress, 1)?;
    let windows = u32::try_from(windows).ok().filter(|count| *count > 1);
    Ok(Draft { raster, record: Record { windows, ..model.record(request, Some(prepared)) } })
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
