use crate::cli::args::SpecimenArgs;
use crate::cli::error::{Failure, Outcome};
use crate::cli::files;
use crate::cli::term::{BOLD, Terminal, paint};
use crate::digest::Digest;
use crate::raster::{self, Format};
use crate::specimen::{Colour, Specimen};

pub fn run(args: &SpecimenArgs, terminal: &Terminal) -> Result<Outcome, Failure> {
    let extension = args.out.extension().and_then(|e| e.to_str()).unwrap_or_default();
    let format: Format = extension
        .parse()
        .map_err(|error| Failure::at(args.out.display(), error).advise("name a file like out.png"))?;
    let specimen = Specimen {
        kind: args.kind,
        width: args.size.0,
        height: args.size.1,
        seed: args.seed,
        colour: if args.colour { Colour::False } else { Colour::Grey },
    };
    let picture = specimen.render().map_err(Failure::new)?;
    let bytes = raster::encode(&picture, format, 95).map_err(Failure::new)?;
    files::write(&args.out, &bytes, args.force)?;
    if terminal.json {
        let document = serde_json::json!({
            "schema": 1,
            "file": args.out.to_string_lossy(),
            "sha256": Digest::of(&bytes),
            "kind": args.kind.name(),
            "width": args.size.0,
            "height": args.size.1,
            "seed": args.seed,
            "colour": args.colour,
        });
        terminal.result(&format!("{document:#}")).map_err(Failure::new)?;
    } else {
        terminal
            .result(&format!(
                "{} {}  {}×{}, a synthetic {} specimen, seed {}: not a real micrograph",
                paint(BOLD, "Drew"),
                args.out.display(),
                args.size.0,
                args.size.1,
                args.kind,
                args.seed,
            ))
            .map_err(Failure::new)?;
    }
    Ok(Outcome::Yes)
}
