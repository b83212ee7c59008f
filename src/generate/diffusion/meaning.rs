//! What a strength means to a schedule of steps.

/// What a strength says of a schedule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Meaning {
    /// How much of the asked steps is taken, as in diffusers: 20 steps at 0.4 are 8 calls of the model.
    #[default]
    Diffusers,
    /// As ComfyUI's denoise, with diffusers' noise levels: all of the asked steps are taken, on the last part of a longer schedule. 20 steps at 0.4
    /// are 20 calls, the last of 50.
    ComfyUi,
}

impl Meaning {
    /// Steps of the whole schedule, and the first of them that is taken: one at least.
    pub(super) fn cut(self, steps: u32, strength: f64, kept: Kept) -> (u32, u32) {
        let n = f64::from(steps);
        match self {
            // `get_timesteps` of the pipelines.
            Meaning::Diffusers => {
                let cut = match kept {
                    Kept::RoundedUp => (n - (n * strength).min(n)).max(0.0) as u32,
                    Kept::RoundedDown => steps - ((n * strength) as u32).min(steps),
                };
                (steps, cut.min(steps - 1))
            }
            // `KSampler.set_steps`: nearly everything is everything.
            Meaning::ComfyUi if strength > 0.9999 => (steps, 0),
            Meaning::ComfyUi => {
                let whole = ((n / strength) as u32).max(steps);
                (whole, whole - steps)
            }
        }
    }
}

/// How diffusers rounds the number of steps that a strength keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// FLUX and other flow models: what is cut off is rounded down.
    RoundedUp,
    /// Stable Diffusion.
    RoundedDown,
}
