//! Unsigned marks: an XMP packet that says "AI-generated", and what other tools leave behind.
//!
//! Anyone can write or remove these: they inform, they never prove. Written before signing, for a change
//! after it breaks the manifest.

mod aigc;
mod claim;
mod container;
mod exif;
mod insert;
mod packet;
mod tagged;
mod tools;
mod xmp;

use std::collections::BTreeMap;

pub use aigc::Aigc;
pub use claim::{Claim, Parameters};

use crate::digest::Digest;
use crate::raster::Format;

/// What our XMP packet says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// `xmp:CreatorTool`, such as `vidimus 0.1.0`.
    pub tool: String,
    /// `Iptc4xmpExt:AISystemUsed`, such as `stable-diffusion`.
    pub system: String,
    /// `Iptc4xmpExt:AISystemVersionUsed`; empty where nobody knows it.
    pub system_version: String,
    /// Digest of the reference file, for `dcterms:source`; `None` for a picture that was made of none.
    pub source: Option<Digest>,
    /// Whether only part of the picture was generated, for `Iptc4xmpExt:DigitalSourceType`.
    pub in_part: bool,
    /// Private by default: only where somebody asked for it.
    pub prompt: Option<Prompt>,
    /// Whether there was one that is not told, for `Iptc4xmpExt:AIPromptInformation`.
    pub prompt_withheld: bool,
    pub disclosure: Option<Disclosure>,
    pub aigc: Option<Aigc>,
}

/// What a model was told, and by whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    /// `Iptc4xmpExt:AIPromptInformation`.
    pub text: String,
    /// `Iptc4xmpExt:AIPromptWriterName`.
    pub writer: Option<String>,
}

/// What a latent disclosure tells beside system and version (California, Business and Professions Code, 22757.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disclosure {
    /// Name of who provides the system, in a property of our own: no standard has one.
    pub provider: String,
    /// `xmp:CreateDate`, as RFC 3339 has it.
    pub created: String,
    /// `dcterms:identifier`, which no other picture has.
    pub id: String,
}

impl Label {
    /// Of a whole picture that a system made of no source.
    pub fn new(tool: &str, system: &str, version: &str) -> Self {
        Label {
            tool: tool.to_owned(),
            system: system.to_owned(),
            system_version: version.to_owned(),
            source: None,
            in_part: false,
            prompt: None,
            prompt_withheld: false,
            disclosure: None,
            aigc: None,
        }
    }
}

/// Why no label was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    #[error("the {format} file has an XMP packet already")]
    Labelled { format: &'static str },
    #[error(
        "the XMP packet has {bytes} bytes, and jpeg takes {limit}: expected a shorter prompt, or another format"
    )]
    TooLong { bytes: usize, limit: usize },
    #[error("damaged {format} file: {fault}")]
    Damaged { format: &'static str, fault: &'static str },
}

/// Longest packet that one segment of a JPEG file takes.
const JPEG_PACKET: usize = 65_533 - container::JPEG_XMP.len();

/// `bytes`, a file of `format`, with the label as its XMP packet; the pixels stay as they are.
///
/// # Errors
/// `Labelled` if there is a packet already: two would contradict each other.
pub fn write(bytes: &[u8], format: Format, label: &Label) -> Result<Vec<u8>, LabelError> {
    let packet = packet::packet(label);
    if format == Format::Jpeg && packet.len() > JPEG_PACKET {
        return Err(LabelError::TooLong { bytes: packet.len(), limit: JPEG_PACKET });
    }
    insert::insert(bytes, format, &packet)
}

/// What the packet of `label` says, property by property, and what their prefixes stand for; the prompt is left out, for
/// it must be possible to take that back.
pub fn properties(label: &Label) -> (BTreeMap<String, String>, BTreeMap<String, String>) {
    packet::without_prompt(label)
}

/// Whether the file carries this label, to the letter, and no other packet.
pub fn carries(bytes: &[u8], label: &Label) -> bool {
    let texts = container::texts(bytes);
    let mut packets = texts.iter().filter(|text| text.key == "xmp");
    packets.next().is_some_and(|text| text.value == packet::packet(label)) && packets.next().is_none()
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
