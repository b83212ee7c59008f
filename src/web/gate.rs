//! How much work is done at a time, and how much of it waits.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::problem::Problem;

/// The unit in which bytes of files are counted.
const UNIT: u64 = 1024;

/// Slots for requests that bring a picture: few are worked on, more wait, and no more than so many bytes of them are held.
#[derive(Debug)]
pub struct Gate {
    working: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
}

/// What a request holds while it waits.
#[derive(Debug)]
pub struct Place {
    _waiting: OwnedSemaphorePermit,
    _bytes: OwnedSemaphorePermit,
    working: Arc<Semaphore>,
}

impl Gate {
    pub fn new(working: usize, waiting: usize, bytes: u64) -> Self {
        let slots = |n| Arc::new(Semaphore::new(n));
        Gate {
            working: slots(working),
            waiting: slots(waiting),
            bytes: slots((bytes / UNIT).try_into().unwrap_or(Semaphore::MAX_PERMITS)),
        }
    }

    /// A place for a file of at most `bytes`, before any of it is read.
    ///
    /// # Errors
    /// When nobody more may wait, or there is no room for the file within `patience`.
    pub async fn enter(&self, bytes: u64, patience: Duration) -> Result<Place, Problem> {
        let waiting = Arc::clone(&self.waiting).try_acquire_owned().map_err(|_| Problem::Busy)?;
        let units = bytes.div_ceil(UNIT).max(1).try_into().map_err(|_| Problem::Busy)?;
        let room = Arc::clone(&self.bytes).acquire_many_owned(units);
        let room = tokio::time::timeout(patience, room).await.map_err(|_| Problem::Busy)?;
        Ok(Place {
            _waiting: waiting,
            _bytes: room.map_err(|_| Problem::Busy)?,
            working: Arc::clone(&self.working),
        })
    }
}

impl Place {
    /// Does `work` on another thread when it is this request's turn. The place is kept until it is done, even if the
    /// visitor has gone.
    pub async fn work<T: Send + 'static>(
        self,
        work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let turn = Arc::clone(&self.working).acquire_owned().await.map_err(|_| Problem::Busy)?;
        aside(move || {
            let _held = (self, turn);
            work()
        })
        .await
    }
}

/// Does `work` on another thread: all requests share one, and it must wait for no disk.
pub async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let job = tokio::task::spawn_blocking(work);
    job.await.unwrap_or_else(|_| Err(Problem::Internal("it failed on this picture".to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_wait_and_no_more_is_held_than_was_set() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        runtime.block_on(async {
            let gate = Gate::new(1, 2, 10 * UNIT);
            let soon = Duration::from_millis(10);
            let first = gate.enter(8 * UNIT, soon).await.expect("room for it");
            assert_eq!(gate.enter(8 * UNIT, soon).await.err(), Some(Problem::Busy), "no room for its bytes");
            let second = gate.enter(UNIT, soon).await.expect("room for it");
            assert_eq!(gate.enter(1, soon).await.err(), Some(Problem::Busy), "nobody more may wait");
            assert_eq!(first.work(|| Ok(1)).await, Ok(1));
            let failed = second.work(|| -> Result<(), Problem> { panic!("on this picture") }).await;
            assert!(matches!(failed, Err(Problem::Internal(_))));
            gate.enter(10 * UNIT, soon).await.expect("all of it was given back");
        });
    }
}
