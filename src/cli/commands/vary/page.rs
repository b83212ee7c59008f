//! What is said about one variation, to people and to programs.

use std::path::Path;

use serde_json::{Value, json};

use crate::cli::commands::{lora_line, policy};
use crate::cli::term::{BAD, BOLD, DIM, GOOD, Terminal, WARN, paint, quoted, shown};
use crate::generate::{Finding, Record, Request};
use crate::manifest::{BELOW_LIMIT, State};
use crate::policy::{Mark, OnViolation, PolicySet, Reason};
use crate::quantity::{Deviation, Strength};
use crate::release::{
    self, Asked, Declared, Held, Origin, Reference, Refused, Released, Stamped, Timings, Trial, Tried,
};
use crate::verify::words;
use crate::watermark::Level;
use crate::workspace::Workspace;

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

    fn line(&self, name: &str, text: impl std::fmt::Display) -> String {
        format!("{} {text}", paint(BOLD, format_args!("{name:<9}")))
    }

    fn from(&self) -> String {
        let digest = if self.terminal.verbose {
            self.reference.sha256.to_string()
        } else {
            format!("{}…", self.reference.sha256.short(16))
        };
        let enlarged = self.reference.enlarged.as_ref();
        let enlarged = enlarged.map(|to| format!(", enlarged to {}×{}", to.width(), to.height()));
        let enlarged = enlarged.unwrap_or_default();
        let mut text = format!("{}  sha256 {digest}{enlarged}", shown(self.path));
        for remark in &self.reference.remarks {
            text.push_str(&format!("\n          {} {remark}", paint(WARN, "note:")));
        }
        self.line("From", text)
    }

    /// One of the drafts that a strength is sought by.
    pub fn tried(&self, one: &Tried) -> String {
        format!("strength {}: differs by {}: {}", one.strength, self.figures(one), one.outcome())
    }

    /// Its deviation, and how far its arrangement differs where that is limited.
    fn figures(&self, one: &Tried) -> String {
        match self.policy.limits().min_composition {
            0.0 => format!("{:.2}", one.deviation),
            _ => format!("{:.2}/{:.2}", one.deviation, one.composition),
        }
    }

    /// Who made the picture, and how.
    fn origin(&self, origin: &Origin, tried: &[Tried]) -> String {
        match origin {
            Origin::Drawn(record) => self.line("Engine", self.recipe(record, tried)),
            Origin::Declared(declared) => {
                let says = format!("by {}, not witnessed: {}", declared.by, claimed(declared).join(", "));
                self.line("Declared", says)
            }
        }
    }

    fn recipe(&self, record: &Record, tried: &[Tried]) -> String {
        let mut text = format!("{}, strength {}, seed {}", record.engine.name, record.strength, record.seed);
        if !tried.is_empty() {
            text.push_str(&self.curve(record.strength, tried));
        }
        if let Some(share) = record.varied_share {
            text.push_str(&format!(", {:.1} % of the picture varied", 100.0 * share));
        }
        for finding in &record.findings {
            let overrule = match finding {
                Finding::Directed => "; --orientation any turns them",
                _ => "",
            };
            text.push_str(&format!("\n          {} {finding}{overrule}", paint(WARN, "note:")));
        }
        for lora in &record.loras {
            text.push('\n');
            text.push_str(&self.line("LoRA", lora_line(lora)));
        }
        if let Some(prompt) = record.prompt.as_ref().filter(|_| !record.prompt_used) {
            text.push_str(&paint(
                DIM,
                format_args!("\n          (it cannot read prompts: {prompt:?} is recorded, not used)"),
            ));
        }
        text
    }

    /// How the strength was found.
    fn curve(&self, found: Strength, tried: &[Tried]) -> String {
        let mut tried = tried.to_vec();
        tried.sort_by(|a, b| a.strength.value().total_cmp(&b.strength.value()));
        let all: Vec<String> =
            tried.iter().map(|one| format!("{} at {}", self.figures(one), one.strength)).collect();
        let clears = tried.iter().any(|one| one.clears);
        let what = match clears {
            true => format!("{found} is the least of these strengths that clears"),
            false => "none of these strengths clears".to_owned(),
        };
        format!("\n          {what} with {:.2} to spare: {}", release::MARGIN, all.join(", "))
    }

    fn differs(&self, deviation: &Deviation) -> String {
        let limits = self.policy.limits();
        let style = if deviation.deviation >= limits.min_deviation { GOOD } else { BAD };
        format!(
            "{} from its reference, at least {:.2} required (policy {}); arrangement {:.2}",
            paint(style, format_args!("{:.2}", deviation.deviation)),
            limits.min_deviation,
            self.policy.name(),
            deviation.composition,
        )
    }

    /// What the engine itself knows of its copying.
    fn own_copy(&self, origin: &Origin) -> Option<String> {
        let (share, max) = (origin.largest_copy()?, self.policy.limits().max_copy);
        let style = if max.is_none_or(|max| share <= max) { GOOD } else { BAD };
        let allowed = max.map_or(String::new(), |max| format!(", at most {} allowed", percent(max)));
        let figure = paint(style, percent(share));
        let text =
            format!("largest piece that the engine took from one place: {figure} of the picture{allowed}");
        Some(self.line("", text))
    }

    /// What else it was held against, and what came nearest.
    fn compared(&self, held: &Held) -> Option<String> {
        let others = match held.compared.len() {
            0 => return None,
            1 => "1 other picture".to_owned(),
            n => format!("{n} other pictures"),
        };
        let known =
            if held.through == 1 { "1 reference is" } else { &format!("{} references are", held.through) };
        let lost = match held.lost() {
            0 => String::new(),
            n => paint(WARN, format_args!(" ({n} of them lost, told by fingerprint alone)")),
        };
        let nearest = held.nearest().map(|(other, measured)| {
            let style = if measured.deviation >= self.policy.limits().min_deviation { GOOD } else { BAD };
            let figure = paint(style, format_args!("{:.2}", measured.deviation));
            format!("; nearest {figure} from {} ({})", shown(Path::new(&other.title)), other.sha256.short(12))
        });
        let nearest = nearest.unwrap_or_default();
        Some(self.line("Compared", format_args!("with {others}{lost}; {known} on record{nearest}")))
    }

    fn signer(&self, done: &Released) -> String {
        let name = done.signer.as_ref().and_then(|signer| signer.common_name.clone());
        name.unwrap_or_else(|| "an unnamed certificate".to_owned())
    }

    fn timings(&self, t: &Timings) -> String {
        let text = format!(
            "{:.0} ms: generate {:.0}, measure {:.0}, embed {:.0}, sign {:.0}, record {:.0}, publish {:.0}",
            t.total(),
            t.generate,
            t.measure,
            t.embed,
            t.sign,
            t.record,
            t.publish
        );
        self.line("Took", text)
    }

    fn document(
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

/// What a refusal leaves to be tried.
fn advice(refused: &Refused) -> Option<&'static str> {
    let unknown =
        refused.refusal.reasons.iter().any(|one| matches!(one.reason, Reason::StrengthUnknown { .. }));
    let close = refused.refusal.to_string().contains("too close");
    match refused.asked {
        Asked::Engine { .. } if close => Some("a higher --strength, or another --seed"),
        Asked::Elsewhere(_) if unknown => Some(
            "--strength, if the tool has one, or a --policy that asks for none, such as without-strength",
        ),
        Asked::Elsewhere(_) if close => Some("a picture that was made with more freedom"),
        _ => None,
    }
}

/// What somebody says of a picture that was made elsewhere, piece by piece.
fn claimed(declared: &Declared) -> Vec<String> {
    let mut said = vec![match &declared.version {
        Some(version) => format!("{} {}", declared.tool, shown(Path::new(version))),
        None => declared.tool.clone(),
    }];
    let mut add = |name: &str, key: &str, value: Option<String>| {
        if let Some(value) = value {
            let source = declared.sources.get(key).map(|source| format!(" ({source})"));
            said.push(format!("{name} {}{}", shown(Path::new(&value)), source.unwrap_or_default()));
        }
    };
    add("model", "model", declared.model.clone());
    let strength = declared.strength.map_or_else(|| "not known".to_owned(), |strength| strength.to_string());
    add("strength", "strength", Some(strength));
    add("image weight", "image_weight", declared.image_weight.map(|weight| weight.to_string()));
    add("seed", "seed", declared.seed.map(|seed| seed.to_string()));
    add("steps", "steps", declared.steps.map(|steps| steps.to_string()));
    add("guidance", "guidance", declared.guidance.map(|guidance| guidance.to_string()));
    add("sampler", "sampler", declared.sampler.clone());
    add("job", "job", declared.job.clone());
    said
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

fn compared(held: &Held) -> Value {
    json!({
        "known": held.through,
        "compared": held.compared.len(),
        "lost": held.lost(),
        "nearest": held.nearest().map(|(other, _)| other),
    })
}

/// The drafts that a strength was sought by; null where it was given.
fn sought(tried: &[Tried]) -> Value {
    if tried.is_empty() { Value::Null } else { json!({ "margin": release::MARGIN, "tried": tried }) }
}

fn watermark(done: &Released) -> String {
    let level = match done.level {
        Level::Long => String::new(),
        // The whole payload did not fit; the record has it.
        Level::Short => format!(", short level ({} bits)", done.level.message_bits()),
    };
    format!("invisible watermark {}, {:.1} dB{level}", done.payload_id, done.psnr_db)
}

fn carried(mark: Mark, value: &str) -> String {
    match mark {
        Mark::Prompt => "prompt, in manifest and XMP".to_owned(),
        Mark::Disclosure => format!("latent disclosure in XMP, which names {value}"),
        Mark::Tc260 => format!("TC260:AIGC in XMP, which names {value}"),
        Mark::Label => format!("visible label: {value}"),
        Mark::Caption => format!("caption: {value}"),
    }
}

fn state(done: &Released) -> &'static str {
    match done.manifest_state {
        State::Trusted => "trusted here",
        State::Valid => "valid; its root is not among the anchors here",
        State::Invalid => "invalid",
    }
}

/// When it was signed, or why nobody says so.
fn stamped(stamped: &Stamped) -> String {
    match stamped {
        Stamped::By(stamp) if stamp.trusted => words::stamped(stamp),
        Stamped::By(stamp) => paint(WARN, words::stamped(stamp)),
        Stamped::Failed(reason) => paint(WARN, format_args!("no time stamp: {reason}")),
        Stamped::NotAsked => "no time stamp: vidimus.toml names no authority".to_owned(),
    }
}
