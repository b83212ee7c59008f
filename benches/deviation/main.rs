//! How well the measure tells copies from new pictures, as Markdown tables:
//!
//!     cargo bench --bench deviation -- [--alone] [--seeds N] [PICTURE…]
//!
//! Families are made of our own specimens, or of pictures that are named: copies under each evasion of `evasions.rs`
//! alone and in pairs (`--alone`: no pairs); partial copies in other content of the same kind; what our engine makes,
//! N draws of each strength; and unrelated pictures of the same style.

mod evasions;
mod families;
mod report;

use std::error::Error;
use std::path::{Path, PathBuf};

use vidimus::quantity::Seed;
use vidimus::raster::{self, Limits, Raster};
use vidimus::specimen::{Colour, Kind, Specimen};

use families::Subject;

fn main() -> Result<(), Box<dyn Error>> {
    let (mut pairs, mut seeds, mut named) = (true, 2, Vec::new());
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            // Cargo says so itself.
            "--bench" => {}
            "--alone" => pairs = false,
            "--seeds" => seeds = args.next().ok_or("--seeds needs a number")?.parse()?,
            name => named.push(PathBuf::from(name)),
        }
    }
    let subjects = if named.is_empty() { specimens()? } else { pictures(&named)? };
    report::print(&families::all(&subjects, pairs, seeds)?)
}

/// One of each kind, with two other fields of its grid.
fn specimens() -> Result<Vec<Subject>, Box<dyn Error>> {
    let draw = |kind: Kind, seed: u64| {
        let specimen = Specimen { kind, width: 320, height: 240, seed: Seed(seed), colour: Colour::Grey };
        specimen.render()
    };
    Kind::ALL
        .into_iter()
        .map(|kind| {
            let others = vec![draw(kind, 12)?, draw(kind, 13)?, draw(kind, 14)?];
            Ok(Subject { name: kind.to_string(), reference: draw(kind, 11)?, others })
        })
        .collect()
}

/// Each picture beside all the others.
fn pictures(named: &[PathBuf]) -> Result<Vec<Subject>, Box<dyn Error>> {
    let open = |path: &PathBuf| -> Result<Raster, Box<dyn Error>> {
        Ok(raster::decode(&std::fs::read(path)?, &Limits::default())?.raster.flatten())
    };
    let all = named.iter().map(open).collect::<Result<Vec<_>, _>>()?;
    let stem = |path: &Path| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let subject = |(i, path): (usize, &PathBuf)| {
        let others = all.iter().enumerate().filter(|(j, _)| *j != i).map(|(_, other)| other.clone());
        Subject { name: stem(path), reference: all[i].clone(), others: others.collect() }
    };
    Ok(named.iter().enumerate().map(subject).collect())
}
