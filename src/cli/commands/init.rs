use std::path::Path;

use crate::catalog::Catalog;
use crate::cli::args::Init;
use crate::cli::error::{Failure, Outcome};
use crate::cli::host::System;
use crate::cli::place;
use crate::cli::term::{Terminal, shown};
use crate::workspace::Workspace;

pub fn run(args: &Init, place: Option<&Path>, terminal: &Terminal) -> Result<Outcome, Failure> {
    let dir = args.dir.as_deref().or(place).unwrap_or(Path::new("."));
    let host = System::new()?;
    let workspace = if Workspace::is_at(dir) {
        let workspace = Workspace::open(dir).map_err(Failure::new)?;
        terminal.talk(&format!("{} is a workspace already; nothing in it is overwritten", shown(dir)));
        workspace
    } else {
        place::make(dir, terminal)?
    };
    let keys = place::open_keys(&workspace, &host, terminal)?;
    Catalog::open(&workspace.database()).map_err(Failure::new)?;
    if terminal.json {
        let document = serde_json::json!({
            "schema": 1,
            "workspace": workspace.root().to_string_lossy(),
            "signer": keys.signer(),
        });
        terminal.result(&format!("{document:#}")).map_err(Failure::new)?;
    }
    Ok(Outcome::Yes)
}
