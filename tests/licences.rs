//! Every dependency's licence is among those that `deny.toml` allows.

use std::process::Command;

#[derive(serde::Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(serde::Deserialize)]
struct Package {
    name: String,
    version: String,
    license: Option<String>,
}

/// Whether an SPDX expression can be satisfied by the allowed licences.
/// `OR` asks for one side, `AND` for both; parentheses occur only around `OR` groups.
fn satisfied(expression: &str, allowed: &[String]) -> bool {
    let expression = expression.replace('/', " OR ");
    if let Some((left, right)) = split_outside_parentheses(&expression, " AND ") {
        return satisfied(left, allowed) && satisfied(right, allowed);
    }
    if let Some((left, right)) = split_outside_parentheses(&expression, " OR ") {
        return satisfied(left, allowed) || satisfied(right, allowed);
    }
    let term = expression.trim();
    match term.strip_prefix('(').and_then(|t| t.strip_suffix(')')) {
        Some(inner) => satisfied(inner, allowed),
        None => allowed.iter().any(|a| a == term),
    }
}

fn split_outside_parentheses<'a>(text: &'a str, operator: &str) -> Option<(&'a str, &'a str)> {
    let mut depth = 0;
    for (i, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ if depth == 0 && text[i..].starts_with(operator) => {
                return Some((&text[..i], &text[i + operator.len()..]));
            }
            _ => {}
        }
    }
    None
}

#[test]
fn every_dependency_has_an_allowed_licence() {
    let root = env!("CARGO_MANIFEST_DIR");
    let deny: toml::Table = std::fs::read_to_string(format!("{root}/deny.toml"))
        .expect("deny.toml is there")
        .parse()
        .expect("deny.toml is TOML");
    let allowed: Vec<String> = deny["licenses"]["allow"]
        .as_array()
        .expect("licenses.allow is a list")
        .iter()
        .filter_map(|v| v.as_str().map(str::to_owned))
        .collect();
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--all-features"])
        .args(["--filter-platform", "x86_64-unknown-linux-gnu"])
        .current_dir(root)
        .output()
        .expect("cargo metadata runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Metadata = serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON");
    assert!(metadata.packages.len() > 100, "the whole tree is looked at");
    let refused: Vec<String> = metadata
        .packages
        .iter()
        .filter(|p| !p.license.as_deref().is_some_and(|l| satisfied(l, &allowed)))
        .map(|p| format!("{} {}: {}", p.name, p.version, p.license.as_deref().unwrap_or("none")))
        .collect();
    assert!(refused.is_empty(), "licences that deny.toml does not allow: {refused:#?}");
}

#[test]
fn licence_expressions_are_read_as_spdx_means_them() {
    let allowed = ["MIT".to_owned(), "ISC".to_owned()];
    for good in ["MIT", "GPL-3.0 OR MIT", "MIT/GPL-2.0", "MIT AND ISC", "(GPL-2.0 OR MIT) AND ISC"] {
        assert!(satisfied(good, &allowed), "{good}");
    }
    for bad in ["GPL-3.0", "MIT AND GPL-3.0", "", "(GPL-2.0 OR LGPL-2.0) AND ISC"] {
        assert!(!satisfied(bad, &allowed), "{bad}");
    }
}
