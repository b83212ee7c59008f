//! One file per command.

mod adopt;
mod audit;
mod catalog;
mod detect;
mod engines;
mod init;
mod keys;
mod lineage;
mod policy;
mod probe;
mod serve;
mod specimen;
mod sweep;
mod vary;
mod verify;

use std::path::Path;

use super::args::{Cli, Command};
use super::error::{Failure, Outcome};
use super::files;
use super::term::{Terminal, shown};
use crate::generate::AppliedLora;
use crate::raster::Format;

pub fn run(cli: &Cli, terminal: &Terminal) -> Result<Outcome, Failure> {
    let place = cli.global.place();
    match &cli.command {
        Command::Init(args) => init::run(args, place, terminal),
        Command::Vary(args) => vary::run(args, place, terminal),
        Command::Sweep(args) => sweep::run(args, place, terminal),
        Command::Adopt(args) => adopt::run(args, place, terminal),
        Command::Probe(args) => probe::run(args, terminal),
        Command::Verify(args) => verify::run(args, place, terminal),
        Command::Detect(args) => detect::run(args, place, terminal),
        Command::Lineage(args) => lineage::run(args, place, terminal),
        Command::Catalog(command) => catalog::run(command, place, terminal),
        Command::Audit(args) => audit::run(args, place, terminal),
        Command::Policy(command) => policy::run(command, place, terminal),
        Command::Keys(command) => keys::run(command, place, terminal),
        Command::Engines(args) => engines::run(args, terminal),
        Command::Serve(args) => serve::run(args, place, terminal),
        Command::Specimen(args) => specimen::run(args, terminal),
    }
}

/// Whether two names are those of one file.
pub(super) fn same_file(one: &Path, two: &Path) -> bool {
    match (one.canonicalize(), two.canonicalize()) {
        (Ok(one), Ok(two)) => one == two,
        _ => one == two,
    }
}

/// Whether a drawing can go to `out`, before any work is done: it is a PNG, and none of the pictures that it is drawn from.
fn drawable(out: &Path, what: &str, from: &[&Path], force: bool) -> Result<(), Failure> {
    let extension = out.extension().and_then(|e| e.to_str()).unwrap_or_default();
    if extension.parse() != Ok(Format::Png) {
        return Err(
            Failure::at(out.display(), format_args!("{what} is a PNG")).advise("name a file like out.png")
        );
    }
    if from.iter().any(|file| same_file(out, file)) {
        let error = format!("{what} would overwrite its own picture");
        return Err(Failure::at(out.display(), error).advise("choose another name"));
    }
    files::writable(out, force)
}

/// A LoRA that was added to a model, for people.
fn lora_line(lora: &AppliedLora) -> String {
    let name = shown(Path::new(&lora.name)).to_string();
    format!("{name} (sha256 {}…), weight {}", lora.sha256.short(16), lora.weight)
}
