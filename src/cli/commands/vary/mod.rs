mod drafting;
mod page;
mod target;

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use drafting::{Drafting, Ended};
pub use page::Page;
use target::Target;

use crate::cli::args::Vary;
use crate::cli::error::{Failure, Outcome};
use crate::cli::host::System;
use crate::cli::interrupt::Interrupt;
use crate::cli::place::{self, Studio};
use crate::cli::term::{Terminal, WARN, paint, shown};
use crate::cli::{engine, files};
use crate::generate;
use crate::keys::Keys;
use crate::raster::{Limits, Plane};
use crate::release::{self, Aim, Desk, Past, PrepareError, Reference, Seeds};

pub fn run(args: &Vary, place: Option<&Path>, terminal: &Terminal) -> Result<Outcome, Failure> {
    let host = System::new()?;
    let target = Target::choose(args)?;
    if args.strength == Aim::Auto && args.preview.is_some() {
        return Err(Failure::new("--preview shows one draft on its way, and --strength auto draws several")
            .advise("give the strength that auto found"));
    }
    if args.strength == Aim::Auto && args.overriding.is_some() {
        return Err(Failure::new("--override releases one draft, and --strength auto draws several")
            .advise("give the strength that was refused"));
    }
    let mask = args.mask.as_deref().map(mask).transpose()?;
    let references = args.references.iter().map(|path| files::read(path)).collect::<Result<Vec<_>, _>>()?;

    let stated = args.stated.subject();
    place::check_policy(place, &args.policy, &stated)?;
    // After all that is quickly known to be wrong: a model may have to be fetched.
    let asked = engine::Asked {
        image_weight: args.image_weight.map(|weight| (weight, args.redux.as_deref())),
        ..engine::Asked::by(&args.model, args.strength_meaning)
    };
    let engine = engine::open(&args.engine, asked, terminal)?;
    // From here on: Ctrl-C ends a download at once, which goes on from there the next time.
    let interrupt = Interrupt::watch()?;
    let Studio { workspace, keys, shelf, mut catalog } = place::studio(place, &host, terminal)?;

    let wanted = args.references.len() * args.count as usize;
    let mut outcome = Outcome::Yes;
    let mut refused = false;
    let mut made = 0;
    let mut documents = Vec::new();
    'all: for (path, bytes) in args.references.iter().zip(references) {
        let reference = match reference(args.enlarge, path, bytes, &keys, terminal) {
            Ok(reference) => reference,
            Err(failure) => {
                documents.push(failed(path, &failure, terminal));
                outcome = Outcome::CouldNot;
                continue;
            }
        };
        // What was said of it once, or of what it was made from, still counts.
        let said = Past::of(&reference, &catalog, &workspace).map_err(Failure::new)?.said;
        let policy = shelf.select(&args.policy, &said.and(stated.clone())).map_err(Failure::new)?;
        let page = Page { path, reference: &reference, policy: &policy, workspace: &workspace, terminal };
        let mut seeds = Seeds::new(args.seed, &host);
        for _ in 0..args.count {
            let mut desk = Desk {
                host: &host,
                workspace: &workspace,
                keys: &keys,
                catalog: &mut catalog,
                policy: &policy,
                engine: engine.as_ref(),
                witness: &|_| {},
            };
            let (mask, interrupt) = (mask.as_ref(), &interrupt);
            let drafting = Drafting { args, stated: &stated, target: &target, mask, interrupt };
            let ended = match drafting.one(&mut desk, &page, &mut seeds) {
                Ok(Some(ended)) => ended,
                Ok(None) => {
                    Interrupt::tell(terminal, made, wanted, "variations");
                    outcome = Outcome::Interrupted;
                    break 'all;
                }
                // The others are answered all the same.
                Err(failure) => {
                    documents.push(failed(path, &failure, terminal));
                    outcome = Outcome::CouldNot;
                    continue;
                }
            };
            let Ended { outcome: end, tried } = ended;
            let (text, document) = match &end {
                release::Outcome::Released(released) => page.released(released, &tried),
                release::Outcome::Trial(trial) => page.trial(trial, &tried),
                release::Outcome::Refused(refused) => page.refused(refused, &tried),
            };
            match end {
                release::Outcome::Refused(_) => refused = true,
                _ => made += 1,
            }
            if terminal.json {
                documents.push(document);
            } else {
                terminal.result(&text).map_err(Failure::new)?;
            }
        }
    }
    if refused {
        outcome = outcome.max(Outcome::No);
    }
    if terminal.json {
        terminal.documents(documents).map_err(Failure::new)?;
    }
    Ok(outcome)
}

/// The reference at `path`, with the manifest that lies beside it.
pub(super) fn reference(
    enlarge: bool,
    path: &Path,
    bytes: Vec<u8>,
    keys: &Keys,
    terminal: &Terminal,
) -> Result<Reference, Failure> {
    let fail = |error: PrepareError| Failure::at(path.display(), error);
    let mut reference =
        Reference::prepare(title(path), bytes, &Limits::default(), keys.anchors()).map_err(fail)?;
    if reference.manifest.is_none()
        && let Some((beside, store)) = files::beside(path)?
    {
        let kept = reference
            .take_store(store, keys.anchors())
            .map_err(|error| Failure::at(beside.display(), error))?;
        terminal.talk(&match kept {
            true => format!("keeping the manifest beside it, {}", shown(&beside)),
            false => format!("{} {} belongs to another file: left out", paint(WARN, "note:"), shown(&beside)),
        });
    }
    if enlarge { reference.enlarge().map_err(fail) } else { Ok(reference) }
}

/// Tells of a variation that could not be made, and gives its place in the JSON document.
fn failed(path: &Path, failure: &Failure, terminal: &Terminal) -> Value {
    crate::cli::complain(terminal, failure);
    json!({
        "schema": 1,
        "reference": { "path": path.to_string_lossy() },
        "error": failure.to_string(),
    })
}

/// Where to vary: a picture's brightness.
fn mask(path: &Path) -> Result<Arc<Plane>, Failure> {
    let mask = generate::mask(&files::read(path)?, &Limits::default());
    mask.map(Arc::new).map_err(|error| Failure::at(path.display(), error))
}

pub(super) fn title(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(all(test, feature = "diffusion"))]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::args::{Cli, Command};
    use crate::generate::diffusion::stable::tiny;
    use crate::manifest;
    use crate::quantity::Seed;
    use crate::raster::{Format, encode};
    use crate::specimen::{Colour, Kind, Specimen};

    /// From the command line to the signed file, and what is left on the way.
    #[test]
    fn a_large_variation_says_in_how_many_windows_it_was_drawn_and_was_seen_before() {
        let model = tiny::folder(false);
        let home = tempfile::tempdir().expect("a directory for the tests");
        let at = |name: &str| home.path().join(name).to_str().expect("plain letters").to_owned();
        let specimen =
            Specimen { kind: Kind::Adenovirus, width: 208, height: 208, seed: Seed(1), colour: Colour::Grey };
        let png = encode(&specimen.render().expect("a specimen"), Format::Png, 90).expect("it encodes");
        std::fs::write(at("ref.png"), png).expect("a new file");
        let lora = tiny::lora(model.path());
        let sha256 = crate::digest::Digest::of(std::fs::read(&lora).expect("there"));
        let lora = format!("{}:-0.5", lora.display());
        let model = model.path().to_str().expect("plain letters");
        let paths = [at("ref.png"), at("out.png"), at("way")];
        let [reference, out, way] = paths.each_ref().map(String::as_str);
        let args =
            ["vidimus", "vary", reference, "--engine", "stable-diffusion", "--model", model, "--steps", "2"];
        let how = [
            "--strength",
            "1",
            "--size",
            "300x240",
            "--seed",
            "1",
            "--attempts",
            "9",
            "--orientation",
            "upright",
            "--lora",
            &lora,
        ];
        let cli = Cli::try_parse_from([&args[..], &how, &["--out", out, "--preview", way]].concat());
        let Command::Vary(args) = cli.expect("sound arguments").command else { panic!("it is a variation") };
        let terminal = Terminal::silent();
        assert_eq!(run(&args, Some(home.path()), &terminal).expect("it runs"), Outcome::Yes);
        let made = std::fs::read(out).expect("released");
        let reading = manifest::read(&made, "image/png", &[]).expect("it reads").expect("there is one");
        // 38 columns of latents and 30 rows, in windows of 8.
        let facts = reading.facts().expect("ours");
        assert_eq!((facts.windows, facts.steps), (Some(6 * 5), Some(2)));
        assert_eq!(facts.loras, [manifest::LoraReference { sha256, weight: -0.5 }]);
        assert!(!String::from_utf8_lossy(&made).contains("style"), "what its file is called is private");
        let seen = std::fs::read_dir(way).expect("a folder").count();
        assert_eq!(seen, 2, "one of each step");
    }
}
