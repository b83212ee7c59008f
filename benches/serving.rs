//! Verification under load: `cargo bench --bench serving [-- CLIENTS ROUNDS]`. Prints a Markdown row.
//!
//! Each client sends pictures of 1024 × 1024 pixels over loopback, one after another: marked ones, stripped of their
//! manifests, and others. Fails if one is not answered as it should be.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use vidimus::digest::Digest;
use vidimus::quantity::{Seed, Strength};
use vidimus::raster::{Format, Raster, encode};
use vidimus::specimen::{Colour, Kind, Specimen};
use vidimus::watermark::{self, Key, Keyring, Kind as Made, Level, Payload, Quality};

type Fault = Box<dyn std::error::Error + Send + Sync>;

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn main() -> Result<(), Fault> {
    let mut numbers = std::env::args().skip(1).filter_map(|arg| arg.parse::<usize>().ok());
    let (clients, rounds) = (numbers.next().unwrap_or(64), numbers.next().unwrap_or(2));
    let home = tempfile::tempdir()?;
    let mut child = Command::new(env!("CARGO_BIN_EXE_vidimus"))
        .args(["serve", "--bind", "127.0.0.1:0", "--quiet", "--workspace"])
        .arg(home.path())
        .stdout(Stdio::piped())
        .spawn()?;
    let stdout = child.stdout.take().ok_or("no output")?;
    let server = Server(child);
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    let address = line.trim().trim_start_matches("http://").trim_end_matches('/').to_owned();
    let pictures = Arc::new(pictures()?);
    let began = Instant::now();
    let threads: Vec<_> = (0..clients)
        .map(|client| {
            let (address, pictures) = (address.clone(), Arc::clone(&pictures));
            std::thread::spawn(move || -> Result<Vec<Duration>, Fault> {
                (0..rounds).map(|round| ask(&address, &pictures[(client + round) % pictures.len()])).collect()
            })
        })
        .collect();
    let mut times = Vec::new();
    for thread in threads {
        times.extend(thread.join().map_err(|_| "a client failed")??);
    }
    let whole = began.elapsed();
    times.sort();
    let at = |share: f64| {
        times[((times.len() as f64 * share).ceil() as usize).clamp(1, times.len()) - 1].as_secs_f64()
    };
    println!("| clients | pictures | errors | pictures/s | median s | p99 s | peak memory MiB |");
    println!("|---|---|---|---|---|---|---|");
    println!(
        "| {clients} | {} | 0 | {:.2} | {:.1} | {:.1} | {} |",
        times.len(),
        times.len() as f64 / whole.as_secs_f64(),
        at(0.5),
        at(0.99),
        peak(server.0.id())?
    );
    Ok(())
}

fn marked(picture: &Raster) -> Result<Raster, Fault> {
    let strength = Strength::new(0.7).ok_or("no strength")?;
    let payload = Payload::new(Made::Generated, Some(strength), &Digest::of(b"a source"), 7)?;
    let key = Key::public();
    let keys = Keyring { public: &key, owner: None };
    Ok(watermark::embed(picture, &payload.message(Level::Long), keys, Quality::Adaptive)?.raster)
}

/// Files, and whether a mark is in them.
fn pictures() -> Result<Vec<(Vec<u8>, bool)>, Fault> {
    let mut pictures = Vec::new();
    for seed in 1..=4 {
        let kind = if seed % 2 == 0 { Kind::Influenza } else { Kind::Adenovirus };
        let plain =
            Specimen { kind, width: 1024, height: 1024, seed: Seed(seed), colour: Colour::Grey }.render()?;
        let is_marked = seed <= 2;
        let picture = if is_marked { marked(&plain)? } else { plain };
        pictures.push((encode(&picture, Format::Jpeg, 90)?, is_marked));
    }
    Ok(pictures)
}

fn ask(address: &str, (file, is_marked): &(Vec<u8>, bool)) -> Result<Duration, Fault> {
    let began = Instant::now();
    let mut stream = TcpStream::connect(address)?;
    let head = format!(
        "POST /api/verify HTTP/1.1\r\nHost: {address}\r\nContent-Type: image/jpeg\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        file.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(file)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let verdict = if *is_marked { "\"ai-derived\"" } else { "\"no-evidence\"" };
    if !answer.starts_with("HTTP/1.1 200") || !answer.contains(verdict) {
        return Err(format!("expected {verdict}, found {answer:.400}").into());
    }
    Ok(began.elapsed())
}

/// Most memory that the process ever had, in MiB.
fn peak(process: u32) -> Result<u64, Fault> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no figure of it")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? / 1024)
}
