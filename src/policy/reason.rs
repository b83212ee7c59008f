//! What was wrong, in words.

use std::fmt;

use serde::{Serialize, Serializer};
use time::Date;

use super::OnViolation;
use crate::digest::Digest;

/// Differing bits of two fingerprints, of 256, up to which a picture that is lost is taken to be what was drawn:
/// near-copies differ by less, unrelated pictures by 128 on average. The catalog's schema holds the same number.
pub const LOST_DISTANCE: u32 = 64;

/// Every rule that can refuse, as its key in the file.
pub(super) const RULES: [&str; 13] = [
    "expires",
    "strength.min",
    "strength.max",
    "generation.engines",
    "generation.max",
    "generation.max-copy",
    "purpose.allowed",
    "marks.xmp",
    "marks.time-stamp",
    "deviation.min",
    "deviation.detail",
    "deviation.copied",
    "deviation.composition",
];

/// One limit that was not met.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "rule", rename_all = "kebab-case")]
pub enum Reason {
    Expired {
        #[serde(serialize_with = "as_text")]
        expires: Date,
    },
    StrengthTooLow {
        strength: f64,
        min: f64,
    },
    StrengthTooHigh {
        strength: f64,
        max: f64,
    },
    StrengthUnknown {
        min: f64,
        max: f64,
    },
    EngineNotAllowed {
        engine: String,
        allowed: Vec<String>,
    },
    TooManyGenerations {
        generation: u32,
        max: u32,
    },
    PurposeNotAllowed {
        purpose: Option<String>,
        allowed: Vec<String>,
    },
    NoXmp,
    NoTimeStamp,
    DeviationTooLow {
        deviation: f64,
        min: f64,
    },
    DetailTooLow {
        deviation: f64,
        min: f64,
    },
    CopiedTooLow {
        deviation: f64,
        min: f64,
    },
    CompositionTooLow {
        composition: f64,
        min: f64,
    },
    CopyTooLarge {
        share: f64,
        max: f64,
    },
    OtherTooClose {
        title: String,
        sha256: Digest,
        deviation: f64,
        min: f64,
    },
    OtherLost {
        title: String,
        sha256: Digest,
        distance: u32,
    },
}

pub(super) fn as_text<S: Serializer>(day: &Date, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(day)
}

impl Reason {
    /// Its key in the file.
    pub fn rule(&self) -> &'static str {
        match self {
            Reason::Expired { .. } => "expires",
            Reason::StrengthTooLow { .. } => "strength.min",
            Reason::StrengthTooHigh { .. } => "strength.max",
            Reason::StrengthUnknown { min, .. } if *min > 0.0 => "strength.min",
            Reason::StrengthUnknown { .. } => "strength.max",
            Reason::EngineNotAllowed { .. } => "generation.engines",
            Reason::TooManyGenerations { .. } => "generation.max",
            Reason::CopyTooLarge { .. } => "generation.max-copy",
            Reason::PurposeNotAllowed { .. } => "purpose.allowed",
            Reason::NoXmp => "marks.xmp",
            Reason::NoTimeStamp => "marks.time-stamp",
            Reason::DeviationTooLow { .. } | Reason::OtherTooClose { .. } | Reason::OtherLost { .. } => {
                "deviation.min"
            }
            Reason::DetailTooLow { .. } => "deviation.detail",
            Reason::CopiedTooLow { .. } => "deviation.copied",
            Reason::CompositionTooLow { .. } => "deviation.composition",
        }
    }

    /// Digest of the other picture on record that this tells of, if it does.
    pub fn other(&self) -> Option<Digest> {
        match self {
            Reason::OtherTooClose { sha256, .. } | Reason::OtherLost { sha256, .. } => Some(*sha256),
            _ => None,
        }
    }

    /// Whether this is a limit on what was measured beside the draft's own reference, which people may lift.
    pub(super) fn is_measured(&self) -> bool {
        self.other().is_none() && self.rule().starts_with("deviation.")
    }

    /// Whether this asks more than another policy's reason of the same rule.
    pub(super) fn asks_more_than(&self, other: &Reason) -> bool {
        use Reason::*;
        match (self, other) {
            (Expired { expires: a }, Expired { expires: b }) => a < b,
            (StrengthTooHigh { max: a, .. }, StrengthTooHigh { max: b, .. }) => a < b,
            (StrengthUnknown { min: a, max: b }, StrengthUnknown { min: c, max: d }) => b - a < d - c,
            (TooManyGenerations { max: a, .. }, TooManyGenerations { max: b, .. }) => a < b,
            (CopyTooLarge { max: a, .. }, CopyTooLarge { max: b, .. }) => a < b,
            (StrengthTooLow { min: a, .. }, StrengthTooLow { min: b, .. })
            | (DeviationTooLow { min: a, .. }, DeviationTooLow { min: b, .. })
            | (OtherTooClose { min: a, .. }, OtherTooClose { min: b, .. })
            | (DetailTooLow { min: a, .. }, DetailTooLow { min: b, .. })
            | (CopiedTooLow { min: a, .. }, CopiedTooLow { min: b, .. })
            | (CompositionTooLow { min: a, .. }, CompositionTooLow { min: b, .. }) => a > b,
            // Of two lists that leave it out, the first is as good as the other.
            _ => false,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Expired { expires } => write!(f, "the policy expired: its last day was {expires}"),
            Reason::StrengthTooLow { strength, min } => {
                write!(f, "too close: strength {strength:.2}, at least {min:.2} required")
            }
            Reason::StrengthTooHigh { strength, max } => {
                write!(f, "too free: strength {strength:.2}, at most {max:.2} allowed")
            }
            Reason::StrengthUnknown { min, max } => {
                write!(f, "the strength is not known: {min:.2} to {max:.2} required")
            }
            Reason::EngineNotAllowed { engine, allowed } => {
                write!(f, "engine {engine} is not allowed: expected {}", allowed.join(" or "))
            }
            Reason::TooManyGenerations { generation, max } => {
                write!(f, "generation {generation} is too far from an original: at most {max} allowed")
            }
            Reason::PurposeNotAllowed { purpose: None, allowed } => {
                write!(f, "no purpose was stated: expected {}", allowed.join(" or "))
            }
            Reason::PurposeNotAllowed { purpose: Some(purpose), allowed } => {
                write!(f, "purpose {purpose:?} is not allowed: expected {}", allowed.join(" or "))
            }
            Reason::NoXmp => write!(f, "an XMP label is required"),
            Reason::NoTimeStamp => {
                write!(f, "a time stamp is required, and no authority for it is named in vidimus.toml")
            }
            Reason::DeviationTooLow { deviation, min } => {
                write!(f, "too close: deviation {}, at least {min:.2} required", against(*deviation, *min))
            }
            Reason::DetailTooLow { deviation, min } => write!(
                f,
                "too close: deviation by detail {}, at least {min:.2} required",
                against(*deviation, *min)
            ),
            Reason::CopiedTooLow { deviation, min } => write!(
                f,
                "too close: deviation by copied area {}, at least {min:.2} required",
                against(*deviation, *min)
            ),
            Reason::CompositionTooLow { composition, min } => write!(
                f,
                "too close: arrangement differs by {}, at least {min:.2} required",
                against(*composition, *min)
            ),
            Reason::CopyTooLarge { share, max } => write!(
                f,
                "too close: the engine took {:.2} % of the picture from one place of the reference in one piece, at most \
                 {:.2} % allowed",
                100.0 * share,
                100.0 * max
            ),
            Reason::OtherTooClose { title, sha256, deviation, min } => write!(
                f,
                "too close to another reference on record, {} ({}): deviation {}, at least {min:.2} required",
                plain(title),
                sha256.short(12),
                against(*deviation, *min)
            ),
            Reason::OtherLost { title, sha256, distance } => write!(
                f,
                "looks like another reference on record, {} ({}), whose picture is lost: fingerprints differ by \
                 {distance} of 256 bits, more than {LOST_DISTANCE} required",
                plain(title),
                sha256.short(12)
            ),
        }
    }
}

/// `value` with two decimals; with four, the rest cut off, where it falls short of the `limit` and two would read like
/// the limit itself.
pub fn against(value: f64, limit: f64) -> String {
    let short = format!("{value:.2}");
    if value < limit && short == format!("{limit:.2}") {
        format!("{:.4}", (1e4 * value).floor() / 1e4)
    } else {
        short
    }
}

/// Titles are file names: control characters would draw on the terminal.
fn plain(title: &str) -> String {
    title.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A limit that was not met, and the policy whose it is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Violation {
    pub policy: String,
    #[serde(flatten)]
    pub reason: Reason,
}

impl Violation {
    pub fn rule(&self) -> &'static str {
        self.reason.rule()
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (policy {}, {})", self.reason, self.policy, self.rule())
    }
}

/// A no, with everything that was wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    pub reasons: Vec<Violation>,
    pub action: OnViolation,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, reason) in self.reasons.iter().enumerate() {
            write!(f, "{}{reason}", if i == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_falls_short_never_reads_like_the_limit() {
        let shown = [0.4963, 0.499_999, 0.4949, 0.5, 0.504].map(|value| against(value, 0.5));
        assert_eq!(shown, ["0.4963", "0.4999", "0.49", "0.50", "0.50"]);
    }
}
