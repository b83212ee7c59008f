//! The shipped specimens are what their commands make today, and the embedded engine varies specimens as strengths say.

use std::fs;
use std::path::{Path, PathBuf};

use vidimus::generate::patch::PatchEngine;
use vidimus::generate::{Engine, Request};
use vidimus::progress::Silent;
use vidimus::quality::kept;
use vidimus::quantity::{Seed, Strength};
use vidimus::raster::{Limits, Raster, decode};
use vidimus::specimen::{Colour, Kind, Specimen};

/// Grey levels that a sample may be off: the Fourier transform rounds otherwise with other vector
/// instructions, and a sample on the edge between two levels may then fall to the other side.
const TOLERANCE: f32 = 1.0;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/specimens")
}

/// File name and specimen of every command in the folder's README.
fn commands() -> Vec<(String, Specimen)> {
    let text = fs::read_to_string(folder().join("README.md")).expect("the README is there");
    text.lines().filter_map(|line| line.strip_prefix("vidimus specimen ")).map(parse).collect()
}

fn parse(arguments: &str) -> (String, Specimen) {
    let words: Vec<&str> = arguments.split_whitespace().collect();
    let value = |flag: &str| {
        let at = words.iter().position(|word| *word == flag);
        at.and_then(|i| words.get(i + 1)).unwrap_or_else(|| panic!("{flag} in {arguments:?}"))
    };
    let (width, height) = value("--size").split_once('x').expect("a size is WxH");
    let specimen = Specimen {
        kind: value("--kind").parse::<Kind>().expect("a kind"),
        width: width.parse().expect("a width"),
        height: height.parse().expect("a height"),
        seed: value("--seed").parse::<Seed>().expect("a seed"),
        colour: if words.contains(&"--colour") { Colour::False } else { Colour::Grey },
    };
    let file = value("--out").strip_prefix("tests/specimens/").expect("a file of this folder");
    (file.to_owned(), specimen)
}

fn shipped(file: &str) -> Raster {
    let bytes = fs::read(folder().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
    decode(&bytes, &Limits::default()).expect("a shipped specimen decodes").raster
}

#[test]
fn every_shipped_specimen_is_what_its_command_makes() {
    for (file, specimen) in commands() {
        let (old, new) = (shipped(&file), specimen.render().expect("a shipped size renders"));
        assert_eq!(
            (old.width(), old.height(), old.channels()),
            (new.width(), new.height(), new.channels()),
            "{file}"
        );
        let off = (0..old.samples().len())
            .map(|i| (old.samples().unit(i) - new.samples().unit(i)).abs() * 255.0)
            .fold(0.0, f32::max);
        assert!(off < TOLERANCE + 0.5, "{file} has drifted by up to {off:.0} grey levels");
    }
}

#[test]
fn every_picture_in_the_folder_has_its_command() {
    let mut files: Vec<String> = fs::read_dir(folder())
        .expect("the folder is there")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .filter(|name| name.ends_with(".png"))
        .collect();
    let mut named: Vec<String> = commands().into_iter().map(|(file, _)| file).collect();
    files.sort();
    named.sort();
    assert_eq!(files, named);
}

#[test]
fn every_kind_is_shipped() {
    for kind in Kind::ALL {
        assert!(commands().iter().any(|(_, specimen)| specimen.kind == kind), "{kind}");
    }
}

/// The filaments of the README's table, which noise alone leaves the same arrangement at both strengths.
#[test]
fn filaments_keep_less_at_three_quarters_than_at_six_tenths() {
    let (kind, colour) = (Kind::Filovirus, Colour::False);
    let specimen = Specimen { kind, width: 320, height: 208, seed: Seed(11), colour };
    let reference = specimen.render().expect("large enough");
    let draw = |strength: f64, seed| {
        let request = Request::new(Strength::new(strength).expect("within 0..=1"), Seed(seed));
        PatchEngine.generate(&reference, &request, &mut Silent).expect("large enough, not cancelled").raster
    };
    let mean = |strength| (1..=6).map(|seed| kept(&reference, &draw(strength, seed))).sum::<f64>() / 6.0;
    let (gentler, stronger) = (mean(0.6), mean(0.75));
    assert!(gentler > stronger + 0.04, "{gentler:.2} {stronger:.2}");
}
