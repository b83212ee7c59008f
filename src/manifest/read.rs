//! Reading: what a manifest says, and whether it can be believed.

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

use c2pa::{CallbackSigner, Reader, Signer, SigningAlg};

use super::bundle::Trust;
use super::extract::reading;
use super::reading::Reading;
use super::sign::one_line;
use super::{LIMIT_BYTES, context};

/// Why it is unknown whether there is a manifest.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("{bytes} bytes are over the limit of {limit}")]
    TooLarge { bytes: usize, limit: usize },
    #[error("{mime} cannot carry a C2PA manifest")]
    Format { mime: String },
    #[error("its manifest is elsewhere, at {url}, and nothing is fetched from a network")]
    Remote { url: String },
    #[error("damaged {mime} file or manifest: {reason}")]
    Damaged { mime: String, reason: String },
    #[error("the C2PA library failed on this input: {reason}")]
    Panic { reason: String },
    #[error("cannot prepare the C2PA library with these trust anchors: {reason}")]
    Anchors { reason: String },
}

/// The manifest in `bytes`, a file of type `mime`, judged with `anchors` (bundles of roots, see `bundle`) as what is trusted.
///
/// `None` says that there is no manifest, which says nothing about the picture: manifests get stripped.
/// Never panics and never asks a network.
pub fn read(bytes: &[u8], mime: &str, anchors: &[String]) -> Result<Option<Reading>, ReadError> {
    guarded_read(bytes, mime, anchors, |reader| reader.with_stream(mime, Cursor::new(bytes)))
}

/// The manifest store `store`, recovered from elsewhere, read against `bytes`.
///
/// Against a stripped file the state is `Invalid` with `content_differs`: recovered, not tampered with.
pub fn read_detached(
    store: &[u8],
    bytes: &[u8],
    mime: &str,
    anchors: &[String],
) -> Result<Reading, ReadError> {
    guarded_read(bytes, mime, anchors, |reader| {
        reader.with_manifest_data_and_stream(store, mime, Cursor::new(bytes))
    })?
    .ok_or_else(|| ReadError::Damaged { mime: mime.to_owned(), reason: "the store holds no manifest".into() })
}

fn guarded_read(
    bytes: &[u8],
    mime: &str,
    anchors: &[String],
    open: impl FnOnce(Reader) -> c2pa::Result<Reader>,
) -> Result<Option<Reading>, ReadError> {
    if bytes.len() > LIMIT_BYTES {
        return Err(ReadError::TooLarge { bytes: bytes.len(), limit: LIMIT_BYTES });
    }
    let revoked = Trust::of(anchors).revoked;
    let context = context(anchors).map_err(|e| ReadError::Anchors { reason: one_line(&e) })?;
    guarded(|| match open(Reader::from_context(context)) {
        Ok(reader) => Ok(reading(&reader, &revoked)),
        Err(c2pa::Error::JumbfNotFound | c2pa::Error::ProvenanceMissing) => Ok(None),
        Err(c2pa::Error::UnsupportedType) => Err(ReadError::Format { mime: mime.to_owned() }),
        Err(c2pa::Error::RemoteManifestUrl(url) | c2pa::Error::RemoteManifestFetch(url)) => {
            Err(ReadError::Remote { url })
        }
        Err(e) => Err(ReadError::Damaged { mime: mime.to_owned(), reason: one_line(&e) }),
    })
    .map_err(|reason| ReadError::Panic { reason })?
}

/// Runs `work` on input that nobody vouches for: a panic of the SDK becomes its message.
pub(super) fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    // Nothing that `work` borrows is used after a panic.
    catch_unwind(AssertUnwindSafe(work)).map_err(|cause| {
        let text = cause.downcast_ref::<&str>().map(|s| (*s).to_owned());
        text.or_else(|| cause.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".into())
    })
}

/// The certificates of a PEM text as DER.
pub(super) fn certificates(pem: &str) -> c2pa::Result<Vec<Vec<u8>>> {
    // The SDK's own PEM reader stands behind this signer, which is never asked to sign.
    CallbackSigner::new(|_, _| Err(c2pa::Error::UnsupportedType), SigningAlg::Ed25519, pem).certs()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIMES: [&str; 4] = ["image/png", "image/jpeg", "image/webp", "image/tiff"];

    #[test]
    fn garbage_is_an_error_or_no_manifest_and_never_a_panic() {
        let heads: [&[u8]; 5] = [
            b"",
            b"\x89PNG\r\n\x1a\n",
            b"\xff\xd8\xff\xeb\xff\xff",
            b"RIFF\xff\xff\xff\xffWEBP",
            b"II*\0\xff\xff\xff\xff",
        ];
        for mime in MIMES {
            for head in heads {
                for tail in 0..64usize {
                    let mut bytes = head.to_vec();
                    bytes.extend((0..tail * 3).map(|i| (i * 89 % 256) as u8));
                    assert!(
                        !matches!(read(&bytes, mime, &[]), Ok(Some(_)) | Err(ReadError::Panic { .. })),
                        "{mime} {bytes:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_garbage_store_is_an_error() {
        for mime in MIMES {
            for store in [&b""[..], b"jumb", &[0; 100], &[0xff; 1000]] {
                assert!(read_detached(store, b"not a picture", mime, &[]).is_err(), "{mime}");
            }
        }
    }

    #[test]
    fn a_panic_is_caught_with_its_message() {
        assert_eq!(guarded(|| -> u8 { panic!("at byte {}", 7) }), Err("at byte 7".to_owned()));
    }

    #[test]
    fn a_type_that_carries_no_manifest_is_named() {
        let found = read(b"BM", "image/bmp", &[]);
        assert!(matches!(found, Err(ReadError::Format { mime }) if mime == "image/bmp"));
    }

    #[test]
    fn trust_anchors_that_are_not_pem_trust_nobody() {
        assert!(!matches!(read(b"", "image/png", &["rubbish".into()]), Ok(Some(_))));
    }
}
