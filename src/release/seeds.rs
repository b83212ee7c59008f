//! Seeds of one command, or of one job.

use crate::host::Host;
use crate::quantity::Seed;

/// Drafts tried for a variation when the user leaves the seed to us.
pub const ATTEMPTS: u32 = 8;

/// One after another, from the one that was asked for or from one that nobody chose.
pub struct Seeds(u64);

impl Seeds {
    pub fn new(asked: Option<Seed>, host: &dyn Host) -> Self {
        Seeds(asked.map_or_else(
            || {
                let mut bytes = [0; 4];
                host.random(&mut bytes);
                u64::from(u32::from_le_bytes(bytes))
            },
            |seed| seed.0,
        ))
    }

    #[allow(clippy::should_implement_trait)] // It never ends.
    pub fn next(&mut self) -> Seed {
        let seed = Seed(self.0);
        self.0 = self.0.wrapping_add(1);
        seed
    }
}
