use std::path::Path;

use serde_json::{Value, json};

use crate::catalog::Catalog;
use crate::cli::args::Verify;
use crate::cli::error::{Failure, Outcome};
use crate::cli::term::{BAD, BOLD, DIM, GOOD, Terminal, WARN, paint, shown};
use crate::cli::{files, place};
use crate::keys::Keys;
use crate::lineage;
use crate::objects::Objects;
use crate::raster::Limits;
use crate::verify::{Confidence, Memory, Report, Verdict, verify};

/// What a command that only reads has of a workspace.
pub struct Shelf {
    pub catalog: Option<Catalog>,
    pub objects: Objects,
    pub watermark_key: Option<[u8; 32]>,
    pub anchors: Vec<String>,
    /// What could not be read; verification goes on without it.
    pub notes: Vec<String>,
}

impl Shelf {
    /// Everything that can be read; a workspace without a catalog yet has none.
    pub fn open(place: Option<&Path>) -> Result<Option<Self>, Failure> {
        let Some(workspace) = place::find(place)? else { return Ok(None) };
        let mut notes = Vec::new();
        let path = workspace.database();
        let catalog = path.exists().then(|| Catalog::open_read_only(&path)).and_then(|opened| match opened {
            Ok(catalog) => Some(catalog),
            // Manifest and watermark can be read all the same.
            Err(error) => {
                notes.push(format!("the catalog could not be asked: {error}"));
                None
            }
        });
        // Less trust is the safe side.
        let anchors = Keys::load_public(&workspace.keys()).map(|keys| keys.anchors).unwrap_or_else(|error| {
            notes.push(format!("no signer is trusted: {error}"));
            Vec::new()
        });
        Ok(Some(Shelf {
            catalog,
            objects: Objects::at(workspace.objects()),
            watermark_key: Keys::watermark_key_at(&workspace.keys()),
            anchors,
            notes,
        }))
    }
}

pub fn run(args: &Verify, place: Option<&Path>, terminal: &Terminal) -> Result<Outcome, Failure> {
    let shelf = Shelf::open(place)?;
    for note in shelf.iter().flat_map(|shelf| &shelf.notes) {
        terminal.insist(&format!("{} {note}", paint(WARN, "note:")));
    }
    let anchors = shelf.as_ref().map(|shelf| shelf.anchors.clone()).unwrap_or_default();
    let memory = shelf.as_ref().and_then(|shelf| {
        let catalog = shelf.catalog.as_ref()?;
        Some(Memory { catalog, objects: &shelf.objects, watermark_key: shelf.watermark_key })
    });
    let mut outcome = Outcome::Yes;
    let mut documents = Vec::new();
    for path in &args.files {
        let report = files::read(path).and_then(|bytes| {
            verify(&bytes, memory.as_ref(), &anchors, &Limits::default())
                .map_err(|error| Failure::at(path.display(), error))
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
            Ok(report) if terminal.json => documents.push(document(path, &report)),
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

fn document(path: &Path, report: &Report) -> Value {
    let mut document = json!({ "schema": 1, "file": path.to_string_lossy() });
    let fields = serde_json::to_value(report).unwrap_or_default();
    if let (Value::Object(document), Value::Object(fields)) = (&mut document, fields) {
        document.extend(fields);
    }
    document
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
