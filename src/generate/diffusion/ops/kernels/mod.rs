//! What the networks' time goes into, compiled for the machine's own vectors. The one place of the engines with unsafe
//! code. Results do not depend on the number of threads: each number is summed by one of them, in one order.
#![allow(unsafe_code)]

mod activations;
mod attention;
mod conv;
mod dot;
mod norm;
mod pack;
mod pairs;
mod tile;
mod turn;
mod vector;
mod winograd;

pub use activations::{Activation, activate, gated};
pub use attention::{Bias, Tokens, attention};
pub use conv::{Filters, Picture, Steps, convolve};
pub use dot::dot;
pub use norm::{Kind, group_norm, row_norm};
pub use pack::{Lefts, Rights, Strides};
pub use pairs::{Pair, Term};
pub use tile::{Onto, product, product_of_some};
pub use turn::turn;
pub use vector::{Kernel, Vector, has_pairs, run};

#[cfg(test)]
mod tests;
