//! Where text stands in PNG, JPEG, WebP and TIFF files.
//!
//! Files are hostile until shown otherwise: every length is checked against what is there, and at most
//! `LIMIT` bytes of one text and `TEXTS` texts are taken.

use std::io::Read;

use super::exif;
use super::tagged::Tagged;
use crate::raster::Format;

/// Longest text that is looked at.
const LIMIT: usize = 8 << 20;
/// All texts of one file together, those that were unpacked and thrown away among them.
const TOTAL: usize = 32 << 20;
/// Most texts of one file.
const TEXTS: usize = 256;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
pub(super) const PNG_XMP: &str = "XML:com.adobe.xmp";
pub(super) const JPEG_XMP: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";

/// A piece of text in a file. `key` is `xmp`, `jpeg:comment`, `exif:` and the tag's name, or `png:` and the chunk's keyword.
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
    let (mut left, mut found) = (TOTAL, Vec::new());
    if format(bytes) == Some(Format::Tiff) {
        // Its own first directory is what EXIF is in the other formats.
        found = exif::texts(bytes);
    }
    for part in parts.filter(|part| part.body.len() <= LIMIT) {
        if left == 0 || found.len() >= TEXTS {
            break;
        }
        found.extend(part.exif().unwrap_or_default());
        if let Some(text) = part.text(&mut left) {
            left = left.saturating_sub(text.value.len());
            found.push(text);
        }
    }
    found
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
    fn exif(&self) -> Option<Vec<Text>> {
        match (self.format, &self.kind) {
            (Format::Png, b"eXIf") | (Format::WebP, b"EXIF") => Some(exif::texts(self.body)),
            (Format::Jpeg, [0xe1, ..]) if self.body.starts_with(b"Exif\0\0") => Some(exif::texts(self.body)),
            _ => None,
        }
    }

    /// What is unpacked on the way is taken from what is `left`.
    fn text(&self, left: &mut usize) -> Option<Text> {
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
                match compressed {
                    0 => text(&png_key(key), value),
                    _ => text(&png_key(key), &unpacked(value, left)?),
                }
            }
            (Format::Png, b"zTXt") => {
                let (key, rest) = split(self.body)?;
                let (_method, value) = rest.split_first()?;
                text(&png_key(key), &unpacked(value, left)?)
            }
            (Format::Jpeg, [0xe1, ..]) => text("xmp", self.body.strip_prefix(JPEG_XMP)?),
            (Format::Jpeg, [0xfe, ..]) => text("jpeg:comment", self.body),
            (Format::WebP | Format::Tiff, b"XMP ") => text("xmp", self.body),
            _ => None,
        }
    }
}

/// What `packed` holds; `None` for what is damaged or larger than any text may be: a bomb of a few bytes makes gigabytes.
fn unpacked(packed: &[u8], left: &mut usize) -> Option<Vec<u8>> {
    let most = LIMIT.min(*left);
    let mut bytes = Vec::new();
    let read = flate2::read::ZlibDecoder::new(packed).take(most as u64 + 1).read_to_end(&mut bytes);
    let fits = read.is_ok() && bytes.len() <= most;
    if !fits {
        // Its cost counts, though its words do not.
        *left = left.saturating_sub(bytes.len());
    }
    fits.then_some(bytes)
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

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use flate2::Compression;
    use flate2::write::ZlibEncoder;

    fn packed(text: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text).expect("in memory");
        encoder.finish().expect("in memory")
    }

    fn png(chunks: &[(&[u8; 4], Vec<u8>)]) -> Vec<u8> {
        let mut file = PNG.to_vec();
        for (kind, body) in chunks {
            file.extend((body.len() as u32).to_be_bytes());
            file.extend(*kind);
            file.extend(body);
            file.extend([0; 4]);
        }
        file
    }

    fn keys(file: &[u8]) -> Vec<String> {
        texts(file).into_iter().map(|text| text.key).collect()
    }

    #[test]
    fn compressed_text_is_read_and_a_bomb_is_not() {
        let ztxt = |text: &[u8]| [&b"parameters\0\0"[..], &packed(text)].concat();
        let itxt = |text: &[u8]| [&b"prompt\0\x01\0\0\0"[..], &packed(text)].concat();
        let file = png(&[(b"zTXt", ztxt(b"Steps: 20")), (b"iTXt", itxt("é".as_bytes()))]);
        let found = texts(&file);
        assert_eq!((found[0].value.as_str(), found[1].value.as_str()), ("Steps: 20", "é"));
        let bomb = vec![b'x'; LIMIT + 1];
        assert!(ztxt(&bomb).len() < 20_000, "a few bytes");
        assert_eq!(keys(&png(&[(b"zTXt", ztxt(&bomb)), (b"zTXt", ztxt(b"x"))])), ["png:parameters"]);
        assert_eq!(keys(&png(&[(b"zTXt", b"parameters\0\0rubbish".to_vec())])), [""; 0]);
    }

    #[test]
    fn many_bombs_cost_no_more_than_a_few() {
        let bomb = [&b"a\0\0"[..], &packed(&vec![b'x'; LIMIT + 1])].concat();
        let mut chunks = vec![(b"zTXt", bomb); 1000];
        chunks.push((b"tEXt", b"Software\0NovelAI".to_vec()));
        assert_eq!(keys(&png(&chunks)), [""; 0], "what comes behind them is not looked at either");
    }

    #[test]
    fn a_text_of_fifty_megabytes_is_left_out_and_what_follows_is_read() {
        let huge = [&b"workflow\0"[..], &vec![b'['; 50 << 20]].concat();
        let file = png(&[(b"tEXt", huge), (b"tEXt", b"Software\0NovelAI".to_vec())]);
        assert_eq!(keys(&file), ["png:Software"]);
    }

    #[test]
    fn exif_is_found_in_every_format() {
        let body = super::super::exif::tests::exif(b"ASCII\0\0\0Steps: 20", true);
        assert_eq!(keys(&png(&[(b"eXIf", body.clone())])), ["exif:UserComment"]);
        let segment = [&b"Exif\0\0"[..], &body].concat();
        let length = (segment.len() as u16 + 2).to_be_bytes();
        let jpeg = [&[0xff, 0xd8, 0xff, 0xe1][..], &length, &segment].concat();
        assert_eq!(keys(&jpeg), ["exif:UserComment"]);
        let size = (body.len() as u32).to_le_bytes();
        let webp = [&b"RIFF\0\0\0\0WEBPEXIF"[..], &size, &body].concat();
        assert_eq!(keys(&webp), ["exif:UserComment"]);
        let marked = Tagged::open(&body).and_then(|tiff| tiff.with_xmp(b"a packet")).expect("it is whole");
        assert_eq!(keys(&marked), ["exif:UserComment", "xmp"]);
    }
}
