//! Another size than the reference's, and only a part of it.

use std::fs;

use crate::common::Lab;
use vidimus::manifest;
use vidimus::raster::{self, Depth, Format, Limits, Plane, Raster};

#[test]
fn a_variation_can_have_another_size() {
    let lab = Lab::new();
    lab.specimen("ref.png", 9);
    let make = |more: &[&str], out: &str| {
        let args = ["vary", "ref.png", "--strength", "0.9", "--seed", "1", "--attempts", "12", "--out", out];
        lab.run([&args[..], more].concat()).expect(0);
        let bytes = fs::read(lab.path(out)).expect("there");
        let raster = raster::decode(&bytes, &Limits::default()).expect("a picture").raster;
        (raster.width(), raster.height())
    };
    let bytes = fs::read(lab.path("ref.png")).expect("there");
    let own = raster::decode(&bytes, &Limits::default()).expect("a picture").raster;
    assert_eq!(make(&["--scale", "2"], "large.png"), (2 * own.width(), 2 * own.height()));
    assert_eq!(make(&["--size", "240x300"], "tall.png"), (240, 300));
    assert_eq!(make(&["--size", "300x240", "--stretch"], "wide.png"), (300, 240));
    for out in ["large.png", "tall.png", "wide.png"] {
        lab.run(["verify", out]).expect(0);
    }
    let refused = lab.run(["vary", "ref.png", "--size", "9000x9000"]).expect(2);
    assert!(refused.stderr.contains("9000×9000 pixels are too large for engine patch"), "{}", refused.stderr);
}

#[test]
fn a_mask_keeps_the_rest_and_the_policy_sees_that() {
    let lab = Lab::new();
    lab.specimen("ref.png", 9);
    let bytes = fs::read(lab.path("ref.png")).expect("there");
    let own = raster::decode(&bytes, &Limits::default()).expect("a picture").raster;
    let mask = |name: &str, width: usize, white: usize| {
        let plane = Plane::from_fn(width, own.height() as usize, |x, _| if x < white { 1.0 } else { 0.0 });
        let picture = Raster::from_planes(&[plane], Depth::Eight);
        let png = raster::encode(&picture, Format::Png, 90).expect("it encodes");
        fs::write(lab.path(name), png).expect("it writes");
    };
    let width = own.width() as usize;
    mask("half.png", width, width / 2);
    let args = ["vary", "ref.png", "--strength", "0.9", "--seed", "1", "--out", "out.png", "--mask"];
    let refused = lab.run([&args[..], &["half.png", "--json"]].concat()).expect(1).json();
    let varied = refused["varied_share"].as_f64().expect("masked");
    assert!((0.48..=0.5).contains(&varied) && refused["largest_copy"].as_f64() >= Some(0.5), "{refused}");
    assert!(refused["deviation"]["copied"].as_f64().expect("measured") > 0.5, "{refused}");
    assert!(!lab.path("out.png").exists());
    // Nearly all of it may be varied: the policy lets it pass, and the manifest says how much. The first of
    // these seeds draws what is too close by itself, which is no fault of the mask: others are tried.
    mask("most.png", width, width - 10);
    let made = [
        "vary",
        "ref.png",
        "--strength",
        "0.9",
        "--seed",
        "1111328969",
        "--attempts",
        "12",
        "--out",
        "out.png",
        "--mask",
        "most.png",
    ];
    lab.run(made).expect(0);
    let bytes = fs::read(lab.path("out.png")).expect("there");
    let reading = manifest::read(&bytes, "image/png", &[]).expect("it reads").expect("there is one");
    let varied = reading.facts().and_then(|facts| facts.varied_share).expect("stated");
    assert!((varied - (width - 10) as f64 / width as f64).abs() < 0.02, "{varied}");
    let report = lab.run(["verify", "out.png"]).expect(0);
    for says in
        ["AI-edited from source", "trusted here, says AI-edited", "/compositeWithTrainedAlgorithmicMedia"]
    {
        assert!(report.stdout.contains(says), "{}", report.stdout);
    }
    mask("other.png", width + 1, width);
    let args = ["vary", "ref.png", "--strength", "0.9", "--out", "none.png", "--mask", "other.png"];
    let failed = lab.run(args).expect(2);
    assert!(failed.stderr.contains("the mask has"), "{}", failed.stderr);
}
