use std::path::Path;

use crate::catalog::{Asset, Catalog};
use crate::cli::args::{Lineage, LineageFormat};
use crate::cli::commands::verify::archive;
use crate::cli::error::{Failure, Outcome};
use crate::cli::files;
use crate::cli::host::System;
use crate::cli::term::{Terminal, shown};
use crate::cli::thumbnails::Thumbnails;
use crate::host::Host;
use crate::lineage;
use crate::raster::Limits;
use crate::verify::{Archive, Memory, Verdict, verify};

pub fn run(args: &Lineage, place: Option<&Path>, terminal: &Terminal) -> Result<Outcome, Failure> {
    let no_catalog =
        || Failure::new("no catalog here or in any folder above").advise("name a workspace with --workspace");
    let shelf = archive(place)?.ok_or_else(no_catalog)?;
    let catalog = match (&shelf.catalog, shelf.notes.first()) {
        (Some(catalog), _) => catalog,
        (None, Some(note)) => return Err(Failure::new(note)),
        (None, None) => return Err(no_catalog()),
    };
    let asset = match find(args, &shelf, catalog)? {
        Found::Asset(asset) => asset,
        Found::Nothing => return no("nothing like it is recorded here", args, terminal),
        Found::Contradiction => {
            return no(
                "its evidence contradicts itself, see 'vidimus verify'; it has no lineage of its own",
                args,
                terminal,
            );
        }
    };
    let graph = lineage::lineage(catalog, &asset).map_err(Failure::new)?;
    let format = if terminal.json { LineageFormat::Json } else { args.format };
    let thumbnails = Thumbnails::new(&shelf.objects);
    let text = match format {
        LineageFormat::Tree => lineage::tree(&graph),
        LineageFormat::Dot => lineage::dot(&graph),
        LineageFormat::Mermaid => lineage::mermaid(&graph),
        LineageFormat::Json => {
            let mut document = serde_json::to_value(&graph).map_err(Failure::new)?;
            document["schema"] = 1.into();
            format!("{document:#}")
        }
        LineageFormat::Html => lineage::html(
            &graph,
            &|node| thumbnails.of(node, std::slice::from_ref(&graph)),
            System::new()?.now(),
        ),
    };
    terminal.result(&text).map_err(Failure::new)?;
    Ok(Outcome::Yes)
}

/// What a name or a file leads to.
enum Found {
    Asset(Asset),
    Nothing,
    /// A file whose marks are those of another picture: that one's lineage is not its own.
    Contradiction,
}

fn no(reason: &str, args: &Lineage, terminal: &Terminal) -> Result<Outcome, Failure> {
    let text = format!("{}: {reason}", shown(&args.asset));
    let document = serde_json::json!({ "schema": 1, "asset": null, "reason": text });
    let result = if terminal.json { format!("{document:#}") } else { text };
    terminal.result(&result).map_err(Failure::new)?;
    Ok(Outcome::No)
}

/// A file is looked up by bytes, pixels, mark and looks; other words as an id or the beginning of a digest.
fn find(args: &Lineage, shelf: &Archive, catalog: &Catalog) -> Result<Found, Failure> {
    let path = &args.asset;
    if !path.exists() {
        return Ok(named(path, catalog)?.map_or(Found::Nothing, Found::Asset));
    }
    let bytes = files::read(path)?;
    let memory = Memory { catalog, objects: &shelf.objects, watermark_key: shelf.watermark_key };
    let report = verify(&bytes, Some(&memory), &shelf.anchors, &Limits::default())
        .map_err(|error| Failure::at(path.display(), error))?;
    if report.verdict == Verdict::Contradiction {
        return Ok(Found::Contradiction);
    }
    let Some(id) = &report.catalog.asset else { return Ok(Found::Nothing) };
    Ok(catalog.by_id(id).map_err(Failure::new)?.map_or(Found::Nothing, Found::Asset))
}

fn named(path: &Path, catalog: &Catalog) -> Result<Option<Asset>, Failure> {
    let name = path.to_string_lossy();
    if let Some(asset) = catalog.by_id(&name.to_uppercase()).map_err(Failure::new)? {
        return Ok(Some(asset));
    }
    let is_digest = (6..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_hexdigit());
    if !is_digest {
        return Err(Failure::at(
            path.display(),
            "no such file, and not the id of an asset nor a SHA-256 of at least 6 digits",
        ));
    }
    let mut found = catalog.by_digest_prefix(&name, 2).map_err(Failure::new)?;
    match found.len() {
        0 | 1 => Ok(found.pop()),
        _ => Err(Failure::at(path.display(), "several assets begin like this").advise("give more digits")),
    }
}
