//! One reference, many strengths, seeds and engines: what each of them makes, side by side.
//!
//! Every picture goes the whole journey of a release; a sweep shows what came of it.

mod criteria;
mod curve;
mod report;
mod sheet;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Mutex;

pub use criteria::{Criteria, criteria};
pub use report::{SHOWN, Sweep, html};
pub use sheet::sheet;

use crate::digest::Digest;
use crate::generate::{Description, Draft, Engine, GenerateError, Request};
use crate::progress::Progress;
use crate::quality::Quality;
use crate::quantity::{Deviation, Seed, Strength};
use crate::raster::Raster;
use crate::release::{self, Desk, Order, Outcome, Reference, ReleaseError};

/// One picture of a sweep.
#[derive(Clone, Debug)]
pub struct Cell {
    pub engine: Description,
    pub strength: Strength,
    pub seed: Seed,
    pub end: End,
    pub deviation: Option<Deviation>,
    pub quality: Option<Quality>,
    /// What drawing it took; `None` where nothing was drawn.
    pub seconds: Option<f64>,
    /// What the machine's processors took meanwhile, where they count it.
    pub joules: Option<f64>,
    /// The draft made small, for comparing it with others; not for showing.
    pub small: Option<Raster>,
    /// What may be shown of it: of a released picture its marked pixels, made small; of a refused one nothing, or as much
    /// as of a picture on its way.
    pub shown: Option<Raster>,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq)]
pub enum End {
    Released {
        output: PathBuf,
        sha256: Digest,
        asset: String,
    },
    /// By the policy, and why.
    Refused(String),
    /// It could not be made, and why.
    Failed(String),
}

/// One journey, and the draft that it was about, if there was one.
///
/// # Errors
/// Those of [`release::release`].
pub fn draw(
    desk: &mut Desk<'_>,
    reference: &Reference,
    order: &Order,
    progress: &mut dyn Progress,
) -> Result<(Outcome, Option<Raster>), ReleaseError> {
    let watched = Watched { engine: desk.engine, last: Mutex::new(None) };
    let mut desk = Desk { engine: &watched, catalog: &mut *desk.catalog, ..*desk };
    let outcome = release::release(&mut desk, reference, order, progress)?;
    let drawn = watched.last.lock().map(|mut last| last.take()).unwrap_or_default();
    Ok((outcome, drawn))
}

/// An engine that remembers what it drew last.
struct Watched<'a> {
    engine: &'a dyn Engine,
    last: Mutex<Option<Raster>>,
}

impl Engine for Watched<'_> {
    fn describe(&self) -> Description {
        self.engine.describe()
    }

    fn generate(
        &self,
        reference: &Raster,
        request: &Request,
        progress: &mut dyn Progress,
    ) -> Result<Draft, GenerateError> {
        let draft = self.engine.generate(reference, request, progress)?;
        if let Ok(mut last) = self.last.lock() {
            *last = Some(draft.raster.clone());
        }
        Ok(draft)
    }
}
