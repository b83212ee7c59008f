//! What networks are computed on, and which of it this program was built with.

use serde_json::{Value, json};

use super::models::refused;
use super::places;
use crate::cli::args::Device;
use crate::cli::error::Failure;
use crate::cli::term::{BOLD, GOOD, WARN, paint};
use crate::generate::diffusion::{Gib, Kind, Processor};

/// What was asked for; without that, a GPU if there is one.
pub fn open(asked: Option<Device>) -> Result<Processor, Failure> {
    let kind = match asked {
        None | Some(Device::Auto) => return Ok(Processor::best()),
        Some(Device::Cpu) => Kind::Cpu,
        Some(Device::Cuda(number)) => Kind::Cuda(number),
        Some(Device::Metal) => Kind::Metal,
    };
    Processor::open(kind).map_err(|error| refused(&error))
}

/// Bytes that are free where weights are to be held, as far as that is known.
pub fn free_memory(processor: &Processor) -> Option<u64> {
    if processor.is_apart() { processor.free() } else { places::free_memory() }
}

/// How a program with such devices is built.
pub fn how(kind: &str) -> String {
    format!("build the program with 'cargo build --release --features {kind}'")
}

/// Each kind, as text and as JSON.
pub fn list() -> (String, Value) {
    let (mut lines, mut entries) = (Vec::new(), Vec::new());
    for kind in [Kind::Cpu].into_iter().chain(Kind::GPUS) {
        let name = kind.name();
        let opened = kind.is_built().then(|| Processor::open(kind));
        let (ready, said) = match &opened {
            None => (None, Some(how(name))),
            Some(Ok(processor)) => (Some(processor), None),
            Some(Err(error)) => (None, Some(error.to_string())),
        };
        let free = ready.and_then(free_memory);
        let told = match (&said, free) {
            (None, Some(free)) => format!("{}, {} of memory are free", paint(GOOD, name), Gib(free)),
            (None, None) => paint(GOOD, name).to_string(),
            (Some(said), _) if opened.is_none() => {
                format!("{} is not in this build: {said}", paint(WARN, name))
            }
            (Some(said), _) => paint(WARN, said).to_string(),
        };
        lines.push(format!("  {told}"));
        entries.push(json!({
            "name": name, "built": opened.is_some(), "ready": ready.is_some(), "free_memory": free, "missing": said,
        }));
    }
    (format!("{}\n{}", paint(BOLD, "devices"), lines.join("\n")), json!(entries))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_is_not_there_is_refused_with_what_to_do() {
        assert_eq!(open(Some(Device::Cpu)).expect("there is one").name(), "cpu");
        for (asked, kind) in [(Device::Cuda(0), Kind::Cuda(0)), (Device::Metal, Kind::Metal)] {
            let Err(refused) = open(Some(asked)) else { continue };
            let line = refused.to_string();
            let advice = if kind.is_built() { "--device cpu" } else { "cargo build --release --features " };
            assert!(line.contains(kind.name()) && line.contains(advice) && !line.contains('\n'), "{line}");
        }
        let (text, json) = list();
        for (i, kind) in [Kind::Cpu, Kind::Cuda(0), Kind::Metal].into_iter().enumerate() {
            assert!(text.contains(kind.name()));
            assert_eq!((&json[i]["name"], &json[i]["built"]), (&json!(kind.name()), &json!(kind.is_built())));
        }
        assert_eq!(json[0]["ready"], true);
    }
}
