//! Somebody's yes to a draft that was refused.

use std::path::Path;

use serde_json::json;

use crate::catalog::{Catalog, CatalogError};
use crate::cli::error::{Failure, Outcome};
use crate::cli::host::System;
use crate::cli::term::{BOLD, Terminal, paint};
use crate::host::Host;
use crate::keys::PersonalKey;
use crate::workspace::Workspace;

pub fn run(
    run: &str,
    reason: &str,
    key: &Path,
    workspace: &Workspace,
    terminal: &Terminal,
) -> Result<Outcome, Failure> {
    let key = PersonalKey::read(key).map_err(Failure::new)?;
    let mut catalog = Catalog::open(&workspace.database()).map_err(Failure::new)?;
    let draft = catalog.refused_draft(run).map_err(Failure::new)?.ok_or_else(|| {
        Failure::new(format_args!("run {run:?} has no draft that was refused"))
            .advise("expected the id that the refusal was logged as")
    })?;
    let reason = reason.trim();
    let signed = key.approve(&draft.approving(reason));
    catalog.record_approval(run, reason, &signed, System::new()?.now()).map_err(|error| match error {
        CatalogError::Refused { .. } => {
            Failure::new(&error).advise(format_args!("your key is {}", hex::encode(signed.key)))
        }
        other => Failure::new(other),
    })?;
    let approvals = catalog.approvals(run).map_err(Failure::new)?.len();
    if terminal.json {
        let document = json!({
            "schema": 1,
            "run": run,
            "draft": draft.sha256,
            "policies": draft.policies,
            "key": hex::encode(signed.key),
            "approvals": approvals,
        });
        terminal.result(&format!("{document:#}")).map_err(Failure::new)?;
    } else {
        let left = match approvals {
            1 => "one more has to".to_owned(),
            _ => format!("the command that was refused releases it, with --override {run}"),
        };
        let line = format!(
            "{} the draft {}… of run {run}, deviation {:.4}; {left}",
            paint(BOLD, "approved"),
            draft.sha256.short(16),
            draft.deviation as f64 / 10_000.0
        );
        terminal.result(&line).map_err(Failure::new)?;
    }
    Ok(Outcome::Yes)
}
