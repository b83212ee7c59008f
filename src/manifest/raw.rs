//! Signatures as such, of every algorithm that the SDK knows: for keys that are not Ed25519, and to hold what a signer
//! gave against its certificate.

use c2pa::crypto::raw_signature::{
    RawSigner, signer_from_cert_chain_and_private_key, validator_for_signing_alg,
};

use super::Algorithm;

/// A private key that signs.
pub struct RawPen(Box<dyn RawSigner + Send + Sync>);

impl RawPen {
    /// The key in `key_pem` (PKCS#8), for signatures of `algorithm`.
    pub fn open(algorithm: Algorithm, chain_pem: &str, key_pem: &str) -> Result<Self, String> {
        signer_from_cert_chain_and_private_key(
            chain_pem.as_bytes(),
            key_pem.as_bytes(),
            algorithm.into(),
            None,
        )
        .map(RawPen)
        // The SDK's reason may quote what it read.
        .map_err(|_| format!("no private key for signatures of {algorithm}"))
    }

    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, String> {
        self.0.sign(message).map_err(|_| "the key does not sign".to_owned())
    }
}

/// Whether `signature` is one of `message` by the key in `public_key` (DER, SubjectPublicKeyInfo). ECDSA may come as
/// r and s, or as DER.
pub fn is_signed(algorithm: Algorithm, public_key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    validator_for_signing_alg(algorithm.into())
        .is_some_and(|validator| validator.validate(signature, message, public_key).is_ok())
}
