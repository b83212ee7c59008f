//! Progress bars, drawn only when someone is watching: the door of `indicatif`.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::interrupt::Interrupt;
use super::preview::Preview;
use super::term::Terminal;
use crate::progress::Progress;
use crate::raster::Raster;

/// A bar on stderr that leaves nothing behind when it ends.
pub struct Bar<'a> {
    bar: ProgressBar,
    /// Who may ask to stop.
    interrupt: Option<Interrupt>,
    /// Who wants to see the picture on its way.
    pub preview: Option<Preview<'a>>,
}

impl Bar<'_> {
    pub fn new(terminal: &Terminal, interrupt: Option<&Interrupt>) -> Self {
        let target =
            if terminal.is_watched() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(1), target);
        let style = ProgressStyle::with_template("{msg:34} [{bar:32}] {percent:>3} %  {elapsed}, {eta} left")
            .expect("the template is well formed")
            .progress_chars("=> ");
        bar.set_style(style);
        Bar { bar, interrupt: interrupt.cloned(), preview: None }
    }

    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

impl Progress for Bar<'_> {
    fn stage(&mut self, name: &str, total: u64) {
        self.bar.set_message(name.to_owned());
        self.bar.set_length(total.max(1));
        self.bar.reset();
    }

    fn phase(&mut self, name: &str) {
        self.bar.set_message(name.to_owned());
    }

    fn glimpse(&mut self, picture: &dyn Fn() -> Raster) {
        if let Some(preview) = &mut self.preview {
            preview.show(&picture());
        }
    }

    fn advance(&mut self, steps: u64) {
        self.bar.inc(steps);
    }

    fn cancelled(&self) -> bool {
        self.interrupt.as_ref().is_some_and(Interrupt::is_asked)
    }
}
