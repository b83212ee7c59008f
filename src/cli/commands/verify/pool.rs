//! Files verified side by side, answered in order.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use super::archive;
use super::listing::Listed;
use crate::cli::error::Failure;
use crate::cli::files;
use crate::cli::term::shown;
use crate::raster::{DecodeError, Limits};
use crate::verify::{Archive, Report, Sidecar, VerifyError, verify_with};

/// What came of one file.
pub enum Answer {
    Report(Box<Report>),
    Failed(Failure),
    /// A file below a folder that is no picture.
    NoPicture,
}

/// Gives `each` the answer to every one of `files`, in their order, as early as that order allows; one at a time is
/// looked into by each core. `manifest` belongs to the one that was named, if it is one; `trust` is trusted beside what the
/// workspace trusts.
pub fn verified(
    files: &[Listed],
    manifest: Option<&Path>,
    place: Option<&Path>,
    trust: &[String],
    mut each: impl FnMut(&Listed, Answer) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicUsize::new(0);
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..cores.min(files.len()) {
            let (next, sender) = (&next, sender.clone());
            scope.spawn(move || {
                // A catalog is for one thread; what could not be read of it was told by the one who asked first.
                let archive = archive(place).ok().flatten();
                let anchors = archive.iter().flat_map(|archive| &archive.anchors).chain(trust);
                let anchors: Vec<String> = anchors.cloned().collect();
                while let Some((at, file)) = take(next, files) {
                    if sender.send((at, answer(file, manifest, archive.as_ref(), &anchors))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let mut early = BTreeMap::new();
        let mut due = 0;
        for (at, answer) in receiver {
            early.insert(at, answer);
            while let Some(answer) = early.remove(&due) {
                // The receiver goes with this return, and no worker begins another file.
                each(&files[due], answer)?;
                due += 1;
            }
        }
        Ok(())
    })
}

fn take<'a>(next: &AtomicUsize, files: &'a [Listed]) -> Option<(usize, &'a Listed)> {
    let at = next.fetch_add(1, Ordering::Relaxed);
    files.get(at).map(|file| (at, file))
}

fn answer(file: &Listed, manifest: Option<&Path>, archive: Option<&Archive>, anchors: &[String]) -> Answer {
    let bytes = match files::read(&file.path) {
        Ok(bytes) => bytes,
        Err(failure) => return Answer::Failed(failure),
    };
    let sidecar = match sidecar(manifest, &file.path) {
        Ok(sidecar) => sidecar,
        Err(failure) => return Answer::Failed(failure),
    };
    let memory = archive.and_then(Archive::memory);
    match verify_with(&bytes, sidecar.as_ref(), memory.as_ref(), anchors, &Limits::default()) {
        Ok(report) => Answer::Report(Box::new(report)),
        Err(VerifyError::Decode(DecodeError::UnknownFormat { .. } | DecodeError::Empty)) if !file.named => {
            Answer::NoPicture
        }
        Err(error) => Answer::Failed(Failure::at(file.path.display(), error)),
    }
}

/// The manifest that was named, else what lies beside the picture under its name.
fn sidecar(named: Option<&Path>, path: &Path) -> Result<Option<Sidecar>, Failure> {
    let sidecar = |path: &Path, store, instead| Sidecar { name: shown(path).to_string(), store, instead };
    if let Some(named) = named {
        return Ok(Some(sidecar(named, files::read(named)?, true)));
    }
    Ok(files::beside(path)?.map(|(beside, store)| sidecar(&beside, store, false)))
}
