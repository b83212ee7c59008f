//! What is said of a sweep, to people and to programs.

use serde_json::{Value, json};

use super::Pages;
use crate::cli::args;
use crate::cli::error::Failure;
use crate::cli::term::{BAD, BOLD, DIM, GOOD, Terminal, WARN, paint, shown};
use crate::policy::{Limits, against};
use crate::sweep::{Cell, End, Sweep, criteria};

/// One draft, when it is done.
pub fn line(cell: &Cell, limits: &Limits, number: usize, of: usize) -> String {
    let figure = differs(cell, limits).map(|figure| format!("differs by {figure}: "));
    format!(
        "{} {}, strength {}, seed {}: {}{}",
        paint(DIM, format_args!("{number}/{of}")),
        cell.engine.name,
        cell.strength,
        cell.seed,
        figure.unwrap_or_default(),
        end(cell)
    )
}

fn differs(cell: &Cell, limits: &Limits) -> Option<String> {
    Some(against(cell.deviation?.deviation, limits.min_deviation))
}

fn end(cell: &Cell) -> String {
    match &cell.end {
        End::Released { .. } => paint(GOOD, "released"),
        End::Refused(_) => paint(BAD, "refused"),
        End::Failed(why) => paint(WARN, format_args!("not made: {why}")),
    }
}

/// The table, or the document.
pub fn all(args: &args::Sweep, sweep: &Sweep<'_>, pages: &Pages, terminal: &Terminal) -> Result<(), Failure> {
    let text = if terminal.json {
        format!("{:#}", document(args, sweep, pages))
    } else {
        format!("{}\n{}", table(sweep.cells, sweep.limits), foot(sweep, pages))
    };
    terminal.result(&text).map_err(Failure::new)
}

fn table(cells: &[Cell], limits: &Limits) -> String {
    let two = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| format!("{value:.2}"));
    let head = format!(
        "{:<18} {:>8} {:>12} {:>9} {:>6} {:>6} {:>8}  ",
        "engine", "strength", "seed", "deviation", "kept", "style", "seconds"
    );
    let mut lines = vec![paint(BOLD, format!("{head}outcome"))];
    lines.extend(cells.iter().map(|cell| {
        format!(
            "{:<18} {:>8} {:>12} {:>9} {:>6} {:>6} {:>8}  {}",
            cell.engine.name,
            cell.strength.to_string(),
            cell.seed.to_string(),
            differs(cell, limits).unwrap_or_else(|| "–".to_owned()),
            two(cell.quality.and_then(|quality| quality.kept)),
            two(cell.quality.map(|quality| quality.style)),
            two(cell.seconds),
            match &cell.end {
                End::Refused(why) if cell.deviation.is_none() => format!("{} ({why})", end(cell)),
                _ => end(cell),
            }
        )
    }));
    lines.join("\n")
}

fn foot(sweep: &Sweep<'_>, pages: &Pages) -> String {
    let released = sweep.cells.iter().filter(|cell| matches!(cell.end, End::Released { .. })).count();
    let line = |name: &str, text: String| format!("{} {text}", paint(BOLD, format_args!("{name:<9}")));
    let drafts = sweep.cells.len();
    [
        line("Released", format!("{released} of {drafts} drafts (policy {})", sweep.policy)),
        line("Page", shown(&pages.html)),
        line("Sheet", shown(&pages.sheet)),
    ]
    .join("\n")
}

fn document(args: &args::Sweep, sweep: &Sweep<'_>, pages: &Pages) -> Value {
    let cell = |cell: &Cell| {
        let mut document = json!({
            "engine": { "name": cell.engine.name, "version": cell.engine.version },
            "strength": cell.strength,
            "seed": cell.seed,
            "outcome": "released",
            "output": null,
            "sha256": null,
            "asset": null,
            "reason": null,
            "deviation": cell.deviation,
            "quality": cell.quality,
            "seconds": cell.seconds,
            "joules": cell.joules,
        });
        match &cell.end {
            End::Released { output, sha256, asset } => {
                document["output"] = output.to_string_lossy().into();
                document["sha256"] = json!(sha256);
                document["asset"] = asset.as_str().into();
            }
            End::Refused(why) => {
                document["outcome"] = "refused".into();
                document["reason"] = why.as_str().into();
            }
            End::Failed(why) => {
                document["outcome"] = "failed".into();
                document["reason"] = why.as_str().into();
            }
        }
        document
    };
    json!({
        "schema": 1,
        "reference": { "path": args.reference.to_string_lossy(), "sha256": sweep.sha256 },
        "policy": { "name": sweep.policy, "limits": sweep.limits },
        "prompt": sweep.prompt,
        "cells": sweep.cells.iter().map(cell).collect::<Vec<_>>(),
        "criteria": criteria(sweep.cells),
        "page": pages.html.to_string_lossy(),
        "sheet": pages.sheet.to_string_lossy(),
    })
}
