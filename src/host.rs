//! What the library does not take by itself: the time and randomness of the machine.

use std::time::Duration;

use time::OffsetDateTime;

/// The machine as the program sees it. The terminal gives the real one, tests give a frozen one.
pub trait Host: Sync {
    /// Wall-clock time, UTC.
    fn now(&self) -> OffsetDateTime;

    /// Time since some fixed moment, for durations.
    fn elapsed(&self) -> Duration;

    /// Fills `bytes` with what nobody can predict.
    fn random(&self, bytes: &mut [u8]);
}
