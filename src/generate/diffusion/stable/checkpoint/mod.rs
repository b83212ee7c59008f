//! Models in one file, as people have them for A1111 and ComfyUI: the tensors of all networks under the names of the
//! programs that they were trained with (LDM, CLIP, open_clip), and no settings.
//!
//! They are renamed, never rewritten: tensors stay ranges of bytes in the file, and become a model as diffusers writes it,
//! so that all else is shared with folders.

mod family;
#[cfg(test)]
pub(super) mod ldm;
#[cfg(test)]
mod parity;
mod settings;
mod survey;
#[cfg(test)]
mod tests;
mod text;
mod unet;
mod words;

use std::path::{Path, PathBuf};

use super::super::ops::Precision;
use super::super::weights::{Tensors, Weights};
use super::super::{INDEX, ModelError, Processor, names, safetensors};
use super::configs::{Configs, Documents};
use super::scheduler::PredictionType;
pub use family::Family;
use family::{AUTOENCODER, Other};
use settings::{Settings, Training};
pub use survey::{Survey, claims, survey};
pub(super) use words::tokenizer;

/// What is told of a model that its files may not say, or are not to decide.
#[derive(Clone, Debug, Default)]
pub struct Hints {
    /// What its network predicts.
    pub prediction: Option<PredictionType>,
    /// What it is to be computed with, unless its weights decide.
    pub precision: Option<Precision>,
    /// What it is to be computed on.
    pub processor: Processor,
    /// Folders with a CLIP tokenizer for a model without one.
    pub tokenizers: Vec<PathBuf>,
    /// For networks of other sizes than the families': document, setting and value.
    #[cfg(test)]
    pub overruled: Vec<(&'static str, &'static str, serde_json::Value)>,
}

/// The networks of a checkpoint.
pub(super) struct Opened {
    pub family: Family,
    pub configs: Configs,
    pub unet: Weights,
    pub autoencoder: Weights,
    pub text: Vec<Text>,
    pub prediction: PredictionType,
    /// Whether somebody says what it predicts; else it is what diffusers takes the family for.
    pub is_said: bool,
    /// The licence that the file names.
    pub licence: Option<String>,
}

/// A text encoder, and the token that its texts are filled up with.
pub(super) struct Text {
    pub weights: Weights,
    pub pad: &'static str,
}

/// Opens `file`, and reads its header.
///
/// # Errors
/// When it is damaged, something else, or not whole.
pub(super) fn open(file: &Path, hints: &Hints) -> Result<Opened, ModelError> {
    let whole = Weights::open(&[file.to_owned()])?;
    let all = whole.tensors();
    let shapes = all.iter().map(|(name, entry)| (name.as_str(), entry.shape.as_slice())).collect();
    let family = recognised(file, Family::of(&shapes))?;
    let (unet, layout) = unet::read(file, all)?;
    let autoencoder = names::autoencoder(file, text::under(all, AUTOENCODER))?;
    let encoders = encoders(file, family, all)?;
    // Of GGUF nothing is noted.
    let mut remarks = safetensors::remarks(file).unwrap_or_default();
    let (prediction, is_said) = settings::prediction(family, hints.prediction, &remarks);
    let is_velocity = prediction == PredictionType::Velocity;
    let training = Training { prediction, to_nothing: is_velocity && remarks.signs.contains("ztsnr") };

    let mut settings = Settings::from([
        (INDEX, settings::index(family)),
        ("scheduler/scheduler_config.json", training.scheduler(family)),
        ("vae/config.json", settings::autoencoder(family, &autoencoder)),
    ]);
    let mut pooled = None;
    for (name, encoder) in
        ["text_encoder/config.json", "text_encoder_2/config.json"].into_iter().zip(&encoders)
    {
        let found = text::settings(file, &encoder.tensors, encoder.activation)?;
        pooled = found["projection_dim"].as_u64().and_then(|width| usize::try_from(width).ok());
        settings.insert(name, found);
    }
    settings.insert("unet/config.json", settings::unet(family, &layout, &training, pooled));
    #[cfg(test)]
    for (name, setting, value) in &hints.overruled {
        if let Some(document) = settings.get_mut(name) {
            document[*setting] = value.clone();
        }
    }
    let text = encoders.into_iter().map(|text| Text { weights: whole.part(text.tensors), pad: text.pad });
    Ok(Opened {
        family,
        configs: Configs::of(&Documents::Shown(file, settings))?,
        unet: whole.part(unet),
        autoencoder: whole.part(autoencoder),
        text: text.collect(),
        prediction,
        is_said,
        licence: remarks.metadata.remove("modelspec.license"),
    })
}

fn recognised(file: &Path, found: Result<Family, Other>) -> Result<Family, ModelError> {
    found.map_err(|other| match other {
        Other::Else(found) => {
            let expected = "a whole checkpoint of Stable Diffusion 1, 2 or XL";
            ModelError::Family { file: file.to_owned(), expected, found }
        }
        Other::Lacking(family, parts) => {
            let cause = format!("expected a whole checkpoint, found {} without {parts}", family.name());
            ModelError::Config { file: file.to_owned(), cause }
        }
    })
}

/// The tensors of a text encoder, and what they do not show of it.
struct Encoder {
    tensors: Tensors,
    activation: &'static str,
    pad: &'static str,
}

fn encoders(file: &Path, family: Family, all: &Tensors) -> Result<Vec<Encoder>, ModelError> {
    let clip = |start| Encoder { tensors: text::clip(all, start), activation: "quick_gelu", pad: words::END };
    let open_clip = |start| {
        let tensors = text::open_clip(file, all, start)?;
        Ok::<_, ModelError>(Encoder { tensors, activation: "gelu", pad: words::ZERO })
    };
    Ok(match family {
        Family::First => vec![clip(family::CLIP)],
        Family::Second => {
            let whole = open_clip(family::OPEN_CLIP)?;
            vec![Encoder { tensors: text::read_by_second(whole.tensors), ..whole }]
        }
        Family::Xl => vec![clip(family::CLIP_OF_XL), open_clip(family::OPEN_CLIP_OF_XL)?],
    })
}
