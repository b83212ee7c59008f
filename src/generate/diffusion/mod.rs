//! Diffusion models from weights that the user has, on the CPU and on GPUs.

mod autoencoder;
mod clip;
mod config;
mod digest;
mod error;
pub mod flux;
mod follow;
mod gguf;
mod img2img;
mod kept;
mod latents;
mod layout;
mod lora;
mod meaning;
mod names;
mod ops;
#[cfg(test)]
mod parity;
mod placed;
mod processor;
mod projection;
mod published;
mod safetensors;
mod special;
#[doc(hidden)]
pub mod speed;
pub mod stable;
mod t5;
mod tower;
#[cfg(test)]
mod trial;
mod types;
mod weights;
mod windows;
mod words;

use crate::progress::Progress;

use super::GenerateError;
pub use error::{Gib, ModelError};
pub use layout::{Found, State};
pub use lora::Lora;
pub use meaning::Meaning;
pub use ops::Precision;
pub use processor::{Kind, Processor};
pub use published::{CARD, INDEX, Published};

/// Reports progress, and stops if that is asked.
fn step(progress: &mut dyn Progress, steps: u64) -> Result<(), GenerateError> {
    progress.advance(steps);
    if progress.cancelled() { Err(GenerateError::Cancelled) } else { Ok(()) }
}

/// Names what failed; the cause is one line.
fn failed<E: Into<ModelError>>(engine: &'static str, doing: &'static str) -> impl Fn(E) -> GenerateError {
    move |cause| GenerateError::Model { engine, doing, cause: cause.into().to_string() }
}
