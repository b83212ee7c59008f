//! Whoever follows a drawing from call to call of its model.

use std::cell::OnceCell;

use candle_core::Tensor;

use crate::generate::GenerateError;
use crate::progress::Progress;
use crate::raster::Raster;

use super::latents::{is_finite, numbers};
use super::projection::Projection;
use super::{failed, step};

/// Is told of every call and of every step, and may stop the drawing.
pub trait Follow {
    /// A window of a step was drawn.
    fn called(&mut self) -> Result<(), GenerateError>;

    /// A step ended in `latents`; `clean` are those that the model sees behind their noise.
    fn stepped(&mut self, latents: &Tensor, clean: &Tensor) -> Result<(), GenerateError>;
}

/// Glimpses of a picture, at most.
const GLIMPSES: u32 = 8;

/// Tells whoever waits, and shows what is seen so far.
pub struct Told<'a> {
    engine: &'static str,
    steps: u32,
    taken: u32,
    progress: &'a mut dyn Progress,
    known: Option<Known<'a>>,
}

/// Latents and their picture, from which a projection is learnt once somebody looks.
struct Known<'a> {
    latents: Vec<f32>,
    /// Columns and rows.
    size: [usize; 2],
    picture: &'a Raster,
    projection: OnceCell<Projection>,
}

impl<'a> Told<'a> {
    /// Of a drawing by so many `steps`. Without a picture whose latents are `known` there is nothing to see.
    pub fn new(
        engine: &'static str,
        steps: u32,
        known: Option<(&Tensor, &'a Raster)>,
        progress: &'a mut dyn Progress,
    ) -> candle_core::Result<Self> {
        let known = known.map(|(latents, picture)| {
            let (_, _, rows, columns) = latents.dims4()?;
            let (latents, size) = (numbers(latents)?, [columns, rows]);
            Ok::<_, candle_core::Error>(Known { latents, size, picture, projection: OnceCell::new() })
        });
        Ok(Told { engine, steps, taken: 0, progress, known: known.transpose()? })
    }

    /// Whether a glimpse is due: the last step's is the picture as it will be.
    fn is_due(&self) -> bool {
        let shown =
            |taken: u32| u64::from(taken) * u64::from(GLIMPSES.min(self.steps)) / u64::from(self.steps);
        shown(self.taken) > shown(self.taken - 1)
    }
}

impl Follow for Told<'_> {
    fn called(&mut self) -> Result<(), GenerateError> {
        step(self.progress, 1)
    }

    fn stepped(&mut self, latents: &Tensor, clean: &Tensor) -> Result<(), GenerateError> {
        self.taken += 1;
        let failed = failed(self.engine, "draw the picture");
        if !is_finite(latents).map_err(&failed)? {
            return Err(GenerateError::NotFinite { engine: self.engine, step: self.taken });
        }
        if let Some(known) = &self.known
            && self.is_due()
        {
            let clean = numbers(clean).map_err(&failed)?;
            let learnt = || Projection::of(&known.latents, known.size, known.picture);
            self.progress.glimpse(&|| known.projection.get_or_init(learnt).picture(&clean));
        }
        Ok(())
    }
}
