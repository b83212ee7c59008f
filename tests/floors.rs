//! The house has floors: imports go down only, strangers stay strangers, and each foreign crate has one door.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Modules from the ground up. Modules on floor 2 are strangers to one another, and so are those on floor 0.
const FLOORS: [&[&str]; 7] = [
    &["digest", "host", "html", "iptc", "random", "simd"],
    &["fourier", "iscc", "progress", "quantity", "raster"],
    &["deviation", "generate", "label", "manifest", "metadata", "policy", "quality", "specimen", "watermark"],
    &["authority", "catalog", "disk", "hub", "keys", "objects", "policies", "settings", "workspace"],
    &["adopt", "audit", "exchange", "lineage", "release", "sweep", "verify"],
    &["web"],
    &["cli"],
];

/// Floors whose modules do not know one another.
const STRANGERS: [usize; 2] = [0, 2];

/// Foreign crate → the modules that may name it.
const DOORS: &[(&str, &[&str])] = &[
    ("anstream", &["cli"]),
    ("anstyle", &["cli"]),
    ("axum", &["web"]),
    ("base64", &["html", "web"]),
    ("c2pa", &["manifest"]),
    ("candle_core", &["generate"]),
    ("candle_nn", &["generate"]),
    ("clap", &["cli"]),
    ("ed25519_dalek", &["keys"]),
    ("futures_util", &["web"]),
    ("flate2", &["metadata"]),
    ("getrandom", &["cli"]),
    ("http_body_util", &["web"]),
    ("image", &["raster"]),
    ("img_parts", &["metadata"]),
    ("indicatif", &["cli"]),
    ("jpeg_encoder", &["raster"]),
    ("maud", &["html"]),
    ("moxcms", &["raster"]),
    ("pkcs8", &["keys"]),
    ("rcgen", &["keys"]),
    ("realfft", &["fourier"]),
    ("rpassword", &["cli"]),
    ("rusqlite", &["catalog"]),
    ("rustfft", &["fourier"]),
    ("rustix", &["disk"]),
    ("rustls", &["hub"]),
    ("rustls_native_certs", &["hub"]),
    ("sha1", &["hub"]),
    ("signal_hook", &["cli"]),
    ("tar", &["exchange"]),
    ("tiff", &["raster"]),
    ("tokenizers", &["generate"]),
    ("tokio", &["web"]),
    ("ureq", &["hub"]),
    ("webp", &["raster"]),
    ("x509_parser", &["keys"]),
];

fn sources() -> BTreeMap<PathBuf, String> {
    fn walk(dir: &Path, out: &mut BTreeMap<PathBuf, String>) {
        for entry in fs::read_dir(dir).expect("a source directory") {
            let path = entry.expect("a directory entry").path();
            if path.is_dir() {
                walk(&path, out);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = fs::read_to_string(&path).expect("a source file");
                out.insert(path, text);
            }
        }
    }
    let mut out = BTreeMap::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut out);
    out
}

/// The top-level module that a source file belongs to; `None` for lib.rs and main.rs.
fn module(path: &Path) -> Option<String> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let first = path.strip_prefix(src).ok()?.components().next()?.as_os_str().to_str()?;
    let name = first.strip_suffix(".rs").unwrap_or(first);
    (name != "lib" && name != "main").then(|| name.to_owned())
}

fn floor(module: &str) -> usize {
    FLOORS
        .iter()
        .position(|floor| floor.contains(&module))
        .unwrap_or_else(|| panic!("module {module} stands on no floor of tests/floors.rs"))
}

/// Code without comments and without its unit tests, which may look into other rooms.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or(text);
    text.lines().map(|line| line.split("//").next().unwrap_or("")).collect::<Vec<_>>().join("\n")
}

/// Identifiers that follow `marker` as a path segment, e.g. `crate::raster` → raster; groups are opened.
fn after<'a>(code: &'a str, marker: &str) -> Vec<&'a str> {
    let ident = |text: &'a str| {
        let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
        &text[..end]
    };
    let mut found = Vec::new();
    for (at, _) in code.match_indices(marker) {
        let rest = &code[at + marker.len()..];
        match rest.strip_prefix('{') {
            None => found.push(ident(rest)),
            Some(group) => {
                let (mut depth, mut start) = (0, true);
                for (i, c) in group.char_indices() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => start = true,
                        c if start && !c.is_whitespace() => {
                            found.push(ident(&group[i..]));
                            start = false;
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    found
}

#[test]
fn the_architecture_page_names_these_floors_and_doors() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("ARCHITECTURE.md");
    let page = fs::read_to_string(page).expect("a page");
    let rows = |head: &str| -> Vec<(String, Vec<String>)> {
        let (_, rest) = page.split_once(head).expect("a table");
        let lines = rest.lines().skip(2).take_while(|line| line.starts_with('|'));
        let cells = lines.map(|line| line.split('|').map(str::trim).collect::<Vec<_>>());
        let quoted = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        cells.map(|cells| (cells[1].to_owned(), quoted(cells[2]))).collect()
    };
    let floors: BTreeMap<usize, BTreeSet<String>> = rows("| floor |")
        .into_iter()
        .map(|(floor, modules)| (floor.parse().expect("a number"), modules.into_iter().collect()))
        .collect();
    let expected = FLOORS.iter().map(|floor| floor.iter().map(|&module| module.to_owned()).collect());
    assert_eq!(floors, expected.enumerate().collect());

    let mut doors = BTreeMap::new();
    for (crates, homes) in rows("| foreign crate |") {
        for foreign in crates.split(", ") {
            doors.insert(foreign.replace('-', "_"), homes.clone());
        }
    }
    let expected = DOORS.iter().map(|(foreign, homes)| {
        ((*foreign).to_owned(), homes.iter().map(|&home| home.to_owned()).collect::<Vec<_>>())
    });
    assert_eq!(doors, expected.collect());
}

#[test]
fn imports_go_down_only_and_strangers_stay_strangers() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let Some(home) = module(&path) else { continue };
        let level = floor(&home);
        for target in after(&code(&text), "crate::") {
            if target == home || target.is_empty() {
                continue;
            }
            let below = floor(target);
            if below > level || (below == level && STRANGERS.contains(&level)) {
                wrong.push(format!(
                    "{}: {home} (floor {level}) imports {target} (floor {below})",
                    path.display()
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_foreign_crate_has_one_door() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let Some(home) = module(&path) else { continue };
        let code = code(&text);
        for (foreign, doors) in DOORS {
            let named = code.match_indices(foreign).any(|(at, _)| {
                let before = code[..at].chars().next_back();
                let path_start = !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':');
                path_start && code[at + foreign.len()..].starts_with("::")
            });
            // `image::…` inside another path is not the crate; `use image::` and bare `image::` are.
            if named && !doors.contains(&home.as_str()) {
                wrong.push(format!("{}: {home} names {foreign}, whose door is {doors:?}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn only_the_release_marks_and_signs() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let release = path.ends_with("release/marking.rs") || path.ends_with("release/proof.rs");
        if release || module(&path).is_none_or(|home| floor(&home) <= 2) {
            continue;
        }
        for call in
            ["watermark::embed(", "manifest::sign(", "manifest::sign_adopted(", "embed(&", "SignedAsset {"]
        {
            if code(&text).contains(call) {
                wrong.push(format!("{}: {call}", path.display()));
            }
        }
    }
    let restoring = sources().into_iter().filter(|(_, text)| code(text).contains("manifest::restore("));
    wrong.extend(
        restoring.map(|(path, _)| path.display().to_string()).filter(|p| !p.ends_with("verify/restore.rs")),
    );
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn only_the_hub_and_the_authority_open_connections() {
    // The page is reached by others, and knows addresses; it reaches nobody.
    const WORDS: [&str; 5] = ["TcpStream::", "TcpSocket", "UdpSocket", "connect(", "ureq::"];
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        if module(&path).is_none_or(|home| home == "hub" || home == "authority") || path.ends_with("tests.rs")
        {
            continue;
        }
        for word in WORDS {
            if code(&text).contains(word) {
                wrong.push(format!("{}: {word}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn only_the_terminal_prints_and_only_it_reads_the_clock_and_the_environment() {
    const WORDS: [&str; 8] = [
        "println!",
        "eprintln!",
        "print!(",
        "dbg!",
        "Instant::now",
        "SystemTime::now",
        "now_utc()",
        "env::var",
    ];
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        // Tests in a file of their own measure their own patience.
        if module(&path).is_none_or(|home| home == "cli") || path.ends_with("tests.rs") {
            continue;
        }
        for word in WORDS {
            if code(&text).contains(word) {
                wrong.push(format!("{}: {word}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_library_neither_unwraps_nor_leaves_things_to_do() {
    const WORDS: [&str; 5] = [".unwrap()", "todo!", "unimplemented!", "TODO", "FIXME"];
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        for word in WORDS {
            if code(&text).contains(word) {
                wrong.push(format!("{}: {word}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn unsafe_code_has_two_rooms() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let allowing = sources().into_iter().filter(|(_, text)| text.contains("allow(unsafe_code)"));
    let rooms: Vec<_> =
        allowing.filter_map(|(path, _)| Some(path.strip_prefix(&src).ok()?.to_owned())).collect();
    assert_eq!(rooms, ["generate/diffusion/ops/kernels/mod.rs", "simd.rs"].map(PathBuf::from));
}

#[test]
fn the_guard_itself_sees_imports_in_groups() {
    assert_eq!(after("use crate::{a::B, c::{D, E}, f};", "crate::"), ["a", "c", "f"]);
    assert_eq!(after("let x = crate::raster::decode(b);", "crate::"), ["raster"]);
}
