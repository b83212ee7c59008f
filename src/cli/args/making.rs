//! What makes pictures: the arguments of `vary` and `probe`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Args, ValueEnum};

use super::{Stated, TellingArgs, VisibleArgs, Writing, size};
use crate::quantity::Seed;
use crate::release::Aim;

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    Diffusers,
    #[value(name = "comfyui")]
    ComfyUi,
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sampler {
    Ddim,
    Pndm,
    Euler,
    EulerAncestral,
    #[value(name = "dpmpp-2m")]
    DpmPlusPlus2M,
    #[value(name = "dpmpp-2m-karras")]
    DpmPlusPlus2MKarras,
    #[value(name = "unipc")]
    UniPc,
    Lcm,
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prediction {
    Epsilon,
    V,
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    Auto,
    F32,
    Bf16,
}

/// What networks are computed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    Auto,
    Cpu,
    Cuda(usize),
    Metal,
}

impl FromStr for Device {
    type Err = String;

    fn from_str(text: &str) -> Result<Device, String> {
        let number = text.strip_prefix("cuda").map(|rest| match rest.strip_prefix(':') {
            Some(number) if number.bytes().all(|b| b.is_ascii_digit()) => number.parse().ok(),
            None if rest.is_empty() => Some(0),
            _ => None,
        });
        match (text, number) {
            ("auto", _) => Ok(Device::Auto),
            ("cpu", _) => Ok(Device::Cpu),
            ("metal", _) => Ok(Device::Metal),
            (_, Some(Some(number))) => Ok(Device::Cuda(number)),
            _ => Err("expected auto, cpu, metal, cuda, or one of several as cuda:1".to_owned()),
        }
    }
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Orientation {
    Auto,
    Upright,
    Any,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  vidimus vary virions.png --subject \"adenovirus virions\" --strength 0.7
  vidimus vary virions.png --strength 70% --count 4 --out press/ --format jpeg --quality 85
  vidimus vary virions.png --strength auto
  vidimus vary virions.png --size 1200x628 --strength 0.8
  vidimus vary virions.png --policy strict --strength 0.9 --dry-run")]
pub struct Vary {
    /// Reference pictures: PNG, JPEG, WebP, TIFF, BMP, GIF or MRC
    #[arg(value_name = "REF", required = true)]
    pub references: Vec<PathBuf>,
    /// What the picture shows; the prompt becomes "electron microscope image of S"
    #[arg(long, value_name = "S", conflicts_with = "prompt")]
    pub subject: Option<String>,
    /// The prompt itself; an engine that cannot read prompts says so
    #[arg(long, value_name = "P")]
    pub prompt: Option<String>,
    /// Denoise strength: 0 is the reference itself, 1 is entirely new; 0.55 or 55%. With auto it is, for each picture,
    /// the least that the policy clears with something to spare, found by some five drafts
    #[arg(long, value_name = "S|auto", default_value = "0.7")]
    pub strength: Aim,
    /// Engine that draws
    #[arg(long, value_name = "NAME", default_value = "patch")]
    pub engine: String,
    #[command(flatten)]
    pub model: ModelArgs,
    /// What a strength says of such an engine's steps: 0.4 takes 40 % of them (diffusers), or all of them on the last
    /// 40 % of the way (comfyui, its denoise) [default: diffusers]
    #[arg(long, value_name = "WHOSE")]
    pub strength_meaning: Option<Meaning>,
    /// How much the reference weighs beside the prompt, above 0 and up to 3, for flux with a Redux model: what that sees
    /// is told times this; 1 is as it was trained. Midjourney's --iw
    #[arg(long, value_name = "W", value_parser = image_weight)]
    pub image_weight: Option<f64>,
    /// Folder with the Redux model: as diffusers writes it, or flux1-redux-dev.safetensors and a SigLIP [default: the
    /// only one that is found]
    #[arg(long, value_name = "DIR", requires = "image_weight")]
    pub redux: Option<PathBuf>,
    /// Seed of everything random [default: a new one, which is printed and recorded]
    #[arg(long, value_name = "N")]
    pub seed: Option<Seed>,
    /// Variations of each reference; their seeds follow one another
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub count: u32,
    /// Drafts to try for each variation while the policy refuses them, each with the next seed and each
    /// logged [default: 8, or 1 with --seed]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub attempts: Option<u32>,
    /// Draw from a reference of less than 256 pixels on the short side at that size
    #[arg(long)]
    pub enlarge: bool,
    /// Size of the picture; another aspect shows more of the scene one way and less the other [default: the
    /// reference's]
    #[arg(long, value_name = "WxH", value_parser = size, conflicts_with_all = ["scale", "enlarge"])]
    pub size: Option<(u32, u32)>,
    /// Size as a multiple of the reference's
    #[arg(long, value_name = "2|3|4", value_parser = clap::value_parser!(u32).range(2..=4), conflicts_with = "enlarge")]
    pub scale: Option<u32>,
    /// Stretch the scene to the aspect of --size
    #[arg(long, requires = "size")]
    pub stretch: bool,
    /// Vary only where this picture, as large as the reference, is white; the rest stays as it is until the
    /// picture is marked. A policy counts what stays as copied
    #[arg(long, value_name = "FILE", conflicts_with_all = ["size", "scale", "enlarge"])]
    pub mask: Option<PathBuf>,
    /// Whether the reference has an up and a down, and nothing of it may be turned (upright), or lies any way, as
    /// what is on a grid does (any)
    #[arg(long, value_name = "WHICH", default_value = "auto")]
    pub orientation: Orientation,
    /// Policy that judges, beside those that apply by themselves
    #[arg(long, value_name = "NAME", default_value = "default")]
    pub policy: String,
    #[command(flatten)]
    pub stated: Stated,
    /// Release the draft that this run was refused with and that two people approved ('policy approve'): with the same
    /// arguments and the seed that was printed, for it is drawn once more
    #[arg(long = "override", value_name = "RUN", requires = "seed", conflicts_with_all = ["count", "attempts"])]
    pub overriding: Option<String>,
    /// What the picture is for; recorded, and asked for by some policies
    #[arg(long, value_name = "TEXT")]
    pub purpose: Option<String>,
    /// File (one variation) or directory (any number) to write to
    #[arg(long, value_name = "FILE|DIR", default_value = "variations")]
    pub out: PathBuf,
    #[command(flatten)]
    pub writing: Writing,
    #[command(flatten)]
    pub telling: TellingArgs,
    #[command(flatten)]
    pub visible: VisibleArgs,
    /// Generate, measure and judge, but mark, record and write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Write to this directory what the picture looks like on its way: small and labelled pictures, which are taken
    /// away again if the policy refuses the draft
    #[arg(long, value_name = "DIR", conflicts_with = "dry_run")]
    pub preview: Option<PathBuf>,
    /// Overwrite existing output files
    #[arg(long)]
    pub force: bool,
}

/// The model of an engine that has a choice of them, and how it is used.
#[derive(Args, Debug)]
pub struct ModelArgs {
    /// Folder with the weights of an engine that has some, one file of safetensors with a whole Stable Diffusion (as
    /// A1111 and ComfyUI have it), or a model of the Hugging Face hub, owner/name or owner/name@revision, which is
    /// fetched unless it is there [default: the only one that is found]
    #[arg(long, value_name = "DIR|FILE|ID")]
    pub model: Option<PathBuf>,
    /// Steps of an engine that has a choice of them [default: what diffusers takes for its kind]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub steps: Option<u32>,
    /// How much such an engine listens to the prompt, 0 to 100 [default: what diffusers takes for its kind]
    #[arg(long, value_name = "G", value_parser = guidance)]
    pub guidance: Option<f64>,
    /// What the picture should not show, for an engine that is led away from it
    #[arg(long, value_name = "TEXT")]
    pub negative_prompt: Option<String>,
    /// Sampler of an engine that has a choice of them [default: the model's own]
    #[arg(long, value_name = "NAME")]
    pub sampler: Option<Sampler>,
    /// What a Stable Diffusion predicts: noise (epsilon), or noise and picture together (v). One file does not show it;
    /// a 2-base needs epsilon [default: what the model's settings or the file's notes say, else v for a single file
    /// of version 2 and epsilon for others, as diffusers has it]
    #[arg(long, value_name = "WHAT")]
    pub prediction: Option<Prediction>,
    /// What a network computes with: numbers of 32 bits, or of 16 in products (bfloat16), which is about twice as fast
    /// where the machine has instructions for it (AVX512-BF16, a GPU) and slow elsewhere; auto takes bf16 where it is
    /// fast and the model's weights are stored in 16 bits or fewer [default: auto]
    #[arg(long, value_name = "WHAT", visible_alias = "dtype")]
    pub precision: Option<Precision>,
    /// What a network is computed on: auto, cpu, cuda:N or metal; 'vidimus engines' tells which this program was built
    /// with. auto takes a GPU where there is one that answers [default: auto]
    #[arg(long, value_name = "WHICH")]
    pub device: Option<Device>,
    /// LoRA that is added to the model, as safetensors, and how much of it, -100 to 100 [default: 1]; several add up
    #[arg(long, value_name = "FILE[:WEIGHT]", value_parser = OsStringValueParser::new().try_map(Lora::parse))]
    pub lora: Vec<Lora>,
}

/// A LoRA and its weight.
#[derive(Clone, Debug, PartialEq)]
pub struct Lora {
    pub file: PathBuf,
    /// Of four decimals at most, as it is recorded; not 0.
    pub weight: f64,
}

impl Lora {
    /// What follows the last colon is a weight if it is a number; else it belongs to the file's name.
    fn parse(text: OsString) -> Result<Lora, String> {
        let (file, weight) = match text.to_str().and_then(|text| text.rsplit_once(':')) {
            Some((file, weight)) if weight.parse::<f64>().is_ok() || file.ends_with(".safetensors") => {
                (OsString::from(file), weight.parse::<f64>().unwrap_or(f64::NAN))
            }
            _ => (text, 1.0),
        };
        let weight = (weight * 1e4).round() / 1e4;
        if file.is_empty() {
            return Err("expected a file and a weight, as file.safetensors:0.8".to_owned());
        }
        if weight == 0.0 || !(-100.0..=100.0).contains(&weight) {
            return Err(
                "expected a weight from -100 to 100 that is not 0, as file.safetensors:0.8".to_owned()
            );
        }
        Ok(Lora { file: file.into(), weight })
    }
}

#[derive(Args, Debug)]
#[command(after_help = "\
Nothing is measured or recorded, for there is no reference. The pictures are labelled as
AI-generated, too small to be watermarked, and not for publishing; 'vidimus vary' makes those.")]
pub struct Probe {
    /// What the picture should show; the prompt becomes "electron microscope image of S"
    #[arg(long, value_name = "S", conflicts_with = "prompt", required_unless_present = "prompt")]
    pub subject: Option<String>,
    /// The prompt itself
    #[arg(long, value_name = "P")]
    pub prompt: Option<String>,
    /// Engine that draws: one that reads text
    #[arg(long, value_name = "NAME")]
    pub engine: String,
    #[command(flatten)]
    pub model: ModelArgs,
    /// Size that is drawn; what is written is smaller [default: that of the pictures that the model was trained on]
    #[arg(long, value_name = "WxH", value_parser = size)]
    pub size: Option<(u32, u32)>,
    /// Seed of everything random [default: a new one, which is printed]
    #[arg(long, value_name = "N")]
    pub seed: Option<Seed>,
    /// Pictures; their seeds follow one another
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub count: u32,
    /// Directory to write to
    #[arg(long, value_name = "DIR", default_value = "probes")]
    pub out: PathBuf,
    /// Overwrite existing files
    #[arg(long)]
    pub force: bool,
}

fn image_weight(text: &str) -> Result<f64, String> {
    let value = text.trim().parse::<f64>().ok().map(|value| (value * 1e4).round() / 1e4);
    let value = value.filter(|value| *value > 0.0 && *value <= 3.0);
    value.ok_or_else(|| "expected a number above 0 and up to 3, for example 1".to_owned())
}

fn guidance(text: &str) -> Result<f64, String> {
    let value = text.trim().parse::<f64>().ok().filter(|value| (0.0..=100.0).contains(value));
    value.ok_or_else(|| "expected a number from 0 to 100, for example 3.5".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_weight_is_above_0_and_up_to_3() {
        assert_eq!(image_weight(" 1 "), Ok(1.0));
        assert_eq!(image_weight("3"), Ok(3.0));
        assert_eq!(image_weight("0.33333"), Ok(0.3333));
        for text in ["0", "0.00001", "-1", "3.01", "NaN", "inf", "much", ""] {
            assert!(image_weight(text).is_err_and(|said| said.starts_with("expected a number")), "{text}");
        }
    }

    #[test]
    fn a_device_is_a_kind_and_of_several_a_number() {
        let parsed = |text: &str| text.parse::<Device>();
        assert_eq!(parsed("auto"), Ok(Device::Auto));
        assert_eq!(parsed("cpu"), Ok(Device::Cpu));
        assert_eq!(parsed("metal"), Ok(Device::Metal));
        assert_eq!(parsed("cuda"), Ok(Device::Cuda(0)));
        assert_eq!(parsed("cuda:13"), Ok(Device::Cuda(13)));
        for text in [
            "",
            "gpu",
            "cuda:",
            "cuda:-1",
            "cuda:+1",
            "cuda:1.5",
            "cuda0",
            "cuda:99999999999999999999",
            "cpu:0",
        ] {
            assert!(parsed(text).is_err_and(|said| said.contains("cuda:1")), "{text}");
        }
    }

    #[test]
    fn a_lora_has_a_weight_behind_its_last_colon_if_that_is_a_number() {
        let parsed = |text: &str| Lora::parse(text.into()).map(|lora| (lora.file, lora.weight));
        let is =
            |text: &str, file: &str, weight| assert_eq!(parsed(text), Ok((file.into(), weight)), "{text}");
        is("style.safetensors", "style.safetensors", 1.0);
        is("style.safetensors:0.8", "style.safetensors", 0.8);
        is("style.safetensors:-1", "style.safetensors", -1.0);
        is("a:b.safetensors:.33333", "a:b.safetensors", 0.3333);
        is("C:\\loras\\style.safetensors", "C:\\loras\\style.safetensors", 1.0);
        for text in [
            "style.safetensors:0",
            "style.safetensors:0.00001",
            "style.safetensors:NaN",
            "style.safetensors:inf",
            "style.safetensors:101",
            "style.safetensors:much",
            "style.safetensors:",
            ":0.8",
            "",
        ] {
            assert!(parsed(text).is_err_and(|said| said.starts_with("expected a ")), "{text}");
        }
    }
}
