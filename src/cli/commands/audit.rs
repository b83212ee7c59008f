use std::path::Path;

use serde_json::json;

use crate::audit;
use crate::catalog::Catalog;
use crate::cli::args::Audit;
use crate::cli::error::{Failure, Outcome};
use crate::cli::files;
use crate::cli::host::System;
use crate::cli::place;
use crate::cli::progress::Bar;
use crate::cli::term::{BAD, BOLD, GOOD, Terminal, paint, shown};
use crate::cli::thumbnails::Thumbnails;
use crate::host::Host;
use crate::keys::{Keys, SignerKeys};
use crate::lineage;
use crate::objects::Objects;
use crate::workspace::Workspace;

pub fn run(args: &Audit, place: Option<&Path>, terminal: &Terminal) -> Result<Outcome, Failure> {
    let workspace = place::need(place)?;
    if let Some(page) = &args.html {
        files::writable(page, args.force)?;
    }
    let catalog = Catalog::open_read_only(&workspace.database())
        .map_err(|error| Failure::new(error).advise("it comes with the first 'vidimus vary'"))?;
    let signers = SignerKeys::load(&workspace.keys()).map_err(Failure::new)?;
    let anchors = Keys::trusted(&workspace).map_err(Failure::new)?.anchors;
    place::warn_of_expiry(Keys::end_of(&workspace), System::new()?.now(), terminal);
    let mut bar = Bar::new(terminal, None);
    let objects = Objects::at(workspace.objects());
    let audit = audit::audit(&catalog, &objects, &signers, &anchors, &mut bar);
    bar.clear();
    let audit = audit.map_err(Failure::new)?;
    if let Some(page) = &args.html {
        write(page, &audit, &catalog, &objects, &workspace, args.force)?;
    }
    let clean = audit.findings.is_empty();
    if terminal.json {
        let document = json!({
            "schema": 1,
            "workspace": workspace.root().to_string_lossy(),
            "clean": clean,
            "checked": {
                "events": audit.events,
                "assets": audit.assets,
                "releases": audit.releases,
                "adopted": audit.adopted,
                "comparisons": audit.comparisons,
                "policies": audit.policies,
            },
            "findings": audit.findings,
        });
        terminal.result(&format!("{document:#}")).map_err(Failure::new)?;
    } else {
        let verdict = match audit.findings.len() {
            0 => paint(GOOD, "clean"),
            1 => paint(BAD, "1 finding"),
            n => paint(BAD, format_args!("{n} findings")),
        };
        let mut lines = vec![format!(
            "{verdict}: {}, {}, {}, {}, {} in {}",
            several(audit.events, "log entry", "log entries"),
            several(audit.assets, "asset", "assets"),
            match audit.adopted {
                0 => several(audit.releases, "release", "releases"),
                n => format!("{} ({n} adopted)", several(audit.releases, "release", "releases")),
            },
            several(audit.comparisons, "comparison", "comparisons"),
            several(audit.policies, "policy", "policies"),
            shown(workspace.root())
        )];
        lines.extend(audit.findings.iter().map(|finding| {
            format!("  {} {}: {}", paint(BOLD, finding.area), finding.subject, finding.fault)
        }));
        terminal.result(&lines.join("\n")).map_err(Failure::new)?;
    }
    Ok(if clean { Outcome::Yes } else { Outcome::No })
}

/// The page that can be mailed.
fn write(
    page: &Path,
    audit: &audit::Audit,
    catalog: &Catalog,
    objects: &Objects,
    workspace: &Workspace,
    force: bool,
) -> Result<(), Failure> {
    let graphs = lineage::all(catalog).map_err(Failure::new)?;
    let thumbnails = Thumbnails::new(objects);
    let root = workspace.root().file_name().unwrap_or_default().to_string_lossy().into_owned();
    let told = audit::Page { workspace: &root, audit, graphs: &graphs, made: System::new()?.now() };
    let text = audit::html(&told, &|node| thumbnails.of(node, &graphs));
    files::write(page, text.as_bytes(), force)
}

fn several(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
