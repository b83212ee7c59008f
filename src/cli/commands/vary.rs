use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::catalog::Catalog;
use crate::cli::args::Vary;
use crate::cli::commands::keys;
use crate::cli::error::{Failure, Outcome};
use crate::cli::host::System;
use crate::cli::progress::Bar;
use crate::cli::term::{BAD, BOLD, DIM, GOOD, Terminal, WARN, paint};
use crate::cli::{engine, files, place};
use crate::generate::Request;
use crate::host::Host;
use crate::policies;
use crate::policy::Policy;
use crate::quantity::Seed;
use crate::raster::{Format, Limits};
use crate::release::{self, Desk, Order, Reference, Refused, ReleaseError, Released, Timings, Trial};
use crate::workspace::Workspace;

/// Drafts tried for a variation when the user leaves the seed to us.
const ATTEMPTS: u32 = 8;

pub fn run(args: &Vary, place: Option<&Path>, terminal: &Terminal) -> Result<Outcome, Failure> {
    let host = System::new()?;
    let engine = engine::open(&args.engine, args.model.as_deref())?;
    let target = Target::choose(args)?;
    let references = args.references.iter().map(|path| files::read(path)).collect::<Result<Vec<_>, _>>()?;

    // Asked for before anything is made: a slip in a name leaves nothing behind.
    let existing = place::existing(place)?.map(|workspace| workspace.policies());
    policies::load(existing.as_deref(), &args.policy).map_err(Failure::new)?;
    let (workspace, keys) = place::find_or_make(place, &host, terminal)?;
    let policy = policies::load(Some(&workspace.policies()), &args.policy).map_err(Failure::new)?;
    let mut catalog = Catalog::open(&workspace.database()).map_err(Failure::new)?;
    warn_of_expiry(&host, &keys, terminal);

    let mut outcome = Outcome::Yes;
    let mut documents = Vec::new();
    for (path, bytes) in args.references.iter().zip(references) {
        let reference = Reference::prepare(title(path), bytes, &Limits::default(), keys.anchors())
            .map_err(|error| Failure::at(path.display(), error))?;
        let page = Page { path, reference: &reference, policy: &policy, workspace: &workspace, terminal };
        let mut seeds = Seeds::new(args, &host);
        for _ in 0..args.count {
            let mut desk = Desk {
                host: &host,
                workspace: &workspace,
                keys: &keys,
                catalog: &mut catalog,
                policy: &policy,
                engine: engine.as_ref(),
                witness: &|_| {},
            };
            let ended = one(args, &target, &mut desk, &page, &mut seeds)?;
            let (text, document) = match &ended {
                release::Outcome::Released(released) => page.released(released),
                release::Outcome::Trial(trial) => page.trial(trial),
                release::Outcome::Refused(refused) => {
                    outcome = outcome.max(Outcome::No);
                    page.refused(refused)
                }
            };
            if terminal.json {
                documents.push(document);
            } else {
                terminal.result(&text).map_err(Failure::new)?;
            }
        }
    }
    if terminal.json {
        let document = if documents.len() == 1 { documents.remove(0) } else { Value::Array(documents) };
        terminal.result(&format!("{document:#}")).map_err(Failure::new)?;
    }
    Ok(outcome)
}

/// One variation: drafts with one seed after another until the policy clears one or the attempts are used up.
fn one(
    args: &Vary,
    target: &Target,
    desk: &mut Desk<'_>,
    page: &Page<'_>,
    seeds: &mut Seeds,
) -> Result<release::Outcome, Failure> {
    let mut left = args.attempts.unwrap_or(if args.seed.is_some() { 1 } else { ATTEMPTS });
    loop {
        let seed = seeds.next();
        let order = Order {
            request: Request { strength: args.strength, seed, prompt: prompt(args) },
            purpose: args.purpose.clone(),
            format: target.format,
            out: target.path(page.path, args.strength.value(), seed),
            overwrite: args.force,
            disclose_prompt: args.disclose_prompt,
            dry_run: args.dry_run,
        };
        if same_file(&order.out, page.path) {
            return Err(Failure::at(order.out.display(), "the output would overwrite its own reference")
                .advise("choose another --out"));
        }
        let mut bar = Bar::new(page.terminal);
        let ended = release::release(desk, page.reference, &order, &mut bar);
        bar.clear();
        let ended = ended.map_err(|error| explain(page.path, &error))?;
        left -= 1;
        match &ended {
            // A request that is refused as such is refused with any seed.
            release::Outcome::Refused(refused) if refused.record.is_some() && left > 0 => {
                page.terminal
                    .talk(&format!("seed {seed} refused: {}; trying the next seed", refused.refusal));
            }
            _ => return Ok(ended),
        }
    }
}

/// Seeds one after another, from the one that was asked for or from one that nobody chose.
struct Seeds(u64);

impl Seeds {
    fn new(args: &Vary, host: &System) -> Self {
        Seeds(args.seed.map_or_else(
            || {
                let mut bytes = [0; 4];
                host.random(&mut bytes);
                u64::from(u32::from_le_bytes(bytes))
            },
            |seed| seed.0,
        ))
    }

    fn next(&mut self) -> Seed {
        let seed = Seed(self.0);
        self.0 = self.0.wrapping_add(1);
        seed
    }
}

/// Where outputs go, decided once for all of them.
struct Target {
    format: Format,
    /// The one output file, or `None` for files in `folder`.
    file: Option<PathBuf>,
    folder: PathBuf,
}

impl Target {
    fn choose(args: &Vary) -> Result<Self, Failure> {
        let extension = args.out.extension().and_then(|e| e.to_str());
        let named: Option<Format> = extension.and_then(|e| e.parse().ok()).filter(|_| !args.out.is_dir());
        let Some(by_name) = named else {
            let format = args.format.unwrap_or(Format::Png);
            return Ok(Target { format, file: None, folder: args.out.clone() });
        };
        if args.references.len() > 1 || args.count > 1 {
            return Err(Failure::at(args.out.display(), "one file cannot hold several variations")
                .advise("name a directory with --out"));
        }
        if args.format.is_some_and(|format| format != by_name) {
            return Err(Failure::at(args.out.display(), "its extension and --format disagree")
                .advise("leave one of them out"));
        }
        Ok(Target { format: by_name, file: Some(args.out.clone()), folder: PathBuf::new() })
    }

    /// `NAME-s070-SEED.png` in the folder, unless one file was named.
    fn path(&self, reference: &Path, strength: f64, seed: Seed) -> PathBuf {
        if let Some(file) = &self.file {
            return file.clone();
        }
        let mut name = reference.file_stem().unwrap_or_default().to_owned();
        name.push(format!("-s{:03.0}-{seed}.{}", strength * 100.0, self.format.extension()));
        self.folder.join(name)
    }
}

fn prompt(args: &Vary) -> Option<String> {
    let of_subject = args.subject.as_ref().map(|subject| format!("electron microscope image of {subject}"));
    of_subject.or_else(|| args.prompt.clone())
}

fn title(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn same_file(one: &Path, two: &Path) -> bool {
    match (one.canonicalize(), two.canonicalize()) {
        (Ok(one), Ok(two)) => one == two,
        _ => one == two,
    }
}

fn warn_of_expiry(host: &System, keys: &crate::keys::Keys, terminal: &Terminal) {
    if keys.signer().not_after - host.now() < keys::EXPIRY_WARNING {
        terminal.talk(&format!(
            "{} the signing certificate ends on {}; 'vidimus keys rotate' makes a new one",
            paint(WARN, "note:"),
            keys.signer().not_after.date()
        ));
    }
}

fn explain(path: &Path, error: &ReleaseError) -> Failure {
    let failure = Failure::at(path.display(), error);
    match error {
        ReleaseError::OutputExists { .. } => Failure::new(error).advise("use --force to overwrite it"),
        ReleaseError::Catalog(_) => {
            Failure::new(error).advise("nothing was released; 'vidimus audit' looks into it")
        }
        ReleaseError::TooSmall { .. } => failure.advise("enlarge the reference first"),
        ReleaseError::Unmarkable { .. } => {
            failure.advise("enlarge the reference, or try another seed or strength")
        }
        ReleaseError::Publish { .. } => Failure::new(error).advise("the picture is safe in catalog/objects"),
        _ => failure,
    }
}

/// What is said about one variation, to people and to programs.
struct Page<'a> {
    path: &'a Path,
    reference: &'a Reference,
    policy: &'a Policy,
    workspace: &'a Workspace,
    terminal: &'a Terminal,
}

impl Page<'_> {
    fn released(&self, done: &Released) -> (String, Value) {
        let mut lines = vec![
            self.line("Made", format_args!("{}  {}×{}", done.output.display(), done.width, done.height)),
            self.from(),
            self.line("Engine", self.recipe(&done.record)),
            self.line("Differs", self.differs(&done.deviation)),
            self.line(
                "Marks",
                format_args!("C2PA manifest, signed by {} ({})", self.signer(done), state(done)),
            ),
            self.line("", format_args!("invisible watermark {}, {:.1} dB", done.payload_id, done.psnr_db)),
            self.line(
                "Recorded",
                format_args!("{} in {}", done.asset_id, self.workspace.catalog().display()),
            ),
            self.line("Check", format_args!("vidimus verify {}", done.output.display())),
        ];
        if self.terminal.verbose {
            lines.push(self.line("Manifest", &done.manifest_label));
            lines.push(self.line("Output", format_args!("sha256 {}", done.sha256)));
            lines.push(self.timings(&done.timings));
        }
        let mut document =
            self.document("released", Some(&done.record), Some(&done.deviation), &done.timings);
        document["output"] = done.output.to_string_lossy().into();
        document["sha256"] = json!(done.sha256);
        document["asset"] = json!(done.asset_id);
        document["run"] = json!(done.run_id);
        document["watermark"] = json!({ "payload_id": done.payload_id, "psnr_db": done.psnr_db });
        document["manifest"] =
            json!({ "label": done.manifest_label, "state": done.manifest_state, "signer": done.signer });
        (lines.join("\n"), document)
    }

    fn trial(&self, trial: &Trial) -> (String, Value) {
        let mut lines = vec![
            self.line("Dry run", "the policy would release it; nothing was marked, recorded or written"),
            self.from(),
            self.line("Engine", self.recipe(&trial.record)),
            self.line("Differs", self.differs(&trial.deviation)),
        ];
        if self.terminal.verbose {
            lines.push(self.timings(&trial.timings));
        }
        let mut document =
            self.document("released", Some(&trial.record), Some(&trial.deviation), &trial.timings);
        document["dry_run"] = true.into();
        (lines.join("\n"), document)
    }

    fn refused(&self, refused: &Refused) -> (String, Value) {
        let mut lines = vec![self.line("Refused", paint(BAD, &refused.refusal)), self.from()];
        if let Some(record) = &refused.record {
            lines.push(self.line("Engine", self.recipe(record)));
        }
        if let Some(deviation) = &refused.deviation {
            lines.push(self.line("Differs", self.differs(deviation)));
        }
        let when = if refused.record.is_some() { "after" } else { "before" };
        let kept = match &refused.quarantine {
            Some(path) => format!("the draft is in {}", path.display()),
            None => "no picture was kept".to_owned(),
        };
        let logged =
            if refused.logged { format!("logged as {}", refused.run_id) } else { "not logged".to_owned() };
        lines.push(self.line("Outcome", format_args!("{when} generation; {kept}; {logged}")));
        if self.terminal.verbose {
            lines.push(self.timings(&refused.timings));
        }
        let mut document =
            self.document("refused", refused.record.as_ref(), refused.deviation.as_ref(), &refused.timings);
        document["reasons"] = refused.refusal.reasons.iter().map(ToString::to_string).collect();
        document["run"] = json!(refused.run_id);
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
        self.line("From", format_args!("{}  sha256 {digest}", self.path.display()))
    }

    fn recipe(&self, record: &crate::generate::Record) -> String {
        let mut text = format!("{}, strength {}, seed {}", record.engine.name, record.strength, record.seed);
        if let Some(prompt) = record.prompt.as_ref().filter(|_| !record.prompt_used) {
            text.push_str(&paint(
                DIM,
                format_args!("\n          (it cannot read prompts: {prompt:?} is recorded, not used)"),
            ));
        }
        text
    }

    fn differs(&self, deviation: &crate::quantity::Deviation) -> String {
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
        record: Option<&crate::generate::Record>,
        deviation: Option<&crate::quantity::Deviation>,
        timings: &Timings,
    ) -> Value {
        json!({
            "schema": 1,
            "outcome": outcome,
            "output": null,
            "sha256": null,
            "reference": { "path": self.path.to_string_lossy(), "sha256": self.reference.sha256 },
            "engine": record.map(|r| json!({ "name": r.engine.name, "version": r.engine.version })),
            "strength": record.map(|r| r.strength),
            "seed": record.map(|r| r.seed),
            "prompt": record.and_then(|r| r.prompt.as_ref()),
            "prompt_used": record.map(|r| r.prompt_used),
            "noise_level": record.map(|r| r.noise_level),
            "steps": record.map(|r| r.steps),
            "largest_copy": record.and_then(|r| r.largest_copy),
            "deviation": deviation,
            "policy": {
                "name": self.policy.name(),
                "digest": self.policy.digest(),
                "limits": self.policy.limits(),
            },
            "reasons": [],
            "watermark": null,
            "manifest": null,
            "timings_ms": timings,
        })
    }
}

fn state(done: &Released) -> &'static str {
    match done.manifest_state {
        crate::manifest::State::Trusted => "trusted here",
        crate::manifest::State::Valid => "valid; its root is not among the anchors here",
        crate::manifest::State::Invalid => "invalid",
    }
}
