//! Vidimus makes variations of scientific images and leaves no doubt about what they are.
#![deny(unsafe_code)]

// Floor 0: plain values.
pub mod digest;
pub mod host;
pub mod html;
pub mod iptc;
pub mod random;
pub mod simd;

// Floor 1: pixels and measured values.
pub mod fourier;
pub mod iscc;
pub mod progress;
pub mod quantity;
pub mod raster;

// Floor 2: the stages, strangers to one another.
pub mod deviation;
pub mod generate;
pub mod label;
pub mod manifest;
pub mod metadata;
pub mod policy;
pub mod quality;
pub mod specimen;
pub mod watermark;

// Floor 3: state, the only writers to disk; and what is asked of others.
pub mod authority;
pub mod catalog;
pub mod disk;
#[cfg(feature = "diffusion")]
pub mod hub;
pub mod keys;
pub mod objects;
pub mod policies;
pub mod settings;
pub mod workspace;

// Floor 4: composition, the only place where stages meet.
pub mod adopt;
pub mod audit;
pub mod exchange;
pub mod lineage;
pub mod release;
pub mod sweep;
pub mod verify;

// Floor 5: the page.
pub mod web;

// Floor 6: the terminal.
pub mod cli;
