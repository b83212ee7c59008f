//! Is it AI-derived? Of one picture, of several, of all in a folder.

mod listing;
mod pool;
mod restore;
mod summary;

use std::path::Path;

use serde_json::{Value, json};

use crate::catalog::Catalog;
use crate::cli::args::Verify;
use crate::cli::error::{Failure, Outcome};
use crate::cli::place;
use crate::cli::progress::Bar;
use crate::cli::term::{BAD, BOLD, DIM, GOOD, Terminal, WARN, paint, shown};
use crate::keys::Keys;
use crate::lineage;
use crate::progress::Progress;
use crate::verify::{Archive, Confidence, Report, Verdict};
use listing::Listing;
use pool::Answer;
use summary::Summary;

/// What a command that only reads has of the workspace; `None` where there is none.
pub fn archive(place: Option<&Path>) -> Result<Option<Archive>, Failure> {
    Ok(place::find(place)?.map(|workspace| Archive::open(&workspace)))
}

/// From here on a line for each file says more than a page for each.
const MANY: usize = 11;

pub fn run(args: &Verify, place: Option<&Path>, terminal: &Terminal) -> Result<Outcome, Failure> {
    let listing = Listing::of(&args.files)?;
    if args.manifest.is_some() && (listing.folders || listing.files.len() > 1) {
        return Err(Failure::new("--manifest belongs to one picture, and several were named")
            .advise("verify one at a time"));
    }
    if let Some(out) = &args.restore {
        restore::restorable(args, out)?;
    }
    let archive = archive(place)?;
    for note in archive.iter().flat_map(|archive| &archive.notes) {
        terminal.insist(&format!("{} {note}", paint(WARN, "note:")));
    }
    let trust: Result<Vec<String>, _> = args.trust.iter().map(|path| Keys::bundle_at(path)).collect();
    let trust = trust.map_err(Failure::new)?;
    let memory = archive.as_ref().and_then(Archive::memory);
    let several = listing.folders || listing.files.len() > 1;
    let in_rows = (listing.folders || listing.files.len() >= MANY) && !terminal.verbose;
    let mut bar = Bar::new(terminal, None);
    if several {
        bar.stage("verifying", listing.files.len() as u64);
    }
    let mut outcome = Outcome::Yes;
    let mut documents = Vec::new();
    let mut summary = Summary::default();
    let answered = pool::verified(&listing.files, args.manifest.as_deref(), place, &trust, |file, answer| {
        let path = &file.path;
        let shown = shown(path);
        let mut written = None;
        let answer = match (answer, &args.restore) {
            (Answer::Report(report), Some(out)) => {
                match restore::run(path, &report, memory.as_ref(), out, args.force, place, terminal) {
                    Ok(told) => {
                        written = Some(told);
                        Answer::Report(report)
                    }
                    Err(failure) => Answer::Failed(failure),
                }
            }
            (other, _) => other,
        };
        bar.advance(1);
        match answer {
            Answer::NoPicture => summary.pass_over(),
            Answer::Failed(failure) => {
                outcome = outcome.max(Outcome::CouldNot);
                bar.handle().suspend(|| crate::cli::complain(terminal, &failure));
                let file = path.to_string_lossy();
                documents.push(json!({ "schema": 1, "file": file, "error": failure.to_string() }));
                summary.fail(shown);
            }
            Answer::Report(report) => {
                outcome = outcome.max(ending(&report));
                if terminal.json {
                    let mut document = report.document(&path.to_string_lossy());
                    if let Some(written) = written {
                        document["restored"] = written;
                    }
                    documents.push(document);
                } else if !in_rows {
                    let mut text = page(path, &report, terminal);
                    if let (Some(memory), Some(id)) = (&memory, &report.catalog.asset) {
                        if report.verdict == Verdict::Contradiction {
                            text.push_str(&format!(
                                "\n  lineage of {id}, with which the evidence above was compared:"
                            ));
                        }
                        text.push_str(&ancestry(memory.catalog, id)?);
                    }
                    bar.handle().suspend(|| terminal.result(&text)).map_err(Failure::new)?;
                }
                summary.add(shown, &report);
            }
        }
        Ok(())
    });
    bar.clear();
    answered?;
    if summary.is_empty() {
        let places: Vec<String> = args.files.iter().map(|path| path.display().to_string()).collect();
        return Err(Failure::at(places.join(", "), "no picture is in it"));
    }
    if terminal.json && listing.folders {
        terminal.result(&format!("{:#}", Value::Array(documents))).map_err(Failure::new)?;
    } else if terminal.json {
        terminal.documents(documents).map_err(Failure::new)?;
    } else if several {
        let table = if in_rows { format!("{}\n", summary.table()) } else { String::new() };
        terminal.result(&format!("{table}{}", paint(BOLD, summary.line()))).map_err(Failure::new)?;
    }
    Ok(outcome)
}

/// What only unsigned metadata claims is no intact evidence.
fn ending(report: &Report) -> Outcome {
    if report.verdict == Verdict::AiDerived && report.confidence > Confidence::Low {
        Outcome::Yes
    } else {
        Outcome::No
    }
}

fn page(path: &Path, report: &Report, terminal: &Terminal) -> String {
    let style = match report.verdict {
        Verdict::AiDerived => GOOD,
        Verdict::NoEvidence => BOLD,
        Verdict::Contradiction => BAD,
    };
    let confidence = match report.verdict {
        Verdict::AiDerived => format!(", {} confidence", report.confidence),
        _ => String::new(),
    };
    let mut lines = vec![format!("{}: {}{confidence}", shown(path), paint(style, report.verdict))];
    lines.extend(report.reasons.iter().map(|reason| format!("  {reason}")));
    lines.extend(report.remarks.iter().map(|remark| format!("  {} {remark}", paint(WARN, "note:"))));
    let manifest = &report.manifest;
    if let Some(source) = manifest.source_sha256 {
        let intro = match report.verdict {
            Verdict::Contradiction => "the manifest claims: made from",
            _ => "made from",
        };
        let strength = match manifest.denoise_strength {
            Some(strength) => format!("at strength {strength:.2}"),
            None => "at a strength that nobody states".to_owned(),
        };
        let word = if manifest.declared.is_some() { ", as declared" } else { "" };
        let engine = manifest.engine.as_deref().unwrap_or("an unnamed engine");
        lines.push(format!("  {intro} sha256 {source} {strength} by {engine:?}{word}"));
    }
    if report.verdict == Verdict::NoEvidence {
        lines.push(paint(WARN, "  this does not mean that it is authentic: marks can be removed"));
    }
    if terminal.verbose {
        lines.push(paint(DIM, format_args!("  sha256 {}", report.sha256)));
        if let Some(log10) = report.watermark.log10_false_positive {
            lines.push(paint(
                DIM,
                format_args!("  watermark: a picture without one passes with a probability of 10^{log10:.1}"),
            ));
        }
    }
    lines.join("\n")
}

/// The recorded lineage of a recognised picture, indented below the verdict.
fn ancestry(catalog: &Catalog, id: &str) -> Result<String, Failure> {
    let Some(asset) = catalog.by_id(id).map_err(Failure::new)? else { return Ok(String::new()) };
    let graph = lineage::lineage(catalog, &asset).map_err(Failure::new)?;
    let tree = lineage::tree(&graph.path_to_focus());
    Ok(tree.lines().map(|line| format!("\n  {line}")).collect())
}
