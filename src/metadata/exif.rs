//! EXIF's texts: the few tags that generators write into. A file may say anything here, so that two directories of so
//! many entries are looked at.

use super::container::Text;
use super::tagged::{Order, Tagged};

/// No directory needs as many.
const ENTRIES: usize = 512;
/// Longest value that is looked at: each could be another view of the same bytes.
const LONGEST: usize = 64 << 10;
const EXIF_DIRECTORY: u16 = 0x8769;
const NAMES: [(u16, &str); 5] = [
    (0x010E, "ImageDescription"),
    (0x010F, "Make"),
    (0x0110, "Model"),
    (0x0131, "Software"),
    (USER_COMMENT, "UserComment"),
];
const USER_COMMENT: u16 = 0x9286;

/// What stands in `body`, a TIFF file, or one in small with or without the name that JPEG puts before it.
pub(super) fn texts(body: &[u8]) -> Vec<Text> {
    let mut texts = Vec::new();
    if let Some(tiff) = Tagged::open(body.strip_prefix(b"Exif\0\0").unwrap_or(body))
        && let Some(at) = tiff.first()
        && let Some(at) = directory(&tiff, at, &mut texts)
    {
        // Its own pointer to a further directory is not followed.
        directory(&tiff, at, &mut texts);
    }
    texts
}

/// The texts of the directory at `at`, and where the EXIF directory is if it says so.
fn directory(tiff: &Tagged<'_>, at: usize, texts: &mut Vec<Text>) -> Option<usize> {
    let (mut deeper, mut seen) = (None, Vec::new());
    for entry in tiff.entries(at).take(ENTRIES) {
        let Some(tag) = entry.tag() else { continue };
        if tag == EXIF_DIRECTORY {
            deeper = entry.leads_to();
        }
        let Some((_, name)) = NAMES.iter().find(|(known, _)| *known == tag) else { continue };
        if seen.contains(&tag) {
            continue;
        }
        seen.push(tag);
        let value = entry.value().map(|value| &value[..value.len().min(LONGEST)]);
        let text =
            value.map(|value| if tag == USER_COMMENT { comment(value, tiff.order) } else { plain(value) });
        if let Some(value) = text.filter(|text| !text.is_empty()) {
            texts.push(Text { key: format!("exif:{name}"), value });
        }
    }
    deeper
}

/// Eight bytes say in which code the rest is.
fn comment(value: &[u8], order: Order) -> String {
    match value.split_first_chunk::<8>() {
        Some((b"UNICODE\0", text)) => utf16(text, order),
        Some((b"ASCII\0\0\0" | b"\0\0\0\0\0\0\0\0", text)) => plain(text),
        // Some leave it out.
        _ => plain(value),
    }
}

/// Whoever writes it chooses the order of bytes, whatever the file's is: text is mostly in the lower halves.
fn utf16(text: &[u8], order: Order) -> String {
    let (order, text) = match text.split_first_chunk::<2>() {
        Some(([0xFE, 0xFF], rest)) => (Order::Big, rest),
        Some(([0xFF, 0xFE], rest)) => (Order::Little, rest),
        _ => {
            let zeros = |at: usize| text.chunks_exact(2).filter(|pair| pair[at] == 0).count();
            let (first, second) = (zeros(0), zeros(1));
            let told = if first == second {
                order
            } else if first > second {
                Order::Big
            } else {
                Order::Little
            };
            (told, text)
        }
    };
    let units = text.chunks_exact(2).filter_map(|pair| order.short(pair, 0));
    let text: String = char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
    text.trim_end_matches('\0').to_owned()
}

fn plain(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end_matches('\0').to_owned()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A block of EXIF with one comment, in the given order of the file.
    pub fn exif(comment: &[u8], big: bool) -> Vec<u8> {
        let (two, four) = match big {
            true => (u16::to_be_bytes as fn(u16) -> [u8; 2], u32::to_be_bytes as fn(u32) -> [u8; 4]),
            false => (u16::to_le_bytes as fn(u16) -> [u8; 2], u32::to_le_bytes as fn(u32) -> [u8; 4]),
        };
        let entry = |tag: u16, kind: u16, count: u32, value: u32| {
            [&two(tag)[..], &two(kind), &four(count), &four(value)].concat()
        };
        let head = if big { [&b"MM"[..], &two(42)].concat() } else { [&b"II"[..], &two(42)].concat() };
        [
            &head[..],
            &four(8),
            &two(1),
            &entry(EXIF_DIRECTORY, 4, 1, 26),
            &four(0),
            &two(1),
            &entry(USER_COMMENT, 7, comment.len() as u32, 44),
            &four(0),
            comment,
        ]
        .concat()
    }

    #[test]
    fn a_comment_is_read_in_every_code_and_order() {
        let said = "virions é\nSteps: 20, Seed: 1";
        let units: Vec<u16> = said.encode_utf16().collect();
        let big: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
        let little: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        let codes: [(&[u8], &[u8]); 6] = [
            (b"UNICODE\0", &big),
            (b"UNICODE\0", &little),
            (b"UNICODE\0\xFE\xFF", &big),
            (b"UNICODE\0\xFF\xFE", &little),
            (b"ASCII\0\0\0", said.as_bytes()),
            (b"", said.as_bytes()),
        ];
        for (code, text) in codes {
            for order in [true, false] {
                let body = exif(&[code, text].concat(), order);
                let expected = Text { key: "exif:UserComment".into(), value: said.into() };
                assert_eq!(texts(&body), [expected], "{code:?} {order}");
                assert_eq!(texts(&[b"Exif\0\0", &body[..]].concat()).len(), 1);
            }
        }
    }

    #[test]
    fn a_directory_that_is_its_own_or_lies_beyond_the_end_says_nothing() {
        let mut own = exif(b"ASCII\0\0\0x", false);
        own[18..22].copy_from_slice(&8u32.to_le_bytes());
        assert_eq!(texts(&own), []);
        for at in [0u32, 7, 44, 1 << 20, u32::MAX] {
            let mut body = exif(b"ASCII\0\0\0x", false);
            body[4..8].copy_from_slice(&at.to_le_bytes());
            assert_eq!(texts(&body), [], "{at}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_read(big: bool, at in 0usize..60, noise in proptest::collection::vec(any::<u8>(), 0..12)) {
            let mut body = exif(b"UNICODE\0\0a\0b\0c", big);
            let end = (at + noise.len()).min(body.len());
            if at < end {
                body[at..end].copy_from_slice(&noise[..end - at]);
            }
            texts(&body);
        }
    }
}
