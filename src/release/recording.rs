//! The last steps: what is on disk and synced, then the catalog, then the user's file.

use super::error::ReleaseError;
use super::held::{self, Held};
use super::marking::Signed;
use super::order::{Desk, Step};
use super::origin::{Asked, Declared, Origin, UNSTATED};
use super::overriding;
use super::report::{Outcome, Refused, Released, Stamped};
use super::states::{Course, Rejected, Stopwatch};
use crate::catalog::{
    AdoptionEntry, AssetEntry, CatalogError, MarkEntry, MeasurementEntry, OverrideEntry, Pen, PoliciesEntry,
    RefusalEntry, ReleaseEntry, RunEntry, TimeStampEntry,
};
use crate::deviation::{self, Fingerprint};
use crate::digest::Digest;
use crate::disk;
use crate::iscc::ImageCode;
use crate::manifest::TimeStampReading;
use crate::objects::{self, Objects};
use crate::policy::{Case, Cleared, OnViolation, Refusal};
use crate::quantity::{Deviation, Strength};
use crate::raster::{self, Format, Raster};

/// It is in the catalog, and its bytes are in the store.
pub(super) struct Recorded<'a> {
    signed: Signed<'a>,
}

impl<'a> Signed<'a> {
    /// Stores reference and output, then records everything in one transaction (invariant 3: no row
    /// names bytes that are not on disk yet). A reference that somebody made known since the draft was held
    /// against all there were may refuse it yet.
    pub fn record(
        mut self,
        desk: &mut Desk<'_>,
    ) -> Result<Result<Recorded<'a>, Box<Rejected<'a>>>, ReleaseError> {
        let watch = Stopwatch::start(desk);
        let objects = Objects::at(desk.workspace.objects());
        objects.put(&self.course.reference.bytes)?;
        (desk.witness)(Step::ReferenceStored);
        objects.put(&self.signed.bytes)?;
        (desk.witness)(Step::OutputStored);
        while let Err(error) = self.try_record(desk) {
            let newest = match &error {
                ReleaseError::Catalog(CatalogError::Outdated { newest, .. }) => *newest,
                // What the schema refuses may not lie about, marked and signed as it is.
                ReleaseError::Catalog(CatalogError::Refused { .. }) => {
                    objects.remove(&self.sha256)?;
                    return Err(error);
                }
                _ => return Err(error),
            };
            if let Some(refusal) = self.hold_again(desk)? {
                objects.remove(&self.sha256)?;
                let (pixels, deviation) = (self.cleared.draft(), *self.cleared.deviation());
                let Signed { course, draft, held, .. } = self;
                let held = Some(held);
                return Ok(Err(Box::new(Rejected { course, draft, pixels, deviation, held, refusal })));
            }
            if self.held.through < newest {
                objects.remove(&self.sha256)?;
                return Err(error);
            }
        }
        self.course.timings.record = watch.stop(desk);
        (desk.witness)(Step::Recorded);
        Ok(Ok(Recorded { signed: self }))
    }

    /// Holds draft and finished picture against what was added meanwhile.
    fn hold_again(&mut self, desk: &Desk<'_>) -> Result<Option<Refusal>, ReleaseError> {
        self.held = held::hold(desk, self.course.reference, &self.draft.raster, &self.held.compared)?;
        let finished = self.held.others_of(&self.raster, desk);
        let others = self.held.others().into_iter().chain(finished).collect();
        let (draft, deviation) = (self.cleared.draft(), *self.cleared.deviation());
        let plan = self.cleared.plan().clone();
        let case = Case {
            reference: self.course.reference.pixels,
            draft,
            plan,
            deviation,
            largest_copy: self.draft.origin.largest_copy(),
            others,
        };
        match overriding::judge(desk, case, &self.course.approvers(desk, draft)?) {
            Ok(cleared) => self.cleared = cleared,
            Err(refusal) => return Ok(Some(refusal)),
        }
        Ok(None)
    }

    fn try_record(&self, desk: &mut Desk<'_>) -> Result<(), ReleaseError> {
        let entry = ReleaseEntry {
            at: desk.host.now(),
            reference: self.course.reference_entry(desk),
            copy_of: self.course.past.copy_of.clone(),
            run: self.course.run_entry(Some(&self.draft.origin)),
            measurement: measurement(self.cleared.draft(), self.cleared.deviation()),
            search: self.held.entry(),
            policies: PoliciesEntry::from(desk.policy),
            output: AssetEntry {
                id: self.asset_id.clone(),
                sha256: self.sha256,
                title: format!("variation {}", self.asset_id),
                mime: self.course.order.encoding.format().mime().to_owned(),
                bytes: self.signed.bytes.len() as u64,
                ..picture(&self.raster, deviation::fingerprint(&self.raster), desk)
            },
            marks: MarkEntry {
                manifest_label: self.signed.label.clone(),
                manifest_store: self.signed.store.clone(),
                watermark_algorithm: self.level.algorithm().to_owned(),
                payload_id: self.payload.id(),
                source_prefix: self.payload.source_prefix(),
                nonce: self.payload.nonce(),
                psnr_db: self.psnr_db,
                image_code: Some(ImageCode::of(&self.raster)),
                // It was read back.
                xmp: true,
                time_stamp: self.signed.reading.time_stamp.clone().and_then(|stamp| {
                    let TimeStampReading { time, authority, trusted, .. } = stamp;
                    Some(TimeStampEntry { at: time?, authority, trusted })
                }),
                carried: self.carried.clone(),
            },
            overriding: self.course.override_entry(&self.cleared),
        };
        let sign = |message: &[u8]| desk.keys.sign(message);
        let pen = Pen { public_key: desk.keys.verifying_key(), sign: &sign };
        desk.catalog.record_release(&entry, &pen)?;
        Ok(())
    }
}

impl Recorded<'_> {
    /// Writes the user's file last: if it is there, it is released and recorded.
    pub fn publish(self, desk: &Desk<'_>) -> Result<Outcome, ReleaseError> {
        let watch = Stopwatch::start(desk);
        let Signed {
            mut course,
            draft,
            cleared,
            held,
            payload,
            level,
            psnr_db,
            raster,
            asset_id,
            signed,
            sha256,
            carried,
            ..
        } = self.signed;
        let order = course.order;
        let sidecar = order.beside();
        let beside = sidecar.as_deref().map(|path| (path, &signed.store));
        for (path, bytes) in beside.into_iter().chain([(order.out.as_path(), &signed.bytes)]) {
            disk::write(path, bytes, order.overwrite).map_err(|source| ReleaseError::Publish {
                asset_id: asset_id.clone(),
                path: path.to_owned(),
                source,
            })?;
        }
        course.timings.publish = watch.stop(desk);
        (desk.witness)(Step::Published);
        Ok(Outcome::Released(Box::new(Released {
            output: order.out.clone(),
            sidecar,
            sha256,
            width: raster.width(),
            height: raster.height(),
            asset_id,
            run_id: course.run_id,
            origin: draft.origin,
            deviation: *cleared.deviation(),
            held,
            lifted: cleared.lifted().to_vec(),
            payload_id: payload.id(),
            level,
            psnr_db,
            carried,
            manifest_label: signed.label,
            manifest_state: signed.reading.state,
            signer: signed.reading.signer,
            stamped: match (signed.reading.time_stamp, signed.unstamped) {
                (Some(stamp), _) => Stamped::By(stamp),
                (None, Some(reason)) => Stamped::Failed(reason),
                (None, None) => Stamped::NotAsked,
            },
            timings: course.timings,
        })))
    }
}

impl Course<'_> {
    /// The end of a request that the policy refuses as such.
    pub fn refuse_request(self, desk: &mut Desk<'_>, refusal: Refusal) -> Result<Outcome, ReleaseError> {
        self.refuse(desk, refusal, None, None, None)
    }

    /// Logs a refusal; the reference's bytes are kept, so that the log can be understood later.
    fn refuse(
        mut self,
        desk: &mut Desk<'_>,
        refusal: Refusal,
        draft: Option<(Origin, Digest, Deviation)>,
        held: Option<Held>,
        quarantine: Option<std::path::PathBuf>,
    ) -> Result<Outcome, ReleaseError> {
        let logged = !self.order.dry_run;
        if logged {
            let watch = Stopwatch::start(desk);
            Objects::at(desk.workspace.objects()).put(&self.reference.bytes)?;
            let entry = RefusalEntry {
                at: desk.host.now(),
                reference: self.reference_entry(desk),
                copy_of: self.past.copy_of.clone(),
                run: self.run_entry(draft.as_ref().map(|(origin, ..)| origin)),
                measurement: draft.as_ref().map(|(_, pixels, deviation)| measurement(*pixels, deviation)),
                search: held.as_ref().map(Held::entry),
                policies: PoliciesEntry::from(desk.policy),
                reasons: refusal.reasons.iter().map(ToString::to_string).collect(),
            };
            let sign = |message: &[u8]| desk.keys.sign(message);
            let pen = Pen { public_key: desk.keys.verifying_key(), sign: &sign };
            desk.catalog.record_refusal(&entry, &pen)?;
            self.timings.record = watch.stop(desk);
        }
        let (origin, deviation) = match draft {
            Some((origin, _, deviation)) => (Some(origin), Some(deviation)),
            None => (None, None),
        };
        Ok(Outcome::Refused(Box::new(Refused {
            run_id: self.run_id,
            asked: self.asked,
            refusal,
            origin,
            deviation,
            held,
            quarantine,
            logged,
            timings: self.timings,
        })))
    }

    fn reference_entry(&self, desk: &Desk<'_>) -> AssetEntry {
        let reference = self.reference;
        AssetEntry {
            sha256: reference.sha256,
            title: reference.title.clone(),
            mime: reference.mime.to_owned(),
            bytes: reference.bytes.len() as u64,
            ..picture(&reference.raster, reference.fingerprint, desk)
        }
    }

    /// What is released below a limit, if it is.
    fn override_entry(&self, cleared: &Cleared) -> Option<OverrideEntry> {
        let lifted = cleared.lifted();
        let approved = self.order.overriding.clone().filter(|_| !lifted.is_empty())?;
        Some(OverrideEntry { approved, reasons: lifted.iter().map(ToString::to_string).collect() })
    }

    /// The run; without an origin nothing was generated, and what was asked is all there is.
    fn run_entry(&self, origin: Option<&Origin>) -> RunEntry {
        let common = RunEntry {
            id: self.run_id.clone(),
            engine: String::new(),
            engine_version: String::new(),
            model_sha256: None,
            strength: None,
            noise_level: None,
            steps: None,
            seed: None,
            prompt: None,
            prompt_used: false,
            purpose: self.order.purpose.clone(),
            stated: self.order.stated.clone(),
            started: self.started,
            adopted: None,
            largest_copy: origin.and_then(Origin::largest_copy),
        };
        match &self.asked {
            Asked::Engine { engine, request } => {
                let record = match origin {
                    Some(Origin::Drawn(record)) => Some(record),
                    _ => None,
                };
                let engine = record.map_or(engine, |record| &record.engine);
                RunEntry {
                    engine: engine.name.to_owned(),
                    engine_version: engine.version.to_owned(),
                    model_sha256: engine.model_digest,
                    strength: Some(request.strength.value()),
                    noise_level: record.map(|record| record.noise_level),
                    steps: record.map(|record| record.steps),
                    seed: Some(request.seed.0),
                    prompt: request.prompt.clone(),
                    prompt_used: record.is_some_and(|record| record.prompt_used),
                    ..common
                }
            }
            Asked::Elsewhere(declared) => declared_entry(declared, common),
        }
    }
}

fn declared_entry(declared: &Declared, common: RunEntry) -> RunEntry {
    RunEntry {
        engine: declared.tool.clone(),
        engine_version: declared.version.clone().unwrap_or_else(|| UNSTATED.to_owned()),
        strength: declared.strength.map(Strength::value),
        steps: declared.steps,
        seed: declared.seed.map(|seed| seed.0),
        prompt: declared.prompt.clone(),
        prompt_used: declared.prompt.is_some(),
        adopted: Some(AdoptionEntry {
            image_sha256: declared.image_sha256,
            declared: serde_json::to_value(declared).unwrap_or_default(),
        }),
        ..common
    }
}

impl Rejected<'_> {
    /// The end of a draft that the policy refuses. It goes to the quarantine if the policy wants it kept.
    pub fn refuse(self, desk: &mut Desk<'_>) -> Result<Outcome, ReleaseError> {
        let Rejected { course, draft, pixels, deviation, held, refusal } = self;
        let keep = refusal.action != OnViolation::Refuse && !course.order.dry_run;
        let quarantine = if keep {
            let bytes = raster::encode(&draft.raster, Format::Png, 100)?;
            Some(objects::quarantine(
                &desk.workspace.quarantine(),
                &format!("{}.png", course.run_id),
                &bytes,
            )?)
        } else {
            None
        };
        course.refuse(desk, refusal, Some((draft.origin, pixels, deviation)), held, quarantine)
    }
}

impl Desk<'_> {
    /// A new ULID at `now`.
    pub(super) fn new_id(&self, now: time::OffsetDateTime) -> String {
        let mut random = [0; 16];
        self.host.random(&mut random);
        let millis = (now.unix_timestamp_nanos() / 1_000_000).clamp(0, (1 << 48) - 1) as u64;
        ulid::Ulid::from_parts(millis, u128::from_be_bytes(random)).to_string()
    }
}

/// What the pixels alone tell of an asset; the rest is to be filled in.
fn picture(raster: &Raster, fingerprint: Fingerprint, desk: &Desk<'_>) -> AssetEntry {
    let created = desk.host.now();
    AssetEntry {
        id: desk.new_id(created),
        sha256: raster.digest(),
        pixels_sha256: raster.digest(),
        mime: String::new(),
        width: raster.width(),
        height: raster.height(),
        bytes: 0,
        fingerprint: fingerprint.bits,
        fingerprint_quality: fingerprint.quality,
        title: String::new(),
        created,
    }
}

fn measurement(draft_sha256: Digest, deviation: &Deviation) -> MeasurementEntry {
    MeasurementEntry { draft_sha256, measure: deviation::MEASURE.to_owned(), deviation: *deviation }
}
