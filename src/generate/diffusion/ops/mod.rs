//! What networks are made of, over weights that stay as their files store them.

mod activation;
mod attention;
mod compute;
mod conv;
mod eights;
mod kernels;
mod kquants;
pub mod layers;
mod linear;
mod low_rank;
mod matrix;
mod norm;
pub mod numbers;
mod place;
mod precision;
mod tensors;
mod vars;
mod widen;

pub use activation::{activated, gated};
pub use attention::{Scores, attention, attention_of_all, turned};
pub use compute::Compute;
pub use conv::Conv;
pub use kernels::Activation;
pub use linear::Linear;
pub use low_rank::LowRank;
pub use matrix::{Matrix, PANEL_BYTES};
pub use norm::{Groups, LayerNorm, layer_norm, rms_norm};
pub use place::Place;
pub use precision::Precision;
pub use vars::Vars;
pub use widen::widen;
