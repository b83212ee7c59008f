//! Unsigned marks: an XMP packet that says "AI-generated", and what other tools leave behind.
//!
//! Anyone can write or remove these: they inform, they never prove. Written before signing, for a change
//! after it breaks the manifest.

mod container;
mod insert;
mod tools;
mod xmp;

use serde::Serialize;

use crate::digest::Digest;
use crate::raster::Format;

/// What our XMP packet says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// `xmp:CreatorTool`, such as `vidimus 0.1.0`.
    pub tool: String,
    /// `Iptc4xmpExt:AISystemUsed`, such as `stable-diffusion 1.5`.
    pub engine: String,
    /// Digest of the reference file, for `dcterms:source`; `None` for a picture that was made of none.
    pub source: Option<Digest>,
    /// Whether only part of the picture was generated, for `Iptc4xmpExt:DigitalSourceType`.
    pub in_part: bool,
}

/// One unsigned statement found in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Claim {
    /// Where it stands, such as `xmp` or `png:parameters`.
    pub source: String,
    /// The program that seems to have written it.
    pub tool: Option<String>,
    /// What it says, shortened.
    pub statement: String,
    /// Whether it says that a generative model was at work.
    pub ai: bool,
}

/// Why no label was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    #[error("cannot write XMP into {format}: expected png, jpeg or webp")]
    Unsupported { format: &'static str },
    #[error("the {format} file has an XMP packet already")]
    Labelled { format: &'static str },
    #[error("damaged {format} file: {fault}")]
    Damaged { format: &'static str, fault: &'static str },
}

/// `bytes`, a file of `format`, with the label as its XMP packet; the pixels stay as they are.
///
/// # Errors
/// `Labelled` if there is a packet already: two would contradict each other.
pub fn write(bytes: &[u8], format: Format, label: &Label) -> Result<Vec<u8>, LabelError> {
    insert::insert(bytes, format, &xmp::packet(label))
}

/// What the file's unsigned metadata claims, in the order of the file. Never fails: what cannot be read
/// claims nothing.
pub fn read(bytes: &[u8]) -> Vec<Claim> {
    container::texts(bytes)
        .iter()
        .flat_map(|text| match text.key.as_str() {
            "xmp" => xmp::claims(&text.value),
            _ => tools::claim(&text.key, &text.value).into_iter().collect(),
        })
        .collect()
}

/// At most `n` characters on one line.
fn shorten(text: &str, n: usize) -> String {
    let mut words = String::new();
    for word in text.split_whitespace() {
        if !words.is_empty() {
            words.push(' ');
        }
        words.push_str(word);
        if words.len() > 4 * n {
            break;
        }
    }
    match words.char_indices().nth(n) {
        Some((at, _)) => format!("{}…", &words[..at]),
        None => words,
    }
}
