//! How much of the picture a model was trained to see at each timestep.

/// How the noise that a timestep adds grows over the timesteps.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Betas {
    Linear {
        first: f64,
        last: f64,
    },
    /// Linear in the square root.
    ScaledLinear {
        first: f64,
        last: f64,
    },
    /// From a squared cosine, at most 0.999.
    SquaredCosine,
    Given(Vec<f64>),
}

/// Smallest noise of a timestep: less is none in the numbers that models are trained in.
const LEAST_BETA: f64 = 1e-7;
/// Smallest share of the picture in the end: that of a squared cosine of 10 000 timesteps is above.
const LEAST_ALPHA_BAR: f64 = 1e-15;

/// How a schedule ends whose last timestep shows nothing of the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// As the betas have it.
    AsTrained,
    /// In nothing.
    Zero,
    /// In nearly nothing, so that the ratio of noise to picture is a number: 2⁻²⁴, the least that 16 bits can say.
    NearlyZero,
}

impl Betas {
    /// The share of the picture's variance (ᾱ) at each of `count` timesteps, falling; or nothing, if no model can
    /// have been trained so.
    pub fn alpha_bars(&self, count: usize, end: End) -> Option<Vec<f64>> {
        let betas = self.values(count);
        if betas.len() != count || !betas.iter().all(|beta| (LEAST_BETA..1.0).contains(beta)) {
            return None;
        }
        let mut product = 1.0;
        // Rounded as diffusers rounds them: little noise is what a number near 1 lacks of it, and in 32 bits it lacks
        // as much as 3·10⁻⁴ of a cosine's first noise more or less.
        let next = |beta: &f64| {
            product *= f64::from(1.0 - *beta as f32);
            f64::from(product as f32)
        };
        let mut bars: Vec<f64> = betas.iter().map(next).collect();
        let (first, last) = (*bars.first()?, *bars.last()?);
        if last < LEAST_ALPHA_BAR {
            return None;
        }
        if end != End::AsTrained {
            let scale = first.sqrt() / (first.sqrt() - last.sqrt());
            for bar in &mut bars {
                *bar = ((bar.sqrt() - last.sqrt()) * scale).powi(2);
            }
            *bars.last_mut()? = if end == End::Zero { 0.0 } else { (-24f64).exp2() };
        }
        bars.iter().all(|bar| bar.is_finite()).then_some(bars)
    }

    fn values(&self, count: usize) -> Vec<f64> {
        let line = |first: f64, last: f64| {
            let step = (last - first) / (count.max(2) - 1) as f64;
            (0..count).map(move |i| first + i as f64 * step)
        };
        match self {
            Betas::Linear { first, last } => line(*first, *last).collect(),
            Betas::ScaledLinear { first, last } => line(first.sqrt(), last.sqrt()).map(|b| b * b).collect(),
            Betas::SquaredCosine => {
                let bar = |i: usize| {
                    let angle = (i as f64 / count as f64 + 0.008) / 1.008 * std::f64::consts::FRAC_PI_2;
                    angle.cos().powi(2)
                };
                (0..count).map(|i| (1.0 - bar(i + 1) / bar(i)).min(0.999)).collect()
            }
            Betas::Given(betas) => betas.clone(),
        }
    }
}

/// How strongly the picture and the noise are in some latents: `signal · picture + noise · noise`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Level {
    pub signal: f64,
    pub noise: f64,
}

impl Level {
    /// Of latents whose variance is kept.
    pub fn of_alpha_bar(bar: f64) -> Level {
        Level { signal: bar.sqrt(), noise: (1.0 - bar).sqrt() }
    }

    /// The same, from the ratio of noise to picture.
    pub fn of_sigma(sigma: f64) -> Level {
        let signal = 1.0 / sigma.hypot(1.0);
        Level { signal, noise: sigma * signal }
    }

    /// Of latents whose variance grows with the noise.
    pub fn growing(sigma: f64) -> Level {
        Level { signal: 1.0, noise: sigma }
    }

    /// The same of latents that keep their variance.
    pub fn kept(self) -> Level {
        let size = self.signal.hypot(self.noise);
        Level { signal: self.signal / size, noise: self.noise / size }
    }

    /// Share of noise, 0..=1: √(1 − ᾱ).
    pub fn share(self) -> f64 {
        self.noise / self.signal.hypot(self.noise)
    }

    /// Logarithm of the ratio of picture to noise.
    pub fn lambda(self) -> f64 {
        (self.signal / self.noise).ln()
    }
}

/// The ratio of noise to picture, in 32 bits: whether the last timestep is found again depends on them.
pub(super) fn sigma(bar: f64) -> f64 {
    f64::from(((1.0 - bar) / bar).sqrt() as f32)
}

/// What the model's output is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prediction {
    /// The noise.
    Epsilon,
    /// `signal · noise − noise · picture`.
    Velocity,
    /// The picture.
    Sample,
}

impl Prediction {
    /// What times the latents and what times the output make the picture, for latents that keep their variance.
    pub fn picture(self, Level { signal, noise }: Level) -> [f64; 2] {
        match self {
            Prediction::Epsilon => [1.0 / signal, -noise / signal],
            Prediction::Velocity => [signal, -noise],
            Prediction::Sample => [0.0, 1.0],
        }
    }

    /// The same for the noise.
    pub fn noise(self, Level { signal, noise }: Level) -> [f64; 2] {
        match self {
            Prediction::Epsilon => [0.0, 1.0],
            Prediction::Velocity => [noise, signal],
            Prediction::Sample => [1.0 / noise, -signal / noise],
        }
    }
}
