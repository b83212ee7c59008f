//! The log: append-only, each entry hashed over the one before, each hash signed.

use rusqlite::{Connection, OptionalExtension, params};
use serde_json::Value;

use super::read::blob;
use crate::digest::{Digest, Hasher};

/// Who signs log entries. The catalog never sees the private key.
pub struct Pen<'a> {
    /// Ed25519 public key.
    pub public_key: [u8; 32],
    pub sign: &'a dyn Fn(&[u8]) -> [u8; 64],
}

/// An entry of the log.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub seq: u64,
    pub at: String,
    pub kind: String,
    pub body: String,
    pub prev: Digest,
    pub hash: Digest,
    pub signer: [u8; 32],
    pub signature: [u8; 64],
}

/// The hash of an entry: over the hash before it, its number, time, kind and body.
pub(super) fn hash(prev: &Digest, seq: u64, at: &str, kind: &str, body: &str) -> Digest {
    let mut hasher = Hasher::new();
    hasher.update(prev.as_bytes()).update(format!("{seq}\n{at}\n{kind}\n{body}"));
    hasher.finish()
}

/// Appends an entry inside the caller's transaction; its number.
pub(super) fn append(
    db: &Connection,
    at: &str,
    kind: &str,
    body: &Value,
    pen: &Pen<'_>,
) -> rusqlite::Result<u64> {
    let last = db
        .prepare_cached("SELECT seq, hash FROM event ORDER BY seq DESC LIMIT 1")?
        .query_row([], |row| Ok((row.get::<_, i64>(0)?, blob::<32>(row, 1)?)))
        .optional()?;
    let (seq, prev) = match last {
        Some((seq, hash)) => (seq as u64 + 1, Digest::from_bytes(hash)),
        None => (1, Digest::from_bytes([0; 32])),
    };
    let body = body.to_string();
    let hash = hash(&prev, seq, at, kind, &body);
    let signature = (pen.sign)(hash.as_bytes());
    db.prepare_cached(
        "INSERT INTO event (seq, at, kind, body, prev, hash, signer, signature) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )?
    .execute(params![seq as i64, at, kind, body, prev.as_bytes(), hash.as_bytes(), pen.public_key, signature])?;
    Ok(seq)
}
