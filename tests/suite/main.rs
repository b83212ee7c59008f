//! The program as a whole, in one test binary: linking it once is slow enough.

mod common;
mod hostile;
mod journey;
