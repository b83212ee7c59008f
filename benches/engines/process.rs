//! What Linux knows of this process.

use std::error::Error;

pub type Failure = Box<dyn Error + Send + Sync>;

/// User and system time of all threads.
pub fn cpu_seconds() -> Result<f64, Failure> {
    let all = std::fs::read_to_string("/proc/self/stat")?;
    // The program's name, which may have spaces, stands in brackets.
    let rest = all.rsplit_once(')').ok_or("no name in /proc/self/stat")?.1;
    let ticks = rest.split_whitespace().skip(11).take(2).map(str::parse::<f64>);
    // A hundred ticks to a second, whatever the kernel's own clock.
    Ok(ticks.sum::<Result<f64, _>>()? / 100.0)
}

pub fn peak_gib() -> Result<f64, Failure> {
    let all = std::fs::read_to_string("/proc/self/status")?;
    let line =
        all.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no peak in /proc/self/status")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? / f64::from(1 << 20))
}
