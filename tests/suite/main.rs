//! The program as a whole, in one test binary: linking it once is slow enough.

mod common;
mod crash;
mod desk;
mod engines;
mod hostile;
mod invariants;
mod journey;
mod nowhere;
mod tampered;
