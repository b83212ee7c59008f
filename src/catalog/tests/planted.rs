//! Any client can write an asset, a run or a mark. That makes no output of it and no lineage.

use super::*;

/// An asset that another client wrote, with the digests of `picture`.
fn plant(path: &Path, role: &str, copy_of: Option<&str>, picture: &AssetEntry) {
    let sql = "INSERT INTO asset SELECT ?, ?, ?, ?, mime, width, height, bytes, ?, 100, 'planted', ?, created \
               FROM asset LIMIT 1";
    let (id, file, pixels) = ("planted".repeat(4)[..26].to_owned(), picture.sha256, picture.pixels_sha256);
    let values =
        rusqlite::params![id, role, file.as_bytes(), pixels.as_bytes(), picture.fingerprint, copy_of];
    stranger(path).execute(sql, values).expect("anyone can");
}

#[test]
fn an_output_that_was_never_released_does_not_count_as_one() {
    let desk = Desk::busy();
    let micrograph = picture(5000);
    plant(&desk.path, "output", None, &micrograph);
    let sql = "INSERT INTO mark SELECT id, 'watermark', 'w', 'planted', 5, 5, 60.0 FROM asset WHERE title = 'planted'";
    stranger(&desk.path).execute(sql, []).expect("anyone can");
    let c = &desk.catalog;
    assert_eq!(c.by_sha256(&micrograph.sha256).expect("readable"), None);
    assert_eq!(c.by_pixels(&micrograph.pixels_sha256).expect("readable"), None);
    assert_eq!(c.by_watermark(5, 5).expect("readable"), None);
    let looks = variants([micrograph.fingerprint; 8]);
    for role in [Role::Reference, Role::Output] {
        let near = c.nearest(role, &looks, 9, &[]).expect("readable");
        assert!(near.iter().all(|near| near.distance > 31), "{near:?}");
    }
    assert_eq!(c.outputs().expect("readable").len(), 2);
    let faults: Vec<_> = desk.findings().into_iter().map(|finding| finding.fault).collect();
    assert_eq!(
        faults,
        ["belongs to no run", "is an output that was never released", "is on nothing that was released"]
    );
}

#[test]
fn a_copy_is_a_copy_of_what_was_released() {
    let mut desk = Desk::busy();
    let mut entry = release(6);
    plant(&desk.path, "output", None, &AssetEntry { sha256: Digest::of("other"), ..entry.reference.clone() });
    entry.copy_of = Some("planted".repeat(4)[..26].to_owned());
    entry.search = searched(&desk.catalog, &release(6)).expect("readable");
    with_pen(|pen| desk.catalog.record_release(&entry, pen)).expect("it is no copy of that");
    let reference = desk.catalog.by_id(&entry.reference.id).expect("readable").expect("there");
    assert_eq!(reference.copy_of, None);
}

#[test]
fn a_reference_that_somebody_else_put_on_record_is_not_taken_over() {
    let mut desk = Desk::busy();
    let entry = release(6);
    plant(&desk.path, "reference", Some(&id(12)), &entry.reference);
    let refused = record(&mut desk.catalog, &entry).expect_err("it is not ours");
    assert_eq!(refused.to_string(), "the catalog refuses: asset is append-only");

    // With a run around it, it is taken for known; the log then tells that it was there before.
    let db = stranger(&desk.path);
    let sql = "INSERT INTO run SELECT id || 'planted', engine, engine_version, model_sha256, strength, noise_level, steps, \
               seed, prompt, prompt_used, purpose, started FROM run LIMIT 1; \
               INSERT INTO derivation SELECT (SELECT max(id) FROM run WHERE id LIKE '%planted'), id, NULL, 2 FROM asset \
               WHERE title = 'planted'";
    db.execute_batch(sql).expect("anyone can");
    desk.release(&entry);
    let findings = desk.findings();
    for fault in ["found its reference on record before the log told of it", "led to no decision"] {
        assert!(findings.iter().any(|finding| finding.fault == fault), "{findings:#?}");
    }
}

#[test]
fn a_check_while_others_write_finds_nothing() {
    let desk = Desk::busy();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut catalog = Catalog::open(&desk.path).expect("there");
            for number in 10..60 {
                record(&mut catalog, &release(number)).expect("recorded");
            }
        });
        let reader = Catalog::open_read_only(&desk.path).expect("there");
        while !writer.is_finished() {
            assert_eq!(reader.check(&holds).expect("readable"), []);
        }
    });
    assert_eq!(desk.catalog.outputs().expect("readable").len(), 52);
}
