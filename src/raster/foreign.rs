//! Formats that are known and not read, so that people hear what to do instead.

/// The name of what the bytes begin as, and what it can be saved as to be read.
pub(super) fn recognise(bytes: &[u8]) -> Option<(&'static str, &'static str)> {
    const PICTURE: &str = "PNG, TIFF or JPEG";
    const MICROGRAPH: &str = "MRC or TIFF, as DigitalMicrograph and Fiji do";
    let starts = |magic: &[u8]| bytes.starts_with(magic);
    let word = |at: usize| {
        let four = bytes.get(at..at + 4)?;
        Some(u32::from_be_bytes([four[0], four[1], four[2], four[3]]))
    };
    if bytes.get(4..8) == Some(b"ftyp") {
        return match bytes.get(8..12)? {
            b"avif" | b"avis" => Some(("AVIF", PICTURE)),
            b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx" | b"mif1" | b"msf1" => {
                Some(("HEIC", PICTURE))
            }
            _ => None,
        };
    }
    // Version, length of the file, and its byte order, 0 or 1.
    if word(0) == Some(3) && word(8).is_some_and(|order| order <= 1) {
        return Some(("DM3", MICROGRAPH));
    }
    if word(0) == Some(4) && word(12).is_some_and(|order| order <= 1) {
        return Some(("DM4", MICROGRAPH));
    }
    if bytes.get(128..132) == Some(b"DICM") {
        return Some(("DICOM", PICTURE));
    }
    let known: [(&[u8], &str, &str); 9] = [
        (b"\x49\x49\x97\x01", "SER", MICROGRAPH),
        (b"\x89HDF\r\n\x1a\n", "HDF5", MICROGRAPH),
        (b"SIMPLE  =", "FITS", PICTURE),
        (b"\xff\x0a", "JPEG XL", PICTURE),
        (b"\0\0\0\x0cJXL ", "JPEG XL", PICTURE),
        (b"\0\0\0\x0cjP  ", "JPEG 2000", PICTURE),
        (b"8BPS", "Photoshop", PICTURE),
        (b"v/1\x01", "OpenEXR", PICTURE),
        (b"%PDF", "PDF", PICTURE),
    ];
    known.iter().find(|(magic, ..)| starts(magic)).map(|(_, name, instead)| (*name, *instead))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(bytes: &[u8]) -> Option<&'static str> {
        recognise(bytes).map(|(name, _)| name)
    }

    #[test]
    fn what_is_known_is_named() {
        assert_eq!(name(b"\0\0\0\x18ftypheic\0\0\0\0"), Some("HEIC"));
        assert_eq!(name(b"\0\0\0\x1cftypavif\0\0\0\0"), Some("AVIF"));
        assert_eq!(name(b"\0\0\0\x1cftypmp42\0\0\0\0"), None);
        assert_eq!(name(b"\0\0\0\x03\0\x12\x34\x56\0\0\0\x01"), Some("DM3"));
        assert_eq!(name(b"\0\0\0\x04\0\0\0\0\0\x12\x34\x56\0\0\0\x01"), Some("DM4"));
        assert_eq!(name(b"\x89HDF\r\n\x1a\n"), Some("HDF5"));
        assert_eq!(name(&[&[0; 128][..], b"DICM"].concat()), Some("DICOM"));
    }

    #[test]
    fn what_is_not_known_or_cut_off_is_not_named() {
        for bytes in [&b""[..], b"ftyp", b"\0\0\0\x03", b"\0\0\0\x04\0\0\0\0\0\0\0", b"plain text", &[0; 131]]
        {
            assert_eq!(name(bytes), None, "{bytes:?}");
        }
    }
}
