//! Who would judge the variations of a reference, and by what.

use std::path::Path;

use serde_json::json;

use super::{catalog, others};
use crate::cli::args::Stated;
use crate::cli::error::{Failure, Outcome};
use crate::cli::files;
use crate::cli::term::{BOLD, Terminal, paint, shown};
use crate::keys::Keys;
use crate::policies::Shelf;
use crate::policy::{PolicySet, Subject};
use crate::raster::Limits;
use crate::release::{Past, Reference};
use crate::workspace::Workspace;

pub fn run(
    path: &Path,
    named: &str,
    stated: &Stated,
    workspace: Option<&Workspace>,
    terminal: &Terminal,
) -> Result<Outcome, Failure> {
    let shelf = Shelf::of(workspace).map_err(Failure::new)?;
    shelf.load(named).map_err(Failure::new)?;
    let anchors = match workspace {
        Some(workspace) => Keys::trusted(workspace).map_err(Failure::new)?.anchors,
        None => Vec::new(),
    };
    let title = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let reference = Reference::prepare(title, files::read(path)?, &Limits::default(), &anchors)
        .map_err(|error| Failure::at(path.display(), error))?;
    let (generation, said) = match (catalog(workspace)?, workspace) {
        (Some(catalog), Some(workspace)) => {
            let past = Past::of(&reference, &catalog, workspace).map_err(Failure::new)?;
            (past.generation, past.said)
        }
        _ => (1, Subject::default()),
    };
    let subject = stated.subject().and(said);
    let set = shelf.select(named, &subject).map_err(Failure::new)?;
    if terminal.json {
        let named = set.named();
        let document = json!({
            "schema": 1,
            "reference": { "path": path.to_string_lossy(), "sha256": reference.sha256 },
            "subject": subject,
            "generation": generation,
            "policy": { "name": named.name(), "digest": named.digest(), "others": others(&set) },
            "rules": set.deciders(),
        });
        terminal.result(&format!("{document:#}")).map_err(Failure::new)?;
    } else {
        let head = format!("{}  sha256 {}…", shown(path), reference.sha256.short(16));
        let text = page(&head, &subject, generation, &set);
        terminal.result(&text).map_err(Failure::new)?;
    }
    Ok(Outcome::Yes)
}

fn page(head: &str, subject: &Subject, generation: u32, set: &PolicySet) -> String {
    let list = |words: Vec<String>, none: &str| match words.is_empty() {
        true => none.to_owned(),
        false => words.join(", "),
    };
    let classes = subject.classes.iter().map(ToString::to_string).collect();
    let tags = subject.tags.iter().map(ToString::to_string).collect();
    let mut lines = vec![
        head.to_owned(),
        format!("  class        {}", list(classes, "not stated: policies of every class apply")),
        format!("  tags         {}", list(tags, "none")),
        format!("  generation   {generation} for its variations"),
        paint(BOLD, "policies that judge"),
    ];
    lines.extend(set.members().map(|(policy, why)| format!("  {:<12} {why}", policy.name())));
    lines.push(paint(BOLD, "the strictest rule of each figure, and whose it is"));
    lines.extend(
        set.deciders().into_iter().map(|one| format!("  {:<22} {:<22} {}", one.rule, one.asks, one.policy)),
    );
    lines.join("\n")
}
