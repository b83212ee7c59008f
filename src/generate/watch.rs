//! Progress as the tests of all engines watch it.

use crate::progress::Progress;

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
