//! CPU seconds of the diffusion engines beside PyTorch in f32 and in bf16, in turns, as a Markdown table:
//!
//!     cargo bench --features diffusion --bench engines -- [--threads 1,2] [--precision f32,bf16] [--rounds 3] [NAME…]
//!
//! or how far bf16 is from f32, for pictures in steps of 255:
//!
//!     cargo bench --features diffusion --bench engines -- --off [NAME…]
//!
//! or Stable Diffusion 1.5's UNet, and a FLUX.1 of three blocks from one file in Q8_0, beside stable-diffusion.cpp, by a
//! Python that has it and models that `sdcpp.py` makes:
//!
//!     cargo bench --features diffusion --bench engines -- --sdcpp PYTHON MODEL [--threads 1,2] [--rounds 3] [NAME…]
//!
//! Networks have the real sizes and weights of chance. Names choose rows by how they begin. PyTorch runs in the
//! environment that `make test` installs; without it the table has our own column alone. Each figure is the least of
//! the rounds.

mod peer;
mod process;

use std::path::Path;

use peer::Peer;
use process::Failure;
use vidimus::generate::diffusion::Precision;
use vidimus::generate::diffusion::speed::{self, CASES, Run};

/// Seconds of CPU time that a measurement takes at least, so that clock ticks do not show.
const LEAST: f64 = 0.5;

struct Options {
    threads: Vec<usize>,
    precisions: Vec<Precision>,
    rounds: usize,
    off: bool,
    /// stable-diffusion.cpp's Python and model.
    sdcpp: Option<[String; 2]>,
    names: Vec<String>,
}

fn main() -> Result<(), Failure> {
    let mut args = std::env::args().skip(1);
    let precisions = vec![Precision::F32, Precision::Bf16];
    let mut options =
        Options { threads: vec![1, 2], precisions, rounds: 3, off: false, sdcpp: None, names: Vec::new() };
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or(format!("{arg} needs a value"));
        match arg.as_str() {
            // Cargo says so itself.
            "--bench" => {}
            "--threads" => {
                options.threads = value()?.split(',').map(str::parse).collect::<Result<_, _>>()?;
            }
            "--precision" => {
                let named = |name: &str| match name {
                    "f32" => Ok(Precision::F32),
                    "bf16" => Ok(Precision::Bf16),
                    _ => Err(format!("no precision {name}")),
                };
                options.precisions = value()?.split(',').map(named).collect::<Result<_, _>>()?;
            }
            "--rounds" => options.rounds = value()?.parse()?,
            "--off" => options.off = true,
            "--sdcpp" => options.sdcpp = Some([value()?, value()?]),
            // A process of its own for each: only so is its peak memory its own.
            "--peak" => return peak(&value()?, options.precisions[0]),
            name => options.names.push(name.to_owned()),
        }
    }
    match &options.sdcpp {
        Some(sdcpp) => beside_sdcpp(&options, sdcpp),
        None if options.off => off(&options),
        None => table(&options),
    }
}

impl Options {
    /// Whether this row was asked for.
    fn names(&self, name: &str) -> bool {
        self.names.is_empty() || self.names.iter().any(|start| name.starts_with(start.as_str()))
    }
}

fn off(options: &Options) -> Result<(), Failure> {
    let dir = tempfile::tempdir()?;
    println!("| | largest value | largest difference | mean difference |\n|---|---|---|---|");
    for case in CASES.iter().filter(|case| options.names(case.name)) {
        let made = |of| case.build(dir.path(), of)?()?.numbers();
        let (exact, rounded) = (made(Precision::F32)?, made(Precision::Bf16)?);
        let most = exact.iter().fold(0.0f32, |most, x| most.max(x.abs()));
        let off: Vec<f32> = exact.iter().zip(&rounded).map(|(a, b)| (a - b).abs()).collect();
        let far = off.iter().copied().fold(0.0, f32::max);
        let mean = off.iter().map(|x| f64::from(*x)).sum::<f64>() / off.len() as f64;
        println!("| {} | {most:.3} | {far:.4} | {mean:.5} |", case.name);
    }
    Ok(())
}

fn table(options: &Options) -> Result<(), Failure> {
    let dir = tempfile::tempdir()?;
    println!("| | precision | threads | ours, CPU s | PyTorch f32 | ratio | PyTorch bf16 | ratio |");
    println!("|---|---|---|---|---|---|---|---|");
    let chosen = |name: &str| options.names(name);
    for case in CASES.iter().filter(|case| chosen(case.name)) {
        for threads in &options.threads {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(*threads).build()?;
            let build = |of: &Precision| Ok((*of, pool.install(|| case.build(dir.path(), *of))?));
            let runs = options.precisions.iter().map(build).collect::<Result<Vec<_>, Failure>>()?;
            let mut peers = [Precision::F32, Precision::Bf16].map(|of| Peer::start(case.name, *threads, of));
            let (mut ours, mut theirs) = (vec![f64::INFINITY; runs.len()], [f64::INFINITY; 2]);
            for _ in 0..options.rounds {
                for (ours, (_, run)) in ours.iter_mut().zip(&runs) {
                    *ours = ours.min(pool.install(|| seconds(run))?);
                }
                for (theirs, peer) in theirs.iter_mut().zip(&mut peers) {
                    if let Some(peer) = peer.as_mut().map_err(|error| error.to_string())? {
                        *theirs = theirs.min(peer.seconds()?);
                    }
                }
            }
            for (ours, (of, _)) in ours.iter().zip(&runs) {
                let beside = theirs.map(|theirs| match theirs.is_finite() {
                    true => format!("{theirs:.4} | {:.2}", ours / theirs),
                    false => "– | –".to_owned(),
                });
                println!(
                    "| {} | {} | {threads} | {ours:.4} | {} |",
                    case.name,
                    of.name(),
                    beside.join(" | ")
                );
            }
        }
    }
    for name in ["unet-512", "decode-512", "decode-1024"].into_iter().filter(|name| chosen(name)) {
        for of in &options.precisions {
            let peak = ["--precision", of.name(), "--peak", name];
            let own = std::process::Command::new(std::env::current_exe()?).args(peak).output()?;
            let peak = String::from_utf8_lossy(&own.stdout);
            println!("\nPeak memory of {name} in {}: {}", of.name(), peak.trim());
        }
    }
    Ok(())
}

/// Rows beside stable-diffusion.cpp, and what each is to it.
const SDCPP: [(&str, [&str; 2]); 2] = [("unet-512", ["f16", "q8_0"]), ("flux-q8_0", ["flux", "flux-flash"])];

fn beside_sdcpp(options: &Options, [python, model]: &[String; 2]) -> Result<(), Failure> {
    let dir = tempfile::tempdir()?;
    println!("| | threads | by | CPU s |\n|---|---|---|---|");
    for (name, kinds) in SDCPP.iter().filter(|(name, _)| options.names(name)) {
        for threads in &options.threads {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(*threads).build()?;
            let built = |of: &Precision| match CASES.iter().find(|case| case.name == *name) {
                Some(case) => case.build(dir.path(), *of),
                // The very file, and as many tokens as it has of text.
                None => speed::flux(&Path::new(model).join("flux-q8_0.gguf"), 256, *of),
            };
            let runs = options.precisions.iter().map(|of| pool.install(|| built(of)));
            let runs = runs.collect::<Result<Vec<_>, _>>()?;
            let start = |kind| Peer::start_sdcpp(python, model, *threads, kind);
            let mut peers = kinds.iter().map(|kind| start(kind)).collect::<Result<Vec<_>, _>>()?;
            let (mut ours, mut theirs) = (vec![f64::INFINITY; runs.len()], [f64::INFINITY; 2]);
            for _ in 0..options.rounds {
                for (ours, run) in ours.iter_mut().zip(&runs) {
                    *ours = ours.min(pool.install(|| seconds(run))?);
                }
                for (theirs, peer) in theirs.iter_mut().zip(&mut peers) {
                    *theirs = theirs.min(peer.seconds()?);
                }
            }
            for (of, ours) in options.precisions.iter().zip(&ours) {
                println!("| {name} | {threads} | ours, {} | {ours:.2} |", of.name());
            }
            for (kind, theirs) in kinds.iter().zip(&theirs) {
                println!("| {name} | {threads} | stable-diffusion.cpp, {kind} | {theirs:.2} |");
            }
        }
    }
    Ok(())
}

/// CPU seconds of one run.
fn seconds(run: &Run) -> Result<f64, Failure> {
    run()?;
    let (start, mut count) = (process::cpu_seconds()?, 0);
    loop {
        run()?;
        count += 1;
        let taken = process::cpu_seconds()? - start;
        if taken >= LEAST {
            return Ok(taken / f64::from(count));
        }
    }
}

fn peak(name: &str, precision: Precision) -> Result<(), Failure> {
    let case = CASES.iter().find(|case| case.name == name).ok_or("no such row")?;
    let dir = tempfile::tempdir()?;
    case.build(dir.path(), precision)?()?;
    println!("{:.2} GiB", process::peak_gib()?);
    Ok(())
}
