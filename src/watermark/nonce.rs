//! The nonce of a payload: with the source's prefix it names one output.

use crate::digest::{Digest, Hasher};

/// Nonces tried for one draft before giving up: 2^20 are shared by all outputs of one source.
pub const NONCE_ATTEMPTS: u32 = 64;

/// The 20 bits that the owner of `key` gives a draft at the `attempt`-th try.
pub fn nonce(key: &[u8; 32], draft: &Digest, attempt: u32) -> u32 {
    let mut hasher = Hasher::new();
    hasher
        .update(b"vidimus watermark nonce 1")
        .update(key)
        .update(draft.as_bytes())
        .update(attempt.to_le_bytes());
    let digest = hasher.finish();
    let bytes = digest.as_bytes();
    u32::from_be_bytes([0, bytes[0], bytes[1], bytes[2]]) & 0xF_FFFF
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nonce_depends_on_key_draft_and_attempt_and_fits_twenty_bits() {
        let base = nonce(&[1; 32], &Digest::of("a"), 0);
        assert_ne!(base, nonce(&[2; 32], &Digest::of("a"), 0));
        assert_ne!(base, nonce(&[1; 32], &Digest::of("b"), 0));
        assert_ne!(base, nonce(&[1; 32], &Digest::of("a"), 1));
        assert!((0..100).all(|i| nonce(&[1; 32], &Digest::of("a"), i) < 1 << 20));
    }
}
