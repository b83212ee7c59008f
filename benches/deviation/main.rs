//! How well the measure tells copies from new pictures, as Markdown tables:
//!
//!     cargo bench --bench deviation -- [--held-out] [--alone] [--seeds N] [PICTURE|FOLDER…]
//!     cargo bench --bench deviation -- --time
//!
//! Families are made of our own specimens, or of pictures that are named: copies under each evasion of `evasions.rs`
//! alone and in pairs (`--alone`: no pairs); partial copies in other content of the same kind; what our engine makes,
//! N draws of each strength; and unrelated pictures of the same style. `--held-out` takes what no limit was set with:
//! other specimens at another size, the same evasions in other amounts, and other draws. `--time` measures what one pair of a megapixel
//! costs on one thread.

mod evasions;
mod families;
mod report;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Instant;

use vidimus::deviation::{MeasureError, Prepared, measure};
use vidimus::quantity::Seed;
use vidimus::raster::{self, Limits, Raster};
use vidimus::specimen::{Colour, Kind, Specimen};

use families::{Deeds, Subject};

fn main() -> Result<(), Box<dyn Error>> {
    let (mut pairs, mut held_out, mut seeds, mut named) = (true, false, 2, Vec::new());
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            // Cargo says so itself.
            "--bench" => {}
            "--alone" => pairs = false,
            "--held-out" => held_out = true,
            "--time" => return timing(),
            "--seeds" => seeds = args.next().ok_or("--seeds needs a number")?.parse()?,
            name => named.extend(files(Path::new(name))?),
        }
    }
    let deeds = if held_out {
        let weakened = evasions::WEAKENED_HELD_OUT;
        Deeds { evasions: evasions::HELD_OUT, weakened, turn: 52.0, pairs, seeds: 101..=100 + seeds }
    } else {
        let weakened = evasions::WEAKENED;
        Deeds { evasions: evasions::ALL, weakened, turn: 30.0, pairs, seeds: 1..=seeds }
    };
    let subjects = match (named.is_empty(), held_out) {
        (false, _) => pictures(&named)?,
        (true, false) => specimens(320, 240, 11)?,
        (true, true) => specimens(400, 288, 111)?,
    };
    report::print(&families::all(&subjects, &deeds)?)
}

/// The files of a folder in the order of their names, or the file itself.
fn files(path: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = std::fs::read_dir(path)?.collect::<Result<Vec<_>, _>>()?;
    let mut files: Vec<PathBuf> = entries.iter().map(|e| e.path()).filter(|path| path.is_file()).collect();
    files.sort();
    Ok(files)
}

/// Milliseconds of one thread for a pair of 1152×864 pixels: a new picture, which is the dearest, and a copy, against a
/// reference that is prepared; and a new picture against one that is not. The processor's time where the system tells it,
/// for the machine may have other things to do. Then the peak of the process in all of it.
fn timing() -> Result<(), Box<dyn Error>> {
    let draw = |kind: Kind, seed: u64| {
        Specimen { kind, width: 1152, height: 864, seed: Seed(seed), colour: Colour::Grey }.render()
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
    println!(
        "| specimen | reference prepared, ms | new picture, ms | copy, ms | both new, ms | peak, MB |\n\
         |---|---|---|---|---|---|"
    );
    for kind in Kind::ALL {
        let (reference, other) = (draw(kind, 11)?, draw(kind, 12)?);
        let copy = evasions::turned(&reference, 7.0);
        // The peak so far is that of drawing: forget it.
        let _ = std::fs::write("/proc/self/clear_refs", "5");
        let figures = pool.install(|| -> Result<[f64; 4], MeasureError> {
            let known = Prepared::of(&reference)?;
            Ok([
                least(|| Prepared::of(&reference).map(drop))?,
                least(|| known.measure(&other).map(drop))?,
                least(|| known.measure(&copy).map(drop))?,
                least(|| measure(&reference, &other).map(drop))?,
            ])
        })?;
        let [prepared, new, same, both] = figures.map(|seconds| 1000.0 * seconds);
        let peak = peak_mb().map_or("–".to_owned(), |peak| format!("{peak:.0}"));
        println!("| {kind} | {prepared:.0} | {new:.0} | {same:.0} | {both:.0} | {peak} |");
    }
    Ok(())
}

/// Seconds that `work` takes, the least of three times.
fn least(work: impl Fn() -> Result<(), MeasureError>) -> Result<f64, MeasureError> {
    let mut least = f64::INFINITY;
    for _ in 0..3 {
        let clock = Clock::start();
        work()?;
        least = least.min(clock.seconds());
    }
    Ok(least)
}

/// The most memory that this process held at once, pictures and program included, where the system tells.
fn peak_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kilobytes: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes * 1024.0 / 1e6)
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

/// One of each kind, with three other fields of its grid.
fn specimens(width: u32, height: u32, first: u64) -> Result<Vec<Subject>, Box<dyn Error>> {
    let draw = |kind: Kind, seed: u64| {
        Specimen { kind, width, height, seed: Seed(seed), colour: Colour::Grey }.render()
    };
    Kind::ALL
        .into_iter()
        .map(|kind| {
            let others = vec![draw(kind, first + 1)?, draw(kind, first + 2)?, draw(kind, first + 3)?];
            Ok(Subject { name: kind.to_string(), reference: draw(kind, first)?, others })
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
