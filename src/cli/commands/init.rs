use crate::cli::args::Init;
use crate::cli::error::{Failure, Outcome};
use crate::cli::host::System;
use crate::cli::place;
use crate::cli::term::Terminal;
use crate::workspace::Workspace;

pub fn run(args: &Init, terminal: &Terminal) -> Result<Outcome, Failure> {
    let host = System::new()?;
    let workspace = if Workspace::is_at(&args.dir) {
        let workspace = Workspace::open(&args.dir).map_err(Failure::new)?;
        terminal
            .talk(&format!("{} is a workspace already; nothing in it is overwritten", args.dir.display()));
        workspace
    } else {
        place::make(&args.dir, terminal)?
    };
    let keys = place::open_keys(&workspace, &host, terminal)?;
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
