//! What networks are made of, over weights that stay as their files store them.

mod attention;
mod gelu;
mod kquants;
pub mod layers;
mod linear;
mod matrix;
mod place;
mod widen;

pub use attention::attention;
pub use gelu::gelu;
pub use linear::Linear;
pub use matrix::{Matrix, PANEL_BYTES};
pub use place::Place;
pub use widen::widen;
