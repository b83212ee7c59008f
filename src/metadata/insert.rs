//! Where an XMP packet goes in PNG, JPEG, WebP and TIFF files.

use img_parts::png::PngChunk;

use super::LabelError;
use super::container::{JPEG_XMP, PNG_XMP, format, texts, webp_chunks};
use super::tagged::Tagged;
use crate::raster::Format;

/// PNG's signature, IHDR and its CRC: a chunk may follow here.
const AFTER_IHDR: usize = 33;

/// `bytes` with `packet` as its XMP.
pub(super) fn insert(bytes: &[u8], expected: Format, packet: &str) -> Result<Vec<u8>, LabelError> {
    let name = expected.name();
    let damaged = |fault| LabelError::Damaged { format: name, fault };
    if format(bytes) != Some(expected) {
        return Err(damaged("it does not begin as one"));
    }
    if texts(bytes).iter().any(|text| text.key == "xmp") {
        return Err(LabelError::Labelled { format: name });
    }
    match expected {
        Format::Png => png_insert(bytes, packet),
        Format::Jpeg => jpeg_insert(bytes, packet),
        Format::WebP => webp_insert(bytes, packet),
        Format::Tiff => Tagged::open(bytes).and_then(|tiff| tiff.with_xmp(packet.as_bytes())),
    }
    .ok_or_else(|| damaged("its header is not whole"))
}

fn png_insert(bytes: &[u8], packet: &str) -> Option<Vec<u8>> {
    if bytes.get(12..16)? != b"IHDR" {
        return None;
    }
    let (head, tail) = bytes.split_at_checked(AFTER_IHDR)?;
    // Keyword, not compressed, no language, no translated keyword.
    let body = [PNG_XMP.as_bytes(), &[0, 0, 0, 0, 0], packet.as_bytes()].concat();
    let chunk = PngChunk::new(*b"iTXt", body.into()).encoder().bytes();
    Some([head, &chunk, tail].concat())
}

/// Behind the application segments that readers expect first (JFIF, EXIF).
fn jpeg_insert(bytes: &[u8], packet: &str) -> Option<Vec<u8>> {
    let mut at = 2;
    while let Some(&[0xff, 0xe0 | 0xe1, high, low]) = bytes.get(at..at + 4) {
        at += 2 + usize::from(u16::from_be_bytes([high, low]));
    }
    let (head, tail) = bytes.split_at_checked(at)?;
    let length = JPEG_XMP.len() + packet.len();
    // The length field counts itself and has 16 bits.
    let field = u16::try_from(length + 2).ok()?.to_be_bytes();
    Some([head, &[0xff, 0xe1], &field, JPEG_XMP, packet.as_bytes(), tail].concat())
}

/// XMP needs the extended form: a VP8X chunk first, with the XMP flag, and the XMP chunk last.
fn webp_insert(bytes: &[u8], packet: &str) -> Option<Vec<u8>> {
    const XMP_FLAG: u8 = 0x04;
    let first = webp_chunks(bytes).next()?;
    let mut body = match &first.kind {
        b"VP8X" => {
            let mut body = bytes.get(12..)?.to_vec();
            *body.get_mut(8)? |= XMP_FLAG;
            body
        }
        kind => {
            let (width, height, alpha) = webp_header(kind, first.body)?;
            let (w, h) = (width.checked_sub(1)?.to_le_bytes(), height.checked_sub(1)?.to_le_bytes());
            let flags = XMP_FLAG | if alpha { 0x10 } else { 0 };
            let header = [flags, 0, 0, 0, w[0], w[1], w[2], h[0], h[1], h[2]];
            [&b"VP8X\x0a\0\0\0"[..], &header, bytes.get(12..)?].concat()
        }
    };
    if body.len() % 2 == 1 {
        body.push(0);
    }
    body.extend_from_slice(b"XMP ");
    body.extend_from_slice(&u32::try_from(packet.len()).ok()?.to_le_bytes());
    body.extend_from_slice(packet.as_bytes());
    if packet.len() % 2 == 1 {
        body.push(0);
    }
    let length = u32::try_from(body.len() + 4).ok()?.to_le_bytes();
    Some([&b"RIFF"[..], &length, b"WEBP", &body].concat())
}

/// Width, height and whether there is alpha, of a simple WebP file (RFC 9649, sections 2.5 and 2.6).
fn webp_header(kind: &[u8; 4], body: &[u8]) -> Option<(u32, u32, bool)> {
    match kind {
        b"VP8L" => {
            let (&[signature, a, b, c, d], _) = body.split_first_chunk::<5>()?;
            let bits = u32::from_le_bytes([a, b, c, d]);
            let side = |shift: u32| ((bits >> shift) & 0x3fff) + 1;
            (signature == 0x2f).then(|| (side(0), side(14), bits >> 28 & 1 == 1))
        }
        b"VP8 " => {
            let side = |at: usize| {
                let two = body.get(at..at + 2)?;
                Some(u32::from(u16::from_le_bytes([two[0], two[1]]) & 0x3fff))
            };
            (body.get(3..6)? == [0x9d, 0x01, 0x2a]).then_some(())?;
            Some((side(6)?, side(8)?, false))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::{self, Label};
    use crate::raster::{self, Channels, Limits, Raster, Samples, decode};
    use proptest::prelude::*;

    const CARRIERS: [Format; 4] = Format::ALL;

    fn label() -> Label {
        let source = crate::digest::Digest::of("reference");
        Label { source: Some(source), ..Label::new("vidimus 0.1.0", "patch", "1") }
    }

    fn picture(width: u32, alpha: bool) -> Raster {
        let n = (width * 9) as usize;
        let samples = Samples::Eight((0..n * 3).map(|i| (i * 37 % 251) as u8).collect());
        let alpha = alpha.then(|| Samples::Eight((0..n).map(|i| (i * 11 % 256) as u8).collect()));
        Raster::new(width, 9, Channels::Rgb, samples, alpha)
    }

    fn encode(picture: &Raster, format: Format) -> Vec<u8> {
        raster::encode(picture, format, 90).expect("it encodes")
    }

    /// A PNG with one chunk of text behind IHDR.
    fn png_with(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
        let png = encode(&picture(16, false), Format::Png);
        let chunk = PngChunk::new(*kind, body.to_vec().into()).encoder().bytes();
        [&png[..AFTER_IHDR], &chunk, &png[AFTER_IHDR..]].concat()
    }

    #[test]
    fn a_label_is_read_back_and_leaves_the_pixels() {
        for format in CARRIERS {
            for (width, alpha) in [(16, false), (17, true), (33, false)] {
                let plain = encode(&picture(width, alpha), format);
                let labelled = metadata::write(&plain, format, &label()).expect("it is labelled");
                let claims = metadata::read(&labelled);
                assert_eq!(claims.len(), 1, "{format:?} {claims:?}");
                assert!(claims[0].ai && claims[0].tool.as_deref() == Some("patch 1"), "{claims:?}");
                let pixels = |bytes: &[u8]| decode(bytes, &Limits::default()).expect("it decodes").raster;
                assert_eq!(pixels(&plain), pixels(&labelled), "{format:?} {width} {alpha}");
            }
        }
    }

    #[test]
    fn a_file_carries_the_label_that_was_written_and_no_other() {
        for format in CARRIERS {
            let plain = encode(&picture(16, false), format);
            let labelled = metadata::write(&plain, format, &label()).expect("it is labelled");
            assert!(metadata::carries(&labelled, &label()) && !metadata::carries(&plain, &label()));
            let other = Label { in_part: true, ..label() };
            assert!(!metadata::carries(&labelled, &other), "{format:?}");
        }
    }

    #[test]
    fn a_prompt_that_no_jpeg_segment_takes_is_said_to_be_too_long() {
        let prompt = |bytes: usize| {
            let text = "p".repeat(bytes);
            Label { prompt: Some(metadata::Prompt { text, writer: None }), ..label() }
        };
        let base = metadata::packet::packet(&prompt(1)).len() - 1;
        let (jpeg, png) =
            (encode(&picture(16, false), Format::Jpeg), encode(&picture(16, false), Format::Png));
        let longest = prompt(metadata::JPEG_PACKET - base);
        let written = metadata::write(&jpeg, Format::Jpeg, &longest).expect("it just fits");
        assert!(metadata::carries(&written, &longest));
        let longer = prompt(metadata::JPEG_PACKET - base + 1);
        let refused = metadata::write(&jpeg, Format::Jpeg, &longer);
        assert!(matches!(refused, Err(LabelError::TooLong { .. })), "{refused:?}");
        assert!(metadata::write(&png, Format::Png, &longer).is_ok());
    }

    #[test]
    fn a_label_is_never_written_twice() {
        for format in CARRIERS {
            let once = metadata::write(&encode(&picture(16, false), format), format, &label());
            let once = once.expect("it is labelled");
            let twice = metadata::write(&once, format, &label());
            assert_eq!(twice, Err(LabelError::Labelled { format: format.name() }));
        }
    }

    #[test]
    fn what_cannot_be_labelled_is_named() {
        let other = |format| if format == Format::Tiff { Format::Png } else { Format::Tiff };
        for format in CARRIERS {
            let other = encode(&picture(16, false), other(format));
            for bytes in [&b""[..], &other, &encode(&picture(16, false), format)[..12]] {
                let refused = metadata::write(bytes, format, &label());
                if !(format == Format::Jpeg && bytes.len() == 12) {
                    assert!(matches!(refused, Err(LabelError::Damaged { .. })), "{format:?} {refused:?}");
                }
            }
        }
    }

    #[test]
    fn text_chunks_of_both_kinds_are_read() {
        let infotext = b"Steps: 20, Sampler: Euler a";
        let plain = png_with(b"tEXt", &[&b"parameters\0"[..], infotext].concat());
        let international = png_with(b"iTXt", &[&b"parameters\0\0\0\0\0"[..], infotext].concat());
        for png in [plain, international] {
            let claims = metadata::read(&png);
            assert_eq!(claims.len(), 1, "{claims:?}");
            assert_eq!(claims[0].source, "png:parameters");
        }
        let compressed = png_with(b"iTXt", &[&b"parameters\0\x01\0\0\0"[..], infotext].concat());
        assert_eq!(metadata::read(&compressed), []);
    }

    #[test]
    fn a_file_without_marks_claims_nothing() {
        for format in Format::ALL {
            assert_eq!(metadata::read(&encode(&picture(16, false), format)), []);
        }
        assert_eq!(metadata::read(b""), []);
    }

    #[test]
    fn lengths_that_reach_beyond_the_file_are_harmless() {
        const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
        for (head, tail) in [
            (PNG, &b"\xff\xff\xff\xfftEXt"[..]),
            (PNG, b"\0\0\0\x05tEXta"),
            (b"\xff\xd8", b"\xff\xe1\xff\xff"),
            (b"\xff\xd8", b"\xff\xe1\0\0\xff\xe1\0\x01"),
            (b"RIFF\xff\xff\xff\xffWEBP", b"XMP \xff\xff\xff\xff"),
        ] {
            assert_eq!(metadata::read(&[head, tail].concat()), []);
        }
    }

    proptest! {
        #[test]
        fn hostile_bytes_are_read_without_a_panic(start in 0usize..6, rest: Vec<u8>) {
            let head: [&[u8]; 6] = [b"II*\0\x08\0\0\0", b"MM\0*", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe1", b"RIFF\0\0\0\0WEBP", b""];
            let bytes = [head[start], &rest].concat();
            metadata::read(&bytes);
            for format in CARRIERS {
                let _ = metadata::write(&bytes, format, &label()).is_ok();
            }
        }

        #[test]
        fn a_damaged_label_is_read_without_a_panic(at in 0usize..2000, byte: u8, which in 0usize..3) {
            let format = CARRIERS[which];
            let plain = encode(&picture(16, false), format);
            let mut bytes = metadata::write(&plain, format, &label()).expect("it is labelled");
            let at = at % bytes.len();
            bytes[at] = byte;
            metadata::read(&bytes);
        }
    }
}
