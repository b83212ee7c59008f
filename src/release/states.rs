//! The states of the journey up to the judgement. Fields are private to it: a state is made by the step before.

use std::collections::BTreeSet;
use std::time::Duration;

use time::{OffsetDateTime, UtcOffset};

use super::error::ReleaseError;
use super::held::{self, Held};
use super::order::{Desk, Order, PromptTold, Step};
use super::origin::{Adoption, Asked, Origin, Picture, Source};
use super::overriding;
use super::past::Past;
use super::prepare::Reference;
use super::report::{Outcome, Timings, Trial};
use crate::digest::Digest;
use crate::disk;
use crate::generate::Request;
use crate::policy::{Case, Cleared, Other, Plan, Refusal};
use crate::progress::Progress;
use crate::quantity::Deviation;
use crate::raster::Raster;
use crate::settings::Settings;
use crate::watermark;

/// What stays the same from the first step to the last.
pub(super) struct Course<'a> {
    pub reference: &'a Reference,
    pub order: &'a Order,
    pub run_id: String,
    pub started: OffsetDateTime,
    pub past: Past,
    pub asked: Asked,
    plan: Plan,
    /// What is asked of others.
    pub settings: Settings,
    pub timings: Timings,
}

/// There is a picture: an engine made it, or it was brought.
pub(super) struct Drafted<'a> {
    course: Course<'a>,
    draft: Picture,
    pixels: Digest,
}

/// The picture was compared with its reference.
pub(super) struct Measured<'a> {
    drafted: Drafted<'a>,
    deviation: Deviation,
}

/// Its own reference lets the picture pass, and it was held against everything else on record.
pub(super) struct Compared<'a> {
    measured: Measured<'a>,
    held: Held,
    approvers: BTreeSet<[u8; 32]>,
}

/// The policy said yes to exactly these pixels.
pub(super) struct Approved<'a> {
    pub course: Course<'a>,
    pub draft: Picture,
    pub cleared: Cleared,
    pub held: Held,
    /// Those who approved the draft, where it needs that.
    pub approvers: BTreeSet<[u8; 32]>,
}

/// The policy said no.
pub(super) struct Rejected<'a> {
    pub course: Course<'a>,
    pub draft: Picture,
    pub pixels: Digest,
    pub deviation: Deviation,
    pub held: Option<Held>,
    pub refusal: Refusal,
}

impl<'a> Course<'a> {
    /// Looks at what can be known before any work is done.
    pub fn begin(desk: &Desk<'_>, reference: &'a Reference, order: &'a Order) -> Result<Self, ReleaseError> {
        let shape = |raster: &Raster| (raster.width(), raster.height());
        let (width, height) = match &order.source {
            Source::Engine(request) => {
                request.canvas.map_or_else(|| shape(reference.canvas()), |to| (to.width, to.height))
            }
            Source::Elsewhere(adoption) => shape(&adoption.raster),
        };
        if width.min(height) < watermark::MIN_SIDE {
            return Err(ReleaseError::TooSmall { width, height, limit: watermark::MIN_SIDE });
        }
        if order.telling.prompt == PromptTold::Withheld && desk.policy.limits().require_prompt {
            return Err(ReleaseError::PromptRequired);
        }
        if !order.dry_run {
            // It is replaced along with its picture, never alone.
            if order.overwrite
                && let Some(path) = order.beside()
                && path.symlink_metadata().is_ok()
                && order.out.symlink_metadata().is_err()
            {
                return Err(ReleaseError::OthersManifest { path });
            }
            for path in [Some(order.out.clone()), order.beside()].into_iter().flatten() {
                // A link counts as a file, wherever it leads.
                if !order.overwrite && path.symlink_metadata().is_ok() {
                    return Err(ReleaseError::OutputExists { path });
                }
                // What cannot be written is better known before it is recorded.
                disk::probe(&path).map_err(|source| ReleaseError::Unwritable { path, source })?;
            }
        }
        let settings = Settings::load(desk.workspace)?;
        let started = desk.host.now();
        let past = Past::of(reference, desk.catalog, desk.workspace)?;
        let asked = match &order.source {
            Source::Engine(request) => {
                Asked::Engine { engine: desk.engine.describe(), request: request.clone() }
            }
            Source::Elsewhere(adoption) => Asked::Elsewhere(adoption.declared.clone()),
        };
        let (strength, engine) = match &asked {
            Asked::Engine { engine, request } => (Some(request.strength), engine.name.to_owned()),
            Asked::Elsewhere(declared) => (declared.strength, declared.tool.clone()),
        };
        let plan = Plan {
            strength,
            engine,
            purpose: order.purpose.clone(),
            generation: past.generation,
            // Every format that is written takes it.
            xmp: true,
            time_stamp: settings.time_stamps.is_some(),
            today: started.to_offset(UtcOffset::UTC).date(),
        };
        let (run_id, timings) = (desk.new_id(started), Timings::default());
        Ok(Course { reference, order, run_id, started, past, asked, plan, settings, timings })
    }

    /// What is asked for, as far as policies judge it.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    pub fn generate(
        mut self,
        desk: &Desk<'_>,
        request: &Request,
        progress: &mut dyn Progress,
    ) -> Result<Drafted<'a>, ReleaseError> {
        let watch = Stopwatch::start(desk);
        let draft = desk.engine.generate(self.reference.canvas(), request, progress)?;
        self.timings.generate = watch.stop(desk);
        (desk.witness)(Step::Generated);
        Ok(self.drafted(draft.into()))
    }

    /// The draft is what a file shows that was made elsewhere.
    pub fn adopt(self, desk: &Desk<'_>, adoption: &Adoption) -> Drafted<'a> {
        let Adoption { raster, declared, .. } = adoption;
        (desk.witness)(Step::Generated);
        self.drafted(Picture { raster: raster.clone(), origin: Origin::Declared(declared.clone()) })
    }

    fn drafted(self, draft: Picture) -> Drafted<'a> {
        let pixels = draft.raster.digest();
        Drafted { course: self, draft, pixels }
    }
}

impl<'a> Drafted<'a> {
    pub fn measure(mut self, desk: &Desk<'_>) -> Result<Measured<'a>, ReleaseError> {
        let watch = Stopwatch::start(desk);
        let deviation = self.course.reference.measure(&self.draft.raster)?;
        self.course.timings.measure = watch.stop(desk);
        (desk.witness)(Step::Measured);
        Ok(Measured { drafted: self, deviation })
    }
}

impl<'a> Measured<'a> {
    /// What is too close to its own reference is held against nothing else: that would change nothing.
    pub fn compare(
        mut self,
        desk: &Desk<'_>,
    ) -> Result<Result<Compared<'a>, Box<Rejected<'a>>>, ReleaseError> {
        let approvers = self.drafted.course.approvers(desk, self.drafted.pixels)?;
        if let Err(refusal) = overriding::judge(desk, self.case(Vec::new()), &approvers) {
            (desk.witness)(Step::Judged);
            return Ok(Err(self.reject(refusal, None)));
        }
        let watch = Stopwatch::start(desk);
        let Drafted { course, draft, .. } = &mut self.drafted;
        let held = held::hold(desk, course.reference, &draft.raster, &[])?;
        course.timings.measure += watch.stop(desk);
        (desk.witness)(Step::Compared);
        Ok(Ok(Compared { measured: self, held, approvers }))
    }

    fn reject(self, refusal: Refusal, held: Option<Held>) -> Box<Rejected<'a>> {
        let Measured { drafted: Drafted { course, draft, pixels }, deviation } = self;
        Box::new(Rejected { course, draft, pixels, deviation, held, refusal })
    }

    fn case(&self, others: Vec<Other>) -> Case {
        let course = &self.drafted.course;
        Case {
            reference: course.reference.pixels,
            draft: self.drafted.pixels,
            plan: course.plan.clone(),
            deviation: self.deviation,
            largest_copy: self.drafted.draft.origin.largest_copy(),
            others,
        }
    }
}

impl<'a> Compared<'a> {
    pub fn judge(self, desk: &Desk<'_>) -> Result<Approved<'a>, Box<Rejected<'a>>> {
        let Compared { measured, held, approvers } = self;
        let judged = overriding::judge(desk, measured.case(held.others()), &approvers);
        (desk.witness)(Step::Judged);
        match judged {
            Ok(cleared) => {
                let Drafted { course, draft, .. } = measured.drafted;
                Ok(Approved { course, draft, cleared, held, approvers })
            }
            Err(refusal) => Err(measured.reject(refusal, Some(held))),
        }
    }
}

impl Approved<'_> {
    /// The end of a dry run.
    pub fn trial(self) -> Outcome {
        Outcome::Trial(Box::new(Trial {
            origin: self.draft.origin,
            deviation: *self.cleared.deviation(),
            held: self.held,
            timings: self.course.timings,
        }))
    }
}

/// Measures a stage by the host's clock.
pub(super) struct Stopwatch(Duration);

impl Stopwatch {
    pub fn start(desk: &Desk<'_>) -> Self {
        Stopwatch(desk.host.elapsed())
    }

    /// Milliseconds since the start.
    pub fn stop(self, desk: &Desk<'_>) -> f64 {
        desk.host.elapsed().saturating_sub(self.0).as_secs_f64() * 1000.0
    }
}
