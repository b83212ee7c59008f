//! Archives of manifests between workspaces, and archives that mean harm.

use std::fs;

use ed25519_dalek::{Signer, SigningKey};
use serde_json::{Value, json};
use vidimus::digest::Digest;
use vidimus::raster::{self, Limits};

use crate::common::Lab;
use crate::prepared::released;
use crate::tampered::reasons;

/// A workspace with `out.png`, its archive, and another workspace with a recompressed copy.
fn labs() -> (Lab, Lab) {
    let here = released("512x512");
    here.python("attack.py", &["jpeg80", "out.png", "copy.jpg"]).expect(0);
    here.run(["catalog", "export", "all.tar"]).expect(0);
    let there = Lab::new();
    there.run(["init"]).expect(0);
    for file in ["copy.jpg", "all.tar"] {
        fs::copy(here.path(file), there.path(file)).expect("copied");
    }
    (here, there)
}

fn count(lab: &Lab, table: &str) -> String {
    lab.sqlite3(&format!("SELECT count(*) FROM {table}")).expect(0).stdout.trim().to_owned()
}

#[test]
fn another_workspace_recovers_by_an_archive_and_calls_nothing_its_own() {
    let (here, there) = labs();
    let before = there.verify("copy.jpg");
    assert_eq!(before["manifest"]["state"], "absent", "{before:#}");
    let imported = there.run(["catalog", "import", "all.tar", "--json"]).expect(0).json();
    assert_eq!((&imported["added"], &imported["known"]), (&1.into(), &0.into()), "{imported:#}");
    let again = there.run(["catalog", "import", "all.tar", "--json"]).expect(0).json();
    assert_eq!((&again["added"], &again["known"]), (&0.into(), &1.into()), "{again:#}");

    let report = there.run(["verify", "copy.jpg", "--json"]).expect(0).json();
    assert_eq!(report["manifest"]["state"], "recovered", "{report:#}");
    assert_eq!(report["catalog"]["match"], Value::Null, "it was not released here: {report:#}");
    assert_eq!(report["catalog"]["asset"], Value::Null, "{report:#}");
    let foreign = &report["catalog"]["foreign"];
    assert_eq!(foreign["found_by"], "watermark", "{report:#}");
    assert_eq!(
        (&foreign["confirmed"], &foreign["signer_trusted"]),
        (&true.into(), &false.into()),
        "{report:#}"
    );
    assert_eq!(report["confidence"], "medium", "{report:#}");
    assert!(reasons(&report).contains("it was not released here"), "{report:#}");
    // It is read, and not signed here.
    let refused = there.run(["verify", "copy.jpg", "--restore", "back.jpg"]).expect(2);
    assert!(
        refused.stderr.contains("what another workspace released is not signed here"),
        "{}",
        refused.stderr
    );
    assert!(!there.path("back.jpg").exists());
    here.run(["verify", "copy.jpg", "--restore", "back.jpg"]).expect(0);
    assert_eq!(there.run(["audit", "--json"]).expect(0).json()["clean"], true);
    assert_eq!(count(&there, "release"), "0");
}

#[test]
fn hostile_archives_are_refused_in_one_line_and_leave_nothing() {
    let (_, there) = labs();
    let whole = fs::read(there.path("all.tar")).expect("there");
    let members = unpack(&whole);
    let rename = |from: &str, to: &str| -> Vec<(String, Vec<u8>)> {
        let renamed = |name: &String| if name == from { to.to_owned() } else { name.clone() };
        members.iter().map(|(name, bytes)| (renamed(name), bytes.clone())).collect()
    };
    let edit = |which: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let mut edited = members.clone();
        change(&mut edited.iter_mut().find(|(name, _)| name == which).expect("a member").1);
        pack(&edited)
    };
    let store = "manifests/000000.c2pa";
    let absolute = there.path("../index.json");
    let absolute = absolute.to_str().expect("plain");
    let mut twice = members.clone();
    twice.push(members.last().expect("a manifest").clone());
    let bomb = vec![("index.json".to_owned(), vec![b' '; 80 << 20])];
    let mut sized = whole.clone();
    // The size of the index, in base 256: more than any disk holds.
    sized[124..136].copy_from_slice(&[0x80, 0, 0, 0, 0x7f, 0, 0, 0, 0, 0, 0, 0]);
    let mut link = whole.clone();
    link[156] = b'2';
    for file in [&mut sized, &mut link] {
        let mut header = tar::Header::new_ustar();
        header.as_mut_bytes().copy_from_slice(&file[..512]);
        header.set_cksum();
        file[..512].copy_from_slice(header.as_bytes());
    }
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("empty", Vec::new(), "not an archive of manifests"),
        ("text", b"no archive".to_vec(), "not an archive of manifests"),
        ("truncated", whole[..whole.len() / 2].to_vec(), "not an archive of manifests"),
        ("path", pack(&rename(store, "../../../evil.c2pa")), "expected manifests/000000.c2pa, found"),
        ("absolute", pack(&rename("index.json", absolute)), "expected index.json, found"),
        ("twice", pack(&twice), "expected the end, found more"),
        ("missing", pack(&members[..2]), "expected manifests/000000.c2pa, found the end"),
        ("bomb", pack(&bomb), "over the limit"),
        ("size", sized, "index.json: over the limit"),
        ("link", link, "expected index.json, found"),
        ("noise", vec![0x1b; 2048], "not an archive of manifests"),
        ("index", edit("index.json", &|bytes| bytes.push(b' ')), "it was changed"),
        ("signature", edit("index.sig", &|bytes| bytes[0] ^= 1), "it was changed"),
        ("store", edit(store, &|bytes| bytes[500] ^= 1), "its content is not what the index says"),
    ];
    for (name, bytes, expected) in cases {
        refused(&there, name, &bytes, expected);
    }
    assert!(there.outside().is_empty(), "{:?}", there.outside());
}

/// What imports `bytes` says so in one line, and imports nothing.
fn refused(lab: &Lab, name: &str, bytes: &[u8], expected: &str) {
    let file = format!("{name}.tar");
    fs::write(lab.path(&file), bytes).expect("writable");
    let ended = lab.run(["catalog", "import", &file]).expect(2);
    assert_eq!(ended.stderr.lines().count(), 1, "{name}: {}", ended.stderr);
    assert!(ended.stderr.contains(expected), "{name}: {}", ended.stderr);
    assert!(ended.stderr.len() < 1000 && !ended.stderr.contains('\u{1b}'), "{name}: {:?}", ended.stderr);
    let found = (count(lab, "foreign_archive"), count(lab, "foreign_manifest"));
    assert_eq!(found, ("0".into(), "0".into()), "{name}");
}

/// The archive of somebody who signs with a key of their own whatever `change` made of it.
fn signed_by_another(whole: &[u8], change: impl Fn(&mut Value, &mut Vec<Vec<u8>>)) -> Vec<u8> {
    let key = SigningKey::from_bytes(&[9; 32]);
    let members = unpack(whole);
    let mut index: Value = serde_json::from_slice(&members[0].1).expect("JSON");
    let mut stores: Vec<Vec<u8>> = members[2..].iter().map(|(_, bytes)| bytes.clone()).collect();
    index["key"] = json!(hex::encode(key.verifying_key().as_bytes()));
    change(&mut index, &mut stores);
    let index = serde_json::to_vec(&index).expect("JSON");
    let signature = key.sign(&[b"vidimus archive 1\n", index.as_slice()].concat());
    let head = [
        ("index.json".to_owned(), index),
        ("index.sig".to_owned(), hex::encode(signature.to_bytes()).into()),
    ];
    let named = |(n, store)| (format!("manifests/{n:06}.c2pa"), store);
    pack(&head.into_iter().chain(stores.into_iter().enumerate().map(named)).collect::<Vec<_>>())
}

#[test]
fn a_signature_of_ones_own_makes_no_lie_true() {
    let (_, there) = labs();
    let whole = fs::read(there.path("all.tar")).expect("there");
    type Change = fn(&mut Value, &mut Vec<Vec<u8>>);
    let cases: [(&str, Change, &str); 9] = [
        ("schema", |index, _| index["schema"] = json!(2), "use a newer program"),
        ("time", |index, _| index["exported"] = json!("\u{1b}[2Jnow"), "expected a time (RFC 3339)"),
        ("long", |index, _| index["exporter"] = json!("x".repeat(1 << 20)), "over 200 characters"),
        ("type", |index, _| index["manifests"] = json!("\u{1b}".repeat(1 << 20)), "its index cannot be read"),
        (
            "twice",
            |index, stores| {
                let entry = index["manifests"][0].clone();
                index["manifests"].as_array_mut().expect("a list").push(entry);
                stores.push(stores[0].clone());
            },
            "it is there twice",
        ),
        ("label", |index, _| index["manifests"][0]["label"] = json!("urn:c2pa:mine"), "it calls itself"),
        (
            "edited",
            |index, stores| {
                let at = stores[0].windows(10).position(|bytes| bytes == b"variation ").expect("its title");
                stores[0][at] ^= 1;
                index["manifests"][0]["store_sha256"] = json!(Digest::of(&stores[0]));
            },
            "it does not hold",
        ),
        (
            "noise",
            |index, stores| {
                stores[0] = vec![7; 5000];
                index["manifests"][0]["store_sha256"] = json!(Digest::of(&stores[0]));
            },
            "manifest \"urn:c2pa:",
        ),
        ("fingerprint", |index, _| index["manifests"][0]["fingerprint"] = json!("00"), "its fingerprint"),
    ];
    for (name, change, expected) in cases {
        refused(&there, name, &signed_by_another(&whole, change), expected);
    }
    // What an index says of another picture leads to a manifest that was signed for this one.
    there.run(["specimen", "--out", "real.png", "--size", "512x512", "--seed", "2"]).expect(0);
    let real = fs::read(there.path("real.png")).expect("there");
    let real = raster::decode(&real, &Limits::default()).expect("a picture").raster.flatten();
    let pixels = real.digest();
    let lie = signed_by_another(&whole, |index, _| index["manifests"][0]["pixels_sha256"] = json!(pixels));
    fs::write(there.path("lie.tar"), lie).expect("writable");
    there.run(["catalog", "import", "lie.tar"]).expect(0);
    let report = there.verify("real.png");
    assert_eq!(report["verdict"], "no-evidence", "{report:#}");
    assert_eq!(report["manifest"]["state"], "absent", "{report:#}");
    assert_eq!(report["catalog"]["foreign"], Value::Null, "{report:#}");
    // The copy of the picture that it was signed for finds it all the same.
    assert_eq!(there.verify("copy.jpg")["manifest"]["state"], "recovered");
}

#[test]
fn the_catalog_is_backed_up_counted_and_searched() {
    let (here, _) = labs();
    here.run(["catalog", "backup", "copy.db"]).expect(0);
    let ended = here.run(["catalog", "backup", "copy.db"]).expect(2);
    assert!(ended.stderr.contains("already exists; use --force"), "{}", ended.stderr);
    let copy = std::process::Command::new("sqlite3")
        .arg(here.path("copy.db"))
        .arg("SELECT count(*) FROM release")
        .output()
        .expect("the sqlite3 shell");
    assert_eq!(String::from_utf8_lossy(&copy.stdout).trim(), "1");
    let stats = here.run(["catalog", "stats"]).expect(0).stdout;
    assert!(stats.lines().any(|line| line.trim() == "1  releases"), "{stats}");
    let found = here.run(["catalog", "search", "REF.png", "--json"]).expect(0).json();
    assert_eq!(found["found"][0]["role"], "reference", "{found:#}");
    here.run(["catalog", "search", "nothing-like-it"]).expect(1);
}

#[test]
fn the_catalog_is_searched_by_looks() {
    let (here, _) = labs();
    here.run(["specimen", "--out", "other.png", "--kind", "filovirus", "--seed", "77"]).expect(0);
    // The reference as another program would send it on: mirrored, smaller, and recompressed.
    let picture = image::open(here.path("ref.png")).expect("a picture");
    let copy = picture.fliph().resize_exact(384, 384, image::imageops::FilterType::Triangle);
    copy.to_luma8().save(here.path("mirrored.jpg")).expect("writable");
    let found = here.run(["catalog", "search", "--similar", "mirrored.jpg", "--json"]).expect(0).json();
    let first = &found["found"][0];
    assert_eq!((&first["role"], &first["same_picture"]), (&"reference".into(), &true.into()), "{found:#}");
    assert!(first["deviation"].as_f64().is_some_and(|deviation| deviation < 0.3), "{found:#}");
    let told = here.run(["catalog", "search", "--similar", "mirrored.jpg", "--most", "1"]).expect(0).stdout;
    assert!(told.lines().count() == 1 && told.contains("(may be the same picture)"), "{told}");
    let none = here.run(["catalog", "search", "--similar", "other.png"]).expect(1);
    assert_eq!(none.stdout.trim(), "nothing on record looks like it");
    here.run(["catalog", "search", "--similar", "other.png", "word"]).expect(2);
    here.run(["catalog", "search"]).expect(2);
    let missing = here.run(["catalog", "search", "--similar", "missing.png"]).expect(2);
    assert!(missing.stderr.contains("missing.png"), "{}", missing.stderr);
}

fn unpack(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut tar = tar::Archive::new(bytes);
    let member = |entry: std::io::Result<tar::Entry<'_, &[u8]>>| {
        let mut entry = entry.expect("a member");
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut bytes).expect("its bytes");
        (name, bytes)
    };
    tar.entries().expect("members").map(member).collect()
}

/// By hand, since a library writes no names that lead elsewhere.
fn pack(members: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut plain = Vec::new();
    for (name, bytes) in members {
        let mut header = tar::Header::new_ustar();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_entry_type(tar::EntryType::Regular);
        header.set_cksum();
        plain.extend_from_slice(header.as_bytes());
        plain.extend_from_slice(bytes);
        plain.resize(plain.len().next_multiple_of(512), 0);
    }
    plain.resize(plain.len() + 1024, 0);
    plain
}
