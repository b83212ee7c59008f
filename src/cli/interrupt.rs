//! Ctrl-C: the door of `signal-hook`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::SIGINT;
use signal_hook::flag;

use super::error::{Failure, Outcome};
use super::term::{Terminal, WARN, paint};

/// Whether the user asked to stop.
#[derive(Clone)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// From now on the first Ctrl-C is only noted, so that what is at hand ends well; the second ends the program at once.
    pub fn watch() -> Result<Self, Failure> {
        let asked = Arc::new(AtomicBool::new(false));
        // In this order: what ends the program looks at what was noted before this signal.
        flag::register_conditional_shutdown(SIGINT, Outcome::Interrupted as i32, Arc::clone(&asked))
            .and_then(|_| flag::register(SIGINT, Arc::clone(&asked)))
            .map_err(|error| Failure::new(format_args!("Ctrl-C cannot be watched for: {error}")))?;
        Ok(Interrupt(asked))
    }

    /// Tells of what was made by then, in their plural.
    pub fn tell(terminal: &Terminal, made: usize, wanted: usize, what: &str) {
        terminal.insist(&format!(
            "{} interrupted: {made} of {wanted} {what} were made and stay, nothing else is left",
            paint(WARN, "note:")
        ));
    }

    pub fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
