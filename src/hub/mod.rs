//! Models of the Hugging Face hub, fetched into the cache that its own programs keep, which find them there.
//!
//! A repository is asked for what it holds, and whoever asks chooses of that; each file is then resumed where it was
//! left, held against the length and the digest that the hub states, and only then has its name. Nothing is fetched but by
//! [`Hub::look`] and [`Hub::fetch`].

mod blob;
mod cache;
mod client;
mod error;
mod id;
mod licence;
mod part;
mod repository;
#[cfg(test)]
pub(crate) mod server;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::time::Duration;

pub use cache::Cache;
pub use error::{HubError, Size};
pub use id::Id;
pub use licence::Licence;
pub use repository::{File, Repository};

use crate::disk;
use crate::progress::Progress;
use client::Client;

/// Where the hub is, and how it is asked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Scheme, host and port: `https://huggingface.co`, or a mirror.
    pub endpoint: String,
    /// Shows who asks; sent to the endpoint alone.
    pub token: Option<String>,
    /// How long to wait before asking again after a failure; twice as long each time.
    pub patience: Duration,
}

/// A hub, and the cache for what it gives.
pub struct Hub {
    client: Client,
    cache: Cache,
}

impl Hub {
    /// # Errors
    /// When the endpoint is no address, or the system has no certificates to know it by.
    pub fn new(settings: Settings, cache: Cache) -> Result<Hub, HubError> {
        Ok(Hub { client: Client::new(settings)?, cache })
    }

    /// Where models are kept.
    pub fn place(&self) -> &Path {
        self.cache.root()
    }

    /// What the hub says of a model, and names of its files that lead nowhere else.
    ///
    /// # Errors
    /// When the hub cannot be reached, has no such model, or does not show it.
    pub fn look(&self, id: &Id) -> Result<Repository, HubError> {
        let revision = client::encoded(id.revision()).replace('/', "%2F");
        let url = self.client.at(&format!("/api/models/{}/revision/{revision}?blobs=true", id.name()));
        Repository::read(id, &self.client.text(&url, id)?)
    }

    /// Bytes of these files that are still to be fetched.
    pub fn lacking(&self, repository: &Repository, files: &[&File]) -> u64 {
        files.iter().map(|file| file.bytes.saturating_sub(self.cache.has(&repository.id, file))).sum()
    }

    /// Refuses what the disk has no room for, as far as the system tells.
    pub fn room(&self, repository: &Repository, files: &[&File]) -> Result<(), HubError> {
        let needed = self.lacking(repository, files);
        match disk::free(self.cache.root()) {
            Some(free) if free < needed => {
                Err(HubError::Space { place: self.cache.root().to_owned(), needed, free })
            }
            _ => Ok(()),
        }
    }

    /// Fetches what is not there of these files, each a stage of its bytes; gives the folder that has them.
    ///
    /// # Errors
    /// When the hub fails five times in a row, a file is not what the hub says of it, the disk is full, or `progress`
    /// asks to stop. What came by then stays, and is resumed.
    pub fn fetch(
        &self,
        repository: &Repository,
        files: &[&File],
        progress: &mut dyn Progress,
    ) -> Result<PathBuf, HubError> {
        for file in files {
            let url = self.client.at(&format!(
                "/{}/resolve/{}/{}",
                repository.id.name(),
                repository.commit,
                client::encoded(&file.name)
            ));
            blob::fetch(&self.client, &self.cache, repository, file, &url, progress)?;
            self.cache.link(repository, file)?;
        }
        Ok(self.cache.folder(&repository.id, &repository.commit))
    }

    /// Notes that the revision is this one, once all of it that is wanted is there.
    pub fn settle(&self, repository: &Repository) -> Result<(), HubError> {
        self.cache.settle(repository)
    }
}
