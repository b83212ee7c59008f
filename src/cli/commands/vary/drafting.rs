//! One variation, by as many drafts as it takes.

use std::path::Path;
use std::sync::Arc;

use super::page::Page;
use super::target::Target;
use crate::cli::args::{self, Vary};
use crate::cli::commands::same_file;
use crate::cli::error::Failure;
use crate::cli::interrupt::Interrupt;
use crate::cli::preview::Preview;
use crate::cli::progress::Bar;
use crate::generate::{self, Canvas, GenerateError, Orientation, Request};
use crate::policy::Subject;
use crate::quantity::{Seed, Strength};
use crate::raster::Plane;
use crate::release::{
    self, ATTEMPTS, Aim, Desk, Order, Outcome, Reference, ReleaseError, Seeds, Sought, Source, Tried,
};

/// What all variations of a command have in common.
pub struct Drafting<'a> {
    pub args: &'a Vary,
    pub stated: &'a Subject,
    pub target: &'a Target,
    pub mask: Option<&'a Arc<Plane>>,
    pub interrupt: &'a Interrupt,
}

/// How a variation ended, and the drafts that its strength was sought by.
pub struct Ended {
    pub outcome: Outcome,
    pub tried: Vec<Tried>,
}

impl Drafting<'_> {
    /// One variation: drafts with one seed after another until the policy clears one or the attempts are used up. `None` if
    /// the user interrupted it.
    pub fn one(
        &self,
        desk: &mut Desk<'_>,
        page: &Page<'_>,
        seeds: &mut Seeds,
    ) -> Result<Option<Ended>, Failure> {
        let args = self.args;
        let attempts = args.attempts.unwrap_or(if args.seed.is_some() { 1 } else { ATTEMPTS });
        let draw = |seed| -> Result<Ended, Stop> {
            if self.interrupt.is_asked() {
                return Err(ReleaseError::Generate(GenerateError::Cancelled).into());
            }
            match args.strength {
                Aim::At(strength) => {
                    let outcome = self.released(desk, page, self.request(page.reference, strength, seed))?;
                    Ok(Ended { outcome, tried: Vec::new() })
                }
                Aim::Auto => self.sought(desk, page, seed),
            }
        };
        let ended = seeds.until(attempts, draw, |seed, ended| match &ended.outcome {
            Outcome::Refused(refused) if refused.may_be_chance(page.policy) => {
                page.terminal
                    .talk(&format!("seed {seed} refused: {}; trying the next seed", refused.refusal));
                true
            }
            _ => false,
        });
        match ended {
            Ok(ended) => Ok(Some(ended)),
            Err(Stop::Release(ReleaseError::Generate(GenerateError::Cancelled))) => Ok(None),
            Err(Stop::Release(error)) => Err(explain(args, page.path, &error)),
            Err(Stop::Failure(failure)) => Err(failure),
        }
    }

    /// With the least strength that its policy clears.
    fn sought(&self, desk: &mut Desk<'_>, page: &Page<'_>, seed: Seed) -> Result<Ended, Stop> {
        let file = self.target.file();
        if let Some(path) = file.filter(|path| !self.args.force && path.symlink_metadata().is_ok()) {
            // Known before anything is drawn.
            return Err(ReleaseError::OutputExists { path: path.to_owned() }.into());
        }
        // Its own strength counts for nothing.
        let request = self.request(page.reference, Strength::ONE, seed);
        let mut bar = Bar::new(page.terminal, Some(self.interrupt));
        let handle = bar.handle();
        let mut told = |one: &Tried| handle.suspend(|| page.terminal.talk(&page.tried(one)));
        let sought = release::seek(desk, page.reference, &request, &mut bar, &mut told);
        bar.clear();
        let sought: Sought = sought?;
        let engine = sought.remembered(desk.engine);
        let mut desk = Desk { engine: &engine, catalog: &mut *desk.catalog, ..*desk };
        let outcome = self.released(&mut desk, page, Request { strength: sought.strength, ..request })?;
        drop(engine);
        Ok(Ended { outcome, tried: sought.tried })
    }

    /// One journey.
    fn released(&self, desk: &mut Desk<'_>, page: &Page<'_>, request: Request) -> Result<Outcome, Stop> {
        let Drafting { args, target, interrupt, .. } = *self;
        let order = Order {
            purpose: args.purpose.clone(),
            stated: self.stated.clone(),
            overriding: args.overriding.clone(),
            encoding: target.encoding,
            sidecar: args.writing.sidecar,
            out: target.path(page.path, request.strength, request.seed),
            overwrite: args.force,
            telling: args.telling.telling(),
            visible: args.visible.visible(),
            dry_run: args.dry_run,
            source: Source::Engine(request),
        };
        if same_file(&order.out, page.path) {
            let failure = Failure::at(order.out.display(), "the output would overwrite its own reference");
            return Err(failure.advise("choose another --out").into());
        }
        let mut bar = Bar::new(page.terminal, Some(interrupt));
        bar.preview = args
            .preview
            .as_deref()
            .map(|folder| Preview::new(folder, &order, desk.engine.describe(), page.reference, page.path));
        let ended = release::release(desk, page.reference, &order, &mut bar);
        bar.clear();
        let released = matches!(ended, Ok(Outcome::Released(_)));
        let remark = bar.preview.take().and_then(|preview| preview.end(released));
        remark.into_iter().for_each(|remark| page.terminal.talk(&remark));
        Ok(ended?)
    }

    fn request(&self, reference: &Reference, strength: Strength, seed: Seed) -> Request {
        let args = self.args;
        Request {
            strength,
            seed,
            canvas: canvas(args, reference),
            mask: self.mask.cloned(),
            orientation: match args.orientation {
                args::Orientation::Auto => Orientation::Auto,
                args::Orientation::Upright => Orientation::Upright,
                args::Orientation::Any => Orientation::Any,
            },
            prompt: generate::prompt(args.subject.as_deref(), args.prompt.as_deref()),
        }
    }
}

/// Why a variation was not made.
enum Stop {
    Release(ReleaseError),
    Failure(Failure),
}

impl From<ReleaseError> for Stop {
    fn from(error: ReleaseError) -> Self {
        Stop::Release(error)
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Stop::Failure(failure)
    }
}

/// The size that was asked for.
fn canvas(args: &Vary, reference: &Reference) -> Option<Canvas> {
    let (width, height) = (reference.canvas().width(), reference.canvas().height());
    let scaled = args.scale.map(|scale| (width.saturating_mul(scale), height.saturating_mul(scale)));
    let (width, height) = args.size.or(scaled)?;
    Some(Canvas { width, height, stretch: args.stretch })
}

fn explain(args: &Vary, path: &Path, error: &ReleaseError) -> Failure {
    let failure = Failure::at(path.display(), error);
    match error {
        ReleaseError::OutputExists { .. } => Failure::new(error).advise("use --force to overwrite it"),
        ReleaseError::Catalog(_) => {
            Failure::new(error).advise("nothing was released; 'vidimus audit' looks into it")
        }
        ReleaseError::TooSmall { .. } if args.size.is_some() => failure.advise("ask for a larger --size"),
        ReleaseError::TooSmall { .. } if args.mask.is_some() => {
            failure.advise("enlarge reference and mask first")
        }
        ReleaseError::TooSmall { .. } => failure.advise("try --enlarge"),
        ReleaseError::Unmarkable { .. } => {
            failure.advise("enlarge the reference, raise --quality, or try another seed or strength")
        }
        ReleaseError::Publish { .. } => Failure::new(error).advise("the picture is safe in catalog/objects"),
        _ => failure,
    }
}
