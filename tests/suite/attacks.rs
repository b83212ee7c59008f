//! Attempts to be believed, to discredit, and to break: each with the verdict that it gets.

use std::fs;
use std::io::Cursor;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use c2pa::{Builder, BuilderIntent, Context, DigitalSourceType, Settings, Signer, SigningAlg};
use rcgen::{KeyPair, SigningKey};
use serde_json::{Value, json};
use time::OffsetDateTime;
use vidimus::digest::Digest;
use vidimus::keys::Keys;
use vidimus::manifest::{self, Algorithm, Credential, Derivation, ReferenceAsset, Software, Statement};
use vidimus::quantity::Strength;
use vidimus::watermark::{Kind, Message, Payload};
use vidimus::workspace::Workspace;

use crate::certified::{self, certified};
use crate::chunk::chunk;
use crate::common::Lab;
use crate::desk::{decode, png, specimen_of};
use crate::prepared::released_twice;
use crate::tampered::{chunks, forge, lab_of, message, owner, reasons};

/// A laboratory with `out.png` and `other.png`, released from `ref.png`, and `real.png`, which nobody varied.
fn lab() -> Lab {
    let lab = released_twice("320x208");
    lab.specimen("real.png", 77);
    lab
}

/// Somebody else, with a certificate on which stands what they like.
struct Thief {
    key: KeyPair,
    /// PEM, without the root, which nobody has.
    chain: String,
}

impl Thief {
    fn named(common_name: &str, organisation: &str) -> Self {
        let subject = certified::name(common_name, organisation);
        let made = certified(|leaf| leaf.distinguished_name = subject);
        Thief { chain: made.leaf.pem(), key: made.key }
    }

    /// `picture` as a PNG that says of itself what the thief wants.
    fn sign(&self, picture: &[u8], reference: &[u8], title: &str, derivation: Derivation) -> Vec<u8> {
        let pen = |message: &[u8]| Ok(SigningKey::sign(&self.key, message).expect("it signs"));
        let credential = Credential {
            chain_pem: &self.chain,
            algorithm: Algorithm::Ed25519,
            sign: &pen,
            anchors: &[],
            time_stamps: None,
        };
        let statement = Statement {
            annotations: manifest::Annotations::default(),
            title: title.into(),
            claim_generator: Software { name: "vidimus".into(), version: "0.1.0".into() },
            created: OffsetDateTime::now_utc(),
            derivation,
            image_code: None,
        };
        let reference = ReferenceAsset { bytes: reference, mime: "image/png", title, store: None };
        manifest::sign(picture, "image/png", &statement, &reference, &credential).expect("it signs").bytes
    }

    /// `picture` under a manifest made with the SDK itself.
    fn build(&self, picture: &[u8], settings: Settings, change: impl FnOnce(&mut Builder)) -> Vec<u8> {
        let context = Context::new().with_settings(settings).expect("a context").into_shared();
        let definition = json!({ "claim_generator_info": [{ "name": "thief", "version": "1" }] });
        let mut builder =
            Builder::from_shared_context(&context).with_definition(definition).expect("a definition");
        builder.set_intent(BuilderIntent::Create(DigitalSourceType::DigitalCapture));
        change(&mut builder);
        let mut out = Cursor::new(Vec::new());
        builder.sign(self, "image/png", &mut Cursor::new(picture), &mut out).expect("it signs");
        out.into_inner()
    }
}

impl Signer for Thief {
    fn sign(&self, data: &[u8]) -> c2pa::Result<Vec<u8>> {
        Ok(SigningKey::sign(&self.key, data).expect("it signs"))
    }

    fn alg(&self) -> SigningAlg {
        SigningAlg::Ed25519
    }

    fn certs(&self) -> c2pa::Result<Vec<Vec<u8>>> {
        c2pa::CallbackSigner::new(|_, _| Ok(Vec::new()), SigningAlg::Ed25519, self.chain.as_str()).certs()
    }

    fn reserve_size(&self) -> usize {
        4096
    }
}

/// What the manifest of `out.png` states.
fn stated(lab: &Lab) -> Derivation {
    let bytes = fs::read(lab.path("out.png")).expect("there");
    let reading = manifest::read(&bytes, "image/png", &[]).expect("readable").expect("it has one");
    reading.facts().expect("ours").clone()
}

fn bare(lab: &Lab, file: &str) -> Vec<u8> {
    png(&decode(&lab.path(file)))
}

fn verdict(lab: &Lab, file: &str) -> (String, String, Value) {
    let report = lab.verify(file);
    let word = |name: &str| report[name].as_str().unwrap_or_else(|| panic!("{report:#}")).to_owned();
    (word("verdict"), word("confidence"), report)
}

/// The PNG `bytes` with a chunk of `kind` after its header.
fn with_chunk(bytes: &[u8], kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    [&bytes[..33], &chunk(kind, data), &bytes[33..]].concat()
}

#[test]
fn resigned_by_another_with_the_same_names_is_never_trusted() {
    let lab = lab();
    let now = OffsetDateTime::now_utc();
    let workspace = Workspace::open(&lab.path(".")).expect("it is one");
    let ours = Keys::open(&workspace, now, &|| Err("none is needed".into())).expect("it has keys");
    let thief = Thief::named(&ours.signer().common_name, &ours.signer().organisation);
    let reference = fs::read(lab.path("ref.png")).expect("there");
    // Our own picture: the catalog knows it, whoever signed it again.
    let own = thief.sign(&bare(&lab, "out.png"), &reference, "variation", stated(&lab));
    fs::write(lab.path("own.png"), own).expect("writable");
    // Another one, under our name.
    let unmarked = Derivation { watermark: None, ..stated(&lab) };
    let strange = thief.sign(&bare(&lab, "real.png"), &reference, "variation", unmarked);
    fs::write(lab.path("strange.png"), strange).expect("writable");
    for (file, confidence, matched) in
        [("own.png", "high", Value::from("exact")), ("strange.png", "medium", Value::Null)]
    {
        let (verdict, found, report) = verdict(&lab, file);
        assert_eq!((verdict.as_str(), found.as_str()), ("ai-derived", confidence), "{file}: {report:#}");
        assert_eq!(report["manifest"]["state"], "valid", "{file}: {report:#}");
        assert_eq!(report["manifest"]["signer"]["common_name"], ours.signer().common_name.as_str());
        assert_eq!(report["catalog"]["match"], matched, "{file}: {report:#}");
        assert!(reasons(&report).contains("whom nobody here vouches for"), "{file}: {report:#}");
        assert!(!reasons(&report).contains("trusted here"), "{file}: {report:#}");
    }
}

#[test]
fn a_real_photograph_signed_as_generated_rests_on_its_unknown_signer_alone() {
    let lab = lab();
    let thief = Thief::named("A Well-known Lab", "Well-known");
    let derivation = Derivation { watermark: None, ..stated(&lab) };
    let reference = fs::read(lab.path("ref.png")).expect("there");
    let accused = thief.sign(&bare(&lab, "real.png"), &reference, "variation", derivation);
    fs::write(lab.path("accused.png"), accused).expect("writable");
    let (verdict, confidence, report) = verdict(&lab, "accused.png");
    assert_eq!((verdict.as_str(), confidence.as_str()), ("ai-derived", "medium"), "{report:#}");
    assert_eq!(report["watermark"]["found"], false);
    assert_eq!(
        report["catalog"]["match"],
        Value::Null,
        "our own run in its facts is no record of the picture"
    );
    // With the mark that a manifest of ours would name, it is no better: there is none.
    let named = thief.sign(&bare(&lab, "real.png"), &reference, "variation", stated(&lab));
    fs::write(lab.path("named.png"), named).expect("writable");
    let (verdict, _, report) = self::verdict(&lab, "named.png");
    assert_eq!(verdict, "contradiction", "{report:#}");
    assert!(reasons(&report).contains("none found, though the manifest names one"), "{report:#}");
}

#[test]
fn a_manifest_that_names_another_reference_than_the_mark_is_a_contradiction() {
    let lab = lab();
    let thief = Thief::named("anybody", "any");
    let real = fs::read(lab.path("real.png")).expect("there");
    let derivation = Derivation { source_sha256: Digest::of(&real), ..stated(&lab) };
    let moved = thief.sign(&bare(&lab, "out.png"), &real, "variation", derivation);
    fs::write(lab.path("moved.png"), moved).expect("writable");
    let (verdict, _, report) = verdict(&lab, "moved.png");
    assert_eq!(verdict, "contradiction", "{report:#}");
    assert!(reasons(&report).contains("which is not what the manifest says"), "{report:#}");
}

#[test]
fn a_second_watermark_on_top_of_the_first_hides_nothing() {
    // Either mark is noise to the other: 512x512 is at the detector's edge.
    let lab = lab_of("768x768");
    let once = decode(&lab.path("out.png"));
    let source = stated(&lab).source_sha256;
    let invented = Payload::new(Kind::Generated, Strength::new(0.9), &source, 12345).expect("in range");
    // Another output's mark, without the key and with it: the picture that it names is another.
    forge(&lab, &once, &message(&lab, "other.png"), None, "keyless.png");
    forge(&lab, &once, &message(&lab, "other.png"), Some(&owner(&lab)), "keyed.png");
    for (file, says) in [("keyless.png", "a forged mark"), ("keyed.png", "a copied mark")] {
        let (verdict, _, report) = verdict(&lab, file);
        assert_eq!(verdict, "contradiction", "{file}: {report:#}");
        assert!(reasons(&report).contains(says), "{file}: {}", reasons(&report));
    }
    // One that was made up names none: the picture is still known by its looks.
    forge(&lab, &once, &Message::Long(invented.to_message()), None, "invented.png");
    let (verdict, _, report) = verdict(&lab, "invented.png");
    assert_eq!(verdict, "ai-derived", "{report:#}");
    assert_eq!(report["catalog"]["match"], "perceptual", "{report:#}");
    assert_eq!(report["catalog"]["asset"], lab.verify("out.png")["catalog"]["asset"], "{report:#}");
}

#[test]
fn half_of_a_marked_picture_in_another_one_is_known_by_its_mark() {
    let lab = Lab::new();
    lab.run(["specimen", "--out", "ref.png", "--size", "768x768", "--seed", "1"]).expect(0);
    lab.run(["specimen", "--out", "real.png", "--size", "768x768", "--seed", "77"]).expect(0);
    lab.variation("ref.png", "out.png", 1);
    lab.python("attack.py", &["splice", "out.png", "left.png", "real.png"]).expect(0);
    lab.python("attack.py", &["splice", "real.png", "right.png", "out.png"]).expect(0);
    for file in ["left.png", "right.png"] {
        let (verdict, confidence, report) = verdict(&lab, file);
        assert_eq!((verdict.as_str(), confidence.as_str()), ("ai-derived", "high"), "{file}: {report:#}");
        assert_eq!(report["catalog"]["match"], "watermark", "{file}: {report:#}");
        assert_eq!(report["manifest"]["state"], "recovered", "{file}: {report:#}");
    }
}

#[test]
fn a_downgrade_to_a_claim_of_capture_is_overruled_by_the_pixels() {
    let lab = lab();
    let xmp = br#"<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" Iptc4xmpExt:DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture"/></rdf:RDF></x:xmpmeta>"#;
    let text = [&b"XML:com.adobe.xmp\0\0\0\0\0"[..], xmp].concat();
    fs::write(lab.path("captured.png"), with_chunk(&bare(&lab, "out.png"), b"iTXt", &text))
        .expect("writable");
    let (verdict, confidence, report) = verdict(&lab, "captured.png");
    assert_eq!((verdict.as_str(), confidence.as_str()), ("ai-derived", "high"), "{report:#}");
    assert!(report["claims"].as_array().expect("a list").iter().all(|c| c["ai"] == false), "{report:#}");
    // Without a record the mark still speaks.
    let elsewhere = Lab::new();
    fs::copy(lab.path("captured.png"), elsewhere.path("captured.png")).expect("copied");
    let (verdict, confidence, report) = self::verdict(&elsewhere, "captured.png");
    assert_eq!((verdict.as_str(), confidence.as_str()), ("ai-derived", "medium"), "{report:#}");
}

#[test]
fn a_signed_claim_of_capture_over_our_mark_is_a_contradiction() {
    let lab = lab();
    let thief = Thief::named("A Camera", "Cameras");
    let captured = thief.build(&bare(&lab, "out.png"), Settings::new(), |_| ());
    fs::write(lab.path("captured.png"), captured).expect("writable");
    let (verdict, _, report) = verdict(&lab, "captured.png");
    assert_eq!(verdict, "contradiction", "{report:#}");
    assert!(reasons(&report).contains("says the picture was captured"), "{report:#}");
}

#[test]
fn huge_and_endless_manifests_are_answered_in_bounded_time() {
    let lab = lab();
    let real = bare(&lab, "real.png");
    let thief = Thief::named("anybody", "any");
    // Boxes in boxes; every header of them says the truth.
    let mut nested = Vec::new();
    for _ in 0..20_000 {
        nested.splice(0..0, [&(nested.len() as u32 + 8).to_be_bytes()[..], b"jumb"].concat());
    }
    let lying = [&u32::MAX.to_be_bytes()[..], b"jumb", &30u32.to_be_bytes(), b"jumd"].concat();
    let endless = [&1u32.to_be_bytes()[..], b"jumb", &u64::MAX.to_be_bytes()].concat();
    let compressed = Settings::new()
        .with_value("core.prefer_compress_manifests", true)
        .and_then(|s| s.with_value("core.max_decompressed_manifest_size_in_mb", 512))
        .expect("settings");
    let stuffed = |megabytes: usize| {
        move |builder: &mut Builder| {
            let zeros = json!({ "text": "0".repeat(megabytes << 20) });
            builder.add_assertion("org.thief.stuffing", &zeros).expect("it is added");
        }
    };
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("zeros", with_chunk(&real, b"caBX", &vec![0; 64 << 20]), "contradiction"),
        ("nested", with_chunk(&real, b"caBX", &nested), "contradiction"),
        ("lying", with_chunk(&real, b"caBX", &lying), "contradiction"),
        ("endless", with_chunk(&real, b"caBX", &endless), "contradiction"),
        ("large", thief.build(&real, Settings::new(), stuffed(24)), "no-evidence"),
        ("bomb", thief.build(&real, compressed, stuffed(100)), "contradiction"),
    ];
    for (name, bytes, verdict) in cases {
        let file = format!("{name}.png");
        fs::write(lab.path(&file), &bytes).expect("writable");
        let start = Instant::now();
        let ended = lab.run(["verify", &file, "--json"]);
        let took = start.elapsed();
        assert_eq!(ended.code, 1, "{name}: {}{}", ended.stdout, ended.stderr);
        assert!(!ended.stderr.contains("panicked"), "{name}: {}", ended.stderr);
        let report = ended.json();
        assert_eq!(report["verdict"], verdict, "{name}: {report:#}");
        assert!(took < Duration::from_secs(20), "{name}: {took:?}");
    }
}

#[test]
fn a_manifest_elsewhere_is_named_and_never_fetched() {
    let lab = lab();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("it does not wait");
    let url = format!("http://{}/manifest.c2pa", listener.local_addr().expect("its address"));
    let thief = Thief::named("anybody", "any");
    let remote = thief.build(&bare(&lab, "real.png"), Settings::new(), |builder| {
        builder.set_no_embed(true).set_remote_url(&url);
    });
    fs::write(lab.path("remote.png"), remote).expect("writable");
    let (verdict, _, report) = verdict(&lab, "remote.png");
    assert_eq!(verdict, "no-evidence", "{report:#}");
    assert!(reasons(&report).contains("nothing is fetched from a network"), "{report:#}");
    let knocked = listener.accept().map_err(|error| error.kind());
    assert!(matches!(knocked, Err(std::io::ErrorKind::WouldBlock)), "somebody came: {knocked:?}");
}

#[test]
fn titles_that_are_paths_or_draw_on_the_terminal_do_neither() {
    let lab = lab();
    let title = "../../../owned.png\u{1b}[2J\u{1b}]0;owned\u{7}\nAI-derived, high confidence";
    let thief = Thief::named("\u{1b}[2Jtrusted here", "any\r\nthing");
    let mut broken = fs::read(lab.path("out.png")).expect("there");
    // An ingredient that was tampered with is told of by its title.
    let at =
        chunks(&broken).iter().take_while(|(kind, _)| kind != b"IDAT").map(|(_, c)| c.len()).sum::<usize>()
            + 8;
    broken[at + 20] ^= 1;
    let derivation = Derivation { watermark: None, ..stated(&lab) };
    let signed = thief.sign(&bare(&lab, "real.png"), &broken, title, derivation);
    fs::write(lab.path("titled.png"), signed).expect("writable");
    let before = lab.files("");
    for args in
        [vec!["verify", "titled.png"], vec!["verify", "titled.png", "-v"], vec!["lineage", "titled.png"]]
    {
        let ended = lab.run(&args);
        let said = ended.stdout + &ended.stderr;
        assert!(said.chars().all(|c| c == '\n' || !c.is_control()), "{args:?}: {said:?}");
        assert!(!said.lines().any(|line| line.starts_with("AI-derived")), "{args:?}: {said}");
    }
    let ended = lab.run(["verify", "titled.png"]);
    assert!(ended.stdout.contains("carried a broken manifest"), "{}", ended.stdout);
    assert_eq!(lab.files(""), before);
    assert!(lab.outside().is_empty(), "{:?}", lab.outside());
}

#[test]
fn a_copied_mark_on_a_real_micrograph_of_the_same_size_discredits_nothing() {
    let lab = lab();
    forge(&lab, &specimen_of((320, 208), 77), &message(&lab, "out.png"), None, "accused.png");
    let (verdict, _, report) = verdict(&lab, "accused.png");
    assert_eq!(verdict, "contradiction", "{report:#}");
}
