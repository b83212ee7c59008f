//! Pictures that were made elsewhere: what is said of them stays somebody's word, and all else is as for those drawn here.

use std::fs;

use serde_json::Value;

use crate::common::Lab;

/// A reference, and another field of view that some tool is said to have made of it.
fn lab() -> Lab {
    let lab = Lab::new();
    lab.specimen("ref.png", 1);
    lab.specimen("made.png", 77);
    lab
}

/// Puts a text chunk behind the header of the PNG `name`.
fn write_text(lab: &Lab, name: &str, keyword: &str, text: &str) {
    let png = fs::read(lab.path(name)).expect("there");
    let body = [b"tEXt", keyword.as_bytes(), b"\0", text.as_bytes()].concat();
    let length = (body.len() as u32 - 4).to_be_bytes();
    let mut crc = u32::MAX;
    for byte in &body {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 };
        }
    }
    let chunk = [&length[..], &body, &(!crc).to_be_bytes()].concat();
    fs::write(lab.path(name), [&png[..33], &chunk, &png[33..]].concat()).expect("writable");
}

const ADOPT: [&str; 4] = ["adopt", "made.png", "--reference", "ref.png"];

fn reasons(report: &Value) -> String {
    let reasons = report["reasons"].as_array().expect("sentences");
    reasons.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_picture_of_a_tool_without_strength_is_adopted_and_everything_says_declared() {
    let lab = lab();
    let midjourney =
        [&ADOPT[..], &["--tool", "Midjourney", "--image-weight", "1.5", "--out", "out.png"]].concat();
    let refused = lab.run(&midjourney).expect(1);
    let why = "the strength is not known: 0.40 to 1.00 required (policy default, strength.min)";
    assert!(
        refused.stdout.contains(why) && refused.stdout.contains("without-strength"),
        "{}",
        refused.stdout
    );
    assert!(!lab.path("out.png").exists());

    let adopted =
        lab.run([&midjourney[..], &["--policy", "without-strength", "--json"]].concat()).expect(0).json();
    assert_eq!(
        (&adopted["outcome"], &adopted["witnessed"]),
        (&"released".into(), &false.into()),
        "{adopted:#}"
    );
    assert_eq!((&adopted["strength"], &adopted["seed"]), (&Value::Null, &Value::Null));
    assert_eq!(
        (&adopted["declared"]["tool"], &adopted["declared"]["image_weight"]),
        (&"midjourney".into(), &1.5.into())
    );
    assert_eq!(adopted["manifest"]["state"], "trusted");

    let report = lab.run(["verify", "out.png", "--json"]).expect(0).json();
    assert_eq!(
        (&report["verdict"], &report["confidence"]),
        (&"ai-derived".into(), &"high".into()),
        "{report:#}"
    );
    let manifest = &report["manifest"];
    assert_eq!((&manifest["witnessed"], &manifest["denoise_strength"]), (&false.into(), &Value::Null));
    assert_eq!(
        (&manifest["declared"]["witnessed"], &manifest["declared"]["image_weight"]),
        (&false.into(), &1.5.into())
    );
    assert_eq!(manifest["source_sha256"], adopted["reference"]["sha256"]);
    assert_eq!(manifest["declared"]["image_sha256"], adopted["image"]["sha256"]);
    let kinds: Vec<&str> = manifest["ingredients"]
        .as_array()
        .expect("two")
        .iter()
        .filter_map(|ingredient| ingredient["relationship"].as_str())
        .collect();
    assert_eq!((kinds.len(), kinds.contains(&"parentOf"), kinds.contains(&"inputTo")), (2, true, true));
    assert_eq!(report["watermark"]["payload"]["denoise_strength"], Value::Null, "nobody saw one");
    assert_eq!(report["catalog"]["adopted"]["by"], manifest["declared"]["by"]);
    let told = reasons(&report);
    assert!(
        told.contains("AI-generated elsewhere by \"midjourney\", as declared by \"vidimus local signer"),
        "{told}"
    );
    assert!(told.contains("at a strength that was not witnessed") && told.contains("was adopted"), "{told}");

    let tree = lab.run(["lineage", "out.png"]).expect(0).stdout;
    assert!(
        tree.contains("adopted from midjourney, strength not known, declared by vidimus local signer"),
        "{tree}"
    );
    let audit = lab.run(["audit", "--json"]).expect(0).json();
    assert_eq!((&audit["clean"], &audit["checked"]["adopted"]), (&true.into(), &1.into()), "{audit:#}");
}

#[test]
fn what_the_file_claims_counts_and_a_flag_against_it_has_to_insist() {
    let lab = lab();
    let infotext = "virions\nNegative prompt: text\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 42, \
                    Denoising strength: 0.55, Model: v1-5, Version: v1.9.0";
    write_text(&lab, "made.png", "parameters", infotext);
    let error = lab.run([&ADOPT[..], &["--strength", "0.9"]].concat()).expect(2).stderr;
    assert!(
        error.contains("--strength 0.90 contradicts what the file itself claims: 0.55 (png:parameters)")
            && error.contains("--override-claims"),
        "{error}"
    );
    let error = lab.run([&ADOPT[..], &["--tool", "midjourney"]].concat()).expect(2).stderr;
    assert!(error.contains("claims: stable-diffusion-webui (png:parameters)"), "{error}");

    let trial = [&ADOPT[..], &["--strength", "0.9", "--override-claims", "--dry-run", "--json"]].concat();
    let insisted = lab.run(trial).expect(0).json();
    assert_eq!(insisted["declared"]["sources"]["strength"], "flag, against 0.55 in png:parameters");
    let adopted = lab.run([&ADOPT[..], &["--out", "out.jpg", "--json"]].concat()).expect(0).json();
    let declared = &adopted["declared"];
    assert_eq!((&declared["tool"], &declared["strength"]), (&"stable-diffusion-webui".into(), &0.55.into()));
    assert_eq!((&declared["seed"], &declared["steps"]), (&"42".into(), &20.into()));
    assert_eq!(declared["sources"]["seed"], "png:parameters");
    let report = lab.run(["verify", "out.jpg", "--json"]).expect(0).json();
    assert_eq!(report["manifest"]["denoise_strength"], 0.55, "declared");
    assert_eq!(report["watermark"]["payload"]["denoise_strength"], Value::Null, "not witnessed");
    assert_eq!(lab.run(["audit", "--json"]).expect(0).json()["clean"], true);
    // The picture's own claims are shown as what they are: weak.
    let report = lab.verify("made.png");
    let claim = &report["claims"][0];
    assert_eq!(
        (&claim["strength"], &claim["img2img"], &claim["seed"]),
        (&0.55.into(), &true.into(), &"42".into())
    );
}

#[test]
fn what_is_ours_or_was_adopted_before_is_recognised() {
    let lab = lab();
    lab.run([&ADOPT[..], &["--tool", "playground", "--strength", "0.6", "--out", "out.png"]].concat())
        .expect(0);
    let refused = |image: &str| {
        let args = ["adopt", image, "--reference", "ref.png", "--tool", "playground", "--strength", "0.6"];
        lab.run(args).expect(2).stderr
    };
    assert!(refused("made.png").contains("it was adopted before, as "));
    assert!(refused("out.png").contains("it is an output of this workspace, or a copy of one"));
    // In another workspace it is known by its mark.
    let elsewhere = Lab::new();
    elsewhere.specimen("ref.png", 1);
    fs::copy(lab.path("out.png"), elsewhere.path("out.png")).expect("copied");
    let args = ["adopt", "out.png", "--reference", "ref.png", "--tool", "playground", "--strength", "0.6"];
    let error = elsewhere.run(args).expect(2).stderr;
    assert!(error.contains("it bears a mark of this program"), "{error}");
}

#[test]
fn limits_of_policies_hold_for_what_was_made_elsewhere() {
    let lab = lab();
    lab.run(["init", "."]).expect(0);
    let adopt = |image: &str, more: &[&str]| {
        let args = ["adopt", image, "--reference", "ref.png", "--strength", "0.6", "--out", "out.png"];
        lab.run([&args[..], more].concat())
    };
    // A copy is a copy, whoever made it.
    fs::copy(lab.path("ref.png"), lab.path("copy.png")).expect("copied");
    let copy = adopt("copy.png", &["--tool", "comfyui"]).expect(1).stdout;
    assert!(copy.contains("too close: deviation 0.00, at least 0.50 required"), "{copy}");
    let default = fs::read_to_string(lab.path("policies/default.toml")).expect("installed");
    let only = default.replace("name   = \"default\"", "name   = \"only\"");
    let only = only.replace("[generation]", "[generation]\nengines = [\"midjourney\"]");
    fs::write(lab.path("policies/only.toml"), only).expect("writable");
    let other = adopt("made.png", &["--tool", "comfyui", "--policy", "only"]).expect(1).stdout;
    assert!(other.contains("engine comfyui is not allowed: expected midjourney"), "{other}");
    let own = adopt("made.png", &["--tool", "patch"]).expect(2).stderr;
    assert!(own.contains("patch is an engine of this program"), "{own}");
    let weight = adopt("made.png", &["--tool", "midjourney", "--image-weight", "4"]).expect(2).stderr;
    assert!(weight.contains("expected 0 to 3"), "{weight}");
    let nameless = adopt("made.png", &[]).expect(2).stderr;
    assert!(nameless.contains("the file does not say what made it: expected --tool"), "{nameless}");
    adopt("made.png", &["--tool", "midjourney", "--policy", "only"]).expect(0);
}
