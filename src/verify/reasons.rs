//! The evidence in sentences: each names the layer it rests on.

use super::decide::{CatalogEvidence, Evidence, ManifestEvidence, WatermarkEvidence};
use super::evidence::is_named;
use super::recall::{Forgery, Kinship};
use super::words::{self, quoted};
use super::{Findings, is_ours};
use crate::iptc;
use crate::manifest::Reading;

/// What speaks, layer by layer, in the order of its weight.
pub(super) fn reasons(findings: &Findings, evidence: &Evidence, asked: bool) -> Vec<String> {
    let mut out = Vec::new();
    if let Some(name) = &findings.beside {
        out.push(format!("manifest: read from {}, for it is not in the picture's own file", quoted(name)));
    }
    manifest_reasons(findings, evidence, &mut out);
    watermark_reasons(findings, evidence, &mut out);
    catalog_reasons(findings, evidence, asked, &mut out);
    for claim in findings.claims.iter().filter(|claim| claim.ai) {
        let tool = claim.tool.as_deref().map(|tool| format!(" by {}", quoted(tool))).unwrap_or_default();
        out.push(format!("unsigned metadata ({}{tool}) claims: {}", claim.source, quoted(&claim.statement)));
    }
    out
}

fn manifest_reasons(findings: &Findings, evidence: &Evidence, out: &mut Vec<String>) {
    let reading = match &findings.manifest {
        Ok(Some(reading)) => reading,
        Ok(None) => return out.push("manifest: none in the file".into()),
        Err(error) => return out.push(format!("manifest: {error}")),
    };
    let who = reading.signer.as_ref().and_then(|signer| signer.common_name.as_deref());
    let who = who.map_or_else(|| "an unnamed certificate".to_owned(), quoted);
    match evidence.manifest {
        ManifestEvidence::AiTrusted => {
            out.push(format!("manifest: signed by {who}, trusted here, says {}", made(reading)))
        }
        ManifestEvidence::AiUntrusted => {
            let why = match reading.revocation() {
                Some(revocation) => format!("whose certificate was {revocation}"),
                None if reading.ended() => "whose certificate is out of its time".to_owned(),
                None => "whom nobody here vouches for".to_owned(),
            };
            out.push(format!("manifest: intact, signed by {who}, {why}, says {}", made(reading)));
        }
        ManifestEvidence::Silent => {
            out.push(format!("manifest: intact, signed by {who}, says nothing about AI"))
        }
        ManifestEvidence::Capture => {
            out.push(format!("manifest: intact, signed by {who}, says the picture was captured"))
        }
        ManifestEvidence::Broken | ManifestEvidence::Absent => broken_reasons(findings, reading, &who, out),
    }
    if !matches!(evidence.manifest, ManifestEvidence::Broken | ManifestEvidence::Absent)
        && let (Some(vendor), Some(generator)) = (reading.vendor, &reading.claim_generator)
    {
        let (name, generator) = (vendor.name, quoted(generator));
        out.push(match vendor.certified {
            true => format!("manifest: made by {generator} of {name}, whose certificate it is"),
            false => {
                format!("manifest: made by {generator}, which is what programs of {name} call themselves")
            }
        });
    }
    let restored = reading.restored();
    if let (Some(recovery), Some(parent)) = (&reading.recovery, restored) {
        let how = match parent.content_differs() {
            true => "its content is not what was signed",
            false => "its pixels are as they were signed",
        };
        out.push(format!(
            "manifest: given back to this copy by {who}, which knew it by its {}; {how}",
            words::found_by(&recovery.found_by)
        ));
    }
    if !matches!(evidence.manifest, ManifestEvidence::Broken | ManifestEvidence::Absent)
        && let Some(stamp) = &reading.time_stamp
    {
        out.push(format!("manifest: {}", words::stamped(stamp)));
    }
    if !matches!(evidence.manifest, ManifestEvidence::Broken | ManifestEvidence::Absent) {
        out.extend(
            reading.training_mining.as_ref().map(|said| format!("manifest: {}", words::permitted(said))),
        );
        if reading.known_facts().is_some_and(|facts| facts.prompt_withheld) {
            out.push("manifest: the prompt is withheld".into());
        }
    }
    for ingredient in &reading.ingredients {
        let told = restored.is_some_and(|parent| std::ptr::eq(parent, ingredient));
        if !told && ingredient.state == Some(crate::manifest::State::Invalid) {
            let title = ingredient.title.as_deref().unwrap_or("untitled");
            out.push(format!(
                "manifest: the ingredient {title:?} carried a broken manifest when it was taken in"
            ));
        }
    }
}

fn made(reading: &Reading) -> String {
    let made =
        if reading.known_source_type().is_some_and(iptc::is_in_part) { "AI-edited" } else { "AI-generated" };
    let told = reading.known_facts().and_then(|facts| Some((facts, facts.declared.as_ref()?)));
    match told {
        None => made.to_owned(),
        Some((facts, declared)) => format!(
            "{made} elsewhere by {}, as declared by {}, not witnessed",
            quoted(&facts.engine.name),
            quoted(&declared.by)
        ),
    }
}

fn broken_reasons(findings: &Findings, reading: &Reading, who: &str, out: &mut Vec<String>) {
    if reading.content_differs() {
        out.push(format!("manifest: names {who} as its signer, but was made for other pixels than these"));
    } else if !reading.holds() && reading.failures.is_empty() {
        out.push("manifest: its action and its assertion state different derivations".into());
    } else {
        out.push(format!("manifest: broken ({})", reading.failure_codes().join(", ")));
    }
    // What contradicts what: the mark is in the pixels, so it speaks for the picture at hand.
    if let (Some(said), Some(facts)) = (&findings.said, reading.facts()) {
        let named = facts.watermark.as_ref();
        out.push(if named.is_some_and(|mark| is_named(said, mark)) {
            "the watermark in the pixels is the one this manifest names: the file was changed after signing"
                .into()
        } else {
            format!(
                "the watermark in the pixels is {}, the manifest names {}: it belongs to another picture",
                said.id().unwrap_or_else(|| format!("{}…", said.source_prefix())),
                named.map_or("none", |mark| mark.payload_id.as_str())
            )
        });
    }
}

fn watermark_reasons(findings: &Findings, evidence: &Evidence, out: &mut Vec<String>) {
    let (Some(said), Some(detection)) = (&findings.said, &findings.detection) else {
        out.push(match evidence.watermark {
            _ if findings.detection.is_some() => {
                "watermark: found, but of a kind that this program cannot read".into()
            }
            WatermarkEvidence::AbsentThoughNamed => {
                "watermark: none found, though the manifest names one".into()
            }
            _ => "watermark: none found".into(),
        });
        return;
    };
    let rest = match evidence.watermark {
        WatermarkEvidence::Agrees => ", as the manifest says",
        WatermarkEvidence::Disagrees => ", which is not what the manifest says",
        _ => "",
    };
    let whose = match is_ours(detection) {
        Some(true) => ", made with this workspace's key",
        Some(false) => ", not made with this workspace's key",
        None => "",
    };
    let geometry = words::geometry(detection);
    let since = if geometry.is_empty() { String::new() } else { format!("; since then {geometry}") };
    out.push(format!("watermark: says {}{rest}{whose}{since}", words::said(said)));
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
    if let Some(foreign) = &found.foreign {
        let trust = if foreign.signer_trusted { "trusted here" } else { "whom nobody here vouches for" };
        let sure = if foreign.confirmed { "" } else { "; whether it is of this picture cannot be told" };
        out.push(format!(
            "catalog: an archive exported by {} has its manifest, known by its {}, of a signer {trust}{sure}; \
             it was not released here",
            quoted(&foreign.exporter),
            foreign.found_by
        ));
        return;
    }
    let id = &found.asset;
    out.push(match found.kinship {
        Kinship::Exact => format!("catalog: released here as {id}"),
        Kinship::Unconfirmed => {
            format!(
                "catalog: the watermark was released here as {id}, but the two pictures could not be compared"
            )
        }
        Kinship::Watermark => format!("catalog: the watermark was released here with this picture, as {id}"),
        Kinship::Perceptual => format!("catalog: looks like {id}, which was released here"),
        // Told above.
        Kinship::Foreign(_) => return,
        Kinship::Reference => {
            format!("catalog: recorded here as the reference {id} of {} outputs", found.outputs)
        }
        Kinship::CopiedMark => {
            format!("catalog: the watermark is that of {id}, which is another picture: a copied mark")
        }
        Kinship::ForeignMark => {
            format!("catalog: released here as {id}, but not with this watermark: it was marked again since")
        }
        Kinship::ForgedMark(forgery) => {
            let but = match forgery {
                Forgery::Strength => "which was made at another strength",
                Forgery::Level => "which carries a mark of another level",
                Forgery::Key => "but it was not made with this workspace's key",
            };
            format!("catalog: the watermark's id is that of {id}, {but}: a forged mark")
        }
    });
    if let Some(adopted) = &found.adopted {
        out.push(format!(
            "catalog: {id} was adopted: made elsewhere, as declared by {}, not witnessed",
            quoted(&adopted.by)
        ));
    }
    if matches!(evidence.catalog, CatalogEvidence::Watermark | CatalogEvidence::Perceptual)
        && found.recovered.is_some()
    {
        out.push("catalog: gave back the manifest that the file has lost; the file is a changed copy".into());
    }
}
