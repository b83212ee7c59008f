//! A picture that was made elsewhere, measured, judged, marked and recorded like one that was drawn here.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::same_file;
use super::vary::{Page, reference as prepared};
use crate::adopt::{self, Contradiction, Flags, Known};
use crate::cli::args::Adopt;
use crate::cli::error::{Failure, Outcome};
use crate::cli::files;
use crate::cli::host::System;
use crate::cli::place::{self, Studio};
use crate::cli::term::{Terminal, WARN, paint};
use crate::manifest::State;
use crate::metadata;
use crate::progress::Silent;
use crate::raster::{Encoding, Format};
use crate::release::{
    self, Adoption, Declared, Desk, NoEngine, Order, Past, Reference, ReleaseError, Source,
};

pub fn run(args: &Adopt, place: Option<&Path>, terminal: &Terminal) -> Result<Outcome, Failure> {
    let host = System::new()?;
    let (out, encoding) = target(args)?;
    let (image, reference) = (files::read(&args.image)?, files::read(&args.reference)?);
    let stated = args.stated.subject();
    place::check_policy(place, &args.policy, &stated)?;
    let Studio { workspace, keys, shelf, mut catalog } = place::studio(place, &host, terminal)?;

    let claims = metadata::read(&image);
    let prepare = |path: &Path, bytes| prepared(false, path, bytes, &keys, terminal);
    let (image, reference) = (prepare(&args.image, image)?, prepare(&args.reference, reference)?);
    if let Some(known) = adopt::recognise(&image, &catalog, &workspace).map_err(Failure::new)? {
        return Err(explain_known(&args.image, &known));
    }
    let flags = Flags {
        tool: args.tool.clone(),
        model: args.model.clone(),
        strength: args.strength,
        image_weight: args.image_weight,
        seed: args.seed,
        prompt: args.prompt.clone(),
        over_claims: args.override_claims,
    };
    let by = &keys.signer().common_name;
    let declared = adopt::declare(&claims, &flags, image.sha256, by)
        .map_err(|error| explain_contradiction(&args.image, &error))?;
    remark(&image, &claims, &declared, terminal);

    // What was said of the reference once, or of what it was made from, still counts.
    let said = Past::of(&reference, &catalog, &workspace).map_err(Failure::new)?.said;
    let policy = shelf.select(&args.policy, &said.and(stated.clone())).map_err(Failure::new)?;
    let page = Page {
        path: &args.reference,
        reference: &reference,
        policy: &policy,
        workspace: &workspace,
        terminal,
    };
    let order = Order {
        source: Source::Elsewhere(Box::new(Adoption::of(&image, declared))),
        purpose: args.purpose.clone(),
        stated,
        overriding: args.overriding.clone(),
        encoding,
        sidecar: args.writing.sidecar,
        out,
        overwrite: args.force,
        telling: args.telling.telling(),
        visible: args.visible.visible(),
        dry_run: args.dry_run,
    };
    let mut desk = Desk {
        host: &host,
        workspace: &workspace,
        keys: &keys,
        catalog: &mut catalog,
        policy: &policy,
        engine: &NoEngine,
        witness: &|_| {},
    };
    let ended = release::release(&mut desk, &reference, &order, &mut Silent)
        .map_err(|error| explain(&args.image, &error))?;
    let (text, mut document) = match &ended {
        release::Outcome::Released(released) => page.released(released, &[]),
        release::Outcome::Trial(trial) => page.trial(trial, &[]),
        release::Outcome::Refused(refused) => page.refused(refused, &[]),
    };
    document["image"] = json!({ "path": args.image.to_string_lossy(), "sha256": image.sha256 });
    if terminal.json {
        terminal.documents(vec![document]).map_err(Failure::new)?;
    } else {
        terminal.result(&text).map_err(Failure::new)?;
    }
    Ok(match ended {
        release::Outcome::Refused(_) => Outcome::No,
        release::Outcome::Released(_) | release::Outcome::Trial(_) => Outcome::Yes,
    })
}

/// Where the output goes, and how it is written.
fn target(args: &Adopt) -> Result<(PathBuf, Encoding), Failure> {
    let extension = args.out.extension().and_then(|extension| extension.to_str());
    let format: Option<Format> = extension.and_then(|extension| extension.parse().ok());
    let asked = args.writing.format.unwrap_or(Format::Png);
    let (out, format) = match (format, extension) {
        _ if args.out.is_dir() => (None, asked),
        (Some(format), _) if args.writing.format.is_some_and(|asked| asked != format) => {
            return Err(Failure::at(args.out.display(), "its extension and --format disagree")
                .advise("leave one of them out"));
        }
        (Some(format), _) => (Some(args.out.clone()), format),
        (None, None) => (None, asked),
        (None, Some(extension)) => {
            let error = format!("unknown picture format {extension:?}: expected png, jpeg, webp or tiff");
            let advice = "name a file like out.png, or a folder without a dot";
            return Err(Failure::at(args.out.display(), error).advise(advice));
        }
    };
    let out = out.unwrap_or_else(|| {
        let mut name = args.image.file_stem().unwrap_or_default().to_owned();
        name.push(format!(".{}", format.extension()));
        args.out.join(name)
    });
    if [&args.image, &args.reference].into_iter().any(|input| same_file(&out, input)) {
        let failure = Failure::at(out.display(), "the output would overwrite one of its inputs");
        return Err(failure.advise("choose another --out"));
    }
    let encoding = args
        .writing
        .encoding(format)
        .map_err(|error| Failure::new(error).advise("choose another --format, or leave the option out"))?;
    Ok((out, encoding))
}

/// What does not stop the work and should be known.
fn remark(image: &Reference, claims: &[metadata::Claim], declared: &Declared, terminal: &Terminal) {
    let note = |text: &str| terminal.talk(&format!("{} {text}", paint(WARN, "note:")));
    if image.manifest.as_ref().is_some_and(|reading| reading.state == State::Invalid) {
        note("the picture's own manifest does not hold; it goes along, and says so");
    }
    let from_nothing = claims.iter().any(|claim| claim.ai && claim.parameters.img2img == Some(false));
    if from_nothing && declared.strength.is_none() {
        note(
            "the file claims that it was made of a prompt alone, and you say that it was made from a reference",
        );
    }
}

fn explain_known(path: &Path, known: &Known) -> Failure {
    let failure = Failure::at(path.display(), known);
    match known {
        Known::Ours { .. } | Known::Adopted { .. } => {
            failure.advise("there is nothing to adopt; 'vidimus lineage' shows where it comes from")
        }
        Known::Marked { .. } => failure.advise("'vidimus verify' tells what it says"),
        Known::Captured => failure.advise("nothing that a camera took belongs here"),
    }
}

fn explain_contradiction(path: &Path, error: &Contradiction) -> Failure {
    let failure = Failure::at(path.display(), error);
    match error {
        Contradiction::Claim { flag, .. } => {
            failure.advise(format_args!("leave --{flag} out, or insist with --override-claims"))
        }
        _ => failure,
    }
}

fn explain(path: &Path, error: &ReleaseError) -> Failure {
    match error {
        ReleaseError::OutputExists { .. } => Failure::new(error).advise("use --force to overwrite it"),
        ReleaseError::Catalog(_) => {
            Failure::new(error).advise("nothing was released; 'vidimus audit' looks into it")
        }
        ReleaseError::Publish { .. } => Failure::new(error).advise("the picture is safe in catalog/objects"),
        ReleaseError::TooSmall { .. } | ReleaseError::Unmarkable { .. } => {
            Failure::at(path.display(), error).advise("have the tool make a larger picture")
        }
        _ => Failure::at(path.display(), error),
    }
}
