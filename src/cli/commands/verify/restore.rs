use std::path::Path;

use serde_json::{Value, json};

use crate::cli::args::Verify;
use crate::cli::commands::same_file;
use crate::cli::error::Failure;
use crate::cli::host::System;
use crate::cli::term::{GOOD, Terminal, paint, shown};
use crate::cli::{files, place};
use crate::digest::Digest;
use crate::host::Host;
use crate::manifest::{IngredientReading, Recovery};
use crate::raster::Format;
use crate::settings::Settings;
use crate::verify::{self, Memory, Report, RestoreError};

/// Whether a restored picture can go to `out`, before any work is done.
pub(super) fn restorable(args: &Verify, out: &Path) -> Result<(), Failure> {
    let [file] = args.files.as_slice() else {
        return Err(
            Failure::at(out.display(), "several pictures cannot be restored to one file").advise("name one")
        );
    };
    if file.is_dir() {
        return Err(
            Failure::at(file.display(), "a folder cannot be restored to one file").advise("name a picture")
        );
    }
    if same_file(file, out) {
        let error = "a restored picture would overwrite its own source";
        return Err(Failure::at(out.display(), error).advise("choose another name"));
    }
    files::writable(out, args.force)
}

/// Restores the picture at `path` to `out`, and says on stderr how it was found; what was written, as JSON.
pub(super) fn run(
    path: &Path,
    report: &Report,
    memory: Option<&Memory<'_>>,
    out: &Path,
    force: bool,
    workspace: Option<&Path>,
    terminal: &Terminal,
) -> Result<Value, Failure> {
    let bytes = files::read(path)?;
    if Digest::of(&bytes) != report.sha256 {
        return Err(Failure::at(path.display(), "it changed while it was verified").advise("try again"));
    }
    let memory = memory.ok_or_else(|| {
        Failure::at(path.display(), "there is no catalog here that could know its manifest")
            .advise("name the workspace with --workspace")
    })?;
    let host = System::new()?;
    // Only what is there: verifying makes no keys.
    let place = place::need(workspace)?;
    let keys = place::load_keys(&place, host.now())?;
    let stamps = Settings::load(&place).map_err(Failure::new)?.time_stamps;
    let restored = verify::restore(&bytes, report, memory, &keys, stamps.as_ref(), host.now());
    let (signed, recovery) = restored.map_err(|error| refused(path, &error))?;
    same_format(&bytes, out)?;
    files::write(out, &signed.bytes, force)?;
    let changed = signed.reading.restored().is_some_and(IngredientReading::content_differs);
    terminal.talk(&format!(
        "{} {}: {} with its recovered manifest; {}{}",
        paint(GOOD, "restored"),
        shown(out),
        if changed { "a changed copy" } else { "a copy of what was signed" },
        certainty(&recovery),
        signed.unstamped.map(|why| format!("; no time stamp: {why}")).unwrap_or_default()
    ));
    Ok(json!({
        "output": out.to_string_lossy(),
        "sha256": Digest::of(&signed.bytes),
        "label": signed.label,
        "content_differs": changed,
        "recovery": recovery,
    }))
}

fn refused(path: &Path, error: &RestoreError) -> Failure {
    let failure = Failure::at(path.display(), format_args!("not restored: {error}"));
    match error {
        RestoreError::Unknown => failure.advise("ask the workspace that made it"),
        _ => failure,
    }
}

/// The bytes keep their format, so the name must have it, too.
fn same_format(bytes: &[u8], out: &Path) -> Result<(), Failure> {
    let extension = out.extension().and_then(|e| e.to_str()).unwrap_or_default();
    let decoded = crate::raster::decode(bytes, &Default::default()).map_err(Failure::new)?;
    if decoded.format.is_some() && extension.parse::<Format>().ok() != decoded.format {
        let error = format!("the picture is a {} and stays one", decoded.format_name);
        return Err(Failure::at(out.display(), error).advise("name the file by its format"));
    }
    Ok(())
}

/// How sure it is that the manifest belongs to this picture, in words and figures.
fn certainty(recovery: &Recovery) -> String {
    let mut parts = vec![format!("known by its {}", recovery.found_by)];
    if recovery.found_by != "looks"
        && let Some(log10) = recovery.log10_false_positive
    {
        let whose = match recovery.watermark_authentic {
            Some(true) => ", made with this workspace's key",
            Some(false) => ", not made with this workspace's key",
            None => "",
        };
        parts.push(format!("watermark by chance 10^{log10:.1}{whose}"));
    }
    if let Some(deviation) = recovery.deviation_from_record {
        parts.push(format!("deviation from the picture on record {deviation:.2}"));
    }
    parts.push(format!("soft bindings that match: {}", recovery.algorithms_matched.join(", ")));
    parts.join("; ")
}
