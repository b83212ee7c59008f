//! Models as people have them: which are whole, what the others lack, and which one is meant.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{devices, fetch, places};
use crate::cli::args;
use crate::cli::error::Failure;
use crate::cli::term::{BOLD, GOOD, Terminal, WARN, paint, shown, wrapped};
use crate::generate::diffusion::{CARD, Gib, Lora, Meaning, ModelError, Precision, State};
use crate::hub::{Id, Licence};

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
    /// What else is known of it.
    pub notes: Vec<String>,
    /// Where it is known.
    pub licence: Option<Licence>,
    /// Whether it may be a model of this engine at all.
    pub is_ours: bool,
}

impl Model {
    pub fn is_whole(&self) -> bool {
        self.missing.is_empty()
    }

    /// The id that the hub knows it by, if it is in the hub's cache.
    fn id(&self) -> Option<Id> {
        // The folder of a commit lies in `snapshots`, and that in the model's own.
        Id::of_folder(self.dir.parent()?.parent()?.file_name()?.to_str()?)
    }

    /// What is told of it: where it is, what it lacks, what it needs of the `free` bytes of memory, and its licence.
    fn lines(&self, free: Option<u64>) -> Vec<String> {
        let (state, style) = if self.is_whole() { ("complete", GOOD) } else { ("incomplete", WARN) };
        let id = self.id();
        let name = id.as_ref().map_or_else(|| shown(&self.dir), |id| id.name().to_owned());
        let mut lines = vec![format!("{} {name}", paint(style, state))];
        lines.extend(id.as_ref().and_then(|_| self.cached()));
        lines.extend(self.notes.iter().cloned());
        lines.extend(self.missing.iter().cloned());
        lines.extend(
            id.filter(|_| self.is_ours && !self.is_whole())
                .map(|id| format!("fetched by --model {}", id.name())),
        );
        lines.extend(self.memory.map(|needed| match free.map(|free| (Gib(free), free < needed)) {
            Some((free, true)) => {
                format!(
                    "needs {} of memory, {}",
                    Gib(needed),
                    paint(WARN, format_args!("but {free} are free"))
                )
            }
            Some((free, false)) => format!("needs {} of memory, and {free} are free", Gib(needed)),
            None => format!("needs {} of memory", Gib(needed)),
        }));
        lines.extend(self.licence.as_ref().map(|licence| match licence.is_non_commercial() {
            true => format!("licence {}: {}", licence.name(), paint(WARN, NOT_FOR_COMMERCE)),
            false => format!("licence {}", licence.name()),
        }));
        lines
    }

    /// The same, the first line so many columns from the left, and the others two more.
    pub fn told(&self, free: Option<u64>, indent: usize) -> Vec<String> {
        let lines = self.lines(free).into_iter().enumerate();
        lines.map(|(i, line)| format!("{}{line}", " ".repeat(indent + if i == 0 { 0 } else { 2 }))).collect()
    }

    /// Where the hub's cache has it.
    fn cached(&self) -> Option<String> {
        let cache = self.dir.parent()?.parent()?.parent()?;
        let commit: String = self.dir.file_name()?.to_string_lossy().chars().take(12).collect();
        Some(format!("in {}, commit {commit}", shown(cache)))
    }

    pub fn json(&self) -> Value {
        json!({
            "folder": self.dir.to_string_lossy(),
            "notes": self.notes,
            "id": self.id().map(|id| id.name().to_owned()),
            "parts": self.parts,
            "missing": self.missing,
            "memory": self.memory,
            "licence": self.licence.as_ref().map(Licence::name),
            "non_commercial": self.licence.as_ref().map(Licence::is_non_commercial),
        })
    }
}

/// What a licence forbids that forbids commerce.
pub const NOT_FOR_COMMERCE: &str = "not for commercial use, marketing included";

/// The licence that a folder's own card names; else that of a model which its name shows to be one that is known.
pub fn licence(dir: &Path, file: Option<&Path>) -> Option<Licence> {
    const KNOWN: [(&str, &str); 11] = [
        ("sd_xl_turbo", "sai-nc-community"),
        ("sd_turbo", "sai-nc-community"),
        ("sd_xl_base", "openrail++"),
        ("v2-1_", "openrail++"),
        ("v1-5-pruned", "creativeml-openrail-m"),
        ("flux.1-dev", "flux-1-dev-non-commercial-license"),
        ("flux1-dev", "flux-1-dev-non-commercial-license"),
        ("flux.1-redux", "flux-1-dev-non-commercial-license"),
        ("flux1-redux", "flux-1-dev-non-commercial-license"),
        ("flux.1-schnell", "apache-2.0"),
        ("flux1-schnell", "apache-2.0"),
    ];
    let card = std::fs::read_to_string(dir.join(CARD)).ok();
    card.as_deref().and_then(Licence::of_readme).or_else(|| {
        let names = [Some(dir), file].into_iter().flatten().map(|path| path.to_string_lossy().to_lowercase());
        let known = |name: String| KNOWN.iter().find(|(part, _)| name.contains(part));
        names.rev().find_map(known).map(|(_, licence)| Licence::called(licence))
    })
}

/// Whether a name is one of a file of weights.
pub fn is_file_of_weights(path: &Path) -> bool {
    let known = ["safetensors", "sft", "ckpt", "pt", "pth", "bin", "gguf"];
    path.extension().is_some_and(|end| known.iter().any(|known| end.eq_ignore_ascii_case(known)))
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
        let env = &places::environment;
        self.among(&[places::folders(env), places::checkpoints(env)].concat())
    }

    pub fn among(&self, dirs: &[PathBuf]) -> Vec<Model> {
        dirs.iter().filter_map(|dir| (self.find)(dir)).collect()
    }

    /// What was asked for, a place on disk before a model of the hub; without that, the only whole model that is found.
    pub fn chosen(&self, asked: Option<&Path>, terminal: &Terminal) -> Result<PathBuf, Failure> {
        let Some(asked) = asked else { return self.only(&self.found()) };
        // A name of the hub may look so, too, but nobody means one.
        if is_file_of_weights(asked) && !asked.exists() {
            return Err(Failure::at(asked.display(), "there is no such file"));
        }
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
        self.shown(&asked.map_or_else(|| self.found(), |dir| vec![(self.look)(dir)]), places::free_memory())
    }

    pub fn shown(&self, models: &[Model], free: Option<u64>) -> (String, Value) {
        let whole = models.iter().filter(|model| model.is_whole()).count();
        let (state, style) = if whole > 0 { ("ready", GOOD) } else { ("needs weights", WARN) };
        let mut lines = vec![format!("  img2img; {}", self.licence)];
        lines.extend(models.iter().flat_map(|model| model.told(free, 2)));
        let none = || format!("expected {}", self.expected);
        if models.is_empty() {
            lines.push(format!("  {}", none()));
        }
        lines.push(match whole {
            0 => format!("  name its folder with --model, or an id of the hub: {}", self.published),
            1 => format!("  another is fetched by its id on the hub: --model {}", self.published),
            _ => "  choose one with --model".to_owned(),
        });
        let text = format!("{} {}\n{}", paint(BOLD, self.name), paint(style, state), laid(&lines));
        let missing: Vec<String> = match models {
            [] => vec![none()],
            _ if whole > 0 => Vec::new(),
            [first, ..] => first.missing.clone(),
        };
        let entry = json!({
            "name": self.name,
            "version": self.version,
            "ready": whole > 0,
            "weights": models.iter().map(Model::json).collect::<Vec<_>>(),
            "reads_prompt": true,
            "missing": missing,
            "free_memory": free,
            "licence": self.licence,
            "hub": self.published,
        });
        (text, entry)
    }
}

/// Lines for people, each broken where it is too long.
pub fn laid(lines: &[String]) -> String {
    let lines = lines.iter().map(|line| {
        let indent = line.len() - line.trim_start().len();
        format!("{}{}", " ".repeat(indent), wrapped(line, indent, indent + 2))
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// A model that cannot be opened, and what can be done about it.
pub fn refused(error: &ModelError) -> Failure {
    let failure = Failure::new(error);
    match error {
        ModelError::Memory { .. } => failure.advise("free some, or use a machine with more"),
        ModelError::NotBuilt { kind } => {
            failure.advise(format_args!("{}, or take --device cpu", devices::how(kind)))
        }
        ModelError::Device { .. } => failure.advise("see to its driver, or take --device cpu"),
        _ => failure,
    }
}

impl From<&args::Lora> for Lora {
    fn from(lora: &args::Lora) -> Lora {
        Lora { file: lora.file.clone(), weight: lora.weight }
    }
}

/// What was asked for, unless it is the model's own.
pub fn precision(asked: args::Precision) -> Option<Precision> {
    match asked {
        args::Precision::Auto => None,
        args::Precision::F32 => Some(Precision::F32),
        args::Precision::Bf16 => Some(Precision::Bf16),
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
