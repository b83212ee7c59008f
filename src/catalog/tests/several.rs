//! Several policies for one run, and what the second schema of policies can ask: enforced whoever writes.

use super::*;

type Change = fn(&mut ReleaseEntry);

/// What the schema says to a release that the program itself would not ask for.
fn answer(change: Change) -> Option<String> {
    let mut desk = Desk::new();
    let before = dump(&desk.catalog.db);
    let mut entry = release(1);
    change(&mut entry);
    let refused = record(&mut desk.catalog, &entry).err().map(|error| error.to_string());
    assert_eq!(refused.is_some(), dump(&desk.catalog.db) == before, "what is refused leaves nothing");
    refused
}

#[test]
fn every_rule_of_a_policy_that_applies_beside_the_named_one_holds_to_the_last_unit() {
    let cases: [(Change, Change, &str); 9] = [
        (
            |e| (e.measurement.deviation.detail, e.measurement.deviation.deviation) = (0.4, 0.6),
            |e| (e.measurement.deviation.detail, e.measurement.deviation.deviation) = (0.4001, 0.5999),
            "decision refused: deviation by detail below the policy's limit",
        ),
        (
            |e| e.measurement.deviation.copied = 0.3,
            |e| e.measurement.deviation.copied = 0.3001,
            "decision refused: deviation by copied area below the policy's limit",
        ),
        (
            |e| e.measurement.deviation.composition = 0.3,
            |e| e.measurement.deviation.composition = 0.2999,
            "decision refused: arrangement below the policy's limit",
        ),
        (
            |e| e.run.strength = Some(0.5),
            |e| e.run.strength = Some(0.5_f64.next_down()),
            "decision refused: strength outside the policy's limits",
        ),
        (
            |e| e.run.engine = "test".into(),
            |e| e.run.engine = "flux".into(),
            "decision refused: the policy does not allow the engine",
        ),
        (
            |e| e.run.purpose = Some("outreach".into()),
            |e| e.run.purpose = Some("Outreach".into()),
            "decision refused: the policy does not allow the purpose",
        ),
        (|_| {}, |e| e.run.purpose = None, "decision refused: the policy does not allow the purpose"),
        (
            |e| e.run.started = datetime!(2030-12-31 23:59 UTC),
            |e| e.run.started = datetime!(2031-01-01 00:00 UTC),
            "decision refused: the policy expired",
        ),
        (
            |e| e.at = datetime!(2030-12-31 23:59 UTC),
            |e| e.at = datetime!(2031-01-01 00:00 UTC),
            "release refused: a policy expired before it was logged",
        ),
    ];
    for (at, beyond, words) in cases {
        assert_eq!(answer(at), None, "{words}: at the limit");
        assert_eq!(answer(beyond), Some(format!("the catalog refuses: {words}")));
    }
}

#[test]
fn every_mark_that_any_policy_requires_is_required() {
    let words = |words: &str| Some(format!("the catalog refuses: release refused: {words}"));
    assert_eq!(answer(|e| e.marks.xmp = false), words("the XMP label is missing"));
    assert_eq!(answer(|e| e.marks.time_stamp = None), words("the time stamp is missing"));
    let untrusted = answer(|e| {
        e.marks.time_stamp.as_mut().expect("there is one").trusted = false;
    });
    assert_eq!(untrusted, words("the time stamp is of an authority that nobody vouched for"));
    let timeless = answer(|e| e.marks.time_stamp.as_mut().expect("there is one").at = "soon".into());
    assert!(timeless.is_some_and(|words| words.ends_with("time stamp refused: it means nothing")));
    assert_eq!(answer(|e| drop(e.marks.carried.remove(&Mark::Prompt))), words("the prompt is not stated"));
    let no_prompt: Change = |e| {
        e.run.prompt = None;
        e.marks.carried.remove(&Mark::Prompt);
    };
    assert_eq!(answer(no_prompt), None, "there is none to be stated");
    for (change, said) in [
        ((|e| drop(e.marks.carried.remove(&Mark::Disclosure))) as Change, "the latent disclosure is missing"),
        (|e| drop(e.marks.carried.remove(&Mark::Tc260)), "the TC260 label is missing"),
        (|e| drop(e.marks.carried.remove(&Mark::Label)), "the visible label is missing"),
        (|e| drop(e.marks.carried.remove(&Mark::Caption)), "the caption is missing"),
    ] {
        assert_eq!(answer(change), words(said));
    }
    // The named policy would bear 38 dB; house asks for 39.
    assert_eq!(answer(|e| e.marks.psnr_db = 38.96), None);
    assert_eq!(
        answer(|e| e.marks.psnr_db = 38.94),
        words("the watermark is stronger than the policy allows")
    );
}

#[test]
fn generations_are_counted_along_the_line_and_end_where_a_policy_says() {
    let mut desk = Desk::busy();
    let mut third = release(5);
    third.reference = release(2).output;
    let refused = record(&mut desk.catalog, &third).expect_err("house allows two").to_string();
    assert_eq!(refused, "the catalog refuses: decision refused: too many generations for the policy");
    third.policies.others.clear();
    desk.release(&third);
    let picture = |entry: AssetEntry| super::super::Picture {
        sha256: entry.sha256,
        pixels_sha256: entry.pixels_sha256,
        copy_of: None,
    };
    let c = &desk.catalog;
    assert_eq!(c.next_generation(&picture(third.output)).expect("readable"), 4);
    assert_eq!(c.next_generation(&picture(release(1).reference)).expect("readable"), 1);
    let original = release(2).output.id;
    let copy = super::super::Picture {
        sha256: Digest::of("another file"),
        pixels_sha256: Digest::of("attacked pixels"),
        copy_of: Some(&original),
    };
    assert_eq!(c.next_generation(&copy).expect("readable"), 3, "known by its mark or its looks");
}

#[test]
fn what_was_said_once_is_said_of_everything_that_comes_of_it() {
    let mut desk = Desk::new();
    let mut first = release(1);
    first.run.stated.classes = [Class::Clinical].into();
    first.policies.others.clear();
    desk.release(&first);
    let mut second = release(2);
    second.reference = release(1).output;
    second.policies.others.clear();
    second.run.stated = Subject::default();
    desk.release(&second);
    let said = |entry: &AssetEntry| {
        let picture = super::super::Picture {
            sha256: Digest::of("saved again"),
            pixels_sha256: entry.pixels_sha256,
            copy_of: None,
        };
        desk.catalog.said_of(&picture).expect("readable")
    };
    assert_eq!(said(&second.output), first.run.stated, "two generations on, and saved in another format");
    assert_eq!(said(&first.reference), first.run.stated);
    assert_eq!(said(&picture(99)), Subject::default());
}

#[test]
fn rules_are_closed_with_their_policy_and_those_who_judge_with_their_decision() {
    let desk = Desk::busy();
    let db = stranger(&desk.path);
    let before = dump(&db);
    let cases = [
        ("INSERT INTO policy_engine SELECT digest, 'flux' FROM policy", "policy_engine is append-only"),
        ("INSERT INTO policy_time_stamp SELECT digest FROM policy", "policy_time_stamp is append-only"),
        (
            "INSERT INTO time_stamp SELECT reference, '2026-08-02', NULL, 1 FROM derivation LIMIT 1",
            "time stamp refused: the output carries no manifest on record",
        ),
        ("INSERT INTO policy_purpose SELECT digest, 'sale' FROM policy", "policy_purpose is append-only"),
        ("INSERT INTO policy_mark SELECT digest, 'label' FROM policy", "policy_mark is append-only"),
        (
            "INSERT INTO policy_mark SELECT zeroblob(32), 'label'",
            "policy mark refused: the policy is not on record",
        ),
        (
            "INSERT INTO carried SELECT reference, 'label', 'AI' FROM derivation LIMIT 1",
            "mark refused: the output is not on record",
        ),
        ("INSERT INTO policy_copy SELECT digest, 10000 FROM policy", "policy_copy is append-only"),
        (
            "INSERT INTO policy_copy SELECT zeroblob(32), 10000",
            "policy rule refused: the policy is not on record",
        ),
        ("INSERT INTO match_field SELECT run, 0 FROM decision", "match_field is append-only"),
        ("INSERT INTO match_field VALUES ('none', 0)", "match field refused: the run is not on record"),
        ("INSERT INTO run_class SELECT run, 'photo' FROM decision", "run_class is append-only"),
        ("INSERT INTO run_tag SELECT run, 'new' FROM decision", "run_tag is append-only"),
        (
            "INSERT INTO image_code SELECT reference, zeroblob(32) FROM derivation LIMIT 1",
            "image code refused: the output is not on record",
        ),
        (
            "INSERT INTO xmp_label SELECT reference FROM derivation LIMIT 1",
            "label refused: the output is not on record",
        ),
        (
            "INSERT INTO policy_rule SELECT zeroblob(32), 3000, 3000, 1, 1, NULL, 0, NULL",
            "policy rule refused: the policy is not on record",
        ),
    ];
    for (sql, words) in cases {
        assert_eq!(db.execute(sql, []).expect_err(sql).to_string(), words, "{sql}");
        assert_eq!(dump(&db), before);
    }
    let mut other = release(6);
    other.policies.others.clear();
    let mut desk = desk;
    desk.release(&other);
    let sql = "INSERT INTO applied SELECT (SELECT run FROM applied GROUP BY run HAVING count(*) = 1), digest, 'late' \
               FROM policy WHERE name = 'house'";
    let refused = db.execute(sql, []).expect_err("it is decided").to_string();
    assert_eq!(refused, "applied is append-only");
}

#[test]
fn what_an_engine_took_in_one_piece_is_held_against_every_policy_and_has_to_be_told() {
    let words = "decision refused: the engine took more in one piece than the policy allows";
    for (largest_copy, engine, clears) in [
        (Some(0.07), "patch", true),
        (Some(0.0701), "patch", false),
        (Some(0.0701), "test", false),
        // The embedded engine knows; another may have no such map.
        (None, "patch", false),
        (None, "test", true),
    ] {
        let mut desk = Desk::new();
        let mut entry = release(6);
        (entry.run.largest_copy, entry.run.engine) = (largest_copy, engine.into());
        match record(&mut desk.catalog, &entry) {
            Ok(_) => assert!(clears, "{largest_copy:?} {engine}"),
            Err(error) => assert!(!clears && error.to_string().ends_with(words), "{engine}: {error}"),
        }
    }
    let mut desk = Desk::new();
    let mut entry = refusal(6);
    entry.run.largest_copy = Some(0.9);
    desk.refuse(&entry);
    assert_eq!(desk.findings(), [], "what is refused may have been anything");
    let mut silent = refusal(7);
    silent.run.largest_copy = None;
    desk.refuse(&silent);
    let late =
        "INSERT INTO match_field SELECT run, 0 FROM decision WHERE run NOT IN (SELECT run FROM match_field)";
    let refused = stranger(&desk.path).execute(late, []).expect_err("too late").to_string();
    assert_eq!(refused, "match field refused: the run is decided already");
}

#[test]
fn a_policy_under_whose_digest_other_rules_are_on_record_is_refused() {
    let mut desk = Desk::busy();
    let mut entry = release(6);
    entry.policies.others[0].rules.max_generations = Some(9);
    let refused = record(&mut desk.catalog, &entry).expect_err("other rules").to_string();
    assert!(refused.ends_with("is append-only"), "{refused}");
    let mut entry = release(6);
    entry.policies.others[0].rules.max_copy = None;
    let refused = record(&mut desk.catalog, &entry).expect_err("other rules").to_string();
    assert!(refused.ends_with("is append-only"), "{refused}");
    let mut entry = release(6);
    entry.policies.others[0].rules.require_time_stamp = false;
    let refused = record(&mut desk.catalog, &entry).expect_err("other rules").to_string();
    assert!(refused.ends_with("is append-only"), "{refused}");
    for (detail, words) in [(0.54, "asks for less than its policy"), (1.01, "asks for less than its policy")]
    {
        let mut desk = Desk::new();
        let mut entry = release(1);
        entry.policies.others[0].rules.min_detail = detail;
        let refused = record(&mut desk.catalog, &entry).expect_err(words).to_string();
        assert!(refused.contains(words), "{refused}");
    }
    let mut entry = release(1);
    entry.policies.others[0].rules.expires = Some("2030-13-01".into());
    let refused = record(&mut Desk::new().catalog, &entry).expect_err("no such day").to_string();
    assert!(refused.ends_with("policy rule refused: it means nothing"), "{refused}");
}
