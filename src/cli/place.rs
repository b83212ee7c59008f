//! Which workspace a command works in.

use std::path::{Path, PathBuf};

use time::{Duration, OffsetDateTime};

use super::error::Failure;
use super::host::System;
use super::passphrase;
use super::term::{BOLD, Terminal, WARN, paint};
use crate::catalog::Catalog;
use crate::host::Host;
use crate::keys::{Entropy, KeyError, Keys};
use crate::policies::{self, Shelf};
use crate::policy::Subject;
use crate::settings::Settings;
use crate::workspace::Workspace;

/// From here on `keys show` and `vary` remind of the coming end of the certificate.
pub const EXPIRY_WARNING: Duration = Duration::days(30);

/// The workspace that was named, or the one found by walking up; `None` where there is none.
pub fn find(place: Option<&Path>) -> Result<Option<Workspace>, Failure> {
    match place {
        Some(dir) => Workspace::open(dir).map(Some).map_err(Failure::new),
        None => Ok(Workspace::find(&here()?)),
    }
}

/// The same, for commands that cannot do without.
pub fn need(place: Option<&Path>) -> Result<Workspace, Failure> {
    find(place)?.ok_or_else(|| {
        Failure::new("no workspace here or in any folder above")
            .advise("make one with 'vidimus init', or name one with --workspace")
    })
}

/// The same, for `vary`: a place without a workspace may become one.
pub fn existing(place: Option<&Path>) -> Result<Option<Workspace>, Failure> {
    match place {
        Some(dir) if !Workspace::is_at(dir) => Ok(None),
        other => find(other),
    }
}

/// The workspace for `vary`, and its keys: makes what is missing, and says so.
pub fn find_or_make(
    place: Option<&Path>,
    host: &System,
    terminal: &Terminal,
) -> Result<(Workspace, Keys), Failure> {
    let workspace = match existing(place)? {
        Some(workspace) => workspace,
        None => make(place.map_or_else(here, |dir| Ok(dir.to_owned()))?.as_path(), terminal)?,
    };
    let keys = open_keys(&workspace, host, terminal)?;
    Ok((workspace, keys))
}

/// Everything that commands work with that release something.
pub struct Studio {
    pub workspace: Workspace,
    pub keys: Keys,
    pub shelf: Shelf,
    pub catalog: Catalog,
}

/// Whether there is a policy called `name`, asked before anything is made: a slip leaves nothing behind.
pub fn check_policy(place: Option<&Path>, name: &str, stated: &Subject) -> Result<(), Failure> {
    let shelf = Shelf::of(existing(place)?.as_ref()).map_err(Failure::new)?;
    shelf.select(name, stated).map(|_| ()).map_err(Failure::new)
}

/// Opens the workspace and what is in it, or makes what is missing, and reminds of a certificate that ends.
pub fn studio(place: Option<&Path>, host: &System, terminal: &Terminal) -> Result<Studio, Failure> {
    let (workspace, keys) = find_or_make(place, host, terminal)?;
    let shelf = Shelf::of(Some(&workspace)).map_err(Failure::new)?;
    let catalog = Catalog::open(&workspace.database()).map_err(Failure::new)?;
    warn_of_expiry(Some(keys.signer().not_after), host.now(), terminal);
    Ok(Studio { workspace, keys, shelf, catalog })
}

/// Makes a workspace in `dir` and says so.
pub fn make(dir: &Path, terminal: &Terminal) -> Result<Workspace, Failure> {
    let workspace = Workspace::create(dir).map_err(Failure::new)?;
    policies::install(&workspace.policies()).map_err(Failure::new)?;
    terminal.talk(&format!(
        "{} a workspace in {}: policies/, keys/, catalog/",
        paint(BOLD, "made"),
        workspace.root().display()
    ));
    Ok(workspace)
}

/// The keys of a workspace; a workspace without any gets them now.
pub fn open_keys(workspace: &Workspace, host: &System, terminal: &Terminal) -> Result<Keys, Failure> {
    let dir = workspace.keys();
    if let Some(signer) = Settings::load(workspace).map_err(Failure::new)?.signer {
        Keys::furnish(&dir, &signer, &entropy(host)).map_err(Failure::new)?;
        return load_keys(workspace, host.now());
    }
    if Keys::are_at(&dir) {
        return load_keys(workspace, host.now());
    }
    let keys = Keys::create(&dir, host.now(), &entropy(host)).map_err(Failure::new)?;
    terminal.talk(&format!(
        "{} a signing key and a certificate for \"{}\" in {}; others trust it once they have 'vidimus keys export-trust'",
        paint(BOLD, "made"),
        keys.signer().common_name,
        dir.display()
    ));
    Ok(keys)
}

/// Reminds of a certificate that ends soon, or has.
pub fn warn_of_expiry(end: Option<OffsetDateTime>, now: OffsetDateTime, terminal: &Terminal) {
    if let Some(end) = end.filter(|end| *end - now < EXPIRY_WARNING) {
        terminal.talk(&format!(
            "{} the signing certificate ends on {}; 'vidimus keys rotate' makes a new one",
            paint(WARN, "note:"),
            end.date()
        ));
    }
}

/// The keys that a workspace has; none are made.
pub fn load_keys(workspace: &Workspace, now: OffsetDateTime) -> Result<Keys, Failure> {
    Keys::open(workspace, now, &passphrase::given).map_err(|error| match error {
        KeyError::Protected { .. } => Failure::new(error)
            .advise("give it in a file (--passphrase-file), in VIDIMUS_PASSPHRASE or on a terminal"),
        _ => Failure::new(error),
    })
}

pub fn entropy(host: &System) -> Entropy {
    let mut entropy = Entropy { root: [0; 32], signing: [0; 32], watermark: [0; 32] };
    host.random(&mut entropy.root);
    host.random(&mut entropy.signing);
    host.random(&mut entropy.watermark);
    entropy
}

fn here() -> Result<PathBuf, Failure> {
    std::env::current_dir()
        .map_err(|error| Failure::new(format_args!("the current directory cannot be read: {error}")))
}
