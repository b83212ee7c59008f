//! What all requests share.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::door::Door;
use super::gate::Gate;
use super::guard::Visitor;
use super::listener::Peer;
use super::make::Jobs;
use super::picture::Thumbs;
use super::problem::Problem;
use super::rate::Rate;
use crate::catalog::{Catalog, CatalogError};
use crate::generate::Engine;
use crate::host::Host;
use crate::keys::Passphrase;
use crate::raster::Limits;
use crate::workspace::Workspace;

/// An engine that can be chosen.
#[derive(Clone, Debug, PartialEq)]
pub struct Offer {
    pub name: String,
    pub reads_prompt: bool,
}

/// Makes an engine ready by its name, or says in one line why not.
pub type Open = dyn Fn(&str) -> Result<Box<dyn Engine>, String> + Send + Sync;

/// The engines that can run here.
pub struct Engines {
    pub offers: Vec<Offer>,
    pub open: Box<Open>,
}

/// How much of everything there may be.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Bytes and pixels of a picture that is sent, and memory that decoding it may take.
    pub upload: Limits,
    /// Requests with a picture at a time; most of them wait for their turn.
    pub waiting: usize,
    /// Pictures that are verified at a time.
    pub working: usize,
    /// Bytes of pictures that are held while they wait.
    pub held: u64,
    /// Verifications and resolutions of one address at once, where strangers may come, and the time after which it
    /// gets another.
    pub burst: u32,
    pub period: Duration,
    /// Jobs that wait, and jobs that are over and can still be looked at.
    pub queued: usize,
    pub kept: usize,
    /// How long a job may take.
    pub job: Duration,
    /// Pages that follow jobs at a time.
    pub streams: usize,
}

impl Bounds {
    /// For one person, or a laboratory; `public` for whoever comes.
    pub fn new(public: bool, cores: usize) -> Self {
        let pixels = if public { 40_000_000 } else { 100_000_000 };
        let bytes = if public { 24 << 20 } else { 96 << 20 };
        Bounds {
            upload: Limits { bytes, pixels, memory: 1 << 30, ..Limits::default() },
            waiting: 128,
            working: cores.max(1),
            held: 384 << 20,
            burst: 10,
            period: Duration::from_secs(6),
            queued: 8,
            kept: 24,
            job: Duration::from_secs(2 * 60 * 60),
            streams: 64,
        }
    }
}

/// What a server works with.
pub struct Opened {
    /// `None` for a server that only verifies, and remembers nothing.
    pub workspace: Option<Workspace>,
    pub host: Arc<dyn Host + Send + Sync>,
    pub engines: Engines,
    pub bounds: Bounds,
    /// Opens the signing key, where that takes one.
    pub secret: Option<Passphrase>,
}

pub struct Site {
    pub door: Door,
    pub host: Arc<dyn Host + Send + Sync>,
    pub engines: Engines,
    pub bounds: Bounds,
    pub gate: Gate,
    /// Of verifications and resolutions, and of attempts to show the token.
    pub rate: Rate,
    pub doorbell: Rate,
    pub jobs: Jobs,
    pub thumbs: Thumbs,
    pub secret: Option<Passphrase>,
    workspace: Option<Workspace>,
    stopping: watch::Sender<bool>,
}

impl Site {
    pub fn new(door: Door, opened: Opened) -> Self {
        let Opened { workspace, host, engines, bounds, secret } = opened;
        Site {
            door,
            host,
            engines,
            bounds,
            gate: Gate::new(bounds.working, bounds.waiting, bounds.held),
            rate: Rate::new(bounds.burst, bounds.period),
            doorbell: Rate::new(10, Duration::from_secs(10)),
            jobs: Jobs::new(&bounds),
            thumbs: Thumbs::default(),
            secret,
            workspace,
            stopping: watch::Sender::new(false),
        }
    }

    pub fn workspace(&self) -> Result<&Workspace, Problem> {
        self.workspace.as_ref().ok_or_else(|| Problem::Conflict("there is no workspace here".to_owned()))
    }

    /// What is on record; `None` where nothing is yet, or nothing is kept.
    pub fn catalog(&self) -> Result<Option<Catalog>, Problem> {
        let Some(workspace) = &self.workspace else { return Ok(None) };
        match Catalog::open_read_only(&workspace.database()) {
            Err(CatalogError::Missing { .. }) => Ok(None),
            opened => Ok(Some(opened?)),
        }
    }

    /// Lets a stranger have one more verification or resolution, where strangers may come.
    ///
    /// # Errors
    /// When that would be too many from one address.
    pub fn admit(&self, peer: Peer, visitor: Visitor) -> Result<(), Problem> {
        if self.door.is_public() && visitor == Visitor::Stranger {
            self.rate.admit(peer.ip(), self.host.elapsed())?;
        }
        Ok(())
    }

    /// Ends streams and jobs, once and for all.
    pub fn stop(&self) {
        self.stopping.send_replace(true);
        self.jobs.stop();
    }

    /// True from when the server was asked to stop.
    pub fn stopping(&self) -> watch::Receiver<bool> {
        self.stopping.subscribe()
    }
}
