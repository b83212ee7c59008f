//! Time, memory and quality of the embedded engine, as Markdown tables:
//!
//!     cargo bench --bench generation -- [--speed | --quality | --shapes | --annotations] [--seeds N]
//!         [--strengths LIST] [--sheets DIR] [PICTURE…]
//!
//! Pictures are our own specimens unless some are named, strengths those of README unless some are listed. The last rows
//! of a quality table are what to compare with: plain GPNN, the baseline, and of specimens as many unrelated ones of the
//! same kind. `--sheets` writes a contact sheet of each.

mod annotations;
mod copies;
mod gpnn;
mod quality;
mod shapes;
mod sheet;
mod speed;

use std::error::Error;
use std::path::{Path, PathBuf};

use vidimus::quantity::Seed;
use vidimus::raster::{self, Limits, Raster};
use vidimus::specimen::{Colour, Kind, Specimen};

/// Of the specimens that are varied; the following ones are of those that these are held against.
const SEED: u64 = 11;
/// Strengths that are looked at unless others are listed.
const STRENGTHS: [f64; 6] = [0.3, 0.45, 0.6, 0.75, 0.9, 1.0];

struct Options {
    speed: bool,
    quality: bool,
    shapes: bool,
    annotations: bool,
    seeds: u64,
    /// Those listed.
    strengths: Option<Vec<f64>>,
    sheets: Option<PathBuf>,
    pictures: Vec<PathBuf>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let mut options = Options {
        speed: true,
        quality: true,
        shapes: false,
        annotations: false,
        seeds: 3,
        strengths: None,
        sheets: None,
        pictures: Vec::new(),
    };
    while let Some(arg) = args.next() {
        match arg.as_str() {
            // Cargo says so itself.
            "--bench" => {}
            "--speed" => options.quality = false,
            "--quality" => options.speed = false,
            "--shapes" => options = Options { speed: false, quality: false, shapes: true, ..options },
            "--annotations" => {
                options = Options { speed: false, quality: false, annotations: true, ..options }
            }
            "--seeds" => {
                let seeds: std::num::NonZeroU32 = args.next().ok_or("--seeds needs a number")?.parse()?;
                options.seeds = seeds.get().into();
            }
            "--strengths" => {
                let list = args.next().ok_or("--strengths needs a list: 0.6,0.75")?;
                options.strengths = Some(list.split(',').map(str::parse).collect::<Result<_, _>>()?);
            }
            "--sheets" => options.sheets = Some(args.next().ok_or("--sheets needs a folder")?.into()),
            // A process of its own for each size: only so is its peak memory its own.
            speed::ONE => return speed::one(&args.next().ok_or("which size?")?),
            name => options.pictures.push(name.into()),
        }
    }
    if options.strengths.is_some() && !options.quality && !options.shapes {
        return Err("--strengths is for --quality and --shapes".into());
    }
    if options.sheets.is_some() && !options.quality {
        return Err("--sheets is for --quality".into());
    }
    let strengths = options.strengths.unwrap_or_else(|| STRENGTHS.to_vec());
    if options.speed {
        speed::table()?;
    }
    if options.shapes {
        if !options.pictures.is_empty() {
            return Err("--shapes draws specimens of its own: name no pictures".into());
        }
        shapes::table(&strengths, options.seeds)?;
    }
    if options.annotations {
        annotations::table(&pictures(&options.pictures)?, options.seeds)?;
    }
    if options.quality {
        let others = |kind| (1..=options.seeds).map(move |i| specimen(kind, 320, 208, SEED + i)).collect();
        let unrelated: Vec<Vec<Raster>> = match options.pictures[..] {
            [] => Kind::ALL.into_iter().map(others).collect::<Result<_, _>>()?,
            _ => vec![Vec::new(); options.pictures.len()],
        };
        for ((name, picture), others) in pictures(&options.pictures)?.iter().zip(&unrelated) {
            quality::table(name, picture, others, &strengths, options.seeds, options.sheets.as_deref())?;
        }
    }
    Ok(())
}

fn pictures(named: &[PathBuf]) -> Result<Vec<(String, Raster)>, Box<dyn Error>> {
    if named.is_empty() {
        return Kind::ALL
            .into_iter()
            .map(|kind| Ok((kind.to_string(), specimen(kind, 320, 208, SEED)?)))
            .collect();
    }
    let open = |path: &PathBuf| {
        let decoded = raster::decode(&std::fs::read(path)?, &Limits::default())?;
        Ok((stem(path), decoded.raster.flatten()))
    };
    named.iter().map(open).collect()
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

fn specimen(kind: Kind, width: u32, height: u32, seed: u64) -> Result<Raster, Box<dyn Error>> {
    Ok(Specimen { kind, width, height, seed: Seed(seed), colour: Colour::False }.render()?)
}
