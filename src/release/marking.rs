//! The two marks, each read back before the journey goes on.

use std::collections::{BTreeMap, BTreeSet};

use super::error::ReleaseError;
use super::glimpse;
use super::held::Held;
use super::labels::{self, Drawn};
use super::order::{Desk, PromptTold, Step};
use super::origin::{Declared, Origin, Picture, Source};
use super::overriding;
use super::proof::{self, Proof};
use super::states::{Approved, Course, Rejected, Stopwatch};
use crate::deviation;
use crate::digest::Digest;
use crate::generate::{AppliedLora, Record};
use crate::iscc::ImageCode;
use crate::label;
use crate::manifest::{
    self, Reading, ReferenceAsset, SignedAsset, Software, Statement, TimeStamps, VisibleLabel,
};
use crate::metadata;
use crate::policy::{Case, Cleared, Mark, OnViolation, Policy, Refusal};
use crate::quantity::{Deviation, Psnr};
use crate::raster::{self, Format, Limits, Raster};
use crate::settings::OnFailure;
use crate::watermark::{self, Kind, Level, Payload};

/// JPEG quality of the reference's small picture.
const THUMBNAIL_QUALITY: u8 = 80;

/// The pixels carry their watermark; the file is encoded and not yet signed.
pub(super) struct Marked<'a> {
    pub course: Course<'a>,
    pub draft: Picture,
    pub cleared: Cleared,
    pub held: Held,
    pub payload: Payload,
    pub level: Level,
    pub psnr_db: f64,
    /// What is drawn on it for people to see.
    seen: Option<VisibleLabel>,
    /// The encoded file without manifest.
    file: Vec<u8>,
    /// Its pixels, decoded again.
    pub raster: Raster,
}

/// The file carries its manifest.
pub(super) struct Signed<'a> {
    pub course: Course<'a>,
    pub draft: Picture,
    pub cleared: Cleared,
    pub held: Held,
    pub payload: Payload,
    pub level: Level,
    pub psnr_db: f64,
    pub raster: Raster,
    /// What else a policy can require, as it is in it.
    pub carried: BTreeMap<Mark, String>,
    pub asset_id: String,
    pub signed: SignedAsset,
    pub sha256: Digest,
}

impl<'a> Approved<'a> {
    /// Marks the pixels, encodes them, and reads the mark back from what was encoded and from copies of it.
    ///
    /// The deviation of the final pixels has to clear the policy again; if it does not, that is a refusal.
    pub fn embed(mut self, desk: &Desk<'_>) -> Result<Result<Marked<'a>, Box<Rejected<'a>>>, ReleaseError> {
        let draft_pixels = self.draft.raster.digest();
        assert_eq!(draft_pixels, self.cleared.draft(), "these are the pixels that were cleared");
        let watch = Stopwatch::start(desk);
        let payload = free_payload(desk, &self)?;
        let drawn = labels::draw(desk, &self.course, &self.draft.raster, &self.draft.origin);
        let picture = drawn.as_ref().map_or(&self.draft.raster, |drawn| &drawn.labelled.raster);
        let proof = proof::prove(picture, &payload, self.course.order.encoding, desk)?;
        self.course.timings.embed = watch.stop(desk);
        if let Some(contrast) = drawn.as_ref().map(|drawn| drawn.labelled.contrast(&proof.raster))
            && contrast < label::CONTRAST
        {
            let fault = format!(
                "its visible label has a contrast of {contrast:.1}, at least {} needed",
                label::CONTRAST
            );
            return Err(ReleaseError::Unfaithful { fault });
        }

        // What is drawn for people to see hides what is there and is new: it gains nothing. So the finished picture is
        // judged without it, too.
        let uncover = |drawn: &Drawn| drawn.labelled.uncovered(&proof.raster, &self.draft.raster);
        let uncovered = drawn.as_ref().map(uncover);
        for finished in std::iter::once(&proof.raster).chain(&uncovered) {
            if let Err((deviation, refusal)) = self.judge_again(finished, desk)? {
                let Approved { course, draft, held, .. } = self;
                let (pixels, held) = (draft_pixels, Some(held));
                // The draft itself was let pass: there is nothing in it to approve.
                let refusal = Refusal { action: refusal.action.max(OnViolation::Quarantine), ..refusal };
                let rejected = Rejected { course, draft, pixels, deviation, held, refusal };
                return Ok(Err(Box::new(rejected)));
            }
        }
        (desk.witness)(Step::Embedded);
        let Approved { course, draft, cleared, held, .. } = self;
        let Proof { level, psnr_db, file, raster } = proof;
        let (psnr_db, seen) = (stated(psnr_db), drawn.map(|drawn| drawn.told()));
        Ok(Ok(Marked { course, draft, cleared, held, payload, level, psnr_db, seen, file, raster }))
    }

    /// Holds a finished picture against its reference, and against all that the draft was held against.
    fn judge_again(
        &mut self,
        finished: &Raster,
        desk: &Desk<'_>,
    ) -> Result<Result<(), (Deviation, Refusal)>, ReleaseError> {
        let watch = Stopwatch::start(desk);
        let deviation = self.course.reference.measure(finished)?;
        let case = Case {
            reference: self.course.reference.pixels,
            draft: finished.digest(),
            plan: self.cleared.plan().clone(),
            deviation,
            largest_copy: self.draft.origin.largest_copy(),
            others: self.held.others_of(finished, desk),
        };
        self.course.timings.measure += watch.stop(desk);
        // Only what was approved as a draft may be below a limit when it is marked.
        let nobody = BTreeSet::new();
        let approvers = if self.cleared.lifted().is_empty() { &nobody } else { &self.approvers };
        Ok(overriding::judge(desk, case, approvers).map(drop).map_err(|refusal| (deviation, refusal)))
    }
}

impl<'a> Marked<'a> {
    /// Writes the unsigned label, signs, and reads back: manifest, facts and pixels.
    pub fn sign(mut self, desk: &Desk<'_>) -> Result<Signed<'a>, ReleaseError> {
        let watch = Stopwatch::start(desk);
        let order = self.course.order;
        let reference = self.course.reference;
        let asset_id = desk.new_id(desk.host.now());
        let format = order.encoding.format();
        let label = labels::full_label(desk, &self.course, &self.draft.origin, &asset_id);
        let file = metadata::write(&self.file, format, &label)?;
        let watermark = manifest::WatermarkReference {
            algorithm: self.level.algorithm().to_owned(),
            payload_id: self.payload.id(),
            level: self.level.name().to_owned(),
            psnr_db: Psnr(self.psnr_db),
        };
        let origin = &self.draft.origin;
        let mut statement =
            statement(desk, &self.course, origin, &self.cleared, &asset_id, &self.raster, watermark);
        statement.derivation.visible_label = self.seen.clone();
        statement.derivation.prompt_withheld = label.prompt_withheld;
        statement.annotations = annotations(&self.course, &label)?;
        let mime = format.mime();
        let asked = self.course.settings.time_stamps.as_ref();
        let way = asked.map(|asked| (asked.ask(), asked.on_failure == OnFailure::Refuse));
        let required = desk.policy.limits().require_time_stamp;
        let credential = desk.keys.credential(way.as_ref().map(|(ask, always)| TimeStamps {
            ask,
            required: required || *always,
            now: desk.host.now(),
        }));
        let ingredient = ReferenceAsset {
            bytes: &reference.bytes,
            mime: reference.mime,
            title: &reference.public_title(),
            store: reference.store.as_deref(),
        };
        let place = if order.sidecar { manifest::Place::Beside } else { manifest::Place::Within };
        let signed = match &order.source {
            Source::Engine(_) => manifest::sign_at(place, &file, mime, &statement, &ingredient, &credential)?,
            Source::Elsewhere(adoption) => {
                let title = format!("picture made elsewhere {}", adoption.declared.image_sha256.short(16));
                let opened = ReferenceAsset {
                    bytes: &adoption.bytes,
                    mime: adoption.mime,
                    title: &title,
                    store: None,
                };
                manifest::sign_adopted(place, &file, mime, &statement, &ingredient, &opened, &credential)?
            }
        };
        read_back(&signed, &statement, &label, &self.raster)?;
        if required {
            trusted_time(&signed.reading)?;
        }
        let carried = labels::carried(&label, self.seen.as_ref());
        self.course.timings.sign = watch.stop(desk);
        (desk.witness)(Step::Signed);
        Ok(Signed {
            sha256: Digest::of(&signed.bytes),
            course: self.course,
            draft: self.draft,
            cleared: self.cleared,
            held: self.held,
            payload: self.payload,
            level: self.level,
            psnr_db: self.psnr_db,
            raster: self.raster,
            carried,
            asset_id,
            signed,
        })
    }
}

/// A payload whose id no other release has.
fn free_payload(desk: &Desk<'_>, approved: &Approved<'_>) -> Result<Payload, ReleaseError> {
    let source = approved.course.reference.sha256;
    let kind = if approved.draft.origin.in_part() { Kind::Edited } else { Kind::Generated };
    // A mark says what was seen.
    let strength = match &approved.draft.origin {
        Origin::Drawn(record) => Some(record.strength),
        Origin::Declared(_) => None,
    };
    for attempt in 0..watermark::NONCE_ATTEMPTS {
        let nonce = watermark::nonce(&desk.keys.watermark_key(), &approved.cleared.draft(), attempt);
        let payload = Payload::new(kind, strength, &source, nonce)?;
        if desk.catalog.payload_id_is_free(payload.source_prefix(), payload.nonce())? {
            return Ok(payload);
        }
    }
    Err(ReleaseError::NoFreeId)
}

fn statement(
    desk: &Desk<'_>,
    course: &Course<'_>,
    origin: &Origin,
    cleared: &Cleared,
    asset_id: &str,
    raster: &Raster,
    watermark: manifest::WatermarkReference,
) -> Statement {
    let (limits, deviation) = (desk.policy.limits(), cleared.deviation());
    let (name, version) = origin.maker();
    let common = manifest::Derivation {
        run_id: course.run_id.clone(),
        asset_id: asset_id.to_owned(),
        engine: Software { name: name.to_owned(), version: version.to_owned() },
        model_sha256: None,
        source_sha256: course.reference.sha256,
        source_pixels_sha256: course.reference.pixels,
        denoise_strength: None,
        noise_level: None,
        steps: None,
        varied_share: None,
        guidance: None,
        sampler: None,
        prediction: None,
        precision: None,
        device: None,
        image_weight: None,
        loras: Vec::new(),
        windows: None,
        seed: None,
        prompt: None,
        negative_prompt: None,
        prompt_withheld: false,
        measure: deviation::MEASURE.to_owned(),
        deviation: Deviation {
            ssim: stated(deviation.ssim),
            psnr_db: stated(deviation.psnr_db),
            ..*deviation
        },
        policy: manifest::PolicyReference {
            name: desk.policy.named().name().to_owned(),
            sha256: desk.policy.digest(),
            others: desk.policy.members().skip(1).map(|(policy, _)| other(policy)).collect(),
            limits: [
                ("minimum_deviation", limits.min_deviation),
                ("minimum_composition", limits.min_composition),
                ("minimum_strength", limits.strength_min.value()),
                ("maximum_strength", limits.strength_max.value()),
            ]
            .map(|(name, value)| (name.to_owned(), value))
            .into(),
        },
        overridden: (!cleared.lifted().is_empty()).then(|| manifest::BELOW_LIMIT.to_owned()),
        watermark: Some(watermark),
        visible_label: None,
        declared: None,
    };
    let disclose = labels::prompt_told(desk, course) == PromptTold::Disclosed;
    Statement {
        annotations: manifest::Annotations::default(),
        image_code: Some(ImageCode::of(raster)),
        title: format!("variation {asset_id}"),
        claim_generator: Software { name: "vidimus".into(), version: env!("CARGO_PKG_VERSION").into() },
        created: course.started,
        derivation: match origin {
            Origin::Drawn(record) => drawn(record, disclose, common),
            Origin::Declared(told) => declared(told, disclose, common),
        },
    }
}

/// What is said beside the facts: what XMP says, and what was asked for.
fn annotations(course: &Course<'_>, label: &metadata::Label) -> Result<manifest::Annotations, ReleaseError> {
    let (context, properties) = metadata::properties(label);
    let telling = &course.order.telling;
    let thumbnail = telling.thumbnail.then(|| {
        let small = glimpse::reduced(course.reference.canvas());
        raster::encode(&small, Format::Jpeg, THUMBNAIL_QUALITY)
    });
    Ok(manifest::Annotations {
        metadata: Some(manifest::Metadata { context, properties }),
        training_mining: telling.training_mining.clone().or_else(|| course.settings.training_mining.clone()),
        reference_thumbnail: thumbnail.transpose()?,
    })
}

/// What was witnessed; a prompt may be private.
fn drawn(record: &Record, disclose: bool, common: manifest::Derivation) -> manifest::Derivation {
    manifest::Derivation {
        model_sha256: record.engine.model_digest,
        denoise_strength: Some(record.strength),
        noise_level: Some(stated(record.noise_level)),
        steps: Some(record.steps),
        varied_share: record.varied_share.map(stated),
        guidance: record.guidance.map(stated),
        sampler: record.sampler.map(str::to_owned),
        prediction: record.prediction.map(str::to_owned),
        precision: record.precision.map(str::to_owned),
        device: record.device.map(str::to_owned),
        image_weight: record.image_weight.map(stated),
        loras: record.loras.iter().map(lora).collect(),
        windows: record.windows,
        seed: Some(record.seed),
        prompt: record.prompt.clone().filter(|_| disclose),
        negative_prompt: record.negative_prompt.clone().filter(|_| disclose),
        ..common
    }
}

/// What somebody says.
fn declared(told: &Declared, disclose: bool, common: manifest::Derivation) -> manifest::Derivation {
    manifest::Derivation {
        denoise_strength: told.strength,
        steps: told.steps,
        guidance: told.guidance.map(stated),
        sampler: told.sampler.clone(),
        seed: told.seed,
        prompt: told.prompt.clone().filter(|_| disclose),
        declared: Some(manifest::Declaration {
            witnessed: false,
            by: told.by.clone(),
            image_sha256: told.image_sha256,
            model: told.model.clone(),
            image_weight: told.image_weight.map(stated),
            job: told.job.clone(),
            sources: told.sources.clone(),
        }),
        ..common
    }
}

fn other(policy: &Policy) -> manifest::OtherPolicy {
    manifest::OtherPolicy { name: policy.name().to_owned(), sha256: policy.digest() }
}

fn lora(lora: &AppliedLora) -> manifest::LoraReference {
    manifest::LoraReference { sha256: lora.sha256, weight: stated(lora.weight) }
}

/// Invariant 2: what is not read back as it was meant is not released.
fn read_back(
    signed: &SignedAsset,
    statement: &Statement,
    label: &metadata::Label,
    raster: &Raster,
) -> Result<(), ReleaseError> {
    let unfaithful = |fault: &str| ReleaseError::Unfaithful { fault: fault.to_owned() };
    let reading = &signed.reading;
    if reading.facts() != Some(&statement.derivation) || reading.agreement != manifest::Agreement::Agree {
        return Err(unfaithful("the manifest states other facts"));
    }
    let permissions = statement.annotations.training_mining.as_ref().map(manifest::Permissions::from);
    if reading.metadata != statement.annotations.metadata || reading.training_mining != permissions {
        return Err(unfaithful("the manifest states other metadata"));
    }
    if raster::decode(&signed.bytes, &Limits::default())?.raster != *raster {
        return Err(unfaithful("the pixels changed"));
    }
    if !metadata::carries(&signed.bytes, label) {
        return Err(unfaithful("the XMP label in it is another"));
    }
    Ok(())
}

/// A time stamp that nobody here vouches for outlives nothing.
fn trusted_time(reading: &Reading) -> Result<(), ReleaseError> {
    let authority = match &reading.time_stamp {
        Some(stamp) if stamp.trusted => return Ok(()),
        Some(stamp) => stamp.authority.clone(),
        None => return Err(ReleaseError::Unfaithful { fault: "there is no time stamp in it".into() }),
    };
    let authority = authority.map_or_else(|| "an unnamed authority".to_owned(), |name| format!("{name:?}"));
    Err(ReleaseError::AuthorityUntrusted { authority })
}

/// To four decimals: more would claim a precision that no measure has, and would not survive every reader.
fn stated(value: f64) -> f64 {
    (value * 10_000.0).round() / 10_000.0
}
