//! Reading leaves no trace, and a damaged file is an error, never a panic.

use std::fs;

use super::*;

/// Names and digests of the files in the folder of `path`.
fn folder(path: &Path) -> Vec<(String, Digest)> {
    let mut files: Vec<_> = fs::read_dir(path.parent().expect("a folder"))
        .expect("readable")
        .map(|entry| entry.expect("readable").path())
        .map(|path| (path.display().to_string(), Digest::of(fs::read(&path).expect("readable"))))
        .collect();
    files.sort();
    files
}

fn read_all(catalog: &Catalog) {
    assert_eq!(catalog.check(&holds).expect("readable"), []);
    assert_eq!(catalog.assets().expect("readable").len(), 5);
}

#[test]
fn reading_leaves_the_folder_as_it_was() {
    let Desk { _dir, path, catalog } = Desk::busy();
    drop(catalog);
    let before = folder(&path);
    assert_eq!(before.len(), 1, "a closed catalog is one file");
    let (one, two) =
        (Catalog::open_read_only(&path).expect("there"), Catalog::open_read_only(&path).expect("there"));
    read_all(&one);
    drop(one);
    read_all(&two);
    drop(two);
    assert_eq!(folder(&path), before);
}

#[test]
fn reading_leaves_what_a_killed_writer_left() {
    let desk = Desk::busy();
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("catalog.db");
    for suffix in ["", "-wal", "-shm"] {
        let from = super::super::beside(&desk.path, suffix);
        fs::copy(from, super::super::beside(&path, suffix)).expect("a writer at work has all three");
    }
    let lasting =
        |files: Vec<(String, Digest)>| files.into_iter().filter(|(name, _)| !name.ends_with("-shm"));
    let before = folder(&path);
    let catalog = Catalog::open_read_only(&path).expect("there");
    read_all(&catalog);
    drop(catalog);
    assert_eq!(folder(&path).len(), 3);
    // The -shm file is an index of the log for the processes at work, and made anew after a crash.
    assert!(lasting(folder(&path)).eq(lasting(before)));
    drop(Catalog::open(&path).expect("the next writer brings it over"));
    assert_eq!(folder(&path).len(), 1);
    read_all(&Catalog::open_read_only(&path).expect("there"));
}

#[test]
fn a_catalog_open_for_reading_writes_nothing() {
    let desk = Desk::busy();
    let mut reader = Catalog::open_read_only(&desk.path).expect("there");
    assert!(matches!(record(&mut reader, &release(7)), Err(CatalogError::Sqlite { .. })));
    assert_eq!(reader.events().expect("readable").len(), 4);
    let mut desk = desk;
    desk.release(&release(7));
    assert_eq!(reader.events().expect("readable").len(), 5, "a reader sees what was written since");
}

#[test]
fn a_file_in_a_folder_that_takes_no_files_is_read_as_it_is() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("a folder?with#odd %41 näme").join("catalog.db");
    fs::create_dir_all(path.parent().expect("a folder")).expect("writable");
    record(&mut Catalog::open(&path).expect("fresh"), &release(1)).expect("writable");
    let before = folder(&path);
    let db = super::super::immutable(&path).expect("there");
    super::super::prepare(&db).expect("settings");
    let catalog = Catalog { db, known: Default::default() };
    assert_eq!(folder(&path), before, "not even while it is open");
    assert_eq!(catalog.outputs().expect("readable").len(), 1);
    assert_eq!(catalog.check(&holds).expect("readable"), []);
}

#[test]
fn where_nothing_can_be_written_beside_it_the_file_is_read_alone() {
    let Desk { _dir, path, catalog } = Desk::busy();
    drop(catalog);
    // Stands for a folder without write permission, which would not stop root.
    fs::create_dir(super::super::beside(&path, "-shm")).expect("writable");
    read_all(&Catalog::open_read_only(&path).expect("it is whole"));
}

#[test]
fn a_catalog_that_is_not_there_is_missing_and_is_not_made() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("catalog.db");
    assert!(matches!(Catalog::open_read_only(&path), Err(CatalogError::Missing { .. })));
    assert!(!path.exists());
    assert!(Catalog::open(&dir.path().join("no/such/folder/catalog.db")).is_err());
}

#[test]
fn what_is_no_database_is_an_error() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("catalog.db");
    fs::write(&path, "not a database, and long enough to have a header of one hundred bytes ".repeat(9))
        .expect("writable");
    let before = folder(&path);
    assert!(Catalog::open(&path).is_err());
    assert!(Catalog::open_read_only(&path).is_err());
    assert!(Catalog::open(dir.path()).is_err());
    assert!(Catalog::open_read_only(dir.path()).is_err());
    assert_eq!(folder(&path), before);
}

#[test]
fn an_empty_file_becomes_a_catalog_when_written_and_is_none_when_read() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("catalog.db");
    fs::write(&path, "").expect("writable");
    let catalog = Catalog::open_read_only(&path).expect("an empty database");
    assert!(catalog.outputs().is_err());
    assert!(!catalog.check(&holds).expect("a finding").is_empty());
    drop(catalog);
    assert_eq!(fs::read(&path).expect("there"), b"");
    assert_eq!(Catalog::open(&path).expect("fresh").outputs().expect("readable"), []);
}

#[test]
fn truncated_and_overwritten_files_are_errors_or_findings() {
    let Desk { _dir, path, catalog } = Desk::busy();
    let rows = dump(&catalog.db);
    drop(catalog);
    let whole = fs::read(&path).expect("there");
    let page = 4096;
    let damaged = path.with_file_name("damaged.db");
    let cut = (0..whole.len())
        .step_by(page)
        .chain([1, 50, 100, whole.len() - page / 2])
        .map(|at| whole[..at].to_vec());
    let garbled = (0..whole.len() / page).map(|number| {
        let mut bytes = whole.clone();
        bytes[number * page + 100..(number + 1) * page].fill(0xA5);
        bytes
    });
    for (number, bytes) in cut.chain(garbled).enumerate() {
        fs::write(&damaged, &bytes).expect("writable");
        let found = Catalog::open_read_only(&damaged).and_then(|catalog| {
            let _ = (catalog.assets(), catalog.events(), catalog.made_from(&id(11)), catalog.facts(&id(12)));
            catalog.check(&holds)
        });
        if found.as_ref().is_ok_and(Vec::is_empty) {
            // What was lost then was the unused end of a page.
            assert_eq!(
                dump(&Connection::open(&damaged).expect("there")),
                rows,
                "case {number} goes unnoticed"
            );
        }
        // Opening it for writing may fail or not; it has to come back.
        let _ = Catalog::open(&damaged).and_then(|mut catalog| record(&mut catalog, &release(7)));
        for suffix in ["-wal", "-shm", "-journal"] {
            let _ = fs::remove_file(super::super::beside(&damaged, suffix));
        }
    }
}
