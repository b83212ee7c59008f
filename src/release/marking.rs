//! The two marks, each read back before the journey goes on.

use std::collections::BTreeSet;

use super::error::ReleaseError;
use super::held::Held;
use super::order::{Desk, Step};
use super::overriding;
use super::proof::{self, Proof};
use super::states::{Approved, Course, Rejected, Stopwatch, carries_xmp};
use crate::deviation;
use crate::digest::Digest;
use crate::generate::{AppliedLora, Description, Draft, Record};
use crate::iscc::ImageCode;
use crate::manifest::{
    self, Algorithm, Credential, Reading, ReferenceAsset, SignedAsset, Software, Statement, TimeStamps,
};
use crate::metadata;
use crate::policy::{Case, Cleared, OnViolation, Policy, Refusal};
use crate::quantity::{Deviation, Psnr};
use crate::raster::{self, Limits, Raster};
use crate::settings::OnFailure;
use crate::watermark::{self, Kind, Level, Payload};

/// The pixels carry their watermark; the file is encoded and not yet signed.
pub(super) struct Marked<'a> {
    pub course: Course<'a>,
    pub draft: Draft,
    pub cleared: Cleared,
    pub held: Held,
    pub payload: Payload,
    pub level: Level,
    pub psnr_db: f64,
    /// The encoded file without manifest.
    file: Vec<u8>,
    /// Its pixels, decoded again.
    pub raster: Raster,
}

/// The file carries its manifest.
pub(super) struct Signed<'a> {
    pub course: Course<'a>,
    pub draft: Draft,
    pub cleared: Cleared,
    pub held: Held,
    pub payload: Payload,
    pub level: Level,
    pub psnr_db: f64,
    pub raster: Raster,
    /// Whether the unsigned label is in it, too.
    pub xmp: bool,
    pub asset_id: String,
    pub signed: SignedAsset,
    pub sha256: Digest,
    pub reading: Reading,
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
        let proof = proof::prove(&self.draft.raster, &payload, self.course.order.format, desk)?;
        self.course.timings.embed = watch.stop(desk);

        let watch = Stopwatch::start(desk);
        let again = self.course.reference.measure(&proof.raster)?;
        let case = Case {
            reference: self.course.reference.pixels,
            draft: proof.raster.digest(),
            plan: self.cleared.plan().clone(),
            deviation: again,
            others: self.held.others_of(&proof.raster, desk),
        };
        self.course.timings.measure += watch.stop(desk);
        // Only what was approved as a draft may be below a limit when it is marked.
        let nobody = BTreeSet::new();
        let approvers = if self.cleared.lifted().is_empty() { &nobody } else { &self.approvers };
        if let Err(refusal) = overriding::judge(desk, case, approvers) {
            let Approved { course, draft, held, .. } = self;
            let (pixels, deviation, held) = (draft_pixels, again, Some(held));
            // The draft itself was let pass: there is nothing in it to approve.
            let refusal = Refusal { action: refusal.action.max(OnViolation::Quarantine), ..refusal };
            let rejected = Rejected { course, draft, pixels, deviation, held, refusal };
            return Ok(Err(Box::new(rejected)));
        }
        (desk.witness)(Step::Embedded);
        let Approved { course, draft, cleared, held, .. } = self;
        let Proof { level, psnr_db, file, raster } = proof;
        let psnr_db = stated(psnr_db);
        Ok(Ok(Marked { course, draft, cleared, held, payload, level, psnr_db, file, raster }))
    }
}

impl<'a> Marked<'a> {
    /// Writes the unsigned label, signs, and reads back: manifest, facts and pixels.
    pub fn sign(mut self, desk: &Desk<'_>) -> Result<Signed<'a>, ReleaseError> {
        let watch = Stopwatch::start(desk);
        let order = self.course.order;
        let reference = self.course.reference;
        let asset_id = desk.new_id(desk.host.now());
        let xmp = carries_xmp(order.format);
        let label = full_label(&self.course, &self.draft.record);
        let file = if xmp { metadata::write(&self.file, order.format, &label)? } else { self.file };
        let watermark = manifest::WatermarkReference {
            algorithm: self.level.algorithm().to_owned(),
            payload_id: self.payload.id(),
            level: self.level.name().to_owned(),
            psnr_db: Psnr(self.psnr_db),
        };
        let record = &self.draft.record;
        let statement =
            statement(desk, &self.course, record, &self.cleared, &asset_id, &self.raster, watermark);
        let mime = order.format.mime();
        let anchors = desk.keys.anchors();
        let pen = |message: &[u8]| Ok(desk.keys.sign(message).to_vec());
        let asked = self.course.settings.time_stamps.as_ref();
        let ask = |question: &[u8]| match asked {
            Some(asked) => asked.authority.ask(question).map_err(|error| error.to_string()),
            None => Err("no authority is named".to_owned()),
        };
        let required = desk.policy.limits().require_time_stamp;
        let credential = Credential {
            chain_pem: desk.keys.chain_pem(),
            algorithm: Algorithm::Ed25519,
            sign: &pen,
            anchors,
            time_stamps: asked.map(|asked| TimeStamps {
                ask: &ask,
                required: required || asked.on_failure == OnFailure::Refuse,
                now: desk.host.now(),
            }),
        };
        let ingredient = ReferenceAsset {
            bytes: &reference.bytes,
            mime: reference.mime,
            title: &reference.public_title(),
        };
        let signed = manifest::sign(&file, mime, &statement, &ingredient, &credential)?;
        let reading = read_back(&signed, mime, anchors, &statement, &self.raster)?;
        if required {
            trusted_time(&reading)?;
        }
        if xmp && !metadata::carries(&signed.bytes, &label) {
            return Err(ReleaseError::Unfaithful { fault: "the XMP label in it is another".into() });
        }
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
            xmp,
            asset_id,
            signed,
            reading,
        })
    }
}

/// A payload whose id no other release has.
fn free_payload(desk: &Desk<'_>, approved: &Approved<'_>) -> Result<Payload, ReleaseError> {
    let source = approved.course.reference.sha256;
    let kind = if approved.draft.record.varied_share.is_some() { Kind::Edited } else { Kind::Generated };
    for attempt in 0..watermark::NONCE_ATTEMPTS {
        let nonce = watermark::nonce(&desk.keys.watermark_key(), &approved.cleared.draft(), attempt);
        let payload = Payload::new(kind, approved.cleared.strength(), &source, nonce)?;
        if desk.catalog.payload_id_is_free(payload.source_prefix(), payload.nonce())? {
            return Ok(payload);
        }
    }
    Err(ReleaseError::NoFreeId)
}

pub(super) fn label(engine: &Description, source: Option<Digest>, in_part: bool) -> metadata::Label {
    let tool = format!("vidimus {}", env!("CARGO_PKG_VERSION"));
    metadata::Label { source, in_part, ..metadata::Label::new(&tool, engine.name, engine.version) }
}

/// The same with all that was asked for.
fn full_label(course: &Course<'_>, record: &Record) -> metadata::Label {
    let in_part = record.varied_share.is_some();
    let prompt = if course.order.disclose_prompt { prompt(course, record) } else { None };
    metadata::Label { prompt, ..label(&record.engine, Some(course.reference.sha256), in_part) }
}

/// What the model was told; a prompt that the engine did not read is said to be none that counted.
fn prompt(course: &Course<'_>, record: &Record) -> Option<metadata::Prompt> {
    let mut text = record.prompt.clone()?;
    if let Some(negative) = &record.negative_prompt {
        text.push_str(&format!(" Negative prompt: {negative}"));
    }
    if !record.prompt_used {
        text.push_str(" (not read by the engine)");
    }
    Some(metadata::Prompt { text, writer: course.order.prompt_writer.clone() })
}

fn statement(
    desk: &Desk<'_>,
    course: &Course<'_>,
    record: &Record,
    cleared: &Cleared,
    asset_id: &str,
    raster: &Raster,
    watermark: manifest::WatermarkReference,
) -> Statement {
    let (limits, deviation) = (desk.policy.limits(), cleared.deviation());
    Statement {
        image_code: Some(ImageCode::of(raster)),
        title: format!("variation {asset_id}"),
        claim_generator: Software { name: "vidimus".into(), version: env!("CARGO_PKG_VERSION").into() },
        created: course.started,
        derivation: manifest::Derivation {
            run_id: course.run_id.clone(),
            asset_id: asset_id.to_owned(),
            engine: Software { name: record.engine.name.into(), version: record.engine.version.into() },
            model_sha256: record.engine.model_digest,
            source_sha256: course.reference.sha256,
            source_pixels_sha256: course.reference.pixels,
            denoise_strength: record.strength,
            noise_level: stated(record.noise_level),
            steps: record.steps,
            varied_share: record.varied_share.map(stated),
            guidance: record.guidance.map(stated),
            sampler: record.sampler.map(str::to_owned),
            prediction: record.prediction.map(str::to_owned),
            precision: record.precision.map(str::to_owned),
            loras: record.loras.iter().map(lora).collect(),
            windows: record.windows,
            seed: record.seed,
            prompt: record.prompt.clone().filter(|_| course.order.disclose_prompt),
            negative_prompt: record.negative_prompt.clone().filter(|_| course.order.disclose_prompt),
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
        },
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
    mime: &str,
    anchors: &[String],
    statement: &Statement,
    raster: &Raster,
) -> Result<Reading, ReleaseError> {
    let unfaithful = |fault: &str| ReleaseError::Unfaithful { fault: fault.to_owned() };
    let reading = manifest::read(&signed.bytes, mime, anchors)?
        .ok_or_else(|| unfaithful("there is no manifest in it"))?;
    if reading.state == manifest::State::Invalid {
        return Err(unfaithful(&reading.failure_codes().join(", ")));
    }
    if reading.facts() != Some(&statement.derivation) || reading.agreement != manifest::Agreement::Agree {
        return Err(unfaithful("the manifest states other facts"));
    }
    if raster::decode(&signed.bytes, &Limits::default())?.raster != *raster {
        return Err(unfaithful("the pixels changed"));
    }
    Ok(reading)
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
