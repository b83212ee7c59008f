//! The bits of the mark and what they mean.

use super::message::{Level, Message};
use crate::digest::Digest;
use crate::quantity::Strength;

const VERSION: u128 = 1;
const DENOISE_STEPS: u8 = 127;
const PREFIX_BITS: u32 = 48;
const NONCE_BITS: u32 = 20;
const BRIEF_VERSION: u32 = 1;
const BRIEF_DENOISE_STEPS: u8 = 31;

/// How the picture came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Generated as a whole.
    Generated,
    /// Generated within a mask, the rest kept.
    Edited,
}

/// What a mark of the long level says: version 1, most significant bit first:
/// version 3 bits, kind 2, denoise strength 7, first bits of the source's SHA-256 48, nonce 20.
///
/// A strength of 0 means that none was witnessed: nothing that is so near to its reference ever leaves (no policy may ask
/// for a deviation below 0.30), so that no mark needs it for itself. What is known rounds to 1 at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payload {
    kind: Kind,
    denoise: u8,
    source_prefix: u64,
    nonce: u32,
}

/// The bits are no payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    #[error("watermark payload of version {found}: this program reads version 1")]
    Version { found: u8 },
    #[error("watermark payload with the unknown kind {found}: expected 1 (generated) or 2 (edited)")]
    Kind { found: u8 },
    #[error("watermark nonce {found} has more than 20 bits")]
    Nonce { found: u32 },
}

/// What a mark of the short level says: version 1, most significant bit first: version 2 bits, kind 1
/// (1: generated as a whole), denoise strength 5, first bits of the source's SHA-256 24.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Brief {
    kind: Kind,
    denoise: u8,
    source_prefix: u32,
}

/// What a mark says, at whichever level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    Whole(Payload),
    Brief(Brief),
}

impl Said {
    pub fn read(message: &Message) -> Result<Self, PayloadError> {
        Ok(match message {
            Message::Long(bytes) => Said::Whole(Payload::from_message(*bytes)?),
            Message::Short(bytes) => Said::Brief(Brief::from_message(*bytes)?),
        })
    }

    pub fn level(&self) -> Level {
        match self {
            Said::Whole(_) => Level::Long,
            Said::Brief(_) => Level::Short,
        }
    }

    pub fn version(&self) -> u8 {
        match self {
            Said::Whole(_) => VERSION as u8,
            Said::Brief(_) => BRIEF_VERSION as u8,
        }
    }

    pub fn kind(&self) -> Kind {
        match self {
            Said::Whole(payload) => payload.kind,
            Said::Brief(brief) => brief.kind,
        }
    }

    /// The denoise strength, 0..=1; `None` for a picture that was made elsewhere.
    pub fn denoise_strength(&self) -> Option<f64> {
        match self {
            Said::Whole(payload) => payload.denoise_strength(),
            Said::Brief(brief) => {
                (brief.denoise > 0).then(|| f64::from(brief.denoise) / f64::from(BRIEF_DENOISE_STEPS))
            }
        }
    }

    /// Whether these are the bits of `strength`, 0..=1 or none that was witnessed. Those of the short level are rounded from
    /// the long one's.
    pub fn is_strength(&self, strength: Option<f64>) -> bool {
        let steps = strength.map_or(0, |strength| steps(strength, DENOISE_STEPS));
        match self {
            Said::Whole(payload) => payload.denoise == steps,
            Said::Brief(brief) => brief.denoise == brief_steps(steps),
        }
    }

    /// Whether a source of this digest is meant, as far as the bits go.
    pub fn is_source(&self, source: &Digest) -> bool {
        match self {
            Said::Whole(payload) => payload.source_prefix == source.prefix48(),
            Said::Brief(brief) => u64::from(brief.source_prefix) == source.prefix48() >> 24,
        }
    }

    /// The first bits of the source's SHA-256 as hexadecimal digits: twelve, or six.
    pub fn source_prefix(&self) -> String {
        match self {
            Said::Whole(payload) => format!("{:012x}", payload.source_prefix),
            Said::Brief(brief) => format!("{:06x}", brief.source_prefix),
        }
    }

    /// The picture's own id; a short mark has none.
    pub fn id(&self) -> Option<String> {
        match self {
            Said::Whole(payload) => Some(payload.id()),
            Said::Brief(_) => None,
        }
    }
}

/// A strength that is known, 0..=1, in steps of `most`: never 0.
fn steps(strength: f64, most: u8) -> u8 {
    ((strength * f64::from(most)).round() as u8).max(1)
}

fn brief_steps(denoise: u8) -> u8 {
    if denoise == 0 { 0 } else { steps(f64::from(denoise) / f64::from(DENOISE_STEPS), BRIEF_DENOISE_STEPS) }
}

impl Brief {
    /// The first 24 bits of the source's SHA-256.
    pub fn source_prefix(&self) -> u32 {
        self.source_prefix
    }

    pub fn to_message(&self) -> [u8; 4] {
        let kind = u32::from(self.kind == Kind::Generated);
        (BRIEF_VERSION << 30 | kind << 29 | u32::from(self.denoise) << 24 | self.source_prefix).to_be_bytes()
    }

    pub fn from_message(message: [u8; 4]) -> Result<Self, PayloadError> {
        let bits = u32::from_be_bytes(message);
        let version = bits >> 30;
        if version != BRIEF_VERSION {
            return Err(PayloadError::Version { found: version as u8 });
        }
        Ok(Brief {
            kind: if bits >> 29 & 1 == 1 { Kind::Generated } else { Kind::Edited },
            denoise: (bits >> 24 & 31) as u8,
            source_prefix: bits & 0xFF_FFFF,
        })
    }
}

impl Payload {
    /// `denoise` is `None` where it was not witnessed; `nonce` is below 2^20, and random for each output: with the source's
    /// prefix it names the picture.
    pub fn new(
        kind: Kind,
        denoise: Option<Strength>,
        source: &Digest,
        nonce: u32,
    ) -> Result<Self, PayloadError> {
        if nonce >> NONCE_BITS != 0 {
            return Err(PayloadError::Nonce { found: nonce });
        }
        let denoise = denoise.map_or(0, |denoise| steps(denoise.value(), DENOISE_STEPS));
        Ok(Payload { kind, denoise, source_prefix: source.prefix48(), nonce })
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The denoise strength, 0..=1; `None` where it was not witnessed.
    pub fn denoise_strength(&self) -> Option<f64> {
        (self.denoise > 0).then(|| f64::from(self.denoise) / f64::from(DENOISE_STEPS))
    }

    /// The first 48 bits of the source's SHA-256.
    pub fn source_prefix(&self) -> u64 {
        self.source_prefix
    }

    /// 20 bits.
    pub fn nonce(&self) -> u32 {
        self.nonce
    }

    /// Source prefix and nonce as 17 hexadecimal digits: the soft-binding value, and the catalog's key.
    pub fn id(&self) -> String {
        format!("{:012x}{:05x}", self.source_prefix, self.nonce)
    }

    /// The same in 32 bits.
    pub fn brief(&self) -> Brief {
        Brief {
            kind: self.kind,
            denoise: brief_steps(self.denoise),
            source_prefix: (self.source_prefix >> 24) as u32,
        }
    }

    /// The message that says so at `level`.
    pub fn message(&self, level: Level) -> Message {
        match level {
            Level::Long => Message::Long(self.to_message()),
            Level::Short => Message::Short(self.brief().to_message()),
        }
    }

    pub fn to_message(&self) -> [u8; 10] {
        let kind = match self.kind {
            Kind::Generated => 1,
            Kind::Edited => 2,
        };
        let head = (VERSION << 9) | (kind << 7) | u128::from(self.denoise);
        let bits =
            (head << PREFIX_BITS | u128::from(self.source_prefix)) << NONCE_BITS | u128::from(self.nonce);
        let mut message = [0; 10];
        message.copy_from_slice(&bits.to_be_bytes()[6..]);
        message
    }

    pub fn from_message(message: [u8; 10]) -> Result<Self, PayloadError> {
        let bits = message.iter().fold(0u128, |acc, byte| (acc << 8) | u128::from(*byte));
        let field = |low: u32, count: u32| (bits >> low) & ((1 << count) - 1);
        let version = field(77, 3);
        if version != VERSION {
            return Err(PayloadError::Version { found: version as u8 });
        }
        let kind = match field(75, 2) {
            1 => Kind::Generated,
            2 => Kind::Edited,
            found => return Err(PayloadError::Kind { found: found as u8 }),
        };
        Ok(Payload {
            kind,
            denoise: field(68, 7) as u8,
            source_prefix: field(NONCE_BITS, PREFIX_BITS) as u64,
            nonce: field(0, NONCE_BITS) as u32,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_layout_is_the_published_one() {
        let digest = Digest::of("abc");
        let payload = Payload::new(Kind::Edited, Some(Strength::ONE), &digest, 0x12345).expect("20 bits");
        let message = payload.to_message();
        // 001 10 111 | 1111 + ba78…
        assert_eq!(hex::encode(message), "37fba7816bf8f0112345");
        assert_eq!(payload.id(), "ba7816bf8f0112345");
    }

    #[test]
    fn what_is_no_payload_is_refused() {
        assert_eq!(Payload::from_message([0; 10]), Err(PayloadError::Version { found: 0 }));
        assert_eq!(Payload::from_message([0xFF; 10]), Err(PayloadError::Version { found: 7 }));
        // Version 1 with the kinds 0 and 3.
        for (first, found) in [(0b0010_0000, 0), (0b0011_1000, 3)] {
            let mut message = [0; 10];
            message[0] = first;
            assert_eq!(Payload::from_message(message), Err(PayloadError::Kind { found }));
        }
        let wide = Payload::new(Kind::Generated, None, &Digest::of(""), 1 << 20);
        assert_eq!(wide, Err(PayloadError::Nonce { found: 1 << 20 }));
    }

    proptest! {
        #[test]
        fn message_and_back_is_the_same_payload(
            edited: bool, strength in 0.004..=1.0f64, source: [u8; 32], nonce in 0u32..1 << 20,
        ) {
            let kind = if edited { Kind::Edited } else { Kind::Generated };
            let known = Strength::new(strength);
            let payload = Payload::new(kind, known, &Digest::from_bytes(source), nonce).expect("20 bits");
            prop_assert_eq!(Payload::from_message(payload.to_message()), Ok(payload));
            let said = payload.denoise_strength().expect("it is known");
            prop_assert!((said - strength).abs() <= 0.5 / 127.0 + 1e-12);
        }

        #[test]
        fn a_strength_that_was_not_witnessed_is_none_and_no_known_one_reads_like_it(
            strength in 0.0..=1.0f64, source: [u8; 32], nonce in 0u32..1 << 20,
        ) {
            let source = Digest::from_bytes(source);
            for level in Level::ALL {
                let said = |denoise| {
                    let payload = Payload::new(Kind::Generated, denoise, &source, nonce).expect("20 bits");
                    Said::read(&payload.message(level)).expect("ours")
                };
                let (unknown, known) = (said(None), said(Strength::new(strength)));
                prop_assert_eq!(unknown.denoise_strength(), None);
                prop_assert!(unknown.is_strength(None) && !unknown.is_strength(Some(strength)));
                prop_assert!(known.denoise_strength().is_some());
                prop_assert!(known.is_strength(Some(strength)) && !known.is_strength(None));
            }
        }

        #[test]
        fn a_brief_says_the_same_in_fewer_bits(
            edited: bool, strength in 0.0..=1.0f64, source: [u8; 32], nonce in 0u32..1 << 20,
        ) {
            let kind = if edited { Kind::Edited } else { Kind::Generated };
            let source = Digest::from_bytes(source);
            let payload = Payload::new(kind, Strength::new(strength), &source, nonce).expect("20 bits");
            for level in Level::ALL {
                let said = Said::read(&payload.message(level)).expect("ours");
                prop_assert_eq!(said.level(), level);
                prop_assert_eq!(said.kind(), kind);
                prop_assert!(said.is_source(&source));
                prop_assert!(said.is_strength(Some(strength)));
                prop_assert!(!said.is_strength(Some((strength + 0.1) % 1.0)));
                prop_assert_eq!(said.id().is_some(), level == Level::Long);
            }
        }

        #[test]
        fn a_short_message_that_is_read_is_written_the_same(message: [u8; 4]) {
            if let Ok(brief) = Brief::from_message(message) {
                prop_assert_eq!(brief.to_message(), message);
            }
        }

        #[test]
        fn a_message_that_is_read_is_written_the_same(message: [u8; 10]) {
            if let Ok(payload) = Payload::from_message(message) {
                prop_assert_eq!(payload.to_message(), message);
            }
        }
    }
}
