//! Progress as the tests of all engines watch it.

use crate::progress::Progress;

use super::{Draft, GenerateError};

/// Counts what it is told, and cancels after `patience` reports. A stage is its name, what it announced and what it did.
pub struct Watch {
    pub stages: Vec<(String, u64, u64)>,
    pub reports: u32,
    patience: u32,
}

impl Watch {
    pub fn new(patience: u32) -> Self {
        Watch { stages: Vec::new(), reports: 0, patience }
    }
}

/// Holds a run to what its stages announce, and to stopping at once after those of its `reports` that are chosen.
/// Its stages are given back.
pub fn hold(
    run: impl Fn(&mut Watch) -> Result<Draft, GenerateError>,
    chosen: impl Fn(u32) -> Vec<u32>,
) -> Vec<(String, u64, u64)> {
    let mut whole = Watch::new(u32::MAX);
    assert!(run(&mut whole).is_ok());
    for (name, total, done) in &whole.stages {
        assert_eq!(total, done, "{name}");
    }
    for patience in chosen(whole.reports) {
        let mut watch = Watch::new(patience);
        assert!(matches!(run(&mut watch), Err(GenerateError::Cancelled)));
        assert_eq!(watch.reports, patience, "it stops at once");
    }
    whole.stages
}

impl Progress for Watch {
    fn stage(&mut self, name: &str, total: u64) {
        self.stages.push((name.to_owned(), total, 0));
    }

    fn advance(&mut self, steps: u64) {
        self.reports += 1;
        self.stages.last_mut().expect("a stage began").2 += steps;
    }

    fn cancelled(&self) -> bool {
        self.reports >= self.patience
    }
}
