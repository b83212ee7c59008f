use crate::cli::args::Engines;
use crate::cli::engine;
use crate::cli::error::{Failure, Outcome};
use crate::cli::term::Terminal;

pub fn run(args: &Engines, terminal: &Terminal) -> Result<Outcome, Failure> {
    let (text, document) = engine::list(args.model.as_deref());
    let shown = if terminal.json { format!("{document:#}") } else { text };
    terminal.result(&shown).map_err(Failure::new)?;
    Ok(Outcome::Yes)
}
