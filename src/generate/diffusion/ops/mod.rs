//! What networks are made of, over weights that stay as their files store them.

mod attention;
mod gelu;
mod kquants;
mod linear;
mod low_rank;
mod matrix;
mod place;
mod widen;

pub use attention::attention;
pub use gelu::gelu;
pub use linear::Linear;
pub use low_rank::LowRank;
pub use matrix::{Matrix, PANEL_BYTES};
pub use place::Place;
pub use widen::widen;
