//! What the engines' tests ask of them.

use candle_core::Tensor;

use super::follow::Follow;
use crate::generate::{GenerateError, Request};
use crate::progress::Progress;
use crate::quantity::{Seed, Strength};
use crate::raster::{Depth, Plane, Raster};

/// A grey disc on a ramp.
pub fn disc(width: usize, height: usize) -> Raster {
    let plane = Plane::from_fn(width, height, |x, y| {
        let near = (x as f32 - 18.0).hypot(y as f32 - 25.0) < 11.0;
        if near { 0.75 } else { 0.2 + 0.005 * x as f32 }
    });
    Raster::from_planes(&[plane], Depth::Eight)
}

pub fn request(strength: f64, seed: u64) -> Request {
    let strength = Strength::new(strength).expect("within 0..=1");
    Request { prompt: Some("a virion".to_owned()), ..Request::new(strength, Seed(seed)) }
}

/// All latents after a step and behind their noise, and how often the model was called.
#[derive(Default)]
pub struct Steps {
    pub latents: Vec<Tensor>,
    pub clean: Vec<Tensor>,
    pub calls: usize,
}

impl Steps {
    /// Those after every step, in one tensor.
    pub fn stacked(&self) -> Tensor {
        Tensor::stack(&self.latents, 0).expect("alike")
    }
}

impl Follow for Steps {
    fn called(&mut self) -> Result<(), GenerateError> {
        self.calls += 1;
        Ok(())
    }

    fn stepped(&mut self, latents: &Tensor, clean: &Tensor) -> Result<(), GenerateError> {
        self.latents.push(latents.clone());
        self.clean.push(clean.clone());
        Ok(())
    }
}

/// Collects what is seen of a picture on its way.
#[derive(Default)]
pub struct Album(pub Vec<Raster>);

impl Progress for Album {
    fn stage(&mut self, _name: &str, _total: u64) {}

    fn advance(&mut self, _steps: u64) {}

    fn glimpse(&mut self, picture: &dyn Fn() -> Raster) {
        self.0.push(picture());
    }
}
