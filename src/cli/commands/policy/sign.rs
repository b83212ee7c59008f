//! Who signs policies here, and their signatures.

use std::path::Path;

use serde_json::json;

use super::test;
use crate::cli::error::{Failure, Outcome};
use crate::cli::host::System;
use crate::cli::place;
use crate::cli::term::{BOLD, Terminal, paint, shown};
use crate::host::Host;
use crate::keys::{PersonalKey, PolicySigners, public_key};
use crate::policies::Shelf;
use crate::workspace::Workspace;

/// Signs a policy that says of its examples what its author expects.
pub fn sign(
    name: &str,
    key: Option<&Path>,
    workspace: &Workspace,
    terminal: &Terminal,
) -> Result<Outcome, Failure> {
    let shelf = Shelf::of(Some(workspace)).map_err(Failure::new)?;
    let policy = shelf.clone().unsigned().load(name).map_err(Failure::new)?;
    for example in policy.tests() {
        if let Err(instead) = test::holds(example, &policy, shelf.dir())? {
            let what = format!("the example {:?} does not hold: {instead}", example.name());
            return Err(Failure::at(format_args!("policy {name}"), what)
                .advise("it is not signed; 'vidimus policy test' tells of all of them"));
        }
    }
    let (path, signed) = shelf.sign(name, &private(key, workspace)?).map_err(Failure::new)?;
    if terminal.json {
        let document = json!({
            "schema": 1,
            "policy": { "name": name, "digest": policy.digest() },
            "signature": path.to_string_lossy(),
            "key": hex::encode(signed.key),
        });
        terminal.result(&format!("{document:#}")).map_err(Failure::new)?;
    } else {
        let line = format!(
            "{} {name}  sha256 {}…  {}",
            paint(BOLD, "signed"),
            policy.digest().short(16),
            shown(&path)
        );
        terminal.result(&line).map_err(Failure::new)?;
    }
    Ok(Outcome::Yes)
}

/// Pins a key: from then on every policy has to be signed by one that is pinned.
pub fn pin(
    name: &str,
    key: Option<&Path>,
    workspace: &Workspace,
    terminal: &Terminal,
) -> Result<Outcome, Failure> {
    if name.parse::<crate::policy::Tag>().is_err() {
        return Err(Failure::new(format_args!("{name:?} cannot name a signer"))
            .advise("expected 1 to 40 lower-case letters, digits or hyphens"));
    }
    let public = match key {
        Some(path) => public_key(path).map_err(Failure::new)?,
        None => private(None, workspace)?.public(),
    };
    let path = PolicySigners::pin(&workspace.keys(), name, &public).map_err(Failure::new)?;
    let shelf = Shelf::of(Some(workspace)).map_err(Failure::new)?;
    let unsigned: Vec<String> =
        shelf.list().into_iter().filter(|(_, policy)| policy.is_err()).map(|(name, _)| name).collect();
    if terminal.json {
        let document = json!({
            "schema": 1,
            "signer": name,
            "key": hex::encode(public),
            "pinned": path.to_string_lossy(),
            "unsigned": unsigned,
        });
        terminal.result(&format!("{document:#}")).map_err(Failure::new)?;
    } else {
        let mut line = format!("{} {name} in {}", paint(BOLD, "pinned"), shown(&path));
        if !unsigned.is_empty() {
            line.push_str(&format!(
                "\nnothing is released until these are signed: {}; 'vidimus policy sign NAME'",
                unsigned.join(", ")
            ));
        }
        terminal.result(&line).map_err(Failure::new)?;
    }
    Ok(Outcome::Yes)
}

/// The key in a file, or that of the workspace.
fn private(key: Option<&Path>, workspace: &Workspace) -> Result<PersonalKey, Failure> {
    match key {
        Some(path) => PersonalKey::read(path).map_err(Failure::new),
        None => {
            let now = System::new()?.now();
            Ok(PersonalKey::of(&place::load_keys(workspace, now)?))
        }
    }
}
