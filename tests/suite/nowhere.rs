//! Where there is no workspace, commands that need one say what to do, and the others do without.

use crate::common::Lab;

const NO_WORKSPACE: &str = "error: no workspace here or in any folder above; make one with 'vidimus init', or name \
     one with --workspace";

/// Arguments, exit code, the whole of stderr, and words of stdout.
type Case = (&'static [&'static str], i32, &'static str, &'static [&'static str]);

const CASES: [Case; 22] = [
    (&["audit"], 2, NO_WORKSPACE, &[]),
    (&["audit", "--json"], 2, NO_WORKSPACE, &["\"schema\":1", "no workspace here"]),
    (&["audit", "--workspace", "nowhere"], 2, "error: nowhere: not a workspace: policies/ is missing", &[]),
    (
        &["lineage", "01ARZ3NDEKTSV4RRFFQ69G5FAV"],
        2,
        "error: no catalog here or in any folder above; name a workspace with --workspace",
        &[],
    ),
    (&["keys", "show"], 2, NO_WORKSPACE, &[]),
    (&["keys", "rotate"], 2, NO_WORKSPACE, &[]),
    (&["keys", "export-trust"], 2, NO_WORKSPACE, &[]),
    (&["policy", "list"], 0, "", &["default  ", "strength 0.40–1.00, deviation ≥ 0.50", "strict  "]),
    (&["policy", "show", "strict"], 0, "", &["# sha256 ", "name   = \"strict\""]),
    (
        &["policy", "show", "nothing"],
        2,
        "error: no policy \"nothing\": this workspace has default, strict, without-strength",
        &[],
    ),
    (
        &["policy", "show", "../../etc/passwd"],
        2,
        "error: no policy \"../../etc/passwd\": this workspace has default, strict, without-strength",
        &[],
    ),
    (
        &["policy", "check", "virions.png", "virions.png"],
        1,
        "",
        &[
            "too close: deviation 0.00, at least 0.50 required (policy default, deviation.min)",
            "deviation    0.0000",
        ],
    ),
    (&["policy", "check", "virions.png", "nowhere.png"], 2, "error: nowhere.png: no such file", &[]),
    (
        &["vary", "virions.png", "--engine", "crayon"],
        2,
        "error: there is no engine \"crayon\"; 'vidimus engines' lists those that there are",
        &[],
    ),
    (
        &["vary", "virions.png", "--model", "here"],
        2,
        "error: engine patch has no weights; leave --model out, or name another --engine",
        &[],
    ),
    (&["vary", "nowhere.png"], 2, "error: nowhere.png: no such file", &[]),
    (
        &["vary", "virions.png", "--policy", "nothing"],
        2,
        "error: no policy \"nothing\": this workspace has default, strict, without-strength",
        &[],
    ),
    (&["verify", "nowhere.png"], 2, "error: nowhere.png: no such file", &[]),
    (
        &["verify", "virions.png"],
        1,
        "",
        &[
            "virions.png: no evidence found",
            "catalog: no workspace here to ask",
            "this does not mean that it is authentic",
        ],
    ),
    (&["detect", "nowhere.png"], 2, "error: nowhere.png: no such file", &[]),
    (&["detect", "virions.png"], 1, "", &["virions.png: no watermark found\n"]),
    (
        &["specimen", "--out", "virions.png", "--size", "256x208"],
        2,
        "error: virions.png: already exists; use --force to overwrite it",
        &[],
    ),
];

#[test]
fn every_command_answers_in_one_line_and_leaves_nothing_behind() {
    let lab = Lab::new();
    let drawn = lab.run(["specimen", "--out", "virions.png", "--size", "256x208"]).expect(0).stdout;
    assert_eq!(
        drawn,
        "Drew virions.png  256×208, a synthetic adenovirus specimen, seed 1: not a real micrograph\n"
    );
    for (args, code, stderr, stdout) in CASES {
        let ended = lab.run(args).expect(code);
        assert_eq!(ended.stderr.trim_end(), stderr, "{args:?}");
        for words in stdout {
            assert!(ended.stdout.contains(words), "{args:?}: {words:?} in {}", ended.stdout);
        }
        assert_eq!(lab.files("").len(), 1, "{args:?} left something behind");
    }
}

#[test]
fn init_makes_a_workspace_that_audit_finds_clean_and_overwrites_nothing() {
    let lab = Lab::new();
    let made = lab.run(["init", "lab"]).expect(0);
    assert!(made.stderr.contains("made a workspace in lab"), "{}", made.stderr);
    let signer = lab.run(["keys", "show", "--workspace", "lab"]).expect(0).stdout;
    assert!(signer.contains("Certificate ") && signer.contains("days left"), "{signer}");
    let again = lab.run(["init", "lab"]).expect(0);
    assert!(again.stderr.contains("is a workspace already"), "{}", again.stderr);
    assert_eq!(lab.run(["keys", "show", "--workspace", "lab"]).expect(0).stdout, signer);
    let audit = lab.run(["audit", "--workspace", "lab"]).expect(0).stdout;
    assert_eq!(audit, "clean: 0 log entries, 0 assets, 0 releases, 0 comparisons, 0 policies in lab\n");
    lab.run(["keys", "rotate", "--workspace", "lab"]).expect(0);
    assert_ne!(lab.run(["keys", "show", "--workspace", "lab"]).expect(0).stdout, signer);
    let anchors = lab.run(["keys", "export-trust", "--workspace", "lab"]).expect(0).stdout;
    let document = lab.run(["keys", "export-trust", "--workspace", "lab", "--json"]).expect(0).json();
    assert_eq!(document["anchors_pem"].as_str().expect("PEM").trim_end(), anchors.trim_end());
    assert_eq!(anchors.matches("BEGIN CERTIFICATE").count(), 2, "the old anchor stays");
}
