//! What the engines' tests ask of them.

use crate::generate::Request;
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
