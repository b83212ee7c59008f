//! Whatever was recorded is found again.

use super::*;

#[test]
fn a_release_is_found_by_everything_that_it_is_known_by() {
    let mut desk = Desk::new();
    let entry = release(1);
    assert_eq!(desk.release(&entry), 1);
    let c = &desk.catalog;
    let output = c.by_id(&entry.output.id).expect("readable").expect("there");
    assert_eq!((output.role, output.sha256, output.width), (Role::Output, entry.output.sha256, 96));
    let reference = c.by_id(&entry.reference.id).expect("readable").expect("there");
    assert_eq!((reference.role, reference.copy_of.clone()), (Role::Reference, None));

    let found = Some(output.clone());
    assert_eq!(c.by_sha256(&entry.output.sha256).expect("readable"), found);
    assert_eq!(c.by_pixels(&entry.output.pixels_sha256).expect("readable"), found);
    assert_eq!(c.by_watermark(entry.marks.source_prefix, entry.marks.nonce).expect("readable"), found);
    let digits = entry.output.sha256.short(12).to_uppercase();
    assert_eq!(c.by_digest_prefix(&digits, 5).expect("readable"), std::slice::from_ref(&output));
    assert_eq!(c.outputs().expect("readable"), std::slice::from_ref(&output));
    assert_eq!(c.assets().expect("readable"), [reference, output]);
    let (policy, house) = (policy(), house());
    assert_eq!(
        c.policies().expect("readable"),
        [
            (policy.digest, policy.name.clone(), policy.text.clone()),
            (house.digest, house.name, house.text.clone())
        ]
    );
    assert_eq!(c.judged_by(&entry.run.id).expect("readable"), [policy.text, house.text]);
    assert_eq!(
        c.manifest_store(&entry.output.id).expect("readable").as_deref(),
        Some(&b"manifest store 1"[..])
    );

    let facts = c.facts(&entry.output.id).expect("readable").expect("there");
    assert_eq!(facts.run, entry.run.id);
    assert_eq!(
        (facts.engine.as_str(), facts.strength, facts.seed),
        ("patch", Some(0.55), entry.run.seed.map(|seed| seed.to_string()))
    );
    assert_eq!(facts.draft_sha256, entry.measurement.draft_sha256);
    assert_eq!((facts.deviation, facts.composition, facts.policy), (0.61, 0.4, policy.digest));
    assert_eq!((facts.source_prefix, facts.nonce), (Some(entry.marks.source_prefix), Some(1)));
    assert_eq!(facts.payload_id.as_deref(), Some("payload-1"));
    assert_eq!(facts.watermark_algorithm.as_deref(), Some("org.vidimus.watermark.1"));
    assert_eq!(facts.manifest_label.as_deref(), Some("urn:c2pa:1"));

    let [run] = &c.made_by(&entry.output.id).expect("readable")[..] else { panic!("one run made it") };
    assert_eq!((run.generation, run.deviation, run.reasons.len()), (1, Some(0.61), 0));
    assert_eq!(c.made_from(&entry.reference.id).expect("readable"), std::slice::from_ref(run));
    assert!(!c.payload_id_is_free(entry.marks.source_prefix, 1).expect("readable"));
    assert!(c.payload_id_is_free(entry.marks.source_prefix, 2).expect("readable"));
}

#[test]
fn short_marks_of_one_source_are_all_found_by_its_first_24_bits_and_long_ones_are_not() {
    let mut desk = Desk::new();
    let prefix24 = 0xabc_def;
    let source = |prefix24: u64, rest: u64| (prefix24 << 24) + rest;
    let short = ("org.vidimus.watermark.1.short", "org.vidimus.watermark.1");
    for (number, prefix, algorithm) in [
        (1, source(prefix24, 0), short.0),
        (2, source(prefix24, 0xff_ffff), short.0),
        (3, source(prefix24, 7), short.1),
        (4, source(prefix24 + 1, 0), short.0),
        (5, source(prefix24 - 1, 0xff_ffff), short.0),
    ] {
        let mut entry = release(number);
        entry.marks.source_prefix = prefix;
        entry.marks.watermark_algorithm = algorithm.into();
        desk.release(&entry);
    }
    let found = desk.catalog.by_brief(prefix24 as u32).expect("readable");
    assert_eq!(found.into_iter().map(|asset| asset.id).collect::<Vec<_>>(), [id(12), id(22)]);
    assert_eq!(desk.catalog.by_brief(0).expect("readable"), []);
}

#[test]
fn what_is_not_on_record_is_not_found() {
    let desk = Desk::busy();
    let (c, none) = (&desk.catalog, Digest::of("nothing"));
    assert_eq!(c.by_id("1").expect("readable"), None);
    assert_eq!(c.by_sha256(&none).expect("readable"), None);
    assert_eq!(c.by_pixels(&none).expect("readable"), None);
    assert_eq!(c.by_watermark(0, 0).expect("readable"), None);
    assert_eq!(c.facts(&id(11)).expect("readable"), None, "a reference was not released");
    assert_eq!(c.manifest_store(&id(11)).expect("readable"), None);
    for pattern in ["%", "_", "zz", "'"] {
        assert_eq!(c.by_digest_prefix(pattern, 9).expect("readable"), [], "{pattern} is no digit");
    }
}

#[test]
fn outputs_and_references_are_found_by_their_looks_and_so_is_what_is_added_later() {
    let mut desk = Desk::busy();
    let near = |desk: &Desk, role, bits: [u8; 32], known: &[String]| {
        let far = *Digest::of("elsewhere").as_bytes();
        let looks = variants(std::array::from_fn(|i| if i == 5 { bits } else { far }));
        let found = desk.catalog.nearest(role, &looks, 2, known).expect("readable");
        found.into_iter().map(|near| (near.asset, near.distance, near.quality)).collect::<Vec<_>>()
    };
    let mut output = release(1).output.fingerprint;
    output[..5].iter_mut().for_each(|byte| *byte ^= 0b11);
    let found = near(&desk, Role::Output, output, &[]);
    assert_eq!((found.len(), &found[0]), (2, &(id(12), 10, 80)));
    let inverted = near(&desk, Role::Output, output.map(|byte| !byte), &[]);
    assert_eq!(inverted[0], (id(12), 10, 80));
    let other = near(&desk, Role::Output, output, &[id(12)]);
    assert_eq!((other.len(), other[0].0.clone()), (1, id(22)), "but for what is known");

    let reference = picture(11).fingerprint;
    assert!(near(&desk, Role::Output, reference, &[])[0].1 > 20, "a reference is no output");
    assert_eq!(near(&desk, Role::Reference, reference, &[])[0], (id(11), 0, 80));
    let used = near(&desk, Role::Reference, output, &[]);
    assert_eq!(used[0], (id(12), 10, 80), "an output that was used as one");
    assert_eq!(desk.catalog.newest_reference().expect("readable"), 4);

    let added = release(7);
    assert!(near(&desk, Role::Reference, added.reference.fingerprint, &[])[0].1 > 20);
    desk.release(&added);
    for (role, bits, expected) in
        [(Role::Reference, added.reference.fingerprint, 71), (Role::Output, added.output.fingerprint, 72)]
    {
        assert_eq!(near(&desk, role, bits, &[])[0], (id(expected), 0, 80));
    }
}

#[test]
fn what_a_picture_comes_from_is_found_through_copies_and_generations() {
    let mut desk = Desk::new();
    desk.release(&release(1));
    let mut second = release(2);
    second.copy_of = Some(id(12));
    desk.release(&second);
    let mut third = release(3);
    third.reference = release(2).output;
    third.policies.others.clear();
    desk.release(&third);
    let above = |number| desk.catalog.ancestors(&id(number)).expect("readable");
    assert_eq!(above(32), [id(22), id(21), id(12), id(11)]);
    assert_eq!(above(11), [""; 0]);
    let runs = desk.catalog.made_by(&id(32)).expect("readable");
    let compared = runs[0].compared.clone().expect("it was searched for");
    assert_eq!((compared.known, compared.compared, compared.lost), (2, 3, 0));
    assert_eq!(compared.nearest.expect("three").1, 0.9);
}

#[test]
fn a_release_is_held_against_what_was_added_since() {
    let mut desk = Desk::busy();
    let stale =
        ReleaseEntry { search: searched(&desk.catalog, &release(7)).expect("readable"), ..release(7) };
    desk.release(&release(8));
    let refused = with_pen(|pen| desk.catalog.record_release(&stale, pen));
    assert!(matches!(refused, Err(CatalogError::Outdated { through: 4, newest: 5 })), "{refused:?}");
    desk.release(&stale);
    assert_eq!(desk.findings(), []);
}

#[test]
fn a_refusal_is_remembered_with_its_reasons_and_without_an_output() {
    let mut desk = Desk::new();
    let entry = refusal(1);
    desk.refuse(&entry);
    desk.refuse(&RefusalEntry { measurement: None, run: run(2), ..entry.clone() });
    let runs = desk.catalog.made_from(&entry.reference.id).expect("readable");
    let told: Vec<_> =
        runs.iter().map(|run| (run.output.clone(), run.deviation, run.reasons.clone())).collect();
    assert_eq!(told, [(None, Some(0.61), entry.reasons.clone()), (None, None, entry.reasons)]);
    assert_eq!(desk.catalog.outputs().expect("readable"), []);
    assert_eq!(desk.findings(), []);
}

#[test]
fn an_output_used_as_reference_keeps_its_id_and_counts_generations() {
    let mut desk = Desk::new();
    desk.release(&release(1));
    let mut second = release(2);
    second.reference = AssetEntry { id: id(999), ..release(1).output };
    desk.release(&second);
    let mut third = release(3);
    third.reference = release(2).output;
    third.policies.others.clear(); // House allows two.
    desk.release(&third);
    let generation = |output: u64| desk.catalog.made_by(&id(output)).expect("readable")[0].generation;
    assert_eq!([generation(12), generation(22), generation(32)], [1, 2, 3]);
    assert_eq!(desk.catalog.made_by(&id(22)).expect("readable")[0].reference, id(12));
    assert_eq!(desk.catalog.by_id(&id(999)).expect("readable"), None);
    assert_eq!(desk.findings(), []);
}

#[test]
fn a_copy_of_an_output_is_a_generation_after_it() {
    let mut desk = Desk::new();
    let first = release(1);
    desk.release(&first);
    let mut by_pixels = release(2);
    by_pixels.reference.pixels_sha256 = first.output.pixels_sha256;
    by_pixels.copy_of = Some(first.output.id.clone());
    desk.release(&by_pixels);
    let mut by_looks = release(3);
    by_looks.copy_of = Some(first.output.id.clone());
    desk.release(&by_looks);
    let mut of_nothing = release(4);
    of_nothing.copy_of = None;
    desk.release(&of_nothing);

    let copies = desk.catalog.copies_of(&first.output.id).expect("readable");
    assert_eq!(copies.iter().map(|asset| asset.id.clone()).collect::<Vec<_>>(), [id(21), id(31)]);
    let generation = |output: u64| desk.catalog.made_by(&id(output)).expect("readable")[0].generation;
    assert_eq!([generation(22), generation(32), generation(42)], [2, 2, 1]);
    let found = desk.catalog.by_pixels(&first.output.pixels_sha256).expect("readable").expect("there");
    assert_eq!(found.id, first.output.id, "the output before its copy");
    assert_eq!(desk.findings(), []);
}

#[test]
fn a_release_that_fails_leaves_nothing_behind() {
    let mut desk = Desk::busy();
    let before = dump(&desk.catalog.db);
    let mut twice = release(5);
    twice.marks.source_prefix = release(1).marks.source_prefix;
    twice.marks.nonce = release(1).marks.nonce;
    let refused = record(&mut desk.catalog, &twice).expect_err("the payload is taken");
    assert_eq!(refused.to_string(), "the catalog refuses: mark is append-only");
    assert_eq!(dump(&desk.catalog.db), before);
}

#[test]
fn figures_that_were_not_measured_do_not_count_as_far_away() {
    let mut desk = Desk::new();
    let mut entry = release(1);
    entry.measurement.deviation.detail = f64::NAN;
    assert!(matches!(record(&mut desk.catalog, &entry), Err(CatalogError::Refused { .. })));
    let mut entry = release(1);
    entry.measurement.deviation.deviation = 0.7;
    let refused = record(&mut desk.catalog, &entry).expect_err("its parts say 0.61");
    assert_eq!(refused.to_string(), "the catalog refuses: release refused: the log tells of other figures");
}

#[test]
fn a_policy_on_record_with_other_limits_is_not_taken_for_the_same() {
    let mut desk = Desk::new();
    desk.release(&release(1));
    let mut entry = release(2);
    entry.policies.named.min_deviation = 0.3;
    let refused = record(&mut desk.catalog, &entry).expect_err("the text has one meaning");
    assert_eq!(refused.to_string(), "the catalog refuses: policy is append-only");
}
