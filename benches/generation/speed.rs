//! Seconds and memory by size.

use std::error::Error;
use std::process::Command;
use std::time::Instant;

use vidimus::generate::patch::PatchEngine;
use vidimus::generate::{Engine, Request};
use vidimus::progress::Silent;
use vidimus::quantity::{Seed, Strength};
use vidimus::specimen::Kind;

use crate::specimen;

/// Asks this program for one size only.
pub const ONE: &str = "--one-size";

const SIZES: [(u32, u32); 5] = [(320, 201), (256, 256), (512, 512), (1024, 1024), (2048, 2048)];

pub fn table() -> Result<(), Box<dyn Error>> {
    println!("| size | seconds | microseconds per pixel | peak bytes per pixel |\n|---|---|---|---|");
    for (width, height) in SIZES {
        let size = format!("{width}x{height}");
        let output = Command::new(std::env::current_exe()?).args([ONE, &size]).output()?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into());
        }
        print!("{}", String::from_utf8_lossy(&output.stdout));
    }
    println!("\nAt strength 0.7, on {} threads.\n", std::thread::available_parallelism()?);
    Ok(())
}

pub fn one(size: &str) -> Result<(), Box<dyn Error>> {
    let (width, height) = size.split_once('x').ok_or("expected WxH")?;
    let (width, height) = (width.parse()?, height.parse()?);
    let reference = specimen(Kind::Influenza, width, height, 11)?;
    // The peak so far is that of drawing the specimen: forget it.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    let before = resident("VmRSS:");
    let start = Instant::now();
    let request = Request::new(Strength::new(0.7).ok_or("a strength is 0 to 1")?, Seed(1));
    let draft = PatchEngine.generate(&reference, &request, &mut Silent)?;
    let seconds = start.elapsed().as_secs_f64();
    let pixels = f64::from(draft.raster.width()) * f64::from(draft.raster.height());
    let memory = match (before, resident("VmHWM:")) {
        (Some(before), Some(after)) => format!("{:.0}", (after - before) / pixels),
        _ => "–".to_owned(),
    };
    println!("| {width}×{height} | {seconds:.2} | {:.1} | {memory} |", 1e6 * seconds / pixels);
    Ok(())
}

/// A resident size of this process, where the system tells.
fn resident(which: &str) -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with(which))?;
    let kilobytes: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(1024.0 * kilobytes)
}
