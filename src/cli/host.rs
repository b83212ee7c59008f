//! The real machine.

use std::time::{Duration, Instant};

use time::OffsetDateTime;

use super::error::Failure;
use crate::host::Host;

/// The system's clock and random number generator.
pub struct System {
    start: Instant,
}

impl System {
    /// # Errors
    /// When the operating system gives no randomness; it is asked once here, so that [`Host::random`]
    /// may rely on it.
    pub fn new() -> Result<Self, Failure> {
        getrandom::fill(&mut [0; 16])
            .map_err(|error| Failure::new(format_args!("the system gives no random numbers: {error}")))?;
        Ok(System { start: Instant::now() })
    }
}

impl Host for System {
    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::now_utc()
    }

    fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    fn random(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the generator answered when the program began");
    }
}
