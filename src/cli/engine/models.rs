//! Models as people have them: which are whole, what the others lack, and which one is meant.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{fetch, places};
use crate::cli::args;
use crate::cli::error::Failure;
use crate::cli::term::{BOLD, GOOD, Terminal, WARN, paint};
use crate::generate::diffusion::{Gib, Meaning, ModelError, State};
use crate::hub::Id;

/// What an engine is told of by.
pub struct Kind {
    /// Of the engine.
    pub name: &'static str,
    pub version: &'static str,
    /// What people call its models.
    pub models: &'static str,
    /// What a folder of theirs holds.
    pub expected: &'static str,
    pub licence: &'static str,
    /// A model of the hub, for those who have none.
    pub published: &'static str,
    /// Looks at a folder that was named.
    pub look: fn(&Path) -> Model,
    /// The folders of a model's parts in diffusers' layout, by the index in this one; `None` for another engine's.
    pub parts: fn(&Path) -> Option<&'static [&'static str]>,
    /// Whether settings are of a model that is drawn with, before its weights are there.
    pub check: fn(&Path) -> Result<(), ModelError>,
    /// Looks at one that was found, which may be of something else.
    pub find: fn(&Path) -> Option<Model>,
}

/// A folder with a part of a model at least, or one that was asked for by name.
pub struct Model {
    pub dir: PathBuf,
    /// For programs.
    pub parts: Value,
    /// For people: what is not there, or not as it must be.
    pub missing: Vec<String>,
    /// Bytes of memory that a whole model needs, unless its files are damaged.
    pub memory: Option<u64>,
}

impl Model {
    pub fn is_whole(&self) -> bool {
        self.missing.is_empty()
    }

    fn line(&self) -> String {
        let dir = self.dir.display();
        match (self.is_whole(), self.memory) {
            (true, Some(bytes)) => format!("weights in {dir}, {} of memory", Gib(bytes)),
            (true, None) => format!("weights in {dir}"),
            (false, _) => format!("in {dir}: {}", self.missing.join("; ")),
        }
    }
}

/// What is wrong with the part that people call `name`.
pub fn gap(name: &str, state: &State) -> Option<String> {
    match state {
        State::Found(_) => None,
        State::Missing { expected } => Some(format!("{name}: expected {expected}")),
        State::Several(found) => Some(format!("{name}: {} files, keep one", found.len())),
        State::Unreadable { format, .. } => Some(format!("{name}: expected safetensors, found {format}")),
    }
}

impl Kind {
    /// The models where people have them.
    pub fn found(&self) -> Vec<Model> {
        self.among(&places::folders(&places::environment))
    }

    pub fn among(&self, dirs: &[PathBuf]) -> Vec<Model> {
        dirs.iter().filter_map(|dir| (self.find)(dir)).collect()
    }

    /// What was asked for, a place on disk before a model of the hub; without that, the only whole model that is found.
    pub fn chosen(&self, asked: Option<&Path>, terminal: &Terminal) -> Result<PathBuf, Failure> {
        let Some(asked) = asked else { return self.only(&self.found()) };
        match asked.to_str().and_then(Id::parse) {
            Some(id) if !asked.exists() => fetch::model(self, &id, terminal),
            _ => Ok(asked.to_owned()),
        }
    }

    pub fn only(&self, models: &[Model]) -> Result<PathBuf, Failure> {
        let whole: Vec<&Model> = models.iter().filter(|model| model.is_whole()).collect();
        match whole[..] {
            [one] => Ok(one.dir.clone()),
            [] => Err(Failure::new(format_args!(
                "engine {} needs weights, and no whole model was found",
                self.name
            ))
            .advise(format_args!(
                "name their folder or an id of the hub with --model, as {}; 'vidimus engines' tells what is missing where",
                self.published
            ))),
            _ => {
                let dirs: Vec<String> = whole.iter().map(|model| model.dir.display().to_string()).collect();
                let (models, dirs) = (self.models, dirs.join(", "));
                Err(Failure::new(format_args!("more than one {models} model was found: {dirs}"))
                    .advise("choose one with --model"))
            }
        }
    }

    /// What is there, as text and as JSON: in `asked`, or where people have models.
    pub fn list(&self, asked: Option<&Path>) -> (String, Value) {
        self.shown(&asked.map_or_else(|| self.found(), |dir| vec![(self.look)(dir)]))
    }

    pub fn shown(&self, models: &[Model]) -> (String, Value) {
        let whole = models.iter().filter(|model| model.is_whole()).count();
        let (state, style) = if whole > 0 { ("ready", GOOD) } else { ("needs weights", WARN) };
        let none = || format!("{}: name it with --model", self.expected);
        let mut lines: Vec<String> = models.iter().map(Model::line).collect();
        if lines.is_empty() {
            lines.push(none());
        }
        if whole > 1 {
            lines.push("choose one with --model".to_owned());
        }
        let text = format!(
            "{}  {}  {}\n       img2img on the CPU; {}",
            paint(BOLD, self.name),
            paint(style, state),
            lines.join("\n       "),
            self.licence
        );
        let missing: Vec<String> = match models {
            [] => vec![none()],
            _ if whole > 0 => Vec::new(),
            [first, ..] => first.missing.clone(),
        };
        let folders = models.iter().map(|model| {
            json!({
                "folder": model.dir.to_string_lossy(),
                "parts": model.parts,
                "missing": model.missing,
                "memory": model.memory,
            })
        });
        let entry = json!({
            "name": self.name,
            "version": self.version,
            "ready": whole > 0,
            "weights": folders.collect::<Vec<_>>(),
            "reads_prompt": true,
            "missing": missing,
            "licence": self.licence,
        });
        (text, entry)
    }
}

/// A model that cannot be opened, and what can be done about it.
pub fn refused(error: &ModelError) -> Failure {
    let failure = Failure::new(error);
    match error {
        ModelError::Memory { .. } => failure.advise("free some, or use a machine with more"),
        _ => failure,
    }
}

impl From<args::Meaning> for Meaning {
    fn from(meaning: args::Meaning) -> Meaning {
        match meaning {
            args::Meaning::ComfyUi => Meaning::ComfyUi,
            args::Meaning::Diffusers => Meaning::Diffusers,
        }
    }
}
