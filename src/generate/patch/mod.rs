//! The embedded engine: analytic patch diffusion, without weights.
//!
//! A diffusion sampler whose denoiser is the closed-form posterior over the patches of the reference
//! itself, each patch's own place left out (Kamb & Ganguli 2024), coarse to fine. At small noise the
//! posterior is the nearest patch, found by PatchMatch (Barnes et al. 2009; Granot et al. 2022).

mod annotation;
mod bend;
mod colour;
mod copies;
mod corpus;
mod dense;
mod direction;
mod dominant;
mod effort;
mod energy;
mod exact;
mod features;
mod field;
mod finish;
mod gate;
mod image;
mod judge;
mod keep;
mod layout;
mod magnify;
mod matcher;
mod pca;
mod pyramid;
mod refine;
mod schedule;
mod search;
mod sources;
mod start;
mod steer;
mod supply;
#[cfg(test)]
mod tests;
mod tone;
mod usage;
mod vote;
mod weigh;

use crate::progress::Progress;
use crate::random::Stream;
use crate::raster::{Plane, Raster};

use self::image::Image;
use super::scene::Scene;
use super::{Area, Description, Draft, Engine, Finding, GenerateError, Orientation, Record, Request, masked};
use colour::Colour;
use copies::Regions;
use finish::Tones;
use keep::Keep;
use layout::Task;
use magnify::Magnifier;
use pyramid::Pyramid;
use refine::{Context, Level, Pace};
use schedule::Schedule;
use sources::Sources;
use start::Start;
use supply::{Reference, Supply};

const NAME: &str = "patch";
/// Shortest side that can be drawn, in pixels.
const LEAST_SIDE: u32 = 32;

/// Draws from the patches of the reference alone. Cannot read prompts.
#[derive(Clone, Copy, Debug, Default)]
pub struct PatchEngine;

impl Engine for PatchEngine {
    fn describe(&self) -> Description {
        Description { name: NAME, version: "15", model_digest: None, reads_prompt: false }
    }

    fn generate(
        &self,
        reference: &Raster,
        request: &Request,
        progress: &mut dyn Progress,
    ) -> Result<Draft, GenerateError> {
        let (width, height) = (reference.width(), reference.height());
        let scene = Scene::new(NAME, LEAST_SIDE, width, height, request.canvas)?;
        let mask = request.mask.as_ref().map(|mask| masked::varied(mask, reference)).transpose()?;
        if mask.is_some() && scene.size != (width as usize, height as usize) {
            return Err(GenerateError::MaskedCanvas);
        }
        if request.strength.value() == 0.0 && scene.size == (width as usize, height as usize) {
            let varied_share = mask.map(|_| 0.0);
            let record = Record { varied_share, ..self.record(request, 0.0, 0, 1.0) };
            return Ok(Draft { raster: reference.clone(), record });
        }
        self.draw(reference, scene, mask, request, progress)
    }
}

/// Where `reference` bears scale bars, lettering, data strips or arrows, margins included: what the engine leaves out.
pub fn annotations(reference: &Raster) -> Vec<Area> {
    annotation::find(reference)
}

impl PatchEngine {
    fn draw(
        &self,
        reference: &Raster,
        scene: Scene,
        mask: Option<Plane>,
        request: &Request,
        progress: &mut dyn Progress,
    ) -> Result<Draft, GenerateError> {
        let seed = request.seed.0;
        let areas = annotations(reference);
        let clear = annotation::filled(reference, &areas);
        let (colour, image) = Colour::of(&clear);
        let (directed, looked) = match request.orientation {
            Orientation::Auto => (direction::is_directed(&clear), true),
            given => (given == Orientation::Upright, false),
        };
        let whole = schedule::takes_apart(request.strength).then(|| dominant::find(&image)).flatten();
        // The picture is drawn at the reference's own magnification, where its patches fit.
        let (across, down) = scene.drawn;
        let image = if scene.stretched { image.resized(across, down) } else { image };
        let keep = mask.map(|mask| Keep::new(image.clone(), mask));
        let tones = Tones::of(&image);
        let pyramid = Pyramid::of(across, down, &image);
        let schedule = Schedule::new(request.strength, &pyramid);
        let many = supply::begins_with_many(&schedule, &pyramid, directed);
        let schedule = Schedule { many, ..schedule };

        let sizes = if scene.magnifies() { magnify::sizes(scene.drawn, scene.size) } else { Vec::new() };
        let copying = supply::work(&schedule, &pyramid);
        progress.stage("drawing", copying + effort::total(&pyramid, &schedule, &sizes));
        let drift = schedule.drift;
        let shown = Reference { image, drawn: scene.drawn, pyramid: &pyramid, drift, directed, seed };
        let mut supply = Supply::new(shown, &schedule, progress)?;
        let mut sources = supply.first();
        let keep = keep.as_ref();
        let task = Task { pyramid: &pyramid, schedule: &schedule, keep, directed, seed };
        let Start { mut drawing, schedule, bend, mut steps } = start::draw(&task, &sources, progress)?;
        let context = Context { task: Task { schedule: &schedule, ..task }, bend: bend.as_ref() };
        for level in (0..=schedule.start).rev() {
            if level < schedule.start {
                drop(sources);
                sources = supply.next(level, &mut drawing, progress)?;
                Level { context: &context, sources: &sources, level }.refine(&mut drawing, progress)?;
                steps += Pace::on(level, &schedule, &pyramid).steps as u32;
            }
            if level > 0 {
                let drawn = &drawing.image;
                progress.glimpse(&|| Raster::from_planes(&colour.inverse(drawn), reference.depth()));
            }
        }
        let largest_copy =
            drawing.field.as_ref().map_or(0.0, |f| Regions::of(&f.matches, f.width).largest_share());
        let mut picture = drawing.image;
        if keep.is_none() {
            tones.finish(&mut picture);
        }
        if scene.size != scene.drawn {
            picture = bring_to_size(picture, scene, &sizes, &sources, seed, progress)?;
        }
        let drawn = Raster::from_planes(&colour.inverse(&picture), reference.depth());
        let varied = |area: &Area| keep.is_none_or(|keep| keep.varies(area));
        let areas: Vec<Area> = areas.into_iter().filter(&varied).collect();
        let annotated = (!areas.is_empty()).then_some(Finding::Annotation { areas });
        let directed = (looked && directed).then_some(Finding::Directed);
        let dominant = whole.filter(varied).map(|area| Finding::Dominant { area });
        let findings = annotated.into_iter().chain(directed).chain(dominant).collect();
        let record = Record { findings, ..self.record(request, schedule.noise, steps, largest_copy) };
        if let Some(keep) = keep {
            let (raster, varied) = keep.join(&drawn, reference);
            // What was kept is a copy, too.
            let largest_copy = Some(largest_copy.max(1.0 - varied));
            return Ok(Draft {
                raster,
                record: Record { varied_share: Some(varied), largest_copy, ..record },
            });
        }
        let (width, height) = (drawn.width(), drawn.height());
        let same = (width, height) == (reference.width(), reference.height());
        let alpha = reference.alpha().filter(|_| same).cloned();
        let raster = Raster::new(width, height, drawn.channels(), drawn.samples().clone(), alpha);
        Ok(Draft { raster, record })
    }

    fn record(&self, request: &Request, noise_level: f64, steps: u32, largest_copy: f64) -> Record {
        let record = Record::new(self.describe(), request, noise_level, steps);
        Record { largest_copy: Some(largest_copy), ..record }
    }
}

/// From the size at which a picture was drawn to the size that was asked for, by `sizes` where that is larger.
fn bring_to_size(
    mut picture: Image,
    scene: Scene,
    sizes: &[(usize, usize)],
    sources: &Sources,
    seed: u64,
    progress: &mut dyn Progress,
) -> Result<Image, GenerateError> {
    let (width, height) = scene.size;
    if sizes.is_empty() {
        return Ok(picture.resized(width, height));
    }
    progress.phase("magnifying");
    let stream = Stream::new(seed, "patch magnification");
    let pixels = |(w, h): (usize, usize)| (w * h) as f64;
    let ratio = (pixels(scene.size) / pixels(scene.drawn)).powf(0.5 / sizes.len() as f64).max(1.0);
    let magnifier = Magnifier::new(sources, ratio, stream.child(u64::MAX));
    for (i, size) in sizes.iter().enumerate() {
        picture = magnifier.magnify(&picture, *size, stream.child(i as u64));
        step(progress, effort::magnifying(picture.pixels()))?;
    }
    Ok(picture)
}

/// Reports progress, and stops if that is asked.
fn step(progress: &mut dyn Progress, steps: u64) -> Result<(), GenerateError> {
    progress.advance(steps);
    if progress.cancelled() { Err(GenerateError::Cancelled) } else { Ok(()) }
}
