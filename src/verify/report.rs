//! The answer in words and figures.

use serde::Serialize;
use serde_json::{Value, json};

use super::decide::{CatalogEvidence, Confidence, Evidence, Verdict, WatermarkEvidence};
use super::foreign::Foreign;
use super::reasons::reasons;
use super::recall::{Kinship, Match};
use super::{Findings, is_ours};
use crate::catalog::Adoption;
use crate::digest::Digest;
use crate::manifest::State;
use crate::manifest::{
    Declaration, Failure, IngredientReading, Permissions, ReadError, Reading, Recovery, SignerReading,
    TimeStampReading, Vendor,
};
use crate::metadata::Claim;
use crate::quantity::Strength;
use crate::raster::Remark;
use crate::watermark::{Detection, Kind, Said};

/// The verdict on one file and everything it rests on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Digest of the file.
    pub sha256: Digest,
    pub verdict: Verdict,
    pub confidence: Confidence,
    /// Sentences for people: each names the layer it rests on.
    pub reasons: Vec<String>,
    pub manifest: ManifestReport,
    pub watermark: WatermarkReport,
    pub catalog: CatalogReport,
    pub claims: Vec<Claim>,
    /// What was looked at where the file holds more than a picture shows.
    pub remarks: Vec<Remark>,
}

/// The manifest in the file or, if that was stripped, the one the catalog gave back.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ManifestReport {
    /// trusted, valid, invalid or absent; `recovered` for one that the catalog gave back: it was made for the
    /// pixels on record, of which these are a changed copy.
    pub state: &'static str,
    /// Whether it came from the catalog, because the file had none.
    pub recovered: bool,
    /// The file that it came from, if that is not the picture's own.
    pub file: Option<String>,
    pub label: Option<String>,
    /// Who signed, as the certificate says.
    pub signer: Option<SignerReading>,
    /// Whether that counts here; `None` where nobody signed.
    pub trust: Option<TrustReport>,
    /// When it was signed, as an authority says; `None` for a manifest without a time stamp.
    pub time_stamp: Option<TimeStampReading>,
    pub alg: Option<String>,
    pub claim_generator: Option<String>,
    /// The vendor of image models that this names, if it names one.
    pub vendor: Option<Vendor>,
    pub digital_source_type: Option<String>,
    /// How it was found again, where a copy that had lost it was given it back.
    pub recovery: Option<Recovery>,
    pub source_sha256: Option<Digest>,
    pub denoise_strength: Option<f64>,
    /// Whether the facts were witnessed by the program that signed them: `false` for a picture that was made elsewhere and
    /// adopted. `None` without facts of ours.
    pub witnessed: Option<bool>,
    /// Who declared them, if they were not witnessed, and what else was declared.
    pub declared: Option<Declaration>,
    pub engine: Option<String>,
    pub seed: Option<String>,
    pub deviation: Option<f64>,
    /// Whether there was a prompt that the signer withholds. `None` without facts of ours.
    pub prompt_withheld: Option<bool>,
    /// Whether others may mine the picture, and train or run models on it, as its signer says.
    pub training_mining: Option<Permissions>,
    pub ingredients: Vec<IngredientReading>,
    pub failures: Vec<Failure>,
}

/// Whether we trust whoever signed, apart from who it is and from whether the file is intact.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TrustReport {
    pub trusted: bool,
    /// anchored: under a root that is trusted here; revoked, ended or unknown: not.
    pub why: &'static str,
    /// When and why the certificate was revoked.
    pub revocation: Option<String>,
}

impl TrustReport {
    fn of(reading: &Reading) -> Self {
        let revocation = reading.revocation().map(str::to_owned);
        let why = if revocation.is_some() {
            "revoked"
        } else if reading.ended() {
            "ended"
        } else if reading.state == State::Trusted {
            "anchored"
        } else {
            // A signature that does not hold is nobody's.
            "unknown"
        };
        TrustReport { trusted: why == "anchored", why, revocation }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WatermarkReport {
    pub found: bool,
    /// Whether the mark was made with this workspace's key: `None` where that cannot be told.
    pub authentic: Option<bool>,
    /// long or short.
    pub level: Option<&'static str>,
    pub payload: Option<PayloadReport>,
    /// The part of the search that found it: grid, turned, stretched or bent.
    pub stage: Option<&'static str>,
    /// What the picture went through since it was marked: mirrored left and right first, then turned clockwise.
    pub rotation_degrees: Option<f64>,
    pub mirrored: Option<bool>,
    /// Size of the mark's tiles, over 61 pixels.
    pub scale: Option<f64>,
    /// Of the probability that a picture without a mark gets as far.
    pub log10_false_positive: Option<f64>,
    /// Of the workspace's own layer beside the mark.
    pub tag: Option<TagReport>,
    /// Whether it is not the mark that manifest or catalog know this picture by, for pages; the reasons say how.
    #[serde(skip)]
    pub disagrees: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TagReport {
    /// In standard deviations of a picture without the tag.
    pub score: f64,
    /// What a genuine tag would score here.
    pub expected: f64,
    /// Of the probability of such a score without the workspace's key.
    pub log10_false_positive: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PayloadReport {
    pub version: u8,
    pub kind: &'static str,
    /// `None` where it was not witnessed.
    pub denoise_strength: Option<f64>,
    /// The first bits of the source's SHA-256 in hexadecimal digits: twelve, or six at the short level.
    pub source_sha256_prefix: String,
    /// `None` at the short level.
    pub id: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct CatalogReport {
    /// Whether there was a workspace to ask.
    pub asked: bool,
    /// exact, watermark or perceptual.
    #[serde(rename = "match")]
    pub matched: Option<&'static str>,
    pub asset: Option<String>,
    /// For one that was made elsewhere: who declared how, and the file that was brought.
    pub adopted: Option<Adoption>,
    /// The archive of another workspace that has its manifest, where it was not released here.
    pub foreign: Option<Foreign>,
    /// Digests of the reference files that it was made from.
    pub references: Vec<Digest>,
    /// Deviation from the recorded picture, where it was measured.
    pub deviation_from_record: Option<f64>,
    /// Whether mark and picture were not released together, for pages.
    #[serde(skip)]
    pub disagrees: bool,
}

impl Report {
    /// The JSON document of one file, which is called `name`.
    pub fn document(&self, name: &str) -> Value {
        let mut document = json!({ "schema": 1, "file": name });
        let fields = serde_json::to_value(self).unwrap_or_default();
        if let (Value::Object(document), Value::Object(fields)) = (&mut document, fields) {
            document.extend(fields);
        }
        document
    }
}

pub(super) fn write(
    findings: Findings,
    evidence: &Evidence,
    verdict: Verdict,
    confidence: Confidence,
    asked: bool,
) -> Report {
    let reasons = reasons(&findings, evidence, asked);
    let memory = findings.memory.as_ref();
    let mut manifest = match &findings.manifest {
        Ok(Some(reading)) => manifest_report(reading, false),
        Ok(None) => memory
            .and_then(|found| found.recovered.as_ref())
            .map_or_else(absent_report, |reading| manifest_report(reading, true)),
        Err(error) => broken_report(error),
    };
    manifest.file = findings.beside.clone();
    let not_its_own = |found: &Match| matches!(found.kinship, Kinship::CopiedMark | Kinship::ForgedMark(_));
    let disagrees = evidence.watermark == WatermarkEvidence::Disagrees || memory.is_some_and(not_its_own);
    Report {
        sha256: findings.sha256,
        verdict,
        confidence,
        reasons,
        manifest,
        watermark: WatermarkReport { disagrees, ..WatermarkReport::of(findings.detection.as_ref()) },
        catalog: CatalogReport {
            asked,
            matched: memory.and_then(|found| found.kinship.name()),
            asset: memory.filter(|found| found.foreign.is_none()).map(|found| found.asset.clone()),
            adopted: memory.and_then(|found| found.adopted.clone()),
            foreign: memory.and_then(|found| found.foreign.clone()),
            references: memory.map(|found| found.references.clone()).unwrap_or_default(),
            deviation_from_record: memory.and_then(|found| found.deviation),
            disagrees: evidence.catalog == CatalogEvidence::CopiedMark,
        },
        claims: findings.claims,
        remarks: findings.remarks,
    }
}

fn manifest_report(reading: &Reading, recovered: bool) -> ManifestReport {
    let facts = reading.known_facts();
    ManifestReport {
        state: if recovered { "recovered" } else { state(reading) },
        recovered,
        file: None,
        label: Some(reading.label.clone()),
        signer: reading.signer.clone(),
        trust: Some(TrustReport::of(reading)),
        time_stamp: reading.time_stamp.clone(),
        alg: reading.signer.as_ref().and_then(|signer| signer.alg.clone()),
        claim_generator: reading.claim_generator.clone(),
        vendor: reading.vendor,
        digital_source_type: reading.known_source_type().map(str::to_owned),
        recovery: reading.recovery.clone(),
        source_sha256: facts.map(|f| f.source_sha256),
        denoise_strength: facts.and_then(|f| f.denoise_strength).map(Strength::value),
        witnessed: facts.map(|f| f.declared.is_none()),
        declared: facts.and_then(|f| f.declared.clone()),
        engine: facts.map(|f| format!("{} {}", f.engine.name, f.engine.version)),
        seed: facts.and_then(|f| f.seed).map(|seed| seed.to_string()),
        deviation: facts.map(|f| f.deviation.deviation),
        prompt_withheld: facts.map(|f| f.prompt_withheld),
        training_mining: reading.training_mining.clone(),
        ingredients: reading.ingredients.clone(),
        failures: reading.failures.clone(),
    }
}

fn absent_report() -> ManifestReport {
    ManifestReport { state: "absent", ..ManifestReport::default() }
}

fn broken_report(error: &ReadError) -> ManifestReport {
    let code = match error {
        ReadError::Damaged { .. } | ReadError::Panic { .. } | ReadError::Anchors { .. } => "unreadable",
        ReadError::Format { .. } | ReadError::Remote { .. } | ReadError::TooLarge { .. } => {
            return absent_report();
        }
    };
    let failure = Failure { code: code.into(), explanation: Some(error.to_string()), ingredient: None };
    ManifestReport { state: "invalid", failures: vec![failure], ..ManifestReport::default() }
}

fn state(reading: &Reading) -> &'static str {
    match reading.state {
        crate::manifest::State::Trusted => "trusted",
        crate::manifest::State::Valid => "valid",
        crate::manifest::State::Invalid => "invalid",
    }
}

impl WatermarkReport {
    pub fn of(detection: Option<&Detection>) -> Self {
        let said = detection.and_then(|d| Said::read(&d.message).ok());
        WatermarkReport {
            found: detection.is_some(),
            authentic: detection.and_then(is_ours),
            level: detection.map(|d| d.message.level().name()),
            payload: said.as_ref().map(payload_report),
            stage: detection.map(|d| d.stage.name()),
            rotation_degrees: detection.map(|d| d.pose.rotation_degrees),
            mirrored: detection.map(|d| d.pose.mirrored),
            scale: detection.map(|d| d.pose.scale),
            log10_false_positive: detection.map(|d| d.log10_false_positive),
            tag: detection.and_then(|d| d.tag).map(|tag| TagReport {
                score: tag.score,
                expected: tag.expected,
                log10_false_positive: tag.log10_false_positive(),
            }),
            disagrees: false,
        }
    }
}

fn payload_report(said: &Said) -> PayloadReport {
    PayloadReport {
        version: said.version(),
        kind: match said.kind() {
            Kind::Generated => "ai-generated",
            Kind::Edited => "ai-edited",
        },
        denoise_strength: said.denoise_strength().map(|strength| (strength * 1000.0).round() / 1000.0),
        source_sha256_prefix: said.source_prefix(),
        id: said.id(),
    }
}
