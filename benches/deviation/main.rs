//! How well the measure tells copies from new pictures, as Markdown tables:
//!
//!     cargo bench --bench deviation -- [--alone] [--seeds N] [PICTURE…]
//!     cargo bench --bench deviation -- --time
//!
//! Families are made of our own specimens, or of pictures that are named: copies under each evasion of `evasions.rs`
//! alone and in pairs (`--alone`: no pairs); partial copies in other content of the same kind; what our engine makes,
//! N draws of each strength; and unrelated pictures of the same style. `--time` measures what one pair of a megapixel
//! costs on one thread.

mod evasions;
mod families;
mod report;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Instant;

use vidimus::deviation::{MeasureError, Prepared};
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
            "--time" => return timing(),
            "--seeds" => seeds = args.next().ok_or("--seeds needs a number")?.parse()?,
            name => named.push(PathBuf::from(name)),
        }
    }
    let subjects = if named.is_empty() { specimens()? } else { pictures(&named)? };
    report::print(&families::all(&subjects, pairs, seeds)?)
}

/// Milliseconds of one thread for a pair of 1152×864 pixels: a new picture, which is the dearest, and a copy. The
/// processor's time where the system tells it, for the machine may have other things to do.
fn timing() -> Result<(), Box<dyn Error>> {
    let draw = |kind: Kind, seed: u64| {
        Specimen { kind, width: 1152, height: 864, seed: Seed(seed), colour: Colour::Grey }.render()
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
    println!("| specimen | reference prepared, ms | new picture, ms | copy, ms |\n|---|---|---|---|");
    for kind in Kind::ALL {
        let (reference, other) = (draw(kind, 11)?, draw(kind, 12)?);
        let copy = evasions::turned(&reference, 7.0);
        let [prepared, new, same] = pool.install(|| -> Result<[f64; 3], MeasureError> {
            let clock = Clock::start();
            let known = Prepared::of(&reference)?;
            let prepared = clock.seconds();
            let least = |output: &Raster| -> Result<f64, MeasureError> {
                let mut least = f64::INFINITY;
                for _ in 0..3 {
                    let clock = Clock::start();
                    known.measure(output)?;
                    least = least.min(clock.seconds());
                }
                Ok(least)
            };
            Ok([prepared, least(&other)?, least(&copy)?].map(|seconds| 1000.0 * seconds))
        })?;
        println!("| {kind} | {prepared:.0} | {new:.0} | {same:.0} |");
    }
    Ok(())
}

/// Time of this thread.
struct Clock {
    began: Instant,
    /// Nanoseconds on the processor until then.
    spent: Option<f64>,
}

impl Clock {
    fn start() -> Clock {
        Clock { began: Instant::now(), spent: Clock::on_processor() }
    }

    fn seconds(&self) -> f64 {
        match (self.spent, Clock::on_processor()) {
            (Some(from), Some(to)) => (to - from) / 1e9,
            _ => self.began.elapsed().as_secs_f64(),
        }
    }

    fn on_processor() -> Option<f64> {
        let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
        told.split(' ').next()?.parse().ok()
    }
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
