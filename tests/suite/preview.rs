//! Pictures on their way.

use std::fs;

use crate::common::Lab;
use vidimus::raster::{self, Depth, Format, Limits, Plane, Raster};

#[test]
fn a_preview_is_small_and_labelled_and_never_outlives_a_refusal() {
    let lab = Lab::new();
    lab.specimen("ref.png", 9);
    let args = ["vary", "ref.png", "--strength", "0.9", "--attempts", "12", "--preview", "way", "--out"];
    lab.run([&args[..], &["out.png"]].concat()).expect(0);
    let glimpses = || {
        let found = fs::read_dir(lab.path("way"))
            .map(|entries| entries.map(|entry| entry.expect("an entry").path()).collect::<Vec<_>>());
        found.unwrap_or_default()
    };
    let found = glimpses();
    assert!(found.len() >= 3, "{found:?}");
    for path in &found {
        let bytes = fs::read(path).expect("there");
        let picture = raster::decode(&bytes, &Limits::default()).expect("a picture").raster;
        assert!(picture.width().min(picture.height()) < 200, "small enough to need no watermark");
        let report = lab.run(["verify".as_ref(), path.as_os_str()]);
        assert!(report.stdout.contains("AI-derived"), "{}", report.stdout);
    }
    // A mask that keeps half of the picture makes it too close with any seed.
    let own = raster::decode(&fs::read(lab.path("ref.png")).expect("there"), &Limits::default());
    let own = own.expect("a picture").raster;
    let (width, height) = (own.width() as usize, own.height() as usize);
    let half = Plane::from_fn(width, height, |x, _| if x < width / 2 { 1.0 } else { 0.0 });
    let png = raster::encode(&Raster::from_planes(&[half], Depth::Eight), Format::Png, 90);
    fs::write(lab.path("half.png"), png.expect("it encodes")).expect("it writes");
    lab.run([&args[..], &["close.png", "--mask", "half.png"]].concat()).expect(1);
    assert_eq!(glimpses().len(), found.len(), "what was refused leaves no picture behind");
    // Files that are there stay, unless it is asked for; the variation is made all the same.
    let taken = fs::read(&found[0]).expect("there");
    fs::create_dir(lab.path("other")).expect("it makes one");
    let told = lab.run([&args[..], &["other/out.png", "--seed", "4"]].concat()).expect(0);
    assert!(told.stderr.contains("no more previews"), "{}", told.stderr);
    assert_eq!(fs::read(&found[0]).expect("there"), taken);
    lab.run([&args[..], &["out.png", "--force", "--seed", "4"]].concat()).expect(0);
    assert_ne!(fs::read(&found[0]).expect("there"), taken, "--force overwrites");
}
