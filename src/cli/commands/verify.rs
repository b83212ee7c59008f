use std::path::Path;

use serde_json::json;

use super::restore;
use crate::catalog::Catalog;
use crate::cli::args::Verify;
use crate::cli::error::{Failure, Outcome};
use crate::cli::term::{BAD, BOLD, DIM, GOOD, Terminal, WARN, paint, shown};
use crate::cli::{files, place};
use crate::lineage;
use crate::raster::Limits;
use crate::verify::{Archive, Confidence, Report, Verdict, verify};

/// What a command that only reads has of the workspace; `None` where there is none.
pub fn archive(place: Option<&Path>) -> Result<Option<Archive>, Failure> {
    Ok(place::find(place)?.map(|workspace| Archive::open(&workspace)))
}

pub fn run(args: &Verify, place: Option<&Path>, terminal: &Terminal) -> Result<Outcome, Failure> {
    if let Some(out) = &args.restore {
        restore::restorable(args, out)?;
    }
    let archive = archive(place)?;
    for note in archive.iter().flat_map(|archive| &archive.notes) {
        terminal.insist(&format!("{} {note}", paint(WARN, "note:")));
    }
    let anchors = archive.as_ref().map(|archive| archive.anchors.clone()).unwrap_or_default();
    let memory = archive.as_ref().and_then(Archive::memory);
    let mut outcome = Outcome::Yes;
    let mut documents = Vec::new();
    for path in &args.files {
        let report = files::read(path).and_then(|bytes| {
            let report = verify(&bytes, memory.as_ref(), &anchors, &Limits::default())
                .map_err(|error| Failure::at(path.display(), error))?;
            if let Some(out) = &args.restore {
                restore::run(path, &bytes, &report, memory.as_ref(), out, args.force, place, terminal)?;
            }
            Ok(report)
        });
        outcome = outcome.max(match &report {
            // What only unsigned metadata claims is no intact evidence.
            Ok(report) if report.verdict == Verdict::AiDerived && report.confidence > Confidence::Low => {
                Outcome::Yes
            }
            Ok(_) => Outcome::No,
            Err(_) => Outcome::CouldNot,
        });
        match report {
            Ok(report) if terminal.json => documents.push(report.document(&path.to_string_lossy())),
            Ok(report) => {
                let mut text = page(path, &report, terminal);
                if let (Some(memory), Some(id)) = (&memory, &report.catalog.asset) {
                    if report.verdict == Verdict::Contradiction {
                        text.push_str(&format!(
                            "\n  lineage of {id}, with which the evidence above was compared:"
                        ));
                    }
                    text.push_str(&ancestry(memory.catalog, id)?);
                }
                terminal.result(&text).map_err(Failure::new)?;
            }
            Err(failure) => {
                super::super::complain(terminal, &failure);
                documents.push(json!({
                    "schema": 1,
                    "file": path.to_string_lossy(),
                    "error": failure.to_string(),
                }));
            }
        }
    }
    if terminal.json {
        terminal.documents(documents).map_err(Failure::new)?;
    }
    Ok(outcome)
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
    let manifest = &report.manifest;
    if let Some(source) = manifest.source_sha256 {
        let intro = match report.verdict {
            Verdict::Contradiction => "the manifest claims: made from",
            _ => "made from",
        };
        lines.push(format!(
            "  {intro} sha256 {source} at strength {:.2} by {:?}",
            manifest.denoise_strength.unwrap_or_default(),
            manifest.engine.as_deref().unwrap_or("an unnamed engine"),
        ));
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
