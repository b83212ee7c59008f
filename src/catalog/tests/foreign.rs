//! What other workspaces exported: for recovery alone, written once, all of it or nothing.

use super::*;
use crate::catalog::{ForeignArchive, ForeignManifest, Imported};

/// An archive of the manifests `numbers`.
fn archive(numbers: &[u8]) -> ForeignArchive {
    let manifest = |number: &u8| ForeignManifest {
        label: format!("urn:c2pa:foreign-{number}"),
        sha256: Digest::of([*number]),
        pixels_sha256: Digest::of([*number, 1]),
        fingerprint: Fingerprint { bits: [*number; 32], quality: 80 },
        image_code: Some(ImageCode::from_bytes([*number; 32])),
        payload_id: Some(format!("{number:017x}")),
        store: vec![*number; 100],
    };
    ForeignArchive {
        digest: Digest::of(numbers),
        exporter: "another laboratory".into(),
        key: Digest::of("its key"),
        exported: "2026-08-02T10:00:00Z".into(),
        manifests: numbers.iter().map(manifest).collect(),
    }
}

fn import(desk: &mut Desk, archive: &ForeignArchive) -> Result<Imported, CatalogError> {
    desk.catalog.import(archive, datetime!(2026-08-03 10:00 UTC))
}

fn counted(desk: &Desk) -> (i64, i64) {
    let count = |table: &str| {
        let sql = format!("SELECT count(*) FROM {table}");
        desk.catalog.db.query_row(&sql, [], |row| row.get(0)).expect("a table")
    };
    (count("foreign_archive"), count("foreign_manifest"))
}

#[test]
fn an_archive_is_known_by_pixels_mark_and_looks_and_released_nothing() {
    let mut desk = Desk::new();
    desk.release(&release(1));
    let before = dump(&desk.catalog.db);
    assert_eq!(import(&mut desk, &archive(&[3, 60])).expect("new"), Imported { added: 2, known: 0 });
    assert_eq!(import(&mut desk, &archive(&[3, 60])).expect("again"), Imported { added: 0, known: 2 });
    assert_eq!(import(&mut desk, &archive(&[60, 61])).expect("in part"), Imported { added: 1, known: 1 });
    assert_eq!(counted(&desk), (2, 3));
    assert_eq!(dump(&desk.catalog.db), before, "nothing that a release rests on is another");
    assert_eq!(desk.findings(), []);

    let c = &desk.catalog;
    let found = c.foreign_by_pixels(&Digest::of([3, 1])).expect("readable").expect("known");
    assert_eq!((found.label.as_str(), found.exporter.as_str()), ("urn:c2pa:foreign-3", "another laboratory"));
    assert_eq!((found.key, found.store), (Digest::of("its key"), vec![3; 100]));
    assert!(c.foreign_by_pixels(&Digest::of("others")).expect("readable").is_none());
    let labels = |beginning: &str| {
        let found = c.foreign_by_payload(beginning).expect("readable");
        found.into_iter().map(|found| found.label).collect::<Vec<_>>()
    };
    assert_eq!(labels(&format!("{:017x}", 60)), ["urn:c2pa:foreign-60"]);
    assert_eq!(labels("000000000000").len(), 3);
    assert!(labels("1").is_empty());
    // 60 and 61 differ in one bit of each byte.
    let looks = Fingerprint { bits: [60; 32], quality: 80 };
    let alike = |code: u8, most: u32| {
        let code = ImageCode::from_bytes([code; 32]);
        c.foreign_by_looks(&code, most, &looks, 48).expect("readable").map(|found| found.label)
    };
    assert_eq!(alike(61, 0).as_deref(), Some("urn:c2pa:foreign-61"));
    assert_eq!(alike(60, 32).as_deref(), Some("urn:c2pa:foreign-60"));
    assert_eq!(alike(0xff, 32), None);
    assert!(c.by_sha256(&Digest::of([3])).expect("readable").is_none(), "it is no asset of ours");
}

#[test]
fn a_name_with_other_content_refuses_the_whole_archive() {
    let mut desk = Desk::new();
    desk.release(&release(1));
    import(&mut desk, &archive(&[3])).expect("new");
    let mut other = archive(&[2, 3]);
    other.manifests[1].store = vec![9; 100];
    let mut ours = archive(&[4, 5]);
    ours.manifests[1].label = "urn:c2pa:1".into();
    let mut empty = archive(&[6]);
    empty.manifests[0].store.clear();
    for (archive, words) in [
        (other, "manifest \"urn:c2pa:foreign-3\" is here already, with other content"),
        (ours, "manifest \"urn:c2pa:1\" is here already, with other content"),
        (empty, "foreign manifest refused: it is empty"),
    ] {
        match import(&mut desk, &archive) {
            Err(CatalogError::Refused { reason }) => assert_eq!(reason, words),
            other => panic!("{other:?}"),
        }
        assert_eq!(counted(&desk), (1, 1), "{words}");
    }
    assert_eq!(desk.findings(), []);
}

#[test]
fn what_was_imported_is_written_once() {
    let mut desk = Desk::new();
    desk.release(&release(1));
    import(&mut desk, &archive(&[3])).expect("new");
    let db = stranger(&desk.path);
    for table in ["foreign_archive", "foreign_manifest"] {
        let columns = columns(&db, table).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        let (list, key) = (columns.join(", "), &columns[0]);
        for sql in [
            format!("UPDATE {table} SET {key} = {key}"),
            format!("DELETE FROM {table}"),
            format!("REPLACE INTO {table} ({list}) SELECT {list} FROM {table}"),
        ] {
            let error = db.execute(&sql, []).expect_err(&sql).to_string();
            assert_eq!(error, format!("{table} is append-only"), "{sql}");
        }
    }
    let ours = "INSERT INTO foreign_manifest SELECT 'urn:c2pa:1', archive, sha256, pixels_sha256, fingerprint, \
                fingerprint_quality, image_code, payload_id, bytes FROM foreign_manifest";
    let error = db.execute(ours, []).expect_err("it is ours").to_string();
    assert_eq!(error, "foreign manifest refused: it was released here");
    assert_eq!(counted(&desk), (1, 1));
}

#[test]
fn outputs_are_found_by_their_codes_the_nearest_first() {
    let mut desk = Desk::new();
    for number in [1, 2, 7] {
        desk.release(&release(number));
    }
    let code = ImageCode::from_bytes([3; 32]);
    let found = |bits: u32, count: usize| desk.catalog.by_image_code(&code, bits, count).expect("readable");
    // 1 and 2 and 7 differ from 3 in one bit of each byte, all the same.
    assert_eq!(found(31, 9), Vec::<String>::new());
    assert_eq!(found(32, 9), [id(12), id(22), id(72)]);
    assert_eq!(found(32, 2), [id(12), id(22)]);
    let code = ImageCode::from_bytes([6; 32]);
    let found = |bits: u32| desk.catalog.by_image_code(&code, bits, 9).expect("readable");
    assert_eq!(found(255), [id(22), id(72), id(12)], "in 1, 1 and 3 bits of each byte");
}

#[test]
fn a_catalog_of_before_holds_nothing_foreign_and_is_read_all_the_same() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let catalog = Catalog::open_read_only(&super::opening::old(dir.path())).expect("readable");
    let code = ImageCode::from_bytes([0; 32]);
    assert!(catalog.foreign_by_pixels(&Digest::of("any")).expect("readable").is_none());
    assert!(catalog.foreign_by_payload("0").expect("readable").is_empty());
    let looks = Fingerprint { bits: [0; 32], quality: 80 };
    assert!(catalog.foreign_by_looks(&code, 256, &looks, 256).expect("readable").is_none());
    assert!(catalog.by_image_code(&code, 256, 9).expect("readable").is_empty());
    assert_eq!(catalog.exportable().expect("readable").len(), 1);
}
