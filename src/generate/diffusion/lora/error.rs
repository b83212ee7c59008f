use std::path::PathBuf;

/// A LoRA cannot be used with a model. Keys are as the file has them, fit to be shown.
#[derive(Debug, thiserror::Error)]
pub enum LoraError {
    #[error("{file}: expected a LoRA (pairs of lora_down and lora_up, or lora_A and lora_B), found {found}",
        file = file.display())]
    Kind { file: PathBuf, found: String },
    #[error("{file}: tensor {key} is in it twice, under two names", file = file.display())]
    Twice { file: PathBuf, key: String },
    #[error("{file}: layer {layer} has no {lacking}", file = file.display())]
    Half { file: PathBuf, layer: String, lacking: &'static str },
    #[error("{file}: layer {layer}: expected a rank from 1 to {most}, found {found}", file = file.display())]
    Rank { file: PathBuf, layer: String, most: usize, found: usize },
    #[error("{file}: layer {layer}: its matrices do not fit together: {down:?} and {up:?}", file = file.display())]
    Pair { file: PathBuf, layer: String, down: Vec<usize>, up: Vec<usize> },
    #[error("{file}: layer {layer}: expected a number other than 0 as its alpha, found {found}", file = file.display())]
    Alpha { file: PathBuf, layer: String, found: String },
    #[error("{file}: its settings: {cause}", file = file.display())]
    Settings { file: PathBuf, cause: String },
    #[error("{file}: {model} has no layer {layer}: the LoRA is for another kind of model", file = file.display())]
    NoLayer { file: PathBuf, layer: String, model: &'static str },
    #[error("{file}: layer {layer}: {model} has one of {expected:?}, the LoRA is for one of {found:?}: \
        it is for another kind of model", file = file.display())]
    Shape { file: PathBuf, layer: String, model: &'static str, expected: Vec<usize>, found: Vec<usize> },
    #[error("{file}: layer {layer} is in the model's files, but nothing is computed with it", file = file.display())]
    Unread { file: PathBuf, layer: String },
    #[error("{file}: layer {layer} is looked up row by row, and a LoRA cannot change it as it is stored",
        file = file.display())]
    LookedUp { file: PathBuf, layer: String },
    #[error("{file}: tensor {key} has numbers that are not finite", file = file.display())]
    NotFinite { file: PathBuf, key: String },
}
