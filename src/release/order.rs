//! What a journey is given.

use std::path::PathBuf;

use super::origin::Source;
use crate::catalog::Catalog;
use crate::generate::{Engine, Request};
use crate::host::Host;
use crate::keys::Keys;
use crate::label::Visible;
use crate::manifest::{self, TrainingMining};
use crate::policy::{PolicySet, Subject};
use crate::raster::Encoding;
use crate::workspace::Workspace;

/// What the journey works with.
pub struct Desk<'a> {
    pub host: &'a dyn Host,
    pub workspace: &'a Workspace,
    pub keys: &'a Keys,
    pub catalog: &'a mut Catalog,
    /// Those that judge: the one that was named, and all that apply to the reference.
    pub policy: &'a PolicySet,
    /// What draws; a picture from elsewhere needs none.
    pub engine: &'a dyn Engine,
    /// Told of each step when it is done; tests end the process there.
    pub witness: &'a dyn Fn(Step),
}

/// The moments between which a process may die.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Generated,
    Measured,
    Compared,
    Judged,
    Embedded,
    Signed,
    ReferenceStored,
    OutputStored,
    Recorded,
    Published,
}

impl Step {
    pub const ALL: [Step; 10] = [
        Step::Generated,
        Step::Measured,
        Step::Compared,
        Step::Judged,
        Step::Embedded,
        Step::Signed,
        Step::ReferenceStored,
        Step::OutputStored,
        Step::Recorded,
        Step::Published,
    ];
}

/// What manifest and XMP say beside what they always do; by default nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Telling {
    pub prompt: PromptTold,
    /// Who wrote it, for XMP, if that is to be known.
    pub prompt_writer: Option<String>,
    /// Who may learn from the output; else what the workspace's settings say, if anything.
    pub training_mining: Option<TrainingMining>,
    /// Whether a small picture of the reference, which may not be public, is in the manifest.
    pub thumbnail: bool,
}

/// What is said of the prompt, which may be private; the catalog keeps it in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PromptTold {
    /// Nothing, unless a policy requires it.
    #[default]
    LeftOut,
    Disclosed,
    /// That there was one, and that it is withheld.
    Withheld,
}

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Order {
    pub source: Source,
    /// What the picture is for; recorded.
    pub purpose: Option<String>,
    /// What the reference was said to be; recorded. What judges is chosen before.
    pub stated: Subject,
    /// The run whose draft, refused before and approved by two people since, is to be released.
    pub overriding: Option<String>,
    pub encoding: Encoding,
    /// Whether the manifest goes beside the file instead of into it.
    pub sidecar: bool,
    /// Where the released file goes.
    pub out: PathBuf,
    pub overwrite: bool,
    pub telling: Telling,
    /// What is drawn on it for people to see, beside what policies ask for.
    pub visible: Visible,
    /// Stop after the judgement; mark, record and write nothing.
    pub dry_run: bool,
}

impl Order {
    /// What is asked of an engine; `None` for a picture from elsewhere.
    pub fn request(&self) -> Option<&Request> {
        match &self.source {
            Source::Engine(request) => Some(request),
            Source::Elsewhere(_) => None,
        }
    }

    /// Where the manifest goes, if it goes beside the file: as C2PA has it, under the file's name.
    pub fn beside(&self) -> Option<PathBuf> {
        self.sidecar.then(|| manifest::sidecar(&self.out))
    }
}
