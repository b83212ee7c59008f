//! The 80 bits of the mark and what they mean.

use crate::digest::Digest;
use crate::quantity::Strength;

const VERSION: u128 = 1;
const DENOISE_STEPS: u8 = 127;
const PREFIX_BITS: u32 = 48;
const NONCE_BITS: u32 = 20;

/// How the picture came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Generated as a whole.
    Generated,
    /// Generated within a mask, the rest kept.
    Edited,
}

/// What a mark says: version 1, most significant bit first:
/// version 3 bits, kind 2, denoise strength 7, first bits of the source's SHA-256 48, nonce 20.
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

impl Payload {
    /// `nonce` is below 2^20, and random for each output: with the source's prefix it names the picture.
    pub fn new(kind: Kind, denoise: Strength, source: &Digest, nonce: u32) -> Result<Self, PayloadError> {
        if nonce >> NONCE_BITS != 0 {
            return Err(PayloadError::Nonce { found: nonce });
        }
        let denoise = (denoise.value() * f64::from(DENOISE_STEPS)).round() as u8;
        Ok(Payload { kind, denoise, source_prefix: source.prefix48(), nonce })
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The denoise strength in steps of 1/127, 0..=127.
    pub fn denoise(&self) -> u8 {
        self.denoise
    }

    /// The denoise strength, 0..=1.
    pub fn denoise_strength(&self) -> f64 {
        f64::from(self.denoise) / f64::from(DENOISE_STEPS)
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
        let payload = Payload::new(Kind::Edited, Strength::ONE, &digest, 0x12345).expect("20 bits");
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
        let wide = Payload::new(Kind::Generated, Strength::ZERO, &Digest::of(""), 1 << 20);
        assert_eq!(wide, Err(PayloadError::Nonce { found: 1 << 20 }));
    }

    proptest! {
        #[test]
        fn message_and_back_is_the_same_payload(
            edited: bool, strength in 0.0..=1.0f64, source: [u8; 32], nonce in 0u32..1 << 20,
        ) {
            let kind = if edited { Kind::Edited } else { Kind::Generated };
            let strength = Strength::new(strength).expect("drawn within 0..=1");
            let payload = Payload::new(kind, strength, &Digest::from_bytes(source), nonce).expect("20 bits");
            prop_assert_eq!(Payload::from_message(payload.to_message()), Ok(payload));
            prop_assert!((payload.denoise_strength() - strength.value()).abs() <= 0.5 / 127.0 + 1e-12);
        }

        #[test]
        fn a_message_that_is_read_is_written_the_same(message: [u8; 10]) {
            if let Ok(payload) = Payload::from_message(message) {
                prop_assert_eq!(payload.to_message(), message);
            }
        }
    }
}
