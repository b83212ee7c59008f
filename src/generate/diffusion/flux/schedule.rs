//! Noise levels of the rectified flow, as diffusers' `FlowMatchEulerDiscreteScheduler` has them for FLUX.

use std::num::NonZeroU32;

use crate::quantity::Strength;

use super::super::meaning::{Kept, Meaning};

/// What moves the noise levels of a schedule up: a picture of more pixels needs more noise to hide as much.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shift {
    /// The same at every size; 1 is none.
    Fixed(f64),
    /// Its logarithm is a straight line through these values at these numbers of packed latents.
    BySize { tokens: [usize; 2], logs: [f64; 2] },
}

impl Shift {
    /// That of FLUX.1-schnell.
    pub const NONE: Shift = Shift::Fixed(1.0);
    /// That of FLUX.1-dev.
    pub const DEV: Shift = Shift::BySize { tokens: [256, 4096], logs: [0.5, 1.15] };

    /// Whether it is a number above 0 for every picture that could be drawn.
    pub fn is_sound(self) -> bool {
        [1, MOST_TOKENS].iter().all(|tokens| (1e-300..=1e300).contains(&self.at(*tokens)))
    }

    fn at(self, tokens: usize) -> f64 {
        match self {
            Shift::Fixed(shift) => shift,
            Shift::BySize { tokens: [few, many], logs: [low, high] } => {
                let slope = (high - low) / (many as f64 - few as f64);
                (low + slope * (tokens as f64 - few as f64)).exp()
            }
        }
    }
}

/// Packed latents of a picture of 16384×16384 pixels.
const MOST_TOKENS: usize = 1 << 20;

/// Noise levels that a request goes through, from the first to 0.
pub struct Schedule {
    sigmas: Vec<f64>,
    /// The first step that the strength asks for.
    first: usize,
}

impl Schedule {
    /// The last part of `steps` levels that `strength` asks for; strengths above 0 keep at least one step.
    /// `tokens` is the number of packed latents. A schedule from the `start` has all of the levels, for what the strength
    /// does not hold for, and says which is the first that it holds for.
    pub fn new(
        steps: NonZeroU32,
        strength: Strength,
        meaning: Meaning,
        shift: Shift,
        tokens: usize,
        from_start: bool,
    ) -> Schedule {
        let (steps, start) = meaning.cut(steps.get(), strength.value(), Kept::RoundedUp);
        let n = f64::from(steps);
        let shift = shift.at(tokens);
        let level = |i: u32| {
            let t = 1.0 - f64::from(i) / n;
            shift / (shift + (1.0 / t - 1.0))
        };
        let (start, first) = if from_start { (0, start as usize) } else { (start, 0) };
        Schedule { sigmas: (start..steps).map(level).chain([0.0]).collect(), first }
    }

    /// Share of noise in the latents that the strength means, 0..=1.
    pub fn noise_level(&self) -> f64 {
        self.sigmas[self.first]
    }

    /// Share of noise in the first latents.
    pub fn first_level(&self) -> f64 {
        self.sigmas[0]
    }

    /// The first step that the strength asks for: 0, unless the schedule is one from the start.
    pub fn first(&self) -> usize {
        self.first
    }

    /// Calls of the model.
    pub fn steps(&self) -> u32 {
        self.sigmas.len() as u32 - 1
    }

    /// Each step's level before and after it.
    pub fn pairs(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        self.sigmas.windows(2).map(|pair| (pair[0], pair[1]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(steps: u32, strength: f64, shift: Shift) -> Schedule {
        meant(steps, strength, Meaning::Diffusers, shift)
    }

    fn meant(steps: u32, strength: f64, meaning: Meaning, shift: Shift) -> Schedule {
        let strength = Strength::new(strength).expect("within 0..=1");
        Schedule::new(NonZeroU32::new(steps).expect("positive"), strength, meaning, shift, 1024, false)
    }

    #[test]
    fn the_kept_steps_are_rounded_up_as_diffusers_does() {
        for (n, s, kept) in
            [(28, 0.6, 17), (28, 1.0, 28), (28, 0.01, 1), (4, 0.5, 2), (4, 0.55, 3), (20, 0.85, 17)]
        {
            assert_eq!(schedule(n, s, Shift::NONE).steps(), kept, "{n} steps at {s}");
        }
    }

    #[test]
    fn comfy_takes_all_steps_on_the_last_part_of_a_longer_schedule() {
        let sigmas = meant(4, 0.4, Meaning::ComfyUi, Shift::NONE).sigmas;
        for (found, expected) in sigmas.iter().zip([0.4, 0.3, 0.2, 0.1, 0.0]) {
            assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        }
        for (strength, first) in [(1.0, 1.0), (0.99995, 1.0), (0.85, 20.0 / 23.0), (1e-300, 0.0)] {
            let schedule = meant(20, strength, Meaning::ComfyUi, Shift::NONE);
            assert_eq!(schedule.steps(), 20);
            assert!((schedule.noise_level() - first).abs() < 1e-6, "{strength}: {}", schedule.noise_level());
        }
    }

    #[test]
    fn without_a_shift_the_levels_are_even() {
        let sigmas = schedule(4, 1.0, Shift::NONE).sigmas;
        for (found, expected) in sigmas.iter().zip([1.0, 0.75, 0.5, 0.25, 0.0]) {
            assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        }
    }

    /// By hand for 1024 packed latents (512×512): μ = 0.5 + 0.65·768/3840 = 0.63, e^μ = 1.8776106;
    /// σ(t) = e^μ / (e^μ + 1/t − 1): t = 3/4 → 1.8776106/2.2109439, t = 1/2 → 1.8776106/2.8776106,
    /// t = 1/4 → 1.8776106/4.8776106.
    #[test]
    fn the_levels_of_dev_shift_with_the_size() {
        let sigmas = schedule(4, 1.0, Shift::DEV).sigmas;
        for (found, expected) in sigmas.iter().zip([1.0, 0.849_234_8, 0.652_489_5, 0.384_944_8, 0.0]) {
            assert!((found - expected).abs() < 1e-6, "{found} {expected}");
        }
    }

    /// By hand: 3t / (1 + 2t).
    #[test]
    fn a_fixed_shift_is_the_same_at_every_size() {
        let sigmas = schedule(4, 1.0, Shift::Fixed(3.0)).sigmas;
        for (found, expected) in sigmas.iter().zip([1.0, 0.9, 0.75, 0.5, 0.0]) {
            assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        }
    }

    #[test]
    fn from_the_start_the_strength_holds_for_the_last_part() {
        let half = Strength::new(0.5).expect("within 0..=1");
        let steps = NonZeroU32::new(4).expect("positive");
        let whole = Schedule::new(steps, half, Meaning::Diffusers, Shift::NONE, 1024, true);
        assert_eq!(
            (whole.steps(), whole.first(), whole.first_level(), whole.noise_level()),
            (4, 2, 1.0, 0.5)
        );
    }

    #[test]
    fn the_noise_level_is_taken_after_the_cut() {
        assert!((schedule(4, 0.5, Shift::NONE).noise_level() - 0.5).abs() < 1e-12);
    }
}
