//! What the machine's processors took, by their own counters (RAPL), where Linux lets us read them.

use std::fs;
use std::path::{Path, PathBuf};

const ZONES: &str = "/sys/class/powercap";

/// A reading of every package's counter, in microjoules, with where it starts anew.
pub struct Energy(Vec<(PathBuf, u64, u64)>);

impl Energy {
    /// `None` where there is no counter, or none that we may read.
    pub fn now() -> Option<Energy> {
        Self::under(Path::new(ZONES))
    }

    fn under(zones: &Path) -> Option<Energy> {
        let number = |path: PathBuf| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
        let packages = fs::read_dir(zones).ok()?.filter_map(|entry| {
            let path = entry.ok()?.path();
            // intel-rapl:0 is a package; intel-rapl:0:1 is a part of it, counted there already.
            let name = path.file_name()?.to_str()?.to_owned();
            if !name.starts_with("intel-rapl:") || name.matches(':').count() != 1 {
                return None;
            }
            let (now, most) = (number(path.join("energy_uj"))?, number(path.join("max_energy_range_uj"))?);
            Some((path, now, most))
        });
        let packages: Vec<_> = packages.collect();
        (!packages.is_empty()).then_some(Energy(packages))
    }

    /// Joules from here to `later`; `None` if a counter is gone.
    pub fn until(&self, later: &Energy) -> Option<f64> {
        let one = |(path, before, most): &(PathBuf, u64, u64)| {
            let (_, after, _) = later.0.iter().find(|(other, ..)| other == path)?;
            // It starts anew at its end.
            Some(if after >= before { after - before } else { most.saturating_sub(*before) + after })
        };
        let all: Option<Vec<u64>> = self.0.iter().map(one).collect();
        Some(all?.iter().sum::<u64>() as f64 / 1e6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_summed_across_the_end_of_their_counters_and_parts_are_not_counted_twice() {
        let zones = tempfile::tempdir().expect("a directory for the tests");
        let write = |zone: &str, energy: u64| {
            let zone = zones.path().join(zone);
            fs::create_dir_all(&zone).expect("a folder");
            fs::write(zone.join("energy_uj"), format!("{energy}\n")).expect("a file");
            fs::write(zone.join("max_energy_range_uj"), "10000000\n").expect("a file");
        };
        write("intel-rapl:0", 1_000_000);
        write("intel-rapl:0:0", 1_000_000);
        write("intel-rapl:1", 9_500_000);
        let before = Energy::under(zones.path()).expect("counters");
        write("intel-rapl:0", 3_000_000);
        write("intel-rapl:0:0", 2_000_000);
        write("intel-rapl:1", 500_000);
        let after = Energy::under(zones.path()).expect("counters");
        assert_eq!(before.until(&after), Some(3.0));
        assert!(Energy::under(&zones.path().join("nothing")).is_none());
    }
}
