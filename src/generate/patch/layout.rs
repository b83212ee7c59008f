//! First pictures: drawn on the start level from the reference under noise.

use crate::progress::Progress;
use crate::random::Stream;
use crate::raster::filter::gaussian;

use super::super::GenerateError;
use super::bend::Bend;
use super::effort;
use super::energy::Energy;
use super::exact::{Bank, Posterior};
use super::image::Image;
use super::keep::Keep;
use super::pyramid::{Pyramid, patch_width};
use super::schedule::{Schedule, geometric, noised};
use super::sources::Sources;
use super::steer::Steer;
use super::step;

/// Steps of the sampler, and the noise where it ends.
pub const STEPS: usize = 12;
const LAST_NOISE: f64 = 0.2;
/// Share of fresh noise in a step (DDIM's η; 0 is deterministic, 1 ancestral).
const ETA: f64 = 0.5;
/// Drafts from which the best is kept, where the noise is strong enough to lose rare structures.
pub const DRAFTS: usize = 4;
const STRONG_NOISE: f64 = 1.0;
/// Steps after which the next draft is steered by what came of this one: its arrangement is settled then.
const SETTLED: usize = 6;
/// Weight of the leave-one-out cost.
const OWN_PLACE: f64 = 0.7;

/// Noise among which the one that keeps a given share of the arrangement is sought, on the start level, and
/// the halvings of that range.
const NOISE: [f64; 2] = [0.5, 24.0];
pub const HALVINGS: usize = 5;
/// Most that a scene is bent, as a share of its short side, and the halvings of that range.
const MOST_BEND: f64 = 0.15;
const BENDINGS: usize = 7;
/// How far noise takes over what a bending falls short of: 1 would be all the noise that the strength asks for.
const INSTEAD: f64 = 0.7;
/// Blur under which two arrangements are compared, as a share of the short side.
const BLUR: f32 = 0.03;

/// What is to be drawn.
#[derive(Clone, Copy)]
pub struct Task<'a> {
    pub pyramid: &'a Pyramid,
    pub schedule: &'a Schedule,
    /// A scene of which a part stays is not bent.
    pub keep: Option<&'a Keep>,
    /// Nor is one that is laid one way.
    pub directed: bool,
    pub seed: u64,
}

/// A first picture: where the start level is drawn exactly, a clean one and how much noise the refinement may still add
/// to it; elsewhere the reference under so much noise.
pub struct Layout {
    pub image: Image,
    pub noise: f64,
    /// What the strength came to mean.
    pub schedule: Schedule,
}

/// First pictures of one scene.
pub struct Layouts {
    pub drafts: Vec<Layout>,
    /// Whether they were steered towards a share of the arrangement.
    pub steered: bool,
    /// Sampling steps taken for each.
    pub steps: u32,
    /// How the scene was bent.
    pub bend: Option<Bend>,
}

/// Draws layouts of a task among the `sources` of its start level.
pub fn draw(task: &Task, sources: &Sources, progress: &mut dyn Progress) -> Result<Layouts, GenerateError> {
    let Task { pyramid, schedule, keep, directed, seed } = *task;
    let noise = Stream::new(seed, "patch layout noise");
    if !effort::is_exact(schedule, pyramid) {
        let image = noised(sources.copies[0].image.clone(), schedule.start_noise, noise.child(0));
        let layout = Layout { image, noise: schedule.start_noise, schedule: *schedule };
        return Ok(Layouts { drafts: vec![layout], steered: false, steps: 0, bend: None });
    }
    let patch = patch_width(schedule.start);
    let bank = Bank::new(sources, patch, Stream::new(seed, "patch bank"));
    let upright = &sources.copies[0].image;
    let mut bend = None;
    let schedule = &match schedule.kept {
        Some(kept) => {
            // Luminance and, where there is one, the channel of energy, which is the last.
            let compared = if Energy::is_on(schedule.start, pyramid) { sources.channels() - 1 } else { 0 };
            let found = noise_that_keeps(kept, &bank, upright, &[0, compared], noise, progress)?;
            let most = schedule.most_noise();
            if found > most && keep.is_none() && !directed && schedule.shown() > 0.0 {
                let wanted = schedule.bent();
                let (made, reached) = bend_that_keeps(wanted, upright, Stream::new(seed, "patch bend"));
                bend = Some(made);
                // What bending cannot do without folds, noise has to.
                let short = ((reached - wanted) / (1.0 - wanted)).clamp(0.0, 1.0);
                schedule.starting_at(most * (found / most).powf(INSTEAD * short))
            } else {
                schedule.starting_at(found)
            }
        }
        None => *schedule,
    };
    let scene = bend.as_ref().map_or_else(|| upright.clone(), |bend| bend.image(upright));
    let drafts = if schedule.start_noise > STRONG_NOISE { DRAFTS } else { 1 };
    let kept = keep.map(|keep| keep.at(sources.width, sources.height));
    let mut steer = (keep.is_none() && !directed && schedule.kept.is_some()).then(|| Steer::new(schedule));
    let steered = steer.is_some();
    let mut layouts = Vec::new();
    for draft in 0..drafts as u64 {
        progress.phase(&format!("drawing layout {} of {drafts}", draft + 1));
        let (strong, shown) = schedule.pushed(steer.as_ref().map_or(0.0, Steer::push));
        let mut first = scene.clone();
        first.data.iter_mut().for_each(|v| *v *= shown as f32);
        let stream = noise.child(draft);
        let first = noised(first, strong, stream);
        let mut sampler =
            Sampler::new(&bank, first, schedule.starting_at(strong), kept.as_ref(), stream.child(1));
        sampler.advance(SETTLED, progress)?;
        if let Some(steer) = &mut steer {
            steer.learn(likeness(&sampler.clean, upright, &[0]));
        }
        sampler.advance(STEPS - SETTLED, progress)?;
        let Sampler { clean: image, schedule, .. } = sampler;
        layouts.push(Layout { image, noise: 0.3, schedule });
    }
    // What was planned for drafts that were not needed.
    step(progress, ((DRAFTS - drafts) * STEPS) as u64 * effort::denoising(sources.pixels()))?;
    Ok(Layouts { drafts: layouts, steered, steps: STEPS as u32, bend })
}

/// Noise under which the posterior's first look still shows `kept` of the arrangement of `reference`.
fn noise_that_keeps(
    kept: f64,
    bank: &Bank,
    reference: &Image,
    channels: &[usize],
    stream: Stream,
    progress: &mut dyn Progress,
) -> Result<f64, GenerateError> {
    progress.phase("finding the noise for the strength");
    let shown = |sigma: f64| {
        let noisy = noised(reference.clone(), sigma, stream.child(u64::MAX));
        let posterior = Posterior { sigma, own_place: 0.0, balance: 0.0 };
        likeness(&bank.denoise(&noisy, posterior, &mut vec![0.0; bank.len()]), reference, channels)
    };
    let [mut low, mut high] = NOISE.map(f64::ln);
    for _ in 0..HALVINGS {
        let middle = (low + high) / 2.0;
        if shown(middle.exp()) > kept {
            low = middle
        } else {
            high = middle
        }
        step(progress, effort::denoising(reference.pixels()))?;
    }
    Ok(((low + high) / 2.0).exp())
}

/// The bending of the scene `upright` that keeps `kept` of its arrangement, as far as luminance shows it and nothing is
/// folded; and what it keeps.
fn bend_that_keeps(kept: f64, upright: &Image, stream: Stream) -> (Bend, f64) {
    let bend = |share| Bend::new((upright.width, upright.height), share, stream);
    let [mut low, mut high] = [0.0, MOST_BEND];
    for _ in 0..BENDINGS {
        let middle = (low + high) / 2.0;
        let tried = bend(middle);
        if likeness(&tried.image(upright), upright, &[0]) > kept && !tried.folds() {
            low = middle
        } else {
            high = middle
        }
    }
    let found = bend(low);
    let reached = likeness(&found.image(upright), upright, &[0]);
    (found, reached)
}

/// Correlation of the blurred pictures: that of the channel among `channels` that is least alike.
pub fn likeness(a: &Image, b: &Image, channels: &[usize]) -> f64 {
    let blur = BLUR * a.width.min(a.height) as f32;
    let likeness = |channel: &usize| {
        let [a, b] = [a, b].map(|image| gaussian(&image.plane(*channel), blur, 3.0));
        a.correlation(&b)
    };
    channels.iter().map(likeness).fold(1.0, f64::min)
}

/// One draft by DDIM steps (Song et al. 2021) with the exact posterior as the denoiser.
struct Sampler<'a> {
    bank: &'a Bank,
    schedule: Schedule,
    kept: Option<&'a Keep>,
    stream: Stream,
    sigmas: Vec<f64>,
    /// Steps done.
    done: usize,
    noisy: Image,
    clean: Image,
    duals: Vec<f32>,
}

impl<'a> Sampler<'a> {
    fn new(
        bank: &'a Bank,
        mut noisy: Image,
        schedule: Schedule,
        kept: Option<&'a Keep>,
        stream: Stream,
    ) -> Self {
        let sigmas = geometric(schedule.start_noise.max(1.5 * LAST_NOISE), LAST_NOISE, STEPS + 1);
        if let Some(kept) = kept {
            kept.restore_noisy(&mut noisy, schedule.start_noise, stream.child(u64::MAX));
        }
        Sampler {
            bank,
            schedule,
            kept,
            stream,
            sigmas,
            done: 0,
            clean: noisy.clone(),
            noisy,
            duals: vec![0.0; bank.len()],
        }
    }

    fn advance(&mut self, steps: usize, progress: &mut dyn Progress) -> Result<(), GenerateError> {
        let freedom = self.schedule.freedom();
        for i in self.done..self.done + steps {
            let (sigma, next) = (self.sigmas[i], self.sigmas[i + 1]);
            let posterior = Posterior {
                sigma,
                own_place: OWN_PLACE * freedom * freedom * sigma / self.sigmas[0],
                balance: freedom,
            };
            self.clean = self.bank.denoise(&self.noisy, posterior, &mut self.duals);
            if let Some(kept) = self.kept {
                kept.restore(&mut self.clean);
            }
            let keep = ((1.0 - ETA * ETA).sqrt() * next / sigma) as f32;
            let mut x = self.clean.clone();
            x.data.iter_mut().zip(&self.noisy.data).for_each(|(n, x)| *n += keep * (x - *n));
            self.noisy = noised(x, ETA * next, self.stream.child(i as u64));
            step(progress, effort::denoising(self.noisy.pixels()))?;
        }
        self.done += steps;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::corpus;
    use super::*;
    use crate::progress::Silent;
    use crate::raster::Plane;

    #[test]
    fn the_less_is_to_be_kept_the_stronger_the_noise() {
        let blobs =
            Plane::from_fn(36, 30, |x, y| (x as f32 / 5.0).sin() + (y as f32 / 4.0 + x as f32 / 9.0).cos());
        let reference = Image::from_planes(&[blobs]);
        let copies: Vec<_> = (0..3).map(|k| corpus::copy(&reference, (36, 30), k, 0.3, false, 1)).collect();
        let sources = Sources::new(&copies, 36, 30);
        let bank = Bank::new(&sources, 11, Stream::new(1, "bank"));
        let stream = Stream::new(2, "noise");
        let found = |kept: f64| {
            noise_that_keeps(kept, &bank, &sources.copies[0].image, &[0], stream, &mut Silent)
                .expect("not cancelled")
        };
        let shown = |sigma: f64| {
            let noisy = noised(sources.copies[0].image.clone(), sigma, stream.child(u64::MAX));
            let posterior = Posterior { sigma, own_place: 0.0, balance: 0.0 };
            let clean = bank.denoise(&noisy, posterior, &mut vec![0.0; bank.len()]);
            likeness(&clean, &sources.copies[0].image, &[0])
        };
        let (much, little) = (found(0.9), found(0.5));
        assert!(much < little && (shown(much) - 0.9).abs() < 0.1, "{much} {little} {}", shown(much));
    }
}
