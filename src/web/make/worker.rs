//! The thread that makes what was asked for, one job after another.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use super::jobs::{Asked, Job, Made, Phase};
use crate::catalog::Catalog;
use crate::generate::{self, Description, Engine, GenerateError, Request};
use crate::host::Host;
use crate::keys::Keys;
use crate::label::Visible;
use crate::policies::Shelf;
use crate::policy::against;
use crate::progress::Progress;
use crate::quantity::Seed;
use crate::raster::{Plane, Raster};
use crate::release::{
    self, ATTEMPTS, Aim, Desk, Order, Outcome, Past, Reference, ReleaseError, Seeds, Source, Telling, Tried,
};
use crate::web::site::Site;

/// Sentences that a job keeps of what was said on the way.
const TOLD: usize = 60;

/// An engine that is ready, kept for the next job that wants it.
type Ready = Option<(String, Box<dyn Engine>)>;

/// Works until the site is stopped.
pub fn work(site: &Site) {
    let mut ready: Ready = None;
    while let Some(job) = site.jobs.next() {
        let began = site.host.elapsed();
        // A fault in one picture must not end the work on others.
        let ended = catch_unwind(AssertUnwindSafe(|| run(site, &job, began, &mut ready)));
        let overdue = site.host.elapsed().saturating_sub(began) > site.bounds.job;
        let phase = match ended {
            Ok(Ok(())) => Phase::Done,
            Ok(Err(Stop::Cancelled)) if overdue && !job.is_cancelled() => {
                Phase::Failed(format!("it took longer than {} minutes", site.bounds.job.as_secs() / 60))
            }
            Ok(Err(Stop::Cancelled)) => Phase::Cancelled,
            Ok(Err(Stop::Failed(why))) => Phase::Failed(why),
            Err(_) => {
                ready = None;
                Phase::Failed("the program failed on this picture; nothing was released".to_owned())
            }
        };
        job.change(|view| {
            view.glimpse = None;
            view.phase = phase;
        });
    }
}

/// Why a job did not come to its end.
enum Stop {
    Cancelled,
    Failed(String),
}

impl From<ReleaseError> for Stop {
    fn from(error: ReleaseError) -> Self {
        match error {
            ReleaseError::Generate(GenerateError::Cancelled) => Stop::Cancelled,
            other => Stop::Failed(other.to_string()),
        }
    }
}

fn failed(error: impl std::fmt::Display) -> Stop {
    Stop::Failed(error.to_string())
}

fn run(site: &Site, job: &Job, began: Duration, ready: &mut Ready) -> Result<(), Stop> {
    let wish = &job.wish;
    let workspace = site.workspace().map_err(failed)?;
    let files = job.files().ok_or_else(|| failed("the reference is gone; send it again"))?;
    let engine = open(site, &wish.engine, ready)?;
    let secret = || site.secret.clone().ok_or_else(|| "the server was given none".to_owned());
    let keys = Keys::open(workspace, site.host.now(), &secret).map_err(failed)?;
    let mut catalog = Catalog::open(&workspace.database()).map_err(failed)?;
    let limits = &site.bounds.upload;
    let reference = Reference::prepare(job.title.clone(), files.reference.clone(), limits, keys.anchors());
    let mask = files.mask.as_deref().map(|mask| generate::mask(mask, limits)).transpose();
    let mask = mask.map_err(failed)?;
    // A mask is as large as the file's own picture.
    let reference = match mask {
        Some(_) => reference,
        None => reference.and_then(Reference::enlarge),
    };
    let (reference, mask) = (reference.map_err(failed)?, mask.map(Arc::new));
    // What was said of it once, or of what it was made from, still counts.
    let said = Past::of(&reference, &catalog, workspace).map_err(failed)?.said;
    let shelf = Shelf::of(Some(workspace)).map_err(failed)?;
    let policy = shelf.select(&wish.policy, &said.and(wish.stated.clone())).map_err(failed)?;
    let limits = policy.limits();
    job.change(|view| {
        view.asked = Some(Asked {
            policies: policy.name(),
            deviation: limits.min_deviation,
            composition: limits.min_composition,
        });
    });
    // The store has what is released; this is only where the journey ends.
    let folder = tempfile::tempdir().map_err(failed)?;
    let host: &dyn Host = site.host.as_ref();
    let mut seeds = Seeds::new(wish.seed, host);
    let engine_is = engine.describe();
    let mut follower = Follower { site, job, began, engine: engine_is, source: &reference, mask };
    for number in 0..wish.count {
        let attempts = if wish.seed.is_some() { 1 } else { ATTEMPTS };
        let draw = |seed: Seed| {
            let out = folder.path().join(format!("{number}-{seed}.{}", wish.format.extension()));
            let mut desk = Desk {
                host,
                workspace,
                keys: &keys,
                catalog: &mut catalog,
                policy: &policy,
                engine,
                witness: &|_| {},
            };
            let order = |request| Order {
                source: Source::Engine(request),
                purpose: wish.purpose.clone(),
                stated: wish.stated.clone(),
                overriding: None,
                encoding: wish.format.into(),
                sidecar: false,
                out: out.clone(),
                overwrite: false,
                telling: Telling::default(),
                visible: Visible::default(),
                dry_run: false,
            };
            let made = follower.one(&mut desk, seed, order);
            job.change(|view| view.glimpse = None);
            made
        };
        let made = seeds.until(attempts, draw, |seed, made| match &made.outcome {
            Outcome::Refused(refused) if refused.may_be_chance(&policy) => {
                say(job, format!("Seed {seed} refused: {}. Trying the next seed.", refused.refusal));
                true
            }
            _ => false,
        })?;
        job.change(|view| view.made.push(made));
    }
    Ok(())
}

fn open<'a>(site: &Site, name: &str, ready: &'a mut Ready) -> Result<&'a dyn Engine, Stop> {
    if ready.as_ref().is_none_or(|(known, _)| known != name) {
        // Two models at a time may be more than fits.
        *ready = None;
        *ready = Some((name.to_owned(), (site.engines.open)(name).map_err(Stop::Failed)?));
    }
    ready.as_ref().map(|(_, engine)| engine.as_ref()).ok_or_else(|| failed("the engine is gone"))
}

/// Tells whoever looks at a job how it stands, and the job when to stop.
struct Follower<'a> {
    site: &'a Site,
    job: &'a Job,
    began: Duration,
    engine: Description,
    source: &'a Reference,
    mask: Option<Arc<Plane>>,
}

impl Follower<'_> {
    /// One journey, or the search for its strength and then the journey.
    fn one(
        &mut self,
        desk: &mut Desk<'_>,
        seed: Seed,
        order: impl Fn(Request) -> Order,
    ) -> Result<Made, Stop> {
        let request = Request { mask: self.mask.clone(), ..self.job.wish.request(seed) };
        match self.job.wish.aim {
            Aim::At(_) => {
                let outcome = release::release(desk, self.source, &order(request), self)?;
                Ok(Made { outcome, tried: Vec::new() })
            }
            Aim::Auto => {
                let (job, least) = (self.job, desk.policy.limits().min_deviation);
                let mut told = |one: &Tried| {
                    let (strength, outcome) = (one.strength, one.outcome());
                    let deviation = against(one.deviation, least);
                    say(job, format!("Strength {strength}: deviation {deviation}, {outcome}."));
                };
                let sought = release::seek(desk, self.source, &request, self, &mut told)?;
                let engine = sought.remembered(desk.engine);
                let mut desk = Desk { engine: &engine, catalog: &mut *desk.catalog, ..*desk };
                let request = Request { strength: sought.strength, ..request };
                let outcome = release::release(&mut desk, self.source, &order(request), self)?;
                Ok(Made { outcome, tried: sought.tried.clone() })
            }
        }
    }
}

fn say(job: &Job, sentence: String) {
    job.change(|view| {
        if view.told.len() == TOLD {
            view.told.remove(0);
        }
        view.told.push(sentence);
    });
}

impl Progress for Follower<'_> {
    fn stage(&mut self, name: &str, total: u64) {
        self.job.change(|view| {
            view.stage = name.to_owned();
            view.now.clear();
            (view.done, view.total) = (0, total);
        });
    }

    fn phase(&mut self, name: &str) {
        self.job.change(|view| view.now = name.to_owned());
    }

    fn glimpse(&mut self, picture: &dyn Fn() -> Raster) {
        // One that cannot be drawn is only missed.
        if let Ok(png) =
            release::glimpse(&picture(), &self.engine, Some(self.source.sha256), self.mask.is_some())
        {
            self.job.change(|view| {
                view.glimpse = Some(Arc::new(png));
                view.glimpses += 1;
            });
        }
    }

    fn advance(&mut self, steps: u64) {
        self.job.change(|view| view.done = (view.done + steps).min(view.total));
    }

    fn cancelled(&self) -> bool {
        self.job.is_cancelled() || self.site.host.elapsed().saturating_sub(self.began) > self.site.bounds.job
    }
}
