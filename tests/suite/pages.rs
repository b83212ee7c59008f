//! `sweep`, and the pages that can be mailed.

use std::fs;

use crate::common::Lab;

#[test]
fn a_sweep_releases_what_the_policy_lets_through_and_shows_all_of_it_on_one_page() {
    let lab = Lab::new();
    lab.specimen("ref.png", 1);
    let args = ["sweep", "ref.png", "--strengths", "0.9,20%,0.9", "--seeds", "2", "--seed", "3", "--json"];
    let ended = lab.run(args).expect(0);
    let found = ended.json();
    let cells = found["cells"].as_array().expect("pictures");
    assert_eq!(cells.len(), 4, "each strength once, two seeds of each: {found:#}");
    let with = |outcome: &str| cells.iter().filter(|cell| cell["outcome"] == outcome).collect::<Vec<_>>();
    // 0.2 is below what the policy allows: nothing is drawn, and each is logged.
    let refused: Vec<_> = with("refused").into_iter().filter(|cell| cell["strength"] == 0.2).collect();
    assert_eq!(refused.len(), 2);
    assert!(refused.iter().all(|cell| cell["deviation"].is_null() && cell["seconds"].is_null()), "{found:#}");
    let released = with("released");
    assert!(!released.is_empty(), "{found:#}");
    for cell in &released {
        let output = cell["output"].as_str().expect("a path");
        assert_eq!(lab.verify(output)["verdict"], "ai-derived");
        assert!(cell["quality"]["style"].as_f64().is_some_and(|style| style > 0.0 && style < 3.0), "{cell}");
    }
    assert_eq!(found["criteria"][0]["released"], released.len());
    let page = fs::read_to_string(lab.path("sweep/report.html")).expect("the page");
    assert_eq!(page.matches("<img ").count(), 1 + released.len(), "what was refused is not shown");
    assert!(page.contains("./ref-s090-3.png") || page.contains("./ref-s090-4.png"));
    assert!(!page.contains("<script") && !page.contains("http:") && !page.contains("https:"));
    // The sheet says that it shows generated pictures, and is no output itself.
    let sheet = lab.verify("sweep/sheet.png");
    assert_eq!(sheet["verdict"], "ai-derived", "{sheet:#}");
    lab.run(["audit"]).expect(0);

    // What is there is not drawn over, and nothing is drawn before that is known.
    let events = lab.sqlite3("SELECT count(*) FROM event").stdout;
    let again = lab.run(args).expect(2);
    assert!(again.stderr.contains("already exists; use --force"), "{}", again.stderr);
    assert_eq!(lab.sqlite3("SELECT count(*) FROM event").stdout, events);
}

#[test]
fn a_refused_draft_is_shown_small_and_only_if_that_was_asked_for() {
    let lab = Lab::new();
    lab.specimen("ref.png", 1);
    // Close enough for the policy to refuse the draft itself.
    let args = ["sweep", "ref.png", "--strengths", "0.4", "--seeds", "1", "--seed", "1", "--show-refused"];
    lab.run(args).expect(1);
    let page = fs::read_to_string(lab.path("sweep/report.html")).expect("the page");
    assert_eq!(page.matches("<img ").count(), 2);
    assert_eq!(lab.files("sweep"), ["sweep/report.html", "sweep/sheet.png"].map(std::path::PathBuf::from));
}

#[test]
fn lineage_and_audit_make_pages_with_what_is_on_record() {
    let lab = Lab::new();
    lab.specimen("<ref>.png", 1);
    let made = lab.variation("<ref>.png", "out.png", 1);
    lab.run(["vary", "<ref>.png", "--strength", "0.1"]).expect(1);
    let page = lab.run(["lineage", "out.png", "--format", "html"]).expect(0).stdout;
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("&lt;ref&gt;.png"), "{page}");
    let asset = made["asset"].as_str().expect("an id");
    assert!(page.contains(asset) && page.contains("asked for"));
    assert_eq!(page.matches("data:image/jpeg;base64,").count(), 2);
    assert!(page.contains("too close: strength 0.10") && !page.contains("http:"));

    lab.run(["audit", "--html", "audit.html"]).expect(0);
    let page = fs::read_to_string(lab.path("audit.html")).expect("the page");
    assert!(page.contains("Clean.") && page.contains(asset) && !page.contains("asked for"), "{page}");
    let again = lab.run(["audit", "--html", "audit.html"]).expect(2);
    assert!(again.stderr.contains("already exists; use --force"), "{}", again.stderr);
    // A picture that is gone is a finding, and its place stays empty.
    let digest = made["sha256"].as_str().expect("a digest");
    fs::remove_file(lab.path(format!("catalog/objects/{}/{}", &digest[..2], &digest[2..]))).expect("there");
    lab.run(["audit", "--html", "audit.html", "--force"]).expect(1);
    let page = fs::read_to_string(lab.path("audit.html")).expect("the page");
    assert!(page.contains("1 finding") && page.matches("data:image/jpeg;base64,").count() == 1, "{page}");
}
