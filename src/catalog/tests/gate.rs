//! The schema refuses by itself, whoever writes and whatever their connection has switched off.

use rusqlite::Connection;

use super::forgery::Forgery;
use super::*;

/// What the schema says to a release written by hand: on a connection with everything on, and on one with
/// foreign keys, recursive triggers and CHECKs off. Both have to say the same; `None` is a yes.
fn answer(forgery: &Forgery) -> Option<String> {
    let answers = [true, false].map(|strict| {
        let desk = Desk::new();
        let mut db = if strict { strict_client(&desk.path) } else { stranger(&desk.path) };
        let before = dump(&db);
        let answer = forgery.write(&mut db).err().map(|error| match error {
            rusqlite::Error::SqliteFailure(_, Some(words)) => words,
            other => other.to_string(),
        });
        assert_eq!(answer.is_some(), dump(&db) == before, "what is refused leaves nothing");
        answer
    });
    assert_eq!(answers[0], answers[1], "the settings of the connection make a difference");
    answers.into_iter().next().flatten()
}

fn strict_client(path: &std::path::Path) -> Connection {
    let db = Connection::open(path).expect("the file opens");
    crate::catalog::prepare(&db).expect("the function can be registered");
    db
}

type Change = fn(&mut Forgery);

fn changed(change: impl FnOnce(&mut Forgery)) -> Forgery {
    let mut forgery = Forgery::new(1);
    change(&mut forgery);
    forgery
}

#[test]
fn a_release_that_is_right_is_let_through_whoever_writes_it() {
    assert_eq!(answer(&Forgery::new(1)), None);
}

#[test]
fn every_limit_holds_to_the_last_unit() {
    for (deviation, clears) in [(4999, false), (5000, true), (5001, true)] {
        let expected = "decision refused: deviation below the policy's limit".to_owned();
        assert_eq!(
            answer(&Forgery::new(1).deviation(deviation)),
            (!clears).then_some(expected),
            "{deviation}"
        );
    }
    for (composition, clears) in [(1999, false), (2000, true), (2001, true)] {
        let expected = "decision refused: arrangement below the policy's limit".to_owned();
        assert_eq!(
            answer(&changed(|f| f.composition = composition)),
            (!clears).then_some(expected),
            "{composition}"
        );
    }
    let strengths = [
        (0.4_f64.next_down(), false),
        (0.4, true),
        (0.4_f64.next_up(), true),
        (0.9_f64.next_down(), true),
        (0.9, true),
        (0.9_f64.next_up(), false),
    ];
    for (strength, clears) in strengths {
        let expected = "decision refused: strength outside the policy's limits".to_owned();
        assert_eq!(answer(&changed(|f| f.strength = strength)), (!clears).then_some(expected), "{strength}");
    }
    for (psnr_db, clears) in [(37.94, false), (37.96, true), (38.0, true)] {
        let expected = "release refused: the watermark is stronger than the policy allows".to_owned();
        assert_eq!(
            answer(&changed(|f| f.psnr_db = Some(psnr_db))),
            (!clears).then_some(expected),
            "{psnr_db}"
        );
    }
}

#[test]
fn every_missing_part_is_named() {
    let cases: [(&[&'static str], &str); 15] = [
        (&["applied"], "decision refused: its policy is not among those that apply"),
        (&["decision"], "release refused: no clearing decision"),
        (&["measurement"], "decision refused: nothing was measured in this run"),
        (&["policy"], "decision refused: the policy is not on record"),
        (&["run"], "derivation refused: the run is not on record"),
        (&["reference"], "derivation refused: the reference is not on record"),
        (&["output"], "derivation refused: the output is not on record"),
        (&["derivation"], "measurement refused: the run has another reference"),
        (&["derivation", "measurement"], "decision refused: nothing was measured in this run"),
        (&["derivation", "measurement", "decision", "output"], "mark refused: the output is not on record"),
        (&["manifest"], "manifest store refused: it is not that of a mark"),
        (&["manifest", "store"], "release refused: the manifest is missing"),
        (&["store"], "release refused: the manifest is missing"),
        (&["watermark"], "release refused: the watermark is missing"),
        (&["event"], "release refused: it is not in the log"),
    ];
    for (skip, words) in cases {
        assert_eq!(answer(&changed(|f| f.skip = skip.to_vec())).as_deref(), Some(words), "{skip:?}");
    }
    let lax = changed(|f| {
        f.required = false;
        f.skip = vec!["manifest", "store", "watermark"];
    });
    assert_eq!(answer(&lax), None, "a policy may do without marks");
}

#[test]
fn every_untruth_is_named() {
    let cases: [(Change, &str); 21] = [
        (|f| f.verdict = "refused", "release refused: no clearing decision"),
        (|f| f.decided = Digest::of("another"), "decision refused: other pixels were measured"),
        (|f| f.measured = Digest::of("another"), "decision refused: other pixels were measured"),
        (
            |f| f.skip = vec!["one reference only"],
            "decision refused: the run has a reference that was not measured",
        ),
        (|f| f.output_role = "reference", "derivation refused: the output is not on record"),
        (|f| f.derived_output = id(11), "derivation refused: the output is not on record"),
        (|f| f.generation = 2, "derivation refused: the generation is another"),
        (|f| f.store_label = "urn:other".into(), "manifest store refused: it is not that of a mark"),
        (|f| f.store = b"", "manifest store refused: it is empty"),
        (|f| f.psnr_db = None, "mark refused: a watermark without its payload"),
        (|f| f.nonce = None, "mark refused: a watermark without its payload"),
        (|f| f.released = Digest::of("another"), "release refused: not the output's bytes"),
        (|f| f.logged_output = id(11), "release refused: it is not in the log"),
        (|f| f.event_kind = "refusal", "release refused: it is not in the log"),
        (|f| f.logged_deviation = 6000, "release refused: the log tells of other figures"),
        (|f| f.event_seq = Some(2), "event refused: its number is not the next"),
        (|f| f.event_prev = Some(Digest::of("another")), "event refused: it does not name the one before"),
        (
            |f| f.event_hash = Some(Digest::of("another")),
            "event refused: its hash is not that of its content",
        ),
        (|f| f.policy_text = "another policy", "policy refused: the digest is not that of the text"),
        (|f| f.min_deviation = 2999, "policy refused: it asks for less than any policy may"),
        (|f| f.detail = -1, "measurement refused: a figure is outside 0 to 1"),
    ];
    for (number, (change, words)) in cases.into_iter().enumerate() {
        assert_eq!(answer(&changed(change)).as_deref(), Some(words), "case {number}");
    }
}

#[test]
fn a_verdict_in_other_words_is_no_clearance() {
    let refused = answer_without_checks(&changed(|f| f.verdict = "Cleared"));
    assert_eq!(refused.as_deref(), Some("release refused: no clearing decision"));
}

/// For what a CHECK would refuse in its own words.
fn answer_without_checks(forgery: &Forgery) -> Option<String> {
    let desk = Desk::new();
    let error = forgery.write(&mut stranger(&desk.path)).err()?;
    match error {
        rusqlite::Error::SqliteFailure(_, words) => words,
        other => Some(other.to_string()),
    }
}

#[test]
fn the_gate_compares_the_numbers_even_if_the_decision_came_in_by_another_way() {
    let cases: [(Change, &str); 4] = [
        (|f| f.detail = 5001, "release refused: the measurement is below the policy's limits"),
        (|f| f.composition = 1999, "release refused: the measurement is below the policy's limits"),
        (|f| f.strength = 0.39, "release refused: the measurement is below the policy's limits"),
        (
            |f| f.skip = vec!["one reference only"],
            "release refused: the run has a reference that was not measured",
        ),
    ];
    for (change, words) in cases {
        let desk = Desk::new();
        let mut db = stranger(&desk.path);
        db.execute_batch("DROP TRIGGER decision_truth; DROP TRIGGER decision_rules")
            .expect("whoever writes the file can");
        let refused = changed(change).write(&mut db).expect_err(words).to_string();
        assert_eq!(refused, words);
    }
}

#[test]
fn nothing_is_added_to_what_is_decided_and_released() {
    let cases = [
        (
            "INSERT INTO measurement (run, reference, draft_sha256, measure, detail, copied, composition, copied_area, \
             ssim, psnr_db) SELECT run, reference, zeroblob(32), 'm', 0, 0, 0, 0, 0, 0 FROM derivation \
             WHERE run NOT IN (SELECT run FROM measurement)",
            "measurement refused: the run is decided already",
        ),
        (
            "INSERT INTO derivation SELECT run, (SELECT min(id) FROM asset WHERE role = 'output'), NULL, 2 \
             FROM decision WHERE verdict = 'refused' LIMIT 1",
            "derivation is append-only",
        ),
        (
            "INSERT INTO mark (output, kind, algorithm, value) SELECT output, 'manifest', 'c2pa', 'new' FROM release",
            "mark",
        ),
        (
            "INSERT INTO decision SELECT 'no run at all', digest, 'refused', NULL, '[]' FROM policy",
            "decision refused: the run was made from nothing on record",
        ),
        (
            "INSERT INTO manifest_store SELECT 'new', output, x'00' FROM release",
            "manifest store refused: it is not that of a mark",
        ),
        (
            "INSERT INTO asset SELECT '1234567890123456789012345X', 'reference', zeroblob(32), zeroblob(32), mime, \
             width, height, bytes, fingerprint, fingerprint_quality, title, id, created FROM asset WHERE role = 'reference'",
            "asset refused: what it is a copy of is no output on record",
        ),
    ];
    for (sql, words) in cases {
        let desk = Desk::busy();
        let db = stranger(&desk.path);
        let before = dump(&db);
        let refused = db.execute(sql, []).expect_err(sql).to_string();
        assert!(refused.starts_with(words), "{sql}: {refused}");
        assert_eq!(dump(&db), before);
    }
}

#[test]
fn a_run_releases_its_own_output_and_no_other() {
    let desk = Desk::new();
    let mut db = stranger(&desk.path);
    for (number, skip) in [(1, vec!["release"]), (2, vec!["release", "policy"])] {
        Forgery { skip, ..Forgery::new(number) }.write(&mut db).expect("everything but the release");
    }
    let release = |output, run, event: u64| {
        let sql = "INSERT INTO release SELECT ?1, ?2, sha256, CAST(?3 AS INTEGER) FROM asset WHERE id = ?1";
        db.execute(sql, [id(output), id(run), event.to_string()]).map_err(|error| error.to_string())
    };
    assert_eq!(release(12, 20, 2), Err("release refused: the run did not make this output".into()));
    assert_eq!(
        release(22, 20, 1),
        Err("release refused: it is not in the log".into()),
        "entry 1 is of run 10"
    );
    let added = "release refused: a reference was added since the search";
    assert_eq!(release(12, 10, 1), Err(added.into()), "it was not held against the reference of run 20");
    assert_eq!(release(22, 20, 2), Ok(1));
}

#[test]
fn what_was_released_without_marks_gets_none_later() {
    let desk = Desk::new();
    let mut db = stranger(&desk.path);
    let bare = changed(|f| {
        f.required = false;
        f.skip = vec!["manifest", "store", "watermark"];
    });
    bare.write(&mut db).expect("its policy asks for none");
    let sql = "INSERT INTO mark SELECT output, 'watermark', 'w', 'new', 5, 5, 60.0 FROM release";
    let refused = db.execute(sql, []).expect_err("too late").to_string();
    assert_eq!(refused, "mark refused: the output is released already");
}

#[test]
fn another_run_cannot_claim_a_released_output() {
    let desk = Desk::busy();
    let db = stranger(&desk.path);
    let sql = "INSERT INTO run SELECT '1234567890123456789012345X', engine, engine_version, model_sha256, strength, \
               noise_level, steps, seed, prompt, prompt_used, purpose, started FROM run LIMIT 1";
    db.execute(sql, []).expect("a run alone is nothing");
    let sql = "INSERT INTO derivation SELECT '1234567890123456789012345X', \
               (SELECT reference FROM derivation WHERE output = r.output), output, 1 FROM release r LIMIT 1";
    let refused = db.execute(sql, []).expect_err("it has its run").to_string();
    assert_eq!(refused, "derivation refused: another run made this output");
}
