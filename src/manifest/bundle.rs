//! What is trusted, as text: roots as PEM, and beside them lines that say which signers are trusted no longer, and what
//! certificates may be made out for.
//!
//! ```text
//! -----BEGIN CERTIFICATE-----
//! …
//! revoked SHA-256 TIME REASON KEY SIGNATURE
//! purpose 1.3.6.1.5.5.7.3.4
//! ```
//! Signatures of such lines are for whoever loads them to hold.

use std::fmt;
use std::str::FromStr;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::digest::Digest;

/// A certificate that is trusted no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// SHA-256 of its DER.
    pub certificate: Digest,
    pub at: OffsetDateTime,
    pub reason: Cause,
}

/// Why a certificate was revoked (RFC 5280, section 5.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    Unspecified,
    /// Somebody else may have the key: nothing that it signed is believed, whenever it was.
    KeyCompromise,
    Superseded,
    CessationOfOperation,
}

impl Cause {
    pub const ALL: [Cause; 4] =
        [Cause::Unspecified, Cause::KeyCompromise, Cause::Superseded, Cause::CessationOfOperation];

    pub fn name(self) -> &'static str {
        match self {
            Cause::Unspecified => "unspecified",
            Cause::KeyCompromise => "key-compromise",
            Cause::Superseded => "superseded",
            Cause::CessationOfOperation => "cessation-of-operation",
        }
    }
}

impl FromStr for Cause {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Cause::ALL.into_iter().find(|cause| cause.name() == text).ok_or_else(|| {
            format!("{text:?} is no reason: expected {}", Cause::ALL.map(Cause::name).join(", "))
        })
    }
}

impl Revocation {
    const WORD: &'static str = "revoked";

    /// The revocation in a line, and what stands after it; `None` for a line that is none.
    pub fn read(line: &str) -> Option<(Self, Vec<&str>)> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [Self::WORD, certificate, at, reason, rest @ ..] = words.as_slice() else { return None };
        let revocation = Revocation {
            certificate: certificate.parse().ok()?,
            at: OffsetDateTime::parse(at, &Rfc3339).ok()?,
            reason: reason.parse().ok()?,
        };
        Some((revocation, rest.to_vec()))
    }

    /// Whether a line means to be one.
    pub fn is_meant(line: &str) -> bool {
        line.split_whitespace().next() == Some(Self::WORD)
    }

    /// Whether it counts for what was signed at `signed`, as far as a time stamp tells.
    pub(super) fn covers(&self, signed: Option<OffsetDateTime>) -> bool {
        self.reason == Cause::KeyCompromise || signed.is_none_or(|signed| signed >= self.at)
    }
}

impl fmt::Display for Revocation {
    /// Without a signature.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.at.format(&Rfc3339).unwrap_or_else(|_| self.at.unix_timestamp().to_string());
        write!(f, "{} {} {at} {}", Self::WORD, self.certificate, self.reason.name())
    }
}

/// A line that lets certificates be made out for `oid`, beside the purposes that C2PA names.
pub fn purpose(oid: &str) -> String {
    format!("purpose {oid}\n")
}

/// Bundles, taken apart.
pub(super) struct Trust {
    /// PEM.
    pub anchors: String,
    /// Object identifiers, one a line.
    pub purposes: String,
    pub revoked: Vec<Revocation>,
}

impl Trust {
    pub fn of(bundles: &[String]) -> Self {
        let mut trust = Trust { anchors: String::new(), purposes: String::new(), revoked: Vec::new() };
        for line in bundles.iter().flat_map(|bundle| bundle.lines()) {
            if let Some((revocation, _)) = Revocation::read(line) {
                trust.revoked.push(revocation);
            } else if let Some(oid) = line.strip_prefix("purpose ") {
                trust.purposes.push_str(&format!("{}\n", oid.trim()));
            } else {
                trust.anchors.push_str(&format!("{line}\n"));
            }
        }
        trust
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn a_bundle_is_taken_apart() {
        let certificate = Digest::of("leaf");
        let at = datetime!(2026-11-27 10:00 UTC);
        let revocation = Revocation { certificate, at, reason: Cause::Superseded };
        let bundle = format!(
            "-----BEGIN X-----\nabc\n-----END X-----\n{revocation} key signature\n{}",
            purpose("1.2.3")
        );
        let trust = Trust::of(&[bundle, "def".into()]);
        assert_eq!(trust.anchors, "-----BEGIN X-----\nabc\n-----END X-----\ndef\n");
        assert_eq!((trust.purposes.as_str(), trust.revoked), ("1.2.3\n", vec![revocation]));
        let line = format!("{revocation} key signature");
        assert_eq!(Revocation::read(&line), Some((revocation, vec!["key", "signature"])));
        for other in ["", "revoked", "revoked abc 2026-11-27T10:00:00Z superseded", "purpose 1.2.3"] {
            assert_eq!(Revocation::read(other), None, "{other}");
        }
    }

    #[test]
    fn a_compromised_key_never_signed_well_and_others_did_until_then() {
        let at = datetime!(2026-11-27 10:00 UTC);
        let covers =
            |reason, signed| Revocation { certificate: Digest::of("leaf"), at, reason }.covers(signed);
        let (before, after) = (Some(datetime!(2026-11-27 09:59 UTC)), Some(at));
        for reason in Cause::ALL {
            assert_eq!(covers(reason, before), reason == Cause::KeyCompromise, "{reason:?}");
            // Without a time stamp nobody can say that it was before.
            assert!(covers(reason, after) && covers(reason, None), "{reason:?}");
            assert_eq!(reason.name().parse(), Ok(reason));
        }
        assert!("stolen".parse::<Cause>().is_err_and(|words| words.contains("key-compromise")));
    }
}
