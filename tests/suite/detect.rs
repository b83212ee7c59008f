//! `detect`: what the pixels say, and nothing else.

use std::fs;

use serde_json::Value;

use crate::common::Lab;
use crate::prepared::released;

/// A laboratory with `out.png`, released from `ref.png`.
fn lab() -> Lab {
    released("320x208")
}

#[test]
fn what_the_pixels_say_is_told_in_words_and_in_json() {
    let lab = lab();
    let text = lab.run(["detect", "out.png"]).expect(0).stdout;
    for words in [
        "out.png: watermark found, ",
        "Says ",
        "AI-generated from source ",
        "Geometry  no turn, mirroring or odd scale",
        "Chance    10^-",
        "Tag ",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let found = lab.run(["detect", "out.png", "--json"]).expect(0).json();
    assert_eq!(
        (&found["schema"], &found["found"], &found["stage"]),
        (&1.into(), &true.into(), &"grid".into())
    );
    let report = lab.verify("out.png");
    for name in ["level", "payload", "authentic", "tag", "rotation_degrees", "scale", "mirrored"] {
        assert_eq!(found.get(name).expect(name), report["watermark"].get(name).expect(name), "{name}");
    }
    assert!(found["log10_false_positive"].as_f64().expect("a number") <= -7.0);
    assert!(found["ms"].as_f64().expect("a number") > 0.0);

    // Outside any workspace there is no key to ask.
    let elsewhere = Lab::new();
    fs::copy(lab.path("out.png"), elsewhere.path("out.png")).expect("copied");
    let found = elsewhere.run(["detect", "out.png", "--json"]).expect(0).json();
    assert_eq!(found["message"], lab.run(["detect", "out.png", "--json"]).json()["message"]);
    assert_eq!((&found["tag"], &found["authentic"]), (&Value::Null, &Value::Null));
}

#[test]
fn every_file_is_answered_and_the_worst_wins() {
    let lab = lab();
    fs::write(lab.path("bad.png"), b"not a picture").expect("writable");
    let none = lab.run(["detect", "ref.png", "--fast"]).expect(1).stdout;
    assert_eq!(none, "ref.png: no watermark found; the geometric search was left out\n");
    let some = lab.run(["detect", "out.png", "ref.png", "--json", "--fast"]).expect(1).json();
    assert_eq!((&some[0]["found"], &some[1]["found"]), (&true.into(), &false.into()));
    assert_eq!((&some[1]["message"], &some[1]["search"]), (&Value::Null, &"fast".into()));
    let ended = lab.run(["detect", "bad.png", "out.png", "--json"]).expect(2);
    let answers = ended.json();
    assert!(answers[0]["error"].as_str().expect("a line").contains("not a picture"), "{answers:#}");
    assert_eq!(answers[1]["found"], true);
}

#[test]
fn an_explanation_is_written_once_and_over_nothing() {
    let lab = lab();
    lab.run(["detect", "out.png", "--explain", "why.png"]).expect(0);
    let why = fs::read(lab.path("why.png")).expect("written");
    assert!(why.starts_with(b"\x89PNG"));
    let again = lab.run(["detect", "out.png", "--explain", "why.png"]).expect(2);
    assert!(again.stderr.contains("why.png: already exists; use --force"), "{}", again.stderr);
    lab.run(["detect", "out.png", "--explain", "why.png", "--force"]).expect(0);

    let before = fs::read(lab.path("out.png")).expect("there");
    for (args, expected) in [
        (&["detect", "out.png", "--explain", "out.png", "--force"][..], "would overwrite its own picture"),
        (&["detect", "out.png", "--explain", "why.jpg"], "an explanation is a PNG"),
        (&["detect", "out.png", "ref.png", "--explain", "new.png"], "one picture cannot explain several"),
    ] {
        let ended = lab.run(args).expect(2);
        assert!(ended.stderr.contains(expected), "{}", ended.stderr);
    }
    assert_eq!(fs::read(lab.path("out.png")).expect("there"), before);
    // What has no mark has no explanation.
    let nothing = lab.run(["detect", "ref.png", "--fast", "--explain", "new.png"]).expect(1);
    assert!(nothing.stderr.contains("there is nothing to explain"), "{}", nothing.stderr);
    assert!(!lab.path("new.png").exists() && !lab.path("why.jpg").exists());
}
