//! The arguments of `sweep`.

use std::path::PathBuf;

use clap::Args;

use super::{ModelArgs, Stated};
use crate::quantity::{Seed, Strength};

#[derive(Args, Debug)]
#[command(after_help = "\
Every picture goes the same way as one of 'vary': what the policy lets through is marked, recorded and written to
DIR, what it refuses is logged. A refused draft is hatched on sheet and page.
Exit codes: 0 when the policy let something through, 1 when it refused all, 2 when something could not be made.

Examples:
  vidimus sweep virions.png
  vidimus sweep virions.png --strengths 0.5,0.6,0.7,0.8,0.9 --seeds 3 --out press/
  vidimus sweep virions.png --engines patch,flux --subject \"adenovirus virions\"")]
pub struct Sweep {
    /// Reference picture
    #[arg(value_name = "REF")]
    pub reference: PathBuf,
    /// Denoise strengths, 0 to 1 or in percent
    #[arg(long, value_name = "S,S…", value_delimiter = ',', default_value = "0.45,0.6,0.75,0.9")]
    pub strengths: Vec<Strength>,
    /// Pictures of each strength; their seeds follow one another
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=50))]
    pub seeds: u32,
    /// The first seed [default: a new one, which is printed and recorded]
    #[arg(long, value_name = "N")]
    pub seed: Option<Seed>,
    /// Engines that draw
    #[arg(long, value_name = "NAME,NAME…", value_delimiter = ',', default_value = "patch")]
    pub engines: Vec<String>,
    #[command(flatten)]
    pub model: ModelArgs,
    /// What the picture shows; the prompt becomes "electron microscope image of S"
    #[arg(long, value_name = "S", conflicts_with = "prompt")]
    pub subject: Option<String>,
    /// The prompt itself; an engine that cannot read prompts says so
    #[arg(long, value_name = "P")]
    pub prompt: Option<String>,
    /// Draw from a reference of less than 256 pixels on the short side at that size
    #[arg(long)]
    pub enlarge: bool,
    /// Policy that judges, beside those that apply by themselves
    #[arg(long, value_name = "NAME", default_value = "default")]
    pub policy: String,
    #[command(flatten)]
    pub stated: Stated,
    /// What the pictures are for; recorded, and asked for by some policies
    #[arg(long, value_name = "TEXT")]
    pub purpose: Option<String>,
    /// Directory for pictures, sheet and page
    #[arg(long, value_name = "DIR", default_value = "sweep")]
    pub out: PathBuf,
    /// The page with all pictures and figures, complete in itself [default: report.html in DIR]
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// The contact sheet, a PNG [default: sheet.png in DIR]
    #[arg(long, value_name = "FILE")]
    pub sheet: Option<PathBuf>,
    /// Show refused drafts, too: small (a short side of 160 pixels) and labelled
    #[arg(long)]
    pub show_refused: bool,
    /// Overwrite existing files
    #[arg(long)]
    pub force: bool,
}
