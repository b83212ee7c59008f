//! The page: pictures are made, verified and looked up in a browser. The door of axum, tokio and maud.
//!
//! Everything it sends is rendered here or compiled in; it asks no other host for anything, and nothing that a
//! visitor sends becomes a path.

mod assets;
mod catalog;
mod door;
mod drop;
mod frame;
mod gate;
mod guard;
mod intake;
mod listener;
mod make;
mod picture;
mod problem;
mod rate;
mod resolve;
mod session;
mod site;
#[cfg(test)]
mod tests;
mod text;
mod verify;

pub use door::{BindError, Door, Settings};
pub use site::{Bounds, Engines, Offer, Opened};

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;

use listener::{Bounded, Peer};
use site::Site;

/// How long what is at hand may take to end after the server was asked to stop.
const FAREWELL: Duration = Duration::from_secs(20);
/// How often the server looks whether it was asked to.
const GLANCE: Duration = Duration::from_millis(50);

/// Why the server ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("the server cannot run: {0}")]
    Io(#[from] std::io::Error),
}

/// A server that has its address and answers nobody yet.
pub struct Server {
    listener: std::net::TcpListener,
    address: SocketAddr,
    site: Arc<Site>,
}

impl Server {
    /// Takes the address that `door` found to be safe.
    ///
    /// # Errors
    /// When the address is taken, or not ours to take.
    pub fn bind(door: Door, opened: Opened) -> Result<Self, BindError> {
        let wanted = door.address();
        let taken = |source| BindError::Taken { address: wanted, source };
        let listener = std::net::TcpListener::bind(wanted).map_err(taken)?;
        listener.set_nonblocking(true).map_err(taken)?;
        let address = listener.local_addr().map_err(taken)?;
        Ok(Server { listener, address, site: Arc::new(Site::new(door, opened)) })
    }

    /// Where it is reached; the port is the real one where any was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `stop` says so; then what is at hand ends, and what is not yet recorded is left.
    ///
    /// # Errors
    /// When the system lets it listen no longer.
    pub fn run(self, stop: impl Fn() -> bool + Send + 'static) -> Result<(), ServeError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        let site = Arc::clone(&self.site);
        let worker = make::start(&site)?;
        let served = runtime.block_on(async {
            let listener = Bounded::new(tokio::net::TcpListener::from_std(self.listener)?);
            let asked = Arc::clone(&site);
            let stopped = async move {
                while !stop() {
                    tokio::time::sleep(GLANCE).await;
                }
                asked.stop();
            };
            let service = router(&site).into_make_service_with_connect_info::<Peer>();
            let serving = axum::serve(listener, service).with_graceful_shutdown(stopped);
            let mut over = site.stopping();
            let overdue = async {
                // An error says that nobody can ask any more, which is as good as having asked.
                let _ = over.wait_for(|stopping| *stopping).await;
                tokio::time::sleep(FAREWELL).await;
            };
            tokio::select! {
                ended = async { serving.await } => ended,
                () = overdue => Ok(()),
            }
        });
        site.stop();
        // A worker that panicked has nothing more to finish.
        let _ = worker.join();
        runtime.shutdown_timeout(FAREWELL);
        Ok(served?)
    }
}

/// Every path there is.
fn router(site: &Arc<Site>) -> Router {
    let open = Router::new()
        .route("/", get(frame::home))
        .route("/static/{name}", get(assets::serve))
        .merge(verify::routes())
        .merge(resolve::routes());
    let all = if site.door.verify_only() {
        open
    } else {
        let owned = make::routes().merge(catalog::routes()).merge(picture::routes());
        let owned = owned.route_layer(axum::middleware::from_fn(guard::owner_only));
        open.merge(session::routes()).merge(owned)
    };
    let guarded = axum::middleware::from_fn_with_state(Arc::clone(site), guard::guard);
    all.fallback(problem::not_found).layer(guarded).with_state(Arc::clone(site))
}
