//! What goes into the catalog and what comes out of it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;

use crate::digest::Digest;
use crate::iscc::ImageCode;
use crate::policy::{Mark, Policy, PolicySet, Subject, Why};
use crate::quantity::Deviation;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    Reference,
    Output,
}

impl Role {
    pub fn name(self) -> &'static str {
        match self {
            Role::Reference => "reference",
            Role::Output => "output",
        }
    }
}

/// A picture to be recorded.
#[derive(Clone, Debug)]
pub struct AssetEntry {
    /// A new ULID; a picture that is on record already keeps its own.
    pub id: String,
    pub sha256: Digest,
    pub pixels_sha256: Digest,
    pub mime: String,
    pub width: u32,
    pub height: u32,
    pub bytes: u64,
    pub fingerprint: [u8; 32],
    pub fingerprint_quality: u8,
    pub title: String,
    pub created: OffsetDateTime,
}

/// A run to be recorded.
#[derive(Clone, Debug)]
pub struct RunEntry {
    pub id: String,
    pub engine: String,
    pub engine_version: String,
    pub model_sha256: Option<Digest>,
    /// `None` where nobody knows, of a picture that was made elsewhere.
    pub strength: Option<f64>,
    /// `None` when nothing was generated here.
    pub noise_level: Option<f64>,
    pub steps: Option<u32>,
    /// `None` where nobody knows.
    pub seed: Option<u64>,
    pub prompt: Option<String>,
    pub prompt_used: bool,
    pub purpose: Option<String>,
    /// What the reference was said to be when this run was asked for.
    pub stated: Subject,
    pub started: OffsetDateTime,
    /// For a picture that was made elsewhere.
    pub adopted: Option<AdoptionEntry>,
    /// Share of the picture that the engine knows to have taken from one place of the reference in one piece, 0..=1.
    pub largest_copy: Option<f64>,
}

/// That a picture was made elsewhere and brought here.
#[derive(Clone, Debug, PartialEq)]
pub struct AdoptionEntry {
    /// Digest of the file as it was brought.
    pub image_sha256: Digest,
    /// All that was said of it, by whom, and where it stands.
    pub declared: Value,
}

/// What was measured on a draft.
#[derive(Clone, Debug)]
pub struct MeasurementEntry {
    /// Digest of the draft's pixels.
    pub draft_sha256: Digest,
    pub measure: String,
    pub deviation: Deviation,
}

/// What a draft was held against besides its own reference.
#[derive(Clone, Debug, Default)]
pub struct SearchEntry {
    /// Number of the newest reference that was looked at: as many as there were.
    pub through: u64,
    pub compared: Vec<ComparisonEntry>,
}

/// A picture on record that a draft was compared with.
#[derive(Clone, Debug)]
pub struct ComparisonEntry {
    /// Id of the asset.
    pub reference: String,
    /// Differing bits of the fingerprints, 0..=256.
    pub distance: u32,
    pub measure: String,
    /// `None` where its picture is lost.
    pub deviation: Option<Deviation>,
}

/// A policy that judged.
#[derive(Clone, Debug)]
pub struct PolicyEntry {
    /// Why it did.
    pub why: String,
    pub digest: Digest,
    pub name: String,
    pub text: String,
    pub strength_min: f64,
    pub strength_max: f64,
    pub min_deviation: f64,
    pub min_composition: f64,
    pub require_manifest: bool,
    pub require_watermark: bool,
    pub min_psnr_db: f64,
    pub rules: PolicyRules,
}

/// What the second schema of policies can ask beside.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicyRules {
    pub min_detail: f64,
    pub min_copied: f64,
    /// `None` for any.
    pub engines: Option<BTreeSet<String>>,
    pub purposes: Option<BTreeSet<String>>,
    pub max_generations: Option<u32>,
    /// Of the picture, in one piece, from one place of the reference, 0..=1.
    pub max_copy: Option<f64>,
    pub require_xmp: bool,
    pub require_time_stamp: bool,
    /// Such as 2027-12-31.
    pub expires: Option<String>,
    /// Ed25519 public keys of those who may release below its limits.
    pub approvers: BTreeSet<[u8; 32]>,
    /// Marks that it requires beside manifest, watermark and XMP label.
    pub marks: BTreeSet<Mark>,
}

impl From<&Policy> for PolicyRules {
    fn from(policy: &Policy) -> Self {
        let limits = policy.limits();
        PolicyRules {
            min_detail: limits.min_detail,
            min_copied: limits.min_copied,
            engines: policy.engines().cloned(),
            purposes: policy.purposes().cloned(),
            max_generations: limits.max_generations,
            max_copy: limits.max_copy,
            require_xmp: limits.require_xmp,
            require_time_stamp: limits.require_time_stamp,
            expires: limits.expires.map(|day| day.to_string()),
            approvers: policy.approvers().clone(),
            marks: Mark::ALL.into_iter().filter(|mark| limits.requires(*mark)).collect(),
        }
    }
}

impl PolicyEntry {
    pub fn new(policy: &Policy, why: &Why) -> Self {
        let limits = policy.limits();
        PolicyEntry {
            why: why.to_string(),
            rules: policy.into(),
            digest: policy.digest(),
            name: policy.name().to_owned(),
            text: policy.text().to_owned(),
            strength_min: limits.strength_min.value(),
            strength_max: limits.strength_max.value(),
            min_deviation: limits.min_deviation,
            min_composition: limits.min_composition,
            require_manifest: limits.require_manifest,
            require_watermark: limits.require_watermark,
            min_psnr_db: limits.min_psnr_db,
        }
    }
}

/// The policies that judged a run.
#[derive(Clone, Debug)]
pub struct PoliciesEntry {
    /// The one that was named; the decision is recorded under it.
    pub named: PolicyEntry,
    /// Those that applied beside it.
    pub others: Vec<PolicyEntry>,
}

impl From<&PolicySet> for PoliciesEntry {
    fn from(set: &PolicySet) -> Self {
        let others = set.members().skip(1).map(|(policy, why)| PolicyEntry::new(policy, why)).collect();
        PoliciesEntry { named: PolicyEntry::new(set.named(), &Why::Named), others }
    }
}

impl PoliciesEntry {
    pub(super) fn all(&self) -> impl Iterator<Item = &PolicyEntry> {
        std::iter::once(&self.named).chain(&self.others)
    }
}

/// The marks of an output.
#[derive(Clone, Debug)]
pub struct MarkEntry {
    pub manifest_label: String,
    pub manifest_store: Vec<u8>,
    pub watermark_algorithm: String,
    pub payload_id: String,
    pub source_prefix: u64,
    pub nonce: u32,
    pub psnr_db: f64,
    /// Whether the unsigned label is in the file, too.
    pub xmp: bool,
    /// Code of the released pixels, as the manifest says.
    pub image_code: Option<ImageCode>,
    /// What else a policy can require, and what it says: the words that can be seen, who is named, nothing of a prompt.
    pub carried: BTreeMap<Mark, String>,
    pub time_stamp: Option<TimeStampEntry>,
}

/// A time stamp in a manifest.
#[derive(Clone, Debug, PartialEq)]
pub struct TimeStampEntry {
    /// RFC 3339.
    pub at: String,
    /// Common name in the authority's certificate.
    pub authority: Option<String>,
    /// Whether the authority was trusted here when it was read back.
    pub trusted: bool,
}

/// Everything about a release; recorded in one transaction.
#[derive(Clone, Debug)]
pub struct ReleaseEntry {
    pub at: OffsetDateTime,
    pub reference: AssetEntry,
    /// Id of the output of ours that the reference is a copy of.
    pub copy_of: Option<String>,
    pub run: RunEntry,
    pub measurement: MeasurementEntry,
    pub search: SearchEntry,
    pub policies: PoliciesEntry,
    pub output: AssetEntry,
    pub marks: MarkEntry,
    /// For a draft that was refused before, and that two people released.
    pub overriding: Option<OverrideEntry>,
}

/// What is released below a limit.
#[derive(Clone, Debug)]
pub struct OverrideEntry {
    /// The run whose draft was approved.
    pub approved: String,
    /// The limits that it does not keep.
    pub reasons: Vec<String>,
}

/// Everything about a refusal.
#[derive(Clone, Debug)]
pub struct RefusalEntry {
    pub at: OffsetDateTime,
    pub reference: AssetEntry,
    pub copy_of: Option<String>,
    pub run: RunEntry,
    /// `None` when the request was refused before anything was generated.
    pub measurement: Option<MeasurementEntry>,
    /// `None` when its own reference refused it already, or nothing was generated.
    pub search: Option<SearchEntry>,
    pub policies: PoliciesEntry,
    pub reasons: Vec<String>,
}

/// A picture on record.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Asset {
    pub id: String,
    pub role: Role,
    pub sha256: Digest,
    pub pixels_sha256: Digest,
    pub mime: String,
    pub width: u32,
    pub height: u32,
    pub title: String,
    /// The output that this reference is a copy of.
    pub copy_of: Option<String>,
    pub created: String,
}

/// How an output came to be released.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    pub run: String,
    /// Or the tool that is said to have made it elsewhere.
    pub engine: String,
    /// `None` where nobody knows.
    pub strength: Option<f64>,
    pub seed: Option<String>,
    /// For one that was made elsewhere.
    pub adopted: Option<Adoption>,
    pub draft_sha256: Digest,
    pub deviation: f64,
    pub composition: f64,
    pub policy: Digest,
    pub watermark_algorithm: Option<String>,
    pub payload_id: Option<String>,
    pub source_prefix: Option<u64>,
    pub nonce: Option<u32>,
    pub manifest_label: Option<String>,
}

impl Facts {
    /// The strength that was witnessed, which is what the watermark states.
    pub fn witnessed_strength(&self) -> Option<f64> {
        self.strength.filter(|_| self.adopted.is_none())
    }
}

/// What is on record of a picture that was made elsewhere.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Adoption {
    /// Name of the certificate under which it was declared.
    pub by: String,
    /// Digest of the file as it was brought.
    pub image_sha256: Digest,
}

/// A picture that looks like another.
#[derive(Clone, Debug, PartialEq)]
pub struct Near {
    /// Its place among those of its role, from 1 on.
    pub number: u64,
    /// Id of the asset.
    pub asset: String,
    /// 0..=100: how much structure its fingerprint rests on.
    pub quality: u8,
    /// Differing bits of the fingerprints, 0..=256.
    pub distance: u32,
}

/// One of those that a run was compared with.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    pub asset: String,
    pub distance: u32,
    /// `None` where its picture was lost.
    pub deviation: Option<f64>,
}

/// What a run was compared with besides its own reference.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Compared {
    /// References on record when it was looked for its like.
    pub known: u64,
    /// How many of them, and of what the run's reference comes from, were compared.
    pub compared: u64,
    /// Those of them whose pictures were lost.
    pub lost: u64,
    /// Id of the nearest, and how far the draft was from it.
    pub nearest: Option<(String, f64)>,
}

/// A run between a reference and an output or a refusal.
#[derive(Clone, Debug, PartialEq)]
pub struct Derived {
    pub run: String,
    pub reference: String,
    pub output: Option<String>,
    pub generation: u32,
    pub engine: String,
    /// `None` where nobody knows.
    pub strength: Option<f64>,
    pub seed: Option<String>,
    /// For a picture that was made elsewhere.
    pub adopted: Option<Adoption>,
    pub deviation: Option<f64>,
    /// `None` where it was compared with its own reference alone.
    pub compared: Option<Compared>,
    /// Reasons, when it was refused.
    pub reasons: Vec<String>,
    /// Whether two people released it below a limit.
    pub overridden: bool,
}
