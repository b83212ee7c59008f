//! Unsigned labels as another program reads them: Debian's exiftool.

use std::process::Command;

use serde_json::{Map, Value};

use crate::common::{Lab, ended};

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
