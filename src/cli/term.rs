//! The terminal: results to stdout, talk to stderr, colour where it is wanted.

use std::io::{self, IsTerminal, Write};
use std::path::Path;

#[cfg(feature = "diffusion")]
use anstream::adapter::strip_str;
use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};

use serde_json::Value;

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

/// Text in lines of 80 columns, where its words allow it: all but the first `first` columns of the first line, and
/// indented by `indent` below.
#[cfg(feature = "diffusion")]
pub fn wrapped(text: &str, first: usize, indent: usize) -> String {
    const COLUMNS: usize = 80;
    let (mut out, mut column) = (String::new(), first);
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        // Styles take no room.
        let length = strip_str(word).to_string().chars().count();
        if out.is_empty() {
            column += length;
        } else if column + 1 + length <= COLUMNS {
            out.push(' ');
            column += 1 + length;
        } else {
            out.push('\n');
            out.push_str(&" ".repeat(indent));
            column = indent + length;
        }
        out.push_str(word);
    }
    out
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
    #[cfg(all(test, feature = "diffusion"))]
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

    /// Writes the JSON of one result, or an array of several.
    pub fn documents(&self, mut documents: Vec<Value>) -> io::Result<()> {
        let document = if documents.len() == 1 { documents.remove(0) } else { Value::Array(documents) };
        self.result(&format!("{document:#}"))
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

#[cfg(all(test, feature = "diffusion"))]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_broken_between_words() {
        let text = "word ".repeat(30);
        let lines = wrapped(&text, 4, 6);
        let lines: Vec<&str> = lines.lines().collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[0].len() + 4 <= 80 && lines[0].len() + 4 + 5 > 80, "{}", lines[0]);
        assert!(lines[1].starts_with("      word") && lines[1].len() <= 80);
        assert_eq!(wrapped(&"x".repeat(200), 0, 2).len(), 200, "a path stays whole");
        let painted = format!("{} {}", paint(GOOD, "x".repeat(39)), paint(BAD, "y".repeat(40)));
        assert_eq!(wrapped(&painted, 0, 2).lines().count(), 1, "styles take no room");
    }
}
