use std::fmt;
use std::path::PathBuf;

use super::lora::LoraError;
use super::types::READ;

/// A model cannot be used, or a model did not run.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    #[error("{dir}: no {part}: expected {expected}", dir = dir.display())]
    Missing { dir: PathBuf, part: &'static str, expected: &'static str },
    #[error("{dir}: more than one {part}: {found}; keep one", dir = dir.display())]
    Several { dir: PathBuf, part: &'static str, found: String },
    #[error("{file}: expected safetensors, found {found}", file = file.display())]
    NotSafetensors { file: PathBuf, found: &'static str },
    #[error("{file}: truncated: expected {expected} bytes, found {found}", file = file.display())]
    Truncated { file: PathBuf, expected: u64, found: u64 },
    #[error("{file}: damaged header: {cause}", file = file.display())]
    Header { file: PathBuf, cause: String },
    #[error("{file}: expected {expected}, found {found}", file = file.display())]
    Family { file: PathBuf, expected: &'static str, found: String },
    #[error("{file}: tensor {tensor} is in another shard already", file = file.display())]
    Twice { file: PathBuf, tensor: String },
    #[error("{file}: tensor {tensor} has another type or width than {other}", file = file.display())]
    Unlike { file: PathBuf, tensor: String, other: String },
    #[error("{file}: {cause}", file = file.display())]
    Config { file: PathBuf, cause: String },
    #[error("{file}: no tensor {tensor}", file = file.display())]
    NoTensor { file: PathBuf, tensor: String },
    #[error("{file}: tensor {tensor}: expected shape {expected:?}, found {found:?}", file = file.display())]
    Shape { file: PathBuf, tensor: String, expected: Vec<usize>, found: Vec<usize> },
    #[error("{file}: tensor {tensor}: expected {READ}, found {found}", file = file.display())]
    Type { file: PathBuf, tensor: String, found: String },
    #[error("{file}: {what}: expected {expected} as in {other}, found {found}",
        file = file.display(), other = other.display())]
    Misfit { file: PathBuf, what: &'static str, expected: usize, other: PathBuf, found: usize },
    #[error("{file}: not a tokenizer: {cause}", file = file.display())]
    Tokenizer { file: PathBuf, cause: String },
    #[error("{file}: expected a tokenizer with {token}, found none", file = file.display())]
    NoToken { file: PathBuf, token: String },
    #[error("{file}: a vocabulary of {found} tokens for an encoder of {limit}", file = file.display())]
    Vocabulary { file: PathBuf, found: usize, limit: usize },
    #[error("{file}: the model cannot be built: {cause}", file = file.display())]
    Build { file: PathBuf, cause: String },
    #[error("{dir}: the model needs {needed} of memory, and {free} are free", dir = dir.display())]
    Memory { dir: PathBuf, needed: Gib, free: Gib },
    #[error("device {kind}: it is not in this build")]
    NotBuilt { kind: &'static str },
    #[error("device {kind}: none answers: {cause}")]
    Device { kind: &'static str, cause: String },
    #[error("a picture of this size needs {needed} of memory, and {free} are free; make it smaller")]
    Picture { needed: Gib, free: Gib },
    #[error("{file}: {source}", file = file.display())]
    Read { file: PathBuf, source: std::io::Error },
    #[error("the prompt cannot be split into tokens: {cause}")]
    Prompt { cause: String },
    #[error("{cause}")]
    Compute { cause: String },
    #[error(transparent)]
    Lora(#[from] LoraError),
}

/// Bytes, in GiB for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gib(pub u64);

impl fmt::Display for Gib {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} GiB", self.0 as f64 / f64::from(1 << 30))
    }
}

impl From<candle_core::Error> for ModelError {
    fn from(error: candle_core::Error) -> Self {
        ModelError::Compute { cause: first_line(&error.to_string()) }
    }
}

/// candle appends a backtrace to its messages when the environment asks for one.
pub fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

/// A name that a file gives, in a line.
pub fn shown(name: &str) -> String {
    name.escape_debug().take(LONGEST_NAME).collect()
}

/// Characters of a name that are shown.
const LONGEST_NAME: usize = 80;
