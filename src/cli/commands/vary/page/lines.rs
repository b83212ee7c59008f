//! What people read of a variation, line by line.

use std::path::Path;

use super::Page;
use crate::cli::commands::lora_line;
use crate::cli::term::{BAD, BOLD, DIM, GOOD, WARN, paint, shown};
use crate::generate::{Finding, Record};
use crate::manifest::State;
use crate::policy::{Mark, Reason, against};
use crate::quantity::{Deviation, Strength};
use crate::release::{self, Asked, Declared, Held, Origin, Refused, Released, Stamped, Timings, Tried};
use crate::verify::words;
use crate::watermark::Level;

impl Page<'_> {
    pub(super) fn line(&self, name: &str, text: impl std::fmt::Display) -> String {
        format!("{} {text}", paint(BOLD, format_args!("{name:<9}")))
    }

    pub(super) fn from(&self) -> String {
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

    /// Its deviation, and how far its arrangement differs where that is limited.
    pub(super) fn figures(&self, one: &Tried) -> String {
        let limits = self.policy.limits();
        let deviation = against(one.deviation, limits.min_deviation);
        match limits.min_composition {
            0.0 => deviation,
            min => format!("{deviation}/{}", against(one.composition, min)),
        }
    }

    /// Who made the picture, and how.
    pub(super) fn origin(&self, origin: &Origin, tried: &[Tried]) -> String {
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

    pub(super) fn differs(&self, deviation: &Deviation) -> String {
        let limits = self.policy.limits();
        let style = if deviation.deviation >= limits.min_deviation { GOOD } else { BAD };
        format!(
            "{} from its reference, at least {:.2} required (policy {}); arrangement {:.2}",
            paint(style, against(deviation.deviation, limits.min_deviation)),
            limits.min_deviation,
            self.policy.name(),
            deviation.composition,
        )
    }

    /// What the engine itself knows of its copying.
    pub(super) fn own_copy(&self, origin: &Origin) -> Option<String> {
        let (share, max) = (origin.largest_copy()?, self.policy.limits().max_copy);
        let style = if max.is_none_or(|max| share <= max) { GOOD } else { BAD };
        let allowed = max.map_or(String::new(), |max| format!(", at most {} allowed", percent(max)));
        let figure = paint(style, percent(share));
        let text =
            format!("largest piece that the engine took from one place: {figure} of the picture{allowed}");
        Some(self.line("", text))
    }

    /// What else it was held against, and what came nearest.
    pub(super) fn compared(&self, held: &Held) -> Option<String> {
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
            let least = self.policy.limits().min_deviation;
            let style = if measured.deviation >= least { GOOD } else { BAD };
            let figure = paint(style, against(measured.deviation, least));
            format!("; nearest {figure} from {} ({})", shown(Path::new(&other.title)), other.sha256.short(12))
        });
        let nearest = nearest.unwrap_or_default();
        Some(self.line("Compared", format_args!("with {others}{lost}; {known} on record{nearest}")))
    }

    pub(super) fn signer(&self, done: &Released) -> String {
        let name = done.signer.as_ref().and_then(|signer| signer.common_name.clone());
        name.unwrap_or_else(|| "an unnamed certificate".to_owned())
    }

    pub(super) fn timings(&self, t: &Timings) -> String {
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
}

/// What a refusal leaves to be tried.
pub fn advice(refused: &Refused) -> Option<&'static str> {
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

pub fn watermark(done: &Released) -> String {
    let level = match done.level {
        Level::Long => String::new(),
        // The whole payload did not fit; the record has it.
        Level::Short => format!(", short level ({} bits)", done.level.message_bits()),
    };
    format!("invisible watermark {}, {:.1} dB{level}", done.payload_id, done.psnr_db)
}

pub fn carried(mark: Mark, value: &str) -> String {
    match mark {
        Mark::Prompt => "prompt, in manifest and XMP".to_owned(),
        Mark::Disclosure => format!("latent disclosure in XMP, which names {value}"),
        Mark::Tc260 => format!("TC260:AIGC in XMP, which names {value}"),
        Mark::Label => format!("visible label: {value}"),
        Mark::Caption => format!("caption: {value}"),
    }
}

pub fn state(done: &Released) -> &'static str {
    match done.manifest_state {
        State::Trusted => "trusted here",
        State::Valid => "valid; its root is not among the anchors here",
        State::Invalid => "invalid",
    }
}

/// When it was signed, or why nobody says so.
pub fn stamped(stamped: &Stamped) -> String {
    match stamped {
        Stamped::By(stamp) if stamp.trusted => words::stamped(stamp),
        Stamped::By(stamp) => paint(WARN, words::stamped(stamp)),
        Stamped::Failed(reason) => paint(WARN, format_args!("no time stamp: {reason}")),
        Stamped::NotAsked => "no time stamp: vidimus.toml names no authority".to_owned(),
    }
}
