//! Archives of manifest stores, by which another workspace can recover what this one signed.
//!
//! A plain tar file, its members in one order: `index.json`, `index.sig`, then one `manifests/NNNNNN.c2pa` for each
//! entry of the index. Nothing is ever unpacked to a disk, so that names lead nowhere: a member that is not the next one
//! expected ends the reading. Nothing is compressed, so that no archive is larger than its file.

use std::collections::BTreeSet;
use std::io::{self, Read};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::catalog::{Catalog, CatalogError, ForeignArchive, ForeignManifest};
use crate::deviation::Fingerprint;
use crate::digest::Digest;
use crate::keys::{self, Keys};
use crate::manifest::{self, ReadError};
use crate::raster::{self, Channels, Format, Limits, Raster, Samples};

const MOST_INDEX: u64 = 64 << 20;
const MOST_STORE: u64 = 16 << 20;
/// Characters of a name, and of what is told of a fault.
const MOST_WORDS: usize = 200;
/// Before the index in what is signed: a signature on an archive is one on nothing else.
const PREFIX: &[u8] = b"vidimus archive 1\n";

#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    #[error("not an archive of manifests, or a damaged one: {reason}")]
    Damaged { reason: String },
    #[error("not an archive of manifests, or a damaged one: expected {expected}, found {found}")]
    Unexpected { expected: String, found: String },
    #[error("{name}: over the limit of {limit} bytes")]
    TooLarge { name: String, limit: u64 },
    #[error("its index cannot be read: {reason}")]
    Index { reason: String },
    #[error("its signature is not that of its key over its index: it was changed")]
    Signature,
    #[error("manifest {label:?}: {fault}")]
    Manifest { label: String, fault: String },
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

#[derive(Serialize, Deserialize)]
struct Index {
    schema: u32,
    /// Common name of the exporting signer; only the key is proven.
    exporter: String,
    /// Ed25519 public key of the exporting workspace's log, 64 hexadecimal digits.
    key: String,
    exported: String,
    manifests: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    label: String,
    /// Of the manifest store.
    store_sha256: Digest,
    /// Of the file that was released.
    sha256: Digest,
    pixels_sha256: Digest,
    /// 64 hexadecimal digits.
    fingerprint: String,
    fingerprint_quality: u8,
}

/// Every manifest of `catalog` as an archive signed by `keys`, and how many there are.
pub fn export(
    catalog: &Catalog,
    keys: &Keys,
    now: OffsetDateTime,
) -> Result<(Vec<u8>, usize), ExchangeError> {
    let damaged = |error: io::Error| ExchangeError::Damaged { reason: error.to_string() };
    let outputs = catalog.exportable()?;
    let index = Index {
        schema: 1,
        exporter: keys.signer().common_name.clone(),
        key: hex::encode(keys.verifying_key()),
        exported: now.format(&Rfc3339).map_err(|error| ExchangeError::Index { reason: error.to_string() })?,
        manifests: outputs
            .iter()
            .map(|output| Entry {
                label: output.label.clone(),
                store_sha256: Digest::of(&output.store),
                sha256: output.sha256,
                pixels_sha256: output.pixels_sha256,
                fingerprint: hex::encode(output.fingerprint.bits),
                fingerprint_quality: output.fingerprint.quality,
            })
            .collect(),
    };
    let index =
        serde_json::to_vec_pretty(&index).map_err(|e| ExchangeError::Index { reason: e.to_string() })?;
    let signature = hex::encode(keys.sign(&[PREFIX, &index].concat()));

    let mut tar = tar::Builder::new(Vec::new());
    let mut add = |name: &str, bytes: &[u8]| {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, bytes)
    };
    add("index.json", &index).map_err(damaged)?;
    add("index.sig", signature.as_bytes()).map_err(damaged)?;
    for (n, output) in outputs.iter().enumerate() {
        add(&name(n), &output.store).map_err(damaged)?;
    }
    let bytes = tar.into_inner().map_err(damaged)?;
    // More than any import reads.
    let limit = Limits::default().bytes;
    if bytes.len() as u64 > limit {
        return Err(ExchangeError::TooLarge { name: "the archive".into(), limit });
    }
    Ok((bytes, outputs.len()))
}

/// What is in an archive, if all of it holds: order and sizes, the signature, and every manifest.
pub fn read(bytes: &[u8]) -> Result<ForeignArchive, ExchangeError> {
    let damaged = |error: io::Error| ExchangeError::Damaged { reason: brief(&error.to_string()) };
    let mut tar = tar::Archive::new(bytes);
    // Raw: no member is taken for the long name of the next one.
    let mut members = tar.entries().map_err(damaged)?.raw(true);
    let mut member = |expected: &str, limit: u64| -> Result<Vec<u8>, ExchangeError> {
        let unexpected = |found: String| ExchangeError::Unexpected { expected: expected.to_owned(), found };
        let mut entry = members.next().ok_or_else(|| unexpected("the end".into()))?.map_err(damaged)?;
        let found = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if found != expected || !entry.header().entry_type().is_file() {
            return Err(unexpected(format!("{found:?}")));
        }
        if entry.size() > limit {
            return Err(ExchangeError::TooLarge { name: expected.to_owned(), limit });
        }
        let mut content = Vec::new();
        entry.read_to_end(&mut content).map_err(damaged)?;
        if content.len() as u64 != entry.size() {
            return Err(unexpected("an end in the middle of it".into()));
        }
        Ok(content)
    };
    let index_bytes = member("index.json", MOST_INDEX)?;
    let signature = member("index.sig", 128)?;
    let mut raw = [0; 64];
    hex::decode_to_slice(&signature, &mut raw).map_err(|_| ExchangeError::Signature)?;
    let unreadable = |reason: &str| ExchangeError::Index { reason: brief(reason) };
    let index: Index = serde_json::from_slice(&index_bytes).map_err(|e| unreadable(&e.to_string()))?;
    if index.schema != 1 {
        let reason = format!("expected schema 1, found {}: use a newer program", index.schema);
        return Err(unreadable(&reason));
    }
    if OffsetDateTime::parse(&index.exported, &Rfc3339).is_err() {
        return Err(unreadable(&format!("expected a time (RFC 3339), found {:?}", index.exported)));
    }
    let names = index.manifests.iter().map(|entry| &entry.label).chain([&index.exporter]);
    if let Some(name) = names.into_iter().find(|name| name.chars().count() > MOST_WORDS) {
        return Err(unreadable(&format!("over {MOST_WORDS} characters: {name:?}")));
    }
    let mut key = [0; 32];
    hex::decode_to_slice(&index.key, &mut key).map_err(|_| ExchangeError::Signature)?;
    if !keys::holds(&key, &[PREFIX, &index_bytes].concat(), &raw) {
        return Err(ExchangeError::Signature);
    }
    let canvas = canvas()?;
    let mut manifests = Vec::new();
    let mut labels = BTreeSet::new();
    for (n, entry) in index.manifests.iter().enumerate() {
        let fault = |fault: &str| ExchangeError::Manifest { label: entry.label.clone(), fault: fault.into() };
        if !labels.insert(&entry.label) {
            return Err(fault("it is there twice"));
        }
        let store = member(&name(n), MOST_STORE)?;
        if Digest::of(&store) != entry.store_sha256 {
            return Err(fault("its content is not what the index says"));
        }
        manifests.push(foreign(entry, store, &canvas)?);
    }
    if members.next().is_some() {
        return Err(ExchangeError::Unexpected { expected: "the end".into(), found: "more".into() });
    }
    Ok(ForeignArchive {
        digest: Digest::of(&index_bytes),
        exporter: index.exporter,
        key: Digest::of(key),
        exported: index.exported,
        manifests,
    })
}

/// What the manifest itself says counts, not what the index says of it.
fn foreign(entry: &Entry, store: Vec<u8>, canvas: &[u8]) -> Result<ForeignManifest, ExchangeError> {
    let fault = |fault: String| ExchangeError::Manifest { label: entry.label.clone(), fault };
    let reading = manifest::read_detached(&store, canvas, Format::Png.mime(), &[])
        .map_err(|error: ReadError| fault(brief(&error.to_string())))?;
    if reading.label != entry.label {
        return Err(fault(brief(&format!("it calls itself {:?}", reading.label))));
    }
    if !reading.holds_but_for_content() {
        return Err(fault(brief(&format!("it does not hold ({})", reading.failure_codes().join(", ")))));
    }
    let mut bits = [0; 32];
    hex::decode_to_slice(&entry.fingerprint, &mut bits)
        .map_err(|error| fault(format!("its fingerprint: {error}")))?;
    let watermark = reading.facts().and_then(|facts| facts.watermark.as_ref());
    Ok(ForeignManifest {
        label: entry.label.clone(),
        sha256: entry.sha256,
        pixels_sha256: entry.pixels_sha256,
        fingerprint: Fingerprint { bits, quality: entry.fingerprint_quality.min(100) },
        image_code: reading.soft_bindings.iter().find_map(|binding| binding.image_code),
        payload_id: watermark.map(|mark| mark.payload_id.clone()),
        store,
    })
}

/// The beginning of what a hostile file may have made long, on one line.
fn brief(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MOST_WORDS).collect()
}

fn name(number: usize) -> String {
    format!("manifests/{number:06}.c2pa")
}

/// A plain picture to read manifests against: its content is nobody's.
fn canvas() -> Result<Vec<u8>, ExchangeError> {
    let plain = Raster::new(8, 8, Channels::Grey, Samples::Eight(vec![0; 64]), None);
    raster::encode(&plain, Format::Png, 100)
        .map_err(|error| ExchangeError::Damaged { reason: error.to_string() })
}
