//! The answer in words and figures.

use serde::Serialize;

use super::Findings;
use super::decide::{CatalogEvidence, Confidence, Evidence, ManifestEvidence, Verdict, WatermarkEvidence};
use super::evidence::{holds, same_strength};
use super::recall::{Kinship, Match};
use crate::digest::Digest;
use crate::manifest::{Failure, IngredientReading, ReadError, Reading, SignerReading};
use crate::metadata::Claim;
use crate::watermark::{Kind, Payload};

/// The verdict on one file and everything it rests on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Digest of the file.
    pub sha256: Digest,
    pub verdict: Verdict,
    pub confidence: Confidence,
    /// Sentences for people: each names the layer it rests on.
    pub reasons: Vec<String>,
    pub manifest: Option<ManifestReport>,
    pub watermark: WatermarkReport,
    pub catalog: CatalogReport,
    pub claims: Vec<Claim>,
}

/// The manifest in the file or, if that was stripped, the one the catalog gave back.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ManifestReport {
    /// trusted, valid or invalid; for a recovered manifest the state of what was recovered.
    pub state: &'static str,
    /// Whether it came from the catalog, because the file had none.
    pub recovered: bool,
    pub label: Option<String>,
    pub signer: Option<SignerReading>,
    pub alg: Option<String>,
    pub claim_generator: Option<String>,
    pub digital_source_type: Option<String>,
    pub source_sha256: Option<Digest>,
    pub denoise_strength: Option<f64>,
    pub engine: Option<String>,
    pub seed: Option<String>,
    pub deviation: Option<f64>,
    pub ingredients: Vec<IngredientReading>,
    pub failures: Vec<Failure>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WatermarkReport {
    pub found: bool,
    /// Whether the mark was made in this workspace: `None` where that cannot be told.
    pub authentic: Option<bool>,
    pub payload: Option<PayloadReport>,
    /// Turns and flips that the mark went through.
    pub turned_degrees: Option<f64>,
    pub mirrored: Option<bool>,
    pub log10_false_positive: Option<f64>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PayloadReport {
    pub version: u8,
    pub kind: &'static str,
    pub denoise_strength: f64,
    /// Twelve hexadecimal digits: the first 48 bits of the source's SHA-256.
    pub source_sha256_prefix: String,
    pub id: String,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct CatalogReport {
    /// Whether there was a workspace to ask.
    pub asked: bool,
    /// exact, watermark or perceptual.
    #[serde(rename = "match")]
    pub matched: Option<&'static str>,
    pub asset: Option<String>,
    /// Digests of the reference files that it was made from.
    pub references: Vec<Digest>,
    /// Deviation from the recorded picture, where it was measured.
    pub deviation_from_record: Option<f64>,
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
    let manifest = match &findings.manifest {
        Ok(Some(reading)) => Some(manifest_report(reading, false)),
        Ok(None) => {
            memory.and_then(|found| found.recovered.as_ref()).map(|reading| manifest_report(reading, true))
        }
        Err(error) => broken_report(error),
    };
    Report {
        sha256: findings.sha256,
        verdict,
        confidence,
        reasons,
        manifest,
        watermark: watermark_report(&findings),
        catalog: CatalogReport {
            asked,
            matched: memory.and_then(|found| found.kinship.name()),
            asset: memory.map(|found| found.asset.clone()),
            references: memory.map(|found| found.references.clone()).unwrap_or_default(),
            deviation_from_record: memory.and_then(|found| found.deviation),
        },
        claims: findings.claims,
    }
}

fn manifest_report(reading: &Reading, recovered: bool) -> ManifestReport {
    let facts = reading.facts();
    ManifestReport {
        state: state(reading),
        recovered,
        label: Some(reading.label.clone()),
        signer: reading.signer.clone(),
        alg: reading.signer.as_ref().and_then(|signer| signer.alg.clone()),
        claim_generator: reading.claim_generator.clone(),
        digital_source_type: reading.digital_source_type.clone(),
        source_sha256: facts.map(|f| f.source_sha256),
        denoise_strength: facts.map(|f| f.denoise_strength.value()),
        engine: facts.map(|f| format!("{} {}", f.engine.name, f.engine.version)),
        seed: facts.map(|f| f.seed.to_string()),
        deviation: facts.map(|f| f.deviation.deviation),
        ingredients: reading.ingredients.clone(),
        failures: reading.failures.clone(),
    }
}

fn broken_report(error: &ReadError) -> Option<ManifestReport> {
    let code = match error {
        ReadError::Damaged { .. } | ReadError::Panic { .. } | ReadError::Anchors { .. } => "unreadable",
        ReadError::Format { .. } | ReadError::Remote { .. } | ReadError::TooLarge { .. } => return None,
    };
    Some(ManifestReport {
        state: "invalid",
        recovered: false,
        label: None,
        signer: None,
        alg: None,
        claim_generator: None,
        digital_source_type: None,
        source_sha256: None,
        denoise_strength: None,
        engine: None,
        seed: None,
        deviation: None,
        ingredients: Vec::new(),
        failures: vec![Failure { code: code.into(), explanation: Some(error.to_string()), ingredient: None }],
    })
}

fn state(reading: &Reading) -> &'static str {
    match reading.state {
        crate::manifest::State::Trusted => "trusted",
        crate::manifest::State::Valid => "valid",
        crate::manifest::State::Invalid => "invalid",
    }
}

fn watermark_report(findings: &Findings) -> WatermarkReport {
    let detection = findings.detection.as_ref();
    WatermarkReport {
        found: detection.is_some(),
        authentic: findings.payload.and(findings.memory.as_ref()).and_then(|found| found.authentic),
        payload: findings.payload.as_ref().map(payload_report),
        turned_degrees: detection.map(|d| d.pose.rotation_degrees),
        mirrored: detection.map(|d| d.pose.mirrored),
        log10_false_positive: detection.map(|d| d.log10_false_positive),
    }
}

fn payload_report(payload: &Payload) -> PayloadReport {
    PayloadReport {
        version: 1,
        kind: match payload.kind() {
            Kind::Generated => "ai-generated",
            Kind::Edited => "ai-edited",
        },
        denoise_strength: (payload.denoise_strength() * 1000.0).round() / 1000.0,
        source_sha256_prefix: format!("{:012x}", payload.source_prefix()),
        id: payload.id(),
    }
}

/// What speaks, layer by layer, in the order of its weight.
fn reasons(findings: &Findings, evidence: &Evidence, asked: bool) -> Vec<String> {
    let mut out = Vec::new();
    manifest_reasons(findings, evidence, &mut out);
    watermark_reasons(findings, evidence, &mut out);
    catalog_reasons(findings, evidence, asked, &mut out);
    for claim in findings.claims.iter().filter(|claim| claim.ai) {
        let tool = claim.tool.as_deref().map(|tool| format!(" by {tool}")).unwrap_or_default();
        out.push(format!("unsigned metadata ({}{tool}) claims: {}", claim.source, claim.statement));
    }
    out
}

fn manifest_reasons(findings: &Findings, evidence: &Evidence, out: &mut Vec<String>) {
    let reading = match &findings.manifest {
        Ok(Some(reading)) => reading,
        Ok(None) => return out.push("manifest: none in the file".into()),
        Err(error) => return out.push(format!("manifest: {error}")),
    };
    let who = reading.signer.as_ref().and_then(|s| s.common_name.clone()).unwrap_or_else(|| "unknown".into());
    match evidence.manifest {
        ManifestEvidence::AiTrusted => {
            out.push(format!("manifest: signed by {who}, trusted here, says AI-generated"))
        }
        ManifestEvidence::AiUntrusted => {
            let ended = reading
                .failures
                .iter()
                .any(|f| f.code.contains("expired") || f.code.contains("outsideValidity"));
            let why = if ended { "whose certificate has ended" } else { "whom nobody here vouches for" };
            out.push(format!("manifest: intact, signed by {who}, {why}, says AI-generated"));
        }
        ManifestEvidence::Silent => {
            out.push(format!("manifest: intact, signed by {who}, says nothing about AI"))
        }
        ManifestEvidence::Capture => {
            out.push(format!("manifest: intact, signed by {who}, says the picture was captured"))
        }
        ManifestEvidence::Broken | ManifestEvidence::Absent => broken_reasons(findings, reading, &who, out),
    }
    for ingredient in &reading.ingredients {
        if ingredient.state == Some(crate::manifest::State::Invalid) {
            let title = ingredient.title.as_deref().unwrap_or("untitled");
            out.push(format!(
                "manifest: the ingredient {title:?} carried a broken manifest when it was taken in"
            ));
        }
    }
}

fn broken_reasons(findings: &Findings, reading: &Reading, who: &str, out: &mut Vec<String>) {
    if reading.content_differs() {
        out.push(format!("manifest: names {who} as its signer, but was made for other pixels than these"));
    } else if !holds(reading) && reading.failures.is_empty() {
        out.push("manifest: its action and its assertion state different derivations".into());
    } else {
        out.push(format!("manifest: broken ({})", reading.failure_codes().join(", ")));
    }
    // What contradicts what: the mark is in the pixels, so it speaks for the picture at hand.
    if let (Some(payload), Some(facts)) = (&findings.payload, reading.facts()) {
        let named = facts.watermark.as_ref().map(|mark| mark.payload_id.as_str());
        out.push(if named == Some(payload.id().as_str()) {
            "the watermark in the pixels is the one this manifest names: the file was changed after signing"
                .into()
        } else {
            format!(
                "the watermark in the pixels is {}, the manifest names {}: it belongs to another picture",
                payload.id(),
                named.unwrap_or("none")
            )
        });
    }
}

fn watermark_reasons(findings: &Findings, evidence: &Evidence, out: &mut Vec<String>) {
    let Some(payload) = &findings.payload else {
        out.push(match evidence.watermark {
            WatermarkEvidence::AbsentThoughNamed => {
                "watermark: none found, though the manifest names one".into()
            }
            _ => "watermark: none found".into(),
        });
        return;
    };
    let what = match payload.kind() {
        Kind::Generated => "AI-generated",
        Kind::Edited => "AI-edited",
    };
    let rest = match evidence.watermark {
        WatermarkEvidence::Agrees => ", as the manifest says",
        WatermarkEvidence::Disagrees => ", which is not what the manifest says",
        _ => "",
    };
    out.push(format!(
        "watermark: says {what} from source {:012x}… at strength {:.2}{rest}",
        payload.source_prefix(),
        payload.denoise_strength()
    ));
}

fn catalog_reasons(findings: &Findings, evidence: &Evidence, asked: bool, out: &mut Vec<String>) {
    let Some(found) = &findings.memory else {
        out.push(
            if asked {
                "catalog: nothing like it is recorded here"
            } else {
                "catalog: no workspace here to ask"
            }
            .into(),
        );
        return;
    };
    let id = &found.asset;
    out.push(match found.kinship {
        Kinship::Exact => format!("catalog: released here as {id}"),
        Kinship::Watermark => format!("catalog: the watermark was released here with this picture, as {id}"),
        Kinship::Perceptual => format!("catalog: looks like {id}, which was released here"),
        Kinship::Reference => {
            format!("catalog: recorded here as the reference {id} of {} outputs", found.outputs)
        }
        Kinship::CopiedMark => copied(findings, found),
    });
    if matches!(evidence.catalog, CatalogEvidence::Watermark | CatalogEvidence::Perceptual)
        && found.recovered.is_some()
    {
        out.push("catalog: gave back the manifest that the file has lost; the file is a changed copy".into());
    }
}

fn copied(findings: &Findings, found: &Match) -> String {
    let strength_differs = findings
        .payload
        .as_ref()
        .zip(found.strength)
        .is_some_and(|(payload, strength)| !same_strength(payload, strength));
    if strength_differs {
        format!(
            "catalog: the watermark's id is that of {}, which was made at another strength: a forged mark",
            found.asset
        )
    } else {
        format!("catalog: the watermark is that of {}, which is another picture: a copied mark", found.asset)
    }
}
