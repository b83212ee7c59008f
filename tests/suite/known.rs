//! A variation of one picture is no copy of another one on record, and an output of ours is known as one whatever
//! its file is called.

use std::fs;

use vidimus::digest::Digest;
use vidimus::raster::{Plane, Raster};
use vidimus::release::{Outcome, Refused, Released, Step};

use crate::common::Lab;
use crate::desk::{Drawing, decode, journey, png, specimen};
use crate::tampered::{forge, message, owner};

const A: u32 = 1;
const B: u32 = 77;

/// What comes of drawing `drawing` from specimen A.
fn drawn(lab: &Lab, drawing: Drawing<'_>, out: &str, witness: &dyn Fn(Step)) -> Outcome {
    journey(&lab.path(""), &specimen(A), drawing, "default", lab.path(out), 1, witness).expect("it ends")
}

fn refused(outcome: Outcome) -> Box<Refused> {
    let Outcome::Refused(refused) = outcome else { panic!("{outcome:?}") };
    refused
}

fn released(outcome: Outcome) -> Box<Released> {
    let Outcome::Released(released) = outcome else { panic!("{outcome:?}") };
    released
}

/// Puts specimen `seed` on record: as a copy of itself it is refused, and known from then on.
fn know(lab: &Lab, seed: u32) {
    let out = lab.path(format!("{seed}.png"));
    let ended = journey(&lab.path(""), &specimen(seed), Drawing::Copy, "default", out, 50, &|_| {});
    refused(ended.expect("it ends"));
}

fn changed(picture: &Raster, at: impl Fn(&Plane, usize, usize) -> f32) -> Raster {
    let planes = picture.planes();
    let plane = &planes[0];
    let changed = Plane::from_fn(plane.width(), plane.height(), |x, y| at(plane, x, y));
    Raster::from_planes(&[changed], picture.depth())
}

fn name(picture: &Raster) -> String {
    format!(
        "too close to another reference on record, reference.png ({})",
        Digest::of(png(picture)).short(12)
    )
}

#[test]
fn what_is_drawn_from_one_picture_may_not_be_another_one_on_record() {
    let lab = Lab::new();
    know(&lab, B);
    let b = specimen(B);
    let mirrored = changed(&b, |plane, x, y| plane.at(plane.width() - 1 - x, y));
    let negative = changed(&b, |plane, x, y| 1.0 - plane.at(x, y));
    // A corner of it, as large as before: its fingerprint is no nearer than anybody's.
    let corner = changed(&b, |plane, x, y| plane.at(x * 3 / 4, y * 3 / 4));
    for (how, picture) in
        [("as it is", &b), ("mirrored", &mirrored), ("inverted", &negative), ("a part", &corner)]
    {
        let refused = refused(drawn(&lab, Drawing::Given(picture), "out.png", &|_| {}));
        assert!(refused.refusal.to_string().starts_with(&name(&b)), "{how}: {}", refused.refusal);
        let held = refused.held.expect("it was held against what is on record");
        let (nearest, measured) = held.nearest().expect("one");
        assert_eq!(nearest.sha256, Digest::of(png(&b)));
        assert!(measured.deviation < 0.5 && refused.deviation.expect("measured").deviation >= 0.5);
        assert!(!lab.path("out.png").exists());
    }
    let other = released(drawn(&lab, Drawing::OtherField, "out.png", &|_| {}));
    let (nearest, measured) = other.held.nearest().expect("one");
    assert_eq!((other.held.compared.len(), nearest.sha256), (1, Digest::of(png(&b))));
    assert!(measured.deviation > 0.5);

    let audit = lab.run(["audit", "--json"]).expect(0).json();
    assert_eq!((&audit["clean"], &audit["checked"]["comparisons"]), (&true.into(), &5.into()), "{audit:#}");
    let graph = lab.run(["lineage", "out.png", "--json"]).expect(0).json();
    let edges = graph["edges"].as_array().expect("edges");
    let told = edges.iter().find(|edge| !edge["output"].is_null()).expect("the release");
    assert_eq!(
        (&told["compared"]["known"], &told["compared"]["compared"]),
        (&2.into(), &1.into()),
        "{told:#}"
    );
    let tree = lab.run(["lineage", "out.png"]).expect(0).stdout;
    assert!(tree.contains("from the nearest other") && tree.contains(&name(&b)), "{tree}");
}

#[test]
fn a_part_of_one_of_many_pictures_is_traced_to_it() {
    let lab = Lab::new();
    for seed in (300..314).chain([B]) {
        know(&lab, seed);
    }
    // Half of it, turned upside down, beside something new.
    let (b, new) = (specimen(B), specimen(500).luma());
    let drawn_of = changed(&b, |plane, x, y| match x < plane.width() / 2 {
        true => plane.at(plane.width() - 1 - x, plane.height() - 1 - y),
        false => new.at(x, y),
    });
    let refused = refused(drawn(&lab, Drawing::Given(&drawn_of), "out.png", &|_| {}));
    assert!(refused.refusal.to_string().starts_with(&name(&b)), "{}", refused.refusal);
    let compared = refused.held.expect("it was held against them").compared.len();
    assert!((9..=12).contains(&compared), "eight by their looks, and up to four by a vote: {compared}");
    // What was computed of them is kept, and may be damaged or gone.
    let kept = lab.files("catalog/derived");
    assert!(!kept.is_empty());
    fs::write(lab.path(&kept[0]), "damaged").expect("writable");
    let again = crate::known::refused(drawn(&lab, Drawing::Given(&drawn_of), "out.png", &|_| {}));
    assert!(again.refusal.to_string().starts_with(&name(&b)), "{}", again.refusal);
    assert_eq!(lab.run(["audit", "--json"]).expect(0).json()["clean"], true);
}

#[test]
fn a_picture_that_is_lost_refuses_what_looks_like_it_and_nothing_else() {
    let lab = Lab::new();
    know(&lab, B);
    let b = specimen(B);
    let digest = Digest::of(png(&b)).to_string();
    fs::remove_file(lab.path("catalog/objects").join(&digest[..2]).join(&digest[2..]))
        .expect("it was stored");
    let refused = refused(drawn(&lab, Drawing::Given(&b), "out.png", &|_| {}));
    let text = refused.refusal.to_string();
    assert!(
        text.contains(&digest[..12]) && text.contains("whose picture is lost: fingerprints differ by 0"),
        "{text}"
    );
    let other = released(drawn(&lab, Drawing::OtherField, "out.png", &|_| {}));
    assert_eq!((other.held.compared.len(), other.held.lost()), (1, 1));
    let findings = lab.run(["audit"]).expect(1).stdout;
    assert!(findings.starts_with("1 finding") && findings.contains("is gone from the store"), "{findings}");
}

#[test]
fn what_is_put_on_record_while_a_draft_is_marked_still_refuses_it() {
    let b = specimen(B);
    for step in [Step::Compared, Step::Signed, Step::OutputStored] {
        let lab = Lab::new();
        let meanwhile = |reached| {
            if reached == step {
                know(&lab, B);
            }
        };
        let refused = refused(drawn(&lab, Drawing::Given(&b), "out.png", &meanwhile));
        assert!(refused.refusal.to_string().starts_with(&name(&b)), "{step:?}: {}", refused.refusal);
        assert!(!lab.path("out.png").exists());
        assert_eq!(lab.files("catalog/objects").len(), 2, "{step:?}: the two references, and no output");
        assert_eq!(lab.run(["audit", "--json"]).expect(0).json()["checked"]["events"], 2);
    }
    let lab = Lab::new();
    let meanwhile = |reached| {
        if reached == Step::Signed {
            know(&lab, B);
        }
    };
    let other = released(drawn(&lab, Drawing::OtherField, "out.png", &meanwhile));
    assert_eq!((other.held.through, other.held.compared.len()), (1, 1), "held against what was added");
    assert_eq!(lab.run(["audit", "--json"]).expect(0).json()["clean"], true);
}

#[test]
fn an_audit_measures_again_and_sees_what_was_passed_over() {
    let lab = Lab::new();
    know(&lab, B);
    released(drawn(&lab, Drawing::OtherField, "out.png", &|_| {}));
    // What was drawn, on record since, and rows that say it was all the time.
    know(&lab, 1001);
    assert_eq!(lab.run(["audit", "--json"]).expect(0).json()["clean"], true);
    assert_ne!(lab.sqlite3("UPDATE search SET through = 3").code, 0, "append-only");
    lab.sqlite3("DROP TRIGGER search_update; UPDATE search SET through = 3").expect(0);
    let found = lab.run(["audit"]).expect(1).stdout;
    for fault in [
        "trigger search_update is missing",
        "tells of another search than the catalog has now",
        "which is nearer than what it was compared with",
    ] {
        assert!(found.contains(fault), "{fault}: {found}");
    }
    let lie = "DROP TRIGGER comparison_update; UPDATE comparison SET reference = \
               (SELECT asset FROM known WHERE role = 'reference' AND number = 3)";
    lab.sqlite3(lie).expect(0);
    let found = lab.run(["audit"]).expect(1).stdout;
    let measured = "measured again it is too close to another reference on record, reference.png";
    assert!(found.contains(measured), "{found}");
}

/// A released output of `ref.png` as `out.png`, and its id.
fn output(lab: &Lab) -> String {
    lab.specimen("ref.png", 5);
    lab.variation("ref.png", "out.png", 1)["asset"].as_str().expect("an id").to_owned()
}

/// What the reference `file` is on record as a copy of, once it was asked to be varied; and the generation.
fn copy_of(lab: &Lab, file: &str) -> String {
    // Refused before anything is drawn, and on record all the same.
    lab.run(["vary", file, "--strength", "0.05"]).expect(1);
    let digest = Digest::of(fs::read(lab.path(file)).expect("there"));
    let sql = format!(
        "SELECT DISTINCT coalesce(a.copy_of, '-') || ' ' || d.generation FROM asset a JOIN derivation d ON d.reference = a.id \
         WHERE lower(hex(a.sha256)) = '{digest}'"
    );
    lab.sqlite3(&sql).expect(0).stdout.trim().to_owned()
}

#[test]
fn an_output_of_ours_is_known_as_one_by_pixels_mark_and_looks_whatever_its_name() {
    let lab = Lab::new();
    let id = output(&lab);
    for (recipe, file) in
        [("strip", "holiday.png"), ("jpeg80", "cell.jpg"), ("worn", "old.png"), ("worn", "older.jpg")]
    {
        lab.python("attack.py", &[recipe, "out.png", file]).expect(0);
        if recipe == "worn" {
            lab.run(["detect", file]).expect(1);
            let report = lab.verify(file);
            assert_eq!(
                (&report["catalog"]["match"], &report["catalog"]["asset"]),
                (&"perceptual".into(), &id.clone().into())
            );
        }
        assert_eq!(copy_of(&lab, file), format!("{id} 2"), "{recipe} as {file}");
    }
    assert_eq!(copy_of(&lab, "out.png"), "- 2", "the file itself is on record under its own id");
    assert_eq!(copy_of(&lab, "ref.png"), "- 1", "the reference is no copy of what was made of it");
    let tree = lab.run(["lineage", "old.png"]).expect(0).stdout;
    assert!(tree.contains("copy of it, used as reference") && tree.contains("old.png"), "{tree}");
    assert_eq!(lab.run(["audit", "--json"]).expect(0).json()["clean"], true);
}

#[test]
fn a_mark_copied_onto_another_picture_joins_no_lineage() {
    let lab = Lab::new();
    output(&lab);
    let message = message(&lab, "out.png");
    forge(&lab, &specimen(B), &message, Some(&owner(&lab)), "micrograph.png");
    assert_eq!(copy_of(&lab, "micrograph.png"), "- 1");
    assert!(decode(&lab.path("micrograph.png")).digest() != specimen(B).digest(), "it is marked");
}
