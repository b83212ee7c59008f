//! Models that are named by their id on the hub: from the cache, or fetched into it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::models::{Kind, NOT_FOR_COMMERCE, refused};
use super::places;
use crate::cli::error::Failure;
use crate::cli::progress::Transfer;
use crate::cli::term::{BOLD, Terminal, WARN, paint};
use crate::generate::diffusion::{Gib, INDEX, Published};
use crate::hub::{Cache, File, Hub, HubError, Id, Repository, Settings, Size};
use crate::progress::Silent;

/// The hub that is asked where no other is named.
const HUGGING_FACE: &str = "https://huggingface.co";
/// The wait after a first failure.
const PATIENCE: Duration = Duration::from_secs(1);

/// The folder of the model `id`, whole: as the cache has it, or fetched now.
pub fn model(kind: &Kind, id: &Id, terminal: &Terminal) -> Result<PathBuf, Failure> {
    let env = &places::environment;
    let cache = places::hub(env).map(Cache::new).ok_or_else(|| {
        Failure::new("there is no place for models: HOME is not set")
            .advise("set HF_HOME to a folder for them")
    })?;
    let there = cache.snapshot(id);
    if let Some(dir) = there.as_ref().filter(|dir| (kind.look)(dir).is_whole()) {
        return Ok(dir.clone());
    }
    if is_offline(env) {
        let lacks = there.map_or("not in the cache".to_owned(), |dir| (kind.look)(&dir).missing.join("; "));
        return Err(Failure::new(format_args!("{id} cannot be fetched, for HF_HUB_OFFLINE is set: {lacks}"))
            .advise("unset it, or name a folder with --model"));
    }
    let settings = Settings { endpoint: endpoint(env), token: token(env), patience: PATIENCE };
    let at = settings.endpoint.clone();
    let explain = |error: HubError| explained(&error, &at);
    let hub = Hub::new(settings, cache).map_err(explain)?;
    let fetch = Fetch { kind, hub, id, at: &at, terminal };
    terminal.talk(&format!("{} for {id}", paint(BOLD, format_args!("asking {at}"))));
    let repository = fetch.hub.look(id).map_err(explain)?;
    let (dir, rest) = fetch.settings(&repository)?;
    fetch.announce(&repository, &rest);
    fetch.hub.room(&repository, &rest).map_err(explain)?;
    let mut transfer = Transfer::new(terminal, rest.len());
    let fetched = fetch.hub.fetch(&repository, &rest, &mut transfer);
    transfer.clear();
    fetched.and_then(|_| fetch.hub.settle(&repository)).map_err(explain)?;
    let missing = (kind.look)(&dir).missing;
    if missing.is_empty() {
        Ok(dir)
    } else {
        Err(Failure::at(id, format_args!("it is not complete: {}", missing.join("; "))))
    }
}

struct Fetch<'a> {
    kind: &'a Kind,
    hub: Hub,
    id: &'a Id,
    /// The hub's address.
    at: &'a str,
    terminal: &'a Terminal,
}

impl Fetch<'_> {
    /// Fetches what says what the model is, and refuses one that the engine does not draw with. Gives the folder, and
    /// the other files that are wanted.
    fn settings<'r>(&self, repository: &'r Repository) -> Result<(PathBuf, Vec<&'r File>), Failure> {
        let index = repository.file(INDEX).ok_or_else(|| {
            Failure::at(self.id, format_args!("it has no {INDEX}, so it is not in diffusers' layout"))
                .advise("fetch its files yourself, and name their folder with --model")
        })?;
        let dir = self.some(repository, &[index])?;
        let wrong = |dir: &Path| (self.kind.check)(dir).map_err(|error| refused(&error));
        let Some(parts) = (self.kind.parts)(&dir) else {
            wrong(&dir)?;
            return Err(Failure::at(self.id, format_args!("it is no model of engine {}", self.kind.name)));
        };
        let published =
            Published { names: repository.files.iter().map(|file| file.name.as_str()).collect(), parts };
        self.some(repository, &self.files(repository, &published.settings())?)?;
        wrong(&dir)?;
        let rest = published.rest(&dir).map_err(|part| {
            Failure::at(self.id, format_args!("{part} has no safetensors, and nothing else is loaded"))
                .advise("look for a copy of the model that has them")
        })?;
        let rest = self.files(repository, &rest)?;
        Ok((dir, rest))
    }

    fn some(&self, repository: &Repository, files: &[&File]) -> Result<PathBuf, Failure> {
        self.hub.fetch(repository, files, &mut Silent).map_err(|error| explained(&error, self.at))
    }

    fn files<'r>(&self, repository: &'r Repository, names: &[String]) -> Result<Vec<&'r File>, Failure> {
        let lacking =
            |name: &String| Failure::at(self.id, format_args!("its index names {name}, which is not there"));
        names.iter().map(|name| repository.file(name).ok_or_else(|| lacking(name))).collect()
    }

    /// Says what is fetched, how much of it, and under which licence.
    fn announce(&self, repository: &Repository, files: &[&File]) {
        let lacking = self.hub.lacking(repository, files);
        let all: u64 = files.iter().map(|file| file.bytes).sum();
        let left = if lacking < all { format!("the last {} of ", Size(lacking)) } else { String::new() };
        let commit: String = repository.commit.chars().take(12).collect();
        let mut lines = vec![
            format!("{} {} at {commit}", paint(BOLD, "fetching"), self.id.name()),
            format!(
                "         {left}{} in {} files, into {}",
                Size(all),
                files.len(),
                self.hub.place().display()
            ),
            format!("         {}", terms(repository, self.at)),
        ];
        if let Some((bytes, free)) =
            largest(files).zip(places::free_memory()).filter(|(bytes, free)| bytes > free)
        {
            let (bytes, free) = (Gib(bytes), Gib(free));
            lines.push(format!(
                "         {} its largest part alone takes {bytes} of memory, and {free} are free",
                paint(WARN, "note:")
            ));
        }
        lines.push("         Ctrl-C stops it; the same command goes on from there".to_owned());
        self.terminal.talk(&lines.join("\n"));
    }
}

/// What the model's card says of its use.
fn terms(repository: &Repository, at: &str) -> String {
    let page = format!("{at}/{}", repository.id.name());
    match &repository.licence {
        None => format!("its card names no licence; see {page}"),
        Some(licence) if licence.is_non_commercial() => {
            format!("licence {}: {}, see {page}", licence.name(), paint(WARN, NOT_FOR_COMMERCE))
        }
        Some(licence) => format!("licence {}", licence.name()),
    }
}

/// Bytes of the largest part: in memory it takes no less.
fn largest(files: &[&File]) -> Option<u64> {
    let part = |file: &File| file.name.split('/').next().map(str::to_owned);
    let of =
        |name: Option<String>| files.iter().filter(|file| part(file) == name).map(|file| file.bytes).sum();
    files.iter().map(|file| of(part(file))).max()
}

/// A failure of the hub's, and what can be done about it.
fn explained(error: &HubError, at: &str) -> Failure {
    let failure = Failure::new(error);
    match error {
        HubError::Gated { id, with_token } => {
            let whose = if *with_token {
                "with the account of your token"
            } else {
                "then set HF_TOKEN to a token of your account"
            };
            failure.advise(format_args!("accept it on {at}/{}, {whose}", id.name()))
        }
        HubError::NoModel { with_token: false, .. } => {
            failure.advise("check its name; if it is private, set HF_TOKEN")
        }
        HubError::NoModel { .. } => {
            failure.advise("check its name, and whether HF_TOKEN is valid and may read it")
        }
        HubError::Forbidden { .. } => failure.advise("set HF_TOKEN to one that may"),
        HubError::Unreachable { .. } => failure
            .advise("check the network and try again, what came is kept; or name a folder with --model"),
        HubError::Status { .. } | HubError::Length { .. } | HubError::Damaged { .. } => {
            failure.advise("try again later")
        }
        HubError::Space { .. } => failure.advise("make room, or set HF_HOME to a folder on another disk"),
        HubError::Endpoint { .. } => failure.advise("set HF_ENDPOINT to one, or unset it"),
        HubError::Token => failure.advise("look at HF_TOKEN"),
        HubError::NoCertificates { .. } => failure.advise("install them (ca-certificates)"),
        _ => failure,
    }
}

fn endpoint(env: &dyn Fn(&str) -> Option<OsString>) -> String {
    env("HF_ENDPOINT").map_or_else(|| HUGGING_FACE.to_owned(), |value| value.to_string_lossy().into_owned())
}

/// Whose models are fetched: of the environment, or as the hub's own programs keep it.
fn token(env: &dyn Fn(&str) -> Option<OsString>) -> Option<String> {
    let kept = || {
        let file =
            env("HF_TOKEN_PATH").map(PathBuf::from).or_else(|| Some(places::hub_home(env)?.join("token")));
        std::fs::read_to_string(file?).ok()
    };
    let token = env("HF_TOKEN").map(|value| value.to_string_lossy().into_owned()).or_else(kept)?;
    let token = token.trim();
    (!token.is_empty()).then(|| token.to_owned())
}

fn is_offline(env: &dyn Fn(&str) -> Option<OsString>) -> bool {
    let value = env("HF_HUB_OFFLINE").map(|value| value.to_string_lossy().to_lowercase());
    value.is_some_and(|value| ["1", "on", "yes", "true"].contains(&value.as_str()))
}

#[cfg(test)]
mod tests;
