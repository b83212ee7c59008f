//! What stays in memory from one draft to the next.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use candle_core::Tensor;

use crate::digest::Digest;
use crate::generate::GenerateError;
use crate::progress::Progress;
use crate::raster::Raster;

use super::autoencoder::{Autoencoder, Frame};
use super::error::ModelError;
use super::img2img::Model;
use super::{failed, step};

/// What stays in memory, so that many variations of a reference cost little more than their steps.
pub struct Kept<N> {
    pub network: Loaded<N>,
    autoencoder: Loaded<Autoencoder>,
    encoded: Mutex<Option<Encoded>>,
    turn: Mutex<()>,
}

/// Latents of a picture in a frame with these sides.
struct Encoded {
    picture: Digest,
    sides: [usize; 2],
    latents: Tensor,
}

impl<N> Kept<N> {
    pub fn nothing() -> Self {
        Kept {
            network: Loaded::nothing(),
            autoencoder: Loaded::nothing(),
            encoded: Mutex::new(None),
            turn: Mutex::new(()),
        }
    }

    /// One picture after another: there is room for one network, and two would be there when one request still draws
    /// with it and the next has let it go to read another prompt.
    pub fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the networks go: there may be no room for something else beside them.
    pub fn release(&self) {
        self.network.release();
        self.autoencoder.release();
    }

    pub fn autoencoder<M: Model>(
        &self,
        model: &M,
        progress: &mut dyn Progress,
    ) -> Result<Arc<Autoencoder>, GenerateError> {
        self.autoencoder.get(M::NAME, "loading the autoencoder", progress, || model.read_autoencoder())
    }

    /// Latents of `picture`; those of the last one are kept.
    pub fn encoded<M: Model>(
        &self,
        model: &M,
        picture: &Raster,
        frame: &Frame,
        progress: &mut dyn Progress,
    ) -> Result<Tensor, GenerateError> {
        let (digest, sides) = (picture.digest(), frame.sides());
        let mut last = self.encoded.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |known: &&Encoded| known.picture == digest && known.sides == sides;
        if let Some(known) = last.as_ref().filter(same) {
            return Ok(known.latents.clone());
        }
        let autoencoder = self.autoencoder(model, progress)?;
        progress.stage("encoding the reference", 1);
        let encoded = autoencoder.encode(picture, frame).map_err(failed(M::NAME, "encode the reference"))?;
        step(progress, 1)?;
        *last = Some(Encoded { picture: digest, sides, latents: encoded.clone() });
        Ok(encoded)
    }
}

/// A network that stays in memory once it is read.
pub struct Loaded<T>(Mutex<Option<Arc<T>>>);

impl<T> Loaded<T> {
    pub fn nothing() -> Self {
        Loaded(Mutex::new(None))
    }

    /// The network, which `read` reads if it is not there: that is a `stage`.
    pub fn get(
        &self,
        engine: &'static str,
        stage: &'static str,
        progress: &mut dyn Progress,
        read: impl FnOnce() -> Result<T, ModelError>,
    ) -> Result<Arc<T>, GenerateError> {
        let mut loaded = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(network) = loaded.as_ref() {
            return Ok(Arc::clone(network));
        }
        progress.stage(stage, 1);
        let network = Arc::new(read().map_err(failed(engine, "load the model"))?);
        *loaded = Some(Arc::clone(&network));
        step(progress, 1)?;
        Ok(network)
    }

    /// Lets it go: there may be no room for something else beside it.
    pub fn release(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}
