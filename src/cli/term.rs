//! The terminal: results to stdout, talk to stderr, colour where it is wanted.

use std::io::{self, IsTerminal, Write};
use std::path::Path;

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};

use super::args::Color;

pub const GOOD: Style = AnsiColor::Green.on_default().bold();
pub const BAD: Style = AnsiColor::Red.on_default().bold();
pub const WARN: Style = AnsiColor::Yellow.on_default().bold();
pub const DIM: Style = Style::new().dimmed();
pub const BOLD: Style = Style::new().bold();

/// Text in a style; the stream drops the style where colour is not wanted.
pub fn paint(style: Style, text: impl std::fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}

/// A path for people: control characters, which could draw or forge lines, are blanked.
pub fn shown(path: &Path) -> String {
    path.to_string_lossy().chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A path that can be pasted into a shell.
pub fn quoted(path: &Path) -> String {
    let text = shown(path);
    let plain = |c: char| c.is_alphanumeric() || "/._-+,@%=".contains(c);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

/// Where a command writes.
pub struct Terminal {
    color: Color,
    pub json: bool,
    pub quiet: bool,
    pub verbose: bool,
}

impl Terminal {
    pub fn new(color: Color, json: bool, quiet: bool, verbose: bool) -> Self {
        Terminal { color, json, quiet, verbose }
    }

    /// For tests.
    #[cfg(test)]
    pub fn silent() -> Self {
        Terminal::new(Color::Never, false, true, false)
    }

    fn choice(&self) -> ColorChoice {
        match self.color {
            Color::Auto => ColorChoice::Auto,
            // Asked for in so many words, it outranks NO_COLOR.
            Color::Always => ColorChoice::AlwaysAnsi,
            Color::Never => ColorChoice::Never,
        }
    }

    /// Writes a result to stdout. A broken pipe is silent: whoever read us has seen enough.
    pub fn result(&self, text: &str) -> io::Result<()> {
        let mut out = AutoStream::new(io::stdout().lock(), self.choice());
        match writeln!(out, "{}", text.trim_end_matches('\n')).and_then(|()| out.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => other,
        }
    }

    /// Says something on stderr unless asked to be quiet.
    pub fn talk(&self, text: &str) {
        if !self.quiet {
            self.insist(text);
        }
    }

    /// Says something on stderr even when asked to be quiet.
    pub fn insist(&self, text: &str) {
        let mut err = AutoStream::new(io::stderr().lock(), self.choice());
        // Nowhere is left to complain when stderr is gone.
        let _ = writeln!(err, "{text}");
    }

    /// Whether progress bars make sense.
    pub fn is_watched(&self) -> bool {
        !self.quiet && io::stderr().is_terminal()
    }
}
