//! What a reader chose where a file holds more than a picture can show.

use std::fmt;

use serde::Serialize;

/// A choice that people should know of before they use the picture.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "remark")]
pub enum Remark {
    /// The file holds several pictures, and the first was taken.
    First {
        /// page, frame or section.
        what: &'static str,
        /// How many there are, where that is known.
        of: Option<u64>,
    },
    /// The file holds measured values, of which those from `black` to `white` are shown.
    Scaled { black: f64, white: f64 },
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Remark::First { what, of: Some(of) } => write!(f, "the first of {of} {what}s was taken"),
            Remark::First { what, of: None } => write!(f, "the first of several {what}s was taken"),
            Remark::Scaled { black, white } => write!(
                f,
                "measured values, shown from {} (black) to {} (white), which a few lie outside of",
                short(*black),
                short(*white)
            ),
        }
    }
}

/// Four digits, whatever the size: detectors count to millions, and normalised pictures to one.
fn short(value: f64) -> String {
    match value.abs() {
        size if size != 0.0 && !(1e-3..1e6).contains(&size) => format!("{value:.3e}"),
        size if size >= 1000.0 => format!("{value:.0}"),
        _ => format!("{}", (value * 1e4).round() / 1e4),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remark_is_a_sentence() {
        let pages = Remark::First { what: "page", of: Some(12) };
        assert_eq!(pages.to_string(), "the first of 12 pages was taken");
        let frames = Remark::First { what: "frame", of: None };
        assert_eq!(frames.to_string(), "the first of several frames was taken");
        let scaled = Remark::Scaled { black: -0.12345, white: 65_535.4 };
        assert_eq!(
            scaled.to_string(),
            "measured values, shown from -0.1235 (black) to 65535 (white), which a few lie outside of"
        );
        let scaled = Remark::Scaled { black: 0.0, white: 1.5e-7 };
        assert!(scaled.to_string().contains("from 0 (black) to 1.500e-7 (white)"), "{scaled}");
    }
}
