//! The passphrase of the signing key: from a file, from the environment, or asked for on the terminal. Door of
//! `rpassword`.

use std::fs;
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::sync::OnceLock;

use crate::keys::Passphrase;

/// The file that the command line names, for every command that opens keys.
static FILE: OnceLock<PathBuf> = OnceLock::new();

/// A passphrase has no more bytes than this; a file that does is another one.
const LONGEST: usize = 1024;

/// Remembers the file that the command line names.
pub fn from_file(path: Option<PathBuf>) {
    if let Some(path) = path {
        // The command line is read once.
        let _ = FILE.set(path);
    }
}

/// The passphrase of a key that has one.
pub fn given() -> Result<Passphrase, String> {
    asked("Passphrase of the signing key: ")
}

/// One for a key that has none yet: on a terminal it is asked for twice.
pub fn chosen() -> Result<Passphrase, String> {
    let first = asked("New passphrase of the signing key: ")?;
    if FILE.get().is_none() && variable().is_none() && asked("Once more: ")? != first {
        return Err("the two passphrases differ".to_owned());
    }
    Ok(first)
}

fn asked(question: &str) -> Result<Passphrase, String> {
    if let Some(path) = FILE.get() {
        let text = fs::read_to_string(path)
            .map_err(|error| format!("{} cannot be read: {}", path.display(), error.kind()))?;
        if text.len() > LONGEST {
            return Err(format!("{} has over {LONGEST} bytes: expected a passphrase", path.display()));
        }
        // Editors end a line that was never meant to.
        let line = text.strip_suffix('\n').unwrap_or(&text);
        return Passphrase::new(line.strip_suffix('\r').unwrap_or(line).to_owned());
    }
    if let Some(text) = variable() {
        return Passphrase::new(text);
    }
    if !io::stdin().is_terminal() {
        return Err("none was given".to_owned());
    }
    let text =
        rpassword::prompt_password(question).map_err(|error| format!("none was given: {}", error.kind()))?;
    Passphrase::new(text)
}

fn variable() -> Option<String> {
    std::env::var("VIDIMUS_PASSPHRASE").ok().filter(|text| !text.is_empty())
}
