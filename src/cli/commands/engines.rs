use crate::cli::error::{Failure, Outcome};
use crate::cli::term::{BOLD, GOOD, Terminal, paint};
use crate::generate::patch::PatchEngine;
use crate::generate::{Description, Engine};

pub fn run(terminal: &Terminal) -> Result<Outcome, Failure> {
    let description = PatchEngine::default().describe();
    if terminal.json {
        let document = serde_json::json!({ "schema": 1, "engines": [entry(&description)] });
        terminal.result(&format!("{document:#}")).map_err(Failure::new)?;
    } else {
        let text = format!(
            "{} {}  embedded, version {}, no weights and no downloads\n       \
             draws from the reference's own patches; prompts are recorded, not read",
            paint(BOLD, description.name),
            paint(GOOD, "ready"),
            description.version,
        );
        terminal.result(&text).map_err(Failure::new)?;
    }
    Ok(Outcome::Yes)
}

fn entry(description: &Description) -> serde_json::Value {
    serde_json::json!({
        "name": description.name,
        "version": description.version,
        "ready": true,
        "weights": description.model_digest,
        "reads_prompt": description.reads_prompt,
        "missing": [],
    })
}
