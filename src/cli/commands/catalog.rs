use std::fs;
use std::path::Path;

use serde_json::json;

use crate::catalog::{Catalog, Found};
use crate::cli::args::CatalogCommand;
use crate::cli::error::{Failure, Outcome};
use crate::cli::host::System;
use crate::cli::term::{BOLD, GOOD, Terminal, paint, shown};
use crate::cli::{files, place};
use crate::digest::Digest;
use crate::exchange;
use crate::host::Host;
use crate::objects::Objects;
use crate::raster::{self, Limits};
use crate::verify::{Memory, Similar};
use crate::workspace::Workspace;

pub fn run(command: &CatalogCommand, place: Option<&Path>, terminal: &Terminal) -> Result<Outcome, Failure> {
    let workspace = place::need(place)?;
    let database = workspace.database();
    let reading = || {
        Catalog::open_read_only(&database)
            .map_err(|error| Failure::new(error).advise("it comes with the first 'vidimus vary'"))
    };
    let host = System::new()?;
    match command {
        CatalogCommand::Export { out, force } => {
            files::writable(out, *force)?;
            let keys = place::load_keys(&workspace, host.now())?;
            let (bytes, manifests) = exchange::export(&reading()?, &keys, host.now())
                .map_err(|e| Failure::at(out.display(), e))?;
            files::write(out, &bytes, *force)?;
            let document = json!({ "schema": 1, "archive": out.to_string_lossy(), "manifests": manifests,
                "bytes": bytes.len(), "signer": keys.signer() });
            let text = format!(
                "{} {}: {manifests} manifests, {} bytes, as {:?}, signed with the log's key",
                paint(GOOD, "exported"),
                shown(out),
                bytes.len(),
                keys.signer().common_name
            );
            tell(terminal, &document, &text)
        }
        CatalogCommand::Import { file } => {
            let bytes = files::read(file)?;
            // Everything is checked before anything is written.
            let archive = exchange::read(&bytes).map_err(|e| Failure::at(file.display(), e))?;
            let mut catalog = Catalog::open(&database).map_err(Failure::new)?;
            let imported =
                catalog.import(&archive, host.now()).map_err(|e| Failure::at(file.display(), e))?;
            let document = json!({ "schema": 1, "archive": file.to_string_lossy(), "added": imported.added,
                "known": imported.known, "exporter": archive.exporter, "key": archive.key,
                "exported": archive.exported });
            let text = format!(
                "{} {} manifests of {:?} (key {}…), exported {}; {} were here already\n\
                 They serve to recover what copies have lost; nothing of them counts as released here.",
                paint(GOOD, "imported"),
                imported.added,
                archive.exporter,
                archive.key.short(16),
                archive.exported,
                imported.known
            );
            tell(terminal, &document, &text)
        }
        CatalogCommand::Backup { out, force } => {
            files::writable(out, *force)?;
            let folder = crate::disk::folder(out);
            let temporary = tempfile::Builder::new()
                .prefix(".vidimus-")
                .tempdir_in(folder)
                .map_err(|error| Failure::at(out.display(), files::explain(&error)))?;
            let copy = temporary.path().join("catalog.db");
            reading()?.backup(&copy).map_err(Failure::new)?;
            let bytes =
                fs::read(&copy).map_err(|error| Failure::at(out.display(), files::explain(&error)))?;
            files::write(out, &bytes, *force)?;
            let document = json!({ "schema": 1, "backup": out.to_string_lossy(), "bytes": bytes.len() });
            let text = format!(
                "{} {}: {} bytes; the pictures are files of their own, in {}",
                paint(GOOD, "backed up"),
                shown(out),
                bytes.len(),
                shown(&workspace.objects())
            );
            tell(terminal, &document, &text)
        }
        CatalogCommand::Stats => {
            let stats = reading()?.stats().map_err(Failure::new)?;
            let document = json!({ "schema": 1, "stats": stats });
            let lines: Vec<String> = stats
                .iter()
                .map(|(name, count)| format!("{count:>10}  {}", name.replace('_', " ")))
                .collect();
            tell(terminal, &document, &lines.join("\n"))
        }
        CatalogCommand::Search { similar: Some(file), most, .. } => {
            let found = similar(file, *most as usize, &reading()?, &workspace)?;
            let document = json!({ "schema": 1, "similar_to": file.to_string_lossy(), "found":
                found.iter().map(similar_document).collect::<Vec<_>>() });
            let lines: Vec<String> = found.iter().map(similar_line).collect();
            let text =
                if lines.is_empty() { "nothing on record looks like it".into() } else { lines.join("\n") };
            tell(terminal, &document, &text)?;
            Ok(if found.is_empty() { Outcome::No } else { Outcome::Yes })
        }
        CatalogCommand::Search { words, most, similar: None } => {
            let found = reading()?.search(words, *most).map_err(Failure::new)?;
            let document = json!({ "schema": 1, "found": found });
            let lines: Vec<String> = found.iter().map(line).collect();
            let text =
                if lines.is_empty() { "nothing like it is recorded here".into() } else { lines.join("\n") };
            tell(terminal, &document, &text)?;
            Ok(if found.is_empty() { Outcome::No } else { Outcome::Yes })
        }
    }
}

fn line(found: &Found) -> String {
    told(&found.id, &found.role, &found.sha256, &found.title)
}

fn told(id: &str, role: &str, sha256: &Digest, title: &str) -> String {
    let title: String = title.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    format!("{}  {role:<9}  {}  {title}", paint(BOLD, id), sha256.short(12))
}

/// What looks like the picture in `file`.
fn similar(
    file: &Path,
    most: usize,
    catalog: &Catalog,
    workspace: &Workspace,
) -> Result<Vec<Similar>, Failure> {
    let decoded = raster::decode(&files::read(file)?, &Limits::default())
        .map_err(|error| Failure::at(file.display(), error))?;
    let objects = Objects::at(workspace.objects());
    let memory = Memory { catalog, objects: &objects, watermark_key: None };
    memory.similar(&decoded.raster.flatten(), None, most).map_err(Failure::new)
}

fn similar_document(found: &Similar) -> serde_json::Value {
    let Similar { asset, likeness } = found;
    json!({ "id": asset.id, "role": asset.role.name(), "sha256": asset.sha256, "title": asset.title,
        "created": asset.created, "fingerprint_bits": likeness.bits, "deviation": likeness.deviation,
        "same_picture": likeness.is_same_picture() })
}

fn similar_line(found: &Similar) -> String {
    let Similar { asset, likeness } = found;
    let far = match likeness.deviation {
        Some(deviation) => format!("deviation {deviation:.2}"),
        None => "deviation ?   ".to_owned(),
    };
    let same = if likeness.is_same_picture() { "  (may be the same picture)" } else { "" };
    format!("{far}  {}{same}", told(&asset.id, asset.role.name(), &asset.sha256, &asset.title))
}

fn tell(terminal: &Terminal, document: &serde_json::Value, text: &str) -> Result<Outcome, Failure> {
    let text = if terminal.json { format!("{document:#}") } else { text.to_owned() };
    terminal.result(&text).map_err(Failure::new)?;
    Ok(Outcome::Yes)
}
