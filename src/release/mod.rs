//! The journey of a variation:
//!
//! ```text
//! bytes ─prepare→ Reference ─generate→ Drafted ─measure→ Measured ─compare→ Compared ─judge→ Approved
//!       ─embed→ Marked ─sign→ Signed ─record→ Recorded ─publish→ Released
//! ```
//!
//! What was made elsewhere is brought to the same road: its draft is adopted from a file instead of generated.
//!
//! One type per state, each consumed by the step that leaves it: what was not cleared cannot be marked,
//! and what was not marked cannot be signed, since it does not compile.

mod error;
mod glimpse;
mod held;
mod labels;
mod marking;
mod order;
mod origin;
mod overriding;
mod past;
mod prepare;
mod proof;
mod recording;
mod report;
mod seeds;
mod seek;
mod states;

pub use error::ReleaseError;
pub use glimpse::{glimpse, reduced, thumbnail};
pub use held::{Compared, Held};
pub use order::{Desk, Order, PromptTold, Step, Telling};
pub use origin::{Adoption, Asked, Declared, NoEngine, Origin, Source, UNSTATED};
pub use past::Past;
pub use prepare::{PrepareError, Reference};
pub use proof::MARK_PSNR_DB;
pub use report::{Outcome, Refused, Released, Stamped, Timings, Trial};
pub use seeds::{ATTEMPTS, Seeds};
pub use seek::{Aim, MARGIN, Sought, Tried, seek};

use crate::generate::GenerateError;
use crate::progress::Progress;
use states::{Course, Drafted};

/// Makes one variation of `reference` as `order` asks, or says why the policy refused it.
///
/// If the file at `order.out` is there afterwards, it is marked, signed and recorded. A refusal leaves a
/// log entry and nothing else, but for the quarantine where the policy wants it.
///
/// # Errors
/// When something could not be done, or `progress` asks to stop; then nothing is released. What is recorded is published
/// all the same.
pub fn release(
    desk: &mut Desk<'_>,
    reference: &Reference,
    order: &Order,
    progress: &mut dyn Progress,
) -> Result<Outcome, ReleaseError> {
    let course = Course::begin(desk, reference, order)?;
    course.may_override(desk)?;
    if let Err(refusal) = desk.policy.admit(course.plan()) {
        return course.refuse_request(desk, refusal);
    }
    let drafted: Drafted<'_> = match &order.source {
        Source::Engine(request) => course.generate(desk, request, progress)?,
        Source::Elsewhere(adoption) => course.adopt(desk, adoption),
    };
    let compared = match drafted.measure(desk)?.compare(desk)? {
        Ok(compared) => compared,
        Err(rejected) => return rejected.refuse(desk),
    };
    let approved = match compared.judge(desk) {
        Ok(approved) => approved,
        Err(rejected) => return rejected.refuse(desk),
    };
    if order.dry_run {
        return Ok(approved.trial());
    }
    still_wanted(progress)?;
    let marked = match approved.embed(desk)? {
        Ok(marked) => marked,
        Err(rejected) => return rejected.refuse(desk),
    };
    let signed = marked.sign(desk)?;
    still_wanted(progress)?;
    match signed.record(desk)? {
        Ok(recorded) => recorded.publish(desk),
        Err(rejected) => rejected.refuse(desk),
    }
}

fn still_wanted(progress: &dyn Progress) -> Result<(), GenerateError> {
    if progress.cancelled() { Err(GenerateError::Cancelled) } else { Ok(()) }
}
