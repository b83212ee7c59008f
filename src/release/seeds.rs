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

    /// Draws with one seed after another, `attempts` times at most, for as long as what came of a seed lets `again` ask for
    /// the next one.
    ///
    /// # Errors
    /// Those of `draw`, which end it.
    pub fn until<T, E>(
        &mut self,
        attempts: u32,
        mut draw: impl FnMut(Seed) -> Result<T, E>,
        mut again: impl FnMut(Seed, &T) -> bool,
    ) -> Result<T, E> {
        let mut left = attempts;
        loop {
            let seed = self.next();
            let drawn = draw(seed)?;
            left = left.saturating_sub(1);
            if left == 0 || !again(seed, &drawn) {
                return Ok(drawn);
            }
        }
    }

    #[allow(clippy::should_implement_trait)] // It never ends.
    pub fn next(&mut self) -> Seed {
        let seed = Seed(self.0);
        self.0 = self.0.wrapping_add(1);
        seed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(attempts: u32, clears: u64) -> (Result<u64, u64>, Vec<u64>) {
        let mut refused = Vec::new();
        let draw = |seed: Seed| if seed.0 == 99 { Err(seed.0) } else { Ok(seed.0) };
        let end = Seeds(97).until(attempts, draw, |seed, drawn| {
            let again = *drawn != clears;
            refused.extend(again.then_some(seed.0));
            again
        });
        (end, refused)
    }

    #[test]
    fn seeds_are_tried_until_one_clears_the_attempts_are_used_up_or_one_fails() {
        assert_eq!(drawn(8, 97), (Ok(97), vec![]));
        assert_eq!(drawn(8, 98), (Ok(98), vec![97]));
        assert_eq!(drawn(2, 5), (Ok(98), vec![97]), "nobody asks for another after the last");
        assert_eq!(drawn(1, 5), (Ok(97), vec![]));
        assert_eq!(drawn(8, 5), (Err(99), vec![97, 98]));
    }
}
