//! The arguments of `adopt`.

use std::path::PathBuf;

use clap::Args;

use super::{Stated, TellingArgs, VisibleArgs, Writing};
use crate::adopt::Tool;
use crate::quantity::{Seed, Strength};

#[derive(Args, Debug)]
#[command(after_help = "\
What the file itself claims counts (PNG text, EXIF, XMP); what you say fills the rest. Manifest and catalog state all of
it as declared by you, not witnessed, and the watermark states no strength.

Examples:
  vidimus adopt midjourney.png --reference virions.png --tool midjourney --image-weight 1.5 --policy without-strength
  vidimus adopt ComfyUI_00007_.png --reference virions.png --out cover.png")]
pub struct Adopt {
    /// A picture that was made elsewhere: PNG, JPEG, WebP, TIFF, BMP or GIF
    #[arg(value_name = "IMAGE")]
    pub image: PathBuf,
    /// The picture that it was made from
    #[arg(long, value_name = "REF")]
    pub reference: PathBuf,
    /// What made it: midjourney, playground, comfyui or another name, as policies may have it among their engines
    /// [default: what the file claims]
    #[arg(long, value_name = "NAME")]
    pub tool: Option<Tool>,
    /// Denoise strength, for tools that have one: 0.55 or 55% [default: what the file claims, else not known]
    #[arg(long, value_name = "S")]
    pub strength: Option<Strength>,
    /// How much the reference weighed beside the prompt, in the tool's own units: Midjourney's --iw, 0 to 3
    #[arg(long, value_name = "W", value_parser = weight)]
    pub image_weight: Option<f64>,
    /// What the tool was told
    #[arg(long, value_name = "P")]
    pub prompt: Option<String>,
    /// Seed, for tools that have one
    #[arg(long, value_name = "N")]
    pub seed: Option<Seed>,
    /// Model, for tools that have a choice of them
    #[arg(long, value_name = "NAME")]
    pub model: Option<String>,
    /// Let what you say count where the file claims otherwise; that it does stays on record
    #[arg(long)]
    pub override_claims: bool,
    /// Policy that judges, beside those that apply by themselves
    #[arg(long, value_name = "NAME", default_value = "default")]
    pub policy: String,
    #[command(flatten)]
    pub stated: Stated,
    /// Release the picture that this run was refused with and that two people approved ('policy approve'): with the same
    /// arguments
    #[arg(long = "override", value_name = "RUN", conflicts_with = "dry_run")]
    pub overriding: Option<String>,
    /// What the picture is for; recorded, and asked for by some policies
    #[arg(long, value_name = "TEXT")]
    pub purpose: Option<String>,
    /// File to write, or directory for one of the picture's own name
    #[arg(long, value_name = "FILE|DIR", default_value = "adopted")]
    pub out: PathBuf,
    #[command(flatten)]
    pub writing: Writing,
    #[command(flatten)]
    pub telling: TellingArgs,
    #[command(flatten)]
    pub visible: VisibleArgs,
    /// Measure and judge, but mark, record and write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Overwrite an existing file
    #[arg(long)]
    pub force: bool,
}

fn weight(text: &str) -> Result<f64, String> {
    let value = text.trim().parse::<f64>().ok().filter(|value| (0.0..=100.0).contains(value));
    value.ok_or_else(|| "expected a number, for Midjourney from 0 to 3, for example 1.5".to_owned())
}
