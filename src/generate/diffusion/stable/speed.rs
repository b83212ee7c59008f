//! The UNet of Stable Diffusion 1.5 with weights of chance, for measuring.

use super::super::ModelError;
use super::super::ops::Precision;
use super::super::speed::{Run, chance, run, tensor};
use super::unet::{Condition, Level, Shape, Unet};

/// One call for a picture of 512 × 512 pixels.
pub fn unet(precision: Precision) -> Result<Run, ModelError> {
    let level = |channels: usize, attends: bool| Level {
        channels,
        residuals: 2,
        heads: 8,
        transformer: 1,
        attends: [attends; 2],
    };
    let shape = Shape {
        latents: 4,
        levels: vec![level(320, true), level(640, true), level(1280, true), level(1280, false)],
        middle: true,
        groups: 32,
        epsilon: 1e-5,
        context: 768,
        linear_projection: false,
        cosines_first: true,
        frequency_shift: 0.0,
        added: None,
    };
    let unet = Unet::new(&shape, chance(precision))?;
    let latents = tensor(&[1, 4, 64, 64])?;
    let condition = Condition { context: tensor(&[1, 77, 768])?, added: None };
    run(move || unet.forward(&latents, 500.0, &condition))
}
