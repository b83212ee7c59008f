//! Progress bars, drawn only when someone is watching: the door of `indicatif`.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::interrupt::Interrupt;
use super::preview::Preview;
use super::term::Terminal;
#[cfg(feature = "diffusion")]
use crate::hub::Size;
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

    /// For saying something while the bar stands.
    pub fn handle(&self) -> ProgressBar {
        self.bar.clone()
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

/// The bytes of one file after another; where nobody is watching, a line for each.
#[cfg(feature = "diffusion")]
pub struct Transfer<'a> {
    bar: ProgressBar,
    terminal: &'a Terminal,
    /// The file that is fetched, and how many there are.
    number: usize,
    files: usize,
    name: String,
}

#[cfg(feature = "diffusion")]
impl<'a> Transfer<'a> {
    pub fn new(terminal: &'a Terminal, files: usize) -> Self {
        let bar = Bar::new(terminal, None).bar;
        let template =
            "{prefix:>7} {wide_msg} [{bar:14}] {decimal_bytes:>9} of {decimal_total_bytes:<9} {eta:>4} left";
        let style = ProgressStyle::with_template(template).expect("the template is well formed");
        bar.set_style(style.progress_chars("=> "));
        Transfer { bar, terminal, number: 0, files, name: String::new() }
    }

    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(feature = "diffusion")]
impl Progress for Transfer<'_> {
    fn stage(&mut self, name: &str, total: u64) {
        let is_new = self.name != name;
        if is_new {
            self.number += 1;
            name.clone_into(&mut self.name);
        }
        let number = format!("{}/{}", self.number, self.files);
        if !self.terminal.is_watched() {
            let anew = if is_new { "" } else { ", from its beginning" };
            self.terminal.talk(&format!("{number:>8} {name}, {}{anew}", Size(total)));
        }
        self.bar.set_prefix(number);
        self.bar.set_message(name.to_owned());
        self.bar.set_length(total.max(1));
        self.bar.reset();
    }

    fn phase(&mut self, name: &str) {
        if !self.terminal.is_watched() {
            self.terminal.talk(&format!("         {name}"));
        }
        self.bar.set_message(name.to_owned());
    }

    fn advance(&mut self, steps: u64) {
        self.bar.inc(steps);
    }
}
