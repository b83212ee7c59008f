//! The embedded engine: analytic patch diffusion, without weights.
//!
//! A diffusion sampler whose denoiser is the closed-form posterior over the patches of the reference
//! itself, each patch's own place left out (Kamb & Ganguli 2024), coarse to fine. At small noise the
//! posterior is the nearest patch, found by PatchMatch (Barnes et al. 2009; Granot et al. 2022).

mod colour;
mod copies;
mod corpus;
mod dense;
mod exact;
mod features;
mod finish;
mod gate;
mod image;
mod layout;
mod pca;
mod pyramid;
mod refine;
mod schedule;
mod search;
mod sources;
mod vote;

use rayon::prelude::*;

use crate::progress::Progress;
use crate::raster::Raster;

use super::{Description, Draft, Engine, GenerateError, Record, Request};
use colour::Colour;
use copies::Regions;
use pyramid::Pyramid;
use refine::{Context, Drawing};
use schedule::Schedule;
use sources::Sources;

const NAME: &str = "patch";
/// Shortest side that can be drawn, in pixels.
const LEAST_SIDE: u32 = 32;

/// Draws from the patches of the reference alone. Cannot read prompts.
#[derive(Clone, Copy, Debug, Default)]
pub struct PatchEngine;

impl Engine for PatchEngine {
    fn describe(&self) -> Description {
        Description { name: NAME, version: "1", model_digest: None, reads_prompt: false }
    }

    fn generate(
        &self,
        reference: &Raster,
        request: &Request,
        progress: &mut dyn Progress,
    ) -> Result<Draft, GenerateError> {
        let (width, height) = (reference.width(), reference.height());
        if width.min(height) < LEAST_SIDE {
            return Err(GenerateError::TooSmall { engine: NAME, width, height, limit: LEAST_SIDE });
        }
        if request.strength.value() == 0.0 {
            let record = self.record(request, 0.0, 0, 1.0);
            return Ok(Draft { raster: reference.clone(), record });
        }
        self.draw(reference, request, progress)
    }
}

impl PatchEngine {
    fn draw(
        &self,
        reference: &Raster,
        request: &Request,
        progress: &mut dyn Progress,
    ) -> Result<Draft, GenerateError> {
        let seed = request.seed.0;
        let (colour, image) = Colour::of(reference);
        let pyramid = Pyramid::new(image.width, image.height);
        let schedule = Schedule::new(request.strength, &pyramid);

        let copies = corpus::copies(image.pixels());
        progress.stage("gathering patches", copies as u64);
        let corpus: Vec<corpus::Copy> =
            (0..copies).into_par_iter().map(|k| corpus::copy(&image, k, schedule.clock, seed)).collect();
        step(progress, copies as u64)?;

        let at = |level: usize| {
            let (width, height) = pyramid.size(level);
            Sources::new(&corpus, width, height)
        };
        let layout = layout::draw(&at(schedule.start), &pyramid, &schedule, seed, progress)?;
        let levels = (0..=schedule.start).rev();
        progress.stage(
            "refining the picture",
            levels.clone().map(|l| refine::work(&pyramid, l, l == schedule.start)).sum(),
        );
        let mut steps = layout.steps;
        let context = Context { pyramid: &pyramid, schedule: &schedule, seed };
        let mut drawing = Drawing { image: layout.image.clone(), field: None, tone: None };
        let mut layout = Some(layout);
        for level in levels {
            let (sources, layout) = (at(level), layout.take());
            steps += refine::steps(level) as u32;
            match level {
                0 => refine::refine::<16>(&context, &sources, level, layout, &mut drawing, progress)?,
                _ => refine::refine::<24>(&context, &sources, level, layout, &mut drawing, progress)?,
            }
        }
        let largest_copy = drawing.field.as_ref().map_or(0.0, |f| Regions::of(f).largest_share());
        finish::finish(&mut drawing.image, &image);
        let drawn = Raster::from_planes(&colour.inverse(&drawing.image), reference.depth());
        let raster = Raster::new(
            drawn.width(),
            drawn.height(),
            drawn.channels(),
            drawn.samples().clone(),
            reference.alpha().cloned(),
        );
        Ok(Draft { raster, record: self.record(request, schedule.noise, steps, largest_copy) })
    }

    fn record(&self, request: &Request, noise_level: f64, steps: u32, largest_copy: f64) -> Record {
        Record {
            engine: self.describe(),
            strength: request.strength,
            seed: request.seed,
            noise_level,
            steps,
            prompt: request.prompt.clone(),
            prompt_used: false,
            largest_copy: Some(largest_copy),
        }
    }
}

/// Reports progress, and stops if that is asked.
fn step(progress: &mut dyn Progress, steps: u64) -> Result<(), GenerateError> {
    progress.advance(steps);
    if progress.cancelled() { Err(GenerateError::Cancelled) } else { Ok(()) }
}
