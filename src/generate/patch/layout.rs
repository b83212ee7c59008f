//! The first picture: drawn on the start level from the reference under noise.

use crate::progress::Progress;
use crate::random::Stream;

use super::super::GenerateError;
use super::exact::{Bank, MOST_PIXELS, Posterior};
use super::features::Basis;
use super::gate::sliced_wasserstein;
use super::image::Image;
use super::pyramid::{Pyramid, patch_width};
use super::schedule::{Schedule, geometric, noised};
use super::sources::Sources;
use super::step;

/// Steps of the sampler, and the noise where it ends.
const STEPS: usize = 12;
const LAST_NOISE: f64 = 0.2;
/// Share of fresh noise in a step (DDIM's η; 0 is deterministic, 1 ancestral).
const ETA: f64 = 0.5;
/// Drafts from which the best is kept, where the noise is strong enough to lose rare structures.
const DRAFTS: usize = 3;
const STRONG_NOISE: f64 = 1.0;

/// A first picture, and how much noise the refinement may still add to it.
pub struct Layout {
    pub image: Image,
    pub noise: f64,
    /// Sampling steps taken.
    pub steps: u32,
    /// Whether `image` is the noisy reference itself, yet to be denoised.
    pub noisy: bool,
}

/// Draws the layout of `schedule` among the `sources` of its start level.
pub fn draw(
    sources: &Sources,
    pyramid: &Pyramid,
    schedule: &Schedule,
    seed: u64,
    progress: &mut dyn Progress,
) -> Result<Layout, GenerateError> {
    let noise = Stream::new(seed, "patch layout noise");
    let first = |draft: u64| noised(&sources.images[0], schedule.start_noise, noise.child(draft));
    // Only on the coarsest level can the bank hold every patch of the in-place copy.
    if schedule.start < pyramid.coarsest() || sources.pixels() > MOST_PIXELS {
        return Ok(Layout { image: first(0), noise: schedule.start_noise, steps: 0, noisy: true });
    }
    let drafts = if schedule.start_noise > STRONG_NOISE { DRAFTS } else { 1 };
    progress.stage("drawing the layout", (drafts * STEPS) as u64);
    let patch = patch_width(schedule.start);
    let bank = Bank::new(sources, patch, Stream::new(seed, "patch bank"));
    let style = Style::new(sources, patch, seed);
    let mut best: Option<(f64, Image)> = None;
    for draft in 0..drafts as u64 {
        let image = sample(&bank, first(draft), schedule, noise.child(draft).child(1), progress)?;
        let distance = if drafts > 1 { style.distance(&image) } else { 0.0 };
        if best.as_ref().is_none_or(|b| distance < b.0) {
            best = Some((distance, image));
        }
    }
    let image = best.map(|b| b.1).unwrap_or_else(|| first(0));
    Ok(Layout { image, noise: 0.3, steps: STEPS as u32, noisy: false })
}

/// One draft by DDIM steps (Song et al. 2021) with the exact posterior as the denoiser.
fn sample(
    bank: &Bank,
    noisy: Image,
    schedule: &Schedule,
    stream: Stream,
    progress: &mut dyn Progress,
) -> Result<Image, GenerateError> {
    let sigmas = geometric(schedule.start_noise.max(1.5 * LAST_NOISE), LAST_NOISE, STEPS + 1);
    let freedom = schedule.freedom();
    let mut duals = vec![0.0; bank.len()];
    let (mut x, mut clean) = (noisy.clone(), noisy);
    for i in 0..STEPS {
        let posterior = Posterior {
            sigma: sigmas[i],
            own_place: freedom * freedom * sigmas[i] / sigmas[0],
            balance: freedom,
        };
        clean = bank.denoise(&x, posterior, &mut duals);
        let keep = ((1.0 - ETA * ETA).sqrt() * sigmas[i + 1] / sigmas[i]) as f32;
        let mut next = clean.clone();
        next.data.iter_mut().zip(&x.data).for_each(|(n, x)| *n += keep * (x - *n));
        x = noised(&next, ETA * sigmas[i + 1], stream.child(i as u64));
        step(progress, 1)?;
    }
    Ok(clean)
}

/// Patch statistics of the reference.
struct Style {
    basis: Basis<24>,
    reference: Vec<[f32; 24]>,
    stream: Stream,
}

impl Style {
    fn new(sources: &Sources, patch: usize, seed: u64) -> Self {
        let stream = Stream::new(seed, "patch style");
        let basis = Basis::<24>::of(&sources.images[0], patch, 4000, stream.child(0));
        let all = sources.images.iter().flat_map(|image| basis.project(image));
        let reference = all.zip(&sources.outside).filter(|(_, o)| **o < 0.02).map(|(v, _)| v).collect();
        Style { basis, reference, stream: stream.child(1) }
    }

    fn distance(&self, image: &Image) -> f64 {
        sliced_wasserstein(&self.basis.project(image), &self.reference, self.stream)
    }
}
