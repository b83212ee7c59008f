//! The main road: one reference in, one labelled, recorded, verifiable variation out.

use std::fs;

use crate::common::{self, Lab};
use serde_json::Value;

#[test]
fn a_first_vary_makes_everything_it_needs_and_says_so() {
    let lab = Lab::new();
    lab.specimen("virions.png", 1);
    let ended = lab
        .run([
            "vary",
            "virions.png",
            "--subject",
            "adenovirus virions",
            "--attempts",
            "12",
            "--strength",
            "0.8",
            "--seed",
            "5",
        ])
        .expect(0);
    assert!(ended.stderr.contains("made a workspace in"), "{}", ended.stderr);
    assert!(ended.stderr.contains("made a signing key and a certificate"), "{}", ended.stderr);
    for word in
        ["Made ", "From ", "Engine ", "Differs ", "Marks ", "Recorded ", "Check ", "cannot read prompts"]
    {
        assert!(ended.stdout.contains(word), "{word}: {}", ended.stdout);
    }
    assert_eq!(lab.files("variations").len(), 1);
    let again =
        lab.run(["vary", "virions.png", "--attempts", "12", "--strength", "0.8", "--seed", "6"]).expect(0);
    assert!(!again.stderr.contains("made "), "{}", again.stderr);
}

#[test]
fn every_format_is_released_verified_and_read_by_an_independent_sdk() {
    let lab = Lab::new();
    lab.specimen("ref.png", 2);
    let files = ["out.png", "out.jpg", "out.webp", "out.tiff"];
    for file in files {
        let released = lab.variation("ref.png", file, 4);
        assert_eq!(released["outcome"], "released");
        assert_eq!(released["manifest"]["state"], "trusted");
        let report = lab.verify(file);
        assert_eq!(report["verdict"], "ai-derived", "{report:#}");
        assert_eq!(report["confidence"], "high");
        assert_eq!(report["manifest"]["state"], "trusted");
        assert_eq!(report["manifest"]["source_sha256"], released["reference"]["sha256"]);
        assert_eq!(report["manifest"]["denoise_strength"], 0.9);
        assert_eq!(report["watermark"]["found"], true);
        // So small a picture may be too small for the tag to be told.
        let authentic = report["watermark"].get("authentic").expect("told, or null");
        assert!(*authentic == true || authentic.is_null(), "{report:#}");
        assert_eq!(report["watermark"]["level"], released["watermark"]["level"]);
        let id = released["watermark"]["payload_id"].as_str().expect("digits");
        let prefix = report["watermark"]["payload"]["source_sha256_prefix"].as_str().expect("digits");
        assert!(id.starts_with(prefix), "{report:#}");
        assert_eq!(report["catalog"]["match"], "exact");
    }
    let anchors = lab.run(["keys", "export-trust"]).expect(0).stdout;
    fs::write(lab.path("anchors.pem"), anchors).expect("writable");
    let mut args = vec!["--anchor", "anchors.pem"];
    args.extend(files);
    lab.python("verify_manifests.py", &args).expect(0);
}

#[test]
fn a_copy_stripped_and_recompressed_by_another_program_is_recognised_by_its_watermark() {
    let lab = Lab::new();
    lab.specimen("ref.png", 3);
    let released = lab.variation("ref.png", "out.png", 4);
    lab.python("attack.py", &["jpeg80", "out.png", "copy.jpg"]).expect(0);

    let report = lab.run(["verify", "copy.jpg", "--json"]).expect(0).json();
    assert_eq!(report["verdict"], "ai-derived", "{report:#}");
    assert_eq!(report["catalog"]["match"], "watermark");
    assert_eq!(report["catalog"]["asset"], released["asset"]);
    assert_eq!(report["catalog"]["references"][0], released["reference"]["sha256"]);
    assert_eq!(report["manifest"]["state"], "recovered");
    assert_eq!(report["manifest"]["source_sha256"], released["reference"]["sha256"]);

    // Elsewhere nothing is remembered: the mark speaks alone.
    let elsewhere = Lab::new();
    fs::copy(lab.path("copy.jpg"), elsewhere.path("copy.jpg")).expect("copied");
    let report = elsewhere.run(["verify", "copy.jpg", "--json"]).expect(0).json();
    assert_eq!(report["verdict"], "ai-derived");
    assert_eq!(report["confidence"], "medium");
    // 0.9 in 255ths, or in 31sts where the picture bears the short level only.
    let stated = if released["watermark"]["level"] == "long" { 0.898 } else { 0.903 };
    assert_eq!(report["watermark"]["payload"]["denoise_strength"], stated);
    assert_eq!(report["manifest"]["state"], "absent");
}

#[test]
fn an_unrelated_picture_has_no_evidence_and_is_never_called_authentic() {
    let lab = Lab::new();
    lab.specimen("ref.png", 4);
    lab.variation("ref.png", "out.png", 4);
    lab.run(["specimen", "--kind", "influenza", "--out", "other.png", "--size", "320x208"]).expect(0);
    for file in ["other.png", "ref.png"] {
        let ended = lab.run(["verify", file]).expect(1);
        assert!(ended.stdout.contains("no evidence found"), "{}", ended.stdout);
        assert!(ended.stdout.contains("does not mean that it is authentic"), "{}", ended.stdout);
        assert_eq!(lab.verify(file)["verdict"], "no-evidence");
    }
}

#[test]
fn lineage_shows_generations_in_every_format_and_from_every_handle() {
    let lab = Lab::new();
    lab.specimen("ref.png", 5);
    let first = lab.variation("ref.png", "one.png", 1);
    let second = lab.variation("one.png", "two.png", 2);
    // A stripped copy of an output is recognised as one, whatever its name.
    lab.python("attack.py", &["strip", "two.png", "renamed.png"]).expect(0);
    let third = lab.variation("renamed.png", "three.png", 3);

    let tree = lab.run(["lineage", "three.png"]).expect(0).stdout;
    let ids = [&first, &second, &third].map(|v| v["asset"].as_str().expect("an id").to_owned());
    for id in &ids {
        assert!(tree.contains(id.as_str()), "{id} in {tree}");
    }
    assert!(tree.contains("copy of it") && tree.contains('←'), "{tree}");

    let sha256 = first["sha256"].as_str().expect("a digest");
    for handle in [ids[0].as_str(), sha256, &sha256[..8], "one.png", "renamed.png"] {
        let graph = lab.run(["lineage", handle, "--format", "json"]).expect(0).json();
        assert_eq!(graph["schema"], 1);
        assert_eq!(graph["nodes"].as_array().expect("nodes").len(), 5, "{handle}: {graph:#}");
        let edges = graph["edges"].as_array().expect("edges");
        let released = edges.iter().filter(|edge| !edge["output"].is_null()).count();
        assert_eq!(released, 3, "{handle}");
    }
    for (format, word) in [("dot", "digraph"), ("mermaid", "flowchart")] {
        let text = lab.run(["lineage", "three.png", "--format", format]).expect(0).stdout;
        assert!(text.contains(word) && ids.iter().all(|id| text.contains(id.as_str())), "{text}");
    }
    assert_eq!(lab.run(["audit", "--json"]).expect(0).json()["clean"], true);
}

#[test]
fn the_same_request_draws_the_same_pixels_on_any_number_of_threads() {
    let lab = Lab::new();
    lab.specimen("ref.png", 6);
    let pixels = |threads: &str, out: &str| {
        let args = [
            "vary",
            "ref.png",
            "--attempts",
            "12",
            "--strength",
            "0.8",
            "--seed",
            "9",
            "--out",
            out,
            "--json",
        ];
        let mut command = lab.command(args);
        command.env("RAYON_NUM_THREADS", threads);
        let asset = common::ended(command.output().expect("it starts")).expect(0).json()["asset"].clone();
        let graph = lab.run(["lineage", asset.as_str().expect("an id"), "--format", "json"]).json();
        let nodes = graph["nodes"].as_array().expect("nodes").clone();
        let node = nodes.into_iter().find(|n| n["id"] == asset).expect("it is there");
        (node["pixels_sha256"].clone(), asset)
    };
    let engine_draft = |asset: &Value| {
        let sql = format!(
            "SELECT hex(m.draft_sha256) FROM measurement m JOIN release r ON r.run = m.run WHERE r.output = '{}'",
            asset.as_str().expect("an id")
        );
        lab.sqlite3(&sql).expect(0).stdout
    };
    let ((_, one), (_, eight)) = (pixels("1", "one.png"), pixels("8", "eight.png"));
    assert_eq!(engine_draft(&one), engine_draft(&eight));
    assert_ne!(engine_draft(&one), "");
}

#[test]
fn several_variations_of_several_references_are_all_answered() {
    let lab = Lab::new();
    lab.specimen("a.png", 7);
    lab.specimen("b.png", 8);
    let args = [
        "vary",
        "a.png",
        "b.png",
        "--count",
        "2",
        "--seed",
        "5",
        "--strength",
        "0.9",
        "--json",
        "--out",
        "many",
    ];
    let answers = lab.run(args).expect(0).json();
    assert_eq!(answers.as_array().expect("an array for several").len(), 4);
    assert_eq!(lab.files("many").len(), 4);
    let one_file = lab.run(["vary", "a.png", "--count", "2", "--out", "x.png"]).expect(2);
    assert!(one_file.stderr.contains("one file cannot hold several variations"), "{}", one_file.stderr);
}

#[test]
fn a_reference_too_small_to_be_marked_is_drawn_from_enlarged_on_request() {
    let lab = Lab::new();
    lab.run(["specimen", "--out", "small.png", "--size", "160x120", "--seed", "3"]).expect(0);
    let args =
        ["vary", "small.png", "--strength", "0.9", "--seed", "1", "--attempts", "12", "--out", "out.png"];
    let refused = lab.run(args).expect(2);
    assert!(refused.stderr.contains("160×120 pixels are too small to be marked"), "{}", refused.stderr);
    assert!(refused.stderr.contains("try --enlarge"), "{}", refused.stderr);
    let released = lab.run([&args[..], &["--enlarge", "--json"]].concat()).expect(0).json();
    assert_eq!(released["reference"]["enlarged_to"], serde_json::json!([341, 256]));
    let report = lab.run(["verify", "out.png", "--json"]).expect(0).json();
    let own = vidimus::digest::Digest::of(fs::read(lab.path("small.png")).expect("there")).to_string();
    assert_eq!(report["manifest"]["source_sha256"], own.as_str());
    assert_eq!(lab.run(["audit", "--json"]).expect(0).json()["clean"], true);
    let sql = "SELECT width || 'x' || height FROM asset ORDER BY role = 'output'";
    assert_eq!(lab.sqlite3(sql).expect(0).stdout, "160x120\n341x256\n");
}

#[test]
fn a_dry_run_measures_and_judges_and_leaves_nothing() {
    let lab = Lab::new();
    lab.specimen("ref.png", 9);
    let answer = lab
        .run([
            "vary",
            "ref.png",
            "--attempts",
            "12",
            "--strength",
            "0.8",
            "--seed",
            "1",
            "--dry-run",
            "--json",
        ])
        .expect(0)
        .json();
    assert_eq!(answer["outcome"], "cleared");
    assert_eq!(answer["dry_run"], true);
    assert!(answer["deviation"]["deviation"].as_f64().expect("a number") >= 0.5);
    let refused = lab.run(["vary", "ref.png", "--strength", "0.1", "--dry-run", "--json"]).expect(1).json();
    assert_eq!(refused["outcome"], "refused");
    assert_eq!(refused["engine"]["name"], "patch");
    assert_eq!(refused["strength"], 0.1);
    assert!(!lab.path("variations").exists());
    assert_eq!(
        lab.sqlite3("SELECT (SELECT count(*) FROM event) + (SELECT count(*) FROM asset)")
            .expect(0)
            .stdout
            .trim(),
        "0"
    );
}
