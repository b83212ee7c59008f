//! The invariants of ARCHITECTURE.md, by number. Those that are tested elsewhere say where.
//!
//! 1 also: `policy::Cleared` cannot be made outside its module (a doc test that must not compile).
//! 3: `crash`. 7: `journey::the_same_request_draws_the_same_pixels_on_any_number_of_threads` and the engine's own.
//! 8: the truth table in `src/verify/decide.rs`.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use vidimus::digest::Digest;
use vidimus::release::{Outcome, ReleaseError};

use crate::common::Lab;
use crate::desk::{Drawing, journey, specimen};
use crate::prepared::released;

#[test]
fn invariant_1_nothing_is_marked_without_a_clearance() {
    let lab = Lab::new();
    let steps = std::cell::RefCell::new(Vec::new());
    let witness = |step| steps.borrow_mut().push(format!("{step:?}"));
    let outcome =
        journey(&lab.path(""), &specimen(1), Drawing::Copy, "default", lab.path("out.png"), 1, &witness);
    let Ok(Outcome::Refused(refused)) = outcome else { panic!("a copy is refused: {outcome:?}") };
    assert!(refused.refusal.to_string().starts_with("too close: deviation 0.00, at least 0.50 required"));
    assert_eq!(steps.into_inner(), ["Generated", "Measured", "Judged"], "it never came to be marked");
}

#[test]
fn invariant_2_a_mark_that_cannot_be_read_back_is_not_released() {
    let lab = Lab::new();
    let outcome =
        journey(&lab.path(""), &specimen(1), Drawing::Noise, "default", lab.path("out.png"), 1, &|_| {});
    assert!(matches!(outcome, Err(ReleaseError::Unmarkable { .. })), "{outcome:?}");
    assert!(!lab.path("out.png").exists());
    assert_eq!(lab.sqlite3("SELECT count(*) FROM asset").expect(0).stdout.trim(), "0");
}

#[test]
fn invariant_4_the_log_refuses_update_and_delete() {
    let lab = released("320x208");
    for sql in ["UPDATE event SET body = '{}'", "DELETE FROM event"] {
        let ended = lab.sqlite3(sql);
        assert_ne!(ended.code, 0, "{sql}");
        assert!(ended.stderr.contains("event is append-only"), "{sql}: {}", ended.stderr);
    }
}

#[test]
fn invariant_5_the_schema_refuses_a_release_without_a_clearing_decision_to_any_client() {
    let lab = released("320x208");
    lab.run(["vary", "ref.png", "--strength", "0.1"]).expect(1);
    let raw = "INSERT INTO release (output, run, sha256, event) VALUES ('X', 'Y', zeroblob(32), 999)";
    let refused_run = "INSERT INTO release (output, run, sha256, event) \
        SELECT a.id || 'x', d.run, a.sha256, 2 FROM asset a, decision d WHERE a.role = 'output' AND d.verdict = 'refused'";
    for sql in [raw, refused_run] {
        let ended = lab.sqlite3(sql);
        assert_ne!(ended.code, 0, "{sql}");
        assert!(ended.stderr.contains("release refused: no clearing decision"), "{sql}: {}", ended.stderr);
    }
    let lie = "INSERT INTO run SELECT '01ARZ3NDEKTSV4RRFFQ69G5FAV', engine, engine_version, model_sha256, strength, \
        noise_level, steps, seed, prompt, prompt_used, purpose, started FROM run LIMIT 1; \
        INSERT INTO decision (run, policy, verdict, draft_sha256, reasons) \
        SELECT '01ARZ3NDEKTSV4RRFFQ69G5FAV', digest, 'cleared', zeroblob(32), '[]' FROM policy";
    let ended = lab.sqlite3(&format!("BEGIN; {lie}; COMMIT"));
    assert_ne!(ended.code, 0);
    assert!(ended.stderr.contains("decision refused: nothing was measured in this run"), "{}", ended.stderr);
    assert_eq!(lab.run(["audit", "--json"]).expect(0).json()["clean"], true);
}

#[test]
fn invariant_6_verify_lineage_and_audit_never_write() {
    let lab = released("320x208");
    let before = snapshot(&lab);
    for args in [
        vec!["verify", "out.png"],
        vec!["lineage", "out.png"],
        vec!["audit"],
        vec!["verify", "ref.png"],
        vec!["detect", "out.png"],
    ] {
        lab.run(&args);
        assert_eq!(snapshot(&lab), before, "{args:?}");
    }
}

#[test]
fn invariant_9_the_marks_of_a_reference_are_kept_and_its_lineage_is_joined() {
    let lab = released("320x208");
    let first = lab.verify("out.png");
    lab.variation("out.png", "second.png", 50);
    let second = lab.verify("second.png");
    let ingredient = &second["manifest"]["ingredients"][0];
    assert_eq!(ingredient["relationship"], "inputTo");
    assert_eq!(ingredient["label"], first["manifest"]["label"]);
    assert_eq!(ingredient["state"], "trusted");
    assert_eq!(ingredient["created"]["source_sha256"], first["manifest"]["source_sha256"]);
    assert_eq!(second["catalog"]["references"][0], first["sha256"]);
    let graph = lab.run(["lineage", "second.png", "--json"]).expect(0).json();
    assert_eq!(graph["nodes"].as_array().expect("nodes").len(), 3);
}

#[test]
fn invariant_10_a_refused_draft_leaves_no_file_outside_the_quarantine_and_is_logged() {
    for (policy, kept) in [("default", 0), ("strict", 1)] {
        let lab = Lab::new();
        let outcome =
            journey(&lab.path(""), &specimen(1), Drawing::Copy, policy, lab.path("out.png"), 1, &|_| {});
        let Ok(Outcome::Refused(refused)) = outcome else { panic!("a copy is refused: {outcome:?}") };
        assert!(!lab.path("out.png").exists());
        let quarantine = lab.files("catalog/quarantine");
        assert_eq!(quarantine.len(), kept, "{policy}");
        for path in &quarantine {
            let mode = fs::metadata(lab.path(path)).expect("there").permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
            assert_eq!(refused.quarantine.as_deref(), Some(lab.path(path).as_path()));
        }
        let log = lab.sqlite3("SELECT kind, json_extract(body, '$.run') FROM event").expect(0).stdout;
        assert_eq!(log.trim(), format!("refusal|{}", refused.run_id));
        assert_eq!(lab.run(["audit", "--json"]).expect(0).json()["clean"], true);
    }
}

fn snapshot(lab: &Lab) -> BTreeMap<PathBuf, Digest> {
    let digest = |path: &PathBuf| Digest::of(fs::read(lab.path(path)).expect("readable"));
    lab.files("").into_iter().map(|path| (path.clone(), digest(&path))).collect()
}
