//! What the engine finds in a reference, and says.

use std::fs;

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

    let args = ["vary", "barred.png", "--strength", "0.8", "--attempts", "12", "--out"];
    let told = lab.run([&args[..], &["out.png"]].concat()).expect(0);
    assert!(told.stdout.contains("scale bar or lettering in the reference left out"), "{}", told.stdout);
    assert!(longest_white(&read("out.png")) < 35, "{}", longest_white(&read("out.png")));
    let told = lab.run([&["--json"], &args[..], &["two.png"]].concat()).expect(0).json();
    let finding = &told["findings"][0];
    assert_eq!(finding["finding"], "annotation");
    let area = &finding["areas"][0];
    let side = |name: &str| area[name].as_u64().expect("a number") as usize;
    assert!(side("left") <= width - 90 && side("left") + side("width") >= width - 20, "{area}");

    let told = lab.run(["vary", "plain.png", "--strength", "0.8", "--attempts", "12", "--out", "three.png"]);
    assert!(!told.expect(0).stdout.contains("scale bar"));
}
