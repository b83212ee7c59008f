//! The invisible watermark: a keyed lattice of sub-carriers ("lattice OFDM") that carries 80 bits and a 40-bit MAC,
//! or 32 bits and a MAC of 32.
//!
//! The mark is a tile of 61 × 61 pixels (larger on pictures over 1024 pixels), repeated over the picture: a sum of
//! about 600 waves at the integer frequencies of a lattice. 32 of them are pilots of known phase; the others carry
//! the symbols of a polar code word. The owner's tag stands at half-integer frequencies between them. A crop is a phase ramp over the lattice, a flip or a turn is a linear map of it.
//! The embedder runs the detector's front end on the picture and spends energy where a soft bit is wrong
//! (informed embedding; Moulin and Koetter, "Data-hiding codes", Proc. IEEE 93, 2005).

mod bent;
mod cells;
mod coarse;
mod decode;
mod detect;
mod embed;
mod explain;
mod frontend;
mod geometry;
mod informed;
mod key;
mod log_polar;
mod mask;
mod message;
mod nonce;
mod nufft;
mod payload;
mod place;
mod polar;
mod refine;
mod scene;
mod search;
mod self_check;
mod sketch;
mod spectrum;
mod strength;
mod tag;
mod tile;

pub use detect::{Detection, Search, Sighting, Stage, detect, locate};
pub use embed::{EmbedError, Embedded, MIN_SIDE, Quality, embed};
pub use geometry::Pose;
pub use key::{Key, Keyring};
pub use message::{Level, Message};
pub use nonce::{NONCE_ATTEMPTS, nonce};
pub use payload::{Brief, Kind, Payload, PayloadError, Said};
pub use self_check::{Copy, survives};
pub use tag::TagReading;

/// Pictures for this module's tests.
#[cfg(test)]
mod sample {
    use crate::random::Stream;
    use crate::raster::filter::gaussian;
    use crate::raster::{Depth, Plane, Raster};

    /// Soft blobs of many sizes under fine grain, in `channels` different mixtures.
    pub fn picture(width: usize, height: usize, channels: usize, depth: Depth) -> Raster {
        let layer = |name: &str, sigma: f32, amplitude: f32| {
            let stream = Stream::new(11, name);
            let noise = Plane::from_fn(width, height, |x, y| stream.normal((y * width + x) as u64) as f32);
            let soft = gaussian(&noise, sigma, 3.0);
            let norm = amplitude / soft.std() as f32;
            soft.map(|v| v * norm)
        };
        let (large, small, grain) =
            (layer("large", 20.0, 0.12), layer("small", 4.0, 0.04), layer("grain", 0.6, 0.012));
        let planes: Vec<Plane> = (0..channels)
            .map(|c| {
                let tint = 1.0 - 0.2 * c as f32;
                let soft = large.zip(&small, |a, b| 0.5 + tint * a + b);
                soft.zip(&grain, |a, b| a + b)
            })
            .collect();
        Raster::from_planes(&planes, depth)
    }
}
