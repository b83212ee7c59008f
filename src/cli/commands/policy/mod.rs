mod approve;
mod check;
mod explain;
mod sign;
mod test;

use std::path::Path;

use serde_json::{Value, json};

use crate::catalog::{Catalog, CatalogError, Picture};
use crate::cli::args::{PolicyCommand, Stated};
use crate::cli::error::{Failure, Outcome};
use crate::cli::place;
use crate::cli::term::{BAD, BOLD, DIM, Terminal, paint};
use crate::policies::Shelf;
use crate::policy::{Policy, PolicySet, Subject};
use crate::workspace::Workspace;

pub fn run(command: &PolicyCommand, place: Option<&Path>, terminal: &Terminal) -> Result<Outcome, Failure> {
    let workspace = place::find(place)?;
    let shelf = || Shelf::of(workspace.as_ref()).map_err(Failure::new);
    match command {
        PolicyCommand::List => list(&shelf()?, terminal),
        PolicyCommand::Show { name } => show(&shelf()?.unsigned(), name, terminal),
        PolicyCommand::Check { reference, image, policy, stated, map, force } => {
            let check = check::Check { reference, image, policy, stated, map: map.as_deref(), force: *force };
            check.run(&shelf()?, workspace.as_ref(), terminal)
        }
        PolicyCommand::Explain { reference, policy, stated } => {
            explain::run(reference, policy, stated, workspace.as_ref(), terminal)
        }
        PolicyCommand::Test { names } => test::run(names, &shelf()?.unsigned(), terminal),
        PolicyCommand::Sign { name, key } => sign::sign(name, key.as_deref(), &place::need(place)?, terminal),
        PolicyCommand::Approve { run, reason, key } => {
            approve::run(run, reason, key, &place::need(place)?, terminal)
        }
        PolicyCommand::Pin { signer, key } => {
            sign::pin(signer, key.as_deref(), &place::need(place)?, terminal)
        }
    }
}

fn show(shelf: &Shelf, name: &str, terminal: &Terminal) -> Result<Outcome, Failure> {
    let policy = shelf.load(name).map_err(Failure::new)?;
    if terminal.json {
        let mut document = summary(&policy);
        document["text"] = policy.text().into();
        terminal.result(&format!("{document:#}")).map_err(Failure::new)?;
    } else {
        let head = paint(DIM, format_args!("# sha256 {}", policy.digest()));
        terminal.result(&format!("{head}\n{}", policy.text())).map_err(Failure::new)?;
    }
    Ok(Outcome::Yes)
}

/// The catalog of a workspace that has one yet, for reading.
fn catalog(workspace: Option<&Workspace>) -> Result<Option<Catalog>, Failure> {
    let Some(workspace) = workspace else { return Ok(None) };
    match Catalog::open_read_only(&workspace.database()) {
        Ok(catalog) => catalog.refuse_older().map(|()| Some(catalog)).map_err(Failure::new),
        Err(CatalogError::Missing { .. }) => Ok(None),
        Err(error) => Err(Failure::new(error)),
    }
}

/// What is stated of a picture now, and what the workspace heard of it before.
fn subject(stated: &Stated, picture: &Picture, workspace: Option<&Workspace>) -> Result<Subject, Failure> {
    let said = match catalog(workspace)? {
        Some(catalog) => catalog.said_of(picture).map_err(Failure::new)?,
        None => Subject::default(),
    };
    Ok(stated.subject().and(said))
}

/// The policies that apply without being named, for programs.
pub fn others(set: &PolicySet) -> Value {
    let one = |(policy, why): (&Policy, &crate::policy::Why)| json!({ "name": policy.name(), "digest": policy.digest(), "why": why.to_string() });
    set.members().skip(1).map(one).collect()
}

fn list(shelf: &Shelf, terminal: &Terminal) -> Result<Outcome, Failure> {
    let policies = shelf.list();
    let mut outcome = Outcome::Yes;
    let mut lines = Vec::new();
    let mut entries = Vec::new();
    for (name, policy) in &policies {
        match policy {
            Ok(policy) => {
                let l = policy.limits();
                lines.push(format!(
                    "{}  strength {}–{}, deviation ≥ {:.2}, arrangement ≥ {:.2}  {}",
                    paint(BOLD, format_args!("{name:<12}")),
                    l.strength_min,
                    l.strength_max,
                    l.min_deviation,
                    l.min_composition,
                    policy.title()
                ));
                entries.push(summary(policy));
            }
            Err(error) => {
                outcome = Outcome::CouldNot;
                lines.push(format!("{}  {}", paint(BOLD, format_args!("{name:<12}")), paint(BAD, error)));
                entries.push(json!({ "name": name, "error": error.to_string() }));
            }
        }
    }
    let text = if terminal.json {
        format!("{:#}", json!({ "schema": 1, "policies": entries }))
    } else {
        lines.join("\n")
    };
    terminal.result(&text).map_err(Failure::new)?;
    Ok(outcome)
}

fn summary(policy: &Policy) -> serde_json::Value {
    json!({
        "schema": 1,
        "name": policy.name(),
        "title": policy.title(),
        "digest": policy.digest(),
        "applies": policy.applies(),
        "limits": policy.limits(),
        "engines": policy.engines(),
        "purposes": policy.purposes(),
        "on_violation": policy.on_violation(),
    })
}
