//! What is said about one variation, to people and to programs.

mod document;
mod lines;

use std::path::Path;

use serde_json::{Value, json};

use crate::cli::term::{BAD, Terminal, WARN, paint, quoted, shown};
use crate::generate::Request;
use crate::manifest::BELOW_LIMIT;
use crate::policy::{OnViolation, PolicySet};
use crate::release::{Asked, Origin, Reference, Refused, Released, Stamped, Trial, Tried};
use crate::workspace::Workspace;

use document::{compared, sought};
use lines::{advice, carried, stamped, state, watermark};

/// What was asked for, as far as what came of it tells.
fn told(origin: &Origin) -> Asked {
    match origin {
        Origin::Drawn(record) => Asked::Engine {
            engine: record.engine.clone(),
            request: Request { prompt: record.prompt.clone(), ..Request::new(record.strength, record.seed) },
        },
        Origin::Declared(declared) => Asked::Elsewhere(declared.clone()),
    }
}

/// The variation at hand and where it was made.
pub struct Page<'a> {
    pub path: &'a Path,
    pub reference: &'a Reference,
    pub policy: &'a PolicySet,
    pub workspace: &'a Workspace,
    pub terminal: &'a Terminal,
}

impl Page<'_> {
    pub fn released(&self, done: &Released, tried: &[Tried]) -> (String, Value) {
        let made = match &done.origin {
            Origin::Drawn(_) => "Made",
            Origin::Declared(_) => "Adopted",
        };
        let mut lines = vec![
            self.line(made, format_args!("{}  {}×{}", shown(&done.output), done.width, done.height)),
            self.from(),
            self.origin(&done.origin, tried),
            self.line("Differs", self.differs(&done.deviation)),
        ];
        lines.extend(self.own_copy(&done.origin));
        if let Some(path) = &done.sidecar {
            lines.insert(1, self.line("", format_args!("its manifest beside it: {}", shown(path))));
        }
        let below = |violation| self.line("", paint(WARN, format_args!("{BELOW_LIMIT}: {violation}")));
        lines.extend(done.lifted.iter().map(below));
        lines.extend(self.compared(&done.held));
        lines.extend([
            self.line(
                "Marks",
                format_args!("C2PA manifest, signed by {} ({})", self.signer(done), state(done)),
            ),
            self.line("", stamped(&done.stamped)),
            self.line("", watermark(done)),
        ]);
        lines.extend(done.carried.iter().map(|(mark, value)| self.line("", carried(*mark, value))));
        lines.extend([
            self.line(
                "Recorded",
                format_args!("{} in {}", done.asset_id, self.workspace.catalog().display()),
            ),
            self.line("Check", format_args!("vidimus verify {}", quoted(&done.output))),
        ]);
        if self.terminal.verbose {
            lines.push(self.line("Manifest", &done.manifest_label));
            lines.push(self.line("Output", format_args!("sha256 {}", done.sha256)));
            lines.push(self.timings(&done.timings));
        }
        let mut document = self.document(
            "released",
            &told(&done.origin),
            Some(&done.origin),
            Some(&done.deviation),
            &done.timings,
        );
        document["compared"] = compared(&done.held);
        document["output"] = done.output.to_string_lossy().into();
        document["sidecar"] = json!(done.sidecar.as_ref().map(|path| path.to_string_lossy()));
        document["sha256"] = json!(done.sha256);
        document["asset"] = json!(done.asset_id);
        document["run"] = json!(done.run_id);
        document["watermark"] = json!({
            "payload_id": done.payload_id,
            "level": done.level.name(),
            "psnr_db": done.psnr_db,
        });
        document["carried"] =
            done.carried.iter().map(|(mark, value)| (mark.name(), value.as_str())).collect();
        document["override"] = done.lifted.iter().map(ToString::to_string).collect();
        document["sought"] = sought(tried);
        document["manifest"] =
            json!({ "label": done.manifest_label, "state": done.manifest_state, "signer": done.signer });
        document["time_stamp"] = match &done.stamped {
            Stamped::By(stamp) => json!(stamp),
            Stamped::Failed(reason) => json!({ "time": null, "trusted": false, "fault": reason }),
            Stamped::NotAsked => Value::Null,
        };
        (lines.join("\n"), document)
    }

    pub fn trial(&self, trial: &Trial, tried: &[Tried]) -> (String, Value) {
        let mut lines = vec![
            self.line("Dry run", "the policy would release it; nothing was marked, recorded or written"),
            self.from(),
            self.origin(&trial.origin, tried),
            self.line("Differs", self.differs(&trial.deviation)),
        ];
        lines.extend(self.own_copy(&trial.origin));
        lines.extend(self.compared(&trial.held));
        if self.terminal.verbose {
            lines.push(self.timings(&trial.timings));
        }
        let mut document = self.document(
            "cleared",
            &told(&trial.origin),
            Some(&trial.origin),
            Some(&trial.deviation),
            &trial.timings,
        );
        document["compared"] = compared(&trial.held);
        document["dry_run"] = true.into();
        document["sought"] = sought(tried);
        (lines.join("\n"), document)
    }

    pub fn refused(&self, refused: &Refused, tried: &[Tried]) -> (String, Value) {
        let mut lines = vec![self.line("Refused", paint(BAD, &refused.refusal)), self.from()];
        lines.extend(refused.origin.as_ref().map(|origin| self.origin(origin, tried)));
        if let Some(deviation) = &refused.deviation {
            lines.push(self.line("Differs", self.differs(deviation)));
        }
        lines.extend(refused.origin.as_ref().and_then(|origin| self.own_copy(origin)));
        lines.extend(refused.held.as_ref().and_then(|held| self.compared(held)));
        let seed = match &refused.asked {
            Asked::Engine { request, .. } => Some(request.seed),
            Asked::Elsewhere(_) => None,
        };
        let when = if refused.origin.is_some() { "after" } else { "before" };
        let step = if seed.is_some() { "generation" } else { "the measure" };
        let kept = match &refused.quarantine {
            Some(path) => format!("the draft is in {}", shown(path)),
            None => "no picture was kept".to_owned(),
        };
        let logged =
            if refused.logged { format!("logged as {}", refused.run_id) } else { "not logged".to_owned() };
        lines.push(self.line("Outcome", format_args!("{when} {step}; {kept}; {logged}")));
        if refused.quarantine.is_some() && refused.refusal.action == OnViolation::Override {
            let seed = seed.map(|seed| format!("--seed {seed} ")).unwrap_or_default();
            let text = format!(
                "two approvers may release it: each 'vidimus policy approve {} --key … --reason …', then this command \
                 with {seed}--override {}",
                refused.run_id, refused.run_id
            );
            lines.push(self.line("Or", text));
        }
        if refused.kept_too_much(self.policy) {
            lines.push(self.line("Try", "a mask that lets more vary: what it keeps counts as copied"));
        } else if !tried.is_empty() {
            lines.push(self.line("Try", "another --seed, or several with --attempts"));
        } else if let Some(advice) = advice(refused) {
            lines.push(self.line("Try", advice));
        }
        if self.terminal.verbose {
            lines.push(self.timings(&refused.timings));
        }
        let (origin, deviation) = (refused.origin.as_ref(), refused.deviation.as_ref());
        let mut document = self.document("refused", &refused.asked, origin, deviation, &refused.timings);
        document["reasons"] = refused.refusal.reasons.iter().map(ToString::to_string).collect();
        document["run"] = json!(refused.run_id);
        document["compared"] = refused.held.as_ref().map_or(Value::Null, compared);
        document["sought"] = sought(tried);
        document["quarantine"] = json!(refused.quarantine.as_ref().map(|path| path.to_string_lossy()));
        if !refused.logged {
            document["dry_run"] = true.into();
        }
        (lines.join("\n"), document)
    }

    /// One of the drafts that a strength is sought by.
    pub fn tried(&self, one: &Tried) -> String {
        format!("strength {}: differs by {}: {}", one.strength, self.figures(one), one.outcome())
    }
}
