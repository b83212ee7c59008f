//! What this workspace remembers: a SQLite database whose schema refuses what the policy refuses.
//!
//! The schema is in `catalog/migrations/*.sql` and nowhere else. The only door of `rusqlite`.

mod adoption;
mod browse;
mod check;
mod desk;
mod foreign;
mod installing;
mod kin;
mod known;
mod log;
mod model;
mod overriding;
mod read;
mod rules;
mod schema;
mod seal;
#[cfg(test)]
mod tests;
mod write;

pub use adoption::strength_told;
pub use browse::{Account, Filter, Glance, Logged, Marked};
pub use check::Finding;
pub use desk::Found;
pub use foreign::{Exportable, ForeignArchive, ForeignManifest, ForeignMatch, Imported};
pub use kin::Picture;
pub use known::NEAREST;
pub use log::{Event, Pen};
pub use model::{
    Adoption, AdoptionEntry, Asset, AssetEntry, Compared, Comparison, ComparisonEntry, Derived, Facts,
    MarkEntry, MeasurementEntry, Near, OverrideEntry, PoliciesEntry, PolicyEntry, PolicyRules, RefusalEntry,
    ReleaseEntry, Role, RunEntry, SearchEntry, TimeStampEntry,
};
pub use overriding::{Approval, Draft};

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::functions::FunctionFlags;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::digest::Digest;

/// How long a writer waits for another one.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

/// An open catalog. One writer at a time, any number of readers, over any number of processes.
pub struct Catalog {
    db: Connection,
    known: known::Known,
}

/// Why the catalog could not be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    #[error("{}: no catalog yet", path.display())]
    Missing { path: PathBuf },
    #[error("{}: schema version {found} is newer than this program's {known}: use a newer program", path.display())]
    TooNew { path: PathBuf, found: i64, known: i64 },
    #[error("{}: schema version {found} is older than this program's {known}: 'vidimus init' brings it up to date", path.display())]
    TooOld { path: PathBuf, found: i64, known: i64 },
    #[error("{}: the schema was changed from outside: {what}", path.display())]
    SchemaChanged { path: PathBuf, what: String },
    /// Somebody made another reference known since a draft was held against all there were.
    #[error("the catalog refuses: reference {newest} was added since the draft was held against {through}")]
    Outdated { through: u64, newest: u64 },
    /// A trigger, a constraint or a foreign key of the schema said no.
    #[error("the catalog refuses: {reason}")]
    Refused { reason: String },
    #[error("{}: cannot {action} the catalog: {source}", path.display())]
    Sqlite { path: PathBuf, action: &'static str, source: rusqlite::Error },
}

impl Catalog {
    /// Opens the catalog at `path` for writing; makes it if it is not there, brings it up to date if it is old.
    ///
    /// # Errors
    /// `TooNew` or `SchemaChanged` leave the file untouched.
    pub fn open(path: &Path) -> Result<Self, CatalogError> {
        let fail = |action| sqlite(path, action);
        let mut db = Connection::open(path).map_err(fail("open"))?;
        prepare(&db).map_err(fail("open"))?;
        schema::migrate(&mut db, path)?;
        if let Some(what) = schema::drift(&db).map_err(fail("read"))? {
            return Err(CatalogError::SchemaChanged { path: path.to_owned(), what });
        }
        write_ahead(&db).map_err(fail("open"))?;
        Ok(Catalog { db, known: Default::default() })
    }

    /// Opens the catalog for reading alone. A changed schema is not an error here: `check` reports it.
    pub fn open_read_only(path: &Path) -> Result<Self, CatalogError> {
        if !path.exists() {
            return Err(CatalogError::Missing { path: path.to_owned() });
        }
        let fail = |action| sqlite(path, action);
        // A connection that may not write cannot tidy up either: it would leave an empty log of WAL and its
        // index behind. This one may, and is told to change nothing.
        let log_was_there = fs::metadata(beside(path, "-wal")).is_ok_and(|log| log.len() > 0);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut db = Connection::open_with_flags(path, flags).map_err(fail("open"))?;
        if let Err(error) = readable(&db) {
            let closed =
                matches!(error.sqlite_error_code(), Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly));
            if !closed || log_was_there {
                return Err(fail("open")(error));
            }
            // A folder that takes no new files, and no writer at work: the file alone is the whole catalog.
            db = immutable(path).map_err(fail("open"))?;
        }
        prepare(&db).map_err(fail("open"))?;
        db.pragma_update(None, "query_only", true).map_err(fail("open"))?;
        // What a writer left in its log stays there: it is for the next writer to bring over.
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, log_was_there).map_err(fail("open"))?;
        schema::refuse_newer(&db, path)?;
        Ok(Catalog { db, known: Default::default() })
    }
}

/// Turns to write-ahead logging. SQLite does not wait for other connections here, so we do.
fn write_ahead(db: &Connection) -> rusqlite::Result<()> {
    const PAUSE: Duration = Duration::from_millis(10);
    let mut left = BUSY_TIMEOUT.as_millis() / PAUSE.as_millis();
    loop {
        match db.pragma_update(None, "journal_mode", "WAL") {
            Err(error) if left > 0 && error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {
                left -= 1;
                std::thread::sleep(PAUSE);
            }
            other => return other,
        }
    }
}

/// Whether the file can be read, in the folder where it is.
fn readable(db: &Connection) -> rusqlite::Result<()> {
    db.busy_timeout(BUSY_TIMEOUT)?;
    db.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))
}

/// Opens `path` as a file that nobody changes meanwhile: no locks, no files beside it.
fn immutable(path: &Path) -> rusqlite::Result<Connection> {
    let mut uri = String::from("file:");
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => {
                uri.push(char::from(*byte))
            }
            other => uri.push_str(&format!("%{other:02X}")),
        }
    }
    uri.push_str("?immutable=1");
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    Connection::open_with_flags(uri, flags)
}

/// The file that SQLite keeps beside the database.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Settings of every connection, and the function that the log's trigger needs.
fn prepare(db: &Connection) -> rusqlite::Result<()> {
    db.busy_timeout(BUSY_TIMEOUT)?;
    // All that one recording asks and writes.
    db.set_prepared_statement_cache_capacity(128);
    db.pragma_update(None, "foreign_keys", true)?;
    db.pragma_update(None, "recursive_triggers", true)?;
    db.pragma_update(None, "synchronous", "FULL")?;
    db.pragma_update(None, "trusted_schema", false)?;
    let flags =
        FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
    db.create_scalar_function("sha256", 1, flags, |context| {
        let bytes = context.get_raw(0).as_bytes_or_null()?.unwrap_or_default();
        Ok(Digest::of(bytes).as_bytes().to_vec())
    })
}

fn sqlite(path: &Path, action: &'static str) -> impl Fn(rusqlite::Error) -> CatalogError + use<> {
    let path = path.to_owned();
    move |source| CatalogError::Sqlite { path: path.clone(), action, source }
}

/// What the schema refuses is a refusal with its own words; the rest is a failure of the database.
fn refusal_or(path: &Path, action: &'static str) -> impl Fn(rusqlite::Error) -> CatalogError + use<> {
    let path = path.to_owned();
    move |source| match &source {
        rusqlite::Error::SqliteFailure(code, Some(reason))
            if code.code == rusqlite::ErrorCode::ConstraintViolation =>
        {
            CatalogError::Refused { reason: reason.clone() }
        }
        _ => CatalogError::Sqlite { path: path.clone(), action, source },
    }
}

impl Catalog {
    /// Refuses what a reader cannot look into: it is for a writer to bring up to date.
    pub fn refuse_older(&self) -> Result<(), CatalogError> {
        schema::refuse_older(&self.db, &self.path())
    }

    fn path(&self) -> PathBuf {
        self.db.path().map(PathBuf::from).unwrap_or_default()
    }
}
