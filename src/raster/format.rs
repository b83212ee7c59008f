//! What pictures are written as.

use std::str::FromStr;

/// A format that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Png,
    Jpeg,
    WebP,
    Tiff,
}

impl Format {
    pub const ALL: [Format; 4] = [Format::Png, Format::Jpeg, Format::WebP, Format::Tiff];

    /// Lower-case name, as on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Format::Png => "png",
            Format::Jpeg => "jpeg",
            Format::WebP => "webp",
            Format::Tiff => "tiff",
        }
    }

    /// Usual file name extension.
    pub fn extension(self) -> &'static str {
        match self {
            Format::Jpeg => "jpg",
            other => other.name(),
        }
    }

    pub fn mime(self) -> &'static str {
        match self {
            Format::Png => "image/png",
            Format::Jpeg => "image/jpeg",
            Format::WebP => "image/webp",
            Format::Tiff => "image/tiff",
        }
    }

    /// Whether decoding gives back the same pixels, unless it is asked for a quality.
    pub fn is_lossless(self) -> bool {
        self != Format::Jpeg
    }
}

/// The text names no format that is written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown picture format {found:?}: expected png, jpeg, webp or tiff")]
pub struct ParseFormatError {
    pub found: String,
}

impl FromStr for Format {
    type Err = ParseFormatError;

    /// Reads a name or a file name extension, in any case.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.to_ascii_lowercase().as_str() {
            "png" => Ok(Format::Png),
            "jpeg" | "jpg" => Ok(Format::Jpeg),
            "webp" => Ok(Format::WebP),
            "tiff" | "tif" => Ok(Format::Tiff),
            _ => Err(ParseFormatError { found: text.to_owned() }),
        }
    }
}

/// How much finer brightness is kept than colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subsampling {
    /// Colour as fine as brightness.
    S444,
    /// Half as fine across.
    S422,
    /// Half as fine across and down.
    S420,
}

/// The text names no chroma subsampling.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown chroma subsampling {found:?}: expected 444, 422 or 420")]
pub struct ParseSubsamplingError {
    pub found: String,
}

impl FromStr for Subsampling {
    type Err = ParseSubsamplingError;

    /// Reads `420` and `4:2:0` alike.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.replace(':', "").as_str() {
            "444" => Ok(Subsampling::S444),
            "422" => Ok(Subsampling::S422),
            "420" => Ok(Subsampling::S420),
            _ => Err(ParseSubsamplingError { found: text.to_owned() }),
        }
    }
}

/// A format and what it leaves to choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Png,
    /// `quality` is 1..=100.
    Jpeg {
        quality: u8,
        subsampling: Subsampling,
    },
    /// Lossless without a quality (1..=100); with one its colour is always 4:2:0.
    WebP {
        quality: Option<u8>,
    },
    Tiff,
}

/// Quality of JPEG where none was asked for.
const JPEG_QUALITY: u8 = 95;

/// A choice that the format does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChoiceError {
    #[error("{format} has no quality to choose: expected jpeg or webp")]
    Quality { format: &'static str },
    #[error("{format} has no chroma subsampling to choose: expected jpeg")]
    Subsampling { format: &'static str },
    #[error("jpeg always loses something: expected png, tiff or webp")]
    Lossy,
    #[error("what is lossless has no quality")]
    LosslessQuality,
}

impl Encoding {
    /// `format` with what was chosen, and the usual for the rest: JPEG of quality 95 and 4:4:4, lossless WebP.
    pub fn choose(
        format: Format,
        quality: Option<u8>,
        subsampling: Option<Subsampling>,
        lossless: bool,
    ) -> Result<Self, ChoiceError> {
        let name = format.name();
        if lossless && format == Format::Jpeg {
            return Err(ChoiceError::Lossy);
        }
        if lossless && quality.is_some() {
            return Err(ChoiceError::LosslessQuality);
        }
        if subsampling.is_some() && format != Format::Jpeg {
            return Err(ChoiceError::Subsampling { format: name });
        }
        match format {
            Format::Png | Format::Tiff if quality.is_some() => Err(ChoiceError::Quality { format: name }),
            Format::Png => Ok(Encoding::Png),
            Format::Tiff => Ok(Encoding::Tiff),
            Format::WebP => Ok(Encoding::WebP { quality }),
            Format::Jpeg => Ok(Encoding::Jpeg {
                quality: quality.unwrap_or(JPEG_QUALITY),
                subsampling: subsampling.unwrap_or(Subsampling::S444),
            }),
        }
    }

    pub fn format(self) -> Format {
        match self {
            Encoding::Png => Format::Png,
            Encoding::Jpeg { .. } => Format::Jpeg,
            Encoding::WebP { .. } => Format::WebP,
            Encoding::Tiff => Format::Tiff,
        }
    }
}

impl From<Format> for Encoding {
    /// With the usual choices.
    fn from(format: Format) -> Self {
        match format {
            Format::Png => Encoding::Png,
            Format::Jpeg => Encoding::Jpeg { quality: JPEG_QUALITY, subsampling: Subsampling::S444 },
            Format::WebP => Encoding::WebP { quality: None },
            Format::Tiff => Encoding::Tiff,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_has_the_choices_that_it_has_and_no_others() {
        use Format::{Jpeg, Png, Tiff, WebP};
        let lossy = Encoding::Jpeg { quality: 80, subsampling: Subsampling::S420 };
        assert_eq!(Encoding::choose(Jpeg, Some(80), Some(Subsampling::S420), false), Ok(lossy));
        assert_eq!(Encoding::choose(WebP, Some(80), None, false), Ok(Encoding::WebP { quality: Some(80) }));
        for format in Format::ALL {
            assert_eq!(Encoding::choose(format, None, None, false), Ok(Encoding::from(format)));
            assert_eq!(Encoding::from(format).format(), format);
            if format != Jpeg {
                assert_eq!(Encoding::choose(format, None, None, true), Ok(Encoding::from(format)));
                let refused = Encoding::choose(format, None, Some(Subsampling::S444), false);
                assert_eq!(refused, Err(ChoiceError::Subsampling { format: format.name() }));
            }
        }
        for format in [Png, Tiff] {
            let refused = Encoding::choose(format, Some(90), None, false);
            assert_eq!(refused, Err(ChoiceError::Quality { format: format.name() }));
        }
        assert_eq!(Encoding::choose(Jpeg, None, None, true), Err(ChoiceError::Lossy));
        assert_eq!(Encoding::choose(WebP, Some(80), None, true), Err(ChoiceError::LosslessQuality));
    }

    #[test]
    fn subsampling_is_read_with_and_without_colons() {
        assert_eq!("4:2:0".parse(), Ok(Subsampling::S420));
        assert_eq!("422".parse(), Ok(Subsampling::S422));
        assert!("4:1:1".parse::<Subsampling>().is_err());
    }
}
