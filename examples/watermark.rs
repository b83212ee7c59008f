//! The watermark alone, for harnesses that measure it without the rest of the journey.
//!
//!     watermark embed IN OUT MESSAGE_HEX [--key FILE] [--owner FILE] [--psnr DB|auto] [--json]
//!     watermark detect IN... [--fast] [--json] [--key FILE] [--owner FILE]
//!
//! A message has 20 hexadecimal digits at the long level, 8 at the short. `detect` prints each message that
//! it finds; it exits with 1 if one picture has none, and with 2 if one could not be read. With several
//! inputs the JSON is an array in their order. A key is a file of 32 bytes, or of 64 hexadecimal digits;
//! without one the key is the published one, and there is no owner.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::{Args, Parser, Subcommand};
use serde_json::{Value, json};
use vidimus::raster::{self, DecodeError, Format, Limits, Raster};
use vidimus::watermark::{self, Detection, Key, Keyring, Message, Quality, Search};

#[derive(Parser)]
#[command(about = "Embed and detect the watermark alone")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Mark a picture
    Embed {
        #[arg(value_name = "IN")]
        input: PathBuf,
        /// File to write; its extension chooses PNG, JPEG, WebP or TIFF
        #[arg(value_name = "OUT")]
        output: PathBuf,
        /// 20 digits (long level) or 8 (short)
        #[arg(value_name = "MESSAGE_HEX", value_parser = message)]
        message: Message,
        /// PSNR in dB, or auto: 42 to 44.5 by what the picture can bear
        #[arg(long, value_name = "DB|auto", default_value = "42", value_parser = quality)]
        psnr: Quality,
        #[command(flatten)]
        common: Common,
    },
    /// Look for a mark
    Detect {
        #[arg(value_name = "IN", required = true)]
        inputs: Vec<PathBuf>,
        /// Leave out the geometric search
        #[arg(long)]
        fast: bool,
        #[command(flatten)]
        common: Common,
    },
}

#[derive(Args)]
struct Common {
    /// Key of the public layer
    #[arg(long, value_name = "FILE", value_parser = key)]
    key: Option<Key>,
    /// Key of the owner's tag
    #[arg(long, value_name = "FILE", value_parser = key)]
    owner: Option<Key>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Common {
    fn public(&self) -> Key {
        self.key.clone().unwrap_or_else(Key::public)
    }
}

fn main() -> ExitCode {
    let code = match Cli::parse().command {
        Command::Embed { input, output, message, psnr, common } => {
            embed(&input, &output, &message, psnr, &common).map_or_else(complain, |()| 0)
        }
        Command::Detect { inputs, fast, common } => detect(&inputs, fast, &common),
    };
    code.into()
}

fn complain(fault: String) -> u8 {
    eprintln!("{fault}");
    2
}

fn embed(
    input: &Path,
    output: &Path,
    message: &Message,
    quality: Quality,
    common: &Common,
) -> Result<(), String> {
    let extension = output.extension().and_then(|e| e.to_str()).unwrap_or_default();
    let format: Format = extension.parse().map_err(|e| format!("{}: {e}", output.display()))?;
    let picture = read(input)?.ok_or_else(|| format!("{}: too small to be marked", input.display()))?;
    let keys = Keyring { public: &common.public(), owner: common.owner.as_ref() };
    let start = Instant::now();
    let marked = watermark::embed(&picture, message, keys, quality);
    let ms = start.elapsed().as_secs_f64() * 1000.0;
    let marked = marked.map_err(|e| format!("{}: {e}", input.display()))?;
    let bytes =
        raster::encode(&marked.raster, format, 95).map_err(|e| format!("{}: {e}", output.display()))?;
    std::fs::write(output, bytes).map_err(|e| format!("{}: {e}", output.display()))?;
    if common.json {
        println!("{}", json!({ "psnr_db": marked.psnr_db, "energy": marked.energy, "ms": ms }));
    }
    Ok(())
}

fn detect(inputs: &[PathBuf], fast: bool, common: &Common) -> u8 {
    let keys = Keyring { public: &common.public(), owner: common.owner.as_ref() };
    let search = if fast { Search::Fast } else { Search::Full };
    let mut code = 0;
    let mut documents = Vec::new();
    for input in inputs {
        let picture = match read(input) {
            Ok(picture) => picture,
            Err(fault) => {
                let file = input.to_string_lossy();
                documents.push(json!({ "file": file, "found": false, "ms": null, "error": fault }));
                code = complain(fault);
                continue;
            }
        };
        let start = Instant::now();
        let found = picture.and_then(|picture| watermark::detect(&picture, keys, search));
        let ms = start.elapsed().as_secs_f64() * 1000.0;
        match &found {
            Some(found) if !common.json => println!("{}", hex::encode(found.message.bytes())),
            Some(_) => {}
            None => code = code.max(1),
        }
        documents.push(document(input, found.as_ref(), ms));
    }
    if common.json {
        let document = if documents.len() == 1 { documents.remove(0) } else { Value::Array(documents) };
        println!("{document:#}");
    }
    code
}

fn document(input: &Path, found: Option<&Detection>, ms: f64) -> Value {
    json!({
        "file": input.to_string_lossy(),
        "found": found.is_some(),
        "message": found.map(|d| hex::encode(d.message.bytes())),
        "level": found.map(|d| d.message.level().name()),
        "ms": ms,
        "stage": found.map(|d| d.stage.name()),
        "log10_false_positive": found.map(|d| d.log10_false_positive),
        "pilot_score": found.map(|d| d.pilot_score),
        "rotation_degrees": found.map(|d| d.pose.rotation_degrees),
        "mirrored": found.map(|d| d.pose.mirrored),
        "scale": found.map(|d| d.pose.scale),
        "tag": found.and_then(|d| d.tag).map(|tag| json!({
            "score": tag.score,
            "expected": tag.expected,
            "authentic": tag.authentic(),
        })),
    })
}

/// The picture, or `None` for one that is too small to be looked at.
fn read(path: &Path) -> Result<Option<Raster>, String> {
    let bytes = std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
    match raster::decode(&bytes, &Limits::default()) {
        Ok(decoded) => Ok(Some(decoded.raster)),
        Err(DecodeError::TooSmall { .. }) => Ok(None),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

fn message(text: &str) -> Result<Message, String> {
    let bytes = hex::decode(text).map_err(|e| format!("{e}; expected 20 or 8 hexadecimal digits"))?;
    Message::from_bytes(&bytes).ok_or_else(|| format!("{} digits; expected 20 or 8", text.len()))
}

fn quality(text: &str) -> Result<Quality, String> {
    if text == "auto" {
        return Ok(Quality::Adaptive);
    }
    text.parse().map(Quality::Fixed).map_err(|_| format!("{text:?} is neither a number of dB nor auto"))
}

fn key(path: &str) -> Result<Key, String> {
    let bytes = std::fs::read(path).map_err(|e| e.to_string())?;
    let bytes = match bytes.len() {
        32 => bytes,
        _ => hex::decode(bytes.trim_ascii()).unwrap_or_default(),
    };
    let bytes: [u8; 32] =
        bytes.try_into().map_err(|_| "expected 32 bytes or 64 hexadecimal digits".to_owned())?;
    Ok(Key::new(bytes))
}
