//! Jobs that wait, run and are over: so many of each, and no more bytes of references than fit.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::wish::Wish;
use crate::release::{Outcome, Tried};
use crate::web::problem::Problem;
use crate::web::site::Bounds;

/// Bytes of references and masks that jobs hold together.
const HELD: usize = 256 << 20;

/// One order for variations of a reference.
pub struct Job {
    pub id: String,
    /// What the reference's file is called; for people.
    pub title: String,
    pub wish: Wish,
    /// The reference, drawn anew for looking at.
    pub shown: Vec<u8>,
    /// What was sent; gone once it had to make room.
    files: Mutex<Option<Arc<Files>>>,
    view: watch::Sender<View>,
    cancelled: AtomicBool,
}

/// The files of a job, as they came.
#[derive(Debug)]
pub struct Files {
    pub reference: Vec<u8>,
    /// Where to vary it; everywhere without one.
    pub mask: Option<Vec<u8>>,
}

impl Files {
    fn len(&self) -> usize {
        self.reference.len() + self.mask.as_ref().map_or(0, Vec::len)
    }
}

/// How a job stands.
#[derive(Clone, Debug, Default)]
pub struct View {
    pub phase: Phase,
    /// The stage at hand: its name, what it does now, and how many steps of how many are done.
    pub stage: String,
    pub now: String,
    pub done: u64,
    pub total: u64,
    /// What was said on the way.
    pub told: Vec<String>,
    /// What the draft looks like so far, too small to be used; none of one that was refused.
    pub glimpse: Option<Arc<Vec<u8>>>,
    /// How many there were: the address of the newest.
    pub glimpses: u32,
    pub made: Vec<Made>,
    /// What the policies ask at least; known once they are chosen.
    pub asked: Option<Asked>,
}

/// Limits that a result is shown against.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    pub policies: String,
    pub deviation: f64,
    pub composition: f64,
}

/// How one variation ended.
#[derive(Clone, Debug)]
pub struct Made {
    pub outcome: Outcome,
    /// The drafts that its strength was sought by.
    pub tried: Vec<Tried>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub enum Phase {
    #[default]
    Waiting,
    Running,
    Done,
    Cancelled,
    Failed(String),
}

impl Phase {
    pub fn is_over(&self) -> bool {
        !matches!(self, Phase::Waiting | Phase::Running)
    }

    pub fn name(&self) -> &'static str {
        match self {
            Phase::Waiting => "waiting",
            Phase::Running => "running",
            Phase::Done => "done",
            Phase::Cancelled => "cancelled",
            Phase::Failed(_) => "failed",
        }
    }
}

impl Job {
    pub fn new(id: String, title: String, wish: Wish, shown: Vec<u8>, files: Arc<Files>) -> Self {
        let files = Mutex::new(Some(files));
        Job {
            id,
            title,
            wish,
            shown,
            files,
            view: watch::Sender::default(),
            cancelled: AtomicBool::new(false),
        }
    }

    pub fn files(&self) -> Option<Arc<Files>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn view(&self) -> View {
        self.view.borrow().clone()
    }

    pub fn follow(&self) -> watch::Receiver<View> {
        self.view.subscribe()
    }

    pub fn change(&self, change: impl FnOnce(&mut View)) {
        self.view.send_modify(change);
    }

    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    fn forget(&self) -> usize {
        let files = self.files.lock().unwrap_or_else(PoisonError::into_inner).take();
        files.map_or(0, |files| files.len())
    }
}

/// All of them, the oldest first.
pub struct Jobs {
    all: Mutex<Line>,
    arrived: Condvar,
    queued: usize,
    kept: usize,
    streams: Arc<Semaphore>,
}

#[derive(Default)]
struct Line {
    jobs: VecDeque<Arc<Job>>,
    stopped: bool,
}

impl Jobs {
    pub fn new(bounds: &Bounds) -> Self {
        Jobs {
            all: Mutex::default(),
            arrived: Condvar::new(),
            queued: bounds.queued,
            kept: bounds.kept,
            streams: Arc::new(Semaphore::new(bounds.streams)),
        }
    }

    /// Puts `job` at the end of the line.
    ///
    /// # Errors
    /// When too many wait, or their references leave no room for this one.
    pub fn submit(&self, job: Job) -> Result<Arc<Job>, Problem> {
        let mut line = self.lock();
        let waiting = line.jobs.iter().filter(|job| job.view().phase == Phase::Waiting).count();
        if line.stopped || waiting >= self.queued {
            return Err(Problem::Busy);
        }
        let size = |job: &Job| job.files().map_or(0, |files| files.len());
        let mut held: usize = line.jobs.iter().map(|job| size(job)).sum::<usize>() + size(&job);
        for over in line.jobs.iter().filter(|job| job.view().phase.is_over()) {
            if held <= HELD {
                break;
            }
            held -= over.forget();
        }
        if held > HELD {
            return Err(Problem::Busy);
        }
        let mut over = line.jobs.iter().filter(|job| job.view().phase.is_over()).count();
        line.jobs.retain(|job| {
            let goes = over > self.kept && job.view().phase.is_over();
            over -= usize::from(goes);
            !goes
        });
        let job = Arc::new(job);
        line.jobs.push_back(Arc::clone(&job));
        self.arrived.notify_one();
        Ok(job)
    }

    pub fn find(&self, id: &str) -> Option<Arc<Job>> {
        self.lock().jobs.iter().find(|job| job.id == id).cloned()
    }

    /// All that are known, the newest first.
    pub fn recent(&self) -> Vec<Arc<Job>> {
        self.lock().jobs.iter().rev().cloned().collect()
    }

    /// How many are before `id`.
    pub fn ahead(&self, id: &str) -> usize {
        let line = self.lock();
        let before = line.jobs.iter().take_while(|job| job.id != id);
        before.filter(|job| !job.view().phase.is_over()).count()
    }

    /// The next to run, as soon as there is one; `None` once all is over. It runs from then on.
    pub fn next(&self) -> Option<Arc<Job>> {
        let mut line = self.lock();
        loop {
            if line.stopped {
                return None;
            }
            if let Some(job) = line.jobs.iter().find(|job| job.view().phase == Phase::Waiting) {
                job.change(|view| view.phase = Phase::Running);
                return Some(Arc::clone(job));
            }
            line = self.arrived.wait(line).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Asks `job` to end. One that waits is over at once.
    pub fn cancel(&self, job: &Job) {
        let _line = self.lock();
        job.cancelled.store(true, Ordering::Relaxed);
        job.change(|view| {
            if view.phase == Phase::Waiting {
                view.phase = Phase::Cancelled;
            }
        });
    }

    /// Asks all of them to end, and takes no more.
    pub fn stop(&self) {
        let jobs = {
            let mut line = self.lock();
            line.stopped = true;
            self.arrived.notify_all();
            line.jobs.clone()
        };
        jobs.iter().for_each(|job| self.cancel(job));
    }

    /// Leave to follow a job, given back when it is dropped.
    pub fn stream(&self) -> Result<OwnedSemaphorePermit, Problem> {
        Arc::clone(&self.streams).try_acquire_owned().map_err(|_| Problem::Busy)
    }

    /// How many more pages could follow jobs.
    #[cfg(test)]
    pub fn free_streams(&self) -> usize {
        self.streams.available_permits()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Line> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::intake::Upload;

    fn job(id: &str, bytes: usize) -> Job {
        let wish = Wish::of(&Upload::default()).expect("the defaults");
        let files = Files { reference: vec![0; bytes - bytes / 2], mask: Some(vec![0; bytes / 2]) };
        Job::new(id.into(), "a.png".into(), wish, Vec::new(), Arc::new(files))
    }

    fn jobs(queued: usize, kept: usize) -> Jobs {
        Jobs::new(&Bounds { queued, kept, streams: 1, ..Bounds::new(false, 1) })
    }

    #[test]
    fn the_line_is_no_longer_than_was_set() {
        let jobs = jobs(2, 9);
        jobs.submit(job("a", 1)).expect("room");
        jobs.submit(job("b", 1)).expect("room");
        assert_eq!(jobs.submit(job("c", 1)).err(), Some(Problem::Busy));
        assert_eq!(jobs.next().map(|job| job.id.clone()), Some("a".into()));
        jobs.submit(job("c", 1)).expect("one of them runs");
        assert_eq!(jobs.ahead("c"), 2);
    }

    #[test]
    fn what_is_over_is_forgotten_in_time_and_its_reference_before() {
        let jobs = jobs(9, 2);
        for id in ["a", "b", "c"] {
            let job = jobs.submit(job(id, HELD / 2)).expect("room");
            jobs.cancel(&job);
        }
        assert!(jobs.find("a").expect("still known").files().is_none(), "it made room");
        assert!(jobs.find("c").expect("known").files().is_some());
        jobs.submit(job("d", 1)).expect("room");
        assert!(jobs.find("a").is_none() && jobs.find("b").is_some() && jobs.find("c").is_some());
    }

    #[test]
    fn references_of_jobs_that_wait_fill_what_there_is() {
        let jobs = jobs(9, 9);
        jobs.submit(job("a", HELD)).expect("room");
        assert_eq!(jobs.submit(job("b", 1)).err(), Some(Problem::Busy));
    }

    #[test]
    fn after_the_end_nothing_is_taken_or_given() {
        let jobs = jobs(9, 9);
        let waiting = jobs.submit(job("a", 1)).expect("room");
        jobs.stop();
        assert_eq!(waiting.view().phase, Phase::Cancelled);
        assert!(jobs.next().is_none() && jobs.submit(job("b", 1)).is_err());
    }

    #[test]
    fn no_more_follow_than_was_set_and_who_leaves_makes_room() {
        let jobs = jobs(1, 1);
        let one = jobs.stream().expect("the first");
        assert_eq!(jobs.stream().err(), Some(Problem::Busy));
        drop(one);
        assert_eq!(jobs.free_streams(), 1);
    }
}
