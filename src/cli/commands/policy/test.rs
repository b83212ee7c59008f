//! The examples that stand in policies, tried.

use std::path::Path;

use serde_json::json;

use super::check::picture;
use crate::cli::error::{Failure, Outcome};
use crate::cli::term::{BAD, GOOD, Terminal, paint};
use crate::deviation;
use crate::policies::Shelf;
use crate::policy::{Example, Measured, Policy};

pub fn run(names: &[String], shelf: &Shelf, terminal: &Terminal) -> Result<Outcome, Failure> {
    let policies: Vec<Policy> = match names {
        [] => shelf.list().into_values().collect::<Result<_, _>>(),
        names => names.iter().map(|name| shelf.load(name)).collect(),
    }
    .map_err(Failure::new)?;
    let mut outcome = Outcome::Yes;
    let (mut lines, mut entries) = (Vec::new(), Vec::new());
    for policy in &policies {
        if policy.tests().is_empty() {
            lines.push(format!("{}: no examples", policy.name()));
        }
        for example in policy.tests() {
            let said = holds(example, policy, shelf.dir())?;
            let verdict = match &said {
                Ok(()) => paint(GOOD, "as expected"),
                Err(instead) => paint(BAD, instead),
            };
            if said.is_err() {
                outcome = Outcome::No;
            }
            lines.push(format!("{}: {}: {verdict}", policy.name(), example.name()));
            entries.push(json!({
                "policy": policy.name(),
                "test": example.name(),
                "holds": said.is_ok(),
                "found": said.err(),
            }));
        }
    }
    let text = match terminal.json {
        true => format!("{:#}", json!({ "schema": 1, "tests": entries })),
        false => lines.join("\n"),
    };
    terminal.result(&text).map_err(Failure::new)?;
    Ok(outcome)
}

/// Whether an example holds; its pictures lie where the policy does.
pub fn holds(example: &Example, policy: &Policy, dir: Option<&Path>) -> Result<Result<(), String>, Failure> {
    let measured = match example.measured() {
        Measured::Figures { .. } => None,
        Measured::Pictures { reference, image } => {
            let dir = dir.unwrap_or(Path::new("."));
            let pair = (picture(&dir.join(reference))?, picture(&dir.join(image))?);
            Some(deviation::measure(&pair.0, &pair.1).map_err(Failure::new)?)
        }
    };
    Ok(example.holds(policy, measured))
}
