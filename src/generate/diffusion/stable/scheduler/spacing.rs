//! Which timesteps and noise levels a number of steps goes through.

use super::betas::sigma;

/// How timesteps are spread over those of the training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spacing {
    /// Evenly from the first to the last.
    Linspace,
    /// Whole strides up from the first.
    Leading,
    /// Strides down from the last.
    Trailing,
}

/// What is spread.
pub(super) struct Grid {
    pub spacing: Spacing,
    /// Timesteps of the training.
    pub trained: usize,
    /// Those of them that are used: the first ones.
    pub used: usize,
    /// Added to leading timesteps.
    pub offset: usize,
    /// Points between which the steps are: as many as steps, or one more, of which the last is then left out.
    pub points: usize,
    pub steps: usize,
}

impl Grid {
    /// The timesteps, falling; rounded if `whole`, of linspace otherwise as 32-bit numbers.
    pub fn timesteps(&self, whole: bool) -> Vec<f64> {
        let Grid { trained, used, offset, points, steps, .. } = *self;
        let down = (0..points).rev().take(steps);
        match self.spacing {
            Spacing::Linspace => {
                let last = used.saturating_sub(1) as f64;
                let step = last / (points.max(2) - 1) as f64;
                let at = |i: usize| match i {
                    0 => 0.0,
                    _ if i + 1 == points => last,
                    _ => i as f64 * step,
                };
                let rounded = |t: f64| if whole { t.round_ties_even() } else { f64::from(t as f32) };
                down.map(at).map(rounded).collect()
            }
            Spacing::Leading => down.map(|i| (i * (used / points) + offset) as f64).collect(),
            Spacing::Trailing => {
                let start = used as f64;
                // As a range of numpy adds it up. There, rounding makes one step too many of 62 numbers up to 1000,
                // with the timestep -1.
                let stride = (start - trained as f64 / steps as f64) - start;
                let at = |i: usize| (start + i as f64 * stride).round_ties_even() - 1.0;
                (0..steps).map(at).take_while(|t| *t >= 0.0).collect()
            }
        }
    }
}

/// The ratio of noise to picture at a timestep, between those of the training too.
pub(super) fn sigma_at(alpha_bars: &[f64], timestep: f64) -> f64 {
    let below = timestep.max(0.0).floor();
    let at = |i: usize| alpha_bars.get(i).or(alpha_bars.last()).map_or(0.0, |bar| sigma(*bar));
    let (low, high) = (at(below as usize), at(below as usize + 1));
    low + (timestep - below) * (high - low)
}

/// The timestep that has this ratio of noise to picture: the logarithm of the ratio is a line between timesteps.
pub(super) fn timestep_of(alpha_bars: &[f64], ratio: f64) -> f64 {
    let log = ratio.max(1e-10).ln();
    let log_of = |bar: &f64| f64::from((sigma(*bar) as f32).ln());
    let at = |i: usize| alpha_bars.get(i).map_or(0.0, log_of);
    let not_above = alpha_bars.partition_point(|bar| log_of(bar) <= log);
    let low = not_above.saturating_sub(1).min(alpha_bars.len().saturating_sub(2));
    let share = ((at(low) - log) / (at(low) - at(low + 1))).clamp(0.0, 1.0);
    low as f64 + share
}

/// Ratios of noise to picture from the most to the least whose seventh roots are evenly spread (Karras et al., 2022).
pub(super) fn karras(most: f64, least: f64, steps: usize) -> Vec<f64> {
    let [most, least] = [most, least].map(|sigma| sigma.powf(1.0 / 7.0));
    let stride = (least - most) / (steps.max(2) - 1) as f64;
    (0..steps).map(|i| (most + i as f64 * stride).powi(7)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(spacing: Spacing, points: usize, steps: usize, offset: usize) -> Grid {
        Grid { spacing, trained: 1000, used: 1000, offset, points, steps }
    }

    /// By hand, as in table 2 of "Common diffusion noise schedules and sample steps are flawed".
    #[test]
    fn timesteps_are_spaced_as_diffusers_spaces_them() {
        for (spacing, points, offset, expected) in [
            (Spacing::Leading, 4, 1, [751.0, 501.0, 251.0, 1.0]),
            (Spacing::Linspace, 4, 1, [999.0, 666.0, 333.0, 0.0]),
            (Spacing::Trailing, 4, 1, [999.0, 749.0, 499.0, 249.0]),
            // One point more, as the multistep solvers have it: 999·3/4 = 749.25, 499.5 to the even 500, 249.75.
            (Spacing::Leading, 5, 1, [801.0, 601.0, 401.0, 201.0]),
            (Spacing::Linspace, 5, 0, [999.0, 749.0, 500.0, 250.0]),
        ] {
            assert_eq!(grid(spacing, points, 4, offset).timesteps(true), expected, "{spacing:?} {points}");
        }
        let between = grid(Spacing::Linspace, 5, 5, 0).timesteps(false);
        assert_eq!(between, [999.0, 749.25, 499.5, 249.75, 0.0]);
    }

    #[test]
    fn one_step_is_the_first_timestep_unless_spaced_from_the_end() {
        assert_eq!(grid(Spacing::Leading, 1, 1, 1).timesteps(true), [1.0]);
        assert_eq!(grid(Spacing::Linspace, 1, 1, 0).timesteps(true), [0.0]);
        assert_eq!(grid(Spacing::Trailing, 1, 1, 0).timesteps(true), [999.0]);
    }

    #[test]
    fn no_number_of_steps_makes_a_timestep_too_many() {
        for steps in 1..=1000 {
            let timesteps = grid(Spacing::Trailing, steps, steps, 0).timesteps(true);
            assert_eq!(timesteps.len(), steps);
            assert!(timesteps.iter().all(|t| (0.0..1000.0).contains(t)), "{steps}");
        }
    }

    #[test]
    fn a_level_and_its_timestep_find_each_other() {
        let bars: Vec<f64> = (1..=9).map(|i| 1.0 - 0.1 * f64::from(i)).collect();
        for t in 0..9 {
            let sigma = sigma_at(&bars, f64::from(t));
            assert!((timestep_of(&bars, sigma) - f64::from(t)).abs() < 1e-5, "{t}");
        }
        assert_eq!(timestep_of(&bars, 1e-3), 0.0);
        assert_eq!(timestep_of(&bars, 1e3), 8.0);
    }

    /// By hand: 1 and 128 are the seventh powers of 1 and 2, and 1.5⁷ = 17.0859375.
    #[test]
    fn seventh_roots_are_evenly_spread() {
        for (found, expected) in karras(128.0, 1.0, 3).iter().zip([128.0, 17.085_937_5, 1.0]) {
            assert!((found - expected).abs() < 1e-9, "{found} {expected}");
        }
        assert_eq!(karras(128.0, 1.0, 1).len(), 1);
    }
}
