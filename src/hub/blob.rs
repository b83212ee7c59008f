//! One file from the hub to its place in the cache.

use std::fs;
use std::io::{self, Read};
use std::time::Duration;

use super::HubError;
use super::cache::Cache;
use super::client::Client;
use super::part::Part;
use super::repository::{File, Repository};
use crate::disk;
use crate::progress::Progress;

/// Failures in a row after which no more is asked, unless bytes come between them.
const TRIES: u32 = 5;
/// How often a lock that another program has is tried.
const LOOK: Duration = Duration::from_millis(200);
const BLOCK: usize = 256 << 10;
/// What a host answers that has no such part of a file.
const NOT_SATISFIABLE: u16 = 416;

/// Fetches `file` from `url` unless it is there; other programs that want it wait meanwhile, and so does this one.
pub fn fetch(
    client: &Client,
    cache: &Cache,
    repository: &Repository,
    file: &File,
    url: &str,
    progress: &mut dyn Progress,
) -> Result<(), HubError> {
    let id = &repository.id;
    if cache.is_whole(id, file) {
        return Ok(());
    }
    progress.stage(&file.name, file.bytes);
    let _lock = alone(cache, repository, file, progress)?;
    if cache.is_whole(id, file) {
        progress.advance(file.bytes);
        return Ok(());
    }
    let path = cache.part(id, file);
    let disk = |source| HubError::Disk { path: path.clone(), source };
    let mut part = Part::open(path.clone(), file).map_err(disk)?;
    progress.advance(part.length);
    let mut failures = 0;
    loop {
        let before = part.length;
        match pull(client, repository, file, url, &mut part, progress) {
            Ok(()) if part.digest() == file.digest.to_string() => {
                return part.keep(&cache.blob(id, file)).map_err(disk);
            }
            // What was left from another time may have been something else.
            Ok(()) if part.is_resumed => again(&mut part, file, progress).map_err(disk)?,
            Ok(()) => {
                let found = part.digest();
                part.discard().map_err(disk)?;
                return Err(HubError::Damaged {
                    name: file.name.clone(),
                    expected: file.digest.to_string(),
                    found,
                });
            }
            Err(error) if !error.may_pass() => return Err(error),
            Err(error) => {
                failures = if part.length > before { 1 } else { failures + 1 };
                if failures == TRIES {
                    return Err(error);
                }
                progress.phase(&format!("{}: asking again", file.name));
                client.wait(failures, progress)?;
            }
        }
    }
}

/// Begins a file from its first byte.
fn again(part: &mut Part, file: &File, progress: &mut dyn Progress) -> io::Result<()> {
    progress.stage(&file.name, file.bytes);
    part.restart()
}

/// The lock of a file's content, waited for while another program has it.
fn alone(
    cache: &Cache,
    repository: &Repository,
    file: &File,
    progress: &mut dyn Progress,
) -> Result<fs::File, HubError> {
    let path = cache.lock(&repository.id, file);
    let opened = fs::create_dir_all(disk::folder(&path))
        .and_then(|()| fs::OpenOptions::new().write(true).create(true).truncate(false).open(&path));
    let disk = |source| HubError::Disk { path: path.clone(), source };
    let lock = opened.map_err(disk)?;
    let mut is_told = false;
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(lock),
            Err(fs::TryLockError::WouldBlock) => {
                if !is_told {
                    progress.phase(&format!("{}: another program is fetching it", file.name));
                    is_told = true;
                }
                stopped(progress)?;
                std::thread::sleep(LOOK);
            }
            Err(fs::TryLockError::Error(source)) => return Err(disk(source)),
        }
    }
}

/// Asks for what is lacking of a file, and takes it until it is whole.
fn pull(
    client: &Client,
    repository: &Repository,
    file: &File,
    url: &str,
    part: &mut Part,
    progress: &mut dyn Progress,
) -> Result<(), HubError> {
    let disk = |source| HubError::Disk { path: file.name.clone().into(), source };
    let longer = |found| HubError::Length { name: file.name.clone(), expected: file.bytes, found };
    if part.length == file.bytes {
        return Ok(());
    }
    let answer = client.get(url, part.length, &repository.id);
    if let (Err(HubError::Status { status: NOT_SATISFIABLE, .. }), true) = (&answer, part.length > 0) {
        again(part, file, progress).map_err(disk)?;
    }
    let answer = answer?;
    // A host that knows no ranges, or another one than was asked for, begins anew.
    if answer.start != part.length {
        again(part, file, progress).map_err(disk)?;
        if answer.start != 0 {
            return Err(client.broken(url, "it sent another part than was asked for"));
        }
    }
    if let Some(bytes) = answer.bytes
        && answer.start + bytes != file.bytes
    {
        return Err(longer(answer.start + bytes));
    }
    let mut body = answer.body;
    let mut block = vec![0; BLOCK];
    loop {
        let read = body.read(&mut block).map_err(|error| client.broken(url, &error.to_string()))?;
        if read == 0 && part.length < file.bytes {
            return Err(
                client.broken(url, &format!("it ended after {} of {} bytes", part.length, file.bytes))
            );
        }
        let found = part.length + read as u64;
        if found > file.bytes {
            return Err(longer(found));
        }
        if read == 0 {
            return Ok(());
        }
        part.append(&block[..read]).map_err(disk)?;
        progress.advance(read as u64);
        stopped(progress)?;
    }
}

pub(super) fn stopped(progress: &dyn Progress) -> Result<(), HubError> {
    if progress.cancelled() { Err(HubError::Cancelled) } else { Ok(()) }
}
