//! The terminal: the only place that parses arguments and the only one that prints.

mod args;
mod commands;
mod energy;
mod engine;
mod error;
mod files;
mod host;
mod interrupt;
mod passphrase;
mod place;
mod preview;
mod progress;
mod term;
mod thumbnails;

use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

use args::Cli;
use error::{Failure, Outcome};
use term::{BAD, Terminal, paint};

/// Runs the program on the process's arguments.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let global = &cli.global;
    passphrase::from_file(global.passphrase_file.clone());
    let terminal = Terminal::new(global.color, global.json, global.quiet, global.verbose);
    let outcome = commands::run(&cli, &terminal).unwrap_or_else(|failure| report(&terminal, &failure));
    ExitCode::from(outcome as u8)
}

/// Help goes to stdout; a slip in the arguments is one line on stderr.
fn usage(error: &clap::Error) -> ExitCode {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // A closed stdout is no reason to complain about help.
            let _ = error.print();
            ExitCode::SUCCESS
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = error.print();
            ExitCode::from(Outcome::CouldNot as u8)
        }
        _ => {
            let text = error.render().to_string();
            let sentence = text.split("\n\n").next().unwrap_or(&text);
            let line = sentence.split_whitespace().collect::<Vec<_>>().join(" ");
            let line = line.strip_prefix("error: ").unwrap_or(&line);
            let failure = Failure::new(line).advise("try --help");
            // The arguments could not be parsed, but whoever asked for JSON waits for a document.
            let json = std::env::args_os().any(|arg| arg == "--json");
            let terminal = Terminal::new(args::Color::Auto, json, false, false);
            ExitCode::from(report(&terminal, &failure) as u8)
        }
    }
}

/// Tells of a failure on stderr, and in the JSON document where one was asked for.
fn report(terminal: &Terminal, failure: &Failure) -> Outcome {
    complain(terminal, failure);
    if terminal.json {
        let document = serde_json::json!({ "schema": 1, "error": failure.to_string() });
        // Failing to print a failure changes nothing about the outcome.
        let _ = terminal.result(&document.to_string());
    }
    Outcome::CouldNot
}

pub(in crate::cli) fn complain(terminal: &Terminal, failure: &Failure) {
    terminal.insist(&format!("{} {failure}", paint(BAD, "error:")));
}
