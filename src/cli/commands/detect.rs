use std::path::Path;
use std::time::Instant;

use serde_json::{Value, json};

use crate::cli::args::Detect;
use crate::cli::commands::drawable;
use crate::cli::error::{Failure, Outcome};
use crate::cli::term::{BOLD, DIM, GOOD, Terminal, paint, shown};
use crate::cli::{files, place};
use crate::keys::Keys;
use crate::raster::{self, Format, Limits, Raster};
use crate::verify::{WatermarkReport, words};
use crate::watermark::{self, Detection, Key, Keyring, Said, Search, Sighting};

/// One picture and what was found in it.
struct Looked {
    raster: Raster,
    sighting: Option<Sighting>,
    ms: f64,
}

impl Looked {
    fn found(&self) -> Option<&Detection> {
        self.sighting.as_ref().map(|sighting| &sighting.detection)
    }
}

pub fn run(args: &Detect, place: Option<&Path>, terminal: &Terminal) -> Result<Outcome, Failure> {
    if let Some(out) = &args.explain {
        explainable(args, out)?;
    }
    let workspace = place::find(place)?;
    let owner = workspace.and_then(|workspace| Keys::watermark_key_at(&workspace.keys())).map(Key::new);
    let keys = Keyring { public: &Key::public(), owner: owner.as_ref() };
    let search = if args.fast { Search::Fast } else { Search::Full };
    let mut outcome = Outcome::Yes;
    let mut documents = Vec::new();
    for path in &args.files {
        let looked = match look(path, keys, search) {
            Ok(looked) => looked,
            // The others are answered all the same.
            Err(failure) => {
                crate::cli::complain(terminal, &failure);
                let file = path.to_string_lossy();
                documents.push(json!({ "schema": 1, "file": file, "error": failure.to_string() }));
                outcome = Outcome::CouldNot;
                continue;
            }
        };
        outcome = outcome.max(if looked.sighting.is_some() { Outcome::Yes } else { Outcome::No });
        if let Some(out) = &args.explain {
            explain(&looked, keys, out, args.force, terminal)?;
        }
        if terminal.json {
            documents.push(document(path, &looked, args));
        } else {
            terminal.result(&page(path, &looked, args)).map_err(Failure::new)?;
        }
    }
    if terminal.json {
        terminal.documents(documents).map_err(Failure::new)?;
    }
    Ok(outcome)
}

fn look(path: &Path, keys: Keyring<'_>, search: Search) -> Result<Looked, Failure> {
    let bytes = files::read(path)?;
    let decoded = raster::decode(&bytes, &Limits::default());
    let raster = decoded.map_err(|error| Failure::at(path.display(), error))?.raster.flatten();
    let start = Instant::now();
    let sighting = watermark::locate(&raster, keys, search);
    Ok(Looked { raster, sighting, ms: start.elapsed().as_secs_f64() * 1000.0 })
}

/// Whether the explanation can go where it is wanted, before any work is done.
fn explainable(args: &Detect, out: &Path) -> Result<(), Failure> {
    let [file] = args.files.as_slice() else {
        return Err(Failure::at(out.display(), "one picture cannot explain several").advise("name one file"));
    };
    drawable(out, "an explanation", &[file], args.force)
}

fn explain(
    looked: &Looked,
    keys: Keyring<'_>,
    out: &Path,
    force: bool,
    terminal: &Terminal,
) -> Result<(), Failure> {
    let Some(sighting) = &looked.sighting else {
        terminal.talk(&format!("{}: not written: there is nothing to explain", shown(out)));
        return Ok(());
    };
    let picture = sighting.explain(&looked.raster, keys.public);
    let bytes = raster::encode(&picture, Format::Png, 100).map_err(Failure::new)?;
    files::write(out, &bytes, force)
}

fn document(path: &Path, looked: &Looked, args: &Detect) -> Value {
    let mut document = json!({
        "schema": 1,
        "file": path.to_string_lossy(),
        "search": if args.fast { "fast" } else { "full" },
        "message": looked.found().map(|found| hex::encode(found.message.bytes())),
        "ms": looked.ms,
    });
    let report = WatermarkReport::of(looked.found());
    let fields = serde_json::to_value(report).unwrap_or_default();
    if let (Value::Object(document), Value::Object(fields)) = (&mut document, fields) {
        document.extend(fields);
    }
    document
}

fn page(path: &Path, looked: &Looked, args: &Detect) -> String {
    let Some(found) = looked.found() else {
        let rest = if args.fast { "; the geometric search was left out" } else { "" };
        return format!("{}: {}{rest}", shown(path), paint(BOLD, "no watermark found"));
    };
    let level = found.message.level();
    let mut lines = vec![format!(
        "{}: {}, {} level ({} bits)",
        shown(path),
        paint(GOOD, "watermark found"),
        level.name(),
        level.message_bits()
    )];
    let mut line =
        |name: &str, text: String| lines.push(format!("  {} {text}", paint(BOLD, format_args!("{name:<9}"))));
    match Said::read(&found.message) {
        Ok(said) => {
            let id = said.id().map(|id| format!(", id {id}")).unwrap_or_default();
            line("Says", format!("{}{id}", words::said(&said)));
        }
        Err(error) => line("Says", format!("{}: {error}", hex::encode(found.message.bytes()))),
    }
    let geometry = words::geometry(found);
    let geometry = if geometry.is_empty() { "no turn, mirroring or odd scale".to_owned() } else { geometry };
    line("Geometry", format!("{geometry} (search: {})", found.stage.name()));
    line("Chance", format!("10^{:.1} that a picture without a mark gets as far", found.log10_false_positive));
    if let Some(tag) = &found.tag {
        let whose = match tag.authentic() {
            Some(true) => "made with this workspace's key",
            Some(false) => "not made with this workspace's key",
            None => "cannot be told",
        };
        line("Tag", format!("{whose} (score {:.1}, {:.1} expected)", tag.score, tag.expected));
    }
    lines.push(paint(DIM, format_args!("  {:.0} ms", looked.ms)));
    lines.join("\n")
}
