//! What the engine finds in a reference, and says.

use std::fs;

use serde_json::json;

use crate::common::Lab;
use vidimus::raster::{self, Depth, Format, Limits, Plane, Raster};

/// The longest run of pure white in any row.
fn longest_white(picture: &Plane) -> usize {
    let rows = (0..picture.height()).map(|y| picture.row(y));
    rows.map(|row| row.split(|v| *v < 0.97).map(<[f32]>::len).max().unwrap_or(0)).max().unwrap_or(0)
}

#[test]
fn a_scale_bar_is_left_out_and_that_is_said() {
    let lab = Lab::new();
    lab.specimen("plain.png", 9);
    let read = |name: &str| {
        let decoded = raster::decode(&fs::read(lab.path(name)).expect("there"), &Limits::default());
        decoded.expect("a picture").raster.luma()
    };
    let plain = read("plain.png");
    let (width, height) = (plain.width(), plain.height());
    let barred = Plane::from_fn(width, height, |x, y| {
        let bar = (width - 90..width - 20).contains(&x) && (height - 20..height - 15).contains(&y);
        if bar { 1.0 } else { plain.at(x, y) }
    });
    assert!(longest_white(&plain) < 20 && longest_white(&barred) == 70);
    let png = raster::encode(&Raster::from_planes(&[barred], Depth::Eight), Format::Png, 90);
    fs::write(lab.path("barred.png"), png.expect("it encodes")).expect("it writes");

    let args = ["vary", "barred.png", "--strength", "0.8", "--seed", "1", "--attempts", "12", "--out"];
    let told = lab.run([&args[..], &["out.png"]].concat()).expect(0);
    assert!(told.stdout.contains("scale bar or lettering in the reference left out"), "{}", told.stdout);
    assert!(longest_white(&read("out.png")) < 35, "{}", longest_white(&read("out.png")));
    let told = lab.run([&["--json"], &args[..], &["two.png"]].concat()).expect(0).json();
    let finding = &told["findings"][0];
    assert_eq!(finding["finding"], "annotation");
    let area = &finding["areas"][0];
    let side = |name: &str| area[name].as_u64().expect("a number") as usize;
    assert!(side("left") <= width - 90 && side("left") + side("width") >= width - 20, "{area}");

    let told = lab.run([
        "vary",
        "plain.png",
        "--strength",
        "0.8",
        "--seed",
        "1",
        "--attempts",
        "12",
        "--out",
        "three.png",
    ]);
    assert!(!told.expect(0).stdout.contains("scale bar"));
}

#[test]
fn a_scene_is_not_turned_unless_that_is_asked_for() {
    let lab = Lab::new();
    let scene = Plane::from_fn(320, 240, |x, y| match (y, x / 18) {
        (0..90, _) => 0.8 + 0.1 * (x as f32 / 40.0).sin(),
        (_, post) if post % 2 == 0 => 0.3 + 0.001 * y as f32,
        _ => 0.5,
    });
    let png = raster::encode(&Raster::from_planes(&[scene], Depth::Eight), Format::Png, 90);
    fs::write(lab.path("scene.png"), png.expect("it encodes")).expect("it writes");
    let tried = |orientation: &[&str]| {
        let args = ["--json", "vary", "scene.png", "--strength", "0.9", "--seed", "3", "--dry-run"];
        lab.run([&args[..], orientation].concat()).json()
    };
    let (auto, upright, any) =
        (tried(&[]), tried(&["--orientation", "upright"]), tried(&["--orientation", "any"]));
    assert_eq!(auto["findings"][0]["finding"], "directed", "{auto:#}");
    // Who says it needs not be told.
    assert_eq!((&upright["findings"], &any["findings"]), (&json!([]), &json!([])));
    assert!(auto["deviation"].is_object(), "{auto:#}");
    assert_eq!(auto["deviation"], upright["deviation"]);
    assert_ne!(auto["deviation"], any["deviation"]);
}

#[test]
fn one_large_thing_is_told_of_where_the_strength_takes_it_apart() {
    let lab = Lab::new();
    let thing = Plane::from_fn(320, 240, |x, y| {
        let grain = 0.15 * ((x * 73 + y * 179) % 31) as f32 / 31.0;
        let inside = (x as f32 - 170.0).hypot(y as f32 - 115.0) < 60.0;
        grain + if inside { 0.7 } else { 0.2 }
    });
    let png = raster::encode(&Raster::from_planes(&[thing], Depth::Eight), Format::Png, 90);
    fs::write(lab.path("thing.png"), png.expect("it encodes")).expect("it writes");
    lab.specimen("plain.png", 9);
    let tried = |name: &str, strength: &str, json: &[&str]| {
        let args = ["vary", name, "--strength", strength, "--orientation", "any", "--seed", "1", "--dry-run"];
        lab.run([json, &args[..]].concat())
    };
    let findings = |name: &str, strength: &str| tried(name, strength, &["--json"]).json()["findings"].clone();
    let found = findings("thing.png", "0.8");
    assert_eq!(found[0]["finding"], "dominant", "{found:#}");
    let area = &found[0]["area"];
    let side = |name: &str| area[name].as_u64().expect("a number");
    assert!(side("left").abs_diff(110) < 12 && side("width").abs_diff(120) < 20, "{area}");
    let said = tried("thing.png", "0.8", &[]).stdout;
    assert!(said.contains("one large thing dominates the reference"), "{said}");
    assert_eq!(findings("thing.png", "0.6"), json!([]));
    assert_eq!(findings("plain.png", "0.8"), json!([]));
}
