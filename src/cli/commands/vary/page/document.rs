//! What programs read of a variation.

use serde_json::{Value, json};

use super::Page;
use crate::cli::commands::policy;
use crate::quantity::Deviation;
use crate::release::{self, Asked, Held, Origin, Timings, Tried};

/// What was asked, and of whom, for programs.
fn asked(asked: &Asked) -> Value {
    match asked {
        Asked::Engine { engine, request } => json!({
            "engine": { "name": engine.name, "version": engine.version },
            "strength": request.strength,
            "seed": request.seed,
            "prompt": request.prompt,
        }),
        Asked::Elsewhere(declared) => json!({
            "engine": { "name": declared.tool, "version": declared.version },
            "strength": declared.strength,
            "seed": declared.seed,
            "prompt": declared.prompt,
            "witnessed": false,
            "declared": declared,
        }),
    }
}

impl Page<'_> {
    pub(super) fn document(
        &self,
        outcome: &str,
        what: &Asked,
        origin: Option<&Origin>,
        deviation: Option<&Deviation>,
        timings: &Timings,
    ) -> Value {
        let record = origin.and_then(Origin::record);
        let mut document = json!({
            "schema": 1,
            "outcome": outcome,
            "output": null,
            "sha256": null,
            "reference": {
                "path": self.path.to_string_lossy(),
                "sha256": self.reference.sha256,
                "remarks": self.reference.remarks,
                "enlarged_to": self.reference.enlarged.as_ref().map(|to| [to.width(), to.height()]),
            },
            "witnessed": true,
            "prompt_used": record.map(|r| r.prompt_used),
            "noise_level": record.map(|r| r.noise_level),
            "steps": record.map(|r| r.steps),
            "largest_copy": record.and_then(|r| r.largest_copy),
            "varied_share": record.and_then(|r| r.varied_share),
            "guidance": record.and_then(|r| r.guidance),
            "negative_prompt": record.and_then(|r| r.negative_prompt.as_deref()),
            "sampler": record.and_then(|r| r.sampler),
            "prediction": record.and_then(|r| r.prediction),
            "precision": record.and_then(|r| r.precision),
            "device": record.and_then(|r| r.device),
            "image_weight": record.and_then(|r| r.image_weight),
            "loras": record.map(|r| &r.loras),
            "windows": record.and_then(|r| r.windows),
            "findings": record.map(|r| &r.findings),
            "deviation": deviation,
            "compared": null,
            "policy": {
                "name": self.policy.named().name(),
                "digest": self.policy.digest(),
                "limits": self.policy.limits(),
                "others": policy::others(self.policy),
            },
            "reasons": [],
            "watermark": null,
            "manifest": null,
            "timings_ms": timings,
        });
        if let (Value::Object(document), Value::Object(asked)) = (&mut document, asked(what)) {
            document.extend(asked);
        }
        document
    }
}

pub fn compared(held: &Held) -> Value {
    json!({
        "known": held.through,
        "compared": held.compared.len(),
        "lost": held.lost(),
        "nearest": held.nearest().map(|(other, _)| other),
    })
}

/// The drafts that a strength was sought by; null where it was given.
pub fn sought(tried: &[Tried]) -> Value {
    if tried.is_empty() { Value::Null } else { json!({ "margin": release::MARGIN, "tried": tried }) }
}
