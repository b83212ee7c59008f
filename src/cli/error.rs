//! What the user is told when something could not be done.

use std::fmt;

/// One line for the user: what, where, and what to do about it.
#[derive(Debug)]
pub struct Failure {
    message: String,
    advice: Option<String>,
}

impl Failure {
    pub fn new(message: impl fmt::Display) -> Self {
        Failure { message: message.to_string(), advice: None }
    }

    /// A failure at a place: a path, an argument.
    pub fn at(place: impl fmt::Display, message: impl fmt::Display) -> Self {
        Failure::new(format_args!("{place}: {message}"))
    }

    pub fn advise(mut self, advice: impl fmt::Display) -> Self {
        self.advice = Some(advice.to_string());
        self
    }
}

impl fmt::Display for Failure {
    /// Always one line, and without control characters: messages may quote hostile files.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = self.message.clone();
        if let Some(advice) = &self.advice {
            line.push_str("; ");
            line.push_str(advice);
        }
        let flat: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        f.write_str(&flat)
    }
}

/// How a command ended. The worst of several wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// Released; AI-derived on intact evidence; audit clean.
    Yes = 0,
    /// Refused by policy; no evidence or a contradiction; findings.
    No = 1,
    /// Usage, unreadable file, IO.
    CouldNot = 2,
    /// By Ctrl-C: as shells count it.
    Interrupted = 130,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_one_line_whatever_it_quotes() {
        let failure = Failure::at("a\nb.png", "begins with \u{1b}[31m").advise("use\ta PNG");
        assert_eq!(failure.to_string(), "a b.png: begins with  [31m; use a PNG");
    }

    #[test]
    fn the_worst_outcome_is_the_greatest() {
        assert!(Outcome::CouldNot > Outcome::No && Outcome::No > Outcome::Yes);
    }
}
