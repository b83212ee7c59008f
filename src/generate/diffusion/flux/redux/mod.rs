//! FLUX.1 Redux: what SigLIP sees of a picture, as tokens beside those of the prompt (`FluxPriorReduxPipeline`).

mod files;
#[cfg(test)]
mod parity;
mod picture;
mod siglip;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::Tensor;

use crate::raster::Raster;

use super::super::ops::Precision;
use super::super::ops::layers::{Linear, Vars};
use super::super::weights::Weights;
use super::super::{ModelError, Processor};
pub use files::{EMBEDDER, inventory, is_there};
use siglip::{Shape, Siglip};

/// A Redux model, opened and checked. Weights are read when they are needed, and then let go.
pub struct Redux {
    vision: Arc<Weights>,
    embedder: Arc<Weights>,
    shape: Shape,
    /// Width of the tokens that are made.
    pub width: usize,
    pub files: Vec<PathBuf>,
}

impl Redux {
    /// Opens the model in `dir`: a folder as diffusers writes it, or `flux1-redux-*` and a SigLIP as ComfyUI has them.
    ///
    /// # Errors
    /// When a part is missing, damaged or of another family, or does not fit the other.
    pub fn open(dir: &Path) -> Result<Redux, ModelError> {
        let files = files::locate(dir)?;
        let (vision, embedder) = (Weights::open(&files.vision)?, Weights::open(&files.embedder)?);
        let shape = files::shape(&vision, &files.settings)?;
        let width = files::width(&embedder, &vision, &shape)?;
        let [vision, embedder] = [vision, embedder].map(Arc::new);
        vision.check(|vb| Siglip::new(&shape, vb))?;
        embedder.check(|vb| Embedder::new(shape.width, width, vb))?;
        let settings = files.settings.files().map(Path::to_owned);
        let files = files.embedder.into_iter().chain(files.vision).chain(settings).collect();
        Ok(Redux { vision, embedder, shape, width, files })
    }

    /// Bytes of memory that it takes while it looks.
    pub fn bytes(&self) -> u64 {
        let all = |weights: &Weights| weights.bytes_held(Precision::F32, files::is_read);
        all(&self.vision).saturating_add(all(&self.embedder)).saturating_add(self.vision.largest())
    }

    /// What is seen of a picture: (patches², width).
    pub fn tokens(&self, processor: &Processor, picture: &Raster) -> Result<Tensor, ModelError> {
        self.tokens_of(processor, &picture::of(picture, self.shape.side()))
    }

    /// The same of colours in −1..=1.
    fn tokens_of(&self, processor: &Processor, picture: &[f32]) -> Result<Tensor, ModelError> {
        let compute = processor.with(Precision::F32);
        let vision = self.vision.load(compute.clone(), |vb| Siglip::new(&self.shape, vb))?;
        let seen = vision.read(picture)?;
        drop(vision);
        let (from, to) = (self.shape.width, self.width);
        let embedder = self.embedder.load(compute.clone(), |vb| Embedder::new(from, to, vb))?;
        Ok(compute.given(embedder.forward(&seen)?.squeeze(0)?)?)
    }
}

/// Bytes of memory that the model in `dir` takes while it looks. Only headers are read.
///
/// # Errors
/// Those of [`Redux::open`].
pub fn memory(dir: &Path) -> Result<u64, ModelError> {
    Ok(Redux::open(dir)?.bytes())
}

/// Asks for the tensors of a small tower.
#[cfg(test)]
pub(super) fn tiny(vb: Vars) -> candle_core::Result<()> {
    let shape = Shape { patches: 2, patch: 4, width: 72, inner: 80, layers: 2, heads: 1, epsilon: 1e-6 };
    Siglip::new(&shape, vb).map(drop)
}

/// From what is seen to tokens (`ReduxImageEncoder`).
struct Embedder {
    up: Linear,
    down: Linear,
}

impl Embedder {
    fn new(from: usize, to: usize, vb: Vars) -> candle_core::Result<Embedder> {
        let inner = files::inner(to);
        Ok(Embedder {
            up: Linear::new(from, inner, vb.pp("redux_up"))?,
            down: Linear::new(inner, to, vb.pp("redux_down"))?,
        })
    }

    fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        self.down.forward(&self.up.forward(x)?.silu()?)
    }
}
