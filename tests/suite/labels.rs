//! Unsigned labels as another program reads them: Debian's exiftool.

use std::process::Command;

use serde_json::{Map, Value};

use crate::common::{Lab, ended};
use crate::desk::decode;
use vidimus::raster::Limits;

const FORMATS: [&str; 3] = ["png", "jpg", "webp"];
const TRAINED: &str = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia";

/// All XMP properties that exiftool finds, by group and name, as they stand in the file.
fn exiftool(lab: &Lab, file: &str) -> Map<String, Value> {
    let mut command = Command::new("exiftool");
    command.args(["-json", "-G1", "-n", "-XMP:all", file]).current_dir(lab.path(""));
    let output = command.output().expect("exiftool is there: 'make test' installs it");
    let mut found = ended(output).expect(0).json()[0].as_object().expect("an object").clone();
    assert_eq!(found.remove("SourceFile"), Some(file.into()));
    found.remove("XMP-x:XMPToolkit");
    found
}

fn lab() -> Lab {
    let lab = Lab::new();
    lab.specimen("ref.png", 1);
    lab
}

/// Releases `out` as asked for in `more`; what `vary` says of it.
fn made(lab: &Lab, out: &str, more: &[&str]) -> Value {
    let args = ["vary", "ref.png", "--strength", "0.9", "--seed", "1", "--attempts", "12", "--json"];
    lab.run([&args[..], &["--out", out], more].concat()).expect(0).json()
}

fn text(found: &Value) -> &str {
    found.as_str().expect("text")
}

#[test]
fn exiftool_reads_every_property_that_is_written_by_default_and_no_other() {
    let lab = lab();
    for format in FORMATS {
        let out = format!("out.{format}");
        let told = made(&lab, &out, &["--prompt", "a secret virion"]);
        let found = exiftool(&lab, &out);
        let expected = [
            ("XMP-xmp:CreatorTool", format!("vidimus {}", env!("CARGO_PKG_VERSION"))),
            ("XMP-iptcExt:DigitalSourceType", TRAINED.to_owned()),
            ("XMP-iptcExt:AISystemUsed", text(&told["engine"]["name"]).to_owned()),
            ("XMP-iptcExt:AISystemVersionUsed", text(&told["engine"]["version"]).to_owned()),
            ("XMP-dcterms:Source", format!("nih:sha-256;{}", text(&told["reference"]["sha256"]))),
        ];
        for (name, value) in &expected {
            let as_text = found.get(*name).map(|found| match found {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            });
            assert_eq!(as_text.as_ref(), Some(value), "{format} {name} in {found:#?}");
        }
        assert_eq!(found.len(), expected.len(), "{format}: {found:#?}");
    }
}

#[test]
fn the_prompt_and_its_writer_are_there_where_they_were_asked_for() {
    let lab = lab();
    for format in FORMATS {
        let out = format!("out.{format}");
        made(
            &lab,
            &out,
            &["--prompt", "virions <in> \"ice\" & snow", "--disclose-prompt", "--prompt-writer", "Ö. Å"],
        );
        let found = exiftool(&lab, &out);
        let prompt = "virions <in> \"ice\" & snow (not read by the engine)";
        assert_eq!(found["XMP-iptcExt:AIPromptInformation"], prompt, "{format}: {found:#?}");
        assert_eq!(found["XMP-iptcExt:AIPromptWriterName"], "Ö. Å", "{format}: {found:#?}");
        let claims = lab.verify(&out)["claims"].to_string();
        assert!(claims.contains(TRAINED) && !claims.contains("virions"), "{claims}");
    }
    let ended = lab.run(["vary", "ref.png", "--prompt-writer", "me"]).expect(2);
    assert!(ended.stderr.contains("--disclose-prompt"), "{}", ended.stderr);
}

#[test]
fn a_prompt_that_is_withheld_is_said_to_be_and_stays_in_the_catalog() {
    let lab = lab();
    for format in FORMATS {
        let out = format!("out.{format}");
        made(&lab, &out, &["--prompt", "secret virions", "--withhold-prompt"]);
        let found = exiftool(&lab, &out);
        assert_eq!(found["XMP-iptcExt:AIPromptInformation"], "withheld", "{format}: {found:#?}");
        let report = lab.verify(&out);
        assert_eq!(report["manifest"]["prompt_withheld"], true, "{format}: {report:#}");
        assert!(report["reasons"].to_string().contains("manifest: the prompt is withheld"), "{report:#}");
        let bytes = std::fs::read(lab.path(&out)).expect("there");
        assert!(!bytes.windows(6).any(|word| word == b"secret"), "{format}");
    }
    let kept = lab.sqlite3("SELECT DISTINCT prompt FROM run WHERE prompt IS NOT NULL").expect(0).stdout;
    assert_eq!(kept.trim(), "secret virions");

    made(&lab, "plain.png", &["--withhold-prompt"]);
    let report = lab.verify("plain.png");
    assert_eq!(report["manifest"]["prompt_withheld"], false, "there was none: {report:#}");
    let both = lab.run(["vary", "ref.png", "--withhold-prompt", "--disclose-prompt"]).expect(2);
    assert!(both.stderr.contains("cannot be used with"), "{}", both.stderr);
}

#[test]
fn a_prompt_that_a_policy_wants_disclosed_cannot_be_withheld() {
    let lab = lab();
    ask_for(&lab, "prompt = true");
    let ended = lab.run(["vary", "ref.png", "--prompt", "virions", "--withhold-prompt", "--out", "out.png"]);
    let ended = ended.expect(2);
    assert!(
        ended.stderr.contains("the policy requires the prompt: it cannot be withheld"),
        "{}",
        ended.stderr
    );
    assert!(!lab.path("out.png").exists());
}

#[test]
fn who_may_learn_from_an_output_is_said_by_the_workspace_or_for_one_output() {
    let lab = lab();
    let permissions = |file: &str| lab.verify(file)["manifest"]["training_mining"]["entries"].clone();
    made(&lab, "silent.png", &[]);
    assert_eq!(permissions("silent.png"), Value::Null);
    std::fs::write(lab.path("vidimus.toml"), "[manifest]\ntraining-mining = \"not-allowed\"\n")
        .expect("writable");
    made(&lab, "closed.png", &[]);
    assert_eq!(permissions("closed.png")["cawg.ai_training"], serde_json::json!({ "use": "notAllowed" }));
    made(&lab, "terms.png", &["--training-mining", "constrained:ask the press office"]);
    let terms = serde_json::json!({ "use": "constrained", "constraint_info": "ask the press office" });
    let found = permissions("terms.png");
    assert_eq!(found.as_object().map(|uses| uses.len()), Some(4), "{found:#}");
    assert!(found.as_object().expect("four").values().all(|one| *one == terms), "{found:#}");
    let told = lab.run(["verify", "terms.png"]).expect(0).stdout;
    assert!(told.contains("under terms: \"ask the press office\""), "{told}");
    let slip = lab.run(["vary", "ref.png", "--training-mining", "maybe"]).expect(2);
    assert!(slip.stderr.contains("expected allowed, not-allowed or constrained:TERMS"), "{}", slip.stderr);
}

/// The default policy of a workspace with more `marks`.
fn ask_for(lab: &Lab, marks: &str) {
    lab.run(["init", "."]).expect(0);
    let path = lab.path("policies/default.toml");
    let text = std::fs::read_to_string(&path).expect("there");
    let more = text.replace("xmp         = false", &format!("xmp = false\n{marks}"));
    assert_ne!(text, more);
    std::fs::write(&path, more).expect("writable");
}

#[test]
fn what_a_policy_wants_disclosed_is_there_without_being_asked_for() {
    let lab = lab();
    ask_for(
        &lab,
        "prompt = true\ndisclosure = true\ntc260 = true\nprovider = \"Press <office> \\\"A\\\" & 新\"",
    );
    let provider = "Press <office> \"A\" & 新";
    for format in FORMATS {
        let out = format!("out.{format}");
        let told = made(&lab, &out, &["--prompt", "virions"]);
        let (asset, found) = (text(&told["asset"]), exiftool(&lab, &out));
        assert_eq!(found["XMP-iptcExt:AIPromptInformation"], "virions (not read by the engine)");
        assert_eq!(found["XMP-vidimus:Provider"], provider, "{format}: {found:#?}");
        assert_eq!(found["XMP-dcterms:Identifier"], asset, "{format}: {found:#?}");
        let created = text(&found["XMP-xmp:CreateDate"]);
        assert!(created.starts_with("20") && created.ends_with('Z') && created.len() == 20, "{created}");
        // This is how exiftool writes names that it does not know.
        let aigc: Value = serde_json::from_str(text(&found["XMP-TC260:Aigc"])).expect("JSON in it");
        let expected = serde_json::json!({
            "Label": "1", "ContentProducer": provider, "ProduceID": asset, "ReservedCode1": "",
            "ContentPropagator": "", "PropagateID": "", "ReservedCode2": "",
        });
        assert_eq!(aigc, expected, "{format}");
        assert_eq!(found.len(), 10, "{format}: {found:#?}");
        assert_eq!(
            told["carried"],
            serde_json::json!({ "prompt": "", "disclosure": provider, "tc260": provider })
        );
        let claims = lab.verify(&out)["claims"].to_string();
        assert!(
            claims.contains("TC260:AIGC, generated, number ") && claims.contains("by a system of Press"),
            "{claims}"
        );
    }
    let rows = lab.sqlite3("SELECT count(*), count(DISTINCT output) FROM carried").expect(0);
    assert_eq!(rows.stdout.trim(), "9|3");
    lab.run(["audit"]).expect(0);
}

/// The least and the greatest brightness in a box of a picture.
fn range(
    picture: &vidimus::raster::Plane,
    xs: std::ops::Range<usize>,
    ys: std::ops::Range<usize>,
) -> (f32, f32) {
    let values = ys.flat_map(|y| xs.clone().map(move |x| picture.at(x, y)));
    values.fold((1.0f32, 0.0f32), |(low, high), v| (low.min(v), high.max(v)))
}

#[test]
fn a_visible_label_is_drawn_told_of_and_gains_nothing() {
    let lab = lab();
    let bare = made(&lab, "bare.png", &[]);
    for format in FORMATS {
        let out = format!("out.{format}");
        let told = made(
            &lab,
            &out,
            &["--label=generated", "--label-language", "de", "--label-position", "bottom-left", "--caption"],
        );
        assert_eq!(told["deviation"], bare["deviation"], "it is the draft that is judged");
        let picture = decode(&lab.path(&out)).luma();
        assert!(picture.width() == 320 && (225..260).contains(&picture.height()), "{}", picture.height());
        // The badge, of 20 pixels, stands in its corner of the picture; the strip is below it.
        let (low, high) = range(&picture, 12..60, 180..196);
        assert!(low < 0.15 && high > 0.9, "{format}: {low} {high}");
        let (low, high) = range(&picture, 12..300, 212..224);
        assert!(low < 0.3 && high > 0.9, "{format}: {low} {high}");
        let (label, caption) = (text(&told["carried"]["label"]), text(&told["carried"]["caption"]));
        assert_eq!(label, "KI-generiert, bottom-left");
        let source = &text(&told["reference"]["sha256"])[..12];
        assert_eq!(caption, format!("KI-generiert · Quelle {source} · Stärke 0.90"));
        let bytes = std::fs::read(lab.path(&out)).expect("there");
        let reading = vidimus::manifest::read(
            &bytes,
            vidimus::raster::decode(&bytes, &Limits::default()).expect("it decodes").mime,
            &[],
        );
        let reading = reading.expect("it reads").expect("it has a manifest");
        let stated = reading.facts().expect("ours").visible_label.clone().expect("it is stated");
        assert_eq!(
            (stated.text.as_deref(), stated.position.as_deref()),
            (Some("KI-generiert"), Some("bottom-left"))
        );
        assert_eq!(stated.caption.as_deref(), Some(caption));
        let report = lab.run(["verify", &out, "--json"]).expect(0).json();
        assert_eq!((&report["verdict"], &report["confidence"]), (&"ai-derived".into(), &"high".into()));
        assert_eq!(report["manifest"]["digital_source_type"], TRAINED, "not that of the letters");
    }
    let drafts = lab
        .sqlite3("SELECT count(*), count(DISTINCT draft_sha256) FROM measurement JOIN release USING (run)");
    assert_eq!(drafts.expect(0).stdout.trim(), "4|1");
    lab.run(["audit"]).expect(0);
}

#[test]
fn a_label_that_a_policy_requires_is_drawn_and_the_schema_asks_for_it() {
    let lab = lab();
    ask_for(&lab, "label = true");
    let told = made(&lab, "out.png", &[]);
    assert_eq!(told["carried"], serde_json::json!({ "label": "AI, top-right" }));
    let (low, high) = range(&decode(&lab.path("out.png")).luma(), 285..306, 13..27);
    assert!(low < 0.15 && high > 0.9, "{low} {high}");
    let styled = made(&lab, "styled.png", &["--label", "--label-language", "fr", "--label-size", "12%"]);
    assert_eq!(styled["carried"]["label"], "IA, top-right");
    let explained = lab.run(["policy", "explain", "ref.png"]).expect(0).stdout;
    assert!(explained.contains("marks.label"), "{explained}");
    let strangers = lab.sqlite3("INSERT INTO carried SELECT output, 'caption', 'mine' FROM release LIMIT 1");
    assert!(strangers.expect(19).stderr.contains("mark refused: the output is released already"));
    lab.run(["audit"]).expect(0);
    for (flag, value) in
        [("--label-position", "top-left"), ("--label-size", "0.1"), ("--label-language", "de")]
    {
        lab.run(["vary", "ref.png", flag, value]).expect(2);
    }
    let refused = lab.run(["vary", "ref.png", "--label", "--label-size", "2"]).expect(2).stderr;
    assert!(refused.contains("expected 0.03 to 0.25 of the short side"), "{refused}");
}
