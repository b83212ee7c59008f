//! CPU seconds of the diffusion engines beside PyTorch in f32, in turns, as a Markdown table:
//!
//!     cargo bench --features diffusion --bench engines -- [--threads 1,2] [--rounds 3] [NAME…]
//!
//! Networks have the real sizes and weights of chance. Names choose rows by how they begin. PyTorch runs in the
//! environment that `make test` installs; without it the table has our own column alone. Each figure is the least of
//! the rounds.

mod peer;
mod process;

use peer::Peer;
use process::Failure;
use vidimus::generate::diffusion::speed::{CASES, Run};

/// Seconds of CPU time that a measurement takes at least, so that clock ticks do not show.
const LEAST: f64 = 0.5;

struct Options {
    threads: Vec<usize>,
    rounds: usize,
    names: Vec<String>,
}

fn main() -> Result<(), Failure> {
    let mut args = std::env::args().skip(1);
    let mut options = Options { threads: vec![1, 2], rounds: 3, names: Vec::new() };
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or(format!("{arg} needs a value"));
        match arg.as_str() {
            // Cargo says so itself.
            "--bench" => {}
            "--threads" => {
                options.threads = value()?.split(',').map(str::parse).collect::<Result<_, _>>()?;
            }
            "--rounds" => options.rounds = value()?.parse()?,
            // A process of its own for each: only so is its peak memory its own.
            "--peak" => return peak(&value()?),
            name => options.names.push(name.to_owned()),
        }
    }
    table(&options)
}

fn table(options: &Options) -> Result<(), Failure> {
    let dir = tempfile::tempdir()?;
    println!("| | threads | ours, CPU s | PyTorch f32, CPU s | ratio |\n|---|---|---|---|---|");
    let chosen =
        |name: &str| options.names.is_empty() || options.names.iter().any(|n| name.starts_with(n.as_str()));
    for case in CASES.iter().filter(|case| chosen(case.name)) {
        for threads in &options.threads {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(*threads).build()?;
            let run = pool.install(|| case.build(dir.path()))?;
            let mut peer = Peer::start(case.name, *threads)?;
            let (mut ours, mut theirs) = (f64::INFINITY, f64::INFINITY);
            for _ in 0..options.rounds {
                ours = ours.min(pool.install(|| seconds(&run))?);
                if let Some(peer) = &mut peer {
                    theirs = theirs.min(peer.seconds()?);
                }
            }
            let beside = match theirs.is_finite() {
                true => format!("{theirs:.4} | {:.2}", ours / theirs),
                false => "– | –".to_owned(),
            };
            println!("| {} | {threads} | {ours:.4} | {beside} |", case.name);
        }
    }
    for name in ["decode-512", "decode-1024"].into_iter().filter(|name| chosen(name)) {
        let own = std::process::Command::new(std::env::current_exe()?).args(["--peak", name]).output()?;
        println!("\nPeak memory of {name}: {}", String::from_utf8_lossy(&own.stdout).trim());
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

fn peak(name: &str) -> Result<(), Failure> {
    let case = CASES.iter().find(|case| case.name == name).ok_or("no such row")?;
    let dir = tempfile::tempdir()?;
    case.build(dir.path())?()?;
    println!("{:.2} GiB", process::peak_gib()?);
    Ok(())
}
