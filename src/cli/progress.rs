//! Progress bars, drawn only when someone is watching: the door of `indicatif`.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::term::Terminal;
use crate::progress::Progress;

/// A bar on stderr that leaves nothing behind when it ends.
pub struct Bar {
    bar: ProgressBar,
}

impl Bar {
    pub fn new(terminal: &Terminal) -> Self {
        let target =
            if terminal.is_watched() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(1), target);
        let style = ProgressStyle::with_template("{msg:28} [{bar:32}] {percent:>3} %  {elapsed}")
            .expect("the template is well formed")
            .progress_chars("=> ");
        bar.set_style(style);
        Bar { bar }
    }

    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

impl Progress for Bar {
    fn stage(&mut self, name: &str, total: u64) {
        self.bar.set_message(name.to_owned());
        self.bar.set_length(total.max(1));
        self.bar.set_position(0);
    }

    fn advance(&mut self, steps: u64) {
        self.bar.inc(steps);
    }
}
