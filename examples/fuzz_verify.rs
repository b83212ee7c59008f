//! Changes signed files at random and by their structure, and holds what `verify` says of each against what it may say.
//!
//!     fuzz_verify --workspace DIR [--minutes N] [--seed N] FILE...
//!
//! FILES are outputs of that workspace. A changed file may be trusted only with the pixels and the facts that were
//! signed; nothing may panic, the C2PA library included. One mutant in sixteen is verified whole, the others by their
//! manifest alone. The exit code is 1 if anything was found.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use vidimus::keys::Keys;
use vidimus::manifest::{self, ReadError, Reading, State};
use vidimus::random::Stream;
use vidimus::raster::{self, Limits, Raster};
use vidimus::verify::{Confidence, Verdict, verify};

#[derive(Parser)]
#[command(about = "Mutate signed files and check what is said of them")]
struct Cli {
    #[arg(long)]
    workspace: PathBuf,
    #[arg(long, default_value = "10")]
    minutes: f64,
    #[arg(long, default_value = "1")]
    seed: u64,
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

/// A file as it was released.
struct Whole {
    bytes: Vec<u8>,
    mime: &'static str,
    raster: Raster,
    reading: Reading,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let anchors = Keys::load_public(&cli.workspace.join("keys")).expect("a workspace's keys").anchors;
    let wholes: Vec<Whole> = cli
        .files
        .iter()
        .map(|path| {
            let bytes = std::fs::read(path).expect("a file");
            let decoded = raster::decode(&bytes, &Limits::default()).expect("a picture");
            let reading =
                manifest::read(&bytes, decoded.mime, &anchors).expect("it reads").expect("a manifest");
            assert_eq!(reading.state, State::Trusted, "{} is an output of this workspace", path.display());
            Whole { bytes, mime: decoded.mime, raster: decoded.raster, reading }
        })
        .collect();
    // Panics are counted; their traces would drown what was found.
    std::panic::set_hook(Box::new(|_| ()));
    let end = Instant::now() + Duration::from_secs_f64(cli.minutes * 60.0);
    let next = AtomicU64::new(0);
    let (trusted, invalid, none) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let found = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while Instant::now() < end {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let chance = Stream::new(cli.seed, "fuzz").child(number);
                    let whole = &wholes[chance.below(0, wholes.len() as u64) as usize];
                    let other = &wholes[chance.below(1, wholes.len() as u64) as usize];
                    let mutant = mutate(&whole.bytes, &other.bytes, &chance);
                    let work = || check(&mutant, whole, other, &anchors, number.is_multiple_of(16));
                    match catch_unwind(AssertUnwindSafe(work)) {
                        Ok(Ok(Some(State::Invalid))) => invalid.fetch_add(1, Ordering::Relaxed),
                        Ok(Ok(Some(_))) => trusted.fetch_add(1, Ordering::Relaxed),
                        Ok(Ok(None)) => none.fetch_add(1, Ordering::Relaxed),
                        Ok(Err(fault)) => {
                            found.lock().expect("a list").push(format!("mutant {number}: {fault}"));
                            0
                        }
                        Err(_) => {
                            found.lock().expect("a list").push(format!("mutant {number}: panic"));
                            0
                        }
                    };
                }
            });
        }
    });
    let found = found.into_inner().expect("a list");
    println!(
        "{} mutants of {} files, seed {}: {} with a manifest that does not hold, {} without one that reads, \
         {} believed with what was signed; {} found",
        next.into_inner(),
        wholes.len(),
        cli.seed,
        invalid.into_inner(),
        none.into_inner(),
        trusted.into_inner(),
        found.len()
    );
    for line in found.iter().take(50) {
        println!("  {line}");
    }
    ExitCode::from(u8::from(!found.is_empty()))
}

/// What the manifest of `mutant` comes to, or what is wrong with the answer.
fn check(
    mutant: &[u8],
    whole: &Whole,
    other: &Whole,
    anchors: &[String],
    all: bool,
) -> Result<Option<State>, String> {
    let state = match manifest::read(mutant, whole.mime, anchors) {
        Err(ReadError::Panic { reason }) => return Err(format!("the C2PA library panicked: {reason}")),
        Err(_) | Ok(None) => None,
        Ok(Some(reading)) => {
            // A splice may have brought the other file's manifest with all that it is about.
            let signed = [whole, other].into_iter().find(|signed| signed.reading.label == reading.label);
            if reading.state != State::Invalid {
                let signed = signed.ok_or("a manifest of another name is believed")?;
                if reading.facts() != signed.reading.facts() {
                    return Err("other facts are believed".into());
                }
                match raster::decode(mutant, &Limits::default()) {
                    Ok(decoded) if decoded.raster == signed.raster => {}
                    Ok(_) => return Err("other pixels are believed".into()),
                    // `verify` gives no verdict on what is no picture.
                    Err(_) => {}
                }
            }
            Some(reading.state)
        }
    };
    if all && let Ok(report) = verify(mutant, None, anchors, &Limits::default()) {
        let trusted = report.manifest.state == "trusted";
        if trusted != (state == Some(State::Trusted)) {
            return Err(format!("verify calls the manifest {}, its reader {state:?}", report.manifest.state));
        }
        if report.verdict == Verdict::AiDerived && report.confidence == Confidence::High && !trusted {
            return Err("high confidence without a trusted manifest".into());
        }
    }
    Ok(state)
}

/// One to four changes: bits, bytes, lengths, ranges, and pieces of another file.
fn mutate(bytes: &[u8], other: &[u8], chance: &Stream) -> Vec<u8> {
    const LENGTHS: [u32; 7] = [0, 1, 7, 8, 0x7fff_ffff, 0xffff_fff0, 0xffff_ffff];
    const WORDS: [&[u8]; 9] =
        [b"caBX", b"jumb", b"jumd", b"cbor", b"json", b"c2pa", b"IDAT", b"\xff\xeb", b"XML:com.adobe.xmp"];
    let mut bytes = bytes.to_vec();
    for change in 0..=chance.below(2, 4) {
        let chance = chance.child(1 + change);
        let length = bytes.len() as u64;
        if length < 64 {
            break;
        }
        let at = chance.below(0, length - 32) as usize;
        let near = places(&bytes, WORDS[chance.below(1, WORDS.len() as u64) as usize]);
        let near = if near.is_empty() { at } else { near[chance.below(2, near.len() as u64) as usize] };
        let span = (1 + chance.below(3, 64)) as usize;
        match chance.below(4, 10) {
            0 => bytes[at] ^= 1 << chance.below(5, 8),
            1 => {
                bytes[near.min(length as usize - 32) + chance.below(6, 32) as usize] ^=
                    1 << chance.below(5, 8)
            }
            2 => bytes[at] = chance.bits(7) as u8,
            // The length of a box or a chunk stands before its name.
            3 => {
                let start = near.saturating_sub(4);
                let value = LENGTHS[chance.below(8, LENGTHS.len() as u64) as usize];
                bytes[start..start + 4].copy_from_slice(&value.to_be_bytes());
            }
            4 => {
                let start = near.saturating_sub(4);
                let old = u32::from_be_bytes([0, 1, 2, 3].map(|i| bytes[start + i]));
                let value = old.wrapping_add(chance.below(9, 9) as u32).wrapping_sub(4);
                bytes[start..start + 4].copy_from_slice(&value.to_be_bytes());
            }
            5 => {
                bytes.drain(at..(at + span).min(length as usize));
            }
            6 => {
                let piece = bytes[at..(at + span).min(length as usize)].to_vec();
                bytes.splice(near..near, piece);
            }
            7 => bytes.truncate(at),
            8 => {
                let from = chance.below(10, other.len() as u64) as usize;
                let size = (chance.below(11, 4096) as usize).min(other.len() - from);
                bytes.splice(at..(at + size).min(length as usize), other[from..from + size].iter().copied());
            }
            _ => {
                let from = places(other, b"jumb");
                let from =
                    from.get(chance.below(12, from.len().max(1) as u64) as usize).copied().unwrap_or(0);
                let size = (chance.below(13, 8192) as usize).min(other.len() - from);
                bytes.splice(near..near, other[from..from + size].iter().copied());
            }
        }
    }
    bytes
}

fn places(bytes: &[u8], word: &[u8]) -> Vec<usize> {
    let end = bytes.len().saturating_sub(32);
    bytes
        .windows(word.len())
        .enumerate()
        .filter(|(at, w)| *at < end && *w == word)
        .map(|(at, _)| at)
        .collect()
}
