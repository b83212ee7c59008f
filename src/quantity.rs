//! Measured and chosen values, each with its unit: parsed once, valid for ever.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Denoise strength: 0 is the reference itself, 1 is entirely new. Always within 0..=1.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Strength(f64);

impl Strength {
    pub const ZERO: Strength = Strength(0.0);
    pub const ONE: Strength = Strength(1.0);

    /// `None` outside 0..=1 and for NaN.
    pub fn new(value: f64) -> Option<Self> {
        (0.0..=1.0).contains(&value).then_some(Strength(value))
    }

    pub fn value(self) -> f64 {
        self.0
    }
}

/// The text is no strength.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("not a strength: expected 0 to 1 (0.55) or 0% to 100% (55%), found {found:?}")]
pub struct ParseStrengthError {
    pub found: String,
}

impl FromStr for Strength {
    type Err = ParseStrengthError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let value = match text.trim().strip_suffix('%') {
            Some(percent) => percent.trim_end().parse::<f64>().map(|p| p / 100.0),
            None => text.trim().parse::<f64>(),
        };
        value.ok().and_then(Strength::new).ok_or_else(|| ParseStrengthError { found: text.to_owned() })
    }
}

impl TryFrom<f64> for Strength {
    type Error = ParseStrengthError;

    fn try_from(value: f64) -> Result<Self, Self::Error> {
        Strength::new(value).ok_or_else(|| ParseStrengthError { found: value.to_string() })
    }
}

impl From<Strength> for f64 {
    fn from(strength: Strength) -> f64 {
        strength.0
    }
}

impl fmt::Display for Strength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2}", self.0)
    }
}

/// Seed of everything random in one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seed(pub u64);

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The text is no seed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a seed: expected a whole number from 0 to {max}, found {found:?}", max = u64::MAX)]
pub struct ParseSeedError {
    pub found: String,
}

impl FromStr for Seed {
    type Err = ParseSeedError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Seed).map_err(|_| ParseSeedError { found: text.to_owned() })
    }
}

/// Peak signal-to-noise ratio in dB; infinite for identical pictures.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Psnr(pub f64);

impl fmt::Display for Psnr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} dB", self.0)
    }
}

/// How far a picture is from its reference. Every part is in 0..=1, and 1 is farthest.
///
/// `deviation` answers "is it still the same data?" and is `1 − max(detail, copied)`;
/// `composition` answers "is the arrangement new?". See `crate::deviation`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Deviation {
    /// The number that a policy limits from below.
    pub deviation: f64,
    /// 1 − similarity of the arrangement.
    pub composition: f64,
    /// Aligned structural agreement at the finest scale both pictures hold: 1 is the same data.
    pub detail: f64,
    /// Weight of locally copied areas: 1 is a whole copy.
    pub copied: f64,
    /// Share of the picture's textured area that is copied.
    pub copied_area: f64,
    /// Structural similarity, for familiarity only; negative values are given as 0.
    pub ssim: f64,
    /// PSNR against the reference resized to the output's size, in dB, for familiarity only (at most 100).
    pub psnr_db: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strength_reads_fractions_and_percent() {
        assert_eq!("0.55".parse(), Ok(Strength(0.55)));
        assert_eq!("55%".parse::<Strength>().map(|s| s.to_string()), Ok("0.55".into()));
        assert_eq!("1".parse(), Ok(Strength::ONE));
    }

    #[test]
    fn strength_outside_the_unit_interval_is_refused() {
        for text in ["-0.1", "1.01", "101%", "NaN", "inf", "", "%", "half"] {
            assert!(text.parse::<Strength>().is_err(), "{text}");
        }
    }
}
