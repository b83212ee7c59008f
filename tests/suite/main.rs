//! The program as a whole, in one test binary: linking it once is slow enough.

mod authority;
mod auto;
mod bypasses;
mod canvas;
mod common;
mod crash;
mod desk;
mod detect;
mod engines;
mod findings;
mod hostile;
mod interrupt;
mod invariants;
mod journey;
mod known;
mod labels;
mod map;
mod marks;
mod nowhere;
mod overrides;
mod preview;
mod restore;
mod rules;
mod signatures;
mod tampered;
mod timestamps;
