//! Where text stands in PNG, JPEG, WebP and TIFF files.
//!
//! Files are hostile until shown otherwise: every length is checked against what is there, and at most
//! `LIMIT` bytes of one text and `TEXTS` texts are taken.

use super::tagged::Tagged;
use crate::raster::Format;

/// Longest text that is looked at.
const LIMIT: usize = 8 << 20;
/// Most texts of one file.
const TEXTS: usize = 256;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
pub(super) const PNG_XMP: &str = "XML:com.adobe.xmp";
pub(super) const JPEG_XMP: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";

/// A piece of text in a file. `key` is `xmp`, `jpeg:comment` or `png:` and the chunk's keyword.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Text {
    pub key: String,
    pub value: String,
}

/// All texts in the file, in its order; none for other formats and for what is damaged.
pub(super) fn texts(bytes: &[u8]) -> Vec<Text> {
    let parts: Box<dyn Iterator<Item = Part<'_>>> = match format(bytes) {
        Some(Format::Png) => Box::new(png_chunks(bytes)),
        Some(Format::Jpeg) => Box::new(jpeg_segments(bytes)),
        Some(Format::WebP) => Box::new(webp_chunks(bytes)),
        Some(Format::Tiff) => Box::new(tiff_packet(bytes)),
        None => return Vec::new(),
    };
    parts.filter(|part| part.body.len() <= LIMIT).filter_map(|part| part.text()).take(TEXTS).collect()
}

/// The format that the file begins as; none for one that carries no text we read.
pub(super) fn format(bytes: &[u8]) -> Option<Format> {
    if bytes.starts_with(PNG) {
        return Some(Format::Png);
    }
    if bytes.starts_with(&[0xff, 0xd8]) {
        return Some(Format::Jpeg);
    }
    if Tagged::open(bytes).is_some() {
        return Some(Format::Tiff);
    }
    (bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP")).then_some(Format::WebP)
}

/// A chunk or segment.
pub(super) struct Part<'a> {
    format: Format,
    /// PNG and WebP: the chunk's name, which TIFF's packet borrows. JPEG: the marker in the first byte.
    pub kind: [u8; 4],
    pub body: &'a [u8],
}

impl Part<'_> {
    fn text(&self) -> Option<Text> {
        let text = |key: &str, value: &[u8]| {
            Some(Text { key: key.to_owned(), value: String::from_utf8_lossy(value).into_owned() })
        };
        match (self.format, &self.kind) {
            (Format::Png, b"tEXt") => {
                let (key, value) = split(self.body)?;
                // Latin-1 by the standard; most tools write UTF-8.
                let value = match std::str::from_utf8(value) {
                    Ok(utf8) => utf8.to_owned(),
                    Err(_) => value.iter().map(|byte| char::from(*byte)).collect(),
                };
                Some(Text { key: png_key(key), value })
            }
            (Format::Png, b"iTXt") => {
                let (key, rest) = split(self.body)?;
                let (&[compressed, _method], rest) = rest.split_first_chunk::<2>()?;
                let (_language, rest) = split(rest)?;
                let (_translated, value) = split(rest)?;
                // Compressed text is rare here and could be a bomb: left out.
                if compressed == 0 { text(&png_key(key), value) } else { None }
            }
            (Format::Jpeg, [0xe1, ..]) => text("xmp", self.body.strip_prefix(JPEG_XMP)?),
            (Format::Jpeg, [0xfe, ..]) => text("jpeg:comment", self.body),
            (Format::WebP | Format::Tiff, b"XMP ") => text("xmp", self.body),
            _ => None,
        }
    }
}

fn png_key(keyword: &[u8]) -> String {
    let keyword: String = keyword.iter().take(79).map(|byte| char::from(*byte)).collect();
    if keyword == PNG_XMP { "xmp".into() } else { format!("png:{keyword}") }
}

/// What stands before and after the first zero byte.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = bytes.iter().position(|byte| *byte == 0)?;
    Some((&bytes[..at], &bytes[at + 1..]))
}

fn png_chunks(bytes: &[u8]) -> impl Iterator<Item = Part<'_>> {
    let mut rest = bytes.get(PNG.len()..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let (kind, after) = after.split_first_chunk::<4>()?;
        let length = u32::from_be_bytes(*length) as usize;
        let body = after.get(..length)?;
        rest = after.get(length.checked_add(4)?..)?;
        Some(Part { format: Format::Png, kind: *kind, body })
    })
}

/// The segments before the first scan: no text follows it.
fn jpeg_segments(bytes: &[u8]) -> impl Iterator<Item = Part<'_>> {
    let mut rest = bytes.get(2..).unwrap_or_default();
    std::iter::from_fn(move || {
        // Any number of fill bytes may precede a marker.
        while rest.first() == Some(&0xff) && rest.get(1) == Some(&0xff) {
            rest = &rest[1..];
        }
        let (&[prefix, marker, high, low], _) = rest.split_first_chunk::<4>()?;
        if prefix != 0xff || matches!(marker, 0x00 | 0x01 | 0xd0..=0xda) {
            return None;
        }
        let length = usize::from(u16::from_be_bytes([high, low]));
        let body = rest.get(4..length.checked_add(2)?)?;
        rest = &rest[length + 2..];
        Some(Part { format: Format::Jpeg, kind: [marker, 0, 0, 0], body })
    })
}

fn tiff_packet(bytes: &[u8]) -> impl Iterator<Item = Part<'_>> {
    let packet = Tagged::open(bytes).and_then(|tiff| tiff.xmp());
    packet.into_iter().map(|body| Part { format: Format::Tiff, kind: *b"XMP ", body })
}

pub(super) fn webp_chunks(bytes: &[u8]) -> impl Iterator<Item = Part<'_>> {
    let mut rest = bytes.get(12..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (kind, after) = rest.split_first_chunk::<4>()?;
        let (length, after) = after.split_first_chunk::<4>()?;
        let length = u32::from_le_bytes(*length) as usize;
        let body = after.get(..length)?;
        // Chunks begin at even places.
        rest = after.get(length.checked_add(length % 2)?..).unwrap_or_default();
        Some(Part { format: Format::WebP, kind: *kind, body })
    })
}
